//! Encryption: a stream in, a stream out, no compression.

use crate::base::time::Time;
use crate::openpgp::certificate::Certificate;
use crate::openpgp::certificate::Recipients;
use crate::openpgp::certificate::Unusable;
use crate::openpgp::container;
use crate::openpgp::container::SYMMETRIC;
use crate::openpgp::fingerprint_text;
use sequoia_openpgp::Packet;
use sequoia_openpgp::crypto::SessionKey;
use sequoia_openpgp::packet::PKESK;
use sequoia_openpgp::packet::pkesk::PKESK3;
use sequoia_openpgp::packet::pkesk::PKESK6;
use sequoia_openpgp::serialize::Serialize;
use sequoia_openpgp::serialize::stream::Armorer;
use sequoia_openpgp::serialize::stream::Encryptor;
use sequoia_openpgp::serialize::stream::LiteralWriter;
use sequoia_openpgp::serialize::stream::Message;
use sequoia_openpgp::types::AEADAlgorithm;
use sequoia_openpgp::types::Features;
use std::fmt;
use std::io;
use std::io::Read;
use std::io::Write;
use thiserror::Error;
use zeroize::Zeroize;

/// Something that holds a whole OpenPGP ciphertext and nothing else.
///
/// Only this module makes one, so what asks for it cannot be handed plaintext.
#[derive(Debug)]
pub struct Sealed<T>(T);

impl<T> Sealed<T> {
    /// What holds the ciphertext.
    pub fn into_inner(self) -> T {
        self.0
    }

    /// The same, lent.
    pub const fn inner(&self) -> &T {
        &self.0
    }
}

/// The outer form of a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Form {
    /// For the store.
    Binary,
    /// For PGP/MIME (RFC 3156 §4).
    Armored,
}

