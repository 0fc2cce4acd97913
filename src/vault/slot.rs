//! Slots: each one way to open a mailbox, that is to obtain its MUK.
//!
//! ```text
//! slot        AEAD(KEK, MUK, aad = lp(kind, M, s, salt, parameters))
//! parameters  version, m KiB, t, p as u32 big-endian
//! KEK         HKDF(salt = K_pepper, ikm, info = lp("guardpost/1 slot", kind, M, s))
//!   password, app-password  ikm = lp(Argon2id(password, salt), SHK)
//!   invitation              ikm = lp(Argon2id(PIN or "", salt), T, SHK)
//!   recovery                ikm = lp(R, SHK); aad = lp(kind, M, s, salt, parameters, fingerprint of the certificate)
//! ```
//!
//! The tag is the only verifier: no hash of a PIN or a password exists anywhere.

use crate::base::id::InvitationId;
use crate::base::id::MailboxId;
use crate::base::id::SlotId;
use crate::base::random::Random;
use crate::base::random::bytes;
use crate::base::secret::Key;
use crate::base::secret::Secret;
use crate::vault::error::VaultError;
use crate::vault::mailbox_key::MailboxKey;
use crate::vault::primitives::Aead;
use crate::vault::primitives::derive;
use crate::vault::primitives::lp;
use crate::vault::primitives::secret_lp;
use crate::vault::token::AccessToken;
use argon2::Algorithm;
use argon2::Argon2;
use argon2::Block;
use argon2::Params;
use argon2::Version;
use zeroize::Zeroize;

/// The kinds of slot.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum SlotKind {
    /// The owner's password.
    Password,
    /// A password for one program.
    AppPassword,
    /// Access token and PIN.
    Invitation,
    /// The organisation's offline key.
    Recovery,
}

impl SlotKind {
    /// The name that is bound into every slot.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::AppPassword => "app-password",
            Self::Invitation => "invitation",
            Self::Recovery => "recovery",
        }
    }
}

/// The cost of one guess at a password or PIN (RFC 9106 §3.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Parameters {
    /// Argon2's version: 0x13.
    pub version: u32,
    /// Memory, KiB.
    pub memory: u32,
    /// Passes.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

impl Parameters {
    /// 64 MiB, three passes, one lane: what the appliance uses.
    pub const PRODUCTION: Self = Self { version: 0x13, memory: 64 << 10, passes: 3, lanes: 1 };
    /// 64 KiB, one pass: for tests, which guess often.
    pub const SMALL: Self = Self { version: 0x13, memory: 64, passes: 1, lanes: 1 };

    /// From a record; beyond 1 GiB, 32 passes or 16 lanes nothing is tried.
    pub fn read([version, memory, passes, lanes]: [u32; 4]) -> Result<Self, VaultError> {
        let good = version == 0x13
            && (1..=16).contains(&lanes)
            && (8 * lanes..=1 << 20).contains(&memory)
            && (1..=32).contains(&passes);
        if good { Ok(Self { version, memory, passes, lanes }) } else { Err(VaultError::Parameters) }
    }

    /// For a record.
    pub const fn numbers(self) -> [u32; 4] {
        [self.version, self.memory, self.passes, self.lanes]
    }

    fn bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        for (to, number) in bytes.chunks_mut(4).zip(self.numbers()) {
            to.copy_from_slice(&number.to_be_bytes());
        }
        bytes
    }
}

/// What Argon2id makes of a password or PIN. One is enough for every slot of the same salt and parameters.
#[derive(Debug)]
pub struct Stretched(Key);

impl Stretched {
    /// Its bytes, for known-answer tests.
    pub const fn key(&self) -> &Key {
        &self.0
    }
}

/// Argon2id of a password, or of a PIN (empty where an invitation has none).
///
/// This is the one expensive thing here: 64 MiB and about 100 ms. Run it on a blocking thread, behind a permit.
pub fn stretch(guess: &[u8], salt: &[u8; 16], parameters: Parameters) -> Result<Stretched, VaultError> {
    let parameters = Parameters::read(parameters.numbers())?;
    let params = Params::new(parameters.memory, parameters.passes, parameters.lanes, Some(32))
        .map_err(|_| VaultError::Parameters)?;
    let mut memory = Vec::new();
    memory.try_reserve_exact(params.block_count()).map_err(|_| VaultError::Parameters)?;
    memory.resize(params.block_count(), Block::default());
    let mut out = [0; 32];
    let result = Argon2::new(Algorithm::Argon2id, Version::V0x13, params).hash_password_into_with_memory(
        guess,
        salt,
        &mut out,
        &mut memory,
    );
    memory.iter_mut().for_each(Zeroize::zeroize);
    let key = Key::new(out);
    out.zeroize();
    result.map_err(|_| VaultError::Parameters)?;
    Ok(Stretched(key))
}

/// What identifies a slot; every bit of it is bound into the seal.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SlotParts {
    /// What opens it.
    pub kind: SlotKind,
    /// M.
    pub mailbox: MailboxId,
    /// s.
    pub slot: SlotId,
    /// For Argon2id.
    pub salt: [u8; 16],
    /// For Argon2id.
    pub parameters: Parameters,
}

