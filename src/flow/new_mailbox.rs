//! Making a mailbox: key pair, MUK and the first slot, all in memory until one commit.

use crate::base::address::Address;
use crate::base::id::InvitationId;
use crate::base::id::MailboxId;
use crate::base::language::Language;
use crate::base::random::Random;
use crate::base::random::bytes;
use crate::base::secret::Key;
use crate::base::time::Time;
use crate::flow::Flow;
use crate::flow::refusal::TakeError;
use crate::flow::sealing::Receiver;
use crate::openpgp::certificate::Certificate;
use crate::openpgp::generate::generate;
use crate::openpgp::secret_key::SecretKey;
use crate::store::command_part::NewInvitation;
use crate::store::command_part::NewMailbox;
use crate::store::command_part::NewSlot;
use crate::store::record::Fingerprint;
use crate::store::record::KeyRecord;
use crate::store::record::MailboxKind;
use crate::vault::error::VaultError;
use crate::vault::keyring::Keys;
use crate::vault::mailbox_key::MailboxKey;
use crate::vault::mailbox_key::VaultEntry;
use crate::vault::password::Password;
use crate::vault::pin::Pin;
use crate::vault::slot;
use crate::vault::slot::Opener;
use crate::vault::slot::Parameters;
use crate::vault::slot::SlotParts;
use crate::vault::token::AccessToken;
use std::sync::Arc;

/// A key pair under a new MUK.
pub(in crate::flow) struct FreshKey {
    /// MUK.
    pub muk: MailboxKey,
    /// What is stored of the key pair.
    pub record: KeyRecord,
    /// To encrypt to.
    pub certificate: Certificate,
    /// To decrypt with.
    pub secret: Arc<SecretKey>,
}

impl FreshKey {
    /// Makes a key pair for `address`, wrapped for `mailbox`.
    pub(in crate::flow) fn make(
        mailbox: MailboxId,
        address: &Address,
        now: Time,
        random: &dyn Random,
    ) -> Result<Self, TakeError> {
        let made = generate(address, now).map_err(TakeError::internal)?;
        let muk = MailboxKey::generate(random);
        let wrapped = muk.wrap_secret_key(mailbox, &made.fingerprint, made.secret.expose(), random);
        let record = KeyRecord {
            fingerprint: Fingerprint(made.fingerprint),
            certificate: made.certificate,
            wrapped_secret: Some(wrapped),
            created: now,
        };
        Ok(Self { muk, record, certificate: made.parsed, secret: Arc::new(made.secret_key) })
    }
}

/// Seals MUK under a password, and opens it again to be sure. Runs Argon2. `salt` is the one of the address's other
/// password slots, if there are any.
pub(in crate::flow) fn password_slot(
    mailbox: MailboxId,
    password: &Password,
    muk: &MailboxKey,
    salt: Option<[u8; 16]>,
    cost: Parameters,
    keys: &Keys,
    random: &dyn Random,
) -> Result<NewSlot, VaultError> {
    let parts = SlotParts::password(mailbox, salt, cost, random);
    let stretched = slot::stretch(password.expose().as_bytes(), &parts.salt, cost)?;
    sealed_slot(parts, Opener::Password(&stretched), muk, keys, random)
}

/// Seals MUK under access token and PIN, and opens it again to be sure. Runs Argon2.
#[expect(clippy::too_many_arguments, reason = "everything that a slot is bound to")]
pub(in crate::flow) fn invitation_slot(
    mailbox: MailboxId,
    invitation: InvitationId,
    token: &AccessToken,
    pin: Option<&Pin>,
    muk: &MailboxKey,
    cost: Parameters,
    keys: &Keys,
    random: &dyn Random,
) -> Result<NewSlot, VaultError> {
    let parts = SlotParts::invitation(mailbox, invitation, cost, random);
    let stretched = slot::stretch(pin.map_or("", |pin| pin.expose()).as_bytes(), &parts.salt, cost)?;
    sealed_slot(parts, Opener::Invitation { pin: &stretched, token }, muk, keys, random)
}

/// Seals MUK, and opens it again to be sure.
pub(in crate::flow) fn sealed_slot(
    parts: SlotParts,
    opener: Opener<'_>,
    muk: &MailboxKey,
    keys: &Keys,
    random: &dyn Random,
) -> Result<NewSlot, VaultError> {
    let shred_key = Key::new(bytes(random));
    let sealed = slot::seal(&parts, opener, &keys.pepper, &shred_key, muk, random)?;
    slot::open(&parts, opener, &keys.pepper, &shred_key, &sealed)?;
    Ok(NewSlot {
        id: parts.slot,
        kind: parts.kind,
        salt: parts.salt,
        parameters: parts.parameters.numbers(),
        sealed,
        shred_key,
        recovery: None,
    })
}

/// A temporary mailbox that is about to be made, with what its invitation tells.
pub(in crate::flow) struct Invited {
    /// The command's content.
    pub mailbox: Box<NewMailbox>,
    /// Its key, so that the message can be sealed before the mailbox exists.
    pub receiver: Receiver,
    /// What the invitation and the sender's vault hold.
    pub entry: VaultEntry,
}

/// Who is invited, by whom, and how.
pub(in crate::flow) struct Invite<'a> {
    /// The inviting account.
    pub sender: MailboxId,
    /// Its MUK, for the vault.
    pub sender_key: &'a MailboxKey,
    /// As the sender wrote it.
    pub recipient: Address,
    /// The language of the invitation and its pages.
    pub language: Language,
    /// `None` where no PIN is wanted.
    pub pin: Option<Pin>,
}

impl Flow {
    /// Makes everything of a temporary mailbox in memory. Runs Argon2 behind a permit.
    pub(in crate::flow) async fn invite(&self, invite: Invite<'_>) -> Result<Invited, TakeError> {
        let now = self.clock.now();
        let random = self.random.clone();
        let mailbox = MailboxId::new(bytes(&*random));
        let invitation = InvitationId::new(bytes(&*random));
        let entry = VaultEntry {
            recipient: invite.recipient.clone(),
            invitation,
            token: AccessToken::generate(&*random),
            pin: invite.pin,
        };
        let permit = self.passwords.permit().await.map_err(|_| TakeError::Busy)?;
        let (keys, cost, address) = (self.keys.clone(), self.password_cost, invite.recipient.clone());
        let made = permit
            .run(move || {
                let key = FreshKey::make(mailbox, &address, now, &*random)?;
                let pin = entry.pin.as_ref();
                let slot =
                    invitation_slot(mailbox, invitation, &entry.token, pin, &key.muk, cost, &keys, &*random)
                        .map_err(TakeError::internal)?;
                Ok::<_, TakeError>((key, slot, entry))
            })
            .await
            .map_err(|_| TakeError::Busy)?;
        let (key, slot, entry) = made?;
        let invitation = NewInvitation {
            id: invitation,
            token_hash: entry.token.hash(&self.keys.token, invitation),
            has_pin: entry.pin.is_some(),
            sender: invite.sender,
            vault_entry: invite.sender_key.seal_vault_entry(invite.sender, mailbox, &entry, &*self.random),
        };
        let new = NewMailbox {
            id: mailbox,
            kind: MailboxKind::Temporary,
            address: invite.recipient,
            language: invite.language,
            created: now,
            key: key.record,
            slot,
            invitation: Some(invitation),
        };
        let receiver = Receiver {
            record: Arc::new(new.record()),
            certificate: key.certificate,
            cover: None,
            came: None,
        };
        Ok(Invited { mailbox: Box::new(new), receiver, entry })
    }
}
