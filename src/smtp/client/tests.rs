//! Plays the transcripts of `tests/golden/client`, and what else a peer can say.

use super::*;
use crate::base::envelope::Notify;
use crate::smtp::client::heard::LINE;
use crate::smtp::client::heard::LINES;
use proptest::prelude::*;
use std::fs;
use std::path::Path;

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

/// A plan by the `@` lines of a script, or of a part of it.
fn plan<'a>(script: impl IntoIterator<Item = &'a str>) -> Plan {
    let mut plan = Plan {
        hello: "mail.a.example".into(),
        start_tls: true,
        sign_in: None,
        sender: Some(address("alice@a.example")),
        recipients: Vec::new(),
        size: 1_000,
        eight_bit: false,
        smtputf8: false,
        envid: None,
    };
    for line in script.into_iter().filter_map(|line| line.strip_prefix("@ ")) {
        let (word, value) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "to" => {
                let number = u16::try_from(plan.recipients.len()).unwrap();
                plan.recipients.push(Forward { number, recipient: Recipient::plain(address(value)) });
            }
            "null-sender" => plan.sender = None,
            "without-tls" => plan.start_tls = false,
            "eight-bit" => plan.eight_bit = true,
            "smtputf8" => plan.smtputf8 = true,
            "size" => plan.size = value.parse().unwrap(),
            "envid" => plan.envid = Some(value.into()),
            "sign-in" => plan.sign_in = Some(("me".into(), Secret::new("secret".into()))),
            "notify" => {
                let notify = Notify {
                    success: value.contains("success"),
                    failure: value.contains("failure"),
                    delay: value.contains("delay"),
                };
                plan.recipients.last_mut().unwrap().recipient.notify = Some(notify);
            }
            _ => panic!("{line}"),
        }
    }
    plan
}

/// Feeds the peer's lines and writes the script anew with what we do.
fn play(script: &str) -> String {
    let mut out = String::new();
    let mut lines =
        script.lines().filter(|line| !["C: ", "! ", "= "].iter().any(|mark| line.starts_with(mark)));
    let mut lines = lines.by_ref().peekable();
    while let Some(line) = lines.next_if(|line| !line.starts_with("S: ")) {
        out += &format!("{line}\n");
    }
    let first = script.lines().take_while(|line| !line.starts_with("S: "));
    let (mut conversation, mut effect) = Conversation::<()>::new(plan(first));
    let mut ear = Ear::default();
    let end;
    loop {
        let step = match effect {
            Effect::Say(said, _) => {
                for line in said.expose().lines() {
                    out += &format!("C: {line}\n");
                }
                conversation.hear(&hear(&mut ear, &mut lines, &mut out))
            }
            Effect::Listen(_) => conversation.hear(&hear(&mut ear, &mut lines, &mut out)),
            Effect::StartTls => {
                out += "! tls\n";
                ear = Ear::default();
                Ok(conversation.tls_stands())
            }
            Effect::AskPolicy => {
                out += "! policy\n";
                conversation.cleared(())
            }
            Effect::Text { seven_bit } => {
                out += if seven_bit { "! text in 7 bits\n" } else { "! text\n" };
                conversation.hear(&hear(&mut ear, &mut lines, &mut out))
            }
            Effect::Done => {
                out += &answers(&mut conversation);
                let mut next = Vec::new();
                while let Some(line) = lines.next_if(|line| !line.starts_with("S: ")) {
                    out += &format!("{line}\n");
                    next.push(line);
                }
                if next.is_empty() {
                    return out + "! open\n";
                }
                out += "! policy\n";
                conversation.next(plan(next), ())
            }
            Effect::Quit => {
                end = "C: QUIT\n".into();
                break;
            }
            Effect::Leave => {
                end = "! closed\n".into();
                break;
            }
        };
        match step {
            Ok(next) => effect = next,
            Err(trouble) => {
                end = format!("= {trouble}\n");
                break;
            }
        }
    }
    out + &answers(&mut conversation) + &end
}

fn answers(conversation: &mut Conversation<()>) -> String {
    let lines = conversation.answers().into_iter().map(|(number, answered)| match answered {
        Answered::Taken { reply, reports } => {
            format!("= {number} taken, reports {reports}: {reply}\n")
        }
        Answered::Refused(trouble) => format!("= {number} {trouble}\n"),
    });
    lines.collect()
}

