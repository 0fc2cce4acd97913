//! Ports for servers that cannot be asked which one they got.

use std::fs;
use std::net::Ipv4Addr;
use std::net::TcpListener;
use std::net::UdpSocket;
use std::process;
use std::sync::atomic::AtomicU16;
use std::sync::atomic::Ordering;

/// A port that TCP and UDP have free on loopback.
///
/// It is below those that the system gives to clients and to whoever asks for any, and no process gives one twice:
/// until its server has come, and while it is down, nobody takes it.
pub fn free_port() -> u16 {
    static GIVEN: AtomicU16 = AtomicU16::new(0);
    let first = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let first = first.split_whitespace().next().and_then(|port| port.parse().ok()).unwrap_or(32_768);
    // Where clients get nearly all ports, above the privileged ones is all that is left.
    let ports = LOWEST..u16::max(first, LOWEST + 1_000);
    let begin = process::id().wrapping_mul(STRIDE);
    let is_free = |port: &u16| {
        let place = (Ipv4Addr::LOCALHOST, *port);
        TcpListener::bind(place).is_ok() && UdpSocket::bind(place).is_ok()
    };
    let mut next = (0..ports.len()).map(|_| {
        let offset = begin.wrapping_add(GIVEN.fetch_add(1, Ordering::SeqCst).into());
        ports.start + u16::try_from(offset as usize % ports.len()).unwrap_or_default()
    });
    next.find(is_free).expect("a free port")
}

/// No server of the machine is asked to be above this, and root is not needed.
const LOWEST: u16 = 10_000;
/// Between the first ports of processes that came one after the other.
const STRIDE: u32 = 97;
