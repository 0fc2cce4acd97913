//! Destinations that do not answer, against peers with real sockets: nobody behind them waits for them.

use crate::base::id::QueueId;
use crate::flow::Flow;
use crate::flow::delivery::Courier;
use crate::flow::outgoing::Outgoing;
use crate::flow::queue;
use crate::flow::queue::Worker;
use crate::flow::queue_tests::Hands;
use crate::flow::queue_tests::MESSAGE;
use crate::flow::queue_tests::MINUTE;
use crate::flow::queue_tests::Ours;
use crate::flow::queue_tests::ip;
use crate::net::dial::Dialer;
use crate::net::dns::Table;
use crate::peer::Act;
use crate::peer::Asked;
use crate::peer::Peer;
use crate::peer::Plan;
use crate::peer::StartTls;
use crate::policy::tls::Demand;
use crate::policy::tls::Requirement;
use crate::policy::tls::Sender;
use crate::store::record_queue::Purpose;
use crate::store::record_queue::RecipientState;
use std::sync::Arc;
use std::time::Duration;
use tokio::task;
use tokio_util::sync::CancellationToken;

/// Nothing takes longer, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(120);

/// A worker at work, until this is dropped.
struct Running {
    ours: Ours,
    stop: CancellationToken,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Running {
    fn new(mut ours: Ours) -> Self {
        let dialer = Dialer { loopback: true, ..Dialer::default() };
        let other = Worker::new(Arc::clone(&ours.flow), Courier { dialer, ..Courier::default() });
        let stop = CancellationToken::new();
        tokio::spawn(std::mem::replace(&mut ours.worker, other).run(stop.clone()));
        Self { ours, stop }
    }

    fn flow(&self) -> &Flow {
        &self.ours.flow
    }

    fn pass(&self, span: Duration) {
        let hands: &Hands = &self.ours.hands;
        hands.pass(span);
        self.flow().queue_bell.notify_one();
    }

    /// How the one recipient of a message stands.
    async fn state(&self, of: QueueId) -> Option<RecipientState> {
        let item = queue::show(&*self.flow().store, of).await.unwrap();
        item.map(|item| item.recipients[0].state)
    }

    /// How often each of these was tried, or put off, and why it waits.
    async fn tries(&self, of: &[QueueId]) -> Vec<Option<(u32, String)>> {
        let mut tries = Vec::new();
        for id in of {
            let item = queue::show(&*self.flow().store, *id).await.unwrap();
            tries.push(item.map(|item| (item.recipients[0].attempts, item.recipients[0].reason.clone())));
        }
        tries
    }

    /// Waits until it is so with these messages.
    async fn until(&self, of: &[QueueId], so: impl Fn(&[Option<(u32, String)>]) -> bool) {
        let enough = async {
            while !so(&self.tries(of).await) {
                task::yield_now().await;
            }
        };
        if tokio::time::timeout(PATIENCE, enough).await.is_err() {
            panic!("they wait like this: {:?}", self.tries(of).await);
        }
    }
}

/// x.example hangs at this step, on 127.0.0.2; y.example takes everything, on 127.0.0.3.
async fn peers(step: &'static str) -> (Peer, Peer, Table) {
    let hung = Plan::default()
        .at("127.0.0.2", 0)
        .rule(move |asked| if asked.line.starts_with(step) { Act::Hang } else { Act::Usual })
        .open()
        .await;
    let good = Plan::default().at("127.0.0.3", hung.address.port()).open().await;
    let dns = Table::default().with_addresses("x.example", &[ip(2)]).with_addresses("y.example", &[ip(3)]);
    (hung, good, dns)
}

const ONE: &str = "[limits]\nremote_connections_per_domain = 1\n";

fn secure() -> Demand {
    Demand::new(Requirement::Encrypt, Sender::Secure)
}

#[tokio::test]
async fn mail_behind_a_silent_destination_is_put_off_told_of_and_given_up_in_its_time() {
    for step in ["greeting", "EHLO"] {
        let (hung, _good, dns) = peers(step).await;
        let ours = Ours::new(dns, hung.address.port(), ONE).await;
        let mut behind = Vec::new();
        ours.queue(Outgoing { demand: secure(), ..ours.item(&["first@x.example"]) }, MESSAGE.as_bytes())
            .await;
        ours.pass(Duration::from_secs(1));
        for to in ["bob@x.example", "eve@x.example"] {
            behind.push(
                ours.queue(Outgoing { demand: secure(), ..ours.item(&[to]) }, MESSAGE.as_bytes()).await,
            );
        }
        let at_work = Running::new(ours);
        hung.wait_for_session().await;
        at_work.pass(MINUTE);
        let put_off = |times: u32| {
            move |tries: &[Option<(u32, String)>]| {
                tries.iter().all(|tried| tried.as_ref().is_some_and(|(count, _)| *count == times))
            }
        };
        at_work.until(&behind, put_off(1)).await;
        let reason = at_work.tries(&behind).await.remove(0).unwrap().1;
        assert!(reason.starts_with("4.4.1 not tried"), "{reason}");
        assert!(at_work.ours.inbox().await.is_empty(), "{step}");
        at_work.pass(5 * MINUTE);
        at_work.until(&behind, put_off(2)).await;
        let delayed = |texts: &[String], to: &str| {
            let about = format!("Final-Recipient: rfc822; {to}");
            texts.iter().any(|text| text.contains(&about) && text.contains("Action: delayed"))
        };
        let told = at_work.ours.inbox().await;
        assert!(delayed(&told, "bob@x.example") && delayed(&told, "eve@x.example"), "{told:?}");
        at_work.pass(25 * MINUTE);
        at_work.until(&behind, |tries| tries.iter().all(Option::is_none)).await;
        let failed = at_work.ours.inbox().await;
        let failed = failed.iter().filter(|text| text.contains("Action: failed")).count();
        assert_eq!((failed, hung.sessions().len()), (2, 1), "{step}: the first is still being tried");
    }
}

#[tokio::test]
async fn what_finds_nobody_speaks_for_what_waits_behind_it() {
    // Nobody listens there.
    let dns = Table::default().with_addresses("x.example", &[ip(4)]);
    let mut ours = Ours::new(dns, 1, ONE).await;
    let mut all = Vec::new();
    for to in ["bob@x.example", "eve@x.example", "sue@x.example"] {
        all.push(ours.queue(ours.item(&[to]), MESSAGE.as_bytes()).await);
    }
    ours.worker.until_idle().await;
    let at_work = Running::new(ours);
    for tried in at_work.tries(&all).await {
        let (count, reason) = tried.unwrap();
        assert!(count == 1 && reason.starts_with("4.4.1 x.example: 127.0.0.4:1: "), "{count}: {reason}");
    }
}

/// Queues so many messages to x.example, which is silent, and then one to y.example.
async fn flooded(count: usize) -> (Peer, Peer, Running, Vec<QueueId>) {
    let (hung, good, dns) = peers("greeting").await;
    let ours = Ours::new(dns, hung.address.port(), ONE).await;
    let (mut ids, mut commands) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let (item, message) = (ours.item(&["bob@x.example"]), ours.flow.own_message(MESSAGE.as_bytes()));
        ids.push(item.id);
        commands.push(ours.flow.outgoing(item, message.unwrap()).await.unwrap());
    }
    ours.flow.store.commit(commands).await.unwrap();
    ours.pass(Duration::from_secs(1));
    ours.queue(ours.item(&["eve@y.example"]), MESSAGE.as_bytes()).await;
    (hung, good, Running::new(ours), ids)
}

