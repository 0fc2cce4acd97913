//! Whose word counts, while the resolver changes its mind.

use super::*;
use crate::base::address::Domain;
use crate::base::dns::Answer;
use crate::base::dns::Security;
use crate::net::dns::Dns;
use crate::net::dns::names::Names;
use crate::net::dns::test_server::TestServer;
use crate::vault::OsRandom;
use futures_util::future::join_all;
use hickory_resolver::proto::op::Message;
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::RData;
use hickory_resolver::proto::rr::Record;
use hickory_resolver::proto::rr::rdata;
use std::sync::Mutex as StdMutex;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

const NEVER: Duration = Duration::from_secs(3_600);

#[derive(Clone, Copy, Eq, PartialEq)]
enum Manner {
    /// It hands on no DNSSEC records.
    Bare,
    /// It fails where the root is asked about.
    Failing,
    /// It validates, and says so.
    Validating,
}

/// A resolver, and questions about the root that came to it.
struct Resolver {
    server: TestServer,
    manner: Arc<StdMutex<Manner>>,
    tests: Arc<AtomicUsize>,
}

impl Resolver {
    async fn of(manner: Manner) -> Self {
        let (manner, tests) = (Arc::new(StdMutex::new(manner)), Arc::new(AtomicUsize::new(0)));
        let (rules, asked) = (manner.clone(), tests.clone());
        let server = TestServer::open(move |name, kind, message| {
            let manner = *rules.lock().unwrap();
            message.metadata.authentic_data = manner == Manner::Validating;
            match kind {
                RecordType::MX => answer(message, name, RData::MX(rdata::MX::new(10, root()))),
                RecordType::SOA if name == "." => {
                    asked.fetch_add(1, Ordering::SeqCst);
                    if manner == Manner::Failing {
                        message.metadata.response_code = ResponseCode::ServFail;
                    } else {
                        answer(message, name, RData::SOA(rdata::SOA::new(root(), root(), 1, 60, 60, 60, 60)));
                    }
                }
                _ => message.metadata.response_code = ResponseCode::ServFail,
            }
        });
        Self { server: server.await, manner, tests }
    }

    fn becomes(&self, manner: Manner) {
        *self.manner.lock().unwrap() = manner;
    }

    fn auto(&self, patience: Patience) -> Names {
        let (servers, random) = ([self.server.address], Arc::new(OsRandom));
        let stub = Some(Stub::new(servers.to_vec(), random.clone()));
        let (builtin, plain) = (Builtin::new(&servers, None).unwrap(), Plain::new(&servers).unwrap());
        let auto = Auto::new(stub, builtin, plain, Stub::untrusted(servers.to_vec(), random));
        Names::new(Arc::new(Auto { patience, ..auto }))
    }
}

fn root() -> Name {
    Name::root()
}

fn answer(message: &mut Message, name: &str, data: RData) {
    message.add_answer(Record::from_rdata(Name::from_ascii(name).unwrap(), 300, data));
}

const PATIENT: Patience = Patience { question: NEVER, unvalidated: NEVER, unanswered: NEVER };

async fn mx(names: &Names) -> Result<Security, String> {
    match names.mx(&Domain::parse("a.example").unwrap()).await.answer {
        Answer::Records(security, _) => Ok(security),
        Answer::Error(why) => Err(why),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_was_found_before_anybody_validated_is_not_kept() {
    let resolver = Resolver::of(Manner::Bare).await;
    let names = resolver.auto(Patience { unvalidated: Duration::ZERO, ..PATIENT });
    assert_eq!(mx(&names).await, Ok(Security::Indeterminate));
    resolver.becomes(Manner::Validating);
    assert_eq!(mx(&names).await, Ok(Security::Secure));
    assert!(matches!(names.validation().await, Validation::By(_)));
    // From now on it is kept, and the choice stands.
    resolver.becomes(Manner::Failing);
    assert_eq!(mx(&names).await, Ok(Security::Secure));
}

#[tokio::test]
async fn a_resolver_that_fails_is_not_one_that_hands_on_no_signatures() {
    let resolver = Resolver::of(Manner::Failing).await;
    let names = resolver.auto(Patience { unanswered: Duration::ZERO, ..PATIENT });
    assert!(mx(&names).await.is_err(), "it would answer this one, unproven");
    resolver.becomes(Manner::Validating);
    assert_eq!(mx(&names).await, Ok(Security::Secure), "it is tried again");
}

#[tokio::test]
async fn one_test_answers_all_who_wait_for_it() {
    let resolver = Resolver::of(Manner::Failing).await;
    let names = resolver.auto(PATIENT);
    assert!(mx(&names).await.is_err());
    let once = resolver.tests.load(Ordering::SeqCst);
    assert!(join_all((0..8).map(|_| mx(&names))).await.iter().all(Result::is_err));
    assert_eq!(resolver.tests.load(Ordering::SeqCst), once);
}

#[tokio::test]
async fn nobody_waits_longer_than_for_an_answer_and_the_test_goes_on() {
    let resolver = Resolver::of(Manner::Validating).await;
    resolver.server.hold(true);
    let question = Duration::from_millis(20);
    let names = resolver.auto(Patience { question, ..PATIENT });
    for said in join_all((0..8).map(|_| mx(&names))).await {
        assert_eq!(said, Err("no answer in time".into()));
    }
    resolver.server.hold(false);
    let answered = async { while mx(&names).await != Ok(Security::Secure) {} };
    timeout(Duration::from_secs(60), answered).await.expect("an answer");
}
