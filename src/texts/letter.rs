//! How a mail of ours is built: the same content as text and as HTML, nothing remote, no picture.

use crate::base::address::Address;
use crate::base::language::Language;
use crate::base::language::Languages;
use crate::base::time::Time;
use crate::texts::Value;
use crate::texts::date;
use crate::texts::date_time;
use crate::texts::sheet;
use crate::texts::sheet::Block;
use crate::texts::sheet::Foot;
use crate::texts::sheet::Link;
use crate::texts::sheet::Sheet;
use crate::texts::tame;
use crate::texts::template::Choice;
use crate::texts::template::Kind;
use crate::texts::template::Paragraph;
use crate::texts::template::Template;
use crate::texts::template::Token;
use crate::texts::text;
use std::fmt;

/// The head and foot of an organisation's mails.
#[derive(Clone, Copy, Debug)]
pub struct Letterhead<'a> {
    /// The organisation's name.
    pub brand: &'a str,
    /// The organisation's colour, `#rrggbb`; what stands on it or in it is made readable.
    pub accent: &'a str,
    /// The organisation's mail domain, for people.
    pub domain: &'a str,
    /// Who runs this, if the organisation says.
    pub imprint_url: Option<&'a str>,
    /// What is done with personal data, if the organisation says.
    pub privacy_url: Option<&'a str>,
    /// For questions, if the organisation says; never a telephone number.
    pub contact: Option<&'a str>,
    /// Where mails to people outside find words of its own, if it has any.
    pub words: Choice<'a>,
}

#[cfg(test)]
impl Letterhead<'static> {
    /// An organisation that says everything.
    pub(super) const FULL: Self = Self {
        imprint_url: Some("https://weber-roth.example/imprint"),
        privacy_url: Some("https://weber-roth.example/privacy"),
        contact: Some("help@weber-roth.example"),
        ..Self::BARE
    };
    /// One that says only what it must.
    pub(super) const BARE: Self = Self {
        brand: "Weber & Roth",
        accent: "#1f5f8b",
        domain: "weber-roth.example",
        imprint_url: None,
        privacy_url: None,
        contact: None,
        words: Choice::NONE,
    };
}

/// A mail's texts. Tells nothing when it is debugged: an invitation holds an access token, a note a PIN.
#[derive(Clone, Eq, PartialEq)]
pub struct MailText {
    /// The Subject, decoded, one line.
    pub subject: String,
    /// text/plain, lines ended by LF, none longer than RFC 5322 §2.1.1 allows.
    pub text: String,
    /// text/html.
    pub html: String,
}

impl MailText {
    /// One mail in all these languages, the first at the top.
    pub(super) fn in_each(
        head: &Letterhead<'_>,
        languages: impl Into<Languages>,
        sheet: impl Fn(Language) -> Sheet,
    ) -> Self {
        sheet::bind(head, &languages.into().all().map(sheet).collect::<Vec<_>>())
    }
}

impl fmt::Debug for MailText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MailText(..)")
    }
}

/// The account that wrote.
#[derive(Clone, Copy, Debug)]
pub struct Sender<'a> {
    /// The display name of its From:, if it has one.
    pub name: Option<&'a str>,
    /// Its address.
    pub address: &'a Address,
}

/// The longest display name that a mail repeats, characters.
const NAME: usize = 80;
/// The longest personal note, characters.
const NOTE: usize = 500;

/// What fills a place in a text.
pub(super) enum Filling {
    Words(String),
    Number(i64),
}

impl fmt::Display for Filling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Words(words) => f.write_str(words),
            Self::Number(number) => number.fmt(f),
        }
    }
}

impl From<&str> for Filling {
    fn from(words: &str) -> Self {
        Self::Words(words.to_owned())
    }
}

impl From<String> for Filling {
    fn from(words: String) -> Self {
        Self::Words(words)
    }
}

