//! Plays the transcripts of `tests/golden/imap` against a mailbox in memory.
//!
//! `C:` is what the client types, `S:` what it reads, `X:` what somebody else does to the mailbox meanwhile:
//! `X: deliver FOLDER`, `X: flags FOLDER UID FLAG` (one more), `X: remove FOLDER UID`, `X: fail TROUBLE` for the next
//! question, `X: stop COUNT TROUBLE` in the middle of the next MOVE. `X: during …` does it after the changes were told and before the command is carried out. `UPDATE_GOLDEN=1` writes the transcripts anew, to be read before they are kept.

use crate::base::time::Time;
use crate::imap::ask::Answer;
use crate::imap::ask::Ask;
use crate::imap::ask::FolderFacts;
use crate::imap::ask::Plan;
use crate::imap::ask::Trouble;
use crate::imap::fetch;
use crate::imap::fetch::Known;
use crate::imap::fetch::Piece;
use crate::imap::flags::Change;
use crate::imap::flags::Flags;
use crate::imap::frame::Frame;
use crate::imap::frame::Framer;
use crate::imap::overview;
use crate::imap::search::Facts;
use crate::imap::search::Header;
use crate::imap::search::Verdict;
use crate::imap::search::fold;
use crate::imap::session::Link;
use crate::imap::session::Session;
use crate::imap::view::Listing;
use crate::mime::scan::Limits;
use crate::mime::scan::Scanner;
use std::fs;
use std::io::Cursor;
use std::path::Path;

#[test]
fn transcripts() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/imap");
    let mut played = 0;
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let script = fs::read_to_string(&path).unwrap();
        let now = play(&script);
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&path, &now).unwrap();
        } else {
            assert!(now == script, "{}\n{now}", path.display());
        }
        played += 1;
    }
    assert!(played >= 8, "transcripts are missing");
}

/// The script anew, with our own `S:` lines.
fn play(script: &str) -> String {
    let mut player = Player::new(if script.contains("\n# plain") { Link::Plain } else { Link::Tls });
    for (facts, _) in &mut player.mailbox.folders {
        facts.takes = !script.contains("\n# recipient");
    }
    let greeting = player.session.greeting().into_bytes();
    let mut out = String::new();
    for line in script.lines().filter(|line| !line.starts_with("S:")) {
        out += line;
        out.push('\n');
        let said = if let Some(typed) = line.strip_prefix("C: ") {
            player.framer.push(typed.as_bytes());
            player.framer.push(b"\r\n");
            player.run()
        } else if let Some(deed) = line.strip_prefix("X: ") {
            player.meanwhile(deed)
        } else if line == "# greeting" {
            greeting.clone()
        } else {
            continue;
        };
        for line in String::from_utf8(said).unwrap().split_terminator("\r\n") {
            out += format!("S: {line}").trim_end();
            out += if line.ends_with(' ') { " \n" } else { "\n" };
        }
    }
    out
}

struct Player {
    framer: Framer,
    session: Session,
    mailbox: Mailbox,
    asked: Ask,
    ended: bool,
}

impl Player {
    fn new(link: Link) -> Self {
        Self {
            framer: Framer::default(),
            session: Session::new(link, 10_000),
            mailbox: Mailbox::new(),
            asked: Ask::Command,
            ended: false,
        }
    }

    fn meanwhile(&mut self, deed: &str) -> Vec<u8> {
        self.mailbox.meanwhile(deed);
        if let Ask::Idle { folder: Some(folder) } = self.asked {
            let listing = self.mailbox.listing(folder);
            self.mailbox.changed = false;
            return self.follow(Answer::Changed(listing));
        }
        Vec::new()
    }

    fn run(&mut self) -> Vec<u8> {
        let mut said = Vec::new();
        while !self.ended {
            let turn = match self.framer.next_frame() {
                Frame::More => break,
                Frame::Command(bytes) => self.session.command(&bytes),
                Frame::GoOn => {
                    said.extend_from_slice(b"+ go on\r\n");
                    continue;
                }
                Frame::Refused { tag } => self.session.literal_refused(&tag),
                Frame::Append { head, octets } => self.session.append(&head, octets),
                Frame::Octets(octets) => {
                    self.mailbox.arriving.extend_from_slice(&octets);
                    continue;
                }
                Frame::AppendEnd { clean } => {
                    let answer = self.mailbox.append(&self.asked, clean);
                    said.extend(self.follow(answer));
                    continue;
                }
                Frame::Line(line) => {
                    said.extend(self.follow(Answer::Line(line)));
                    continue;
                }
                Frame::Flood => {
                    self.ended = true;
                    said.extend_from_slice(crate::imap::reply::BYE_FLOOD.as_bytes());
                    break;
                }
            };
            said.extend_from_slice(&turn.say);
            self.asked = turn.ask;
            said.extend(self.carry_out());
        }
        said
    }

