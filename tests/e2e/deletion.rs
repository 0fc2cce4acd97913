//! What is left of a mailbox that was deleted, for whoever has every file, the master key, the link, the PIN and the
//! password: nothing that opens. And who comes after it at the same address finds an empty mailbox.

use crate::harness::House;
use crate::mail_client::Imap;
use crate::main_job::BOB;
use crate::main_job::BOBS_PASSWORD;
use crate::main_job::first_use;
use crate::main_job::letter;
use crate::main_job::link;
use crate::main_job::path_and_token;
use crate::main_job::told_pin;
use crate::markers::contains;
use guardpost::base::address::Address;
use guardpost::base::id::MailboxId;
use guardpost::base::secret::Key;
use guardpost::store::Store;
use guardpost::store::engine::Engine;
use guardpost::store::engine::Options;
use guardpost::store::record::MailboxKind;
use guardpost::store::record::SlotRecord;
use guardpost::vault::keyring;
use guardpost::vault::keyring::Keys;
use guardpost::vault::keyring::MasterKey;
use guardpost::vault::mailbox_key::MailboxKey;
use guardpost::vault::slot;
use guardpost::vault::slot::Opener;
use guardpost::vault::slot::Parameters;
use guardpost::vault::slot::SlotParts;
use guardpost::vault::slot::Stretched;
use guardpost::vault::slot::stretch;
use guardpost::vault::token::AccessToken;
use std::fs;
use std::path::Path;
use std::path::PathBuf;

const ALICE: &str = "alice@house.example";
const DAVE: &str = "dave@far.example";
const ERIN: &str = "erin@far.example";

/// Sends a message from Alice and answers with the link in what arrives as mail number `number`, and with the PIN.
async fn invite(house: &House, to: &str, body: &str, number: usize) -> (String, String) {
    let text = letter("[secure] Contract", body, "").replace(BOB, to);
    let reply = house.alice_sends().await.send(ALICE, &[to], &text).await;
    assert!(reply.is(250, "2.0.0"), "{reply:?}");
    let mail = house.world.wait_for(number).await.remove(number - 1);
    (link(&mail), told_pin(house).await)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let place = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &place);
        } else {
            fs::copy(entry.path(), place).unwrap();
        }
    }
}

/// The keyring, as whoever has the master key opens it.
fn keys(house: &House) -> Keys {
    let master = MasterKey::read(&fs::read(house.at("master.key")).unwrap()).unwrap();
    keyring::open(&master, &fs::read(house.at("data/keyring")).unwrap()).unwrap().keys
}

/// What an attacker knows of a mailbox: its slot as it once stood in the store, and what opens that, but for SHK.
struct Loot {
    mailbox: MailboxId,
    slot: SlotRecord,
    /// The password or the PIN, through Argon2id.
    guess: Stretched,
    token: Option<AccessToken>,
    /// Its secret key, wrapped, with the certificate's fingerprint.
    wrapped: (Vec<u8>, Vec<u8>),
}

impl Loot {
    async fn take(store: &dyn Store, address: &str, guess: &str, token: Option<&str>) -> (Self, Key) {
        let address = Address::parse(address).unwrap();
        let mailbox = store.mailbox_of(&address.key()).await.unwrap().unwrap();
        let record = store.mailbox(mailbox).await.unwrap().unwrap();
        let slot = record.slots[0].clone();
        let key = store.key(mailbox, &record.certificate).await.unwrap().unwrap();
        let shred = store.shred_key(slot.shred).await.unwrap().unwrap();
        let guess =
            stretch(guess.as_bytes(), &slot.salt, Parameters::read(slot.parameters).unwrap()).unwrap();
        let wrapped = (key.fingerprint.0.clone(), key.wrapped_secret.clone().unwrap());
        let token = token.map(|token| AccessToken::parse(token).unwrap());
        (Self { mailbox, slot, guess, token, wrapped }, shred)
    }

    /// Whether this shred key completes what is known: to the OpenPGP secret key itself.
    fn opens_with(&self, keys: &Keys, shred: [u8; 32]) -> bool {
        let parts = SlotParts {
            kind: self.slot.kind,
            mailbox: self.mailbox,
            slot: self.slot.id,
            salt: self.slot.salt,
            parameters: Parameters::read(self.slot.parameters).unwrap(),
        };
        let opener = match &self.token {
            Some(token) => Opener::Invitation { pin: &self.guess, token },
            None => Opener::Password(&self.guess),
        };
        let opened = slot::open(&parts, opener, &keys.pepper, &Key::new(shred), &self.slot.sealed);
        let (fingerprint, wrapped) = &self.wrapped;
        let unwrap = |muk: MailboxKey| muk.unwrap_secret_key(self.mailbox, fingerprint, wrapped).is_ok();
        opened.is_ok_and(unwrap)
    }

    /// How many places in the shred files of `dir`, at whatever octet, hold a key that opens it.
    fn tries(&self, keys: &Keys, dir: &Path) -> usize {
        let windows = |name: &str| {
            let file = fs::read(dir.join(name)).unwrap();
            file.windows(32).filter(|key| self.opens_with(keys, (*key).try_into().unwrap())).count()
        };
        windows("shred.a") + windows("shred.b")
    }
}

/// The body files below `dir`.
fn bodies(dir: &Path) -> Vec<PathBuf> {
    let list = |dir: &Path| -> Vec<PathBuf> {
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect()
    };
    list(&dir.join("bodies")).iter().flat_map(|dir| list(dir)).collect()
}

