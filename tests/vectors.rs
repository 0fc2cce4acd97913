//! Known answers: `tests/vectors/slots.json`, made by a second implementation (`make_slots.py` beside it), must
//! come out byte for byte, and nothing else may open.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use guardpost::base::address::Address;
use guardpost::base::id::InvitationId;
use guardpost::base::id::MailboxId;
use guardpost::base::id::MessageId;
use guardpost::base::id::QueueId;
use guardpost::base::id::SlotId;
use guardpost::base::random::Random;
use guardpost::base::secret::Key;
use guardpost::base::time::Time;
use guardpost::policy::rate::Network;
use guardpost::vault::device;
use guardpost::vault::error::VaultError;
use guardpost::vault::frames::FrameKey;
use guardpost::vault::frames::FrameReader;
use guardpost::vault::frames::FrameWriter;
use guardpost::vault::keyring;
use guardpost::vault::keyring::Keys;
use guardpost::vault::keyring::MasterKey;
use guardpost::vault::mailbox_key::FormerParts;
use guardpost::vault::mailbox_key::MailboxKey;
use guardpost::vault::mailbox_key::Submission;
use guardpost::vault::mailbox_key::VaultEntry;
use guardpost::vault::pin::Pin;
use guardpost::vault::primitives::sha256;
use guardpost::vault::seal::Index;
use guardpost::vault::seal::ValueSeal;
use guardpost::vault::session::SessionCookie;
use guardpost::vault::slot;
use guardpost::vault::slot::Opener;
use guardpost::vault::slot::Parameters;
use guardpost::vault::slot::SlotKind;
use guardpost::vault::slot::SlotParts;
use guardpost::vault::slot::Stretched;
use guardpost::vault::slot::stretch;
use guardpost::vault::token::AccessToken;
use serde_json::Value;
use std::collections::VecDeque;
use std::io::Read;
use std::io::Write;
use std::sync::Mutex;

/// Gives out what it was given, and nothing beyond.
struct Script(Mutex<VecDeque<u8>>);

impl Script {
    fn new(parts: &[&[u8]]) -> Self {
        Self(Mutex::new(parts.concat().into()))
    }
}

impl Random for Script {
    fn fill(&self, bytes: &mut [u8]) {
        let mut script = self.0.lock().unwrap();
        bytes.fill_with(|| script.pop_front().expect("more randomness was used than the vector has"));
    }
}

fn vectors(part: &str) -> Value {
    let all: Value = serde_json::from_str(include_str!("vectors/slots.json")).unwrap();
    assert!(!all[part].is_null(), "{part}");
    all[part].clone()
}

fn hex(value: &Value) -> Vec<u8> {
    data_encoding::HEXLOWER.decode(value.as_str().unwrap().as_bytes()).unwrap()
}

fn fixed<const N: usize>(value: &Value) -> [u8; N] {
    hex(value).try_into().unwrap()
}

fn key(value: &Value) -> Key {
    Key::new(fixed(value))
}

fn mailbox(value: &Value) -> MailboxId {
    MailboxId::new(fixed(value))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// One slot of the vectors, with everything that opens it.
struct Slot {
    name: String,
    parts: SlotParts,
    stretched: Option<Stretched>,
    token: Option<AccessToken>,
    recovery: Option<(Key, Vec<u8>)>,
    pepper: Key,
    shred: Key,
    muk: MailboxKey,
    muk_bytes: Vec<u8>,
    nonce: Vec<u8>,
    sealed: Vec<u8>,
}

impl Slot {
    fn read(vector: &Value) -> Self {
        let kinds = [SlotKind::Password, SlotKind::AppPassword, SlotKind::Invitation, SlotKind::Recovery];
        let numbers: Vec<u32> =
            vector["parameters"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap() as u32).collect();
        let parameters = Parameters::read(numbers.try_into().unwrap()).unwrap();
        let salt = fixed(&vector["salt"]);
        let stretched = vector["guess"].as_str().map(|guess| {
            let stretched = stretch(guess.as_bytes(), &salt, parameters).unwrap();
            assert_eq!(stretched.key().expose()[..], hex(&vector["stretched"]), "argon2");
            stretched
        });
        Self {
            name: text(&vector["name"]).to_owned(),
            parts: SlotParts {
                kind: kinds.into_iter().find(|kind| kind.name() == vector["kind"]).unwrap(),
                mailbox: mailbox(&vector["mailbox"]),
                slot: SlotId::new(fixed(&vector["slot"])),
                salt,
                parameters,
            },
            stretched,
            token: vector["token"].as_str().map(|_| AccessToken::new(fixed(&vector["token"]))),
            recovery: vector["recovery"]
                .as_str()
                .map(|_| (key(&vector["recovery"]), hex(&vector["fingerprint"]))),
            pepper: key(&vector["pepper"]),
            shred: key(&vector["shred"]),
            muk: MailboxKey::new(key(&vector["muk"])),
            muk_bytes: hex(&vector["muk"]),
            nonce: hex(&vector["nonce"]),
            sealed: hex(&vector["sealed"]),
        }
    }

    fn opener(&self) -> Opener<'_> {
        match (&self.stretched, &self.token, &self.recovery) {
            (Some(pin), Some(token), None) => Opener::Invitation { pin, token },
            (Some(password), None, None) => Opener::Password(password),
            (None, None, Some((secret, fingerprint))) => Opener::Recovery { secret, fingerprint },
            _ => panic!("{}: which opener?", self.name),
        }
    }

    fn open(&self, parts: &SlotParts, sealed: &[u8]) -> Result<MailboxKey, VaultError> {
        slot::open(parts, self.opener(), &self.pepper, &self.shred, sealed)
    }
}

