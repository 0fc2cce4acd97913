//! What Linux knows of a process.

use std::time::Duration;

/// Ticks of a second in /proc; fixed on every architecture that Linux runs on today.
const TICKS: u64 = 100;

/// CPU time, its own and the kernel's for it, of all its threads.
pub fn cpu(process: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("a process");
    // The name in parentheses may hold anything; fields are counted behind it.
    let (_, fields) = stat.rsplit_once(')').expect("a name");
    let ticks: u64 = fields.split_whitespace().skip(11).take(2).filter_map(|n| n.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 1_000 / TICKS)
}

/// Memory in use, KiB.
pub fn resident(process: u32) -> u64 {
    status(process, "VmRSS:")
}

/// The most it ever was since [`forget_peak`], KiB.
pub fn peak(process: u32) -> u64 {
    status(process, "VmHWM:")
}

/// Forgets the most it ever was.
pub fn forget_peak(process: u32) {
    std::fs::write(format!("/proc/{process}/clear_refs"), "5").expect("Linux");
}

fn status(process: u32, field: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("a process");
    let line = status.lines().find(|line| line.starts_with(field)).expect("a field");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("a number")
}
