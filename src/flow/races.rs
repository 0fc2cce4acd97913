//! Races run for real, on the engine on disk and several threads: nobody's message is lost or left unreadable, and
//! there is one winner. With the address locks and without them; without, the store's preconditions are seen to
//! refuse.
//!
//! `GUARDPOST_RACES` says how often each is run; what it found is printed (`--nocapture`).

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
use crate::flow::intake::Arrived;
use crate::flow::intake::Peer;
use crate::flow::refusal::TakeError;
use crate::flow::sign_in::Realm;
use crate::flow::sign_in::SignInError;
use crate::flow::sign_in::Source;
use crate::flow::sign_in::Unlocked;
use crate::mime::scan::Limits;
use crate::mime::scan::Scanner;
use crate::net::dns::Table;
use crate::store::command::Command;
use crate::store::engine::Engine;
use crate::store::engine::Options;
use crate::store::error::StoreError;
use crate::store::record::Folder;
use crate::store::record::MailboxState;
use crate::store::record::Uid;
use crate::store::spool::SpoolDir;
use crate::vault::OsRandom;
use crate::vault::keyring::Keys;
use crate::vault::slot::Parameters;
use std::io::Read;
use std::io::Write;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;
use tokio::sync::Barrier;

mod counted;
mod guessing;

use counted::Counted;

const PASSWORD: &str = "four brown dogs, two gates";
const SECOND: &str = "nine green ducks, one pond";
const DAY: i64 = 24 * 3_600;

/// Both clocks, put forward by hand.
struct HandClock(AtomicI64);

impl Clock for HandClock {
    fn now(&self) -> Time {
        Time(1_795_318_393 + self.0.load(Ordering::SeqCst))
    }

    fn running(&self) -> Duration {
        Duration::from_secs(100_000 + self.0.load(Ordering::SeqCst).unsigned_abs())
    }
}

/// Alice and Carol with an appliance on disk.
struct World {
    flow: Arc<Flow>,
    store: Arc<Counted>,
    alice: Arc<Unlocked>,
    carol: Arc<Unlocked>,
    clock: Arc<HandClock>,
    _dir: tempfile::TempDir,
}

/// How often each race is run.
fn rounds() -> usize {
    std::env::var("GUARDPOST_RACES").map_or(100, |rounds| rounds.parse().unwrap())
}

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn secret(text: &str) -> Secret<String> {
    Secret::new(text.to_owned())
}

/// Somewhere in the world, so that no budget is used up.
fn source(round: usize) -> Source {
    let [_, _, high, low] = u32::try_from(round).unwrap().to_be_bytes();
    Source { ip: IpAddr::from([10, high, low, 1]), device: None }
}

fn arrived(flow: &Flow, from: &str, to: &str, subject: &str, marker: &str) -> Arrived {
    let message = format!(
        "From: {from}\r\nTo: {to}\r\nSubject: {subject}\r\nMessage-ID: <{marker}@example.org>\r\n\
         Date: Sun, 22 Nov 2026 03:33:13 +0000\r\n\r\n{marker}\r\n"
    );
    let mut spool = flow.spools.begin();
    spool.write_all(message.as_bytes()).unwrap();
    Arrived {
        envelope: Envelope {
            sender: ReversePath::Address(address(from)),
            recipients: vec![Recipient::plain(address(to))],
            ..Envelope::default()
        },
        spool: spool.finish().unwrap(),
        structure: Scanner::scan(message.as_bytes(), Limits::default()).unwrap(),
        peer: Peer { ip: [192, 0, 2, 7].into(), helo: "c.example".into(), extended: true, tls: None },
    }
}

fn form(token: &Secret<String>, pin: &str, password: &str, round: usize) -> FirstUseForm {
    FirstUseForm {
        token: secret(token.expose()),
        pin: secret(pin),
        password: secret(password),
        confirm: secret(password),
        understood: true,
        language: Language::En,
        source: source(round),
    }
}

/// What the inviter's vault holds.
struct Link {
    id: InvitationId,
    token: Secret<String>,
    pin: String,
}

