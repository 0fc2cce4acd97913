//! What senders are told: bounces, delays, successes, and what comes of a report from outside.

use super::*;

#[tokio::test]
async fn one_refused_one_taken_one_report() {
    let peer = Plan::default()
        .rule(|asked| match asked.line.contains("eve@") {
            true => Act::Say("550-5.1.1 no\r\n550 5.1.1 such person".into()),
            false => Act::Usual,
        })
        .open()
        .await;
    let mut ours = Ours::facing(&peer).await;
    ours.send(&["eve@x.example", "bob@x.example"]).await;
    assert_eq!(peer.taken()[0].rcpts, ["<bob@x.example>"]);
    assert_eq!(ours.waiting().await, 0);
    let inbox = ours.inbox().await;
    assert_eq!(inbox.len(), 1);
    for line in [
        "From: \"a.example\" <mailer-daemon@a.example>",
        "To: alice@a.example",
        "Auto-Submitted: auto-replied",
        "multipart/report; report-type=delivery-status",
        "Reporting-MTA: dns; mail.a.example",
        "Final-Recipient: rfc822; eve@x.example",
        "Action: failed",
        "Status: 5.1.1",
        "Remote-MTA: dns; mx.x.example",
        "Diagnostic-Code: smtp; 550 5.1.1 no 5.1.1 such person",
        "Subject: SUBJECT-MARK",
    ] {
        assert!(inbox[0].contains(line), "{line}\nis not in\n{}", inbox[0]);
    }
    for secret in ["BODY-MARK", "739104", "OxGuard", "bob@x.example\r\nAction"] {
        assert!(!inbox[0].contains(secret), "{secret} is in {}", inbox[0]);
    }
}

#[tokio::test]
async fn an_invitation_that_fails_is_told_without_content() {
    let peer = Plan::default()
        .rule(|asked| match asked.line.starts_with("RCPT") {
            true => Act::Say("550 5.1.1 unknown".into()),
            false => Act::Usual,
        })
        .open()
        .await;
    let mut ours = Ours::facing(&peer).await;
    let mailbox = MailboxId::new([9; 16]);
    let item = Outgoing {
        purpose: Purpose::Invitation(mailbox),
        sender: Some(address("secure-mail+1@a.example")),
        secret: true,
        ..ours.item(&["bob@x.example"])
    };
    ours.queue(item, b"Subject: SUBJECT-MARK\r\n\r\nTOKEN-MARK\r\n").await;
    ours.worker.until_idle().await;
    let inbox = ours.inbox().await;
    assert_eq!(inbox.len(), 1);
    assert!(inbox[0].contains("bob@x.example") && !inbox[0].contains("MARK"), "{}", inbox[0]);
    assert_eq!(ours.waiting().await, 0);
}

#[tokio::test]
async fn no_bounce_of_a_bounce_and_none_that_is_not_wanted() {
    let notify = |success, failure| Some(Notify { success, failure, delay: false });
    let cases: [(bool, Option<Notify>, usize); 4] =
        [(true, None, 1), (false, None, 0), (true, notify(false, false), 0), (true, notify(false, true), 1)];
    for (named, notify, letters) in cases {
        let mut ours = Ours::with(Table::default(), 25, "", false).await;
        let mut item = ours.item(&["bob@nothing.example"]);
        item.sender = item.sender.filter(|_| named);
        item.recipients[0].notify = notify;
        ours.queue(item, MESSAGE.as_bytes()).await;
        ours.worker.until_idle().await;
        assert_eq!(ours.inbox().await.len(), letters, "{named} {notify:?}");
        assert_eq!(ours.waiting().await, 0);
    }
}

#[tokio::test]
async fn success_is_told_by_whoever_can() {
    for (dsn, letters) in [(true, 0), (false, 1)] {
        let extensions: &[&str] = if dsn { &["DSN"] } else { &["SIZE"] };
        let peer = Plan::default().extensions(extensions).open().await;
        let mut ours = Ours::facing(&peer).await;
        let mut item = ours.item(&["bob@x.example"]);
        item.envid = Some("QQ+2B7".into());
        item.recipients[0].notify = Some(Notify { success: true, failure: true, delay: false });
        item.recipients[0].orcpt = Some("rfc822;robert@x.example".into());
        ours.queue(item, MESSAGE.as_bytes()).await;
        ours.worker.until_idle().await;
        let taken = &peer.taken()[0];
        if dsn {
            assert!(taken.mail.ends_with(" RET=HDRS ENVID=QQ+2B7"), "{}", taken.mail);
            let rcpt = "<bob@x.example> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;robert@x.example";
            assert_eq!(taken.rcpts, [rcpt]);
        } else {
            assert_eq!(taken.rcpts, ["<bob@x.example>"]);
        }
        let inbox = ours.inbox().await;
        assert_eq!(inbox.len(), letters);
        for text in inbox {
            assert!(text.contains("Action: relayed\r\n"), "{text}");
            assert!(text.contains("Original-Envelope-Id: QQ+7\r\n"), "{text}");
        }
    }
}