    fn follow(&mut self, answer: Answer) -> Vec<u8> {
        let turn = self.session.answer(answer);
        let mut said = turn.say;
        self.asked = turn.ask;
        said.extend(self.carry_out());
        said
    }

    fn carry_out(&mut self) -> Vec<u8> {
        let mut said = Vec::new();
        let answer = match &self.asked {
            Ask::Command => return said,
            Ask::End => {
                self.ended = true;
                return said;
            }
            Ask::StartTls => {
                self.session.secured();
                return said;
            }
            Ask::RefuseMessage => {
                self.framer.refuse_message(10_000);
                return said;
            }
            Ask::Line | Ask::Idle { .. } => {
                self.framer.expect_line();
                return said;
            }
            Ask::Receive { .. } => {
                if self.framer.take_message() {
                    said.extend_from_slice(b"+ go on\r\n");
                }
                return said;
            }
            Ask::Fetch(plan) => self.mailbox.fetch(plan, &mut said),
            other => self.mailbox.answer(other),
        };
        if matches!(answer, Answer::SignedIn(_)) {
            self.framer.sign_in();
        }
        said.extend(self.follow(answer));
        said
    }
}

struct Mailbox {
    folders: Vec<(FolderFacts, Vec<Stored>)>,
    arriving: Vec<u8>,
    changed: bool,
    trouble: Option<Trouble>,
    /// The next MOVE stops behind so many.
    stops: Option<(usize, Trouble)>,
    /// What somebody else does right before the next STORE or FETCH is carried out.
    during: Vec<String>,
}

#[derive(Clone)]
struct Stored {
    uid: u32,
    flags: Flags,
    bytes: Vec<u8>,
}

const FIRST: &str = "Date: Tue, 1 Jul 2003 10:52:37 +0200\r\nFrom: Ann <ann@a.example>\r\n\
    To: bob@b.example\r\nSubject: one\r\nMessage-ID: <1@a.example>\r\n\r\nHello Bob\r\n";
const SECOND: &str = "From: ann@a.example\r\nSubject: =?utf-8?q?zw=C3=B6lf?=\r\nMIME-Version: 1.0\r\n\
    Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nfirst part\r\n--b\r\n\
    Content-Type: message/rfc822\r\n\r\nSubject: inside\r\nX-Y: z\r\n\r\ninner text\r\n--b--\r\n";

impl Mailbox {
    fn new() -> Self {
        let folder = |folder, name: &str, special_use| {
            let facts = FolderFacts {
                folder,
                name: name.into(),
                special_use,
                subscribed: true,
                uid_validity: 1_700_000_000 + u32::from(folder),
                uid_next: 1,
                messages: 0,
                unseen: 0,
                takes: true,
            };
            (facts, Vec::new())
        };
        let mut mailbox = Self {
            folders: vec![
                folder(1, "INBOX", ""),
                folder(2, "Sent", "\\Sent"),
                folder(3, "Entwürfe", "\\Drafts"),
            ],
            arriving: Vec::new(),
            changed: false,
            trouble: None,
            stops: None,
            during: Vec::new(),
        };
        for text in [FIRST, SECOND, FIRST] {
            mailbox.put(1, text.as_bytes().to_vec(), Flags::default());
        }
        mailbox.folders[0].1[0].flags.seen = true;
        mailbox
    }

    fn put(&mut self, folder: u16, bytes: Vec<u8>, flags: Flags) -> u32 {
        let (facts, messages) = self.folders.iter_mut().find(|(facts, _)| facts.folder == folder).unwrap();
        // Gaps, so that numbers and UIDs are not mistaken for each other.
        let uid = facts.uid_next + 9;
        facts.uid_next = uid + 1;
        messages.push(Stored { uid, flags, bytes });
        self.changed = true;
        uid
    }

    fn messages(&mut self, folder: u16) -> &mut Vec<Stored> {
        self.changed = true;
        &mut self.folders.iter_mut().find(|(facts, _)| facts.folder == folder).unwrap().1
    }

