//! Mail of our own accounts, and answers out of temporary mailboxes: one decision for each recipient, one commit.

// signatures:
impl Flow {
    /// MAIL FROM by an account: only its own addresses, or the null sender.
    pub async fn ask_sender(&self, who: &Unlocked, sender: Option<&Address>) -> Result<(), TakeError>;
    /// RCPT by an account; `earlier` are those accepted in this transaction.
    pub async fn ask_submission_recipient(&self, who: &Unlocked, address: &Address, earlier: &[Recipient]) -> Result<RecipientAnswer, TakeError>;
    /// The end of DATA. On `Ok` everything that follows from it is on disk, synced.
    pub async fn submit(&self, who: &Arc<Unlocked>, arrived: Arrived) -> Result<Taken, TakeError>;
}
