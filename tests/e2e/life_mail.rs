//! The cells of the table that are about mail, links, PINs and the account that invited.

use super::ALICE;
use super::CAROL;
use super::Cell;
use super::Stage;
use super::cell;
use crate::harness::PASSWORD;
use crate::mail_client::Smtp;
use crate::mail_client::field;
use crate::main_job::BOB;
use crate::main_job::letter;
use crate::main_job::link_in;
use crate::main_job::path_and_token;
use crate::peer::Taken;
use guardpost::base::address::Address;
use guardpost::base::secret::Secret;
use guardpost::net::listen::Service;
use guardpost::store::record::Folder;
use std::time::Duration;

/// A PIN that nobody has.
const WRONG: &str = "000001";

/// What was there before an event: mails that left, and messages in the INBOXes of Alice and Carol.
struct Before {
    mails: Vec<Taken>,
    notes: Vec<(&'static str, u32)>,
}

/// Plays these events in `state`, each with an appliance of its own, and compares each with its line.
async fn play(state: &str, events: &[&str]) {
    for event in events {
        let cell = cell(state, event);
        let mut stage = Stage::new().await;
        if state == "abandoned" {
            stage.bring_to("unopened", event).await;
            stage.reset().await;
        } else {
            stage.bring_to(state, event).await;
        }
        if state.starts_with("former") {
            // The invitation to the newer one has left.
            stage.house.world.wait_for(3).await;
        }
        assert_eq!(stage.state().await, state, "before {event}");
        let told = stage.meet_mail(event, &cell).await;
        assert_eq!(told, cell.told, "{state} {event}");
        let next = if cell.next == "=" { state } else { &cell.next };
        assert_eq!(stage.state().await, next, "{state} {event}");
    }
}

impl Stage {
    async fn meet_mail(&mut self, event: &str, cell: &Cell) -> String {
        match event {
            "mail-inviter" => self.mail(ALICE, "[secure] More", "", cell).await,
            "mail-other" => self.mail(CAROL, "[secure] More", "", cell).await,
            "mail-other-pin" => {
                self.mail(CAROL, "[secure] More", "X-Guardpost-PIN: blue-heron-47\r\n", cell).await
            }
            "renew-inviter" => self.mail(ALICE, "[secure renew] More", "", cell).await,
            "renew-other" => self.mail(CAROL, "[secure renew] More", "", cell).await,
            "new" => self.mail(ALICE, "[secure new] More", "", cell).await,
            "new-again" => {
                if cell.told.contains("made anew") {
                    assert_eq!(self.submit(ALICE, "[secure new] More", "").await, 554, "the first time");
                }
                self.mail(ALICE, "[secure new] More", "", cell).await
            }
            "first-use" => {
                let pin = self.pin.clone();
                self.forms(&pin, 1).await
            }
            "wrong-pin-3" => self.forms(WRONG, 3).await,
            "wrong-pin-10" => self.forms(WRONG, 10).await,
            "no-pin" => self.no_pin().await,
            "returned" => self.returned(cell).await,
            "account-gone" => {
                let before = self.now().await;
                self.remove_account(ALICE).await;
                self.nobody_since(&before).await
            }
            "account-back" => {
                if self.state().await != "abandoned" {
                    self.reset().await;
                }
                let before = self.now().await;
                let alice = Address::parse(ALICE).unwrap();
                let password = || Secret::new(PASSWORD.to_owned());
                self.house.flow().reopen_account(&alice, password(), password()).await.unwrap();
                self.nobody_since(&before).await
            }
            other => panic!("nobody plays {other}"),
        }
    }

    /// Alice's password is lost; an admin gives her the same words, with another key behind them.
    async fn reset(&self) {
        // Later than the invitation, by the second.
        self.house.clock.pass(Duration::from_secs(60));
        let alice = Address::parse(ALICE).unwrap();
        self.house.flow().reset_account(&alice, &Secret::new(PASSWORD.to_owned())).await.unwrap();
    }

    async fn now(&self) -> Before {
        let mut notes = Vec::new();
        for account in [ALICE, CAROL] {
            notes.push((account, self.messages(account).await));
        }
        Before { mails: self.house.world.taken(), notes }
    }

    async fn messages(&self, account: &str) -> u32 {
        let store = &self.house.flow().store;
        let Some(account) = store.mailbox_of(&Address::parse(account).unwrap().key()).await.unwrap() else {
            return 0;
        };
        let folders = store.folders(account).await.unwrap();
        folders.iter().find(|folder| folder.folder == Folder::INBOX).unwrap().messages
    }

    /// What an account was told since then.
    async fn notes_since(&self, account: &str, before: &Before) -> Vec<String> {
        let count = before.notes.iter().find(|(of, _)| *of == account).unwrap().1;
        let now = self.messages(account).await;
        let mut notes = Vec::new();
        if now > count {
            let mut imap = self.house.imap(account, PASSWORD).await;
            assert_eq!(imap.select("INBOX").await, now);
            for number in count + 1..=now {
                notes.push(imap.message(number).await);
            }
        }
        notes
    }

