//! Names looked up at servers of every kind of manners.

use super::*;
use crate::net::dns::OnePeer;
use crate::net::dns::Table;
use crate::net::dns::plain::Plain;
use crate::net::dns::test_server::TestServer;
use crate::policy::route::Route;
use hickory_resolver::proto::op::Message;
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::Record;
use hickory_resolver::proto::rr::rdata;
use std::sync::Arc;
use tokio::net::UdpSocket;

fn domain(text: &str) -> Domain {
    Domain::parse(text).unwrap()
}

/// A server on loopback that answers by a rule.
async fn server(
    answer: impl Fn(&str, RecordType, &mut Message) + Send + Sync + 'static,
) -> (Names, TestServer) {
    let server = TestServer::open(answer).await;
    (Names::new(Arc::new(Plain::new(&[server.address]).unwrap())), server)
}

fn record(name: &str, data: RData) -> Record {
    Record::from_rdata(Name::from_ascii(name).unwrap(), 60, data)
}

fn mx(preference: u16, host: &str) -> RData {
    RData::MX(rdata::MX::new(preference, Name::from_ascii(host).unwrap()))
}

fn soa() -> Record {
    let name = Name::from_ascii("example.").unwrap();
    record("example.", RData::SOA(rdata::SOA::new(name.clone(), name, 1, 60, 60, 60, 60)))
}

fn zone(name: &str, kind: RecordType, message: &mut Message) {
    let mut add = |name: &str, data| {
        message.add_answer(record(name, data));
    };
    match (name, kind) {
        ("two.example.", RecordType::MX) => {
            add(name, mx(20, "b.two.example."));
            add(name, mx(10, "a.two.example."));
            add(name, mx(5, "under_score.two.example."));
            add("foreign.example.", mx(1, "evil.example."));
        }
        ("null.example.", RecordType::MX) => add(name, mx(0, ".")),
        ("many.example.", RecordType::MX) => {
            for n in 0..40 {
                add(name, mx(n, &format!("h{n}.many.example.")));
            }
        }
        ("alias.example.", _) => {
            let target = Name::from_ascii("host.example.").unwrap();
            add(name, RData::CNAME(rdata::CNAME(target)));
            if kind == RecordType::A {
                add("host.example.", RData::A(rdata::A::new(192, 0, 2, 1)));
            }
        }
        ("host.example.", RecordType::A) => add(name, RData::A(rdata::A::new(192, 0, 2, 1))),
        ("host.example." | "empty.example.", _) => {
            message.add_authority(soa());
        }
        ("broken.example.", _) => message.metadata.response_code = ResponseCode::ServFail,
        ("refused.example.", _) => message.metadata.response_code = ResponseCode::Refused,
        ("half.example.", RecordType::A) => {
            message.metadata.response_code = ResponseCode::ServFail;
        }
        ("half.example.", _) => {
            message.add_authority(soa());
        }
        _ => {
            message.metadata.response_code = ResponseCode::NXDomain;
            message.add_authority(soa());
        }
    }
}

#[tokio::test]
async fn asks_a_server_and_tells_no_from_trouble() {
    let (plain, _socket) = server(zone).await;
    let hosts = |names: &[(u16, &str)]| {
        let hosts = names
            .iter()
            .map(|(preference, name)| Exchange { preference: *preference, host: Domain::parse(name).ok() });
        Route::Hosts(Security::Indeterminate, hosts.collect())
    };
    let route = async |name: &str| Route::of(plain.mx(&domain(name)).await);
    assert_eq!(route("two.example").await, hosts(&[(10, "a.two.example"), (20, "b.two.example")]));
    assert_eq!(route("null.example").await, Route::NullMx);
    assert_eq!(route("empty.example").await, Route::Implicit(Security::Indeterminate));
    assert_eq!(route("nothing.example").await, Route::NoSuchDomain);
    assert!(matches!(route("broken.example").await, Route::Unclear(_)));
    assert!(matches!(route("refused.example").await, Route::Unclear(_)));
    let Route::Hosts(_, many) = route("many.example").await else { panic!("no hosts") };
    assert_eq!(many.len(), EXCHANGES);
    let addresses = async |name: &str| plain.addresses(&domain(name)).await.addresses;
    let one = Answer::Records(Security::Indeterminate, vec![IpAddr::from([192, 0, 2, 1])]);
    assert_eq!(addresses("host.example").await, one);
    assert_eq!(addresses("alias.example").await, one);
    assert_eq!(addresses("empty.example").await, Answer::NoData(Security::Indeterminate));
    assert_eq!(addresses("nothing.example").await, Answer::NxDomain(Security::Indeterminate));
    assert!(matches!(addresses("half.example").await, Answer::Error(_)));
    assert!(matches!(addresses("localhost").await, Answer::Records(_, found) if found.len() == 2));
}

#[tokio::test]
async fn a_silent_server_is_trouble_not_absence() {
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let servers = [silent.local_addr().unwrap()];
    for (one_try, patience) in [(20, 10_000), (10_000, 20)] {
        let millis = Duration::from_millis;
        let plain =
            Names::new(Arc::new(Plain::patient(&servers, millis(one_try), millis(patience)).unwrap()));
        assert!(matches!(plain.mx(&domain("x.example")).await, Answer::Error(_)));
        assert!(matches!(plain.addresses(&domain("x.example")).await.addresses, Answer::Error(_)));
    }
}

#[tokio::test]
async fn routes_by_table() {
    let table = Table::default()
        .with_mx("a.example", &[(10, "mx.a.example")])
        .with_mx("null.example", &[(0, ".")])
        .with_mx_answer("forged.example", Answer::Bogus)
        .with_mx_answer("odd.example", Answer::Records(Security::Insecure, Vec::new()))
        .with_addresses("host.example", &[IpAddr::from([192, 0, 2, 1])]);
    for (name, want) in [
        ("null.example", Route::NullMx),
        ("host.example", Route::Implicit(Security::Insecure)),
        ("none.example", Route::NoSuchDomain),
        ("odd.example", Route::BadHosts),
        ("forged.example", Route::Unclear("its DNSSEC signatures are not valid".into())),
    ] {
        assert_eq!(Route::of(table.mx(&domain(name)).await), want, "{name}");
    }
    let peer = OnePeer(IpAddr::from([127, 0, 0, 1]));
    assert!(matches!(Route::of(peer.mx(&domain("any.example")).await), Route::Hosts(..)));
}
