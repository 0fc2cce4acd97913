//! MUK, the key of one mailbox, and what lies under it: its OpenPGP secret key, summaries, the vault.
//!
//! ```text
//! secret key  AEAD(HKDF(MUK, "guardpost/1 secret key" ‖ M), …, aad = lp(M, fingerprint))
//! summary     AEAD(HKDF(MUK, "guardpost/1 summary" ‖ M), …, aad = lp(M, m))
//! former key  AEAD(HKDF(MUK, "guardpost/1 former key" ‖ M), former MUK, aad = lp(M, s, since ‖ until as i64 big-endian))
//! vault       AEAD(HKDF(MUK of the account, "guardpost/1 vault"), lp(recipient, i, T, PIN or ""), aad = lp(M of the account, M))
//! submission  HMAC(HKDF(MUK, "guardpost/1 submission" ‖ M), lp(Message-ID, sender, lp(recipients, sorted), SHA-256 of the content))
//! network     HMAC(HKDF(MUK, "guardpost/1 network" ‖ M), first address of the /24 or /64, 4 or 16 octets), its first 16 octets
//! own copy    HMAC(HKDF(MUK, "guardpost/1 own copy" ‖ M), SHA-256 of what makes a message the same)
//! ```

use crate::base::address::Address;
use crate::base::id::InvitationId;
use crate::base::id::MailboxId;
use crate::base::id::MessageId;
use crate::base::id::SlotId;
use crate::base::random::Random;
use crate::base::random::bytes;
use crate::base::secret::Key;
use crate::base::secret::Secret;
use crate::base::time::Time;
use crate::vault::error::VaultError;
use crate::vault::pin::Pin;
use crate::vault::primitives::Aead;
use crate::vault::primitives::NO_SALT;
use crate::vault::primitives::derive;
use crate::vault::primitives::lp;
use crate::vault::primitives::mac;
use crate::vault::primitives::secret_lp;
use crate::vault::primitives::split_lp;
use crate::vault::token::AccessToken;

/// MUK: never stored in clear; a session holds it wrapped, an IMAP connection in itself.
#[derive(Debug)]
pub struct MailboxKey(Key);

impl MailboxKey {
    /// A new one.
    pub fn generate(random: &dyn Random) -> Self {
        Self(Key::new(bytes(random)))
    }

    /// From its bytes.
    pub const fn new(key: Key) -> Self {
        Self(key)
    }

    pub(in crate::vault) const fn key(&self) -> &Key {
        &self.0
    }

    /// Wraps the mailbox's OpenPGP secret key.
    pub fn wrap_secret_key(
        &self,
        mailbox: MailboxId,
        fingerprint: &[u8],
        secret: &[u8],
        random: &dyn Random,
    ) -> Vec<u8> {
        let aad = lp(&[mailbox.bytes(), fingerprint]);
        self.of_mailbox(b"guardpost/1 secret key", mailbox).seal(random, secret, &aad)
    }

    /// Unwraps it again; `fingerprint` is that of the certificate on record, so another key is refused.
    pub fn unwrap_secret_key(
        &self,
        mailbox: MailboxId,
        fingerprint: &[u8],
        wrapped: &[u8],
    ) -> Result<Secret<Vec<u8>>, VaultError> {
        let aad = lp(&[mailbox.bytes(), fingerprint]);
        self.of_mailbox(b"guardpost/1 secret key", mailbox).open(wrapped, &aad)
    }

    /// Wraps a former MUK of the same mailbox, so that what lies under it stays readable.
    pub fn wrap_former(&self, parts: &FormerParts, former: &Self, random: &dyn Random) -> Vec<u8> {
        self.of_mailbox(b"guardpost/1 former key", parts.mailbox).seal(
            random,
            former.0.expose(),
            &parts.aad(),
        )
    }

