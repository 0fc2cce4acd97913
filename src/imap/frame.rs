//! Framing: bytes into whole commands, bounded before anything is parsed (RFC 3501 §2.2.1, §4.3; RFC 7888).
//!
//! A command is a line, or lines with literals between them. The message of an APPEND is not collected: it is
//! handed on in pieces. What was typed can hold a password, so every buffer is wiped when it goes.

use crate::imap::command;
use zeroize::Zeroize;
use zeroize::Zeroizing;

/// The lines of one command before sign-in, octets.
pub const LINE_BEFORE: usize = 8 << 10;
/// The same after it.
pub const LINE: usize = 64 << 10;
/// All literals of a session before sign-in together, octets.
pub const LITERALS_BEFORE: usize = 4 << 10;
/// All literals of one command after sign-in, octets; the message of an APPEND is not one of them.
pub const LITERALS: usize = 64 << 10;

/// Collects bytes and gives frames.
#[derive(Debug)]
pub struct Framer {
    waiting: Zeroizing<Vec<u8>>,
    taken: usize,
    command: Zeroizing<Vec<u8>>,
    line: usize,
    literals: usize,
    /// Literals of the command so far.
    pieces: usize,
    /// Octets of commands that were looked into.
    steps: u64,
    signed_in: bool,
    state: State,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    /// In a line of a command.
    Line,
    /// In a literal of a command.
    Literal { left: usize },
    /// Any one line, whatever it holds: the answer to `+`.
    Raw,
    /// The head of an APPEND was given out; its fate is not known yet.
    Append { octets: u64, sync: bool },
    /// In the message of an APPEND.
    Message { left: u64 },
    /// In a message that was refused but comes all the same.
    Discard { left: u64 },
    /// The end of the line behind a message.
    Tail { refused: bool },
    /// Nothing more is read.
    Closed,
}

/// What the bytes so far make.
#[derive(Debug, Eq, PartialEq)]
pub enum Frame {
    /// Nothing yet.
    More,
    /// A whole command with its literals in it.
    Command(Zeroizing<Vec<u8>>),
    /// A literal follows, and its client waits for `+` first.
    GoOn,
    /// A literal is larger than allowed. Its client was told to wait, so nothing of it comes.
    Refused {
        /// The command's.
        tag: String,
    },
    /// The head of an APPEND: answer with [`Framer::take_message`] or [`Framer::refuse_message`].
    Append {
        /// The command up to the literal.
        head: Vec<u8>,
        /// The message's size.
        octets: u64,
    },
    /// A piece of the message.
    Octets(Zeroizing<Vec<u8>>),
    /// The message is complete; `clean` if its line ended behind it.
    AppendEnd {
        /// Nothing else stood on the line.
        clean: bool,
    },
    /// One line that was asked for with [`Framer::expect_line`], without its CRLF.
    Line(Zeroizing<Vec<u8>>),
    /// More than a session may send: the end.
    Flood,
}

impl Default for Framer {
    fn default() -> Self {
        Self {
            waiting: Zeroizing::default(),
            taken: 0,
            // Room for all there may be before sign-in, so that growing leaves no copies behind.
            command: Zeroizing::new(Vec::with_capacity(LINE_BEFORE + LITERALS_BEFORE)),
            line: 0,
            literals: 0,
            pieces: 0,
            steps: 0,
            signed_in: false,
            state: State::Line,
        }
    }
}

