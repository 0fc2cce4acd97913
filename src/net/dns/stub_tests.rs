//! What an answer without AD is worth, while the resolver changes its mind.

use super::*;
use crate::base::address::Domain;
use crate::net::dns::Dns;
use crate::net::dns::names::Names;
use crate::net::dns::test_server::TestServer;
use crate::vault::OsRandom;
use hickory_resolver::proto::rr::RData;
use hickory_resolver::proto::rr::Record;
use hickory_resolver::proto::rr::rdata;
use std::sync::Mutex as StdMutex;

#[derive(Clone, Copy, Eq, PartialEq)]
enum Manner {
    /// AD for what is below "signed", and for the root.
    Validating,
    /// AD for nothing.
    Lame,
    /// The same, and SERVFAIL where the root is asked about.
    Failing,
}

/// A resolver, and how it is now.
async fn resolver(manner: Manner) -> (TestServer, Arc<StdMutex<Manner>>) {
    let now = Arc::new(StdMutex::new(manner));
    let rules = Arc::clone(&now);
    let server = TestServer::open(move |name, kind, message| {
        let manner = *rules.lock().unwrap();
        let signed = name == "." || name.ends_with("signed.");
        message.metadata.authentic_data = signed && manner == Manner::Validating;
        let data = match kind {
            RecordType::MX if name.starts_with("none.") => {
                message.metadata.response_code = ResponseCode::NXDomain;
                let soa = rdata::SOA::new(Name::root(), Name::root(), 1, 60, 60, 60, 60);
                message.add_authority(Record::from_rdata(Name::root(), 300, RData::SOA(soa)));
                return;
            }
            RecordType::MX => RData::MX(rdata::MX::new(10, Name::from_ascii("mx.example.").unwrap())),
            RecordType::SOA if manner != Manner::Failing => {
                RData::SOA(rdata::SOA::new(Name::root(), Name::root(), 1, 60, 60, 60, 60))
            }
            _ => {
                message.metadata.response_code = ResponseCode::ServFail;
                return;
            }
        };
        message.add_answer(Record::from_rdata(Name::from_ascii(name).unwrap(), 300, data));
    });
    (server.await, now)
}

fn names(server: &TestServer) -> Names {
    Names::new(Arc::new(Stub::new(vec![server.address], Arc::new(OsRandom))))
}

async fn mx(names: &Names, domain: &str) -> Result<Security, String> {
    match names.mx(&Domain::parse(domain).unwrap()).await.answer {
        Answer::Error(why) => Err(why),
        other => Ok(other.security().unwrap()),
    }
}

#[tokio::test]
async fn a_resolver_that_validates_says_what_is_signed_and_what_is_not() {
    let (server, _) = resolver(Manner::Validating).await;
    let names = names(&server);
    for (domain, want) in [
        ("a.signed", Security::Secure),
        ("none.signed", Security::Secure),
        ("a.plain", Security::Insecure),
        ("none.plain", Security::Insecure),
    ] {
        assert_eq!(mx(&names, domain).await, Ok(want), "{domain}");
    }
}

#[tokio::test]
async fn one_that_stops_validating_makes_no_signed_name_an_unsigned_one() {
    let (server, manner) = resolver(Manner::Validating).await;
    let names = names(&server);
    assert_eq!(mx(&names, "a.signed").await, Ok(Security::Secure));
    for (now, why) in [(Manner::Lame, "no longer validates"), (Manner::Failing, "does not say whether")] {
        *manner.lock().unwrap() = now;
        for domain in ["b.signed", "b.plain", "none.signed"] {
            let said = mx(&names, domain).await;
            assert!(said.as_ref().is_err_and(|said| said.contains(why)), "{domain}: {said:?}");
        }
        assert!(matches!(names.validation().await, Validation::Broken(_)));
    }
    assert_eq!(mx(&names, "a.signed").await, Ok(Security::Secure), "what was proven is kept");
    // Nothing of that time is kept.
    *manner.lock().unwrap() = Manner::Validating;
    for (domain, want) in
        [("b.signed", Security::Secure), ("b.plain", Security::Insecure), ("none.signed", Security::Secure)]
    {
        assert_eq!(mx(&names, domain).await, Ok(want), "{domain}");
    }
}

#[tokio::test]
async fn from_one_that_never_validated_nothing_is_known_and_nothing_kept() {
    let (server, manner) = resolver(Manner::Lame).await;
    let names = names(&server);
    for domain in ["a.signed", "a.plain", "none.signed"] {
        assert_eq!(mx(&names, domain).await, Ok(Security::Indeterminate), "{domain}");
    }
    *manner.lock().unwrap() = Manner::Failing;
    assert!(mx(&names, "a.plain").await.is_err(), "whether it does cannot be said");
    *manner.lock().unwrap() = Manner::Validating;
    assert_eq!(mx(&names, "a.plain").await, Ok(Security::Insecure));
    assert_eq!(mx(&names, "a.signed").await, Ok(Security::Secure));
}

#[tokio::test]
async fn another_server_that_validates_is_asked_in_its_place() {
    let (first, manner) = resolver(Manner::Validating).await;
    let (second, _) = resolver(Manner::Validating).await;
    let names = Names::new(Arc::new(Stub::new(vec![first.address, second.address], Arc::new(OsRandom))));
    assert_eq!(mx(&names, "a.signed").await, Ok(Security::Secure));
    *manner.lock().unwrap() = Manner::Lame;
    assert_eq!(mx(&names, "b.signed").await, Ok(Security::Secure));
    assert_eq!(mx(&names, "b.plain").await, Ok(Security::Insecure));
}
