//! Outgoing mail: a message becomes a sealed body file and a queue item.

use crate::base::address::Address;
use crate::base::envelope::Recipient;
use crate::base::envelope::Ret;
use crate::base::id::MailboxId;
use crate::base::id::QueueId;
use crate::base::random::bytes;
use crate::base::secret::Key;
use crate::flow::Flow;
use crate::flow::refusal::TakeError;
use crate::flow::sealing::Composed;
use crate::flow::sealing::blocking;
use crate::policy::tls::Demand;
use crate::store::command::Command;
use crate::store::command_part::NewQueued;
use crate::store::record_queue::Purpose;
use crate::store::record_queue::QueueRecord;
use crate::store::record_queue::QueuedRecipient;
use crate::store::record_queue::RecipientState;
use crate::vault::frames::FrameKey;
use crate::vault::frames::FrameWriter;
use std::io;

/// What the queue is told about a message, beside its bytes.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// Its id, which its envelope sender may name.
    pub id: QueueId,
    /// What for.
    pub purpose: Purpose,
    /// The envelope sender.
    pub sender: Option<Address>,
    /// The account that is told when it cannot be delivered.
    pub owner: Option<MailboxId>,
    /// To whom.
    pub recipients: Vec<Recipient>,
    /// The TLS policy it goes under.
    pub demand: Demand,
    /// Has octets above 127 in its body.
    pub eight_bit: bool,
    /// Its header or its sender needs SMTPUTF8, whoever the recipient is.
    pub smtputf8: bool,
    /// RET=.
    pub ret: Option<Ret>,
    /// ENVID=.
    pub envid: Option<String>,
    /// Carries an access token or a PIN: its key is destroyed with it.
    pub secret: bool,
}

impl Flow {
    /// A new queue id.
    pub(in crate::flow) fn queue_id(&self) -> QueueId {
        QueueId::new(bytes(&*self.random))
    }

    /// Writes the body file; the command queues the message. Refused when the queue holds as much as it may.
    pub(in crate::flow) async fn outgoing(
        &self,
        item: Outgoing,
        message: Composed,
    ) -> Result<Command, TakeError> {
        self.admit_to_queue(item.id, item.purpose, message.reader().length())?;
        let queue_key = item.secret.then(|| Key::new(bytes(&*self.random)));
        let frame_key = FrameKey::queue(&self.keys.queue, queue_key.as_ref(), item.id);
        let bodies = self.store.bodies().clone();
        let random = self.random.clone();
        let (body, size) = blocking(move || {
            let mut frames = FrameWriter::new(bodies.begin_file()?, frame_key, &*random);
            let size = io::copy(&mut message.reader(), &mut frames).map_err(TakeError::internal)?;
            let body = frames.finish().map_err(TakeError::internal)?.finish()?;
            Ok::<_, TakeError>((body, size))
        })
        .await
        .inspect_err(|_| self.queue.left(item.id))?;
        let (now, config) = (self.clock.now(), self.config());
        let recipients = item.recipients.into_iter().map(|recipient| QueuedRecipient {
            queue: item.id,
            number: 0,
            tls_policy: Some(config.outbound.requirement(recipient.address.domain()).to_string()),
            address: recipient.address,
            notify: recipient.notify,
            orcpt: recipient.orcpt,
            state: RecipientState::Waiting,
            attempts: 0,
            next: now,
            reason: String::new(),
            delay_reported: false,
            passed: None,
        });
        Ok(Command::Enqueue(Box::new(NewQueued {
            recipients: recipients.collect(),
            record: QueueRecord {
                id: item.id,
                purpose: item.purpose,
                sender: item.sender,
                owner: item.owner,
                body,
                shred: None,
                tls_policy: item.demand.to_string(),
                created: now,
                eight_bit: item.eight_bit,
                smtputf8: item.smtputf8,
                ret: item.ret,
                envid: item.envid,
                size,
            },
            queue_key,
        })))
    }
}
