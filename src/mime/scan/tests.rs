//! Odd messages, bombs, and the same structure however a message is cut.

use super::*;
use crate::mime::odd;
use proptest::prelude::*;

fn scan(message: &[u8]) -> Result<Structure, Problem> {
    Scanner::scan(message, Limits::default())
}

/// `depth:kind/subtype[body]` of every part.
fn outline(message: &[u8]) -> String {
    let structure = match scan(message) {
        Ok(structure) => structure,
        Err(problem) => return problem.to_string(),
    };
    let mut out = Vec::new();
    for (index, part) in structure.parts.iter().enumerate() {
        let depth = structure.ancestors(index).count() - 1;
        let body = &message[part.body.start as usize..part.body.end as usize];
        let shown = if part.shape == Shape::Leaf {
            format!("[{}]{}", String::from_utf8_lossy(body).escape_debug(), part.lines)
        } else {
            String::new()
        };
        out.push(format!("{depth}:{}/{}{shown}", part.kind, part.subtype));
    }
    out.join(" ")
}

#[test]
fn odd_messages() {
    assert!(odd::MESSAGES.len() >= 60);
    for (what, message, want) in odd::MESSAGES {
        assert_eq!(outline(message), *want, "{what}");
        check(&scan(message).unwrap(), message.len());
    }
}

#[test]
fn cut_anywhere_the_same() {
    for (what, message, _) in odd::MESSAGES {
        let whole = scan(message).map_err(|problem| problem.to_string());
        for size in [1, 2, 3, 7] {
            let mut scanner = Scanner::new(Limits::default());
            let fed = message.chunks(size).try_for_each(|chunk| scanner.feed(chunk));
            let pieces = fed.and_then(|()| scanner.finish()).map_err(|problem| problem.to_string());
            assert_eq!(pieces, whole, "{what} in pieces of {size}");
        }
    }
}

/// A message, the problem it must meet (empty: none), and what it is.
fn bombs() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let nested_multipart: String = (0..100_000)
        .map(|n| format!("Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n"))
        .collect();
    let million = 1_000_000;
    let mut prefix = String::from("Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n");
    for n in 1..29 {
        let boundary = "a".repeat(n + 1);
        prefix += &format!("Content-Type: multipart/mixed; boundary={boundary}\r\n\r\n--{boundary}\r\n");
    }
    prefix += "\r\n";
    let almost = prefix + &format!("--{}x\r\n", "a".repeat(67)).repeat(30_000);
    let in_field = |value: String| format!("Content-Type: text/plain{value}\r\n\r\n").into_bytes();
    vec![
        ("message/rfc822", "Content-Type: message/rfc822\r\n\r\n".repeat(million).into_bytes(), "deeper"),
        ("message/rfc822 shortest", "Content-Type:message/rfc822\n\n".repeat(million).into_bytes(), "deeper"),
        ("multipart", nested_multipart.into_bytes(), "deeper"),
        ("headers", "a:b\r\n".repeat(million).into_bytes(), "fields"),
        ("garbage in the header", ["a:b\r\n", &"x\r\n".repeat(million)].concat().into_bytes(), "fields"),
        ("one header", [b"a:".as_slice(), &vec![b'x'; million]].concat(), "field is longer"),
        ("folds", ["a:\r\n", &" x\r\n".repeat(million)].concat().into_bytes(), "field is longer"),
        ("header block", format!("a:{}\r\n", "x".repeat(900)).repeat(999).into_bytes(), "header is longer"),
        ("parameters", in_field((0..million).map(|n| format!(";a*{n}=b")).collect()), "field is longer"),
        ("short parameters", in_field(";a=b".repeat(8_000)), "parameters"),
        ("empty parameters", in_field(";".repeat(30_000)), ""),
        ("parens", in_field("(".repeat(million)), "field is longer"),
        ("parens that fit", in_field("(".repeat(30_000)), ""),
        ("quotes", in_field(";a=\"\\".repeat(6_000)), "parameters"),
        (
            "boundary",
            b"Content-Type: multipart/x; boundary=".iter().copied().chain([b'b'; 71]).collect(),
            "71",
        ),
        (
            "parts",
            ["Content-Type: multipart/mixed; boundary=b\r\n\r\n", &"--b\r\n".repeat(million)].concat().into(),
            "more than 500 parts",
        ),
        ("almost boundaries", almost.into_bytes(), ""),
        ("hops", "Received: x\r\n".repeat(51).into_bytes(), "loops"),
        ("hyphens", b"\r\n".iter().copied().chain(b"--\r\n".repeat(million)).collect(), ""),
        ("NULs", vec![0; 30_000], ""),
        ("NULs in a body", b"\r\n".iter().copied().chain(vec![0; million]).collect(), ""),
        ("returns", b"\r\n".iter().copied().chain(vec![b'\r'; million]).collect(), ""),
    ]
}

#[test]
fn bombs_are_refused_with_linear_work() {
    for (what, message, want) in bombs() {
        let mut scanner = Scanner::new(Limits::default());
        let fed = message.chunks(4096).try_for_each(|chunk| scanner.feed(chunk));
        let steps = scanner.steps();
        assert!(steps <= 40 * message.len() as u64, "{what}: {steps} for {}", message.len());
        let said = match fed.and_then(|()| scanner.finish()) {
            Ok(_) => String::new(),
            Err(problem) => problem.to_string(),
        };
        match want {
            "" | "71" => assert_eq!(said.is_empty(), want.is_empty(), "{what}: {said}"),
            want => assert!(said.contains(want), "{what}: {said:?}"),
        }
    }
}

