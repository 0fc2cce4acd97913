//! Who gets the automatic answer of the address that notices come from (RFC 3834).

use crate::base::address::Address;

/// What is known of a message to that address.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The envelope sender; `None` is `<>`.
    pub sender: Option<&'a Address>,
    /// A program sent it, or a list: Auto-Submitted, Precedence, List-*.
    pub automatic: bool,
    /// The sender's domain is one of ours.
    pub own: bool,
}

/// The address that an answer goes to, if one may go out at all.
///
/// RFC 3834 §2: never to the null sender, to what a program sent, to a list's or a mail system's own address; and
/// never to ourselves, so that no two answers of ours ever meet.
pub fn address<'a>(facts: &Facts<'a>) -> Option<&'a Address> {
    facts.sender.filter(|sender| !facts.automatic && !facts.own && !is_machine(sender.local()))
}

/// Local parts that no person answers to (RFC 3834 §2).
fn is_machine(local: &str) -> bool {
    let local = local.to_lowercase();
    let name = local.split('+').next().unwrap_or_default();
    let names = ["mailer-daemon", "postmaster", "listserv", "majordomo", "bounce", "bounces"];
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    names.contains(&name)
        || matches!(plain.as_str(), "noreply" | "donotreply")
        || name.starts_with("owner-")
        || ["-request", "-owner", "-bounces", "-bounce"].iter().any(|end| name.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_answered_and_machines_are_not() {
        let answered = |text: &str, automatic, own| {
            let sender = Address::parse(text).unwrap();
            address(&Facts { sender: Some(&sender), automatic, own }).is_some()
        };
        for person in ["bob@x.example", "bounceback.jones@x.example", "request@x.example", "owner@x.example"]
        {
            assert!(answered(person, false, false), "{person}");
            assert!(!answered(person, true, false), "{person}, by a program");
            assert!(!answered(person, false, true), "{person}, of our own");
        }
        for machine in [
            "MAILER-DAEMON@x.example",
            "postmaster@x.example",
            "no-reply@x.example",
            "no_reply+7@x.example",
            "do.not.reply@x.example",
            "owner-news@x.example",
            "news-request@x.example",
            "news-bounces+bob=x.example@x.example",
        ] {
            assert!(!answered(machine, false, false), "{machine}");
        }
        assert!(address(&Facts { sender: None, automatic: false, own: false }).is_none());
    }
}
