//! Looks for what must not be there, in every dress that a mail system gives it.

use data_encoding::BASE64;

/// A text to be looked for, at least eight letters and digits.
pub struct Marker {
    forms: Vec<(&'static str, Vec<u8>)>,
}

impl Marker {
    /// As it is, base64 at its three alignments, quoted-printable, percent-encoded, UTF-16, hexadecimal.
    pub fn new(text: &str) -> Self {
        assert!(text.len() >= 8, "{text:?} is found by chance");
        let bytes = text.as_bytes();
        let mut forms = vec![
            ("raw", bytes.to_vec()),
            ("quoted-printable", escaped(bytes, '=')),
            ("percent-encoded", escaped(bytes, '%')),
            ("UTF-16, big end first", text.encode_utf16().flat_map(u16::to_be_bytes).collect()),
            ("UTF-16, little end first", text.encode_utf16().flat_map(u16::to_le_bytes).collect()),
            ("hexadecimal", data_encoding::HEXLOWER.encode(bytes).into_bytes()),
            ("reversed", bytes.iter().rev().copied().collect()),
        ];
        for (shift, name) in [(0, "base64, first"), (1, "base64, second"), (2, "base64, third")] {
            let text = BASE64.encode(&[&vec![0; shift][..], bytes].concat());
            // The first and the last characters hold bits of what stands around.
            let whole = (shift * 8).div_ceil(6)..(shift + bytes.len()) * 8 / 6;
            forms.push((name, text.as_bytes()[whole].to_vec()));
        }
        Self { forms }
    }

    /// The first form that stands in `octets`, also across the line ends of encodings.
    pub fn found_in(&self, octets: &[u8]) -> Option<&'static str> {
        let joined: Vec<u8> = octets.iter().copied().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect();
        let soft = joined_at_soft_breaks(octets);
        let in_any = |form: &[u8]| [octets, &joined, &soft].iter().any(|text| contains(text, form));
        self.forms.iter().find(|(_, form)| in_any(form)).map(|(name, _)| *name)
    }
}

/// Fails if any of `markers` stands in `octets`; `place` tells where that was.
pub fn assert_absent(markers: &[(&str, Marker)], place: &str, octets: &[u8]) {
    for (what, marker) in markers {
        if let Some(form) = marker.found_in(octets) {
            panic!("the {what} stands in {place}, {form}");
        }
    }
}

fn escaped(bytes: &[u8], sign: char) -> Vec<u8> {
    bytes.iter().map(|byte| format!("{sign}{byte:02X}")).collect::<String>().into_bytes()
}

fn joined_at_soft_breaks(octets: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(octets.len());
    let mut rest = octets;
    while let Some((byte, behind)) = rest.split_first() {
        match rest.strip_prefix(b"=\r\n").or_else(|| rest.strip_prefix(b"=\n")) {
            Some(behind) => rest = behind,
            None => {
                out.push(*byte);
                rest = behind;
            }
        }
    }
    out
}

/// `needle` stands in `octets`.
pub fn contains(octets: &[u8], needle: &[u8]) -> bool {
    let Some((first, _)) = needle.split_first() else { return true };
    let mut from = 0;
    while let Some(at) = octets[from..].iter().position(|byte| byte == first) {
        if octets[from + at..].starts_with(needle) {
            return true;
        }
        from += at + 1;
    }
    false
}

#[test]
fn finds_every_dress() {
    let marker = Marker::new("Kettledrum-7731");
    let hidden = b"xx Kettledrum-7731 yy";
    assert_eq!(marker.found_in(hidden), Some("raw"));
    for shift in 0..3 {
        let text = BASE64.encode(&hidden[shift..]);
        let folded: Vec<String> =
            text.as_bytes().chunks(7).map(|line| String::from_utf8_lossy(line).into_owned()).collect();
        let found = marker.found_in(folded.join("\r\n").as_bytes());
        assert!(found.is_some_and(|form| form.starts_with("base64")), "{found:?}");
    }
    assert_eq!(marker.found_in(b"Kettle=\r\ndrum-7731"), Some("raw"));
    let wide: Vec<u8> = "Kettledrum-7731".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(marker.found_in(&wide).is_some());
    assert_eq!(marker.found_in(b"Kettledrum-7732"), None);
}
