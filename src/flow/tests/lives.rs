//! What time and the clock do to temporary mailboxes, look by look.

use super::*;
use crate::flow::expiry;
use crate::flow::expiry::Left;
use crate::store::Health;
use crate::store::record::MailboxRecord;
use crate::store::sample;
use tokio_util::sync::CancellationToken;

const DAY: i64 = 24 * 3_600;

impl World {
    /// The record of Bob's mailbox.
    async fn bobs(&self) -> Arc<MailboxRecord> {
        let mailbox = self.flow.store.mailbox_of(&address("bob@example.net").key()).await.unwrap().unwrap();
        self.flow.store.mailbox(mailbox).await.unwrap().unwrap()
    }
}

#[tokio::test]
async fn who_was_there_under_a_clock_that_was_ahead_is_gone_after_the_usual_time() {
    let world = World::new().await;
    world.invited().await;
    let (mut worker, stop) = (expiry::Worker::new(world.flow.clone()), CancellationToken::new());
    assert_eq!(worker.look(&stop).await.unwrap(), Left::Nothing);
    world.clock.0.store(3_650 * DAY, Ordering::SeqCst);
    worker.look(&stop).await.unwrap();
    let mailbox = world.bobs().await.id;
    let at = world.clock.now();
    world.flow.store.commit(vec![Command::NoteActivity { mailbox, at, correspondent: None }]).await.unwrap();
    for hours in [1, 2] {
        world.clock.0.store(hours * 3_600, Ordering::SeqCst);
        worker.look(&stop).await.unwrap();
        assert_eq!(world.bobs().await.last_activity, at, "no clock is believed");
    }
    world.flow.accept_clock().await.unwrap();
    worker.look(&stop).await.unwrap();
    let closes = world.flow.closes(mailbox).await.unwrap().unwrap();
    let now = world.clock.now();
    assert!((now.0 + 89 * DAY..=now.0 + 90 * DAY).contains(&closes.0), "{closes}");
}

#[tokio::test]
async fn a_low_disk_keeps_warnings_back_and_no_deletion() {
    let world = World::new().await;
    let (mut worker, stop) = (expiry::Worker::new(world.flow.clone()), CancellationToken::new());
    let mut commands = vec![sample::account(1)];
    commands.extend((2..=26).map(|n| sample::temporary(n, 1)));
    commands.extend([sample::temporary(255, 1), sample::close(255, 9_000)]);
    let ran_more = 10 * DAY.unsigned_abs();
    commands.push(Command::Tick { wall: world.clock.now(), ran_more, suspend: None });
    world.flow.store.commit(commands).await.unwrap();

    world.model.set_health(Health::NoNewMail);
    let looked = worker.look(&stop).await;
    assert!(world.flow.store.mailbox(sample::mailbox(255)).await.unwrap().is_none(), "{looked:?}");
    assert_eq!(looked.unwrap(), Left::Nothing);
    assert_eq!(world.flow.store.queue(None, 99).await.unwrap().len(), 0);
    world.model.set_health(Health::Good);
    worker.look(&stop).await.unwrap();
    assert_eq!(world.flow.store.queue(None, 99).await.unwrap().len(), 25, "they go out when there is room");
}