    fn meanwhile(&mut self, deed: &str) {
        let words: Vec<&str> = deed.split(' ').collect();
        let folder = |name| match name {
            "INBOX" => 1,
            _ => 2,
        };
        match words.as_slice() {
            ["deliver", name] => {
                self.put(folder(name), FIRST.as_bytes().to_vec(), Flags::default());
            }
            ["during", ..] => self.during.push(words[1..].join(" ")),
            ["flags", name, uid, flag] => {
                let more = match *flag {
                    "\\Seen" => Flags { seen: true, ..Flags::default() },
                    "\\Flagged" => Flags { flagged: true, ..Flags::default() },
                    word => Flags { keywords: vec![word.into()], ..Flags::default() },
                };
                self.mark(folder(name), &[uid.parse().unwrap()], Change::Add, &more);
            }
            ["remove", name, uid] => {
                let uid: u32 = uid.parse().unwrap();
                self.messages(folder(name)).retain(|stored| stored.uid != uid);
            }
            ["fail", why] => self.trouble = Some(trouble(why)),
            ["stop", count, why] => self.stops = Some((count.parse().unwrap(), trouble(why))),
            _ => panic!("{deed}"),
        }
    }

    fn others(&mut self) {
        for deed in std::mem::take(&mut self.during) {
            self.meanwhile(&deed);
        }
    }

    fn listing(&self, folder: u16) -> Listing {
        let (facts, messages) = self.folders.iter().find(|(facts, _)| facts.folder == folder).unwrap();
        Listing {
            uid_validity: facts.uid_validity,
            uid_next: facts.uid_next,
            messages: messages.iter().map(|stored| (stored.uid, stored.flags.clone())).collect(),
        }
    }

    fn append(&mut self, asked: &Ask, clean: bool) -> Answer {
        let bytes = std::mem::take(&mut self.arriving);
        let Ask::Receive { folder, flags, .. } = asked else { panic!() };
        if let Some(trouble) = self.trouble.take() {
            return Answer::Trouble(trouble);
        }
        if !clean {
            return Answer::Trouble(Trouble::NotOneMessage);
        }
        let uid = self.put(*folder, bytes, flags.clone());
        Answer::Appended { uid_validity: 1_700_000_000 + u32::from(*folder), uid }
    }

    fn answer(&mut self, ask: &Ask) -> Answer {
        if let Some(trouble) = self.trouble.take() {
            return Answer::Trouble(trouble);
        }
        match ask {
            Ask::SignIn { user, password } if user == "bob@b.example" && password.expose() == "tr0ub4dor" => {
                Answer::SignedIn(self.facts())
            }
            Ask::SignIn { .. } => Answer::Trouble(Trouble::WrongPassword),
            Ask::Folders => Answer::Folders(self.facts()),
            Ask::Open { folder } => {
                self.changed = false;
                Answer::Changed(self.listing(*folder))
            }
            Ask::Refresh { folder } if std::mem::take(&mut self.changed) => {
                Answer::Changed(self.listing(*folder))
            }
            Ask::Refresh { .. } => Answer::Unchanged,
            Ask::Subscribe { folder, on } => {
                self.folders.iter_mut().find(|(facts, _)| facts.folder == *folder).unwrap().0.subscribed =
                    *on;
                Answer::Done
            }
            Ask::Mark { folder, uids, change, flags } => {
                self.others();
                Answer::Marked(self.mark(*folder, uids, *change, flags))
            }
            Ask::Copy { from, to, uids, moves } => self.copy(*from, *to, uids, *moves),
            Ask::Expunge { folder, uids } => {
                let gone = |stored: &Stored| {
                    stored.flags.deleted && uids.as_ref().is_none_or(|uids| uids.contains(&stored.uid))
                };
                let messages = self.messages(*folder);
                let expunged =
                    messages.iter().filter(|stored| gone(stored)).map(|stored| stored.uid).collect();
                messages.retain(|stored| !gone(stored));
                Answer::Expunged(expunged)
            }
            Ask::Search { folder, query, rows } => {
                let messages = self.messages(*folder).clone();
                let found = rows.iter().filter(|row| {
                    let Some(stored) = messages.iter().find(|stored| stored.uid == row.uid) else {
                        return false;
                    };
                    let text = String::from_utf8_lossy(&stored.bytes);
                    let (head, body) = text.split_once("\r\n\r\n").unwrap();
                    let fields = head.split("\r\n").filter_map(|line| line.split_once(": "));
                    let fields = fields.map(|(name, value)| (name.to_ascii_lowercase(), fold(value)));
                    let header = Header { fields: fields.collect(), complete_for: None };
                    let facts = Facts {
                        number: row.number,
                        uid: row.uid,
                        flags: &row.flags,
                        record: Some((ARRIVED, stored.bytes.len() as u64)),
                        header: Some(&header),
                        body: Some(&[fold(body)]),
                    };
                    query.judge(&facts) == Verdict::Yes
                });
                Answer::Found { uids: found.map(|row| row.uid).collect(), complete: true }
            }
            other => panic!("{other:?}"),
        }
    }

