//! Names looked up at servers of every kind of manners.

use super::*;
use crate::net::dns::OnePeer;
use crate::net::dns::Table;
use crate::net::dns::plain::Plain;
use crate::net::dns::stub::Stub;
use crate::net::dns::test_server::TestServer;
use crate::policy::route::Route;
use crate::vault::OsRandom;
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

fn tlsa(octets: usize) -> RData {
    RData::TLSA(rdata::TLSA::new(3.into(), 1.into(), 1.into(), vec![7; octets]))
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
        ("crowd.example.", RecordType::MX) => {
            for n in (0..500).rev() {
                add(name, mx(n, &format!("under_score{n}.example.")));
                add(name, mx(n + 1_000, &format!("h{n}.example.")));
            }
        }
        ("crowd.example.", RecordType::A) => {
            for n in 0..2_100_u32 {
                add(name, RData::A(rdata::A(Ipv4Addr::from(0xc000_0000 + n))));
            }
        }
        ("_25._tcp.full.example.", RecordType::TLSA) => (0..TLSA_RECORDS).for_each(|_| add(name, tlsa(64))),
        ("_25._tcp.large.example.", RecordType::TLSA) => add(name, tlsa(32_000)),
        ("_25._tcp.larger.example.", RecordType::TLSA) => add(name, tlsa(33_000)),
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
    let route = async |name: &str| Route::of(plain.mx(&domain(name)).await.answer);
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
        assert!(matches!(plain.mx(&domain("x.example")).await.answer, Answer::Error(_)));
        assert!(matches!(plain.addresses(&domain("x.example")).await.addresses, Answer::Error(_)));
    }
}

#[tokio::test]
async fn no_more_is_kept_than_is_looked_at() {
    let (plain, server) = server(zone).await;
    let crowd = domain("crowd.example");
    let found = plain.addresses(&crowd).await.addresses;
    let Answer::Records(_, addresses) = found else { panic!("{found:?}") };
    assert_eq!(addresses.len(), ADDRESSES);
    let Answer::Records(_, hosts) = plain.mx(&crowd).await.answer else { panic!("none") };
    let preferred: Vec<u16> = hosts.iter().map(|host| host.preference).collect();
    assert_eq!(preferred, (1_000..1_016).collect::<Vec<u16>>(), "the best of those that can be hosts");
    for (kind, most) in [(RecordType::A, ADDRESSES), (RecordType::MX, EXCHANGES)] {
        let name = Name::from_ascii("crowd.example.").unwrap();
        let kept = plain.cache.find(&name, kind, Instant::now()).expect("it is kept");
        let Answer::Records(_, records) = kept.answer else { panic!("{kept:?}") };
        assert_eq!(records.len(), most, "{kind}");
    }
    // Of the other way of asking no answer is taken that is as large as that.
    let stub = Names::new(Arc::new(Stub::untrusted(vec![server.address], Arc::new(OsRandom))));
    let said = stub.addresses(&crowd).await.addresses;
    assert!(matches!(&said, Answer::Error(why) if why.contains("octets")), "{said:?}");
    for (name, want) in [("full.example", true), ("large.example", true), ("larger.example", false)] {
        let said = stub.tlsa(&domain(name), 25).await;
        assert_eq!(matches!(said, Answer::Records(..)), want, "{name}: {said:?}");
    }
}

/// `a9.example` is an alias of `a8.example`, and so on to `a0.example`; all of it comes along. Of `s9.example` one step
/// comes at a time.
fn aliases(name: &str, kind: RecordType, message: &mut Message) {
    let (way, n) = name.trim_start_matches("_25._tcp.").trim_end_matches(".example.").split_at(1);
    let n: usize = n.parse().unwrap();
    let steps = if way == "a" && kind != RecordType::CNAME { n } else { n.min(1) };
    let mut at = name.to_owned();
    for step in 1..=steps {
        let target = format!("{way}{}.example.", n - step);
        let alias = RData::CNAME(rdata::CNAME(Name::from_ascii(&target).unwrap()));
        message.add_answer(record(&at, alias));
        at = target;
    }
    let data = match kind {
        _ if steps < n => return,
        RecordType::A => RData::A(rdata::A::new(192, 0, 2, 1)),
        RecordType::MX => mx(10, "host.example."),
        RecordType::TLSA => tlsa(32),
        _ => return,
    };
    message.add_answer(record(&at, data));
}

#[tokio::test]
async fn what_a_domain_is_an_alias_of_is_told() {
    let (plain, _server) = server(aliases).await;
    for (name, want) in [("a2.example", Some("a0.example")), ("a0.example", None)] {
        assert_eq!(plain.mx(&domain(name)).await.expanded, want.map(domain), "{name}");
    }
}

#[tokio::test]
async fn what_lies_behind_too_many_aliases_is_not_known() {
    let (plain, server) = server(aliases).await;
    let stub = Names::new(Arc::new(Stub::untrusted(vec![server.address], Arc::new(OsRandom))));
    for (way, names, name, want) in [
        ("stub", &stub, "a8.example", "found"),
        ("stub", &stub, "a9.example", "error"),
        ("plain", &plain, "a8.example", "found"),
        ("plain", &plain, "a9.example", "error"),
        ("plain", &plain, "s8.example", "found"),
        ("plain", &plain, "s9.example", "error"),
    ] {
        let name = domain(name);
        for said in [
            said(names.mx(&name).await.answer),
            said(names.addresses(&name).await.addresses),
            said(names.tlsa(&name, 25).await),
        ] {
            assert_eq!(said, want, "{way}: {name}");
        }
    }
}

fn said<T>(answer: Answer<T>) -> &'static str {
    match answer {
        Answer::Records(..) => "found",
        Answer::Error(_) => "error",
        Answer::NoData(_) | Answer::NxDomain(_) => "none",
        Answer::Bogus => "bogus",
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
        assert_eq!(Route::of(table.mx(&domain(name)).await.answer), want, "{name}");
    }
    let peer = OnePeer(IpAddr::from([127, 0, 0, 1]));
    assert!(matches!(Route::of(peer.mx(&domain("any.example")).await.answer), Route::Hosts(..)));
}
