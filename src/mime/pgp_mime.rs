//! PGP/MIME (RFC 3156) with protected headers (RFC 9788): what stands around a ciphertext, and how one is found.
//!
//! Going out, the message becomes the inner part with all its fields, and around it stands a header in which the
//! subject is three dots. Coming in, only an outermost `multipart/encrypted` is one: parts beside a ciphertext
//! are separate documents.

use crate::mime::header::Field;
use crate::mime::header::Header;
use crate::mime::parameter;
use crate::mime::structure::Shape;
use crate::mime::structure::Span;
use crate::mime::structure::Structure;

/// The subject that everybody may see (RFC 9788 §3.2.1).
pub const OBSCURED: &str = "[...]";

/// Fields that are shown outside as they are; all others are only inside.
const OUTSIDE: [&str; 22] = [
    "from",
    "sender",
    "reply-to",
    "to",
    "cc",
    "date",
    "message-id",
    "in-reply-to",
    "references",
    "auto-submitted",
    "precedence",
    "list-id",
    "list-help",
    "list-post",
    "list-unsubscribe",
    "list-unsubscribe-post",
    "resent-from",
    "resent-to",
    "resent-cc",
    "resent-date",
    "resent-message-id",
    "resent-sender",
];

/// The header around a ciphertext, from the message's own: what transport and threads need, `Subject: [...]`, and
/// `multipart/encrypted` with this boundary.
pub fn outer_header(message: &Header, boundary: &str) -> Header {
    let mut outer = Header::default();
    for field in message.fields() {
        let name = field.name().to_ascii_lowercase();
        if name == "received" || name == "dkim-signature" {
            continue;
        }
        if name == "subject" && !outer.has("subject") {
            outer.append(Field::raw("Subject", OBSCURED));
        } else if OUTSIDE.contains(&name.as_str()) {
            outer.append(field.clone());
        }
    }
    if !outer.has("subject") {
        outer.append(Field::raw("Subject", OBSCURED));
    }
    outer.append(Field::raw("MIME-Version", "1.0"));
    outer.append(Field::raw(
        "Content-Type",
        &format!("multipart/encrypted; protocol=\"application/pgp-encrypted\"; boundary=\"{boundary}\""),
    ));
    outer
}

/// The header of what is encrypted: the message's own, marked as protected, with a record of what stands outside
/// (RFC 9788 §2.2).
pub fn inner_header(message: &Header, outer: &Header) -> Header {
    let mut leaves = message.clone();
    leaves.retain(|field| !field.is("received") && !field.is("dkim-signature"));
    kept_header(&leaves, outer)
}

/// The same for a message that came and stays: every field it had, its trace too.
pub fn kept_header(message: &Header, outer: &Header) -> Header {
    let mut inner = message.clone();
    inner.retain(|field| !field.is("hp-outer"));
    for field in outer.fields() {
        if !is_structural(field) {
            inner.append(Field::raw("HP-Outer", &format!("{}: {}", field.name(), field.unfolded())));
        }
    }
    let marked = mark(message.first("content-type"));
    inner.replace(marked);
    inner
}

/// Fields that say how the body is built: RFC 9788 calls them structural.
fn is_structural(field: &Field) -> bool {
    let name = field.name().to_ascii_lowercase();
    name == "mime-version" || name.starts_with("content-") || name.is_empty()
}

/// Content-Type with the marks of protected headers: the one of RFC 9788, and the older one that more programs
/// know.
fn mark(field: Option<&Field>) -> Field {
    const MARKS: &str = "hp=\"cipher\"; protected-headers=\"v1\"";
    let Some(field) = field.filter(|field| !field.value().trim_ascii().is_empty()) else {
        return Field::raw("Content-Type", &format!("text/plain; charset=us-ascii; {MARKS}"));
    };
    let mut raw = field.bytes().trim_ascii_end();
    while let Some(shorter) = raw.strip_suffix(b";") {
        raw = shorter.trim_ascii_end();
    }
    let marked = Field::from_line(&[raw, format!(";\r\n {MARKS}\r\n").as_bytes()].concat());
    let read = parameter::parse(marked.value(), usize::MAX).map(|(_, parameters)| parameters);
    if read.is_ok_and(|parameters| parameters.value("hp") == Some("cipher")) {
        return marked;
    }
    // A comment or a quote without its end would swallow the marks, other marks would win: ours go in front.
    let value = field.unfolded();
    let (kind, rest) = value.split_once(';').unwrap_or((&value, ""));
    let kind = kind.split(['(', '"']).next().unwrap_or_default().trim();
    Field::raw("Content-Type", &format!("{kind}; {MARKS}; {rest}"))
}

/// What stands behind the outer header in front of the armored ciphertext.
pub fn prefix(boundary: &str) -> Vec<u8> {
    format!(
        "This is an OpenPGP/MIME encrypted message (RFC 4880 and 3156).\r\n--{boundary}\r\n\
         Content-Type: application/pgp-encrypted\r\nContent-Description: PGP/MIME version identification\r\n\r\n\
         Version: 1\r\n\r\n--{boundary}\r\n\
         Content-Type: application/octet-stream; name=\"encrypted.asc\"\r\n\
         Content-Description: OpenPGP encrypted message\r\n\
         Content-Disposition: inline; filename=\"encrypted.asc\"\r\n\r\n"
    )
    .into_bytes()
}

