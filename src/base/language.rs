//! The languages that Guardpost speaks.

use std::fmt;

/// A language of texts; adding one is a variant here and one `.ftl` file in `assets/texts`.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Language {
    /// English.
    #[default]
    En,
    /// German.
    De,
}

impl Language {
    /// Every language, the default first.
    pub const ALL: [Self; 2] = [Self::En, Self::De];

    /// Reads a primary language tag (`de`, `de-AT`, `EN`).
    pub fn parse(tag: &str) -> Option<Self> {
        let primary = tag.split(['-', '_']).next()?.trim();
        Self::ALL.into_iter().find(|language| language.tag().eq_ignore_ascii_case(primary))
    }

    /// The tag of RFC 5646 §2.1.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::De => "de",
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.tag())
    }
}

/// What one mail is written in: one language, or two, one below the other.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Languages {
    /// The one at the top.
    pub first: Language,
    /// The one below it.
    pub second: Option<Language>,
}

impl From<Language> for Languages {
    fn from(first: Language) -> Self {
        Self { first, second: None }
    }
}

impl Languages {
    /// From the top.
    pub fn all(self) -> impl Iterator<Item = Language> {
        [Some(self.first), self.second].into_iter().flatten()
    }
}
