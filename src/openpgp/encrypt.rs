//! Encryption: a stream in, a stream out, no compression.

use crate::base::time::Time;
use crate::openpgp::certificate::Certificate;
use crate::openpgp::certificate::Unusable;
use crate::openpgp::fingerprint_text;
use sequoia_openpgp::serialize::stream::Armorer;
use sequoia_openpgp::serialize::stream::Encryptor;
use sequoia_openpgp::serialize::stream::LiteralWriter;
use sequoia_openpgp::serialize::stream::Message;
use sequoia_openpgp::serialize::stream::Recipient;
use sequoia_openpgp::types::SymmetricAlgorithm;
use std::io;
use std::io::Read;
use std::io::Write;
use thiserror::Error;

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
    mut plaintext: R,
    sink: W,
    now: Time,
    form: Form,
) -> Result<Sealed<W>, EncryptError> {
    let mut sink = Watched { sink, failed: None };
    let result = write_message(recipients, &mut plaintext, &mut sink, now, form);
    match (result, sink.failed) {
        (Ok(()), _) => Ok(Sealed(sink.sink)),
        (Err(EncryptError::Failed), Some(trouble)) => Err(EncryptError::Write(trouble)),
        (Err(error), _) => Err(error),
    }
}

/// Encrypts something small, for the store.
pub fn encrypt_bytes(
    recipients: &[&Certificate],
    plaintext: &[u8],
    now: Time,
) -> Result<Sealed<Vec<u8>>, EncryptError> {
    encrypt(recipients, plaintext, Vec::with_capacity(plaintext.len() + 512), now, Form::Binary)
}

fn write_message(
    recipients: &[&Certificate],
    plaintext: &mut dyn Read,
    sink: &mut (impl Write + Send + Sync),
    now: Time,
    form: Form,
) -> Result<(), EncryptError> {
    let mut all = Vec::with_capacity(recipients.len());
    for certificate in recipients {
        let found = certificate.recipients(now).map_err(|why| EncryptError::Unusable {
            fingerprint: fingerprint_text(certificate.fingerprint()),
            why,
        })?;
        all.push(found);
    }
    let chosen: Vec<Recipient<'_>> = all
        .iter()
        .flat_map(|found| {
            let features = &found.features;
            found.keys.iter().map(move |key| Recipient::new(features.clone(), key.key_handle(), key))
        })
        .collect();
    if chosen.is_empty() {
        return Err(EncryptError::NoRecipients);
    }
    let failed = |_| EncryptError::Failed;
    let mut message = Message::new(sink);
    if form == Form::Armored {
        message = Armorer::new(message).build().map_err(failed)?;
    }
    let message = Encryptor::for_recipients(message, chosen)
        .symmetric_algo(SymmetricAlgorithm::AES256)
        .build()
        .map_err(failed)?;
    let mut message = LiteralWriter::new(message).build().map_err(failed)?;
    copy(plaintext, &mut message)?;
    message.finalize().map_err(failed)
}

fn copy(plaintext: &mut dyn Read, message: &mut Message<'_>) -> Result<(), EncryptError> {
    let mut piece = zeroize::Zeroizing::new(vec![0; 32 << 10]);
    loop {
        let length = match plaintext.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(length) => length,
            Err(trouble) if trouble.kind() == io::ErrorKind::Interrupted => continue,
            Err(trouble) => return Err(EncryptError::Read(trouble)),
        };
        let piece = piece.get(..length).unwrap_or_default();
        message.write_all(piece).map_err(|_| EncryptError::Failed)?;
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
