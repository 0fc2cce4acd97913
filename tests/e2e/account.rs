//! The later life of an account as its mail programs, its recipients and its administrator meet it.

use crate::harness::House;
use crate::harness::PASSWORD;
use crate::mail_client::Imap;
use crate::mail_client::Smtp;
use crate::mail_client::field;
use crate::main_job::BOB;
use crate::main_job::first_use;
use crate::main_job::invite;
use crate::main_job::letter;
use crate::patience::until;
use guardpost::base::address::Address;
use guardpost::base::secret::Secret;
use guardpost::flow::account_keys::ChangeWish;
use guardpost::net::listen::Service;
use guardpost::store::command::Command;
use guardpost::store::record::MailboxKind;

const ALICE: &str = "alice@house.example";
const SECOND: &str = "four brown mules, two barns";

fn secret(text: &str) -> Secret<String> {
    Secret::new(text.to_owned())
}

fn alice() -> Address {
    Address::parse(ALICE).unwrap()
}

/// Alice's programs: one in IDLE, one between two commands, one that sends.
async fn programs(house: &House) -> (Imap, Imap, Smtp) {
    let (mut idling, mut busy) = (house.alice_reads().await, house.alice_reads().await);
    idling.select("INBOX").await;
    busy.select("INBOX").await;
    idling.put(b"i IDLE\r\n").await;
    assert!(idling.line().await.unwrap().starts_with('+'));
    (idling, busy, house.alice_sends().await)
}

/// None of them says anything; all are told.
async fn assert_ended((mut idling, mut busy, mut sending): (Imap, Imap, Smtp)) {
    for imap in [&mut idling, &mut busy] {
        let said = imap.line().await.unwrap();
        assert!(said.starts_with("* BYE "), "{said}");
        assert_eq!(imap.line().await, None);
    }
    let reply = sending.reply().await;
    assert!(reply.is(421, "4.7.0"), "{reply:?}");
    assert!(sending.is_closed().await);
}

