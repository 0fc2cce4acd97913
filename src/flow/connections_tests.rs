//! One connection for many messages, against peers with real sockets: when it is used again, and when never.

use crate::base::id::QueueId;
use crate::config::Config;
use crate::flow::outgoing::Outgoing;
use crate::flow::queue;
use crate::flow::queue_tests::MESSAGE;
use crate::flow::queue_tests::MINUTE;
use crate::flow::queue_tests::Ours;
use crate::flow::queue_tests::ip;
use crate::flow::queue_tests::world;
use crate::net::dns::Table;
use crate::peer::Act;
use crate::peer::Asked;
use crate::peer::Peer;
use crate::peer::Plan;
use crate::peer::StartTls;
use crate::policy::tls::Demand;
use crate::policy::tls::Requirement;
use crate::policy::tls::Sender;
use std::sync::Arc;
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
    pub(super) async fn send_under(&mut self, to: &str, demand: Demand) -> QueueId {
        let item = Outgoing { demand, ..self.item(&[to]) };
        let id = self.queue(item, MESSAGE.as_bytes()).await;
        self.worker.until_idle().await;
        id
    }

    /// How often the one recipient of a message was tried, and why it waits.
    pub(super) async fn tries(&self, id: QueueId) -> Option<(u32, String)> {
        let item = queue::show(&*self.flow.store, id).await.unwrap()?;
        Some((item.recipients[0].attempts, item.recipients[0].reason.clone()))
    }
}

pub(super) fn ordinary(requirement: Requirement) -> Demand {
    Demand::new(requirement, Sender::Ordinary)
}

pub(super) fn count(peer: &Peer, word: &str) -> usize {
    String::from_utf8(peer.octets()).unwrap().matches(word).count()
}

/// How many messages each connection took.
pub(super) fn by_connection(peer: &Peer) -> Vec<usize> {
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
