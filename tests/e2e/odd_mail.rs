//! Odd mail by the hundred, the same for the same seed: what a reader must show octet for octet.

/// One message with what a search must find in it.
#[derive(Clone, Debug)]
pub struct OddMail {
    /// Its octets, in CRLF lines.
    pub octets: Vec<u8>,
    /// A word of its decoded subject that no other message has; beyond ASCII in some.
    pub subject_word: String,
    /// A word of a decoded text that no other message has.
    pub body_word: String,
    /// Built by the book: another parser must see the same parts.
    pub regular: bool,
}

/// `count` messages.
pub fn messages(seed: u64, count: usize) -> Vec<OddMail> {
    (0..count).map(|number| Maker::new(seed, number).message()).collect()
}

/// SplitMix64: small, and the same everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, most: u64) -> u64 {
        self.roll() % most
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        let at = self.below(choices.len() as u64) as usize;
        &choices[at]
    }
}

struct Maker {
    dice: Dice,
    number: usize,
    boundaries: usize,
    regular: bool,
    body_word: String,
    /// The word was written into some part.
    placed: bool,
}

impl Maker {
    fn new(seed: u64, number: usize) -> Self {
        let mut dice = Dice(seed ^ (number as u64).wrapping_mul(0x0100_0000_01b3));
        let regular = !dice.one_in(2);
        Self {
            dice,
            number,
            boundaries: 0,
            regular,
            body_word: format!("wort{number:04}ende"),
            placed: false,
        }
    }

    fn message(mut self) -> OddMail {
        let mut octets = Vec::new();
        let subject_word = self.header(&mut octets);
        let (fields, body) = if self.number % 50 == 7 { self.deep(24) } else { self.part(3) };
        octets.extend_from_slice(&fields);
        octets.extend_from_slice(b"\r\n");
        octets.extend_from_slice(&body);
        if !self.placed {
            // A tree without text: the word stands where every reader finds it.
            return Self { regular: self.regular, ..Self::new(self.number as u64 + 77, self.number) }.plain();
        }
        let Self { regular, body_word, .. } = self;
        OddMail { octets, subject_word, body_word, regular }
    }

    /// A single text, odd only in its header.
    fn plain(mut self) -> OddMail {
        let mut octets = Vec::new();
        let subject_word = self.header(&mut octets);
        let (fields, body) = self.text();
        octets.extend_from_slice(&fields);
        octets.extend_from_slice(b"\r\n");
        octets.extend_from_slice(&body);
        OddMail { octets, subject_word, body_word: self.body_word, regular: self.regular }
    }