    /// Unwraps a former MUK.
    pub fn unwrap_former(&self, parts: &FormerParts, wrapped: &[u8]) -> Result<Self, VaultError> {
        let aead = self.of_mailbox(b"guardpost/1 former key", parts.mailbox);
        aead.open_key(wrapped, &parts.aad()).map(Self)
    }

    /// The key for summaries, prepared once for many.
    pub fn summaries(&self, mailbox: MailboxId) -> SummaryKey {
        SummaryKey { aead: self.of_mailbox(b"guardpost/1 summary", mailbox), mailbox }
    }

    /// Seals what the account keeps to invite again.
    pub fn seal_vault_entry(
        &self,
        account: MailboxId,
        mailbox: MailboxId,
        entry: &VaultEntry,
        random: &dyn Random,
    ) -> Vec<u8> {
        self.vault().seal(random, entry.render().expose(), &lp(&[account.bytes(), mailbox.bytes()]))
    }

    /// Opens a vault entry.
    pub fn open_vault_entry(
        &self,
        account: MailboxId,
        mailbox: MailboxId,
        sealed: &[u8],
    ) -> Result<VaultEntry, VaultError> {
        let content = self.vault().open(sealed, &lp(&[account.bytes(), mailbox.bytes()]))?;
        VaultEntry::parse(content.expose()).ok_or(VaultError::Content)
    }

    /// The digest by which the same submission is known again, whatever the order of its recipients.
    pub fn submission_digest(&self, account: MailboxId, submission: &Submission<'_>) -> [u8; 32] {
        let mut recipients: Vec<String> = submission.recipients.iter().map(ToString::to_string).collect();
        recipients.sort_unstable();
        recipients.dedup();
        let recipients: Vec<&[u8]> = recipients.iter().map(String::as_bytes).collect();
        let sender = submission.sender.map(ToString::to_string).unwrap_or_default();
        mac(
            &self.subkey(b"guardpost/1 submission", account),
            &lp(&[
                submission.message_id.as_bytes(),
                sender.as_bytes(),
                &lp(&recipients),
                submission.content_sha256,
            ]),
        )
    }

    /// What a sender's own copy is known by: without MUK nobody can tell whether a message of that content is here.
    pub fn copy_digest(&self, account: MailboxId, sha256: &[u8; 32]) -> [u8; 32] {
        mac(&self.subkey(b"guardpost/1 own copy", account), sha256)
    }

    /// What stands for a network from which the mailbox was opened: without MUK nobody can tell which it is.
    pub fn network_tag(&self, mailbox: MailboxId, network: &[u8]) -> [u8; 16] {
        let whole = mac(&self.subkey(b"guardpost/1 network", mailbox), network);
        let mut tag = [0; 16];
        tag.iter_mut().zip(whole).for_each(|(octet, of)| *octet = of);
        tag
    }

    fn of_mailbox(&self, what: &[u8], mailbox: MailboxId) -> Aead {
        Aead::new(&self.subkey(what, mailbox))
    }

    /// HKDF(MUK, what ‖ M).
    fn subkey(&self, what: &[u8], mailbox: MailboxId) -> Key {
        derive(&NO_SALT, self.0.expose(), &[what, mailbox.bytes()].concat())
    }

    fn vault(&self) -> Aead {
        Aead::new(&derive(&NO_SALT, self.0.expose(), b"guardpost/1 vault"))
    }
}

/// What identifies a former MUK; every bit of it is bound into the seal.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FormerParts {
    /// M.
    pub mailbox: MailboxId,
    /// s.
    pub id: SlotId,
    /// It was the present one from then on.
    pub since: Time,
    /// Until then.
    pub until: Time,
}

impl FormerParts {
    fn aad(&self) -> Vec<u8> {
        let times = [self.since.0.to_be_bytes(), self.until.0.to_be_bytes()].concat();
        lp(&[self.mailbox.bytes(), self.id.bytes(), &times])
    }
}

