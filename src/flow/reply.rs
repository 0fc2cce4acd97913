//! An answer out of a temporary mailbox, by the same road as a submission.

// signatures:
pub enum ReplyTo { Sender, All }
pub struct Attachment { pub name: String, pub media_type: String, pub content: Spooled }
pub struct Reply { pub folder: Folder, pub uid: Uid, pub to: ReplyTo, pub subject: String, pub body: String, pub attachments: Vec<Attachment> }
impl Flow {
    /// Who an answer would go to: accounts of the organisation only.
    pub async fn reply_recipients(&self, who: &Unlocked, message: &Plain, to: ReplyTo) -> Result<Vec<Address>, ReadError>;
    pub async fn reply(&self, who: &Arc<Unlocked>, reply: Reply) -> Result<Taken, TakeError>;
}
