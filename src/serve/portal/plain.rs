//! Text from outside, made safe to look at: names, subjects, file names.

/// `text` on one line, without control and direction characters, as pages show it.
///
/// A right-to-left override in a file name makes `exe.gpj` read as `jpg.exe`; so such characters are left out
/// (Unicode Standard Annex #9 §2).
pub fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\t' | '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}' => out.push(' '),
            c if is_hidden(c) => {}
            c => out.push(c),
        }
    }
    out.trim().to_owned()
}

/// At most `characters` of `text`, with an ellipsis where something is missing.
pub fn cut(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default().trim_end()),
        None => text.to_owned(),
    }
}

/// A text over several lines, without control and direction characters.
pub fn lines(text: &str) -> String {
    text.chars()
        .filter(|c| matches!(c, '\n' | '\t') || !is_hidden(*c))
        .collect::<String>()
        .trim_end()
        .to_owned()
}

/// A file name that can be saved: no path, no control or direction character, at most 150 octets.
///
/// `number` names a file that has none.
pub fn file_name(given: &str, number: usize) -> String {
    let given = visible(given);
    let last = given.rsplit(['/', '\\', ':']).next().unwrap_or_default();
    let kept: String = last.chars().filter(|c| !matches!(c, '<' | '>' | '"' | '|' | '?' | '*')).collect();
    let kept = kept.trim_matches(|c: char| c == '.' || c.is_whitespace());
    if kept.is_empty() {
        return format!("file-{}", number + 1);
    }
    if kept.len() <= NAME {
        return kept.to_owned();
    }
    let ending =
        kept.rfind('.').and_then(|at| kept.get(at..)).filter(|ending| ending.len() <= 12).unwrap_or("");
    let stem = floor(kept, NAME - ending.len());
    format!("{stem}{ending}")
}

/// The value of `Content-Disposition` for a download (RFC 6266 §4.1, RFC 8187 §3.2).
pub fn disposition(name: &str) -> String {
    let ascii: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || " .-_()".contains(c) { c } else { '_' })
        .collect();
    let mut encoded = String::with_capacity(name.len() * 3);
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b".-_~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    format!("attachment; filename=\"{ascii}\"; filename*=UTF-8''{encoded}")
}

/// A file name, octets.
const NAME: usize = 150;

/// The start of `text`, at most `octets` long, cut between characters.
fn floor(text: &str, octets: usize) -> &str {
    let mut end = octets.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

/// Controls, direction marks, invisible joiners of no use in a name, and what is not a character.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{2069}' | '\u{206a}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn file_names() {
        for (given, want) in [
            ("report.pdf", "report.pdf"),
            ("../../etc/passwd", "passwd"),
            ("C:\\Users\\x\\evil.exe", "evil.exe"),
            ("photo\u{202e}gpj.exe", "photogpj.exe"),
            ("a\0b\r\nc.txt", "ab  c.txt"),
            ("...", "file-3"),
            ("", "file-3"),
            ("\"><script>.html", "script.html"),
            ("Ärger & Söhne.odt", "Ärger & Söhne.odt"),
        ] {
            assert_eq!(file_name(given, 2), want, "{given:?}");
        }
        let long = format!("{}.pdf", "ä".repeat(200));
        let name = file_name(&long, 0);
        assert!(name.len() <= NAME && name.ends_with(".pdf"), "{name}");
    }

    #[test]
    fn dispositions_are_one_safe_line() {
        assert_eq!(
            disposition("Müll \"x\".pdf"),
            "attachment; filename=\"M_ll _x_.pdf\"; filename*=UTF-8''M%C3%BCll%20%22x%22.pdf"
        );
    }

    proptest! {
        #[test]
        fn never_a_path_nor_a_line(text in "\\PC*|(.|\\n|\\r|\\t){0,300}") {
            let name = file_name(&text, 0);
            prop_assert!(!name.is_empty() && name.len() <= NAME);
            prop_assert!(!name.contains(['/', '\\', '\n', '\r', '\0', '"']));
            prop_assert!(disposition(&name).is_ascii());
            let shown = visible(&text);
            prop_assert!(!shown.contains(['\n', '\r', '\u{202e}']), "a line");
            prop_assert!(cut(&text, 10).chars().count() <= 11);
        }
    }
}
