//! The main job through the flows, on the model store: what each step leaves behind.

use crate::base::address::Address;
use crate::base::envelope::Envelope;
use crate::base::envelope::Recipient;
use crate::base::id::InvitationId;
use crate::base::language::Language;
use crate::base::reverse_path::ReversePath;
use crate::base::secret::Secret;
use crate::base::time::Clock;
use crate::base::time::Time;
use crate::config::Config;
use crate::flow::Flow;
use crate::flow::Ground;
use crate::flow::account_keys::ChangeWish;
use crate::flow::first_use::FirstUseError;
use crate::flow::first_use::FirstUseForm;
use crate::flow::first_use::InvitationPage;
use crate::flow::intake::Arrived;
use crate::flow::intake::Peer;
use crate::flow::refusal::TakeError;
use crate::flow::reply::Reply;
use crate::flow::reply::ReplyTo;
use crate::flow::sign_in::Realm;
use crate::flow::sign_in::SignInError;
use crate::flow::sign_in::Source;
use crate::flow::sign_in::Unlocked;
use crate::mime::scan::Limits;
use crate::mime::scan::Scanner;
use crate::net::dns::Table;
use crate::store::command::Command;
use crate::store::model::Model;
use crate::store::record::Folder;
use crate::store::record::Uid;
use crate::store::record_life::NoticeRecord;
use crate::store::spool::SpoolDir;
use crate::vault::OsRandom;
use crate::vault::frames::FrameKey;
use crate::vault::frames::FrameReader;
use crate::vault::keyring::Keys;
use crate::vault::slot::Parameters;
use std::io::Read;
use std::io::Write;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::Ordering;
use std::time::Duration;

mod accounts;
mod conversations;
mod deletion;
mod known_networks;
mod lives;
mod low_disk;
mod mailbox_budget;
mod on_the_road;
mod origins;
mod own_certificate;
mod sent_copies;
mod test_messages;

const PASSWORD: &str = "alice likes long passwords";
/// Bob's, at the first use.
const CHOSEN: &str = "bob chose this one";

/// Stands still until a test puts it forward.
#[derive(Default)]
struct StillClock(AtomicI64);

impl Clock for StillClock {
    fn now(&self) -> Time {
        Time(1_795_318_393 + self.0.load(Ordering::SeqCst))
    }

    fn running(&self) -> Duration {
        Duration::from_secs(1_000)
    }
}

struct World {
    flow: Arc<Flow>,
    model: Arc<Model>,
    alice: Arc<Unlocked>,
    clock: Arc<StillClock>,
    _dir: tempfile::TempDir,
}

/// What Bob has in hand to open his mailbox.
struct Invited {
    id: InvitationId,
    token: String,
    pin: String,
}

impl Invited {
    fn wrong_pin(&self) -> &'static str {
        if self.pin == "135790" { "246813" } else { "135790" }
    }
}

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn secret(text: &str) -> Secret<String> {
    Secret::new(text.to_owned())
}

fn source() -> Source {
    Source { ip: IpAddr::from([192, 0, 2, 1]), device: None }
}