    /// The fields that are not about the content; answers with the subject's word.
    fn header(&mut self, out: &mut Vec<u8>) -> String {
        let number = self.number;
        let (shown, subject) = match self.dice.below(5) {
            0 => (
                format!("größe{number:04}"),
                format!("=?utf-8?q?gr=C3=B6=C3=9Fe{number:04}?= and =?utf-8?Q?more?="),
            ),
            1 => {
                let word = format!("fläche{number:04}");
                let coded = base64(word.as_bytes());
                (word, format!("=?UTF-8?B?{coded}?=\r\n =?iso-8859-1?Q?_und_=E4hnlich?="))
            }
            2 => (format!("plain{number:04}"), format!("Re: [list] plain{number:04} (\"quoted\" \\ back)")),
            3 => (
                format!("folded{number:04}"),
                format!("very\r\n\tlong and\r\n  folded{number:04}\r\n subject"),
            ),
            _ => (format!("mixed{number:04}"), format!("  =?us-ascii?q?mixed?=  mixed{number:04}  ")),
        };
        let mut fields: Vec<String> = vec![
            format!("Message-ID: <odd-{number}@example.org>"),
            format!("Subject: {subject}"),
            "MIME-Version: 1.0".into(),
        ];
        let from = [
            "Ann <ann@a.example>",
            "\"Ann, of A\" <ann@a.example>",
            "=?utf-8?q?J=C3=BCrgen?= <j@a.example>",
            "ann@a.example (Ann (the first))",
            "<ann@a.example>",
            "\"a b\"@a.example",
            "@relay.example:ann@a.example",
        ];
        fields.push(format!("From: {}", self.dice.pick(&from)));
        let to = [
            "bob@b.example",
            "bob@b.example, Carol <carol@c.example>,\r\n dave@d.example",
            "undisclosed-recipients:;",
            "Team: a@t.example, \"B C\" <b@t.example>;, last@l.example",
            "",
            ", , ,",
            "\"unfinished <bob@b.example>",
        ];
        fields.push(format!("To: {}", self.dice.pick(&to)));
        fields.push(format!(
            "Date: {}",
            self.dice.pick(&[
                "Tue, 1 Jul 2003 10:52:37 +0200",
                "1 Jul 03 10:52 GMT",
                "Tue, 01 Jul 2003 10:52:37 -0700 (PDT)",
                "not a date",
            ])
        ));
        if self.dice.one_in(3) {
            fields.push("In-Reply-To: <x@y.example>\r\nReferences: <1@y.example>\r\n\t<x@y.example>".into());
        }
        if self.dice.one_in(4) {
            fields.push(format!("X-Long: {}", "0123456789 ".repeat(150)));
        }
        if self.dice.one_in(5) {
            fields.push("X-Empty:\r\nX-Blank:   ".into());
        }
        if !self.regular && self.dice.one_in(3) {
            fields.push("Reply-To : ann2@a.example".into());
        }
        if !self.regular && self.dice.one_in(3) {
            fields.push("Cc: =?utf-8?q?broken <c@c.example>".into());
        }
        for field in fields {
            out.extend_from_slice(field.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        shown
    }

    /// A part: its fields and its body.
    fn part(&mut self, depth: usize) -> (Vec<u8>, Vec<u8>) {
        match self.dice.below(if depth == 0 { 5 } else { 10 }) {
            0..=2 => self.text(),
            3 => self.attachment(),
            4 => self.html(),
            5..=7 => self.multipart(depth - 1),
            8 => self.inner_message(depth - 1),
            _ => self.multipart(depth - 1),
        }
    }

    fn text(&mut self) -> (Vec<u8>, Vec<u8>) {
        self.placed = true;
        let text = format!(
            "Guten Tag,\r\n\r\ndas ist {} mit Umlauten: äöüß.\r\n.\r\n..\r\nFrom hier\r\n-- \r\nGruß\r\n",
            self.body_word
        );
        let text = match self.dice.below(40) {
            0 => format!("{text}{}\r\n", "lange Zeile ".repeat(9_000)),
            1 => format!("{text}{}", "viele Zeilen\r\n".repeat(30_000)),
            2 => text.trim_end().to_owned(),
            _ => text,
        };
        let (charset, bytes) = match self.dice.below(4) {
            0 => ("utf-8", text.into_bytes()),
            1 => ("ISO-8859-1", latin(&text)),
            2 => ("\"windows-1252\"", latin(&text)),
            _ => ("UTF-8", text.into_bytes()),
        };
        let (encoding, body) = self.encoded(&bytes);
        let extra = *self.dice.pick(&["", "; format=flowed", ";\r\n\tdelsp=yes", " ; x=\"a \\\"b\\\"\""]);
        let fields = format!(
            "Content-Type: text/plain; charset={charset}{extra}\r\nContent-Transfer-Encoding: {encoding}\r\n"
        );
        (fields.into_bytes(), body)
    }

    fn html(&mut self) -> (Vec<u8>, Vec<u8>) {
        let html = format!("<html><body><p>Seite {}</p></body></html>\r\n", self.number);
        let (encoding, body) = self.encoded(html.as_bytes());
        let fields = format!(
            "Content-Type: text/html\r\nContent-Language: de, en\r\nContent-Transfer-Encoding: {encoding}\r\n"
        );
        (fields.into_bytes(), body)
    }

    fn attachment(&mut self) -> (Vec<u8>, Vec<u8>) {
        let size = self.dice.below(5_000) as usize;
        let bytes: Vec<u8> = (0..size).map(|_| self.dice.roll() as u8).collect();
        let name = *self.dice.pick(&[
            "filename=report.pdf",
            "filename=\"a b (c).pdf\"",
            "filename*=utf-8''na%C3%AFve%20file.pdf",
            "filename*0=\"very-\";\r\n filename*1=\"long.pdf\"",
            "FileName=\"=?utf-8?q?b=C3=A4r.pdf?=\"",
        ]);
        let fields = format!(
            "Content-Type: application/pdf; name=x.pdf\r\nContent-Disposition: attachment;\r\n {name}\r\n\
             Content-Transfer-Encoding: base64\r\nContent-ID: <part{}@x>\r\nContent-Description: =?utf-8?q?Bericht?=\r\n",
            self.number
        );
        (fields.into_bytes(), base64_lines(&bytes).into_bytes())
    }

    fn multipart(&mut self, depth: usize) -> (Vec<u8>, Vec<u8>) {
        self.boundaries += 1;
        let boundary = match self.dice.below(4) {
            0 => format!("=_{}-{}", self.number, self.boundaries),
            1 => format!("--b{}'()+_,-./:=?{}", self.number, self.boundaries),
            2 => format!("b{} {}x", self.number, self.boundaries),
            _ => format!("{}{}{}", "-".repeat(20), self.number, self.boundaries * 7),
        };
        let subtype = *self.dice.pick(&["mixed", "alternative", "related", "MIXED", "x-strange"]);
        let mut body = Vec::new();
        if self.dice.one_in(3) {
            body.extend_from_slice(b"This is a preamble.\r\n");
        }
        for _ in 0..self.dice.below(4) + 1 {
            let (fields, inner) = self.part(depth);
            body.extend_from_slice(format!("--{boundary}\r\n").as_bytes());
            body.extend_from_slice(&fields);
            body.extend_from_slice(b"\r\n");
            body.extend_from_slice(&inner);
            body.extend_from_slice(b"\r\n");
        }
        if !self.regular && self.dice.one_in(3) {
            body.extend_from_slice(format!("--{boundary}  \r\n\r\n\r\n").as_bytes());
        }
        if !self.regular && self.dice.one_in(3) {
            body.extend_from_slice(format!("--{boundary}x\r\nno boundary\r\n").as_bytes());
        }
        if self.regular || !self.dice.one_in(3) {
            body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
            if self.dice.one_in(3) {
                body.extend_from_slice(b"This is an epilogue.\r\n");
            }
        }
        (format!("Content-Type: multipart/{subtype};\r\n boundary=\"{boundary}\"\r\n").into_bytes(), body)
    }

    fn inner_message(&mut self, depth: usize) -> (Vec<u8>, Vec<u8>) {
        let mut body = format!(
            "Subject: inner =?utf-8?q?n=C3=BAmero?= {}\r\nFrom: \"In, Ner\" <in@n.example>\r\nTo: a@b.example\r\nMIME-Version: 1.0\r\n",
            self.number
        )
        .into_bytes();
        let (fields, inner) = self.part(depth);
        body.extend_from_slice(&fields);
        body.extend_from_slice(b"\r\n");
        body.extend_from_slice(&inner);
        (b"Content-Type: message/rfc822\r\nContent-Disposition: inline\r\n".to_vec(), body)
    }

    /// Multiparts inside each other, a text at the bottom.
    fn deep(&mut self, depth: usize) -> (Vec<u8>, Vec<u8>) {
        if depth == 0 {
            return self.text();
        }
        let (fields, inner) = self.deep(depth - 1);
        let boundary = format!("deep{depth}deep");
        let mut body = format!("--{boundary}\r\n").into_bytes();
        body.extend_from_slice(&fields);
        body.extend_from_slice(b"\r\n");
        body.extend_from_slice(&inner);
        body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
        (format!("Content-Type: multipart/mixed; boundary={boundary}\r\n").into_bytes(), body)
    }

    fn encoded(&mut self, bytes: &[u8]) -> (&'static str, Vec<u8>) {
        match self.dice.below(4) {
            0 => ("quoted-printable", quoted_printable(bytes)),
            1 => ("BASE64", base64_lines(bytes).into_bytes()),
            2 if bytes.is_ascii() => ("7bit", bytes.to_vec()),
            _ => ("8bit", bytes.to_vec()),
        }
    }
}

/// Latin-1; all characters used here are in it.
fn latin(text: &str) -> Vec<u8> {
    text.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect()
}

fn base64(bytes: &[u8]) -> String {
    data_encoding::BASE64.encode(bytes)
}

fn base64_lines(bytes: &[u8]) -> String {
    let text = base64(bytes);
    let lines = text.as_bytes().chunks(76).map(|line| String::from_utf8_lossy(line).into_owned() + "\r\n");
    lines.collect()
}

fn quoted_printable(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut column = 0;
    for (at, byte) in bytes.iter().enumerate() {
        if *byte == b'\n' || (*byte == b'\r' && bytes.get(at + 1) == Some(&b'\n')) {
            out.push(*byte);
            column = 0;
            continue;
        }
        let plain = (b'!'..=b'~').contains(byte) && *byte != b'='
            || (*byte == b' ' && bytes.get(at + 1) != Some(&b'\r'));
        if column > 70 {
            out.extend_from_slice(b"=\r\n");
            column = 0;
        }
        if plain {
            out.push(*byte);
            column += 1;
        } else {
            out.extend_from_slice(format!("={byte:02X}").as_bytes());
            column += 3;
        }
    }
    out
}