fn hear<'a>(ear: &mut Ear, lines: &mut impl Iterator<Item = &'a str>, out: &mut String) -> Heard {
    loop {
        if let Some(heard) = ear.reply().unwrap() {
            return heard;
        }
        let line = lines.next().expect("the peer has something to say");
        out.push_str(&format!("{line}\n"));
        if let Some(said) = line.strip_prefix("S: ") {
            ear.feed(format!("{said}\r\n").as_bytes());
        }
    }
}

#[test]
fn client_transcripts() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/client");
    let write = std::env::var("GUARDPOST_GOLDEN").is_ok_and(|word| word == "write");
    let mut played = 0;
    for entry in fs::read_dir(&directory).unwrap() {
        let path = entry.unwrap().path();
        let script = fs::read_to_string(&path).unwrap();
        let whole = play(&script);
        if write {
            fs::write(&path, &whole).unwrap();
        }
        assert_eq!(whole, fs::read_to_string(&path).unwrap(), "{}", path.display());
        played += 1;
    }
    assert!(played >= 12, "only {played} transcripts");
}

#[test]
fn replies_are_put_together_however_they_come() {
    for (octets, want) in [
        ("220 mx\r\n", Ok(Some((220, vec!["mx"])))),
        ("250-a\r\n250-b\r\n250 c\r\n", Ok(Some((250, vec!["a", "b", "c"])))),
        ("250\r\n", Ok(Some((250, vec![""])))),
        ("250 bare\n", Ok(Some((250, vec!["bare"])))),
        ("250-a\r\n25", Ok(None)),
        ("hello\r\n", Err(NoReply)),
        ("99 x\r\n", Err(NoReply)),
        ("250_x\r\n", Err(NoReply)),
        ("2\u{e4}\u{e4} x\r\n", Err(NoReply)),
    ] {
        let want = want.map(|heard| {
            heard.map(|(code, lines)| Heard { code, lines: lines.into_iter().map(str::to_owned).collect() })
        });
        for piece in [1, 3, 1_000] {
            let mut ear = Ear::default();
            let mut heard = Ok(None);
            for chunk in octets.as_bytes().chunks(piece) {
                ear.feed(chunk);
                heard = ear.reply();
                if heard != Ok(None) {
                    break;
                }
            }
            assert_eq!(heard, want, "{octets:?} by {piece}");
        }
    }
    let mut ear = Ear::default();
    ear.feed(&b"2".repeat(LINE + 1));
    assert_eq!(ear.reply(), Err(NoReply), "an endless line");
    let mut ear = Ear::default();
    ear.feed(&b"250-x\r\n".repeat(LINES + 1));
    assert_eq!(ear.reply(), Err(NoReply), "an endless reply");
}

#[test]
fn enhanced_codes_must_agree_with_the_reply() {
    for (code, text, want) in [
        (550, "5.1.1 no", (5, 1, 1)),
        (451, "4.7.1", (4, 7, 1)),
        (550, "4.1.1 no", (5, 0, 0)),
        (550, "5.1 no", (5, 0, 0)),
        (550, "5.1.1.1 no", (5, 0, 0)),
        (450, "busy", (4, 0, 0)),
        (550, "5.1.9999 no", (5, 0, 0)),
        (354, "go on", (4, 0, 0)),
        (250, "2.0.0 ok", (4, 0, 0)),
    ] {
        assert_eq!(Heard { code, lines: vec![text.into()] }.status(), want, "{code} {text}");
    }
}

proptest! {
    #[test]
    fn no_peer_makes_it_panic_or_talk_without_end(
        replies in proptest::collection::vec((200u16..560, "[ -~]{0,20}"), 0..30),
    ) {
        let script = "@ to bob@x.example\n@ to eve@x.example\n@ eight-bit\n";
        let (mut conversation, mut effect) = Conversation::<()>::new(plan(script.lines()));
        let mut replies = replies.into_iter();
        loop {
            let step = match effect {
                Effect::Quit | Effect::Leave => break,
                Effect::Done => conversation.next(plan(script.lines()), ()),
                Effect::StartTls => Ok(conversation.tls_stands()),
                Effect::AskPolicy => conversation.cleared(()),
                Effect::Say(..) | Effect::Listen(_) | Effect::Text { .. } => {
                    let Some((code, text)) = replies.next() else { break };
                    conversation.hear(&Heard { code, lines: vec![text] })
                }
            };
            match step {
                Ok(next) => effect = next,
                Err(trouble) => {
                    prop_assert!(trouble.to_string().len() <= 1_000);
                    break;
                }
            }
        }
        prop_assert!(conversation.answers().len() <= 2);
    }

    #[test]
    fn the_ear_never_panics(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut ear = Ear::default();
        ear.feed(&octets);
        while let Ok(Some(_)) = ear.reply() {}
    }
}
