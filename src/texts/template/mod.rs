//! An organisation's own words for the mails to people outside: plain text with placeholders.
//!
//! Our own parts of a mail are pieces that a template puts in its order, each of them alone in a paragraph; a value, as
//! a name or a date, may stand among words. What a reader must not miss is obligatory, and the subject, imprint,
//! privacy page and contact are no part of a template. A template that was read cannot be wrong.

mod kind;
mod read;

pub use kind::Kind;
pub use read::Wrong;

use crate::base::address::Domain;
use crate::base::language::Language;
use std::collections::BTreeMap;

/// The largest template, octets.
pub const SIZE: u64 = 8 << 10;

/// A template, as it was read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Template {
    title: Option<Vec<Token>>,
    paragraphs: Vec<Paragraph>,
}

/// A paragraph of a template.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Paragraph {
    /// One of our own parts.
    Piece(&'static str),
    /// The organisation's words.
    Words(Vec<Token>),
}

/// A part of a paragraph.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Token {
    /// As it is.
    Text(String),
    /// The place of a value.
    Word(&'static str),
}

impl Template {
    /// The headline, if it has one.
    pub(super) fn title(&self) -> Option<&[Token]> {
        self.title.as_deref()
    }

    /// What is below it.
    pub(super) fn paragraphs(&self) -> &[Paragraph] {
        &self.paragraphs
    }
}

/// The templates of one domain.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Templates(BTreeMap<(Kind, &'static str), Template>);

impl Templates {
    /// Takes one more.
    pub fn add(&mut self, kind: Kind, language: Language, template: Template) {
        self.0.insert((kind, language.tag()), template);
    }

    /// The one for this mail in this language; without it our own words stand.
    pub fn of(&self, kind: Kind, language: Language) -> Option<&Template> {
        self.0.get(&(kind, language.tag()))
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }
}

/// The templates of every domain that has some.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Wordings(BTreeMap<Domain, Templates>);

impl Wordings {
    /// Those of one more domain.
    pub fn add(&mut self, domain: Domain, templates: Templates) {
        self.0.insert(domain, templates);
    }

    /// Those of a domain.
    pub fn of(&self, domain: &Domain) -> Option<&Templates> {
        self.0.get(domain)
    }
}

/// What a file of this name is for: `invitation.de.txt`.
pub fn named(file: &str) -> Result<(Kind, Language), String> {
    let wanted = || {
        let kinds = Kind::ALL.map(Kind::name).join(", ");
        let languages = Language::ALL.map(Language::tag).join(", ");
        format!(
            "not the name of a template: wanted is MAIL.LANGUAGE.txt; mails: {kinds}; languages: {languages}"
        )
    };
    let (kind, language) =
        file.strip_suffix(".txt").and_then(|stem| stem.split_once('.')).ok_or_else(wanted)?;
    let language = Language::ALL.into_iter().find(|known| known.tag() == language).ok_or_else(wanted)?;
    Ok((Kind::parse(kind).ok_or_else(wanted)?, language))
}

#[cfg(test)]
mod tests;
