//! Whose a message is: by what the server knows, not by what stands in it.

use super::*;
use crate::base::id::MailboxId;
use crate::flow::signature::Origin;
use crate::mime::scan::Limits;
use crate::mime::scan::Scanner;
use crate::store::record::Flags;
use crate::store::record::MessageRecord;

#[tokio::test]
async fn an_author_is_believed_as_far_as_the_account_that_sent() {
    let world = World::new().await;
    let bob = world.bob().await;
    let came = world.flow.read(&bob, Folder::INBOX, Uid(1)).await.unwrap().record;
    let (alice, boss) = (address("alice@example.org"), address("boss@example.org"));
    let account = |address: &Address| Origin::Account(Some(address.clone()));
    for (author, want) in [
        (Some(&alice), account(&alice)),
        (Some(&boss), account(&alice)),
        (Some(&address("Alice@EXAMPLE.org")), account(&alice)),
        (None, account(&alice)),
    ] {
        let found = world.flow.origin(&bob, &came, author).await.unwrap();
        match (found, want) {
            (Origin::Account(Some(found)), Origin::Account(Some(want))) => {
                assert_eq!(found.key(), want.key())
            }
            (found, want) => assert_eq!(found, want),
        }
    }
    let gone = MessageRecord { sender: Some(MailboxId::new([9; 16])), ..came.clone() };
    assert_eq!(world.flow.origin(&bob, &gone, Some(&alice)).await.unwrap(), account(&alice));
    let notice = MessageRecord { sender: None, ..came };
    assert_eq!(world.flow.origin(&bob, &notice, Some(&alice)).await.unwrap(), Origin::Notice);
}

#[tokio::test]
async fn what_somebody_put_there_is_from_no_account() {
    let world = World::new().await;
    let bob = world.bob().await;
    let forged = "From: boss@example.org\r\nTo: bob@example.net\r\n\r\nPay me.\r\n";
    let mut spool = world.flow.spools.begin();
    spool.write_all(forged.as_bytes()).unwrap();
    let structure = Scanner::scan(forged.as_bytes(), Limits::default()).unwrap();
    let spool = spool.finish().unwrap();
    let put = world.flow.append(&bob, Folder::INBOX, Flags::default(), None, spool, &structure);
    let uid = put.await.unwrap().uid;
    let record = world.flow.read(&bob, Folder::INBOX, uid).await.unwrap().record;
    let boss = address("boss@example.org");
    assert_eq!(world.flow.origin(&bob, &record, Some(&boss)).await.unwrap(), Origin::Put);
    assert_eq!(world.flow.origin(&bob, &record, None).await.unwrap(), Origin::Put);
}
