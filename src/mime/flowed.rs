//! Plain text whose lines were broken for its way, joined again (RFC 3676).

/// Joins the paragraphs of a `format=flowed` text; `delete_space` is its `DelSp=yes`.
///
/// RFC 3676 §4.2–§4.5: a line that ends in a blank goes on in the next one of the same quoting depth, but for the
/// separator of a signature; one blank that stands in front was stuffed. Quoted lines come out with one `>` a level and
/// a blank; the blank in front of a `>` that quotes nothing stays, for who reads on.
pub fn unflow(text: &str, delete_space: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut open: Option<usize> = None;
    for line in text.lines() {
        let words = line.trim_start_matches('>');
        let depth = line.len() - words.len();
        let words = words.strip_prefix(' ').unwrap_or(words);
        let is_separator = words == "-- ";
        let goes_on = open == Some(depth) && !is_separator;
        if !goes_on {
            if open.is_some() {
                out.push('\n');
            }
            out.extend(std::iter::repeat_n('>', depth));
            if depth > 0 || words.starts_with('>') {
                out.push(' ');
            }
        }
        let flows = words.ends_with(' ') && !is_separator;
        let words = if flows && delete_space { words.strip_suffix(' ').unwrap_or(words) } else { words };
        out.push_str(words);
        open = flows.then_some(depth);
        if !flows {
            out.push('\n');
        }
    }
    if open.is_some() {
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn joins() {
        for (text, delete_space, want) in [
            ("one \ntwo\nthree\n", false, "one two\nthree\n"),
            ("o \nne\n", true, "one\n"),
            ("> a \n> b\n> c\n", false, "> a b\n> c\n"),
            (">> a \n> b\n", false, ">> a \n> b\n"),
            (">a \nb \n>c\n", false, "> a \nb \n> c\n"),
            ("end \n-- \nsignature \nline\n", false, "end \n-- \nsignature line\n"),
            (" >not quoted\n From x\n", false, " >not quoted\nFrom x\n"),
            ("one \n >two\n", false, "one >two\n"),
            ("a \n", false, "a \n"),
            ("", false, ""),
            ("\n\n", false, "\n\n"),
        ] {
            assert_eq!(unflow(text, delete_space), want, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn no_word_is_lost(text in "([> ]{0,3}[a-z ]{0,9}\n){0,20}") {
            let words = |text: &str| text.chars().filter(char::is_ascii_lowercase).collect::<String>();
            prop_assert_eq!(words(&unflow(&text, false)), words(&text));
        }
    }
}