impl World {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = Config::from_text(
            "hostname = \"mail.example.org\"\ntls = { certificate = \"/c\", key = \"/k\" }\n\
             portal = { url = \"https://post.example.org\" }\n[[domain]]\nname = \"example.org\"\n",
        )
        .unwrap();
        let clock = Arc::new(StillClock::default());
        let model = Arc::new(Model::new(dir.path()).unwrap());
        let ground = Ground {
            store: model.clone(),
            keys: Arc::new(Keys::generate(&OsRandom)),
            spools: SpoolDir::open(&dir.path().join("spool")).unwrap(),
            clock: clock.clone(),
            random: Arc::new(OsRandom),
            dns: Arc::new(Table::default()),
            password_cost: Parameters::SMALL,
        };
        let flow = Flow::new(ground, Arc::new(config));
        flow.add_account(&address("alice@example.org"), &secret(PASSWORD)).await.unwrap();
        let alice =
            flow.sign_in("Alice@example.org", secret(PASSWORD), &source(), Realm::Accounts).await.unwrap();
        Self { flow, model, alice, clock, _dir: dir }
    }

    fn arrived(&self, from: Option<&str>, to: &[&str], message: &str) -> Arrived {
        let mut spool = self.flow.spools.begin();
        spool.write_all(message.as_bytes()).unwrap();
        Arrived {
            envelope: Envelope {
                sender: ReversePath::parse(from.unwrap_or_default()).unwrap(),
                recipients: to.iter().map(|to| Recipient::plain(address(to))).collect(),
                ..Envelope::default()
            },
            spool: spool.finish().unwrap(),
            structure: Scanner::scan(message.as_bytes(), Limits::default()).unwrap(),
            peer: Peer {
                ip: IpAddr::from([192, 0, 2, 7]),
                helo: "client.example".into(),
                extended: true,
                tls: None,
            },
        }
    }

    async fn submit(&self, to: &[&str], message: &str) -> Result<(), TakeError> {
        let arrived = self.arrived(Some("alice@example.org"), to, message);
        self.flow.submit(&self.alice, arrived).await.map(drop)
    }

    /// A confidential message goes to Bob.
    async fn invited(&self) -> Invited {
        self.submit(&["bob@example.net"], CONFIDENTIAL).await.unwrap();
        let sent = self.folder(&self.alice, Folder::SENT).await;
        let pin = field(&sent[0], "X-OxGuard-PIN").unwrap().to_owned();
        let (id, token) = link(&self.queue().await[0].1);
        Invited { id, token, pin }
    }

    /// Bob's first use, with his PIN or another.
    async fn opens(&self, invited: &Invited, pin: &str) -> Result<Arc<Unlocked>, FirstUseError> {
        self.flow.first_use(Some(invited.id), form(&invited.token, pin, CHOSEN)).await
    }

    /// Bob, who was invited and has opened his mailbox.
    async fn bob(&self) -> Arc<Unlocked> {
        let invited = self.invited().await;
        self.opens(&invited, &invited.pin).await.unwrap()
    }

    /// Bob answers the message that invited him.
    async fn replies(&self, bob: &Arc<Unlocked>) {
        let reply = Reply {
            folder: Folder::INBOX,
            uid: Uid(1),
            to: ReplyTo::Sender,
            subject: String::new(),
            body: "answer marker\n".into(),
            attachments: Vec::new(),
            ip: IpAddr::from([192, 0, 2, 1]),
        };
        self.flow.reply(bob, reply).await.unwrap();
    }

    /// Every message of a folder, as its owner reads it.
    async fn folder(&self, who: &Arc<Unlocked>, folder: Folder) -> Vec<String> {
        let mut all = Vec::new();
        for listed in self.flow.list(who, folder, Uid(0), 100).await.unwrap() {
            let plain = self.flow.read(who, folder, listed.uid).await.unwrap();
            let mut text = String::new();
            plain.spool.reader().read_to_string(&mut text).unwrap();
            assert_eq!(plain.record.size, text.len() as u64, "the size at arrival is the size that is read");
            assert!(listed.summary.is_some(), "every message has a summary");
            all.push(text);
        }
        all
    }

    /// Every queued message in clear: envelope recipients and text.
    async fn queue(&self) -> Vec<(Vec<String>, String)> {
        let mut all = Vec::new();
        for record in self.flow.store.queue(None, 100).await.unwrap() {
            let to = self.flow.store.queued_recipients(record.id).await.unwrap();
            let shred = match record.shred {
                Some(shred) => self.flow.store.shred_key(shred).await.unwrap(),
                None => None,
            };
            let key = FrameKey::queue(&self.flow.keys.queue, shred.as_ref(), record.id);
            let body = self.flow.store.bodies().open(&record.body).unwrap();
            let mut text = String::new();
            FrameReader::new(body, key).read_to_string(&mut text).unwrap();
            assert_eq!(record.size, text.len() as u64);
            all.push((to.into_iter().map(|to| to.address.to_string()).collect(), text));
        }
        all
    }
}

fn field<'a>(message: &'a str, name: &str) -> Option<&'a str> {
    let head = message.split("\r\n\r\n").next().unwrap();
    head.split("\r\n").find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

fn link(invitation: &str) -> (InvitationId, String) {
    let start = invitation.find("https://post.example.org/i/").unwrap();
    let link = invitation[start..].split_whitespace().next().unwrap();
    let (id, token) = link.rsplit('/').next().unwrap().split_once('#').unwrap();
    (InvitationId::parse(id).unwrap(), token.trim_end_matches(['"', '>']).to_owned())
}

