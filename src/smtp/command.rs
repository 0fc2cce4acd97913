//! Reading one SMTP command line: strict where a liar could hide something, lenient where clients need it.

use crate::base::address::Address;
use crate::base::address::BadAddress;
use crate::base::envelope::Notify;
use crate::base::envelope::Ret;
use crate::base::reply;
use crate::base::reply::Reply;
use crate::base::reverse_path::ReversePath;
use crate::base::secret::Secret;
use crate::smtp::auth::Mechanism;

/// One command.
#[derive(Debug)]
pub enum Command {
    /// HELO or EHLO (RFC 5321 §4.1.1.1).
    Hello {
        /// EHLO.
        extended: bool,
        /// What the client calls itself.
        name: String,
    },
    /// MAIL (RFC 5321 §4.1.1.2).
    Mail(Box<MailFrom>),
    /// RCPT (RFC 5321 §4.1.1.3).
    Rcpt(Box<Forward>),
    /// DATA.
    Data,
    /// BDAT (RFC 3030), which is not offered: what follows it are no commands.
    Bdat,
    /// RSET.
    Rset,
    /// NOOP.
    Noop,
    /// VRFY.
    Vrfy,
    /// HELP.
    Help,
    /// QUIT.
    Quit,
    /// STARTTLS (RFC 3207).
    StartTls,
    /// AUTH (RFC 4954).
    Auth {
        /// Which; `None` is one that is not offered.
        mechanism: Option<Mechanism>,
        /// The initial response.
        initial: Option<Secret<Vec<u8>>>,
    },
    /// A known command that this server does not do: EXPN, TURN, ETRN, SEND, SOML, SAML.
    NotImplemented,
    /// Another protocol's first words.
    Foreign,
    /// Known, but its arguments cannot be read.
    Bad(Reply),
    /// Not known.
    Unknown,
}

/// The arguments of MAIL.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct MailFrom {
    /// The reverse path.
    pub sender: ReversePath,
    /// SIZE= (RFC 1870), octets.
    pub size: Option<u64>,
    /// BODY=8BITMIME (RFC 6152).
    pub eight_bit: bool,
    /// SMTPUTF8 (RFC 6531).
    pub smtputf8: bool,
    /// RET= (RFC 3461 §4.3).
    pub ret: Option<Ret>,
    /// ENVID= (RFC 3461 §4.4), in xtext.
    pub envid: Option<String>,
}

/// The arguments of RCPT.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Forward {
    /// Where to.
    pub to: ForwardPath,
    /// NOTIFY= (RFC 3461 §4.1).
    pub notify: Option<Notify>,
    /// ORCPT= (RFC 3461 §4.2), `type;xtext`.
    pub orcpt: Option<String>,
}

/// The kinds of forward path.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ForwardPath {
    /// An address with a domain.
    Mailbox(Address),
    /// `<postmaster>` without a domain (RFC 5321 §4.5.1).
    Postmaster,
    /// `<user@[192.0.2.1]>` (RFC 5321 §4.1.3).
    Literal,
}

/// Reads one command line, without its CRLF.
pub fn parse(line: &[u8]) -> Command {
    let Ok(text) = std::str::from_utf8(line) else { return Command::Bad(reply::BAD_SYNTAX) };
    let text = text.trim_end_matches([' ', '\t']);
    let (verb, rest) = text.split_once([' ', '\t']).unwrap_or((text, ""));
    let rest = rest.trim_start_matches([' ', '\t']);
    let bare = |command| if rest.is_empty() { command } else { Command::Bad(reply::BAD_SYNTAX) };
    match verb.to_ascii_uppercase().as_str() {
        "HELO" => hello(rest, false),
        "EHLO" => hello(rest, true),
        "MAIL" => behind(rest, "FROM:").map_or(Command::Bad(reply::BAD_SYNTAX), mail),
        "RCPT" => behind(rest, "TO:").map_or(Command::Bad(reply::BAD_SYNTAX), rcpt),
        "DATA" => bare(Command::Data),
        "BDAT" => Command::Bdat,
        "RSET" => bare(Command::Rset),
        "NOOP" => Command::Noop,
        "VRFY" => Command::Vrfy,
        "HELP" => Command::Help,
        "QUIT" => bare(Command::Quit),
        "STARTTLS" => bare(Command::StartTls),
        "AUTH" => auth(rest),
        "EXPN" | "TURN" | "ETRN" | "ATRN" | "SEND" | "SOML" | "SAML" => Command::NotImplemented,
        "GET" | "POST" | "PUT" | "HEAD" | "OPTIONS" | "CONNECT" | "PRI" | "HOST:" | "USER-AGENT:" => {
            Command::Foreign
        }
        _ => Command::Unknown,
    }
}

