//! The scan of a message while it arrives: linear, in one pass, without recursion, within the limits.
//!
//! What follows RFC 5322 §2, RFC 2045 and RFC 2046 is read as they say. The rest is read so that nothing is
//! lost: a multipart without a usable boundary, or without a part, is plain text; a missing end is added at the
//! end of what holds it; lines in a header that are no fields are kept and passed over; content that begins
//! without a header has none.

use crate::base::limits;
use crate::mime::parameter;
use crate::mime::problem::Problem;
use crate::mime::structure::Encoding;
use crate::mime::structure::Part;
use crate::mime::structure::Shape;
use crate::mime::structure::Structure;
use memchr::memchr;
use memchr::memchr_iter;

/// The limits of a scan.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// The message, octets.
    pub size: u64,
    /// The header of one part, octets.
    pub header_block: usize,
    /// One field, octets.
    pub header_field: usize,
    /// Fields of one part.
    pub header_fields: usize,
    /// Parameters of one field.
    pub parameters: usize,
    /// `Received:` fields at the top.
    pub hops: usize,
    /// Nesting, `message/rfc822` counted.
    pub depth: usize,
    /// Parts.
    pub parts: usize,
    /// A boundary, octets.
    pub boundary: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            size: 4 * limits::MESSAGE,
            header_block: limits::HEADER_BLOCK,
            header_field: limits::HEADER_FIELD,
            header_fields: limits::HEADER_FIELDS,
            parameters: limits::PARAMETERS,
            hops: limits::HOPS,
            depth: limits::MIME_DEPTH,
            parts: limits::MIME_PARTS,
            boundary: limits::BOUNDARY,
        }
    }
}

/// Content-* fields of all parts together, octets: what a structure may cost in memory.
const KEPT: usize = 1 << 20;

/// How much of a body line is kept to compare it with boundaries: two hyphens, a boundary, two hyphens, blanks.
const LINE_HEAD: usize = 256;

/// Reads a message piece by piece.
#[derive(Debug)]
pub struct Scanner {
    limits: Limits,
    structure: Structure,
    /// The part being read and everything that holds it, outermost first.
    open: Vec<Open>,
    /// Inside the header of the innermost part.
    header: Option<HeaderState>,
    line: Line,
    /// The line before: octets without its end, and of its end.
    previous: (u64, u64),
    /// Line ends so far.
    lines: u64,
    /// Octets so far.
    at: u64,
    /// Octets of Content-* fields kept so far.
    kept: usize,
    /// Which of them the innermost part had already: of the same name twice the first counts.
    seen: Vec<String>,
    /// Octets looked at, boundaries compared included.
    steps: u64,
    problem: Option<Problem>,
}

/// A part that has not ended.
#[derive(Debug)]
struct Open {
    index: usize,
    boundary: Option<Vec<u8>>,
    /// Its closing delimiter was seen: what follows is epilogue.
    closed: bool,
    /// Line ends in front of its body.
    first_line: u64,
    /// Where the last part in it ended.
    least_end: u64,
}

#[derive(Debug, Default)]
struct HeaderState {
    octets: usize,
    fields: usize,
    /// The field being read, its continuations included.
    field: Vec<u8>,
}

#[derive(Debug, Default)]
struct Line {
    start: u64,
    length: u64,
    /// In a header the whole line, in a body its first octets.
    head: Vec<u8>,
    eight_bit: bool,
    returns: u64,
    ends_with_return: bool,
}

impl Scanner {
    /// A scanner at the start of a message.
    pub fn new(limits: Limits) -> Self {
        let mut scanner = Self {
            limits,
            structure: Structure::default(),
            open: Vec::new(),
            header: None,
            line: Line::default(),
            previous: (0, 0),
            lines: 0,
            at: 0,
            kept: 0,
            seen: Vec::new(),
            steps: 0,
            problem: None,
        };
        scanner.problem = scanner.begin_part(0).err();
        scanner
    }

    /// Scans what is in memory already.
    pub fn scan(message: &[u8], limits: Limits) -> Result<Structure, Problem> {
        let mut scanner = Self::new(limits);
        scanner.feed(message)?;
        scanner.finish()
    }

