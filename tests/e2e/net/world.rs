//! The world: zones under a root of its own, resolvers, and mail servers of every kind.

use crate::free_ports::free_port;
use crate::harness::HOST;
use crate::net::postfix::Postfix;
use crate::net::postfix::Server;
use crate::net::space::DNS;
use crate::net::space::HOUSE;
use crate::net::space::Space;
use crate::tls_policy::tlsa;
use crate::zones::Signing;
use crate::zones::Validating;
use crate::zones::Zones;
use crate::zones::free_place;
use crate::zones::started;
use guardpost::app::clock::SystemClock;
use guardpost::base::time::Clock;
use guardpost::net::dns::Trust;
use guardpost::net::tls::SelfSigned;
use guardpost::net::tls::self_signed;
use rcgen::BasicConstraints;
use rcgen::CertificateParams;
use rcgen::DnType;
use rcgen::IsCa;
use rcgen::Issuer;
use rcgen::KeyPair;
use std::fmt::Write;
use std::fs;
use std::fs::Permissions;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::process::Child;
use std::process::Command;
use tempfile::TempDir;
use tokio::sync::Mutex;
use tokio::sync::MutexGuard;

/// What TLSA is asked about, and how it is met: how every name of a destination begins.
pub const LEVELS: [&str; 5] = ["may", "dane", "encrypt", "dane-only", "fingerprint"];

/// All of it; it ends with this.
pub struct World {
    /// Where it stands.
    pub space: Space,
    /// The port of mail servers.
    pub port: u16,
    /// BIND.
    pub zones: Zones,
    /// The mail servers.
    pub postfix: Postfix,
    /// The certificate of the first of them.
    pub right: Vec<u8>,
    /// The appliance's own.
    pub house: SelfSigned,
    resolvers: Resolvers,
    _alone: Option<MutexGuard<'static, ()>>,
}

enum Resolvers {
    /// On port 53 of loopback: one that validates, and in the sender's namespace at 127.0.0.2 one that does not.
    Own(#[expect(dead_code, reason = "they end with it")] Vec<Resolver>),
    /// The same two on free ports.
    Free(Validating, Validating),
}

/// Certificates of the mail servers.
struct Identities {
    /// Of the first.
    right: (Vec<u8>, String),
    /// Of the second.
    other: String,
    /// Issued by an authority for `mx-issued.signed.example`, with that in the chain.
    issued: String,
    authority: Vec<u8>,
    /// Ended in 2002.
    late: (Vec<u8>, String),
}

impl Identities {
    fn new() -> Self {
        let lone = |ended: bool| {
            let mut parameters = CertificateParams::new(["peer.example".to_owned()]).unwrap();
            if ended {
                parameters.not_before = rcgen::date_time_ymd(2001, 1, 1);
                parameters.not_after = rcgen::date_time_ymd(2002, 1, 1);
            }
            let key = KeyPair::generate().unwrap();
            let certificate = parameters.self_signed(&key).unwrap();
            (certificate.der().to_vec(), [key.serialize_pem(), certificate.pem()].concat())
        };
        let mut parameters = CertificateParams::new(Vec::<String>::new()).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.distinguished_name.push(DnType::CommonName, "an authority");
        let key = KeyPair::generate().unwrap();
        let authority = parameters.self_signed(&key).unwrap();
        let issuer = Issuer::new(parameters, key);
        let own = CertificateParams::new(["mx-issued.signed.example".to_owned()]).unwrap();
        let own_key = KeyPair::generate().unwrap();
        let issued = own.signed_by(&own_key, &issuer).unwrap();
        Self {
            right: lone(false),
            other: lone(false).1,
            issued: [own_key.serialize_pem(), issued.pem(), authority.pem()].concat(),
            authority: authority.der().to_vec(),
            late: lone(true),
        }
    }
}

impl World {
    /// Builds it.
    pub async fn build(space: Space) -> Self {
        // On loopback the appliance is inside the test, and its log is that of all tests.
        static ALONE: Mutex<()> = Mutex::const_new(());
        let alone = match space {
            Space::Namespaces => None,
            Space::Loopback => Some(ALONE.lock().await),
        };
        let identities = Identities::new();
        let house = self_signed(&[HOST.into()], SystemClock.now()).unwrap();
        let (port, dns) = match space {
            Space::Namespaces => (25, (space.peer(DNS), 53).into()),
            Space::Loopback => (free_port(), free_place()),
        };
        let zones = publish(space, port, dns, &identities, &house);
        let resolvers = match space {
            Space::Namespaces => Resolvers::own(&zones),
            Space::Loopback => Resolvers::Free(zones.validating(), zones.handing_on()),
        };
        let server = |number, name, identity: Option<&String>| Server {
            address: SocketAddr::new(space.peer(number), port),
            name,
            identity: identity.cloned(),
        };
        let servers = [
            server(11, "right.peers.example", Some(&identities.right.1)),
            server(12, "other.peers.example", Some(&identities.other)),
            server(13, "bare.peers.example", None),
            server(14, "issued.peers.example", Some(&identities.issued)),
            server(15, "late.peers.example", Some(&identities.late.1)),
        ];
        let postfix = Postfix::taking(&servers).await;
        Self { space, port, zones, postfix, right: identities.right.0, house, resolvers, _alone: alone }
    }