impl Framer {
    /// Adds what was read.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.taken == self.waiting.len() {
            self.waiting.zeroize();
            self.taken = 0;
        }
        self.waiting.extend_from_slice(bytes);
    }

    /// Are there bytes nobody has taken yet? STARTTLS must not be followed by any.
    pub fn is_empty(&self) -> bool {
        self.taken == self.waiting.len() && self.command.is_empty()
    }

    /// The limits are the wider ones from now on.
    pub fn sign_in(&mut self) {
        self.signed_in = true;
        self.literals = 0;
    }

    /// The next frame is a [`Frame::Line`].
    pub fn expect_line(&mut self) {
        self.state = State::Raw;
    }

    /// The message of the APPEND is wanted; true if the client waits for `+`.
    pub fn take_message(&mut self) -> bool {
        let State::Append { octets, sync } = self.state else { return false };
        self.state = State::Message { left: octets };
        sync
    }

    /// The message of the APPEND is not wanted. At most `limit` octets of it are read away if it comes unasked.
    pub fn refuse_message(&mut self, limit: u64) {
        self.state = match self.state {
            State::Append { sync: true, .. } => State::Line,
            State::Append { octets, sync: false } if octets <= limit => State::Discard { left: octets },
            State::Message { left } => State::Discard { left },
            State::Append { .. } => State::Closed,
            other => other,
        };
    }

    /// What the bytes so far make. Call again until it is [`Frame::More`].
    pub fn next_frame(&mut self) -> Frame {
        loop {
            let frame = match self.state {
                State::Line => self.line(),
                State::Literal { left } => self.literal(left),
                State::Raw => self.raw(),
                State::Append { .. } => Some(Frame::More),
                State::Message { left } => self.message(left),
                State::Discard { left } => self.discard(left),
                State::Tail { refused } => self.tail(refused),
                State::Closed => Some(Frame::Flood),
            };
            if let Some(frame) = frame {
                return frame;
            }
        }
    }

    fn rest(&self) -> &[u8] {
        self.waiting.get(self.taken..).unwrap_or_default()
    }

    /// Moves bytes up to the end of a line, or all there are, behind the command. True at the end of a line.
    fn gather_line(&mut self) -> bool {
        let end = self.rest().iter().position(|byte| *byte == b'\n');
        let count = end.map_or(self.rest().len(), |at| at + 1);
        self.gather(count);
        self.line += count;
        end.is_some()
    }

    fn gather(&mut self, count: usize) {
        let bytes = self.waiting.get(self.taken..self.taken + count).unwrap_or_default();
        self.command.extend_from_slice(bytes);
        self.taken += count;
    }

    fn take_command(&mut self) -> Zeroizing<Vec<u8>> {
        (self.line, self.pieces) = (0, 0);
        if self.signed_in {
            self.literals = 0;
            return std::mem::take(&mut self.command);
        }
        let fresh = Zeroizing::new(Vec::with_capacity(LINE_BEFORE + LITERALS_BEFORE));
        std::mem::replace(&mut self.command, fresh)
    }

    fn line(&mut self) -> Option<Frame> {
        let whole = self.gather_line();
        if self.line > if self.signed_in { LINE } else { LINE_BEFORE } {
            self.state = State::Closed;
            return None;
        }
        if !whole {
            return Some(Frame::More);
        }
        let Some((octets, sync)) = literal_at_end(&self.command) else {
            return Some(Frame::Command(self.take_command()));
        };
        if self.is_append_head() {
            self.state = State::Append { octets, sync };
            return Some(Frame::Append { head: self.take_command().to_vec(), octets });
        }
        let left = usize::try_from(octets).unwrap_or(usize::MAX);
        let literals = self.literals.saturating_add(left);
        if literals > if self.signed_in { LITERALS } else { LITERALS_BEFORE } {
            if !sync {
                self.state = State::Closed;
                return None;
            }
            let tag = command::tag_of(&self.take_command());
            return Some(Frame::Refused { tag });
        }
        self.literals = literals;
        self.pieces += 1;
        self.state = State::Literal { left };
        sync.then_some(Frame::GoOn)
    }

    /// Does the message of an APPEND come next? In front of it only the folder can be a literal, so a command is looked
    /// into twice at most, however many literals it has.
    fn is_append_head(&mut self) -> bool {
        if !self.signed_in || self.pieces > 1 || !command::is_append(&self.command) {
            return false;
        }
        self.steps += self.command.len() as u64;
        command::is_append_head(&self.command)
    }

    /// How many octets of commands were looked into while they came.
    pub const fn steps(&self) -> u64 {
        self.steps
    }

    fn literal(&mut self, left: usize) -> Option<Frame> {
        let count = left.min(self.rest().len());
        self.gather(count);
        self.state = if count == left { State::Line } else { State::Literal { left: left - count } };
        (count < left).then_some(Frame::More)
    }

    fn raw(&mut self) -> Option<Frame> {
        let whole = self.gather_line();
        if self.line > LINE_BEFORE {
            self.state = State::Closed;
            return None;
        }
        if !whole {
            return Some(Frame::More);
        }
        let mut line = self.take_command();
        while matches!(line.last(), Some(b'\r' | b'\n')) {
            line.pop();
        }
        self.state = State::Line;
        Some(Frame::Line(line))
    }

    fn message(&mut self, left: u64) -> Option<Frame> {
        if left == 0 {
            self.state = State::Tail { refused: false };
            return None;
        }
        let count = self.rest().len().min(usize::try_from(left).unwrap_or(usize::MAX));
        if count == 0 {
            return Some(Frame::More);
        }
        let octets = self.rest().get(..count).unwrap_or_default().to_vec();
        self.taken += count;
        self.state = State::Message { left: left - count as u64 };
        Some(Frame::Octets(Zeroizing::new(octets)))
    }

    fn discard(&mut self, left: u64) -> Option<Frame> {
        let count = self.rest().len().min(usize::try_from(left).unwrap_or(usize::MAX));
        self.taken += count;
        let left = left - count as u64;
        self.state = if left == 0 { State::Tail { refused: true } } else { State::Discard { left } };
        (left > 0).then_some(Frame::More)
    }

    fn tail(&mut self, refused: bool) -> Option<Frame> {
        let whole = self.gather_line();
        if self.line > LINE_BEFORE {
            self.state = State::Closed;
            return None;
        }
        if !whole {
            return Some(Frame::More);
        }
        let line = self.take_command();
        if literal_at_end(&line).is_some_and(|(_, sync)| !sync) {
            self.state = State::Closed;
            return None;
        }
        self.state = State::Line;
        (!refused).then(|| Frame::AppendEnd { clean: line.as_slice() == b"\r\n" })
    }
}

