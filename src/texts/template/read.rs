//! Reads a template, and says everything that is wrong with it.

use crate::texts::breaks;
use crate::texts::template::Kind;
use crate::texts::template::Paragraph;
use crate::texts::template::SIZE;
use crate::texts::template::Template;
use crate::texts::template::Token;
use crate::texts::turns;
use std::mem;

/// Something that is wrong with a template.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Wrong {
    /// The line, from 1; nothing for the template as a whole.
    pub line: Option<usize>,
    /// What is wrong and what is wanted.
    pub what: String,
}

/// The longest headline, characters.
const TITLE: usize = 150;
/// The longest word, characters: longer ones break the smallest screens.
const WORD: usize = 100;
/// Digits of a telephone number, at least.
const DIGITS: usize = 7;

impl Template {
    /// Reads a file for `kind`; all that is wrong at once.
    pub fn read(kind: Kind, content: &[u8]) -> Result<Self, Vec<Wrong>> {
        let whole = |what: String| vec![Wrong { line: None, what }];
        if content.len() as u64 > SIZE {
            return Err(whole(format!("longer than {} KiB", SIZE >> 10)));
        }
        let text = match str::from_utf8(content) {
            Ok(text) => text.strip_prefix('\u{FEFF}').unwrap_or(text),
            Err(wrong) => {
                let before = content.get(..wrong.valid_up_to()).unwrap_or_default();
                let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
                return Err(vec![Wrong { line: Some(line), what: "not UTF-8".into() }]);
            }
        };
        let mut reader = Reader {
            kind,
            line: 0,
            title: None,
            paragraphs: Vec::new(),
            open: Vec::new(),
            wrong: Vec::new(),
        };
        for (at, line) in text.lines().enumerate() {
            reader.line = at + 1;
            reader.take(line.strip_suffix('\r').unwrap_or(line));
        }
        reader.end_paragraph();
        reader.finish()
    }
}

struct Reader {
    kind: Kind,
    /// From 1.
    line: usize,
    title: Option<Vec<Token>>,
    paragraphs: Vec<Paragraph>,
    /// The paragraph that is not at its end.
    open: Vec<Token>,
    wrong: Vec<Wrong>,
}

impl Reader {
    /// A piece stands alone on its line; lines of words up to an empty line are one paragraph, broken where one ends
    /// with a backslash.
    fn take(&mut self, line: &str) {
        let line = line.trim();
        if line.starts_with('#') {
            return;
        }
        if line.is_empty() {
            return self.end_paragraph();
        }
        self.forbid(line);
        let is_first = self.title.is_none() && self.paragraphs.is_empty() && self.open.is_empty();
        if let Some(title) = line.strip_prefix("Title:").filter(|_| is_first) {
            return self.take_title(title.trim());
        }
        if let Some(piece) = self.piece_alone(line) {
            return self.take_piece(piece);
        }
        let (words, end) = line.strip_suffix('\\').map_or((line, " "), |words| (words.trim_end(), "\n"));
        let words = self.tokens(words);
        self.open.extend(words);
        self.open.push(Token::Text(end.into()));
    }

    fn take_title(&mut self, title: &str) {
        let length = title.chars().count();
        if length == 0 || length > TITLE {
            self.complain(format!("a title has 1 to {TITLE} characters"));
        }
        self.title = Some(self.tokens(title));
    }

    fn take_piece(&mut self, piece: &'static str) {
        self.end_paragraph();
        if self.has_piece(piece) {
            self.complain(format!("{{{piece}}} stands there twice"));
        }
        self.paragraphs.push(Paragraph::Piece(piece));
    }

    fn end_paragraph(&mut self) {
        let mut words = mem::take(&mut self.open);
        // What parts its last line from a next one.
        words.pop();
        if !words.is_empty() {
            self.paragraphs.push(Paragraph::Words(words));
        }
    }

    fn finish(mut self) -> Result<Template, Vec<Wrong>> {
        for row in self.kind.needs() {
            if !row.iter().any(|name| self.has_piece(name) || self.has_word(name)) {
                let names: Vec<_> = row.iter().map(|name| format!("{{{name}}}")).collect();
                let what = format!("{} is missing: this mail may not go out without it", names.join(" or "));
                self.wrong.push(Wrong { line: None, what });
            }
        }
        match self.wrong.is_empty() {
            true => Ok(Template { title: self.title, paragraphs: self.paragraphs }),
            false => Err(self.wrong),
        }
    }