impl SlotParts {
    /// A new password slot of `mailbox`; `salt` is the one of its other password slots, if it has any.
    pub fn password(
        mailbox: MailboxId,
        salt: Option<[u8; 16]>,
        cost: Parameters,
        random: &dyn Random,
    ) -> Self {
        Self {
            kind: SlotKind::Password,
            mailbox,
            slot: SlotId::new(bytes(random)),
            salt: salt.unwrap_or_else(|| bytes(random)),
            parameters: cost,
        }
    }

    /// The slot of the recovery certificate. Nothing is stretched: R is no guess.
    pub fn recovery(mailbox: MailboxId, random: &dyn Random) -> Self {
        Self {
            kind: SlotKind::Recovery,
            mailbox,
            slot: SlotId::new(bytes(random)),
            salt: bytes(random),
            parameters: Parameters::SMALL,
        }
    }

    /// The slot of an invitation: its id is the invitation's.
    pub fn invitation(mailbox: MailboxId, id: InvitationId, cost: Parameters, random: &dyn Random) -> Self {
        Self {
            kind: SlotKind::Invitation,
            mailbox,
            slot: SlotId::new(*id.bytes()),
            salt: bytes(random),
            parameters: cost,
        }
    }
}

/// What opens a slot, beside its shred key.
#[derive(Clone, Copy, Debug)]
pub enum Opener<'a> {
    /// A password slot or an app password's.
    Password(&'a Stretched),
    /// An invitation's.
    Invitation {
        /// The PIN, or the empty string.
        pin: &'a Stretched,
        /// T.
        token: &'a AccessToken,
    },
    /// The organisation's.
    Recovery {
        /// R: 32 random bytes, encrypted to the recovery certificate.
        secret: &'a Key,
        /// That certificate's.
        fingerprint: &'a [u8],
    },
}

/// Seals `muk` into a slot.
pub fn seal(
    parts: &SlotParts,
    opener: Opener<'_>,
    pepper: &Key,
    shred: &Key,
    muk: &MailboxKey,
    random: &dyn Random,
) -> Result<Vec<u8>, VaultError> {
    let kek = kek(parts, opener, pepper, shred)?;
    Ok(Aead::new(&kek).seal(random, muk.key().expose(), &aad(parts, opener)))
}

/// Opens a slot.
pub fn open(
    parts: &SlotParts,
    opener: Opener<'_>,
    pepper: &Key,
    shred: &Key,
    sealed: &[u8],
) -> Result<MailboxKey, VaultError> {
    let kek = kek(parts, opener, pepper, shred)?;
    Aead::new(&kek).open_key(sealed, &aad(parts, opener)).map(MailboxKey::new)
}

fn kek(parts: &SlotParts, opener: Opener<'_>, pepper: &Key, shred: &Key) -> Result<Key, VaultError> {
    let shred: &[u8] = shred.expose();
    let ikm: Secret<Vec<u8>> = match (parts.kind, opener) {
        (SlotKind::Password | SlotKind::AppPassword, Opener::Password(stretched)) => {
            secret_lp(&[stretched.0.expose(), shred])
        }
        (SlotKind::Invitation, Opener::Invitation { pin, token }) => {
            secret_lp(&[pin.0.expose(), token.bytes(), shred])
        }
        (SlotKind::Recovery, Opener::Recovery { secret, .. }) => secret_lp(&[secret.expose(), shred]),
        _ => return Err(VaultError::WrongKind),
    };
    let info =
        lp(&[b"guardpost/1 slot", parts.kind.name().as_bytes(), parts.mailbox.bytes(), parts.slot.bytes()]);
    Ok(derive(pepper.expose(), ikm.expose(), &info))
}

