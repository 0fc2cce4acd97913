//! BODY and BODYSTRUCTURE: a message's parts in IMAP's form (RFC 3501 §7.4.2).

use crate::imap::quote;
use crate::mime::parameter::Parameters;
use crate::mime::structure::Part;
use crate::mime::structure::Shape;
use crate::mime::structure::Structure;

/// BODY, or with its extension data BODYSTRUCTURE.
///
/// `envelope` gives the ENVELOPE of the message inside the `message/rfc822` of that number in
/// [`Structure::parts`].
pub fn body(structure: &Structure, extended: bool, envelope: &dyn Fn(usize) -> Vec<u8>) -> Vec<u8> {
    let mut writer = Writer { structure, extended, envelope, out: Vec::new() };
    writer.part(0);
    writer.out
}

struct Writer<'a> {
    structure: &'a Structure,
    extended: bool,
    envelope: &'a dyn Fn(usize) -> Vec<u8>,
    out: Vec<u8>,
}

impl Writer<'_> {
    /// The depth of the recursion is that of the message, which the scan bounds.
    fn part(&mut self, index: usize) {
        let Some(part) = self.structure.part(index) else {
            self.out.extend_from_slice(b"(\"text\" \"plain\" NIL NIL NIL \"7bit\" 0 0)");
            return;
        };
        self.out.push(b'(');
        if part.shape == Shape::Multipart {
            self.multipart(part);
        } else {
            self.single(index, part);
        }
        self.out.push(b')');
    }

    fn multipart(&mut self, part: &Part) {
        for child in &part.children {
            self.part(usize::try_from(*child).unwrap_or(usize::MAX));
        }
        self.out.push(b' ');
        quote::string(&mut self.out, part.subtype.as_bytes());
        if self.extended {
            self.out.push(b' ');
            self.parameters(&part.parameters);
            self.placement(part);
        }
    }

    fn single(&mut self, index: usize, part: &Part) {
        // A message that is encoded is no message that could be looked into (RFC 2046 §5.2.1).
        let is_message = part.shape == Shape::Message;
        let subtype = match (part.kind.as_str(), part.subtype.as_str(), is_message) {
            ("message", "rfc822" | "global", false) => ("application", "octet-stream"),
            (kind, subtype, _) => (kind, subtype),
        };
        quote::string(&mut self.out, subtype.0.as_bytes());
        self.out.push(b' ');
        quote::string(&mut self.out, if is_message { b"rfc822" } else { subtype.1.as_bytes() });
        self.out.push(b' ');
        self.parameters(&part.parameters);
        self.maybe(part.id.as_deref());
        self.maybe(part.description.as_deref());
        self.maybe(Some(part.encoding.name()));
        self.out.extend_from_slice(format!(" {}", part.body.length()).as_bytes());
        if is_message {
            let envelope = (self.envelope)(index);
            self.out.push(b' ');
            self.out.extend_from_slice(&envelope);
            self.out.push(b' ');
            let inside = part.children.first().copied().and_then(|child| usize::try_from(child).ok());
            self.part(inside.unwrap_or(usize::MAX));
        }
        if is_message || subtype.0 == "text" {
            self.out.extend_from_slice(format!(" {}", part.lines).as_bytes());
        }
        if self.extended {
            self.maybe(part.md5.as_deref());
            self.placement(part);
        }
    }

    /// Disposition, language and location.
    fn placement(&mut self, part: &Part) {
        self.out.push(b' ');
        match &part.disposition {
            Some(disposition) => {
                self.out.push(b'(');
                quote::string(&mut self.out, disposition.as_bytes());
                self.out.push(b' ');
                self.parameters(&part.disposition_parameters);
                self.out.push(b')');
            }
            None => self.out.extend_from_slice(b"NIL"),
        }
        self.out.push(b' ');
        match part.language.as_slice() {
            [] => self.out.extend_from_slice(b"NIL"),
            languages => {
                self.out.push(b'(');
                for (n, language) in languages.iter().enumerate() {
                    self.out.extend_from_slice(if n > 0 { b" " } else { b"" });
                    quote::string(&mut self.out, language.as_bytes());
                }
                self.out.push(b')');
            }
        }
        self.maybe(part.location.as_deref());
    }

    fn maybe(&mut self, text: Option<&str>) {
        self.out.push(b' ');
        quote::nstring(&mut self.out, text.map(str::as_bytes));
    }

    fn parameters(&mut self, parameters: &Parameters) {
        if parameters.0.is_empty() {
            self.out.extend_from_slice(b"NIL");
            return;
        }
        for (n, (name, value)) in parameters.0.iter().enumerate() {
            self.out.push(if n == 0 { b'(' } else { b' ' });
            quote::string(&mut self.out, name.as_bytes());
            self.out.push(b' ');
            quote::string(&mut self.out, value.as_bytes());
        }
        self.out.push(b')');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mime::scan::Limits;
    use crate::mime::scan::Scanner;

    #[test]
    fn writes_the_structure() {
        let mail = "Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n\
            Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\nZQ==\r\n--a\r\n\
            Content-Type: message/rfc822\r\nContent-Disposition: attachment; filename=\"a b\"\r\n\r\n\
            Subject: in\r\n\r\none\r\ntwo\r\n--a\r\n\
            Content-Type: image/png\r\nContent-ID: <x@y>\r\nContent-Language: de, en\r\n\r\nPNG\r\n--a--\r\n";
        let structure = Scanner::scan(mail.as_bytes(), Limits::default()).unwrap();
        let text = |extended| {
            String::from_utf8(body(&structure, extended, &|index| format!("(E{index})").into_bytes()))
                .unwrap()
        };
        assert_eq!(
            text(false),
            "((\"text\" \"plain\" (\"charset\" \"utf-8\") NIL NIL \"base64\" 4 1)\
             (\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 23 (E2) (\"text\" \"plain\" NIL NIL NIL \"7bit\" 8 2) 4)\
             (\"image\" \"png\" NIL \"<x@y>\" NIL \"7bit\" 3) \"mixed\")"
        );
        assert_eq!(
            text(true),
            "((\"text\" \"plain\" (\"charset\" \"utf-8\") NIL NIL \"base64\" 4 1 NIL NIL NIL NIL)\
             (\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 23 (E2) \
             (\"text\" \"plain\" NIL NIL NIL \"7bit\" 8 2 NIL NIL NIL NIL) 4 NIL \
             (\"attachment\" (\"filename\" \"a b\")) NIL NIL)\
             (\"image\" \"png\" NIL \"<x@y>\" NIL \"7bit\" 3 NIL NIL (\"de\" \"en\") NIL) \
             \"mixed\" (\"boundary\" \"a\") NIL NIL NIL)"
        );
    }
}
