//! A mailbox that is open in a session: the machine's questions, answered by the store and the flows.

use crate::base::secret::Secret;
use crate::base::time::Time;
use crate::flow::reading::Plain;
use crate::flow::reading::ReadError;
use crate::flow::refusal::TakeError;
use crate::flow::sign_in::Realm;
use crate::flow::sign_in::SignInError;
use crate::flow::sign_in::Source;
use crate::flow::sign_in::Unlocked;
use crate::flow::visits::Visit;
use crate::imap::ask::Answer;
use crate::imap::ask::Ask;
use crate::imap::ask::FolderFacts;
use crate::imap::ask::Trouble;
use crate::imap::flags::Change;
use crate::imap::flags::Flags;
use crate::imap::view::Listing;
use crate::mime::scan::Limits;
use crate::mime::scan::Scanner;
use crate::serve::imap::Imap;
use crate::serve::imap::places::Place;
use crate::store::PAGE;
use crate::store::command::Command;
use crate::store::command::Outcome;
use crate::store::command::Refusal;
use crate::store::command_part::FlagChange;
use crate::store::error::StoreError;
use crate::store::record;
use crate::store::record::Folder;
use crate::store::record::FolderRecord;
use crate::store::record::MailboxKind;
use crate::store::record::Uid;
use crate::store::spool::Spool;
use crate::store::spool::SpoolDir;
use crate::threads;
use std::io::Write;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

/// Messages changed with one command of the store.
const AT_ONCE: usize = 1_000;
/// Messages copied with one commit: with summaries of 12 KiB below the 4 MiB of a batch.
const COPIED_AT_ONCE: usize = 250;
/// What a watcher of a mailbox that is gone sees.
const GONE: u64 = u64::MAX;
/// A session that lasts is noted as activity this often.
const DAY: Duration = Duration::from_secs(24 * 3_600);

/// A mailbox with its owner's key. Everything of it is wiped when the connection ends.
pub(super) struct Mailbox {
    pub(super) imap: Arc<Imap>,
    pub(super) who: Arc<Unlocked>,
    changes: watch::Receiver<u64>,
    /// The counter when the open folder was last listed.
    listed: Option<u64>,
    /// The counter when the mailbox was last seen to be open; nothing before the first look.
    checked: Option<u64>,
    /// When the session was last noted as activity, by the boot clock.
    noted: Duration,
    /// The message that was read last.
    last: Option<(Folder, Uid, Arc<Plain>)>,
    /// By which its owner sees and ends it.
    visit: Visit,
    _place: Place,
}

impl Mailbox {
    /// Opens a mailbox with its address and password.
    pub(super) async fn sign_in(
        imap: &Arc<Imap>,
        ip: IpAddr,
        user: &str,
        password: Secret<String>,
    ) -> Result<(Self, Vec<FolderFacts>), Trouble> {
        let source = Source { ip, device: None };
        let who = imap.flow.sign_in(user, password, &source, Realm::Everybody).await.map_err(no_sign_in)?;
        let place = imap.places.take(who.mailbox).ok_or(Trouble::TooManySessions)?;
        let changes = imap.flow.store.watch(who.mailbox);
        let running = imap.flow.clock.running();
        let visit = imap.flow.visits.begin(who.mailbox, running);
        let mut mailbox = Self {
            imap: imap.clone(),
            who,
            changes,
            listed: None,
            checked: None,
            noted: running,
            last: None,
            visit,
            _place: place,
        };
        let folders = mailbox.folders().await?;
        Ok((mailbox, folders))
    }

    /// Is it still there, and still opened by the same password? A session that lasts is noted once a day.
    pub(super) async fn is_open(&mut self) -> bool {
        let now = *self.changes.borrow();
        let running = self.imap.flow.clock.running();
        let long = running.saturating_sub(self.noted) >= DAY;
        if self.checked == Some(now) && !long {
            return true;
        }
        self.checked = Some(now);
        if now == GONE {
            return false;
        }
        match self.imap.flow.store.mailbox(self.who.mailbox).await {
            Ok(Some(record)) if record.generation != self.who.generation => false,
            Ok(Some(record)) if long => {
                self.noted = running;
                self.imap.flow.note_session(&record).await
            }
            Ok(Some(_)) => true,
            // The store's trouble is told when it is asked for something.
            Ok(None) => false,
            Err(_) => true,
        }
    }

