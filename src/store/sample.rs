//! What the tests of the store are made of: a stage with an engine on it, and small specimens of everything.

use crate::base::address::Address;
use crate::base::alias::AliasLevel;
use crate::base::id::BodyId;
use crate::base::id::InvitationId;
use crate::base::id::MailboxId;
use crate::base::id::MessageId;
use crate::base::id::QueueId;
use crate::base::id::SlotId;
use crate::base::language::Language;
use crate::base::secret::Secret;
use crate::base::time::Time;
use crate::store::Answer;
use crate::store::Store;
use crate::store::body::Body;
use crate::store::command::Command;
use crate::store::command::Outcome;
use crate::store::command::Refusal;
use crate::store::command_part::Delivery;
use crate::store::command_part::FirstUse;
use crate::store::command_part::NewInvitation;
use crate::store::command_part::NewMailbox;
use crate::store::command_part::NewQueued;
use crate::store::command_part::NewSlot;
use crate::store::command_part::PasswordChange;
use crate::store::command_part::Quota;
use crate::store::command_part::Renewal;
use crate::store::command_part::Reopening;
use crate::store::command_part::Reset;
use crate::store::disk::Disk;
use crate::store::disk::Source as _;
use crate::store::engine::Engine;
use crate::store::engine::Options;
use crate::store::error::StoreError;
use crate::store::key::LEFT;
use crate::store::model::Model;
use crate::store::record::Fingerprint;
use crate::store::record::Flags;
use crate::store::record::Folder;
use crate::store::record::KeyRecord;
use crate::store::record::MailboxKind;
use crate::store::record::MessageRecord;
use crate::store::record::SlotKind;
use crate::store::record::Uid;
use crate::store::record_account::AliasRecord;
use crate::store::record_account::FormerKey;
use crate::store::record_account::Recovery;
use crate::store::record_account::RefusedAttempt;
use crate::store::record_account::RefusedRecord;
use crate::store::record_life::NoticeRecord;
use crate::store::record_queue::Purpose;
use crate::store::record_queue::QueueRecord;
use crate::store::record_queue::QueuedRecipient;
use crate::store::record_queue::RecipientState;
use crate::store::record_stored::CertificateRecord;
use crate::vault::keyring::Keys;
use crate::vault::primitives::sha256;
use crate::vault::tests::Seeded;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// The keys of every store in the tests.
pub(crate) fn keys() -> Keys {
    Keys::generate(&Seeded::new(7))
}

/// Options without a reserve.
pub(crate) fn options() -> Options {
    Options { reserve: 0, ..Options::default() }
}

pub(crate) fn open(dir: &Path) -> Result<Engine, StoreError> {
    Engine::open(dir, &keys(), options())
}

/// Which engine stands on a stage.
enum On {
    Model(Arc<Model>),
    Disk(Option<Arc<Engine>>),
}

/// An engine in a directory of its own.
pub(crate) struct Stage {
    on: On,
    /// The data directory.
    dir: PathBuf,
    runtime: Runtime,
    /// Removed at the end, if it is ours.
    _scratch: Option<TempDir>,
}

/// Plays `scene` on every engine.
pub(crate) fn on_each(scene: impl Fn(&mut Stage)) {
    for stage in [Stage::model, Stage::disk] {
        scene(&mut stage());
    }
}

impl Stage {
    pub(crate) fn model() -> Self {
        let scratch = scratch();
        let dir = scratch.path().to_path_buf();
        let on = On::Model(Arc::new(Model::new(&dir).unwrap()));
        Self { on, dir, runtime: runtime(), _scratch: Some(scratch) }
    }

    pub(crate) fn disk() -> Self {
        let scratch = scratch();
        let stage = Self::at(&scratch.path().join("data")).unwrap();
        Self { _scratch: Some(scratch), ..stage }
    }

    /// The engine on disk in a directory that stays.
    pub(crate) fn at(dir: &Path) -> Result<Self, StoreError> {
        let on = On::Disk(Some(Arc::new(open(dir)?)));
        Ok(Self { on, dir: dir.into(), runtime: runtime(), _scratch: None })
    }

