//! IMAP without a socket: the grammar's wrapping and the session machine.