    fn facts(&self) -> Vec<FolderFacts> {
        let count = |messages: &[Stored], unseen: bool| {
            u32::try_from(messages.iter().filter(|stored| !unseen || !stored.flags.seen).count()).unwrap()
        };
        let facts = self.folders.iter().map(|(facts, messages)| FolderFacts {
            messages: count(messages, false),
            unseen: count(messages, true),
            ..facts.clone()
        });
        facts.collect()
    }

    fn mark(&mut self, folder: u16, uids: &[u32], change: Change, flags: &Flags) -> Vec<(u32, Flags)> {
        let mut marked = Vec::new();
        for stored in self.messages(folder).iter_mut().filter(|stored| uids.contains(&stored.uid)) {
            stored.flags = stored.flags.changed(change, flags);
            marked.push((stored.uid, stored.flags.clone()));
        }
        marked
    }

    fn copy(&mut self, from: u16, to: u16, uids: &[u32], moves: bool) -> Answer {
        let mut chosen: Vec<Stored> =
            self.messages(from).iter().filter(|stored| uids.contains(&stored.uid)).cloned().collect();
        let stops = self.stops.take();
        chosen.truncate(stops.map_or(chosen.len(), |(count, _)| count));
        let mut pairs = Vec::new();
        for stored in chosen {
            pairs.push((stored.uid, self.put(to, stored.bytes, stored.flags)));
        }
        if moves {
            self.messages(from).retain(|stored| !pairs.iter().any(|(old, _)| *old == stored.uid));
        }
        let stopped = stops.map(|(_, why)| why);
        Answer::Copied { uid_validity: 1_700_000_000 + u32::from(to), pairs, stopped }
    }

    fn fetch(&mut self, plan: &Plan, out: &mut Vec<u8>) -> Answer {
        self.others();
        let (mut marked, mut gone) = (Vec::new(), false);
        for row in &plan.rows {
            let Some(stored) =
                self.messages(plan.folder).iter().find(|stored| stored.uid == row.uid).cloned()
            else {
                gone = true;
                continue;
            };
            let structure = Scanner::scan(&stored.bytes[..], Limits::default()).unwrap();
            let overview = overview::read(&mut Cursor::new(&stored.bytes), &structure).unwrap();
            let known = Known {
                record: Some((ARRIVED, stored.bytes.len() as u64)),
                overview: Some(&overview),
                structure: Some(&structure),
            };
            for piece in fetch::tell(row, &plan.items, &known) {
                let octets = |range: std::ops::Range<u64>| {
                    &stored.bytes[usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()]
                };
                match piece {
                    Piece::Text(text) => out.extend_from_slice(&text),
                    Piece::Overview(form) => out.extend_from_slice(overview.form(form)),
                    Piece::Octets(range) => out.extend_from_slice(octets(range)),
                    Piece::Fields { header, names, not, partial } => {
                        out.extend_from_slice(&fetch::fields(octets(header), &names, not, partial));
                    }
                }
            }
            if plan.marks && !row.flags.seen {
                let seen = Flags { seen: true, ..Flags::default() };
                marked.extend(self.mark(plan.folder, &[row.uid], Change::Add, &seen));
            }
        }
        Answer::Fetched { marked, gone, unreadable: false, later: false }
    }
}

fn trouble(name: &str) -> Trouble {
    match name {
        "broken" => Trouble::Broken,
        "over-quota" => Trouble::OverQuota,
        "not-writable" => Trouble::NotWritable,
        _ => panic!("{name}"),
    }
}

/// 17 July 1996.
const ARRIVED: Time = Time(837_596_665);