fn form(token: &str, pin: &str, password: &str) -> FirstUseForm {
    FirstUseForm {
        token: secret(token),
        pin: secret(pin),
        password: secret(password),
        confirm: secret(password),
        understood: true,
        language: Language::En,
        source: source(),
    }
}

const CONFIDENTIAL: &str = "From: Alice A. <alice@example.org>\r\nTo: bob@example.net\r\n\
    Subject: [secure] merger marker\r\nMessage-ID: <m1@example.org>\r\n\
    Date: Sun, 22 Nov 2026 03:33:13 +0000\r\nUser-Agent: Thunderbird\r\nX-OxGuard-PIN: 999999\r\n\r\n\
    body marker\r\n";

#[tokio::test]
async fn a_confidential_message_goes_there_and_back() {
    let world = World::new().await;
    let invited = world.invited().await;
    let Invited { id, token, pin } = &invited;

    let sent = world.folder(&world.alice, Folder::SENT).await;
    assert_eq!(sent.len(), 1);
    assert!(pin.len() == 6 && pin != "999999", "{pin}");
    assert_eq!(field(&sent[0], "X-Guardpost-Delivery"), Some("bob@example.net; temporary-mailbox"));
    assert_eq!(field(&sent[0], "Subject"), Some("merger marker"));
    let notes = world.folder(&world.alice, Folder::INBOX).await;
    assert_eq!(notes.len(), 1);
    assert!(notes[0].contains(pin));

    let queue = world.queue().await;
    assert_eq!(queue.len(), 1);
    let (to, invitation) = &queue[0];
    assert_eq!(to, &["bob@example.net"]);
    assert!(!invitation.contains("marker") && !invitation.contains(pin));

    let open = InvitationPage::Open { has_pin: true, language: Some(Language::En) };
    assert_eq!(world.flow.invitation_page(Some(*id)).await.unwrap(), open);
    let refused = world.opens(&invited, invited.wrong_pin()).await;
    assert!(matches!(refused, Err(FirstUseError::WrongPin { left: 9, max: 10 })), "{:?}", refused.err());
    let bob = world.opens(&invited, pin).await.unwrap();

    let inbox = world.folder(&bob, Folder::INBOX).await;
    assert_eq!(inbox.len(), 1);
    assert!(inbox[0].ends_with("\r\n\r\nbody marker\r\n"));
    assert!(field(&inbox[0], "X-OxGuard-PIN").is_none() && field(&inbox[0], "User-Agent").is_none());
    assert_eq!(field(&inbox[0], "X-Guardpost-Encrypted"), Some("at-rest"));

    let again = world.flow.first_use(Some(*id), form(token, pin, "somebody else chose")).await;
    assert!(matches!(again, Err(FirstUseError::State(InvitationPage::Used { .. }))));
    let signed_in = |password: &str| {
        let (flow, password) = (world.flow.clone(), secret(password));
        async move { flow.sign_in("bob@example.net", password, &source(), Realm::Recipients).await }
    };
    assert!(signed_in(CHOSEN).await.is_ok());
    assert!(matches!(signed_in("somebody else chose").await, Err(SignInError::Wrong)));

    world.replies(&bob).await;
    assert_eq!(world.folder(&bob, Folder::SENT).await.len(), 1);
    let inbox = world.folder(&world.alice, Folder::INBOX).await;
    let answer = inbox.last().unwrap();
    assert!(answer.contains("answer marker"), "{answer}");
    assert_eq!(field(answer, "Subject"), Some("[secure] Re: merger marker"));
    assert_eq!(field(answer, "In-Reply-To"), Some("<m1@example.org>"));
    assert_eq!(inbox.len(), 3, "the PIN, opened, the answer");
    assert_eq!(world.queue().await.len(), 1, "an answer inside the organisation leaves nothing in the queue");

    let back = "From: alice@example.org\r\nTo: bob@example.net\r\nSubject: Re: merger marker\r\n\
        Message-ID: <m2@example.org>\r\nIn-Reply-To: REPLY\r\n\r\nthird marker\r\n"
        .replace("REPLY", field(answer, "Message-ID").unwrap());
    world.submit(&["bob@example.net"], &back).await.unwrap();
    assert_eq!(world.folder(&bob, Folder::INBOX).await.len(), 2, "the conversation stays encrypted");
    let queue = world.queue().await;
    assert_eq!(queue.len(), 2);
    assert!(queue.iter().any(|(_, text)| text.contains("/login") && !text.contains("marker")));
}

