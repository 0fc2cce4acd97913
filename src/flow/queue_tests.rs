//! The queue, delivery and bounces against peers with real sockets.

mod addresses;
mod again;
mod kept_policy;
mod letters;
mod secure_alias;
mod slow_peers;
mod told;

use crate::base::address::Address;
use crate::base::dns::Answer;
use crate::base::envelope::Notify;
use crate::base::envelope::Recipient;
use crate::base::id::MailboxId;
use crate::base::id::QueueId;
use crate::base::secret::Secret;
use crate::base::time::Clock;
use crate::base::time::Time;
use crate::config::Config;
use crate::flow::Flow;
use crate::flow::Ground;
use crate::flow::delivery::Courier;
use crate::flow::expiry;
use crate::flow::outgoing::Outgoing;
use crate::flow::queue;
use crate::flow::queue::Worker;
use crate::flow::refusal::TakeError;
use crate::flow::returned;
use crate::flow::sign_in::Realm;
use crate::flow::sign_in::Source;
use crate::flow::sign_in::Unlocked;
use crate::net::dial::Dialer;
use crate::net::dns::Dns;
use crate::net::dns::Table;
use crate::peer::Act;
use crate::peer::Asked;
use crate::peer::Peer;
use crate::peer::Plan;
use crate::peer::StartTls;
use crate::policy::tls::Demand;
use crate::policy::tls::Requirement;
use crate::policy::tls::Sender;
use crate::store::Health;
use crate::store::command::Command;
use crate::store::model::Model;
use crate::store::record::Folder;
use crate::store::record::Uid;
use crate::store::record_queue::Purpose;
use crate::store::record_queue::RecipientState;
use crate::store::spool::SpoolDir;
use crate::vault::OsRandom;
use crate::vault::keyring::Keys;
use crate::vault::os_random;
use crate::vault::slot::Parameters;
use std::fs;
use std::io::Read;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

const START: Time = Time(1_795_318_393);
pub(super) const MINUTE: Duration = Duration::from_secs(60);
pub(super) const PASSWORD: &str = "correct horse battery staple";
pub(super) const MESSAGE: &str = "From: Alice <alice@a.example>\r\nTo: bob@x.example\r\nSubject: SUBJECT-MARK\r\n\
    X-OxGuard-PIN: 739104\r\n\r\nBODY-MARK\r\n.dot\r\n..two\r\nend\r\n";

/// The wall clock, and the running one.
pub(super) struct Hands(Mutex<(Time, Duration)>);

impl Hands {
    /// Time passes.
    pub(super) fn pass(&self, span: Duration) {
        self.set_on(span);
        self.0.lock().unwrap().1 += span;
    }

    /// Somebody sets the wall clock.
    fn set_on(&self, span: Duration) {
        let mut clocks = self.0.lock().unwrap();
        clocks.0 = clocks.0 + span;
    }

    /// Somebody sets it back.
    fn set_back(&self, span: Duration) {
        let mut clocks = self.0.lock().unwrap();
        clocks.0 = clocks.0 - span;
    }
}

impl Clock for Hands {
    fn now(&self) -> Time {
        self.0.lock().unwrap().0
    }

    fn running(&self) -> Duration {
        self.0.lock().unwrap().1
    }
}

pub(super) struct Ours {
    pub(super) flow: Arc<Flow>,
    model: Arc<Model>,
    pub(super) hands: Arc<Hands>,
    alice: MailboxId,
    pub(super) worker: Worker,
    pub(super) dir: TempDir,
}

impl Ours {
    pub(super) async fn new(dns: Table, port: u16, extra: &str) -> Self {
        Self::with(dns, port, extra, true).await
    }

    async fn with(dns: Table, port: u16, extra: &str, loopback: bool) -> Self {
        Self::under(Arc::new(dns), port, extra, loopback).await
    }

