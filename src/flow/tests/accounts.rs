//! The later life of an account: what a change, a new key, a reset, a reopening and a recovery keep and what they end.

use super::*;
use crate::flow::account_keys::ChangeWish;
use crate::flow::account_keys::REOPENABLE;
use crate::flow::accounts::AdminError;
use crate::flow::life::TICKS;
use crate::flow::reading::ReadError;
use crate::flow::recovery::RecoveryCertificate;
use crate::flow::recovery::recovery_slot;
use crate::flow::sign_in::slot_parts;
use crate::openpgp::decrypt;
use crate::openpgp::generate::generate;
use crate::openpgp::secret_key::SecretKey;
use crate::store::record::MailboxRecord;
use crate::store::record::SlotKind;
use crate::store::record_life::ClockTrouble;
use crate::store::record_life::Suspension;
use crate::vault::mailbox_key::MailboxKey;
use crate::vault::password::Password;
use crate::vault::slot;
use crate::vault::slot::Opener;
use crate::vault::slot::SlotParts;

const SECOND: &str = "alice likes another password";
const THIRD: &str = "alice has a third password";
const NEW_KEY: ChangeWish = ChangeWish { keep_app_passwords: false, new_key: true };
const KEEP: ChangeWish = ChangeWish { keep_app_passwords: true, new_key: false };
const HELLO: &str = "From: x@example.net\r\nTo: alice@example.org\r\nSubject: hello\r\n\r\nhello marker\r\n";

fn alice() -> Address {
    address("alice@example.org")
}

impl World {
    async fn sign_in(&self, password: &str) -> Result<Arc<Unlocked>, SignInError> {
        self.flow.sign_in("alice@example.org", secret(password), &source(), Realm::Accounts).await
    }

    async fn change(&self, old: &str, new: &str, wish: ChangeWish) -> Result<(), AdminError> {
        self.flow.change_password(&alice(), secret(old), &secret(new), wish).await
    }

    async fn record(&self) -> MailboxRecord {
        MailboxRecord::clone(&*self.flow.store.mailbox(self.alice.mailbox).await.unwrap().unwrap())
    }

    async fn hello(&self) {
        let arrived = self.arrived(Some("x@example.net"), &["alice@example.org"], HELLO);
        self.flow.take_in(arrived).await.unwrap();
    }

    fn pass(&self, span: Duration) {
        self.clock.0.fetch_add(i64::try_from(span.as_secs()).unwrap(), Ordering::SeqCst);
    }

    /// The server has run so much longer, seconds.
    async fn run(&self, seconds: u64) {
        let tick = Command::Tick { wall: self.flow.clock.now(), ran_more: seconds, suspend: None };
        self.flow.store.commit(vec![tick]).await.unwrap();
    }

    async fn send_as(&self, who: &Arc<Unlocked>, id: &str) -> Result<(), TakeError> {
        let message = CONFIDENTIAL.replace("<m1@", &format!("<{id}@"));
        let from = who.address.to_string();
        let arrived = self.arrived(
            Some(&from),
            &["bob@example.net"],
            &message.replace("alice@", &format!("{}@", who.address.local())),
        );
        self.flow.submit(who, arrived).await.map(drop)
    }

    /// An app password, as a slot of the same salt.
    async fn app_password(&self, password: &str) {
        let record = self.record().await;
        let salt = record.slots[0].salt;
        let parts = SlotParts {
            kind: SlotKind::AppPassword,
            ..SlotParts::password(record.id, Some(salt), Parameters::SMALL, &OsRandom)
        };
        let password = Password::parse(password).unwrap();
        let stretched = slot::stretch(password.expose().as_bytes(), &salt, Parameters::SMALL).unwrap();
        let opener = Opener::Password(&stretched);
        let slot =
            crate::flow::new_mailbox::sealed_slot(parts, opener, &self.alice.key, &self.flow.keys, &OsRandom);
        // The store has no command of its own for it yet: any slot comes in this way.
        let put =
            Command::PutRecovery { account: record.id, generation: record.generation, slot: slot.unwrap() };
        self.flow.store.commit(vec![put]).await.unwrap();
    }
}

