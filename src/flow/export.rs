//! Everything that a mailbox holds in one zip of .eml files, made while it is sent.
//!
//! Each message is decrypted whole into the spool and proven before its first octet leaves; no more than one is in
//! hand at a time, and none ever lies on the disk in clear. How long the zip will be is told before it begins. A
//! message that then cannot be read is named in the text file at the end, which takes up the room it leaves.

use crate::base::time::Time;
use crate::flow::Flow;
use crate::flow::reading::ReadError;
use crate::flow::sealing::Interrupted;
use crate::flow::sealing::blocking;
use crate::flow::sign_in::Unlocked;
use crate::flow::zip::Crc32;
use crate::flow::zip::Zip;
use crate::mime::display;
use crate::mime::summary::Summary;
use crate::store::PAGE;
use crate::store::error::StoreError;
use crate::store::record::Folder;
use crate::store::record::Uid;
use crate::store::spool::Spooled;
use bytes::Bytes;
use std::io;
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

/// What a folder would bring.
#[derive(Clone, Debug)]
pub struct Counted {
    /// Which.
    pub folder: Folder,
    /// Its messages.
    pub messages: u64,
    /// Octets of them.
    pub size: u64,
}

/// The words of the text file at the end, in the reader's language.
#[derive(Clone, Debug)]
pub struct Words {
    /// What the file is called.
    pub name: String,
    /// What this is.
    pub intro: String,
    /// Everything is here.
    pub whole: String,
    /// These are missing; their names follow.
    pub missing: String,
    /// These could not be read this time; their names follow.
    pub unreadable: String,
    /// A subject for messages without one.
    pub no_subject: String,
}

/// An export that is about to begin.
#[derive(Debug)]
pub struct Plan {
    entries: Vec<Planned>,
    words: Words,
    length: u64,
}

#[derive(Debug)]
struct Planned {
    folder: Folder,
    uid: Uid,
    name: String,
    size: u64,
    arrived: Time,
}

/// Names of what the zip does not hold.
#[derive(Default)]
struct Missing<'a> {
    lost: Vec<&'a str>,
    unreadable: Vec<&'a str>,
}

/// What reading one message brought.
enum Got {
    Whole(Spooled),
    /// It is gone or damaged.
    Lost,
    /// The disk does not give it out now.
    NotNow(Arc<io::Error>),
}

/// Why an export ends before its end.
enum Broken {
    /// Nobody takes it, or its session has ended.
    Ended,
    /// This machine's trouble.
    Trouble(io::Error),
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Self::Trouble(error)
    }
}

impl From<Interrupted> for Broken {
    fn from(_: Interrupted) -> Self {
        Self::Trouble(io::ErrorKind::Interrupted.into())
    }
}

/// Where the zip goes, piece by piece: whoever reads sets the pace.
#[derive(Debug)]
pub struct Sink {
    /// The reader.
    pub give: mpsc::Sender<io::Result<Bytes>>,
    /// Cancelled when it must end, read or not.
    pub ended: CancellationToken,
}

/// Sent at once, octets.
const PIECE: usize = 64 << 10;
/// Characters of a subject in a name.
const SUBJECT: usize = 60;
/// The text file is at least so much longer than its usual words, so that the first missing message has room.
const SPARE: u64 = 1 << 10;
/// How often and how long room in memory is waited for.
const WAITS: usize = 120;
const WAIT: Duration = Duration::from_millis(500);

impl Plan {
    /// Octets of the whole zip.
    pub const fn length(&self) -> u64 {
        self.length
    }
}

impl Flow {
    /// How much there is, folder by folder.
    pub async fn count_export(&self, who: &Unlocked) -> Result<Vec<Counted>, StoreError> {
        let mut counted = Vec::new();
        for record in self.store.folders(who.mailbox).await? {
            let mut of = Counted { folder: record.folder, messages: 0, size: 0 };
            let mut after = Uid(0);
            loop {
                let page = self.store.messages(who.mailbox, record.folder, after, PAGE).await?;
                let Some(last) = page.last() else { break };
                after = last.uid;
                of.messages += page.len() as u64;
                of.size += page.iter().map(|message| message.record.size).sum::<u64>();
            }
            counted.push(of);
        }
        Ok(counted)
    }