    pub(super) async fn under(dns: Arc<dyn Dns>, port: u16, extra: &str, loopback: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let text = format!(
            "hostname = \"mail.a.example\"\n[[domain]]\nname = \"a.example\"\nlanguage = \"en\"\n[portal]\nurl = \
             \"https://mail.a.example\"\n[tls]\ncertificate = \"/c\"\nkey = \"/k\"\n[outbound]\nport = {port}\n{}",
            extra.replace("DIR", dir.path().to_str().unwrap())
        );
        let model = Arc::new(Model::new(dir.path()).unwrap());
        let hands = Arc::new(Hands(Mutex::new((START, Duration::ZERO))));
        let ground = Ground {
            store: Arc::<Model>::clone(&model),
            keys: Arc::new(Keys::generate(os_random())),
            spools: SpoolDir::open(&dir.path().join("spool")).unwrap(),
            clock: Arc::<Hands>::clone(&hands),
            random: Arc::new(OsRandom),
            dns,
            password_cost: Parameters::SMALL,
        };
        let flow = Flow::new(ground, Arc::new(Config::from_text(&text).unwrap()));
        let alice =
            flow.add_account(&address("alice@a.example"), &Secret::new(PASSWORD.into())).await.unwrap().id;
        let dialer = Dialer { loopback, ..Dialer::default() };
        let worker = Worker::new(Arc::clone(&flow), Courier { dialer, ..Courier::default() });
        Self { flow, model, hands, alice, worker, dir }
    }

    /// One peer for all of x.example.
    pub(super) async fn facing(peer: &Peer) -> Self {
        Self::new(world(), peer.address.port(), "").await
    }

    pub(super) fn item(&self, recipients: &[&str]) -> Outgoing {
        Outgoing {
            id: QueueId::new(crate::base::random::bytes(os_random())),
            purpose: Purpose::Mail,
            sender: Some(address("alice@a.example")),
            owner: Some(self.alice),
            recipients: recipients.iter().map(|to| Recipient::plain(address(to))).collect(),
            demand: Demand::default(),
            eight_bit: false,
            smtputf8: false,
            ret: None,
            envid: None,
            secret: false,
        }
    }

    pub(super) async fn queue(&self, item: Outgoing, message: &[u8]) -> QueueId {
        let id = item.id;
        let message = self.flow.own_message(message).unwrap();
        let command = self.flow.outgoing(item, message).await.unwrap();
        self.flow.store.commit(vec![command]).await.unwrap();
        self.flow.queue_bell.notify_one();
        id
    }

    pub(super) async fn send(&mut self, recipients: &[&str]) {
        self.queue(self.item(recipients), MESSAGE.as_bytes()).await;
        self.worker.until_idle().await;
    }

    pub(super) fn pass(&self, span: Duration) {
        self.hands.pass(span);
    }

    pub(super) async fn waiting(&self) -> usize {
        self.flow.store.queue(None, 100).await.unwrap().len()
    }

    async fn sign_in(&self) -> Arc<Unlocked> {
        let source = Source { ip: Ipv4Addr::LOCALHOST.into(), device: None };
        let password = Secret::new(PASSWORD.into());
        self.flow.sign_in("alice@a.example", password, &source, Realm::Accounts).await.unwrap()
    }

    /// What is in Alice's INBOX.
    pub(super) async fn inbox(&self) -> Vec<String> {
        let alice = self.sign_in().await;
        let messages = self.flow.store.messages(self.alice, Folder::INBOX, Uid(0), 100).await.unwrap();
        let mut texts = Vec::new();
        for message in messages {
            let plain = self.flow.read(&alice, Folder::INBOX, message.uid).await.unwrap();
            let mut text = String::new();
            plain.spool.reader().read_to_string(&mut text).unwrap();
            texts.push(text);
        }
        texts
    }
}

pub(super) fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

pub(super) fn ip(last: u8) -> IpAddr {
    IpAddr::from([127, 0, 0, last])
}

/// x.example has one host on 127.0.0.1; y.example has it without MX.
pub(super) fn world() -> Table {
    Table::default()
        .with_mx("x.example", &[(10, "mx.x.example")])
        .with_addresses("mx.x.example", &[ip(1)])
        .with_addresses("y.example", &[ip(1)])
}