/// Bob had opened his mailbox, Dave had not. Erin's stays, so that what is looked for can be found.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_deleted_opens_for_nobody_who_has_everything() {
    let mut house = House::new().await;
    let long = "Hawthorn-7745 is the clause.\r\n".repeat(1_500);
    let (bobs_link, bobs_pin) = invite(&house, BOB, &long, 1).await;
    let (daves_link, daves_pin) = invite(&house, DAVE, &long, 2).await;
    let (erins_link, erins_pin) = invite(&house, ERIN, &long, 3).await;
    let site = house.browser().site();
    first_use(&mut house.browser(), &bobs_link, &bobs_pin).await;
    first_use(&mut house.browser(), &erins_link, &erins_pin).await;
    let (_, daves_token) = path_and_token(&daves_link, &site);
    house.stop().await;
    let (data, before) = (house.at("data"), house.at("before"));
    copy(&data, &before);
    let keys = keys(&house);

    house.start().await;
    for gone in [BOB, DAVE] {
        let address = Address::parse(gone).unwrap();
        house.flow().remove_mailbox(&address, MailboxKind::Temporary).await.unwrap();
    }
    // What follows a deletion is done once the store has taken a few more commits, and has been closed.
    house.stop().await;

    let lone = Options { reserve: 0, ..Options::default() };
    let old = Engine::open(&before, &keys, lone).unwrap();
    let (bob, bobs_key) = Loot::take(&old, BOB, BOBS_PASSWORD, None).await;
    let (dave, daves_key) = Loot::take(&old, DAVE, &daves_pin, Some(&daves_token)).await;
    let (erin, erins_key) = Loot::take(&old, ERIN, BOBS_PASSWORD, None).await;
    drop(old);
    for (whose, loot, key, there) in [
        ("Bob", &bob, &bobs_key, false),
        ("Dave", &dave, &daves_key, false),
        ("Erin", &erin, &erins_key, true),
    ] {
        assert!(loot.opens_with(&keys, *key.expose()), "{whose}: it would open with the key that was there");
        assert_eq!(loot.tries(&keys, &before), 2, "{whose}: once in each shred file, before");
        assert_eq!(loot.tries(&keys, &data), if there { 2 } else { 0 }, "{whose}: after");
        for (file, octets) in house.data() {
            let found = contains(&octets, key.expose());
            assert_eq!(found, there && file.contains("shred."), "{whose}: in {file}");
        }
    }
    let (then, now) = (bodies(&before), bodies(&data));
    assert_eq!(now.len() + 2, then.len(), "the two bodies are gone as well: {then:?}");

    house.start().await;
    let mut thief = house.browser();
    let at = |link: &str| link[link.find("/i/").unwrap()..].split_once('#').unwrap().0.to_owned();
    for (link, pin) in [(&bobs_link, &bobs_pin), (&daves_link, &daves_pin)] {
        let (_, token) = path_and_token(link, &site);
        let fields = [
            ("token", token.as_str()),
            ("pin", pin.as_str()),
            ("password", BOBS_PASSWORD),
            ("confirm", BOBS_PASSWORD),
            ("understood", "1"),
        ];
        assert_eq!(thief.post(&at(link), &fields).await.status, 410, "the link says that it is gone");
    }
    let sign_in = |address| [("address", address), ("password", BOBS_PASSWORD)];
    assert_eq!(thief.post("/login", &sign_in(BOB)).await.status, 403);
    assert_eq!(house.browser().post("/login", &sign_in(ERIN)).await.location(), "/mailbox");
}

/// RFC 3501 §2.3.1.1, of the INBOX.
async fn validity(imap: &mut Imap) -> u32 {
    let said = imap.ask("SELECT INBOX").await.unwrap().lines.join("\n");
    let (_, rest) = said.split_once("UIDVALIDITY ").expect("UIDVALIDITY");
    rest.split(']').next().unwrap().parse().unwrap()
}

/// After a deletion the address begins anew: nothing of the former mailbox is there, and IMAP clients are told.
#[tokio::test(flavor = "multi_thread")]
async fn who_comes_after_a_deletion_finds_an_empty_mailbox() {
    let house = House::new().await;
    let (first_link, first_pin) = invite(&house, BOB, "Hawthorn-7745", 1).await;
    first_use(&mut house.browser(), &first_link, &first_pin).await;
    let mut imap = house.imap(BOB, BOBS_PASSWORD).await;
    let before = validity(&mut imap).await;
    house.flow().remove_mailbox(&Address::parse(BOB).unwrap(), MailboxKind::Temporary).await.unwrap();
    house.clock.pass(std::time::Duration::from_secs(60));

    let (second_link, second_pin) = invite(&house, BOB, "Larkspur-2280", 2).await;
    assert_ne!((&second_link, &second_pin), (&first_link, &first_pin));
    let mut bob = house.browser();
    let old = bob.post("/login", &[("address", BOB), ("password", BOBS_PASSWORD)]).await;
    assert_eq!(old.status, 403, "the password went with the mailbox");
    first_use(&mut bob, &second_link, &second_pin).await;
    let list = bob.get("/mailbox").await.words();
    assert_eq!(list.matches("Contract").count(), 1, "{list}");
    assert!(bob.get("/mailbox/inbox/1/raw").await.text().contains("Larkspur-2280"));
    let mut imap = house.imap(BOB, BOBS_PASSWORD).await;
    let after = validity(&mut imap).await;
    assert!(after > before, "{before} {after}");
    assert_eq!(imap.messages("INBOX").await.len(), 1);
}
