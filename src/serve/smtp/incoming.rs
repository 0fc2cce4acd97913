//! A message on its way in: decoded, scanned and spooled while it arrives.

use crate::flow::Flow;
use crate::mime::problem::Problem;
use crate::mime::scan::Limits;
use crate::mime::scan::Scanner;
use crate::mime::structure::Structure;
use crate::smtp::data::Decoder;
use crate::smtp::data::Fault;
use crate::smtp::data::Progress;
use crate::store::spool::Spool;
use crate::store::spool::Spooled;
use std::io::Write;
use tokio::sync::OwnedSemaphorePermit;

/// A message that is being received.
pub struct Incoming {
    decoder: Decoder,
    scanner: Scanner,
    spool: Spool,
    trouble: Option<Problem>,
    decoded: Vec<u8>,
    room: OwnedSemaphorePermit,
}

impl Incoming {
    /// Begins a message of at most `limit` octets; `None` when there is no memory for it now.
    pub fn begin(flow: &Flow, limit: u64) -> Option<Self> {
        Some(Self {
            decoder: Decoder::new(limit),
            scanner: Scanner::new(Limits { size: limit, ..Limits::default() }),
            spool: flow.spools.begin(),
            trouble: None,
            decoded: Vec::new(),
            room: flow.plaintext_room(limit)?,
        })
    }

    /// Takes from `input`: the octets that were used, and at the end of the message what stands against it.
    ///
    /// Trouble with its content is kept until the end, where the client expects the answer.
    pub fn take(&mut self, input: &[u8]) -> (usize, Option<Option<Fault>>) {
        self.decoded.clear();
        self.decoded.reserve(input.len());
        let progress = self.decoder.decode(input, &mut self.decoded);
        if self.trouble.is_none() {
            let kept = self.scanner.feed(&self.decoded);
            let kept = kept.and_then(|()| self.spool.write_all(&self.decoded).map_err(Problem::from));
            self.trouble = kept.err();
        }
        match progress {
            Progress::More => (input.len(), None),
            Progress::End { used, fault } => (used, Some(fault)),
        }
    }

    /// The whole message, with its room in memory.
    pub fn finish(self) -> Result<(Spooled, Structure, OwnedSemaphorePermit), Problem> {
        if let Some(problem) = self.trouble {
            return Err(problem);
        }
        let structure = self.scanner.finish()?;
        let spool = self.spool.finish()?;
        Ok((spool, structure, self.room))
    }
}
