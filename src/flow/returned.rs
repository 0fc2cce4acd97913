//! Reports that come back from outside for invitations and notices.
//!
//! An invitation's envelope sender is `secure-mail+<queue id>@DOMAIN`. The id itself shows that we made it, and for
//! whom, so that nothing need be kept about mail that was handed over long ago, and a forged report tells nobody
//! anything.

use crate::base::address::Address;
use crate::base::id::InvitationId;
use crate::base::id::MailboxId;
use crate::base::id::QueueId;
use crate::base::random;
use crate::base::random::Random;
use crate::config::Config;
use crate::vault::keyring::Keys;
use crate::vault::primitives::equal;
use crate::vault::primitives::lp;
use crate::vault::primitives::mac;
use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::PoisonError;

/// Of a report this much is looked at, octets.
pub const LOOKED_AT: u64 = 256 << 10;
/// Recipients of one report.
const REPORTED: usize = 100;

/// An id for a queued mail to the recipient of `mailbox`, sent for the account `owner`, about `invitation` while nobody
/// has opened it: 8 random bytes and 8 of their keyed hash.
pub fn traceable_id(
    keys: &Keys,
    random: &dyn Random,
    mailbox: MailboxId,
    owner: MailboxId,
    invitation: Option<InvitationId>,
) -> QueueId {
    let lot: [u8; 8] = random::bytes(random);
    traced(keys, lot, mailbox, owner, invitation)
}

/// The id was made by [`traceable_id`] for this mailbox, account and invitation.
pub fn is_traced_to(
    keys: &Keys,
    queue: QueueId,
    mailbox: MailboxId,
    owner: MailboxId,
    invitation: Option<InvitationId>,
) -> bool {
    let Some(lot) = queue.bytes().first_chunk::<8>() else { return false };
    equal(traced(keys, *lot, mailbox, owner, invitation).bytes(), queue.bytes())
}

fn traced(
    keys: &Keys,
    lot: [u8; 8],
    mailbox: MailboxId,
    owner: MailboxId,
    invitation: Option<InvitationId>,
) -> QueueId {
    let about = invitation.as_ref().map_or(&[][..], |invitation| invitation.bytes());
    let hash = mac(&keys.token, &lp(&[b"queue id", &lot, mailbox.bytes(), owner.bytes(), about]));
    let mut bytes = [0; 16];
    for (to, from) in bytes.iter_mut().zip(lot.iter().chain(&hash)) {
        *to = *from;
    }
    QueueId::new(bytes)
}

/// RFC 3463 §3.2: the address itself is bad, not the way to it.
pub fn is_bad_address(status: &str) -> bool {
    status.starts_with("5.1.")
}

/// Ids of which a report was told already, the last few of them: whoever may report does it once.
#[derive(Debug, Default)]
pub struct Once(Mutex<VecDeque<QueueId>>);

impl Once {
    /// `true` the first time.
    pub fn first(&self, queue: QueueId) -> bool {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if told.contains(&queue) {
            return false;
        }
        if told.len() >= REMEMBERED {
            told.pop_front();
        }
        told.push_back(queue);
        true
    }

    /// It could not be told after all: the next time is the first one again.
    pub fn forget(&self, queue: QueueId) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.retain(|known| *known != queue);
    }
}

/// Ids remembered.
const REMEMBERED: usize = 4_096;

/// The envelope sender of an invitation: `secure-mail+<queue id>@DOMAIN`.
pub fn return_address(config: &Config, from: &Address, queue: QueueId) -> Option<Address> {
    let notices = config.notice_address(from.domain())?;
    Address::new(&format!("{}+{queue}", notices.local()), notices.domain().clone()).ok()
}

/// The id in such an address.
pub fn queue_id_of(config: &Config, address: &Address) -> Option<QueueId> {
    config.domain(address.domain())?;
    let local = address.local().to_lowercase();
    let id = local.strip_prefix(&config.temporary_mailbox.notice_from)?.strip_prefix('+')?;
    QueueId::parse(id)
}

/// What a report says of one recipient (RFC 3464 §2.3).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reported {
    /// Whom we sent it to, as far as the report knows.
    pub addresses: Vec<Address>,
    /// It was given up, and not only delayed or handed on.
    pub failed: bool,
    /// `5.1.1`.
    pub status: String,
}

/// Reads the fields of RFC 3464 §2.3 wherever they stand in `text`; anything else in it is passed over.
pub fn read_report(text: &[u8]) -> Vec<Reported> {
    let mut reports: Vec<Reported> = Vec::new();
    let mut open = false;
    for line in text.split(|octet| *octet == b'\n') {
        let Ok(line) = std::str::from_utf8(line) else { continue };
        let line = line.trim_end_matches('\r');
        if line.trim().is_empty() {
            open = false;
            continue;
        }
        let Some((name, value)) = line.split_once(':') else { continue };
        let name = name.to_ascii_lowercase();
        if !matches!(name.as_str(), "original-recipient" | "final-recipient" | "action" | "status") {
            continue;
        }
        if !open {
            if reports.len() >= REPORTED {
                break;
            }
            reports.push(Reported { addresses: Vec::new(), failed: false, status: String::new() });
            open = true;
        }
        if let Some(report) = reports.last_mut() {
            report.read(&name, value.trim());
        }
    }
    reports.retain(|report| !report.addresses.is_empty());
    reports
}

