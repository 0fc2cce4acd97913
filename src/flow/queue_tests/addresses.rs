//! Hosts with several addresses, of which one answers and is of no use (RFC 5321 §5.1).

use super::*;
use crate::base::dns::Tlsa;
use std::sync::OnceLock;

/// mx.x.example, on 127.0.0.2 and on 127.0.0.3.
fn two(table: Table) -> Table {
    table.with_mx("x.example", &[(10, "mx.x.example")]).with_addresses("mx.x.example", &[ip(2), ip(3)])
}

fn demands() -> [Demand; 2] {
    [Demand::default(), Demand::new(Requirement::Encrypt, Sender::Secure)]
}

/// What a message under this demand meets at such a host: connections to the first and to the second address, messages
/// that the second took, and those that wait or came back.
async fn met(ours: &mut Ours, demand: Demand, peers: [&Peer; 2]) -> (usize, usize, usize, usize, usize) {
    ours.queue(Outgoing { demand, ..ours.item(&["bob@x.example"]) }, MESSAGE.as_bytes()).await;
    ours.worker.until_idle().await;
    let [first, second] = peers;
    assert!(first.taken().is_empty());
    let (back, taken) = (ours.inbox().await.len(), second.taken().len());
    (first.sessions().len(), second.sessions().len(), taken, ours.waiting().await, back)
}

#[tokio::test]
async fn an_address_that_is_of_no_use_is_not_the_only_one() {
    let secure = demands()[1];
    for (start_tls, connections) in
        [(StartTls::NotOffered, 1), (StartTls::Refused, 2), (StartTls::Resets, 2), (StartTls::Garbage, 2)]
    {
        let bad = Plan::default().at("127.0.0.2", 0).start_tls(start_tls).open().await;
        let good = Plan::default().at("127.0.0.3", bad.address.port()).open().await;
        let mut ours = Ours::new(two(Table::default()), bad.address.port(), "").await;
        assert_eq!(met(&mut ours, secure, [&bad, &good]).await, (connections, 1, 1, 0, 0), "{start_tls:?}");
    }
    for step in ["greeting", "EHLO", "MAIL"] {
        for said in ["421 4.3.2 not now", "451 4.3.0 not here", ""] {
            if step == "MAIL" && said.starts_with("451") {
                continue;
            }
            let rule = move |asked: &Asked<'_>| match asked.line.starts_with(step) {
                true => Act::Close(said.into()),
                false => Act::Usual,
            };
            let bad = Plan::default().at("127.0.0.2", 0).rule(rule).open().await;
            let good = Plan::default().at("127.0.0.3", bad.address.port()).open().await;
            for demand in demands() {
                let mut ours = Ours::new(two(Table::default()), bad.address.port(), "").await;
                let (_, _, taken, waiting, back) = met(&mut ours, demand, [&bad, &good]).await;
                assert_eq!((waiting, back), (0, 0), "{step} {said}");
                assert_eq!(taken, bad.sessions().len(), "{step} {said}");
            }
        }
    }
}

#[tokio::test]
async fn a_certificate_is_looked_for_at_every_address() {
    for demand in demands() {
        let bad = Plan::default().at("127.0.0.2", 0).open().await;
        let good = Plan::default().at("127.0.0.3", bad.address.port()).open().await;
        let dane = Tlsa { usage: 3, selector: 0, matching: 0, data: good.certificate.clone() };
        let table = two(Table::signed()).with_tlsa("mx.x.example", &[dane]);
        let mut ours = Ours::new(table, bad.address.port(), "").await;
        assert_eq!(met(&mut ours, demand, [&bad, &good]).await, (1, 1, 1, 0, 0));
        let octets = String::from_utf8(bad.octets()).unwrap();
        assert!(!octets.contains("MAIL FROM") && !octets.contains("MARK"), "{octets}");
    }
}

#[tokio::test]
async fn what_is_said_to_the_envelope_is_the_word_of_the_host() {
    for (step, said, stays) in [
        ("MAIL", "550 5.7.1 not from there", false),
        ("RCPT", "550 5.1.1 nobody", false),
        ("RCPT", "451 4.7.1 greylisted", true),
        ("DATA", "554 5.6.0 no", false),
        ("end of data", "451 4.3.0 later", true),
    ] {
        let rule = move |asked: &Asked<'_>| match asked.line.starts_with(step) {
            true => Act::Say(said.into()),
            false => Act::Usual,
        };
        let bad = Plan::default().at("127.0.0.2", 0).rule(rule).open().await;
        let good = Plan::default().at("127.0.0.3", bad.address.port()).open().await;
        let mut ours = Ours::new(two(Table::default()), bad.address.port(), "").await;
        let met = met(&mut ours, demands()[1], [&bad, &good]).await;
        assert_eq!(met, (1, 0, 0, usize::from(stays), usize::from(!stays)), "{step} {said}");
    }
}

