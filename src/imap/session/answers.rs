//! What comes of what was asked: the second half of the machine, from answers to words.

use crate::base::limits;
use crate::imap::ask::Answer;
use crate::imap::ask::Ask;
use crate::imap::ask::FolderFacts;
use crate::imap::ask::Plan;
use crate::imap::ask::Trouble;
use crate::imap::ask::Turn;
use crate::imap::command::By;
use crate::imap::command::Command;
use crate::imap::command::Item;
use crate::imap::flags::Change;
use crate::imap::flags::Flags;
use crate::imap::reply;
use crate::imap::reply::End;
use crate::imap::search::Query;
use crate::imap::sequence;
use crate::imap::sequence::Set;
use crate::imap::session::Pending;
use crate::imap::session::Session;
use crate::imap::session::State;
use crate::imap::session::Step;
use crate::imap::tell;
use crate::imap::view::Row;
use crate::imap::view::View;
use data_encoding::BASE64;
use zeroize::Zeroizing;

impl Session {
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
            (Step::Fetch(by), Answer::Fetched { marked, gone, unreadable, later }) => {
                // RFC 3501 §6.4.5: flags that changed with it are told with it.
                let said = self.marked(marked, &[], by);
                Turn::end(
                    &tag,
                    match (later, unreadable, gone) {
                        (true, ..) => reply::UNREADABLE_NOW,
                        (false, true, _) => reply::UNREADABLE,
                        (false, false, true) => reply::EXPUNGED_MEANWHILE,
                        (false, false, false) => End("OK fetched"),
                    },
                )
                .after(said)
            }
            (Step::Search(by), Answer::Found { uids, complete }) => {
                let said = self.found(by, &uids);
                let end = if complete { End("OK searched") } else { reply::SEARCH_STOPPED };
                match by {
                    By::Uid => self.finish(tag, end.0).after(said),
                    By::Sequence => Turn::end(&tag, end).after(said),
                }
            }
            (Step::Mark { expected, by }, Answer::Marked(marked)) => {
                let said = self.marked(marked, &expected, by);
                Turn::end(&tag, End("OK stored")).after(said)
            }
            (Step::Copy { moves }, Answer::Copied { uid_validity, pairs, stopped }) => {
                self.copied(tag, moves, uid_validity, &pairs, stopped)
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
    /// RFC 3501 §7.4.1: no EXPUNGE in these three, but in their UID forms; in UID SEARCH only behind what was found,
    /// for the numbers it was given count from before (§5.5).
    fn before(&mut self, tag: String, command: Command, answer: Answer) -> Turn {
        let mut said = Vec::new();
        let by_uid =
            matches!(command, Command::Fetch { by: By::Uid, .. } | Command::Store { by: By::Uid, .. });
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
        self.wait(tag, Step::Fetch(by), Ask::Fetch(plan))
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
        if !flags.is_within_limits() || change != Change::Remove && !rows.iter().all(within) {
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

    /// RFC 4315 §3, and for MOVE RFC 6851 §4.3: COPYUID in front of the EXPUNGEs, also of a MOVE that stopped (§3.3).
    fn copied(
        &mut self,
        tag: String,
        moves: bool,
        uid_validity: u32,
        pairs: &[(u32, u32)],
        stopped: Option<Trouble>,
    ) -> Turn {
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
        let end = stopped.map_or(End("OK moved"), reply::trouble);
        self.finish(tag, end.0).after(said)
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
