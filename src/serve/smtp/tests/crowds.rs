//! Many clients at once, silent, slow or in a hurry.

use super::*;

/// SI-6.
#[tokio::test]
async fn a_full_house_does_not_wait_long_for_the_silent() {
    let mut world = World::new().await;
    world.waits.stressed = Duration::from_millis(50);
    let mut before = world.mx().await;
    before.ask(OPENING).await;
    let crowd: Vec<_> = (1..=4)
        .map(|last| world.gate.admit(IpAddr::from([192, 0, 2, last]), Class::Smtp, Instant::now()).unwrap())
        .collect();
    for mut silent in [world.mx().await, before] {
        assert_eq!(silent.reply().await, "421 4.4.2 waited too long for you");
        assert!(silent.is_over().await);
    }
    drop(crowd);
    let mut patient = world.mx().await;
    patient.ask(OPENING).await;
    patient.send(ENVELOPE.as_bytes()).await;
    for _ in 0..3 {
        patient.reply().await;
    }
    assert!(patient.ask(MAIL).await.starts_with("250 2.0.0"));
}

/// The driver behind a listener and its gate, as in the appliance.
async fn behind_a_gate(world: &World, limits: GateLimits) -> (Intake, SocketAddr) {
    make_room();
    let intake =
        Intake { gate: Gate::new(limits), tasks: TaskTracker::new(), stop: CancellationToken::new() };
    let bound = bind(Service::Smtp, (Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let address = bound.address;
    let smtp = Smtp::new(world.flow.clone(), Role::Mx, Some(world.tls.clone()), intake.gate.clone());
    intake.open(bound, None, Arc::new(smtp.with_waits(world.waits)));
    (intake, address)
}

/// Sockets for both sides of a crowd, if the system lets a process have them.
fn make_room() {
    const ROOM: u64 = 8_192;
    let mut files = getrlimit(Resource::Nofile);
    let room = files.maximum.unwrap_or(ROOM).min(ROOM);
    files.current = files.current.map(|current| current.max(room));
    setrlimit(Resource::Nofile, files).unwrap();
}

/// A client that comes from an address of its own on this machine.
async fn from(source: [u8; 4], to: SocketAddr) -> Client {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((source, 0).into()).unwrap();
    let stream = socket.connect(to).await.unwrap();
    Client { stream: Stream::plain(stream).unwrap(), read: Vec::new() }
}

/// Until everybody has gone.
async fn emptied(gate: &Gate) {
    while gate.open() > 0 {
        tokio::task::yield_now().await;
    }
}

/// SI-6, with a second for 20 of the real ones: an octet now and then prolongs nothing.
#[tokio::test]
async fn four_hundred_who_dribble_do_not_keep_a_good_client_waiting() {
    let mut world = World::new().await;
    world.waits.command = Duration::from_secs(15);
    let (intake, address) = behind_a_gate(&world, GateLimits::default()).await;
    let mut dribbling = Vec::new();
    for _ in 0..400 {
        dribbling.push(from([127, 0, 0, 1], address).await);
    }
    for slow in &mut dribbling {
        assert_eq!(slow.reply().await, "220 mail.example.org ESMTP");
    }
    assert_eq!(intake.gate.open(), 400);
    let dribbling: Vec<_> = dribbling
        .into_iter()
        .map(|mut slow| {
            tokio::spawn(async move {
                // Never to its end: what comes in between is what is waited for.
                for octet in OPENING.trim_end().bytes().cycle() {
                    let sent = slow.stream.write_all(&[octet]).await;
                    if sent.is_err() || slow.stream.flush().await.is_err() {
                        break;
                    }
                    if let Ok(reply) = timeout(Duration::from_millis(500), slow.reply()).await {
                        return reply;
                    }
                }
                slow.reply().await
            })
        })
        .collect();
    let mut good = from([127, 0, 0, 1], address).await;
    good.reply().await;
    good.ask(OPENING).await;
    good.send(ENVELOPE.as_bytes()).await;
    for _ in 0..3 {
        good.reply().await;
    }
    assert!(good.ask(MAIL).await.starts_with("250 2.0.0"));
    assert!(!dribbling.iter().any(JoinHandle::is_finished), "nobody had to go for that");
    assert_eq!(world.inbox().await.len(), 1);
    assert_eq!(good.ask("QUIT\r\n").await, "221 2.0.0 bye");
    for slow in dribbling {
        assert_eq!(slow.await.unwrap(), "421 4.4.2 waited too long for you");
    }
    emptied(&intake.gate).await;
    assert!(!intake.gate.stressed());
}

/// A client among many: the last answer it got. Who does not end its message hangs up in the middle.
async fn part_of_a_flood(source: [u8; 4], address: SocketAddr, ends: bool) -> String {
    let mut client = from(source, address).await;
    let mut answer = client.reply().await;
    if !answer.starts_with("220") {
        return answer;
    }
    let second = from(source, address).await.reply().await;
    assert!(second.starts_with("421 4.7.0 too many"), "{second}");
    client.ask(OPENING).await;
    client.send(ENVELOPE.as_bytes()).await;
    for _ in 0..3 {
        answer = client.reply().await;
    }
    match (answer.starts_with("354"), ends) {
        (true, true) => client.ask(MAIL).await,
        (true, false) => {
            client.send(MAIL.get(..20).unwrap().as_bytes()).await;
            answer
        }
        (false, _) => answer,
    }
}

/// SI-15.
#[tokio::test]
async fn a_flood_over_every_limit_is_answered_and_leaves_nothing_behind() {
    const SOURCES: u8 = 200;
    const EACH: usize = 50;
    let room = "limits = { message_size = \"1 MiB\", plaintext_memory = \"1 MiB\" }";
    let world = World::with(room).await;
    let limits = GateLimits {
        connections: 24,
        smtp_per_address: 1,
        exempt: Vec::new(),
        new_per_minute: 1_000_000,
        ..GateLimits::default()
    };
    let most = limits.connections;
    let (intake, address) = behind_a_gate(&world, limits).await;
    let flood: Vec<_> = (0..SOURCES)
        .map(|source| {
            let gate = intake.gate.clone();
            tokio::spawn(async move {
                let (mut taken, mut refused) = (0, 0);
                for number in 0..EACH {
                    let source = [127, 1, source % 8, source];
                    let answer = part_of_a_flood(source, address, number % 10 == 0).await;
                    assert!(gate.open() <= most);
                    match answer.get(..3) {
                        Some("250") => taken += 1,
                        Some("421" | "452") => refused += 1,
                        Some("354") => {}
                        other => panic!("{other:?}: {answer}"),
                    }
                }
                (taken, refused)
            })
        })
        .collect();
    let (mut taken, mut refused) = (0, 0);
    for client in flood {
        let (more, fewer) = client.await.unwrap();
        taken += more;
        refused += fewer;
    }
    assert!(taken > 0 && refused > 0, "{taken} taken, {refused} refused");
    emptied(&intake.gate).await;
    assert!(world.flow.plaintext_room(1 << 20).is_some(), "all room for messages is free again");
    let mut after = from([127, 1, 0, 0], address).await;
    after.reply().await;
    after.ask(OPENING).await;
    after.send(ENVELOPE.as_bytes()).await;
    for _ in 0..3 {
        after.reply().await;
    }
    assert!(after.ask(MAIL).await.starts_with("250 2.0.0"));
    assert_eq!(world.stored().await, taken + 1, "what was acknowledged is there, and nothing else");
}