/// What stands behind the armored ciphertext.
pub fn suffix(boundary: &str) -> Vec<u8> {
    format!("\r\n--{boundary}--\r\n").into_bytes()
}

/// Where the ciphertext of an encrypted message lies: the number of its part and its octets.
///
/// The transfer encoding still has to be taken off ([`crate::mime::part::Content`]).
pub fn ciphertext(structure: &Structure) -> Option<(usize, Span)> {
    let root = structure.root().filter(|root| root.is("multipart", "encrypted"))?;
    let [control, data] = root.children.as_slice() else { return None };
    let control = structure.part(usize::try_from(*control).ok()?)?;
    let index = usize::try_from(*data).ok()?;
    let data = structure.part(index)?;
    let protocol = root.parameters.value("protocol").unwrap_or("application/pgp-encrypted");
    let fits = protocol.eq_ignore_ascii_case("application/pgp-encrypted")
        && control.is("application", "pgp-encrypted")
        && data.shape == Shape::Leaf;
    fits.then_some((index, data.body))
}

/// How the fields inside a decrypted message are protected.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Protection {
    /// `hp="cipher"` (RFC 9788 §2.1).
    Cipher,
    /// `hp="clear"`: signed, meant to be seen.
    Clear,
    /// `protected-headers="v1"`, the older form.
    Older,
}

/// Whether the decrypted message's own fields are those that its sender wrote: then its subject and its
/// addresses count, not those outside.
pub fn protection(decrypted: &Structure) -> Option<Protection> {
    let root = decrypted.root()?;
    match root.parameters.value("hp") {
        Some("cipher") => return Some(Protection::Cipher),
        Some("clear") => return Some(Protection::Clear),
        _ => {}
    }
    let older = root.parameters.value("protected-headers")?;
    older.split(',').any(|word| word.trim().eq_ignore_ascii_case("v1")).then_some(Protection::Older)
}

