//! The test message that shows whether a recipient can read what is encrypted to a key.

use crate::base::address::Address;
use crate::base::language::Language;
use crate::texts::letter::Letter;
use crate::texts::letter::Letterhead;
use crate::texts::letter::MailText;

/// What it says; it goes out encrypted.
#[derive(Clone, Copy, Debug)]
pub struct Test<'a> {
    /// To whom.
    pub recipient: &'a Address,
    /// What is to be typed into the page.
    pub code: &'a str,
    /// The portal's host.
    pub host: &'a str,
}

/// The test message.
pub fn test(head: &Letterhead<'_>, facts: &Test<'_>, language: Language) -> MailText {
    let mut letter =
        Letter::new(head, language).address("recipient", facts.recipient).with("host", facts.host);
    letter
        .paragraph("mail-test-what")
        .code("mail-test-code", facts.code)
        .paragraph("mail-test-not-you")
        .finish("mail-test-subject", "mail-test-title")
}