/// The size of the literal a line announces at its end, and whether its client waits (RFC 7888 §4: `{n+}` does not).
fn literal_at_end(line: &[u8]) -> Option<(u64, bool)> {
    let inside = line.strip_suffix(b"}\r\n")?;
    let open = inside.iter().rposition(|byte| *byte == b'{')?;
    let number = inside.get(open + 1..)?;
    let (digits, sync) = match number.strip_suffix(b"+") {
        Some(digits) => (digits, false),
        None => (number, true),
    };
    if digits.is_empty() || digits.len() > 10 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let octets = str::from_utf8(digits).ok()?.parse().ok()?;
    Some((octets, sync))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frames(framer: &mut Framer, bytes: &[u8]) -> Vec<String> {
        framer.push(bytes);
        let mut seen = Vec::new();
        loop {
            let frame = framer.next_frame();
            let text = match &frame {
                Frame::Command(line) => format!("command {}", String::from_utf8_lossy(line).escape_debug()),
                Frame::Line(line) => format!("line {}", String::from_utf8_lossy(line)),
                Frame::Octets(octets) => format!("octets {}", octets.len()),
                Frame::Append { octets, .. } => format!("append {octets}"),
                Frame::Refused { tag } => format!("refused {tag}"),
                other => format!("{other:?}"),
            };
            if frame == Frame::More {
                return seen;
            }
            seen.push(text);
            if frame == Frame::Flood {
                return seen;
            }
        }
    }

    #[test]
    fn commands_and_literals() {
        let mut framer = Framer::default();
        assert_eq!(frames(&mut framer, b"a noop\r\nb log"), ["command a noop\\r\\n"]);
        assert_eq!(frames(&mut framer, b"in {3}\r\n"), ["GoOn"]);
        assert_eq!(
            frames(&mut framer, b"abc {2+}\r\nxy\r\nc"),
            ["command b login {3}\\r\\nabc {2+}\\r\\nxy\\r\\n"]
        );
        assert!(!framer.is_empty());
        framer.expect_line();
        assert_eq!(frames(&mut framer, b"{5}\r\n"), ["line c{5}"]);
        assert!(framer.is_empty());
    }

    #[test]
    fn limits_before_sign_in() {
        let mut framer = Framer::default();
        assert_eq!(frames(&mut framer, b"x7 login {4000}\r\n"), ["GoOn"]);
        assert_eq!(frames(&mut framer, &[b'a'; 4000]), Vec::<String>::new());
        assert_eq!(frames(&mut framer, b" {97}\r\n"), ["refused x7"]);
        assert_eq!(frames(&mut framer, b"x8 append INBOX {99999}\r\n"), ["refused x8"]);
        assert_eq!(frames(&mut framer, b"x9 login {97+}\r\n"), ["Flood"]);
        let mut framer = Framer::default();
        assert_eq!(frames(&mut framer, &[b'a'; LINE_BEFORE]), Vec::<String>::new());
        assert_eq!(frames(&mut framer, b"a"), ["Flood"]);
        assert_eq!(frames(&mut framer, b"\r\nb noop\r\n"), ["Flood"]);
    }

    #[test]
    fn an_append_is_passed_through() {
        let mut framer = Framer::default();
        framer.sign_in();
        assert_eq!(frames(&mut framer, b"a append {5}\r\n"), ["GoOn"]);
        assert_eq!(frames(&mut framer, b"INBOX (\\Seen) {70000}\r\n"), ["append 70000"]);
        assert!(framer.take_message());
        assert_eq!(frames(&mut framer, &[b'm'; 69_999]), ["octets 69999"]);
        assert_eq!(
            frames(&mut framer, b"m\r\nb noop\r\n"),
            ["octets 1", "AppendEnd { clean: true }", "command b noop\\r\\n"]
        );
        // Refused with a client that waits, and with one that does not.
        assert_eq!(frames(&mut framer, b"a append INBOX {7}\r\n"), ["append 7"]);
        framer.refuse_message(100);
        assert_eq!(frames(&mut framer, b"b noop\r\n"), ["command b noop\\r\\n"]);
        assert_eq!(frames(&mut framer, b"a append INBOX {7+}\r\n"), ["append 7"]);
        framer.refuse_message(100);
        assert_eq!(frames(&mut framer, b"b noop\r\n"), Vec::<String>::new());
        // Seven octets are gone, and the end of the line behind them.
        assert_eq!(frames(&mut framer, b"c noop\r\n"), ["command c noop\\r\\n"]);
        assert_eq!(frames(&mut framer, b"a append INBOX {101+}\r\n"), ["append 101"]);
        framer.refuse_message(100);
        assert_eq!(frames(&mut framer, b""), ["Flood"]);
    }

    #[test]
    fn a_command_of_many_literals_is_not_read_at_each() {
        for head in ["a SEARCH", "a APPEND x y"] {
            let mut framer = Framer::default();
            framer.sign_in();
            let command = format!("{head}{}\r\n", " TO {0+}\r\n".repeat(6_000));
            assert!(command.len() <= LINE);
            let seen = frames(&mut framer, command.as_bytes());
            assert_eq!(seen.len(), 1);
            assert!(seen[0].starts_with("command a "));
            assert!(framer.steps() <= 2 * command.len() as u64, "{head}: {}", framer.steps());
        }
    }

    proptest! {
        /// However the bytes are cut, the frames are the same, and no buffer outgrows the limits.
        #[test]
        fn cuts_do_not_matter(
            text in "(a (noop|login \\{3\\+?\\}|append INBOX \\{4\\+?\\}|x)\r\n|abc|\r\n|\\PC){0,12}",
            cut in 1_usize..7,
        ) {
            let play = |size: usize| {
                let mut framer = Framer::default();
                framer.sign_in();
                let mut seen: Vec<String> = Vec::new();
                for piece in text.as_bytes().chunks(size) {
                    framer.push(piece);
                    loop {
                        match framer.next_frame() {
                            Frame::More => break,
                            Frame::Append { .. } => { framer.take_message(); }
                            Frame::Octets(octets) => seen.extend(octets.iter().map(|byte| format!("octet {byte}"))),
                            Frame::Flood => return seen,
                            other => seen.push(format!("{other:?}")),
                        }
                    }
                }
                seen
            };
            prop_assert_eq!(play(cut), play(1 << 20));
        }
    }
}