/// Why nothing was encrypted.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EncryptError {
    /// There is nobody to encrypt to.
    #[error("no recipients")]
    NoRecipients,
    /// A certificate cannot be encrypted to; nothing goes to anybody.
    #[error("certificate {fingerprint}: {why}")]
    Unusable {
        /// Whose.
        fingerprint: String,
        /// Why.
        #[source]
        why: Unusable,
    },
    /// The plaintext could not be read.
    #[error("the plaintext could not be read")]
    Read(#[source] io::Error),
    /// The ciphertext could not be written.
    #[error("the ciphertext could not be written")]
    Write(#[source] io::Error),
    /// The library refused.
    #[error("the message could not be encrypted")]
    Failed,
}

/// Encrypts `plaintext` to all of `recipients`, each of which must be usable at `now`.
///
/// Peak memory does not depend on the length. What was written before an error is to be thrown away.
pub fn encrypt<R: Read, W: Write + Send + Sync>(
    recipients: &[&Certificate],
    plaintext: R,
    sink: W,
    now: Time,
    form: Form,
) -> Result<Sealed<W>, EncryptError> {
    Addressed::to(recipients, now)?.encrypt(plaintext, sink, form)
}

/// Encrypts something small, for the store.
pub fn encrypt_bytes(
    recipients: &[&Certificate],
    plaintext: &[u8],
    now: Time,
) -> Result<Sealed<Vec<u8>>, EncryptError> {
    Addressed::to(recipients, now)?.encrypt_bytes(plaintext)
}

/// A session key that is encrypted to its recipients already: the dear part of a small message, done once for
/// messages that belong together, as a message and its own summary do.
///
/// Each of them is whole: the same PKESK packets in front, then an encrypted packet of its own. Two messages under
/// one session key tell no more than under two. In SEIPDv1 the first block is random (RFC 9580 §5.13.1), and so is
/// what CFB goes on from: to use a key for many messages that begin with a random block is what CFB is made for.
/// SEIPDv2 derives a key of its own for each from a random salt (§5.13.2). What differs is that whoever learns the
/// session key learns all of them: so it is for what says the same, to the same recipients.
pub struct Addressed {
    session_key: SessionKey,
    /// The session key, encrypted to every recipient: PKESK packets.
    packets: Vec<u8>,
    aead: Option<AEADAlgorithm>,
}

impl Addressed {
    /// Makes a session key and encrypts it to all of `recipients`, each of which must be usable at `now`.
    pub fn to(recipients: &[&Certificate], now: Time) -> Result<Self, EncryptError> {
        let mut all = Vec::with_capacity(recipients.len());
        for certificate in recipients {
            let found = certificate.recipients(now).map_err(|why| EncryptError::Unusable {
                fingerprint: fingerprint_text(certificate.fingerprint()),
                why,
            })?;
            all.push(found);
        }
        let seipdv2 = |found: &Recipients| found.features.as_ref().is_some_and(Features::supports_seipdv2);
        let aead = all.iter().all(seipdv2).then(AEADAlgorithm::default);
        let failed = |_| EncryptError::Failed;
        let length = SYMMETRIC.key_size().map_err(failed)?;
        let session_key = SessionKey::new(length).map_err(failed)?;
        let mut packets = Vec::with_capacity(256);
        for key in all.iter().flat_map(|found| &found.keys) {
            let pkesk = match aead {
                Some(_) => PKESK::from(PKESK6::for_recipient(&session_key, key).map_err(failed)?),
                None => PKESK3::for_recipient(SYMMETRIC, &session_key, key).map_err(failed)?.into(),
            };
            Packet::from(pkesk).serialize(&mut packets).map_err(failed)?;
        }
        if packets.is_empty() {
            return Err(EncryptError::NoRecipients);
        }
        Ok(Self { session_key, packets, aead })
    }

    /// One whole message. Peak memory does not depend on the length. What was written before an error is to be
    /// thrown away.
    pub fn encrypt<R: Read, W: Write + Send + Sync>(
        &self,
        mut plaintext: R,
        sink: W,
        form: Form,
    ) -> Result<Sealed<W>, EncryptError> {
        let mut sink = Watched { sink, failed: None };
        let result = self.write_message(&mut plaintext, &mut sink, form);
        match (result, sink.failed) {
            (Ok(()), _) => Ok(Sealed(sink.sink)),
            (Err(EncryptError::Failed), Some(trouble)) => Err(EncryptError::Write(trouble)),
            (Err(error), _) => Err(error),
        }
    }

    /// One whole message of something small, for the store.
    pub fn encrypt_bytes(&self, plaintext: &[u8]) -> Result<Sealed<Vec<u8>>, EncryptError> {
        let mut room = Vec::with_capacity(plaintext.len() + self.packets.len() + 256);
        if self.aead.is_some() || plaintext.len() >= PIECE {
            return self.encrypt(plaintext, room, Form::Binary);
        }
        room.extend_from_slice(&self.packets);
        container::write(&self.session_key, plaintext, &mut room).map_err(|_| EncryptError::Failed)?;
        Ok(Sealed(room))
    }

    fn write_message(
        &self,
        plaintext: &mut dyn Read,
        sink: &mut (impl Write + Send + Sync),
        form: Form,
    ) -> Result<(), EncryptError> {
        let failed = |_| EncryptError::Failed;
        let mut message = Message::new(sink);
        if form == Form::Armored {
            message = Armorer::new(message).build().map_err(failed)?;
        }
        message.write_all(&self.packets).map_err(|_| EncryptError::Failed)?;
        let mut first = Scratch::new();
        first.fill(plaintext)?;
        if first.is_full() || self.aead.is_some() {
            return self.stream(first, plaintext, message);
        }
        container::write(&self.session_key, first.bytes(), &mut message).map_err(failed)?;
        message.finalize().map_err(failed)
    }

    /// What does not fit into memory at once, as the library streams it.
    fn stream(
        &self,
        mut piece: Scratch,
        plaintext: &mut dyn Read,
        message: Message<'_>,
    ) -> Result<(), EncryptError> {
        let failed = |_| EncryptError::Failed;
        let encryptor = Encryptor::with_session_key(message, SYMMETRIC, self.session_key.clone());
        let mut encryptor = encryptor.map_err(failed)?;
        if let Some(aead) = self.aead {
            encryptor = encryptor.aead_algo(aead);
        }
        let mut message = LiteralWriter::new(encryptor.build().map_err(failed)?).build().map_err(failed)?;
        loop {
            message.write_all(piece.bytes()).map_err(|_| EncryptError::Failed)?;
            if !piece.is_full() {
                return message.finalize().map_err(failed);
            }
            piece.fill(plaintext)?;
        }
    }
}

impl fmt::Debug for Addressed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Addressed(..)")
    }
}

/// Read at once, octets. What is smaller is encrypted in one piece.
const PIECE: usize = 32 << 10;

/// A piece of plaintext. Wiped as far as it was used: to wipe all of it would cost more than to encrypt a small
/// message.
struct Scratch {
    room: Vec<u8>,
    length: usize,
    used: usize,
}

impl Scratch {
    fn new() -> Self {
        Self { room: vec![0; PIECE], length: 0, used: 0 }
    }

    /// Takes from the front of `plaintext` until it is full or there is no more.
    fn fill(&mut self, plaintext: &mut dyn Read) -> Result<(), EncryptError> {
        self.length = 0;
        while !self.is_full() {
            match plaintext.read(self.room.get_mut(self.length..).unwrap_or_default()) {
                Ok(0) => break,
                Ok(read) => self.length += read,
                Err(trouble) if trouble.kind() == io::ErrorKind::Interrupted => {}
                Err(trouble) => return Err(EncryptError::Read(trouble)),
            }
            self.used = self.used.max(self.length);
        }
        Ok(())
    }

    /// There may be more.
    fn is_full(&self) -> bool {
        self.length >= self.room.len()
    }

    fn bytes(&self) -> &[u8] {
        self.room.get(..self.length).unwrap_or_default()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        self.room.get_mut(..self.used).unwrap_or_default().zeroize();
    }
}

/// Remembers what the sink said, which the library wraps into errors of its own.
struct Watched<W> {
    sink: W,
    failed: Option<io::Error>,
}

