//! A client's own copy of what it sent: the same one is kept once, and nothing else is ever thrown away.

use super::*;
use crate::flow::append::Appended;
use crate::store::command_part::FlagChange;
use crate::store::record::Flags;

impl World {
    async fn puts_into_sent(&self, message: &str) -> Appended {
        let Arrived { spool, structure, .. } = self.arrived(None, &[], message);
        let append = self.flow.append(&self.alice, Folder::SENT, Flags::default(), None, spool, &structure);
        append.await.unwrap()
    }
}

#[tokio::test]
async fn the_copy_of_a_submission_is_kept_once() {
    let world = World::new().await;
    world.submit(&["bob@example.net"], CONFIDENTIAL).await.unwrap();
    let folded = CONFIDENTIAL.replace("merger marker", "merger\r\n\tmarker").replace("03:33:13", "03:33:15");
    for copy in [
        CONFIDENTIAL.to_owned(),
        format!("X-Mozilla-Status: 0001\r\nBcc: dave@example.org\r\n{folded}\r\n"),
        CONFIDENTIAL.trim_end().to_owned(),
    ] {
        let appended = world.puts_into_sent(&copy).await;
        assert_eq!((appended.uid, appended.fresh), (Uid(1), false), "{copy}");
    }
    assert_eq!(world.folder(&world.alice, Folder::SENT).await.len(), 1);
}

#[tokio::test]
async fn a_copy_that_says_something_else_is_kept() {
    let world = World::new().await;
    world.submit(&["bob@example.net"], CONFIDENTIAL).await.unwrap();
    let edited = [
        CONFIDENTIAL.replace("body marker", "body edited"),
        CONFIDENTIAL.replace("merger marker", "merger edited"),
        CONFIDENTIAL.replace("To: bob@", "To: carl@"),
        CONFIDENTIAL.replace("Subject:", "Content-Type: text/html\r\nSubject:"),
    ];
    for (number, copy) in (2..).zip(edited) {
        for fresh in [true, false] {
            let appended = world.puts_into_sent(&copy).await;
            assert_eq!((appended.uid, appended.fresh), (Uid(number), fresh), "{copy}");
        }
        assert_eq!(world.folder(&world.alice, Folder::SENT).await.last().unwrap(), &copy);
    }
}

#[tokio::test]
async fn a_copy_takes_the_place_of_one_that_is_about_to_be_expunged() {
    let world = World::new().await;
    world.submit(&["bob@example.net"], CONFIDENTIAL).await.unwrap();
    let (mailbox, folder) = (world.alice.mailbox, Folder::SENT);
    let mark = Command::SetFlags {
        mailbox,
        folder,
        uids: vec![Uid(1)],
        change: FlagChange::Add,
        flags: Flags { deleted: true, ..Flags::default() },
    };
    world.flow.store.commit(vec![mark]).await.unwrap();
    assert!(world.puts_into_sent(CONFIDENTIAL).await.fresh);
    world.flow.store.commit(vec![Command::Expunge { mailbox, folder, uids: None }]).await.unwrap();
    assert_eq!(world.folder(&world.alice, Folder::SENT).await, [CONFIDENTIAL]);
    assert!(!world.puts_into_sent(CONFIDENTIAL).await.fresh);
}