    /// Did something change since the open folder was listed?
    pub(super) fn has_changed(&self) -> bool {
        self.listed != Some(*self.changes.borrow())
    }

    /// Cancelled when its owner ended this connection.
    pub(super) fn ended(&self) -> CancellationToken {
        self.visit.ended().clone()
    }

    /// Waits for a change that was not seen.
    pub(super) async fn changed(&mut self) {
        if self.changes.changed().await.is_err() {
            // The mailbox is gone; that was told already.
            std::future::pending::<()>().await;
        }
    }

    /// Answers a question that is neither about the connection nor told while it goes.
    pub(super) async fn answer(&mut self, ask: Ask) -> Answer {
        let answer = match ask {
            Ask::Folders => self.folders().await.map(Answer::Folders),
            Ask::Open { folder } => self.listing(Folder(folder)).await.map(Answer::Changed),
            Ask::Refresh { .. } if !self.has_changed() => Ok(Answer::Unchanged),
            Ask::Refresh { folder } => self.listing(Folder(folder)).await.map(Answer::Changed),
            Ask::Subscribe { folder, on } => {
                let command = Command::Subscribe { mailbox: self.who.mailbox, folder: Folder(folder), on };
                self.commit(command).await.map(|_| Answer::Done)
            }
            Ask::Mark { folder, uids, change, flags } => {
                self.mark(Folder(folder), &uids, change, &flags).await.map(Answer::Marked)
            }
            Ask::Copy { from, to, uids, moves } => self.copy(Folder(from), Folder(to), &uids, moves).await,
            Ask::Expunge { folder, uids } => self.expunge(Folder(folder), uids).await,
            _ => Err(Trouble::Broken),
        };
        answer.unwrap_or_else(Answer::Trouble)
    }

    async fn commit(&self, command: Command) -> Result<Outcome, Trouble> {
        let outcomes = self.imap.flow.store.commit(vec![command]).await.map_err(no_store)?;
        outcomes.into_iter().next().ok_or(Trouble::Broken)
    }

    async fn folders(&mut self) -> Result<Vec<FolderFacts>, Trouble> {
        let folders = self.imap.flow.store.folders(self.who.mailbox).await.map_err(no_store)?;
        Ok(folders.into_iter().map(|record| facts(record, self.who.kind)).collect())
    }

    async fn listing(&mut self, folder: Folder) -> Result<Listing, Trouble> {
        // The counter first: what changes while the pages are read is seen the next time.
        let counter = *self.changes.borrow_and_update();
        let store = &self.imap.flow.store;
        let folders = store.folders(self.who.mailbox).await.map_err(no_store)?;
        let record = folders.into_iter().find(|record| record.folder == folder).ok_or(Trouble::NoFolder)?;
        let mut listing = Listing {
            uid_validity: record.uid_validity,
            uid_next: record.uid_next.0,
            messages: Vec::with_capacity(usize::try_from(record.messages).unwrap_or(0)),
        };
        let mut after = Uid(0);
        loop {
            let page = store.messages(self.who.mailbox, folder, after, PAGE).await.map_err(no_store)?;
            let whole = page.len() == PAGE;
            after = page.last().map_or(after, |message| message.uid);
            listing.messages.extend(page.into_iter().map(|message| (message.uid.0, shown(message.flags))));
            if !whole {
                break;
            }
        }
        self.listed = Some(counter);
        Ok(listing)
    }

    /// Changes flags; answers with those that messages have now.
    pub(super) async fn mark(
        &mut self,
        folder: Folder,
        uids: &[u32],
        change: Change,
        flags: &Flags,
    ) -> Result<Vec<(u32, Flags)>, Trouble> {
        let change = match change {
            Change::Replace => FlagChange::Replace,
            Change::Add => FlagChange::Add,
            Change::Remove => FlagChange::Remove,
        };
        let mut marked = Vec::new();
        for uids in uids.chunks(AT_ONCE) {
            let command = Command::SetFlags {
                mailbox: self.who.mailbox,
                folder,
                uids: uids.iter().copied().map(Uid).collect(),
                change,
                flags: stored(flags),
            };
            let Outcome::Flagged(now) = self.commit(command).await? else { return Err(Trouble::Broken) };
            marked.extend(now.into_iter().map(|(uid, flags)| (uid.0, shown(flags))));
        }
        Ok(marked)
    }

