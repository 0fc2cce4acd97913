//! Passwords: one way to read them for web, IMAP, SMTP and commands, and what is refused when one is chosen.

use crate::base::address::Address;
use crate::base::random::Random;
use crate::base::random::bytes;
use crate::base::secret::Secret;
use crate::vault::pin::Pin;
use thiserror::Error;
use unicode_normalization::UnicodeNormalization;

/// Characters at least.
pub const SHORTEST: usize = 12;
/// Octets at most, after normalisation.
pub const LONGEST: usize = 256;

/// Fewer guesses than this, by zxcvbn's estimate, and a password is among the commonest.
const COMMON: u64 = 20_000;

/// A password in the one form that is stretched: NFC, every kind of space U+0020.
#[derive(Debug)]
pub struct Password(Secret<String>);

impl Password {
    /// Reads a password, at sign-in as at its choosing. What is refused here cannot be anybody's.
    pub fn parse(text: &str) -> Result<Self, BadPassword> {
        if text.len() > 4 * LONGEST {
            return Err(BadPassword::Long);
        }
        // NFC makes at most three times as many octets: nothing is copied to a larger place and left behind.
        let mut normal = String::with_capacity(3 * text.len());
        normal.extend(
            text.nfc().map(|c| if c.is_whitespace() && !c.is_ascii() && !c.is_control() { ' ' } else { c }),
        );
        let normal = Secret::new(normal);
        let text = normal.expose();
        if text.len() > LONGEST {
            return Err(BadPassword::Long);
        }
        if text.chars().count() < SHORTEST {
            return Err(BadPassword::Short);
        }
        if text.chars().any(char::is_control) {
            return Err(BadPassword::Control);
        }
        Ok(Self(normal))
    }

    /// What is refused when it is chosen, whoever chooses: one character repeated, and the 10,000 commonest.
    ///
    /// "Commonest" is the frequency list inside zxcvbn, asked by its estimate: below 20,000 guesses a password is
    /// one entry of that list, one run, repetition or keyboard row, or one of these with another tiny one behind it
    /// (`password1234`; the estimate starts at 10,000 for any two parts).
    pub fn refuse_weak(&self) -> Result<(), BadPassword> {
        let text = self.expose();
        let mut chars = text.chars();
        let first = chars.next();
        if chars.all(|c| Some(c) == first) {
            return Err(BadPassword::Repeated);
        }
        // Behind 100 characters zxcvbn does not look; nothing that long is on the list.
        if text.chars().count() <= 100 && zxcvbn::zxcvbn(text, &[]).guesses() < COMMON {
            return Err(BadPassword::Common);
        }
        Ok(())
    }

    /// What is refused for this mailbox: its address, the local part of it, and the PIN.
    ///
    /// To be asked only after the access token was found good: the answer would confirm an address.
    pub fn refuse_for(&self, address: &Address, pin: Option<&Pin>) -> Result<(), BadPassword> {
        let folded = Secret::new(self.expose().to_lowercase());
        let trimmed = folded.expose().trim();
        let key = address.key();
        let local = key.as_str().rsplit_once('@').map_or("", |(local, _)| local);
        if trimmed == key.as_str() || trimmed == local {
            return Err(BadPassword::Address);
        }
        if pin.is_some_and(|pin| pin.expose().trim() == self.expose().trim()) {
            return Err(BadPassword::Pin);
        }
        Ok(())
    }

    /// Its characters.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// zxcvbn's score, 0 to 4: for a hint, never for a refusal.
    pub fn score(&self) -> u8 {
        u8::from(zxcvbn::zxcvbn(self.expose(), &[]).score())
    }

    /// A suggestion: five words of three syllables that can be spoken, 90 bits.
    pub fn suggest(random: &dyn Random) -> Secret<String> {
        const CONSONANTS: &[u8; 16] = b"bdfghjklmnprstvz";
        const VOWELS: &[u8; 4] = b"aiou";
        let syllables = Secret::new(bytes::<15>(random));
        let mut text = String::with_capacity(34);
        for (at, byte) in syllables.expose().iter().enumerate() {
            if at > 0 && at % 3 == 0 {
                text.push('-');
            }
            let consonant = CONSONANTS.get(usize::from(byte >> 4)).copied().unwrap_or(b'b');
            let vowel = VOWELS.get(usize::from(byte & 3)).copied().unwrap_or(b'a');
            text.push(char::from(consonant));
            text.push(char::from(vowel));
        }
        Secret::new(text)
    }
}

