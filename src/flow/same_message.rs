//! When two messages are the same: a client submits a message and then puts its copy of it into Sent.
//!
//! They have the same Message-ID, and say the same: whom they are from and to, what about, and the body, octet for octet.
//! Other fields of the header differ between the two, and between them and what is stored here. A client that writes
//! its copy in another way has two of them then, which harms less than one that is thrown away though it was edited.

use crate::flow::refusal::TakeError;
use crate::mime::header::Header;
use crate::store::spool::SpoolReader;
use aws_lc_rs::digest;
use std::io::Read;
use std::io::Seek;
use std::io::SeekFrom;
use zeroize::Zeroizing;

/// Fields that say what a message says.
const FIELDS: [&str; 6] = ["From", "To", "Cc", "Subject", "Content-Type", "Content-Transfer-Encoding"];
/// Line ends at the end of a body are nothing; so many octets of them are looked at.
const END: usize = 8;

/// SHA-256 of what makes a message the same, its body beginning at `body`; nothing without a Message-ID.
pub(in crate::flow) fn same_message(
    header: &Header,
    source: &mut SpoolReader,
    body: u64,
) -> Result<Option<[u8; 32]>, TakeError> {
    let Some(message_id) = header.message_id() else { return Ok(None) };
    let mut context = digest::Context::new(&digest::SHA256);
    part(&mut context, message_id.trim());
    for name in FIELDS {
        let said: Vec<String> = header.all(name).map(|field| field.decoded()).collect();
        let said: Vec<&str> = said.iter().flat_map(|said| said.split_whitespace()).collect();
        part(&mut context, &said.join(" "));
    }
    source.seek(SeekFrom::Start(body)).map_err(TakeError::internal)?;
    let mut buffer = Zeroizing::new(vec![0; 64 << 10]);
    let mut filled = 0;
    loop {
        let room = buffer.get_mut(filled..).unwrap_or_default();
        let got = source.read(room).map_err(TakeError::internal)?;
        let held = filled + got;
        let passed = if got == 0 { held } else { held.saturating_sub(END) };
        let text = buffer.get(..passed).unwrap_or_default();
        if got == 0 {
            context.update(without_line_ends(text));
            break;
        }
        context.update(text);
        buffer.copy_within(passed..held, 0);
        filled = held - passed;
    }
    Ok(<[u8; 32]>::try_from(context.finish().as_ref()).ok())
}

/// With its length in front, so that nothing moves from one to the next.
fn part(context: &mut digest::Context, text: &str) {
    context.update(&(text.len() as u64).to_be_bytes());
    context.update(text.as_bytes());
}

fn without_line_ends(text: &[u8]) -> &[u8] {
    let end = text.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n')).map_or(0, |last| last + 1);
    text.get(..end).unwrap_or_default()
}