impl World {
    async fn new(locks: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = Config::from_text(
            "hostname = \"mail.example.org\"\ntls = { certificate = \"/c\", key = \"/k\" }\n\
             portal = { url = \"https://post.example.org\" }\n[[domain]]\nname = \"example.org\"\n[limits]\n\
             new_mailboxes_per_hour = 10000\nnew_mailboxes_per_day = 10000\nqueue_messages = 100000\n",
        )
        .unwrap();
        let clock = Arc::new(HandClock(AtomicI64::new(0)));
        let keys = Keys::generate(&OsRandom);
        let options = Options { reserve: 0, ..Options::default() };
        let store = Arc::new(Counted::new(Engine::open(&dir.path().join("store"), &keys, options).unwrap()));
        let ground = Ground {
            store: store.clone(),
            keys: Arc::new(keys),
            spools: SpoolDir::open(&dir.path().join("spool")).unwrap(),
            clock: clock.clone(),
            random: Arc::new(OsRandom),
            dns: Arc::new(Table::default()),
            password_cost: Parameters::SMALL,
        };
        let flow = Flow::new(ground, Arc::new(config));
        flow.locks.off.store(!locks, Ordering::SeqCst);
        let mut people = Vec::new();
        for name in ["alice@example.org", "carol@example.org"] {
            flow.add_account(&address(name), &secret(PASSWORD)).await.unwrap();
            people.push(flow.sign_in(name, secret(PASSWORD), &source(0), Realm::Accounts).await.unwrap());
        }
        let (carol, alice) = (people.remove(1), people.remove(0));
        Self { flow, store, alice, carol, clock, _dir: dir }
    }

    async fn submit(&self, who: &Arc<Unlocked>, to: &str, tag: &str, marker: &str) -> Result<(), TakeError> {
        let arrived = arrived(&self.flow, &who.address.to_string(), to, tag, marker);
        self.flow.submit(who, arrived).await.map(drop)
    }

    /// The link of an address as an account's vault has it now; `None` if that is another's.
    async fn link(&self, who: &Unlocked, to: &str) -> Option<Link> {
        let mailbox = self.flow.store.mailbox_of(&address(to).key()).await.unwrap()?;
        let sealed = self.flow.store.vault_entry(who.mailbox, mailbox).await.unwrap()?;
        let entry = who.key.open_vault_entry(who.mailbox, mailbox, &sealed).unwrap();
        let pin = entry.pin.map(|pin| pin.expose().to_owned()).unwrap_or_default();
        Some(Link { id: entry.invitation, token: entry.token.text(), pin })
    }

    async fn first_use(
        &self,
        link: &Link,
        password: &str,
        round: usize,
    ) -> Result<Arc<Unlocked>, FirstUseError> {
        self.flow.first_use(Some(link.id), form(&link.token, &link.pin, password, round)).await
    }

    async fn sign_in(&self, who: &str, password: &str, round: usize) -> Result<Arc<Unlocked>, SignInError> {
        self.flow.sign_in(who, secret(password), &source(round), Realm::Everybody).await
    }

    /// The markers in a mailbox's INBOX, each message opened.
    async fn markers(&self, who: &Arc<Unlocked>) -> Vec<String> {
        let mut found = Vec::new();
        for listed in self.flow.list(who, Folder::INBOX, Uid(0), 100).await.unwrap() {
            let plain = self.flow.read(who, Folder::INBOX, listed.uid).await.unwrap();
            let mut text = String::new();
            plain.spool.reader().read_to_string(&mut text).unwrap();
            found.extend(text.trim_end().rsplit("\r\n").next().map(ToOwned::to_owned));
        }
        found.sort();
        found
    }

    fn report(&self, race: &str, locks: bool, rounds: usize) {
        let refused = self.store.refused();
        println!("{race}: {rounds} rounds, locks {locks}, preconditions refused {refused} commits");
    }
}

/// How far the quicker of two is behind the other: in each round of eight another part of the time that the other
/// took last, so that every order of their steps is met whatever the machine.
#[derive(Default)]
struct HeadStart(AtomicU64);

