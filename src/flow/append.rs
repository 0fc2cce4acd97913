//! APPEND: what a mail client puts into a folder is encrypted like what arrives.

// signatures:
pub struct Appended { pub uid_validity: u32, pub uid: Uid, pub fresh: bool }
impl Flow {
    /// Puts a message into a folder; into Sent only if its Message-ID is not there already (then that one's UID).
    pub async fn append(&self, who: &Unlocked, folder: Folder, flags: Flags, date: Option<Time>, spool: Spooled, structure: Structure) -> Result<Appended, TakeError>;
}