#[tokio::test]
async fn hands_over_inside_tls_and_forgets() {
    let peer = Peer::good().await;
    let mut ours = Ours::facing(&peer).await;
    ours.send(&["bob@x.example", "eve@x.example"]).await;
    let taken = peer.taken();
    assert_eq!(taken.len(), 1, "one transaction for one domain");
    assert!(taken[0].tls);
    assert_eq!(taken[0].text, MESSAGE.as_bytes());
    assert_eq!(taken[0].mail, format!("<alice@a.example> SIZE={} RET=HDRS", MESSAGE.len()));
    assert_eq!(taken[0].rcpts, ["<bob@x.example>", "<eve@x.example>"]);
    let plain = String::from_utf8(peer.sessions()[0].plain.clone()).unwrap();
    assert_eq!(plain, "EHLO mail.a.example\r\nSTARTTLS\r\n", "nothing else in clear");
    assert_eq!(ours.waiting().await, 0);
    assert!(ours.inbox().await.is_empty());
    let left = fs::read_dir(ours.dir.path().join("bodies")).unwrap();
    let files: usize = left.map(|dir| fs::read_dir(dir.unwrap().path()).unwrap().count()).sum();
    assert_eq!(files, 0, "the body file is gone");
}

#[tokio::test]
async fn what_cannot_be_read_whole_is_never_ended() {
    // One that is read ahead, and one that is read as it goes.
    for lines in [1, 10_000] {
        let peer = Peer::good().await;
        let mut ours = Ours::facing(&peer).await;
        let message = format!("Subject: damaged\r\n\r\n{}", "a line of the text\r\n".repeat(lines));
        let id = ours.queue(ours.item(&["bob@x.example"]), message.as_bytes()).await;
        let dirs = fs::read_dir(ours.dir.path().join("bodies")).unwrap();
        let mut files = dirs.flat_map(|dir| fs::read_dir(dir.unwrap().path()).unwrap());
        let file = files.next().unwrap().unwrap().path();
        assert!(files.next().is_none());
        let mut sealed = fs::read(&file).unwrap();
        *sealed.last_mut().unwrap() ^= 1;
        fs::write(&file, sealed).unwrap();
        ours.worker.until_idle().await;
        assert!(peer.taken().is_empty(), "{lines} lines");
        let item = queue::show(&*ours.flow.store, id).await.unwrap().unwrap();
        let reason = &item.recipients[0].reason;
        assert!(reason.contains("4.3.0") && reason.contains("cannot be read"), "{reason}");
    }
}

#[tokio::test]
async fn goes_in_clear_only_where_tls_is_not_to_be_had() {
    for (start_tls, connections) in
        [(StartTls::NotOffered, 1), (StartTls::Refused, 1), (StartTls::Garbage, 2), (StartTls::Closes, 2)]
    {
        let peer = Plan::default().start_tls(start_tls).open().await;
        let mut ours = Ours::facing(&peer).await;
        ours.send(&["bob@y.example"]).await;
        assert_eq!(peer.taken().len(), 1, "{start_tls:?}");
        assert!(!peer.taken()[0].tls, "{start_tls:?}");
        assert_eq!(peer.sessions().len(), connections, "{start_tls:?}");
        assert_eq!(ours.waiting().await, 0, "{start_tls:?}");
    }
}

#[tokio::test]
async fn rather_not_at_all_than_in_clear_where_that_is_demanded() {
    for (start_tls, status) in [
        (StartTls::NotOffered, "5.7.4"),
        (StartTls::Refused, ""),
        (StartTls::Garbage, ""),
        (StartTls::Closes, ""),
    ] {
        let peer = Plan::default().start_tls(start_tls).open().await;
        let mut ours = Ours::facing(&peer).await;
        let item = Outgoing {
            demand: Demand::new(Requirement::Encrypt, Sender::Ordinary),
            ..ours.item(&["bob@x.example"])
        };
        ours.queue(item, MESSAGE.as_bytes()).await;
        ours.worker.until_idle().await;
        let octets = String::from_utf8(peer.octets()).unwrap();
        assert!(!octets.contains("MAIL FROM") && !octets.contains("MARK"), "{start_tls:?}: {octets}");
        let inbox = ours.inbox().await;
        if status.is_empty() {
            assert_eq!((ours.waiting().await, inbox.len()), (1, 0), "{start_tls:?} may be better later");
        } else {
            assert!(inbox[0].contains(&format!("Status: {status}\r\n")), "{}", inbox[0]);
            assert!(inbox[0].contains("Nothing was sent unencrypted"), "{}", inbox[0]);
            assert_eq!(ours.waiting().await, 0);
        }
    }
}

