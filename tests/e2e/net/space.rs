//! Where the world of these tests stands: in network namespaces of its own, or, where those cannot be had, on loopback.
//!
//! The namespaces are those of Linux (`unshare`, `ip netns`), for root: a test runs itself anew inside them, so that
//! the network of the machine stays as it is, and everything that was started ends with them. There the world has
//! addresses and port 25, and its sender is `guardpost serve`. Without that right (in most containers) the same world
//! stands on addresses of loopback and a free port; its sender is the appliance inside the test, because mail to
//! loopback is refused by a real one.

use std::env;
use std::fs;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::process::Command;
use std::process::Stdio;

/// Says which form is wanted, or that this is a test inside of its namespaces.
const FORM: &str = "TEST_NET";

/// What a world stands on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Space {
    /// Two network namespaces with a cable between them.
    Namespaces,
    /// Loopback of this machine.
    Loopback,
}

/// The namespace of the sender.
pub const SENDER: &str = "sender";

impl Space {
    /// Where the test `name` is to run; nothing, if it already ran: inside its namespaces, and well.
    pub fn enter(name: &str) -> Option<Self> {
        match env::var(FORM).unwrap_or_default().as_str() {
            "inside" => {
                lay_cable();
                return Some(Self::Namespaces);
            }
            "loopback" => return Some(Self::on_loopback("asked for")),
            "" => {}
            other => panic!("{FORM}={other} is neither \"loopback\" nor unset"),
        }
        if !unshare().args(["ip", "netns", "list"]).output().is_ok_and(|done| done.status.success()) {
            return Some(Self::on_loopback("namespaces cannot be had here"));
        }
        eprintln!("net: {name}: in network namespaces");
        let test = env::current_exe().expect("this test");
        let done = unshare().arg(test).args(["--exact", name, "--nocapture"]).env(FORM, "inside").status();
        assert!(done.expect("it runs").success(), "{name} failed in its namespaces; see above");
        None
    }

    fn on_loopback(why: &str) -> Self {
        eprintln!("net: on loopback, {why}: with the appliance inside the test as sender");
        Self::Loopback
    }

    /// The address of a peer, 1 to 254. Nobody is at 254.
    pub const fn peer(self, number: u8) -> IpAddr {
        IpAddr::V4(match self {
            Self::Namespaces => Ipv4Addr::new(198, 51, 100, number),
            Self::Loopback => Ipv4Addr::new(127, 0, 9, number),
        })
    }

    /// A command that runs where the sender is.
    pub fn beside_sender(self, program: &str) -> Command {
        match self {
            Self::Loopback => Command::new(program),
            Self::Namespaces => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", SENDER, program]);
                command
            }
        }
    }
}

/// New namespaces of network, mounts and processes; with the first process in them everything ends.
fn unshare() -> Command {
    let mut command = Command::new("unshare");
    command
        .args(["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"])
        .stdin(Stdio::null());
    command
}

/// The sender's namespace, the cable to it, and every address.
fn lay_cable() {
    // What `ip netns` notes is noted for these namespaces alone.
    fs::create_dir_all("/run/netns").expect("/run/netns");
    run("mount", &["-t", "tmpfs", "tmpfs", "/run/netns"]);
    run("ip", &["link", "set", "lo", "up"]);
    run("ip", &["netns", "add", SENDER]);
    run("ip", &["link", "add", "world0", "type", "veth", "peer", "name", "sender0", "netns", SENDER]);
    for number in PEERS.chain([DNS]) {
        let address = format!("{}/24", Space::Namespaces.peer(number));
        run("ip", &["addr", "add", &address, "dev", "world0"]);
    }
    run("ip", &["link", "set", "world0", "up"]);
    let house = format!("{}/24", Space::Namespaces.peer(HOUSE));
    run("ip", &["-n", SENDER, "link", "set", "lo", "up"]);
    run("ip", &["-n", SENDER, "addr", "add", &house, "dev", "sender0"]);
    run("ip", &["-n", SENDER, "link", "set", "sender0", "up"]);
}

/// The peers.
const PEERS: std::ops::RangeInclusive<u8> = 11..=20;
/// The server of zones; no mail server is there.
pub const DNS: u8 = 53;
/// The appliance.
pub const HOUSE: u8 = 2;

/// Runs a command that has to succeed.
pub fn run(program: &str, arguments: &[&str]) {
    let done = Command::new(program).args(arguments).output().expect("it starts");
    assert!(done.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
}
