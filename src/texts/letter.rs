//! How a mail of ours is built: the same content as text and as HTML, nothing remote, no picture.

use crate::base::language::Language;
use crate::texts::plain;
use crate::texts::text;
use askama::Template;
use std::fmt;

/// The head and foot of an organisation's mails.
#[derive(Clone, Copy, Debug)]
pub struct Letterhead<'a> {
    /// The organisation's name.
    pub brand: &'a str,
    /// `#rrggbb`.
    pub accent: &'a str,
    /// The organisation's mail domain, for people.
    pub domain: &'a str,
    /// Who runs this, if the organisation says.
    pub imprint_url: Option<&'a str>,
    /// For questions, if the organisation says; never a telephone number.
    pub contact: Option<&'a str>,
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

/// One thing said in a mail.
pub(super) enum Block {
    /// A paragraph.
    Paragraph(String),
    /// What a button says in HTML, for the form without buttons.
    OnlyText(String),
    /// A paragraph with a strong start.
    Titled { title: String, text: String },
    /// Somebody else's words.
    Note { intro: String, text: String },
    /// A button, and under it the link alone on its own line; HTML only.
    Button { intro: String, label: String, link_intro: String, url: String },
    /// A code to be read.
    Code { intro: String, code: String },
    /// Lines, each its own.
    List(Vec<String>),
}

/// A whole mail before it is put in form.
pub(super) struct Letter<'a> {
    pub head: &'a Letterhead<'a>,
    pub language: Language,
    pub subject: String,
    pub title: String,
    pub blocks: Vec<Block>,
}

impl Letter<'_> {
    /// Both forms.
    pub fn render(self) -> MailText {
        let footer = self.footer();
        let text = self.text(&footer);
        let page = Page {
            language: self.language,
            title: &self.title,
            brand: self.head.brand,
            accent: self.head.accent,
            blocks: &self.blocks,
            footer: &footer,
        };
        // Rendering into a String fails only where a value's Display does, and these are texts.
        let html = page.render().unwrap_or_default();
        MailText { subject: one_line(&self.subject), text, html }
    }

    fn footer(&self) -> Vec<String> {
        let Letterhead { brand, domain, imprint_url, contact, .. } = *self.head;
        let values = [("brand", brand.into()), ("domain", domain.into())];
        let mut footer = vec![text(self.language, "mail-footer", &values)];
        if let Some(url) = imprint_url {
            footer.push(text(self.language, "mail-imprint", &[("url", url.into())]));
        }
        if let Some(contact) = contact {
            footer.push(text(self.language, "mail-contact", &[("contact", contact.into())]));
        }
        footer
    }

    fn text(&self, footer: &[String]) -> String {
        let mut out = String::new();
        let mut say = |paragraph: &str| {
            wrap(&mut out, paragraph);
            out.push('\n');
        };
        say(&self.title);
        for block in &self.blocks {
            match block {
                Block::Paragraph(text) | Block::OnlyText(text) => say(text),
                Block::Titled { title, text }
                | Block::Note { intro: title, text }
                | Block::Code { intro: title, code: text } => say(&format!("{title}\n{text}")),
                Block::Button { .. } => {}
                Block::List(lines) => say(&lines.join("\n")),
            }
        }
        out.push_str("-- \n");
        for line in footer {
            wrap(&mut out, line);
        }
        out
    }
}

#[derive(Template)]
#[template(path = "mail/letter.html")]
struct Page<'a> {
    language: Language,
    title: &'a str,
    brand: &'a str,
    accent: &'a str,
    blocks: &'a [Block],
    footer: &'a [String],
}

/// Breaks lines between words at 72 columns; a longer word, as a link, stays whole.
fn wrap(out: &mut String, paragraph: &str) {
    const COLUMNS: usize = 72;
    for line in paragraph.lines() {
        let mut column = 0;
        for word in line.split_whitespace() {
            let width = word.chars().count();
            if column > 0 && column + 1 + width > COLUMNS {
                out.push('\n');
                column = 0;
            }
            if column > 0 {
                out.push(' ');
                column += 1;
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

/// "Please do not answer", for mails to people outside.
pub(super) fn no_reply(language: Language) -> Block {
    Block::Paragraph(plain(language, "mail-no-reply"))
}
