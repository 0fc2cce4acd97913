//! A policy of MTA-STS that is kept, under a clock that is wrong.

use super::*;
use crate::base::address::Domain;
use crate::flow::mta_sts;
use crate::net::http_client::HttpsClient;
use crate::store::record_stored::StsRecord;

fn enforced(name: &str, fetched: Time) -> Command {
    let record = StsRecord {
        domain: Domain::parse(name).unwrap(),
        id: "1".into(),
        policy: "version: STSv1\r\nmode: enforce\r\nmx: mx.x.example\r\nmax_age: 604800\r\n".into(),
        fetched,
        until: fetched + Duration::from_secs(604_800),
        used: fetched,
    };
    Command::PutSts { record: Box::new(record), expected: None }
}

/// Nobody vouches for the peer's certificate, and the policy cannot be fetched anew.
#[tokio::test]
async fn a_clock_that_is_not_believed_ends_no_policy() {
    let days = |count: u32| count * 24 * 60 * MINUTE;
    let peer = Plan::default().names(&["mx.x.example"]).open().await;
    let mut ours = Ours::facing(&peer).await;
    tokio::spawn(expiry::Worker::new(Arc::clone(&ours.flow)).run(CancellationToken::new()));
    ours.flow.lives.look().await;
    ours.flow.store.commit(vec![enforced("x.example", START)]).await.unwrap();
    let kept = async |ours: &Ours| {
        mta_sts::refresh_all(&ours.flow, &HttpsClient::default()).await.unwrap();
        ours.flow.store.sts(&Domain::parse("x.example").unwrap()).await.unwrap().is_some()
    };
    for looked in [false, true] {
        ours.hands.set_on(days(100));
        if looked {
            ours.flow.lives.look().await;
        }
        assert!(kept(&ours).await);
        ours.send(&["bob@x.example"]).await;
        let waiting = queue::list(&*ours.flow.store, None, 9).await.unwrap();
        let reasons: Vec<_> = waiting.iter().map(|item| &item.recipients[0].reason).collect();
        assert!(reasons.iter().all(|reason| reason.starts_with("4.7.5 mx.x.example")), "{reasons:?}");
        assert_eq!((peer.taken().len(), waiting.len()), (0, 1 + usize::from(looked)));
        ours.hands.set_back(days(100));
        assert!(kept(&ours).await);
    }
    ours.flow.accept_clock().await.unwrap();
    ours.pass(days(8));
    assert!(!kept(&ours).await, "it ends in its time");
    queue::retry(&ours.flow, None).await.unwrap();
    ours.worker.until_idle().await;
    assert_eq!(peer.taken().len(), 2);
}
