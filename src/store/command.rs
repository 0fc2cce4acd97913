//! What the store is asked to do, each with its precondition, and what it answers.

use crate::base::address::AddressKey;
use crate::base::address::Domain;
use crate::base::alias::AliasLevel;
use crate::base::id::InvitationId;
use crate::base::id::MailboxId;
use crate::base::id::QueueId;
use crate::base::time::Time;
use crate::store::command_part::DeleteIf;
use crate::store::command_part::Delivery;
use crate::store::command_part::FirstUse;
use crate::store::command_part::FlagChange;
use crate::store::command_part::NewMailbox;
use crate::store::command_part::NewQueued;
use crate::store::command_part::NewSlot;
use crate::store::command_part::PasswordChange;
use crate::store::command_part::Quota;
use crate::store::command_part::Renewal;
use crate::store::command_part::Reopening;
use crate::store::command_part::Reset;
use crate::store::command_part::Settlement;
pub use crate::store::outcome::Outcome;
pub use crate::store::outcome::Refusal;
use crate::store::record::Fingerprint;
use crate::store::record::Flags;
use crate::store::record::Folder;
use crate::store::record::KeyRecord;
use crate::store::record::KnownNetwork;
use crate::store::record::SigningKey;
use crate::store::record::Uid;
use crate::store::record_account::AliasRecord;
use crate::store::record_account::RefusedRecord;
use crate::store::record_life::Moment;
use crate::store::record_life::NoticeRecord;
use crate::store::record_life::Suspension;
use crate::store::record_stored::CertificateRecord;
use crate::store::record_stored::SeenCertificate;
use crate::store::record_stored::StoredCertificate;
use crate::store::record_stored::StsRecord;
use std::time::Duration;

