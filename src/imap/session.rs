//! The IMAP session as a pure machine: commands and answers in, words and questions out (RFC 3501 §3).

mod answers;

use crate::base::limits;
use crate::base::secret::Secret;
use crate::imap::ask::Ask;
use crate::imap::ask::FolderFacts;
use crate::imap::ask::Turn;
use crate::imap::command;
use crate::imap::command::AppendHead;
use crate::imap::command::By;
use crate::imap::command::Command;
use crate::imap::command::StatusItem;
use crate::imap::command::Tagged;
use crate::imap::flags::Flags;
use crate::imap::name;
use crate::imap::reply;
use crate::imap::reply::End;
use crate::imap::sequence::Set;
use crate::imap::view::View;

/// Is the connection private?
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Link {
    /// Not yet; STARTTLS is offered.
    Plain,
    /// Yes.
    Tls,
}

/// One session.
#[derive(Debug)]
pub struct Session {
    link: Link,
    state: State,
    pending: Option<Pending>,
    message_size: u64,
    errors: usize,
    failures: usize,
}

#[derive(Debug)]
enum State {
    /// RFC 3501 §3.1.
    Start,
    /// RFC 3501 §3.2.
    SignedIn(Vec<FolderFacts>),
    /// RFC 3501 §3.3.
    Selected(Vec<FolderFacts>, View),
}

/// A command that waits for an answer, with its tag.
#[derive(Debug)]
struct Pending {
    tag: String,
    step: Step,
}

#[derive(Debug)]
enum Step {
    Credentials,
    SignIn,
    List {
        pattern: String,
        subscribed: bool,
    },
    Status {
        folder: String,
        items: Vec<StatusItem>,
    },
    Select {
        facts: FolderFacts,
        read_only: bool,
    },
    Subscribe,
    Append,
    /// Changes are told first, then the command is carried out.
    Before(Command),
    Fetch(By),
    Search(By),
    Mark {
        /// What the client takes for done without being told (RFC 3501 §6.4.6, `.SILENT`), ascending by UID.
        expected: Vec<(u32, Flags)>,
        by: By,
    },
    Copy {
        moves: bool,
    },
    Expunge,
    Close,
    Idle,
    /// Changes are told last, then the command ends.
    Finish(String),
}

impl Turn {
    fn say(text: impl Into<Vec<u8>>) -> Self {
        Self { say: text.into(), ask: Ask::Command }
    }

    fn end(tag: &str, end: End) -> Self {
        Self::say(format!("{tag} {}\r\n", end.0))
    }

    fn bye(text: &str) -> Self {
        Self { say: text.into(), ask: Ask::End }
    }

    /// With something said in front.
    fn after(mut self, mut said: Vec<u8>) -> Self {
        said.append(&mut self.say);
        Self { say: said, ask: self.ask }
    }
}

impl Session {
    /// A session on a fresh connection. `message_size`: the largest APPEND, octets.
    pub fn new(link: Link, message_size: u64) -> Self {
        Self { link, state: State::Start, pending: None, message_size, errors: 0, failures: 0 }
    }

    /// What is said first (RFC 3501 §7.1.5: never PREAUTH).
    pub fn greeting(&self) -> String {
        format!("* OK [CAPABILITY {}] Guardpost ready\r\n", reply::capabilities(self.link, false))
    }

    /// Has somebody signed in?
    pub fn is_signed_in(&self) -> bool {
        !matches!(self.state, State::Start)
    }

    /// The TLS handshake is done. Everything known before it is forgotten (RFC 3501 §6.2.1).
    pub fn secured(&mut self) {
        *self = Self::new(Link::Tls, self.message_size);
    }

    /// A whole command.
    pub fn command(&mut self, bytes: &[u8]) -> Turn {
        match command::read(bytes) {
            Ok(tagged) => {
                let turn = self.dispatch(tagged);
                self.count_errors(turn)
            }
            Err(bad) => {
                let turn = Turn::end(&bad.tag, reply::SYNTAX);
                self.count_errors(turn)
            }
        }
    }

