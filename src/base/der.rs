//! As much DER as it takes to find a key in a certificate that nothing else can be said of.

const SEQUENCE: u8 = 0x30;

/// One DER element with this tag: its content, and what stands behind it.
pub fn element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, rest) = bytes.split_first()?;
    let (length, mut rest) = rest.split_first()?;
    if *found != tag {
        return None;
    }
    let mut size = usize::from(*length);
    if size >= 0x80 {
        let (digits, behind) = rest.split_at_checked(size - 0x80)?;
        if digits.len() > 3 {
            return None;
        }
        size = digits.iter().fold(0, |size, digit| size << 8 | usize::from(*digit));
        rest = behind;
    }
    rest.split_at_checked(size)
}

/// The SubjectPublicKeyInfo of a certificate, as a whole element. No more of the certificate need be well-formed than
/// what stands before it: version, serial, signature, issuer, validity and subject (RFC 5280 §4.1).
pub fn key_info(certificate: &[u8]) -> Option<&[u8]> {
    const VERSION: u8 = 0xa0;
    const INTEGER: u8 = 0x02;
    let certificate = element(certificate, SEQUENCE)?.0;
    let mut fields = element(certificate, SEQUENCE)?.0;
    if let Some((_, rest)) = element(fields, VERSION) {
        fields = rest;
    }
    for tag in [INTEGER, SEQUENCE, SEQUENCE, SEQUENCE, SEQUENCE] {
        fields = element(fields, tag)?.1;
    }
    let behind = element(fields, SEQUENCE)?.1;
    fields.get(..fields.len() - behind.len())
}

/// The issuer of a certificate: the content of its Name.
pub fn issuer(certificate: &[u8]) -> Option<&[u8]> {
    const VERSION: u8 = 0xa0;
    const INTEGER: u8 = 0x02;
    let certificate = element(certificate, SEQUENCE)?.0;
    let mut fields = element(certificate, SEQUENCE)?.0;
    if let Some((_, rest)) = element(fields, VERSION) {
        fields = rest;
    }
    for tag in [INTEGER, SEQUENCE] {
        fields = element(fields, tag)?.1;
    }
    Some(element(fields, SEQUENCE)?.0)
}
