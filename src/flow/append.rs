//! APPEND: what a mail client puts into a folder is encrypted like what arrives.

use crate::base::time::Time;
use crate::flow::Flow;
use crate::flow::assembled::Piece;
use crate::flow::intake::RACES;
use crate::flow::refusal::TakeError;
use crate::flow::same_message::same_message;
use crate::flow::sealing::Composed;
use crate::flow::sealing::Place;
use crate::flow::sealing::blocking;
use crate::flow::sign_in::Unlocked;
use crate::mime::header::Header;
use crate::mime::structure::Structure;
use crate::store::command::Command;
use crate::store::command::Outcome;
use crate::store::record::Flags;
use crate::store::record::Folder;
use crate::store::record::Uid;
use crate::store::spool::Spooled;

/// Where the message is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Appended {
    /// RFC 4315 §3.
    pub uid_validity: u32,
    /// Its number.
    pub uid: Uid,
    /// It was put now; else the same message was there.
    pub fresh: bool,
}

impl Flow {
    /// Puts a message into a folder, byte for byte; into Sent only when the same message is not there already, be it as
    /// the copy of its submission. One of the same Message-ID that says something else is another.
    pub async fn append(
        &self,
        who: &Unlocked,
        folder: Folder,
        flags: Flags,
        date: Option<Time>,
        spool: Spooled,
        structure: &Structure,
    ) -> Result<Appended, TakeError> {
        let root = structure.root().ok_or_else(|| TakeError::internal("no structure"))?;
        let mut known_by = None;
        if folder == Folder::SENT {
            let (mut source, header, body) = (spool.reader(), root.header, root.body.start);
            let same = blocking(move || {
                let header = Header::read(&mut source, header).map_err(TakeError::internal)?;
                same_message(&header, &mut source, body)
            });
            known_by = same.await?.map(|same| who.key.copy_digest(who.mailbox, &same));
        }
        let length = spool.length();
        let message = Composed { spool, pieces: vec![Piece::Came(0..length)] };
        let place = Place {
            folder: Some(folder),
            flags,
            date,
            sender: Some(who.mailbox),
            known_by,
            ..Place::default()
        };
        let mut tries = 0;
        loop {
            let receiver = self.receiver(who.mailbox).await?.ok_or(TakeError::UnknownRecipient)?;
            let delivery = self.delivery(&receiver, message.clone(), place.clone()).await?;
            let command = match known_by {
                Some(_) => Command::DeliverOnce(delivery),
                None => Command::Deliver(delivery),
            };
            match self.commit_taking(vec![command]).await {
                Ok(outcomes) => match outcomes.first() {
                    Some(Outcome::Uid { uid_validity, uid, fresh }) => {
                        return Ok(Appended { uid_validity: *uid_validity, uid: *uid, fresh: *fresh });
                    }
                    _ => return Err(TakeError::internal("no UID came back")),
                },
                Err(error) if error.is_race() && tries < RACES => tries += 1,
                Err(error) => return Err(error),
            }
        }
    }
}