    fn has_piece(&self, piece: &str) -> bool {
        self.paragraphs.iter().any(|one| matches!(one, Paragraph::Piece(name) if *name == piece))
    }

    fn has_word(&self, word: &str) -> bool {
        let names = |token: &Token| matches!(token, Token::Word(name) if *name == word);
        self.paragraphs.iter().any(|one| matches!(one, Paragraph::Words(tokens) if tokens.iter().any(names)))
    }

    fn complain(&mut self, what: impl Into<String>) {
        self.wrong.push(Wrong { line: Some(self.line), what: what.into() });
    }

    /// What no mail of ours holds, whoever words it.
    fn forbid(&mut self, line: &str) {
        if line.chars().any(|c| turns(c) || (c != '\t' && breaks(c))) {
            self.complain("a control character, or one that turns the direction of what follows");
        }
        if line.split_whitespace().any(|word| word.chars().count() > WORD) {
            self.complain(format!("a word of more than {WORD} characters"));
        }
        let small = line.to_ascii_lowercase();
        if small.contains("://") || small.contains("www.") {
            self.complain(
                "a web address: these mails lead to the portal and nowhere else; imprint_url, privacy_url and contact of \
                 [portal] stand below each of them",
            );
        }
        if has_telephone_number(line) {
            self.complain(
                "a telephone number: a forged mail would name a forged one, so readers are told to trust none in a mail",
            );
        }
    }

    fn piece_alone(&self, line: &str) -> Option<&'static str> {
        let name = line.strip_prefix('{')?.strip_suffix('}')?.trim();
        self.kind.pieces().iter().copied().find(|piece| *piece == name)
    }

    /// `{name}` is a value, `{{` and `}}` are braces.
    fn tokens(&mut self, line: &str) -> Vec<Token> {
        let mut tokens = Vec::new();
        let mut text = String::new();
        let mut rest = line;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, found) = rest.split_at(at);
            text.push_str(before);
            if let Some(behind) = found.strip_prefix("{{") {
                text.push('{');
                rest = behind;
            } else if let Some(behind) = found.strip_prefix("}}") {
                text.push('}');
                rest = behind;
            } else if let Some((name, behind)) =
                found.strip_prefix('{').and_then(|inside| inside.split_once('}'))
            {
                tokens.push(Token::Text(mem::take(&mut text)));
                tokens.extend(self.word(name.trim()).map(Token::Word));
                rest = behind;
            } else {
                self.complain("a brace without its other one; \"{{\" and \"}}\" stand for braces");
                return tokens;
            }
        }
        text.push_str(rest);
        tokens.push(Token::Text(text));
        tokens.retain(|token| *token != Token::Text(String::new()));
        tokens
    }

    fn word(&mut self, name: &str) -> Option<&'static str> {
        let found = self.kind.words().iter().copied().find(|word| *word == name);
        if found.is_some() {
            return found;
        }
        if self.kind.pieces().contains(&name) {
            self.complain(format!("{{{name}}} must stand alone on its line"));
        } else if name == "pin" {
            self.complain("there is no {pin}: a PIN never stands in a mail to its recipient");
        } else {
            let braced =
                |names: &[&str]| names.iter().map(|name| format!("{{{name}}}")).collect::<Vec<_>>().join(" ");
            let (words, pieces) = (braced(self.kind.words()), braced(self.kind.pieces()));
            let name: String = name.escape_debug().take(40).collect();
            self.complain(format!(
                "unknown placeholder {{{name}}}; among words there are {words}, alone on a line {pieces}"
            ));
        }
        None
    }
}

/// Seven digits or more with nothing between them but what people write in telephone numbers. What begins behind a
/// letter, as a VAT number, is none; dots part dates and hours.
fn has_telephone_number(line: &str) -> bool {
    let mut digits = 0;
    let mut before = ' ';
    let mut counts = true;
    for c in line.chars() {
        if c.is_ascii_digit() {
            counts = if digits == 0 { !before.is_alphanumeric() } else { counts };
            digits += 1;
            if digits >= DIGITS && counts {
                return true;
            }
        } else if !" -/()+\u{a0}\u{2011}\u{2013}\t".contains(c) {
            digits = 0;
        }
        before = c;
    }
    false
}