/// Why a text is no good password.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum BadPassword {
    /// Below 12 characters.
    #[error("a password has at least 12 characters")]
    Short,
    /// Above 256 octets.
    #[error("a password has at most 256 bytes")]
    Long,
    /// A control character.
    #[error("a password has no control characters")]
    Control,
    /// `aaaaaaaaaaaa`.
    #[error("the password repeats one character")]
    Repeated,
    /// Among the 10,000 commonest.
    #[error("the password is among the commonest")]
    Common,
    /// The address, or its local part.
    #[error("the password is the address")]
    Address,
    /// The PIN.
    #[error("the password is the PIN")]
    Pin,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::tests::Seeded;
    use proptest::prelude::*;

    #[test]
    fn is_the_same_however_it_was_typed() {
        for (text, want) in [
            ("correct horse battery", "correct horse battery"),
            ("correct\u{a0}horse\u{3000}battery", "correct horse battery"),
            ("pa\u{308}sswort-lang", "pässwort-lang"),
            (" with blanks around ", " with blanks around "),
            ("密码密码密码密码密码密码", "密码密码密码密码密码密码"),
        ] {
            assert_eq!(Password::parse(text).unwrap().expose(), want, "{text}");
        }
        for (text, why) in [
            ("", BadPassword::Short),
            ("elevenchars", BadPassword::Short),
            ("a\u{308}a\u{308}a\u{308}a\u{308}a\u{308}a\u{308}", BadPassword::Short),
            (&*"x".repeat(257), BadPassword::Long),
            (&*"é".repeat(129), BadPassword::Long),
            (&*"\u{1d160}".repeat(90), BadPassword::Long),
            (&*"x".repeat(1 << 20), BadPassword::Long),
            ("with\ttab inside", BadPassword::Control),
            ("with\0nul inside", BadPassword::Control),
            ("with\u{85}nel inside", BadPassword::Control),
        ] {
            assert_eq!(Password::parse(text).unwrap_err(), why, "{text:.30}");
        }
    }

    #[test]
    fn refuses_what_everybody_has() {
        for (text, why) in [
            ("aaaaaaaaaaaa", Err(BadPassword::Repeated)),
            ("............", Err(BadPassword::Repeated)),
            ("123456789012", Err(BadPassword::Common)),
            ("qwertyuiop[]", Err(BadPassword::Common)),
            ("abcdefghijkl", Err(BadPassword::Common)),
            ("password1234", Err(BadPassword::Common)),
            ("iloveyou1234", Err(BadPassword::Common)),
            ("unbelievable", Err(BadPassword::Common)),
            ("motherfucker", Err(BadPassword::Common)),
            ("correct horse battery staple", Ok(())),
            ("Zwölf Boxkämpfer", Ok(())),
            (&*"xy".repeat(100), Ok(())),
        ] {
            assert_eq!(Password::parse(text).unwrap().refuse_weak(), why, "{text}");
        }
    }

    #[test]
    fn refuses_address_and_pin() {
        let address = Address::parse("Christopher.Robin@x.example").unwrap();
        let pin = Pin::parse("hundred acre wood").unwrap();
        for (text, why) in [
            ("christopher.robin@X.EXAMPLE", Err(BadPassword::Address)),
            ("Christopher.Robin", Err(BadPassword::Address)),
            (" christopher.robin ", Err(BadPassword::Address)),
            ("hundred acre wood", Err(BadPassword::Pin)),
            ("christopher.robin and pooh", Ok(())),
        ] {
            assert_eq!(Password::parse(text).unwrap().refuse_for(&address, Some(&pin)), why, "{text}");
        }
        assert!(Password::parse("hundred acre wood").unwrap().refuse_for(&address, None).is_ok());
    }

    #[test]
    fn suggestions_keep_the_rules() {
        let random = Seeded::new(1);
        for _ in 0..200 {
            let text = Password::suggest(&random);
            assert_eq!(text.expose().len(), 34);
            let password = Password::parse(text.expose()).unwrap();
            assert_eq!(password.refuse_weak(), Ok(()), "{}", text.expose());
            assert!(password.score() == 4);
        }
        assert_ne!(Password::suggest(&random).expose(), Password::suggest(&random).expose());
    }

    proptest! {
        #[test]
        fn parsing_is_stable_and_never_panics(text in "\\PC{0,60}") {
            if let Ok(password) = Password::parse(&text) {
                let again = Password::parse(password.expose()).unwrap();
                prop_assert_eq!(again.expose(), password.expose());
                let _ = password.refuse_weak();
            }
        }
    }
}