    /// A literal was refused, and its command with it.
    pub fn literal_refused(&mut self, tag: &str) -> Turn {
        let turn = Turn::end(tag, reply::LITERAL_TOO_BIG);
        self.count_errors(turn)
    }

    /// An APPEND up to its message of `octets` octets.
    pub fn append(&mut self, head: &[u8], octets: u64) -> Turn {
        let Some(Tagged { tag, command: Command::Append(head) }) = command::append_head(head) else {
            let end = Turn::end(&command::tag_of(head), reply::SYNTAX);
            return Turn { ask: Ask::RefuseMessage, ..end };
        };
        let refuse = |end| Turn { ask: Ask::RefuseMessage, ..Turn::end(&tag, end) };
        let AppendHead { folder, flags, arrived } = head;
        if !self.is_signed_in() {
            return refuse(reply::SIGN_IN_FIRST);
        }
        if octets > self.message_size {
            return refuse(reply::MESSAGE_TOO_BIG);
        }
        if !flags.is_within_limits() {
            return refuse(reply::TOO_MANY_KEYWORDS);
        }
        let folder = match self.folder(&folder) {
            Some(facts) if facts.takes => facts.folder,
            Some(_) => return refuse(reply::NO_APPEND),
            None => return refuse(reply::NO_FOLDER),
        };
        self.wait(tag, Step::Append, Ask::Receive { folder, flags, arrived })
    }

    /// Errors in a row end a session; anything that is understood starts the count again.
    fn count_errors(&mut self, turn: Turn) -> Turn {
        let is_bad = turn.say.split(|byte| *byte == b' ').nth(1) == Some(b"BAD");
        self.errors = if is_bad { self.errors + 1 } else { 0 };
        if self.errors >= limits::ERRORS_END {
            return Turn::bye(reply::BYE_ERRORS).after(turn.say);
        }
        turn
    }

    fn wait(&mut self, tag: String, step: Step, ask: Ask) -> Turn {
        self.pending = Some(Pending { tag, step });
        Turn { say: Vec::new(), ask }
    }

    /// Commands of every state; the rest by state.
    fn dispatch(&mut self, Tagged { tag, command }: Tagged) -> Turn {
        match command {
            Command::Capability => {
                let offered = reply::capabilities(self.link, self.is_signed_in());
                let said = format!("* CAPABILITY {offered}\r\n");
                Turn::end(&tag, End("OK capabilities told")).after(said.into())
            }
            Command::Noop => self.finish(tag, "OK nothing done"),
            Command::Id => {
                Turn::end(&tag, End("OK introduced")).after(b"* ID (\"name\" \"Guardpost\")\r\n".to_vec())
            }
            Command::Logout => {
                self.state = State::Start;
                Turn::bye(&format!("{}{tag} OK signed out\r\n", reply::BYE_LOGOUT))
            }
            Command::Unknown => Turn::end(&tag, reply::NOT_OFFERED),
            command => match &self.state {
                State::Start => self.start(tag, command),
                State::SignedIn(_) | State::Selected(..) => self.signed_in(tag, command),
            },
        }
    }

    fn start(&mut self, tag: String, command: Command) -> Turn {
        match (command, self.link) {
            (Command::StartTls, Link::Plain) => {
                Turn { ask: Ask::StartTls, ..Turn::end(&tag, End("OK begin TLS now")) }
            }
            (Command::StartTls, Link::Tls) => Turn::end(&tag, reply::TLS_ALREADY),
            (
                Command::Login { .. } | Command::AuthenticatePlain(_) | Command::AuthenticateOther,
                Link::Plain,
            ) => Turn::end(&tag, reply::PRIVACY_REQUIRED),
            (Command::Login { user, password }, Link::Tls) => {
                self.wait(tag, Step::SignIn, Ask::SignIn { user, password })
            }
            (Command::AuthenticatePlain(Some(first)), Link::Tls) => self.credentials(tag, first.expose()),
            (Command::AuthenticatePlain(None), Link::Tls) => {
                self.wait(tag, Step::Credentials, Ask::Line).after(b"+ \r\n".to_vec())
            }
            (Command::AuthenticateOther, Link::Tls) => Turn::end(&tag, reply::MECHANISM),
            _ => Turn::end(&tag, reply::SIGN_IN_FIRST),
        }
    }

