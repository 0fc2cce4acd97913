//! The clients: each works until its connection ends, and writes down what it was told.

use crate::house::ALICE;
use crate::house::House;
use crate::house::PASSWORD;
use crate::ledger::Deed;
use crate::ledger::Draft;
use crate::ledger::Fate;
use crate::ledger::FirstUse;
use crate::ledger::Ledger;
use crate::ledger::Letter;
use crate::ledger::Random;
use crate::ledger::text;
use crate::sink::Sink;
use crate::wire::HOST;
use crate::wire::Imap;
use crate::wire::Said;
use crate::wire::Smtp;
use crate::wire::post;
use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

/// Temporary mailboxes made; each costs the reading at the end some work.
const MAILBOXES: usize = 150;

/// A first use without an answer is tried so often.
const TRIES: u32 = 4;

/// What a client has.
pub struct Client<'a> {
    /// Where the server listens.
    pub house: &'a House,
    /// What is written down.
    pub ledger: &'a Ledger,
    /// The rest of the world.
    pub sink: &'a Sink,
    /// What it decides by.
    pub random: Random,
}

impl Client<'_> {
    /// Somebody else's server that brings mail.
    pub fn bring(&mut self) -> io::Result<()> {
        let mut smtp = Smtp::plain(self.house.smtp)?;
        loop {
            let letter = self.letter(Deed::Arrival);
            let from = format!("{}@outside.example", letter.marker);
            let said = smtp.send(&from, ALICE, &letter.text);
            self.note(Deed::Arrival, &letter, said)?;
        }
    }

    /// Alice's mail program: what had no answer first, with the same Message-ID; then something new.
    pub fn submit(&mut self, deed: Deed) -> io::Result<()> {
        let mut smtp = self.submission()?;
        loop {
            self.repeat(&mut smtp, deed)?;
            if self.ledger.open().secure.len() >= MAILBOXES && deed == Deed::Secure {
                return Ok(());
            }
            let letter = self.letter(deed);
            let said = smtp.send(ALICE, &letter.to, &letter.text);
            self.note(deed, &letter, said)?;
        }
    }

    /// Sends again what had no answer.
    pub fn repeat_all(&mut self) -> io::Result<()> {
        let mut smtp = self.submission()?;
        self.repeat(&mut smtp, Deed::Secure)?;
        self.repeat(&mut smtp, Deed::Plain)
    }

    fn repeat(&mut self, smtp: &mut Smtp, deed: Deed) -> io::Result<()> {
        loop {
            let mut book = self.ledger.open();
            let unanswered = book.letters(deed).iter().find(|letter| letter.fate == Fate::InDoubt).cloned();
            let Some(letter) = unanswered else { return Ok(()) };
            book.repeated += 1;
            drop(book);
            let said = smtp.send(ALICE, &letter.to, &letter.text);
            self.note(deed, &letter, said)?;
        }
    }

    fn submission(&self) -> io::Result<Smtp> {
        let signed_in = Smtp::signed_in(self.house.submissions, &self.house.trust, ALICE, PASSWORD)?;
        signed_in.map_err(|said| {
            self.ledger.refused(said.text);
            io::ErrorKind::PermissionDenied.into()
        })
    }

    fn letter(&mut self, deed: Deed) -> Letter {
        // In the record, in a file of its own, and over the disk while it comes.
        let size = match self.random.below(20) {
            0 => 400_000,
            1..=6 => 20_000,
            7..=12 => 4_000,
            _ => 700,
        };
        self.ledger.open().write(deed, size)
    }

    fn note(&self, deed: Deed, letter: &Letter, said: io::Result<Said>) -> io::Result<()> {
        match said {
            Ok(Said { code: 250, .. }) => {
                self.ledger.acknowledged(deed, |book| {
                    let letters = book.letters(deed).iter_mut();
                    letters.rev().find(|known| known.marker == letter.marker).unwrap().fate =
                        Fate::Acknowledged;
                });
                Ok(())
            }
            Ok(said) => {
                self.ledger.refused(format!("{}: {}", letter.marker, said.text));
                Err(io::ErrorKind::PermissionDenied.into())
            }
            Err(error) => {
                self.ledger.cut_off(deed);
                Err(error)
            }
        }
    }

    /// The recipients: one opens a mailbox after another, with the link that came and the PIN that Alice was told.
    /// Some try again what had no answer, with the same password.
    pub fn open_mailboxes(&mut self) -> io::Result<()> {
        let mut imap = self.alice()?;
        loop {
            self.learn_pins(&mut imap)?;
            let again = if self.random.below(2) == 0 { self.unanswered() } else { None };
            let Some(mut used) = again.or_else(|| self.openable()).or_else(|| self.unanswered()) else {
                self.sink.wait(Duration::from_millis(20));
                continue;
            };
            used.tries += 1;
            self.ledger.open().first_uses.insert(used.recipient.clone(), used.clone());
            self.ledger.began(Deed::FirstUse);
            match post_first_use(self.house, 0, &used, &used.password) {
                // To one who tries again: it is done, or was. 409 says so two minutes later.
                Ok(status) if status == 303 || status == 409 && used.tries > 1 => {
                    used.fate = Fate::Acknowledged;
                    self.ledger.acknowledged(Deed::FirstUse, |book| {
                        book.done_before += usize::from(used.tries > 1);
                        book.first_uses.insert(used.recipient.clone(), used);
                    });
                }
                // No room for the work: nothing was tried.
                Ok(503) => {}
                Ok(status) => self.ledger.refused(format!("{}: {status}", used.recipient)),
                Err(error) => {
                    self.ledger.cut_off(Deed::FirstUse);
                    return Err(error);
                }
            }
        }
    }

    /// A mailbox that nobody tried to open, with everything that is needed for it.
    pub fn openable(&self) -> Option<FirstUse> {
        let book = self.ledger.open();
        book.pins.iter().filter(|(recipient, _)| !book.first_uses.contains_key(*recipient)).find_map(
            |(recipient, pin)| {
                let (path, token) = link(&self.sink.taken(recipient).first()?.text)?;
                Some(FirstUse {
                    recipient: recipient.clone(),
                    path,
                    token,
                    pin: pin.clone(),
                    password: format!("four brown bears of {recipient}"),
                    fate: Fate::InDoubt,
                    tries: 0,
                })
            },
        )
    }

    /// A first use without an answer; ten tries are all that a PIN has.
    fn unanswered(&self) -> Option<FirstUse> {
        let book = self.ledger.open();
        let unanswered = |used: &&FirstUse| used.fate == Fate::InDoubt && used.tries < TRIES;
        book.first_uses.values().find(unanswered).cloned()
    }

    /// Reads what Alice's copies tell since the last look.
    pub fn learn_pins(&self, imap: &mut Imap) -> io::Result<()> {
        imap.ask("EXAMINE Sent")?;
        let from = self.ledger.open().sent_seen + 1;
        let fields = "BODY.PEEK[HEADER.FIELDS (X-OxGuard-PIN X-Guardpost-Delivery)]";
        let done = imap.ask(&format!("UID FETCH {from}:* (UID {fields})"))?;
        let mut book = self.ledger.open();
        for response in &done.responses {
            let (Some(uid), Some(header)) = (response.number("UID"), response.literals.first()) else {
                continue;
            };
            let header = String::from_utf8_lossy(header);
            book.sent_seen = book.sent_seen.max(uid);
            let field = |name: &str| {
                let line = header.lines().find_map(|line| line.strip_prefix(name));
                line.map(|rest| rest.split([';', ' ']).next().unwrap_or_default().to_owned())
            };
            if let (Some(pin), Some(recipient)) = (field("X-OxGuard-PIN: "), field("X-Guardpost-Delivery: "))
            {
                book.pins.insert(recipient, pin);
            }
        }
        Ok(())
    }

    /// Alice at her INBOX: flags of messages at random, each time all of them.
    pub fn flag(&mut self) -> io::Result<()> {
        let mut imap = self.alice()?;
        loop {
            let messages = imap.ask("SELECT INBOX")?.number("[UIDNEXT").unwrap_or(1) - 1;
            if messages == 0 {
                self.sink.wait(Duration::from_millis(20));
                continue;
            }
            for _ in 0..20 {
                let uid = 1 + u32::try_from(self.random.below(messages.into())).unwrap();
                let choice = self.random.next();
                let all = ["\\Seen", "\\Answered", "\\Flagged", "green", "red"];
                let chosen = all.iter().enumerate().filter(|(at, _)| choice >> at & 1 == 1);
                let flags: BTreeSet<String> = chosen.map(|(_, flag)| (*flag).to_owned()).collect();
                let list = flags.iter().map(String::as_str).collect::<Vec<_>>().join(" ");
                self.ledger.open().flags.entry(uid).or_default().in_doubt.push(flags.clone());
                let done = imap.ask(&format!("UID STORE {uid} FLAGS.SILENT ({list})"));
                let done = done.inspect_err(|_| self.ledger.cut_off(Deed::Store))?;
                if !done.is_ok() {
                    self.ledger.refused(done.tagged);
                    return Ok(());
                }
                self.ledger.acknowledged(Deed::Store, |book| {
                    let flagged = book.flags.entry(uid).or_default();
                    flagged.in_doubt.clear();
                    flagged.acknowledged = flags;
                });
            }
        }
    }

    /// Alice at her drafts: puts one down, throws every second one away.
    pub fn draft(&mut self) -> io::Result<()> {
        let mut imap = self.alice()?;
        imap.ask("SELECT Drafts")?;
        loop {
            let size = if self.random.below(4) == 0 { 12_000 } else { 500 };
            let marker = self.ledger.open().marker(Deed::Append);
            self.ledger.open().drafts.insert(marker.clone(), Draft { put: Fate::InDoubt, thrown: None });
            let text = text(&marker, ALICE, ALICE, "a draft", size);
            let done = imap.append("Drafts", "\\Draft", &text);
            let done = done.inspect_err(|_| self.ledger.cut_off(Deed::Append))?;
            let uid = done
                .tagged
                .split_once("[APPENDUID ")
                .and_then(|(_, rest)| rest.split(']').next()?.split(' ').nth(1)?.parse::<u32>().ok());
            let Some(uid) = uid else {
                self.ledger.refused(done.tagged);
                return Ok(());
            };
            let put = |thrown| Draft { put: Fate::Acknowledged, thrown };
            let name = marker.clone();
            self.ledger.acknowledged(Deed::Append, |book| _ = book.drafts.insert(name, put(None)));
            if self.random.below(2) == 0 {
                continue;
            }
            self.ledger.open().drafts.insert(marker.clone(), put(Some(Fate::InDoubt)));
            let thrown = imap
                .ask(&format!("UID STORE {uid} +FLAGS.SILENT (\\Deleted)"))
                .and_then(|_| imap.ask(&format!("UID EXPUNGE {uid}")));
            let thrown = thrown.inspect_err(|_| self.ledger.cut_off(Deed::Expunge))?;
            if !thrown.is_ok() {
                self.ledger.refused(thrown.tagged);
                return Ok(());
            }
            let gone = put(Some(Fate::Acknowledged));
            self.ledger.acknowledged(Deed::Expunge, |book| _ = book.drafts.insert(marker, gone));
        }
    }

    /// Alice, signed in.
    pub fn alice(&self) -> io::Result<Imap> {
        let house = self.house;
        let imap = Imap::signed_in(house.imaps, &house.trust, 0, ALICE, PASSWORD)?;
        Ok(imap.expect("her password is right"))
    }
}

/// The form behind the link, with this password; the status of the answer. A password that is sent to an opened mailbox
/// is a guess, so each comes from a network of its own.
pub fn post_first_use(house: &House, network: u16, used: &FirstUse, password: &str) -> io::Result<u16> {
    let fields = [
        ("token", used.token.as_str()),
        ("pin", used.pin.as_str()),
        ("password", password),
        ("confirm", password),
        ("understood", "yes"),
    ];
    post(house.https, &house.trust, network, &used.path, &fields)
}

/// The path and the token of an invitation's link.
pub fn link(invitation: &str) -> Option<(String, String)> {
    let text = invitation.replace("=\r\n", "");
    let rest = text.split_once(&format!("https://{HOST}"))?.1;
    let link = rest.split(|c: char| c.is_whitespace() || "\"<>".contains(c)).next()?;
    let (path, token) = link.split_once('#')?;
    path.starts_with("/i/").then(|| (path.to_owned(), token.to_owned()))
}

/// The value of `X-Marker`, or nothing.
pub fn marker(message: &str) -> &str {
    message
        .lines()
        .take_while(|line| !line.is_empty())
        .find_map(|line| line.strip_prefix("X-Marker: "))
        .unwrap_or("")
}
