//! What a sender asks of the server in the subject or in headers: tags, and what is nearly one.
//!
//! A tag stands at the start or the end of the decoded subject, also behind any run of reply and forward
//! prefixes, or in front of the colon of one; case does not matter, nor do blanks inside. A bracketed word there that
//! is nearly a tag is refused: a slip of the finger must not send in clear what was meant to be secret.

use crate::policy::encryption::Said;
use thiserror::Error;

/// The tags of guard.toml.
#[derive(Clone, Copy, Debug)]
pub struct Tags<'a> {
    /// `[encryption] subject_tag`.
    pub secure: &'a [String],
    /// `[encryption] plain_tag`.
    pub plain: &'a [String],
}

/// What a sender asks for where the recipient has a mailbox already.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Invite {
    /// The invitation once more, with another link and PIN: `[secure renew]`.
    Renew,
    /// Another mailbox in the place of the one that is there: `[secure new]`.
    New,
}

impl Invite {
    const ALL: [Self; 2] = [Self::Renew, Self::New];

    /// As it stands in a header, and in a tag behind its first word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Renew => "renew",
            Self::New => "new",
        }
    }

    /// `[secure renew]`, made of `[secure]`.
    pub fn tag(self, secure: &str) -> String {
        let bare = secure.trim_end_matches(']');
        format!("{bare} {}{}", self.word(), secure.get(bare.len()..).unwrap_or_default())
    }
}

/// What a subject says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Tagged {
    /// About encryption.
    pub said: Said,
    /// About an invitation; then `said` is [`Said::Secure`].
    pub invite: Option<Invite>,
    /// The subject without its tags; `None` when there were none and it stays as it is.
    pub subject: Option<String>,
}

/// Why a message is refused for what stands in its subject or its control headers.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum Refusal {
    /// A bracketed word that is nearly a tag.
    #[error(
        "\"{found}\" looks like {meant}; nothing was sent (X-Guardpost-Encrypt: no, or another word in the bracket, \
         sends it plain)"
    )]
    NearMiss {
        /// As it stands in the subject.
        found: String,
        /// The tag it resembles.
        meant: String,
    },
    /// One asks for encryption, the other forbids it.
    #[error("the message asks for encryption and against it; nothing was sent")]
    Contradiction,
    /// A control header with a value that it cannot have.
    #[error("{name}: has a value that is not understood; nothing was sent")]
    Malformed {
        /// Which.
        name: &'static str,
    },
    /// A control header stands there twice.
    #[error("{name}: stands there twice; nothing was sent")]
    Twice {
        /// Which.
        name: &'static str,
    },
    /// One asks for the old mailbox's invitation, the other for another mailbox.
    #[error("the message asks to renew an invitation and for a new mailbox; nothing was sent")]
    TwoWishes,
}

/// The header that says the same as the tags.
pub const ENCRYPT: &str = "X-Guardpost-Encrypt";
/// The header with the sender's own PIN.
pub const PIN: &str = "X-Guardpost-PIN";
/// The header with a personal line for the invitation.
pub const NOTE: &str = "X-Guardpost-Note";
/// The header that asks for a new invitation.
pub const INVITE: &str = "X-Guardpost-Invite";
/// The longest personal line, characters.
pub const NOTE_LENGTH: usize = 500;

/// Prefixes of answers and forwards, as mail programs of many languages write them, lower case, without colon.
const PREFIXES: [&str; 20] = [
    "re", "aw", "antw", "antwort", "fw", "fwd", "wg", "sv", "vs", "vb", "tr", "rv", "r", "i", "rif", "odp",
    "res", "enc", "ref", "doorst",
];
/// Tags and prefixes of one subject that are looked at.
const ROUNDS: usize = 64;

/// Reads a decoded subject. `near_misses` is false when a header says what is meant.
pub fn read_subject(subject: &str, tags: Tags<'_>, near_misses: bool) -> Result<Tagged, Refusal> {
    let mut reading = Reading { tags, near_misses, secure: false, plain: false, invite: None };
    let (prefixes, rest) = reading.start(subject)?;
    let rest = reading.end(rest)?;
    let said = match (reading.secure, reading.plain) {
        (false, false) => return Ok(Tagged { said: Said::Nothing, invite: None, subject: None }),
        (true, false) => Said::Secure,
        (false, true) => Said::Plain,
        (true, true) => return Err(Refusal::Contradiction),
    };
    let subject = format!("{prefixes}{}", rest.trim());
    Ok(Tagged { said, invite: reading.invite, subject: Some(subject.trim().to_owned()) })
}

