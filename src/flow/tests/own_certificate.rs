//! A certificate of an account's own that has ended, or is not valid yet, keeps no mail away.

use super::*;
use crate::openpgp::generate::generate_for;
use crate::store::record::Fingerprint;
use crate::store::record::KeyRecord;
use std::fs;
use std::path::Path;

const DAY: Duration = Duration::from_secs(24 * 3_600);

impl World {
    /// Alice, whose own certificate ends in a month.
    async fn with_own_certificate() -> Self {
        let world = Self::new().await;
        let made = generate_for(&address("alice@example.org"), world.flow.clock.now(), 30 * DAY).unwrap();
        let armored = crate::openpgp::export::certificate(&made.parsed).unwrap();
        let alice = address("alice@example.org");
        world.flow.import_own_certificate(&alice, armored.into_bytes()).await.unwrap();
        world
    }

    fn set_forward(&self, seconds: i64) {
        self.clock.0.fetch_add(seconds, Ordering::SeqCst);
    }

    async fn arrives(&self, to: &[&str], message: &str) -> Result<(), TakeError> {
        self.flow.take_in(self.arrived(Some("x@example.net"), to, message)).await.map(drop)
    }
}

fn files(dir: &Path) -> usize {
    let entries = fs::read_dir(dir).map(|entries| entries.flatten().collect()).unwrap_or_else(|_| Vec::new());
    entries.iter().map(|entry| if entry.path().is_dir() { files(&entry.path()) } else { 1 }).sum()
}

#[tokio::test]
async fn mail_goes_on_when_an_own_certificate_has_ended_or_the_clock_goes_back() {
    let month = 30 * 24 * 3_600;
    for clock in [month + 1, -month] {
        let world = World::with_own_certificate().await;
        world
            .flow
            .add_account(&address("dave@example.org"), &secret("dave has one too, longer"))
            .await
            .unwrap();
        world.set_forward(clock);
        let mail = "From: x@example.net\r\nTo: alice@example.org\r\nSubject: hello\r\n\r\nhello marker\r\n";
        world.arrives(&["alice@example.org", "dave@example.org"], mail).await.unwrap();
        let inbox = world.folder(&world.alice, Folder::INBOX).await;
        assert_eq!(inbox.len(), 1, "{clock}");
        assert!(inbox[0].contains("multipart/encrypted") && !inbox[0].contains("marker"), "{}", inbox[0]);
        world
            .submit(&["dave@example.org"], &CONFIDENTIAL.replace("bob@example.net", "dave@example.org"))
            .await
            .unwrap();
        assert_eq!(world.folder(&world.alice, Folder::SENT).await.len(), 1, "{clock}: she writes too");
    }
}

#[tokio::test]
async fn whom_such_an_account_invited_opens_the_mailbox() {
    let world = World::new().await;
    let invited = world.invited().await;
    let made = generate_for(&address("alice@example.org"), world.flow.clock.now(), DAY).unwrap();
    let armored = crate::openpgp::export::certificate(&made.parsed).unwrap();
    let alice = address("alice@example.org");
    world.flow.import_own_certificate(&alice, armored.into_bytes()).await.unwrap();
    world.set_forward(2 * 24 * 3_600);
    world.opens(&invited, &invited.pin).await.unwrap();
    let notes = world.folder(&world.alice, Folder::INBOX).await;
    assert_eq!(notes.len(), 2, "the PIN, opened");
}

#[tokio::test]
async fn a_copy_that_cannot_be_sealed_leaves_none_of_the_others_behind() {
    let world = World::new().await;
    let dave = address("dave@example.org");
    world.flow.add_account(&dave, &secret("dave has one too, longer")).await.unwrap();
    let mailbox = world.flow.store.mailbox_of(&dave.key()).await.unwrap().unwrap();
    let broken = KeyRecord {
        fingerprint: Fingerprint(vec![7; 20]),
        certificate: b"no certificate".to_vec(),
        wrapped_secret: None,
        created: world.flow.clock.now(),
    };
    world.flow.store.commit(vec![Command::PutOwnCertificate { mailbox, key: broken }]).await.unwrap();
    let line = "a line of a message that is too large to lie in its record\r\n";
    let mail = format!("From: x@example.net\r\nSubject: large\r\n\r\n{}", line.repeat(1_000));
    let refused = world.arrives(&["alice@example.org", "dave@example.org"], &mail).await;
    assert!(matches!(refused, Err(TakeError::Internal(_))), "{refused:?}");
    let bodies = world._dir.path().join("bodies");
    assert_eq!(files(&bodies), 0, "the copy that was sealed for alice goes");
    world.arrives(&["alice@example.org"], &mail).await.unwrap();
    assert_eq!(files(&bodies), 1);
}
