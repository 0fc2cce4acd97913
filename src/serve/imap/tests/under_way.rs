//! A FETCH or SEARCH under way: what ends it, whom it holds up, and what it leaves behind.

use super::*;
use crate::imap::flags::Flags;
use crate::imap::search::Query;
use crate::imap::view::Row;
use crate::serve::imap::search::search_page;
use tokio::time::Instant;

/// How many messages lie in the INBOX, octets enough that no socket holds them.
const MANY: usize = 64;

/// A world with many large messages, and a client that has them open.
async fn many_large() -> (World, Client, JoinHandle<()>) {
    let world = World::new().await;
    let mut large = MAIL.as_bytes().to_vec();
    large.extend((0..60_000).flat_map(|n| format!("line {n:05}\r\n").into_bytes()));
    world.deliver(&large).await;
    let (mut client, served) = world.connect(true).await;
    client.ask(LOGIN).await;
    client.ask("SELECT INBOX").await;
    let mut count = 1;
    while count < MANY {
        assert!(client.ask("COPY 1:* INBOX").await.last().unwrap().starts_with("t OK"));
        count *= 2;
    }
    assert_eq!(client.ask("NOOP").await.last().unwrap(), "t OK nothing done");
    (world, client, served)
}

/// Everything that still comes, but only the end of it.
async fn the_end(client: &mut Client) -> String {
    while client.more().await {
        let before = client.read.len().saturating_sub(2_000);
        client.read.drain(..before);
    }
    String::from_utf8_lossy(&client.read).into_owned()
}

#[tokio::test]
async fn it_ends_when_its_session_does() {
    for why in ["the server stops", "the owner ends it", "the password changes"] {
        for command in ["FETCH 1:* BODY.PEEK[]", "FETCH 1:* BODY[]", "FETCH 1 (MANY)"] {
            let (world, mut client, served) = many_large().await;
            let parts: Vec<String> = (0..MANY).map(|n| format!("BODY.PEEK[]<{n}.900000>")).collect();
            let command = command.replace("MANY", &parts.join(" "));
            client.send(format!("t {command}\r\n").as_bytes()).await;
            assert!(client.line().await.starts_with("* 1 FETCH (BODY[]"));
            let alice = address("alice@example.org");
            match why {
                "the server stops" => world.stop.cancel(),
                "the owner ends it" => {
                    let mailbox = world.flow.store.mailbox_of(&alice.key()).await.unwrap().unwrap();
                    world.flow.visits.end_all(mailbox);
                }
                _ => {
                    let old = Secret::new(PASSWORD.to_owned());
                    let new = Secret::new("alice likes longer ones".to_owned());
                    world.flow.change_password(&alice, old, &new, ChangeWish::default()).await.unwrap();
                }
            }
            let end = the_end(&mut client).await;
            assert!(!end.contains("t OK fetched"), "{why}, and {command} goes on");
            if let Some((before, _)) = end.split_once("* BYE") {
                assert!(before.ends_with(")\r\n"), "{why}: last words inside what {command} tells");
            }
            served.await.unwrap();
        }
    }
}

#[tokio::test]
async fn only_what_was_written_is_seen() {
    let (world, mut client, served) = many_large().await;
    client.send(b"t FETCH 1:* BODY[]\r\n").await;
    for _ in 0..2 {
        let line = client.line().await;
        let size = line.rsplit_once('{').and_then(|(_, size)| size.strip_suffix('}')?.parse().ok());
        client.octets(size.unwrap_or_else(|| panic!("{line}"))).await;
        assert_eq!(client.line().await, ")");
    }
    drop(client);
    served.await.unwrap();
    let mut other = world.signed_in().await;
    other.ask("SELECT INBOX").await;
    let seen = other.ask("SEARCH SEEN").await[0].split(' ').skip(2).count();
    assert!((1..MANY).contains(&seen), "{seen} are seen");
    let told = other.ask(&format!("UID FETCH {MANY} BODY[TEXT]<0.1>")).await;
    assert_eq!(told[2], format!("* {MANY} FETCH (UID {MANY} FLAGS (\\Seen))"), "{told:?}");
}

#[tokio::test]
async fn a_search_gives_others_a_turn_and_has_so_many_keys() {
    let world = World::new().await;
    let (password, ip) = (Secret::new(PASSWORD.to_owned()), IpAddr::from([192, 0, 2, 1]));
    let (mut mailbox, _) = Mailbox::sign_in(&world.imap, ip, "alice@example.org", password).await.unwrap();
    let rows = [Row { number: 1, uid: 1, flags: Flags::default() }];
    let (query, until, mut found) = (Query::Keyword("a".into()), Instant::now(), Vec::new());
    tokio::select! {
        biased;
        _ = search_page(&mut mailbox, Folder::INBOX, &query, &rows, until, &mut found) => {
            panic!("nobody else had a turn")
        }
        () = std::future::ready(()) => {}
    }

    let mut client = world.signed_in().await;
    client.ask("SELECT INBOX").await;
    let keys = |count| format!("SEARCH {}", "UNKEYWORD a ".repeat(count).trim_end());
    assert_eq!(client.ask(&keys(256)).await, ["* SEARCH", "t OK searched"]);
    assert_eq!(client.ask(&keys(257)).await, ["t NO [LIMIT] at most 256 keys in one SEARCH"]);
}