/// RFC 5321 §4.1.4: the name is for the trace only, so anything that can stand in a trace line is taken.
fn hello(name: &str, extended: bool) -> Command {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
    let name = name.trim();
    if name.is_empty() || name.len() > 255 || !name.chars().all(fits) {
        return Command::Bad(reply::BAD_SYNTAX);
    }
    Command::Hello { extended, name: name.into() }
}

/// The text behind `FROM:` or `TO:`, which some clients follow with a blank.
fn behind<'a>(rest: &'a str, word: &str) -> Option<&'a str> {
    let (head, tail) = rest.split_at_checked(word.len())?;
    head.eq_ignore_ascii_case(word).then(|| tail.trim_start_matches([' ', '\t']))
}

fn mail(text: &str) -> Command {
    match read_mail(text) {
        Ok(mail) => Command::Mail(Box::new(mail)),
        Err(reply) => Command::Bad(reply),
    }
}

fn read_mail(text: &str) -> Result<MailFrom, Reply> {
    let (path, parameters) = split_path(text).ok_or(reply::BAD_SENDER)?;
    let mut mail = MailFrom::default();
    let mut seen = Seen::default();
    for (name, value) in words(parameters) {
        let name = seen.first(name)?;
        match (name.as_str(), value) {
            ("SIZE", Some(value)) => mail.size = Some(number(value).ok_or(reply::BAD_SYNTAX)?),
            ("BODY", Some(value)) => mail.eight_bit = body(value)?,
            ("SMTPUTF8", None) => mail.smtputf8 = true,
            ("RET", Some(value)) => mail.ret = Some(ret(value)?),
            ("ENVID", Some(value)) => {
                mail.envid = Some(xtext(value, 100).ok_or(reply::BAD_SYNTAX)?);
            }
            // RFC 4954 §5: tolerated, and not believed.
            ("AUTH", Some(_)) => {}
            ("SIZE" | "BODY" | "SMTPUTF8" | "RET" | "ENVID" | "AUTH", _) => return Err(reply::BAD_SYNTAX),
            _ => return Err(reply::BAD_PARAMETER),
        }
    }
    if !path.is_ascii() && !mail.smtputf8 {
        return Err(reply::NEEDS_SMTPUTF8);
    }
    let mailbox = without_route(path).ok_or(reply::BAD_SENDER)?;
    mail.sender = ReversePath::parse(mailbox).ok_or(reply::BAD_SENDER)?;
    Ok(mail)
}

fn rcpt(text: &str) -> Command {
    match read_rcpt(text) {
        Ok(forward) => Command::Rcpt(Box::new(forward)),
        Err(reply) => Command::Bad(reply),
    }
}

fn read_rcpt(text: &str) -> Result<Forward, Reply> {
    let (path, parameters) = split_path(text).ok_or(reply::BAD_ADDRESS)?;
    let mailbox = without_route(path).ok_or(reply::BAD_ADDRESS)?;
    let to = match Address::parse(mailbox) {
        Ok(address) => ForwardPath::Mailbox(address),
        Err(BadAddress::Literal) => ForwardPath::Literal,
        Err(_) if mailbox.eq_ignore_ascii_case("postmaster") => ForwardPath::Postmaster,
        Err(_) => return Err(reply::BAD_ADDRESS),
    };
    let mut forward = Forward { to, notify: None, orcpt: None };
    let mut seen = Seen::default();
    for (name, value) in words(parameters) {
        let name = seen.first(name)?;
        match (name.as_str(), value) {
            ("NOTIFY", Some(value)) => forward.notify = Some(notify(value)?),
            ("ORCPT", Some(value)) => forward.orcpt = Some(orcpt(value)?),
            ("NOTIFY" | "ORCPT", None) => return Err(reply::BAD_SYNTAX),
            _ => return Err(reply::BAD_PARAMETER),
        }
    }
    Ok(forward)
}

