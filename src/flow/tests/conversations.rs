//! Which answers are encrypted by themselves, also where a conversation goes on among colleagues.

use super::*;

/// A message of one account: what is in front of its text, and the text.
struct Said<'a> {
    who: &'a Arc<Unlocked>,
    to: &'a [&'a str],
    subject: &'a str,
    id: &'a str,
    answers: Option<&'a str>,
    text: &'a str,
}

impl World {
    async fn colleague(&self, name: &str) -> Arc<Unlocked> {
        let name = format!("{name}@example.org");
        self.flow.add_account(&address(&name), &secret(PASSWORD)).await.unwrap();
        self.flow.sign_in(&name, secret(PASSWORD), &source(), Realm::Accounts).await.unwrap()
    }

    async fn say(&self, said: Said<'_>) {
        let from = said.who.address.to_string();
        let answers = said.answers.map(|id| format!("In-Reply-To: {id}\r\n")).unwrap_or_default();
        let message = format!(
            "From: {from}\r\nTo: {}\r\nSubject: {}\r\nMessage-ID: {}\r\n{answers}\r\n{}\r\n",
            said.to.join(", "),
            said.subject,
            said.id,
            said.text
        );
        let arrived = self.arrived(Some(&from), said.to, &message);
        self.flow.submit(said.who, arrived).await.unwrap();
    }

    /// Does a text leave the server in clear?
    async fn leaves(&self, text: &str) -> bool {
        self.queue().await.iter().any(|(_, queued)| queued.contains(text))
    }
}

/// Alice writes to Bob outside, who answers in the portal; her question about it goes to Carol alone; Carol answers
/// to both.
#[tokio::test]
async fn a_conversation_stays_encrypted_by_way_of_a_colleague() {
    let world = World::new().await;
    let carol = world.colleague("carol").await;
    let bob = world.bob().await;
    world.replies(&bob).await;
    let inbox = world.folder(&world.alice, Folder::INBOX).await;
    let answer = field(inbox.last().unwrap(), "Message-ID").unwrap().to_owned();

    let (asked, answered) = ("<asked@example.org>", "<answered@example.org>");
    world
        .say(Said {
            who: &world.alice,
            to: &["carol@example.org"],
            subject: "Re: merger marker",
            id: asked,
            answers: Some(&answer),
            text: "> answer marker",
        })
        .await;
    world
        .say(Said {
            who: &carol,
            to: &["alice@example.org", "bob@example.net"],
            subject: "Re: merger marker",
            id: answered,
            answers: Some(asked),
            text: ">> answer marker",
        })
        .await;
    assert!(!world.leaves("answer marker").await, "what Bob wrote leaves in clear");
    let inbox = world.folder(&bob, Folder::INBOX).await;
    assert!(inbox.last().unwrap().contains(">> answer marker"), "{inbox:?}");
    // Whoever it came to goes on like that.
    world
        .say(Said {
            who: &world.alice,
            to: &["dave@example.net"],
            subject: "Fwd: merger marker",
            id: "<forwarded@example.org>",
            answers: Some(answered),
            text: ">>> answer marker",
        })
        .await;
    assert!(!world.leaves("answer marker").await);
}

/// What was asked for between accounts holds for an answer that leaves, and for nothing else.
#[tokio::test]
async fn a_tag_between_accounts_holds_for_answers_that_leave() {
    let world = World::new().await;
    let carol = world.colleague("carol").await;
    for (subject, stays) in [("[secure] figures", true), ("figures", false), ("[plain] figures", false)] {
        for (who, name) in [(&carol, "carol"), (&world.alice, "alice")] {
            let first = format!("<{name}.{}@example.org>", subject.len());
            let text = format!("{name} quotes {subject}");
            world
                .say(Said {
                    who: &world.alice,
                    to: &["carol@example.org"],
                    subject,
                    id: &first,
                    answers: None,
                    text: "figures",
                })
                .await;
            world
                .say(Said {
                    who,
                    to: &["bob@example.net"],
                    subject: "Re: figures",
                    id: &format!("<answer.{name}.{}@example.org>", subject.len()),
                    answers: Some(&first),
                    text: &text,
                })
                .await;
            assert_eq!(world.leaves(&text).await, !stays, "{text}");
        }
    }
}

/// The plain tag takes a message out, and what answers it alone; the rest of the conversation stays as it is.
#[tokio::test]
async fn the_plain_tag_takes_a_message_between_accounts_out() {
    let world = World::new().await;
    let carol = world.colleague("carol").await;
    let (first, taken_out) = ("<first@example.org>", "<lunch@example.org>");
    let words = [
        (&world.alice, "carol@example.org", "[secure] figures", first, None, "one"),
        (&world.alice, "carol@example.org", "[plain] Re: figures", taken_out, Some(first), "two"),
        (&carol, "bob@example.net", "Re: figures", "<of-two@example.org>", Some(taken_out), "of the second"),
        (&carol, "bob@example.net", "Re: figures", "<of-one@example.org>", Some(first), "of the first"),
    ];
    for (who, to, subject, id, answers, text) in words {
        world.say(Said { who, to: &[to], subject, id, answers, text }).await;
    }
    assert!(world.leaves("of the second").await);
    assert!(!world.leaves("of the first").await);
}