    /// RFC 4616 §2: identity to act as, identity, password, with NUL between.
    fn credentials(&mut self, tag: String, plain: &[u8]) -> Turn {
        let mut fields = plain.split(|byte| *byte == 0).map(str::from_utf8);
        let (Some(Ok(acts_as)), Some(Ok(user)), Some(Ok(password)), None) =
            (fields.next(), fields.next(), fields.next(), fields.next())
        else {
            return Turn::end(&tag, reply::BAD_PLAIN);
        };
        if !acts_as.is_empty() && acts_as != user {
            return Turn::end(&tag, reply::AUTHORIZATION);
        }
        let (user, password) = (user.to_owned(), Secret::new(password.to_owned()));
        self.wait(tag, Step::SignIn, Ask::SignIn { user, password })
    }

    fn signed_in(&mut self, tag: String, command: Command) -> Turn {
        match command {
            Command::StartTls
            | Command::Login { .. }
            | Command::AuthenticatePlain(_)
            | Command::AuthenticateOther => Turn::end(&tag, reply::SIGNED_IN_ALREADY),
            Command::Namespace => {
                let said = format!("* NAMESPACE ((\"\" \"{}\")) NIL NIL\r\n", name::DELIMITER);
                Turn::end(&tag, End("OK namespaces told")).after(said.into())
            }
            Command::Create(folder) => match self.folder(&folder) {
                Some(_) => Turn::end(&tag, reply::FOLDER_EXISTS),
                None => Turn::end(&tag, reply::FIXED_FOLDERS),
            },
            Command::Delete(folder) | Command::Rename(folder) => match self.folder(&folder) {
                Some(_) => Turn::end(&tag, reply::FIXED_FOLDERS),
                None => Turn::end(&tag, reply::NO_FOLDER),
            },
            Command::List { pattern, subscribed } if pattern.is_empty() => {
                let verb = if subscribed { "LSUB" } else { "LIST" };
                let said = format!("* {verb} (\\Noselect) \"{}\" \"\"\r\n", name::DELIMITER);
                Turn::end(&tag, End("OK listed")).after(said.into())
            }
            Command::List { pattern, subscribed } => {
                self.wait(tag, Step::List { pattern, subscribed }, Ask::Folders)
            }
            Command::Status { folder, items } => self.wait(tag, Step::Status { folder, items }, Ask::Folders),
            Command::Subscribe { folder, on } => match self.folder(&folder).map(|facts| facts.folder) {
                Some(folder) => self.wait(tag, Step::Subscribe, Ask::Subscribe { folder, on }),
                None => Turn::end(&tag, reply::NO_FOLDER),
            },
            Command::Select { folder, read_only } => self.select(tag, &folder, read_only),
            Command::Idle => {
                let folder = self.view().map(|view| view.folder);
                self.wait(tag, Step::Idle, Ask::Idle { folder }).after(b"+ idling\r\n".to_vec())
            }
            command => match self.view() {
                Some(_) => self.selected(tag, command),
                None => Turn::end(&tag, reply::SELECT_FIRST),
            },
        }
    }

    fn select(&mut self, tag: String, folder: &str, read_only: bool) -> Turn {
        // Also a SELECT that fails leaves no folder open (RFC 3501 §6.3.1).
        self.deselect();
        match self.folder(folder).cloned() {
            Some(facts) => {
                let ask = Ask::Open { folder: facts.folder };
                self.wait(tag, Step::Select { facts, read_only }, ask)
            }
            None => Turn::end(&tag, reply::NO_FOLDER),
        }
    }

    fn deselect(&mut self) {
        if let State::Selected(folders, _) = &mut self.state {
            self.state = State::SignedIn(std::mem::take(folders));
        }
    }

