//! DNSSEC against real servers and real forgeries: BIND serves signed zones, Unbound validates, a forger sits between.

use crate::zones::Forger;
use crate::zones::Seen;
use crate::zones::Zones;
use futures_util::FutureExt;
use futures_util::StreamExt;
use guardpost::base::address::Domain;
use guardpost::base::dns::Answer;
use guardpost::base::dns::Security;
use guardpost::base::dns::Validation;
use guardpost::net::dns;
use guardpost::net::dns::Dns;
use guardpost::net::dns::Options;
use guardpost::net::dns::Trust;
use guardpost::vault::OsRandom;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::NameServerConfig;
use hickory_resolver::config::ResolverConfig;
use hickory_resolver::net::DnsError;
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::dnssec::Proof;
use hickory_resolver::proto::dnssec::TrustAnchors;
use hickory_resolver::proto::op::Message;
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::Name;
use hickory_resolver::proto::rr::RData;
use hickory_resolver::proto::rr::Record;
use hickory_resolver::proto::rr::RecordType;
use hickory_resolver::proto::rr::rdata;
use std::fmt::Debug;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

fn open(server: SocketAddr, trust: Trust, anchor: Option<&Path>) -> Arc<dyn Dns> {
    let trust_anchor_file = anchor.map(Path::to_owned);
    let options = Options { servers: vec![server], trust, trust_anchor_file, ..Options::default() };
    dns::open(&options, Arc::new(OsRandom)).unwrap()
}

fn domain(text: &str) -> Domain {
    Domain::parse(text).unwrap()
}

/// `secure 1`, `insecure nodata`, `bogus`, `error`.
fn word<T: Debug>(answer: &Answer<T>) -> String {
    let security = match answer.security() {
        Some(Security::Secure) => "secure",
        Some(Security::Insecure) => "insecure",
        Some(Security::Indeterminate) => "indeterminate",
        None => "",
    };
    match answer {
        Answer::Records(_, records) => format!("{security} {}", records.len()),
        Answer::NoData(_) => format!("{security} nodata"),
        Answer::NxDomain(_) => format!("{security} nxdomain"),
        Answer::Bogus => "bogus".into(),
        Answer::Error(_) => "error".into(),
    }
}

