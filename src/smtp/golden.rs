//! Plays the transcripts of `tests/golden/*.smtp` against the server session.
//!
//! `C: text` is a line of the client, sent with CRLF; `C+ text` the same, in one segment with the next line;
//! `C*12 text` the same twelve times, the last answer shown; `R: text` raw octets with `\r \n \0 \xNN`. `S:` is
//! what the server says, `M:` what it took. `@` lines set the scene. With `GUARDPOST_GOLDEN=write` in the
//! environment the scripts are written anew.

use crate::base::address::Address;
use crate::base::reply;
use crate::base::reply::Reply;
use crate::smtp::command::Forward;
use crate::smtp::command::ForwardPath;
use crate::smtp::command::MailFrom;
use crate::smtp::data::Decoder;
use crate::smtp::data::Progress;
use crate::smtp::lines::Lines;
use crate::smtp::server::Behind;
use crate::smtp::server::Effect;
use crate::smtp::server::Link;
use crate::smtp::server::Role;
use crate::smtp::server::Session;
use crate::smtp::server::Terms;
use std::fs;
use std::path::Path;

#[test]
fn server_transcripts() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let write = std::env::var("GUARDPOST_GOLDEN").is_ok_and(|word| word == "write");
    let mut played = 0;
    for entry in fs::read_dir(&directory).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "smtp") {
            continue;
        }
        let script = fs::read_to_string(&path).unwrap();
        let whole = play(&script, usize::MAX);
        if write {
            fs::write(&path, &whole).unwrap();
        }
        // One octet a segment must give the same, unless the script is about what shares a segment.
        if !script.contains("\nC+ ") && !script.contains("\nR: ") {
            assert_eq!(play(&script, 1), whole, "{} by octets", path.display());
        }
        assert_eq!(whole, fs::read_to_string(&path).unwrap(), "{}", path.display());
        played += 1;
    }
    assert!(played >= 40, "only {played} transcripts");
}

/// Feeds the client's lines and writes the script anew with our own answers.
fn play(script: &str, piece: usize) -> String {
    let mut stage = Stage::new(script, piece);
    let mut segment = Vec::new();
    for line in script.lines().filter(|line| !line.starts_with("S: ") && !line.starts_with("M: ")) {
        if let Some(directive) = line.strip_prefix("@ ") {
            stage.out += &format!("@ {directive}\n");
            continue;
        }
        if !stage.greeted && !line.starts_with('#') {
            stage.greet();
        }
        stage.out += &format!("{line}\n");
        if let Some(text) = line.strip_prefix("C+ ") {
            segment.extend(format!("{text}\r\n").into_bytes());
        } else if let Some(text) = line.strip_prefix("C: ").or_else(|| line.eq("C:").then_some("")) {
            segment.extend(format!("{text}\r\n").into_bytes());
            stage.feed(&std::mem::take(&mut segment));
        } else if let Some(text) = line.strip_prefix("R: ") {
            segment.extend(unescape(text));
            stage.feed(&std::mem::take(&mut segment));
        } else if let Some((times, text)) = line.strip_prefix("C*").and_then(|rest| rest.split_once(' ')) {
            stage.repeat(times.parse().unwrap(), format!("{text}\r\n").as_bytes());
        }
    }
    if !stage.greeted {
        stage.greet();
    }
    stage.out
}

/// A driver in small, with rules simple enough to read in the script.
struct Stage {
    session: Session,
    lines: Lines,
    data: Option<(Decoder, Vec<u8>)>,
    known: Vec<Address>,
    secure: Vec<Address>,
    account: Option<(String, String)>,
    early: bool,
    greeted: bool,
    closed: bool,
    piece: usize,
    out: String,
}

impl Stage {
    fn new(script: &str, piece: usize) -> Self {
        let values = |name: &str| -> Vec<String> {
            let prefix = format!("@ {name}");
            script
                .lines()
                .filter_map(|line| line.strip_prefix(&prefix))
                .map(|rest| rest.trim().into())
                .collect()
        };
        let number = |name, default| values(name).first().map_or(default, |value| value.parse().unwrap());
        let addresses = |name| values(name).iter().map(|text| Address::parse(text).unwrap()).collect();
        let submission = values("role").first().is_some_and(|role| role == "submission");
        let terms = Terms {
            role: if submission { Role::Submission } else { Role::Mx },
            hostname: "mail.guard.example".into(),
            message_size: number("size", 26_214_400),
            recipients: usize::try_from(number("recipients", 100)).unwrap(),
            starttls: values("no-certificate").is_empty(),
        };
        let link = if values("tls").is_empty() { Link::Plain } else { Link::Tls };
        let account = values("account").first().and_then(|text| {
            text.split_once(' ').map(|(user, password)| (user.to_string(), password.to_string()))
        });
        Self {
            session: Session::new(terms, link),
            lines: Lines::default(),
            data: None,
            known: addresses("known"),
            secure: addresses("secure"),
            account,
            early: !values("early").is_empty(),
            greeted: false,
            closed: false,
            piece,
            out: String::new(),
        }
    }

    fn greet(&mut self) {
        self.greeted = true;
        let effect = self.session.greet(if self.early { Behind::Bytes } else { Behind::Nothing });
        self.perform(effect);
    }

