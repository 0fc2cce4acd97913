//! How a mail of ours is built: the same content as text and as HTML, nothing remote, no picture.

use crate::base::address::Address;
use crate::base::colour::Colour;
use crate::base::language::Language;
use crate::base::time::Time;
use crate::texts::Value;
use crate::texts::date;
use crate::texts::date_time;
use crate::texts::tame;
use crate::texts::text;
use askama::Template;
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

/// One thing said in a mail.
enum Block {
    /// A paragraph.
    Paragraph(String),
    /// A paragraph with a strong start.
    Titled { title: String, text: String },
    /// Somebody else's words.
    Note { intro: String, text: String },
    /// A button, and under it the link alone on its own line; without HTML the link alone.
    Button { text_intro: String, intro: String, label: String, link_intro: String, url: String },
    /// A code to be read or typed.
    Code { intro: String, code: String },
    /// A heading with lines under it.
    Entry { head: String, lines: Vec<String> },
}

/// What fills a place in a text.
pub(super) enum Filling {
    Words(String),
    Number(i64),
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
    values: Vec<(&'static str, Filling)>,
    blocks: Vec<Block>,
}

impl<'a> Letter<'a> {
    /// An empty one.
    pub fn new(head: &'a Letterhead<'a>, language: Language) -> Self {
        let values = vec![("brand", head.brand.into()), ("domain", head.domain.into())];
        Self { head, language, values, blocks: Vec::new() }
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

    /// A paragraph.
    pub fn paragraph(&mut self, id: &str) -> &mut Self {
        self.blocks.push(Block::Paragraph(self.say(id)));
        self
    }

    /// The same, if it is so.
    pub fn paragraph_if(&mut self, so: bool, id: &str) -> &mut Self {
        if so { self.paragraph(id) } else { self }
    }

    /// One paragraph of several texts behind a strong start.
    pub fn titled(&mut self, title: &str, texts: &[&str]) -> &mut Self {
        let text = texts.iter().map(|id| self.say(id)).collect::<Vec<_>>().join(" ");
        self.blocks.push(Block::Titled { title: self.say(title), text });
        self
    }

    /// The sender's own words, if there are any, said to be such.
    pub fn note(&mut self, note: Option<&str>) -> &mut Self {
        let text = tame(note.unwrap_or_default(), NOTE);
        if !text.is_empty() {
            self.blocks.push(Block::Note { intro: self.say("mail-note-intro"), text });
        }
        self
    }

    /// A button to `url`; `without` is said where there is no button, `intro` above it where there is.
    pub fn button(&mut self, without: &str, intro: &str, label: &str, url: &str) -> &mut Self {
        self.blocks.push(Block::Button {
            text_intro: self.say(without),
            intro: self.say(intro),
            label: self.say(label),
            link_intro: self.say("mail-link"),
            url: url.to_owned(),
        });
        self
    }

    /// A code.
    pub fn code(&mut self, intro: &str, code: &str) -> &mut Self {
        self.blocks.push(Block::Code { intro: self.say(intro), code: code.to_owned() });
        self
    }

    /// A heading with lines under it.
    pub fn entry(&mut self, head: String, lines: Vec<String>) -> &mut Self {
        self.blocks.push(Block::Entry { head, lines });
        self
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
        let (title, footer) = (self.say(title), self.footer());
        let colour = Colour::parse(self.head.accent).unwrap_or(Colour::DEFAULT);
        let page = Page {
            language: self.language,
            title: &title,
            brand: self.head.brand,
            colours: Colours {
                deep: colour.deep().hex(),
                bright: colour.bright().hex(),
                pale: colour.pale().hex(),
                dusky: colour.dusky().hex(),
            },
            blocks: &self.blocks,
            footer: &footer,
        };
        // Rendering into a String fails only where a value's Display does, and these are texts.
        let html = page.render().unwrap_or_default();
        MailText { subject: one_line(&self.say(subject)), text: self.text(&title, &footer), html }
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

    fn text(&self, title: &str, footer: &[Foot]) -> String {
        let mut out = String::new();
        wrap(&mut out, title, "");
        for block in &self.blocks {
            out.push('\n');
            match block {
                Block::Paragraph(text) => wrap(&mut out, text, ""),
                Block::Titled { title, text }
                | Block::Code { intro: title, code: text }
                | Block::Button { text_intro: title, url: text, .. } => {
                    wrap(&mut out, title, "");
                    wrap(&mut out, text, "");
                }
                Block::Note { intro, text } => {
                    wrap(&mut out, intro, "");
                    wrap(&mut out, text, "> ");
                }
                Block::Entry { head, lines } => {
                    wrap(&mut out, head, "");
                    lines.iter().for_each(|line| wrap(&mut out, line, "  "));
                }
            }
        }
        out.push_str("\n-- \n");
        for Foot { text, link } in footer {
            let link = link.as_ref().map(|link| format!(" {}", link.shown)).unwrap_or_default();
            wrap(&mut out, &format!("{text}{link}"), "");
        }
        out
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

/// A line under every mail.
struct Foot {
    text: String,
    link: Option<Link>,
}

/// A page or an address.
struct Link {
    shown: String,
    /// Nothing for what is neither.
    url: Option<String>,
}

impl Link {
    fn to(text: &str) -> Self {
        let is_page = text.starts_with("https://") || text.starts_with("http://");
        let url = match Address::parse(text) {
            _ if is_page => Some(text.to_owned()),
            Ok(address) => Some(format!("mailto:{address}")),
            Err(_) => None,
        };
        Self { shown: text.to_owned(), url }
    }
}

/// What is derived from the organisation's one colour.
struct Colours {
    deep: String,
    bright: String,
    pale: String,
    dusky: String,
}

#[derive(Template)]
#[template(path = "mail/letter.html")]
struct Page<'a> {
    language: Language,
    title: &'a str,
    brand: &'a str,
    colours: Colours,
    blocks: &'a [Block],
    footer: &'a [Foot],
}

/// Breaks lines between words at 72 columns, each behind `prefix`; a longer word, as a link, stays whole.
fn wrap(out: &mut String, paragraph: &str, prefix: &str) {
    const COLUMNS: usize = 72;
    for line in paragraph.lines() {
        out.push_str(prefix);
        let mut column = prefix.len();
        for word in line.split_whitespace() {
            let width = word.chars().count();
            if column > prefix.len() {
                if column + 1 + width > COLUMNS {
                    out.push('\n');
                    out.push_str(prefix);
                    column = prefix.len();
                } else {
                    out.push(' ');
                    column += 1;
                }
            }
            out.push_str(word);
            column += width;
        }
        out.push('\n');
    }
}

fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
