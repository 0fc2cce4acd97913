//! A message that the disk does not give out is told apart from one that was changed: nothing of it is lost, and no
//! other message is kept from its reader.

use crate::harness::House;
use crate::mail_client::Imap;
use crate::main_job::BOB;
use crate::main_job::BOBS_PASSWORD;
use crate::main_job::first_use;
use crate::main_job::invite;
use crate::main_job::letter;
use crate::plain_browser::Browser;
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

const LONG: &str = "Hemlock-1182 stays as it is.";
const PAGES: [&str; 5] = [
    "/mailbox/inbox/2",
    "/mailbox/inbox/2/body",
    "/mailbox/inbox/2/print",
    "/mailbox/inbox/2/raw",
    "/mailbox/inbox/2/reply",
];

fn bodies(house: &House) -> BTreeSet<PathBuf> {
    let files = house.data().into_iter().map(|(file, _)| PathBuf::from(file));
    files.filter(|file| file.components().any(|part| part.as_os_str() == "bodies")).collect()
}

async fn everything(bob: &mut Browser) -> String {
    let zip = bob.post("/mailbox/export", &[]).await;
    assert_eq!(zip.status, 200);
    zip.text()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_disk_keeps_back_is_not_damaged() {
    let house = House::new().await;
    let (mut bob, link, pin) = invite(&house).await;
    first_use(&mut bob, &link, &pin).await;
    let before = bodies(&house);
    let line = |number: u64| {
        format!(
            "{:032x} {LONG}\r\n",
            u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
        )
    };
    let long: String = (1..2_000).map(line).collect();
    let mut alice = house.alice_sends().await;
    for (subject, body) in [("[secure] Long", long.as_str()), ("[secure] Short", "Foxglove-5512 is here.")] {
        let reply = alice.send("alice@house.example", &[BOB], &letter(subject, body, "")).await;
        assert!(reply.is(250, "2.0.0"), "{reply:?}");
    }
    // Notices on their way are files, too, and small ones.
    let is_long = |file: &&PathBuf| fs::metadata(file).is_ok_and(|facts| facts.len() > 25_000);
    let files: Vec<_> = bodies(&house).difference(&before).filter(is_long).cloned().collect();
    assert!(!files.is_empty(), "a long message is a file");
    let mut imap = house.imap(BOB, BOBS_PASSWORD).await;
    imap.select("INBOX").await;

    // In the place of each file there is something that is none.
    let aside = |file: &PathBuf| file.with_extension("aside");
    for file in &files {
        fs::rename(file, aside(file)).unwrap();
        fs::create_dir(file).unwrap();
    }
    for path in PAGES {
        let page = bob.get(path).await;
        assert_eq!((page.status, page.header("retry-after")), (503, Some("60")), "{path}: {}", page.words());
        let words = page.words();
        assert!(
            words.contains("cannot be read at the moment") && words.contains("is not lost"),
            "{path}: {words}"
        );
        assert!(words.contains("tell House this number") && !words.contains("damaged"), "{path}: {words}");
    }
    let answer = [("to", "sender"), ("subject", "x"), ("body", "typed")];
    assert_eq!(bob.post("/mailbox/inbox/2/reply", &answer).await.status, 503);
    assert!(bob.get("/mailbox").await.words().contains("Long"), "the list needs no bodies");
    assert!(bob.get("/mailbox/inbox/3").await.words().contains("Foxglove-5512"));
    let found = bob.post("/mailbox/search", &[("q", "Foxglove-5512")]).await;
    assert_eq!(found.status, 200, "{}", found.words());
    assert!(found.words().contains("1 message found") && found.words().contains("1 message cannot be read"));
    let zip = everything(&mut bob).await;
    assert!(
        zip.contains("could not be read this time") && zip.contains("Foxglove-5512") && !zip.contains(LONG)
    );
    let [one, all, other] = fetches(&mut imap).await;
    assert!(one.contains("NO [UNAVAILABLE]") && all.contains("NO [UNAVAILABLE]"), "{one} {all}");
    assert!(other.contains("Foxglove-5512"), "{other}");
    let logged = String::from_utf8_lossy(&house.logged()).into_owned();
    assert!(logged.contains("a message cannot be read"), "its owner's administrator is told");

    for file in &files {
        fs::remove_dir(file).unwrap();
        fs::rename(aside(file), file).unwrap();
    }
    assert!(bob.get("/mailbox/inbox/2").await.words().contains(LONG), "it is back");
    assert!(everything(&mut bob).await.contains("Every message could be read"));
    assert!(fetches(&mut imap).await[0].contains(LONG));

    for file in &files {
        let mut octets = fs::read(file).unwrap();
        let middle = octets.len() / 2;
        octets[middle] ^= 1;
        fs::write(file, octets).unwrap();
    }
    let page = bob.get("/mailbox/inbox/2").await;
    assert!(
        page.words().contains("This message is damaged") && !page.words().contains(LONG),
        "{}",
        page.words()
    );
    assert!(everything(&mut bob).await.contains("These messages were damaged"));
    let [one, all, other] = fetches(&mut imap).await;
    assert!(one.contains("NO [CONTACTADMIN]") && all.contains("NO [CONTACTADMIN]"), "{one} {all}");
    assert!(other.contains("Foxglove-5512"), "{other}");
}

/// The long message, all of them, and the short one.
async fn fetches(imap: &mut Imap) -> [String; 3] {
    let mut said = Vec::new();
    for what in ["2", "1:3", "3"] {
        said.push(match imap.ask(&format!("FETCH {what} BODY.PEEK[]")).await {
            Ok(told) => String::from_utf8_lossy(&told.literals.concat()).into_owned(),
            Err(refused) => refused,
        });
    }
    said.try_into().unwrap()
}
