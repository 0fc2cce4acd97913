//! Questions to the person at the terminal, and the lines of standard input in their place.

use crate::base::secret::Secret;
use crate::serve::control::Trouble;
use std::io;
use std::io::BufRead;
use std::io::IsTerminal;
use std::io::Write;
use zeroize::Zeroize;

/// The longest password line, octets; the rule for passwords says what is too long.
const LINE: usize = 4_096;

/// Where passwords come from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Asking {
    /// The terminal, without echo.
    Terminal,
    /// One line of standard input for each.
    Lines,
}

impl Asking {
    /// From `--password-stdin`.
    pub const fn from_switch(password_stdin: bool) -> Self {
        if password_stdin { Self::Lines } else { Self::Terminal }
    }

    /// A password that is there already.
    pub fn password(self, prompt: &str) -> Result<Secret<String>, Trouble> {
        match self {
            Self::Lines => line(&mut io::stdin().lock()),
            Self::Terminal => {
                if !io::stdin().is_terminal() {
                    return Err(Trouble::usage("no terminal to ask on: use --password-stdin"));
                }
                let typed = rpassword::prompt_password(format!("{prompt}: "));
                typed.map(Secret::new).map_err(|error| Trouble::usage(format!("cannot ask: {error}")))
            }
        }
    }

    /// A password that is to be: on a terminal it is typed twice.
    pub fn new_password(self, prompt: &str) -> Result<Secret<String>, Trouble> {
        let first = self.password(prompt)?;
        if self == Self::Terminal && *first.expose() != *self.password("The same again")?.expose() {
            return Err(Trouble::usage("the two are not the same"));
        }
        Ok(first)
    }
}

/// One line, without its end.
fn line(input: &mut impl BufRead) -> Result<Secret<String>, Trouble> {
    let mut bytes = Vec::with_capacity(LINE + 1);
    let read = io::Read::take(input, LINE as u64 + 1).read_until(b'\n', &mut bytes);
    read.map_err(|error| Trouble::usage(format!("standard input: {error}")))?;
    if bytes.len() > LINE || bytes.is_empty() {
        bytes.zeroize();
        return Err(Trouble::usage("standard input has no line with a password"));
    }
    while bytes.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
        bytes.pop();
    }
    String::from_utf8(bytes).map(Secret::new).map_err(|error| {
        error.into_bytes().zeroize();
        Trouble::usage("a password must be UTF-8")
    })
}

/// Whether somebody is there to be asked, or has answered already by `--yes`.
pub fn can_ask(yes: bool, about: &str) -> Result<(), Trouble> {
    if yes || io::stdin().is_terminal() {
        return Ok(());
    }
    Err(Trouble::usage(format!("{about} No terminal to ask on: use --yes")))
}

/// Asks for the address of what is to be lost, typed once more; `--yes` answers, and without a terminal nobody else can.
pub fn confirm_address(yes: bool, question: &str, address: &str) -> Result<(), Trouble> {
    if yes {
        return Ok(());
    }
    can_ask(yes, question)?;
    let mut terminal = io::stderr().lock();
    let asked = write!(terminal, "{question}\nType the address to go on: ").and_then(|()| terminal.flush());
    asked.map_err(|error| Trouble::usage(format!("cannot ask: {error}")))?;
    let mut answer = String::new();
    let read = io::Read::take(io::stdin().lock(), 1_024).read_line(&mut answer);
    read.map_err(|error| Trouble::usage(format!("standard input: {error}")))?;
    if answer.trim().to_lowercase() == address.trim().to_lowercase() {
        Ok(())
    } else {
        Err(Trouble::refused("that is another address; nothing was done"))
    }
}

/// Asks whether to go on; `--yes` answers, and without a terminal nobody else can.
pub fn confirm(yes: bool, question: &str) -> Result<(), Trouble> {
    if yes {
        return Ok(());
    }
    can_ask(yes, question)?;
    let mut terminal = io::stderr().lock();
    let asked = write!(terminal, "{question} [y/N] ").and_then(|()| terminal.flush());
    asked.map_err(|error| Trouble::usage(format!("cannot ask: {error}")))?;
    let mut answer = String::new();
    let read = io::Read::take(io::stdin().lock(), 64).read_line(&mut answer);
    read.map_err(|error| Trouble::usage(format!("standard input: {error}")))?;
    match answer.trim().to_lowercase().as_str() {
        "y" | "yes" | "j" | "ja" => Ok(()),
        _ => Err(Trouble::refused("nothing was done")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_lines() {
        let mut input: &[u8] = b"first pass word\r\nsecond\n";
        assert_eq!(line(&mut input).unwrap().expose(), "first pass word");
        assert_eq!(line(&mut input).unwrap().expose(), "second");
        assert!(line(&mut input).is_err(), "no more");
        assert!(line(&mut &[0xff, b'\n'][..]).is_err());
        assert!(line(&mut "x".repeat(LINE + 1).as_bytes()).is_err());
    }
}