impl HeadStart {
    async fn wait(&self, round: usize) {
        let part = u64::try_from(round % 8).unwrap();
        tokio::time::sleep(Duration::from_micros(self.0.load(Ordering::SeqCst) * part / 6)).await;
    }

    async fn time<T>(&self, work: impl Future<Output = T>) -> T {
        let start = Instant::now();
        let done = work.await;
        self.0.store(u64::try_from(start.elapsed().as_micros()).unwrap(), Ordering::SeqCst);
        done
    }
}

/// Both at once, each on a thread of its own; `quick` gives `slow` a head start.
async fn at_once<A: Send + 'static, B: Send + 'static>(
    head: &Arc<HeadStart>,
    round: usize,
    quick: impl Future<Output = A> + Send + 'static,
    slow: impl Future<Output = B> + Send + 'static,
) -> (A, B) {
    let start = Arc::new(Barrier::new(2));
    let (mine, theirs) = (start.clone(), start);
    let (behind, before) = (head.clone(), head.clone());
    let one = tokio::spawn(async move {
        mine.wait().await;
        behind.wait(round).await;
        quick.await
    });
    let other = tokio::spawn(async move {
        theirs.wait().await;
        before.time(slow).await
    });
    (one.await.unwrap(), other.await.unwrap())
}

async fn two_first_mails(locks: bool) {
    let world = Arc::new(World::new(locks).await);
    let head = Arc::<HeadStart>::default();
    for round in 0..rounds() {
        let to = format!("bob{round}@example.net");
        let (by_alice, by_carol) = (world.clone(), world.clone());
        let (to_alice, to_carol) = (to.clone(), to.clone());
        let (one, other) = at_once(
            &head,
            round,
            async move { by_alice.submit(&by_alice.alice, &to_alice, "[secure]", &format!("a{round}")).await },
            async move { by_carol.submit(&by_carol.carol, &to_carol, "[secure]", &format!("c{round}")).await },
        )
        .await;
        one.unwrap();
        other.unwrap();
        let links = [world.link(&world.alice, &to).await, world.link(&world.carol, &to).await];
        let links: Vec<Link> = links.into_iter().flatten().collect();
        assert_eq!(links.len(), 1, "one of them invited");
        let bob = world.first_use(&links[0], PASSWORD, round).await.unwrap();
        assert_eq!(world.markers(&bob).await, [format!("a{round}"), format!("c{round}")]);
    }
    world.report("two first mails", locks, rounds());
    assert_eq!(world.store.refused() == 0, locks, "the locks keep the preconditions from refusing");
}

async fn renewal_against_first_use(locks: bool) {
    let world = Arc::new(World::new(locks).await);
    let head = Arc::<HeadStart>::default();
    let mut renewed = 0;
    for round in 0..rounds() {
        let to = format!("bob{round}@example.net");
        world.submit(&world.alice, &to, "[secure]", &format!("a{round}")).await.unwrap();
        let old = world.link(&world.alice, &to).await.unwrap();
        let again = Link { id: old.id, token: secret(old.token.expose()), pin: old.pin.clone() };
        let (renewing, using, at) = (world.clone(), world.clone(), to.clone());
        let (used, renewal) =
            at_once(&head, round, async move { using.first_use(&old, PASSWORD, round).await }, async move {
                renewing.submit(&renewing.alice, &at, "[secure renew]", &format!("b{round}")).await
            })
            .await;
        let bob = match (renewal, used) {
            (Ok(()), Err(FirstUseError::State(_))) => {
                renewed += 1;
                let new = world.link(&world.alice, &to).await.unwrap();
                assert!(
                    world.first_use(&again, PASSWORD, round).await.is_err(),
                    "the old link is worth nothing"
                );
                world.first_use(&new, SECOND, round).await.unwrap()
            }
            (Err(TakeError::Policy(_)), Ok(bob)) => {
                world.submit(&world.alice, &to, "[secure]", &format!("b{round}")).await.unwrap();
                bob
            }
            (renewal, used) => panic!("{:?} and {:?}", renewal.err(), used.err()),
        };
        assert_eq!(world.markers(&bob).await, [format!("a{round}"), format!("b{round}")]);
    }
    world.report(&format!("renewal against first use ({renewed} renewed)"), locks, rounds());
    assert!((1..rounds()).contains(&renewed), "either won sometimes");
}

