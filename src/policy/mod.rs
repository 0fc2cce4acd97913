//! Decisions as pure functions: facts come in, a verdict with its reason goes out.
//!
//! Each policy has its whole decision table under `tests/golden`; a change of a rule is a changed line there.

pub mod answer;
pub mod clock;
pub mod closing;
pub mod dane;
pub mod encryption;
pub mod language;
pub mod life;
pub mod mta_sts;
pub mod notice;
pub mod rate;
pub mod recipient;
pub mod refused;
pub mod retry;
pub mod route;
pub mod sender;
pub mod tag;
pub mod tls;

#[cfg(test)]
pub(crate) mod golden;
