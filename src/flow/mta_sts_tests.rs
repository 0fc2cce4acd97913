//! What a delivery meets when names and policy hosts say nothing, and how many policies are kept.

use super::*;
use crate::base::dns::Exchange;
use crate::base::dns::Located;
use crate::base::dns::Security;
use crate::base::dns::Tlsa;
use crate::base::dns::Validation;
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

const NOW: Time = Time(1_795_318_393);

struct Still;

impl crate::base::time::Clock for Still {
    fn now(&self) -> Time {
        NOW
    }

    fn running(&self) -> Duration {
        Duration::ZERO
    }
}

/// Names that nobody answers about.
struct Silent;

fn never<'a, T: Send + 'a>() -> Deed<'a, T> {
    Box::pin(std::future::pending())
}

impl Dns for Silent {
    fn mx<'a>(&'a self, _: &'a Domain) -> Deed<'a, Answer<Exchange>> {
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
        never()
    }

    fn validation(&self) -> Deed<'_, Validation> {
        never()
    }
}

fn flow() -> (Arc<Flow>, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let text = "hostname = \"mail.a.example\"\n[[domain]]\nname = \"a.example\"\n[portal]\nurl = \
                \"https://mail.a.example\"\n[tls]\ncertificate = \"/c\"\nkey = \"/k\"\n";
    let ground = Ground {
        store: Arc::new(Model::new(dir.path()).unwrap()),
        keys: Arc::new(Keys::generate(&OsRandom)),
        spools: SpoolDir::open(&dir.path().join("spool")).unwrap(),
        clock: Arc::new(Still),
        random: Arc::new(OsRandom),
        dns: Arc::new(Silent),
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
        put(&flow, record(name, 0, 60)).await;
        assert!(within(&flow, &web, &domain(name), short).await.is_some(), "{name}");
        put(&flow, record(name, 0, -1)).await;
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
            Command::PutSts(Box::new(record(&format!("d{number}.example"), used, until)))
        })
        .collect();
    flow.store.commit(fill).await.unwrap();
    put(&flow, record("d4095.example", 0, 60)).await;
    assert_eq!(all(&flow).await.unwrap().len(), StsRecord::MOST, "one that is there takes no room");
    put(&flow, record("new.example", 0, 60)).await;
    let left = all(&flow).await.unwrap();
    assert_eq!(left.len(), StsRecord::MOST - StsRecord::MOST / 8 + 1);
    let has = |name: &str| left.iter().any(|record| record.domain == domain(name));
    assert!(has("new.example") && has("d4095.example") && has("d512.example"));
    assert!(!has("d0.example") && !has("d511.example"));
    refresh_all(&flow, &HttpsClient::default()).await.unwrap();
    assert!(all(&flow).await.unwrap().iter().all(|record| record.until > NOW));
}
