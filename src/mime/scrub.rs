//! What must not go on: fields that only this server may write, blind recipients, traces of the client.
//!
//! At the top fields are taken out of the [`Header`]; deeper down nothing is rewritten: [`inner_cuts`] names the
//! octets to leave out, and whoever sends the message on streams [`kept`] ranges.

use crate::mime::header::Field;
use crate::mime::header::Header;
use crate::mime::part::Content;
use crate::mime::problem::Problem;
use crate::mime::scan::Limits;
use crate::mime::scan::Scanner;
use crate::mime::structure::Part;
use crate::mime::structure::Span;
use crate::mime::structure::Structure;
use std::io;
use std::io::Read;
use std::io::Seek;

/// Fields of this server alone.
const OWN: &str = "x-guardpost-";

/// Fields that tell with which program, on which system, and from which address a message was written.
const CLIENT: [&str; 44] = [
    "user-agent",
    "x-mailer",
    "x-newsreader",
    "x-mimeole",
    "x-enigmail-version",
    "x-enigmail-supports",
    "x-enigmail-draft-status",
    "x-pgp-agent",
    "x-pgp-universal",
    "x-pgp-encoding-format",
    "x-pgp-encoding-version",
    "x-originating-ip",
    "x-originating-client",
    "x-originating-email",
    "x-original-client",
    "x-client-ip",
    "x-source",
    "x-source-ip",
    "x-source-args",
    "x-source-dir",
    "x-source-auth",
    "x-sender-ip",
    "x-remote-ip",
    "x-real-ip",
    "x-forwarded-for",
    "x-clientproxiedby",
    "x-authenticated-sender",
    "x-authenticated-user",
    "x-authuser",
    "x-get-message-sender-via",
    "x-webmail-client",
    "x-webmail-userid",
    "x-http-useragent",
    "x-operating-system",
    "x-os",
    "x-mozilla-status",
    "x-mozilla-status2",
    "x-mozilla-keys",
    "x-mozilla-draft-info",
    "x-identity-key",
    "x-account-key",
    "x-uniform-type-identifier",
    "x-universally-unique-identifier",
    "x-evolution-identity",
];

/// The beginnings of more such fields.
const CLIENT_FAMILIES: [&str; 6] =
    ["x-enigmail", "x-apple-", "x-evolution-", "x-kmail-", "x-ms-exchange-organization-", "x-sylpheed-"];

/// Is this a field that only this server writes: `X-Guardpost-…`, or `sent_header`?
pub fn is_own(field: &Field, sent_header: &str) -> bool {
    let name = field.name();
    name.get(..OWN.len()).is_some_and(|start| start.eq_ignore_ascii_case(OWN)) || field.is(sent_header)
}

/// Takes out what a submitted message may say to this server alone: `Bcc`, `X-Guardpost-…`, `sent_header`.
pub fn clean_submission(header: &mut Header, sent_header: &str) {
    header.retain(|field| !is_own(field, sent_header) && !field.is("bcc") && !field.is("resent-bcc"));
}

/// Takes out what a message from outside may not claim: `X-Guardpost-…`, `sent_header`, and
/// `Authentication-Results:` in the name of this server (RFC 8601 §5).
pub fn clean_arrival(header: &mut Header, sent_header: &str, hostname: &str) {
    header.retain(|field| {
        let ours = field.is("authentication-results") && server_name(field).eq_ignore_ascii_case(hostname);
        !ours && !is_own(field, sent_header)
    });
}

/// Takes out what tells about the client: every `Received:` that the client brought, its program, its system, its
/// address, and the comment that some put behind the number of `MIME-Version:`.
pub fn forget_client(header: &mut Header) {
    header.retain(|field| {
        let name = field.name().to_ascii_lowercase();
        name != "received"
            && !CLIENT.contains(&name.as_str())
            && !CLIENT_FAMILIES.iter().any(|family| name.starts_with(family))
    });
    if header.first("mime-version").is_some_and(|field| field.unfolded() != "1.0") {
        header.replace(Field::raw("MIME-Version", "1.0"));
    }
}