#[tokio::test]
async fn the_same_submission_is_done_once() {
    let world = World::new().await;
    for _ in 0..3 {
        world.submit(&["bob@example.net"], CONFIDENTIAL).await.unwrap();
    }
    assert_eq!(world.folder(&world.alice, Folder::SENT).await.len(), 1);
    assert_eq!(world.queue().await.len(), 1);
}

#[tokio::test]
async fn a_guess_that_is_left_costs_what_it_costs() {
    let world = World::new().await;
    let elsewhere = Source { ip: IpAddr::from([192, 0, 2, 99]), device: None };
    let guess = || world.flow.sign_in("alice@example.org", secret("not hers"), &elsewhere, Realm::Accounts);
    for _ in 0..5 {
        let mut guess = Box::pin(guess());
        assert!(futures_util::poll!(guess.as_mut()).is_pending());
    }
    assert!(matches!(guess().await, Err(SignInError::Paused { .. })));
}

#[tokio::test]
async fn whose_address_it_is_counts_at_the_end_too() {
    let world = World::new().await;
    let arrived = world.arrived(Some("alice@secure.example.org"), &["bob@example.net"], CONFIDENTIAL);
    let refused = world.flow.submit(&world.alice, arrived).await.map(drop);
    assert!(matches!(refused, Err(TakeError::Refused(_))), "{refused:?}");
    assert!(world.queue().await.is_empty());
}

#[tokio::test]
async fn a_test_message_goes_under_the_policy_of_its_mailbox() {
    let world = World::new().await;
    let bob = world.bob().await;
    let record = world.flow.store.mailbox(bob.mailbox).await.unwrap().unwrap();
    let notices = NoticeRecord { tls_policy: Some("secure encrypt".into()), ..NoticeRecord::default() };
    let expected = record.notices.clone();
    let put = Command::PutNotices { mailbox: bob.mailbox, notices: Some(notices), expected };
    world.flow.store.commit(vec![put]).await.unwrap();
    world.flow.try_key(&bob, None, "post.example.org", Language::En).await.unwrap();
    let queue = world.flow.store.queue(None, 100).await.unwrap();
    assert!(queue.iter().any(|record| record.tls_policy == "secure encrypt"), "{queue:?}");
}

#[tokio::test]
async fn two_first_messages_at_once_make_one_mailbox() {
    let world = World::new().await;
    let second = CONFIDENTIAL.replace("m1@", "m2@").replace("body marker", "second body");
    let to = ["bob@example.net"];
    let (one, two) = tokio::join!(world.submit(&to, CONFIDENTIAL), world.submit(&to, &second));
    one.unwrap();
    two.unwrap();
    let queue = world.queue().await;
    assert_eq!(queue.len(), 2);
    assert_eq!(link(&queue[0].1), link(&queue[1].1), "the same link goes out again");
    let sent = world.folder(&world.alice, Folder::SENT).await;
    assert_eq!(field(&sent[0], "X-OxGuard-PIN"), field(&sent[1], "X-OxGuard-PIN"));
}

#[tokio::test]
async fn plain_mail_leaves_plain_and_without_the_client() {
    let world = World::new().await;
    let plain = "From: alice@example.org\r\nTo: bob@example.net\r\nBcc: eve@example.net\r\nSubject: lunch\r\n\
        X-Mailer: secret client\r\nReceived: from [10.9.8.7] by x\r\n\r\n.dot\r\n";
    world.submit(&["bob@example.net", "eve@example.net"], plain).await.unwrap();
    let queue = world.queue().await;
    assert_eq!(queue.len(), 1);
    let (to, text) = &queue[0];
    assert_eq!(to, &["bob@example.net", "eve@example.net"]);
    assert!(text.ends_with("\r\n\r\n.dot\r\n"));
    for gone in ["X-Mailer", "10.9.8.7", "Bcc", "eve@", "X-Guardpost", "PIN"] {
        assert!(!text.contains(gone), "{gone} in {text}");
    }
    let sent = world.folder(&world.alice, Folder::SENT).await;
    assert_eq!(field(&sent[0], "Bcc"), Some("eve@example.net"));
    assert!(field(&sent[0], "X-OxGuard-PIN").is_none());
    assert!(field(text, "Message-ID").is_some() && field(text, "Date").is_some());
}