async fn ask(dns: &dyn Dns, kind: &str, name: &str) -> String {
    match kind {
        "MX" => word(&dns.mx(&domain(name)).await.answer),
        "A" => word(&dns.addresses(&domain(name)).await.addresses),
        "TLSA" => word(&dns.tlsa(&domain(name), 25).await),
        _ => word(&dns.alias(&domain(name)).await),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_called_bogus_without_need_is_on_record() {
    // (e)
    let zones = Zones::serve("");
    let bare = bare(zones.address, &zones.anchor(), false);
    for name in ["x.wild.signed.example.", "x.d.signed.example.", "dangling.signed.example."] {
        let said = bare.lookup(name, RecordType::A).await;
        assert!(matches!(said, Err(NetError::Dns(DnsError::DnssecBogus))), "{name}: hickory says {said:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delegation_is_not_made_insecure_by_leaving_out_its_ds() {
    let zones = Zones::serve("");
    for authority in [Vec::new(), vec![soa("example.")], vec![soa("plain.example.")]] {
        let lie = lying("signed.example.", RecordType::DS, deny(authority));
        let forger = Forger::between(zones.address, lie).await;
        let ours = open(forger.address, Trust::Builtin, Some(&zones.anchor()));
        for (kind, name) in
            [("MX", "signed.example"), ("TLSA", "mx.signed.example"), ("MX", "nothing.signed.example")]
        {
            let said = ask(&*ours, kind, name).await;
            assert!(said == "bogus" || said == "error", "{kind} {name}: {said}");
        }
    }
}

/// What is proven, and by whom: our own validation, Unbound's. Where ours fails closed it says `bogus`, and Unbound
/// says more: a newer hickory may close the gap.
const PROVEN: &[(&str, &str, &str, &str)] = &[
    ("MX", "signed.example", "secure 1", "secure 1"),
    ("A", "mx.signed.example", "secure 1", "secure 1"),
    ("TLSA", "mx.signed.example", "secure 1", "secure 1"),
    ("TLSA", "half.signed.example", "secure nxdomain", "secure nxdomain"),
    ("MX", "null.signed.example", "secure 1", "secure 1"),
    ("MX", "empty.signed.example", "secure nodata", "secure nodata"),
    ("MX", "nothing.signed.example", "secure nxdomain", "secure nxdomain"),
    ("A", "alias.signed.example", "secure 1", "secure 1"),
    ("CNAME", "alias.signed.example", "secure 1", "secure 1"),
    ("CNAME", "mx.signed.example", "secure nodata", "secure nodata"),
    // An alias is worth no more than what it leads to, nor than where it begins.
    ("A", "cross.signed.example", "insecure 1", "insecure 1"),
    ("CNAME", "cross.signed.example", "secure 1", "secure 1"),
    ("A", "cross2.signed.example", "secure 1", "secure 1"),
    ("A", "back.plain.example", "insecure 1", "insecure 1"),
    ("MX", "three.example", "secure 1", "secure 1"),
    ("MX", "empty.three.example", "secure nodata", "secure nodata"),
    ("MX", "nothing.three.example", "secure nxdomain", "secure nxdomain"),
    ("MX", "plain.example", "insecure 1", "insecure 1"),
    ("MX", "empty.plain.example", "insecure nodata", "insecure nodata"),
    ("MX", "nothing.plain.example", "insecure nxdomain", "insecure nxdomain"),
    ("TLSA", "host.plain.example", "insecure nxdomain", "insecure nxdomain"),
    ("MX", "expired.example", "bogus", "error"),
    ("A", "mx.bogus.example", "bogus", "error"),
    // Signed by an algorithm that nobody knows: as if it was not signed.
    ("MX", "unknown.example", "insecure 1", "insecure 1"),
    ("MX", "nothing.unknown.example", "insecure nxdomain", "insecure nxdomain"),
    ("MX", "nothing.nowhere", "secure nxdomain", "secure nxdomain"),
    // (c) Denials by NSEC3 with many iterations are legal, and prove nothing.
    ("MX", "nothing.many.example", "insecure nxdomain", "secure nxdomain"),
    ("MX", "many.example", "secure 1", "secure 1"),
    // (e) What hickory 0.26.3 calls bogus without need: such hosts wait.
    ("A", "x.wild.signed.example", "bogus", "secure 1"),
    ("A", "x.d.signed.example", "bogus", "secure 1"),
    ("A", "dangling.signed.example", "secure nxdomain", "secure nxdomain"),
    // Asked of nobody.
    ("MX", "some.invalid", "insecure nxdomain", "insecure nxdomain"),
    ("A", "some.localhost", "insecure 2", "insecure 2"),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_is_proven_is_told_from_what_is_not() {
    let zones = Zones::serve("");
    let unbound = zones.validating();
    let anchor = zones.anchor();
    let ours = open(zones.address, Trust::Builtin, Some(&anchor));
    let theirs = open(unbound.address, Trust::Ad, None);
    let nobody = open(zones.address, Trust::None, None);
    let mut wrong = Vec::new();
    for (kind, name, own, unbound) in PROVEN {
        for _ in 0..2 {
            // The second time from memory.
            for (who, dns, want) in [("ours", &ours, own), ("unbound", &theirs, unbound)] {
                let said = ask(&**dns, kind, name).await;
                if said != *want {
                    wrong.push(format!("{kind} {name} by {who}: {said}, not {want}"));
                }
            }
        }
        let said = ask(&*nobody, kind, name).await;
        assert!(!said.starts_with("secure"), "{kind} {name}: {said} though nobody validates");
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    let end = theirs.addresses(&domain("alias.signed.example")).await.expanded;
    assert_eq!(end, Some(domain("mx.signed.example")));
    assert_eq!(ours.addresses(&domain("alias.signed.example")).await.expanded, end);

    // The AD bit of one who is not trusted is worth nothing.
    let options = Options { servers: vec![unbound.address], trust: Trust::Auto, ..Options::default() };
    let auto = dns::open(&options, Arc::new(OsRandom)).unwrap();
    assert!(matches!(auto.validation().await, Validation::By(who) if who.contains("validating resolver")));
    assert_eq!(ask(&*auto, "MX", "signed.example").await, "secure 1");
    // A server that does not validate, on loopback or not: our own validation.
    let auto = open(zones.address, Trust::Auto, Some(&anchor));
    assert!(matches!(auto.validation().await, Validation::By(who) if who.contains("this server itself")));
    assert_eq!(ask(&*auto, "MX", "signed.example").await, "secure 1");
    // Nobody can validate, because no DNSSEC records come: names are found all the same, and nothing is secure.
    let stripping = Forger::between(zones.address, |seen| vec![seen.wire(seen.forged(strip))]).await;
    let nobody_can = open(stripping.address, Trust::Auto, Some(&anchor));
    assert!(matches!(nobody_can.validation().await, Validation::Broken(_)));
    assert_eq!(ask(&*nobody_can, "MX", "signed.example").await, "indeterminate 1");
    // They come and prove nothing: nothing is taken for unsigned.
    let lied_to = open(zones.address, Trust::Auto, None);
    assert!(matches!(lied_to.validation().await, Validation::Broken(_)));
    assert_eq!(ask(&*lied_to, "MX", "signed.example").await, "error");
    let fooled = open(zones.address, Trust::Ad, None);
    assert!(matches!(fooled.validation().await, Validation::Broken(_)));
    assert_eq!(nobody.validation().await, Validation::Off);
    // Another root's keys prove nothing, and nothing is taken for insecure.
    let lost = open(zones.address, Trust::Builtin, None);
    assert!(matches!(lost.validation().await, Validation::Broken(why) if why.contains("clock")));
    for (kind, name) in [("MX", "signed.example"), ("MX", "plain.example"), ("MX", "nothing.nowhere")] {
        assert_eq!(ask(&*lost, kind, name).await, "bogus", "{kind} {name}");
    }
}

/// Takes every DNSSEC record out of an answer.
fn strip(message: &mut Message) {
    let dnssec = [RecordType::RRSIG, RecordType::NSEC, RecordType::NSEC3, RecordType::DNSKEY, RecordType::DS];
    message.answers.retain(|record| !dnssec.contains(&record.record_type()));
    message.authorities.retain(|record| !dnssec.contains(&record.record_type()));
}

/// Seen from a clock that is a year wrong, all signatures are those of another year.
#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_a_year_wrong_holds_back_and_downgrades_nothing() {
    let times = |from: i64, until: i64| {
        let at = |years: i64| {
            let now = jiff::Zoned::now().with_time_zone(jiff::tz::TimeZone::UTC);
            (now + jiff::Span::new().days(365 * years)).strftime("%Y%m%d%H%M%S").to_string()
        };
        (at(from), at(until))
    };
    for (what, (from, until)) in [("a year ahead", times(-2, -1)), ("a year behind", times(1, 2))] {
        let zones = Zones::serve_signed("", Some((&from, &until)));
        let anchor = zones.anchor();
        for trust in [Trust::Builtin, Trust::Auto] {
            let ours = open(zones.address, trust, Some(&anchor));
            let told = ours.validation().await;
            assert!(matches!(&told, Validation::Broken(why) if why.contains("clock")), "{what}: {told:?}");
            for (kind, name) in [
                ("MX", "signed.example"),
                ("TLSA", "mx.signed.example"),
                ("MX", "plain.example"),
                ("MX", "nothing.nowhere"),
            ] {
                let said = ask(&*ours, kind, name).await;
                assert!(said == "bogus" || said == "error", "{what}: {kind} {name} by {trust:?}: {said}");
            }
        }
        let unbound = zones.validating();
        let theirs = open(unbound.address, Trust::Ad, None);
        assert!(matches!(theirs.validation().await, Validation::Broken(_)), "{what}");
        for (kind, name) in [("MX", "signed.example"), ("TLSA", "mx.signed.example")] {
            assert_eq!(ask(&*theirs, kind, name).await, "error", "{what}: {kind} {name} by unbound");
        }
    }
}

/// hickory as it is, without our wrapper.
fn bare(server: SocketAddr, anchor: &Path, by_option: bool) -> TokioResolver {
    let mut name_server = NameServerConfig::udp_and_tcp(server.ip());
    for connection in &mut name_server.connections {
        connection.port = server.port();
    }
    let config = ResolverConfig::from_name_servers(vec![name_server]);
    let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    builder.options_mut().preserve_intermediates = true;
    if by_option {
        builder.options_mut().trust_anchor = Some(anchor.to_owned());
    } else {
        builder = builder.with_trust_anchor(Arc::new(TrustAnchors::from_file(anchor).unwrap()));
    }
    builder.build().unwrap()
}

fn record(name: &str, data: RData) -> Record {
    Record::from_rdata(Name::from_ascii(name).unwrap(), 60, data)
}

fn soa(name: &str) -> Record {
    let root = Name::from_ascii("root.example.").unwrap();
    record(name, RData::SOA(rdata::SOA::new(root.clone(), root, 1, 60, 60, 60, 60)))
}

/// A rule that changes the answers to questions of one type at one name.
fn lying(
    name: &'static str,
    kind: RecordType,
    change: impl Fn(&mut Message) + Send + Sync + 'static,
) -> impl Fn(&Seen) -> Vec<Vec<u8>> + Send + Sync + 'static {
    move |seen| {
        let name = Name::from_ascii(name).unwrap();
        let hit = *seen.query.name() == name && seen.query.query_type() == kind;
        let answer = if hit { seen.forged(|message| change(message)) } else { seen.truth.clone() };
        vec![seen.wire(answer)]
    }
}

const TLSA_AT: &str = "_25._tcp.mx.signed.example.";

/// No answers, this authority section.
fn deny(authority: Vec<Record>) -> impl Fn(&mut Message) + Send + Sync + 'static {
    move |message| {
        message.metadata.response_code = ResponseCode::NoError;
        message.answers.clear();
        message.insert_authorities(authority.clone());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_record_in_an_answer_is_nobodys() {
    // (a)
    let zones = Zones::serve("");
    let foreign = |message: &mut Message| {
        let evil = RData::MX(rdata::MX::new(1, Name::from_ascii("evil.plain.example.").unwrap()));
        message.add_answer(record("plain.example.", evil));
    };
    let forger = Forger::between(zones.address, lying("signed.example.", RecordType::MX, foreign)).await;
    let bare = bare(forger.address, &zones.anchor(), false);
    let lookup = bare.lookup("signed.example.", RecordType::MX).await.unwrap();
    let others =
        lookup.answers().iter().filter(|found| found.name != Name::from_ascii("signed.example.").unwrap());
    assert_eq!(others.count(), 1, "hickory leaves it in the answer");
    let ours = open(forger.address, Trust::Builtin, Some(&zones.anchor()));
    let Answer::Records(Security::Secure, hosts) = ours.mx(&domain("signed.example")).await.answer else {
        panic!("no secure answer")
    };
    assert_eq!(hosts.len(), 1);
    assert_eq!(hosts[0].host, Some(domain("mx.signed.example")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denial_in_a_foreign_zones_name_is_bogus() {
    // (b)
    let zones = Zones::serve("");
    let forger =
        Forger::between(zones.address, lying(TLSA_AT, RecordType::TLSA, deny(vec![soa("plain.example.")])))
            .await;
    let bare = bare(forger.address, &zones.anchor(), false);
    let Err(NetError::Dns(DnsError::NoRecordsFound(none))) = bare.lookup(TLSA_AT, RecordType::TLSA).await
    else {
        panic!("hickory says something else now")
    };
    let authorities = none.authorities.as_deref().unwrap_or_default();
    assert!(authorities.iter().all(|record| record.proof == Proof::Insecure), "hickory calls it insecure");
    let ours = open(forger.address, Trust::Builtin, Some(&zones.anchor()));
    assert_eq!(ask(&*ours, "TLSA", "mx.signed.example").await, "bogus");
    assert_eq!(ask(&*ours, "MX", "signed.example").await, "secure 1", "the rest goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denial_with_too_many_iterations_is_insecure_only_in_its_own_zone() {
    // (c)
    let zones = Zones::serve("");
    let anchor = zones.anchor();
    let bare_ones = bare(zones.address, &anchor, false);
    let said = bare_ones.lookup("nothing.many.example.", RecordType::MX).await;
    assert!(matches!(said, Err(NetError::Dns(DnsError::Nsec { proof: Proof::Insecure, .. }))), "{said:?}");
    // The same denial, for a name of another zone.
    let upstream = zones.address;
    let replay =
        tokio::task::spawn_blocking(move || denial_of(upstream, "nothing.many.example.")).await.unwrap();
    let authority = replay.authorities.clone();
    let forger = Forger::between(zones.address, lying(TLSA_AT, RecordType::TLSA, deny(authority))).await;
    let ours = open(forger.address, Trust::Builtin, Some(&anchor));
    assert_eq!(ask(&*ours, "TLSA", "mx.signed.example").await, "bogus");
    assert_eq!(ask(&*ours, "MX", "nothing.many.example").await, "insecure nxdomain");
}

/// The true answer to an MX question, with its DNSSEC records.
fn denial_of(server: SocketAddr, name: &str) -> Message {
    use hickory_resolver::proto::op::Edns;
    use hickory_resolver::proto::op::MessageType;
    use hickory_resolver::proto::op::OpCode;
    use hickory_resolver::proto::op::Query;
    let mut question = Message::new(7, MessageType::Query, OpCode::Query);
    question.add_query(Query::query(Name::from_ascii(name).unwrap(), RecordType::MX));
    let mut edns = Edns::new();
    edns.set_max_payload(4_096).set_dnssec_ok(true);
    question.set_edns(edns);
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.send_to(&question.to_vec().unwrap(), server).unwrap();
    let mut answer = [0; 4_096];
    let length = socket.recv(&mut answer).unwrap();
    Message::from_vec(&answer[..length]).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn trust_anchors_go_in_by_the_one_way_that_works() {
    // (d)
    let zones = Zones::serve("");
    let by_option = bare(zones.address, &zones.anchor(), true);
    let said = by_option.lookup("signed.example.", RecordType::MX).await;
    let secure = said.is_ok_and(|lookup| lookup.answers().iter().any(|found| found.proof == Proof::Secure));
    assert!(!secure, "hickory ignores the option");
    let ours = open(zones.address, Trust::Builtin, Some(&zones.anchor()));
    assert_eq!(ask(&*ours, "MX", "signed.example").await, "secure 1");
    let missing =
        Options { trust: Trust::Builtin, trust_anchor_file: Some("/nowhere".into()), ..Options::default() };
    assert!(dns::open(&missing, Arc::new(OsRandom)).is_err());
}

type Lie = Box<dyn Fn(&mut Message) + Send + Sync>;

/// Every way to say that there is no TLSA record, or another one.
async fn lies(zones: &Zones) -> Vec<(&'static str, Lie)> {
    let truth = |upstream: SocketAddr, name: &'static str| {
        tokio::task::spawn_blocking(move || denial_of(upstream, name))
            .map(|denial| denial.unwrap().authorities)
    };
    let other = truth(zones.address, "nothing.signed.example.").await;
    let three = truth(zones.address, "nothing.three.example.").await;
    let own_soa = truth(zones.address, "empty.signed.example.").await;
    // It was true once, and signed; the signatures have ended.
    let former = zones.long_ago("signed.example", "TLSA");
    let long_ago = truth(former.address, TLSA_AT).await;
    assert!(long_ago.iter().any(|record| record.record_type() == RecordType::NSEC), "{long_ago:?}");
    let no_signatures = |message: &mut Message| {
        for section in [&mut message.answers, &mut message.authorities] {
            section.retain(|record| record.record_type() != RecordType::RRSIG);
        }
    };
    let other_data = |message: &mut Message| {
        for found in &mut message.answers {
            if let RData::TLSA(tlsa) = &mut found.data {
                tlsa.cert_data = vec![1; 32];
            }
        }
    };
    let one_more = |message: &mut Message| {
        let Some(mut more) = message.answers.first().cloned() else { return };
        if let RData::TLSA(tlsa) = &mut more.data {
            tlsa.cert_data = vec![2; 32];
        }
        message.add_answer(more);
    };
    let nx = |authority: Vec<Record>| {
        move |message: &mut Message| {
            deny(authority.clone())(message);
            message.metadata.response_code = ResponseCode::NXDomain;
        }
    };
    let code = |code: ResponseCode| move |message: &mut Message| message.metadata.response_code = code;
    vec![
        ("stripped signatures", Box::new(no_signatures)),
        ("other data", Box::new(other_data)),
        ("one record more", Box::new(one_more)),
        ("an empty denial", Box::new(deny(Vec::new()))),
        ("the root's unsigned SOA", Box::new(deny(vec![soa(".")]))),
        ("the zone's SOA, unsigned", Box::new(deny(vec![soa("signed.example.")]))),
        ("an unsigned SOA of a zone that is not there", Box::new(deny(vec![soa("mx.signed.example.")]))),
        ("an unsigned SOA of an unsigned zone", Box::new(deny(vec![soa("plain.example.")]))),
        ("two SOA, one of them foreign", Box::new(deny(vec![soa("plain.example."), soa("signed.example.")]))),
        ("a denial of another name", Box::new(nx(other.clone()))),
        ("the same as no data", Box::new(deny(other.clone()))),
        ("a denial of another zone", Box::new(nx(three.clone()))),
        ("a denial of the zone above, unsigned", Box::new(nx(vec![soa("example.")]))),
        ("a denial of another type at another name", Box::new(deny(own_soa))),
        ("a true denial with a foreign SOA", Box::new(deny([other, vec![soa("plain.example.")]].concat()))),
        ("a denial of this name from long ago", Box::new(nx(long_ago.clone()))),
        ("the same as no data from long ago", Box::new(deny(long_ago))),
        ("SERVFAIL", Box::new(code(ResponseCode::ServFail))),
        ("REFUSED", Box::new(code(ResponseCode::Refused))),
        ("FORMERR", Box::new(code(ResponseCode::FormErr))),
        ("NOTIMP", Box::new(code(ResponseCode::NotImp))),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_forger_says_is_no_denial() {
    let zones = Zones::serve("");
    let anchor = zones.anchor();
    let mut wrong = Vec::new();
    for (what, lie) in lies(&zones).await {
        let forger = Forger::between(zones.address, lying(TLSA_AT, RecordType::TLSA, lie)).await;
        let ours = open(forger.address, Trust::Builtin, Some(&anchor));
        let said = ask(&*ours, "TLSA", "mx.signed.example").await;
        if said != "bogus" && said != "error" {
            wrong.push(format!("{what}: {said}"));
        }
        let others = ask(&*ours, "MX", "signed.example").await;
        assert_eq!(others, "secure 1", "{what}: other names are untouched");
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// The same forger in front of Unbound, whose AD bit we take: what it does not find proven reaches us as an error.
#[tokio::test(flavor = "multi_thread")]
async fn a_forger_before_the_validating_resolver_gains_nothing_either() {
    let zones = Zones::serve("");
    let asked = lies(&zones).await.into_iter().map(|(what, lie)| {
        let zones = &zones;
        async move {
            let forger = Forger::between(zones.address, lying(TLSA_AT, RecordType::TLSA, lie)).await;
            let unbound = zones.validating_behind(forger.address);
            let theirs = open(unbound.address, Trust::Ad, None);
            let said = ask(&*theirs, "TLSA", "mx.signed.example").await;
            let others = ask(&*theirs, "MX", "signed.example").await;
            (what, said, others)
        }
    });
    let mut asked = futures_util::stream::iter(asked).buffer_unordered(4);
    let mut wrong = Vec::new();
    while let Some((what, said, others)) = asked.next().await {
        if said != "error" || others != "secure 1" {
            wrong.push(format!("{what}: {said}, other names {others}"));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    // Appended to a true answer it is nobody's, for Unbound as for us.
    let foreign = |message: &mut Message| {
        let evil = RData::MX(rdata::MX::new(1, Name::from_ascii("evil.plain.example.").unwrap()));
        message.add_answer(record("plain.example.", evil));
    };
    let forger = Forger::between(zones.address, lying("signed.example.", RecordType::MX, foreign)).await;
    let unbound = zones.validating_behind(forger.address);
    let theirs = open(unbound.address, Trust::Ad, None);
    assert_eq!(ask(&*theirs, "MX", "signed.example").await, "secure 1");
    let Answer::Records(_, hosts) = theirs.mx(&domain("plain.example")).await.answer else {
        panic!("no answer")
    };
    assert_eq!(hosts[0].host, Some(domain("host.plain.example")));
}

/// Octets that are no good answer, to any question: made of the true one.
fn junk(seen: &Seen) -> Vec<(&'static str, Vec<u8>)> {
    let truth = &seen.truth;
    let with = |at: usize, octets: &[u8]| {
        let mut bytes = truth.clone();
        for (offset, octet) in octets.iter().enumerate() {
            if let Some(place) = bytes.get_mut(at + offset) {
                *place = *octet;
            }
        }
        bytes
    };
    let question_end = 12 + seen.query.name().len() + 4;
    let other_question = seen.forged(|message| {
        message.queries[0].set_name(Name::from_ascii("other.example.").unwrap());
    });
    vec![
        ("wrong id", with(0, &[truth[0] ^ 0x55, truth[1] ^ 0xaa])),
        ("wrong question", other_question),
        ("no question", seen.forged(|message| message.queries.clear())),
        ("a question, not an answer", with(2, &[truth[2] & 0x7f])),
        // A name that points at itself, and one that points behind the end.
        ("compression loop", with(question_end, &[0xc0, u8::try_from(question_end).unwrap_or(255)])),
        ("pointer to nowhere", with(question_end, &[0xff, 0xff])),
        ("more records than there are", with(6, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff])),
        ("record longer than the message", with(question_end + 10, &[0xff, 0xff])),
        ("half", truth[..truth.len() / 2].to_vec()),
        ("the header alone", truth[..12].to_vec()),
        ("one octet", truth[..1].to_vec()),
        ("nothing", Vec::new()),
        ("noise", (0..200_u8).map(|n| n.wrapping_mul(97)).collect()),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_or_is_not_ours_is_passed_over() {
    let zones = Zones::serve("");
    let unbound = zones.validating();
    // Every piece of junk first, then the truth: whoever asked waits for the truth.
    let forger = Forger::between(unbound.address, |seen| {
        let lies = junk(seen).into_iter().map(|(_, lie)| lie);
        if seen.tcp {
            vec![seen.wire(seen.truth.clone())]
        } else {
            lies.chain([seen.truth.clone()]).collect()
        }
    })
    .await;
    let stub = open(forger.address, Trust::Ad, None);
    for (kind, name, want) in [
        ("MX", "signed.example", "secure 1"),
        ("TLSA", "mx.signed.example", "secure 1"),
        ("MX", "nothing.signed.example", "secure nxdomain"),
        ("MX", "plain.example", "insecure 1"),
        ("MX", "bogus.example", "error"),
    ] {
        assert_eq!(ask(&*stub, kind, name).await, want, "{kind} {name}");
    }
    // Junk and nothing else, each in its turn: never a "no", never a panic.
    let count = 13;
    let asked = (0..count).map(|at| {
        let (upstream, ours_upstream, anchor) = (unbound.address, zones.address, zones.anchor());
        async move {
            let lie = move |seen: &Seen| {
                let (_, lie) = junk(seen).swap_remove(at);
                // A stream says a length of its own.
                vec![if seen.tcp { [&[0x7f, 0xff][..], &lie].concat() } else { lie }]
            };
            let forger = Forger::between(upstream, lie).await;
            let stub = open(forger.address, Trust::Ad, None);
            let ours_forger = Forger::between(ours_upstream, lie).await;
            let ours = open(ours_forger.address, Trust::Builtin, Some(&anchor));
            let (domain, host) = (domain("signed.example"), domain("mx.signed.example"));
            let said =
                tokio::join!(stub.mx(&domain), stub.tlsa(&host, 25), ours.mx(&domain), ours.tlsa(&host, 25));
            let said = (word(&said.0.answer), word(&said.1), word(&said.2.answer), word(&said.3));
            (at, said)
        }
    });
    let said = futures_util::future::join_all(asked).await;
    for (at, (mx, tlsa, ours_mx, ours_tlsa)) in said {
        assert_eq!((mx.as_str(), tlsa.as_str()), ("error", "error"), "junk {at}");
        for said in [ours_mx, ours_tlsa] {
            assert!(said == "error" || said == "bogus", "junk {at}: {said}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_comes_over_tcp() {
    let many: String = (0..30).map(|n| format!("_25._tcp.big TLSA 3 1 2 {:064x}{:064x}\n", n, n)).collect();
    let zones = Zones::serve(&format!("big A 127.0.0.1\n{many}"));
    let unbound = zones.validating();
    // Everything over UDP says that it does not fit; then the stream tells, or breaks off.
    let truncating = |seen: &Seen| {
        if seen.tcp {
            return vec![seen.wire(seen.truth.clone())];
        }
        vec![seen.forged(|message| {
            message.metadata.truncation = true;
            message.answers.clear();
        })]
    };
    let (first, second) = (
        Forger::between(unbound.address, truncating).await,
        Forger::between(zones.address, truncating).await,
    );
    let stub = open(first.address, Trust::Ad, None);
    let ours = open(second.address, Trust::Builtin, Some(&zones.anchor()));
    for dns in [&stub, &ours] {
        assert_eq!(ask(&**dns, "TLSA", "big.signed.example").await, "secure 30");
        assert_eq!(ask(&**dns, "MX", "plain.example").await, "insecure 1");
    }
    let plain = open(unbound.address, Trust::Ad, None);
    assert_eq!(ask(&*plain, "TLSA", "big.signed.example").await, "secure 30", "without a forger too");
    let breaking = move |seen: &Seen| match seen.tcp {
        true => vec![[&[0x20, 0x00][..], &seen.truth].concat()],
        false => truncating(seen),
    };
    let forger = Forger::between(unbound.address, breaking).await;
    assert_eq!(ask(&*open(forger.address, Trust::Ad, None), "MX", "signed.example").await, "error");
}