/// `X-Guardpost-Encrypt: yes|no`, put together with what the subject said.
pub fn read_encrypt(values: &[String]) -> Result<Option<Said>, Refusal> {
    let Some(value) = only(values, ENCRYPT)? else { return Ok(None) };
    match value.to_ascii_lowercase().as_str() {
        "yes" => Ok(Some(Said::Secure)),
        "no" => Ok(Some(Said::Plain)),
        _ => Err(Refusal::Malformed { name: ENCRYPT }),
    }
}

/// What the message says in the end; the header and the tag must not contradict each other.
pub fn join(header: Option<Said>, tag: Said) -> Result<Said, Refusal> {
    match (header, tag) {
        (None, tag) => Ok(tag),
        (Some(said), Said::Nothing) => Ok(said),
        (Some(said), tag) if said == tag => Ok(said),
        (Some(_), _) => Err(Refusal::Contradiction),
    }
}

/// `X-Guardpost-PIN: 123456|none`; whether the PIN is a good one is asked of the vault.
pub fn read_pin(values: &[String]) -> Result<Option<String>, Refusal> {
    let Some(value) = only(values, PIN)? else { return Ok(None) };
    let good = !value.is_empty() && value.len() <= 32 && value.bytes().all(|byte| byte.is_ascii_graphic());
    if good { Ok(Some(value.to_owned())) } else { Err(Refusal::Malformed { name: PIN }) }
}

/// `X-Guardpost-Note: text`: one line.
pub fn read_note(values: &[String]) -> Result<Option<String>, Refusal> {
    let Some(value) = only(values, NOTE)? else { return Ok(None) };
    if value.chars().count() > NOTE_LENGTH || value.chars().any(char::is_control) {
        return Err(Refusal::Malformed { name: NOTE });
    }
    Ok((!value.is_empty()).then(|| value.to_owned()))
}

/// `X-Guardpost-Invite: renew|new`, put together with what the subject said.
pub fn read_invite(values: &[String], tag: Option<Invite>) -> Result<Option<Invite>, Refusal> {
    let Some(value) = only(values, INVITE)? else { return Ok(tag) };
    let asked = Invite::ALL.into_iter().find(|invite| value.eq_ignore_ascii_case(invite.word()));
    let asked = asked.ok_or(Refusal::Malformed { name: INVITE })?;
    if tag.is_some_and(|tag| tag != asked) { Err(Refusal::TwoWishes) } else { Ok(Some(asked)) }
}

fn only<'a>(values: &'a [String], name: &'static str) -> Result<Option<&'a str>, Refusal> {
    match values {
        [] => Ok(None),
        [value] => Ok(Some(value.trim())),
        _ => Err(Refusal::Twice { name }),
    }
}

struct Reading<'a> {
    tags: Tags<'a>,
    near_misses: bool,
    secure: bool,
    plain: bool,
    invite: Option<Invite>,
}

