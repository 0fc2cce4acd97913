//! What the clients did, and what of it was acknowledged.

use crate::house::ALICE;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::mpsc::Sender;

/// How far something came.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fate {
    /// The server said that it is done.
    Acknowledged,
    /// It was begun, and the connection ended before an answer.
    InDoubt,
}

/// What can be acknowledged.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Deed {
    /// A message on port 25.
    Arrival,
    /// A message to somebody who has no key.
    Secure,
    /// A message that goes out as it is.
    Plain,
    /// A password chosen behind a link.
    FirstUse,
    /// Flags of a message.
    Store,
    /// A draft put down.
    Append,
    /// A draft thrown away.
    Expunge,
}

impl Deed {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Arrival, Self::Secure, Self::Plain, Self::FirstUse, Self::Store, Self::Append, Self::Expunge];
}

/// What the bell tells.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Event {
    /// It was asked for.
    Began(Deed),
    /// It was acknowledged.
    Done(Deed),
    /// The server's log says that it is done; the answer comes after that.
    Logged(Log),
}

/// What the log tells.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Log {
    /// A message from outside is on disk.
    Arrival,
    /// A submission is.
    Submission,
    /// A mailbox has its password.
    FirstUse,
}

/// A message of the load.
#[derive(Clone, Debug)]
pub struct Letter {
    /// Which; it stands in `X-Marker`, in the text and in the Message-ID.
    pub marker: String,
    /// To whom.
    pub to: String,
    /// All of it.
    pub text: Arc<str>,
    /// How far it came.
    pub fate: Fate,
}

impl Letter {
    /// Without its header.
    pub fn body(&self) -> &str {
        body(&self.text)
    }
}

/// What stands behind the header.
pub fn body(text: &str) -> &str {
    text.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

/// A first use that was begun.
#[derive(Clone, Debug)]
pub struct FirstUse {
    /// Whose mailbox.
    pub recipient: String,
    /// The link's path.
    pub path: String,
    /// The link's token.
    pub token: String,
    /// What Alice was told.
    pub pin: String,
    /// What was chosen.
    pub password: String,
    /// How far it came.
    pub fate: Fate,
    /// How often it was tried.
    pub tries: u32,
}

/// A message whose flags were set.
#[derive(Clone, Debug, Default)]
pub struct Flagged {
    /// As last acknowledged.
    pub acknowledged: BTreeSet<String>,
    /// Set after that, and the connection ended.
    pub in_doubt: Vec<BTreeSet<String>>,
}

/// A draft.
#[derive(Clone, Copy, Debug)]
pub struct Draft {
    /// How far the putting down came.
    pub put: Fate,
    /// How far the throwing away came, if it was begun.
    pub thrown: Option<Fate>,
}

/// Everything.
#[derive(Default)]
pub struct Book {
    /// Mail on port 25.
    pub arrivals: Vec<Letter>,
    /// Mail to recipients without a key.
    pub secure: Vec<Letter>,
    /// Mail that goes out as it is.
    pub plain: Vec<Letter>,
    /// PINs that Alice was told, by recipient.
    pub pins: BTreeMap<String, String>,
    /// The last message in Sent that was looked at.
    pub sent_seen: u32,
    /// First uses, by recipient.
    pub first_uses: BTreeMap<String, FirstUse>,
    /// Flags in Alice's INBOX, by UID.
    pub flags: HashMap<u32, Flagged>,
    /// Drafts, by marker.
    pub drafts: BTreeMap<String, Draft>,
    /// What nobody expected to be told.
    pub refusals: Vec<String>,
    /// Submissions that were made again after a lost answer.
    pub repeated: usize,
    /// First uses that turned out to be done when they were tried again.
    pub done_before: usize,
    /// Acknowledged deeds.
    pub done: BTreeMap<Deed, usize>,
    /// Deeds that a kill cut off.
    pub cut_off: BTreeMap<Deed, usize>,
    count: u32,
}

/// The book with its bell.
pub struct Ledger {
    book: Mutex<Book>,
    bell: Sender<Event>,
}

impl Ledger {
    /// An empty one; `bell` hears of every acknowledged deed.
    pub fn new(bell: Sender<Event>) -> Self {
        Self { book: Mutex::default(), bell }
    }

    /// To read and write in.
    pub fn open(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap()
    }

    /// Tells that something is asked for.
    pub fn began(&self, deed: Deed) {
        let _ = self.bell.send(Event::Began(deed));
    }

    /// Notes what was acknowledged, in the book and by the bell.
    pub fn acknowledged(&self, deed: Deed, note: impl FnOnce(&mut Book)) {
        let mut book = self.open();
        note(&mut book);
        *book.done.entry(deed).or_default() += 1;
        drop(book);
        // Nobody listens at the end.
        let _ = self.bell.send(Event::Done(deed));
    }

    /// Notes that a connection ended in the middle.
    pub fn cut_off(&self, deed: Deed) {
        *self.open().cut_off.entry(deed).or_default() += 1;
    }

    /// Notes a refusal.
    pub fn refused(&self, what: String) {
        self.open().refusals.push(what);
    }
}

impl Book {
    /// The letters of a deed.
    pub fn letters(&mut self, deed: Deed) -> &mut Vec<Letter> {
        match deed {
            Deed::Secure => &mut self.secure,
            Deed::Plain => &mut self.plain,
            _ => &mut self.arrivals,
        }
    }

    /// Writes a new letter, in doubt until it is answered.
    pub fn write(&mut self, deed: Deed, size: usize) -> Letter {
        let marker = self.marker(deed);
        let outside = format!("{marker}@outside.example");
        let (from, to, subject) = match deed {
            Deed::Secure => (ALICE, outside.as_str(), format!("[secure] {marker}")),
            Deed::Plain => (ALICE, outside.as_str(), format!("about {marker}")),
            _ => (outside.as_str(), ALICE, format!("about {marker}")),
        };
        let text = text(&marker, from, to, &subject, size).into();
        let letter = Letter { marker, to: to.to_owned(), text, fate: Fate::InDoubt };
        self.letters(deed).push(letter.clone());
        letter
    }

    /// A new marker: five digits, so that none is the beginning of another.
    pub fn marker(&mut self, deed: Deed) -> String {
        self.count += 1;
        format!("{}{:05}", format!("{deed:?}").to_lowercase(), self.count)
    }
}

/// A message about nothing, different for each marker, with lines that begin with a dot.
pub fn text(marker: &str, from: &str, to: &str, subject: &str, size: usize) -> String {
    let mut body = String::with_capacity(size + 100);
    let mut random = Random(marker.bytes().fold(7, |sum, octet| sum * 31 + u64::from(octet)));
    while body.len() < size {
        let dot = if random.below(8) == 0 { "." } else { "" };
        body += &format!("{dot}{:016x} {:016x} {:016x}\r\n", random.next(), random.next(), random.next());
    }
    format!(
        "From: {from}\r\nTo: {to}\r\nSubject: {subject}\r\nDate: Sun, 22 Nov 2026 03:33:13 +0000\r\n\
         Message-ID: <{marker}@load.example>\r\nX-Marker: {marker}\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=us-ascii\r\n\r\n{body}end of {marker}\r\n"
    )
}

/// SplitMix64: small, and the same in every run with the same seed.
pub struct Random(pub u64);

impl Random {
    /// The next number.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// One below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}
