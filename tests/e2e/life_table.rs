//! The life of a temporary mailbox, cell by cell: `tests/golden/mailbox_life.txt` says what each event leads to in each
//! state; here a running appliance is brought to the state, met with the event, and must do what the file says.
//!
//! What was seen is put in the words of the file and compared with its line, so a changed cell fails. An event is an arm
//! of [`Stage::meet`]; a state one of [`Stage::bring_to`].

#[path = "life_mail.rs"]
mod mail;

use crate::harness::DOMAIN;
use crate::harness::House;
use crate::harness::PASSWORD;
use crate::mail_client::field;
use crate::main_job::BOB;
use crate::main_job::BOBS_PASSWORD;
use crate::main_job::first_use;
use crate::main_job::letter;
use crate::main_job::link;
use crate::main_job::path_and_token;
use crate::main_job::told_pin;
use crate::patience::PATIENCE;
use crate::peer::Plan;
use crate::plain_browser::Browser;
use crate::plain_browser::Page;
use guardpost::base::address::Address;
use guardpost::base::id::InvitationId;
use guardpost::base::id::MailboxId;
use guardpost::base::time::Time;
use guardpost::serve::control::request::Request;
use guardpost::store::command::Command;
use guardpost::store::record::InvitationState;
use guardpost::store::record::MailboxKind;
use std::time::Duration;

/// The inviter.
pub const ALICE: &str = "alice@house.example";
/// Another account that has written to the mailbox.
pub const CAROL: &str = "carol@house.example";

const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;

/// A line of the table.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Cell {
    /// Where the mailbox is.
    pub state: String,
    /// What happens.
    pub event: String,
    /// Where it is then; `=` is the same.
    pub next: String,
    /// What is answered, and who is told what.
    pub told: String,
}

/// Every line of the table.
pub fn table() -> Vec<Cell> {
    let text = include_str!("../golden/mailbox_life.txt");
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines
        .map(|line| {
            let mut words = line.split_whitespace();
            let mut word = || words.next().unwrap_or_else(|| panic!("{line}")).to_owned();
            let (state, event, next) = (word(), word(), word());
            let told = words.collect::<Vec<_>>().join(" ");
            Cell { state, event, next, told }
        })
        .collect()
}

/// The line for this event in this state.
pub fn cell(state: &str, event: &str) -> Cell {
    let found = table().into_iter().find(|cell| cell.state == state && cell.event == event);
    found.unwrap_or_else(|| panic!("no line {state} {event}"))
}

/// Plays these events in `state`, each with an appliance of its own, and compares each with its line.
pub async fn play(state: &str, events: &[&str]) {
    for event in events {
        let cell = cell(state, event);
        let mut stage = Stage::new().await;
        stage.bring_to(state, event).await;
        assert_eq!(stage.state().await, state, "before {event}");
        let told = stage.meet(event, &cell).await;
        assert_eq!(told, cell.told, "{state} {event}");
        let next = if cell.next == "=" { state } else { &cell.next };
        assert_eq!(stage.state().await, next, "{state} {event}");
    }
}

/// An appliance, and Bob's mailbox in it.
pub struct Stage {
    /// With Alice and Carol.
    pub house: House,
    /// Bob's.
    pub browser: Browser,
    /// That of the invitation, or one that nobody ever got.
    pub link: String,
    /// As Alice was told.
    pub pin: String,
    /// The mailbox that is watched.
    pub mailbox: Option<MailboxId>,
    invitation: Option<InvitationId>,
}

/// What was there before an event.
struct Before {
    mails: usize,
    notes: Vec<(&'static str, usize)>,
}

impl Stage {
    /// An appliance where nobody has written to Bob.
    pub async fn new() -> Self {
        Self::with(Plan::default(), "").await
    }

    /// The same with this world around it and this at the end of guard.toml.
    pub async fn with(world: Plan, more: &str) -> Self {
        let house = House::with(world, more).await;
        house.add_account(CAROL, PASSWORD).await;
        let browser = house.browser();
        let link = format!("{}/i/{}#{}", browser.site(), InvitationId::new([7; 16]), "0".repeat(32));
        Self { house, browser, link, pin: "314159".into(), mailbox: None, invitation: None }
    }