async fn two_first_uses(locks: bool) {
    let world = Arc::new(World::new(locks).await);
    let head = Arc::<HeadStart>::default();
    for round in 0..rounds() {
        let to = format!("bob{round}@example.net");
        world.submit(&world.alice, &to, "[secure]", &format!("a{round}")).await.unwrap();
        let link = world.link(&world.alice, &to).await.unwrap();
        let again = Link { id: link.id, token: secret(link.token.expose()), pin: link.pin.clone() };
        let (first, second) = (world.clone(), world.clone());
        let (one, other) =
            at_once(&head, round, async move { first.first_use(&link, PASSWORD, round).await }, async move {
                second.first_use(&again, SECOND, round).await
            })
            .await;
        let (winner, loser) = match (one, other) {
            (Ok(_), Err(FirstUseError::State(_))) => (PASSWORD, SECOND),
            (Err(FirstUseError::State(_)), Ok(_)) => (SECOND, PASSWORD),
            (one, other) => panic!("{:?} and {:?}", one.err(), other.err()),
        };
        let bob = world.sign_in(&to, winner, round).await.unwrap();
        assert_eq!(world.markers(&bob).await, [format!("a{round}")]);
        assert!(matches!(world.sign_in(&to, loser, round).await, Err(SignInError::Wrong)));
    }
    world.report("two first uses", locks, rounds());
    assert!(world.store.refused() > 0, "a first use holds no lock: the store decides");
}

async fn closing_against_delivery(locks: bool) {
    let world = Arc::new(World::new(locks).await);
    let head = Arc::<HeadStart>::default();
    let mut closed = 0;
    for round in 0..rounds() {
        let to = format!("bob{round}@example.net");
        world.submit(&world.alice, &to, "[secure]", &format!("a{round}")).await.unwrap();
        let link = world.link(&world.alice, &to).await.unwrap();
        world.first_use(&link, PASSWORD, round).await.unwrap();
        let mailbox = world.flow.store.mailbox_of(&address(&to).key()).await.unwrap().unwrap();
        let record = world.flow.store.mailbox(mailbox).await.unwrap().unwrap();
        world.clock.0.fetch_add(90 * DAY, Ordering::SeqCst);
        let (closing, writing, at) = (world.clone(), world.clone(), to.clone());
        let (shut, sent) = at_once(
            &head,
            round,
            async move {
                let close = Command::CloseMailbox {
                    mailbox,
                    now: closing.clock.now(),
                    not_active_since: record.last_activity,
                };
                closing.flow.store.commit(vec![close]).await
            },
            async move { writing.submit(&writing.alice, &at, "[secure]", &format!("b{round}")).await },
        )
        .await;
        sent.unwrap();
        if shut.is_ok() {
            closed += 1;
            assert!(world.sign_in(&to, PASSWORD, round).await.is_err());
            let new = world.link(&world.alice, &to).await.unwrap();
            let bob = world.first_use(&new, SECOND, round).await.unwrap();
            assert_eq!(world.markers(&bob).await, [format!("b{round}")], "a new mailbox, which starts empty");
        } else {
            assert!(matches!(shut, Err(StoreError::Refused { .. })));
            let bob = world.sign_in(&to, PASSWORD, round).await.unwrap();
            assert_eq!(world.markers(&bob).await, [format!("a{round}"), format!("b{round}")]);
        }
        let now = world.flow.store.mailbox(mailbox).await.unwrap().unwrap();
        assert_eq!(now.state == MailboxState::Closed, shut.is_ok());
    }
    world.report(&format!("closing against delivery ({closed} closed)"), locks, rounds());
    assert!((1..rounds()).contains(&closed), "either came first sometimes");
}