impl Reading<'_> {
    /// Passes over prefixes and tags at the start: the prefixes as they were, and what is left.
    fn start<'t>(&mut self, subject: &'t str) -> Result<(String, &'t str), Refusal> {
        let mut prefixes = String::new();
        let mut rest = subject.trim();
        for _ in 0..ROUNDS {
            if let Some(prefix) = Prefix::read(rest) {
                prefixes.push_str(&self.without_tags(&prefix)?);
                prefixes.push(' ');
                rest = prefix.behind.trim_start();
                continue;
            }
            let Some(end) = rest.strip_prefix('[').and_then(|inner| inner.find(']')) else { break };
            let (bracket, behind) = rest.split_at(end + 2);
            if !self.is_tag(bracket)? {
                break;
            }
            rest = behind.trim_start();
        }
        Ok((prefixes, rest))
    }

    /// The prefix as it was, but for tags between its word and its colon.
    fn without_tags(&mut self, prefix: &Prefix<'_>) -> Result<String, Refusal> {
        let mut kept = prefix.word.to_owned();
        for piece in &prefix.pieces {
            let bracket = piece.trim_start();
            let is_tag = match bracket.starts_with('[') {
                true if is_counter(bracket) => self.is_exactly(&folded(bracket))?,
                true => self.is_tag(bracket)?,
                false => false,
            };
            if !is_tag {
                kept.push_str(piece);
            }
        }
        kept.push_str(prefix.colon);
        Ok(kept)
    }

    /// Takes tags off the end.
    fn end<'t>(&mut self, subject: &'t str) -> Result<&'t str, Refusal> {
        let mut rest = subject.trim_end();
        for _ in 0..ROUNDS {
            let Some(start) = rest.strip_suffix(']').and_then(|inner| inner.rfind('[')) else { break };
            let (before, bracket) = rest.split_at(start);
            if !self.is_tag(bracket)? {
                break;
            }
            rest = before.trim_end();
        }
        Ok(rest)
    }

    /// Is the bracket a tag? What is nearly one is an error.
    fn is_tag(&mut self, bracket: &str) -> Result<bool, Refusal> {
        let word = folded(bracket);
        if self.is_exactly(&word)? {
            return Ok(true);
        }
        if !self.near_misses {
            return Ok(false);
        }
        let wishes = wishes(self.tags).map(|(tag, _)| tag);
        match self
            .tags
            .secure
            .iter()
            .cloned()
            .chain(wishes)
            .find(|tag| near(&inner(&word), &inner(&folded(tag))))
        {
            Some(meant) => Err(Refusal::NearMiss { found: bracket.to_owned(), meant }),
            None => Ok(false),
        }
    }

    /// Is the folded word a tag?
    fn is_exactly(&mut self, word: &str) -> Result<bool, Refusal> {
        let is = |tags: &[String]| tags.iter().any(|tag| folded(tag) == word);
        if is(self.tags.secure) {
            self.secure = true;
            return Ok(true);
        }
        if is(self.tags.plain) {
            self.plain = true;
            return Ok(true);
        }
        for (tag, invite) in wishes(self.tags) {
            if folded(&tag) == word {
                self.secure = true;
                return match self.invite.replace(invite) {
                    Some(other) if other != invite => Err(Refusal::TwoWishes),
                    _ => Ok(true),
                };
            }
        }
        Ok(false)
    }
}

/// Every tag that asks for an invitation.
fn wishes(tags: Tags<'_>) -> impl Iterator<Item = (String, Invite)> {
    tags.secure.iter().flat_map(|tag| Invite::ALL.map(|invite| (invite.tag(tag), invite)))
}

/// A prefix like `Re:`, `AW[2]:` or `Re [Team]:` at the start of a text; what is put together is the text again.
struct Prefix<'t> {
    /// `AW`.
    word: &'t str,
    /// What stands in front of the colon, each with the blanks in front of it: ` [Team]`, `(2)`, `^2`.
    pieces: Vec<&'t str>,
    /// The colon, with the blanks in front of it.
    colon: &'t str,
    /// The text behind.
    behind: &'t str,
}

impl<'t> Prefix<'t> {
    fn read(text: &'t str) -> Option<Self> {
        let (word, mut rest) = text.split_at(text.find(|c: char| !c.is_alphabetic())?);
        if !PREFIXES.contains(&word.to_lowercase().as_str()) {
            return None;
        }
        let mut pieces = Vec::new();
        loop {
            let piece = rest.trim_start();
            let length = match piece.chars().next()? {
                '[' => piece.find(']')? + 1,
                '(' => piece.find(')')? + 1,
                '^' => piece.find(|c: char| c != '^' && !c.is_ascii_digit())?,
                colon @ (':' | '：') => {
                    let (colon, behind) = rest.split_at(rest.len() - piece.len() + colon.len_utf8());
                    return Some(Self { word, pieces, colon, behind });
                }
                _ => return None,
            };
            let (piece, next) = rest.split_at(rest.len() - piece.len() + length);
            pieces.push(piece);
            rest = next;
        }
    }
}

/// How often it was answered, as some programs count in a prefix.
fn is_counter(bracket: &str) -> bool {
    inner(&folded(bracket)).iter().all(char::is_ascii_digit)
}

/// Lower case, without blanks.
fn folded(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_lowercase()
}

/// Without its brackets.
fn inner(text: &str) -> Vec<char> {
    text.trim_start_matches('[').trim_end_matches(']').chars().collect()
}