    fn repeat(&mut self, times: usize, line: &[u8]) {
        let mut before = self.out.len();
        for _ in 0..times {
            if self.closed {
                break;
            }
            self.out.truncate(before);
            before = self.out.len();
            self.feed(line);
        }
    }

    fn feed(&mut self, segment: &[u8]) {
        for piece in segment.chunks(self.piece.min(segment.len().max(1))) {
            let mut rest = piece;
            while !rest.is_empty() && !self.closed {
                rest = self.take(rest);
            }
        }
    }

    fn take<'a>(&mut self, input: &'a [u8]) -> &'a [u8] {
        if let Some((decoder, message)) = &mut self.data {
            let Progress::End { used, fault } = decoder.decode(input, message) else { return &[] };
            let message = self.data.take().unwrap().1;
            let effect = match fault {
                Some(fault) => self.session.broken(fault),
                None => self.taken(&message),
            };
            self.perform(effect);
            return &input[used..];
        }
        let (used, line) = self.lines.take(input);
        let rest = &input[used..];
        if let Some(line) = line {
            let behind = if rest.is_empty() { Behind::Nothing } else { Behind::Bytes };
            let effect = self.session.line(&line, behind);
            if self.perform(effect) {
                return &[];
            }
        }
        rest
    }

    fn taken(&mut self, message: &[u8]) -> Effect {
        let envelope = self.session.envelope().unwrap();
        let sender = &envelope.sender;
        let recipients: Vec<_> = envelope.recipients.iter().map(|to| format!("<{}>", to.address)).collect();
        let with = self.session.protocol();
        self.out += &format!("M: from <{sender}> for {} with {with}\n", recipients.join(" "));
        for line in String::from_utf8_lossy(message).split_terminator("\r\n") {
            self.out += &format!("M: | {line}\n");
        }
        self.session.data(Ok(reply::taken("q1")))
    }

    /// Does what is asked; true when the rest of the input is to be thrown away.
    fn perform(&mut self, effect: Effect) -> bool {
        match effect {
            Effect::Say(reply) => self.say(&reply),
            Effect::SayLate(reply) => {
                self.out += "S: (a second later)\n";
                self.say(&reply);
            }
            Effect::Close(reply) => {
                self.say(&reply);
                self.out += "S: (closed)\n";
                self.closed = true;
            }
            Effect::StartTls(reply) => {
                self.say(&reply);
                self.out += "S: (handshake)\n";
                self.session.secured();
                self.lines = Lines::default();
                return true;
            }
            Effect::AskMail(mail) => {
                let verdict = self.may_send(&mail);
                let effect = self.session.mail(*mail, verdict);
                self.perform(effect);
            }
            Effect::AskRcpt(forward) => {
                let verdict = self.recipient(&forward);
                let effect = self.session.rcpt(*forward, verdict);
                self.perform(effect);
            }
            Effect::AskAuth(said) => {
                let right = self
                    .account
                    .as_ref()
                    .is_some_and(|(user, password)| *user == said.user && password == said.password.expose());
                let effect = self.session.signed_in(if right { Ok(()) } else { Err(reply::BAD_CREDENTIALS) });
                self.perform(effect);
            }
            Effect::BeginData(reply) => {
                self.say(&reply);
                let size = self.session.message_size();
                self.data = Some((Decoder::new(size), Vec::new()));
            }
        }
        false
    }

    fn may_send(&self, mail: &MailFrom) -> Result<(), Reply> {
        match (&self.account, mail.sender.address()) {
            (Some((user, _)), Some(sender)) if *user == sender.to_string() => Ok(()),
            (Some(_), _) => Err(reply::NOT_YOUR_ADDRESS),
            (None, _) => Ok(()),
        }
    }

    fn recipient(&self, forward: &Forward) -> Result<Address, Reply> {
        let address = match &forward.to {
            ForwardPath::Mailbox(address) => address.clone(),
            ForwardPath::Postmaster => Address::parse("postmaster@guard.example").unwrap(),
            ForwardPath::Literal => return Err(reply::NO_RELAY),
        };
        match () {
            () if self.secure.contains(&address) && self.session.link() == Link::Plain => {
                Err(reply::tls_required(&address))
            }
            () if self.account.is_some()
                || self.known.contains(&address)
                || self.secure.contains(&address) =>
            {
                Ok(address)
            }
            () if address.domain().as_str() == "guard.example" => Err(reply::UNKNOWN_RECIPIENT),
            () => Err(reply::NO_RELAY),
        }
    }

    fn say(&mut self, reply: &Reply) {
        for line in reply.to_string().lines() {
            self.out += &format!("S: {line}\n");
        }
    }
}

fn unescape(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut octets = text.bytes();
    while let Some(octet) = octets.next() {
        if octet != b'\\' {
            out.push(octet);
            continue;
        }
        match octets.next() {
            Some(b'r') => out.push(b'\r'),
            Some(b'n') => out.push(b'\n'),
            Some(b'0') => out.push(0),
            Some(b'x') => {
                let digits = [octets.next().unwrap(), octets.next().unwrap()];
                out.push(u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap());
            }
            other => panic!("unknown escape {other:?}"),
        }
    }
    out
}