#[tokio::test]
async fn a_change_loses_nothing_and_ends_what_was() {
    let world = World::new().await;
    world.submit(&["bob@example.net"], CONFIDENTIAL).await.unwrap();
    world.app_password("a password for one program").await;
    assert!(world.sign_in("a password for one program").await.is_ok());
    let change = world.change("a password for one program", SECOND, ChangeWish::default()).await;
    assert!(matches!(change, Err(AdminError::WrongPassword)), "an app password changes nothing");
    world.change(PASSWORD, SECOND, KEEP).await.unwrap();
    for password in [SECOND, "a password for one program"] {
        let who = world.sign_in(password).await.unwrap();
        assert_eq!(world.folder(&who, Folder::INBOX).await.len(), 1, "{password}");
    }
    assert!(matches!(world.sign_in(PASSWORD).await, Err(SignInError::Wrong)));
    assert!(
        world
            .flow
            .resume(world.alice.mailbox, world.alice.generation, MailboxKey::generate(&OsRandom))
            .await
            .unwrap()
            .is_none()
    );
    world.change(SECOND, THIRD, ChangeWish::default()).await.unwrap();
    assert!(matches!(world.sign_in("a password for one program").await, Err(SignInError::Wrong)), "dropped");
    let who = world.sign_in(THIRD).await.unwrap();
    world.send_as(&who, "m2").await.unwrap();
    assert_eq!(world.queue().await.len(), 2, "the link went out again");
    let both = ChangeWish { keep_app_passwords: true, new_key: true };
    assert!(matches!(world.change(THIRD, SECOND, both).await, Err(AdminError::AppPasswordsAndNewKey)));
}

#[tokio::test]
async fn of_two_changes_at_once_one_wins() {
    let world = World::new().await;
    let (one, other) = tokio::join!(
        world.change(PASSWORD, SECOND, NEW_KEY),
        world.change(PASSWORD, THIRD, ChangeWish::default())
    );
    let (won, lost, password) = if one.is_ok() { (one, other, SECOND) } else { (other, one, THIRD) };
    won.unwrap();
    assert!(matches!(lost, Err(AdminError::Changed | AdminError::WrongPassword)), "{lost:?}");
    assert!(world.sign_in(password).await.is_ok());
    assert_eq!(world.record().await.slots.len(), 1);
    let (alice, chosen) = (alice(), secret("the admin chose this one"));
    let (reset, changed) = tokio::join!(
        world.flow.reset_account(&alice, &chosen),
        world.change(password, "alice has a fourth password", ChangeWish::default())
    );
    assert!(reset.is_ok() != changed.is_ok(), "{reset:?} {changed:?}");
}

#[tokio::test]
async fn a_new_key_keeps_old_mail_readable_and_new_mail_from_the_old_key() {
    let world = World::new().await;
    world.submit(&["bob@example.net"], CONFIDENTIAL).await.unwrap();
    world.hello().await;
    // Summaries are put under the unlock key by the first list.
    assert_eq!(world.folder(&world.alice, Folder::INBOX).await.len(), 2);
    let before = world.record().await;
    world.pass(Duration::from_secs(60));
    world.change(PASSWORD, SECOND, NEW_KEY).await.unwrap();
    world.hello().await;
    let after = world.record().await;
    assert_ne!(after.certificate, before.certificate);
    assert_eq!(after.former, std::slice::from_ref(&before.certificate));
    let who = world.sign_in(SECOND).await.unwrap();
    assert_eq!(world.folder(&who, Folder::INBOX).await.len(), 3);
    assert!(
        matches!(world.flow.read(&world.alice, Folder::INBOX, Uid(3)).await, Err(ReadError::Damaged)),
        "an old key opens nothing new"
    );
    assert!(world.flow.read(&world.alice, Folder::INBOX, Uid(2)).await.is_ok());
    world.send_as(&who, "m2").await.unwrap();
    assert_eq!(world.queue().await.len(), 2, "the vault is there");

    world.pass(Duration::from_secs(60));
    world.change(SECOND, THIRD, NEW_KEY).await.unwrap();
    let again = world.sign_in(THIRD).await.unwrap();
    assert_eq!(world.folder(&again, Folder::INBOX).await.len(), 4, "over two keys");
    world.send_as(&again, "m3").await.unwrap();
    let file = world.flow.export_secret_key(&alice(), secret(THIRD)).await.unwrap();
    assert!(file.file.expose().contains("PRIVATE KEY"));
}

