//! What the session machine asks of the world, and what it is answered.

use crate::base::secret::Secret;
use crate::base::time::Time;
use crate::imap::command::Item;
use crate::imap::flags::Change;
use crate::imap::flags::Flags;
use crate::imap::search::Query;
use crate::imap::view::Listing;
use crate::imap::view::Row;
use zeroize::Zeroizing;

/// A folder as LIST and STATUS tell it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FolderFacts {
    /// Its number.
    pub folder: u16,
    /// Its name.
    pub name: String,
    /// RFC 6154 §2, with the backslash; empty for none.
    pub special_use: &'static str,
    /// Shown by LSUB.
    pub subscribed: bool,
    /// RFC 3501 §2.3.1.1.
    pub uid_validity: u32,
    /// The next UID.
    pub uid_next: u32,
    /// Messages.
    pub messages: u32,
    /// Of these, without `\Seen`.
    pub unseen: u32,
    /// APPEND may put messages here.
    pub takes: bool,
}

/// What is said now, and what is needed next.
#[derive(Debug)]
pub struct Turn {
    /// For the client.
    pub say: Vec<u8>,
    /// For the driver.
    pub ask: Ask,
}

/// What the session needs from the world. Each but the first three and the last wants an [`Answer`].
#[derive(Debug)]
pub enum Ask {
    /// The next command.
    Command,
    /// Read the refused message away, then the next command.
    RefuseMessage,
    /// A TLS handshake, then `Session::secured`.
    StartTls,
    /// One line: [`Answer::Line`].
    Line,
    /// [`Answer::SignedIn`].
    SignIn {
        /// As typed.
        user: String,
        /// As typed.
        password: Secret<String>,
    },
    /// [`Answer::Folders`].
    Folders,
    /// [`Answer::Changed`] with all there is.
    Open {
        /// Which.
        folder: u16,
    },
    /// [`Answer::Unchanged`], or [`Answer::Changed`].
    Refresh {
        /// Which.
        folder: u16,
    },
    /// [`Answer::Done`].
    Subscribe {
        /// Which.
        folder: u16,
        /// Or not any more.
        on: bool,
    },
    /// The message of the APPEND, then [`Answer::Appended`].
    Receive {
        /// To where.
        folder: u16,
        /// With these.
        flags: Flags,
        /// INTERNALDATE.
        arrived: Option<Time>,
    },
    /// Tells the messages itself, one after the other, then [`Answer::Fetched`].
    Fetch(Plan),
    /// [`Answer::Found`].
    Search {
        /// Which folder.
        folder: u16,
        /// What is looked for.
        query: Query,
        /// Among these.
        rows: Vec<Row>,
    },
    /// [`Answer::Marked`].
    Mark {
        /// Which folder.
        folder: u16,
        /// Which messages.
        uids: Vec<u32>,
        /// How.
        change: Change,
        /// These.
        flags: Flags,
    },
    /// [`Answer::Copied`].
    Copy {
        /// From where.
        from: u16,
        /// To where.
        to: u16,
        /// Which messages.
        uids: Vec<u32>,
        /// MOVE.
        moves: bool,
    },
    /// [`Answer::Expunged`].
    Expunge {
        /// Which folder.
        folder: u16,
        /// Among these; `None` is everywhere.
        uids: Option<Vec<u32>>,
    },
    /// A line, or a change of the folder if one is open: [`Answer::Line`] or [`Answer::Changed`].
    Idle {
        /// Which is open.
        folder: Option<u16>,
    },
    /// Nothing; the connection ends.
    End,
}

/// A FETCH to be carried out.
#[derive(Debug)]
pub struct Plan {
    /// Which folder.
    pub folder: u16,
    /// Which messages.
    pub rows: Vec<Row>,
    /// What of each.
    pub items: Vec<Item>,
    /// Sets `\Seen` on what was told.
    pub marks: bool,
}

/// What the world answers.
#[derive(Debug)]
pub enum Answer {
    /// A line, without its end.
    Line(Zeroizing<Vec<u8>>),
    /// Signed in; the folders there are.
    SignedIn(Vec<FolderFacts>),
    /// The folders there are.
    Folders(Vec<FolderFacts>),
    /// Nothing changed since the last listing.
    Unchanged,
    /// The folder as it is now.
    Changed(Listing),
    /// It is done.
    Done,
    /// The message is stored, or was there.
    Appended {
        /// Of the folder.
        uid_validity: u32,
        /// Its UID.
        uid: u32,
    },
    /// All messages were told that could be.
    Fetched {
        /// Flags that changed with it.
        marked: Vec<(u32, Flags)>,
        /// Some were gone.
        gone: bool,
        /// Some could not be read.
        unreadable: bool,
        /// Some cannot be read now.
        later: bool,
    },
    /// UIDs, ascending.
    Found {
        /// These.
        uids: Vec<u32>,
        /// All were looked at.
        complete: bool,
    },
    /// The flags that messages have now.
    Marked(Vec<(u32, Flags)>),
    /// Pairs of old and new UIDs.
    Copied {
        /// Of the destination.
        uid_validity: u32,
        /// Old, new.
        pairs: Vec<(u32, u32)>,
        /// Why a MOVE stopped behind these; the rest stays.
        stopped: Option<Trouble>,
    },
    /// These are gone.
    Expunged(Vec<u32>),
    /// It could not be done.
    Trouble(Trouble),
}

/// Why something could not be done.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Trouble {
    /// The address or the password.
    WrongPassword,
    /// More sessions than a mailbox may have.
    TooManySessions,
    /// No room to check a password now, or too many failures.
    TryLater,
    /// The folder is not there.
    NoFolder,
    /// The mailbox would exceed its quota.
    OverQuota,
    /// The store takes nothing now.
    NotWritable,
    /// A message above the limit.
    TooBig,
    /// A message that is built against the rules.
    BadMessage,
    /// Something stood behind the message of an APPEND.
    NotOneMessage,
    /// The store does not answer.
    Broken,
}
