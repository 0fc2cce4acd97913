//! The mails that the appliance writes: in whose name and language, how others read its reports, and whom it alarms.

use crate::harness::House;
use crate::harness::PASSWORD;
use crate::main_job::letter;
use crate::patience::PATIENCE;
use crate::patience::until;
use crate::peer::Peer;
use crate::peer::Plan;
use crate::renewal::ALICE;
use crate::renewal::inbox;
use crate::renewal::told;
use crate::renewal::unfolded;
use crate::tls_policy::all_tried;
use crate::tls_policy::tlsa;
use guardpost::base::address::Address;
use guardpost::base::address::Domain;
use guardpost::base::dns::Validation;
use guardpost::base::time::Clock;
use guardpost::base::time::Time;
use guardpost::flow::queue;
use guardpost::flow::returned;
use guardpost::flow::stored_certificates;
use guardpost::net::dns::Table;
use guardpost::policy::tls::Stored;
use std::fs;
use std::io::Write;
use std::process::Command;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
const LEA: &str = "lea@zweite.example";

/// The second domain of a house, with a head and foot of its own.
const SECOND: &str = "[[domain]]\nname = \"zweite.example\"\nlanguage = \"de\"\npostmaster = \"lea@zweite.example\"\n\
    portal = { brand = \"Praxis Dr. Öz\", accent = \"#ffe000\", contact = \"hilfe@zweite.example\", \
    imprint_url = \"https://zweite.example/impressum\", privacy_url = \"https://zweite.example/datenschutz\" }\n";

async fn sends(house: &House, from: &str, to: &[&str], subject: &str) {
    let text = letter(subject, "Ladybird-5520", "").replace(ALICE, from);
    let reply = house.submission(from, PASSWORD).await.send(from, to, &text).await;
    assert!(reply.is(250, "2.0.0"), "{reply:?}");
}

/// Each domain of one server writes in its own name, colour and language, to people outside and to its accounts; an
/// address that says more about its owner than the domain's setting is written to accordingly.
#[tokio::test(flavor = "multi_thread")]
async fn every_domain_writes_in_its_own_name() {
    let house = House::with(Plan::default(), SECOND).await;
    house.add_account(LEA, PASSWORD).await;
    sends(&house, ALICE, &["bob@far.example"], "[secure] One").await;
    sends(&house, LEA, &["eva@far.example"], "[secure] Two").await;
    sends(&house, ALICE, &["uwe@firma.de"], "[secure] Three").await;
    sends(&house, LEA, &["ann@firm.co.uk"], "[secure] Four").await;
    let mails = house.world.wait_for(4).await;
    let mail_to = |who: &str| {
        let mail = mails.iter().find(|mail| mail.rcpts[0].contains(who)).unwrap();
        unfolded(&String::from_utf8_lossy(&mail.text))
    };
    for (who, own, foreign) in [
        (
            "bob",
            ["READ MESSAGE", "From: House <secure-mail@house.example>", "#"],
            ["Öz", "zweite", "NACHRICHT"],
        ),
        (
            "eva",
            ["NACHRICHT LESEN", "https://zweite.example/impressum", "mailto:hilfe@zweite.example"],
            ["House Guard", "house.example/", "READ MESSAGE"],
        ),
        ("uwe", ["NACHRICHT LESEN", "House Guard", "alice@house.example"], ["Öz", "zweite", "READ MESSAGE"]),
        (
            "ann",
            ["READ MESSAGE", "https://zweite.example/datenschutz", "Praxis Dr. Öz"],
            ["House Guard", "#ffe000", "LESEN"],
        ),
    ] {
        let mail = mail_to(who);
        for own in own {
            assert!(mail.contains(own), "{who}: {own} is not in\n{mail}");
        }
        for foreign in foreign {
            let mail = mail.replace("https://mail.house.example", "");
            assert!(!mail.contains(foreign), "{who}: {foreign} is in\n{mail}");
        }
    }
    let note = told(&house, LEA, &["eva@far.example", "diese PIN"]).await;
    assert!(note.contains("https://zweite.example/impressum") && !note.contains("House Guard"), "{note}");
    let note = told(&house, ALICE, &["uwe@firma.de", "this PIN"]).await;
    assert!(!note.contains("zweite"), "an account is written to in its own language: {note}");
}

