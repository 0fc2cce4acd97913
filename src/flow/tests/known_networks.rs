//! Strangers do not hold an owner off where it signs in from, also not after a restart.

use super::*;
use crate::store::Health;
use crate::store::record::KnownNetwork;

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

fn from(ip: [u8; 4]) -> Source {
    Source { ip: IpAddr::from(ip), device: None }
}

/// Where Alice signed in when the world was made.
fn at_home() -> Source {
    from([192, 0, 2, 77])
}

fn elsewhere() -> Source {
    from([198, 51, 100, 1])
}

impl World {
    /// The same store and keys under flows that remember nothing.
    fn restarted(&self) -> Arc<Flow> {
        let ground = Ground {
            store: self.flow.store.clone(),
            keys: self.flow.keys.clone(),
            spools: SpoolDir::open(&self._dir.path().join("spool")).unwrap(),
            clock: self.clock.clone(),
            random: Arc::new(OsRandom),
            dns: Arc::new(Table::default()),
            password_cost: Parameters::SMALL,
        };
        Flow::new(ground, self.flow.config())
    }

    async fn networks(&self) -> Vec<KnownNetwork> {
        let record = self.flow.store.mailbox(self.alice.mailbox).await.unwrap().unwrap();
        record.networks.clone().unwrap_or_default()
    }
}

async fn signs_in(flow: &Arc<Flow>, password: &str, source: &Source) -> bool {
    match flow.sign_in("alice@example.org", secret(password), source, Realm::Everybody).await {
        Ok(_) => true,
        Err(SignInError::Wrong) => false,
        Err(why) => panic!("{why}"),
    }
}

/// Spends what strangers may try at one mailbox in a day.
async fn strangers(flow: &Arc<Flow>) {
    for n in 0..100 {
        assert!(!signs_in(flow, "no password of hers", &from([10, 7, n, 1])).await);
    }
}

#[tokio::test]
async fn a_network_stays_known_over_a_restart_for_thirty_days() {
    let world = World::new().await;
    let flow = world.restarted();
    strangers(&flow).await;
    assert!(!signs_in(&flow, PASSWORD, &elsewhere()).await, "there is no budget left");
    assert!(!signs_in(&flow, "no password of hers", &at_home()).await);
    assert!(signs_in(&flow, PASSWORD, &at_home()).await);

    // What cannot be noted keeps nobody out, and leaves the record as it is.
    world.model.set_health(Health::ReadOnly);
    for (days, known) in [(29, true), (30, false), (-29, true), (-31, false)] {
        world.clock.0.store(days * DAY, Ordering::SeqCst);
        let flow = world.restarted();
        assert!(signs_in(&flow, PASSWORD, &elsewhere()).await, "{days}");
        let flow = world.restarted();
        strangers(&flow).await;
        assert_eq!(signs_in(&flow, PASSWORD, &at_home()).await, known, "{days}");
    }
}

#[tokio::test]
async fn a_sign_in_is_noted_in_one_commit_and_a_network_once_a_day() {
    let world = World::new().await;
    let watch = world.flow.store.watch(world.alice.mailbox);
    // Seconds later, from where, commits so far, networks.
    for (later, source, commits, networks) in [
        (0, at_home(), 0, 1),
        (0, elsewhere(), 1, 2),
        (0, elsewhere(), 1, 2),
        (2 * HOUR, from([203, 0, 113, 1]), 2, 3),
        (HOUR / 2, at_home(), 2, 3),
        (DAY, at_home(), 3, 3),
        (0, at_home(), 3, 3),
        (0, elsewhere(), 4, 3),
    ] {
        world.clock.0.fetch_add(later, Ordering::SeqCst);
        assert!(signs_in(&world.flow, PASSWORD, &source).await);
        assert_eq!((*watch.borrow(), world.networks().await.len()), (commits, networks), "{source:?}");
    }
    let days = world.networks().await.into_iter().map(|network| network.last.0 % DAY);
    assert_eq!(days.collect::<Vec<_>>(), [0; 3], "the day is noted and no time of it");
}

#[tokio::test]
async fn tags_of_a_former_key_do_not_pile_up() {
    let world = World::new().await;
    let before = world.networks().await;
    let wish = ChangeWish { keep_app_passwords: false, new_key: true };
    let (alice, second) = (address("alice@example.org"), "alice likes another password");
    world.flow.change_password(&alice, secret(PASSWORD), &secret(second), wish).await.unwrap();
    assert!(signs_in(&world.flow, second, &at_home()).await);
    let after = world.networks().await;
    assert_eq!((before.len(), after.len()), (1, 1));
    assert_ne!(before[0].tag, after[0].tag);
    let flow = world.restarted();
    strangers(&flow).await;
    assert!(signs_in(&flow, second, &at_home()).await);
}
