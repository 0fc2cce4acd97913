//! SEARCH: the question as a tree, judged with as little of a message as will do (RFC 3501 §6.4.4).

use crate::base::time::Time;
use crate::imap::command;
use crate::imap::command::By;
use crate::imap::flags::Flags;
use crate::imap::sequence::Ranges;
use crate::imap::sequence::Set;
use crate::imap::view::NoSuchNumber;
use crate::imap::view::View;
use chrono::Datelike;
use imap_types::search::SearchKey;
use unicode_normalization::UnicodeNormalization;

/// What is looked for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Query {
    /// Every one of these; none at all is everything.
    All(Vec<Query>),
    /// One of these.
    Any(Vec<Query>),
    /// Not this.
    Not(Box<Query>),
    /// A set as it was written; [`Query::bind`] makes it [`Query::Within`].
    Set(Set, By),
    /// Message sequence numbers or UIDs.
    Within(Ranges, By),
    /// Carries this flag.
    Flag(System),
    /// Carries this keyword.
    Keyword(String),
    /// RECENT, which nothing is.
    Recent,
    /// Arrived on a day, days since 1970-01-01.
    Arrived(When, i64),
    /// Its `Date:` says a day, whatever the zone there.
    Sent(When, i64),
    /// More octets than this.
    Larger(u64),
    /// Fewer octets than this.
    Smaller(u64),
    /// A header field holds a text; an empty text asks for the field alone.
    Header {
        /// Its name, in lower case.
        name: String,
        /// Folded by [`fold`].
        text: String,
    },
    /// The body holds a text.
    Body(String),
    /// Header or body hold a text.
    Text(String),
}

/// The flags SEARCH has keys for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum System {
    /// `\Answered`.
    Answered,
    /// `\Deleted`.
    Deleted,
    /// `\Draft`.
    Draft,
    /// `\Flagged`.
    Flagged,
    /// `\Seen`.
    Seen,
}

/// How a day is compared.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum When {
    /// Earlier.
    Before,
    /// That day.
    On,
    /// That day or later.
    Since,
}

/// What is known of a message. The more costly facts may be missing.
#[derive(Debug)]
pub struct Facts<'a> {
    /// Message sequence number.
    pub number: u32,
    /// UID.
    pub uid: u32,
    /// Its flags.
    pub flags: &'a Flags,
    /// INTERNALDATE and octets.
    pub record: Option<(Time, u64)>,
    /// Of its header.
    pub header: Option<&'a Header>,
    /// The texts of its body, each folded by [`fold`].
    pub body: Option<&'a [String]>,
}

/// Header fields of a message.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Header {
    /// Names in lower case with decoded values, folded by [`fold`].
    pub fields: Vec<(String, String)>,
    /// Only of these can be told that they are not there; `None`: of every field.
    pub complete_for: Option<Vec<String>>,
}

/// What can be said with the facts at hand.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Verdict {
    /// It is one.
    Yes,
    /// It is none.
    No,
    /// Depends on [`Facts::record`].
    NeedsRecord,
    /// Depends on [`Facts::header`], as far as a summary holds it.
    NeedsSummary,
    /// Depends on the message itself.
    NeedsMessage,
}

impl Query {
    /// All of these keys.
    pub fn all(keys: Vec<Self>) -> Self {
        Self::All(keys)
    }

    /// Reads a key. The codec bounds the depth.
    pub fn read(key: &SearchKey<'_>) -> Self {
        use SearchKey as K;
        let not = |query| Self::Not(Box::new(query));
        let header = |name: &str, text| Self::Header { name: name.into(), text: fold(&command::text(text)) };
        match key {
            K::And(keys) => Self::All(keys.as_ref().iter().map(Self::read).collect()),
            K::Or(one, other) => Self::Any(vec![Self::read(one), Self::read(other)]),
            K::Not(key) => not(Self::read(key)),
            K::SequenceSet(set) => Self::Set(command::set(set), By::Sequence),
            K::Uid(set) => Self::Set(command::set(set), By::Uid),
            K::All => Self::All(Vec::new()),
            K::Answered => Self::Flag(System::Answered),
            K::Deleted => Self::Flag(System::Deleted),
            K::Draft => Self::Flag(System::Draft),
            K::Flagged => Self::Flag(System::Flagged),
            K::Seen => Self::Flag(System::Seen),
            K::Unanswered => not(Self::Flag(System::Answered)),
            K::Undeleted => not(Self::Flag(System::Deleted)),
            K::Undraft => not(Self::Flag(System::Draft)),
            K::Unflagged => not(Self::Flag(System::Flagged)),
            K::Unseen => not(Self::Flag(System::Seen)),
            K::Keyword(word) => Self::Keyword(word.as_ref().into()),
            K::Unkeyword(word) => not(Self::Keyword(word.as_ref().into())),
            K::Recent | K::New => Self::Recent,
            K::Old => not(Self::Recent),
            K::Before(date) => Self::Arrived(When::Before, day(date.as_ref())),
            K::On(date) => Self::Arrived(When::On, day(date.as_ref())),
            K::Since(date) => Self::Arrived(When::Since, day(date.as_ref())),
            K::SentBefore(date) => Self::Sent(When::Before, day(date.as_ref())),
            K::SentOn(date) => Self::Sent(When::On, day(date.as_ref())),
            K::SentSince(date) => Self::Sent(When::Since, day(date.as_ref())),
            K::Larger(size) => Self::Larger(u64::from(*size)),
            K::Smaller(size) => Self::Smaller(u64::from(*size)),
            K::Bcc(text) => header("bcc", text),
            K::Cc(text) => header("cc", text),
            K::From(text) => header("from", text),
            K::Subject(text) => header("subject", text),
            K::To(text) => header("to", text),
            K::Header(name, text) => header(&command::text(name).to_ascii_lowercase(), text),
            K::Body(text) => Self::Body(fold(&command::text(text))),
            K::Text(text) => Self::Text(fold(&command::text(text))),
        }
    }

