//! PINs: passed on by another way than the mail, and tried at most ten times.

use crate::base::address::Address;
use crate::base::random::Random;
use crate::base::random::bytes;
use crate::base::secret::Secret;
use thiserror::Error;

/// Digits of a PIN that Guardpost chooses.
pub const DIGITS: usize = 6;

/// 4–12 digits, or 4–32 printable ASCII characters.
#[derive(Debug)]
pub struct Pin(Secret<String>);

impl Pin {
    /// Reads a PIN as a person typed it: blanks around it, and between digits, do not count.
    pub fn parse(text: &str) -> Result<Self, BadPin> {
        let text = text.trim();
        if text.len() > 64 {
            return Err(BadPin::Shape);
        }
        let digits_only = text.chars().all(|c| c.is_ascii_digit() || c == ' ');
        let most = if digits_only { 12 } else { 32 };
        let mut pin = String::with_capacity(text.len());
        pin.extend(text.chars().filter(|c| !digits_only || *c != ' '));
        let pin = Secret::new(pin);
        let printable = pin.expose().bytes().all(|byte| (b' '..=b'~').contains(&byte));
        if !printable || !(4..=most).contains(&pin.expose().len()) {
            return Err(BadPin::Shape);
        }
        Ok(Self(pin))
    }

    /// A sender's own choice: trivial ones are refused. `addresses` are the sender's and the recipient's.
    pub fn choose(text: &str, addresses: &[&Address]) -> Result<Self, BadPin> {
        let pin = Self::parse(text)?;
        pin.refuse_trivial(addresses)?;
        Ok(pin)
    }

    /// A random one of `digits` digits (within 4–12), every non-trivial one as likely as any other.
    pub fn generate(digits: usize, addresses: &[&Address], random: &dyn Random) -> Self {
        let digits = digits.clamp(4, 12);
        loop {
            let mut text = String::with_capacity(digits);
            while text.len() < digits {
                let [byte] = bytes(random);
                // 250 is the largest multiple of ten in a byte: above it a digit would be likelier than another.
                if byte < 250 {
                    text.push(char::from(b'0' + byte % 10));
                }
            }
            let pin = Self(Secret::new(text));
            if pin.refuse_trivial(addresses).is_ok() {
                return pin;
            }
        }
    }

    /// Its characters.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// Only digits: the page asks for it with a number pad.
    pub fn is_numeric(&self) -> bool {
        self.expose().bytes().all(|byte| byte.is_ascii_digit())
    }

    /// What somebody would try in the first ten guesses.
    fn refuse_trivial(&self, addresses: &[&Address]) -> Result<(), BadPin> {
        let text = Secret::new(self.expose().to_ascii_lowercase());
        let pin = text.expose().as_bytes();
        if is_periodic(pin, 1) {
            return Err(BadPin::Repeated);
        }
        if is_run(pin) {
            return Err(BadPin::Run);
        }
        if is_periodic(pin, 2) {
            return Err(BadPin::Alternating);
        }
        if is_date(pin) {
            return Err(BadPin::Date);
        }
        if addresses.iter().any(|address| address.key().as_str().contains(text.expose())) {
            return Err(BadPin::Address);
        }
        Ok(())
    }
}

/// Why a text is no good PIN.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum BadPin {
    /// Not 4–12 digits, and not 4–32 printable ASCII characters.
    #[error("a PIN has 4 to 12 digits, or 4 to 32 printable ASCII characters")]
    Shape,
    /// `1111`.
    #[error("the PIN repeats one character")]
    Repeated,
    /// `1234`, `9876`, `7890`.
    #[error("the PIN is a run")]
    Run,
    /// `1212`.
    #[error("the PIN alternates between two characters")]
    Alternating,
    /// `2412`, `241290`, `1990`, `24.12.1990`.
    #[error("the PIN is a date")]
    Date,
    /// A piece of the sender's or the recipient's address.
    #[error("the PIN is part of an address")]
    Address,
}

/// Every character is the one `period` places before it.
fn is_periodic(pin: &[u8], period: usize) -> bool {
    pin.iter().zip(pin.iter().skip(period)).all(|(one, other)| one == other)
}

/// Every step is the same, +1 or −1; of digits also from 9 to 0 and back.
fn is_run(pin: &[u8]) -> bool {
    let step = |by: i16| {
        pin.iter().zip(pin.iter().skip(1)).all(|(one, next)| {
            let (one, next) = (i16::from(*one), i16::from(*next));
            let wraps = one == i16::from(if by > 0 { b'9' } else { b'0' })
                && next == i16::from(if by > 0 { b'0' } else { b'9' });
            next - one == by || wraps
        })
    };
    step(1) || step(-1)
}