    /// Brings the mailbox to `state`, at the moment before `event`.
    async fn bring_to(&mut self, state: &str, event: &str) {
        if state == "none" {
            return;
        }
        self.invite().await;
        if matches!(state, "open" | "former" | "closed") {
            self.open().await;
        }
        if matches!(state, "closed" | "closed-new" | "deleted") {
            self.age(90 * DAY + HOUR).await;
        } else {
            self.age(moment_of(event).saturating_sub(3 * HOUR)).await;
        }
        match state {
            "unopened" | "open" | "closed" | "closed-new" => {}
            "dead" => self.kill().await,
            "unreachable" => self.lose().await,
            "abandoned" => self.remove_account(ALICE).await,
            "former" | "former-new" => self.supersede().await,
            "deleted" => self.house.pass(Duration::from_secs(7 * DAY)).await,
            other => panic!("no state {other}"),
        }
    }

    /// Alice's message makes the mailbox, and Carol writes there too.
    pub async fn invite(&mut self) {
        for (count, from) in [ALICE, CAROL].into_iter().enumerate() {
            let text = letter("[secure] Offer", "Dear Bob", "").replace(ALICE, from);
            let reply = self.house.submission(from, PASSWORD).await.send(from, &[BOB], &text).await;
            assert!(reply.is(250, "2.0.0"), "{reply:?}");
            let mails = self.house.world.wait_for(count + 1).await;
            if from == ALICE {
                self.link = link(&mails[0]);
                self.pin = told_pin(&self.house).await;
            }
        }
        let bob = Address::parse(BOB).unwrap().key();
        self.mailbox = self.house.flow().store.mailbox_of(&bob).await.unwrap();
        let record = self.house.flow().store.mailbox(self.mailbox.unwrap()).await.unwrap().unwrap();
        self.invitation = record.invitation;
    }

    /// Bob chooses his password, and closes the browser.
    pub async fn open(&mut self) {
        first_use(&mut self.browser, &self.link, &self.pin).await;
        self.browser = self.house.browser();
    }

    /// Ten wrong PINs, slowly enough for the budget of the network.
    async fn kill(&mut self) {
        let (path, token) = path_and_token(&self.link, &self.browser.site());
        for count in 1..=10 {
            self.house.clock.pass(Duration::from_secs(5 * 60));
            let page = self.try_pin(&path, &token, "000001").await;
            assert_eq!(page.status, if count < 10 { 403 } else { 410 }, "{}", page.words());
        }
    }

    /// Sends the form of the first use with this PIN.
    pub async fn try_pin(&mut self, path: &str, token: &str, pin: &str) -> Page {
        let fields = [
            ("token", token),
            ("pin", pin),
            ("password", BOBS_PASSWORD),
            ("confirm", BOBS_PASSWORD),
            ("understood", "yes"),
        ];
        self.browser.post(path, &fields).await
    }

    /// The invitation comes back.
    async fn lose(&mut self) {
        let (mailbox, invitation) = (self.mailbox.unwrap(), self.invitation.unwrap());
        let now = self.house.flow().clock.now();
        let mark = Command::MarkUnreachable { mailbox, invitation, now };
        self.house.flow().store.commit(vec![mark]).await.unwrap();
    }

    /// An admin removes an account.
    pub async fn remove_account(&mut self, address: &str) {
        self.house.control(&Request::AccountRemove { address: address.into() }).await.unwrap();
    }

    /// Carol has a newer mailbox made; `mailbox` and `link` stay those of the older one.
    async fn supersede(&mut self) {
        let mails = self.house.world.taken().len();
        for wanted in [554, 250] {
            let text = letter("[secure new] Anew", "Dear Bob", "").replace(ALICE, CAROL);
            let reply = self.house.submission(CAROL, PASSWORD).await.send(CAROL, &[BOB], &text).await;
            assert_eq!(reply.code, wanted, "{reply:?}");
        }
        self.house.world.wait_for(mails + 1).await;
    }