fn aad(parts: &SlotParts, opener: Opener<'_>) -> Vec<u8> {
    let parameters = parts.parameters.bytes();
    let kind = parts.kind.name().as_bytes();
    let common: [&[u8]; 5] = [kind, parts.mailbox.bytes(), parts.slot.bytes(), &parts.salt, &parameters];
    let mut aad = lp(&common);
    if let Opener::Recovery { fingerprint, .. } = opener {
        aad.extend(lp(&[fingerprint]));
    }
    aad
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::tests::Seeded;

    const PEPPER: Key = Key::new([1; 32]);
    const SHRED: Key = Key::new([2; 32]);

    fn parts(kind: SlotKind) -> SlotParts {
        SlotParts {
            kind,
            mailbox: MailboxId::new([3; 16]),
            slot: SlotId::new([4; 16]),
            salt: [5; 16],
            parameters: Parameters::SMALL,
        }
    }

    fn stretched(guess: &str) -> Stretched {
        stretch(guess.as_bytes(), &[5; 16], Parameters::SMALL).unwrap()
    }

    #[test]
    fn each_kind_opens_with_all_of_its_secrets_and_no_other() {
        let random = Seeded::new(1);
        let muk = MailboxKey::generate(&random);
        let (right, wrong) = (stretched("1234567"), stretched("1234568"));
        let (token, other_token) = (AccessToken::new([6; 20]), AccessToken::new([7; 20]));
        let (recovery, other_recovery) = (Key::new([8; 32]), Key::new([9; 32]));
        let good = [
            (SlotKind::Password, Opener::Password(&right)),
            (SlotKind::AppPassword, Opener::Password(&right)),
            (SlotKind::Invitation, Opener::Invitation { pin: &right, token: &token }),
            (SlotKind::Recovery, Opener::Recovery { secret: &recovery, fingerprint: &[1; 20] }),
        ];
        let bad = [
            Opener::Password(&wrong),
            Opener::Invitation { pin: &wrong, token: &token },
            Opener::Invitation { pin: &right, token: &other_token },
            Opener::Recovery { secret: &other_recovery, fingerprint: &[1; 20] },
            Opener::Recovery { secret: &recovery, fingerprint: &[2; 20] },
        ];
        for (kind, opener) in good {
            let parts = parts(kind);
            let sealed = seal(&parts, opener, &PEPPER, &SHRED, &muk, &random).unwrap();
            let opened = open(&parts, opener, &PEPPER, &SHRED, &sealed).unwrap();
            assert_eq!(opened.key().expose(), muk.key().expose());
            assert!(open(&parts, opener, &SHRED, &SHRED, &sealed).is_err(), "pepper");
            assert!(open(&parts, opener, &PEPPER, &PEPPER, &sealed).is_err(), "shred key");
            for opener in bad {
                assert!(open(&parts, opener, &PEPPER, &SHRED, &sealed).is_err(), "{kind:?}");
            }
        }
    }

    #[test]
    fn every_changed_bit_is_refused() {
        let random = Seeded::new(2);
        let muk = MailboxKey::generate(&random);
        let (pin, token) = (stretched("271828"), AccessToken::new([6; 20]));
        let opener = Opener::Invitation { pin: &pin, token: &token };
        let parts = parts(SlotKind::Invitation);
        let sealed = seal(&parts, opener, &PEPPER, &SHRED, &muk, &random).unwrap();
        let opens = |parts: &SlotParts, sealed: &[u8]| open(parts, opener, &PEPPER, &SHRED, sealed).is_ok();
        assert!(opens(&parts, &sealed));
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(!opens(&parts, &changed), "sealed, bit {bit}");
        }
        for bit in 0..128 {
            let flip = |bytes: &[u8; 16]| {
                let mut changed = *bytes;
                changed[bit / 8] ^= 1 << (bit % 8);
                changed
            };
            let mailbox = MailboxId::new(flip(parts.mailbox.bytes()));
            assert!(!opens(&SlotParts { mailbox, ..parts }, &sealed), "mailbox, bit {bit}");
            let slot = SlotId::new(flip(parts.slot.bytes()));
            assert!(!opens(&SlotParts { slot, ..parts }, &sealed), "slot, bit {bit}");
            let salt = flip(&parts.salt);
            assert!(!opens(&SlotParts { salt, ..parts }, &sealed), "salt, bit {bit}");
            let mut numbers = parts.parameters.numbers();
            numbers[bit / 32] ^= 1 << (bit % 32);
            let [version, memory, passes, lanes] = numbers;
            let parameters = Parameters { version, memory, passes, lanes };
            assert!(!opens(&SlotParts { parameters, ..parts }, &sealed), "parameters, bit {bit}");
        }
    }

    #[test]
    fn a_password_slot_is_no_app_password_slot() {
        let random = Seeded::new(3);
        let muk = MailboxKey::generate(&random);
        let right = stretched("correct horse battery");
        let opener = Opener::Password(&right);
        let sealed = seal(&parts(SlotKind::Password), opener, &PEPPER, &SHRED, &muk, &random).unwrap();
        assert_eq!(
            open(&parts(SlotKind::AppPassword), opener, &PEPPER, &SHRED, &sealed).unwrap_err(),
            VaultError::NotOpened
        );
        for kind in [SlotKind::Invitation, SlotKind::Recovery] {
            assert_eq!(
                open(&parts(kind), opener, &PEPPER, &SHRED, &sealed).unwrap_err(),
                VaultError::WrongKind
            );
        }
    }

    #[test]
    fn parameters_are_bounded() {
        for good in [Parameters::PRODUCTION, Parameters::SMALL] {
            assert_eq!(Parameters::read(good.numbers()), Ok(good));
        }
        for bad in [
            [0x10, 64, 1, 1],
            [0x13, 7, 1, 1],
            [0x13, 64, 0, 1],
            [0x13, 64, 1, 0],
            [0x13, 64, 1, 9],
            [0x13, (1 << 20) + 1, 1, 1],
            [0x13, 64, 33, 1],
            [u32::MAX; 4],
        ] {
            assert_eq!(Parameters::read(bad), Err(VaultError::Parameters), "{bad:?}");
        }
    }
}