    /// Names and sizes of everything there is now; what comes later is not in it.
    pub async fn plan_export(&self, who: &Arc<Unlocked>, words: Words) -> Result<Plan, ReadError> {
        let (mut entries, mut zip) = (Vec::new(), Zip::default());
        for record in self.store.folders(who.mailbox).await? {
            let mut after = Uid(0);
            loop {
                let page = self.list(who, record.folder, after, PAGE).await?;
                let Some(last) = page.last() else { break };
                after = last.uid;
                for listed in page {
                    let subject = subject(listed.summary.as_deref(), &words);
                    let entry = Planned {
                        folder: record.folder,
                        uid: listed.uid,
                        name: name(&record.name, listed.record.arrived, listed.uid, subject),
                        size: listed.record.size,
                        arrived: listed.record.arrived,
                    };
                    zip.begin(&entry.name, entry.size, 0, entry.arrived);
                    entries.push(entry);
                }
            }
        }
        let report = (words.report(&Missing::default()).len() + words.missing.len() + words.unreadable.len())
            as u64
            + SPARE;
        let length = zip.length_with(&words.name, report);
        Ok(Plan { entries, words, length })
    }

    /// Sends what was planned; `done` hears how many octets of all are sent. An error in the sink means that it
    /// broke off: what was taken until then is no whole zip.
    pub async fn export(
        self: Arc<Self>,
        who: Arc<Unlocked>,
        plan: Plan,
        sink: Sink,
        done: impl Fn(u64, u64) + Send + Sync,
    ) {
        match self.send_export(&who, &plan, &sink, &done).await {
            Ok(missing) => {
                tracing::info!(mailbox = %who.mailbox, messages = plan.entries.len(), missing, "mailbox exported");
            }
            Err(Broken::Ended) => {
                tracing::info!(mailbox = %who.mailbox, "export ended by its reader");
                let _ = sink.give.try_send(Err(io::ErrorKind::ConnectionAborted.into()));
            }
            Err(Broken::Trouble(why)) => {
                tracing::error!(mailbox = %who.mailbox, %why, "export broke off");
                let _ = sink.give.send(Err(io::ErrorKind::BrokenPipe.into())).await;
            }
        }
    }

    async fn send_export(
        &self,
        who: &Unlocked,
        plan: &Plan,
        sink: &Sink,
        done: &(impl Fn(u64, u64) + Send + Sync),
    ) -> Result<usize, Broken> {
        let (mut zip, mut missing) = (Zip::default(), Missing::default());
        for entry in &plan.entries {
            done(zip.at(), plan.length);
            if !self.is_still_open(who).await? {
                return Err(Broken::Ended);
            }
            let plain = tokio::select! {
                plain = self.read_patiently(who, entry) => plain?,
                () = sink.ended.cancelled() => return Err(Broken::Ended),
            };
            let spool = match plain {
                Got::Whole(spool) if spool.length() == entry.size => spool,
                Got::Whole(_) | Got::Lost => {
                    tracing::warn!(mailbox = %who.mailbox, uid = entry.uid.0, "a message could not be exported");
                    missing.lost.push(&entry.name);
                    continue;
                }
                Got::NotNow(why) => {
                    tracing::error!(mailbox = %who.mailbox, uid = entry.uid.0, %why, "a message cannot be read");
                    missing.unreadable.push(&entry.name);
                    continue;
                }
            };
            let crc = checked(spool.reader()).await?;
            sink.send(zip.begin(&entry.name, entry.size, crc, entry.arrived)).await?;
            let at = zip.at() - entry.size;
            sink.send_all(spool.reader(), |sent| done(at + sent, plan.length)).await?;
        }
        let report = plan.words.report(&missing);
        let name = &plan.words.name;
        let size = zip.size_for(name, plan.length).filter(|size| *size >= report.len() as u64);
        let size = size.ok_or_else(|| io::Error::other("the report has no room"))?;
        let filled = || Filled::new(&report, size);
        let crc = checked(filled()).await?;
        sink.send(zip.begin(name, size, crc, self.clock.now())).await?;
        sink.send_all(filled(), |_| ()).await?;
        sink.send(zip.finish()).await?;
        done(plan.length, plan.length);
        Ok(missing.lost.len() + missing.unreadable.len())
    }

