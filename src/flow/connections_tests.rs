//! One connection for many messages, against peers with real sockets: when it is used again, and when never.

use crate::base::address::Domain;
use crate::base::dns::Answer;
use crate::base::dns::Exchange;
use crate::base::dns::Located;
use crate::base::dns::Tlsa;
use crate::base::dns::Validation;
use crate::base::id::QueueId;
use crate::config::Config;
use crate::flow::outgoing::Outgoing;
use crate::flow::queue;
use crate::flow::queue_tests::MESSAGE;
use crate::flow::queue_tests::MINUTE;
use crate::flow::queue_tests::Ours;
use crate::flow::queue_tests::ip;
use crate::flow::queue_tests::world;
use crate::flow::stored_certificates;
use crate::net::Deed;
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
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use tokio_util::sync::CancellationToken;

const ONE: &str = "[limits]\nremote_connections_per_domain = 1\n";

/// A rule that sees how many messages came to their end before, over all connections.
fn counting(
    rule: impl Fn(&Asked<'_>, usize) -> Act + Send + Sync + 'static,
) -> impl Fn(&Asked<'_>) -> Act + Send + Sync + 'static {
    let ended = AtomicUsize::new(0);
    move |asked| {
        let before = ended.load(Ordering::SeqCst);
        if asked.line == "end of data" {
            ended.fetch_add(1, Ordering::SeqCst);
        }
        rule(asked, before)
    }
}

impl Ours {
    /// Queues a message under this policy, and makes every try that is due.
    async fn send_under(&mut self, to: &str, demand: Demand) -> QueueId {
        let item = Outgoing { demand, ..self.item(&[to]) };
        let id = self.queue(item, MESSAGE.as_bytes()).await;
        self.worker.until_idle().await;
        id
    }

    /// How often the one recipient of a message was tried, and why it waits.
    async fn tries(&self, id: QueueId) -> Option<(u32, String)> {
        let item = queue::show(&*self.flow.store, id).await.unwrap()?;
        Some((item.recipients[0].attempts, item.recipients[0].reason.clone()))
    }
}

fn ordinary(requirement: Requirement) -> Demand {
    Demand::new(requirement, Sender::Ordinary)
}

fn count(peer: &Peer, word: &str) -> usize {
    String::from_utf8(peer.octets()).unwrap().matches(word).count()
}

/// How many messages each connection took.
fn by_connection(peer: &Peer) -> Vec<usize> {
    peer.sessions().iter().map(|session| session.taken.len()).collect()
}

#[tokio::test]
async fn many_messages_go_over_one_connection() {
    for extensions in [&["PIPELINING", "SIZE"][..], &[]] {
        let peer = Plan::default().extensions(extensions).open().await;
        let mut ours = Ours::new(world(), peer.address.port(), ONE).await;
        for n in 0..20 {
            let message = format!("Subject: {n}\r\n\r\n.{n}\r\n");
            ours.queue(ours.item(&[&format!("b{n}@x.example"), "c@x.example"]), message.as_bytes()).await;
        }
        ours.worker.until_idle().await;
        ours.send(&["late@x.example"]).await;
        assert_eq!((by_connection(&peer), ours.waiting().await), (vec![21], 0));
        assert_eq!(count(&peer, "STARTTLS"), 1);
        let mut texts: Vec<Vec<u8>> = peer.taken().into_iter().map(|taken| taken.text).collect();
        texts.sort();
        texts.dedup();
        assert_eq!(texts.len(), 21, "each once");
        for taken in peer.taken().iter().take(20) {
            let text = String::from_utf8_lossy(&taken.text);
            let n = text.lines().next().unwrap().trim_start_matches("Subject: ");
            assert_eq!(
                taken.rcpts,
                [format!("<b{n}@x.example>"), "<c@x.example>".into()],
                "its own envelope"
            );
            assert!(text.ends_with(&format!("\r\n.{n}\r\n")), "{text}");
        }
    }
}

#[tokio::test]
async fn so_many_messages_and_no_more() {
    for (most, want) in [(1, vec![1; 7]), (3, vec![3, 3, 1])] {
        let peer = Peer::good().await;
        let extra = format!("{ONE}messages_per_connection = {most}\n");
        let mut ours = Ours::new(world(), peer.address.port(), &extra).await;
        for _ in 0..7 {
            ours.queue(ours.item(&["bob@x.example"]), MESSAGE.as_bytes()).await;
        }
        ours.worker.until_idle().await;
        assert_eq!(by_connection(&peer), want);
    }
}

#[tokio::test]
async fn five_minutes_and_no_longer() {
    let peer = Peer::good().await;
    let mut ours = Ours::facing(&peer).await;
    ours.send(&["bob@x.example"]).await;
    ours.pass(5 * MINUTE);
    ours.send(&["bob@x.example"]).await;
    ours.send(&["bob@x.example"]).await;
    assert_eq!(by_connection(&peer), [2, 1], "the second one was the last");
}

#[tokio::test]
async fn at_most_five_connections_to_a_domain_those_that_wait_included() {
    // Each has a name of its own, so that none can be used for another.
    let names: Vec<String> = (0..8).map(|n| format!("mx{n}.x.example")).collect();
    let hosts: Vec<(u16, &str)> = names.iter().map(|name| (10, name.as_str())).collect();
    let table = names.iter().fold(Table::default().with_mx("x.example", &hosts), |table, name| {
        table.with_addresses(name, &[ip(1)])
    });
    let (open, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (now, peak) = (Arc::clone(&open), Arc::clone(&most));
    let peer = Plan::default()
        .rule(move |asked| {
            match asked.line {
                "greeting" => {
                    let count = now.fetch_add(1, Ordering::SeqCst) + 1;
                    peak.fetch_max(count, Ordering::SeqCst);
                }
                "QUIT" => {
                    now.fetch_sub(1, Ordering::SeqCst);
                }
                _ => {}
            }
            Act::Usual
        })
        .open()
        .await;
    let mut ours = Ours::new(table, peer.address.port(), "").await;
    for n in 0..60 {
        ours.queue(ours.item(&[&format!("b{n}@x.example")]), MESSAGE.as_bytes()).await;
    }
    ours.worker.until_idle().await;
    assert_eq!((peer.taken().len(), ours.waiting().await), (60, 0));
    let (most, made) = (most.load(Ordering::SeqCst), peer.sessions().len());
    // One whose QUIT is on its way may still be counted by the peer.
    assert!((2..=10).contains(&most), "{most}");
    assert!(made < 60, "none was used again");
}

#[tokio::test]
async fn destinations_by_turns_do_not_end_each_others_connections() {
    const EACH: usize = 10;
    let names: Vec<String> = (0..4).map(|n| format!("d{n}.example")).collect();
    let table = names.iter().fold(Table::default(), |table, name| table.with_addresses(name, &[ip(1)]));
    let peer = Peer::good().await;
    let extra = "[limits]\nremote_connections = 2\nremote_connections_per_domain = 1\n";
    let mut ours = Ours::new(table, peer.address.port(), extra).await;
    for n in 0..EACH {
        for name in &names {
            ours.queue(ours.item(&[&format!("b{n}@{name}")]), MESSAGE.as_bytes()).await;
        }
    }
    ours.worker.until_idle().await;
    assert_eq!((peer.taken().len(), ours.waiting().await), (EACH * names.len(), 0));
    let made = by_connection(&peer);
    assert!(made.len() <= 2 * names.len(), "{made:?}");
}

#[tokio::test]
async fn a_peer_that_does_not_answer_quit_has_taken_it_all_the_same() {
    let rule = |asked: &Asked<'_>| if asked.line == "QUIT" { Act::Hang } else { Act::Usual };
    let peer = Plan::default().rule(rule).open().await;
    let extra = format!("{ONE}messages_per_connection = 1\n");
    let mut ours = Ours::new(world(), peer.address.port(), &extra).await;
    for _ in 0..2 {
        ours.queue(ours.item(&["bob@x.example"]), MESSAGE.as_bytes()).await;
    }
    ours.worker.until_idle().await;
    assert_eq!((by_connection(&peer), ours.waiting().await), (vec![1, 1], 0));
}

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

/// A table that changes while the world goes on.
struct Changing(Mutex<Arc<Table>>);

impl Changing {
    fn now(&self) -> Arc<Table> {
        Arc::clone(&self.0.lock().unwrap())
    }
}

impl Dns for Changing {
    fn mx<'a>(&'a self, domain: &'a Domain) -> Deed<'a, Answer<Exchange>> {
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
async fn a_connection_that_ends_between_two_messages_is_nobodys_failure() {
    let closing = [
        Act::Close(String::new()),
        Act::Close("421 4.3.2 enough".into()),
        Act::Say("421 4.3.2 enough".into()),
        Act::Say("what?".into()),
    ];
    for act in closing {
        for step in ["RSET", "MAIL", "RCPT", "DATA"] {
            let ours = a_second_connection_after(1, step, &act).await;
            assert!(ours.inbox().await.is_empty(), "{act:?} at {step}");
        }
    }
    // A peer that wants no more over one connection, or closes it when it has taken something.
    for (before, step, act) in [
        (1, "MAIL", Act::Say("452 4.5.3 too many".into())),
        (1, "MAIL", Act::Say("503 5.5.1 once".into())),
        (1, "RSET", Act::Say("502 5.5.1 no".into())),
        (0, "end of data", Act::Close("250 2.0.0 taken".into())),
    ] {
        a_second_connection_after(before, step, &act).await;
    }
}

/// Two messages to a peer that does this at a step of its first connection, with so many messages taken before: each
/// goes over a connection of its own.
async fn a_second_connection_after(taken: usize, step: &'static str, act: &Act) -> Ours {
    let now = act.clone();
    let rule = counting(move |asked, before| {
        let hit = asked.connection == 0 && before == taken && asked.line.starts_with(step);
        if hit { now.clone() } else { Act::Usual }
    });
    let peer = Plan::default().rule(rule).open().await;
    let mut ours = Ours::new(world(), peer.address.port(), ONE).await;
    for to in ["bob@x.example", "eve@x.example"] {
        ours.queue(ours.item(&[to]), MESSAGE.as_bytes()).await;
    }
    ours.worker.until_idle().await;
    assert_eq!((by_connection(&peer), ours.waiting().await), (vec![1, 1], 0), "{act:?} at {step}");
    ours
}

#[tokio::test]
async fn a_peer_that_hangs_at_rset_is_left() {
    let rule = counting(|asked, before| match (asked.connection, before, asked.line) {
        (0, 1, "RSET") => Act::Hang,
        _ => Act::Usual,
    });
    let peer = Plan::default().rule(rule).open().await;
    let mut ours = Ours::facing(&peer).await;
    ours.send(&["bob@x.example"]).await;
    ours.send(&["eve@x.example"]).await;
    assert_eq!((by_connection(&peer), ours.waiting().await), (vec![1, 1], 0));
}

#[tokio::test]
async fn without_an_answer_to_its_end_a_message_is_tried_again_once() {
    for act in [Act::Close(String::new()), Act::Close("421 4.3.2 going down".into())] {
        let now = act.clone();
        let rule = counting(move |asked, before| match (before, asked.line) {
            (1, "end of data") => now.clone(),
            _ => Act::Usual,
        });
        let peer = Plan::default().rule(rule).open().await;
        let mut ours = Ours::facing(&peer).await;
        ours.send(&["bob@x.example"]).await;
        let unknown = ours.send_under("eve@x.example", Demand::default()).await;
        assert_eq!(ours.tries(unknown).await.unwrap().0, 1, "{act:?}: nobody knows; it waits");
        assert_eq!(
            (count(&peer, "eve@x"), peer.sessions().len()),
            (1, 1),
            "{act:?}: and is not said again at once"
        );
        for _ in 0..3 {
            ours.pass(6 * MINUTE);
            ours.worker.until_idle().await;
        }
        assert_eq!((count(&peer, "eve@x"), ours.waiting().await), (2, 0), "{act:?}");
        assert_eq!(by_connection(&peer), [1, 1], "{act:?}");
    }
}

#[tokio::test]
async fn what_is_refused_is_refused_and_the_connection_goes_on() {
    let peer = Plan::default()
        .rule(|asked| match asked.line {
            line if line.contains("nobody@") => Act::Say("550 5.1.1 nobody".into()),
            line if line.contains("later@") => Act::Say("451 4.7.1 later".into()),
            _ => Act::Usual,
        })
        .open()
        .await;
    let mut ours = Ours::facing(&peer).await;
    for to in ["bob@x.example", "nobody@x.example", "later@x.example", "eve@x.example"] {
        ours.send(&[to]).await;
    }
    assert_eq!((by_connection(&peer), ours.waiting().await), (vec![2], 1));
    assert_eq!((ours.inbox().await.len(), count(&peer, "later@")), (1, 1));
}

#[tokio::test]
async fn it_ends_politely_when_nothing_comes_and_when_the_server_stops() {
    for stopped in [false, true] {
        let peer = Peer::good().await;
        let ours = Ours::facing(&peer).await;
        let stop = CancellationToken::new();
        ours.queue(ours.item(&["bob@x.example"]), MESSAGE.as_bytes()).await;
        let running = tokio::spawn(ours.worker.run(stop.clone()));
        peer.wait_for(1).await;
        let flow = Arc::clone(&ours.flow);
        while !flow.store.queue(None, 1).await.unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        assert_eq!(count(&peer, "QUIT"), 0, "it waits");
        if !stopped {
            peer.wait_until(|peer| count(peer, "QUIT") == 1).await;
        }
        stop.cancel();
        running.await.unwrap();
        peer.wait_until(|peer| count(peer, "QUIT") == 1).await;
    }
}

#[tokio::test]
async fn another_configuration_ends_it() {
    let peer = Peer::good().await;
    let ours = Ours::facing(&peer).await;
    let stop = CancellationToken::new();
    ours.queue(ours.item(&["bob@x.example"]), MESSAGE.as_bytes()).await;
    let flow = Arc::clone(&ours.flow);
    let running = tokio::spawn(ours.worker.run(stop.clone()));
    peer.wait_for(1).await;
    flow.reconfigure(Arc::new(Config::clone(&flow.config())));
    peer.wait_until(|peer| count(peer, "QUIT") == 1).await;
    stop.cancel();
    running.await.unwrap();
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

#[tokio::test]
async fn a_peer_that_takes_one_connection_sees_one() {
    let open = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&open);
    let peer = Plan::default()
        .start_tls(StartTls::NotOffered)
        .rule(move |asked| {
            match asked.line {
                "greeting" if count.fetch_add(1, Ordering::SeqCst) > 0 => {
                    return Act::Close("421 4.7.0 one at a time".into());
                }
                "QUIT" => _ = count.fetch_sub(1, Ordering::SeqCst),
                _ => {}
            }
            Act::Usual
        })
        .open()
        .await;
    let mut ours = Ours::facing(&peer).await;
    ours.send(&["bob@x.example"]).await;
    // It cannot go over the connection that is open: its own is to end as its policy says, not by a 421.
    ours.send_under("bob@x.example", ordinary(Requirement::Encrypt)).await;
    let inbox = ours.inbox().await;
    assert_eq!((ours.waiting().await, inbox.len(), peer.sessions().len()), (0, 1, 2));
    assert!(inbox[0].contains("Status: 5.7.4"), "{}", inbox[0]);
}

/// Does something once when an address is asked for.
struct Meanwhile {
    table: Table,
    deed: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl Dns for Meanwhile {
    fn mx<'a>(&'a self, domain: &'a Domain) -> Deed<'a, Answer<Exchange>> {
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
