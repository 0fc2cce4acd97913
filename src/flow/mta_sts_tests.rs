//! What a delivery meets when names and policy hosts say nothing, how many policies are kept, and what of several that are
//! written at once.

use super::*;
use crate::base::dns::Exchanges;
use crate::base::dns::Located;
use crate::base::dns::Security;
use crate::base::dns::Tlsa;
use crate::base::dns::Validation;
use crate::base::time::Clock;
use crate::config::Config;
use crate::flow::Ground;
use crate::net::Deed;
use crate::net::dns::Dns;
use crate::store::model::Model;
use crate::store::spool::SpoolDir;
use crate::vault::OsRandom;
use crate::vault::keyring::Keys;
use crate::vault::slot::Parameters;
use std::net::IpAddr;
use tempfile::TempDir;
use tokio::sync::Notify;

const NOW: Time = Time(1_795_318_393);

struct Still;

impl Clock for Still {
    fn now(&self) -> Time {
        NOW
    }

    fn running(&self) -> Duration {
        Duration::ZERO
    }
}

/// Names that nobody answers about.
#[derive(Default)]
struct Silent {
    /// Somebody asked about due.example.
    asked: Notify,
    /// The answer: it has no policy.
    answer: Notify,
}

fn never<'a, T: Send + 'a>() -> Deed<'a, T> {
    Box::pin(std::future::pending())
}

impl Dns for Silent {
    fn mx<'a>(&'a self, _: &'a Domain) -> Deed<'a, Exchanges> {
        never()
    }

    fn addresses<'a>(&'a self, _: &'a Domain) -> Deed<'a, Located<IpAddr>> {
        never()
    }

    fn alias<'a>(&'a self, _: &'a Domain) -> Deed<'a, Answer<Domain>> {
        never()
    }

    fn tlsa<'a>(&'a self, _: &'a Domain, _: u16) -> Deed<'a, Answer<Tlsa>> {
        never()
    }

    fn text<'a>(&'a self, _: &'a str, domain: &'a Domain) -> Deed<'a, Answer<Vec<u8>>> {
        // Of one domain the record is there, and only its policy host says nothing.
        if domain.as_str() == "there.example" {
            let record = Answer::Records(Security::Secure, vec![b"v=STSv1; id=1;".to_vec()]);
            return Box::pin(std::future::ready(record));
        }
        if domain.as_str() == "due.example" {
            return Box::pin(async {
                self.asked.notify_one();
                self.answer.notified().await;
                Answer::NoData(Security::Secure)
            });
        }
        never()
    }

    fn validation(&self) -> Deed<'_, Validation> {
        never()
    }
}

fn flow() -> (Arc<Flow>, TempDir) {
    flow_among(Arc::default())
}

fn flow_among(dns: Arc<Silent>) -> (Arc<Flow>, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let text = "hostname = \"mail.a.example\"\n[[domain]]\nname = \"a.example\"\n[portal]\nurl = \
                \"https://mail.a.example\"\n[tls]\ncertificate = \"/c\"\nkey = \"/k\"\n";
    let ground = Ground {
        store: Arc::new(Model::new(dir.path()).unwrap()),
        keys: Arc::new(Keys::generate(&OsRandom)),
        spools: SpoolDir::open(&dir.path().join("spool")).unwrap(),
        clock: Arc::new(Still),
        random: Arc::new(OsRandom),
        dns,
        password_cost: Parameters::SMALL,
    };
    (Flow::new(ground, Arc::new(Config::from_text(text).unwrap())), dir)
}

fn domain(text: &str) -> Domain {
    Domain::parse(text).unwrap()
}

fn record(name: &str, used: i64, until: i64) -> StsRecord {
    StsRecord {
        domain: domain(name),
        id: "0".into(),
        policy: "version: STSv1\r\nmode: enforce\r\nmx: mx.example\r\nmax_age: 60\r\n".into(),
        fetched: NOW,
        until: Time(NOW.0 + until),
        used: Time(NOW.0 + used),
    }
}

async fn keep_record(flow: &Flow, record: StsRecord) {
    put(flow, &record.domain, |_| Some(record.clone())).await;
}