/// The bytes of a MUK, which has no accessor: what it wraps says whether it is the right one.
fn same(one: &MailboxKey, bytes: &[u8]) -> bool {
    let wrap =
        |muk: &MailboxKey| muk.wrap_secret_key(MailboxId::new([0; 16]), b"", b"x", &Script::new(&[&[0; 12]]));
    wrap(one) == wrap(&MailboxKey::new(Key::new(bytes.try_into().unwrap())))
}

fn slots() -> Vec<Slot> {
    let slots: Vec<Slot> = vectors("slots").as_array().unwrap().iter().map(Slot::read).collect();
    assert_eq!(slots.len(), 6);
    slots
}

#[test]
fn slots_come_out_byte_for_byte() {
    for slot in slots() {
        let random = Script::new(&[&slot.nonce]);
        let sealed = slot::seal(&slot.parts, slot.opener(), &slot.pepper, &slot.shred, &slot.muk, &random);
        assert_eq!(sealed.unwrap(), slot.sealed, "{}", slot.name);
        let opened = slot.open(&slot.parts, &slot.sealed).unwrap();
        assert!(same(&opened, &slot.muk_bytes), "{}", slot.name);
    }
}

#[test]
fn every_single_bit_change_of_a_slot_is_refused() {
    for slot in slots() {
        let name = &slot.name;
        let flip = |bytes: &[u8], bit: usize| {
            let mut changed = bytes.to_vec();
            changed[bit / 8] ^= 1 << (bit % 8);
            changed
        };
        for bit in 0..slot.sealed.len() * 8 {
            assert!(slot.open(&slot.parts, &flip(&slot.sealed, bit)).is_err(), "{name}: sealed, bit {bit}");
        }
        for bit in 0..128 {
            let other = |bytes: &[u8; 16]| <[u8; 16]>::try_from(flip(bytes, bit)).unwrap();
            let mut numbers = slot.parts.parameters.numbers();
            numbers[bit / 32] ^= 1 << (bit % 32);
            let [version, memory, passes, lanes] = numbers;
            for (what, parts) in [
                (
                    "mailbox",
                    SlotParts { mailbox: MailboxId::new(other(slot.parts.mailbox.bytes())), ..slot.parts },
                ),
                ("id", SlotParts { slot: SlotId::new(other(slot.parts.slot.bytes())), ..slot.parts }),
                ("salt", SlotParts { salt: other(&slot.parts.salt), ..slot.parts }),
                (
                    "parameters",
                    SlotParts { parameters: Parameters { version, memory, passes, lanes }, ..slot.parts },
                ),
            ] {
                assert!(slot.open(&parts, &slot.sealed).is_err(), "{name}: {what}, bit {bit}");
            }
        }
        for kind in [SlotKind::Password, SlotKind::AppPassword, SlotKind::Invitation, SlotKind::Recovery] {
            let opens = slot.open(&SlotParts { kind, ..slot.parts }, &slot.sealed).is_ok();
            assert_eq!(opens, kind == slot.parts.kind, "{name}: as {}", kind.name());
        }
        for length in 0..slot.sealed.len() {
            assert!(slot.open(&slot.parts, &slot.sealed[..length]).is_err(), "{name}: {length} octets");
        }
    }
}

