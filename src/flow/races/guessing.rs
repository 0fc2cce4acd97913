//! What guessing is worth: as much as was reckoned, however many guess at the same time.

use super::*;
use crate::vault::pin::Pin;

/// The same numbers in every run.
struct Lot(u64);

impl Lot {
    fn below(&mut self, end: usize) -> usize {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % end as u64) as usize
    }

    fn shuffled(&mut self, pins: &[String]) -> Vec<String> {
        let mut pins = pins.to_vec();
        for at in (1..pins.len()).rev() {
            pins.swap(at, self.below(at + 1));
        }
        pins
    }
}

impl World {
    /// A mailbox whose PIN is this one.
    async fn invited(&self, to: &str, pin: &str) -> Link {
        let subject = format!("[secure]\r\nX-Guardpost-PIN: {pin}");
        let message = arrived(&self.flow, "alice@example.org", to, &subject, to);
        self.flow.submit(&self.alice, message).await.unwrap();
        let link = self.link(&self.alice, to).await.unwrap();
        assert_eq!(link.pin, pin);
        link
    }

    async fn guess(&self, link: &Link, pin: &str, from: usize) -> Result<Arc<Unlocked>, FirstUseError> {
        self.flow.first_use(Some(link.id), form(&link.token, pin, PASSWORD, from)).await
    }
}

/// The good PINs of which the first two digits are known: as if a PIN had two digits.
fn two_digit_pins() -> Vec<String> {
    let all = (0..100).map(|pin| format!("47{pin:02}"));
    all.filter(|pin| Pin::choose(pin, &[]).is_ok()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn ten_guesses_open_as_many_as_was_reckoned() {
    const MAILBOXES: usize = 300;
    let world = World::new(true).await;
    let pins = two_digit_pins();
    let mut lot = Lot(7);
    let (mut opened, mut dead) = (0, 0);
    for number in 0..MAILBOXES {
        let pin = pins[lot.below(pins.len())].clone();
        let link = world.invited(&format!("bob{number}@example.net"), &pin).await;
        // A hundred guesses, of which ten are heard.
        for (n, guess) in lot.shuffled(&pins).iter().enumerate() {
            match world.guess(&link, guess, number * 100 + n).await {
                Ok(_) => {
                    assert_eq!(*guess, pin);
                    opened += 1;
                    break;
                }
                Err(FirstUseError::WrongPin { left, .. }) => assert_eq!(usize::from(left), 9 - n),
                Err(FirstUseError::State(_)) => {
                    assert_eq!(n, 9, "the tenth guess is the last");
                    dead += 1;
                    break;
                }
                Err(other) => panic!("{other}"),
            }
        }
    }
    assert_eq!(opened + dead, MAILBOXES);
    let chance = 10.0 / pins.len() as f64;
    let (expected, spread) = (MAILBOXES as f64 * chance, (MAILBOXES as f64 * chance * (1.0 - chance)).sqrt());
    println!(
        "{} PINs, {MAILBOXES} mailboxes: {opened} opened, {expected:.1} ± {spread:.1} reckoned",
        pins.len()
    );
    assert!((opened as f64 - expected).abs() < 3.0 * spread);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fifty_guesses_at_once_are_ten_at_most() {
    let world = Arc::new(World::new(true).await);
    for round in 0..10 {
        let to = format!("bob{round}@example.net");
        let link = Arc::new(world.invited(&to, "480275").await);
        let (mut wrong, mut dead) = (0, 0);
        // Those for whom there was no room come again; a guess that was not heard costs no try.
        let mut guesses: Vec<usize> = (0..50).collect();
        while !guesses.is_empty() {
            let all: Vec<_> = guesses
                .iter()
                .map(|n| {
                    let (world, link, n) = (world.clone(), link.clone(), *n);
                    tokio::spawn(async move {
                        let pin = format!("5390{n:02}");
                        (n, world.guess(&link, &pin, round * 100 + n).await)
                    })
                })
                .collect();
            guesses.clear();
            for guess in all {
                match guess.await.unwrap() {
                    (_, Err(FirstUseError::WrongPin { .. })) => wrong += 1,
                    (_, Err(FirstUseError::State(_))) => dead += 1,
                    (n, Err(FirstUseError::Busy { .. })) => guesses.push(n),
                    (_, other) => panic!("{:?}", other.err()),
                }
            }
        }
        assert_eq!((wrong, dead), (9, 41), "nine were told wrong, the tenth and all others dead");
        let tries = world.flow.store.invitation(link.id).await.unwrap().unwrap().tries;
        assert_eq!(tries, 10);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fifty_sign_ins_at_once_are_five_at_most() {
    let world = Arc::new(World::new(true).await);
    for round in 1..10 {
        let all: Vec<_> = (0..50)
            .map(|n| {
                let world = world.clone();
                tokio::spawn(async move {
                    world.sign_in("alice@example.org", &format!("a wrong password, no {n}"), round).await
                })
            })
            .collect();
        let (mut wrong, mut paused) = (0, 0);
        for guess in all {
            match guess.await.unwrap() {
                Err(SignInError::Wrong) => wrong += 1,
                Err(SignInError::Paused { .. }) => paused += 1,
                other => panic!("{:?}", other.err()),
            }
        }
        assert_eq!((wrong, paused), (5, 45), "the network's budget, and not one more");
    }
    // An office behind one address that types its passwords right is not held up.
    let all: Vec<_> = (0..16)
        .map(|n| {
            let world = world.clone();
            let who = if n % 2 == 0 { "alice@example.org" } else { "carol@example.org" };
            tokio::spawn(async move { world.sign_in(who, PASSWORD, 700).await })
        })
        .collect();
    for entered in all {
        assert!(entered.await.unwrap().is_ok());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn strangers_do_not_lock_out_a_known_device() {
    let world = World::new(true).await;
    let to = "bob@example.net";
    world.submit(&world.alice, to, "[secure]", "a").await.unwrap();
    let link = world.link(&world.alice, to).await.unwrap();
    let bob = world.first_use(&link, PASSWORD, 1).await.unwrap();
    let device = Some(world.flow.device_cookie(&bob).expose().clone());
    for stranger in 0..200 {
        assert!(world.sign_in(to, SECOND, 1_000 + stranger).await.is_err());
    }
    assert!(world.sign_in(to, PASSWORD, 5_000).await.is_err(), "the mailbox's day is used up for strangers");
    let known = Source { device, ..source(5_001) };
    assert!(world.flow.sign_in(to, secret(PASSWORD), &known, Realm::Recipients).await.is_ok());
    for _ in 0..30 {
        assert!(world.flow.sign_in(to, secret(SECOND), &known, Realm::Recipients).await.is_err());
    }
    let elsewhere = Source { ip: source(5_002).ip, ..known };
    let spent = world.flow.sign_in(to, secret(PASSWORD), &elsewhere, Realm::Recipients).await;
    assert!(
        spent.is_ok(),
        "the network of the device paused long before the device's own budget was used up"
    );
}