    pub(crate) fn name(&self) -> &'static str {
        match self.on {
            On::Model(_) => "model",
            On::Disk(_) => "disk",
        }
    }

    pub(crate) fn store(&self) -> Arc<dyn Store> {
        match &self.on {
            On::Model(model) => Arc::clone(model) as Arc<dyn Store>,
            On::Disk(engine) => Arc::clone(engine.as_ref().unwrap()) as Arc<dyn Store>,
        }
    }

    /// The rows below the engine on disk.
    pub(crate) fn disk_rows(&self) -> &Disk {
        self.engine().rows()
    }

    pub(crate) fn engine(&self) -> &Engine {
        match &self.on {
            On::Disk(Some(engine)) => engine,
            _ => panic!("the model is no engine"),
        }
    }

    /// Closes it and opens it again.
    pub(crate) fn restart(&mut self) {
        match &mut self.on {
            On::Model(model) => model.restart(),
            On::Disk(engine) => {
                drop(engine.take());
                *engine = Some(Arc::new(open(&self.dir).unwrap()));
            }
        }
    }

    pub(crate) fn commit(&self, commands: Vec<Command>) -> Result<Vec<Outcome>, StoreError> {
        self.runtime.block_on(self.store().commit(commands))
    }

    /// One command that must go through.
    pub(crate) fn ok(&self, command: Command) -> Outcome {
        let shown = format!("{command:.80?}");
        self.commit(vec![command])
            .unwrap_or_else(|error| panic!("{}: {error} for {shown}", self.name()))
            .remove(0)
    }

    /// One command that must be refused.
    pub(crate) fn refused(&self, command: Command) -> Refusal {
        match self.commit(vec![command]) {
            Err(StoreError::Refused { index: 0, why }) => why,
            other => panic!("{}: {other:?}", self.name()),
        }
    }

    pub(crate) fn ask<'a, T>(&self, answer: Answer<'a, T>) -> T {
        self.runtime.block_on(answer).unwrap()
    }

    /// Waits until what deleted mailboxes left is gone, rows and files.
    pub(crate) fn settle(&self) {
        if let On::Disk(Some(engine)) = &self.on {
            while !engine.rows().page(&[LEFT], None, 1).unwrap().is_empty() {
                self.commit(Vec::new()).unwrap();
            }
        }
        // What is to be removed is told before the next answer.
        self.commit(Vec::new()).unwrap();
        if let On::Disk(Some(engine)) = &self.on {
            engine.settle_bodies();
        }
    }

    /// Body files, unfinished ones included.
    pub(crate) fn files(&self) -> usize {
        files(&self.dir.join("bodies"))
    }

    /// A body that is a file.
    pub(crate) fn file(&self, bytes: &[u8]) -> Body {
        let mut writer = self.store().bodies().begin_file().unwrap();
        writer.write_all(bytes).unwrap();
        writer.finish().unwrap()
    }
}

/// A directory in memory where there is one: what these tests show does not rest on the disk.
pub(crate) fn scratch() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}

pub(crate) fn files(root: &Path) -> usize {
    let inner = |dir: fs::DirEntry| fs::read_dir(dir.path()).unwrap().count();
    fs::read_dir(root).unwrap().map(|dir| inner(dir.unwrap())).sum()
}

pub(crate) fn mailbox(n: u8) -> MailboxId {
    MailboxId::new([n; 16])
}

pub(crate) fn invitation(n: u8) -> InvitationId {
    InvitationId::new([n; 16])
}

pub(crate) fn queue(n: u8) -> QueueId {
    QueueId::new([n; 16])
}

pub(crate) fn address(n: u8) -> Address {
    Address::parse(&format!("person{n}@example.org")).unwrap()
}

/// The certificate number `n`.
pub(crate) fn print(n: u8) -> Fingerprint {
    Fingerprint(vec![n; 20])
}

pub(crate) fn key(n: u8) -> KeyRecord {
    KeyRecord {
        fingerprint: print(n),
        certificate: vec![n; 100],
        wrapped_secret: Some(vec![n; 90]),
        created: Time(n.into()),
    }
}

/// Shred key `n`: octets that are found nowhere else.
pub(crate) fn shred(n: u8) -> [u8; 32] {
    sha256(&[n])
}

/// A slot with shred key `n`.
pub(crate) fn slot(n: u8, kind: SlotKind) -> NewSlot {
    NewSlot {
        id: SlotId::new([n; 16]),
        kind,
        salt: [n; 16],
        parameters: [1, 64, 1, 1],
        sealed: vec![n; 60],
        shred_key: Secret::new(shred(n)),
        recovery: None,
    }
}

/// The slot of the recovery certificate, by number.
pub(crate) fn recovery_slot(n: u8) -> NewSlot {
    let recovery = Recovery { certificate: print(n), message: vec![n; 200], made: Time(n.into()) };
    NewSlot { recovery: Some(recovery), ..slot(n, SlotKind::Recovery) }
}