#[test]
fn the_keyring_comes_out_byte_for_byte() {
    let vector = vectors("keyring");
    let (old, new) = (hex(&vector["old"]), hex(&vector["new"]));
    let (old, new) = (MasterKey::read(&old).unwrap(), MasterKey::read(&new).unwrap());
    let nonces: Vec<Vec<u8>> = vector["nonces"].as_array().unwrap().iter().map(hex).collect();
    let drawn: Vec<u8> = vector["keys"].as_array().unwrap().iter().flat_map(hex).collect();
    let (_, created) = keyring::create(&old, &Script::new(&[&drawn, &nonces[0]]));
    assert_eq!(created, hex(&vector["created"]));
    let rotated = keyring::rotate(&old, &new, &created, &Script::new(&[&nonces[1], &nonces[2]])).unwrap();
    assert_eq!(rotated, hex(&vector["rotated"]));
    let settled = keyring::settle(&new, &rotated, &Script::new(&[&nonces[3]])).unwrap();
    assert_eq!(settled, hex(&vector["settled"]));
    let keys = keyring::open(&new, &settled).unwrap().keys;
    let names = [&keys.store, &keys.index, &keys.pepper, &keys.token, &keys.queue, &keys.device];
    let joined: Vec<u8> = names.iter().flat_map(|key| key.expose().to_vec()).collect();
    assert_eq!(joined, drawn);
}

#[test]
fn what_lies_under_a_muk_comes_out_byte_for_byte() {
    let vector = vectors("under_muk");
    let muk = MailboxKey::new(key(&vector["muk"]));
    let (owner, account) = (mailbox(&vector["mailbox"]), mailbox(&vector["account"]));
    let nonce = |name: &str| Script::new(&[&hex(&vector["nonces"][name])]);

    let (fingerprint, secret) = (hex(&vector["fingerprint"]), hex(&vector["secret"]));
    let wrapped = muk.wrap_secret_key(owner, &fingerprint, &secret, &nonce("secret key"));
    assert_eq!(wrapped, hex(&vector["wrapped"]));
    assert_eq!(muk.unwrap_secret_key(owner, &fingerprint, &wrapped).unwrap().expose(), &secret);

    let former = FormerParts {
        mailbox: owner,
        id: SlotId::new(fixed(&vector["former_id"])),
        since: Time(vector["since"].as_i64().unwrap()),
        until: Time(vector["until"].as_i64().unwrap()),
    };
    let wrapped = muk.wrap_former(&former, &MailboxKey::new(key(&vector["former"])), &nonce("former key"));
    assert_eq!(wrapped, hex(&vector["wrapped_former"]));
    assert!(same(&muk.unwrap_former(&former, &wrapped).unwrap(), &hex(&vector["former"])));

    let (message, summary) = (MessageId::new(fixed(&vector["message"])), text(&vector["summary"]));
    let sealed = muk.summaries(owner).seal(message, summary.as_bytes(), &nonce("summary"));
    assert_eq!(sealed, hex(&vector["sealed_summary"]));
    assert_eq!(muk.summaries(owner).open(message, &sealed).unwrap().expose(), summary.as_bytes());

    let entry = |pin: Option<&str>| VaultEntry {
        recipient: Address::parse(text(&vector["recipient"])).unwrap(),
        invitation: InvitationId::new(fixed(&vector["invitation"])),
        token: AccessToken::new(fixed(&vector["token"])),
        pin: pin.map(|pin| Pin::parse(pin).unwrap()),
    };
    let with_pin = entry(Some(text(&vector["pin"])));
    let sealed = muk.seal_vault_entry(account, owner, &with_pin, &nonce("vault"));
    assert_eq!(sealed, hex(&vector["vault"]));
    let bare = muk.seal_vault_entry(account, owner, &entry(None), &nonce("bare vault"));
    assert_eq!(bare, hex(&vector["vault_without_pin"]));
    assert!(muk.open_vault_entry(account, owner, &bare).unwrap().pin.is_none());

    let address = |text| Address::parse(text).unwrap();
    let recipients = [address("b@x.example"), address("a@x.example"), address("b@x.example")];
    let digest = muk.submission_digest(
        account,
        &Submission {
            message_id: "<1@x.example>",
            sender: Some(&address("s@x.example")),
            recipients: &recipients,
            content_sha256: &sha256(b"content"),
        },
    );
    assert_eq!(digest[..], hex(&vector["submission"]));

    for (number, ip) in ["192.0.2.77", "2001:db8:0:7::1"].into_iter().enumerate() {
        let network = Network::of(ip.parse().unwrap()).octets();
        assert_eq!(network, hex(&vector["networks"][number]));
        assert_eq!(muk.network_tag(owner, &network)[..], hex(&vector["network_tags"][number]));
    }
}