#[tokio::test]
async fn with_a_full_disk_what_was_taken_is_not_sent_again_and_a_failure_is_told_when_there_is_room() {
    let peer = Plan::default()
        .extensions(&["SIZE"])
        .rule(|asked| match asked.line.contains("eve@") {
            true => Act::Say("550 5.1.1 such person".into()),
            false => Act::Usual,
        })
        .open()
        .await;
    let mut ours = Ours::facing(&peer).await;
    let mut item = ours.item(&["bob@x.example", "eve@x.example", "sue@x.example"]);
    item.recipients[2].notify = Some(Notify { success: true, failure: true, delay: false });
    ours.queue(item, MESSAGE.as_bytes()).await;
    ours.model.set_health(Health::NoNewMail);
    for _ in 0..3 {
        ours.worker.until_idle().await;
        ours.pass(61 * MINUTE);
    }
    let taken: Vec<Vec<String>> = peer.taken().into_iter().map(|taken| taken.rcpts).collect();
    assert_eq!(taken, [["<bob@x.example>", "<sue@x.example>"]], "once");
    assert_eq!((ours.waiting().await, ours.inbox().await.len()), (1, 0), "eve's failure is still to be told");
    ours.model.set_health(Health::Good);
    ours.worker.until_idle().await;
    let inbox = ours.inbox().await;
    assert_eq!((ours.waiting().await, peer.taken().len(), inbox.len()), (0, 1, 1));
    assert!(inbox[0].contains("Final-Recipient: rfc822; eve@x.example\r\nAction: failed"), "{}", inbox[0]);
}

#[tokio::test]
async fn with_a_full_disk_a_delay_is_told_after_a_later_try() {
    let peer = Plan::default().rule(|_| Act::Close("421 4.3.2 not today".into())).open().await;
    let mut ours = Ours::facing(&peer).await;
    ours.send(&["bob@x.example"]).await;
    ours.pass(300 * MINUTE);
    ours.model.set_health(Health::NoNewMail);
    ours.worker.until_idle().await;
    let waiting = queue::list(&*ours.flow.store, None, 10).await.unwrap()[0].recipients[0].clone();
    assert_eq!((waiting.state, waiting.attempts), (RecipientState::Waiting, 2));
    assert!(ours.inbox().await.is_empty());
    ours.model.set_health(Health::Good);
    ours.pass(60 * MINUTE);
    ours.worker.until_idle().await;
    let inbox = ours.inbox().await;
    assert!(inbox.len() == 1 && inbox[0].contains("Action: delayed"), "{inbox:?}");
}

#[tokio::test]
async fn a_report_from_outside_is_told_once_and_only_if_it_is_ours() {
    let ours = Ours::new(Table::default(), 25, "").await;
    // Alice's own mailbox stands in for a temporary one: it has no inviter, so nothing is traced to it.
    let id = returned::traceable_id(&ours.flow.keys, os_random(), ours.alice, ours.alice, None);
    let report = b"Final-Recipient: rfc822;alice@a.example\r\nAction: failed\r\nStatus: 5.1.1\r\n";
    ours.flow.take_returned(id, report).await.unwrap();
    assert!(ours.inbox().await.is_empty());
    let once = returned::Once::default();
    assert!(once.first(id) && !once.first(id));
}

/// A peer that knows no eve.
async fn without_eve() -> Peer {
    let rule = |asked: &Asked<'_>| match asked.line.contains("eve@") {
        true => Act::Say("550 5.1.1 such person".into()),
        false => Act::Usual,
    };
    Plan::default().rule(rule).open().await
}

#[tokio::test]
async fn a_message_that_cannot_be_read_any_more_is_reported_without_its_header() {
    let peer = without_eve().await;
    let mut ours = Ours::facing(&peer).await;
    ours.queue(ours.item(&["eve@x.example"]), MESSAGE.as_bytes()).await;
    fs::remove_dir_all(ours.dir.path().join("bodies")).unwrap();
    ours.worker.until_idle().await;
    let inbox = ours.inbox().await;
    assert_eq!((ours.waiting().await, inbox.len()), (0, 1));
    assert!(inbox[0].contains("Final-Recipient: rfc822; eve@x.example\r\nAction: failed"), "{}", inbox[0]);
    assert!(!inbox[0].contains("SUBJECT-MARK"), "{}", inbox[0]);
}

#[tokio::test]
async fn a_failure_waits_until_its_sender_can_be_told() {
    let peer = without_eve().await;
    let mut ours = Ours::facing(&peer).await;
    // So many that the report on them needs a body file.
    let all: Vec<String> = (0..100).map(|n| format!("{n}.eve@x.example")).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    ours.queue(ours.item(&all), MESSAGE.as_bytes()).await;
    let (bodies, aside) = (ours.dir.path().join("bodies"), ours.dir.path().join("aside"));
    fs::rename(&bodies, &aside).unwrap();
    fs::write(&bodies, "no directory").unwrap();
    ours.worker.until_idle().await;
    assert_eq!((ours.waiting().await, ours.inbox().await.len()), (1, 0), "it is still to be told");
    fs::remove_file(&bodies).unwrap();
    fs::rename(&aside, &bodies).unwrap();
    ours.pass(61 * MINUTE);
    ours.worker.until_idle().await;
    let inbox = ours.inbox().await;
    assert_eq!((ours.waiting().await, inbox.len()), (0, 1));
    assert_eq!(inbox[0].matches("Action: failed").count(), 100);
}
