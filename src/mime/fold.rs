//! Fields that came in lines that are too long, folded without another word changed.

/// Lines are folded to so many octets where they can be (RFC 5322 §2.1.1).
pub(super) const WIDTH: usize = 78;

/// A line of a header, octets without its end.
const LONGEST_LINE: usize = 998;

/// A line of the field is longer than any may be.
pub(super) fn has_long_line(raw: &[u8]) -> bool {
    let mut lines = raw.split(|&byte| byte == b'\n');
    lines.any(|line| line.strip_suffix(b"\r").unwrap_or(line).len() > LONGEST_LINE)
}

/// The field folded in front of its blanks; with `commas` also behind commas, where one more blank changes nothing, as
/// in a list of addresses (RFC 5322 §3.4).
pub(super) fn folded(raw: &[u8], commas: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len() + raw.len() / 16);
    for line in raw.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii_end) {
        // A line of blanks alone would end the header for some.
        if !line.is_empty() {
            fold_line(&mut out, line, commas);
            out.extend_from_slice(b"\r\n");
        }
    }
    out
}

/// Writes one line of a field as several. No line is of blanks alone, and behind the name only one breaks that must.
fn fold_line(raw: &mut Vec<u8>, line: &[u8], commas: bool) {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let (mut column, mut words, mut quoted) = (0, 0, false);
    let mut rest = line;
    while !rest.is_empty() {
        let blanks = rest.iter().take_while(|byte| is_blank(byte)).count();
        let mut length = blanks;
        let mut escaped = false;
        for byte in rest.get(blanks..).unwrap_or_default() {
            if is_blank(byte) {
                break;
            }
            length += 1;
            quoted ^= *byte == b'"' && !escaped;
            escaped = *byte == b'\\' && !escaped;
            if commas && *byte == b',' && !quoted {
                break;
            }
        }
        let (token, left) = rest.split_at_checked(length).unwrap_or((rest, &[]));
        let width = if words > 1 { WIDTH } else { LONGEST_LINE };
        if words > 0 && column + token.len() > width {
            raw.extend_from_slice(if blanks > 0 { b"\r\n" } else { b"\r\n " });
            column = usize::from(blanks == 0);
        }
        raw.extend_from_slice(token);
        column += token.len();
        words += 1;
        rest = left;
    }
}

#[cfg(test)]
mod tests {
    use crate::mime::header::Header;

    #[test]
    fn folds_what_is_too_long_and_nothing_else() {
        let list: Vec<String> = (0..60).map(|n| format!("\"Doe, {n}\" <someone.{n}@x.example>")).collect();
        let ids: Vec<String> = (0..40).map(|n| format!("<{n}.1795318393@mail.x.example>")).collect();
        let word = "w".repeat(990);
        for (value, same) in [
            (list.join(", "), true),
            (list.join(","), true),
            (list.join(",").replace(' ', ""), false),
            (ids.join(" "), true),
            (format!("{word} {word}\r\n \r\n\tand {word}"), false),
        ] {
            let name = if value.starts_with('<') { "References" } else { "To" };
            let short = format!("Subject:  {}\r\n", "odd  ".repeat(40));
            let mut header = Header::parse(format!("{short}{name}: {value}\r\n\r\n").as_bytes());
            let before = header.clone();
            header.shorten().unwrap();
            let text = String::from_utf8(header.render()).unwrap();
            assert!(text.starts_with(&short) && text.ends_with("\r\n\r\n"), "{text}");
            let lines: Vec<&str> = text.split("\r\n").collect();
            assert!(
                lines.iter().all(|line| line.len() <= 998 && (line.is_empty() || !line.trim().is_empty()))
            );
            assert_eq!(
                header.addresses("to").addresses().count(),
                before.addresses("to").addresses().count()
            );
            assert_eq!(header.ids("references"), before.ids("references"));
            let said = |header: &Header| header.first(name).unwrap().unfolded();
            assert_eq!(said(&header) == said(&before), same, "{text}");
            assert_eq!(said(&header).replace(' ', ""), said(&before).replace(' ', ""));
        }
        let mut header = Header::parse(format!("X-Long: a {}\r\n\r\n", "w".repeat(999)).as_bytes());
        assert_eq!(header.shorten(), Err("X-Long".to_owned()));
    }
}
