//! `template test --to`: samples that go out as real mail; and an account's own words, in samples and in what its messages
//! really cause.

use crate::harness::House;
use crate::harness::PASSWORD;
use crate::mail_client::field;
use crate::main_job::BOB;
use crate::main_job::leads_to_an_invitation;
use crate::main_job::letter;
use crate::main_job::link;
use crate::main_job::path_and_token;
use crate::peer::Plan;
use crate::peer::Taken;
use crate::renewal::ALICE;
use crate::renewal::inbox;
use crate::renewal::try_link;
use crate::renewal::unfolded;
use guardpost::base::address::Address;
use guardpost::net::listen::Service;
use guardpost::serve::control::request::Request;
use guardpost::store::command::Command::PutNotices;
use guardpost::store::record_life::NoticeRecord;
use serde_json::Value;
use serde_json::json;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::process::Stdio;
use std::sync::Arc;
use tempfile::TempDir;

const LEA: &str = "lea@zweite.example";
const LEAS_ALIAS: &str = "lea@secure.zweite.example";
const UWE: &str = "uwe@zweite.example";
const TESTER: &str = "pia@far.example";

/// Words of an invitation that greet like this.
fn words(greeting: &str) -> String {
    format!(
        "{greeting}\n\n{{intro}}\n{{note}}\n{{link}}\n{{validity}}\n{{pin_notice}}\n{{check}}\n{{code}}\n"
    )
}

fn write(directory: &Path, file: &str, content: &str) {
    let file = directory.join(file);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, content).unwrap();
}

/// A house whose second domain has words of its own, in this directory.
async fn worded(world: Plan, more: &str) -> (House, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), "invitation.de.txt", &words("Es grüßt die Praxis."));
    let more = format!(
        "{more}[[domain]]\nname = \"zweite.example\"\nsecure_alias_domain = \"secure.zweite.example\"\n\
         language = \"de\"\ntemplates = \"{}\"\n",
        directory.path().display()
    );
    let house = House::with(world, &more).await;
    house.add_account(LEA, PASSWORD).await;
    house.add_account(UWE, PASSWORD).await;
    (house, directory)
}

struct Said {
    code: i32,
    out: String,
    err: String,
}

impl Said {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|_| panic!("{}{}", self.out, self.err))
    }
}

/// The command itself, beside the server.
async fn template_test(house: &House, arguments: &[&str]) -> Said {
    fs::write(house.at("guard.toml"), house.configuration(house.port(Service::Https))).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_guardpost"));
    command.env_clear().stdin(Stdio::null()).arg("--config").arg(house.at("guard.toml"));
    command.args(["template", "test"]).args(arguments);
    let ended = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    Said {
        code: ended.status.code().unwrap(),
        out: String::from_utf8(ended.stdout).unwrap(),
        err: String::from_utf8(ended.stderr).unwrap(),
    }
}

/// What the peer took for this address so far.
fn taken_for(house: &House, to: &str) -> Vec<Taken> {
    let to = format!("<{to}>");
    let all = house.world.taken().into_iter();
    all.filter(|mail| mail.rcpts.iter().any(|rcpt| rcpt.starts_with(&to))).collect()
}

/// The mail whose envelope sender names this queue id.
async fn arrived(house: &House, id: &str) -> (Taken, String) {
    let found = |taken: Vec<Taken>| {
        taken.into_iter().find(|mail| mail.mail.starts_with(&format!("<secure-mail+{id}@")))
    };
    house.world.wait_until(|world| found(world.taken()).is_some()).await;
    let mail = found(house.world.taken()).unwrap();
    let text = String::from_utf8(mail.text.clone()).unwrap();
    (mail, text)
}

fn id_of(sent: &Value) -> &str {
    sent[0]["id"].as_str().unwrap_or_else(|| panic!("{sent}"))
}

