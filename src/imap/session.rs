//! The IMAP session as a pure machine: commands and answers in, words and questions out (RFC 3501 §3).

use crate::base::limits;
use crate::base::secret::Secret;
use crate::imap::ask::Answer;
use crate::imap::ask::Ask;
use crate::imap::ask::FolderFacts;
use crate::imap::ask::Plan;
use crate::imap::ask::Trouble;
use crate::imap::ask::Turn;
use crate::imap::command;
use crate::imap::command::AppendHead;
use crate::imap::command::By;
use crate::imap::command::Command;
use crate::imap::command::Item;
use crate::imap::command::StatusItem;
use crate::imap::command::Tagged;
use crate::imap::flags::Change;
use crate::imap::flags::Flags;
use crate::imap::name;
use crate::imap::reply;
use crate::imap::reply::End;
use crate::imap::search::Query;
use crate::imap::sequence;
use crate::imap::sequence::Set;
use crate::imap::tell;
use crate::imap::view::Row;
use crate::imap::view::View;
use data_encoding::BASE64;
use zeroize::Zeroizing;

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
    Fetch,
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

    /// The answer to what was asked.
    pub fn answer(&mut self, answer: Answer) -> Turn {
        let Some(Pending { tag, step }) = self.pending.take() else {
            return Turn::bye(reply::BYE_UNAVAILABLE);
        };
        if let Answer::Trouble(trouble) = answer {
            return self.failed(&tag, &step, trouble);
        }
        match step {
            Step::Credentials | Step::SignIn => self.signing_in(tag, answer),
            Step::Before(command) => self.before(tag, command, answer),
            Step::Select { facts, read_only } => self.opened(&tag, &facts, read_only, answer),
            Step::Idle => self.idling(tag, answer),
            Step::Finish(end) => {
                let mut said = Vec::new();
                self.refresh(answer, true, &mut said);
                said.extend_from_slice(format!("{tag} {end}\r\n").as_bytes());
                Turn::say(said)
            }
            step => self.carried_out(tag, step, answer),
        }
    }

    fn carried_out(&mut self, tag: String, step: Step, answer: Answer) -> Turn {
        match (step, answer) {
            (Step::List { pattern, subscribed }, Answer::Folders(folders)) => {
                let said = tell::list(&folders, &pattern, subscribed);
                self.finish(tag, "OK listed").after(said)
            }
            (Step::Status { folder, items }, Answer::Folders(folders)) => {
                let Some(facts) = self.folder(&folder).map(|facts| facts.folder) else {
                    return Turn::end(&tag, reply::NO_FOLDER);
                };
                match folders.iter().find(|now| now.folder == facts) {
                    Some(now) => self.finish(tag, "OK status told").after(tell::status(now, &items)),
                    None => Turn::end(&tag, reply::NO_FOLDER),
                }
            }
            (Step::Subscribe, Answer::Done) => self.finish(tag, "OK noted"),
            (Step::Append, Answer::Appended { uid_validity, uid }) => {
                self.finish(tag, format!("OK [APPENDUID {uid_validity} {uid}] stored"))
            }
            (Step::Fetch, Answer::Fetched { marked, gone, unreadable }) => {
                for (uid, flags) in marked {
                    self.view_mut().and_then(|view| view.set_flags(uid, flags));
                }
                Turn::end(
                    &tag,
                    match (unreadable, gone) {
                        (true, _) => reply::UNREADABLE,
                        (false, true) => reply::EXPUNGED_MEANWHILE,
                        (false, false) => End("OK fetched"),
                    },
                )
            }
            (Step::Search(by), Answer::Found { uids, complete }) => {
                let said = self.found(by, &uids);
                let end = if complete { End("OK searched") } else { reply::SEARCH_STOPPED };
                Turn::end(&tag, end).after(said)
            }
            (Step::Mark { expected, by }, Answer::Marked(marked)) => {
                let said = self.marked(marked, &expected, by);
                Turn::end(&tag, End("OK stored")).after(said)
            }
            (Step::Copy { moves }, Answer::Copied { uid_validity, pairs }) => {
                self.copied(tag, moves, uid_validity, &pairs)
            }
            (Step::Expunge, Answer::Expunged(uids)) => {
                let mut said = Vec::new();
                if let Some(view) = self.view_mut() {
                    view.expunge(&uids, &mut said);
                }
                self.finish(tag, "OK removed").after(said)
            }
            (Step::Close, _) => {
                self.deselect();
                Turn::end(&tag, End("OK closed"))
            }
            _ => Turn::bye(reply::BYE_UNAVAILABLE),
        }
    }

    fn failed(&mut self, tag: &str, step: &Step, trouble: Trouble) -> Turn {
        let turn = Turn::end(tag, reply::trouble(trouble));
        match step {
            Step::SignIn => {
                self.failures += 1;
                if self.failures >= limits::AUTH_FAILURES {
                    return Turn::bye(reply::BYE_ERRORS).after(turn.say);
                }
            }
            // What was to be removed stays; the folder closes all the same.
            Step::Close => self.deselect(),
            Step::Idle => return Turn::bye(reply::BYE_UNAVAILABLE),
            // The command itself succeeded; what changed meanwhile is told the next time.
            Step::Finish(end) => return Turn::say(format!("{tag} {end}\r\n")),
            _ => {}
        }
        turn
    }

    fn signing_in(&mut self, tag: String, answer: Answer) -> Turn {
        match answer {
            Answer::Line(line) if line.as_slice() == b"*" => Turn::end(&tag, reply::CANCELLED),
            Answer::Line(line) => match BASE64.decode(&line).map(Zeroizing::new) {
                Ok(plain) => self.credentials(tag, &plain),
                Err(_) => Turn::end(&tag, reply::BAD_PLAIN),
            },
            Answer::SignedIn(folders) => {
                self.state = State::SignedIn(folders);
                let offered = reply::capabilities(self.link, true);
                Turn::say(format!("{tag} OK [CAPABILITY {offered}] signed in\r\n"))
            }
            _ => Turn::bye(reply::BYE_UNAVAILABLE),
        }
    }

    fn opened(&mut self, tag: &str, facts: &FolderFacts, read_only: bool, answer: Answer) -> Turn {
        let Answer::Changed(listing) = answer else { return Turn::bye(reply::BYE_UNAVAILABLE) };
        let (uid_validity, uid_next) = (listing.uid_validity, listing.uid_next);
        let view = View::open(facts.folder, read_only, listing);
        let said = tell::opened(&view, uid_validity, uid_next, tag);
        if let State::SignedIn(folders) = &mut self.state {
            self.state = State::Selected(std::mem::take(folders), view);
        }
        Turn::say(said)
    }

    /// Tells changes; answers with the UIDs whose flags were told.
    fn refresh(&mut self, answer: Answer, may_expunge: bool, out: &mut Vec<u8>) -> Vec<u32> {
        let Some(view) = self.view_mut() else { return Vec::new() };
        match answer {
            Answer::Changed(listing) => return view.refresh(listing, may_expunge, out),
            _ if may_expunge => view.expunge_ghosts(out),
            _ => {}
        }
        Vec::new()
    }

    /// Changes were asked for; they are told, then FETCH, STORE or SEARCH is carried out.
    ///
    /// RFC 3501 §7.4.1: no EXPUNGE in these three, but in their UID forms.
    fn before(&mut self, tag: String, command: Command, answer: Answer) -> Turn {
        let mut said = Vec::new();
        let by_uid = matches!(
            command,
            Command::Fetch { by: By::Uid, .. }
                | Command::Store { by: By::Uid, .. }
                | Command::Search { by: By::Uid, .. }
        );
        let told = self.refresh(answer, by_uid, &mut said);
        let turn = match command {
            Command::Fetch { set, items, by } => self.fetch(tag, &set, items, by),
            Command::Store { set, change, flags, silent, by } => {
                let untold = |uid: &u32| silent && !told.contains(uid);
                self.store(tag, &set, (change, flags), untold, by)
            }
            Command::Search { query: Ok(query), by } => self.search(tag, query, by),
            Command::Search { query: Err(_), .. } => Turn::end(&tag, reply::CHARSET),
            _ => Turn::end(&tag, reply::NOT_OFFERED),
        };
        turn.after(said)
    }

    fn fetch(&mut self, tag: String, set: &Set, mut items: Vec<Item>, by: By) -> Turn {
        let Some(view) = self.view() else { return Turn::end(&tag, reply::SELECT_FIRST) };
        let Ok(rows) = view.pick(set, by) else { return Turn::end(&tag, reply::NO_SUCH_NUMBER) };
        if by == By::Uid && !items.contains(&Item::Uid) {
            items.insert(0, Item::Uid);
        }
        let marks = |item: &Item| matches!(item, Item::Section(section) if !section.peek);
        let marks = !view.read_only && items.iter().any(marks);
        let plan = Plan { folder: view.folder, rows, items, marks };
        self.wait(tag, Step::Fetch, Ask::Fetch(plan))
    }

    /// `untold`: messages of which the client wants to hear only what it cannot know. One whose flags were just told
    /// is none of them: the client may have taken its change for done before it read that.
    fn store(
        &mut self,
        tag: String,
        set: &Set,
        (change, flags): (Change, Flags),
        untold: impl Fn(&u32) -> bool,
        by: By,
    ) -> Turn {
        let Some(view) = self.view() else { return Turn::end(&tag, reply::SELECT_FIRST) };
        let Ok(rows) = view.pick(set, by) else { return Turn::end(&tag, reply::NO_SUCH_NUMBER) };
        let within = |row: &Row| row.flags.changed(change, &flags).is_within_limits();
        if change != Change::Remove && !(flags.is_within_limits() && rows.iter().all(within)) {
            return Turn::end(&tag, reply::TOO_MANY_KEYWORDS);
        }
        if rows.is_empty() {
            return Turn::end(&tag, End("OK nothing there to change"));
        }
        let expected = rows.iter().filter(|row| untold(&row.uid));
        let expected = expected.map(|row| (row.uid, row.flags.changed(change, &flags))).collect();
        let uids = rows.iter().map(|row| row.uid).collect();
        let folder = view.folder;
        self.wait(tag, Step::Mark { expected, by }, Ask::Mark { folder, uids, change, flags })
    }

    /// Takes over what messages carry now, and tells it where the client does not know it already.
    fn marked(&mut self, marked: Vec<(u32, Flags)>, expected: &[(u32, Flags)], by: By) -> Vec<u8> {
        let mut said = Vec::new();
        let Some(view) = self.view_mut() else { return said };
        let is_known = |uid: u32, flags: &Flags| {
            let at = expected.binary_search_by_key(&uid, |(uid, _)| *uid);
            at.is_ok_and(|at| expected.get(at).is_some_and(|(_, known)| known == flags))
        };
        for (uid, flags) in marked {
            let known = is_known(uid, &flags);
            let Some(number) = view.set_flags(uid, flags.clone()).filter(|_| !known) else { continue };
            let uid = if by == By::Uid { format!("UID {uid} ") } else { String::new() };
            said.extend_from_slice(format!("* {number} FETCH ({uid}FLAGS ({flags}))\r\n").as_bytes());
        }
        said
    }

    fn search(&mut self, tag: String, query: Query, by: By) -> Turn {
        let Some(view) = self.view() else { return Turn::end(&tag, reply::SELECT_FIRST) };
        let Ok(query) = query.bind(view) else { return Turn::end(&tag, reply::NO_SUCH_NUMBER) };
        let (folder, rows) = (view.folder, view.rows().collect());
        self.wait(tag, Step::Search(by), Ask::Search { folder, query, rows })
    }

    fn found(&self, by: By, uids: &[u32]) -> Vec<u8> {
        let mut said = b"* SEARCH".to_vec();
        let rows = self.view().into_iter().flat_map(View::rows);
        for row in rows.filter(|row| uids.binary_search(&row.uid).is_ok()) {
            let number = if by == By::Uid { row.uid } else { row.number };
            said.extend_from_slice(format!(" {number}").as_bytes());
        }
        said.extend_from_slice(b"\r\n");
        said
    }

    /// RFC 4315 §3, and for MOVE RFC 6851 §4.3: COPYUID in front of the EXPUNGEs.
    fn copied(&mut self, tag: String, moves: bool, uid_validity: u32, pairs: &[(u32, u32)]) -> Turn {
        if pairs.is_empty() {
            return self.finish(tag, "OK nothing there to copy");
        }
        let old = sequence::in_order(pairs.iter().map(|(old, _)| *old));
        let new = sequence::in_order(pairs.iter().map(|(_, new)| *new));
        let code = format!("[COPYUID {uid_validity} {old} {new}]");
        if !moves {
            return self.finish(tag, format!("OK {code} copied"));
        }
        let mut said = format!("* OK {code} moved\r\n").into_bytes();
        let gone: Vec<u32> = pairs.iter().map(|(old, _)| *old).collect();
        if let Some(view) = self.view_mut() {
            view.expunge(&gone, &mut said);
        }
        self.finish(tag, "OK moved").after(said)
    }

    fn idling(&mut self, tag: String, answer: Answer) -> Turn {
        match answer {
            Answer::Line(line) if line.eq_ignore_ascii_case(b"DONE") => self.finish(tag, "OK awake"),
            Answer::Line(_) => Turn::end(&tag, reply::NOT_DONE),
            answer => {
                let mut said = Vec::new();
                self.refresh(answer, true, &mut said);
                let folder = self.view().map(|view| view.folder);
                self.wait(tag, Step::Idle, Ask::Idle { folder }).after(said)
            }
        }
    }
}