/// What a rule of the administrator encrypts always is not set free by a colleague's answer.
#[tokio::test]
async fn a_rule_holds_for_answers_of_colleagues() {
    let world = World::new().await;
    let carol = world.colleague("carol").await;
    let rule = "hostname = \"mail.example.org\"\ntls = { certificate = \"/c\", key = \"/k\" }\n\
        portal = { url = \"https://post.example.org\" }\n[[domain]]\nname = \"example.org\"\n\
        [[encryption.rule]]\nfrom = \"alice@example.org\"\nto = \"*\"\naction = \"encrypt\"\n";
    world.flow.reconfigure(Arc::new(Config::from_text(rule).unwrap()));
    let (hers, his) = ("<board@example.org>", "<canteen@example.org>");
    let words = [
        (&world.alice, "carol@example.org", "board", hers, None, "board"),
        (&carol, "bob@example.net", "Re: board", "<re.board@example.org>", Some(hers), "> of the board"),
        (&carol, "alice@example.org", "canteen", his, None, "canteen"),
        (&carol, "bob@example.net", "canteen", "<re.canteen@example.org>", Some(his), "> of the canteen"),
    ];
    for (who, to, subject, id, answers, text) in words {
        world.say(Said { who, to: &[to], subject, id, answers, text }).await;
    }
    assert!(!world.leaves("of the board").await);
    assert!(world.leaves("of the canteen").await);
}

/// What came encrypted, by OpenPGP or by S/MIME, is not said to be encrypted at rest alone, and is answered encrypted.
#[tokio::test]
async fn what_came_encrypted_is_answered_encrypted() {
    let world = World::new().await;
    let smime = |kind: &str| format!("application/pkcs7-mime; name=smime.p7m{kind}");
    let pgp = "multipart/encrypted; protocol=\"application/pgp-encrypted\"; boundary=b".to_owned();
    for (number, (kind, body, encrypted)) in [
        (smime("; smime-type=enveloped-data"), "MIAGCSqGSIb3DQEHA6CA", true),
        (smime("; smime-type=authEnveloped-data"), "MIAGCyqGSIb3DQEJEAEXoIA=", true),
        (smime(""), "MIAGCSqGSIb3DQEHA6CA", true),
        (smime("; smime-type=signed-data"), "MIAGCSqGSIb3DQEHAqCA", false),
        (pgp, "--b\r\n\r\nVersion: 1\r\n--b\r\n\r\nx\r\n--b--", true),
        ("application/pdf".into(), "MIAGCSqGSIb3DQEHA6CA", false),
    ]
    .into_iter()
    .enumerate()
    {
        let id = format!("<{number}@example.net>");
        let encoding = if kind.starts_with("multipart") { "7bit" } else { "base64" };
        let message = format!(
            "From: bob@example.net\r\nTo: alice@example.org\r\nSubject: figures\r\nMessage-ID: {id}\r\n\
             Content-Type: {kind}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n{body}\r\n"
        );
        let arrived = world.arrived(Some("bob@example.net"), &["alice@example.org"], &message);
        world.flow.take_in(arrived).await.unwrap();
        let inbox = world.folder(&world.alice, Folder::INBOX).await;
        let came = inbox.iter().find(|mail| field(mail, "Message-ID") == Some(&id)).unwrap();
        assert_eq!(field(came, "X-Guardpost-Encrypted").is_none(), encrypted, "{kind}");
        let text = format!("about {number}");
        world
            .say(Said {
                who: &world.alice,
                to: &["bob@example.net"],
                subject: "Re: figures",
                id: &format!("<{number}@example.org>"),
                answers: Some(&id),
                text: &text,
            })
            .await;
        assert_eq!(world.leaves(&text).await, !encrypted, "{kind}");
    }
}

/// What the sender's own program has encrypted leaves as it is, also in a conversation; what answers it is encrypted.
#[tokio::test]
async fn what_was_encrypted_before_it_came_here_is_left_as_it_is() {
    let world = World::new().await;
    let body = "MIAGCSqGSIb3DQEHA6CA";
    let smime = |from: &str, to: &str, id: &str, answers: &str| {
        format!(
            "From: {from}\r\nTo: {to}\r\nSubject: figures\r\nMessage-ID: {id}\r\nIn-Reply-To: {answers}\r\n\
             Content-Type: application/pkcs7-mime; smime-type=enveloped-data\r\n\
             Content-Transfer-Encoding: base64\r\n\r\n{body}\r\n"
        )
    };
    let (alice, bob) = ("alice@example.org", "bob@example.net");
    let (his, hers) = ("<his@example.net>", "<hers@example.org>");
    let asked = world.arrived(Some(bob), &[alice], &smime(bob, alice, his, "<none@example.net>"));
    world.flow.take_in(asked).await.unwrap();
    let answered = world.arrived(Some(alice), &[bob], &smime(alice, bob, hers, his));
    world.flow.submit(&world.alice, answered).await.unwrap();
    assert!(world.leaves(body).await, "it is his to decrypt");
    assert!(world.flow.store.mailbox_of(&address(bob).key()).await.unwrap().is_none(), "he needs no mailbox");
    world
        .say(Said {
            who: &world.alice,
            to: &[bob],
            subject: "Re: figures",
            id: "<more@example.org>",
            answers: Some(hers),
            text: "more figures",
        })
        .await;
    assert!(!world.leaves("more figures").await);
}
