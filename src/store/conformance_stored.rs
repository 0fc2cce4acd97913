//! What every engine must keep of others: certificates, MTA-STS policies.

use crate::base::address::Domain;
use crate::base::time::Time;
use crate::store::command::Command;
use crate::store::command::Refusal;
use crate::store::record_stored::SeenCertificate;
use crate::store::record_stored::StoredCertificate;
use crate::store::record_stored::StoredKind;
use crate::store::record_stored::StsRecord;
use crate::store::sample::*;

#[test]
fn outside_certificates_are_put_replaced_and_removed() {
    on_each(|stage| {
        let put = |n, size, replace| Command::PutCertificate { record: certificate(n, 5, size), replace };
        stage.ok(put(1, 100, false));
        stage.ok(put(1, 100_000, false));
        assert_eq!(stage.refused(put(2, 100, false)), Refusal::AddressTaken);
        let there = stage.ask(stage.store().certificate(&address(5).key())).unwrap();
        assert_eq!(*there, *certificate(1, 5, 100_000));
        stage.restart();
        let there = stage.ask(stage.store().certificate(&address(5).key())).unwrap();
        assert_eq!(*there, *certificate(1, 5, 100_000));
        stage.ok(put(2, 9_000, true));
        let there = stage.ask(stage.store().certificate(&address(5).key())).unwrap();
        assert_eq!(*there, *certificate(2, 5, 9_000));
        stage.ok(Command::RemoveCertificate { address: address(5).key() });
        stage.ok(Command::RemoveCertificate { address: address(5).key() });
        assert!(stage.ask(stage.store().certificate(&address(5).key())).is_none());
        stage.settle();
        assert_eq!(stage.files(), 0);
    });
}

#[test]
fn what_an_admin_put_there_no_mailbox_makes_its_own() {
    on_each(|stage| {
        let put = |chosen_by, replace| {
            let mut record = certificate(1, 5, 100);
            record.chosen_by = chosen_by;
            Command::PutCertificate { record, replace }
        };
        let chosen_by = |command| {
            stage.ok(command);
            stage.ask(stage.store().certificate(&address(5).key())).unwrap().chosen_by
        };
        assert_eq!(chosen_by(put(Some(mailbox(7)), false)), Some(mailbox(7)));
        assert_eq!(chosen_by(put(Some(mailbox(7)), false)), Some(mailbox(7)));
        assert_eq!(chosen_by(put(None, true)), None);
        assert_eq!(chosen_by(put(Some(mailbox(7)), false)), None);
    });
}