#[test]
fn the_token_comes_out_byte_for_byte() {
    let vector = vectors("token");
    let token = AccessToken::new(fixed(&vector["token"]));
    assert_eq!(token.text().expose(), text(&vector["text"]));
    assert_eq!(AccessToken::parse(text(&vector["text"])).unwrap().bytes(), token.bytes());
    let hash = token.hash(&key(&vector["key"]), InvitationId::new(fixed(&vector["invitation"])));
    assert_eq!(hash[..], hex(&vector["hash"]));
}

#[test]
fn queue_frames_come_out_byte_for_byte() {
    let vector = vectors("frames");
    for file in vector["files"].as_array().unwrap() {
        let name = text(&file["name"]);
        let queue_key = file["with_key"].as_bool().unwrap().then(|| key(&vector["queue_key"]));
        let queue = QueueId::new(fixed(&vector["queue"]));
        let frame_key = FrameKey::queue(&key(&vector["k_queue"]), queue_key.as_ref(), queue);
        let length = file["length"].as_u64().unwrap() as usize;
        let plain: Vec<u8> = (0..length).map(|n| (n % 251) as u8).collect();
        let nonces: Vec<u8> = file["nonces"].as_array().unwrap().iter().flat_map(hex).collect();
        let random = Script::new(&[&nonces]);
        let mut writer = FrameWriter::new(Vec::new(), frame_key.clone(), &random);
        writer.write_all(&plain).unwrap();
        let sealed = writer.finish().unwrap();
        assert!(sealed.starts_with(&hex(&file["first"])), "{name}");
        assert!(sealed.ends_with(&hex(&file["last"])), "{name}");
        assert_eq!(sha256(&sealed)[..], hex(&file["sha256"]), "{name}");
        let mut back = Vec::new();
        FrameReader::new(&sealed[..], frame_key).read_to_end(&mut back).unwrap();
        assert!(back == plain, "{name}");
    }
}

#[test]
fn the_session_comes_out_byte_for_byte() {
    let vector = vectors("session");
    let owner = mailbox(&vector["mailbox"]);
    let cookie = SessionCookie::new(key(&vector["cookie"]));
    assert_eq!(cookie.text().expose(), text(&vector["text"]));
    assert_eq!(cookie.table_key()[..], hex(&vector["table_key"]));
    let muk = MailboxKey::new(key(&vector["muk"]));
    let wrapped = cookie.wrap(owner, &muk, &Script::new(&[&hex(&vector["nonce"])]));
    assert_eq!(wrapped, hex(&vector["wrapped"]));
    let again = SessionCookie::parse(text(&vector["text"])).unwrap();
    assert!(same(&again.unwrap(owner, &wrapped).unwrap(), &hex(&vector["muk"])));
}

#[test]
fn the_device_cookie_comes_out_byte_for_byte() {
    let vector = vectors("device");
    let generation = vector["generation"].as_u64().unwrap() as u32;
    let random = Script::new(&[&hex(&vector["random"])]);
    let now = Time(vector["now"].as_i64().unwrap());
    let cookie = device::issue(&key(&vector["key"]), mailbox(&vector["mailbox"]), generation, now, &random);
    assert_eq!(cookie.expose(), text(&vector["cookie"]));
}

#[test]
fn values_and_index_of_the_store_come_out_byte_for_byte() {
    let vector = vectors("store");
    let mut keys = Keys::generate(&Script::new(&[&[0; 6 * 32]]));
    keys.store = key(&vector["k_store"]);
    keys.index = key(&vector["k_index"]);
    let random = Script::new(&[&hex(&vector["nonce"])]);
    let sealed = ValueSeal::new(&keys).seal(&hex(&vector["place"]), &hex(&vector["value"]), &random);
    assert_eq!(sealed, hex(&vector["sealed"]));
    let index = Index::new(&keys);
    let address = Address::parse(text(&vector["address"])).unwrap();
    assert_eq!(index.address(text(&vector["table"]), &address.key())[..], hex(&vector["index"]));
    let digest = index.message_id("conversation", mailbox(&vector["mailbox"]), text(&vector["message_id"]));
    assert_eq!(digest[..], hex(&vector["message_id_digest"]));
    assert_eq!(index.log_name(&address), text(&vector["log_name"]));
}
