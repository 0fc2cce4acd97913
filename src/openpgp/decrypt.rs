//! Decryption with every size, depth and count bounded; nothing may be used before it has returned.
//!
//! The packets are walked here and not by the library's own decryptor: each layer of compression is read
//! through a counter, so a bomb costs at most as much as the largest message we accept, wherever it is hidden.
//!
//! The structure (RFC 9580 §10.3) is strict: encrypted session keys, one encrypted container with integrity
//! protection, in it exactly one literal, which may be compressed and may be surrounded by signatures. A container
//! without integrity protection (tag 9) is refused, and so is one inside another.

use crate::base::limits;
use crate::openpgp::secret_key::SecretKey;
use sequoia_openpgp::Packet;
use sequoia_openpgp::packet::PKESK;
use sequoia_openpgp::packet::SEIP;
use sequoia_openpgp::packet::Tag;
use sequoia_openpgp::parse::Dearmor;
use sequoia_openpgp::parse::PacketParser;
use sequoia_openpgp::parse::PacketParserBuilder;
use sequoia_openpgp::parse::PacketParserResult;
use sequoia_openpgp::parse::Parse;
use sequoia_openpgp::parse::buffered_reader::BufferedReader;
use sequoia_openpgp::types::SymmetricAlgorithm;
use std::borrow::Borrow;
use std::io;
use std::io::Read;
use std::io::Write;
use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use thiserror::Error;

/// Packets of one message; a real one has a handful.
const PACKETS: usize = 512;
/// What the packets around a literal may add to it in one layer of compression, octets.
const FRAMING: u64 = 1 << 20;

/// The bounds of one decryption.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Plaintext, octets.
    pub plaintext: u64,
    /// Layers of compression.
    pub nesting: usize,
    /// Encrypted session keys.
    pub recipients: usize,
}

impl Limits {
    /// For a message of `input` octets: at most 100 times that and 1 MiB, and never above 50 MiB.
    pub fn for_input(input: u64) -> Self {
        let plaintext = input.saturating_mul(100).saturating_add(1 << 20).min(limits::DECRYPTED);
        Self { plaintext, ..Self::default() }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            plaintext: limits::DECRYPTED,
            nesting: limits::OPENPGP_NESTING,
            recipients: limits::OPENPGP_RECIPIENTS,
        }
    }
}

/// What a message was, beside its text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Report {
    /// How it was protected.
    pub protection: Protection,
    /// Octets of plaintext that were written.
    pub plaintext: u64,
}

/// What is known of the protection of a message. A plain one is an error, not a state.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Protection {
    /// Encrypted, with integrity protection.
    Encrypted,
    /// The same, and signed by somebody we have not verified.
    EncryptedSignerUnknown,
}

/// Why a message did not open.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DecryptError {
    /// It is not OpenPGP, or not built as a message.
    #[error("not an openpgp message")]
    Malformed,
    /// It is OpenPGP, but not encrypted.
    #[error("the message is not encrypted")]
    NotEncrypted,
    /// Encrypted to somebody else.
    #[error("none of the keys opens the message")]
    NoKey,
    /// Cut, or changed on the way.
    #[error("the message is damaged")]
    Damaged,
    /// Encrypted in the old way without integrity protection (RFC 9580 §5.7).
    #[error("the message has no integrity protection")]
    NoIntegrity,
    /// A kind of encryption or compression that the library does not know.
    #[error("the message uses a method that is not supported")]
    Unsupported,
    /// More plaintext than the bound.
    #[error("the message holds more than {limit} octets")]
    TooLarge {
        /// Octets.
        limit: u64,
    },
    /// More layers or packets than the bound.
    #[error("the message is nested too deeply")]
    TooDeep,
    /// More encrypted session keys than the bound.
    #[error("the message has too many recipients")]
    TooManyRecipients,
    /// The ciphertext could not be read.
    #[error("the ciphertext could not be read")]
    Read(#[source] io::Error),
    /// The plaintext could not be written.
    #[error("the plaintext could not be written")]
    Write(#[source] io::Error),
}

/// Decrypts a message, binary or armored, with whichever of `keys` opens it.
///
/// `sink` is a private place. Only when this returns `Ok` is what stands in it a message; after an error it is
/// to be thrown away unseen, for a damaged one may have released almost all of its text by then.
pub fn decrypt<K: Borrow<SecretKey>, R: Read + Send + Sync, W: Write>(
    keys: &[K],
    ciphertext: R,
    sink: W,
    limits: &Limits,
) -> Result<Report, DecryptError> {
    let mut source = Watched { source: ciphertext, failed: None };
    let mut opening = Opening {
        keys,
        sink,
        limits,
        over: Arc::new(AtomicBool::new(false)),
        written: 0,
        packets: 0,
        literals: 0,
        signed: false,
    };
    // The library ends with a panic where it meets what it thought impossible; for us that is damage.
    let result = catch_unwind(AssertUnwindSafe(|| opening.message(&mut source)));
    let result = result.unwrap_or(Err(DecryptError::Damaged));
    let over = opening.over.load(Ordering::Relaxed);
    match (result, source.failed) {
        (Err(error @ DecryptError::Write(_)), _) => Err(error),
        (Err(_), Some(trouble)) => Err(DecryptError::Read(trouble)),
        (Err(_), None) if over => Err(DecryptError::TooLarge { limit: limits.plaintext }),
        (result, _) => result,
    }
}

/// Decrypts something small that lies in memory.
pub fn decrypt_bytes<K: Borrow<SecretKey>>(
    keys: &[K],
    ciphertext: &[u8],
    limits: &Limits,
) -> Result<(Vec<u8>, Report), DecryptError> {
    let mut plaintext = Vec::with_capacity(ciphertext.len());
    let report = decrypt(keys, ciphertext, &mut plaintext, limits)?;
    Ok((plaintext, report))
}

/// One decryption under way.
struct Opening<'k, K, W> {
    keys: &'k [K],
    sink: W,
    limits: &'k Limits,
    /// A layer gave more than it may.
    over: Arc<AtomicBool>,
    written: u64,
    packets: usize,
    literals: usize,
    signed: bool,
}