/// The part that repeats the subject for programs that know nothing of protected headers, if there is one: not
/// to be shown (the older form's first part of its own).
pub fn legacy_display(decrypted: &Structure) -> Option<usize> {
    let root = decrypted.root().filter(|root| root.is("multipart", "mixed"))?;
    protection(decrypted)?;
    let first = usize::try_from(*root.children.first()?).ok()?;
    let part = decrypted.part(first)?;
    let marked = part.parameters.value("protected-headers") == Some("v1");
    (marked && (part.is("text", "plain") || part.is("text", "rfc822-headers"))).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mime::scan::Limits;
    use crate::mime::scan::Scanner;
    use proptest::prelude::*;

    const MESSAGE: &str = "Received: from here\r\nFrom: Jürgen <a@x.example>\r\nTo: b@y.example,\r\n c@y.example\r\n\
        Subject: the secret\r\nDate: Sun, 22 Nov 2026 03:33:13 +0000\r\nMessage-ID: <m@x>\r\nKeywords: hush\r\n\
        X-Custom: hush\r\nReferences: <r@x>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain;\r\n charset=utf-8\r\n\
        Content-Transfer-Encoding: 8bit\r\n\r\n";

    fn text(header: &Header) -> String {
        String::from_utf8(header.render()).unwrap()
    }

    #[test]
    fn wraps() {
        let message = Header::parse(MESSAGE.as_bytes());
        let outer = outer_header(&message, "=_b");
        assert_eq!(
            text(&outer),
            "From: Jürgen <a@x.example>\r\nTo: b@y.example,\r\n c@y.example\r\nSubject: [...]\r\n\
             Date: Sun, 22 Nov 2026 03:33:13 +0000\r\nMessage-ID: <m@x>\r\nReferences: <r@x>\r\nMIME-Version: 1.0\r\n\
             Content-Type: multipart/encrypted; protocol=\"application/pgp-encrypted\";\r\n boundary=\"=_b\"\r\n\r\n"
        );
        let inner = inner_header(&message, &outer);
        assert_eq!(
            text(&inner),
            "From: Jürgen <a@x.example>\r\nTo: b@y.example,\r\n c@y.example\r\nSubject: the secret\r\n\
             Date: Sun, 22 Nov 2026 03:33:13 +0000\r\nMessage-ID: <m@x>\r\nKeywords: hush\r\nX-Custom: hush\r\n\
             References: <r@x>\r\nMIME-Version: 1.0\r\n\
             Content-Type: text/plain;\r\n charset=utf-8;\r\n hp=\"cipher\"; protected-headers=\"v1\"\r\n\
             Content-Transfer-Encoding: 8bit\r\nHP-Outer: From: Jürgen <a@x.example>\r\n\
             HP-Outer: To: b@y.example, c@y.example\r\nHP-Outer: Subject: [...]\r\n\
             HP-Outer: Date: Sun, 22 Nov 2026 03:33:13 +0000\r\nHP-Outer: Message-ID: <m@x>\r\n\
             HP-Outer: References: <r@x>\r\n\r\n"
        );
        assert!(!text(&outer).contains("hush") && !text(&outer).contains("secret"));
        let kept = text(&kept_header(&message, &outer));
        assert_eq!(kept, format!("Received: from here\r\n{}", text(&inner)));
    }

    fn sealed(ciphertext: &str) -> Vec<u8> {
        let outer = outer_header(&Header::parse(MESSAGE.as_bytes()), "=_b");
        [outer.render(), prefix("=_b"), ciphertext.as_bytes().to_vec(), suffix("=_b")].concat()
    }

    #[test]
    fn finds_what_it_wrapped() {
        let armor = "-----BEGIN PGP MESSAGE-----\r\n\r\nabcd\r\n-----END PGP MESSAGE-----\r\n";
        let message = sealed(armor);
        let structure = Scanner::scan(&message, Limits::default()).unwrap();
        let (index, span) = self::ciphertext(&structure).unwrap();
        assert_eq!(index, 2);
        assert_eq!(&message[span.start as usize..span.end as usize], armor.as_bytes());
        assert_eq!(structure.longest_line.max(78), 78);
    }

    #[test]
    fn finds_only_the_outermost() {
        let good = String::from_utf8(sealed("x")).unwrap();
        let within = format!("Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\n{good}\r\n--o--\r\n");
        for (what, message, want) in [
            ("as written", good.clone(), true),
            ("without protocol", good.replace("protocol=\"application/pgp-encrypted\";", ""), true),
            (
                "another protocol",
                good.replace("protocol=\"application/pgp-encrypted\"", "protocol=x/y"),
                false,
            ),
            (
                "another first part",
                good.replace("Type: application/pgp-encrypted", "Type: text/plain"),
                false,
            ),
            ("mixed", good.replace("multipart/encrypted", "multipart/mixed"), false),
            ("a third part", good.replace("--=_b--", "--=_b\r\n\r\nextra\r\n--=_b--"), false),
            ("inside another", within, false),
            ("plain", "Subject: x\r\n\r\ny".into(), false),
        ] {
            let structure = Scanner::scan(message.as_bytes(), Limits::default()).unwrap();
            assert_eq!(self::ciphertext(&structure).is_some(), want, "{what}");
        }
    }

    #[test]
    fn knows_protected_headers() {
        for (content_type, want) in [
            ("text/plain; hp=\"cipher\"", Some(Protection::Cipher)),
            ("text/plain; hp=clear", Some(Protection::Clear)),
            ("multipart/mixed; boundary=b; protected-headers=\"v1\"", Some(Protection::Older)),
            ("text/plain; protected-headers=v2", None),
            ("text/plain", None),
        ] {
            let message = format!("Content-Type: {content_type}\r\n\r\nx");
            let structure = Scanner::scan(message.as_bytes(), Limits::default()).unwrap();
            assert_eq!(protection(&structure), want, "{content_type}");
        }
        let older = "Content-Type: multipart/mixed; boundary=b; protected-headers=\"v1\"\r\nSubject: s\r\n\r\n\
            --b\r\nContent-Type: text/plain; protected-headers=\"v1\"\r\n\r\nSubject: s\r\n--b\r\n\r\ntext\r\n--b--\r\n";
        let structure = Scanner::scan(older.as_bytes(), Limits::default()).unwrap();
        assert_eq!(legacy_display(&structure), Some(1));
    }

    #[test]
    fn marks_every_type() {
        for (raw, want) in [
            ("", "text/plain"),
            ("Content-Type: text/html;\r\n", "text/html"),
            ("Content-Type: text/html; name=\"open\r\n", "text/html"),
            ("Content-Type: text/html (open\r\n", "text/html"),
            ("Content-Type: multipart/mixed; boundary=\"a b\"\r\n", "multipart/mixed"),
        ] {
            let header = Header::parse(format!("{raw}\r\n").as_bytes());
            let inner = inner_header(&header, &Header::default());
            let rendered = [inner.render(), b"--a b\r\n\r\nx".to_vec()].concat();
            let structure = Scanner::scan(&rendered, Limits::default()).unwrap();
            let root = structure.root().unwrap();
            assert_eq!(format!("{}/{}", root.kind, root.subtype), want);
            assert_eq!(protection(&structure), Some(Protection::Cipher), "{raw}");
        }
    }

    proptest! {
        #[test]
        fn nothing_hidden_is_outside(subject in "[a-z]{12,20}", keywords in "[a-z]{12,20}") {
            let raw = format!("Subject: {subject}\r\n {keywords}\r\nComments: {keywords}\r\nFrom: a@x\r\n\r\n");
            let outer = text(&outer_header(&Header::parse(raw.as_bytes()), "b"));
            prop_assert!(!outer.contains(&subject) && !outer.contains(&keywords));
        }
    }
}
