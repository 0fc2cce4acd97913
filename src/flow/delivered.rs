//! What was delivered on this server, told to those who asked to know (RFC 3461 §4.1, NOTIFY=SUCCESS).
//!
//! The report is in one commit with the message: it says that it lies in the mailbox, an account's or a temporary
//! one, not that anybody was reached or has read it.

use crate::base::envelope::Recipient;
use crate::flow::carry_out::Deed;
use crate::flow::refusal::TakeError;
use crate::flow::report::Fate;
use crate::flow::report::Original;
use crate::mime::report;
use crate::mime::report::Action;
use crate::store::command::Command;
use crate::store::record::MailboxKind;
use crate::texts::report::Way;

/// A delivery here whose sender asked to be told.
pub(in crate::flow) fn wanted(recipient: &Recipient, way: Way) -> Option<Fate> {
    recipient.notify.is_some_and(|notify| notify.success).then(|| Fate {
        action: Action::Delivered,
        recipient: recipient.clone(),
        status: (2, 0, 0),
        host: None,
        said: None,
        reason: String::new(),
        until: None,
        unmet: None,
        way: Some(way),
        proof: None,
    })
}

impl Deed<'_> {
    /// The report on what was delivered here; none to the null sender.
    pub(in crate::flow) async fn report_delivered(&mut self) -> Result<Vec<Command>, TakeError> {
        let told = std::mem::take(&mut self.delivered);
        let Some(sender) = self.envelope.sender.address().filter(|_| !told.is_empty()) else {
            return Ok(Vec::new());
        };
        let owner = self.flow.receiver(self.who.mailbox).await?;
        let Some(owner) = owner.filter(|owner| owner.record.kind == MailboxKind::Account) else {
            return Ok(Vec::new());
        };
        let sent_header = &self.flow.config().temporary_mailbox.sent_header;
        let header = report::original(self.draft.header(), sent_header);
        let original = Original {
            sender,
            taken: self.flow.clock.now(),
            demand: Some(self.writer.demand),
            envid: self.envelope.envid.as_deref(),
            header: &header,
        };
        self.flow.reports(&owner, original, &told.iter().collect::<Vec<_>>()).await
    }
}