#[test]
fn a_problem_stays() {
    let mut scanner = Scanner::new(Limits { size: 4, ..Limits::default() });
    assert!(scanner.feed(b"A: b\r\n").is_err());
    assert!(scanner.feed(b"").is_err());
    assert!(matches!(scanner.finish(), Err(Problem::Size(4))));
}

#[test]
fn notes_what_transport_must_know() {
    for (message, want) in [
        (&b"A: b\r\n\r\nplain\r\n"[..], (false, false, 5, false, false)),
        ("A: b\r\n\r\nü\r\n".as_bytes(), (false, true, 2, false, false)),
        ("A: ü\r\n\r\n\r\n".as_bytes(), (true, false, 0, false, false)),
        (b"A: b\r\n\r\na\0b\r\n", (false, false, 3, true, false)),
        (b"A: b\n\r\n", (false, false, 0, false, true)),
        (b"A: b\r\n\r\na\rb\r\n", (false, false, 3, false, true)),
        (b"A: b\r\n\r\na\r", (false, false, 2, false, true)),
    ] {
        let s = scan(message).unwrap();
        let got = (s.eight_bit_header, s.eight_bit_body, s.longest_line, s.nul, s.bare_newline);
        assert_eq!(got, want, "{message:?}");
    }
}

#[test]
fn keeps_what_imap_shows() {
    let message = "Content-Type: application/pdf; NAME=x\r\nContent-Type: text/html\r\n\
        Content-Disposition: ATTACHMENT; filename*=utf-8''%C3%BC.pdf\r\nContent-ID: <a@b>\r\n\
        Content-Transfer-Encoding: BASE64 (yes)\r\nContent-Description: a\r\n b\r\n\
        Content-Language: de, en\r\nContent-Location: http://x/\r\n y\r\nContent-MD5: Q2hl\r\n\r\nYQ==";
    let structure = scan(message.as_bytes()).unwrap();
    let part = structure.root().unwrap();
    assert!(part.is("application", "pdf") && part.is_attachment());
    assert_eq!(part.encoding, Encoding::Base64);
    assert_eq!(part.parameters.value("name"), Some("x"));
    assert_eq!(part.disposition_parameters.value("filename*"), Some("utf-8''%C3%BC.pdf"));
    assert_eq!(part.file_name().as_deref(), Some("ü.pdf"));
    assert_eq!(part.id.as_deref(), Some("<a@b>"));
    assert_eq!(part.description.as_deref(), Some("a b"));
    assert_eq!(part.language, ["de", "en"]);
    assert_eq!(part.location.as_deref(), Some("http://x/y"));
    assert_eq!(part.md5.as_deref(), Some("Q2hl"));
}

fn in_pieces(message: &[u8], sizes: &[usize]) -> Result<Structure, String> {
    let mut scanner = Scanner::new(Limits::default());
    let mut rest = message;
    for &size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, after) = rest.split_at(size.clamp(1, rest.len()));
        scanner.feed(piece).map_err(|problem| problem.to_string())?;
        rest = after;
    }
    scanner.finish().map_err(|problem| problem.to_string())
}

/// Lines as hostile messages have them.
fn lines() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        Just("--a"),
        Just("--a--"),
        Just("--b"),
        Just("--b--"),
        Just("--a "),
        Just("--ab"),
        Just(""),
        Just(""),
        Just("Content-Type: multipart/mixed; boundary=a"),
        Just("Content-Type: multipart/digest; boundary=b"),
        Just("Content-Type: message/rfc822"),
        Just("Content-Type: multipart/alternative; boundary=ab"),
        Just("Content-Transfer-Encoding: base64"),
        Just("Subject: x"),
        Just(" folded"),
        Just("text"),
    ];
    let end = prop_oneof![4 => Just("\r\n"), 1 => Just("\n"), 1 => Just("\r")];
    proptest::collection::vec((line, end), 0..60)
        .prop_map(|lines| lines.into_iter().flat_map(|(line, end)| [line, end]).collect::<String>().into())
}

/// What holds for every structure: ranges in order and inside their holder, every part found by its path.
fn check(structure: &Structure, length: usize) {
    assert_eq!(structure.size, length as u64);
    for (index, part) in structure.parts.iter().enumerate() {
        assert!(part.header.start <= part.header.end && part.header.end == part.body.start);
        assert!(part.body.start <= part.body.end && part.body.end <= structure.size);
        assert!(part.lines <= part.body.length());
        assert_eq!(part.children.is_empty(), part.shape == Shape::Leaf);
        if let Some(parent) = part.parent {
            let holder = &structure.parts[parent as usize];
            assert!(holder.children.contains(&(index as u32)) && (parent as usize) < index);
            assert!(holder.body.start <= part.header.start && part.body.end <= holder.body.end);
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_in_any_pieces(
        message in proptest::collection::vec(any::<u8>(), 0..600),
        sizes in proptest::collection::vec(1..50_usize, 1..6),
    ) {
        let whole = scan(&message).map_err(|problem| problem.to_string());
        if let Ok(structure) = &whole { check(structure, message.len()); }
        prop_assert_eq!(in_pieces(&message, &sizes), whole);
    }

    #[test]
    fn likely_lines_in_any_pieces(
        message in lines(),
        sizes in proptest::collection::vec(1..50_usize, 1..6),
    ) {
        let whole = scan(&message).map_err(|problem| problem.to_string());
        if let Ok(structure) = &whole { check(structure, message.len()); }
        prop_assert_eq!(in_pieces(&message, &sizes), whole);
    }
}