#[tokio::test]
async fn a_reset_shuts_what_was_and_the_old_password_brings_it_back() {
    let world = World::new().await;
    world.flow.add_account(&address("carol@example.org"), &secret(PASSWORD)).await.unwrap();
    let carol =
        world.flow.sign_in("carol@example.org", secret(PASSWORD), &source(), Realm::Accounts).await.unwrap();
    world.submit(&["bob@example.net"], CONFIDENTIAL).await.unwrap();
    world.hello().await;
    world.send_as(&carol, "c1").await.unwrap();
    world.pass(Duration::from_secs(60));
    let done = world.flow.reset_account(&alice(), &secret(SECOND)).await.unwrap();
    assert_eq!(done.unreadable, 3, "the PIN, hello, Sent");
    assert_eq!(done.invitations.len(), 1);
    assert_eq!(done.invitations[0].recipient, address("bob@example.net"));
    assert!(matches!(world.sign_in(PASSWORD).await, Err(SignInError::Wrong)));

    let who = world.sign_in(SECOND).await.unwrap();
    world.hello().await;
    let listed = world.flow.list(&who, Folder::INBOX, Uid(0), 100).await.unwrap();
    assert_eq!(listed.iter().map(|line| line.summary.is_some()).collect::<Vec<_>>(), [false, false, true]);
    for uid in 1..=2 {
        assert!(matches!(world.flow.read(&who, Folder::INBOX, Uid(uid)).await, Err(ReadError::Damaged)));
    }
    assert!(world.flow.read(&who, Folder::INBOX, Uid(3)).await.is_ok(), "new mail works");
    for (sender, id) in [(&who, "m2"), (&carol, "c2")] {
        match world.send_as(sender, id).await {
            Err(TakeError::Policy(text)) => {
                assert!(text.contains("the account that invited is gone"), "{text}")
            }
            other => panic!("{other:?}"),
        }
    }

    let own = alice();
    let reopen = |old, new| world.flow.reopen_account(&own, secret(old), secret(new));
    assert!(matches!(reopen(THIRD, SECOND).await, Err(AdminError::WrongOldPassword)));
    assert!(matches!(reopen(PASSWORD, THIRD).await, Err(AdminError::WrongPassword)));
    world.pass(Duration::from_secs(60));
    reopen(PASSWORD, SECOND).await.unwrap();
    assert!(matches!(reopen(PASSWORD, SECOND).await, Err(AdminError::NothingShut(_))));
    let back = world.sign_in(SECOND).await.unwrap();
    assert_eq!(back.generation, who.generation + 1, "sessions without the old key end");
    assert_eq!(world.folder(&back, Folder::INBOX).await.len(), 3);
    assert!(matches!(world.sign_in(PASSWORD).await, Err(SignInError::Wrong)), "the new password stays");
    let now = world.record().await;
    assert_eq!(now.certificate, done.fingerprint, "the new key stays current");
    world.send_as(&back, "m3").await.unwrap();
    world.send_as(&carol, "c3").await.unwrap();
    world.change(SECOND, THIRD, NEW_KEY).await.unwrap();
    let later = world.sign_in(THIRD).await.unwrap();
    assert!(world.folder(&later, Folder::INBOX).await.len() > 3, "and it stays with the next new key");
}

#[tokio::test]
async fn after_thirty_days_what_was_shut_is_gone_and_not_a_day_before() {
    let world = World::new().await;
    world.hello().await;
    world.flow.reset_account(&alice(), &secret(SECOND)).await.unwrap();
    let shut = world.record().await.account.clone().unwrap().shut.remove(0);
    let first = shut.keys[0].clone();
    world.pass(REOPENABLE);
    world.run(REOPENABLE.as_secs() + TICKS).await;
    assert_eq!(world.flow.destroy_shut_generations().await.unwrap(), 0);
    world.pass(Duration::from_secs(1));
    assert_eq!(world.flow.destroy_shut_generations().await.unwrap(), 0, "over by the date alone");
    assert!(world.flow.store.shred_key(shut.slots[0].shred).await.unwrap().is_some());
    world.run(1).await;
    assert_eq!(world.flow.destroy_shut_generations().await.unwrap(), 1);
    assert!(world.flow.store.shred_key(shut.slots[0].shred).await.unwrap().is_none());
    assert!(
        world.flow.store.key(world.alice.mailbox, &first).await.unwrap().is_none(),
        "the secret key is gone"
    );
    let late = world.flow.reopen_account(&alice(), secret(PASSWORD), secret(SECOND)).await;
    assert!(matches!(late, Err(AdminError::NothingShut(_))));
    let who = world.sign_in(SECOND).await.unwrap();
    world.hello().await;
    let listed = world.flow.list(&who, Folder::INBOX, Uid(0), 100).await.unwrap();
    assert_eq!(listed.len(), 2, "still listed, never a crash");
    assert!(matches!(world.flow.read(&who, Folder::INBOX, Uid(1)).await, Err(ReadError::Damaged)));
    assert!(world.flow.read(&who, Folder::INBOX, Uid(2)).await.is_ok());
}