#[tokio::test]
async fn where_no_address_is_of_use_the_best_of_them_is_what_counts() {
    // One that may be better later, and one that cannot: it waits, in any order.
    for turned in [false, true] {
        let bare = Plan::default().at("127.0.0.2", 0).start_tls(StartTls::NotOffered).open().await;
        let port = bare.address.port();
        let busy = Plan::default().at("127.0.0.3", port).rule(|_| Act::Close("421 4.3.2 busy".into())).open();
        let busy = busy.await;
        let order = if turned { [ip(3), ip(2)] } else { [ip(2), ip(3)] };
        let table = Table::default().with_addresses("x.example", &order);
        let mut ours = Ours::new(table, port, "").await;
        assert_eq!(met(&mut ours, demands()[1], [&bare, &busy]).await, (1, 1, 0, 1, 0), "{turned}");
    }
    // Beside an answer it is nothing that another address does not answer.
    let bare = Plan::default().at("127.0.0.2", 0).start_tls(StartTls::NotOffered).open().await;
    let other = Plan::default().at("127.0.0.9", bare.address.port()).open().await;
    for order in [[ip(2), ip(4)], [ip(4), ip(2)]] {
        let table = Table::default().with_addresses("x.example", &order);
        let mut ours = Ours::new(table, bare.address.port(), "").await;
        let (.., waiting, back) = met(&mut ours, demands()[1], [&bare, &other]).await;
        assert_eq!((waiting, back), (0, 1), "{order:?}");
        assert!(ours.inbox().await[0].contains("Status: 5.7.4\r\n"));
    }
}

#[tokio::test]
async fn a_host_with_all_the_addresses_in_the_world_is_met_at_some_of_them() {
    let busy = |_: &Asked<'_>| Act::Close("421 4.3.2 busy".into());
    let first = Plan::default().at("127.0.1.1", 0).rule(busy).open().await;
    let port = first.address.port();
    let (mut addresses, mut peers) = (vec![first.address.ip()], vec![first]);
    for last in 2..=30 {
        let address = IpAddr::from([127, 0, 1, last]);
        peers.push(Plan::default().at(&address.to_string(), port).rule(busy).open().await);
        addresses.push(address);
    }
    let other = Plan::default().at("127.0.0.9", port).open().await;
    let table = Table::default()
        .with_mx("x.example", &[(1, "many.example"), (2, "many.example"), (3, "good.example")])
        .with_addresses("many.example", &addresses)
        .with_addresses("good.example", &[other.address.ip()]);
    let mut ours = Ours::new(table, port, "").await;
    ours.send(&["bob@x.example"]).await;
    let met: usize = peers.iter().map(|peer| peer.sessions().len()).sum();
    assert_eq!((met, other.taken().len()), (22, 1), "and every host is met at one");
}

/// The next host is asked in time, however many addresses of this one are slow to say nothing.
#[tokio::test]
async fn a_slow_host_is_not_met_at_its_other_addresses() {
    let hands = Arc::new(OnceLock::<Arc<Hands>>::new());
    let clock = Arc::clone(&hands);
    let rule = move |asked: &Asked<'_>| {
        if asked.line == "greeting" {
            clock.get().unwrap().pass(Duration::from_secs(61));
            return Act::Close("421 4.3.2 not now".into());
        }
        Act::Usual
    };
    let slow = Plan::default().at("127.0.0.2", 0).rule(rule).open().await;
    let port = slow.address.port();
    let (other, next) = (
        Plan::default().at("127.0.0.3", port).open().await,
        Plan::default().at("127.0.0.5", port).open().await,
    );
    let table = Table::default()
        .with_mx("x.example", &[(10, "mx.x.example"), (20, "next.x.example")])
        .with_addresses("mx.x.example", &[ip(2), ip(3)])
        .with_addresses("next.x.example", &[ip(5)]);
    let mut ours = Ours::new(table, port, "").await;
    hands.set(Arc::clone(&ours.hands)).ok().unwrap();
    ours.send(&["bob@x.example"]).await;
    ours.worker.until_idle().await;
    assert_eq!((slow.sessions().len(), other.sessions().len(), next.taken().len()), (1, 0, 1));
}