#[tokio::test]
async fn a_queued_message_keeps_the_policy_that_was_in_force() {
    let peer = Plan::default().start_tls(StartTls::NotOffered).open().await;
    let port = peer.address.port();
    let strict = "[[outbound.tls_policy]]\ndomain = \"x.example\"\nlevel = \"encrypt\"\n";
    let mut ours = Ours::new(world(), port, strict).await;
    ours.queue(ours.item(&["bob@x.example", "eve@y.example"]), MESSAGE.as_bytes()).await;
    let lax = Ours::new(world(), port, "").await.flow.config();
    ours.flow.reconfigure(lax);
    ours.worker.until_idle().await;
    assert_eq!(peer.taken().len(), 1);
    assert_eq!(peer.taken()[0].rcpts, ["<eve@y.example>"]);
    let inbox = ours.inbox().await;
    assert!(inbox[0].contains("Final-Recipient: rfc822; bob@x.example"), "{}", inbox[0]);
    // And what becomes stricter while it waits is stricter for it too.
    let closed = Plan::default().rule(|_| Act::Close("421 4.3.2 not now".into())).open().await;
    let mut ours = Ours::new(world(), closed.address.port(), "").await;
    ours.send(&["bob@x.example"]).await;
    assert_eq!(ours.waiting().await, 1);
    let now = Ours::new(world(), port, strict).await.flow.config();
    ours.flow.reconfigure(now);
    ours.pass(6 * MINUTE);
    ours.worker.until_idle().await;
    assert_eq!((ours.waiting().await, peer.taken().len()), (0, 1), "it bounced");
}

#[tokio::test]
async fn forgets_what_was_said_before_tls() {
    let peer = Plan::default()
        .rule(|asked| match asked.line {
            "STARTTLS" => {
                Act::Say("220 go\r\n250-mx\r\n250 SIZE 1\r\n250 ok\r\n250 ok\r\n354 x\r\n250 taken".into())
            }
            _ => Act::Usual,
        })
        .open()
        .await;
    let mut ours = Ours::facing(&peer).await;
    ours.send(&["bob@x.example"]).await;
    let taken = peer.taken();
    assert_eq!(taken.len(), 1);
    assert!(taken[0].tls);
    assert_eq!(taken[0].text, MESSAGE.as_bytes());
}

#[tokio::test]
async fn what_dns_says_decides() {
    let world = || {
        Table::default()
            .with_mx("null.example", &[(0, ".")])
            .with_mx("self.example", &[(5, "mx.self.example"), (10, "mx.x.example")])
            .with_addresses("mx.self.example", &[ip(1)])
            .with_mx("zero.example", &[(5, "mx.zero.example")])
            .with_addresses("mx.zero.example", &[IpAddr::from([0, 0, 0, 0])])
            .with_mx("empty.example", &[(5, "mx.empty.example")])
            .with_mx("mx.empty.example", &[])
            .with_mx_answer("broken.example", Answer::Error("SERVFAIL".into()))
            .with_mx_answer("forged.example", Answer::Bogus)
            .with_mx("dark.example", &[(5, "mx.dark.example"), (9, "mx.empty.example")])
            .with_addresses_answer("mx.dark.example", Answer::Error("timeout".into()))
    };
    for (domain, status) in [
        ("nothing.example", "5.1.2"),
        ("null.example", "5.1.10"),
        ("self.example", "5.4.6"),
        ("zero.example", "5.4.6"),
        ("empty.example", "5.4.4"),
        ("broken.example", "4.4.3"),
        ("forged.example", "4.4.3"),
        ("dark.example", "4.4.3"),
    ] {
        let mut ours = Ours::with(world(), 25, "", false).await;
        ours.send(&[&format!("bob@{domain}")]).await;
        if status.starts_with('4') {
            let items = queue::list(&*ours.flow.store, None, 10).await.unwrap();
            assert!(items[0].recipients[0].reason.starts_with(status), "{domain}: {:?}", items[0].recipients);
            assert!(ours.inbox().await.is_empty(), "{domain}");
        } else {
            let inbox = ours.inbox().await;
            assert!(inbox[0].contains(&format!("Status: {status}\r\n")), "{domain}: {}", inbox[0]);
            assert_eq!(ours.waiting().await, 0, "{domain}");
        }
    }
}

