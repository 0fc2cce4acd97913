//! Commands as clients write them, read or refused.

use super::*;
use proptest::prelude::*;

fn shown(line: &str) -> String {
    match read(format!("{line}\r\n").as_bytes()) {
        Ok(tagged) => format!("{:?}", tagged.command),
        Err(bad) => format!("bad {}", bad.tag),
    }
}

#[test]
fn reads_and_refuses() {
    for (line, want) in [
        ("a noop", "Noop"),
        ("a STARTTLS", "StartTls"),
        ("a login bob \"x y\"", "Login { user: \"bob\", password: Secret(..) }"),
        ("a login {3}\r\nb b {3}\r\n\"\"\"", "Login { user: \"b b\", password: Secret(..) }"),
        ("a login bob \"pässwörd\"", "Login { user: \"bob\", password: Secret(..) }"),
        ("a authenticate plain", "AuthenticatePlain(None)"),
        ("a authenticate PLAIN AGEAYg==", "AuthenticatePlain(Some(Secret(..)))"),
        ("a authenticate PLAIN =", "AuthenticatePlain(Some(Secret(..)))"),
        ("a authenticate gssapi", "AuthenticateOther"),
        ("a login bob \"back\\\\slash \\\"\"", "Login { user: \"bob\", password: Secret(..) }"),
        ("a select inBox", "Select { folder: \"INBOX\", read_only: false }"),
        ("a examine \"Entw&APw-rfe\"", "Select { folder: \"Entwürfe\", read_only: true }"),
        ("a list \"\" %", "List { pattern: \"%\", subscribed: false }"),
        ("a lsub \"a/\" \"*\"", "List { pattern: \"a/*\", subscribed: true }"),
        ("a status sent (messages uidnext)", "Status { folder: \"sent\", items: [Messages, UidNext] }"),
        ("a getquota \"\"", "Unknown"),
        ("a uid expunge 3:*", "Expunge(Some(Set([(Number(3), Largest)])))"),
    ] {
        assert_eq!(shown(line), want, "{line}");
    }
    for (line, want) in [
        ("", "bad *"),
        ("a", "bad a"),
        ("a  noop", "bad a"),
        ("* noop", "bad *"),
        ("x1 select", "bad x1"),
        ("x1 select a b", "bad x1"),
        ("x1 select \"&\"", "bad x1"),
        ("x1 fetch 0 flags", "bad x1"),
        ("x1 fetch 1 ()", "bad x1"),
        ("x1 fetch 1 binary[1]", "bad x1"),
        ("x1 login {30}\r\nshort", "bad x1"),
        ("x1 noop\r\nx2 noop", "bad x1"),
        ("x1 authenticate plain !", "bad x1"),
        ("x1 login bob \"\\n\" extra", "bad x1"),
    ] {
        assert_eq!(shown(line), want, "{line}");
    }
}

#[test]
fn passwords_come_as_they_were_meant() {
    for (line, want) in [
        ("a login bob x", "x"),
        ("a login bob \"a\\\\b\\\"c\"", "a\\b\"c"),
        ("a login bob \"pässwörd\"", "pässwörd"),
        ("a login \"bob\" {3}\r\n\\\"ä", "\\\"ä"),
        ("a login {3}\r\n\"\"\" \"ß\"", "ß"),
    ] {
        // A literal's length counts octets; "ä" has two.
        let line = line.replace("{3}\r\n\\\"ä", "{4}\r\n\\\"ä");
        let Ok(Tagged { command: Command::Login { password, .. }, .. }) =
            read(format!("{line}\r\n").as_bytes())
        else {
            panic!("{line}")
        };
        assert_eq!(password.expose(), want, "{line}");
    }
}

#[test]
fn fetch_items() {
    for (line, want) in [
        ("rfc822", "RFC822 [] All None false"),
        ("rfc822.header", "RFC822.HEADER [] Header None true"),
        ("body[]", "BODY[] [] All None false"),
        ("body.peek[1.2.mime]<7.9>", "BODY[1.2.MIME] [1, 2] Mime Some((7, 9)) true"),
        ("body[3.text]", "BODY[3.TEXT] [3] Text None false"),
        (
            "body[header.fields (\"Subject\" to \"a b\")]",
            "BODY[HEADER.FIELDS (Subject to \"a b\")] [] Fields { names: [\"Subject\", \"to\", \"a b\"], not: false } None false",
        ),
        (
            "body.peek[2.header.fields.not (x)]",
            "BODY[2.HEADER.FIELDS.NOT (x)] [2] Fields { names: [\"x\"], not: true } None true",
        ),
    ] {
        let Ok(Tagged { command: Command::Fetch { items, .. }, .. }) =
            read(format!("a fetch 1 {line}\r\n").as_bytes())
        else {
            panic!("{line}")
        };
        let [Item::Section(section)] = items.as_slice() else { panic!("{line}") };
        let Section { label, path, what, partial, peek } = section;
        assert_eq!(format!("{label} {path:?} {what:?} {partial:?} {peek}"), want);
    }
}

#[test]
fn fetch_items_count_once() {
    let items = |line: String| match read(format!("a uid fetch 1 ({line})\r\n").as_bytes()) {
        Ok(Tagged { command: Command::Fetch { items, .. }, .. }) => items,
        other => panic!("{other:?}"),
    };
    assert_eq!(items("flags UID Flags envelope uid".into()), [Item::Flags, Item::Uid, Item::Envelope]);
    assert_eq!(items("ENVELOPE ".repeat(7_000).trim_end().into()), [Item::Envelope]);
    let different: Vec<String> = (0..900).map(|n| format!("body.peek[]<{n}.1>")).collect();
    assert_eq!(items(different.join(" ")).len(), crate::base::limits::FETCH_ITEMS + 1);
}

#[test]
fn append_heads() {
    let head = b"a append Sent (\\Seen work) \"17-Jul-1996 02:44:25 -0700\" {310}\r\n";
    let Some(Tagged { tag, command: Command::Append(head) }) = append_head(head) else { panic!() };
    assert_eq!((tag.as_str(), head.folder.as_str()), ("a", "Sent"));
    assert_eq!((head.flags.to_string().as_str(), head.arrived), ("\\Seen work", Some(Time(837_596_665))));
    for head in
        [&b"a append {5}\r\n"[..], b"a login {5}\r\n", b"a append INBOX ~{5}\r\n", b"a append INBOX 5\r\n"]
    {
        assert!(!is_append_head(head));
    }
    assert!(is_append_head(b"a append {5}\r\nINBOX {5+}\r\n"));
}

proptest! {
    #[test]
    fn never_panics(
        head in "a (login|fetch|uid fetch|store|search|append|select|list|status|authenticate|id) ",
        tail in proptest::collection::vec(any::<u8>(), 0..60),
    ) {
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(&tail);
        bytes.extend_from_slice(b"\r\n");
        let _ = read(&bytes);
        let _ = append_head(&bytes);
    }

    #[test]
    fn never_panics_on_likely_things(
        line in "a (fetch|uid search|store|search) (1|\\*|,|:|[0-9]{1,11}| |\\(|\\)|body|\\[|\\]|<|>|\\.|header|fields|not|or|text|\"|\\{1\\}|since|1-Feb-1994|ü|flags|\\+|\\\\Seen){0,14}"
    ) {
        let _ = read(format!("{line}\r\n").as_bytes());
    }
}
