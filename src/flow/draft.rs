//! A submitted message, read: what its sender wants, and its header made ready for every copy.

use crate::base::address::Address;
use crate::base::address::AddressKey;
use crate::base::id::QueueId;
use crate::base::reply;
use crate::flow::Flow;
use crate::flow::assembled::Piece;
use crate::flow::intake::Arrived;
use crate::flow::refusal::TakeError;
use crate::flow::same_message::same_message;
use crate::flow::sealing::Composed;
use crate::flow::sealing::blocking;
use crate::flow::sign_in::Unlocked;
use crate::mime::encrypted;
use crate::mime::header::Field;
use crate::mime::header::Header;
use crate::mime::header::Script;
use crate::mime::problem::Problem;
use crate::mime::scrub;
use crate::mime::structure::Span;
use crate::mime::structure::Structure;
use crate::policy::encryption::Said;
use crate::policy::sender;
use crate::policy::tag::Invite;
use crate::store::record::MailboxKind;
use crate::store::spool::Spooled;
use std::collections::HashSet;

/// What the sender says of the PIN.
#[derive(Clone, Eq, PartialEq)]
pub(in crate::flow) enum PinWish {
    /// Nothing.
    Unsaid,
    /// None.
    None,
    /// This one.
    This(String),
}

/// A submitted message, ready to be copied.
pub(in crate::flow) struct Draft {
    /// Who wrote it: the first address of From:.
    pub author: Address,
    /// The account's own address, which the author's may be the secure alias of.
    pub account: Address,
    /// The display name there.
    pub author_name: Option<String>,
    /// Every address that the message comes from: the envelope's, those of From: and Sender:, and of whoever sent it
    /// again.
    pub senders: Vec<Address>,
    /// What the sender said about encryption.
    pub said: Said,
    /// The sender's own program has encrypted it.
    pub encrypted: bool,
    /// What the sender said about the PIN.
    pub pin: PinWish,
    /// A personal line for the invitation.
    pub note: Option<String>,
    /// What the sender asked for where the recipient has a mailbox.
    pub invite: Option<Invite>,
    /// Message-ID, ours if it came without.
    pub message_id: String,
    /// Message-ID as it came.
    pub submitted_id: Option<String>,
    /// What the sender's own copy is known by; nothing for one that came without Message-ID.
    pub known_by: Option<[u8; 32]>,
    /// What it answers: In-Reply-To and References.
    pub answers: Vec<String>,
    /// Who is named in To: and Cc:.
    pub visible: HashSet<AddressKey>,
    /// The header has octets above 127.
    pub utf8_header: bool,
    header: Header,
    bcc: Vec<Field>,
    spool: Spooled,
    body: Vec<Span>,
}

impl Flow {
    /// Reads a submission: authors, controls and tags; adds what is missing; takes out what must not leave.
    pub(in crate::flow) async fn draft(
        &self,
        who: &Unlocked,
        arrived: &Arrived,
        id: QueueId,
    ) -> Result<Draft, TakeError> {
        let config = self.config();
        let structure = &arrived.structure;
        let Read { mut header, body, same, encrypted } = self.header_and_body(arrived).await?;
        let own = self.own_addresses(who).await?;
        // Asked at MAIL too; what counts is whose address it is now.
        sender::envelope(&arrived.envelope.sender, &own.keys).map_err(TakeError::Refused)?;
        let (author, author_name) = authors(&mut header, who, &own.keys, arrived)?;
        let senders = senders(&header, arrived);
        let controls = self.controls(who, &header)?;
        let submitted_id = header.message_id();
        let bcc = header.all("Bcc").cloned().collect();
        let visible =
            ["To", "Cc"].iter().flat_map(|name| header.addresses(name).addresses().collect::<Vec<_>>());
        let visible = visible.map(|address| address.key()).collect();
        let answers = ["References", "In-Reply-To"].iter().flat_map(|name| header.ids(name)).collect();
        if let Some(subject) = &controls.subject {
            header.replace(Field::text("Subject", subject, script(structure)));
        }
        scrub::clean_submission(&mut header, &config.temporary_mailbox.sent_header);
        scrub::forget_client(&mut header);
        header.shorten().map_err(|name| {
            let text = "has a line longer than 998 octets that cannot be folded; nothing was sent";
            TakeError::Malformed(format!("the header field {name:?} {text}"))
        })?;
        let now = self.clock.now();
        if !header.has("Date") {
            header.append(Field::raw("Date", &now.rfc5322()));
        }
        let message_id = header.message_id().unwrap_or_else(|| {
            let made = self.message_id(author.domain());
            header.replace(Field::raw("Message-ID", &made));
            made
        });
        header.prepend(trace(&config.hostname.to_string(), id, now.rfc5322()));
        Ok(Draft {
            author,
            account: who.address.clone(),
            author_name,
            senders,
            said: controls.said,
            // A recipient's answer lies in mailboxes of ours, whatever its program did.
            encrypted: encrypted && who.kind == MailboxKind::Account,
            pin: controls.pin,
            note: controls.note,
            invite: controls.invite,
            message_id,
            submitted_id,
            known_by: same.map(|same| who.key.copy_digest(who.mailbox, &same)),
            answers,
            visible,
            utf8_header: structure.eight_bit_header,
            header,
            bcc,
            spool: arrived.spool.clone(),
            body,
        })
    }