    /// Copies or moves, so many at once. A COPY that fails is undone as a whole (RFC 3501 §6.4.7); of a MOVE each
    /// message is moved or stays (RFC 6851 §3.3).
    async fn copy(&mut self, from: Folder, to: Folder, uids: &[u32], moves: bool) -> Result<Answer, Trouble> {
        let mailbox = self.who.mailbox;
        let quota = self.imap.flow.quota(self.who.kind);
        let (mut uid_validity, mut all, mut stopped) = (0, Vec::new(), None);
        for uids in uids.chunks(COPIED_AT_ONCE) {
            let uids = uids.iter().copied().map(Uid).collect();
            let command = if moves {
                Command::Move { mailbox, from, to, uids }
            } else {
                Command::Copy { mailbox, from, to, uids, quota }
            };
            match self.commit(command).await {
                Ok(Outcome::Copied { uid_validity: of, pairs }) => {
                    uid_validity = of;
                    all.extend(pairs);
                }
                Ok(_) => return Err(Trouble::Broken),
                Err(trouble) if moves && !all.is_empty() => {
                    stopped = Some(trouble);
                    break;
                }
                Err(trouble) => {
                    self.uncopy(to, &all).await;
                    return Err(trouble);
                }
            }
        }
        let pairs = all.into_iter().map(|(old, new)| (old.0, new.0)).collect();
        Ok(Answer::Copied { uid_validity, pairs, stopped })
    }

    /// Takes copies away again.
    pub(super) async fn uncopy(&self, folder: Folder, pairs: &[(Uid, Uid)]) {
        let mailbox = self.who.mailbox;
        let deleted = record::Flags { deleted: true, ..record::Flags::default() };
        for pairs in pairs.chunks(AT_ONCE) {
            let uids: Vec<Uid> = pairs.iter().map(|(_, new)| *new).collect();
            let mark = Command::SetFlags {
                mailbox,
                folder,
                uids: uids.clone(),
                change: FlagChange::Add,
                flags: deleted.clone(),
            };
            let remove = Command::Expunge { mailbox, folder, uids: Some(uids) };
            if let Err(why) = self.imap.flow.store.commit(vec![mark, remove]).await {
                tracing::warn!(%why, "copies of a COPY that failed stay");
            }
        }
    }

    async fn expunge(&mut self, folder: Folder, uids: Option<Vec<u32>>) -> Result<Answer, Trouble> {
        let uids = uids.map(|uids| uids.into_iter().map(Uid).collect());
        let command = Command::Expunge { mailbox: self.who.mailbox, folder, uids };
        let Outcome::Expunged(gone) = self.commit(command).await? else { return Err(Trouble::Broken) };
        if self.last.as_ref().is_some_and(|(of, uid, _)| *of == folder && gone.contains(uid)) {
            self.last = None;
        }
        Ok(Answer::Expunged(gone.into_iter().map(|uid| uid.0).collect()))
    }

    /// Stores the message of an APPEND.
    pub(super) async fn append(
        &mut self,
        folder: u16,
        flags: Flags,
        arrived: Option<Time>,
        incoming: Incoming,
    ) -> Answer {
        let taken = async {
            let (spooled, structure) = incoming.finish().await?;
            let (flow, folder) = (&self.imap.flow, Folder(folder));
            let appended = flow.append(&self.who, folder, stored(&flags), arrived, spooled, &structure);
            appended.await.map_err(not_taken)
        };
        match taken.await {
            Ok(appended) => Answer::Appended { uid_validity: appended.uid_validity, uid: appended.uid.0 },
            Err(trouble) => Answer::Trouble(trouble),
        }
    }