    /// Lets the mailbox grow so old, counted from its last activity, with looks when its warnings are due.
    pub async fn age(&mut self, seconds: u64) {
        for due in [76 * DAY, 87 * DAY, seconds] {
            if due <= seconds {
                self.until(due).await;
            }
        }
    }

    /// Lets time pass until the mailbox is so old, and the appliance do what is due.
    async fn until(&self, age: u64) {
        if let Some(active) = self.last_activity().await {
            let now = self.house.flow().clock.now();
            let left = (active + Duration::from_secs(age)).since(now);
            // The machine's own clock goes on meanwhile: never a second too early.
            self.house.pass(left).await;
        } else {
            self.house.pass(Duration::from_secs(age)).await;
        }
        self.settled().await;
    }

    async fn last_activity(&self) -> Option<Time> {
        let record = self.house.flow().store.mailbox(self.mailbox?).await.unwrap();
        record.map(|record| record.last_activity)
    }

    /// Waits until every warning was handed over or came back, and the appliance has looked again.
    pub async fn settled(&self) {
        let Some(mailbox) = self.mailbox else { return };
        let mut changes = self.house.flow().store.watch(mailbox);
        let all = async {
            while let Some(record) = self.house.flow().store.mailbox(mailbox).await.unwrap()
                && record.warnings.iter().any(|sent| sent.settled.is_none())
            {
                changes.changed().await.unwrap();
            }
        };
        tokio::time::timeout(PATIENCE, all).await.expect("the warnings are settled");
        self.house.look().await;
    }

    /// Where the mailbox is now, as a command shows it.
    pub async fn state(&self) -> String {
        let Some(mailbox) = self.mailbox else { return "none".into() };
        let flow = self.house.flow();
        if let Some(record) = flow.store.mailbox(mailbox).await.unwrap() {
            return flow.outlook(&record).await.unwrap().state.as_str().into();
        }
        let trace = flow.store.invitation(self.invitation.unwrap()).await.unwrap();
        assert_eq!(trace.expect("its link says so").state, InvitationState::Deleted);
        "deleted".into()
    }

    /// Lets the event happen; answers with what was seen, in the words of the table.
    async fn meet(&mut self, event: &str, cell: &Cell) -> String {
        match event {
            "visit" => self.visit().await,
            "sign-in" => self.sign_in().await,
            "reply" => self.reply().await,
            "warn-1" | "warn-2" | "inactive" | "over" => self.wait_for(event).await,
            "reopen" => self.reopen(cell).await,
            "delete" => {
                let before = self.before().await;
                let request = Request::MailboxDelete { address: BOB.into(), fingerprint: None };
                if cell.state.starts_with("former") {
                    // The command takes the current one first.
                    self.command(&request).await.unwrap();
                    assert_eq!(self.state().await, cell.state);
                }
                match self.command(&request).await {
                    Ok(()) => self.told_since(&before).await,
                    Err(exit) => exit,
                }
            }
            other => panic!("nobody plays {other} yet"),
        }
    }

    async fn visit(&mut self) -> String {
        let link = self.link.clone();
        let (path, _) = path_and_token(&link, &self.browser.site());
        let before = self.house.flow().store.mailboxes(None, 100).await.unwrap();
        let page = self.browser.get(&link).await;
        let after = self.house.flow().store.mailboxes(None, 100).await.unwrap();
        assert_eq!(before, after, "a visit changes nothing");
        assert!(!page.words().contains('@'), "no address before the token: {}", page.words());
        let has_form = page.form(&path).is_some();
        let words = page.words();
        match page.status {
            200 if has_form && self.mailbox.is_none() => {
                let mut other = Stage::new().await;
                other.invite().await;
                let (waiting, _) = path_and_token(&other.link, &other.browser.site());
                let theirs = other.browser.get(&other.link).await;
                let ours = without_what_differs(&page.text(), &path, &self.browser);
                assert_eq!(ours, without_what_differs(&theirs.text(), &waiting, &other.browser));
                "200 as an open one with PIN".into()
            }
            200 if has_form => "200".into(),
            200 if words.contains("Sign in") => "200 opened, sign in".into(),
            410 if words.contains("expired on") => "410 expired".into(),
            410 if words.contains("deleted on") => "410 deleted".into(),
            status => status.to_string(),
        }
    }