/// As real mail in every respect: who writes, signature, both forms word for word as they are printed; and what it
/// leads to opens nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_sample_goes_out_as_the_mail_that_it_shows_and_opens_nothing() {
    let (house, directory) = worded(Plan::default(), "").await;
    let one = ["invitation", "--domain", "zweite.example", "--language", "de"];
    let sent = template_test(&house, &[&one[..], &["--to", TESTER, "--json"]].concat()).await;
    assert!(sent.code == 0 && sent.err.is_empty(), "{}{}", sent.out, sent.err);
    let (sent, shown) = (sent.json(), template_test(&house, &[&one[..], &["--json"]].concat()).await.json());
    assert_eq!(sent.as_array().unwrap().len(), 1);
    for name in ["domain", "mail", "shape", "languages", "templates"] {
        assert_eq!(sent[0][name], shown[0][name], "{name}");
    }
    assert_eq!(sent[0]["to"], TESTER);
    let (mail, text) = arrived(&house, id_of(&sent)).await;
    assert_eq!(
        mail.mail.split(' ').next().unwrap(),
        format!("<secure-mail+{}@zweite.example>", id_of(&sent))
    );
    let is = |name: &str, want: &str| assert_eq!(field(&text, name).as_deref(), Some(want), "{name}");
    is("From", "House <secure-mail@zweite.example>");
    is("Reply-To", "House <secure-mail@zweite.example>");
    is("To", TESTER);
    is("Auto-Submitted", "auto-generated");
    is("X-Guardpost-Sample", "invitation");
    is("Subject", "Muster: Sichere Nachricht von anna.roth@zweite.example");
    assert!(field(&text, "DKIM-Signature").unwrap().contains("d=zweite.example"), "{text}");
    assert!(field(&text, "Message-ID").unwrap().ends_with("@zweite.example>"), "{text}");
    assert!(field(&text, "Date").is_some() && mail.tls, "{text}");
    let body = text.split_once("\r\n\r\n").unwrap().1;
    let (plain, html) = body.split_once("Content-Type: text/html").unwrap();
    let as_printed = |part: &str| shown[0][part].as_str().unwrap().lines().collect::<Vec<_>>().join("\r\n");
    assert!(plain.contains(&as_printed("text")), "{plain}");
    assert!(html.contains(&as_printed("html")), "{html}");
    assert!(plain.contains("Es grüßt die Praxis."), "{plain}");

    let mut browser = house.browser();
    let (path, token) = path_and_token(&link(&mail), &browser.site());
    assert!(try_link(&mut browser, &path, &token, "493817").await >= 400, "it opens nothing");

    // The file as it is now is tried, though nobody told the server of it; what it writes with stays.
    write(directory.path(), "invitation.de.txt", &words("Es winkt die Praxis."));
    let sent = template_test(&house, &[&one[..], &["--to", TESTER, "--json"]].concat()).await.json();
    assert!(arrived(&house, id_of(&sent)).await.1.contains("Es winkt die Praxis."));
    assert!(invited_by(&house, LEA, LEA, "uwe@firma.de").await.contains("Es grüßt die Praxis."));

    // With anything wrong in it nothing goes out.
    write(directory.path(), "invitation.de.txt", &words("Es winkt").replace("{link}", "{lnk}"));
    let before = taken_for(&house, TESTER).len();
    let wrong = template_test(&house, &["--to", TESTER]).await;
    assert_eq!(wrong.code, 78, "{}", wrong.err);
    for want in ["invitation.de.txt:5: unknown placeholder {lnk}", "invitation.de.txt: {link} is missing"] {
        assert!(wrong.err.contains(want), "{want} in {}", wrong.err);
    }
    house.queue_is_empty().await;
    assert_eq!(taken_for(&house, TESTER).len(), before);
}

/// The answer to somebody who wrote to the address of notices has no envelope sender, so that nothing answers it.
#[tokio::test(flavor = "multi_thread")]
async fn an_automatic_answer_is_sent_as_one() {
    let house = House::with(Plan::default(), "").await;
    let sent = template_test(&house, &["auto-answer", "--language", "en", "--to", TESTER]).await;
    assert!(sent.code == 0 && sent.out.contains("auto-answer"), "{}{}", sent.out, sent.err);
    house.world.wait_until(|world| !world.taken().is_empty()).await;
    let mail = taken_for(&house, TESTER).remove(0);
    let text = String::from_utf8(mail.text).unwrap();
    assert!(mail.mail.starts_with("<>"), "{}", mail.mail);
    assert_eq!(field(&text, "Auto-Submitted").as_deref(), Some("auto-replied"));
    assert_eq!(field(&text, "Reply-To"), None);
    assert_eq!(field(&text, "Subject").as_deref(), Some("Sample: Your answer was not delivered"));
}