async fn opens(house: &House, password: &str) -> bool {
    let mut imap = Imap::connect(house.port(Service::Imaps)).await;
    let mut smtp = Smtp::connect(house.port(Service::Submissions), true).await;
    let (reads, sends) =
        (imap.sign_in(ALICE, password).await.is_ok(), smtp.sign_in(ALICE, password).await.code == 235);
    assert_eq!(reads, sends);
    reads
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_a_reset_and_a_removal_end_everything_at_once() {
    let house = House::new().await;
    // The cache knows the old password now; it must forget it.
    assert!(opens(&house, PASSWORD).await);
    let open = programs(&house).await;
    let wish = ChangeWish::default();
    house.flow().change_password(&alice(), secret(PASSWORD), &secret(SECOND), wish).await.unwrap();
    assert_ended(open).await;
    assert!(!opens(&house, PASSWORD).await, "the old password is nothing, the cache too");
    assert!(opens(&house, SECOND).await);

    let back = ChangeWish { new_key: true, ..wish };
    house.flow().change_password(&alice(), secret(SECOND), &secret(PASSWORD), back).await.unwrap();
    let open = programs(&house).await;
    house.flow().reset_account(&alice(), &secret(SECOND)).await.unwrap();
    assert_ended(open).await;
    assert!(!opens(&house, PASSWORD).await);
    assert!(opens(&house, SECOND).await);

    house.flow().reset_account(&alice(), &secret(PASSWORD)).await.unwrap();
    let open = programs(&house).await;
    house.flow().remove_mailbox(&alice(), MailboxKind::Account).await.unwrap();
    assert_ended(open).await;
    assert!(!opens(&house, PASSWORD).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_cache_nothing_is_kept() {
    let house = House::with(crate::peer::Plan::default(), "[accounts]\nsign_in_cache = \"0\"\n").await;
    assert!(opens(&house, PASSWORD).await && opens(&house, PASSWORD).await);
    let record = house.flow().mailbox_at(&alice(), MailboxKind::Account).await.unwrap();
    let password = guardpost::vault::password::Password::parse(PASSWORD).unwrap();
    let now = guardpost::base::time::Clock::running(&*house.clock);
    assert!(house.flow().sign_in_cache.recall(&record, &password, now).is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_reset_old_mail_is_listed_new_mail_is_read_and_invitations_still_open() {
    let house = House::new().await;
    let (mut bob, link, pin) = invite(&house).await;
    house.flow().reset_account(&alice(), &secret(SECOND)).await.unwrap();

    let mut smtp = Smtp::connect(house.port(Service::Smtp), false).await;
    let arrives = letter("after the reset", "new marker", "");
    assert!(smtp.send("x@far.example", &[ALICE], &arrives).await.is(250, "2.0.0"));
    let mut imap = house.imap(ALICE, SECOND).await;
    assert_eq!(imap.select("INBOX").await, 2, "the PIN from before, the mail from after");
    let listed = imap.ask("FETCH 1:2 (UID FLAGS INTERNALDATE RFC822.SIZE)").await.unwrap();
    assert_eq!(listed.lines.len(), 2, "{listed:?}");
    for items in ["BODY.PEEK[]", "(ENVELOPE BODYSTRUCTURE)", "BODY.PEEK[HEADER.FIELDS (SUBJECT)]"] {
        let refused = imap.ask(&format!("FETCH 1 {items}")).await.unwrap_err();
        assert!(refused.starts_with("NO [CONTACTADMIN]"), "{items}: {refused}");
    }
    assert!(imap.message(2).await.contains("new marker"));
    let found = imap.ask("SEARCH TEXT marker").await.unwrap();
    assert_eq!(found.lines, ["* SEARCH 2"]);

    // Who was invited before is not harmed.
    first_use(&mut bob, &link, &pin).await;
    let page = bob.get("/mailbox").await;
    assert_eq!(page.status, 200);
    assert_eq!(imap.select("INBOX").await, 3);
    assert!(imap.message(3).await.contains(BOB), "Alice is told that it was opened");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_was_reset_cannot_tell_again_until_it_is_reopened() {
    let house = House::new().await;
    invite(&house).await;
    house.flow().reset_account(&alice(), &secret(SECOND)).await.unwrap();
    let mut smtp = house.submission(ALICE, SECOND).await;
    let more = letter("[secure] more", "x", "Message-ID: <more.1@house.example>\r\n");
    let refused = smtp.send(ALICE, &[BOB], &more).await;
    assert!(refused.is(554, "5.7.1"), "{refused:?}");
    assert_eq!(house.world.wait_for(1).await.len(), 1, "nothing of it went out");
    house.flow().reopen_account(&alice(), secret(PASSWORD), secret(SECOND)).await.unwrap();
    let mut smtp = house.submission(ALICE, SECOND).await;
    let taken = smtp.send(ALICE, &[BOB], &more).await;
    assert!(taken.is(250, "2.0.0"), "{taken:?}");
    assert_eq!(house.world.wait_for(2).await.len(), 2, "the link, once more");
    let mut imap = house.imap(ALICE, SECOND).await;
    let inbox = imap.messages("INBOX").await;
    assert_eq!(inbox.len(), 2, "old and new, all of it readable");
    assert!(inbox.iter().all(|note| field(note, "Subject").is_some()));
}

/// Whoever has every octet of the disk from now on, and the old password: what opened with it has no key any more.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_change_drops_is_nowhere_on_the_disk() {
    let mut house = House::new().await;
    let slots = |house: &House| {
        let (flow, address) = (house.flow().clone(), alice());
        async move {
            let record = flow.mailbox_at(&address, MailboxKind::Account).await.unwrap();
            let mut keys = Vec::new();
            for slot in record.all_slots() {
                keys.push(*flow.store.shred_key(slot.shred).await.unwrap().unwrap().expose());
            }
            keys
        }
    };
    let holds = |house: &House, key: &[u8; 32]| {
        house.data().iter().any(|(_, octets)| octets.windows(32).any(|window| window == key))
    };
    let first = slots(&house).await;
    assert!(first.len() == 1 && holds(&house, &first[0]), "it can be found");
    let wish = ChangeWish { new_key: true, ..ChangeWish::default() };
    house.flow().change_password(&alice(), secret(PASSWORD), &secret(SECOND), wish).await.unwrap();
    let second = slots(&house).await;
    assert!(!holds(&house, &first[0]) && holds(&house, &second[0]));
    house.flow().reset_account(&alice(), &secret(PASSWORD)).await.unwrap();
    let both = slots(&house).await;
    assert!(both.len() == 2 && both.iter().all(|key| holds(&house, key)), "shut with all its slots");
    house.stop().await;
    house.clock.pass(guardpost::flow::account_keys::REOPENABLE + std::time::Duration::from_secs(60));
    house.start().await;
    let ran_more = 2 * guardpost::flow::account_keys::REOPENABLE.as_secs();
    let tick = Command::Tick { wall: house.flow().clock.now(), ran_more, suspend: None };
    house.flow().store.commit(vec![tick]).await.unwrap();
    // The appliance's own round may come first, and still be at it.
    house.flow().destroy_shut_generations().await.unwrap();
    let destroyed = async || Some(slots(&house).await).filter(|left| left.len() == 1);
    let left = until("what was shut goes", destroyed).await;
    let gone: Vec<_> = both.iter().filter(|key| !left.contains(key)).collect();
    assert!(gone.len() == 1 && holds(&house, &left[0]));
    let nowhere = async || (!holds(&house, gone[0])).then_some(());
    until("its key is nowhere on the disk", nowhere).await;
}
