//! Made fit for the road: short lines in 7 bits, before the signatures that every later change would break.

use crate::base::reply;
use crate::flow::Flow;
use crate::flow::assembled::Piece;
use crate::flow::refusal::TakeError;
use crate::flow::sealing::Composed;
use crate::flow::sealing::blocking;
use crate::flow::sealing::own_limits;
use crate::mime::downgrade;
use crate::mime::downgrade::Peer;
use crate::mime::problem::Problem;
use crate::mime::scan::Scanner;

impl Flow {
    /// The message as every peer can take it, and whether it still needs 8BITMIME (RFC 6152 §3): what its sender
    /// signed or encrypted is left as it is.
    pub(in crate::flow) async fn for_the_road(
        &self,
        message: Composed,
    ) -> Result<(Composed, bool), TakeError> {
        let mut sink = self.spools.begin();
        blocking(move || {
            let structure = Scanner::read(message.reader(), own_limits())
                .map_err(|problem| TakeError::Malformed(problem.to_string()))?;
            if !downgrade::is_needed(&structure, Peer::SevenBit) {
                return Ok((message, false));
            }
            match downgrade::write(&mut message.reader(), &structure, Peer::SevenBit, &mut sink) {
                Ok(()) => {
                    let spool = sink.finish().map_err(TakeError::internal)?;
                    let pieces = vec![Piece::Came(0..spool.length())];
                    Ok((Composed { spool, pieces }, false))
                }
                Err(Problem::Protected) if downgrade::is_needed(&structure, Peer::EightBit) => {
                    Err(TakeError::Refused(reply::CANNOT_CONVERT))
                }
                Err(Problem::Protected) => Ok((message, true)),
                Err(problem) => Err(TakeError::internal(problem)),
            }
        })
        .await
    }
}