/// The name at the start of an `Authentication-Results:` field (RFC 8601 §2.2), comments passed over.
fn server_name(field: &Field) -> String {
    let value = field.unfolded();
    let mut depth = 0_usize;
    let mut name = String::new();
    for c in value.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ if depth > 0 => {}
            c if c.is_whitespace() && name.is_empty() => {}
            c if c.is_whitespace() || c == ';' => break,
            '"' => {}
            c => name.push(c),
        }
    }
    name
}

/// What to leave out below the top of a submitted message: `X-Guardpost-…` and `sent_header` in the headers of
/// parts and of messages inside, as ranges in ascending order.
///
/// Inside a signed or encrypted part nothing is cut, nor in a message inside that has a transfer encoding;
/// `sent_header` inside a signed part or such a message is refused ([`Problem::SentHeaderSigned`],
/// [`Problem::SentHeaderEncoded`]), because it would leave.
pub fn inner_cuts(
    source: &mut (impl Read + Seek),
    structure: &Structure,
    sent_header: &str,
) -> Result<Vec<Span>, Problem> {
    let mut cuts = Vec::new();
    for (index, part) in structure.parts.iter().enumerate() {
        let holders = || structure.ancestors(index).skip(1);
        let signed = holders().any(|holder| holder.is("multipart", "signed"));
        let sealed = holders().any(|holder| holder.is_secured());
        if sealed && !signed {
            continue;
        }
        if is_encoded_message(part) && encoded_message_has(source, part, sent_header)? {
            return Err(Problem::SentHeaderEncoded);
        }
        if index == 0 || part.header.length() == 0 {
            continue;
        }
        let header = Header::read(source, part.header)?;
        if signed && header.has(sent_header) {
            return Err(Problem::SentHeaderSigned);
        }
        if sealed {
            continue;
        }
        let mut at = part.header.start;
        for field in header.fields() {
            let end = at.saturating_add(field.bytes().len() as u64);
            if is_own(field, sent_header) {
                cuts.push(Span::new(at, end));
            }
            at = end;
        }
    }
    cuts.sort_by_key(|cut| cut.start);
    Ok(cuts)
}

/// A message inside with a transfer encoding: RFC 2046 §5.2.1 allows none, so the scan does not look into it, but some
/// programs write it. One that nobody knows is looked at as it stands.
fn is_encoded_message(part: &Part) -> bool {
    part.kind == "message"
        && matches!(part.subtype.as_str(), "rfc822" | "global")
        && !part.encoding.is_identity()
}

/// Does any header of the message that this part encodes have the field `name`? Into one that holds another of its
/// kind nobody looks: it is refused.
fn encoded_message_has(source: &mut (impl Read + Seek), part: &Part, name: &str) -> Result<bool, Problem> {
    // Where it went before says nothing of a loop here.
    let limits = Limits { hops: usize::MAX, ..Limits::default() };
    let structure = Scanner::read(Content::open(&mut *source, part)?, limits)?;
    if structure.parts.iter().any(is_encoded_message) {
        return Err(Problem::EncodedTwice);
    }
    let mut content = Content::open(source, part)?;
    let mut at = 0;
    for part in &structure.parts {
        io::copy(&mut (&mut content).take(part.header.start.saturating_sub(at)), &mut io::sink())?;
        let mut header = Vec::new();
        (&mut content).take(part.header.length()).read_to_end(&mut header)?;
        if Header::parse(&header).has(name) {
            return Ok(true);
        }
        at = part.header.end;
    }
    Ok(false)
}