    async fn nobody_since(&self, before: &Before) -> String {
        self.house.queue_is_empty().await;
        for account in [ALICE, CAROL] {
            assert!(self.notes_since(account, before).await.is_empty());
        }
        assert_eq!(self.house.world.taken(), before.mails);
        "nobody".into()
    }

    async fn submit(&self, from: &str, subject: &str, more: &str) -> u16 {
        let text = letter(subject, "Dear Bob", more).replace(ALICE, from);
        let reply = self.house.submission(from, PASSWORD).await.send(from, &[BOB], &text).await;
        assert!(reply.is(250, "2.0.0") || reply.is(554, "5.7.1"), "{subject}: {reply:?}");
        assert!(reply.code == 250 || reply.text.contains(BOB), "it names the recipient: {reply:?}");
        reply.code
    }

    /// A message, and who is told what of it.
    async fn mail(&mut self, from: &str, subject: &str, more: &str, cell: &Cell) -> String {
        // What was told before is ten minutes ago: nothing waits for company.
        self.house.clock.pass(Duration::from_secs(11 * 60));
        let waiting: Vec<String> = self.house.world.taken().iter().filter_map(link_in).collect();
        let (before, kept) = (self.now().await, self.kept().await);
        let mut told = Vec::new();
        if self.submit(from, subject, more).await == 554 {
            told.push("554".to_owned());
        } else if cell.told.contains("recipient:") || cell.told.starts_with("as ") {
            let mails = self.house.world.wait_for(before.mails.len() + 1).await;
            assert_eq!(mails.len(), before.mails.len() + 1, "one mail to the recipient");
            told.push(recipient_told(mails.last().unwrap(), &waiting, subject));
        }
        for note in self.notes_since(from, &before).await {
            told.push(sender_told(&note).to_owned());
        }
        let other = if from == ALICE { CAROL } else { ALICE };
        for note in self.notes_since(other, &before).await {
            assert!(field(&note, "Subject").unwrap().contains("has a new mailbox"), "{note}");
            told.push("correspondents: made anew".into());
            assert_eq!(self.kept().await, kept + 1, "the old mailbox holds the notice");
            told.push("old mailbox: made anew".into());
        }
        if told == ["554"] {
            self.house.queue_is_empty().await;
            assert_eq!(self.house.world.taken(), before.mails, "nothing leaves");
        }
        self.find().await;
        let seen = told.join("; ");
        let like = match cell.told.as_str() {
            "as none" => super::cell("none", &cell.event),
            // Its inviter is Carol, and it has a PIN.
            "as the newer mailbox" => super::cell("unopened", of_the_newer(&cell.event)),
            _ => return seen,
        };
        assert_eq!(seen, like.told, "{} {}", cell.state, cell.event);
        cell.told.clone()
    }

    /// Messages in the mailbox that is watched.
    async fn kept(&self) -> u32 {
        let Some(mailbox) = self.mailbox else { return 0 };
        let folders = self.house.flow().store.folders(mailbox).await.unwrap();
        folders.iter().find(|folder| folder.folder == Folder::INBOX).map_or(0, |inbox| inbox.messages)
    }

    /// Watches the mailbox that was made, if there was none.
    async fn find(&mut self) {
        let store = &self.house.flow().store;
        if self.mailbox.is_none()
            && let Some(made) = store.mailbox_of(&Address::parse(BOB).unwrap().key()).await.unwrap()
        {
            self.invitation = store.mailbox(made).await.unwrap().unwrap().invitation;
            self.mailbox = Some(made);
        }
    }

    /// So many times the form of the first use with this PIN.
    async fn forms(&mut self, pin: &str, times: u32) -> String {
        let (path, token) = path_and_token(&self.link.clone(), &self.browser.site());
        let before = self.now().await;
        let mut last = None;
        for _ in 0..times {
            // A network may fail once a minute.
            self.house.clock.pass(Duration::from_secs(5 * 60));
            last = Some(self.try_pin(&path, &token, pin).await);
        }
        let page = last.unwrap();
        let subjects: Vec<String> =
            self.notes_since(ALICE, &before).await.iter().map(|note| subject(note)).collect();
        let has = |words: &str| subjects.iter().any(|subject| subject.contains(words));
        match page.status {
            303 if has("has opened the mailbox") => "inviter: opened".into(),
            410 if has("is closed") => {
                assert!(has("Wrong PINs"), "also after the third: {subjects:?}");
                "410; inviter: wrong PINs, dead".into()
            }
            403 if has("Wrong PINs") => "403; inviter: wrong PINs".into(),
            403 if page.words().contains("access code") => "403 as a wrong code".into(),
            status => {
                assert!(subjects.is_empty(), "{subjects:?}");
                status.to_string()
            }
        }
    }

