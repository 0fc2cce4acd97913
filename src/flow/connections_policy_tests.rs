//! One connection for many messages of different policies: it goes over it only if it would go alone.

use crate::base::address::Domain;
use crate::base::dns::Answer;
use crate::base::dns::Exchange;
use crate::base::dns::Exchanges;
use crate::base::dns::Located;
use crate::base::dns::Security;
use crate::base::dns::Tlsa;
use crate::base::dns::Validation;
use crate::config::Config;
use crate::flow::connections_tests::by_connection;
use crate::flow::connections_tests::count;
use crate::flow::connections_tests::ordinary;
use crate::flow::delivery::Courier;
use crate::flow::queue_tests::Ours;
use crate::flow::queue_tests::ip;
use crate::flow::stored_certificates;
use crate::net::Deed;
use crate::net::dial::Dialer;
use crate::net::dns::Dns;
use crate::net::dns::Table;
use crate::peer::Act;
use crate::peer::Asked;
use crate::peer::Peer;
use crate::peer::Plan;
use crate::peer::StartTls;
use crate::policy::tls::Demand;
use crate::policy::tls::Requirement;
use crate::policy::tls::Sender;
use crate::policy::tls::Stored;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::Mutex;

#[tokio::test]
async fn what_passes_goes_over_it_and_what_does_not_never() {
    let peer = Plan::default().names(&["mx.x.example"]).open().await;
    let dane = Tlsa { usage: 3, selector: 0, matching: 0, data: peer.certificate.clone() };
    let table = Table::signed()
        .with_mx("x.example", &[(10, "mx.x.example")])
        .with_addresses("mx.x.example", &[ip(1)])
        .with_tlsa("mx.x.example", &[dane])
        .with_mx("y.example", &[(10, "mx.x.example")]);
    let mut ours = Ours::new(table, peer.address.port(), "").await;
    let good = Stored::certificate(&peer.certificate).unwrap();
    let other = rcgen::generate_simple_self_signed(["mx.x.example".to_owned()]).unwrap();
    let other = Stored::certificate(other.cert.der()).unwrap();
    let domain = |name: &str| Domain::parse(name).unwrap();
    stored_certificates::add(&ours.flow, domain("x.example"), &good).await.unwrap();
    stored_certificates::add(&ours.flow, domain("y.example"), &other).await.unwrap();
    for requirement in Requirement::ALL {
        ours.send_under("bob@x.example", ordinary(requirement)).await;
    }
    assert_eq!(by_connection(&peer), [Requirement::ALL.len()], "each by a verdict of its own");
    let proofs = peer.taken().len();
    let refused = ours.send_under("bob@y.example", ordinary(Requirement::Verify)).await;
    assert_eq!(
        (by_connection(&peer).len(), peer.taken().len()),
        (2, proofs),
        "it had its own, and did not pass"
    );
    assert!(ours.tries(refused).await.unwrap().1.starts_with("4.7.5"), "{:?}", ours.tries(refused).await);
    assert_eq!(count(&peer, "MAIL FROM"), proofs, "nothing of it was said");
}

#[tokio::test]
async fn what_went_plain_is_for_what_may_go_plain() {
    let peer = Plan::default().start_tls(StartTls::NotOffered).open().await;
    let mut ours = Ours::facing(&peer).await;
    ours.send(&["bob@x.example"]).await;
    ours.send(&["eve@x.example"]).await;
    assert_eq!(by_connection(&peer), [2]);
    for sender in [Sender::Ordinary, Sender::Secure] {
        let demand = Demand::new(Requirement::Encrypt, sender);
        ours.send_under("bob@x.example", demand).await;
    }
    assert_eq!((by_connection(&peer), count(&peer, "MAIL FROM")), (vec![2, 0, 0], 2));
    assert_eq!(ours.inbox().await.len(), 2, "both bounced");
    // Where the peer offers TLS and it fails, each message has its own chance of it.
    for start_tls in [StartTls::Refused, StartTls::Garbage] {
        let peer = Plan::default().start_tls(start_tls).open().await;
        let mut ours = Ours::facing(&peer).await;
        ours.send(&["bob@x.example"]).await;
        ours.send(&["eve@x.example"]).await;
        assert_eq!((peer.taken().len(), count(&peer, "STARTTLS")), (2, 2), "{start_tls:?}");
    }
}

