//! Whether a message's own signature proves its sender, with what is known here of that sender's keys.

use crate::base::address::Address;
use crate::base::time::Time;
use crate::flow::Flow;
use crate::flow::reading::Plain;
use crate::flow::reading::ReadError;
use crate::flow::sealing::blocking;
use crate::flow::sign_in::Unlocked;
use crate::mime::part::Content;
use crate::mime::part::Stretch;
use crate::mime::structure::Part;
use crate::mime::structure::Span;
use crate::mime::structure::Structure;
use crate::openpgp::certificate::Certificate;
use crate::openpgp::verify;
use crate::openpgp::verify::SIGNATURE;
use crate::openpgp::verify::Verdict;
use crate::store::error::StoreError;
use crate::store::record::Fingerprint;
use crate::store::record::MailboxRecord;
use crate::store::record::MessageRecord;
use std::io::Read;
use std::sync::Arc;

/// What a message's signature proves.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Proof {
    /// There is none over the whole message.
    NotSigned,
    /// The sender's, over all that is shown.
    Valid,
    /// Of the sender's key, but not over this.
    Bad,
    /// There is one, but nothing here can tell whose: an unknown key, or S/MIME.
    Unchecked,
}

/// Whose a message is, as the server itself knows it: nothing that stands in the message alone.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Origin {
    /// The server wrote it.
    Notice,
    /// It came out of the mailbox in which it lies, under an address of it.
    Own,
    /// A program put it into the mailbox in which it lies; it may be anybody's.
    Put,
    /// An account sent it, under this address; `None` where its author has none.
    Account(Option<Address>),
}

impl Flow {
    /// Whose a message from `author` is. An author is believed where the address is one of the account that sent it, or
    /// where that account is there no more: it could name no other when it sent (RFC 6409 §6.1).
    pub async fn origin(
        &self,
        who: &Unlocked,
        message: &MessageRecord,
        author: Option<&Address>,
    ) -> Result<Origin, StoreError> {
        let sender = match message.sender {
            None => return Ok(Origin::Notice),
            Some(sender) => sender,
        };
        let Some(account) = self.store.mailbox(sender).await? else {
            return Ok(Origin::Account(author.cloned()));
        };
        let alias = self.alias_of(&account).map(|alias| alias.address);
        let own = [Some(&account.address), alias.as_ref()];
        let wrote = |author: &&Address| own.iter().flatten().any(|own| own.key() == author.key());
        if sender == who.mailbox {
            return Ok(if author.as_ref().is_some_and(wrote) { Origin::Own } else { Origin::Put });
        }
        Ok(Origin::Account(Some(author.filter(wrote).unwrap_or(&account.address).clone())))
    }

    /// Judges the signature of a message from `author` (RFC 1847 §2.1, RFC 3156 §5). Only one over the whole message
    /// counts, and only a key that an account of that address has here, or that an admin imported for it.
    pub async fn signature(
        &self,
        message: Plain,
        author: Option<Address>,
    ) -> Result<(Plain, Proof), ReadError> {
        let Some(parts) = signed_parts(&message.structure) else {
            let proof =
                if claims_signature(&message.structure) { Proof::Unchecked } else { Proof::NotSigned };
            return Ok((message, proof));
        };
        let certificates = match &author {
            Some(author) => self.certificates_of(author).await?,
            None => Vec::new(),
        };
        let now = self.clock.now();
        let judged = blocking(move || {
            let proof = match judge(&message, &parts, &certificates, now) {
                Some(Verdict::Valid) => Proof::Valid,
                Some(Verdict::Bad) => Proof::Bad,
                Some(Verdict::Unknown) | None => Proof::Unchecked,
            };
            Ok::<_, ReadError>((message, proof))
        });
        judged.await
    }

    /// Every certificate that is known of an address: its account's, also former ones, and an imported one.
    async fn certificates_of(&self, address: &Address) -> Result<Vec<Certificate>, StoreError> {
        let mut found = Vec::new();
        if let Some(mailbox) = self.store.mailbox_of(&address.key()).await?
            && let Some(record) = self.store.mailbox(mailbox).await?
        {
            for fingerprint in fingerprints(&record) {
                if let Some(key) = self.store.key(mailbox, fingerprint).await? {
                    found.extend(self.certificates.parsed(&key.fingerprint.0, &key.certificate).ok());
                }
            }
        }
        if let Some(imported) = self.store.certificate(&address.key()).await? {
            found.extend(Certificate::parse(&imported.certificate).ok());
        }
        Ok(found)
    }
}

fn fingerprints(record: &Arc<MailboxRecord>) -> impl Iterator<Item = &Fingerprint> {
    std::iter::once(&record.certificate).chain(&record.former)
}

/// What is signed, header and body, and the signature's part.
struct SignedParts {
    signed: Span,
    signature: Part,
}

/// The two parts of a message that is signed as a whole.
fn signed_parts(structure: &Structure) -> Option<SignedParts> {
    let root = structure.root().filter(|root| root.is("multipart", "signed"))?;
    let [signed, signature] = root.children.as_slice() else { return None };
    let part = |index: &u32| structure.part(usize::try_from(*index).ok()?);
    let (signed, signature) = (part(signed)?, part(signature)?);
    let signed = Span::new(signed.header.start, signed.body.end);
    signature.is("application", "pgp-signature").then(|| SignedParts { signed, signature: signature.clone() })
}

/// It says that it is signed, in whatever way.
fn claims_signature(structure: &Structure) -> bool {
    structure.root().is_some_and(|root| {
        root.is("multipart", "signed")
            || root.is("application", "pkcs7-mime")
            || root.is("application", "x-pkcs7-mime")
    })
}

fn judge(message: &Plain, parts: &SignedParts, certificates: &[Certificate], now: Time) -> Option<Verdict> {
    let mut signature = Vec::new();
    let content = Content::open(message.spool.reader(), &parts.signature).ok()?;
    content.take(SIGNATURE as u64 + 1).read_to_end(&mut signature).ok()?;
    let signed = Stretch::open(message.spool.reader(), parts.signed).ok()?;
    Some(verify::verify(&signature, signed, certificates, now))
}
