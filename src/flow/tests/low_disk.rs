//! A disk that is low keeps new mail out, notes included, and keeps nobody from opening a mailbox.

use super::*;
use crate::store::Health;

#[tokio::test]
async fn the_right_pin_opens_although_nobody_can_be_told() {
    let world = World::new().await;
    let invited = world.invited().await;
    world.model.set_health(Health::NoNewMail);
    let bob = world.opens(&invited, &invited.pin).await.unwrap();
    assert_eq!(world.folder(&bob, Folder::INBOX).await.len(), 1);
    assert!(
        world.flow.sign_in("bob@example.net", secret(CHOSEN), &source(), Realm::Recipients).await.is_ok()
    );
    let notes = world.folder(&world.alice, Folder::INBOX).await;
    assert_eq!(notes.len(), 1, "the PIN; that the mailbox was opened could not be told");
}

#[tokio::test]
async fn wrong_pins_are_counted_and_end_the_invitation_although_nobody_can_be_told() {
    let world = World::new().await;
    let invited = world.invited().await;
    world.model.set_health(Health::NoNewMail);
    for left in (1..10).rev() {
        let refused = world.opens(&invited, invited.wrong_pin()).await;
        let told = matches!(refused, Err(FirstUseError::WrongPin { left: said, .. }) if said == left);
        assert!(told, "{left}: {:?}", refused.err());
    }
    let last = world.opens(&invited, invited.wrong_pin()).await;
    assert!(matches!(last, Err(FirstUseError::State(InvitationPage::Dead))), "{:?}", last.err());
    assert_eq!(world.flow.invitation_page(Some(invited.id)).await.unwrap(), InvitationPage::Dead);
}

#[tokio::test]
async fn a_report_that_could_not_be_noted_is_noted_when_it_comes_again() {
    let world = World::new().await;
    world.invited().await;
    let invitation = world.flow.store.queue(None, 100).await.unwrap()[0].id;
    let report = b"Final-Recipient: rfc822;bob@example.net\r\nAction: failed\r\nStatus: 5.1.1\r\n";
    world.model.set_health(Health::NoNewMail);
    world.flow.take_returned(invitation, report).await.unwrap_err();
    world.model.set_health(Health::Good);
    for _ in 0..2 {
        world.flow.take_returned(invitation, report).await.unwrap();
        let inbox = world.folder(&world.alice, Folder::INBOX).await;
        assert_eq!(inbox.len(), 2, "the PIN, and once that Bob cannot be reached");
        assert!(inbox[1].contains("bob@example.net"), "{}", inbox[1]);
    }
}