    async fn sign_in(&mut self) -> String {
        let mut browser = self.house.browser();
        let page = browser.post("/login", &[("address", BOB), ("password", BOBS_PASSWORD)]).await;
        if page.status != 403 {
            assert_eq!(page.location(), "/mailbox");
            assert_eq!(browser.get("/mailbox").await.status, 200);
            return page.status.to_string();
        }
        let unknown = [("address", "nobody@far.example"), ("password", BOBS_PASSWORD)];
        let unknown = self.house.browser().post("/login", &unknown).await;
        let told = page.text().replace(BOB, "");
        assert_eq!(told, unknown.text().replace("nobody@far.example", ""), "the same for anybody");
        "403 as a wrong password".into()
    }

    async fn reply(&mut self) -> String {
        let signed_in =
            self.browser.post("/login", &[("address", BOB), ("password", BOBS_PASSWORD)]).await.status == 303;
        let path = "/mailbox/inbox/1/reply";
        let form = self.browser.get(path).await;
        let fields = [("to", "sender"), ("subject", "Re: Offer"), ("body", "Heliotrope-1177")];
        let page = self.browser.post_files(path, &fields, &[]).await;
        if !signed_in {
            assert_eq!(page.status, 403, "nothing is sent without a session");
            assert_eq!(form.location(), "/login");
            return format!("{} to sign in", form.status);
        }
        let inbox = self.house.alice_reads().await.messages("INBOX").await;
        assert!(inbox.iter().any(|mail| mail.contains("Heliotrope-1177")), "Alice has the reply");
        format!("{}; correspondent: the reply", page.status)
    }

    /// Lets the moment of an event come.
    async fn wait_for(&mut self, event: &str) -> String {
        let before = self.before().await;
        match self.last_activity().await {
            // The moments of a mailbox that is not closed are counted from its last activity.
            Some(_) if !self.state().await.starts_with("closed") => {
                let ended = self.ended().await;
                if let ("over", Some(ended)) = (event, ended) {
                    let now = self.house.flow().clock.now();
                    self.house.pass((ended + Duration::from_secs(7 * DAY)).since(now)).await;
                } else {
                    self.until(moment_of(event)).await;
                }
            }
            Some(_) if event != "over" => self.house.pass(Duration::from_secs(DAY)).await,
            Some(_) | None => self.house.pass(Duration::from_secs(moment_of(event).max(7 * DAY))).await,
        }
        self.settled().await;
        self.told_since(&before).await
    }

    async fn ended(&self) -> Option<Time> {
        let record = self.house.flow().store.mailbox(self.mailbox?).await.unwrap()?;
        record.closed.or(record.unreachable).map(|ended| ended.at)
    }

    /// `mailbox reopen`; where it works, also for an address that has a newer mailbox by then.
    async fn reopen(&mut self, cell: &Cell) -> String {
        let before = self.before().await;
        let request = Request::MailboxReopen { address: BOB.into() };
        if let Err(exit) = self.command(&request).await {
            return exit;
        }
        let told = self.told_since(&before).await;
        let mut other = Stage::new().await;
        other.bring_to(&cell.state, &cell.event).await;
        let mailbox = other.mailbox;
        other.invite().await;
        assert_ne!(other.mailbox, mailbox, "the address was free");
        other.command(&request).await.unwrap();
        other.mailbox = mailbox;
        format!("{told}; {} where the address has a newer mailbox", other.state().await)
    }

    /// A command; refused is its exit.
    async fn command(&self, request: &Request) -> Result<(), String> {
        let answer = self.house.control(request).await;
        answer.map(drop).map_err(|trouble| format!("exit {}", trouble.kind.exit()))
    }

