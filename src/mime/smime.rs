//! S/MIME (RFC 8551), as far as it is looked at here: is a body encrypted?

use crate::mime::part::Content;
use crate::mime::problem::Problem;
use crate::mime::structure::Part;
use std::io::Read;
use std::io::Seek;

/// Encrypted, as the OIDs of RFC 5652 §6.1 and RFC 5083 §2 in DER.
const ENVELOPED: [&[u8]; 2] = [
    &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x03],
    &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x01, 0x17],
];
/// Octets in front of which the kind of a CMS structure stands.
const HEAD: u64 = 160;

/// Is this part encrypted? `smime-type` says so (RFC 8551 §3.2.2); where it is missing, the structure itself does.
pub fn is_encrypted(source: impl Read + Seek, part: &Part) -> Result<bool, Problem> {
    if !part.is("application", "pkcs7-mime") && !part.is("application", "x-pkcs7-mime") {
        return Ok(false);
    }
    if let Some(kind) = part.parameters.value("smime-type") {
        let kind = kind.trim();
        return Ok(["enveloped-data", "authenveloped-data"]
            .iter()
            .any(|word| kind.eq_ignore_ascii_case(word)));
    }
    let mut head = Vec::new();
    Content::open(source, part)?.take(HEAD).read_to_end(&mut head)?;
    Ok(kind(&head).is_some_and(|oid| ENVELOPED.contains(&oid)))
}

/// The OID at the start of a CMS structure (RFC 5652 §3): a SEQUENCE, of whatever length, that begins with it.
fn kind(head: &[u8]) -> Option<&[u8]> {
    let (&length, rest) = head.strip_prefix(&[0x30])?.split_first()?;
    // A length of 128 or more, or one that is not known beforehand, stands in so many octets more.
    let more = if length < 0x80 { 0 } else { usize::from(length & 0x7f) };
    let (&length, rest) = rest.get(more..)?.strip_prefix(&[0x06])?.split_first()?;
    rest.get(..usize::from(length))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mime::scan::Limits;
    use crate::mime::scan::Scanner;
    use data_encoding::BASE64;
    use std::io::Cursor;

    fn encrypted(header: &str, body: &[u8]) -> bool {
        let body = BASE64.encode(body);
        let message = format!("{header}\r\nContent-Transfer-Encoding: base64\r\n\r\n{body}\r\n");
        let structure = Scanner::scan(message.as_bytes(), Limits::default()).unwrap();
        is_encrypted(Cursor::new(message.as_bytes()), structure.root().unwrap()).unwrap()
    }

    #[test]
    fn what_it_says_it_is() {
        for (kind, want) in [
            ("application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m", true),
            ("application/x-pkcs7-mime; smime-type=\"Enveloped-Data\"", true),
            ("application/pkcs7-mime; smime-type=authEnveloped-data", true),
            ("application/pkcs7-mime; smime-type=signed-data; name=smime.p7m", false),
            ("application/pkcs7-mime; smime-type=compressed-data", false),
            ("application/pkcs7-mime; smime-type=", false),
            ("application/pkcs7-signature; smime-type=enveloped-data", false),
            ("text/plain; smime-type=enveloped-data", false),
        ] {
            assert_eq!(encrypted(&format!("Content-Type: {kind}"), b"x"), want, "{kind}");
        }
    }

    #[test]
    fn what_it_is_where_nothing_is_said() {
        let [enveloped, authenticated] = ENVELOPED;
        let signed = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02].as_slice();
        let cms = |start: &[u8], oid: &[u8]| [start, &[0x06, oid.len() as u8], oid, &[0xa0; 400]].concat();
        for (body, want) in [
            (cms(&[0x30, 0x80], enveloped), true),
            (cms(&[0x30, 0x82, 0x01, 0x9b], enveloped), true),
            (cms(&[0x30, 0x82, 0x01, 0x9d], authenticated), true),
            (cms(&[0x30, 0x80], signed), false),
            (cms(&[0x31, 0x80], enveloped), false),
            (b"a text that begins like nothing of the kind".to_vec(), false),
            (Vec::new(), false),
        ] {
            assert_eq!(encrypted("Content-Type: application/pkcs7-mime; name=smime.p7m", &body), want);
        }
        let whole = cms(&[0x30, 0x82, 0x01, 0x9b], enveloped);
        for length in 0..whole.len().min(32) {
            let enough = length >= 6 + enveloped.len();
            assert_eq!(
                encrypted("Content-Type: application/pkcs7-mime", &whole[..length]),
                enough,
                "{length}"
            );
        }
    }
}
