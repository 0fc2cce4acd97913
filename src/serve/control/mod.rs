//! The control socket: what the commands ask of a running server, HTTP/1.1 with JSON over a Unix socket.
//!
//! One path a command. GET asks and has its arguments in the query; POST changes and has them in a JSON body. The
//! answers are the bodies that `--json` prints. A command that finds no server runs the same functions itself.

pub mod answer;
pub mod client;
pub mod dispatch;
pub mod request;
pub mod samples;
mod shown;
pub mod socket;

use serde::Deserialize;
use serde::Serialize;
use thiserror::Error;

/// The socket's name in `run_dir`.
pub const SOCKET: &str = "control.sock";

/// Who is at the other end of the socket.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Caller {
    /// root, or the owner of the data directory: everything.
    Owner,
    /// Somebody else whom the socket's group lets in: what only shows.
    Group,
}

/// Why a command was not done.
#[derive(Clone, Debug, Deserialize, Eq, Error, PartialEq, Serialize)]
#[error("{message}")]
pub struct Trouble {
    /// Of what kind.
    pub kind: TroubleKind,
    /// For people; one line, but for what is wrong with files.
    pub message: String,
}

/// The kinds of trouble; each is an HTTP status and an exit status.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TroubleKind {
    /// A precondition does not hold, or what is named is not there.
    Refused,
    /// The request is not one.
    Usage,
    /// The caller may not.
    Forbidden,
    /// The configuration, or a file that it names, is wrong.
    Configuration,
    /// Not now: busy, stopping, disk low; or no server to be reached.
    Unavailable,
    /// The store is damaged.
    Damaged,
    /// The store stopped writing after an error.
    Poisoned,
}

impl Trouble {
    /// A precondition does not hold.
    pub fn refused(message: impl Into<String>) -> Self {
        Self { kind: TroubleKind::Refused, message: message.into() }
    }

    /// The request is not one.
    pub fn usage(message: impl Into<String>) -> Self {
        Self { kind: TroubleKind::Usage, message: message.into() }
    }

    /// Not now.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self { kind: TroubleKind::Unavailable, message: message.into() }
    }
}

impl TroubleKind {
    /// RFC 9110 §15.
    pub const fn status(self) -> u16 {
        match self {
            Self::Usage => 400,
            Self::Forbidden => 403,
            Self::Refused => 409,
            Self::Configuration => 422,
            Self::Damaged => 500,
            Self::Unavailable => 503,
            Self::Poisoned => 507,
        }
    }

    /// What the process ends with.
    pub const fn exit(self) -> u8 {
        match self {
            Self::Refused | Self::Forbidden => 1,
            Self::Usage => 2,
            Self::Unavailable => 69,
            Self::Damaged => 74,
            Self::Poisoned => 75,
            Self::Configuration => 78,
        }
    }
}