impl Reported {
    fn read(&mut self, name: &str, value: &str) {
        match name {
            "action" => self.failed = value.eq_ignore_ascii_case("failed"),
            "status" => {
                let status = value.split([' ', '(']).next().unwrap_or_default();
                let good = status.len() <= 9
                    && status.split('.').count() == 3
                    && status.bytes().all(|octet| octet == b'.' || octet.is_ascii_digit());
                self.status = if good { status.into() } else { String::new() };
            }
            _ => {
                let address = value.split_once(';').map_or(value, |(_, address)| address).trim();
                let address = address.trim_start_matches('<').trim_end_matches('>');
                self.addresses.extend(Address::parse(address).ok());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::os_random;
    use proptest::prelude::*;

    fn config() -> Config {
        Config::from_text(
            "hostname = \"mail.example.org\"\n[[domain]]\nname = \"example.org\"\n[portal]\nurl = \
             \"https://mail.example.org\"\n[tls]\ncertificate = \"/c\"\nkey = \"/k\"\n",
        )
        .unwrap()
    }

    #[test]
    fn an_id_is_traced_to_its_mailbox_account_and_invitation_only() {
        let keys = Keys::generate(os_random());
        let (mailbox, owner) = (MailboxId::new([1; 16]), MailboxId::new([2; 16]));
        for about in [None, Some(InvitationId::new([3; 16]))] {
            let id = traceable_id(&keys, os_random(), mailbox, owner, about);
            assert_ne!(id, traceable_id(&keys, os_random(), mailbox, owner, about));
            assert!(is_traced_to(&keys, id, mailbox, owner, about));
            assert!(!is_traced_to(&keys, id, owner, mailbox, about));
            assert!(!is_traced_to(&Keys::generate(os_random()), id, mailbox, owner, about));
            assert!(!is_traced_to(&keys, QueueId::new([7; 16]), mailbox, owner, about));
            for other in [None, Some(InvitationId::new([3; 16])), Some(InvitationId::new([4; 16]))] {
                assert_eq!(is_traced_to(&keys, id, mailbox, owner, other), other == about);
            }
        }
    }

    #[test]
    fn the_return_address_leads_back() {
        let config = config();
        let from = Address::parse("alice@example.org").unwrap();
        let id = QueueId::new([0x5a; 16]);
        let back = return_address(&config, &from, id).unwrap();
        assert_eq!(back.to_string(), format!("secure-mail+{id}@example.org"));
        assert_eq!(queue_id_of(&config, &back), Some(id));
        let upper = Address::parse(&back.to_string().to_uppercase()).unwrap();
        assert_eq!(queue_id_of(&config, &upper), Some(id));
        for other in ["secure-mail@example.org", "secure-mail+x@example.org", "alice+1@example.org"] {
            assert_eq!(queue_id_of(&config, &Address::parse(other).unwrap()), None, "{other}");
        }
        let elsewhere = Address::parse(&format!("secure-mail+{id}@other.example")).unwrap();
        assert_eq!(queue_id_of(&config, &elsewhere), None);
    }

    #[test]
    fn reads_what_a_report_says() {
        let text =
            b"Subject: Undelivered\r\n\r\nSorry.\r\n--x\r\nContent-Type: message/delivery-status\r\n\r\n\
            Reporting-MTA: dns; mx.x.example\r\n\r\nOriginal-Recipient: rfc822;bob@x.example\r\n\
            Final-Recipient: rfc822; robert@y.example\r\nAction: failed\r\nStatus: 5.1.1 (bad)\r\n\r\n\
            Final-Recipient: rfc822;<eve@x.example>\r\nAction: delayed\r\nStatus: nonsense\r\n--x--\r\n";
        let address = |text| Address::parse(text).unwrap();
        assert_eq!(
            read_report(text),
            [
                Reported {
                    addresses: vec![address("bob@x.example"), address("robert@y.example")],
                    failed: true,
                    status: "5.1.1".into()
                },
                Reported { addresses: vec![address("eve@x.example")], failed: false, status: String::new() },
            ]
        );
        assert!(read_report(b"Status: 5.0.0\nAction: failed\n").is_empty());
    }

    proptest! {
        #[test]
        fn reading_a_report_never_panics(text in proptest::collection::vec(any::<u8>(), 0..2000)) {
            let _ = read_report(&text);
            let mut wrapped = b"final-recipient:".to_vec();
            wrapped.extend(&text);
            prop_assert!(read_report(&wrapped).len() <= REPORTED);
        }
    }
}
