//! What is wrong with a configuration: every finding with its place.

use std::fmt;
use thiserror::Error;

/// Where something stands.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Place {
    /// In the file as a whole: something is missing.
    File,
    /// On this line of the file, from 1.
    Line(usize),
    /// In this environment variable.
    Variable(String),
    /// In a file that the configuration names: on this line, from 1, or as a whole.
    Named(String, Option<usize>),
}

/// One finding.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Complaint {
    /// Where.
    pub place: Place,
    /// The key, dotted: `limits.message_size`; empty for trouble that has none.
    pub key: String,
    /// What is wrong and what is wanted.
    pub what: String,
}

impl Complaint {
    /// A finding about `key`.
    pub fn new(place: Place, key: impl Into<String>, what: impl Into<String>) -> Self {
        Self { place, key: key.into(), what: what.into() }
    }
}

/// Everything that is wrong with one configuration; never empty. Exit status 78.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub struct Complaints {
    /// The file, as it was named.
    pub file: String,
    /// In the order of the file.
    pub list: Vec<Complaint>,
}

/// One line a finding: `guard.toml:12: limits.recipients: at most 1000`.
impl fmt::Display for Complaints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, Complaint { place, key, what }) in self.list.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            match place {
                Place::File => write!(f, "{}: ", self.file)?,
                Place::Line(line) => write!(f, "{}:{line}: ", self.file)?,
                Place::Variable(name) => write!(f, "${name}: ")?,
                Place::Named(file, None) => write!(f, "{file}: ")?,
                Place::Named(file, Some(line)) => write!(f, "{file}:{line}: ")?,
            }
            if !key.is_empty() {
                write!(f, "{key}: ")?;
            }
            f.write_str(what)?;
        }
        Ok(())
    }
}