/// Seals and opens the summaries of one mailbox.
#[derive(Debug)]
pub struct SummaryKey {
    aead: Aead,
    mailbox: MailboxId,
}

impl SummaryKey {
    /// Seals the summary of a message.
    pub fn seal(&self, message: MessageId, summary: &[u8], random: &dyn Random) -> Vec<u8> {
        self.aead.seal(random, summary, &lp(&[self.mailbox.bytes(), message.bytes()]))
    }

    /// Opens it.
    pub fn open(&self, message: MessageId, sealed: &[u8]) -> Result<Secret<Vec<u8>>, VaultError> {
        self.aead.open(sealed, &lp(&[self.mailbox.bytes(), message.bytes()]))
    }
}

/// What an account keeps of an invitation: enough to send it again.
#[derive(Debug)]
pub struct VaultEntry {
    /// To whom.
    pub recipient: Address,
    /// i.
    pub invitation: InvitationId,
    /// T.
    pub token: AccessToken,
    /// `None` for an invitation without one.
    pub pin: Option<Pin>,
}

impl VaultEntry {
    fn render(&self) -> Secret<Vec<u8>> {
        let pin = self.pin.as_ref().map_or("", |pin| pin.expose());
        secret_lp(&[
            self.recipient.to_string().as_bytes(),
            self.invitation.bytes(),
            self.token.bytes(),
            pin.as_bytes(),
        ])
    }

    fn parse(content: &[u8]) -> Option<Self> {
        let [recipient, invitation, token, pin] = split_lp(content)?;
        let pin = std::str::from_utf8(pin).ok()?;
        Some(Self {
            recipient: Address::parse(std::str::from_utf8(recipient).ok()?).ok()?,
            invitation: InvitationId::new(invitation.try_into().ok()?),
            token: AccessToken::new(token.try_into().ok()?),
            pin: if pin.is_empty() { None } else { Some(Pin::parse(pin).ok()?) },
        })
    }
}