    /// How many keys it has, those inside others counted.
    pub fn keys(&self) -> usize {
        match self {
            Self::All(keys) | Self::Any(keys) => keys.iter().map(Self::keys).sum::<usize>().max(1),
            Self::Not(key) => key.keys(),
            _ => 1,
        }
    }

    /// Fills in what `*` means in the open folder.
    pub fn bind(self, view: &View) -> Result<Self, NoSuchNumber> {
        let each =
            |keys: Vec<Self>| keys.into_iter().map(|key| key.bind(view)).collect::<Result<Vec<_>, _>>();
        Ok(match self {
            Self::All(keys) => Self::All(each(keys)?),
            Self::Any(keys) => Self::Any(each(keys)?),
            Self::Not(key) => Self::Not(Box::new(key.bind(view)?)),
            Self::Set(set, by) => Self::Within(view.ranges(&set, by)?, by),
            other => other,
        })
    }

    /// Is this message one? Says what is missing when the facts at hand do not decide it.
    pub fn judge(&self, facts: &Facts<'_>) -> Verdict {
        match self {
            Self::All(keys) => {
                let verdicts = keys.iter().map(|key| key.judge(facts));
                together(verdicts, Verdict::No, Verdict::Yes)
            }
            Self::Any(keys) => {
                let verdicts = keys.iter().map(|key| key.judge(facts));
                together(verdicts, Verdict::Yes, Verdict::No)
            }
            Self::Not(key) => match key.judge(facts) {
                Verdict::Yes => Verdict::No,
                Verdict::No => Verdict::Yes,
                needs => needs,
            },
            Self::Set(..) | Self::Recent => Verdict::No,
            Self::Within(ranges, By::Sequence) => yes(ranges.contains(facts.number)),
            Self::Within(ranges, By::Uid) => yes(ranges.contains(facts.uid)),
            Self::Flag(System::Answered) => yes(facts.flags.answered),
            Self::Flag(System::Deleted) => yes(facts.flags.deleted),
            Self::Flag(System::Draft) => yes(facts.flags.draft),
            Self::Flag(System::Flagged) => yes(facts.flags.flagged),
            Self::Flag(System::Seen) => yes(facts.flags.seen),
            Self::Keyword(word) => yes(facts.flags.has_keyword(word)),
            Self::Arrived(when, day) => {
                facts.of_record(|arrived, _| when.holds(arrived.0.div_euclid(86_400), *day))
            }
            Self::Larger(size) => facts.of_record(|_, have| have > *size),
            Self::Smaller(size) => facts.of_record(|_, have| have < *size),
            Self::Sent(when, day) => {
                facts.of_header("date", |date| sent_day(date).is_some_and(|sent| when.holds(sent, *day)))
            }
            Self::Header { name, text } => facts.of_header(name, |value| value.contains(text.as_str())),
            Self::Body(text) => facts.of_body(text),
            Self::Text(text) => facts.of_any_header(text).or(|| facts.of_body(text)),
        }
    }
}

impl Verdict {
    /// Yes if either is; the second is asked only when the first does not say yes.
    fn or(self, other: impl FnOnce() -> Self) -> Self {
        match self {
            Self::Yes => Self::Yes,
            first => together([first, other()].into_iter(), Self::Yes, Self::No),
        }
    }
}

impl When {
    fn holds(self, have: i64, day: i64) -> bool {
        match self {
            Self::Before => have < day,
            Self::On => have == day,
            Self::Since => have >= day,
        }
    }
}

