//! Builds the appliance, opens its listeners, starts its workers and stops them in order.

pub mod appliance;
pub mod clock;
pub mod demo;
pub mod demo_peer;
pub mod error;
pub mod ground;
pub mod hardening;
pub mod key_backup;
pub mod keys;
pub mod log;
pub mod rotation;
mod runtime;
pub mod serve;
pub mod settings;
pub mod templates;