#[tokio::test]
async fn a_reset_leaves_mail_to_a_certificate_of_its_own() {
    let world = World::new().await;
    let made = generate(&alice(), world.flow.clock.now()).unwrap();
    let armored = crate::openpgp::export::certificate(&made.parsed).unwrap();
    let own = world.flow.import_own_certificate(&alice(), armored.into_bytes()).await.unwrap();
    let done = world.flow.reset_account(&alice(), &secret(SECOND)).await.unwrap();
    assert_eq!(done.fingerprint, own);
    assert_eq!(world.record().await.certificate, own);
    world.hello().await;
    let who = world.sign_in(SECOND).await.unwrap();
    let listed = world.flow.list(&who, Folder::INBOX, Uid(0), 10).await.unwrap();
    assert!(listed.last().unwrap().summary.is_some(), "it lies under the new key");
    let shown = world.folder(&who, Folder::INBOX).await;
    assert!(shown[0].contains("multipart/encrypted") && !shown[0].contains("marker"), "{}", shown[0]);
    world.change(SECOND, THIRD, NEW_KEY).await.unwrap();
    assert_ne!(world.record().await.certificate, own, "asked for, it is a key of ours again");
}

#[tokio::test]
async fn a_recovery_certificate_opens_what_signs_in_and_everybody_is_told() {
    let world = World::new().await;
    world.hello().await;
    let now = world.flow.clock.now();
    let offline = |name: &str| {
        let made = generate(&address(name), now).unwrap();
        let certificate = RecoveryCertificate::read(&made.certificate, now).unwrap();
        (certificate, SecretKey::parse(&made.secret, &made.fingerprint).unwrap())
    };
    let (one, key) = offline("offline@example.net");
    let missing = world.flow.recovery_message(&alice()).await;
    assert!(matches!(missing, Err(AdminError::NoRecovery(_))));
    world.flow.set_recovery(Some(one.clone()));
    assert_eq!(world.flow.tell_recovery().await.unwrap(), 1);
    assert_eq!(world.flow.tell_recovery().await.unwrap(), 0, "told once");
    assert!(recovery_slot(&world.record().await).is_none(), "only a sign-in can make it");
    // The cache must not keep it from being made.
    let who = world.sign_in(PASSWORD).await.unwrap();
    let inbox = world.folder(&who, Folder::INBOX).await;
    let print = crate::openpgp::fingerprint_text(&one.fingerprint().0);
    assert!(inbox.last().unwrap().contains(&print), "{}", inbox.last().unwrap());
    let first = world.record().await;
    world.sign_in(PASSWORD).await.unwrap();
    assert_eq!(recovery_slot(&world.record().await), recovery_slot(&first), "one is enough");

    let code = |key: SecretKey, message: String| {
        let keys = [Arc::new(key)];
        let (line, _) =
            decrypt::decrypt_bytes(&keys, message.as_bytes(), &decrypt::Limits::default()).unwrap();
        Secret::new(String::from_utf8(line).unwrap())
    };
    let message = world.flow.recovery_message(&alice()).await.unwrap();
    assert!(message.message.contains("alice@example.org"), "{}", message.message);
    let code_one = code(key, message.message);
    assert_eq!(code_one.expose().trim_end().len(), 64);
    let recover = |code: &Secret<String>, new: &str| {
        let (flow, code, new) = (world.flow.clone(), Secret::new(code.expose().clone()), secret(new));
        async move { flow.recover_account(&alice(), &code, &new).await }
    };
    for wrong in ["", "AAAA", &"0".repeat(52), PASSWORD] {
        assert!(
            matches!(recover(&secret(wrong), SECOND).await, Err(AdminError::WrongRecoveryCode)),
            "{wrong}"
        );
    }
    recover(&code_one, SECOND).await.unwrap();
    let who = world.sign_in(SECOND).await.unwrap();
    assert_eq!(world.folder(&who, Folder::INBOX).await.len(), 2, "nothing is lost");
    assert!(matches!(recover(&code_one, THIRD).await, Err(AdminError::WrongRecoveryCode)), "good for once");
    assert!(recovery_slot(&world.record().await).is_some(), "and there is a fresh one");

    let (two, key) = offline("other@example.net");
    world.flow.set_recovery(Some(two.clone()));
    assert_eq!(world.flow.tell_recovery().await.unwrap(), 1);
    let of = |record: &MailboxRecord| recovery_slot(record).map(|(_, recovery)| recovery.certificate.clone());
    assert_eq!(of(&world.record().await).as_ref(), Some(one.fingerprint()), "until it is replaced");
    world.sign_in(SECOND).await.unwrap();
    assert_eq!(of(&world.record().await).as_ref(), Some(two.fingerprint()));
    let slots = world.record().await.slots.len();
    assert_eq!(slots, 2, "the former one is gone");
    let code_two = code(key, world.flow.recovery_message(&alice()).await.unwrap().message);
    world.change(SECOND, THIRD, NEW_KEY).await.unwrap();
    assert!(
        matches!(recover(&code_two, SECOND).await, Err(AdminError::WrongRecoveryCode)),
        "a new key, a new code"
    );

    world.flow.set_recovery(None);
    assert_eq!(world.flow.tell_recovery().await.unwrap(), 1);
    assert!(recovery_slot(&world.record().await).is_none(), "off is off");
    let who = world.sign_in(THIRD).await.unwrap();
    assert_eq!(world.folder(&who, Folder::INBOX).await.len(), 4, "told three times");
}

