//! What is tried again: after a refusal for now, a break, a restart, and under a clock that is set.

use super::*;

#[tokio::test]
async fn waits_out_a_greylisting_and_sends_once() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let peer = Plan::default()
        .rule(move |asked| {
            if asked.line.starts_with("RCPT") && counted.fetch_add(1, Ordering::SeqCst) < 2 {
                return Act::Say("451 4.7.1 come back later".into());
            }
            Act::Usual
        })
        .open()
        .await;
    let mut ours = Ours::facing(&peer).await;
    ours.send(&["bob@x.example"]).await;
    let item = &queue::list(&*ours.flow.store, None, 10).await.unwrap()[0];
    let waiting = &item.recipients[0];
    assert_eq!((waiting.state, waiting.attempts), (RecipientState::Waiting, 1));
    let (start, end) =
        ("4.7.1 mx.x.example [tls=unauthenticated TLSv1.3 TLS_", "]: RCPT: 451 4.7.1 come back later");
    assert!(waiting.reason.starts_with(start) && waiting.reason.ends_with(end), "{}", waiting.reason);
    assert_eq!(waiting.next, START + 5 * MINUTE);
    ours.pass(4 * MINUTE);
    ours.worker.until_idle().await;
    assert_eq!(calls.load(Ordering::SeqCst), 1, "not before its time");
    ours.pass(MINUTE);
    ours.worker.until_idle().await;
    ours.pass(10 * MINUTE);
    ours.worker.until_idle().await;
    assert_eq!(calls.load(Ordering::SeqCst), 3);
    ours.pass(Duration::from_secs(86_400));
    ours.worker.until_idle().await;
    assert_eq!((peer.taken().len(), ours.waiting().await, ours.inbox().await.len()), (1, 0, 0));
}

#[tokio::test]
async fn tells_of_delay_once_and_of_the_end() {
    let peer = Plan::default().rule(|_| Act::Close("421 4.3.2 not today".into())).open().await;
    let mut ours = Ours::facing(&peer).await;
    ours.send(&["bob@x.example"]).await;
    let mut hours = 0;
    while ours.waiting().await > 0 {
        ours.pass(60 * MINUTE);
        hours += 1;
        ours.worker.until_idle().await;
        assert!(hours < 200, "it ends");
    }
    assert!((120..=125).contains(&hours), "five days, not {hours} hours");
    let inbox = ours.inbox().await;
    let actions: Vec<bool> = inbox.iter().map(|text| text.contains("Action: failed")).collect();
    assert_eq!(actions, [false, true], "one delay, one bounce");
    assert!(inbox[0].contains("Action: delayed") && inbox[0].contains("Will-Retry-Until: "), "{}", inbox[0]);
}

/// With a worker that looks at the clock, and to a host that is dead: mail, and a secure alias's.
async fn waiting_under_a_watched_clock() -> Ours {
    let dns = Table::default()
        .with_mx("x.example", &[(10, "dead.example")])
        .with_addresses("dead.example", &[ip(4)]);
    let mut ours = Ours::new(dns, 1, "").await;
    tokio::spawn(expiry::Worker::new(Arc::clone(&ours.flow)).run(CancellationToken::new()));
    ours.flow.lives.look().await;
    ours.queue(ours.item(&["bob@x.example"]), MESSAGE.as_bytes()).await;
    let demand = Demand::new(Requirement::Encrypt, Sender::Secure);
    ours.queue(Outgoing { demand, ..ours.item(&["eve@x.example"]) }, MESSAGE.as_bytes()).await;
    ours.worker.until_idle().await;
    ours
}

impl Ours {
    /// How often anybody who waits was tried, and how many reports there are.
    async fn tried(&self) -> (Vec<u32>, usize) {
        let mut tries: Vec<u32> = queue::list(&*self.flow.store, None, 9)
            .await
            .unwrap()
            .iter()
            .flat_map(|item| item.recipients.iter().map(|waiting| waiting.attempts))
            .collect();
        tries.sort_unstable();
        let reports = self.inbox().await.iter().filter(|text| text.contains("\r\nAction: ")).count();
        (tries, reports)
    }
}

#[tokio::test]
async fn a_clock_that_jumps_gives_nothing_up_and_tells_nobody_of_a_delay() {
    for span in [100 * 24 * 60 * MINUTE, 24 * 60 * MINUTE] {
        let mut ours = waiting_under_a_watched_clock().await;
        ours.hands.set_on(span);
        ours.worker.until_idle().await;
        assert_eq!(ours.tried().await, (vec![2, 2], 0), "nobody has looked at the clock yet");
        ours.flow.lives.look().await;
        for tries in 3..5 {
            ours.pass(60 * MINUTE);
            ours.worker.until_idle().await;
            assert_eq!(ours.tried().await, (vec![tries; 2], 0), "it is not believed");
        }
        ours.flow.accept_clock().await.unwrap();
        ours.pass(120 * MINUTE);
        ours.worker.until_idle().await;
        let (tries, reports) = ours.tried().await;
        // After a day mail is late, after 100 it is over; a secure alias's is over in both cases.
        assert_eq!((tries.len(), reports), (usize::from(span < 100 * 24 * 60 * MINUTE), 2));
    }
}