async fn reset_against_delivery(locks: bool) {
    let world = Arc::new(World::new(locks).await);
    let head = Arc::<HeadStart>::default();
    for round in 0..rounds() {
        let dave = format!("dave{round}@example.org");
        world.flow.add_account(&address(&dave), &secret(PASSWORD)).await.unwrap();
        let (resetting, writing) = (world.clone(), world.clone());
        let (reset, delivered) = (dave.clone(), dave.clone());
        let (reset, delivered) = at_once(
            &head,
            round,
            async move { resetting.flow.reset_account(&address(&reset), &secret(SECOND)).await },
            async move {
                let mail = arrived(&writing.flow, "x@example.net", &delivered, "", &format!("a{round}"));
                writing.flow.take_in(mail).await.map(drop)
            },
        )
        .await;
        reset.unwrap();
        delivered.unwrap();
        // What came before the reset is shut with the old password, and opens with both.
        world.flow.reopen_account(&address(&dave), secret(PASSWORD), secret(SECOND)).await.unwrap();
        let who = world.sign_in(&dave, SECOND, round).await.unwrap();
        assert_eq!(world.markers(&who).await, [format!("a{round}")]);
        assert!(matches!(world.sign_in(&dave, PASSWORD, round).await, Err(SignInError::Wrong)));
    }
    world.report("reset against delivery", locks, rounds());
}

async fn change_against_sign_in(locks: bool) {
    let world = Arc::new(World::new(locks).await);
    let head = Arc::<HeadStart>::default();
    let mut signed_in = 0;
    for round in 0..rounds() {
        let dave = format!("dave{round}@example.org");
        world.flow.add_account(&address(&dave), &secret(PASSWORD)).await.unwrap();
        let mail = arrived(&world.flow, "x@example.net", &dave, "", &format!("a{round}"));
        world.flow.take_in(mail).await.unwrap();
        let (changing, entering) = (world.clone(), world.clone());
        let (change, enter) = (dave.clone(), dave.clone());
        let (entered, changed) = at_once(
            &head,
            round,
            async move { entering.sign_in(&enter, PASSWORD, round).await },
            async move {
                let wish = ChangeWish { new_key: true, ..ChangeWish::default() };
                changing
                    .flow
                    .change_password(&address(&change), secret(PASSWORD), &secret(SECOND), wish)
                    .await
            },
        )
        .await;
        changed.unwrap();
        let current = world.flow.store.mailbox_of(&address(&dave).key()).await.unwrap().unwrap();
        let current = world.flow.store.mailbox(current).await.unwrap().unwrap();
        match entered {
            Ok(who) => {
                signed_in += 1;
                assert!(
                    who.generation < current.generation,
                    "what was signed in before the change has ended"
                );
            }
            Err(SignInError::Wrong) => {}
            Err(other) => panic!("{other}"),
        }
        assert!(
            matches!(world.sign_in(&dave, PASSWORD, round).await, Err(SignInError::Wrong)),
            "nor by a cache"
        );
        let who = world.sign_in(&dave, SECOND, round).await.unwrap();
        assert_eq!(world.markers(&who).await, [format!("a{round}")]);
    }
    world.report(&format!("change of password against sign-in ({signed_in} signed in)"), locks, rounds());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_first_mails_make_one_mailbox() {
    two_first_mails(true).await;
    two_first_mails(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_renewal_and_a_first_use_have_one_winner() {
    renewal_against_first_use(true).await;
    renewal_against_first_use(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_first_uses_have_one_winner() {
    two_first_uses(true).await;
    two_first_uses(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_delivery_to_a_mailbox_that_closes_is_not_lost() {
    closing_against_delivery(true).await;
    closing_against_delivery(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_delivery_to_an_account_that_is_reset_is_not_lost() {
    reset_against_delivery(true).await;
    reset_against_delivery(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_changed_password_ends_every_sign_in_with_the_old_one() {
    change_against_sign_in(true).await;
    change_against_sign_in(false).await;
}
