//! Every text that people read, from assets/texts, by language.
//!
//! Fluent files are compiled in; a text is asked for by its id. Values hold no HTML, and whoever puts one into HTML
//! escapes it. Tests compare the files of all languages and look for ids in the sources that no file has.

pub mod alarm;
pub mod closing;
pub mod direct;
pub mod letter;
pub mod mail;
pub mod note;
pub mod refused;
pub mod report;
pub mod sample;
mod sheet;
pub mod template;

#[cfg(test)]
mod every_mail;

use crate::base::language::Language;
use crate::base::time::Time;
use fluent_bundle::FluentArgs;
use fluent_bundle::FluentResource;
use fluent_bundle::FluentValue;
use fluent_bundle::concurrent::FluentBundle;
use std::sync::LazyLock;

/// A value in a text: words, or a number that decides between singular and plural.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Value<'a> {
    /// Words.
    Words(&'a str),
    /// A number.
    Number(i64),
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(words: &'a str) -> Self {
        Self::Words(words)
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(words: &'a String) -> Self {
        Self::Words(words)
    }
}

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<i32> for Value<'_> {
    fn from(number: i32) -> Self {
        Self::Number(number.into())
    }
}

impl From<u8> for Value<'_> {
    fn from(number: u8) -> Self {
        Self::Number(number.into())
    }
}

impl From<u16> for Value<'_> {
    fn from(number: u16) -> Self {
        Self::Number(number.into())
    }
}

impl From<u32> for Value<'_> {
    fn from(number: u32) -> Self {
        Self::Number(number.into())
    }
}