/// Every mail in every shape, into an INBOX here, by whichever address; and into nobody else's.
#[tokio::test(flavor = "multi_thread")]
async fn samples_for_an_account_here_lie_in_its_inbox() {
    let (house, _directory) = worded(Plan::default(), "").await;
    let sent = template_test(&house, &["--all", "--domain", "house.example", "--to", ALICE, "--json"]).await;
    let sent = sent.json();
    let samples = |all: Vec<String>| -> Vec<String> {
        all.into_iter().filter(|mail| field(mail, "X-Guardpost-Sample").is_some()).collect()
    };
    let there = samples(inbox(&house, ALICE).await);
    assert_eq!(there.len(), sent.as_array().unwrap().len());
    assert_eq!(there.len(), 30, "fifteen shapes in two languages");
    assert!(sent.as_array().unwrap().iter().all(|one| one["id"] == Value::Null), "{sent}");
    let subjects: Vec<_> = there.iter().filter_map(|mail| field(mail, "Subject")).collect();
    let marked = |start: &str| subjects.iter().filter(|subject| subject.starts_with(start)).count();
    // What has an umlaut in it is encoded as a whole (RFC 2047).
    assert_eq!((marked("Sample: "), marked("Muster: ") + marked("=?utf-8?")), (15, 15), "{subjects:?}");
    let first = &there[0];
    assert_eq!(field(first, "Delivered-To").as_deref(), Some(ALICE));
    assert!(field(first, "Return-Path").unwrap().starts_with("<secure-mail+"), "{first}");
    assert!(field(first, "DKIM-Signature").is_some(), "{first}");

    let to = async |to: &str| template_test(&house, &["warning", "--language", "de", "--to", to]).await;
    let unknown = to(LEAS_ALIAS).await;
    assert!(unknown.code == 1 && unknown.err.contains("is not known here"), "{}", unknown.err);
    house.control(&Request::AccountAlias { address: LEA.into(), active: true }).await.unwrap();
    for address in [LEAS_ALIAS, "LEA@zweite.example"] {
        assert_eq!(to(address).await.code, 0, "{address}");
    }
    assert_eq!(samples(inbox(&house, LEA).await).len(), 4, "of two domains, twice");
    assert_eq!(samples(inbox(&house, UWE).await).len(), 0);
    assert_eq!(house.world.taken().len(), 0, "nothing left the house");
    for (address, code, why) in [
        ("nobody@house.example", 1, "is not known here"),
        ("secure-mail@house.example", 1, "is the address of such mails"),
        ("secure-mail+x@zweite.example", 1, "is the address of such mails"),
        ("nobody", 2, "not a mail address"),
        ("a@[192.0.2.1]", 2, "address literals"),
    ] {
        let refused = to(address).await;
        assert!(
            refused.code == code && refused.err.contains(why),
            "{address}: {} {}",
            refused.code,
            refused.err
        );
    }
}

/// All that are asked for go out, or none: at the limit of the queue, and of one request.
#[tokio::test(flavor = "multi_thread")]
async fn samples_go_out_together_or_not_at_all() {
    let third = "[limits]\nqueue_messages = 8\n[[domain]]\nname = \"dritte.example\"\n";
    let (house, _directory) = worded(Plan::default(), third).await;
    let full = template_test(&house, &["--all", "--domain", "house.example", "--to", TESTER]).await;
    assert!(full.code == 69 && full.err.contains("the queue holds as much as it may"), "{}", full.err);
    assert_eq!(house.control(&Request::QueueList {}).await.unwrap(), json!([]));
    assert_eq!(house.world.taken().len(), 0);
    let many = template_test(&house, &["--all", "--to", ALICE]).await;
    assert!(many.code == 1 && many.err.contains("more than 60 mails at once"), "{}", many.err);
    // What was not queued has given its room back.
    let some = ["--domain", "house.example", "--language", "en", "--to", TESTER, "--json"];
    let sent = template_test(&house, &some).await.json();
    assert_eq!(sent.as_array().unwrap().len(), 6);
    house.world.wait_until(|world| world.taken().len() >= 6).await;
    assert_eq!(taken_for(&house, TESTER).len(), 6);
}

/// An address from which two mails came back gets none until its recipient signs in, samples neither.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_where_mails_came_back() {
    let house = House::with(Plan::default(), "").await;
    invited_by(&house, ALICE, ALICE, BOB).await;
    let to_bob = async || template_test(&house, &["waiting", "--language", "en", "--to", BOB]).await;
    assert_eq!(to_bob().await.code, 0);
    house.world.wait_until(|world| world.taken().len() >= 2).await;
    let store = &house.flow().store;
    let bob = Address::parse(BOB).unwrap();
    let mailbox = store.mailbox_of(&bob.key()).await.unwrap().unwrap();
    let expected = store.mailbox(mailbox).await.unwrap().unwrap().notices.clone();
    let notices = NoticeRecord { returned: 2, ..expected.clone().unwrap_or_default() };
    store.commit(vec![PutNotices { mailbox, notices: Some(notices), expected }]).await.unwrap();
    let refused = to_bob().await;
    assert!(
        refused.code == 1 && refused.err.contains("mails to bob@far.example came back"),
        "{}",
        refused.err
    );
}

