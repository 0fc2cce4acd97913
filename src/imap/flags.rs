//! Flags and keywords of a message (RFC 3501 §2.3.2).

use std::fmt;

/// The flags a message has. Keywords are sorted, without doubles, case kept.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Flags {
    /// `\Seen`.
    pub seen: bool,
    /// `\Answered`.
    pub answered: bool,
    /// `\Flagged`.
    pub flagged: bool,
    /// `\Deleted`.
    pub deleted: bool,
    /// `\Draft`.
    pub draft: bool,
    /// Everything without a backslash.
    pub keywords: Vec<String>,
}

/// How STORE changes flags (RFC 3501 §6.4.6).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Change {
    /// FLAGS.
    Replace,
    /// +FLAGS.
    Add,
    /// -FLAGS.
    Remove,
}

/// Keywords of one message.
pub const MAX_KEYWORDS: usize = 32;
/// One keyword, octets.
pub const MAX_KEYWORD: usize = 64;

impl Flags {
    /// Keywords within the limits?
    pub fn is_within_limits(&self) -> bool {
        self.keywords.len() <= MAX_KEYWORDS && self.keywords.iter().all(|word| word.len() <= MAX_KEYWORD)
    }

    /// Carries this keyword, in whatever case?
    pub fn has_keyword(&self, word: &str) -> bool {
        self.keywords.iter().any(|have| have.eq_ignore_ascii_case(word))
    }

    /// What STORE makes of them.
    pub fn changed(&self, change: Change, by: &Self) -> Self {
        let bit = |old: bool, named: bool| match change {
            Change::Replace => named,
            Change::Add => old || named,
            Change::Remove => old && !named,
        };
        let mut keywords = match change {
            Change::Replace => by.keywords.clone(),
            Change::Add => {
                let new = by.keywords.iter().filter(|word| !self.has_keyword(word));
                self.keywords.iter().chain(new).cloned().collect()
            }
            Change::Remove => self.keywords.iter().filter(|word| !by.has_keyword(word)).cloned().collect(),
        };
        keywords.sort();
        keywords.dedup();
        Self {
            seen: bit(self.seen, by.seen),
            answered: bit(self.answered, by.answered),
            flagged: bit(self.flagged, by.flagged),
            deleted: bit(self.deleted, by.deleted),
            draft: bit(self.draft, by.draft),
            keywords,
        }
    }
}

/// `\Answered \Seen work`, without brackets.
impl fmt::Display for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let system = [
            (self.answered, "\\Answered"),
            (self.flagged, "\\Flagged"),
            (self.deleted, "\\Deleted"),
            (self.seen, "\\Seen"),
            (self.draft, "\\Draft"),
        ];
        let system = system.into_iter().filter(|(set, _)| *set).map(|(_, name)| name);
        for (n, name) in system.chain(self.keywords.iter().map(String::as_str)).enumerate() {
            if n > 0 {
                f.write_str(" ")?;
            }
            f.write_str(name)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_as_store_says() {
        let flags = |seen, words: &[&str]| Flags {
            seen,
            keywords: words.iter().map(|word| (*word).into()).collect(),
            ..Flags::default()
        };
        let have = flags(true, &["a", "b"]);
        for (change, by, want) in [
            (Change::Replace, flags(false, &["c"]), "c"),
            (Change::Add, flags(false, &["A", "c"]), "\\Seen a b c"),
            (Change::Remove, flags(true, &["B"]), "a"),
        ] {
            assert_eq!(have.changed(change, &by).to_string(), want);
        }
    }
}