#[tokio::test]
async fn tries_the_next_host() {
    let good = Plan::default().at("127.0.0.3", 0).open().await;
    let port = good.address.port();
    let busy = Plan::default().at("127.0.0.2", port).rule(|_| Act::Say("451 busy".into())).open().await;
    let dns = Table::default()
        .with_mx("x.example", &[(1, "shut.example"), (2, "busy.example"), (3, "good.example")])
        .with_addresses("shut.example", &[ip(4)])
        .with_addresses("busy.example", &[ip(2)])
        .with_addresses("good.example", &[ip(3)]);
    let mut ours = Ours::new(dns, port, "").await;
    ours.send(&["bob@x.example"]).await;
    assert_eq!((busy.sessions().len(), good.taken().len()), (1, 1));
    assert_eq!(ours.waiting().await, 0);
}

#[tokio::test]
async fn a_secret_message_goes_out_under_its_own_key() {
    let peer = Peer::good().await;
    let mut ours = Ours::facing(&peer).await;
    let item = Outgoing { secret: true, ..ours.item(&["bob@x.example"]) };
    let id = ours.queue(item, MESSAGE.as_bytes()).await;
    let shred = ours.flow.store.queued(id).await.unwrap().unwrap().shred.unwrap();
    ours.worker.until_idle().await;
    assert_eq!(peer.taken()[0].text, MESSAGE.as_bytes());
    assert!(ours.flow.store.shred_key(shred).await.unwrap().is_none(), "its key went with it");
}

#[tokio::test]
async fn a_peer_of_seven_bits_gets_seven_bits() {
    let peer = Plan::default().extensions(&[]).open().await;
    let mut ours = Ours::facing(&peer).await;
    let item = Outgoing { eight_bit: true, ..ours.item(&["bob@x.example"]) };
    let message = "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\
        Content-Transfer-Encoding: 8bit\r\n\r\nGr\u{fc}\u{df}e\r\n";
    ours.queue(item, message.as_bytes()).await;
    let utf8 = Outgoing { smtputf8: true, ..ours.item(&["bob@x.example"]) };
    ours.queue(utf8, message.as_bytes()).await;
    ours.worker.until_idle().await;
    let taken = peer.taken();
    assert_eq!(taken.len(), 1);
    assert!(taken[0].text.is_ascii());
    assert!(String::from_utf8_lossy(&taken[0].text).contains("Gr=C3=BC=C3=9Fe"));
    let inbox = ours.inbox().await;
    assert!(inbox[0].contains("Status: 5.6.7\r\n"), "{}", inbox[0]);
}

#[tokio::test]
async fn signs_in_at_a_smarthost_only_inside_tls() {
    for (start_tls, sent) in [(StartTls::Works, 1), (StartTls::NotOffered, 0), (StartTls::Garbage, 0)] {
        let peer = Plan::default()
            .start_tls(start_tls)
            .extensions(&["AUTH PLAIN LOGIN", "PIPELINING"])
            .rule(|asked| match asked.line.starts_with("AUTH") {
                true => Act::Say("235 2.7.0 ok".into()),
                false => Act::Usual,
            })
            .open()
            .await;
        let extra = format!(
            "smarthost = \"127.0.0.1:{}\"\nsmarthost_user = \"me\"\nsmarthost_password_file = \"DIR/password\"\n",
            peer.address.port()
        );
        let mut ours = Ours::with(Table::default(), 25, &extra, false).await;
        fs::write(ours.dir.path().join("password"), "hunter2\n").unwrap();
        ours.send(&["bob@x.example", "eve@y.example"]).await;
        let octets = String::from_utf8(peer.octets()).unwrap();
        assert_eq!(peer.taken().len(), sent, "{start_tls:?}");
        assert_eq!(octets.contains("AUTH PLAIN AG1lAGh1bnRlcjI="), sent == 1, "{octets}");
        assert_eq!(octets.contains("MAIL"), sent == 1, "{octets}");
        if sent == 1 {
            assert_eq!(peer.taken()[0].rcpts.len(), 2, "one hop for all domains");
        } else {
            assert_eq!(ours.waiting().await, 1, "{start_tls:?}");
        }
    }
}

