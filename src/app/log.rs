//! The log: standard error, as text or JSON.

use crate::config::section::Log;
use crate::config::section::LogFormat;
use std::io;
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// Starts it; the second time is passed over, so that a test may start several appliances.
pub fn start(log: &Log) {
    let filter = EnvFilter::try_new(&log.level).unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    // A closed standard error must not end the service, and does not: lines are dropped then.
    let _ = match log.format {
        LogFormat::Text => builder.with_target(false).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
}