    async fn before(&self) -> Before {
        let mut notes = Vec::new();
        for account in [ALICE, CAROL] {
            notes.push((account, self.notes(account).await.len()));
        }
        Before { mails: self.house.world.taken().len(), notes }
    }

    /// The INBOX of an account, nothing when it is gone.
    async fn notes(&self, account: &str) -> Vec<String> {
        let flow = self.house.flow();
        let there = flow.all_mailboxes(MailboxKind::Account).await.unwrap();
        if there.iter().all(|record| record.address.to_string() != account) {
            return Vec::new();
        }
        self.house.imap(account, PASSWORD).await.messages("INBOX").await
    }

    /// Who was told what since then, in the words of the table.
    async fn told_since(&self, before: &Before) -> String {
        let mut told = Vec::new();
        let mails = self.house.world.taken();
        for mail in mails.iter().skip(before.mails) {
            assert_eq!(mail.rcpts, [format!("<{BOB}>")], "mail leaves for the recipient only");
            let text = String::from_utf8_lossy(&mail.text).into_owned();
            let subject = field(&text, "Subject").unwrap();
            assert_eq!(field(&text, "Auto-Submitted").as_deref(), Some("auto-generated"));
            assert!(field(&text, "DKIM-Signature").is_some_and(|signature| signature.contains(DOMAIN)));
            told.push(match subject {
                subject if subject.contains("closes on") => "recipient: warning".to_owned(),
                other => panic!("the recipient got: {other}"),
            });
        }
        let mut correspondents = Vec::new();
        for (account, count) in &before.notes {
            for note in self.notes(account).await.iter().skip(*count) {
                let subject = field(note, "Subject").unwrap();
                correspondents.push((*account, subject));
            }
        }
        if !correspondents.is_empty() {
            let there = before.notes.iter().filter(|(_, count)| *count > 0).count();
            assert_eq!(correspondents.len(), there, "each of them once: {correspondents:?}");
            let never = |subject: &str| subject == format!("{BOB} never opened the mailbox");
            assert!(correspondents.iter().all(|(_, subject)| never(subject)), "{correspondents:?}");
            told.push("correspondents: never opened".into());
        }
        if told.is_empty() { "nobody".into() } else { told.join("; ") }
    }
}

/// A page without what is another's by nature: its id, its port, and the password that it proposes.
fn without_what_differs(text: &str, path: &str, browser: &Browser) -> String {
    let text = text.replace(path, "/i/x").replace(browser.site().trim_start_matches("https://"), "");
    let (head, rest) = text.split_once("<p class=\"secret\">").expect("it proposes a password");
    let (_, tail) = rest.split_once("</p>").expect("in one place");
    format!("{head}{tail}")
}

/// How long after the last activity an event of time comes; nothing for the others.
fn moment_of(event: &str) -> u64 {
    match event {
        "warn-1" => 76 * DAY,
        "warn-2" => 87 * DAY,
        "inactive" => 90 * DAY + HOUR,
        "over" => 7 * DAY,
        _ => 0,
    }
}

/// The events of time and of commands, and those of the link and the password.
const EVENTS: &[&str] =
    &["visit", "sign-in", "reply", "warn-1", "warn-2", "inactive", "over", "reopen", "delete"];

#[tokio::test(flavor = "multi_thread")]
async fn without_a_mailbox() {
    play("none", EVENTS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_that_waits() {
    play("unopened", EVENTS).await;
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
async fn an_invitation_whose_sender_is_gone() {
    play("abandoned", EVENTS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_mailbox() {
    play("open", EVENTS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_whose_address_has_a_newer_one() {
    play("former", EVENTS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_whose_address_has_a_newer_mailbox() {
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

/// No line of the table is there only to be read: each event of it is played, here or with the mail.
#[test]
fn every_event_of_the_table_is_played() {
    let mut events: Vec<String> = table().into_iter().map(|cell| cell.event).collect();
    let mut played: Vec<&str> = EVENTS.iter().chain(mail::EVENTS).copied().collect();
    played.sort_unstable();
    events.sort_unstable();
    events.dedup();
    assert_eq!(events, played);
}
