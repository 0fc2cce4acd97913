//! Test messages to a recipient's own key fill no queue, however often their button is pressed.

use super::*;
use crate::flow::direct::DirectError;

impl World {
    async fn with_bob(&self) -> Arc<Unlocked> {
        let bob = self.bob().await;
        self.empty_the_queue().await;
        bob
    }

    async fn empty_the_queue(&self) {
        for record in self.flow.store.queue(None, 100).await.unwrap() {
            self.flow.store.commit(vec![Command::CancelQueued { queue: record.id }]).await.unwrap();
        }
    }

    async fn tries(&self, bob: &Unlocked) -> Result<(), DirectError> {
        self.flow.try_key(bob, None, "post.example.org", Language::En).await.map(drop)
    }
}

#[tokio::test]
async fn one_waits_in_the_queue_and_so_many_go_out_in_a_day() {
    let world = World::new().await;
    let bob = world.with_bob().await;
    world.tries(&bob).await.unwrap();
    let again = world.tries(&bob).await;
    assert!(matches!(again, Err(DirectError::Often)), "{again:?}");
    assert_eq!(world.queue().await.len(), 1);
    let a_day = world.flow.config().limits.notices_per_day;
    for number in 2..=a_day {
        world.empty_the_queue().await;
        world.tries(&bob).await.unwrap_or_else(|why| panic!("{number}: {why}"));
    }
    world.empty_the_queue().await;
    // A right sign-in is no way around.
    world.flow.sign_in("bob@example.net", secret(CHOSEN), &source(), Realm::Recipients).await.unwrap();
    let enough = world.tries(&bob).await;
    assert!(matches!(enough, Err(DirectError::Often)), "{enough:?}");
    world.clock.0.fetch_add(24 * 3_600, Ordering::SeqCst);
    world.tries(&bob).await.unwrap();
}
