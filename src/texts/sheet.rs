//! What a mail says in one language, and how one or two of them become a mail: as text and as HTML.

use crate::base::address::Address;
use crate::base::colour::Colour;
use crate::base::language::Language;
use crate::texts::letter::Letterhead;
use crate::texts::letter::MailText;
use crate::texts::plain;
use askama::Template;

/// One thing said in a mail.
#[derive(Clone)]
pub(super) enum Block {
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

/// Everything that a mail says in one language.
pub(super) struct Sheet {
    /// Which.
    pub language: Language,
    /// Its part of the subject.
    pub subject: String,
    /// The headline.
    pub title: String,
    /// What is below it.
    pub blocks: Vec<Block>,
    /// What is at the end.
    pub footer: Vec<Foot>,
}

/// A line under every mail.
pub(super) struct Foot {
    /// The words.
    pub text: String,
    /// What stands behind them.
    pub link: Option<Link>,
}

/// A page or an address.
pub(super) struct Link {
    shown: String,
    /// Nothing for what is neither.
    url: Option<String>,
}

impl Link {
    /// To what `text` names.
    pub fn to(text: &str) -> Self {
        let is_page = text.starts_with("https://") || text.starts_with("http://");
        let url = match Address::parse(text) {
            _ if is_page => Some(text.to_owned()),
            Ok(address) => Some(format!("mailto:{address}")),
            Err(_) => None,
        };
        Self { shown: text.to_owned(), url }
    }
}

/// Between two languages, in a subject and in a title.
const BETWEEN: &str = " / ";
/// The columns of a text.
const COLUMNS: usize = 72;

/// One mail of `sheets`, the first at the top.
pub(super) fn bind(head: &Letterhead<'_>, sheets: &[Sheet]) -> MailText {
    let joined = |of: fn(&Sheet) -> &str| one_line(&sheets.iter().map(of).collect::<Vec<_>>().join(BETWEEN));
    let colour = Colour::parse(head.accent).unwrap_or(Colour::DEFAULT);
    let title = joined(|sheet| &sheet.title);
    let page = Page {
        title: &title,
        brand: head.brand,
        colours: Colours {
            deep: colour.deep().hex(),
            bright: colour.bright().hex(),
            pale: colour.pale().hex(),
            dusky: colour.dusky().hex(),
        },
        sheets,
    };
    // Rendering into a String fails only where a value's Display does, and these are texts.
    let html = page.render().unwrap_or_default();
    MailText { subject: joined(|sheet| &sheet.subject), text: text(sheets), html }
}

impl Sheet {
    /// Says in this language that it stands further below.
    fn below(&self) -> String {
        plain(self.language, "mail-below")
    }

    fn text(&self, out: &mut String) {
        wrap(out, &self.title, "");
        for block in &self.blocks {
            out.push('\n');
            match block {
                Block::Paragraph(text) => wrap(out, text, ""),
                Block::Titled { title, text }
                | Block::Code { intro: title, code: text }
                | Block::Button { text_intro: title, url: text, .. } => {
                    wrap(out, title, "");
                    wrap(out, text, "");
                }
                Block::Note { intro, text } => {
                    wrap(out, intro, "");
                    wrap(out, text, "> ");
                }
                Block::Entry { head, lines } => {
                    wrap(out, head, "");
                    lines.iter().for_each(|line| wrap(out, line, "  "));
                }
            }
        }
    }
}

fn text(sheets: &[Sheet]) -> String {
    let mut out = String::new();
    for sheet in sheets.iter().skip(1) {
        wrap(&mut out, &sheet.below(), "");
        out.push('\n');
    }
    for (at, sheet) in sheets.iter().enumerate() {
        if at > 0 {
            out.push('\n');
            out.push_str(&"-".repeat(COLUMNS));
            out.push_str("\n\n");
        }
        sheet.text(&mut out);
    }
    out.push_str("\n-- \n");
    for (at, sheet) in sheets.iter().enumerate() {
        if at > 0 {
            out.push('\n');
        }
        for Foot { text, link } in &sheet.footer {
            let link = link.as_ref().map(|link| format!(" {}", link.shown)).unwrap_or_default();
            wrap(&mut out, &format!("{text}{link}"), "");
        }
    }
    out
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
    title: &'a str,
    brand: &'a str,
    colours: Colours,
    /// At least one.
    sheets: &'a [Sheet],
}

impl Page<'_> {
    fn language(&self) -> Language {
        self.sheets.first().map(|sheet| sheet.language).unwrap_or_default()
    }
}

/// Breaks lines between words at 72 columns, each behind `prefix`; a longer word, as a link, stays whole.
fn wrap(out: &mut String, paragraph: &str, prefix: &str) {
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
