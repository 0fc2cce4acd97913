//! The answers about templates.

use serde::Deserialize;
use serde::Serialize;

/// One mail of `template test`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct TemplateTested {
    /// Who writes.
    pub domain: String,
    /// Which mail, as the file of a template names it.
    pub mail: String,
    /// Which of its shapes.
    pub shape: String,
    /// In what it is written, from the top.
    pub languages: Vec<String>,
    /// The files that word it; none where our own words stand.
    pub templates: Vec<String>,
    /// Decoded.
    pub subject: String,
    /// text/plain.
    pub text: String,
    /// text/html.
    pub html: String,
}

/// One mail that `template test --to` sent.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct TemplateSent {
    /// In the queue; nothing for what lies in an INBOX here.
    pub id: Option<String>,
    /// To whom.
    pub to: String,
    /// Who writes.
    pub domain: String,
    /// Which mail, as the file of a template names it.
    pub mail: String,
    /// Which of its shapes.
    pub shape: String,
    /// In what it is written, from the top.
    pub languages: Vec<String>,
    /// Decoded, with what says that it is a sample.
    pub subject: String,
    /// The files that word it; none where our own words stand.
    pub templates: Vec<String>,
}