#[tokio::test]
async fn a_silent_destination_with_all_the_mail_in_the_world_holds_up_no_other() {
    let (hung, good, _at_work, _) = flooded(2_100).await;
    assert_eq!(good.wait_for(1).await[0].rcpts, ["<eve@y.example>"]);
    assert_eq!(hung.sessions().len(), 1);
}

#[tokio::test]
async fn what_finds_no_room_at_its_destination_is_taken_as_soon_as_there_is_some() {
    let (_hung, good, at_work, ids) = flooded(450).await;
    good.wait_for(1).await;
    at_work.pass(MINUTE);
    let put_off = |tries: &[Option<(u32, String)>]| {
        let times = |times| tries.iter().flatten().filter(|(count, _)| *count == times).count();
        times(1) == 449 && times(0) == 1
    };
    at_work.until(&ids, put_off).await;
}

#[tokio::test]
async fn slow_tries_give_their_places_to_others_unless_a_second_copy_could_come_of_it() {
    let answer = |item| Outgoing { purpose: Purpose::Bounce, owner: None, sender: None, ..item };
    for (step, automatic) in [("greeting", false), ("RCPT", false), ("end of data", true)] {
        let (hung, good, dns) = peers(step).await;
        let dns = dns.with_addresses("z.example", &[ip(2)]);
        let places = "[limits]\nremote_connections = 2\nremote_connections_per_domain = 1\n";
        let ours = Ours::new(dns, hung.address.port(), places).await;
        let mut held = Vec::new();
        for to in ["bob@x.example", "bob@z.example"] {
            let item = ours.item(&[to]);
            let item = if automatic { answer(item) } else { item };
            held.push(ours.queue(item, MESSAGE.as_bytes()).await);
        }
        ours.pass(Duration::from_secs(1));
        ours.queue(ours.item(&["eve@y.example"]), MESSAGE.as_bytes()).await;
        let at_work = Running::new(ours);
        hung.wait_until(|peer| peer.sessions().len() == 2).await;
        at_work.pass(MINUTE);
        good.wait_for(1).await;
        let gave_way = |tried: &Option<(u32, String)>| {
            tried.as_ref().is_some_and(|(_, reason)| reason.contains("others waited for its place"))
        };
        at_work.until(&held, |tries| tries.iter().filter(|tried| gave_way(tried)).count() == 1).await;
    }
}