/// Sends on a message by this account, from this of its addresses; the text of the invitation to `to`.
async fn invited_by(house: &House, account: &str, from: &str, to: &str) -> String {
    let text = letter("[secure] Befund", "Speedwell-2281", "").replace(ALICE, from).replace(BOB, to);
    let reply = house.submission(account, PASSWORD).await.send(from, &[to], &text).await;
    assert!(reply.is(250, "2.0.0"), "{reply:?}");
    let is_it = |mail: &Taken| {
        mail.rcpts.iter().any(|rcpt| rcpt.starts_with(&format!("<{to}>")))
            && leads_to_an_invitation(&String::from_utf8_lossy(&mail.text))
    };
    house.world.wait_until(|world| world.taken().iter().any(is_it)).await;
    let mail = house.world.taken().into_iter().find(is_it).unwrap();
    unfolded(&String::from_utf8(mail.text).unwrap())
}

/// In the account's words what its messages cause, by whichever of its addresses; a colleague's in the domain's, and
/// where the account has none for a language, those of the domain or ours.
#[tokio::test(flavor = "multi_thread")]
async fn an_account_words_what_its_messages_cause() {
    let (house, directory) = worded(Plan::default(), "").await;
    write(directory.path(), "Lea/invitation.de.txt", &words("Hier schreibt Lea."));
    write(directory.path(), "später/waiting.en.txt", "{intro}\n{note}\n{open}\n");
    let reload = async || {
        let config = house.config(house.port(Service::Https));
        house.appliance().reload(Arc::new(config)).await
    };
    reload().await.unwrap();
    house.control(&Request::AccountAlias { address: LEA.into(), active: true }).await.unwrap();
    let (leas, domains) = ("Hier schreibt Lea.", "Es grüßt die Praxis.");
    for (account, from, to, want, not) in [
        (LEA, LEA, "a@firma.de", leas, domains),
        (LEA, LEAS_ALIAS, "b@firma.de", leas, domains),
        (UWE, UWE, "c@firma.de", domains, leas),
        (LEA, LEA, "d@firm.co.uk", "READ MESSAGE", leas),
    ] {
        let text = invited_by(&house, account, from, to).await;
        assert!(text.contains(want) && !text.contains(not), "{from} to {to}: {text}");
    }

    let from = ["invitation", "--language", "de", "--from", LEAS_ALIAS];
    let shown = template_test(&house, &from).await;
    assert!(shown.out.contains("Lea/invitation.de.txt") && shown.out.contains(leas), "{}", shown.out);
    assert!(shown.out.contains("Sichere Nachricht von lea@zweite.example"), "{}", shown.out);
    let sent = template_test(&house, &[&from[..], &["--to", TESTER, "--json"]].concat()).await.json();
    assert!(arrived(&house, id_of(&sent)).await.1.contains(leas));
    let all = template_test(&house, &["--from", LEA, "--language", "de", "--json"]).await.json();
    let files: Vec<_> = all.as_array().unwrap().iter().map(|one| one["templates"].to_string()).collect();
    assert!(
        files[0].contains("Lea/invitation.de.txt") && files[1..].iter().all(|file| file == "[]"),
        "{files:?}"
    );
    for (arguments, code) in [
        (&["--from", "lea@other.example"][..], 1),
        (&["--from", "lea@zweite.example", "--domain", "house.example"], 1),
        (&["--from", "lea"], 2),
    ] {
        assert_eq!(template_test(&house, arguments).await.code, code, "{arguments:?}");
    }

    // A broken one is told with its line, and the former stays.
    write(directory.path(), "Lea/invitation.de.txt", &words("Lea {pin}"));
    let refused = reload().await.unwrap_err();
    assert!(
        refused.exit() == 78 && refused.to_string().contains("Lea/invitation.de.txt:1: there is no {pin}"),
        "{refused}"
    );
    assert!(invited_by(&house, LEA, LEA, "e@firma.de").await.contains(leas));
}