/// At a Damerau distance of one: a letter more, less or other, or two neighbours in the wrong order.
fn near(one: &[char], two: &[char]) -> bool {
    let start = one.iter().zip(two).take_while(|(a, b)| a == b).count();
    let (one, two) = (one.get(start..).unwrap_or_default(), two.get(start..).unwrap_or_default());
    let end = one.iter().rev().zip(two.iter().rev()).take_while(|(a, b)| a == b).count();
    let one = one.get(..one.len() - end).unwrap_or_default();
    let two = two.get(..two.len() - end).unwrap_or_default();
    match (one, two) {
        ([], [_]) | ([_], []) | ([_], [_]) => true,
        ([a, b], [c, d]) => a == d && b == c,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(subject: &str) -> Result<Tagged, Refusal> {
        let secure = ["[secure]".to_owned(), "[sicher]".to_owned()];
        let plain = ["[plain]".to_owned()];
        read_subject(subject, Tags { secure: &secure, plain: &plain }, true)
    }

    #[test]
    fn finds_tags_and_takes_them_out() {
        for (subject, said, rest) in [
            ("[secure] offer", Said::Secure, "offer"),
            ("offer [secure]", Said::Secure, "offer"),
            ("[SeCure]offer", Said::Secure, "offer"),
            ("[ secure ] offer", Said::Secure, "offer"),
            ("[sicher] Angebot", Said::Secure, "Angebot"),
            ("Re: [secure] offer", Said::Secure, "Re: offer"),
            ("Re: AW: Fwd: [secure] offer", Said::Secure, "Re: AW: Fwd: offer"),
            ("[secure] Re: [secure] offer [secure]", Said::Secure, "Re: offer"),
            ("WG: [Team] news [secure]", Said::Secure, "WG: [Team] news"),
            ("AW[2]: [secure] x", Said::Secure, "AW[2]: x"),
            ("Re (3) : Fwd^2: [Team] x [secure]", Said::Secure, "Re (3) : Fwd^2: [Team] x"),
            ("Re [secure]: offer", Said::Secure, "Re: offer"),
            ("AW[Sicher] : Fwd: Angebot", Said::Secure, "AW : Fwd: Angebot"),
            ("Re: Antwort [2] [ secure ] [Team]: x", Said::Secure, "Re: Antwort [2] [Team]: x"),
            ("Re [the whole of the team]: [secure] x", Said::Secure, "Re [the whole of the team]: x"),
            ("WG [plain]: offer", Said::Plain, "WG: offer"),
            ("[secure]", Said::Secure, ""),
            ("[plain] offer", Said::Plain, "offer"),
        ] {
            let tagged = read(subject).unwrap();
            assert_eq!((tagged.said, tagged.subject.as_deref()), (said, Some(rest)), "{subject}");
        }
        for subject in [
            "offer",
            "",
            "a [secure] offer",
            "[Team] [x]",
            "[securely] offer",
            "[procure] x",
            "re [secure x",
            "Re [securely]: x",
            "Re [2] [Team] (x) ^3: x",
            "Re [2: x",
            "regarding [secure]: x",
        ] {
            let nothing = Tagged { said: Said::Nothing, invite: None, subject: None };
            assert_eq!(read(subject), Ok(nothing), "{subject}");
        }
    }

    #[test]
    fn refuses_what_is_nearly_a_tag() {
        for subject in [
            "[secur] offer",
            "[secrue] offer",
            "[sceure] offer",
            "[securee] x",
            "x [sekure]",
            "Re: [Secure!] x",
            "[siche] x",
            "[sicherr]",
            "[5ecure] x",
            "Re [secur]: x",
            "AW[2] [sicherr] : x",
        ] {
            assert!(matches!(read(subject), Err(Refusal::NearMiss { .. })), "{subject}");
        }
        for (subject, meant) in [
            ("[secure renw] x", "[secure renew]"),
            ("x [secur new]", "[secure new]"),
            ("Re: [sicher nev] x", "[sicher new]"),
            ("[sicher ernew] x", "[sicher renew]"),
        ] {
            match read(subject) {
                Err(Refusal::NearMiss { meant: found, .. }) => assert_eq!(found, meant, "{subject}"),
                other => panic!("{subject}: {other:?}"),
            }
        }
        assert_eq!(read("[secure] x [plain]"), Err(Refusal::Contradiction));
        let found = read("[secur] x").unwrap_err().to_string();
        assert!(
            found.starts_with("\"[secur]\" looks like [secure]; nothing was sent (X-Guardpost-Encrypt: no"),
            "{found}"
        );
    }

    #[test]
    fn a_header_says_what_a_near_miss_means() {
        let secure = ["[secure]".to_owned()];
        let tags = Tags { secure: &secure, plain: &[] };
        let tagged = read_subject("[secur] x", tags, false).unwrap();
        assert_eq!(tagged, Tagged { said: Said::Nothing, invite: None, subject: None });
    }

    #[test]
    fn asks_for_an_invitation() {
        for (subject, invite, rest) in [
            ("[secure renew] offer", Invite::Renew, "offer"),
            ("Re: offer [SICHER New]", Invite::New, "Re: offer"),
            ("AW: [secure] [ secure  renew ] x [sicherrenew]", Invite::Renew, "AW: x"),
            ("AW [sicher renew]: x", Invite::Renew, "AW: x"),
        ] {
            let tagged = read(subject).unwrap();
            let want = Tagged { said: Said::Secure, invite: Some(invite), subject: Some(rest.into()) };
            assert_eq!(tagged, want, "{subject}");
        }
        assert_eq!(read("[secure renew] x [secure new]"), Err(Refusal::TwoWishes));
        assert_eq!(read("[secure renew] x [plain]"), Err(Refusal::Contradiction));
        let secure = ["[secure]".to_owned()];
        let tags = Tags { secure: &secure, plain: &[] };
        let tagged = read_subject("[secure new] x", tags, false).unwrap();
        assert_eq!(tagged.invite, Some(Invite::New), "a header about encryption takes no tag away");
    }

    #[test]
    fn a_counter_is_nearly_no_tag() {
        let read = |subject, secure: &str| {
            let secure = [secure.to_owned()];
            read_subject(subject, Tags { secure: &secure, plain: &[] }, true).map(|tagged| tagged.said)
        };
        assert_eq!(read("Re [2]: x", "[s]"), Ok(Said::Nothing));
        assert!(matches!(read("Re: [2] x", "[s]"), Err(Refusal::NearMiss { .. })));
        assert_eq!(read("Re [7]: x", "[7]"), Ok(Said::Secure));
    }

    #[test]
    fn control_headers() {
        let one = |text: &str| vec![text.to_owned()];
        assert_eq!(read_encrypt(&one("Yes")), Ok(Some(Said::Secure)));
        assert_eq!(read_encrypt(&one(" no ")), Ok(Some(Said::Plain)));
        assert_eq!(read_encrypt(&[]), Ok(None));
        for bad in ["", "maybe", "yes please", "1"] {
            assert_eq!(read_encrypt(&one(bad)), Err(Refusal::Malformed { name: ENCRYPT }), "{bad}");
        }
        assert_eq!(read_encrypt(&[one("yes"), one("yes")].concat()), Err(Refusal::Twice { name: ENCRYPT }));
        assert_eq!(read_pin(&one("482915")), Ok(Some("482915".into())));
        assert!(
            read_pin(&one("")).is_err()
                && read_pin(&one("a b")).is_err()
                && read_pin(&one(&"1".repeat(33))).is_err()
        );
        assert_eq!(read_note(&one("see you")), Ok(Some("see you".into())));
        assert!(read_note(&one(&"x".repeat(501))).is_err());
        assert_eq!(read_invite(&one(" Renew "), None), Ok(Some(Invite::Renew)));
        assert_eq!(read_invite(&[], Some(Invite::New)), Ok(Some(Invite::New)));
        assert_eq!(read_invite(&one("new"), Some(Invite::New)), Ok(Some(Invite::New)));
        assert_eq!(read_invite(&one("new"), Some(Invite::Renew)), Err(Refusal::TwoWishes));
        assert_eq!(read_invite(&one("again"), None), Err(Refusal::Malformed { name: INVITE }));
        assert_eq!(
            read_invite(&[one("new"), one("new")].concat(), None),
            Err(Refusal::Twice { name: INVITE })
        );
        assert_eq!(join(Some(Said::Plain), Said::Secure), Err(Refusal::Contradiction));
        assert_eq!(join(Some(Said::Secure), Said::Nothing), Ok(Said::Secure));
        assert_eq!(join(None, Said::Plain), Ok(Said::Plain));
    }

    proptest! {
        #[test]
        fn never_panics(subject in "\\PC{0,200}|[\\[\\]seucr :Re]{0,60}") {
            let _ = read(&subject);
        }

        #[test]
        fn one_slip_in_the_tag_is_never_sent_plain(at in 0usize..6, letter in "[a-z0-9!]") {
            let mut word: Vec<char> = "secure".chars().collect();
            word[at] = letter.chars().next().unwrap();
            let word: String = word.into_iter().collect();
            let tagged = read(&format!("[{word}] x"));
            let refused = matches!(tagged, Err(Refusal::NearMiss { .. }));
            prop_assert!(word == "secure" || refused);
        }
    }
}