/// One place in all, which x.example holds; what is for y.example waits behind it, leased.
async fn behind_x(good: StartTls) -> (Peer, Peer, Running, QueueId) {
    let rule = |asked: &Asked<'_>| if asked.line == "greeting" { Act::Hang } else { Act::Usual };
    let hung = Plan::default().at("127.0.0.2", 0).rule(rule).open().await;
    let good = Plan::default().at("127.0.0.3", hung.address.port()).start_tls(good).open().await;
    let table = Table::default().with_addresses("x.example", &[ip(2)]).with_addresses("y.example", &[ip(3)]);
    let extra = "[limits]\nremote_connections = 1\nremote_connections_per_domain = 1\n";
    let ours = Ours::new(table, hung.address.port(), extra).await;
    ours.queue(ours.item(&["bob@x.example"]), MESSAGE.as_bytes()).await;
    ours.pass(Duration::from_secs(1));
    let behind = ours.queue(ours.item(&["eve@y.example"]), MESSAGE.as_bytes()).await;
    let at_work = Running::new(ours);
    hung.wait_for_session().await;
    let leased = async {
        while !matches!(at_work.state(behind).await, Some(RecipientState::Leased { .. })) {
            task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, leased).await.unwrap();
    (hung, good, at_work, behind)
}

#[tokio::test]
async fn what_is_asked_of_the_way_is_asked_when_the_try_begins() {
    let (hung, good, at_work, behind) = behind_x(StartTls::NotOffered).await;
    let strict = "[[outbound.tls_policy]]\ndomain = \"y.example\"\nlevel = \"encrypt\"\n";
    let strict = Ours::new(Table::default(), hung.address.port(), strict).await.flow.config();
    at_work.flow().reconfigure(strict);
    at_work.pass(MINUTE);
    at_work.until(&[behind], |tries| tries[0].is_none()).await;
    assert!(good.taken().is_empty(), "it was to be encrypted by then");
    assert!(at_work.ours.inbox().await[0].contains("Status: 5.7.4"));
}

#[tokio::test]
async fn what_was_leased_for_another_kind_of_way_is_taken_anew() {
    let (_hung, good, at_work, behind) = behind_x(StartTls::Works).await;
    let smarthost = Peer::good().await;
    let extra = format!("smarthost = \"127.0.0.1:{}\"\n", smarthost.address.port());
    at_work.flow().reconfigure(Ours::new(Table::default(), 25, &extra).await.flow.config());
    at_work.pass(MINUTE);
    at_work.until(&[behind], |tries| tries[0].is_none()).await;
    assert_eq!((smarthost.wait_for(1).await[0].rcpts.len(), good.sessions().len()), (1, 0));
}

#[tokio::test]
async fn of_a_cancelled_message_nothing_is_said_any_more() {
    let (_hung, good, at_work, behind) = behind_x(StartTls::Works).await;
    assert!(queue::cancel(at_work.flow(), behind).await.unwrap());
    at_work.ours.queue(at_work.ours.item(&["sue@y.example"]), MESSAGE.as_bytes()).await;
    at_work.pass(MINUTE);
    assert_eq!(good.wait_for(1).await[0].rcpts, ["<sue@y.example>"]);
    assert!(!String::from_utf8(good.octets()).unwrap().contains("eve@"));
}
