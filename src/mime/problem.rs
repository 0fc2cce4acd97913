//! What can be wrong with a message.

use std::io;
use std::sync::Arc;
use thiserror::Error;

/// Why a message is not taken, or cannot be worked on.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum Problem {
    /// The header of a part is longer than the limit, octets.
    #[error("a header is longer than {0} octets")]
    HeaderBlock(usize),
    /// One field is longer than the limit, octets.
    #[error("a header field is longer than {0} octets")]
    HeaderField(usize),
    /// A part has more fields than the limit.
    #[error("a header has more than {0} fields")]
    HeaderFields(usize),
    /// A field has more parameters than the limit.
    #[error("a header field has more than {0} parameters")]
    Parameters(usize),
    /// RFC 5321 §6.3: more `Received:` fields than the limit.
    #[error("more than {0} hops: the message loops")]
    Loop(usize),
    /// Parts are nested deeper than the limit.
    #[error("parts are nested deeper than {0}")]
    Depth(usize),
    /// More parts than the limit.
    #[error("more than {0} parts")]
    Parts(usize),
    /// RFC 2046 §5.1.1: a boundary longer than the limit, octets.
    #[error("a boundary is longer than {0} octets")]
    Boundary(usize),
    /// The message is longer than the limit, octets.
    #[error("the message is longer than {0} octets")]
    Size(u64),
    /// What must not be changed would have to be: inside a signed or encrypted part.
    #[error("a signed or encrypted part would have to be changed")]
    Protected,
    /// A header of this server stands inside a signed part.
    #[error("a signed part holds a header that may not leave")]
    SentHeaderSigned,
    /// A header of this server stands in a message inside that is encoded.
    #[error("an encoded message inside holds a header that may not leave")]
    SentHeaderEncoded,
    /// A message inside is encoded, and so is another one in it.
    #[error("an encoded message inside holds another encoded one")]
    EncodedTwice,
    /// The bytes are not what the structure says; they changed since the scan.
    #[error("the message is not the one that was scanned")]
    Changed,
    /// A key or signature could not be made or read.
    #[error("a signing key does not work")]
    SigningKey,
    /// What was stored does not decode.
    #[error("a stored summary does not decode")]
    Summary,
    /// The bytes could not be read or written.
    #[error("the message cannot be read or written")]
    Io(#[source] Arc<io::Error>),
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        Self::Io(Arc::new(error))
    }
}