impl From<u64> for Filling {
    fn from(number: u64) -> Self {
        Self::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<u32> for Filling {
    fn from(number: u32) -> Self {
        Self::Number(number.into())
    }
}

impl From<u16> for Filling {
    fn from(number: u16) -> Self {
        Self::Number(number.into())
    }
}

impl From<u8> for Filling {
    fn from(number: u8) -> Self {
        Self::Number(number.into())
    }
}

impl From<usize> for Filling {
    fn from(number: usize) -> Self {
        Self::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

/// A mail while it is written: first what its texts speak of, then block by block what they say.
pub(super) struct Letter<'a> {
    head: &'a Letterhead<'a>,
    language: Language,
    kind: Option<Kind>,
    values: Vec<(&'static str, Filling)>,
    /// What is said now belongs to this piece.
    piece: &'static str,
    blocks: Vec<(&'static str, Block)>,
}

impl<'a> Letter<'a> {
    /// An empty one.
    pub fn new(head: &'a Letterhead<'a>, language: Language) -> Self {
        let values = vec![("brand", head.brand.into()), ("domain", head.domain.into())];
        Self { head, language, kind: None, values, piece: "", blocks: Vec::new() }
    }

    /// An empty one that the organisation may have words of its own for.
    pub fn of(kind: Kind, head: &'a Letterhead<'a>, language: Language) -> Self {
        Self { kind: Some(kind), ..Self::new(head, language) }
    }

    /// `name` stands for this in the texts.
    pub fn with(mut self, name: &'static str, value: impl Into<Filling>) -> Self {
        self.values.push((name, value.into()));
        self
    }

    /// `name` stands for an address.
    pub fn address(self, name: &'static str, address: &Address) -> Self {
        self.with(name, address.to_string())
    }

    /// `name` stands for a day.
    pub fn date(self, name: &'static str, time: Time) -> Self {
        let date = date(self.language, time);
        self.with(name, date)
    }

    /// `name` stands for a moment.
    pub fn moment(self, name: &'static str, time: Time) -> Self {
        let moment = date_time(self.language, time);
        self.with(name, moment)
    }

    /// Who wrote: `sender` by name if there is one, `sender_address`, and `who` by both.
    pub fn sender(self, sender: &Sender<'_>) -> Self {
        let (name, address) = (tame(sender.name.unwrap_or_default(), NAME), sender.address.to_string());
        let (short, who) = match name.is_empty() {
            true => (address.clone(), address.clone()),
            false => (name.clone(), format!("{name} ({address})")),
        };
        self.with("sender", short).with("sender_address", address).with("who", who)
    }

    /// A text in its language, filled in.
    pub fn say(&self, id: &str) -> String {
        let values: Vec<(&str, Value<'_>)> =
            self.values.iter().map(|(name, value)| (*name, value.into())).collect();
        text(self.language, id, &values)
    }

    /// What is said from here on is this piece of the mail, which a template puts where it likes.
    pub fn piece(&mut self, name: &'static str) -> &mut Self {
        self.piece = name;
        self
    }

    fn block(&mut self, block: Block) -> &mut Self {
        self.blocks.push((self.piece, block));
        self
    }

    /// A paragraph.
    pub fn paragraph(&mut self, id: &str) -> &mut Self {
        self.block(Block::Paragraph(self.say(id)))
    }

    /// The same, if it is so.
    pub fn paragraph_if(&mut self, so: bool, id: &str) -> &mut Self {
        if so { self.paragraph(id) } else { self }
    }

    /// One paragraph of several texts behind a strong start.
    pub fn titled(&mut self, title: &str, texts: &[&str]) -> &mut Self {
        let text = texts.iter().map(|id| self.say(id)).collect::<Vec<_>>().join(" ");
        self.block(Block::Titled { title: self.say(title), text })
    }

    /// The sender's own words, if there are any, said to be such.
    pub fn note(&mut self, note: Option<&str>) -> &mut Self {
        let text = tame(note.unwrap_or_default(), NOTE);
        if text.is_empty() {
            self
        } else {
            self.block(Block::Note { intro: self.say("mail-note-intro"), text })
        }
    }

    /// A button to `url`; `without` is said where there is no button, `intro` above it where there is.
    pub fn button(&mut self, without: &str, intro: &str, label: &str, url: &str) -> &mut Self {
        self.block(Block::Button {
            text_intro: self.say(without),
            intro: self.say(intro),
            label: self.say(label),
            link_intro: self.say("mail-link"),
            url: url.to_owned(),
        })
    }

    /// A code.
    pub fn code(&mut self, intro: &str, code: &str) -> &mut Self {
        self.block(Block::Code { intro: self.say(intro), code: code.to_owned() })
    }

    /// A heading with lines under it.
    pub fn entry(&mut self, head: String, lines: Vec<String>) -> &mut Self {
        self.block(Block::Entry { head, lines })
    }

    /// The button to the page of signing in.
    pub fn sign_in(&mut self, login_url: &str) -> &mut Self {
        self.button("mail-next-click", "mail-next-click", "mail-next-button", login_url)
    }

    /// How to find out whether the mail is genuine, without its link.
    pub fn genuine(&mut self, host: &str) -> &mut Self {
        let mut texts = vec!["mail-unsure-genuine"];
        texts.extend(self.owns(host).then_some("mail-check-domain"));
        self.titled("mail-unsure-genuine-title", &texts)
    }

    /// The host lies under the domain that writes.
    pub fn owns(&self, host: &str) -> bool {
        let domain = self.head.domain;
        host == domain || host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'))
    }

    /// Both forms, with this subject and headline.
    pub fn finish(&self, subject: &str, title: &str) -> MailText {
        sheet::bind(self.head, &[self.sheet(subject, title)])
    }

    /// The words in this language, with this subject and headline; those of the organisation where it has some.
    pub fn sheet(&self, subject: &str, title: &str) -> Sheet {
        let own = self.kind.and_then(|kind| self.head.words.of(kind, self.language));
        Sheet {
            language: self.language,
            subject: self.say(subject),
            title: own.and_then(Template::title).map_or_else(|| self.say(title), |title| self.fill(title)),
            blocks: match own {
                None => self.blocks.iter().map(|(_, block)| block.clone()).collect(),
                Some(template) => self.laid_out(template),
            },
            footer: self.footer(),
        }
    }

    /// The pieces in the order of a template, with its own words between them.
    fn laid_out(&self, template: &Template) -> Vec<Block> {
        let mut blocks = Vec::new();
        for paragraph in template.paragraphs() {
            match paragraph {
                Paragraph::Piece(piece) => {
                    let of_it = self.blocks.iter().filter(|(name, _)| name == piece);
                    blocks.extend(of_it.map(|(_, block)| block.clone()));
                }
                Paragraph::Words(words) => blocks.push(Block::Paragraph(self.fill(words))),
            }
        }
        blocks
    }

    fn fill(&self, words: &[Token]) -> String {
        let value = |wanted: &str| self.values.iter().rev().find(|(name, _)| *name == wanted);
        words
            .iter()
            .map(|token| match token {
                Token::Text(text) => text.clone(),
                Token::Word(name) => value(name).map_or_else(String::new, |(_, filling)| filling.to_string()),
            })
            .collect()
    }

    fn footer(&self) -> Vec<Foot> {
        let Letterhead { imprint_url, privacy_url, contact, .. } = *self.head;
        let mut footer = vec![Foot { text: self.say("mail-footer"), link: None }];
        for (id, link) in
            [("mail-imprint", imprint_url), ("mail-privacy", privacy_url), ("mail-contact", contact)]
        {
            footer.extend(link.map(|link| Foot { text: self.say(id), link: Some(Link::to(link)) }));
        }
        footer
    }
}

impl<'a> From<&'a Filling> for Value<'a> {
    fn from(filling: &'a Filling) -> Self {
        match filling {
            Filling::Words(words) => Self::Words(words),
            Filling::Number(number) => Self::Number(*number),
        }
    }
}