#[tokio::test]
async fn who_says_nothing_holds_a_delivery_up_only_so_long() {
    let (flow, _dir) = flow();
    let web = HttpsClient::default();
    let short = Duration::from_millis(20);
    for name in ["nowhere.example", "there.example"] {
        assert_eq!(within(&flow, &web, &domain(name), short).await, None, "{name}");
    }
    // What is kept counts then.
    for name in ["nowhere.example", "there.example"] {
        keep_record(&flow, record(name, 0, 60)).await;
        assert!(within(&flow, &web, &domain(name), short).await.is_some(), "{name}");
        keep_record(&flow, record(name, 0, -1)).await;
        assert_eq!(within(&flow, &web, &domain(name), short).await, None, "{name}: it has ended");
    }
    // A policy host that was found silent is not asked again so soon: this does not end by its patience.
    assert_eq!(of(&flow, &web, &domain("there.example")).await, None);
}

#[tokio::test]
async fn only_so_many_are_kept_and_those_go_first_that_are_needed_least() {
    let (flow, _dir) = flow();
    let fill: Vec<Command> = (0..StsRecord::MOST)
        .map(|number| {
            let until = if number < 10 { -1 } else { 60 };
            let used = i64::try_from(number).unwrap() - 100_000;
            let record = Box::new(record(&format!("d{number}.example"), used, until));
            Command::PutSts { record, expected: None }
        })
        .collect();
    flow.store.commit(fill).await.unwrap();
    keep_record(&flow, record("d4095.example", 0, 60)).await;
    assert_eq!(all(&flow).await.unwrap().len(), StsRecord::MOST, "one that is there takes no room");
    keep_record(&flow, record("new.example", 0, 60)).await;
    let left = all(&flow).await.unwrap();
    assert_eq!(left.len(), StsRecord::MOST - StsRecord::MOST / 8 + 1);
    let has = |name: &str| left.iter().any(|record| record.domain == domain(name));
    assert!(has("new.example") && has("d4095.example") && has("d512.example"));
    assert!(!has("d0.example") && !has("d511.example"));
    refresh_all(&flow, &HttpsClient::default()).await.unwrap();
    assert!(all(&flow).await.unwrap().iter().all(|record| record.until > NOW));
}

#[tokio::test]
async fn a_policy_that_is_used_is_not_put_in_the_place_of_a_newer_one() {
    let (flow, _dir) = flow();
    let former = record("a.example", -90_000, 60);
    keep_record(&flow, former.clone()).await;
    let held = kept(&flow, &former.domain).await.unwrap();
    let newer = StsRecord { id: "1".into(), fetched: Time(NOW.0 + 1), ..record("a.example", -90_000, 600) };
    keep_record(&flow, newer.clone()).await;
    assert!(used(&flow, held).await.is_some(), "it counts for the delivery that read it");
    let there = flow.store.sts(&former.domain).await.unwrap().unwrap();
    assert_eq!(there, StsRecord { used: NOW, ..newer }, "and the newer one is kept, and is in use");
}

#[tokio::test]
async fn a_policy_that_is_fetched_while_others_are_looked_through_stays() {
    let dns = Arc::<Silent>::default();
    let (flow, _dir) = flow_among(dns.clone());
    let names = ["ended0.example", "ended1.example", "ended2.example", "ended3.example"];
    for name in names {
        keep_record(&flow, record(name, 0, -1)).await;
    }
    keep_record(&flow, StsRecord { fetched: Time(NOW.0 - 90_000), ..record("due.example", 0, 60) }).await;
    let web = HttpsClient::default();
    let meanwhile = async {
        dns.asked.notified().await;
        for name in names {
            let fetched = Time(NOW.0 + 1);
            keep_record(&flow, StsRecord { fetched, ..record(name, 0, 600) }).await;
        }
        dns.answer.notify_one();
    };
    let (looked, ()) = tokio::join!(refresh_all(&flow, &web), meanwhile);
    looked.unwrap();
    let left: Vec<_> = all(&flow).await.unwrap().into_iter().map(|record| record.until).collect();
    assert_eq!(left.iter().filter(|until| **until == Time(NOW.0 + 600)).count(), names.len(), "{left:?}");
}
