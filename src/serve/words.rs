//! The one place where trouble becomes words of SMTP. The client learns the code and a generic phrase; the log
//! learns the cause.

use crate::base::reply;
use crate::base::reply::Reply;
use crate::flow::refusal::TakeError;
use crate::flow::sign_in::SignInError;
use crate::mime::problem::Problem;
use crate::store::command::Refusal;
use crate::store::error::StoreError;

/// What a client is told when its message, sender or recipient was not taken.
pub fn of_taking(error: &TakeError) -> Reply {
    match error {
        TakeError::Refused(reply) => reply.clone(),
        TakeError::Policy(text) => reply::POLICY.saying(text.clone()),
        TakeError::Malformed(text) => reply::BAD_MESSAGE.saying(text.clone()),
        TakeError::TooBig => reply::TOO_BIG,
        TakeError::Loop => reply::LOOP,
        TakeError::UnknownRecipient => reply::UNKNOWN_RECIPIENT,
        TakeError::MailboxFull(address) => {
            reply::MAILBOX_FULL.saying(format!("the mailbox of <{address}> is full; nothing was taken"))
        }
        TakeError::QueueFull | TakeError::Busy => reply::TRY_LATER,
        TakeError::Store(error) => of_store(error),
        TakeError::Internal(_) => logged(reply::INTERNAL, error),
    }
}

/// What a client is told when the store refuses.
pub fn of_store(error: &StoreError) -> Reply {
    match error {
        StoreError::Refused { why: Refusal::OverQuota, .. } => reply::MAILBOX_FULL,
        StoreError::DiskLow => reply::TRY_LATER,
        error => logged(reply::TRY_LATER, error),
    }
}

/// What a client is told when it was not signed in.
pub fn of_sign_in(error: &SignInError) -> Reply {
    match error {
        SignInError::Wrong => reply::BAD_CREDENTIALS,
        SignInError::Paused { .. } | SignInError::Busy { .. } => reply::AUTH_LATER,
        SignInError::Store(error) => logged(reply::AUTH_LATER, error),
    }
}

/// What a client is told when its message is beyond the limits of a scan.
pub fn of_scan(problem: &Problem) -> Reply {
    match problem {
        Problem::Loop(_) => reply::LOOP,
        Problem::Size(_) => reply::TOO_BIG,
        Problem::Io(error) => logged(reply::TRY_LATER, error),
        problem => reply::BAD_MESSAGE.saying(problem.to_string()),
    }
}

fn logged(reply: Reply, why: impl std::fmt::Display) -> Reply {
    tracing::error!(code = reply.code, %why, "refused for trouble of our own");
    reply
}