/// What waits is tried as often as ever, whether the worker saw the clock ahead or not, and a letter that was taken then
/// comes back in its time.
#[tokio::test]
async fn what_a_clock_put_off_that_was_ahead_is_tried_when_it_is_set_back() {
    let (days, hours) = (100 * 24 * 60 * MINUTE, 3 * 60 * MINUTE);
    for (span, seen) in [(days, false), (days, true), (hours, true)] {
        let mut ours = waiting_under_a_watched_clock().await;
        ours.hands.set_on(span);
        if seen {
            ours.flow.lives.look().await;
        }
        ours.queue(ours.item(&["sue@x.example"]), MESSAGE.as_bytes()).await;
        ours.worker.until_idle().await;
        assert_eq!(ours.tried().await.0, [1, 2, 2]);
        ours.hands.set_back(span);
        ours.worker.until_idle().await;
        assert_eq!(ours.tried().await.0, [1, 2, 2], "nobody has looked at the clock yet");
        ours.flow.lives.look().await;
        ours.worker.until_idle().await;
        assert_eq!(ours.tried().await, (vec![2, 3, 3], 0), "{span:?} {seen}");
        ours.pass(60 * MINUTE);
        ours.worker.until_idle().await;
        let (tries, _) = ours.tried().await;
        assert_eq!((tries[0], tries.len() >= 2), (3, true), "{span:?} {seen}");
        if seen {
            ours.flow.accept_clock().await.unwrap();
        }
        for _ in 0..6 * 24 {
            ours.pass(60 * MINUTE);
            ours.flow.lives.look().await;
            ours.worker.until_idle().await;
        }
        let (tries, reports) = ours.tried().await;
        // Two of them are late first.
        assert_eq!((tries.len(), reports), (0, 5), "{span:?} {seen}");
    }
}

#[tokio::test]
async fn a_clock_that_was_ahead_before_the_start_holds_nothing_up() {
    let mut ours = waiting_under_a_watched_clock().await;
    ours.hands.set_on(2 * 60 * MINUTE);
    ours.worker.until_idle().await;
    ours.flow.lives.look().await;
    ours.hands.set_back(2 * 60 * MINUTE);
    // Another worker, as after a start, knows only what was written down.
    *ours.flow.lives.course.lock().await = None;
    ours.flow.lives.look().await;
    ours.worker.until_idle().await;
    assert_eq!(ours.tried().await, (vec![3, 3], 0));
}

/// What is older by the wrong clock's word than it is would come back at its next failure.
#[tokio::test]
async fn a_clock_that_fell_back_ends_no_mail_when_it_is_right_again() {
    let days = 100 * 24 * 60 * MINUTE;
    let mut ours = waiting_under_a_watched_clock().await;
    ours.hands.set_back(days);
    ours.flow.lives.look().await;
    ours.worker.until_idle().await;
    ours.hands.set_on(days);
    ours.flow.lives.look().await;
    ours.flow.accept_clock().await.unwrap();
    let (before, _) = ours.tried().await;
    for _ in 0..4 {
        ours.pass(5 * MINUTE);
        ours.flow.lives.look().await;
        ours.worker.until_idle().await;
    }
    let (tries, reports) = ours.tried().await;
    assert!(
        tries.len() == 2 && tries.iter().zip(&before).all(|(now, then)| now > then),
        "{before:?} {tries:?}"
    );
    assert!(reports <= 1, "told of a delay at most: {reports}");
}

#[tokio::test]
async fn a_small_step_of_the_clock_ends_no_life_of_minutes() {
    let mut ours = waiting_under_a_watched_clock().await;
    ours.hands.set_on(40 * MINUTE);
    ours.worker.until_idle().await;
    ours.pass(20 * MINUTE);
    ours.worker.until_idle().await;
    assert_eq!(ours.tried().await, (vec![3, 3], 0), "20 minutes old, whatever the clock says");
    ours.pass(20 * MINUTE);
    ours.worker.until_idle().await;
    let (tries, reports) = ours.tried().await;
    assert_eq!((tries.len(), reports), (1, 1), "a secure alias's mail has come back");
}

#[tokio::test]
async fn a_break_at_any_step_is_tried_again() {
    for step in ["greeting", "EHLO", "STARTTLS", "MAIL", "RCPT", "DATA", "end of data"] {
        let peer = Plan::default()
            .rule(move |asked| {
                let hit = asked.line.starts_with(step) && asked.connection < 2;
                if hit { Act::Close(String::new()) } else { Act::Usual }
            })
            .open()
            .await;
        let mut ours = Ours::facing(&peer).await;
        ours.send(&["bob@x.example"]).await;
        for _ in 0..3 {
            ours.pass(60 * MINUTE);
            ours.worker.until_idle().await;
        }
        assert_eq!(ours.waiting().await, 0, "{step}");
        assert_eq!(peer.taken().len(), 1, "{step}");
        assert!(ours.inbox().await.is_empty(), "{step}");
    }
}

