//! A disk that is low keeps new mail out, notes included, and keeps nobody from opening a mailbox.

use super::*;
use crate::store::Health;

const CHOSEN: &str = "bob chose this one";

impl World {
    /// The link and the PIN of Bob's invitation.
    async fn invited(&self) -> (InvitationId, String, String) {
        self.submit(&["bob@example.net"], CONFIDENTIAL).await.unwrap();
        let sent = self.folder(&self.alice, Folder::SENT).await;
        let pin = field(&sent[0], "X-OxGuard-PIN").unwrap().to_owned();
        let (id, token) = link(&self.queue().await[0].1);
        (id, token, pin)
    }
}

fn wrong(pin: &str) -> &'static str {
    if pin == "135790" { "246813" } else { "135790" }
}

#[tokio::test]
async fn the_right_pin_opens_although_nobody_can_be_told() {
    let world = World::new().await;
    let (id, token, pin) = world.invited().await;
    world.model.set_health(Health::NoNewMail);
    let bob = world.flow.first_use(Some(id), form(&token, &pin, CHOSEN)).await.unwrap();
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
    let (id, token, pin) = world.invited().await;
    world.model.set_health(Health::NoNewMail);
    for left in (1..10).rev() {
        let refused = world.flow.first_use(Some(id), form(&token, wrong(&pin), CHOSEN)).await;
        let told = matches!(refused, Err(FirstUseError::WrongPin { left: said, .. }) if said == left);
        assert!(told, "{left}: {:?}", refused.err());
    }
    let last = world.flow.first_use(Some(id), form(&token, wrong(&pin), CHOSEN)).await;
    assert!(matches!(last, Err(FirstUseError::State(InvitationPage::Dead))), "{:?}", last.err());
    assert_eq!(world.flow.invitation_page(Some(id)).await.unwrap(), InvitationPage::Dead);
}