#[tokio::test]
async fn what_was_stored_or_configured_meanwhile_counts() {
    let peer = Peer::good().await;
    let mut ours = Ours::facing(&peer).await;
    let x = Domain::parse("x.example").unwrap();
    let good = Stored::certificate(&peer.certificate).unwrap();
    let other = rcgen::generate_simple_self_signed(["a".to_owned()]).unwrap();
    let other = Stored::certificate(other.cert.der()).unwrap();
    stored_certificates::add(&ours.flow, x.clone(), &good).await.unwrap();
    let verify = ordinary(Requirement::Verify);
    ours.send_under("bob@x.example", verify).await;
    ours.send_under("bob@x.example", verify).await;
    assert_eq!(by_connection(&peer), [2]);
    stored_certificates::remove(&ours.flow, x.clone()).await.unwrap();
    stored_certificates::add(&ours.flow, x, &other).await.unwrap();
    let refused = ours.send_under("bob@x.example", verify).await;
    assert_eq!((by_connection(&peer), count(&peer, "MAIL FROM")), (vec![2, 0], 2));
    assert_eq!(ours.tries(refused).await.unwrap().0, 1);
    // Another configuration: what was made under the former is not used.
    let former = Config::clone(&ours.flow.config());
    ours.send(&["eve@x.example"]).await;
    ours.flow.reconfigure(Arc::new(former));
    ours.send(&["eve@x.example"]).await;
    assert_eq!(by_connection(&peer), [2, 0, 1, 1]);
}

#[tokio::test]
async fn what_is_fetched_is_what_a_delivery_is_shown() {
    let made = rcgen::generate_simple_self_signed(["host.y.example".to_owned()]).unwrap();
    let other = made.cert.der().to_vec();
    let peer = Plan::default().names(&["mx.x.example"]);
    let peer = peer
        .shows("host.y.example", std::slice::from_ref(&other), &made.signing_key.serialize_der())
        .open()
        .await;
    let dane = Tlsa { usage: 3, selector: 0, matching: 0, data: other.clone() };
    let table = Table::signed()
        .with_mx("x.example", &[(10, "mx.x.example")])
        .with_alias("mx.x.example", "host.y.example", &[ip(1)])
        .with_tlsa("host.y.example", &[dane]);
    let mut ours = Ours::new(table, peer.address.port(), "").await;
    let x = Domain::parse("x.example").unwrap();
    let courier = Courier { dialer: Dialer { loopback: true, ..Dialer::default() }, ..Courier::default() };
    let fetched = stored_certificates::fetch(&ours.flow, &courier, &x).await.unwrap();
    assert_eq!(fetched, [("mx.x.example".to_owned(), Stored::certificate(&other).unwrap())]);
    stored_certificates::add(&ours.flow, x, &fetched[0].1).await.unwrap();
    ours.send_under("bob@x.example", ordinary(Requirement::Verify)).await;
    assert_eq!(peer.taken().len(), 1);
}

#[tokio::test]
async fn a_certificate_may_name_what_signed_records_make_of_the_domain() {
    let mut parameters = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap();
    parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate().unwrap();
    let authority = parameters.self_signed(&key).unwrap().der().to_vec();
    let issuer = rcgen::Issuer::new(parameters, key);
    let mut parameters = rcgen::CertificateParams::new(["hosted.example".to_owned()]).unwrap();
    parameters.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    let key = rcgen::KeyPair::generate().unwrap();
    let own = parameters.signed_by(&key, &issuer).unwrap().der().to_vec();
    let peer = Plan::default().identity(&[own, authority.clone()], &key.serialize_der()).open().await;
    let dane = Tlsa { usage: 2, selector: 0, matching: 0, data: authority };
    let table = || {
        Table::signed()
            .with_mx("x.example", &[(10, "mx.x.example")])
            .with_addresses("mx.x.example", &[ip(1)])
            .with_tlsa("mx.x.example", std::slice::from_ref(&dane))
    };
    let mx = Exchange { preference: 10, host: Domain::parse("mx.x.example").ok() };
    let unsigned = Answer::Records(Security::Insecure, vec![mx]);
    for (table, want) in [
        (table(), 0),
        (table().with_mx_answer("x.example", unsigned).with_mx_alias("x.example", "hosted.example"), 0),
        (table().with_mx_alias("x.example", "hosted.example"), 1),
    ] {
        let mut ours = Ours::new(table, peer.address.port(), "").await;
        ours.send_under("bob@x.example", ordinary(Requirement::DaneOnly)).await;
        assert_eq!(peer.taken().len(), want);
    }
}

