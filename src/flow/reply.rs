//! An answer out of a temporary mailbox: encrypted by itself, by the same road as a submission.

use crate::base::address::Address;
use crate::base::envelope::Envelope;
use crate::base::envelope::Recipient;
use crate::base::id::MailboxId;
use crate::base::reverse_path::ReversePath;
use crate::flow::Flow;
use crate::flow::intake::Arrived;
use crate::flow::intake::Peer;
use crate::flow::intake::Taken;
use crate::flow::reading::Plain;
use crate::flow::reading::ReadError;
use crate::flow::refusal::TakeError;
use crate::flow::sealing::blocking;
use crate::flow::sign_in::Unlocked;
use crate::mime::compose::Attached;
use crate::mime::compose::Letter;
use crate::mime::compose::Person;
use crate::mime::header::Header;
use crate::mime::header::Script;
use crate::mime::scan::Limits;
use crate::mime::scan::Scanner;
use crate::store::command::Command;
use crate::store::command_part::FlagChange;
use crate::store::record::Flags;
use crate::store::record::Folder;
use crate::store::record::MailboxKind;
use crate::store::record::MailboxRecord;
use crate::store::record::Uid;
use crate::store::spool::Spool;
use crate::store::spool::Spooled;
use std::io;
use std::io::Write;
use std::net::IpAddr;
use std::sync::Arc;

/// Who gets an answer.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum ReplyTo {
    /// The account that wrote the message.
    #[default]
    Sender,
    /// Everybody of the organisation on the message.
    All,
}

/// A file that goes with an answer.
#[derive(Debug)]
pub struct Attachment {
    /// As the browser calls it; made safe before it is used.
    pub name: String,
    /// What the browser says it is.
    pub media_type: String,
    /// Its content.
    pub content: Spooled,
}

/// An answer.
pub struct Reply {
    /// The folder of the message that is answered.
    pub folder: Folder,
    /// The message that is answered.
    pub uid: Uid,
    /// To whom.
    pub to: ReplyTo,
    /// The subject; empty means `Re:` and the one that is answered.
    pub subject: String,
    /// The text.
    pub body: String,
    /// Files.
    pub attachments: Vec<Attachment>,
    /// Where the browser is.
    pub ip: IpAddr,
}

impl Flow {
    /// Who an answer to this message goes to: accounts of the organisation, nobody else.
    ///
    /// Whom a message names is believed only when an account sent it. What the recipient put there, as a copy or by
    /// APPEND, leads to accounts that have written to this mailbox: nobody gains addresses by naming them.
    pub async fn reply_recipients(&self, message: &Plain, to: ReplyTo) -> Result<Vec<Address>, ReadError> {
        let header = message.header()?;
        let mut candidates: Vec<Address> = Vec::new();
        let mut known = None;
        if let Some(sender) = message.record.sender
            && let Some(record) = self.store.mailbox(sender).await?
        {
            candidates.push(self.author_of(&record, &header));
            known = (record.kind == MailboxKind::Temporary).then(|| record.correspondents.clone());
        }
        let known = known.as_deref();
        if candidates.is_empty() {
            candidates.extend(header.addresses("From").addresses());
        }
        let named = |names: &[&str]| -> Vec<Address> {
            names.iter().flat_map(|name| header.addresses(name).addresses().collect::<Vec<_>>()).collect()
        };
        if to == ReplyTo::All {
            candidates.extend(named(&["From", "To", "Cc"]));
        }
        let recipients = self.accounts_among(candidates, known).await?;
        if recipients.is_empty() {
            // An answer to an answer of one's own goes where that went.
            return self.accounts_among(named(&["To", "Cc"]), known).await;
        }
        Ok(recipients)
    }

    /// The address under which an account wrote a message: its secure alias, if it wrote as that and still may.
    fn author_of(&self, account: &MailboxRecord, header: &Header) -> Address {
        let alias = self.alias_of(account).filter(|alias| alias.active).map(|alias| alias.address);
        let wrote =
            |alias: &Address| header.addresses("From").addresses().any(|from| from.key() == alias.key());
        alias.filter(wrote).unwrap_or_else(|| account.address.clone())
    }

    /// Those that are accounts, each once; with `known`, one of these.
    async fn accounts_among(
        &self,
        candidates: Vec<Address>,
        known: Option<&[MailboxId]>,
    ) -> Result<Vec<Address>, ReadError> {
        let (mut recipients, mut accounts) = (Vec::new(), Vec::new());
        for address in candidates.into_iter().take(CANDIDATES) {
            if !self.config().is_local(address.domain()) {
                continue;
            }
            match self.local_account(&address).await {
                Ok(Some(account)) if accounts.contains(&account) => {}
                Ok(Some(account)) if known.is_none_or(|known| known.contains(&account)) => {
                    accounts.push(account);
                    recipients.push(address);
                }
                Ok(_) => {}
                Err(TakeError::Store(error)) => return Err(error.into()),
                Err(_) => return Err(ReadError::Busy),
            }
        }
        Ok(recipients)
    }