#[tokio::test]
async fn a_loop_is_seen_by_the_name() {
    let peer = Plan::default()
        .rule(|asked| match asked.line.starts_with("EHLO") {
            true => Act::Say("250 mail.a.example".into()),
            false => Act::Usual,
        })
        .open()
        .await;
    let mut ours = Ours::facing(&peer).await;
    ours.send(&["bob@x.example"]).await;
    let inbox = ours.inbox().await;
    assert!(inbox[0].contains("Status: 5.4.6\r\n"), "{}", inbox[0]);
}

#[tokio::test]
async fn the_queue_is_bounded() {
    let mut ours = Ours::new(Table::default(), 25, "[limits]\nqueue_messages = 100\n").await;
    for _ in 0..100 {
        ours.queue(ours.item(&["bob@nothing.example"]), MESSAGE.as_bytes()).await;
    }
    let message = ours.flow.own_message(MESSAGE.as_bytes()).unwrap();
    let refused = ours.flow.outgoing(ours.item(&["bob@nothing.example"]), message).await.unwrap_err();
    assert!(matches!(refused, TakeError::QueueFull));
    ours.worker.until_idle().await;
    assert_eq!(ours.flow.queue.read(), (0, 0), "what has left is counted out");
    let octets = ours.flow.config().limits.queue_size;
    let (one, other) = (ours.flow.queue_id(), ours.flow.queue_id());
    ours.flow.admit_to_queue(one, Purpose::Mail, octets).unwrap();
    assert!(ours.flow.admit_to_queue(other, Purpose::Mail, 1).is_err());
    // What is being taken counts, whenever the queue is counted anew.
    ours.worker.until_idle().await;
    assert_eq!(ours.flow.queue.read(), (1, octets));
    assert!(ours.flow.admit_to_queue(other, Purpose::Mail, 1).is_err());
    ours.flow.queue.left(one);
    let message = ours.flow.own_message(MESSAGE.as_bytes()).unwrap();
    let command = ours.flow.outgoing(ours.item(&["bob@nothing.example"]), message).await.unwrap();
    let stale = Command::RequireAlias { account: ours.alice, level: None };
    assert!(ours.flow.commit_taking(vec![command, stale]).await.is_err());
    assert_eq!(ours.flow.queue.read(), (0, 0), "what was not queued after all is counted out");
}

#[tokio::test]
async fn the_queue_takes_at_most_a_quarter_of_the_free_disk() {
    let ours = Ours::new(Table::default(), 25, "").await;
    let size = MESSAGE.len() as u64;
    let refused = async |purpose| {
        let item = Outgoing { purpose, ..ours.item(&["bob@nothing.example"]) };
        let message = ours.flow.own_message(MESSAGE.as_bytes()).unwrap();
        match ours.flow.outgoing(item, message).await {
            Ok(command) => {
                ours.flow.store.commit(vec![command]).await.unwrap();
                false
            }
            Err(TakeError::QueueFull) => true,
            Err(why) => panic!("{why}"),
        }
    };
    ours.model.set_free_disk(8 * size - 1);
    assert!(!refused(Purpose::Mail).await);
    assert!(refused(Purpose::Mail).await, "a second one would be an octet too much");
    assert!(refused(Purpose::Invitation(ours.alice)).await);
    // What this server writes by itself is not refused.
    assert!(!refused(Purpose::Bounce).await && !refused(Purpose::Notice(ours.alice)).await);
    assert!(!refused(Purpose::Warning(ours.alice, 14)).await);
    assert_eq!(ours.flow.queue.read(), (4, 4 * size));
    ours.model.set_free_disk(20 * size);
    assert!(!refused(Purpose::Mail).await, "there is room again");
    assert!(refused(Purpose::Mail).await);
}