/// A table that changes while the world goes on.
struct Changing(Mutex<Arc<Table>>);

impl Changing {
    fn now(&self) -> Arc<Table> {
        Arc::clone(&self.0.lock().unwrap())
    }
}

impl Dns for Changing {
    fn mx<'a>(&'a self, domain: &'a Domain) -> Deed<'a, Exchanges> {
        Box::pin(async move { self.now().mx(domain).await })
    }

    fn addresses<'a>(&'a self, host: &'a Domain) -> Deed<'a, Located<IpAddr>> {
        Box::pin(async move { self.now().addresses(host).await })
    }

    fn alias<'a>(&'a self, host: &'a Domain) -> Deed<'a, Answer<Domain>> {
        Box::pin(async move { self.now().alias(host).await })
    }

    fn tlsa<'a>(&'a self, host: &'a Domain, port: u16) -> Deed<'a, Answer<Tlsa>> {
        Box::pin(async move { self.now().tlsa(host, port).await })
    }

    fn text<'a>(&'a self, label: &'a str, domain: &'a Domain) -> Deed<'a, Answer<Vec<u8>>> {
        Box::pin(async move { self.now().text(label, domain).await })
    }

    fn validation(&self) -> Deed<'_, Validation> {
        Box::pin(async move { self.now().validation().await })
    }
}

#[tokio::test]
async fn what_dns_says_now_counts() {
    let peer = Peer::good().await;
    let table = |address: u8, tlsa: Option<Tlsa>| {
        let table = Table::signed()
            .with_mx("x.example", &[(10, "mx.x.example")])
            .with_addresses("mx.x.example", &[ip(address)]);
        Arc::new(match tlsa {
            Some(tlsa) => table.with_tlsa("mx.x.example", &[tlsa]),
            None => table,
        })
    };
    let of = |data: &[u8]| Some(Tlsa { usage: 3, selector: 0, matching: 0, data: data.to_vec() });
    let dns = Arc::new(Changing(Mutex::new(table(1, None))));
    let mut ours = Ours::under(Arc::<Changing>::clone(&dns), peer.address.port(), "", true).await;
    let change = |to| *dns.0.lock().unwrap() = to;
    ours.send(&["bob@x.example"]).await;
    change(table(1, of(&peer.certificate)));
    ours.send(&["bob@x.example"]).await;
    assert_eq!(by_connection(&peer), [2], "the record vouches for the certificate that was shown");
    change(table(1, of(b"another certificate")));
    let refused = ours.send_under("bob@x.example", Demand::default()).await;
    assert_eq!(
        (by_connection(&peer), count(&peer, "MAIL FROM")),
        (vec![2, 0], 2),
        "it had its own, and did not pass"
    );
    assert!(ours.tries(refused).await.unwrap().1.starts_with("4.7.5"), "{:?}", ours.tries(refused).await);
    // And who moves away is followed.
    change(table(1, None));
    ours.send(&["eve@x.example"]).await;
    let moved = Plan::default().at("127.0.0.2", peer.address.port()).open().await;
    change(table(2, None));
    ours.send(&["eve@x.example"]).await;
    assert_eq!((by_connection(&peer), by_connection(&moved)), (vec![2, 0, 1], vec![1]));
}