impl From<u64> for Value<'_> {
    fn from(number: u64) -> Self {
        Self::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<usize> for Value<'_> {
    fn from(number: usize) -> Self {
        Self::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

/// The text `id` in `language`, with `values` by name.
///
/// An id that no file has shows as itself; the tests see to it that there is none.
pub fn text(language: Language, id: &str, values: &[(&str, Value<'_>)]) -> String {
    let bundle = bundle(language);
    let Some(pattern) = bundle.get_message(id).and_then(|message| message.value()) else {
        return id.to_owned();
    };
    let mut arguments = FluentArgs::with_capacity(values.len());
    for (name, value) in values {
        arguments.set(
            *name,
            match value {
                Value::Words(words) => FluentValue::from(*words),
                Value::Number(number) => FluentValue::from(*number),
            },
        );
    }
    let mut troubles = Vec::new();
    bundle.format_pattern(pattern, Some(&arguments), &mut troubles).into_owned()
}

/// The text `id` without values.
pub fn plain(language: Language, id: &str) -> String {
    text(language, id, &[])
}

/// The best of `offered` for an Accept-Language header (RFC 9110 §12.5.4); the first when none fits.
pub fn choose(accept_language: &str, offered: &[Language]) -> Language {
    let mut best: Option<(Language, u32)> = None;
    for range in accept_language.split(',').take(32) {
        let mut parts = range.split(';');
        let tag = parts.next().unwrap_or_default().trim();
        let weight = parts.find_map(|part| part.trim().strip_prefix("q=")).map_or(1_000, thousandths);
        let language = Language::parse(tag).filter(|language| offered.contains(language));
        if let Some(language) = language
            && weight > best.map_or(0, |(_, weight)| weight)
        {
            best = Some((language, weight));
        }
    }
    best.map(|(language, _)| language).or_else(|| offered.first().copied()).unwrap_or_default()
}

/// RFC 9110 §12.4.2: `0.8` as 800; anything odd as 0.
fn thousandths(weight: &str) -> u32 {
    let weight: f32 = weight.trim().parse().unwrap_or(0.0);
    // Within 0 to 1000, so the cast cannot cut.
    if (0.0..=1.0).contains(&weight) { (weight * 1_000.0) as u32 } else { 0 }
}

/// `21 November 2026`, in UTC.
pub fn date(language: Language, time: Time) -> String {
    when(language, "date", time)
}

/// `21 November 2026, 14:05 UTC`.
pub fn date_time(language: Language, time: Time) -> String {
    when(language, "date-time", time)
}

fn when(language: Language, id: &str, time: Time) -> String {
    let moment = time.timestamp().to_zoned(jiff::tz::TimeZone::UTC);
    let month = plain(language, &format!("month-{}", moment.month()));
    let day = i64::from(moment.day());
    let year = moment.year().to_string();
    let clock = format!("{:02}:{:02}", moment.hour(), moment.minute());
    let values = [
        ("day", day.into()),
        ("month", (&month).into()),
        ("year", (&year).into()),
        ("time", (&clock).into()),
    ];
    text(language, id, &values)
}

/// A size for people: `812 bytes`, `31 KB`, `2.4 MB`; thousands of 1000.
pub fn size(language: Language, octets: u64) -> String {
    let tenths = |unit: u64| {
        let tenths = octets.saturating_mul(10) / unit;
        let (whole, tenth) = (tenths / 10, tenths % 10);
        let mark = match language {
            Language::En => '.',
            Language::De => ',',
        };
        if whole >= 10 || tenth == 0 { whole.to_string() } else { format!("{whole}{mark}{tenth}") }
    };
    let (id, n) = match octets {
        0..1_000 => ("size-bytes", octets.to_string()),
        1_000..1_000_000 => ("size-kb", tenths(1_000)),
        _ => ("size-mb", tenths(1_000_000)),
    };
    text(language, id, &[("n", (&n).into())])
}

/// Words of somebody, made fit for one line of a text: no control characters, nothing that turns the direction of
/// what follows (UAX 9), at most `most` characters.
pub fn tame(words: &str, most: usize) -> String {
    let mut tamed: String = words
        .chars()
        .filter(|c| !turns(*c))
        .map(|c| if breaks(c) { ' ' } else { c })
        .take(most + 1)
        .collect();
    if tamed.chars().count() > most {
        tamed = tamed.chars().take(most.saturating_sub(1)).chain(['…']).collect();
    }
    tamed.trim().to_owned()
}

/// Turns the direction of what follows.
const fn turns(c: char) -> bool {
    matches!(c, '\u{200E}' | '\u{200F}' | '\u{061C}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// Ends a line, or does something else to a screen that words do not.
fn breaks(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

type Bundle = FluentBundle<FluentResource>;

fn bundle(language: Language) -> &'static Bundle {
    static ENGLISH: LazyLock<Bundle> = LazyLock::new(|| read(Language::En));
    static GERMAN: LazyLock<Bundle> = LazyLock::new(|| read(Language::De));
    match language {
        Language::En => &ENGLISH,
        Language::De => &GERMAN,
    }
}

const fn sources(language: Language) -> [&'static str; 2] {
    match language {
        Language::En => {
            [include_str!("../../assets/texts/en.ftl"), include_str!("../../assets/texts/mail.en.ftl")]
        }
        Language::De => {
            [include_str!("../../assets/texts/de.ftl"), include_str!("../../assets/texts/mail.de.ftl")]
        }
    }
}

/// Reads the compiled-in files; the tests refuse a file with an error in it.
fn read(language: Language) -> Bundle {
    let locale = language.tag().parse().unwrap_or_default();
    let mut bundle = Bundle::new_concurrent(vec![locale]);
    bundle.set_use_isolating(false);
    for source in sources(language) {
        let resource = FluentResource::try_new(source.to_owned()).unwrap_or_else(|(resource, _)| resource);
        bundle.add_resource_overriding(resource);
    }
    bundle
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::collections::BTreeSet;

    /// Every id with the variables that it names.
    fn ids(language: Language) -> BTreeMap<String, BTreeSet<String>> {
        let mut ids: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for source in sources(language) {
            FluentResource::try_new(source.to_owned()).expect("no error in the file");
            let mut id = String::new();
            for line in source.lines().filter(|line| !line.starts_with('#')) {
                if let Some((name, _)) =
                    line.split_once(" = ").filter(|_| line.starts_with(|c: char| c.is_ascii_lowercase()))
                {
                    id = name.to_owned();
                    assert!(ids.insert(id.clone(), BTreeSet::new()).is_none(), "{id} twice");
                }
                for part in line.split('$').skip(1) {
                    let name: String =
                        part.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
                    ids.get_mut(&id).unwrap().insert(name);
                }
            }
        }
        ids
    }

    #[test]
    fn all_languages_say_the_same() {
        let english = ids(Language::En);
        assert!(english.len() > 200, "{}", english.len());
        for language in Language::ALL {
            assert_eq!(ids(language), english, "{language}");
        }
    }

    #[test]
    fn no_text_holds_markup() {
        for source in Language::ALL.into_iter().flat_map(sources) {
            assert!(!source.contains(['<', '\t']), "texts are plain");
        }
    }

    /// `text(…, "id"` and `plain(…, "id")` in the sources, `t("id"` in templates: every id is there.
    #[test]
    fn every_id_asked_for_is_there() {
        let ids = ids(Language::En);
        let mut asked = 0;
        for file in files(&["src", "assets"]) {
            let content = std::fs::read_to_string(&file).unwrap_or_default();
            let content = content.split("mod tests {").next().unwrap_or_default();
            // Where neither is named, a function of the same name asks for something else.
            let is_page = file.extension().is_some_and(|end| end == "html");
            if !is_page && !content.contains("texts") && !content.contains("chrome") {
                continue;
            }
            for start in ASKS {
                for (at, _) in content.match_indices(start) {
                    let before = content[..at].chars().next_back();
                    if before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
                        continue;
                    }
                    let rest = &content[at + start.len()..];
                    let first = rest.split_inclusive(['(', ')', ';']).next().unwrap_or_default();
                    let is_id = |id: &&str| {
                        id.contains('-')
                            && id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
                    };
                    for id in first.split('"').skip(1).step_by(2).filter(is_id) {
                        asked += 1;
                        assert!(ids.contains_key(id), "{}: no text {id}", file.display());
                    }
                }
            }
        }
        assert!(asked >= 50, "only {asked} were found");
    }

    /// How a text is asked for.
    const ASKS: [&str; 14] = [
        "text(",
        "plain(",
        "t(",
        "say(",
        "put(",
        "count(",
        "words(",
        "paragraph(",
        "paragraph_if(",
        "titled(",
        "button(",
        "code(",
        "finish(",
        "sheet(",
    ];

    fn files(roots: &[&str]) -> Vec<std::path::PathBuf> {
        let mut open: Vec<_> =
            roots.iter().map(|root| std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(root)).collect();
        let mut found = Vec::new();
        while let Some(path) = open.pop() {
            if path.is_dir() {
                open.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
            } else if path.extension().is_some_and(|end| end == "rs" || end == "html") {
                found.push(path);
            }
        }
        found
    }

    #[test]
    fn counts_and_fills_in() {
        let left = |language, n: u8| text(language, "pin-wrong", &[("left", n.into())]);
        assert_eq!(left(Language::En, 1), "This PIN is wrong. You have 1 try left.");
        assert_eq!(left(Language::En, 7), "This PIN is wrong. You have 7 tries left.");
        assert_eq!(left(Language::De, 1), "Diese PIN ist falsch. Sie haben noch 1 Versuch.");
        assert_eq!(plain(Language::En, "no-such-text"), "no-such-text");
    }

    #[test]
    fn says_dates_and_sizes() {
        let time = Time(1_795_318_393);
        assert_eq!(date(Language::En, time), "22 November 2026");
        assert_eq!(date(Language::De, time), "22. November 2026");
        assert_eq!(date_time(Language::De, time), "22. November 2026, 03:33 UTC");
        for (octets, want) in
            [(0, "0 bytes"), (999, "999 bytes"), (1_000, "1 KB"), (31_400, "31 KB"), (2_460_000, "2.4 MB")]
        {
            assert_eq!(
                size(Language::En, octets),
                want.replace(' ', "\u{a0}"),
                "a number stays with its unit"
            );
        }
        assert_eq!(size(Language::De, 2_460_000), "2,4\u{a0}MB");
    }

    #[test]
    fn chooses_a_language() {
        use Language::{De, En};
        for (header, want) in [
            ("", En),
            ("de-AT,de;q=0.9,en;q=0.8", De),
            ("fr, en;q=0.3, de;q=0.7", De),
            ("en;q=0.5, de;q=0.5", En),
            ("de;q=0", En),
            ("fr", En),
            ("*", En),
            ("de;q=x, en;q=0.1", En),
        ] {
            assert_eq!(choose(header, &[En, De]), want, "{header}");
        }
        assert_eq!(choose("en", &[De]), De);
        assert_eq!(choose("fr", &[De, En]), De);
    }

    #[test]
    fn tames_words() {
        assert_eq!(tame(" a\r\nb\u{202E}c ", 80), "a  bc");
        assert_eq!(tame("abcdef", 4), "abc…");
    }
}