#[test]
fn two_certificates_are_stored_for_a_destination_and_forgotten_together() {
    on_each(|stage| {
        let domain = |n: u8| Domain::parse(&format!("d{n}.example")).unwrap();
        let of = |n: u8, kind, der: u8| StoredCertificate {
            kind,
            der: vec![der; 7_000],
            added: Time(i64::from(n)),
        };
        let add = |n, kind, der| Command::AddStoredCertificate {
            domain: domain(n),
            certificate: Box::new(of(n, kind, der)),
        };
        stage.ok(add(1, StoredKind::Certificate, 1));
        assert_eq!(stage.refused(add(1, StoredKind::Certificate, 1)), Refusal::AlreadyDone);
        stage.ok(add(1, StoredKind::Key, 1));
        assert_eq!(stage.refused(add(1, StoredKind::Certificate, 2)), Refusal::Full);
        stage.ok(add(2, StoredKind::Certificate, 2));
        let shown = |at| SeenCertificate {
            fingerprint: "ab:".repeat(32),
            host: format!("{}.example", "m".repeat(245)),
            at: Time(at),
            stored: true,
        };
        for (n, at) in [(1, 7), (1, 8), (3, 9)] {
            stage.ok(Command::NoteSeenCertificate { domain: domain(n), seen: Box::new(shown(at)) });
        }
        stage.restart();
        let destinations = stage.ask(stage.store().destinations(None, 9)).into_iter();
        let mut last: Vec<_> = destinations.map(|(_, of)| (of.domain, of.seen)).collect();
        last.sort_by(|one, other| one.0.cmp(&other.0));
        assert_eq!(last, [(domain(1), Some(shown(8))), (domain(2), None)]);
        let held = [of(1, StoredKind::Certificate, 1), of(1, StoredKind::Key, 1)];
        assert_eq!(stage.ask(stage.store().stored_certificates(&domain(1))), held);
        assert_eq!(stage.ask(stage.store().stored_certificates(&domain(3))), []);
        let mut seen = Vec::new();
        let mut after = None;
        while let page = stage.ask(stage.store().destinations(after, 1))
            && let Some((at, found)) = page.into_iter().next()
        {
            seen.push(found.domain);
            after = Some(at);
        }
        seen.sort();
        assert_eq!(seen, [domain(1), domain(2)]);
        stage.ok(Command::RemoveStoredCertificates { domain: domain(1) });
        stage.ok(Command::RemoveStoredCertificates { domain: domain(1) });
        assert_eq!(stage.ask(stage.store().stored_certificates(&domain(1))), []);
        assert_eq!(stage.ask(stage.store().destinations(None, 9)).len(), 1);
        stage.ok(add(1, StoredKind::Certificate, 1));
    });
}

#[test]
fn what_a_domain_says_by_mta_sts_is_kept_replaced_and_forgotten() {
    on_each(|stage| {
        let domain = |n: u8| Domain::parse(&format!("d{n}.example")).unwrap();
        let of = |n: u8, id: &str, size: usize| StsRecord {
            domain: domain(n),
            id: id.into(),
            policy: "x".repeat(size),
            fetched: Time(i64::from(n)),
            until: Time(10),
            used: Time(3),
        };
        let put = |record: StsRecord, expected: Option<StsRecord>| Command::PutSts {
            record: Box::new(record),
            expected: expected.map(Box::new),
        };
        stage.ok(put(of(1, "one", 64 << 10), None));
        assert_eq!(stage.ask(stage.store().sts(&domain(1))), Some(of(1, "one", 64 << 10)));
        stage.ok(put(of(2, "two", 9), None));
        // Of two who read the same, one wins.
        let first = Some(of(1, "one", 64 << 10));
        stage.ok(put(of(1, "again", 15 << 10), first.clone()));
        stage.ok(put(of(1, "three", 7), Some(of(1, "again", 15 << 10))));
        for expected in [None, first, Some(of(2, "two", 9))] {
            assert_eq!(stage.refused(put(of(1, "four", 7), expected)), Refusal::NotCurrent);
        }
        assert_eq!(stage.refused(put(of(3, "five", 7), Some(of(3, "four", 7)))), Refusal::NotCurrent);
        stage.restart();
        assert_eq!(stage.ask(stage.store().sts(&domain(1))), Some(of(1, "three", 7)));
        assert_eq!(stage.ask(stage.store().sts(&domain(3))), None);
        let mut seen = Vec::new();
        let mut after = None;
        while let page = stage.ask(stage.store().all_sts(after, 1))
            && let Some((at, found)) = page.into_iter().next()
        {
            seen.push(found.domain);
            after = Some(at);
        }
        seen.sort();
        assert_eq!(seen, [domain(1), domain(2)]);
        let remove = |fetched| Command::RemoveSts { domain: domain(1), fetched: Time(fetched) };
        stage.ok(remove(2));
        assert!(stage.ask(stage.store().sts(&domain(1))).is_some(), "it was fetched at another time");
        stage.ok(remove(1));
        stage.ok(remove(1));
        assert_eq!(stage.ask(stage.store().sts(&domain(1))), None);
        assert_eq!(stage.ask(stage.store().all_sts(None, 9)).len(), 1);
    });
}