/// Slot `new` in the place of slot `old` of account `n`.
pub(crate) fn password_change_of(n: u8, generation: u32, old: u8, new: u8) -> PasswordChange {
    PasswordChange {
        account: mailbox(n),
        generation,
        old: SlotId::new([old; 16]),
        slot: slot(new, SlotKind::Password),
        keep_app_passwords: false,
        keep_recovery: false,
        renewal: None,
    }
}

pub(crate) fn password_change(n: u8, generation: u32, old: u8, new: u8) -> Command {
    Command::ChangePassword(Box::new(password_change_of(n, generation, old, new)))
}

/// Account `n`, whose certificate is `old`, gets slot and key `new`.
pub(crate) fn reset_of(n: u8, generation: u32, old: u8, new: u8, now: i64) -> Reset {
    Reset {
        account: mailbox(n),
        generation,
        certificate: print(old),
        slot: slot(new, SlotKind::Password),
        key: key(new),
        keeps_certificate: false,
        now: Time(now),
    }
}

pub(crate) fn reset(n: u8, generation: u32, old: u8, new: u8, now: i64) -> Command {
    Command::ResetAccount(Box::new(reset_of(n, generation, old, new, now)))
}

pub(crate) fn former_key(n: u8, since: i64) -> FormerKey {
    FormerKey { id: SlotId::new([n; 16]), since: Time(since), until: Time(since + 1), sealed: vec![n; 60] }
}

/// What was shut with slot `old` of account `n` comes back as former key `former`.
pub(crate) fn reopen(n: u8, generation: u32, old: u8, former: u8) -> Command {
    let former_keys = vec![former_key(former, 1)];
    let slot = SlotId::new([old; 16]);
    Command::ReopenAccount(Box::new(Reopening { account: mailbox(n), generation, slot, former_keys }))
}

/// An account `n` with certificate `n`.
pub(crate) fn account(n: u8) -> Command {
    Command::CreateMailbox(Box::new(NewMailbox {
        id: mailbox(n),
        kind: MailboxKind::Account,
        address: address(n),
        language: Language::De,
        created: Time(1_000),
        key: key(n),
        slot: slot(n, SlotKind::Password),
        invitation: None,
    }))
}

pub(crate) fn new_invitation(n: u8, sender: u8) -> NewInvitation {
    NewInvitation {
        id: invitation(n),
        token_hash: [n; 32],
        has_pin: true,
        sender: mailbox(sender),
        vault_entry: vec![n; 40],
    }
}

/// A temporary mailbox `n` with certificate and invitation `n`, made by account `sender`.
pub(crate) fn temporary(n: u8, sender: u8) -> Command {
    Command::CreateMailbox(Box::new(NewMailbox {
        id: mailbox(n),
        kind: MailboxKind::Temporary,
        address: address(n),
        language: Language::En,
        created: Time(2_000),
        key: key(n),
        slot: slot(n, SlotKind::Invitation),
        invitation: Some(new_invitation(n, sender)),
    }))
}

/// The same mailbox for address `of`.
pub(crate) fn named(mut command: Command, of: u8) -> Command {
    if let Command::CreateMailbox(new) = &mut command {
        new.address = address(of);
    }
    command
}

/// The temporary mailbox `n`, made by account `sender` in the place of `old` and for the address of `old % 10`.
pub(crate) fn supersede(n: u8, old: u8, sender: u8) -> Command {
    match named(temporary(n, sender), old % 10) {
        Command::CreateMailbox(mut new) => {
            new.created = Time(6_000);
            Command::SupersedeMailbox { new, old: mailbox(old), now: Time(6_000) }
        }
        other => other,
    }
}

/// Closes mailbox `n`, whenever it was active.
pub(crate) fn close(n: u8, now: i64) -> Command {
    Command::CloseMailbox { mailbox: mailbox(n), now: Time(now), not_active_since: Time(now) }
}

/// Notes that queued mail `n` is a warning for mailbox `of`.
pub(crate) fn warning(of: u8, days: u16, n: u8) -> Command {
    Command::NoteWarning { mailbox: mailbox(of), days, queue: queue(n), not_active_since: Time(100_000) }
}

/// State number `n` of a secure alias.
pub(crate) fn alias(n: u8) -> AliasRecord {
    AliasRecord { active: n.is_multiple_of(2), level: AliasLevel::ALL[usize::from(n / 2 % 3)] }
}

/// Attempts number `n` to write to one without TLS.
pub(crate) fn refused(n: u8) -> RefusedRecord {
    let attempt = RefusedAttempt {
        sender: format!("bob{n}@x.example"),
        host: "mx.x.example (192.0.2.0/24)".into(),
        first: Time(5_000),
        last: Time(5_010),
        count: n.into(),
    };
    RefusedRecord {
        told: Some(Time(4_000)),
        since: Some(Time(5_000)),
        attempts: vec![attempt],
        more: n.into(),
    }
}