    /// Scans all of a source.
    pub fn read(mut source: impl std::io::Read, limits: Limits) -> Result<Structure, Problem> {
        let mut scanner = Self::new(limits);
        let mut buffer = vec![0; 64 << 10];
        loop {
            match source.read(&mut buffer) {
                Ok(0) => return scanner.finish(),
                Ok(count) => scanner.feed(buffer.get(..count).unwrap_or_default())?,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Takes the next octets, cut anywhere. After a problem it only repeats it.
    pub fn feed(&mut self, chunk: &[u8]) -> Result<(), Problem> {
        if let Some(problem) = &self.problem {
            return Err(problem.clone());
        }
        let result = self.feed_lines(chunk);
        self.problem = result.as_ref().err().cloned();
        result
    }

    /// The message has ended.
    pub fn finish(mut self) -> Result<Structure, Problem> {
        if let Some(problem) = self.problem {
            return Err(problem);
        }
        let unfinished = self.line.length > 0;
        if unfinished {
            self.end_line(false)?;
        }
        while self.header.is_some() {
            self.end_header(self.at, self.lines)?;
        }
        self.previous = if unfinished { (self.previous.0, 0) } else { (0, 0) };
        let lines = self.lines + u64::from(unfinished);
        let end = self.at;
        while !self.open.is_empty() {
            self.close_innermost(end, lines);
        }
        self.structure.size = self.at;
        Ok(self.structure)
    }

    /// Octets looked at so far: the work done, for whoever wants to see that it is linear.
    pub const fn steps(&self) -> u64 {
        self.steps
    }

    fn feed_lines(&mut self, chunk: &[u8]) -> Result<(), Problem> {
        let length = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
        if self.at.saturating_add(length) > self.limits.size {
            return Err(Problem::Size(self.limits.size));
        }
        self.structure.nul |= memchr(0, chunk).is_some();
        let ascii = chunk.is_ascii();
        let mut start = 0;
        for end in memchr_iter(b'\n', chunk) {
            self.take(chunk.get(start..=end).unwrap_or_default(), ascii)?;
            self.end_line(true)?;
            start = end + 1;
        }
        self.take(chunk.get(start..).unwrap_or_default(), ascii)
    }

    /// Takes octets of one line; `ascii` when there are none above 127 anywhere near.
    fn take(&mut self, piece: &[u8], ascii: bool) -> Result<(), Problem> {
        let length = piece.len() as u64;
        self.at += length;
        self.steps += length;
        self.line.length += length;
        self.line.eight_bit |= !ascii && !piece.is_ascii();
        self.line.returns += memchr_iter(b'\r', piece).count() as u64;
        let body = piece.strip_suffix(b"\n").unwrap_or(piece);
        if let Some(&last) = body.last() {
            self.line.ends_with_return = last == b'\r';
        }
        if self.header.is_some() {
            if self.line.head.len() + piece.len() > self.limits.header_field {
                return Err(Problem::HeaderField(self.limits.header_field));
            }
            self.line.head.extend_from_slice(piece);
        } else if !self.is_text(piece) {
            let room = LINE_HEAD.saturating_sub(self.line.head.len()).min(piece.len());
            self.line.head.extend_from_slice(piece.get(..room).unwrap_or_default());
        }
        Ok(())
    }

    /// Nothing of a line of a body is kept that begins like no delimiter; `piece` is counted already.
    fn is_text(&self, piece: &[u8]) -> bool {
        match self.line.length > piece.len() as u64 {
            true => self.line.head.is_empty(),
            false => piece.len() > 1 && !piece.starts_with(b"--"),
        }
    }

    /// A line is complete.
    fn end_line(&mut self, terminated: bool) -> Result<(), Problem> {
        let returns = u64::from(self.line.ends_with_return && terminated);
        let end = u64::from(terminated) + returns;
        let content = self.line.length - end;
        self.structure.bare_newline |=
            (terminated && !self.line.ends_with_return) || self.line.returns > returns;
        let head = std::mem::take(&mut self.line.head);
        let result = self.read_line(&head, content, terminated);
        self.previous = (content, end);
        self.lines += u64::from(terminated);
        self.line = Line { start: self.at, head, ..Line::default() };
        self.line.head.clear();
        result
    }

    fn read_line(&mut self, head: &[u8], content: u64, terminated: bool) -> Result<(), Problem> {
        let whole = head.len() as u64 == self.line.length;
        let text = usize::try_from(content).ok().and_then(|content| head.get(..content));
        if whole && let Some((level, closing)) = text.and_then(|text| self.delimiter(text)) {
            return self.cross(level, closing, terminated);
        }
        if self.header.is_some() && self.header_line(head, text.unwrap_or(head), terminated)? {
            return Ok(());
        }
        self.body_line(content);
        Ok(())
    }

    fn body_line(&mut self, content: u64) {
        self.structure.eight_bit_body |= self.line.eight_bit;
        self.structure.longest_line = self.structure.longest_line.max(content);
        let Some(part) = self.open.last().and_then(|open| self.structure.parts.get_mut(open.index)) else {
            return;
        };
        part.eight_bit |= self.line.eight_bit;
        part.longest_line = part.longest_line.max(content);
    }

    /// The open multipart whose delimiter this line is, innermost first, and whether it closes it.
    ///
    /// RFC 2046 §5.1.1: two hyphens, the boundary, two more at the end, then blanks only.
    fn delimiter(&mut self, line: &[u8]) -> Option<(usize, bool)> {
        let rest = line.strip_prefix(b"--")?;
        for (level, open) in self.open.iter().enumerate().rev() {
            let Some(boundary) = open.boundary.as_deref().filter(|_| !open.closed) else { continue };
            self.steps += boundary.len() as u64;
            let Some(rest) = rest.strip_prefix(boundary) else { continue };
            if is_blank(rest) {
                return Some((level, false));
            }
            if rest.strip_prefix(b"--").is_some_and(is_blank) {
                return Some((level, true));
            }
        }
        None
    }

    /// Goes over a delimiter of the multipart at `level`.
    fn cross(&mut self, level: usize, closing: bool, terminated: bool) -> Result<(), Problem> {
        let end = self.line.start - self.previous.1;
        while self.header.is_some() {
            self.end_header(end, self.lines)?;
        }
        while self.open.len() > level + 1 {
            self.close_innermost(end, self.lines);
        }
        if closing {
            if let Some(open) = self.open.get_mut(level) {
                open.closed = true;
            }
            return Ok(());
        }
        self.begin_part(self.at)?;
        if let Some(open) = self.open.last_mut() {
            open.first_line = self.lines + u64::from(terminated);
        }
        Ok(())
    }

    /// Opens a part inside the innermost open one; its header starts at `start`.
    fn begin_part(&mut self, start: u64) -> Result<(), Problem> {
        if self.open.len() > self.limits.depth {
            return Err(Problem::Depth(self.limits.depth));
        }
        let index = self.structure.parts.len();
        if index >= self.limits.parts {
            return Err(Problem::Parts(self.limits.parts));
        }
        let mut part = Part { kind: "text".into(), subtype: "plain".into(), ..Part::default() };
        part.header.start = start;
        if let Some(parent) = self.open.last().map(|open| open.index) {
            part.parent = u32::try_from(parent).ok();
            if let Some(holder) = self.structure.parts.get_mut(parent) {
                holder.children.extend(u32::try_from(index).ok());
                if holder.is("multipart", "digest") {
                    // RFC 2046 §5.1.5.
                    part.kind = "message".into();
                    part.subtype = "rfc822".into();
                }
            }
        }
        self.structure.parts.push(part);
        self.seen.clear();
        self.open.push(Open { index, boundary: None, closed: false, first_line: self.lines, least_end: 0 });
        self.header = Some(HeaderState::default());
        Ok(())
    }

    /// A line inside a header; answers `false` when it belongs to the body already.
    fn header_line(&mut self, line: &[u8], content: &[u8], terminated: bool) -> Result<bool, Problem> {
        let Some(header) = self.header.as_mut() else { return Ok(false) };
        if content.is_empty() {
            self.end_header(self.at, self.lines + u64::from(terminated))?;
            return Ok(true);
        }
        let first = header.fields == 0;
        let continues = matches!(content.first(), Some(b' ' | b'\t'));
        let is_field = field_name(content).is_some();
        if first && !is_field && !is_mbox_line(content) {
            let start = self.line.start;
            self.end_header(start, self.lines)?;
            // A message without a header inside a `message/rfc822` without one: the same line again.
            return if self.header.is_some() {
                self.header_line(line, content, terminated)
            } else {
                Ok(false)
            };
        }
        header.octets += line.len();
        if header.octets > self.limits.header_block {
            return Err(Problem::HeaderBlock(self.limits.header_block));
        }
        self.structure.eight_bit_header |= self.line.eight_bit;
        if continues && !first {
            if header.field.len() + line.len() > self.limits.header_field {
                return Err(Problem::HeaderField(self.limits.header_field));
            }
            header.field.extend_from_slice(line);
            return Ok(true);
        }
        let field = std::mem::replace(&mut header.field, line.to_vec());
        header.fields += 1;
        if header.fields > self.limits.header_fields {
            return Err(Problem::HeaderFields(self.limits.header_fields));
        }
        self.keep_field(&field)?;
        Ok(true)
    }

    /// The header of the innermost part has ended; its body starts at `body`, behind `lines` line ends.
    fn end_header(&mut self, body: u64, lines: u64) -> Result<(), Problem> {
        if let Some(header) = self.header.take() {
            self.keep_field(&header.field)?;
        }
        let Some(open) = self.open.last_mut() else { return Ok(()) };
        let Some(part) = self.structure.parts.get_mut(open.index) else { return Ok(()) };
        part.header.end = body.max(part.header.start);
        part.body.start = part.header.end;
        open.first_line = lines;
        if part.kind == "multipart" {
            match part.parameters.value("boundary").map(str::trim_end) {
                Some(boundary) if boundary.len() > self.limits.boundary => {
                    return Err(Problem::Boundary(self.limits.boundary));
                }
                Some(boundary) if !boundary.is_empty() => {
                    open.boundary = Some(boundary.as_bytes().to_vec());
                    part.shape = Shape::Multipart;
                }
                _ => part.make_plain(),
            }
        } else if part.kind == "message"
            && matches!(part.subtype.as_str(), "rfc822" | "global")
            && part.encoding.is_identity()
        {
            part.shape = Shape::Message;
            let start = part.body.start;
            self.begin_part(start)?;
            if let Some(open) = self.open.last_mut() {
                open.first_line = lines;
            }
        }
        Ok(())
    }

    /// The innermost open part has ended at `end`, with `lines` line ends in front.
    fn close_innermost(&mut self, end: u64, lines: u64) {
        let Some(open) = self.open.pop() else { return };
        let Some(part) = self.structure.parts.get_mut(open.index) else { return };
        // An empty part right in front of a delimiter ends behind the line end that belongs to that.
        part.body.end = end.max(part.body.start).max(open.least_end);
        if let Some(holder) = self.open.last_mut() {
            holder.least_end = holder.least_end.max(part.body.end);
        }
        if part.body.length() > 0 {
            // Behind a line end that belongs to the boundary an empty line is no line of the body.
            let empty_last = self.previous.0 == 0 && self.previous.1 > 0;
            part.lines = lines.saturating_sub(open.first_line).saturating_sub(u64::from(empty_last));
        }
        if part.shape == Shape::Multipart && part.children.is_empty() {
            part.make_plain();
        }
    }

    /// Keeps a field of the innermost part if it says what the part is.
    fn keep_field(&mut self, field: &[u8]) -> Result<(), Problem> {
        let Some(name) = field_name(field) else { return Ok(()) };
        let level = self.open.len();
        let Some(part) = self.open.last().and_then(|open| self.structure.parts.get_mut(open.index)) else {
            return Ok(());
        };
        if level == 1 && name.eq_ignore_ascii_case(b"received") {
            self.structure.hops += 1;
            if usize::try_from(self.structure.hops).is_ok_and(|hops| hops > self.limits.hops) {
                return Err(Problem::Loop(self.limits.hops));
            }
        }
        let Some(name) = content_name(name).filter(|name| KNOWN.contains(&name.as_str())) else {
            return Ok(());
        };
        if self.seen.contains(&name) {
            return Ok(());
        }
        let value = field.iter().position(|&byte| byte == b':').and_then(|colon| field.get(colon + 1..));
        let value = value.unwrap_or_default();
        self.steps += 2 * value.len() as u64;
        self.kept += value.len();
        if self.kept > KEPT {
            return Err(Problem::HeaderBlock(KEPT));
        }
        let result = keep_content_field(part, &name, value, self.limits.parameters);
        self.seen.push(name);
        result
    }
}

/// The Content-* fields that are kept.
const KNOWN: [&str; 8] =
    ["type", "disposition", "transfer-encoding", "language", "id", "description", "location", "md5"];

fn keep_content_field(part: &mut Part, name: &str, value: &[u8], limit: usize) -> Result<(), Problem> {
    match name {
        "type" => {
            let (main, parameters) = parameter::parse(value, limit)?;
            part.parameters = parameters;
            let (kind, subtype) = main.split_once('/').unwrap_or_default();
            if is_token(kind) && is_token(subtype) {
                part.kind = kind.into();
                part.subtype = subtype.into();
            } else {
                part.make_plain();
            }
        }
        "disposition" => {
            let (main, parameters) = parameter::parse(value, limit)?;
            part.disposition = Some(main);
            part.disposition_parameters = parameters;
        }
        "transfer-encoding" => {
            let (main, _) = parameter::parse(value, limit)?;
            part.encoding = Encoding::parse(&main);
        }
        "language" => {
            let text = text(value);
            part.language =
                text.split(',').map(|tag| tag.trim().to_owned()).filter(|t| !t.is_empty()).collect();
        }
        "id" => part.id = Some(text(value)),
        "description" => part.description = Some(text(value)),
        "location" => {
            // RFC 2557 §4.4.1: blanks of folding are no part of it.
            part.location = Some(text(value).chars().filter(|c| !c.is_whitespace()).collect());
        }
        "md5" if part.md5.is_none() => part.md5 = Some(text(value)),
        _ => {}
    }
    Ok(())
}

/// What follows `Content-` in a field's name, in lower case.
fn content_name(name: &[u8]) -> Option<String> {
    let (front, rest) = name.split_at_checked(8)?;
    let rest = std::str::from_utf8(rest).ok()?;
    front.eq_ignore_ascii_case(b"content-").then(|| rest.to_ascii_lowercase())
}

/// A value unfolded (RFC 5322 §2.2.3), as text.
fn text(value: &[u8]) -> String {
    let unfolded: Vec<u8> = value.iter().copied().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect();
    crate::mime::charset::guess(unfolded.trim_ascii())
}

/// The name of the field that `line` begins: printable ASCII in front of a colon (RFC 5322 §2.2), blanks in
/// between tolerated (§4.5.8).
pub(crate) fn field_name(line: &[u8]) -> Option<&[u8]> {
    let colon = line.iter().position(|byte| !matches!(byte, b'!'..=b'9' | b';'..=b'~'))?;
    let name = line.get(..colon).filter(|name| !name.is_empty())?;
    let rest = line.get(colon..)?;
    let blanks = rest.iter().position(|byte| !matches!(byte, b' ' | b'\t'))?;
    (rest.get(blanks) == Some(&b':')).then_some(name)
}

/// `From ` of a mailbox file, in front of a header by mistake.
pub(crate) fn is_mbox_line(line: &[u8]) -> bool {
    line.starts_with(b"From ") || line.starts_with(b">From ")
}

fn is_blank(rest: &[u8]) -> bool {
    rest.iter().all(|byte| matches!(byte, b' ' | b'\t'))
}

/// RFC 2045 §5.1.
fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?=".contains(&byte))
}

#[cfg(test)]
mod tests;