/// Where in the outer structure we are.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Place {
    /// Before the container.
    Before,
    /// In a container of version 1, whose last packet must be a good modification detection code.
    InVersion1,
    /// Behind that packet.
    Verified,
    /// In a container of version 2: the library checks every chunk and the end.
    InVersion2,
}

impl<K: Borrow<SecretKey>, W: Write> Opening<'_, K, W> {
    fn message(&mut self, source: &mut (impl Read + Send + Sync)) -> Result<Report, DecryptError> {
        let mut place = Place::Before;
        let mut session_keys = Vec::new();
        let mut next = PacketParserBuilder::from_reader(source)
            .and_then(|builder| builder.automatic_hashing(false).build())
            .map_err(|_| DecryptError::Malformed)?;
        while let PacketParserResult::Some(mut packet) = next {
            self.count()?;
            match packet.recursion_depth() {
                0 => place = self.outer(&mut packet, place, &mut session_keys)?,
                1 => place = self.inner(&mut packet, place)?,
                _ => return Err(DecryptError::TooDeep),
            }
            let trouble =
                if place == Place::Before { DecryptError::Malformed } else { DecryptError::Damaged };
            let container = matches!(packet.packet, Packet::SEIP(_));
            let step = if container { packet.recurse() } else { packet.next() };
            next = step.map_err(|_| trouble)?.1;
        }
        match place {
            Place::Before => Err(DecryptError::Malformed),
            Place::InVersion1 => Err(DecryptError::Damaged),
            Place::Verified | Place::InVersion2 if self.literals != 1 => Err(DecryptError::Malformed),
            Place::Verified | Place::InVersion2 => Ok(self.report()),
        }
    }

    fn report(&self) -> Report {
        let protection = if self.signed { Protection::EncryptedSignerUnknown } else { Protection::Encrypted };
        Report { protection, plaintext: self.written }
    }

    fn count(&mut self) -> Result<(), DecryptError> {
        self.packets += 1;
        if self.packets > PACKETS { Err(DecryptError::TooDeep) } else { Ok(()) }
    }

    /// A packet outside the container.
    fn outer(
        &self,
        packet: &mut PacketParser<'_>,
        place: Place,
        session_keys: &mut Vec<PKESK>,
    ) -> Result<Place, DecryptError> {
        let before = place == Place::Before;
        match &packet.packet {
            Packet::Marker(_) | Packet::Padding(_) => Ok(place),
            Packet::PKESK(session_key) if before => {
                session_keys.push(session_key.clone());
                let many = session_keys.len() > self.limits.recipients;
                if many { Err(DecryptError::TooManyRecipients) } else { Ok(place) }
            }
            Packet::SKESK(_) if before => Ok(place),
            Packet::SEIP(container) if before => {
                let within = match container {
                    SEIP::V1(_) => Place::InVersion1,
                    SEIP::V2(_) => Place::InVersion2,
                    _ => return Err(DecryptError::Unsupported),
                };
                self.unlock(packet, session_keys)?;
                Ok(within)
            }
            Packet::Unknown(unknown) if before => Err(match unknown.tag() {
                Tag::SED => DecryptError::NoIntegrity,
                Tag::AED | Tag::SEIP => DecryptError::Unsupported,
                Tag::PKESK | Tag::SKESK => return Ok(place),
                _ => DecryptError::Malformed,
            }),
            Packet::Literal(_) | Packet::CompressedData(_) | Packet::OnePassSig(_) | Packet::Signature(_)
                if before =>
            {
                Err(DecryptError::NotEncrypted)
            }
            _ => Err(DecryptError::Malformed),
        }
    }

    /// Tries the keys that the session keys name; an anonymous one is tried with all.
    fn unlock(&self, container: &mut PacketParser<'_>, session_keys: &[PKESK]) -> Result<(), DecryptError> {
        let hint = match &container.packet {
            Packet::SEIP(SEIP::V2(container)) => Some(container.symmetric_algo()),
            _ => None,
        };
        for session_key in session_keys {
            for key in self.keys {
                for mut pair in key.borrow().pairs_for(session_key.recipient()) {
                    let opened = session_key.decrypt(&mut pair, hint).and_then(|(algorithm, session_key)| {
                        let algorithm = algorithm.or(hint);
                        is_long_enough(container, algorithm)?;
                        container.decrypt(algorithm, &session_key).ok()
                    });
                    if opened.is_some() {
                        return Ok(());
                    }
                }
            }
        }
        Err(DecryptError::NoKey)
    }

    /// A packet directly in the container.
    fn inner(&mut self, packet: &mut PacketParser<'_>, place: Place) -> Result<Place, DecryptError> {
        match (&packet.packet, place) {
            (_, Place::Verified) => Err(DecryptError::Damaged),
            #[expect(deprecated, reason = "the last packet of every version 1 container is this one")]
            (Packet::MDC(code), Place::InVersion1) if code.valid() => Ok(Place::Verified),
            _ => self.content(packet, 0).map(|()| place),
        }
    }

    /// A packet of the plaintext, `depth` layers of compression down.
    fn content(&mut self, packet: &mut PacketParser<'_>, depth: usize) -> Result<(), DecryptError> {
        match &packet.packet {
            Packet::Marker(_) | Packet::Padding(_) => Ok(()),
            Packet::OnePassSig(_) | Packet::Signature(_) => {
                self.signed = true;
                Ok(())
            }
            Packet::Unknown(unknown) if matches!(unknown.tag(), Tag::Signature | Tag::OnePassSig) => {
                self.signed = true;
                Ok(())
            }
            Packet::Literal(_) => self.literal(packet),
            Packet::CompressedData(_) if depth >= self.limits.nesting => Err(DecryptError::TooDeep),
            Packet::CompressedData(_) if !packet.processed() => Err(DecryptError::Unsupported),
            Packet::CompressedData(_) => self.compressed(packet, depth + 1),
            _ => Err(DecryptError::Damaged),
        }
    }

    fn compressed(&mut self, packet: &mut PacketParser<'_>, depth: usize) -> Result<(), DecryptError> {
        let left = self.limits.plaintext.saturating_add(FRAMING);
        let layer = Layer { source: packet, left, over: Arc::clone(&self.over) };
        let mut next = PacketParserBuilder::from_reader(layer)
            .and_then(|builder| builder.dearmor(Dearmor::Disabled).automatic_hashing(false).build())
            .map_err(|_| DecryptError::Damaged)?;
        while let PacketParserResult::Some(mut packet) = next {
            self.count()?;
            self.content(&mut packet, depth)?;
            next = packet.next().map_err(|_| DecryptError::Damaged)?.1;
        }
        Ok(())
    }

    fn literal(&mut self, packet: &mut PacketParser<'_>) -> Result<(), DecryptError> {
        self.literals += 1;
        if self.literals > 1 {
            return Err(DecryptError::Malformed);
        }
        let mut piece = zeroize::Zeroizing::new(vec![0; 32 << 10]);
        loop {
            let length = match packet.read(&mut piece) {
                Ok(0) => return Ok(()),
                Ok(length) => length,
                Err(trouble) if trouble.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => return Err(DecryptError::Damaged),
            };
            self.written += length as u64;
            if self.written > self.limits.plaintext {
                return Err(DecryptError::TooLarge { limit: self.limits.plaintext });
            }
            self.sink.write_all(piece.get(..length).unwrap_or_default()).map_err(DecryptError::Write)?;
        }
    }
}