    /// A mailbox that was closed or deleted since gives out nothing more.
    async fn is_still_open(&self, who: &Unlocked) -> Result<bool, Broken> {
        let record =
            self.store.mailbox(who.mailbox).await.map_err(|why| io::Error::other(why.to_string()))?;
        Ok(record.is_some_and(|record| record.generation == who.generation))
    }

    /// A message. While there is no room in memory this waits.
    async fn read_patiently(&self, who: &Unlocked, entry: &Planned) -> Result<Got, Broken> {
        for _ in 0..WAITS {
            match self.read(who, entry.folder, entry.uid).await {
                Ok(plain) => return Ok(Got::Whole(plain.spool)),
                Err(ReadError::Gone | ReadError::Damaged) => return Ok(Got::Lost),
                Err(ReadError::Unreadable(why)) => return Ok(Got::NotNow(why)),
                Err(ReadError::Busy) => tokio::time::sleep(WAIT).await,
                Err(ReadError::Store(error)) => return Err(io::Error::other(error.to_string()).into()),
            }
        }
        Err(io::Error::from(io::ErrorKind::OutOfMemory).into())
    }
}

impl Words {
    /// The text file.
    fn report(&self, missing: &Missing<'_>) -> String {
        let mut text = format!("{}\r\n\r\n", self.intro);
        if missing.lost.is_empty() && missing.unreadable.is_empty() {
            text += &self.whole;
            text += "\r\n";
        }
        for (words, names) in [(&self.missing, &missing.lost), (&self.unreadable, &missing.unreadable)] {
            if !names.is_empty() {
                text += &format!("{words}\r\n\r\n{}\r\n\r\n", names.join("\r\n"));
            }
        }
        text
    }
}

impl Sink {
    async fn send(&self, octets: Vec<u8>) -> Result<(), Broken> {
        tokio::select! {
            sent = self.give.send(Ok(octets.into())) => sent.map_err(|_| Broken::Ended),
            () = self.ended.cancelled() => Err(Broken::Ended),
        }
    }

    async fn send_all<R>(&self, mut source: R, sent: impl Fn(u64) + Send) -> Result<(), Broken>
    where
        R: Read + Send + 'static,
    {
        let mut all = 0;
        loop {
            let (back, piece) = blocking(move || {
                let piece = piece(&mut source)?;
                Ok::<_, Broken>((source, piece))
            })
            .await?;
            if piece.is_empty() {
                return Ok(());
            }
            all += piece.len() as u64;
            self.send(piece).await?;
            sent(all);
            source = back;
        }
    }
}

fn piece(source: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut piece = Vec::with_capacity(PIECE);
    source.take(PIECE as u64).read_to_end(&mut piece)?;
    Ok(piece)
}

/// The check sum of everything that `source` has.
async fn checked(mut source: impl Read + Send + 'static) -> Result<u32, Broken> {
    blocking(move || {
        let mut crc = Crc32::default();
        let mut buffer = Zeroizing::new(vec![0; PIECE]);
        loop {
            match source.read(&mut buffer)? {
                0 => return Ok(crc.value()),
                count => crc.update(buffer.get(..count).unwrap_or_default()),
            }
        }
    })
    .await
}

/// A text, and behind it empty lines up to a length.
struct Filled {
    text: io::Cursor<Vec<u8>>,
    left: u64,
}

