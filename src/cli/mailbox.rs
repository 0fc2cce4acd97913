//! `mailbox delete`: of the mailboxes that an address may have, the one that was looked at.

use crate::cli::End;
use crate::cli::put::Inquire;
use crate::cli::terminal::can_ask;
use crate::cli::terminal::confirm;
use crate::serve::control::Trouble;
use crate::serve::control::answer::MailboxShown;
use crate::serve::control::request::Request;

/// Looks which one is the first now, asks about that one, and wishes no other one deleted.
pub(super) fn deletion(address: &str, yes: bool, inquire: Inquire<'_>) -> Result<Request, End> {
    can_ask(yes, &format!("A temporary mailbox of {address} goes with all its mail, for good."))?;
    let odd = |_| Trouble::unavailable("the server says nothing about mailboxes");
    let shown = inquire(Request::MailboxShow { address: address.to_owned() })?;
    let shown: MailboxShown = serde_json::from_value(shown).map_err(odd)?;
    confirm(yes, &question(&shown))?;
    Ok(Request::MailboxDelete { address: address.to_owned(), fingerprint: Some(shown.fingerprint) })
}

fn question(shown: &MailboxShown) -> String {
    let MailboxShown { address, state, created, messages, .. } = shown;
    let mut words = format!("The mailbox of {address} that is \"{state}\" was made on {created}.");
    for other in &shown.others {
        words +=
            &format!("\nAnother one that is \"{}\" was made on {} and stays.", other.state, other.created);
    }
    format!("{words}\nDelete the first with all its mail (messages: {messages}), for good?")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::control::answer::MailboxListed;
    use serde_json::json;
    use std::cell::RefCell;

    fn shown() -> MailboxShown {
        let former = MailboxListed {
            address: "bob@b.example".into(),
            state: "former".into(),
            created: "2026-11-20T08:00:00Z".into(),
            opened: None,
            last_activity: "2026-11-20T08:00:00Z".into(),
            inactive_until: None,
            kept_until: None,
            messages: 7,
            bytes: 7_000,
        };
        MailboxShown {
            address: former.address.clone(),
            state: "unopened".into(),
            created: "2026-11-22T09:00:00Z".into(),
            opened: None,
            last_activity: "2026-11-22T09:00:00Z".into(),
            inactive_until: None,
            closed: None,
            unreachable: None,
            kept_until: None,
            superseded: None,
            supersedes: None,
            warnings: Vec::new(),
            language: "en".into(),
            invited_by: None,
            correspondents: Vec::new(),
            invitation: None,
            fingerprint: "0123 4567".into(),
            messages: 2,
            bytes: 2_000,
            others: vec![former],
        }
    }

    #[test]
    fn what_was_looked_at_is_what_is_sent() {
        let asked = RefCell::new(Vec::new());
        let wish = deletion("bob@b.example", true, &|request| {
            asked.borrow_mut().push(format!("{request:?}"));
            Ok(json!(shown()))
        });
        assert_eq!(asked.into_inner(), ["MailboxShow { address: \"bob@b.example\" }"]);
        let Ok(Request::MailboxDelete { address, fingerprint: Some(fingerprint) }) = wish else {
            panic!("{wish:?}")
        };
        assert_eq!((address.as_str(), fingerprint.as_str()), ("bob@b.example", "0123 4567"));
    }

    #[test]
    fn the_question_says_which_one_goes_and_what_stays() {
        assert_eq!(
            question(&shown()),
            "The mailbox of bob@b.example that is \"unopened\" was made on 2026-11-22T09:00:00Z.\n\
             Another one that is \"former\" was made on 2026-11-20T08:00:00Z and stays.\n\
             Delete the first with all its mail (messages: 2), for good?"
        );
    }
}