/// What python's email package makes of a message on standard input.
const PYTHON: &str = r#"
import email, email.policy, sys
mail = email.message_from_bytes(sys.stdin.buffer.read(), policy=email.policy.default)
assert mail.get_content_type() == "multipart/report", mail.get_content_type()
assert mail.get_param("report-type") == "delivery-status"
people, status, original = mail.iter_parts()
assert people.get_content_type() == "multipart/alternative"
plain, html = people.iter_parts()
assert plain.get_content_type() == "text/plain" and html.get_content_type() == "text/html"
assert not mail.defects and not plain.defects and not html.defects
assert mail.get_body(("plain",)).get_content() == plain.get_content()
assert mail.get_body(("html",)).get_content() == html.get_content()
fields = [group for group in status.get_payload() if group.keys()]
assert status.get_content_type() == "message/delivery-status" and len(fields) == 2
assert fields[1]["Action"] == "failed" and fields[1]["Status"] == "5.1.1", fields[1]
assert original.get_content_type() == "text/rfc822-headers"
print(plain.get_content())
"#;

fn python(message: &str) -> String {
    let mut python = Command::new("python3");
    python.args(["-B", "-c", PYTHON]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = python.spawn().unwrap();
    child.stdin.take().unwrap().write_all(message.as_bytes()).unwrap();
    let done = child.wait_with_output().unwrap();
    assert!(done.status.success(), "{}\n{message}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

/// What mutt shows of a message.
fn mutt(house: &House, message: &str) -> String {
    let (rc, mailbox, shown) = (house.at("muttrc"), house.at("mbox"), house.at("shown"));
    fs::write(&mailbox, format!("From x@y Sat Nov 21 03:33:00 2026\n{}\n", message.replace("\r\n", "\n")))
        .unwrap();
    let settings = format!(
        "set folder={}\nset charset=utf-8\nset quit=yes\nset move=no\nset wait_key=no\nset pipe_decode=yes\nset header=no\n\
         alternative_order text/plain text/html\n\
         push \"<pipe-message>cat >{}<enter><exit>\"\n",
        house.home.path().display(),
        shown.display()
    );
    fs::write(&rc, settings).unwrap();
    let inner = format!("mutt -R -F {} -f {}", rc.display(), mailbox.display());
    let mut command = Command::new("timeout");
    // mutt wants a terminal; script gives it one.
    command.args(["120", "script", "-qec", &inner, "/dev/null"]).env("TERM", "vt100");
    let done = command.stdin(Stdio::null()).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
    fs::read_to_string(shown).unwrap()
}

/// A report has two forms for people in one part; whoever reads reports still does.
#[tokio::test(flavor = "multi_thread")]
async fn others_read_our_reports() {
    let world = Plan::default().rule(|asked| match asked.line.contains("nobody@") {
        true => crate::peer::Act::Say("550 5.1.1 nobody of that name".into()),
        false => crate::peer::Act::Usual,
    });
    let house = House::with(world, SECOND).await;
    house.add_account(LEA, PASSWORD).await;
    sends(&house, LEA, &["nobody@far.example"], "Pelargonie").await;
    told(&house, LEA, &["nobody of that name"]).await;
    let report = inbox(&house, LEA).await.remove(0);
    for shown in [python(&report), mutt(&house, &report)] {
        let shown = unfolded(&shown);
        for want in
            ["ließ sich diesem Empfänger nicht zustellen", "nobody@far.example", "Betreff: Pelargonie"]
        {
            assert!(shown.contains(want), "{want} is not in\n{shown}");
        }
        assert!(!shown.contains("<td"), "the text is shown, not the source of the HTML: {shown}");
    }
    let read = returned::read_report(report.as_bytes());
    assert_eq!(read.len(), 1, "{read:?}");
    assert!(read[0].failed && read[0].status == "5.1.1", "{read:?}");
    assert_eq!(read[0].addresses[0].to_string(), "nobody@far.example");
}

/// A sender who asks to know learns what was proven about the way; where the other side reports by itself, it does.
#[tokio::test(flavor = "multi_thread")]
async fn a_handover_is_reported_with_its_proof() {
    let silent = ["PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES"];
    let peer = Plan::default().names(&["mx.far.example"]).extensions(&silent).open().await;
    let record = tlsa(3, 1, 1, &peer.certificate);
    let table = Table::signed()
        .with_mx("far.example", &[(10, "mx.far.example")])
        .with_addresses("mx.far.example", &[peer.address.ip()])
        .with_tlsa("mx.far.example", &[record]);
    let house = House::among(peer, Some(Arc::new(table)), "").await;
    house.add_account(ALICE, PASSWORD).await;
    let mut alice = house.alice_sends().await;
    for (line, code) in [
        ("MAIL FROM:<alice@house.example> RET=HDRS ENVID=Offer+2B7".to_owned(), 250),
        ("RCPT TO:<bob@far.example> NOTIFY=SUCCESS ORCPT=rfc822;bob@far.example".to_owned(), 250),
        ("RCPT TO:<carol@far.example>".to_owned(), 250),
        ("DATA".to_owned(), 354),
    ] {
        assert_eq!(alice.ask(&line).await.code, code, "{line}");
    }
    alice.put(&crate::mail_client::stuffed(&letter("Pelargonium", "Ladybird-5521", ""))).await;
    assert!(alice.reply().await.is(250, "2.0.0"));
    let report = told(&house, ALICE, &["was handed over"]).await;
    for want in [
        "Subject: Delivered: your message to bob@far.example",
        "Original-Envelope-Id: Offer+7",
        "Original-Recipient: rfc822; bob@far.example",
        "Final-Recipient: rfc822; bob@far.example",
        "Action: relayed",
        "Status: 2.0.0",
        "Remote-MTA: dns; mx.far.example",
        "X-Guardpost-Proof: tls=dane TLSv1.3",
        "mx.far.example, whose certificate matches its DANE record.",
        "Its subject: Pelargonium",
    ] {
        assert!(report.contains(want), "{want} is not in\n{report}");
    }
    assert!(!report.contains("carol@") && !report.contains("Ladybird-5521"), "{report}");
    let taken = house.world.wait_for(1).await;
    assert!(taken[0].rcpts.iter().all(|rcpt| !rcpt.contains("NOTIFY")), "it does not know what that is");
}

/// The same asked of a peer that knows how to report is left to it.
#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_reports_is_asked_to() {
    let house = House::new().await;
    let mut alice = house.alice_sends().await;
    for line in ["MAIL FROM:<alice@house.example>", "RCPT TO:<bob@far.example> NOTIFY=SUCCESS,FAILURE"] {
        assert_eq!(alice.ask(line).await.code, 250, "{line}");
    }
    assert_eq!(alice.ask("DATA").await.code, 354);
    alice.put(&crate::mail_client::stuffed(&letter("Offer", "x", ""))).await;
    assert!(alice.reply().await.is(250, "2.0.0"));
    house.world.wait_for(1).await;
    all_tried(&house).await;
    let said = String::from_utf8(house.world.octets()).unwrap();
    assert!(said.contains("NOTIFY=SUCCESS,FAILURE"), "{said}");
    assert!(inbox(&house, ALICE).await.is_empty(), "who reports is one server, not two");
}

/// Lea has an account too, but not the first one, which is the postmaster's of the other domain.
async fn later(house: &House) {
    house.clock.pass(Duration::from_secs(2));
    house.add_account(LEA, PASSWORD).await;
}

/// Waits until so many mails of an account's INBOX hold these words; more are too many.
async fn told_times(house: &House, account: &str, words: &str, times: usize) {
    let id = Address::parse(account).unwrap().key();
    let id = house.flow().store.mailbox_of(&id).await.unwrap().unwrap();
    let mut changes = house.flow().store.watch(id);
    let enough = async {
        loop {
            changes.borrow_and_update();
            let found =
                inbox(house, account).await.iter().filter(|mail| unfolded(mail).contains(words)).count();
            if found >= times {
                return found;
            }
            changes.changed().await.unwrap();
        }
    };
    let found = tokio::time::timeout(PATIENCE, enough).await;
    assert_eq!(found.ok(), Some(times), "{account}: {words}");
}

/// Where DANE cannot be checked, and where a host shows another certificate than the stored one, the postmaster of the
/// domain whose mail waits is told: once a day for each cause, whatever is tried in between, and over a restart.
#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_needs_somebody_alarms_once_a_day() {
    let peer = Peer::good().await;
    let other = Plan::default().open().await;
    let policies = [("far", "dane-only"), ("near", "dane-only"), ("pinned", "verify")];
    let mut table = Table::default().with_validation(Validation::Off);
    let mut more = String::new();
    for (name, level) in policies {
        table = table
            .with_mx(&format!("{name}.example"), &[(10, &format!("mx.{name}.example"))])
            .with_addresses(&format!("mx.{name}.example"), &[peer.address.ip()]);
        more += &format!("[[outbound.tls_policy]]\ndomain = \"{name}.example\"\nlevel = \"{level}\"\n");
    }
    let mut house = House::among(peer, Some(Arc::new(table)), &format!("{more}{SECOND}")).await;
    house.add_account(ALICE, PASSWORD).await;
    later(&house).await;
    let stored = Stored::certificate(&other.certificate).unwrap();
    let pinned = Domain::parse("pinned.example").unwrap();
    stored_certificates::add(house.flow(), pinned, &stored).await.unwrap();
    sends(&house, ALICE, &["bob@far.example"], "One").await;
    let dane = told(&house, ALICE, &["cannot check DANE"]).await;
    assert!(dane.contains("far.example") && dane.contains("guardpost check"), "{dane}");
    sends(&house, ALICE, &["bob@near.example"], "Two").await;
    sends(&house, ALICE, &["bob@pinned.example"], "Three").await;
    let seen = Stored::certificate(&house.world.certificate).unwrap().fingerprint();
    let mismatch = told(&house, ALICE, &["shows another certificate"]).await;
    for want in [
        seen.as_str(),
        &stored.fingerprint(),
        "mx.pinned.example",
        "guardpost certificate fetch pinned.example",
    ] {
        assert!(mismatch.contains(want), "{want} is not in {mismatch}");
    }
    all_tried(&house).await;
    assert!(inbox(&house, LEA).await.is_empty(), "whose mail waits is nobody else's business");
    // Within the day nothing is told again, not even by another process.
    for _ in 0..2 {
        let before = tries(&house).await;
        house.stop().await;
        house.clock.pass(HOUR * 8);
        house.start().await;
        again(&house, before).await;
    }
    // A cause behind the others in line is told when they were looked at.
    sends(&house, LEA, &["bob@pinned.example"], "Vier").await;
    told(&house, LEA, &["zeigt ein anderes Zertifikat"]).await;
    told_times(&house, ALICE, "Subject: mail.house.example cannot check DANE", 1).await;
    told_times(&house, ALICE, "Subject: mx.pinned.example shows another certificate", 1).await;
    // The next day it is.
    let before = tries(&house).await;
    house.clock.pass(HOUR * 10);
    again(&house, before).await;
    told_times(&house, ALICE, "Subject: mail.house.example cannot check DANE", 2).await;
    told_times(&house, ALICE, "Subject: mx.pinned.example shows another certificate", 2).await;
}

/// Tries of everything that waits.
async fn tries(house: &House) -> u32 {
    let mut tries = 0;
    for record in house.flow().store.queue(None, 100).await.unwrap() {
        let recipients = house.flow().store.queued_recipients(record.id).await.unwrap();
        tries += recipients.iter().map(|one| one.attempts).sum::<u32>();
    }
    tries
}

/// Has everything that waits tried once more, where `before` so many tries were made.
async fn again(house: &House, before: u32) {
    let waiting = house.flow().store.queue(None, 100).await.unwrap().len();
    queue::retry(house.flow(), None).await.unwrap();
    let wanted = before + u32::try_from(waiting).unwrap();
    until("one more try of each", async || (tries(house).await >= wanted).then_some(())).await;
    all_tried(house).await;
}

/// DER of a certificate that ends then.
fn ending(at: Time) -> Vec<u8> {
    let mut parameters = rcgen::CertificateParams::new(vec!["mx.pinned.example".to_owned()]).unwrap();
    let date = at.timestamp().to_zoned(jiff::tz::TimeZone::UTC).date();
    let (month, day) = (date.month().unsigned_abs(), date.day().unsigned_abs());
    parameters.not_after = rcgen::date_time_ymd(i32::from(date.year()), month, day);
    let key = rcgen::KeyPair::generate().unwrap();
    parameters.self_signed(&key).unwrap().der().to_vec()
}

/// 14 and 3 days before a stored certificate ends, every postmaster is told, each time once.
#[tokio::test(flavor = "multi_thread")]
async fn a_stored_certificate_that_ends_alarms_twice() {
    let mut house = House::with(Plan::default(), SECOND).await;
    later(&house).await;
    let add = async |house: &House, name: &str, days: u32| {
        let stored = Stored::certificate(&ending(house.clock.now() + DAY * days)).unwrap();
        let name = Domain::parse(&format!("{name}.example")).unwrap();
        stored_certificates::add(house.flow(), name, &stored).await.unwrap();
        stored.fingerprint()
    };
    let subject = |name: &str| format!("Subject: The certificate stored for {name}.example ends on");
    // The worker goes by the alphabet: what it did for one name was done when another behind it is told.
    let fingerprint = add(&house, "alpha", 10).await;
    for (pass, next, times) in [(0, "beta", 1), (0, "gamma", 1), (8, "delta", 2), (0, "epsilon", 2)] {
        add(&house, next, 13).await;
        house.stop().await;
        house.clock.pass(DAY * pass);
        house.start().await;
        told_times(&house, ALICE, &subject(next), 1).await;
        told_times(&house, ALICE, &subject("alpha"), times).await;
    }
    told(&house, ALICE, &[&subject("alpha"), &fingerprint]).await;
    told(&house, LEA, &["Mail an alpha.example geht nur", "Ein hinterlegtes Zertifikat endet am"]).await;
}

/// A host that has changed to the later one of two stored certificates is noticed, and its mail goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_was_changed_for_the_next_one_is_told() {
    let policy = "[[outbound.tls_policy]]\ndomain = \"pinned.example\"\nlevel = \"verify\"\n";
    let house = House::with(Plan::default(), policy).await;
    let pinned = Domain::parse("pinned.example").unwrap();
    let before = Stored::certificate(&ending(house.clock.now() + DAY * 100)).unwrap();
    let after = Stored::certificate(&house.world.certificate).unwrap();
    for stored in [&before, &after] {
        stored_certificates::add(house.flow(), pinned.clone(), stored).await.unwrap();
    }
    for subject in ["One", "Two"] {
        sends(&house, ALICE, &["bob@pinned.example"], subject).await;
    }
    house.world.wait_for(2).await;
    let alarm = told(&house, ALICE, &["shows its next certificate"]).await;
    assert!(alarm.contains(&before.fingerprint()) && alarm.contains(&after.fingerprint()), "{alarm}");
}