/// Told nothing of it yet or told that it is off: a slot that only a reset has kept goes all the same.
#[tokio::test]
async fn a_recovery_certificate_that_is_off_opens_nothing_that_was_shut() {
    let world = World::new().await;
    let now = world.flow.clock.now();
    let made = generate(&address("offline@example.net"), now).unwrap();
    world.flow.set_recovery(Some(RecoveryCertificate::read(&made.certificate, now).unwrap()));
    world.sign_in(PASSWORD).await.unwrap();
    let slot = recovery_slot(&world.record().await).unwrap().0.clone();
    world.flow.set_recovery(None);
    world.flow.reset_account(&alice(), &secret(SECOND)).await.unwrap();
    assert!(world.flow.store.shred_key(slot.shred).await.unwrap().is_some());
    world.flow.tell_recovery().await.unwrap();
    assert!(world.flow.store.shred_key(slot.shred).await.unwrap().is_none());
    assert!(world.record().await.all_slots().all(|slot| slot.kind == SlotKind::Password));
    assert_eq!(world.flow.tell_recovery().await.unwrap(), 0, "once");
    world.flow.reopen_account(&alice(), secret(PASSWORD), secret(SECOND)).await.unwrap();
}

#[tokio::test]
async fn no_command_leads_to_a_temporary_mailbox() {
    let world = World::new().await;
    let now = world.flow.clock.now();
    let made = generate(&address("offline@example.net"), now).unwrap();
    world.flow.set_recovery(Some(RecoveryCertificate::read(&made.certificate, now).unwrap()));
    let bob = world.bob().await;
    world.flow.sign_in("bob@example.net", secret(CHOSEN), &source(), Realm::Everybody).await.unwrap();
    let record = world.flow.store.mailbox(bob.mailbox).await.unwrap().unwrap();
    assert_eq!(record.slots.iter().map(|slot| slot.kind).collect::<Vec<_>>(), [SlotKind::Password]);
    let bob = address("bob@example.net");
    assert!(matches!(world.flow.recovery_message(&bob).await, Err(AdminError::OtherKind(_))));
    let change = world.flow.change_password(&bob, secret(CHOSEN), &secret(THIRD), NEW_KEY).await;
    assert!(matches!(change, Err(AdminError::OtherKind(_))), "no way leads to another password");
    assert!(matches!(world.flow.reset_account(&bob, &secret(THIRD)).await, Err(AdminError::OtherKind(_))));
}

