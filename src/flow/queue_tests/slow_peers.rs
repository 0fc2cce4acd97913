//! Peers that take their time, and how little they hold meanwhile.

use super::*;
use tokio::io::AsyncBufReadExt;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::io::BufReader;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::sync::watch;

/// Threads for work that blocks.
const THREADS: usize = 2;
/// More than that.
const SLOW: usize = 2 * THREADS;
/// More than the system keeps for a connection on its own.
const LARGE: usize = 16 << 20;

/// Takes an octet of a message and then nothing more; `begun` counts those.
async fn take_an_octet(socket: TcpStream, begun: watch::Sender<usize>) {
    let mut wire = BufReader::with_capacity(512, socket);
    wire.write_all(b"220 slow.example ESMTP\r\n").await.unwrap();
    loop {
        let mut line = String::new();
        assert!(wire.read_line(&mut line).await.unwrap() > 0, "nobody gives up");
        let (code, text) = if line == "DATA\r\n" { (354, true) } else { (250, false) };
        wire.write_all(format!("{code} go on\r\n").as_bytes()).await.unwrap();
        if text {
            wire.read_u8().await.unwrap();
            begun.send_modify(|count| *count += 1);
            return std::future::pending().await;
        }
    }
}

async fn slow_peers(listener: TcpListener, begun: watch::Sender<usize>) {
    while let Ok((socket, _)) = listener.accept().await {
        tokio::spawn(take_an_octet(socket, begun.clone()));
    }
}

#[tokio::test]
async fn slow_peers_do_not_keep_all_places_to_themselves() {
    let good = Peer::good().await;
    let listener = TcpListener::bind(("127.0.0.2", good.address.port())).await.unwrap();
    let (begun, mut counted) = watch::channel(0);
    tokio::spawn(slow_peers(listener, begun));
    let dns = ["slow1.example", "slow2.example"].iter();
    let dns = dns.fold(world(), |dns, domain| dns.with_addresses(domain, &[ip(2)]));
    let two = "[limits]\nremote_connections = 2\nremote_connections_per_domain = 2\n";
    let ours = Ours::new(dns, good.address.port(), two).await;
    let large = format!("Subject: large\r\n\r\n{}", "a line of the text\r\n".repeat(LARGE / 20));
    for to in ["bob@slow1.example", "bob@slow2.example"] {
        ours.queue(ours.item(&[to]), large.as_bytes()).await;
    }
    let item = ours.item(&["eve@x.example"]);
    let (flow, hands, stop) = (Arc::clone(&ours.flow), Arc::clone(&ours.hands), CancellationToken::new());
    let running = tokio::spawn(ours.worker.run(stop.clone()));
    counted.wait_for(|count| *count == 2).await.unwrap();
    let message = flow.own_message(MESSAGE.as_bytes()).unwrap();
    flow.store.commit(vec![flow.outgoing(item, message).await.unwrap()]).await.unwrap();
    flow.queue_bell.notify_one();
    // What the system keeps for a connection was written fast.
    hands.pass(20 * MINUTE);
    flow.queue_bell.notify_one();
    assert_eq!(good.wait_for(1).await[0].rcpts, ["<eve@x.example>"]);
    running.abort();
}

#[test]
fn slow_peers_hold_no_thread_that_others_need() {
    let runtime =
        Builder::new_multi_thread().worker_threads(2).max_blocking_threads(THREADS).enable_all().build();
    runtime.unwrap().block_on(async {
        let good = Peer::good().await;
        let port = good.address.port();
        let listener = TcpListener::bind(("127.0.0.2", port)).await.unwrap();
        let (begun, mut counted) = watch::channel(0);
        tokio::spawn(slow_peers(listener, begun));
        let slow: Vec<String> = (0..SLOW).map(|n| format!("slow{n}.example")).collect();
        let dns = slow.iter().fold(world(), |dns, domain| dns.with_addresses(domain, &[ip(2)]));
        let ours = Ours::new(dns, port, "").await;
        let large = format!("Subject: large\r\n\r\n{}", "a line of the text\r\n".repeat(LARGE / 20));
        for domain in &slow {
            ours.queue(ours.item(&[&format!("bob@{domain}")]), large.as_bytes()).await;
        }
        let item = ours.item(&["bob@x.example"]);
        let (flow, stop) = (Arc::clone(&ours.flow), CancellationToken::new());
        let running = tokio::spawn(ours.worker.run(stop.clone()));
        let all = counted.wait_for(|count| *count == SLOW);
        tokio::time::timeout(MINUTE, all).await.expect("each of them has begun").unwrap();
        // Another message goes out beside them, a large one too: it is read as it goes.
        for message in [MESSAGE, &large] {
            let message = flow.own_message(message.as_bytes()).unwrap();
            let item = Outgoing { id: flow.queue_id(), ..item.clone() };
            flow.store.commit(vec![flow.outgoing(item, message).await.unwrap()]).await.unwrap();
            flow.queue_bell.notify_one();
        }
        let taken = good.wait_for(2).await;
        assert!(taken.iter().any(|taken| taken.text == large.as_bytes()));
        running.abort();
    });
}