    /// The resolver that the appliance asks: one that validates, or one that leaves that to it.
    pub fn resolver(&self, trust: Trust) -> SocketAddr {
        match (&self.resolvers, trust) {
            (Resolvers::Own(_), Trust::Builtin) => "127.0.0.2:53".parse().unwrap(),
            (Resolvers::Own(_), _) => "127.0.0.1:53".parse().unwrap(),
            (Resolvers::Free(_, unbound), Trust::Builtin) => unbound.address,
            (Resolvers::Free(unbound, _), _) => unbound.address,
        }
    }
}

/// Every zone with its hosts and destinations.
fn publish(space: Space, port: u16, dns: SocketAddr, identities: &Identities, house: &SelfSigned) -> Zones {
    let record = |usage, selector, certificate: &[u8]| {
        let data = tlsa(usage, selector, 1, certificate).data;
        let hex = data_encoding::HEXLOWER.encode(&data);
        format!("TLSA {usage} {selector} 1 {hex}")
    };
    let right = record(3, 1, &identities.right.0);
    let host = |name: &str, number: u8, tlsa: &str| {
        let mut text = format!("{name} A {}\n", space.peer(number));
        if !tlsa.is_empty() {
            let _ = writeln!(text, "_{port}._tcp.{name} {tlsa}");
        }
        text
    };
    let mut signed = [
        host("mx-right", 11, &right),
        host("mx-wrong", 12, &right),
        host("mx-bare", 13, &right),
        host("mx-issued", 14, &record(2, 0, &identities.authority)),
        host("mx-late", 15, &record(3, 1, &identities.late.0)),
        host("mx-none", 12, ""),
        host("mx-clear", 13, ""),
        host("mx-pkix", 12, &record(1, 1, &identities.right.0)),
        host("mx-dead", DNS, &right),
        host("mx-six", 11, &right),
        host("mx-ours", HOUSE, ""),
        "mx-here A 127.0.0.1\nmx-here6 AAAA ::1\nmx-any A 0.0.0.0\nmx-all A 255.255.255.255\nmx-lan A 10.11.12.13\n".into(),
        "mx-six AAAA 2001:db8::99\nmx-alias CNAME mx-right\nmx-empty TXT x\n".into(),
        format!("mx-away CNAME mx.plain.example.\n_{port}._tcp.mx-away {right}\n*.wild MX 10 mx-right\n"),
    ]
    .concat();
    let literal = format!("10 {}.", space.peer(11));
    let own_name = format!("10 {HOST}.");
    // One more than are looked at; the last one would be right.
    let many: Vec<String> =
        (1..=40).map(|n| format!("{n} mx-{}", if n == 40 { "right" } else { "dead" })).collect();
    for level in LEVELS {
        for (name, exchanges) in [
            ("right", vec!["10 mx-right"]),
            ("wrong", vec!["10 mx-wrong"]),
            ("bare", vec!["10 mx-bare"]),
            ("issued", vec!["10 mx-issued"]),
            ("late", vec!["10 mx-late"]),
            ("none", vec!["10 mx-none"]),
            ("clear", vec!["10 mx-clear"]),
            ("pkix", vec!["10 mx-pkix"]),
            ("alias", vec!["10 mx-alias"]),
            ("away", vec!["10 mx-away"]),
            ("six", vec!["10 mx-six"]),
            ("dead", vec!["10 mx-dead"]),
            ("second", vec!["10 mx-wrong", "20 mx-right"]),
            ("third", vec!["10 mx-dead", "20 mx-bare", "30 mx-right"]),
            ("backup", vec!["10 mx-wrong", "20 mx-clear"]),
            ("null", vec!["0 ."]),
            ("empty", vec!["10 mx-empty"]),
            ("literal", vec![literal.as_str()]),
            ("ours", vec![own_name.as_str(), "10 mx-right", "20 mx-right"]),
            ("ours-behind", vec!["5 mx-dead", own_name.as_str(), "20 mx-right"]),
            ("our-address", vec!["10 mx-ours", "20 mx-right"]),
            ("our-loopback", vec!["10 mx-here", "20 mx-right"]),
            ("our-loopback6", vec!["10 mx-here6"]),
            ("our-nowhere", vec!["10 mx-any"]),
            ("our-everybody", vec!["10 mx-all"]),
            ("private", vec!["10 mx-lan"]),
            ("many", many.iter().map(String::as_str).collect()),
        ] {
            for exchange in exchanges {
                let _ = writeln!(signed, "{level}.{name} MX {exchange}");
            }
        }
        signed += &host(&format!("{level}.direct"), 11, &right);
    }
    let simple = |with: &str| {
        let mut text = [host("mx", 11, with), host("mx-none", 12, "")].concat();
        for level in LEVELS {
            let _ = writeln!(text, "{level}.right MX 10 mx\n{level}.none MX 10 mx-none");
        }
        text
    };
    let small = simple(&right);
    let own = [
        host("mail", HOUSE, &record(3, 1, &der(&house.certificate))),
        host("mail-lost", HOUSE, &right),
        "@ MX 10 mail\nlost MX 10 mail-lost\n".into(),
    ]
    .concat();
    Zones::publish(
        &[
            ("signed.example", Signing::Nsec, &signed),
            ("three.example", Signing::Nsec3(0), &small),
            ("seven.example", Signing::Sha1, &small),
            ("plain.example", Signing::None, &small),
            ("expired.example", Signing::Expired, &small),
            ("broken.example", Signing::Broken, &small),
            ("bogus.example", Signing::WrongDs, &small),
            ("house.example", Signing::Nsec, &own),
        ],
        dns,
    )
}

/// The first certificate of a file.
fn der(pem: &str) -> Vec<u8> {
    let body: String = pem.lines().skip(1).take_while(|line| !line.starts_with("-----")).collect();
    data_encoding::BASE64.decode(body.as_bytes()).unwrap()
}

/// Unbound in one of the namespaces.
struct Resolver {
    _home: TempDir,
    server: Child,
}

impl Drop for Resolver {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

impl Resolvers {
    fn own(zones: &Zones) -> Self {
        let here = |program: &str| Command::new(program);
        let there = |program: &str| Space::Namespaces.beside_sender(program);
        let all = Self::Own(vec![
            Resolver::start(zones, "127.0.0.1", "validator iterator", here("unbound")),
            Resolver::start(zones, "127.0.0.1", "validator iterator", there("unbound")),
            Resolver::start(zones, "127.0.0.2", "iterator", there("unbound")),
        ]);
        // Programs that cannot be told find it, in these namespaces.
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "nameserver 127.0.0.1\n").unwrap();
        fs::set_permissions(file.path(), Permissions::from_mode(0o644)).unwrap();
        let done =
            Command::new("mount").arg("--bind").arg(file.path()).arg("/etc/resolv.conf").status().unwrap();
        assert!(done.success(), "/etc/resolv.conf");
        all
    }
}

impl Resolver {
    /// It begins at the root, as resolvers do.
    fn start(zones: &Zones, ip: &str, modules: &str, mut command: Command) -> Self {
        let home = tempfile::Builder::new().prefix("unbound").tempdir().unwrap();
        let hints = home.path().join("root.hints");
        fs::write(&hints, format!(". NS ns.example.\nns.example. A {}\n", zones.address.ip())).unwrap();
        let conf = format!(
            "server:\n interface: {ip}\n username: \"\"\n chroot: \"\"\n directory: \"{home}\"\n pidfile: \"\"\n\
             \x20use-syslog: no\n do-daemonize: no\n do-ip6: no\n verbosity: 1\n num-threads: 1\n\
             \x20root-hints: \"{hints}\"\n trust-anchor-file: \"{anchor}\"\n module-config: \"{modules}\"\n\
             remote-control:\n control-enable: no\n",
            home = home.path().display(),
            hints = hints.display(),
            anchor = zones.anchor().display(),
        );
        let file = home.path().join("unbound.conf");
        fs::write(&file, conf).unwrap();
        command.args(["-d", "-p", "-c"]).arg(&file);
        Self { server: started(command, "start of service"), _home: home }
    }
}