    async fn no_pin(&mut self) -> String {
        let (path, token) = path_and_token(&self.link.clone(), &self.browser.site());
        let before = self.now().await;
        let mut statuses = Vec::new();
        for _ in 0..2 {
            statuses.push(self.browser.post(&format!("{path}/no-pin"), &[("token", &token)]).await.status);
        }
        assert_eq!(statuses[0], statuses[1]);
        let notes = self.notes_since(ALICE, &before).await;
        match (statuses[0], notes.as_slice()) {
            (303, [note]) if subject(note).contains("needs the PIN") => {
                "303; inviter: no PIN, once a day".into()
            }
            (403, []) => "403 as a wrong code".into(),
            (status, []) => status.to_string(),
            (status, notes) => panic!("{status}: {notes:?}"),
        }
    }

    /// A report about the last mail that could come back: the notice of a message, or the invitation.
    async fn returned(&mut self, cell: &Cell) -> String {
        if cell.state == "open" {
            self.house.clock.pass(Duration::from_secs(11 * 60));
            assert_eq!(self.submit(ALICE, "[secure] More", "").await, 250);
            self.house.world.wait_for(3).await;
        }
        let mails = self.house.world.taken();
        let mail = if cell.state == "open" { mails.last() } else { mails.first() };
        let id = mail.map_or("0".repeat(26), |mail| {
            let local = mail.mail.split('@').next().unwrap();
            local.split('+').nth(1).expect("an id").to_owned()
        });
        let to = format!("secure-mail+{id}@house.example");
        let report = format!(
            "From: MAILER-DAEMON@far.example\r\nTo: {to}\r\nSubject: Undeliverable\r\n\r\n\
             Final-Recipient: rfc822;{BOB}\r\nAction: failed\r\nStatus: 5.1.1\r\n"
        );
        let before = self.now().await;
        let mut smtp = Smtp::connect(self.house.port(Service::Smtp), false).await;
        assert!(smtp.send("", &[&to], &report).await.is(250, "2.0.0"));
        match self.notes_since(ALICE, &before).await.as_slice() {
            [] => self.nobody_since(&before).await,
            [note] if subject(note).starts_with("Invitation to") => "inviter: unreachable".into(),
            [note] if subject(note).starts_with("Mail to") => "writer: unreachable".into(),
            notes => panic!("{notes:?}"),
        }
    }
}

fn subject(note: &str) -> String {
    field(note, "Subject").unwrap()
}

/// What a mail tells its recipient, in the words of the table.
fn recipient_told(mail: &Taken, waiting: &[String], asked: &str) -> String {
    let text = String::from_utf8_lossy(&mail.text).replace("=\r\n", "").replace("\r\n", " ");
    let told = match link_in(mail) {
        Some(link) if waiting.contains(&link) => "the same invitation",
        Some(_) if asked.contains("renew") => {
            assert!(text.contains("takes the place of an earlier one"), "{text}");
            "new invitation"
        }
        Some(_) => "invitation",
        None if text.contains("/login") => "new message",
        None => {
            assert!(text.contains("open the mail from us of"), "{text}");
            "notice of the invitation"
        }
    };
    format!("recipient: {told}")
}

/// What a note tells its sender, in the words of the table.
fn sender_told(note: &str) -> &'static str {
    let subject = subject(note);
    match () {
        () if note.contains("was not used") && !note.contains("How") && subject.starts_with("PIN for") => {
            "sender: PIN not used"
        }
        () if subject.starts_with("PIN for") || subject.contains("sent again") => "sender: PIN",
        () if subject.starts_with("New invitation to") => "sender: new PIN",
        () if subject.contains("has not opened the mailbox yet") => "sender: still unopened",
        () if subject.starts_with("A new mailbox for") => "sender: what would be lost",
        () => panic!("{subject}"),
    }
}

/// The event as the newer mailbox meets it.
fn of_the_newer(event: &str) -> &str {
    match event {
        "mail-inviter" => "mail-other",
        "mail-other" | "mail-other-pin" => "mail-inviter",
        "renew-inviter" => "renew-other",
        "renew-other" => "renew-inviter",
        other => other,
    }
}

/// The events of mail, links and accounts.
pub(super) const EVENTS: &[&str] = &[
    "mail-inviter",
    "mail-other",
    "mail-other-pin",
    "renew-inviter",
    "renew-other",
    "new",
    "new-again",
    "first-use",
    "wrong-pin-3",
    "wrong-pin-10",
    "no-pin",
    "returned",
    "account-gone",
    "account-back",
];

#[tokio::test(flavor = "multi_thread")]
async fn without_a_mailbox() {
    play("none", EVENTS).await;
}

/// A PIN that the invitation has is not missing: that cell is `renewal::a_pin_is_not_left_out_in_silence`.
#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_that_waits() {
    let events: Vec<&str> = EVENTS.iter().copied().filter(|event| *event != "mail-other-pin").collect();
    play("unopened", &events).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_invitation() {
    play("dead", EVENTS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_that_came_back() {
    play("unreachable", EVENTS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_whose_sender_has_another_key() {
    play("abandoned", EVENTS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_mailbox() {
    play("open", EVENTS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_former_mailbox() {
    play("former", EVENTS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_former_mailbox_that_was_never_opened() {
    play("former-new", EVENTS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_mailbox() {
    play("closed", EVENTS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_mailbox_that_was_never_opened() {
    play("closed-new", EVENTS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_mailbox() {
    play("deleted", EVENTS).await;
}