    /// Sends an answer; on `Ok` it is in the mailboxes of the organisation and in Sent, on disk, synced.
    pub async fn reply(&self, who: &Arc<Unlocked>, reply: Reply) -> Result<Taken, TakeError> {
        let answered = self.read(who, reply.folder, reply.uid).await.map_err(of_reading)?;
        let recipients = self.reply_recipients(&answered, reply.to).await.map_err(of_reading)?;
        if recipients.is_empty() {
            return Err(TakeError::UnknownRecipient);
        }
        for recipient in &recipients {
            self.ask_submission_recipient(who, recipient).await?;
        }
        let letter = self.answer_letter(who, &answered, &reply, &recipients)?;
        let size = self.config().limits.message_size;
        let room: u64 = reply.attachments.iter().map(|file| file.content.length()).sum();
        let permit = self.plaintext_room(room).ok_or(TakeError::Busy)?;
        let (spool, boundary) = (self.spools.begin(), self.boundary());
        let Reply { folder, uid, body, attachments, ip, .. } = reply;
        let (spool, structure) = blocking(move || {
            let mut scanned =
                ScannedSpool { spool, scanner: Scanner::new(Limits { size, ..Limits::default() }) };
            let files = attachments.into_iter().map(|file| Attached {
                name: file.name,
                media_type: file.media_type,
                content: file.content.reader(),
            });
            letter
                .write_with_files(&mut scanned, &body, files.collect::<Vec<_>>(), &boundary, Script::Ascii)
                .map_err(|_| TakeError::TooBig)?;
            let spool = scanned.spool.finish().map_err(TakeError::internal)?;
            let structure = scanned.scanner.finish().map_err(|why| TakeError::Malformed(why.to_string()))?;
            drop(permit);
            Ok::<_, TakeError>((spool, structure))
        })
        .await?;
        let envelope = Envelope {
            sender: ReversePath::Address(who.address.clone()),
            recipients: recipients.into_iter().map(Recipient::plain).collect(),
            eight_bit: true,
            smtputf8: true,
            ..Envelope::default()
        };
        let peer = Peer { ip, helo: String::new(), extended: true, tls: None };
        let taken = self.submit(who, Arrived { envelope, spool, structure, peer }).await?;
        self.note_answered(who, folder, uid).await;
        Ok(taken)
    }

    /// `\Answered`, which mail programs show too. Its failure is no failure of the answer.
    async fn note_answered(&self, who: &Unlocked, folder: Folder, uid: Uid) {
        let answered = Command::SetFlags {
            mailbox: who.mailbox,
            folder,
            uids: vec![uid],
            change: FlagChange::Add,
            flags: Flags { seen: true, answered: true, ..Flags::default() },
        };
        if let Err(why) = self.store.commit(vec![answered]).await {
            tracing::debug!(%why, "a message is not marked as answered");
        }
    }

    fn answer_letter(
        &self,
        who: &Unlocked,
        answered: &Plain,
        reply: &Reply,
        recipients: &[Address],
    ) -> Result<Letter, TakeError> {
        let header = answered.header().map_err(of_reading)?;
        let answers = header.message_id();
        let mut references = header.ids("References");
        references.extend(answers.clone());
        let domain = recipients.first().map_or_else(|| who.address.domain(), Address::domain);
        Ok(Letter {
            from: Person::unnamed(who.address.clone()),
            reply_to: None,
            to: recipients.iter().cloned().map(Person::unnamed).collect(),
            cc: Vec::new(),
            subject: subject(&reply.subject, &header),
            date: self.clock.now(),
            message_id: self.message_id(domain),
            in_reply_to: answers,
            references,
            automatic: None,
            more: Vec::new(),
        })
    }
}

/// Addresses of a message that are looked up for an answer.
const CANDIDATES: usize = 100;

fn subject(said: &str, answered: &Header) -> String {
    if !said.trim().is_empty() {
        return said.trim().to_owned();
    }
    let former = answered.subject().unwrap_or_default();
    let lower = former.trim_start().to_lowercase();
    if lower.starts_with("re:") || lower.starts_with("aw:") { former } else { format!("Re: {former}") }
}

fn of_reading(error: ReadError) -> TakeError {
    match error {
        ReadError::Gone => TakeError::UnknownRecipient,
        ReadError::Busy | ReadError::Unreadable(_) => TakeError::Busy,
        ReadError::Damaged => TakeError::Malformed("the message that is answered cannot be read".into()),
        ReadError::Store(error) => error.into(),
    }
}

/// A spool that scans what is written to it.
struct ScannedSpool {
    spool: Spool,
    scanner: Scanner,
}

impl Write for ScannedSpool {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.scanner.feed(bytes).map_err(|problem| io::Error::other(problem.to_string()))?;
        self.spool.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