/// A container of version 1 holds at least a random block, its check and the modification detection code
/// (RFC 9580 §5.13.1). The library takes that for granted.
fn is_long_enough(container: &mut PacketParser<'_>, algorithm: Option<SymmetricAlgorithm>) -> Option<()> {
    if matches!(container.packet, Packet::SEIP(SEIP::V1(_))) {
        let least = algorithm?.block_size().ok()? + 2 + 22;
        container.data_hard(least).ok()?;
    }
    Some(())
}

/// What comes out of one layer of compression, counted.
struct Layer<'p, 's> {
    source: &'p mut PacketParser<'s>,
    left: u64,
    over: Arc<AtomicBool>,
}

impl Read for Layer<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.source.read(buffer)?;
        match self.left.checked_sub(length as u64) {
            Some(left) => self.left = left,
            None => {
                self.over.store(true, Ordering::Relaxed);
                return Err(io::ErrorKind::FileTooLarge.into());
            }
        }
        Ok(length)
    }
}

/// Remembers what the source said, which the library wraps into errors of its own.
struct Watched<R> {
    source: R,
    failed: Option<io::Error>,
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.source.read(buffer).map_err(|trouble| {
            let kind = trouble.kind();
            if kind != io::ErrorKind::Interrupted {
                self.failed = Some(trouble);
            }
            kind.into()
        })
    }
}

#[cfg(test)]
mod tests;