/// What is left of `span` without `cuts`, which are in ascending order.
pub fn kept(span: Span, cuts: &[Span]) -> Vec<Span> {
    let mut out = Vec::new();
    let mut at = span.start;
    for cut in cuts.iter().filter(|cut| cut.end > span.start && cut.start < span.end) {
        if cut.start > at {
            out.push(Span::new(at, cut.start));
        }
        at = at.max(cut.end);
    }
    if at < span.end {
        out.push(Span::new(at, span.end));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mime::scan::Limits;
    use crate::mime::scan::Scanner;
    use std::io::Cursor;

    fn cleaned(raw: &str, clean: impl Fn(&mut Header)) -> String {
        let mut header = Header::parse(raw.as_bytes());
        clean(&mut header);
        String::from_utf8(header.render()).unwrap()
    }

    #[test]
    fn cleans_submissions() {
        let raw = "From: a@x\r\nBCC: b@x,\r\n c@x\r\nx-guardpost-encrypt: yes\r\nX-OxGuard-PIN: 123456\r\n\
            X-Guardpostal: stays\r\nResent-Bcc: d@x\r\nSubject: odd\r\n  fold\r\n\r\n";
        let got = cleaned(raw, |header| clean_submission(header, "X-OxGuard-PIN"));
        assert_eq!(got, "From: a@x\r\nX-Guardpostal: stays\r\nSubject: odd\r\n  fold\r\n\r\n");
    }

    #[test]
    fn cleans_arrivals() {
        let raw = "Authentication-Results: mx.example; spf=pass\r\nAuthentication-Results: other.example; x\r\n\
            Authentication-Results: (c) MX.Example 1; dkim=pass\r\nX-Guardpost-Encrypted: at-rest\r\nBcc: b@x\r\n\r\n";
        let got = cleaned(raw, |header| clean_arrival(header, "X-OxGuard-PIN", "mx.example"));
        assert_eq!(got, "Authentication-Results: other.example; x\r\nBcc: b@x\r\n\r\n");
    }

    #[test]
    fn forgets_the_client() {
        for traces in [
            "Received: from laptop [10.9.8.7] by mx; now\r\nUser-Agent: Mozilla Thunderbird\r\n\
             X-Enigmail-Draft-Status: N11100\r\nX-Identity-Key: id1\r\nX-Mozilla-Draft-Info: internal\r\n",
            "X-Mailer: Apple Mail (2.3731)\r\nX-Apple-Base-Url: x-msg://1/\r\nMime-Version: 1.0 (Mac OS X Mail 16.0)\r\n\
             X-Universally-Unique-Identifier: 1\r\n",
            "X-Mailer: Microsoft Outlook 16.0\r\nX-MimeOLE: Produced By\r\nX-Originating-IP: [10.9.8.7]\r\n\
             X-MS-Exchange-Organization-AuthSource: host\r\nX-Originating-Ip: [2001:db8::1]\r\n",
        ] {
            let raw = format!("Subject: s\r\n{traces}To: a@x\r\n\r\n");
            let got = cleaned(&raw, forget_client).replace("MIME-Version: 1.0\r\n", "");
            assert_eq!(got, "Subject: s\r\nTo: a@x\r\n\r\n");
        }
        assert_eq!(cleaned("MIME-Version:  1.0\r\n\r\n", forget_client), "MIME-Version:  1.0\r\n\r\n");
    }

    fn after_cuts(message: &str) -> Result<String, Problem> {
        let structure = Scanner::scan(message.as_bytes(), Limits::default()).unwrap();
        let cuts = inner_cuts(&mut Cursor::new(message.as_bytes()), &structure, "X-PIN")?;
        let kept = kept(Span::new(0, message.len() as u64), &cuts);
        Ok(kept.iter().map(|span| &message[span.start as usize..span.end as usize]).collect())
    }

    #[test]
    fn cuts_inside() {
        let inner = "Content-Type: message/rfc822\r\nX-PIN: 0\r\n\r\nSubject: i\r\nX-PIN: 1\r\n 2\r\n\
            X-Guardpost-Note: n\r\nTo: a\r\n\r\nX-PIN: body";
        let multipart = |kind: &str, part: &str| {
            format!(
                "X-PIN: top\r\nContent-Type: multipart/{kind}; boundary=b\r\n\r\n--b\r\n{part}\r\n--b--\r\n"
            )
        };
        let clean =
            inner.replace("X-PIN: 0\r\n", "").replace("X-PIN: 1\r\n 2\r\nX-Guardpost-Note: n\r\n", "");
        assert_eq!(after_cuts(&multipart("mixed", inner)).unwrap(), multipart("mixed", &clean));
        assert!(matches!(after_cuts(&multipart("signed", inner)), Err(Problem::SentHeaderSigned)));
        let sealed = multipart("encrypted", inner);
        assert_eq!(after_cuts(&sealed).unwrap(), sealed);
        let only_own = inner.replace("X-PIN: 0\r\n", "").replace("X-PIN: 1\r\n 2\r\n", "");
        let signed = multipart("signed", &only_own);
        assert_eq!(after_cuts(&signed).unwrap(), signed);
    }

    #[test]
    fn looks_into_encoded_messages() {
        let encoded = |kind: &str, inner: &str| {
            let body = data_encoding::BASE64.encode(inner.as_bytes());
            format!("Content-Type: message/{kind}\r\nContent-Transfer-Encoding: base64\r\n\r\n{body}")
        };
        let quoted = |inner: &str| {
            let body = inner.replace('=', "=3D").replace("PIN", "=50IN");
            format!(
                "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n{body}"
            )
        };
        let multipart = |kind: &str, part: &str| {
            format!("Content-Type: multipart/{kind}; boundary=b\r\n\r\n--b\r\n{part}\r\n--b--\r\n")
        };
        let pin = "Subject: i\r\nX-PIN: 1\r\n\r\ntext\r\n";
        let deep = "Subject: o\nContent-Type: multipart/mixed; boundary=i\n\n--i\n\ntext\n--i\n\
             Content-Type: message/rfc822\n\nX-Guardpost-Note: n\nx-pin : 1\n\ntext\n--i--\n";
        for message in [
            encoded("rfc822", pin),
            multipart("mixed", &encoded("rfc822", pin)),
            multipart("mixed", &encoded("global", deep)),
            multipart("mixed", &quoted(pin)),
            multipart("signed", &encoded("rfc822", pin)),
        ] {
            assert!(matches!(after_cuts(&message), Err(Problem::SentHeaderEncoded)), "{message}");
        }
        let misspelt =
            format!("Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bits\r\n\r\n{pin}");
        let after = after_cuts(&multipart("mixed", &misspelt));
        assert!(matches!(after, Err(Problem::SentHeaderEncoded)), "{after:?}");
        let twice = multipart("mixed", &encoded("rfc822", &quoted("Subject: i\r\n\r\ntext\r\n")));
        assert!(matches!(after_cuts(&twice), Err(Problem::EncodedTwice)));
        let travelled = "Received: by x; now\r\n".repeat(60) + "X-Guardpost-Note: n\r\n\r\nX-PIN: 1\r\n";
        for message in [
            encoded("rfc822", &travelled),
            multipart("mixed", &quoted(&travelled)),
            multipart("mixed", &encoded("delivery-status", pin)),
            multipart("encrypted", &encoded("rfc822", pin)),
        ] {
            assert_eq!(after_cuts(&message).unwrap(), message);
        }
    }

    #[test]
    fn keeps_the_rest() {
        let span = Span::new(2, 10);
        for (cuts, want) in [
            (vec![], vec![(2, 10)]),
            (vec![(0, 2)], vec![(2, 10)]),
            (vec![(0, 3), (5, 6), (9, 12)], vec![(3, 5), (6, 9)]),
            (vec![(2, 10)], vec![]),
            (vec![(3, 5), (5, 7)], vec![(2, 3), (7, 10)]),
        ] {
            let cuts: Vec<Span> = cuts.into_iter().map(|(start, end)| Span::new(start, end)).collect();
            let got: Vec<_> = kept(span, &cuts).iter().map(|span| (span.start, span.end)).collect();
            assert_eq!(got, want);
        }
    }
}