    /// A message, decrypted. The last one is kept: clients ask for it piece by piece.
    pub(super) async fn read(&mut self, folder: Folder, uid: Uid) -> Result<Arc<Plain>, ReadError> {
        if let Some((of, which, plain)) = &self.last
            && (*of, *which) == (folder, uid)
        {
            return Ok(plain.clone());
        }
        self.last = None;
        let plain = Arc::new(self.imap.flow.read(&self.who, folder, uid).await?);
        self.last = Some((folder, uid, plain.clone()));
        Ok(plain)
    }
}

/// The message of an APPEND while it comes.
pub(super) struct Incoming {
    spool: Spool,
    scanner: Scanner,
}

impl Incoming {
    pub(super) fn begin(spools: &SpoolDir, size: u64) -> Self {
        Self { spool: spools.begin(), scanner: Scanner::new(Limits { size, ..Limits::default() }) }
    }

    /// Takes more of it. Blocking work: beyond 256 KiB it goes to a file.
    pub(super) async fn add(mut self, octets: Zeroizing<Vec<u8>>) -> Result<Self, Trouble> {
        let added = threads::blocking(move || {
            self.scanner.feed(&octets).map_err(|_| Trouble::BadMessage)?;
            self.spool.write_all(&octets).map_err(|_| Trouble::Broken)?;
            Ok(self)
        });
        added.await.map_err(|_| Trouble::Broken)?
    }

    async fn finish(
        self,
    ) -> Result<(crate::store::spool::Spooled, crate::mime::structure::Structure), Trouble> {
        let finished = threads::blocking(move || {
            let structure = self.scanner.finish().map_err(|_| Trouble::BadMessage)?;
            Ok((self.spool.finish().map_err(|_| Trouble::Broken)?, structure))
        });
        finished.await.map_err(|_| Trouble::Broken)?
    }
}

fn facts(record: FolderRecord, kind: MailboxKind) -> FolderFacts {
    FolderFacts {
        folder: record.folder.0,
        special_use: match record.folder {
            Folder::SENT => "\\Sent",
            Folder::DRAFTS => "\\Drafts",
            Folder::TRASH => "\\Trash",
            Folder::JUNK => "\\Junk",
            _ => "",
        },
        name: record.name,
        subscribed: record.subscribed,
        uid_validity: record.uid_validity,
        uid_next: record.uid_next.0,
        messages: record.messages,
        unseen: record.unseen,
        takes: kind == MailboxKind::Account,
    }
}

/// Flags of the store, as the session knows them.
pub(super) fn shown(flags: record::Flags) -> Flags {
    let record::Flags { seen, answered, flagged, deleted, draft, keywords } = flags;
    Flags { seen, answered, flagged, deleted, draft, keywords }
}

fn stored(flags: &Flags) -> record::Flags {
    let Flags { seen, answered, flagged, deleted, draft, keywords } = flags.clone();
    record::Flags { seen, answered, flagged, deleted, draft, keywords }
}

fn no_sign_in(why: SignInError) -> Trouble {
    match why {
        SignInError::Wrong => Trouble::WrongPassword,
        SignInError::Paused { .. } | SignInError::Busy { .. } => Trouble::TryLater,
        SignInError::Store(why) => no_store(why),
    }
}

fn no_store(why: StoreError) -> Trouble {
    match why {
        StoreError::Refused { why: Refusal::OverQuota, .. } => Trouble::OverQuota,
        StoreError::Refused { .. } => Trouble::NoFolder,
        StoreError::DiskLow => Trouble::NotWritable,
        why => {
            tracing::warn!(%why, "the store failed an IMAP session");
            Trouble::Broken
        }
    }
}

fn not_taken(why: TakeError) -> Trouble {
    match why {
        TakeError::TooBig => Trouble::TooBig,
        TakeError::Refused(_) | TakeError::Policy(_) | TakeError::Malformed(_) | TakeError::Loop => {
            Trouble::BadMessage
        }
        TakeError::MailboxFull(_) => Trouble::OverQuota,
        TakeError::Store(why) => no_store(why),
        why => {
            tracing::warn!(%why, "an append failed");
            Trouble::Broken
        }
    }
}
