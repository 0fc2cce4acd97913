//! What a sender asks of us in a message: tags in the subject and control headers.

use crate::flow::Flow;
use crate::flow::draft::PinWish;
use crate::flow::refusal::TakeError;
use crate::flow::sign_in::Unlocked;
use crate::mime::header::Header;
use crate::policy::encryption::Said;
use crate::store::record::MailboxKind;

/// What was asked.
pub(in crate::flow) struct Controls {
    /// The subject without its tags, if it had one.
    pub subject: Option<String>,
    /// About encryption.
    pub said: Said,
    /// About the PIN.
    pub pin: PinWish,
    /// For the invitation.
    pub note: Option<String>,
}

impl Flow {
    /// Reads tags and headers; what is nearly one is refused, so that nothing leaves in clear by a slip.
    pub(in crate::flow) fn controls(&self, who: &Unlocked, header: &Header) -> Result<Controls, TakeError> {
        let mut controls = Controls { subject: None, said: Said::Nothing, pin: PinWish::Unsaid, note: None };
        if who.kind == MailboxKind::Temporary {
            return Ok(controls);
        }
        let subject = header.subject().unwrap_or_default();
        if let Some(rest) = subject.strip_prefix("[secure]") {
            controls.subject = Some(rest.trim_start().to_owned());
            controls.said = Said::Secure;
        }
        Ok(controls)
    }
}