#[tokio::test]
async fn an_account_writes_only_as_itself() {
    let world = World::new().await;
    for from in
        ["bob@example.org", "alice@example.org, bob@example.org", "\"alice@example.org\" <x@y.example>"]
    {
        let message = format!("From: {from}\r\n\r\nx\r\n");
        let refused = world.submit(&["bob@example.net"], &message).await;
        assert!(matches!(refused, Err(TakeError::Refused(ref reply)) if reply.code == 553), "{from}");
    }
    assert!(world.queue().await.is_empty());
}

#[tokio::test]
async fn mail_from_outside_is_taken_for_accounts_alone() {
    let world = World::new().await;
    let text = "From: x@example.net\r\nSubject: hi\r\nX-OxGuard-PIN: 123456\r\nX-Guardpost-Delivery: x\r\n\r\nhello\r\n";
    for (to, good) in [
        ("alice@example.org", true),
        ("ALICE@Example.org", true),
        ("postmaster@example.org", true),
        ("nobody@example.org", false),
        ("bob@example.net", false),
    ] {
        let peer = world.arrived(None, &[to], text).peer;
        let answer = world.flow.ask_recipient(&address(to), &Envelope::default(), &peer).await;
        assert_eq!(answer.is_ok(), good, "{to}");
    }
    let to = ["alice@example.org", "postmaster@example.org"];
    world.flow.take_in(world.arrived(Some("x@example.net"), &to, text)).await.unwrap();
    let inbox = world.folder(&world.alice, Folder::INBOX).await;
    assert_eq!(inbox.len(), 1, "one copy for one mailbox");
    assert!(
        field(&inbox[0], "X-OxGuard-PIN").is_none() && field(&inbox[0], "X-Guardpost-Delivery").is_none()
    );
    assert_eq!(field(&inbox[0], "Return-Path"), Some("<x@example.net>"));
    assert!(field(&inbox[0], "Date").is_some() && field(&inbox[0], "Message-ID").is_some());
    assert!(!inbox[0].contains("192.0.2.7"));
    assert!(world.queue().await.is_empty());
}

/// RFC 5322 §2.1.1, §2.2: what a stranger wrote makes no header of ours that servers refuse.
#[tokio::test]
async fn an_automatic_answer_names_no_message_id_that_breaks_its_header() {
    let long = format!("<{}@x.example>", "l".repeat(900));
    for (id, named) in [("<m1@x.example>", true), ("<m\u{fc}1@x.example>", false), (long.as_str(), false)] {
        let world = World::new().await;
        let text = format!("From: x@example.net\r\nMessage-ID: {id}\r\n\r\nhello\r\n");
        let arrived = world.arrived(Some("x@example.net"), &["secure-mail@example.org"], &text);
        world.flow.take_in(arrived).await.unwrap();
        let (_, answer) = &world.queue().await[0];
        let header = answer.split("\r\n\r\n").next().unwrap();
        for name in ["In-Reply-To", "References"] {
            assert_eq!(field(header, name), named.then_some(id), "{name}");
        }
        assert!(header.is_ascii() && header.lines().all(|line| line.len() <= 998), "{header}");
    }
}

#[tokio::test]
async fn ten_wrong_pins_close_the_invitation_and_the_sender_hears_of_it() {
    let world = World::new().await;
    let invited = world.invited().await;
    for left in (1..10).rev() {
        let refused = world.opens(&invited, invited.wrong_pin()).await;
        assert!(matches!(refused, Err(FirstUseError::WrongPin { left: l, .. }) if l == left));
    }
    for guess in [invited.wrong_pin(), &invited.pin] {
        let refused = world.opens(&invited, guess).await;
        assert!(matches!(refused, Err(FirstUseError::State(InvitationPage::Dead))));
    }
    assert_eq!(world.folder(&world.alice, Folder::INBOX).await.len(), 3, "the PIN, at 3, at 10");
    let more = CONFIDENTIAL.replace("m1@", "m9@");
    assert!(matches!(world.submit(&["bob@example.net"], &more).await, Err(TakeError::Policy(_))));
}

