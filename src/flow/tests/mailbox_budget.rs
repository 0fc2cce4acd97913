//! How many temporary mailboxes an account may make: what comes to nothing costs nothing, and the rest is put off.

use super::*;

#[tokio::test]
async fn what_is_refused_or_repeated_costs_nothing_and_what_is_too_much_comes_again() {
    let world = World::new().await;
    let an_hour = world.flow.config().limits.new_mailboxes_per_hour;
    let to = |number: u32| {
        let message = CONFIDENTIAL.replace("<m1@", &format!("<n{number}@"));
        (format!("n{number}@example.net"), message.replace("bob@", &format!("n{number}@")))
    };
    let (address, message) = to(0);
    let bad_pin = message.replace("X-OxGuard-PIN: 999999", "X-Guardpost-PIN: 1");
    for _ in 0..an_hour {
        let refused = world.submit(&[&address], &bad_pin).await;
        assert!(matches!(refused, Err(TakeError::Malformed(_))), "{refused:?}");
    }
    for number in 0..an_hour {
        let (address, message) = to(number);
        for _ in 0..2 {
            world.submit(&[&address], &message).await.unwrap_or_else(|why| panic!("{number}: {why}"));
        }
    }
    let (address, message) = to(an_hour);
    let put_off = world.submit(&[&address], &message).await;
    assert!(matches!(&put_off, Err(TakeError::Refused(reply)) if reply.code == 450), "{put_off:?}");
    assert!(world.flow.store.mailbox_of(&Address::parse(&address).unwrap().key()).await.unwrap().is_none());
}
