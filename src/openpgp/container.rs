//! The encrypted packet of a small message, written in one piece.
//!
//! The library's own writers keep 4 MiB for each of the two packets of a message, however small it is: asked for,
//! wiped and given back with every message, they leave holes in memory that nothing else fits into. Their product is
//! the same but for the lengths, which are written as one here.

use sequoia_openpgp::Result;
use sequoia_openpgp::crypto::SessionKey;
use sequoia_openpgp::crypto::symmetric::BlockCipherMode;
use sequoia_openpgp::crypto::symmetric::Encryptor;
use sequoia_openpgp::crypto::symmetric::PaddingMode;
use sequoia_openpgp::packet::Tag;
use sequoia_openpgp::packet::header::BodyLength;
use sequoia_openpgp::packet::header::CTB;
use sequoia_openpgp::serialize::Marshal;
use sequoia_openpgp::types::HashAlgorithm;
use sequoia_openpgp::types::SymmetricAlgorithm;
use std::io::Write;
use zeroize::Zeroizing;

/// What the container is encrypted with.
pub(in crate::openpgp) const SYMMETRIC: SymmetricAlgorithm = SymmetricAlgorithm::AES256;
/// Octets of a block of it.
const BLOCK: usize = 16;
/// Octets of SHA-1.
const DIGEST: usize = 20;
/// Binary, without a name and a date (RFC 9580 §5.9).
const LITERAL: [u8; 6] = [b'b', 0, 0, 0, 0, 0];

/// Writes `plaintext` as a literal inside a symmetrically encrypted and integrity protected packet of version 1
/// (RFC 9580 §5.13.1): a random block, its last two octets again, the literal packet, and the SHA-1 of all that.
pub(in crate::openpgp) fn write(key: &SessionKey, plaintext: &[u8], sink: &mut dyn Write) -> Result<()> {
    let room = BLOCK + 2 + 6 + LITERAL.len() + plaintext.len() + 2 + DIGEST;
    let mut content = Zeroizing::new(Vec::with_capacity(room));
    let mut prefix = [0; BLOCK];
    // The library would make a generator anew for these few octets.
    aws_lc_rs::rand::fill(&mut prefix)?;
    content.extend_from_slice(&prefix);
    content.extend_from_slice(prefix.last_chunk::<2>().map_or(&[], |last| last));
    head(Tag::Literal, LITERAL.len() + plaintext.len(), &mut *content)?;
    content.extend_from_slice(&LITERAL);
    content.extend_from_slice(plaintext);
    head(Tag::MDC, DIGEST, &mut *content)?;
    let mut hash = HashAlgorithm::SHA1.context()?.for_digest();
    hash.update(&content);
    content.extend_from_slice(&hash.into_digest()?);
    head(Tag::SEIP, 1 + content.len(), sink)?;
    sink.write_all(&[1])?;
    let mut encryptor = Encryptor::new(SYMMETRIC, BlockCipherMode::CFB, PaddingMode::None, key, None, sink)?;
    encryptor.write_all(&content)?;
    encryptor.finalize().map(drop)
}

/// Tag and length of a packet.
fn head(tag: Tag, length: usize, sink: &mut dyn Write) -> Result<()> {
    CTB::new(tag).serialize(sink)?;
    BodyLength::Full(u32::try_from(length)?).serialize(sink)
}