/// A day that was or will be, with or without separators: DDMM, MMDD, YYYY (1900–2099); DDMMYY, MMDDYY, YYMMDD,
/// MMYYYY, YYYYMM; DDMMYYYY, MMDDYYYY, YYYYMMDD.
fn is_date(pin: &[u8]) -> bool {
    let mut digits = [0; 8];
    let mut count = 0;
    for byte in pin.iter().copied().filter(|byte| !matches!(byte, b'.' | b'-' | b'/' | b' ')) {
        let Some(place) = digits.get_mut(count).filter(|_| byte.is_ascii_digit()) else { return false };
        *place = u32::from(byte - b'0');
        count += 1;
    }
    let [a, b, c, d, e, f, g, h] = digits;
    let (one, two, three, four) = (10 * a + b, 10 * c + d, 10 * e + f, 10 * g + h);
    let day = |day: u32, month: u32| {
        (1..=12).contains(&month)
            && (1..=[31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month as usize - 1]).contains(&day)
    };
    let month = |month: u32| (1..=12).contains(&month);
    let century = |century: u32| century == 19 || century == 20;
    match count {
        4 => day(one, two) || day(two, one) || century(one),
        6 => {
            day(one, two)
                || day(two, one)
                || day(three, two)
                || (month(one) && century(two))
                || (century(one) && month(three))
        }
        8 => ((day(one, two) || day(two, one)) && century(three)) || (century(one) && day(four, three)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::tests::Seeded;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn addresses() -> [Address; 2] {
        [Address::parse("alice4711@corp.example").unwrap(), Address::parse("Bob@x-92836.example").unwrap()]
    }

    #[test]
    fn reads_and_refuses() {
        for (text, want) in [
            ("271828", "271828"),
            (" 271 828 ", "271828"),
            ("4830", "4830"),
            ("482915937462", "482915937462"),
            ("correct horse", "correct horse"),
            ("a b!", "a b!"),
            ("x~ 8", "x~ 8"),
        ] {
            assert_eq!(Pin::parse(text).unwrap().expose(), want, "{text}");
        }
        for text in
            ["", "123", "1 2 3", "4829159374620", "pin", "grün", "a\tbcd", &"x".repeat(33), &"1".repeat(9999)]
        {
            assert_eq!(Pin::parse(text).unwrap_err(), BadPin::Shape, "{text:.20}");
        }
    }

    #[test]
    fn refuses_trivial_choices_each_with_its_reason() {
        let [sender, recipient] = addresses();
        for (text, why) in [
            ("000000", BadPin::Repeated),
            ("aaaa", BadPin::Repeated),
            ("123456", BadPin::Run),
            ("9876", BadPin::Run),
            ("7890", BadPin::Run),
            ("3210", BadPin::Run),
            ("1098", BadPin::Run),
            ("abcdef", BadPin::Run),
            ("AbCd", BadPin::Run),
            ("121212", BadPin::Alternating),
            ("abab", BadPin::Alternating),
            ("90909", BadPin::Alternating),
            ("2412", BadPin::Date),
            ("1224", BadPin::Date),
            ("1987", BadPin::Date),
            ("290200", BadPin::Date),
            ("241290", BadPin::Date),
            ("901224", BadPin::Date),
            ("122490", BadPin::Date),
            ("199012", BadPin::Date),
            ("121990", BadPin::Date),
            ("24121990", BadPin::Date),
            ("19901224", BadPin::Date),
            ("24.12.1990", BadPin::Date),
            ("1990-12-24", BadPin::Date),
            ("4711", BadPin::Address),
            ("92836", BadPin::Address),
            ("Alice", BadPin::Address),
            ("bob@", BadPin::Address),
            ("CORP", BadPin::Address),
        ] {
            assert_eq!(Pin::choose(text, &[&sender, &recipient]).unwrap_err(), why, "{text}");
        }
        for text in ["271828", "4830", "310499887", "1357", "135790", "horse battery", "99999998", "92837"] {
            assert!(Pin::choose(text, &[&sender, &recipient]).is_ok(), "{text}");
        }
    }

    #[test]
    fn random_ones_are_never_trivial_and_use_every_digit_alike() {
        let random = Seeded::new(1);
        let [sender, recipient] = addresses();
        let mut seen = [0_usize; 10];
        let mut different = BTreeSet::new();
        for _ in 0..5_000 {
            let pin = Pin::generate(DIGITS, &[&sender, &recipient], &random);
            assert_eq!(pin.expose().len(), DIGITS);
            assert!(pin.is_numeric());
            assert!(pin.refuse_trivial(&[&sender, &recipient]).is_ok());
            for byte in pin.expose().bytes() {
                seen[usize::from(byte - b'0')] += 1;
            }
            different.insert(pin.expose().to_owned());
        }
        assert!(different.len() > 4_950, "{}", different.len());
        // 3,000 each on average; refusing dates makes 0 and 1 a little rarer.
        assert!(seen.iter().all(|count| (2_600..3_400).contains(count)), "{seen:?}");
        for digits in [0, 4, 12, 99] {
            assert_eq!(Pin::generate(digits, &[], &random).expose().len(), digits.clamp(4, 12));
        }
    }

    proptest! {
        #[test]
        fn never_panics_and_reads_its_own(text in "\\PC{0,40}") {
            if let Ok(pin) = Pin::choose(&text, &[&addresses()[0]]) {
                let again = Pin::parse(pin.expose()).unwrap();
                prop_assert_eq!(again.expose(), pin.expose());
            }
        }
    }
}