#[tokio::test]
async fn nonsense_and_silence_do_not_stop_the_queue() {
    let peer = Plan::default()
        .rule(|asked| match asked.connection {
            0 => Act::Say("hello there".into()),
            1 => Act::Say("2".repeat(5_000)),
            2 => Act::Drip("220 slow but good".into()),
            _ => Act::Usual,
        })
        .open()
        .await;
    let mut ours = Ours::facing(&peer).await;
    for _ in 0..2 {
        ours.send(&["bob@x.example"]).await;
    }
    let items = queue::list(&*ours.flow.store, None, 10).await.unwrap();
    assert_eq!(items.len(), 2);
    for item in &items {
        assert!(item.recipients[0].reason.starts_with("4.5.0"), "{}", item.recipients[0].reason);
    }
    let retried = queue::retry(&ours.flow, None).await.unwrap();
    assert_eq!(retried, 2);
    assert!(queue::cancel(&ours.flow, items[0].record.id).await.unwrap());
    assert!(!queue::cancel(&ours.flow, items[0].record.id).await.unwrap());
    assert!(queue::show(&*ours.flow.store, items[0].record.id).await.unwrap().is_none());
}

#[tokio::test]
async fn what_was_leased_is_sent_after_a_restart() {
    let peer = Plan::default()
        .rule(|asked| if asked.connection == 0 && asked.line == "greeting" { Act::Hang } else { Act::Usual })
        .open()
        .await;
    let ours = Ours::facing(&peer).await;
    ours.queue(ours.item(&["bob@x.example"]), MESSAGE.as_bytes()).await;
    let stop = CancellationToken::new();
    let running = tokio::spawn(ours.worker.run(stop.clone()));
    peer.wait_for_session().await;
    running.abort();
    assert!(running.await.unwrap_err().is_cancelled());
    ours.model.restart();
    let dialer = Dialer { loopback: true, ..Dialer::default() };
    let worker = Worker::new(Arc::clone(&ours.flow), Courier { dialer, ..Courier::default() });
    let running = tokio::spawn(worker.run(stop.clone()));
    assert_eq!(peer.wait_for(1).await.len(), 1);
    stop.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn a_clock_that_is_set_on_begins_no_second_try_beside_the_first() {
    let peer = Plan::default()
        .rule(|asked| match (asked.connection, asked.line) {
            (0, "end of data") => Act::Hang,
            _ => Act::Usual,
        })
        .open()
        .await;
    let ours = Ours::facing(&peer).await;
    ours.queue(ours.item(&["bob@x.example"]), MESSAGE.as_bytes()).await;
    let (flow, hands, item) =
        (Arc::clone(&ours.flow), Arc::clone(&ours.hands), ours.item(&["eve@y.example"]));
    let stop = CancellationToken::new();
    let running = tokio::spawn(ours.worker.run(stop.clone()));
    peer.wait_until(|peer| String::from_utf8_lossy(&peer.octets()).contains("\r\nend\r\n.\r\n")).await;
    // NTP corrects a clock that was two hours slow; the next message is taken after whatever is due then.
    hands.set_on(120 * MINUTE);
    let message = flow.own_message(MESSAGE.as_bytes()).unwrap();
    let command = flow.outgoing(item, message).await.unwrap();
    flow.store.commit(vec![command]).await.unwrap();
    flow.queue_bell.notify_one();
    let taken = peer.wait_for(1).await;
    assert_eq!(taken[0].rcpts, ["<eve@y.example>"]);
    let bodies = String::from_utf8_lossy(&peer.octets()).matches("BODY-MARK").count();
    assert_eq!((peer.sessions().len(), bodies), (2, 2), "bob's is being tried once");
    running.abort();
    stop.cancel();
}

#[tokio::test]
async fn the_bell_wakes_the_worker() {
    let peer = Peer::good().await;
    let ours = Ours::facing(&peer).await;
    let stop = CancellationToken::new();
    let (flow, item) = (Arc::clone(&ours.flow), ours.item(&["bob@x.example"]));
    let running = tokio::spawn(ours.worker.run(stop.clone()));
    tokio::task::yield_now().await;
    let message = flow.own_message(MESSAGE.as_bytes()).unwrap();
    let command = flow.outgoing(item, message).await.unwrap();
    flow.store.commit(vec![command]).await.unwrap();
    flow.queue_bell.notify_one();
    assert_eq!(peer.wait_for(1).await.len(), 1);
    stop.cancel();
    running.await.unwrap();
}