    fn selected(&mut self, tag: String, command: Command) -> Turn {
        let Some((folder, read_only)) = self.view().map(|view| (view.folder, view.read_only)) else {
            return Turn::end(&tag, reply::SELECT_FIRST);
        };
        match command {
            Command::Check => self.finish(tag, "OK checked"),
            Command::Unselect => {
                self.deselect();
                Turn::end(&tag, End("OK closed, nothing removed"))
            }
            Command::Close if read_only => {
                self.deselect();
                Turn::end(&tag, End("OK closed"))
            }
            Command::Close => self.wait(tag, Step::Close, Ask::Expunge { folder, uids: None }),
            Command::Expunge(_) | Command::Store { .. } | Command::Copy { moves: true, .. } if read_only => {
                Turn::end(&tag, reply::READ_ONLY)
            }
            Command::Expunge(None) => self.wait(tag, Step::Expunge, Ask::Expunge { folder, uids: None }),
            Command::Expunge(Some(set)) => match self.uids(&set, By::Uid) {
                Some(uids) => self.wait(tag, Step::Expunge, Ask::Expunge { folder, uids: Some(uids) }),
                None => Turn::end(&tag, reply::NO_SUCH_NUMBER),
            },
            Command::Copy { set, folder: to, moves, by } => self.copy(tag, &set, &to, moves, by),
            Command::Fetch { items, .. } if items.len() > limits::FETCH_ITEMS => {
                Turn::end(&tag, reply::TOO_MANY_ITEMS)
            }
            Command::Search { query: Ok(query), .. } if query.keys() > limits::SEARCH_KEYS => {
                Turn::end(&tag, reply::TOO_MANY_KEYS)
            }
            command @ (Command::Fetch { .. } | Command::Store { .. } | Command::Search { .. }) => {
                self.wait(tag, Step::Before(command), Ask::Refresh { folder })
            }
            _ => Turn::end(&tag, reply::NOT_OFFERED),
        }
    }

    fn copy(&mut self, tag: String, set: &Set, to: &str, moves: bool, by: By) -> Turn {
        let Some(from) = self.view().map(|view| view.folder) else {
            return Turn::end(&tag, reply::SELECT_FIRST);
        };
        let Some(uids) = self.uids(set, by) else {
            return Turn::end(&tag, reply::NO_SUCH_NUMBER);
        };
        let Some(to) = self.folder(to).map(|facts| facts.folder) else {
            return Turn::end(&tag, reply::NO_FOLDER);
        };
        if uids.is_empty() {
            return self.finish(tag, "OK nothing there to copy");
        }
        self.wait(tag, Step::Copy { moves }, Ask::Copy { from, to, uids, moves })
    }

    fn folder(&self, name: &str) -> Option<&FolderFacts> {
        let (State::SignedIn(folders) | State::Selected(folders, _)) = &self.state else { return None };
        let same = |have: &str| {
            have == name || (have.eq_ignore_ascii_case("INBOX") && name.eq_ignore_ascii_case("INBOX"))
        };
        folders.iter().find(|facts| same(&facts.name))
    }

    fn view(&self) -> Option<&View> {
        if let State::Selected(_, view) = &self.state { Some(view) } else { None }
    }

    fn view_mut(&mut self) -> Option<&mut View> {
        if let State::Selected(_, view) = &mut self.state { Some(view) } else { None }
    }

    fn uids(&self, set: &Set, by: By) -> Option<Vec<u32>> {
        let rows = self.view()?.pick(set, by).ok()?;
        Some(rows.into_iter().map(|row| row.uid).collect())
    }

    /// Ends a command; with a folder open changes are told before.
    fn finish(&mut self, tag: String, end: impl Into<String>) -> Turn {
        let end = end.into();
        match self.view().map(|view| view.folder) {
            Some(folder) => self.wait(tag, Step::Finish(end), Ask::Refresh { folder }),
            None => Turn::say(format!("{tag} {end}\r\n")),
        }
    }
}
