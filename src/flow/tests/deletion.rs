//! `mailbox delete` where an address has several: said again, it takes no other one than was looked at.

use super::*;
use crate::flow::accounts::AdminError;
use crate::openpgp::fingerprint_text;
use crate::policy::life::State;

#[tokio::test]
async fn said_again_it_deletes_no_other_mailbox() {
    let world = World::new().await;
    let (flow, bob) = (&world.flow, address("bob@example.net"));
    let closed = world.bob().await.mailbox;
    let now = world.clock.now();
    let close = Command::CloseMailbox { mailbox: closed, now, not_active_since: now };
    flow.store.commit(vec![close]).await.unwrap();
    world.submit(&["bob@example.net"], &CONFIDENTIAL.replace("<m1@", "<m2@")).await.unwrap();
    let found = flow.mailboxes_at(&bob).await.unwrap();
    assert_eq!((found.len(), found[1].id), (2, closed), "a new one, and the closed one");

    let fingerprint = fingerprint_text(&found[0].certificate.0);
    flow.delete_mailbox(&bob, Some(&fingerprint)).await.unwrap();
    let again = flow.delete_mailbox(&bob, Some(&fingerprint)).await;
    assert!(matches!(again, Err(AdminError::OtherMailbox(_))), "{again:?}");
    assert_eq!(flow.mailboxes_at(&bob).await.unwrap()[0].id, closed, "the closed one is still there");

    let (state, left) = flow.delete_mailbox(&bob, None).await.unwrap();
    assert_eq!((state, left.len()), (State::Closed, 0), "without it, whichever is the first");
}