#[tokio::test]
async fn rules_and_foreign_tokens_cost_no_try() {
    let world = World::new().await;
    let Invited { id, token, .. } = world.invited().await;
    let mut bad = form(&token, "", "short");
    bad.understood = false;
    let refused = world.flow.first_use(Some(id), bad).await;
    assert!(
        matches!(refused, Err(FirstUseError::Rules(ref rules)) if rules.len() == 3),
        "{:?}",
        refused.err()
    );
    let other = "0000-0000-0000-0000-0000-0000-0000-0000";
    for (id, token) in [(Some(id), other), (None, token.as_str()), (Some(InvitationId::new([7; 16])), &token)]
    {
        let refused = world.flow.first_use(id, form(token, "1", CHOSEN)).await;
        assert!(matches!(refused, Err(FirstUseError::WrongToken)));
    }
    let record = world.flow.store.invitation(id).await.unwrap().unwrap();
    assert_eq!(record.tries, 0);
}

#[tokio::test]
async fn plain_mail_goes_out_in_seven_bits_and_short_lines() {
    let world = World::new().await;
    let long = "x".repeat(5_000);
    let plain = format!(
        "From: alice@example.org\r\nTo: bob@example.net\r\nSubject: lunch\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nGr\u{fc}\u{df}e\r\n{long}\r\n"
    );
    world.submit(&["bob@example.net"], &plain).await.unwrap();
    let (_, text) = &world.queue().await[0];
    assert!(text.is_ascii() && text.lines().all(|line| line.len() <= 998), "{text}");
    assert!(text.contains("Gr=C3=BC=C3=9Fe") && text.contains("quoted-printable"));
    let signed =
        "From: alice@example.org\r\nMIME-Version: 1.0\r\nContent-Type: multipart/signed; boundary=b\r\n\r\n\
         --b\r\nContent-Type: text/plain\r\n\r\nLINE\r\n--b\r\n\r\nsignature\r\n--b--\r\n"
            .replace("LINE", &long);
    let refused = world.submit(&["bob@example.net"], &signed).await;
    assert!(matches!(refused, Err(TakeError::Refused(ref reply)) if reply.status == Some((5, 6, 3))));
}

/// A mail program that signs in again costs no second Argon2, until anything of the account changes.
#[tokio::test]
async fn a_signed_in_account_is_known_again() {
    let world = World::new().await;
    let flow = &world.flow;
    // Nobody else gets a permit now: whoever signs in was known.
    let mut permits = Vec::new();
    while let Ok(Ok(permit)) = tokio::time::timeout(Duration::from_millis(20), flow.passwords.permit()).await
    {
        permits.push(permit);
    }
    let source = source();
    let known = |password| flow.sign_in("alice@example.org", secret(password), &source, Realm::Everybody);
    let mut another = Box::pin(known("alice likes another password"));
    tokio::select! {
        biased;
        _ = &mut another => panic!("it does not wait for its turn"),
        signed_in = known(PASSWORD) => assert!(signed_in.is_ok()),
    }
    drop(another);
    drop(permits);
    let alice = address("alice@example.org");
    flow.change_password(
        &alice,
        secret(PASSWORD),
        &secret("alice likes another password"),
        ChangeWish::default(),
    )
    .await
    .unwrap();
    assert!(matches!(known(PASSWORD).await, Err(SignInError::Wrong)), "the old password is nothing");
    assert!(known("alice likes another password").await.is_ok());
}

/// The account was reset since: its vault does not open, and that is no trouble of ours.
#[tokio::test]
async fn a_vault_that_does_not_open_counts_as_a_sender_who_is_gone() {
    let world = World::new().await;
    world.submit(&["bob@example.net"], CONFIDENTIAL).await.unwrap();
    let bob = world.flow.store.mailbox_of(&address("bob@example.net").key()).await.unwrap().unwrap();
    let put = Command::PutVaultEntry { account: world.alice.mailbox, mailbox: bob, sealed: vec![7; 120] };
    world.flow.store.commit(vec![put]).await.unwrap();
    let again = CONFIDENTIAL.replace("<m1@", "<m2@");
    match world.submit(&["bob@example.net"], &again).await {
        Err(TakeError::Policy(text)) => assert!(text.contains("bob@example.net"), "{text}"),
        other => panic!("{other:?}"),
    }
}
