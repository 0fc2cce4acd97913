//! The words of the digest that tells the owner of a secure alias what it refused.

use crate::base::address::Address;
use crate::base::language::Language;
use crate::base::time::Time;
use crate::texts::letter::Letter;
use crate::texts::letter::Letterhead;
use crate::texts::letter::MailText;
use crate::texts::tame;

/// One sender and one host.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    /// The envelope sender as it was claimed; empty is the null sender.
    pub sender: &'a str,
    /// What the host calls itself, and where it is.
    pub host: &'a str,
    /// The first time.
    pub first: Time,
    /// The last time.
    pub last: Time,
    /// How often.
    pub count: u64,
}

/// The longest sender or host that is repeated, characters.
const WORDS: usize = 200;

/// The digest about `attempts` to write to `alias` without TLS, and `more` of further senders.
pub fn digest(
    head: &Letterhead<'_>,
    alias: &Address,
    attempts: &[Attempt<'_>],
    more: u64,
    language: Language,
) -> MailText {
    let all = attempts.iter().fold(more, |sum, attempt| sum.saturating_add(attempt.count));
    let mut letter = Letter::new(head, language).address("alias", alias).with("n", all).with("more", more);
    letter.paragraph("refused-text");
    for attempt in attempts {
        let (sender, lines) = attempt.said(head, language);
        letter.entry(sender, lines);
    }
    letter
        .paragraph_if(more > 0, "refused-more")
        .paragraph("refused-claimed")
        .paragraph("refused-do")
        .finish("refused-subject", "refused-title")
}

impl Attempt<'_> {
    /// Who it was, and what else is said of it.
    fn said(&self, head: &Letterhead<'_>, language: Language) -> (String, Vec<String>) {
        let letter = Letter::new(head, language)
            .with("host", tame(self.host, WORDS))
            .moment("first", self.first)
            .moment("last", self.last)
            .with("n", self.count);
        let sender = match tame(self.sender, WORDS) {
            sender if sender.is_empty() => letter.say("refused-null-sender"),
            sender => sender,
        };
        let when = if self.count == 1 { "refused-once" } else { "refused-often" };
        (sender, vec![letter.say("refused-host"), letter.say(when)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_who_whence_when_and_how_often() {
        let alias = Address::parse("anna@secure.weber.example").unwrap();
        let attempt = |sender, count, until: i64| Attempt {
            sender,
            host: "mx.x.example (192.0.2.0/24)",
            first: Time(1_795_318_393),
            last: Time(1_795_318_393 + until),
            count,
        };
        let attempts = [attempt("bob@x.example\r\nSubject: x", 1, 0), attempt("", 3, 3_600)];
        let english = digest(&Letterhead::BARE, &alias, &attempts, 9_000, Language::En);
        let folded = english.text.split_whitespace().collect::<Vec<_>>().join(" ");
        for words in [
            "anna@secure.weber.example",
            "bob@x.example",
            "mx.x.example (192.0.2.0/24)",
            "22 November 2026, 03:33 UTC",
            "3 times",
            "04:33 UTC",
            "9000 more",
        ] {
            assert!(folded.contains(words), "{words} is not in\n{}", english.text);
        }
        assert!(!english.text.contains("\nSubject: x"), "{}", english.text);
        let german = digest(&Letterhead::BARE, &alias, &attempts[..1], 0, Language::De);
        let folded = german.text.split_whitespace().collect::<Vec<_>>().join(" ");
        for words in ["ohne Verschlüsselung", "22. November 2026, 03:33 UTC", "einmal"] {
            assert!(folded.contains(words), "{words} is not in\n{}", german.text);
        }
    }
}