/// The old password with everything the disk ever held: what was dropped opens nothing.
#[tokio::test]
async fn the_old_password_opens_no_slot_after_a_change() {
    let world = World::new().await;
    let before = world.record().await.slots[0].clone();
    world.change(PASSWORD, SECOND, ChangeWish::default()).await.unwrap();
    assert!(world.flow.store.shred_key(before.shred).await.unwrap().is_none(), "the shred key is destroyed");
    let parts = slot_parts(world.alice.mailbox, &before).unwrap();
    let stretched = slot::stretch(PASSWORD.as_bytes(), &parts.salt, parts.parameters).unwrap();
    let guess = Secret::new([0; 32]);
    let opener = Opener::Password(&stretched);
    assert!(slot::open(&parts, opener, &world.flow.keys.pepper, &guess, &before.sealed).is_err());
}

/// Thirty days are over by the wall clock: it must be believed before anything goes.
#[tokio::test]
async fn nothing_that_was_shut_goes_while_the_clock_is_not_believed() {
    let world = World::new().await;
    world.flow.reset_account(&alice(), &secret(SECOND)).await.unwrap();
    world.pass(REOPENABLE + Duration::from_secs(1));
    let now = world.flow.clock.now();
    let ran_more = 2 * REOPENABLE.as_secs();
    let tick = |wall: Time, suspend: Option<Suspension>| Command::Tick { wall, ran_more, suspend };
    let round = async |commands: Vec<Command>| {
        world.flow.store.commit(commands).await.unwrap();
        world.flow.account_round().await.unwrap()
    };
    assert_eq!(round(Vec::new()).await, 0, "no clock was written yet");
    assert_eq!(round(vec![tick(now - REOPENABLE, None)]).await, 0, "a jump that nobody has judged");
    let jump = Suspension { at: now, why: ClockTrouble::Forward, by: 2_592_001 };
    assert_eq!(round(vec![tick(now, Some(jump))]).await, 0, "suspended");
    assert_eq!(round(vec![Command::AcceptClock { wall: now }]).await, 1, "an admin has accepted it");
    assert!(world.record().await.account.unwrap().shut.is_empty());
}

/// The date was wrong at the reset: by the right one its thirty days are over at once.
#[tokio::test]
async fn a_reset_while_the_clock_is_wrong_can_be_undone_for_thirty_days_all_the_same() {
    let world = World::new().await;
    world.hello().await;
    let days = 40 * 24 * 3_600;
    world.run(60).await;
    world.clock.0.fetch_sub(days, Ordering::SeqCst);
    let wall = world.flow.clock.now();
    let suspend = Some(Suspension { at: wall, why: ClockTrouble::Backward, by: days.unsigned_abs() });
    world.flow.store.commit(vec![Command::Tick { wall, ran_more: 60, suspend }]).await.unwrap();
    world.flow.reset_account(&alice(), &secret(SECOND)).await.unwrap();

    world.clock.0.fetch_add(days, Ordering::SeqCst);
    world.run(60).await;
    let accept = Command::AcceptClock { wall: world.flow.clock.now() };
    world.flow.store.commit(vec![accept]).await.unwrap();
    assert_eq!(world.flow.account_round().await.unwrap(), 0);
    world.flow.reopen_account(&alice(), secret(PASSWORD), secret(SECOND)).await.unwrap();
    let back = world.sign_in(SECOND).await.unwrap();
    assert_eq!(world.folder(&back, Folder::INBOX).await.len(), 1);
}

#[tokio::test]
async fn a_recovery_certificate_whose_time_is_over_stops_nothing() {
    let world = World::new().await;
    let now = world.flow.clock.now();
    let made = generate(&address("offline@example.net"), now).unwrap();
    let certificate = RecoveryCertificate::read(&made.certificate, now).unwrap();
    assert!(certificate.trouble(now).is_none());
    let early = now - Duration::from_secs(24 * 3600);
    let read = RecoveryCertificate::read(&made.certificate, early).unwrap();
    assert!(read.trouble(early).is_some(), "not valid yet");
    world.flow.set_recovery(Some(certificate));
    world.sign_in(PASSWORD).await.unwrap();
    let slot = world.record().await;
    world.flow.sign_in_cache.forget(world.alice.mailbox);
    world.clock.0.store(-24 * 3600, Ordering::SeqCst);
    assert!(world.sign_in(PASSWORD).await.is_ok());
    assert_eq!(recovery_slot(&world.record().await), recovery_slot(&slot), "what is there stays");
    for junk in [&b"junk"[..], b"", &made.certificate[..40]] {
        assert!(RecoveryCertificate::read(junk, now).is_err());
    }
}