/// What makes a submission the same as another.
#[derive(Clone, Copy, Debug)]
pub struct Submission<'a> {
    /// Message-ID.
    pub message_id: &'a str,
    /// MAIL FROM; `None` is `<>`.
    pub sender: Option<&'a Address>,
    /// RCPT TO, in any order.
    pub recipients: &'a [Address],
    /// SHA-256 of the message as it came.
    pub content_sha256: &'a [u8; 32],
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::tests::Seeded;

    const M: MailboxId = MailboxId::new([1; 16]);
    const N: MailboxId = MailboxId::new([2; 16]);

    #[test]
    fn a_secret_key_is_bound_to_its_mailbox_and_certificate() {
        let random = Seeded::new(1);
        let muk = MailboxKey::generate(&random);
        let wrapped = muk.wrap_secret_key(M, &[9; 20], b"secret key", &random);
        assert_eq!(muk.unwrap_secret_key(M, &[9; 20], &wrapped).unwrap().expose(), b"secret key");
        for (mailbox, fingerprint) in [(M, [8; 20]), (N, [9; 20])] {
            assert!(muk.unwrap_secret_key(mailbox, &fingerprint, &wrapped).is_err());
        }
        assert!(MailboxKey::generate(&random).unwrap_secret_key(M, &[9; 20], &wrapped).is_err());
    }

    #[test]
    fn a_former_key_is_bound_to_its_mailbox_id_and_times() {
        let random = Seeded::new(5);
        let (muk, former) = (MailboxKey::generate(&random), MailboxKey::generate(&random));
        let parts = FormerParts { mailbox: M, id: SlotId::new([3; 16]), since: Time(7), until: Time(-9) };
        let wrapped = muk.wrap_former(&parts, &former, &random);
        assert_eq!(muk.unwrap_former(&parts, &wrapped).unwrap().key().expose(), former.key().expose());
        for other in [
            FormerParts { mailbox: N, ..parts },
            FormerParts { id: SlotId::new([4; 16]), ..parts },
            FormerParts { since: Time(-9), ..parts },
            FormerParts { since: Time(-9), until: Time(7), ..parts },
            FormerParts { until: Time(-8), ..parts },
        ] {
            assert_eq!(muk.unwrap_former(&other, &wrapped).unwrap_err(), VaultError::NotOpened, "{other:?}");
        }
        assert!(former.unwrap_former(&parts, &wrapped).is_err());
        for bit in 0..wrapped.len() * 8 {
            let mut changed = wrapped.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(muk.unwrap_former(&parts, &changed).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_summary_is_bound_to_its_message() {
        let random = Seeded::new(2);
        let muk = MailboxKey::generate(&random);
        let (m, n) = (MessageId::new([3; 16]), MessageId::new([4; 16]));
        let sealed = muk.summaries(M).seal(m, b"subject", &random);
        assert_eq!(muk.summaries(M).open(m, &sealed).unwrap().expose(), b"subject");
        assert!(muk.summaries(M).open(n, &sealed).is_err());
        assert!(muk.summaries(N).open(m, &sealed).is_err());
    }

    #[test]
    fn a_vault_entry_comes_back_whole() {
        let random = Seeded::new(3);
        let muk = MailboxKey::generate(&random);
        for pin in [None, Some("271828"), Some("correct horse")] {
            let entry = VaultEntry {
                recipient: Address::parse("Bob@x.example").unwrap(),
                invitation: InvitationId::new([5; 16]),
                token: AccessToken::new([6; 20]),
                pin: pin.map(|pin| Pin::parse(pin).unwrap()),
            };
            let sealed = muk.seal_vault_entry(M, N, &entry, &random);
            let opened = muk.open_vault_entry(M, N, &sealed).unwrap();
            assert_eq!(opened.recipient, entry.recipient);
            assert_eq!(opened.invitation, entry.invitation);
            assert_eq!(opened.token.bytes(), entry.token.bytes());
            assert_eq!(opened.pin.as_ref().map(|pin| pin.expose()), pin);
            assert_eq!(muk.open_vault_entry(N, M, &sealed).unwrap_err(), VaultError::NotOpened);
        }
    }

    #[test]
    fn a_submission_is_the_same_in_any_order_and_another_otherwise() {
        let muk = MailboxKey::new(Key::new([1; 32]));
        let (a, b) = (Address::parse("a@x.example").unwrap(), Address::parse("b@x.example").unwrap());
        let forth = [a.clone(), b.clone()];
        let back = [b.clone(), a.clone()];
        let one = Submission {
            message_id: "<1@x>",
            sender: Some(&a),
            recipients: &forth,
            content_sha256: &[7; 32],
        };
        let digest = |submission: &Submission<'_>| muk.submission_digest(M, submission);
        assert_eq!(digest(&one), digest(&Submission { recipients: &back, ..one }));
        for other in [
            Submission { message_id: "<2@x>", ..one },
            Submission { sender: None, ..one },
            Submission { recipients: &forth[..1], ..one },
            Submission { content_sha256: &[8; 32], ..one },
        ] {
            assert_ne!(digest(&one), digest(&other), "{other:?}");
        }
        assert_ne!(digest(&one), muk.submission_digest(N, &one));
    }

    #[test]
    fn a_network_is_known_by_one_key_of_one_mailbox() {
        let (muk, other) = (MailboxKey::new(Key::new([1; 32])), MailboxKey::new(Key::new([2; 32])));
        let tag = muk.network_tag(M, &[192, 0, 2, 0]);
        assert_eq!(tag, muk.network_tag(M, &[192, 0, 2, 0]));
        for strange in [
            muk.network_tag(M, &[192, 0, 3, 0]),
            muk.network_tag(N, &[192, 0, 2, 0]),
            other.network_tag(M, &[192, 0, 2, 0]),
        ] {
            assert_ne!(tag, strange);
        }
    }
}