/// Splits `<path> parameters`; also `path parameters` without the brackets, as some devices send it.
fn split_path(text: &str) -> Option<(&str, &str)> {
    let Some(inner) = text.strip_prefix('<') else {
        let (path, rest) = text.split_once([' ', '\t']).unwrap_or((text, ""));
        return (!path.is_empty() && !path.contains(['<', '>'])).then_some((path, rest));
    };
    let mut quoted = false;
    let mut escaped = false;
    for (at, c) in inner.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '>' if !quoted => {
                let (path, rest) = inner.split_at_checked(at)?;
                let rest = rest.strip_prefix('>')?;
                return (rest.is_empty() || rest.starts_with([' ', '\t'])).then_some((path.trim(), rest));
            }
            _ => {}
        }
    }
    None
}

/// RFC 5321 §4.1.1.3, appendix C: a source route is read and ignored.
fn without_route(path: &str) -> Option<&str> {
    if !path.starts_with('@') {
        return Some(path);
    }
    let (route, mailbox) = path.split_once(':')?;
    let hop = |hop: &str| hop.strip_prefix('@').is_some_and(|domain| !domain.is_empty());
    (route.split(',').all(hop) && !mailbox.is_empty()).then_some(mailbox)
}

/// The ESMTP parameters of RFC 5321 §4.1.2: `NAME` or `NAME=value`.
fn words(text: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    text.split([' ', '\t'])
        .filter(|word| !word.is_empty())
        .map(|word| word.split_once('=').map_or((word, None), |(name, value)| (name, Some(value))))
}

/// No parameter may come twice (RFC 5321 §4.1.1.11).
#[derive(Default)]
struct Seen(Vec<String>);

impl Seen {
    fn first(&mut self, name: &str) -> Result<String, Reply> {
        let name = name.to_ascii_uppercase();
        if self.0.contains(&name) {
            return Err(reply::BAD_SYNTAX);
        }
        self.0.push(name.clone());
        Ok(name)
    }
}

/// RFC 1870 §6.1: at most 20 digits; what does not fit is as large as can be.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.len() <= 20 && text.bytes().all(|octet| octet.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

fn body(value: &str) -> Result<bool, Reply> {
    match value.to_ascii_uppercase().as_str() {
        "7BIT" => Ok(false),
        "8BITMIME" => Ok(true),
        // BINARYMIME needs BDAT (RFC 3030 §3).
        _ => Err(reply::BAD_PARAMETER),
    }
}

fn ret(value: &str) -> Result<Ret, Reply> {
    match value.to_ascii_uppercase().as_str() {
        "FULL" => Ok(Ret::Full),
        "HDRS" => Ok(Ret::Headers),
        _ => Err(reply::BAD_SYNTAX),
    }
}

/// RFC 3461 §4.1: NEVER alone, or any of the three.
fn notify(value: &str) -> Result<Notify, Reply> {
    let mut notify = Notify::default();
    if value.eq_ignore_ascii_case("NEVER") {
        return Ok(notify);
    }
    for word in value.split(',') {
        match word.to_ascii_uppercase().as_str() {
            "SUCCESS" => notify.success = true,
            "FAILURE" => notify.failure = true,
            "DELAY" => notify.delay = true,
            _ => return Err(reply::BAD_SYNTAX),
        }
    }
    Ok(notify)
}

/// RFC 3461 §4.2: `addr-type;xtext`, RFC 6533 §3: `utf-8` may hold UTF-8.
fn orcpt(value: &str) -> Result<String, Reply> {
    let (kind, address) = value.split_once(';').ok_or(reply::BAD_SYNTAX)?;
    let is_kind =
        !kind.is_empty() && kind.len() <= 32 && kind.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    let fits = if kind.eq_ignore_ascii_case("utf-8") {
        !address.is_empty() && address.len() <= 500 && !address.chars().any(char::is_control)
    } else {
        !address.is_empty() && xtext(address, 500).is_some()
    };
    if is_kind && fits { Ok(value.into()) } else { Err(reply::BAD_SYNTAX) }
}

/// RFC 3461 §4: printable ASCII; `+` begins two hexadecimal digits, `=` stands only encoded.
fn xtext(value: &str, limit: usize) -> Option<String> {
    let mut octets = value.bytes();
    while let Some(octet) = octets.next() {
        let hex = |octet: Option<u8>| octet.is_some_and(|octet| octet.is_ascii_hexdigit());
        let fits = match octet {
            b'+' => hex(octets.next()) && hex(octets.next()),
            b'=' => false,
            _ => octet.is_ascii_graphic(),
        };
        if !fits {
            return None;
        }
    }
    (value.len() <= limit).then(|| value.into())
}