impl Facts<'_> {
    fn of_record(&self, holds: impl FnOnce(Time, u64) -> bool) -> Verdict {
        self.record.map_or(Verdict::NeedsRecord, |(arrived, size)| yes(holds(arrived, size)))
    }

    fn of_header(&self, name: &str, holds: impl Fn(&str) -> bool) -> Verdict {
        let Some(header) = self.header else { return Verdict::NeedsSummary };
        if header.fields.iter().any(|(have, value)| have == name && holds(value)) {
            return Verdict::Yes;
        }
        match &header.complete_for {
            Some(names) if !names.iter().any(|complete| complete == name) => Verdict::NeedsMessage,
            _ => Verdict::No,
        }
    }

    fn of_any_header(&self, text: &str) -> Verdict {
        let Some(header) = self.header else { return Verdict::NeedsSummary };
        let inside = |(name, value): &(String, String)| {
            value.contains(text) || format!("{name}: {value}").contains(text)
        };
        match header.fields.iter().any(inside) {
            true => Verdict::Yes,
            false if header.complete_for.is_some() => Verdict::NeedsMessage,
            false => Verdict::No,
        }
    }

    fn of_body(&self, text: &str) -> Verdict {
        self.body.map_or(Verdict::NeedsMessage, |texts| yes(texts.iter().any(|have| have.contains(text))))
    }
}

const fn yes(holds: bool) -> Verdict {
    if holds { Verdict::Yes } else { Verdict::No }
}

/// `decisive` as soon as one says so; else the cheapest thing that is missing; else `otherwise`.
fn together(verdicts: impl Iterator<Item = Verdict>, decisive: Verdict, otherwise: Verdict) -> Verdict {
    let mut missing = None;
    for verdict in verdicts {
        if verdict == decisive {
            return decisive;
        }
        if verdict > Verdict::No {
            missing = Some(missing.map_or(verdict, |least: Verdict| least.min(verdict)));
        }
    }
    missing.unwrap_or(otherwise)
}

/// The form in which texts are compared: NFC, lower case, blanks and line ends as one space.
pub fn fold(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut blank = false;
    for c in text.nfc().flat_map(char::to_lowercase) {
        if c.is_whitespace() {
            blank = true;
            continue;
        }
        if std::mem::take(&mut blank) {
            out.push(' ');
        }
        out.push(c);
    }
    if blank {
        out.push(' ');
    }
    out
}

/// Days since 1970-01-01.
fn day(date: &chrono::NaiveDate) -> i64 {
    /// 1970-01-01 counted from 0001-01-01.
    const EPOCH: i64 = 719_163;
    i64::from(date.num_days_from_ce()) - EPOCH
}