/// What the store is asked to do: all of a list, durably, or none of it.
#[derive(Debug)]
pub enum Command {
    /// A mailbox with its folders, key, slot and, for a temporary one, invitation and vault entry.
    ///
    /// Refused ([`Refusal::AddressTaken`]) if the address has one, or the id is used already.
    CreateMailbox(Box<NewMailbox>),
    /// A newer mailbox for an address that has one. The old one becomes the address's former mailbox: it keeps its
    /// slots, keys, messages and invitation and is not unreachable any more; whoever asked for the new one is forgotten.
    ///
    /// Refused ([`Refusal::NotCurrent`]) unless `old` is the temporary mailbox that the address has now, and
    /// ([`Refusal::AddressTaken`]) if the address has a former one already, or the new id is used.
    SupersedeMailbox {
        /// The newer one; it must be a temporary mailbox of the same address.
        new: Box<NewMailbox>,
        /// The one that becomes the former one.
        old: MailboxId,
        /// Now.
        now: Time,
    },
    /// An account asked for a new mailbox in the place of this one; what it asked before, and what anybody asked
    /// more than 24 hours before `now`, is forgotten.
    ///
    /// Refused ([`Refusal::NotCurrent`]) unless it is the temporary mailbox that its address has now.
    NoteAsked {
        /// In whose place.
        mailbox: MailboxId,
        /// Who asked.
        account: MailboxId,
        /// When.
        now: Time,
    },
    /// Closes a temporary mailbox: its address is free, what is signed in ends, and mail in the queue that tells
    /// its recipient something goes. Slots, keys and messages stay.
    ///
    /// Refused ([`Refusal::NotCurrent`]) if it is an account or closed, ([`Refusal::TooSoon`]) if it was active after
    /// `not_active_since`, ([`Refusal::Gone`]) if it is not there.
    CloseMailbox {
        /// Which.
        mailbox: MailboxId,
        /// Now; the running time is taken from the store's own clock.
        now: Time,
        /// Its last activity must not be after this.
        not_active_since: Time,
    },
    /// Takes back [`Command::CloseMailbox`]; that counts as activity. One that was superseded returns as the former
    /// mailbox of its address, any other as the current one or, where the address has a newer one by now, as the
    /// former one.
    ///
    /// Refused ([`Refusal::NotCurrent`]) unless it is closed, ([`Refusal::AddressTaken`]) if the place it would take
    /// is taken, ([`Refusal::Gone`]) if it is not there.
    ReopenMailbox {
        /// Which.
        mailbox: MailboxId,
        /// Now.
        now: Time,
    },
    /// The invitation came back: the mailbox's recipient cannot be reached until it is renewed or used.
    ///
    /// Refused ([`Refusal::NotOpen`]) unless `invitation` is that of an unopened mailbox that its address has now,
    /// ([`Refusal::AlreadyDone`]) if it is unreachable already.
    MarkUnreachable {
        /// Which.
        mailbox: MailboxId,
        /// What came back.
        invitation: InvitationId,
        /// Now; the running time is taken from the store's own clock.
        now: Time,
    },
    /// A warning goes out. It stands in the same list as its [`Command::Enqueue`], behind it.
    ///
    /// Refused ([`Refusal::NotCurrent`]) if the mailbox is an account or closed, ([`Refusal::TooSoon`]) if it was
    /// active after `not_active_since`, ([`Refusal::AlreadyDone`]) if that warning went out since the last activity and
    /// waits in the queue, or was settled no more than 7 days of running time ago,
    /// ([`Refusal::Gone`]) if there is no such mailbox, or the queue holds no such warning for it.
    NoteWarning {
        /// Whose.
        mailbox: MailboxId,
        /// Which: so many days before.
        days: u16,
        /// The mail.
        queue: QueueId,
        /// Its last activity must not be after this.
        not_active_since: Time,
    },
    /// What the recipient of a temporary mailbox was told of new messages, in the place of `expected`.
    ///
    /// Refused ([`Refusal::NotCurrent`]) if something else is there by now, or the mailbox is an account or closed:
    /// of two submissions that saw the same record one writes it, the other looks again.
    PutNotices {
        /// Whose.
        mailbox: MailboxId,
        /// From now on.
        notices: Option<NoticeRecord>,
        /// What was read.
        expected: Option<NoticeRecord>,
    },
    /// The store's own clock goes on. A suspension stays until [`Command::AcceptClock`]; a second one is not noted.
    Tick {
        /// The wall clock.
        wall: Time,
        /// Running time since the last tick, seconds.
        ran_more: u64,
        /// What is wrong with the wall clock, if anything is.
        suspend: Option<Suspension>,
    },
    /// The postmasters were told of the suspension; stands in one list with what tells them.
    ///
    /// Refused ([`Refusal::AlreadyDone`]) if they were told before, ([`Refusal::Gone`]) if nothing is suspended.
    NoteSuspensionTold,
    /// An admin takes the wall clock for right. Refused ([`Refusal::Gone`]) if nothing is suspended.
    AcceptClock {
        /// The wall clock.
        wall: Time,
    },
    /// Forgets invitations whose mailbox was deleted before `before`, oldest first; answers with [`Outcome::Count`].
    PurgeTraces {
        /// The trace of a later deletion stays.
        before: Time,
        /// At most so many, and at most [`crate::store::PAGE`].
        limit: usize,
    },
    /// A message into a folder; answers with [`Outcome::Uid`].
    ///
    /// Refused if the mailbox or its certificate is not the one named, or it is closed ([`Refusal::NotCurrent`]), if
    /// it has no such folder ([`Refusal::Gone`]), or over quota.
    Deliver(Box<Delivery>),
    /// A message into a folder unless one of the same `message_id` is there that is not `\Deleted`: then
    /// [`Outcome::Uid`] is that one's, and the store removes the body file that was brought. Refused as
    /// [`Command::Deliver`].
    DeliverOnce(Box<Delivery>),
    /// Changes flags; a UID that is not there is passed over. Answers with [`Outcome::Flagged`].
    SetFlags {
        /// Whose.
        mailbox: MailboxId,
        /// Where.
        folder: Folder,
        /// Which.
        uids: Vec<Uid>,
        /// How.
        change: FlagChange,
        /// These.
        flags: Flags,
    },
    /// Copies messages; the bodies are shared, and count once for each copy. Answers with [`Outcome::Copied`].
    ///
    /// Refused ([`Refusal::OverQuota`]) if not all of them fit.
    Copy {
        /// Whose.
        mailbox: MailboxId,
        /// From where.
        from: Folder,
        /// To where.
        to: Folder,
        /// Which; those that are not there are passed over.
        uids: Vec<Uid>,
        /// What the mailbox may hold.
        quota: Quota,
    },
    /// Moves messages (RFC 6851). Answers with [`Outcome::Copied`].
    Move {
        /// Whose.
        mailbox: MailboxId,
        /// From where.
        from: Folder,
        /// To where.
        to: Folder,
        /// Which; those that are not there are passed over.
        uids: Vec<Uid>,
    },
    /// Removes those of `uids` that carry `\Deleted`. Answers with [`Outcome::Expunged`].
    Expunge {
        /// Whose.
        mailbox: MailboxId,
        /// Where.
        folder: Folder,
        /// Which; `None` is every one.
        uids: Option<Vec<Uid>>,
    },
    /// Shows or hides a folder in LSUB.
    Subscribe {
        /// Whose.
        mailbox: MailboxId,
        /// Which.
        folder: Folder,
        /// Shown.
        on: bool,
    },
    /// Puts a summary in the place of another; passed over when the message is gone or `old` is not the SHA-256
    /// of what is there.
    ReplaceSummary {
        /// Whose.
        mailbox: MailboxId,
        /// Where.
        folder: Folder,
        /// Which.
        uid: Uid,
        /// SHA-256 of the summary to be replaced.
        old: [u8; 32],
        /// The new one, at most [`crate::base::limits::SUMMARY`] octets.
        new: Vec<u8>,
    },
    /// One guess at a PIN, counted before it is tried; answers with [`Outcome::TriesLeft`].
    ///
    /// Refused ([`Refusal::NotOpen`]) unless the invitation is open and its mailbox is not closed; the guess that uses
    /// the last try does not close it: [`Command::KillInvitation`] does after that guess failed.
    CountPinAttempt {
        /// Which.
        invitation: InvitationId,
        /// At most this many.
        max: u8,
    },
    /// The tries are used up: dead until its sender renews it. Refused unless open.
    KillInvitation {
        /// Which.
        invitation: InvitationId,
        /// When.
        now: Time,
    },
    /// "I have no PIN" was told to the sender. Refused ([`Refusal::TooSoon`]) if it was since `not_since`.
    NoteNoPin {
        /// Which.
        invitation: InvitationId,
        /// Now.
        now: Time,
        /// The last time must be before this.
        not_since: Time,
    },
    /// The recipient chose a password: new key, new slot, the invitation's slot dropped, its shred key destroyed
    /// after the commit. It counts as activity, and the mailbox is not unreachable any more. A superseded mailbox
    /// stays the former one.
    ///
    /// Refused ([`Refusal::NotOpen`]) unless invitation `invitation` is open and the mailbox unopened.
    CompleteFirstUse(Box<FirstUse>),
    /// A newer invitation in the place of the open or dead one, same MUK: slot, vault entry replaced; old shred key destroyed.
    ///
    /// The mailbox is not unreachable any more. Refused ([`Refusal::NotOpen`]) unless `old` is open or dead and the
    /// mailbox unopened and not superseded.
    RenewInvitation(Box<Renewal>),
    /// Another password for an account, perhaps with a new key: everything that was signed in ends.
    ///
    /// Refused ([`Refusal::NotCurrent`]) unless it is an account, of that generation, with that slot; of two
    /// changes at once one wins. Refused ([`Refusal::OverQuota`]) when its record would grow too large.
    ChangePassword(Box<PasswordChange>),
    /// A new MUK for an account whose password is lost; what was before is shut with all its slots.
    ///
    /// Refused as [`Command::ChangePassword`], and unless mail is encrypted to that certificate.
    ResetAccount(Box<Reset>),
    /// Brings back what a reset shut; the present key stays. Its slots go, their shred keys are destroyed.
    ///
    /// Refused as [`Command::ChangePassword`], and if nothing is shut that has that slot.
    ReopenAccount(Box<Reopening>),
    /// Destroys what was shut before a time, by the date and by the running time: slots, shred keys, secret keys.
    /// Answers with [`Outcome::Count`] of the generations that went. Refused ([`Refusal::Gone`]) if there is no such account.
    DestroyShut {
        /// Whose.
        account: MailboxId,
        /// What was shut before.
        before: Moment,
    },
    /// The slot of the recovery certificate, in the place of the one before; nothing that is signed in ends.
    ///
    /// Refused ([`Refusal::NotCurrent`]) unless it is an account of that generation.
    PutRecovery {
        /// Whose.
        account: MailboxId,
        /// The generation that it was made for.
        generation: u32,
        /// The slot, of [`SlotKind::Recovery`](crate::vault::slot::SlotKind::Recovery).
        slot: NewSlot,
    },
    /// The account is told that the recovery certificate is another one; with none its slot goes, and those that
    /// resets have shut.
    ///
    /// Refused ([`Refusal::AlreadyDone`]) unless `was` is what it was told last.
    NoteRecovery {
        /// Whose.
        account: MailboxId,
        /// Told last.
        was: Option<Fingerprint>,
        /// Told now.
        now: Option<Fingerprint>,
    },
    /// Another state of an account's secure alias, in the place of `expected`.
    ///
    /// Refused ([`Refusal::NotCurrent`]) unless it is an account with that alias: of two changes at once one wins.
    PutAlias {
        /// Whose.
        account: MailboxId,
        /// From now on.
        alias: AliasRecord,
        /// What was read.
        expected: Option<AliasRecord>,
    },
    /// Changes nothing; the list happens only if the secure alias of an account is active, so that nothing is taken by
    /// one or sent from one that has just been switched off.
    ///
    /// Refused ([`Refusal::NotCurrent`]) if it is not, or its level is another than `level` says.
    RequireAlias {
        /// Whose.
        account: MailboxId,
        /// What its mail was made for.
        level: Option<AliasLevel>,
    },
    /// What its secure alias refused and the account was not told of yet, in the place of `expected`.
    ///
    /// Refused ([`Refusal::NotCurrent`]) if something else is there by now, or it is no account.
    PutRefused {
        /// Whose.
        account: MailboxId,
        /// From now on.
        refused: RefusedRecord,
        /// What was read.
        expected: Option<RefusedRecord>,
    },
    /// A folder that an account does not begin with: [`Folder::REFUSED`]. Nothing happens if it is there.
    ///
    /// Refused ([`Refusal::Gone`]) if there is no such account, or no such folder can be made.
    OpenFolder {
        /// Whose.
        account: MailboxId,
        /// Which.
        folder: Folder,
    },
    /// Adds or replaces the mailbox's own certificate without a secret key, from now on used on arrival. Refused
    /// ([`Refusal::NotCurrent`]) if the mailbox is closed.
    PutOwnCertificate {
        /// Whose.
        mailbox: MailboxId,
        /// Which; its `wrapped_secret` is `None`.
        key: KeyRecord,
    },
    /// Notes activity and, at most, one more correspondent. Activity later than the last begins the warnings anew:
    /// those still in the queue go. It also replaces one that is more than an hour ahead of the store's own clock, if that
    /// is not suspended and no more than an hour away from `at`. Refused ([`Refusal::NotCurrent`]) if the mailbox is
    /// closed.
    NoteActivity {
        /// Whose.
        mailbox: MailboxId,
        /// When.
        at: Time,
        /// An account that wrote to it.
        correspondent: Option<MailboxId>,
    },
    /// Notes a network that a mailbox was opened from, in the place of what was noted of it before. A new MUK forgets
    /// them all ([`Command::ChangePassword`], [`Command::ResetAccount`]). Refused ([`Refusal::NotCurrent`]) if the
    /// mailbox is closed.
    NoteNetwork {
        /// Which mailbox.
        mailbox: MailboxId,
        /// Which network, and when.
        network: KnownNetwork,
        /// What was noted before this is forgotten.
        since: Time,
    },
    /// Another account has the link too: its vault entry for a temporary mailbox.
    PutVaultEntry {
        /// Whose vault.
        account: MailboxId,
        /// For which mailbox.
        mailbox: MailboxId,
        /// Sealed.
        sealed: Vec<u8>,
    },
    /// Removes a mailbox, current, former or closed: slots and keys first, shred keys destroyed after the commit, then
    /// records and bodies. Mail in the queue that tells its recipient something goes too.
    ///
    /// Refused ([`Refusal::NotCurrent`]) if it is not as `only` says any more, ([`Refusal::Gone`]) if it is not there.
    DeleteMailbox {
        /// Which.
        mailbox: MailboxId,
        /// When.
        now: Time,
        /// Only if it still is so; `None` is whatever it is.
        only: Option<DeleteIf>,
    },
    /// The certificate of somebody outside. Refused ([`Refusal::AddressTaken`]) if another fingerprint is there
    /// and `replace` is false.
    PutCertificate {
        /// It.
        record: Box<CertificateRecord>,
        /// May take another's place.
        replace: bool,
    },
    /// Forgets an outside certificate; [`Outcome::Done`] also when there is none.
    RemoveCertificate {
        /// Whose.
        address: AddressKey,
    },
    /// One more certificate that a destination's is compared with. Refused ([`Refusal::AlreadyDone`]) if it is there,
    /// [`Refusal::Full`] if there are as many as may be.
    AddStoredCertificate {
        /// Whose.
        domain: Domain,
        /// It.
        certificate: Box<StoredCertificate>,
    },
    /// What a destination showed, in the place of what it showed before; [`Outcome::Done`] also when nothing is stored
    /// for it.
    NoteSeenCertificate {
        /// Whose.
        domain: Domain,
        /// It.
        seen: Box<SeenCertificate>,
    },
    /// Forgets a destination's stored certificates; [`Outcome::Done`] also when there are none.
    RemoveStoredCertificates {
        /// Whose.
        domain: Domain,
    },
    /// What a domain said by MTA-STS, in the place of `expected`.
    ///
    /// Refused ([`Refusal::NotCurrent`]) if something else is there by now.
    PutSts {
        /// From now on.
        record: Box<StsRecord>,
        /// What was read.
        expected: Option<Box<StsRecord>>,
    },
    /// Forgets what a domain said when it was asked at this time; [`Outcome::Done`] also when there is nothing, or what
    /// it said at another.
    RemoveSts {
        /// Whose.
        domain: Domain,
        /// When it was fetched.
        fetched: Time,
    },
    /// Mail to be sent.
    Enqueue(Box<NewQueued>),
    /// Takes recipients that are due, oldest first; answers with [`Outcome::Leased`]. A lease lies in memory: it
    /// ends at its time, with [`Command::Settle`], or with the process.
    LeaseDue {
        /// Due means `next` is not after this.
        now: Time,
        /// What the running clock says: leases end by that, so that whoever sets the wall clock ends none.
        running: Duration,
        /// The lease ends then, by the running clock.
        until: Duration,
        /// At most so many.
        limit: usize,
    },
    /// The outcome of a try for one recipient. When the last recipient has ended, the queued message, its body and
    /// its QK go with the same commit; a warning counts as settled then, by the running time of the store's clock. What a peer has taken counts as
    /// long as the recipient waits, whoever has leased it meanwhile; any other outcome only of the lease under which the
    /// try was made. Refused ([`Refusal::Gone`]) otherwise.
    Settle {
        /// Which message.
        queue: QueueId,
        /// Which recipient.
        number: u16,
        /// When the lease ends under which it was tried.
        lease: Duration,
        /// How it ended.
        outcome: Settlement,
    },
    /// A sender is told between two tries that a recipient still waits. Refused ([`Refusal::Gone`]) when it does not, is
    /// being tried, or when that was told.
    NoteDelay {
        /// Which message.
        queue: QueueId,
        /// Which recipient.
        number: u16,
    },
    /// Ends leases before their time: each recipient waits again, with nothing else changed. What is not leased, or under
    /// another lease, is passed over.
    Release {
        /// Which message, which recipient, and when the lease ends.
        leases: Vec<(QueueId, u16, Duration)>,
    },
    /// Makes one message, or all, due now; answers with [`Outcome::Count`] of the recipients that wait. Those that
    /// are leased are being tried and are passed over.
    RetryQueued {
        /// Which; `None` is all.
        queue: Option<QueueId>,
        /// Now.
        now: Time,
    },
    /// What waits for a time after `beyond`, which no try was put off to by a clock that goes right: due now. Answers with
    /// [`Outcome::Count`] of the recipients. Those that are leased are passed over.
    BringForward {
        /// No earlier than now.
        beyond: Time,
        /// Now.
        now: Time,
    },
    /// No message in the queue is of a younger date than now, which is for a clock that is believed to say. Answers with
    /// [`Outcome::Count`] of the messages that were.
    Redate {
        /// Now.
        now: Time,
    },
    /// Takes a message out of the queue; a warning is to go out again then. Refused ([`Refusal::Gone`]) if it is not
    /// there.
    CancelQueued {
        /// Which.
        queue: QueueId,
    },
    /// A DKIM key.
    PutSigningKey(Box<SigningKey>),
    /// The digest of a submission; refused ([`Refusal::AlreadyDone`]) if it is there and not expired,
    /// [`Refusal::Gone`] if there is no such account.
    RememberSubmission {
        /// Whose.
        account: MailboxId,
        /// HMAC over Message-ID, envelope and content.
        digest: [u8; 32],
        /// Now.
        now: Time,
        /// Forgotten after this.
        until: Time,
    },
    /// This account sent or received a message of this Message-ID digest encrypted; refused
    /// ([`Refusal::Gone`]) if there is no such account.
    RememberConversation {
        /// Whose.
        account: MailboxId,
        /// HMAC of the Message-ID.
        digest: [u8; 32],
        /// When.
        now: Time,
    },
}