fn auth(rest: &str) -> Command {
    let (mechanism, initial) = rest.split_once([' ', '\t']).unwrap_or((rest, ""));
    let initial = initial.trim_matches([' ', '\t']);
    if mechanism.is_empty() || initial.contains([' ', '\t']) {
        return Command::Bad(reply::BAD_SYNTAX);
    }
    let initial = (!initial.is_empty()).then(|| Secret::new(initial.as_bytes().to_vec()));
    Command::Auth { mechanism: Mechanism::parse(mechanism), initial }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sender(line: &str) -> Result<Option<String>, u16> {
        match parse(line.as_bytes()) {
            Command::Mail(mail) => Ok((mail.sender != ReversePath::Null).then(|| mail.sender.to_string())),
            Command::Bad(reply) => Err(reply.code),
            other => panic!("{other:?}"),
        }
    }

    fn recipient(line: &str) -> Result<ForwardPath, u16> {
        match parse(line.as_bytes()) {
            Command::Rcpt(forward) => Ok(forward.to),
            Command::Bad(reply) => Err(reply.code),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn reads_and_refuses_mail() {
        for (line, want) in [
            ("MAIL FROM:<a@x.example>", Ok(Some("a@x.example"))),
            ("mail from: <a@x.example>", Ok(Some("a@x.example"))),
            ("MAIL FROM:a@x.example SIZE=5", Ok(Some("a@x.example"))),
            ("MAIL FROM:<>", Ok(None)),
            ("MAIL FROM:<> BODY=8BITMIME", Ok(None)),
            ("MAIL FROM:<@r.example,@s.example:a@x.example>", Ok(Some("a@x.example"))),
            ("MAIL FROM:<\"a> b\"@x.example>", Ok(Some("\"a> b\"@x.example"))),
            ("MAIL FROM:<a@x.example> AUTH=<>", Ok(Some("a@x.example"))),
            ("MAIL FROM:<ü@x.example> SMTPUTF8", Ok(Some("ü@x.example"))),
            ("MAIL FROM:<ü@x.example>", Err(553)),
            ("MAIL FROM:<a@[192.0.2.1]>", Ok(Some("a@[192.0.2.1]"))),
            ("MAIL FROM:<@r.example:a..b@web_1.x.example> SIZE=5", Ok(Some("a..b@web_1.x.example"))),
            ("MAIL FROM:a.@x.example SIZE=5", Ok(Some("a.@x.example"))),
            ("MAIL FROM:<\"a> b\"@web_1.x.example>", Ok(Some("\"a> b\"@web_1.x.example"))),
            ("MAIL FROM:<a..ü@x.example> SMTPUTF8", Ok(Some("a..ü@x.example"))),
            ("MAIL FROM:<a..ü@x.example>", Err(553)),
            ("MAIL FROM:<a>b@x.example>", Err(501)),
            ("MAIL FROM:<a b@x.example>", Err(501)),
            ("MAIL FROM:<a>", Err(501)),
            ("MAIL FROM:<a@x.example", Err(501)),
            ("MAIL FROM:<a@x.example>SIZE=5", Err(501)),
            ("MAIL FROM:<a@x.example> SIZE=-5", Err(501)),
            ("MAIL FROM:<a@x.example> SIZE=5 SIZE=6", Err(501)),
            ("MAIL FROM:<a@x.example> BODY=BINARYMIME", Err(555)),
            ("MAIL FROM:<a@x.example> RET=ALL", Err(501)),
            ("MAIL FROM:<a@x.example> ENVID=a+4", Err(501)),
            ("MAIL FROM:<a@x.example> FOO=1", Err(555)),
            ("MAIL FROM:", Err(501)),
            ("MAIL FRO", Err(501)),
            ("MAIL TO:<a@x.example>", Err(501)),
        ] {
            assert_eq!(sender(line), want.map(|text: Option<&str>| text.map(String::from)), "{line}");
        }
    }

    #[test]
    fn reads_and_refuses_rcpt() {
        let mailbox = |text| Ok(ForwardPath::Mailbox(Address::parse(text).unwrap()));
        for (line, want) in [
            ("RCPT TO:<b@x.example>", mailbox("b@x.example")),
            ("rcpt to: b@x.example", mailbox("b@x.example")),
            ("RCPT TO:<@r.example:b@x.example>", mailbox("b@x.example")),
            ("RCPT TO:<\"b c\"@x.example> NOTIFY=NEVER", mailbox("\"b c\"@x.example")),
            ("RCPT TO:<Postmaster>", Ok(ForwardPath::Postmaster)),
            ("RCPT TO:<b@[127.0.0.1]>", Ok(ForwardPath::Literal)),
            ("RCPT TO:<b@x.example> ORCPT=rfc822;b+2Bc@x.example", mailbox("b@x.example")),
            ("RCPT TO:<b@x.example> ORCPT=b@x.example", Err(501)),
            ("RCPT TO:<b@x.example> NOTIFY=NEVER,DELAY", Err(501)),
            ("RCPT TO:<b@x.example> SIZE=5", Err(555)),
            ("RCPT TO:<>", Err(501)),
            ("RCPT TO:<b>", Err(501)),
            ("RCPT TO:<@r.example>", Err(501)),
            ("RCPT TO:<@r.example:>", Err(501)),
        ] {
            assert_eq!(recipient(line), want, "{line}");
        }
    }

    #[test]
    fn reads_parameters() {
        let Command::Mail(mail) =
            parse(b"MAIL FROM:<a@x.example> SIZE=99999999999999999999 body=8bitmime RET=HDRS ENVID=QQ+3D1")
        else {
            panic!("not read");
        };
        assert_eq!((mail.size, mail.eight_bit, mail.ret), (Some(u64::MAX), true, Some(Ret::Headers)));
        assert_eq!(mail.envid.as_deref(), Some("QQ+3D1"));
        let Command::Rcpt(forward) = parse(b"RCPT TO:<b@x.example> NOTIFY=SUCCESS,delay") else {
            panic!("not read");
        };
        assert_eq!(forward.notify, Some(Notify { success: true, failure: false, delay: true }));
    }

    #[test]
    fn reads_the_rest() {
        for (line, want) in [
            ("quit", Command::Quit),
            ("QUIT now", Command::Bad(reply::BAD_SYNTAX)),
            ("NOOP anything", Command::Noop),
            ("EXPN list", Command::NotImplemented),
            ("GET / HTTP/1.1", Command::Foreign),
            ("EHLO", Command::Bad(reply::BAD_SYNTAX)),
            ("EHLO a\u{7f}b", Command::Bad(reply::BAD_SYNTAX)),
            ("EHLO [IPv6:::1]", Command::Hello { extended: true, name: "[IPv6:::1]".into() }),
            ("AUTH PLAIN", Command::Auth { mechanism: Some(Mechanism::Plain), initial: None }),
            ("AUTH CRAM-MD5", Command::Auth { mechanism: None, initial: None }),
            ("AUTH PLAIN a b", Command::Bad(reply::BAD_SYNTAX)),
            ("", Command::Unknown),
            ("XYZZY", Command::Unknown),
        ] {
            assert_eq!(format!("{:?}", parse(line.as_bytes())), format!("{want:?}"), "{line}");
        }
        assert!(matches!(parse(b"EHLO \xff"), Command::Bad(_)));
        assert!(format!("{:?}", parse(b"AUTH PLAIN c2VjcmV0")).contains("Secret(..)"));
    }

    proptest! {
        #[test]
        fn never_panics(line: Vec<u8>, text in "(MAIL FROM:|RCPT TO:|AUTH |EHLO )?<?[ -~é\t\"\\\\]{0,60}>?.{0,30}") {
            parse(&line);
            parse(text.as_bytes());
        }

        #[test]
        fn what_is_read_reads_again(local in "[a-z \"\\\\.@>]{1,20}") {
            let line = format!("RCPT TO:<\"{}\"@x.example>", local.replace('\\', "\\\\").replace('"', "\\\""));
            if let Command::Rcpt(forward) = parse(line.as_bytes())
                && let ForwardPath::Mailbox(address) = forward.to
            {
                let again = parse(format!("RCPT TO:<{address}>").as_bytes());
                let same = matches!(again, Command::Rcpt(again) if again.to == ForwardPath::Mailbox(address));
                prop_assert!(same);
            } else {
                prop_assert!(false, "{line} was not read");
            }
        }
    }
}
