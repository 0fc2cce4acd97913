//! The deeds, one file a verb: what happens to a message, a mailbox, an account.