/// What a recipient was told, number `n`.
pub(crate) fn notice(n: u8) -> NoticeRecord {
    NoticeRecord {
        last: Some(Time(5_000)),
        day: Some(Time(4_000)),
        today: n.into(),
        waiting: Some(Time(5_010)),
        senders: vec![mailbox(1)],
        queue: Some(queue(n)),
        returned: 0,
        messages: n.into(),
        tls_policy: n.is_multiple_of(2).then(|| "secure encrypt".into()),
        waiting_policy: None,
        test: n.is_multiple_of(3).then(|| queue(n)),
    }
}

pub(crate) fn notices(of: u8, now: Option<u8>, before: Option<u8>) -> Command {
    Command::PutNotices { mailbox: mailbox(of), notices: now.map(notice), expected: before.map(notice) }
}

/// The first use of temporary mailbox `n`; certificate and slot `new` come.
pub(crate) fn first_use(n: u8, new: u8) -> Command {
    Command::CompleteFirstUse(Box::new(FirstUse {
        mailbox: mailbox(n),
        invitation: invitation(n),
        key: key(new),
        former: KeyRecord { wrapped_secret: Some(vec![new; 95]), ..key(n) },
        slot: slot(new, SlotKind::Password),
        language: Language::De,
        now: Time(3_000),
    }))
}

pub(crate) fn renewal(n: u8, old: u8, new: u8, sender: u8) -> Command {
    Command::RenewInvitation(Box::new(Renewal {
        mailbox: mailbox(n),
        old: invitation(old),
        new: new_invitation(new, sender),
        slot: slot(new, SlotKind::Invitation),
        now: Time(2_500),
    }))
}

/// A message for the INBOX of mailbox `n`, encrypted to certificate `n`.
pub(crate) fn delivery(n: u8, message: u8) -> Delivery {
    Delivery {
        mailbox: mailbox(n),
        folder: Folder::INBOX,
        certificate: print(n),
        record: MessageRecord {
            id: MessageId::new([message; 16]),
            arrived: Time(5_000 + i64::from(message)),
            size: 1_234,
            body: Body::Inline(vec![message; 100]),
            certificate: print(n),
            sender: None,
            message_id: Some([message; 32]),
        },
        flags: Flags::default(),
        summary: vec![message; 50],
        quota: Quota::default(),
    }
}

pub(crate) fn deliver(n: u8, message: u8) -> Command {
    Command::Deliver(Box::new(delivery(n, message)))
}

pub(crate) fn seen() -> Flags {
    Flags { seen: true, ..Flags::default() }
}

pub(crate) fn deleted() -> Flags {
    Flags { deleted: true, ..Flags::default() }
}

pub(crate) fn uids(numbers: impl IntoIterator<Item = u32>) -> Vec<Uid> {
    numbers.into_iter().map(Uid).collect()
}

/// Queued mail `n` for `recipients`, due at the times given.
pub(crate) fn queued(n: u8, body: Body, purpose: Purpose, due: &[i64]) -> NewQueued {
    let recipient = |next: &i64| QueuedRecipient {
        queue: queue(0),
        number: 99,
        address: address(n),
        notify: None,
        orcpt: None,
        state: RecipientState::Waiting,
        attempts: 0,
        next: Time(*next),
        reason: String::new(),
        delay_reported: false,
        tls_policy: n.is_multiple_of(2).then(|| "encrypt".to_owned()),
        passed: None,
    };
    NewQueued {
        record: QueueRecord {
            id: queue(n),
            purpose,
            sender: Some(address(1)),
            owner: Some(mailbox(1)),
            body,
            shred: None,
            tls_policy: "encrypt".into(),
            created: Time(4_000),
            eight_bit: true,
            smtputf8: false,
            ret: None,
            envid: Some("e".into()),
            size: 77,
        },
        recipients: due.iter().map(recipient).collect(),
        queue_key: matches!(purpose, Purpose::Invitation(_)).then(|| Secret::new(shred(n))),
    }
}

/// A body of which nothing but its name exists: for what never reads it.
pub(crate) fn nowhere(n: u8) -> Body {
    Body::File { id: BodyId::new([n; 16]), length: 10, sha256: [n; 32] }
}

pub(crate) fn certificate(n: u8, of: u8, size: usize) -> Box<CertificateRecord> {
    Box::new(CertificateRecord {
        address: address(of),
        fingerprint: print(n),
        certificate: vec![n; size],
        imported: Time(6_000),
        chosen_by: n.is_multiple_of(2).then(|| mailbox(of)),
    })
}
