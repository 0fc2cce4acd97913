//! The mails that an organisation may word itself, and what each of them has to say.

use std::fmt;

/// A mail to somebody outside.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Kind {
    /// The link to a new mailbox.
    Invitation,
    /// A further message, from somebody else, before the mailbox was opened.
    Waiting,
    /// A further message.
    NewMessage,
    /// Further messages, several in one mail.
    Several,
    /// Before a mailbox closes.
    Warning,
    /// To somebody who answered one of these by mail.
    AutoAnswer,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Invitation, Self::Waiting, Self::NewMessage, Self::Several, Self::Warning, Self::AutoAnswer];

    /// As files and commands name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Invitation => "invitation",
            Self::Waiting => "waiting",
            Self::NewMessage => "new-message",
            Self::Several => "several",
            Self::Warning => "warning",
            Self::AutoAnswer => "auto-answer",
        }
    }

    /// Reads a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// A message of one account causes it, so the account may word it. The others speak for several senders, or for none.
    pub const fn is_caused_by_one(self) -> bool {
        match self {
            Self::Invitation | Self::Waiting | Self::NewMessage => true,
            Self::Several | Self::Warning | Self::AutoAnswer => false,
        }
    }

    /// What may stand among words. Never a PIN: no mail to a recipient knows it. Never the link or its access code:
    /// they stand in pieces of our own.
    pub const fn words(self) -> &'static [&'static str] {
        match self {
            Self::Invitation => {
                &["brand", "domain", "recipient", "sender", "sender_address", "who", "date", "until", "host"]
            }
            Self::Waiting => &[
                "brand",
                "domain",
                "recipient",
                "sender",
                "sender_address",
                "who",
                "date",
                "first_sender",
                "first_date",
                "until",
            ],
            Self::NewMessage => {
                &["brand", "domain", "recipient", "sender", "sender_address", "who", "date", "host"]
            }
            Self::Several => &["brand", "domain", "recipient", "count", "who", "date", "host"],
            Self::Warning => &["brand", "domain", "recipient", "closes", "goes", "days", "host"],
            Self::AutoAnswer => &["brand", "domain", "address"],
        }
    }

    /// Our own parts.
    pub const fn pieces(self) -> &'static [&'static str] {
        match self {
            Self::Invitation => {
                &["intro", "note", "link", "validity", "pin_notice", "check", "no_reply", "code"]
            }
            Self::Waiting => &["intro", "note", "open", "no_reply"],
            Self::NewMessage => &["intro", "note", "sign_in", "forgotten", "check", "no_reply"],
            Self::Several => &["intro", "open", "check", "no_reply"],
            Self::Warning => &["intro", "keep", "nothing", "check", "no_reply"],
            Self::AutoAnswer => &["intro", "sign_in", "first"],
        }
    }

    /// What must be there: one of each row.
    pub(super) const fn needs(self) -> &'static [&'static [&'static str]] {
        match self {
            Self::Invitation => &[
                &["intro", "who", "sender_address"],
                &["note"],
                &["link"],
                &["validity", "until"],
                &["pin_notice"],
                &["check"],
                &["code"],
            ],
            Self::Waiting => &[&["intro", "who", "sender_address"], &["note"], &["open"]],
            Self::NewMessage => &[&["intro", "who", "sender_address"], &["note"], &["sign_in"], &["check"]],
            Self::Several => &[&["intro", "who"], &["open"], &["check"]],
            Self::Warning => &[&["intro", "closes"], &["intro", "goes"], &["keep"], &["check"]],
            Self::AutoAnswer => &[&["intro"], &["sign_in"]],
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