#[tokio::test]
async fn what_a_connection_shows_is_noted_for_each_message_that_is_compared_with_it() {
    let peer = Peer::good().await;
    let mut ours = Ours::facing(&peer).await;
    let x = Domain::parse("x.example").unwrap();
    let good = Stored::certificate(&peer.certificate).unwrap();
    let former = rcgen::generate_simple_self_signed(["a".to_owned()]).unwrap();
    let former = Stored::certificate(former.cert.der()).unwrap();
    ours.send_under("bob@x.example", ordinary(Requirement::Encrypt)).await;
    assert!(ours.flow.sightings.waiting().is_empty() && ours.flow.alarms.first().is_none());
    for stored in [&former, &good] {
        stored_certificates::add(&ours.flow, x.clone(), stored).await.unwrap();
    }
    ours.send_under("bob@x.example", ordinary(Requirement::Verify)).await;
    assert_eq!(by_connection(&peer), [2]);
    let seen = ours.flow.sightings.waiting();
    assert!(seen.len() == 1 && seen[0].0 == x && seen[0].1.fingerprint == good.fingerprint(), "{seen:?}");
    let (cause, _) = ours.flow.alarms.first().unwrap();
    assert!(cause.starts_with("rotated x.example"), "{cause}");
}

/// Does something once when an address is asked for.
struct Meanwhile {
    table: Table,
    deed: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl Dns for Meanwhile {
    fn mx<'a>(&'a self, domain: &'a Domain) -> Deed<'a, Exchanges> {
        self.table.mx(domain)
    }

    fn addresses<'a>(&'a self, host: &'a Domain) -> Deed<'a, Located<IpAddr>> {
        if let Some(deed) = self.deed.lock().unwrap().take() {
            deed();
        }
        self.table.addresses(host)
    }

    fn alias<'a>(&'a self, host: &'a Domain) -> Deed<'a, Answer<Domain>> {
        self.table.alias(host)
    }

    fn tlsa<'a>(&'a self, host: &'a Domain, port: u16) -> Deed<'a, Answer<Tlsa>> {
        self.table.tlsa(host, port)
    }

    fn text<'a>(&'a self, label: &'a str, domain: &'a Domain) -> Deed<'a, Answer<Vec<u8>>> {
        self.table.text(label, domain)
    }

    fn validation(&self) -> Deed<'_, Validation> {
        self.table.validation()
    }
}

#[tokio::test]
async fn a_smarthosts_password_is_never_told_to_the_one_before() {
    let rule = |asked: &Asked<'_>| match asked.line.starts_with("AUTH") {
        true => Act::Say("235 2.7.0 ok".into()),
        false => Act::Usual,
    };
    let peer = Plan::default().extensions(&["AUTH PLAIN"]).rule(rule).open().await;
    let smarthost = |name: &str, file: &str| {
        let port = peer.address.port();
        format!(
            "smarthost = \"{name}:{port}\"\nsmarthost_user = \"me\"\nsmarthost_password_file = \"DIR/{file}\"\n"
        )
    };
    let table = Table::default()
        .with_addresses("old.example", &[ip(1)])
        .with_addresses("new.example", &[IpAddr::from([127, 0, 0, 9])]);
    let dns = Arc::new(Meanwhile { table, deed: Mutex::default() });
    let mut ours =
        Ours::under(Arc::<Meanwhile>::clone(&dns), 25, &smarthost("old.example", "old"), true).await;
    let later = Ours::new(Table::default(), 25, &smarthost("new.example", "new")).await;
    std::fs::write(ours.dir.path().join("old"), "hunter1\n").unwrap();
    std::fs::write(later.dir.path().join("new"), "hunter2\n").unwrap();
    let (flow, config) = (Arc::clone(&ours.flow), later.flow.config());
    *dns.deed.lock().unwrap() = Some(Box::new(move || flow.reconfigure(config)));
    ours.send(&["bob@x.example"]).await;
    let said = |password: &str| count(&peer, &data_encoding::BASE64.encode(password.as_bytes()));
    assert_eq!((said("\0me\0hunter1"), said("\0me\0hunter2")), (1, 0));
    assert_eq!(peer.taken().len(), 1);
}
