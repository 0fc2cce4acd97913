//! The text of a message on its way to a peer: read ahead where it is short, else as it goes, rewritten where it must be.

use crate::base::limits::FRAME;
use crate::flow::assembled::Assembled;
use crate::flow::assembled::Piece;
use crate::flow::course::Course;
use crate::flow::delivery::message_file;
use crate::flow::delivery::message_reader;
use crate::flow::sealing::Composed;
use crate::flow::session::Session;
use crate::flow::signing::own_signatures;
use crate::flow::wire::Wire;
use crate::mime::downgrade;
use crate::mime::header::Header;
use crate::mime::problem::Problem;
use crate::mime::scan::Limits;
use crate::mime::scan::Scanner;
use crate::smtp::client::Trouble;
use crate::smtp::data::Encoder;
use crate::store::spool::SpoolReader;
use crate::threads;
use std::fmt;
use std::io;
use std::io::Read;

impl Session<'_> {
    /// Sends the message and its end. If it cannot be read whole, the end is never said.
    pub(super) async fn send_text(
        &self,
        wire: &mut Wire,
        seven_bit: bool,
        text: Option<Text>,
        course: &Course,
    ) -> Result<(), Trouble> {
        if let Some(text) = text.filter(|_| !seven_bit) {
            let whole = text.whole().await.map_err(unreadable)?;
            course.text();
            return wire.say(&whole).await;
        }
        let mut reader: Box<dyn Read + Send> = if seven_bit {
            Box::new(self.in_seven_bits().await?)
        } else {
            Box::new(message_reader(self.flow, &self.job.record).await.map_err(unreadable)?)
        };
        // Memory is wiped when it is given back: none is taken that a small message does not need.
        let most = usize::try_from(self.job.record.size).unwrap_or(FRAME).clamp(1 << 10, FRAME);
        let mut encoder = Encoder::default();
        let mut out = Vec::new();
        loop {
            let (chunk, rest) = threads::piece(reader, most).await.map_err(unreadable)?;
            reader = rest;
            if chunk.is_empty() {
                break;
            }
            // What is short goes out with its end, as one segment.
            if !out.is_empty() {
                wire.write(&out).await?;
                course.sent(out.len());
                out.clear();
            }
            encoder.encode(&chunk, &mut out);
        }
        encoder.finish(&mut out);
        course.text();
        wire.say(&out).await
    }

    /// Begins to read a short message while the peer hears its envelope. Trouble is found when it is needed.
    pub(super) async fn read_ahead(&self) -> Option<Text> {
        let record = &self.job.record;
        if record.size > FRAME as u64 {
            return None;
        }
        Some(Text::begin(message_reader(self.flow, record).await.ok()?, record.size))
    }

    /// The message written anew for a peer that takes 7 bits only, and signed anew if we had signed it: the signatures
    /// in front are those of other octets now (RFC 6376 §5.3).
    async fn in_seven_bits(&self) -> Result<Assembled<SpoolReader>, Trouble> {
        let mut whole = message_file(self.flow, &self.job.record).await.map_err(unreadable)?;
        let mut spool = self.flow.spools.begin();
        let written = threads::blocking(move || {
            let mut scanner = Scanner::new(Limits { size: u64::MAX, ..Limits::default() });
            let mut octets = vec![0; FRAME];
            loop {
                let length = whole.read(&mut octets)?;
                if length == 0 {
                    break;
                }
                scanner.feed(octets.get(..length).unwrap_or_default())?;
            }
            let structure = scanner.finish()?;
            downgrade::write(&mut whole, &structure, downgrade::Peer::SevenBit, &mut spool)?;
            let header = structure.root().map(|root| Header::read(&mut whole, root.header)).transpose()?;
            let signed = header.as_ref().and_then(own_signatures);
            Ok::<_, Problem>((spool.finish()?, signed))
        });
        let (spool, signed) = match written.await.map_err(unreadable)? {
            Ok(written) => written,
            Err(Problem::Io(why)) => return Err(unreadable(why)),
            Err(_) => {
                let text =
                    "the peer takes no 8-bit text, and what is signed or encrypted cannot be rewritten";
                return Err(Trouble::new((5, 6, 3), text));
            }
        };
        let message = Composed { pieces: vec![Piece::Came(0..spool.length())], spool };
        let Some((domain, length)) = signed else { return Ok(message.reader()) };
        let signed = self.flow.signed(message.from(length), &domain).await.map_err(unreadable)?;
        Ok(signed.reader())
    }
}

/// A short message, as it is sent, with its end; read beside the conversation.
pub(in crate::flow) struct Text(threads::Blocking<io::Result<Vec<u8>>>);

impl Text {
    fn begin(mut reader: impl Read + Send + 'static, size: u64) -> Self {
        Self(threads::blocking(move || {
            let mut whole = Vec::with_capacity(usize::try_from(size).unwrap_or_default() + 1);
            reader.read_to_end(&mut whole)?;
            let (mut encoder, mut out) = (Encoder::default(), Vec::new());
            encoder.encode(&whole, &mut out);
            encoder.finish(&mut out);
            Ok(out)
        }))
    }

    async fn whole(self) -> io::Result<Vec<u8>> {
        self.0.await.map_err(io::Error::other)?
    }
}

fn unreadable(why: impl fmt::Display) -> Trouble {
    Trouble::new((4, 3, 0), format!("the queued message cannot be read: {why}"))
}