/// The day a `Date:` names in its own zone; lenient, as mail is (RFC 5322 §3.3, §4.3). `date` is folded.
fn sent_day(date: &str) -> Option<i64> {
    const MONTHS: &str = "janfebmaraprmayjunjulaugsepoctnovdec";
    let words: Vec<&str> = date.split([' ', ',', '-']).filter(|word| !word.is_empty()).collect();
    let at =
        words.iter().position(|word| word.len() <= 2 && word.bytes().all(|byte| byte.is_ascii_digit()))?;
    let number = |n: usize| words.get(n).and_then(|word| word.parse::<u32>().ok());
    let month = words.get(at + 1).and_then(|word| word.get(..3)).and_then(|name| MONTHS.find(name))?;
    let year = match number(at + 2)? {
        year @ 0..=49 => year + 2000,
        year @ 50..=999 => year + 1900,
        year => year,
    };
    let month = u32::try_from(month / 3 + 1).ok()?;
    let date = chrono::NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, number(at)?)?;
    Some(day(&date))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::imap::command::Command;
    use crate::imap::command::Tagged;
    use crate::imap::view::Listing;
    use proptest::prelude::*;

    fn query(line: &str) -> Query {
        let read = command::read(format!("a search {line}\r\n").as_bytes());
        let Ok(Tagged { command: Command::Search { query: Ok(query), .. }, .. }) = read else {
            panic!("{line}")
        };
        let flags = Flags::default();
        let messages = (1..=9).map(|uid| (uid * 10, flags.clone())).collect();
        query.bind(&View::open(1, false, Listing { uid_validity: 1, uid_next: 100, messages })).unwrap()
    }

    fn header(complete_for: Option<&[&str]>) -> Header {
        let field = |(name, value): (&str, &str)| (name.to_owned(), fold(value));
        let fields = [
            ("subject", "Grüße aus  Köln"),
            ("from", "Ann <ann@a.example>"),
            ("date", "Tue, 1 Jul 2003 23:52:37 -0700"),
        ];
        Header {
            fields: fields.into_iter().map(field).collect(),
            complete_for: complete_for.map(|names| names.iter().map(|name| (*name).to_owned()).collect()),
        }
    }

    #[test]
    fn every_key() {
        let flags = Flags { seen: true, flagged: true, keywords: vec!["Work".into()], ..Flags::default() };
        let (header, body) = (header(None), [fold("Der Text\r\nder Nachricht")]);
        let facts = Facts {
            number: 4,
            uid: 40,
            flags: &flags,
            // 2003-07-02 06:52:37 UTC.
            record: Some((Time(1_057_128_757), 5_000)),
            header: Some(&header),
            body: Some(&body),
        };
        for (line, want) in [
            ("all", true),
            ("answered", false),
            ("unanswered", true),
            ("bcc x", false),
            ("before 2-jul-2003", false),
            ("before 3-jul-2003", true),
            ("body \"text der\"", true),
            ("body nix", false),
            ("cc ann", false),
            ("deleted", false),
            ("undeleted", true),
            ("draft", false),
            ("undraft", true),
            ("flagged", true),
            ("unflagged", false),
            ("from ANN@", true),
            ("header subject \"\"", true),
            ("header x-y \"\"", false),
            ("header Subject \"köln\"", true),
            ("charset utf-8 subject {7}\r\ngrüße", true),
            ("keyword work", true),
            ("unkeyword work", false),
            ("larger 4999", true),
            ("larger 5000", false),
            ("smaller 5001", true),
            ("new", false),
            ("recent", false),
            ("old", true),
            ("not seen", false),
            ("on 2-jul-2003", true),
            ("or deleted seen", true),
            ("or deleted draft", false),
            ("seen", true),
            ("unseen", false),
            ("senton 1-jul-2003", true),
            ("sentbefore 1-jul-2003", false),
            ("sentsince 2-jul-2003", false),
            ("since 2-jul-2003", true),
            ("subject \"aus Köln\"", true),
            ("text \"from: ann\"", true),
            ("text nachricht", true),
            ("text nix", false),
            ("to ann", false),
            ("uid 30:40", true),
            ("uid 41:*", false),
            ("4", true),
            ("1:3,5:*", false),
            ("(seen flagged) not (deleted)", true),
        ] {
            assert_eq!(query(line).judge(&facts), yes(want), "{line}");
        }
    }

    #[test]
    fn asks_for_no_more_than_it_needs() {
        let flags = Flags::default();
        let none = Facts { number: 1, uid: 10, flags: &flags, record: None, header: None, body: None };
        let summary = header(Some(&["subject", "from", "date"]));
        let some = Facts { record: Some((Time(0), 1)), header: Some(&summary), ..none };
        for (line, first, then) in [
            ("seen text x", Verdict::No, Verdict::No),
            ("unseen larger 0", Verdict::NeedsRecord, Verdict::Yes),
            ("subject x body y", Verdict::NeedsSummary, Verdict::No),
            ("subject \"köln\" body y", Verdict::NeedsSummary, Verdict::NeedsMessage),
            ("text \"köln\"", Verdict::NeedsSummary, Verdict::Yes),
            ("or unseen body y", Verdict::Yes, Verdict::Yes),
            ("not body y", Verdict::NeedsMessage, Verdict::NeedsMessage),
            ("header x-tuid 1", Verdict::NeedsSummary, Verdict::NeedsMessage),
        ] {
            assert_eq!((query(line).judge(&none), query(line).judge(&some)), (first, then), "{line}");
        }
    }

    #[test]
    fn counts_its_keys() {
        for (line, want) in [
            ("all", 1),
            ("unseen", 1),
            ("seen 1:4 text x", 3),
            ("or (seen draft) not (unkeyword a uid 3)", 4),
        ] {
            assert_eq!(query(line).keys(), want, "{line}");
        }
    }

    #[test]
    fn reads_dates_as_they_come() {
        for (text, want) in [
            ("Tue, 1 Jul 2003 10:52:37 +0200", Some(12_234)),
            ("1 JUL 03 10:52 GMT", Some(12_234)),
            ("Tue,01-Jul-2003", Some(12_234)),
            ("1 July 2003", Some(12_234)),
            ("Thu, 1 Jan 70 00:00:00 +0000", Some(0)),
            ("2003-07-01", None),
            ("31 Feb 2003", None),
            ("", None),
        ] {
            assert_eq!(sent_day(&fold(text)), want, "{text}");
        }
    }

    proptest! {
        #[test]
        fn dates_never_panic(text in "\\PC{0,30}") {
            let _ = sent_day(&fold(&text));
        }
        #[test]
        fn folding_is_idempotent(text in "\\PC{0,30}") {
            prop_assert_eq!(fold(&fold(&text)), fold(&text));
        }
    }
}
