//! An organisation's own words for the mails to people outside, and those of its accounts: plain text with placeholders.
//!
//! Our own parts of a mail are pieces that a template puts in its order, each of them alone in a paragraph; a value, as
//! a name or a date, may stand among words. What a reader must not miss is obligatory, and the subject, imprint,
//! privacy page and contact are no part of a template. A template that was read cannot be wrong.

mod kind;
mod read;

pub use kind::Kind;
pub use read::Wrong;

use crate::base::address::Address;
use crate::base::address::AddressKey;
use crate::base::address::Domain;
use crate::base::language::Language;
use std::collections::BTreeMap;
use std::path::Path;
use std::path::PathBuf;

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

/// The templates of one directory.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Templates {
    directory: PathBuf,
    list: BTreeMap<(Kind, &'static str), Template>,
}

impl Templates {
    /// None yet, of those in this directory.
    pub fn in_directory(directory: &Path) -> Self {
        Self { directory: directory.to_owned(), list: BTreeMap::new() }
    }

    /// Where they lie.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Takes one more.
    pub fn add(&mut self, kind: Kind, language: Language, template: Template) {
        self.list.insert((kind, language.tag()), template);
    }

    /// The one for this mail in this language.
    pub fn of(&self, kind: Kind, language: Language) -> Option<&Template> {
        self.list.get(&(kind, language.tag()))
    }

    /// Where the one for this mail in this language lies, or would lie.
    pub fn file_of(&self, kind: Kind, language: Language) -> PathBuf {
        self.directory.join(format!("{kind}.{language}.txt"))
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.list.len()
    }
}

/// The templates of a domain, and those of accounts in it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Words {
    /// For every mail that goes out in its name.
    pub domain: Templates,
    /// For the mails that messages of one account cause; by its address, with that as the directory's name says it.
    pub accounts: BTreeMap<AddressKey, (Address, Templates)>,
}

/// The templates of every domain that has some.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Wordings(BTreeMap<Domain, Words>);

impl Wordings {
    /// Those of one more domain.
    pub fn add(&mut self, domain: Domain, words: Words) {
        self.0.insert(domain, words);
    }

    /// Those of a domain.
    pub fn of(&self, domain: &Domain) -> Option<&Words> {
        self.0.get(domain)
    }

    /// Where a mail of `domain` finds its words that a message of `account` causes; without one, any other mail.
    pub fn choice(&self, domain: &Domain, account: Option<&Address>) -> Choice<'_> {
        let Some(words) = self.of(domain) else { return Choice::default() };
        let of_account = account.and_then(|account| words.accounts.get(&account.key()));
        Choice { account: of_account.map(|(_, templates)| templates), domain: Some(&words.domain) }
    }
}

/// Where a mail finds its words: with the account that caused it, else with the domain. Without either ours stand.
#[derive(Clone, Copy, Debug, Default)]
pub struct Choice<'a> {
    account: Option<&'a Templates>,
    domain: Option<&'a Templates>,
}

impl<'a> Choice<'a> {
    /// Ours alone.
    pub const NONE: Self = Self { account: None, domain: None };

    /// The template for this mail in this language.
    pub fn of(self, kind: Kind, language: Language) -> Option<&'a Template> {
        self.templates_of(kind, language)?.of(kind, language)
    }

    /// Where it lies.
    pub fn file_of(self, kind: Kind, language: Language) -> Option<PathBuf> {
        Some(self.templates_of(kind, language)?.file_of(kind, language))
    }

    fn templates_of(self, kind: Kind, language: Language) -> Option<&'a Templates> {
        let has = |templates: &&Templates| templates.of(kind, language).is_some();
        // What one account says must not speak for others.
        let account = self.account.filter(|_| kind.is_caused_by_one());
        account.filter(has).or_else(|| self.domain.filter(has))
    }
}

impl<'a> From<&'a Templates> for Choice<'a> {
    fn from(domain: &'a Templates) -> Self {
        Self { account: None, domain: Some(domain) }
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