impl<W: Write> Watched<W> {
    fn note<T>(&mut self, result: io::Result<T>) -> io::Result<T> {
        result.map_err(|trouble| {
            let kind = trouble.kind();
            if kind != io::ErrorKind::Interrupted {
                self.failed = Some(trouble);
            }
            kind.into()
        })
    }
}

impl<W: Write> Write for Watched<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let result = self.sink.write(bytes);
        self.note(result)
    }

    fn flush(&mut self) -> io::Result<()> {
        let result = self.sink.flush();
        self.note(result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::address::Address;
    use crate::openpgp::decrypt::Limits;
    use crate::openpgp::decrypt::decrypt;
    use crate::openpgp::generate::generate;
    use crate::openpgp::secret_key::SecretKey;
    use crate::openpgp::system_time;
    use sequoia_openpgp::Profile;
    use sequoia_openpgp::cert::CertBuilder;
    use std::sync::Arc;
    use std::sync::atomic::AtomicU64;
    use std::sync::atomic::Ordering;

    const NOW: Time = Time(1_795_318_393);
    const LENGTH: u64 = 25 << 20;

    /// How much lies between what was read and what was written, at most.
    #[derive(Clone, Debug, Default)]
    struct Between {
        read: Arc<AtomicU64>,
        written: Arc<AtomicU64>,
        most: Arc<AtomicU64>,
    }

    impl Between {
        fn look(&self) {
            let read = self.read.load(Ordering::Relaxed);
            self.most.fetch_max(read.saturating_sub(self.written.load(Ordering::Relaxed)), Ordering::Relaxed);
        }
    }

    struct Source<R>(R, Between);

    impl<R: Read> Read for Source<R> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let length = self.0.read(buffer)?;
            self.1.read.fetch_add(length as u64, Ordering::Relaxed);
            self.1.look();
            Ok(length)
        }
    }

    #[derive(Debug)]
    struct Sink(Vec<u8>, Between);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.1.written.fetch_add(bytes.len() as u64, Ordering::Relaxed);
            self.0.write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Of SEIPD version 1 and 2: whole each for itself, and refused when a bit of it is another.
    #[test]
    fn messages_of_one_session_key_stand_alone() {
        let old = generate(&Address::parse("alice@x.example").unwrap(), NOW).unwrap();
        let new = CertBuilder::new()
            .set_profile(Profile::RFC4880)
            .and_then(|builder| builder.set_features(Features::empty().set_seipdv1().set_seipdv2()))
            .unwrap()
            .set_creation_time(system_time(NOW))
            .add_userid("<bob@x.example>")
            .add_transport_encryption_subkey()
            .generate()
            .unwrap()
            .0;
        let new_key = SecretKey::new(&new).unwrap();
        let new = Certificate::new(new.strip_secret_key_material());
        let cases = [
            (vec![&old.parsed], &old.secret_key, 1),
            (vec![&new], &new_key, 2),
            (vec![&old.parsed, &new], &new_key, 1),
        ];
        for (recipients, reader, version) in cases {
            let addressed = Addressed::to(&recipients, NOW).unwrap();
            for text in [&b"the body"[..], b"the summary", b""] {
                let sealed = addressed.encrypt_bytes(text).unwrap().into_inner();
                let open = |sealed: &[u8]| {
                    let mut plain = Vec::new();
                    let limits = Limits::for_input(sealed.len() as u64);
                    decrypt(&[reader], sealed, &mut plain, &limits).map(|_| plain)
                };
                assert_eq!(open(&sealed).unwrap(), text);
                let container = sealed.get(addressed.packets.len()..).unwrap();
                assert!(container.len() < 190, "one octet is the length");
                assert_eq!(container.get(2), Some(&version), "version of the encrypted packet");
                for at in addressed.packets.len() + 3..sealed.len() {
                    let mut changed = sealed.clone();
                    changed[at] ^= 1;
                    assert!(open(&changed).is_err(), "octet {at}");
                }
            }
        }
    }

    #[test]
    fn a_large_message_streams_both_ways() {
        let key = generate(&Address::parse("alice@x.example").unwrap(), NOW).unwrap();
        for form in [Form::Binary, Form::Armored] {
            let between = Between::default();
            let source = Source(io::repeat(7).take(LENGTH), between.clone());
            let sink = Sink(Vec::new(), between.clone());
            let sealed = encrypt(&[&key.parsed], source, sink, NOW, form).unwrap().into_inner().0;
            assert_eq!(between.read.load(Ordering::Relaxed), LENGTH);
            let most = between.most.load(Ordering::Relaxed);
            assert!(most <= 5 << 20, "{form:?}: {most} octets held on encrypting");

            let between = Between::default();
            let source = Source(&sealed[..], between.clone());
            let mut sink = Sink(Vec::new(), between.clone());
            let keys = [&key.secret_key];
            decrypt(&keys, source, &mut sink, &Limits::for_input(sealed.len() as u64)).unwrap();
            assert_eq!(sink.0.len() as u64, LENGTH);
            let most = between.most.load(Ordering::Relaxed);
            let armor = if form == Form::Armored { LENGTH / 2 } else { 0 };
            assert!(most <= (5 << 20) + armor, "{form:?}: {most} octets held on decrypting");
        }
    }
}