impl Filled {
    fn new(text: &str, length: u64) -> Self {
        Self {
            text: io::Cursor::new(text.as_bytes().to_vec()),
            left: length.saturating_sub(text.len() as u64),
        }
    }
}

impl Read for Filled {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.text.read(buffer)?;
        if count > 0 || buffer.is_empty() {
            return Ok(count);
        }
        let count = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        for octet in buffer.iter_mut().take(count) {
            // Counted from the end, so that the last two are the end of a line.
            *octet = if self.left.is_multiple_of(2) { b'\r' } else { b'\n' };
            self.left -= 1;
        }
        Ok(count)
    }
}

fn subject<'a>(summary: Option<&'a Summary>, words: &'a Words) -> &'a str {
    let subject = summary.map_or("", |summary| summary.subject.as_str());
    if subject.trim().is_empty() { &words.no_subject } else { subject }
}

/// `INBOX/2026-11-22 09.12 (7) Offer.eml`: sorted by date, and by its number unlike any other.
fn name(folder: &str, arrived: Time, uid: Uid, subject: &str) -> String {
    let levels: Vec<String> = folder.split('/').map(display::file_name).collect();
    let date = arrived.timestamp().strftime("%Y-%m-%d %H.%M").to_string();
    let subject: String =
        subject.chars().map(|c| if display::is_separator(c) { '-' } else { c }).take(SUBJECT).collect();
    let file =
        display::file_name(&format!("{date} ({}) {}.eml", uid.0, subject.trim_end_matches(['.', ' '])));
    format!("{}/{file}", levels.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WHEN: Time = Time(1_795_338_720);

    #[test]
    fn names_are_dated_safe_and_unique() {
        let name = |subject: &str| name("INBOX", WHEN, Uid(7), subject);
        for (subject, want) in [
            ("Offer", "INBOX/2026-11-22 09.12 (7) Offer.eml"),
            ("Re: a/b\\c", "INBOX/2026-11-22 09.12 (7) Re_ a-b-c.eml"),
            ("../../etc/passwd", "INBOX/2026-11-22 09.12 (7) ..-..-etc-passwd.eml"),
            ("1\u{2044}2\u{ff0f}3", "INBOX/2026-11-22 09.12 (7) 1-2-3.eml"),
            ("Grüße…", "INBOX/2026-11-22 09.12 (7) Grüße….eml"),
            ("x.exe\u{202e}lme.", "INBOX/2026-11-22 09.12 (7) x.exelme.eml"),
        ] {
            assert_eq!(name(subject), want);
        }
        assert_eq!(super::name("A/../B", WHEN, Uid(1), "x").split('/').count(), 4);
        assert!(!super::name("A/../B", WHEN, Uid(1), "x").contains(".."));
    }

    proptest! {
        #[test]
        fn no_subject_leaves_its_folder(subject in any::<String>(), uid in 1_u32..) {
            let name = name("Sent", WHEN, Uid(uid), &subject);
            let file = name.strip_prefix("Sent/").unwrap();
            let number = format!("2026-11-22 09.12 ({uid})");
            prop_assert!(file.starts_with(&number) && file.ends_with(".eml"), "{}", file);
            prop_assert!(!file.contains(['/', '\\', ':', '\0', '\r', '\n']) && file.len() <= 255);
        }

        #[test]
        fn filling_is_exact(text in "[a-z]{0,40}", more in 0_u64..300, step in 1_usize..50) {
            let length = text.len() as u64 + more;
            let mut filled = Filled::new(&text, length);
            let mut out = Vec::new();
            let mut buffer = vec![0; step];
            loop {
                match filled.read(&mut buffer).unwrap() {
                    0 => break,
                    count => out.extend_from_slice(&buffer[..count]),
                }
            }
            prop_assert_eq!(out.len() as u64, length);
            prop_assert!(out.starts_with(text.as_bytes()));
            prop_assert!(out[text.len()..].iter().all(|octet| b"\r\n".contains(octet)));
        }
    }
}
