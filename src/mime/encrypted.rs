//! Did whoever wrote a message encrypt it?

use crate::mime::problem::Problem;
use crate::mime::smime;
use crate::mime::structure::Part;
use std::io::Read;
use std::io::Seek;

/// A message with this root is ciphertext: of OpenPGP (RFC 3156 §4) or of S/MIME (RFC 8551 §3.3).
pub fn by_its_author(source: impl Read + Seek, root: &Part) -> Result<bool, Problem> {
    if root.is("multipart", "encrypted") { Ok(true) } else { smime::is_encrypted(source, root) }
}
