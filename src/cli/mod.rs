//! The commands of the binary.

pub mod arguments;
mod table;
mod terminal;

/// Reads the command line and does what it says.
pub fn run() -> std::process::ExitCode {
    std::process::ExitCode::SUCCESS
}