    async fn header_and_body(&self, arrived: &Arrived) -> Result<Read, TakeError> {
        let sent_header = self.config().temporary_mailbox.sent_header.clone();
        let (spool, structure) = (arrived.spool.clone(), arrived.structure.clone());
        blocking(move || {
            let root = structure.root().ok_or_else(|| TakeError::internal("no structure"))?;
            let mut source = spool.reader();
            let header = Header::read(&mut source, root.header).map_err(TakeError::internal)?;
            let cuts =
                scrub::inner_cuts(&mut source, &structure, &sent_header).map_err(
                    |problem| match problem {
                        Problem::Io(_) | Problem::Changed => TakeError::internal(problem),
                        problem => TakeError::Malformed(problem.to_string()),
                    },
                )?;
            let same = same_message(&header, &mut source, root.body.start)?;
            let encrypted = encrypted::by_its_author(&mut source, root).map_err(TakeError::internal)?;
            let body = scrub::kept(Span::new(root.body.start, spool.length()), &cuts);
            Ok(Read { header, body, same, encrypted })
        })
        .await
    }
}

/// A submission as it came.
struct Read {
    header: Header,
    body: Vec<Span>,
    same: Option<[u8; 32]>,
    encrypted: bool,
}

impl Draft {
    /// As it lies in a mailbox of ours; `tag` goes in front of the subject.
    pub(in crate::flow) fn stored_copy(&self, tag: Option<&str>) -> Composed {
        let mut header = self.header.clone();
        header.prepend(Field::raw("X-Guardpost-Encrypted", "at-rest"));
        if let Some(tag) = tag {
            let subject = header.subject().unwrap_or_default();
            header.replace(Field::text("Subject", &format!("{tag} {subject}"), self.script()));
        }
        self.with(&header)
    }

    /// As its sender keeps it: with Bcc.
    pub(in crate::flow) fn sent_copy(&self) -> Composed {
        let mut header = self.header.clone();
        header.prepend(Field::raw("X-Guardpost-Encrypted", "at-rest"));
        for field in &self.bcc {
            header.append(field.clone());
        }
        self.with(&header)
    }

    /// As it leaves in clear.
    pub(in crate::flow) fn clear_copy(&self) -> Composed {
        self.with(&self.header)
    }

    /// The header of every copy.
    pub(in crate::flow) const fn header(&self) -> &Header {
        &self.header
    }

    /// A copy under another header.
    pub(in crate::flow) fn with(&self, header: &Header) -> Composed {
        let mut pieces = vec![Piece::Own(header.render().into())];
        pieces.extend(self.body.iter().map(|span| Piece::Came(span.range())));
        Composed { spool: self.spool.clone(), pieces }
    }

    fn script(&self) -> Script {
        if self.utf8_header { Script::Utf8 } else { Script::Ascii }
    }
}

fn script(structure: &Structure) -> Script {
    if structure.eight_bit_header { Script::Utf8 } else { Script::Ascii }
}

/// From: must be the account's own; a missing one is added.
fn authors(
    header: &mut Header,
    who: &Unlocked,
    own: &[AddressKey],
    arrived: &Arrived,
) -> Result<(Address, Option<String>), TakeError> {
    let from = header.addresses("From");
    let mailboxes: Vec<_> = from.mailboxes().collect();
    let authors: Vec<Address> = from.addresses().collect();
    let complete = mailboxes.len() == authors.len() && header.all("From").count() == 1;
    let said = match (header.has("From"), authors.is_empty() || !complete) {
        (false, _) => sender::From::Missing,
        (true, true) => sender::From::Unreadable,
        (true, false) => sender::From::Authors(&authors),
    };
    let sender = header.addresses("Sender").addresses().next();
    if header.has("Sender") && sender.is_none() {
        return Err(TakeError::Refused(reply::NOT_YOUR_ADDRESS));
    }
    sender::header(said, sender.as_ref(), own).map_err(TakeError::Refused)?;
    let name = mailboxes.first().and_then(|mailbox| mailbox.display_name());
    match authors.first() {
        Some(author) => Ok((author.clone(), name)),
        None => {
            let author = arrived.envelope.sender.address().unwrap_or(&who.address).clone();
            let script = if author.needs_smtputf8() { Script::Utf8 } else { Script::Ascii };
            header.append(Field::addresses("From", [(None, &author)], script));
            Ok((author, None))
        }
    }
}

/// Whoever sends the message, wherever it is said; RFC 5322 §3.6.2, §3.6.6.
fn senders(header: &Header, arrived: &Arrived) -> Vec<Address> {
    let said = ["From", "Sender", "Resent-From", "Resent-Sender"];
    let said = said.iter().flat_map(|name| header.addresses(name).addresses().collect::<Vec<_>>());
    arrived.envelope.sender.address().into_iter().cloned().chain(said).collect()
}

/// The trace of a submission tells nothing of where it came from: `ESMTPSA` (RFC 3848 §2), that is over TLS and by
/// somebody who signed in, is all.
///
/// RFC 8314 §4.3 would have the version of TLS and the cipher here too. They stay out, like the client's address and the
/// fields that name its program: what two sides agree on is what the client's library can do, so every mail would tell
/// its readers something of the program and the device that wrote it. Mail that arrives has them, for its reader here.
fn trace(hostname: &str, id: QueueId, date: String) -> Field {
    Field::raw("Received", &format!("by {hostname} with ESMTPSA id {id}; {date}"))
}
