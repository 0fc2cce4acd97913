//! Every mail to people outside, once in each of its shapes, with made-up facts: what `template test` shows, and what the
//! tests of mails look at.

use crate::base::address::Address;
use crate::base::address::Domain;
use crate::base::language::Languages;
use crate::base::time::Time;
use crate::texts::closing;
use crate::texts::closing::Keep;
use crate::texts::letter::Letterhead;
use crate::texts::letter::MailText;
use crate::texts::letter::Sender;
use crate::texts::mail;
use crate::texts::template::Kind;

/// A sample.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Which mail.
    pub kind: Kind,
    /// In which of its shapes; the first of a kind is the usual one.
    pub shape: &'static str,
    /// What it says.
    pub mail: MailText,
}

/// Who writes, and where the links lead.
#[derive(Clone, Copy, Debug)]
pub struct House<'a> {
    /// Head and foot.
    pub head: &'a Letterhead<'a>,
    /// The domain of the senders.
    pub domain: &'a Domain,
    /// The account that causes what one account causes; without it somebody made up.
    pub sender: Option<&'a Address>,
    /// Where mails like these come from.
    pub notices: &'a Address,
    /// The portal, `https://host`.
    pub portal: &'a str,
    /// The portal's host.
    pub host: &'a str,
}

/// An id and an access token that open nothing.
const INVITATION: &str = "7kq2m9x4tbn3wz8r5hvd6c1fpa";
const CODE: &str = "Q3RM-7XKA-9W2F-TZ5H-B4NC-6PLD-MJ8S-VYE2";
const DAY: i64 = 86_400;
const WRITTEN: Time = Time(1_795_232_000);
const UNTIL: Time = Time(WRITTEN.0 + 90 * DAY);
const NOTE: &str =
    "Dear Jonas, here is the draft from Thursday. I will text you the PIN this afternoon. Anna";

/// All of them, by kind.
pub fn samples(house: &House<'_>, languages: Languages) -> Vec<Sample> {
    let Some(people) = People::of(house) else { return Vec::new() };
    let mut samples = invitations(house, &people, languages);
    samples.extend(notices(house, &people, languages));
    samples.extend(several(house, &people, languages));
    samples.extend(warnings(house, &people, languages));
    let login = format!("{}/login", house.portal);
    let mail = mail::auto_answer(house.head, house.notices, &login, languages);
    samples.push(Sample { kind: Kind::AutoAnswer, shape: "auto-answer", mail });
    samples
}

/// Who wrote, and to whom.
struct People {
    anna: Address,
    anna_name: Option<&'static str>,
    carl: Address,
    clerks: Vec<Address>,
    jonas: Address,
}

impl People {
    fn of(house: &House<'_>) -> Option<Self> {
        let here = |local: &str| Address::new(local, house.domain.clone()).ok();
        Some(Self {
            anna: house.sender.cloned().or_else(|| here("anna.roth"))?,
            anna_name: house.sender.is_none().then_some("Anna Roth"),
            carl: here("carl")?,
            clerks: (1..=7).map(|n| here(&format!("clerk{n}"))).collect::<Option<_>>()?,
            jonas: Address::parse("jonas.keller@mail.example").ok()?,
        })
    }

    const fn sender(&self) -> Sender<'_> {
        Sender { name: self.anna_name, address: &self.anna }
    }
}

fn invitations(house: &House<'_>, people: &People, languages: Languages) -> Vec<Sample> {
    let link = format!("{}/i/{INVITATION}#{CODE}", house.portal);
    let invitation = |shape, note, has_pin, renewed| {
        let facts = mail::Invitation {
            sender: people.sender(),
            recipient: &people.jonas,
            date: WRITTEN,
            until: UNTIL,
            note,
            has_pin,
            renewed,
            link: &link,
            access_code: CODE,
            host: house.host,
        };
        Sample { kind: Kind::Invitation, shape, mail: mail::invitation(house.head, &facts, languages) }
    };
    vec![
        invitation("invitation", Some(NOTE), true, false),
        invitation("invitation-no-pin", None, false, false),
        invitation("invitation-renewed", None, true, true),
    ]
}

fn notices(house: &House<'_>, people: &People, languages: Languages) -> Vec<Sample> {
    let waiting = mail::Waiting {
        sender: people.sender(),
        recipient: &people.jonas,
        date: WRITTEN,
        first_sender: &people.carl,
        first_date: Time(WRITTEN.0 - 3 * DAY),
        until: UNTIL,
        note: Some(NOTE),
    };
    let login = format!("{}/login", house.portal);
    let new = |shape, note| {
        let facts = mail::NewMessage {
            sender: people.sender(),
            recipient: &people.jonas,
            date: WRITTEN,
            note,
            login_url: &login,
            host: house.host,
        };
        Sample { kind: Kind::NewMessage, shape, mail: mail::new_message(house.head, &facts, languages) }
    };
    let waiting = mail::waiting(house.head, &waiting, languages);
    vec![
        Sample { kind: Kind::Waiting, shape: "waiting", mail: waiting },
        new("new-message", None),
        new("new-message-note", Some(NOTE)),
    ]
}

fn several(house: &House<'_>, people: &People, languages: Languages) -> Vec<Sample> {
    let login = format!("{}/login", house.portal);
    let several = |shape, count, named, invitation| {
        let facts = mail::Several {
            count,
            senders: people.clerks.get(..named).unwrap_or_default(),
            recipient: &people.jonas,
            since: WRITTEN,
            invitation,
            until: UNTIL,
            login_url: &login,
            host: house.host,
        };
        Sample { kind: Kind::Several, shape, mail: mail::several(house.head, &facts, languages) }
    };
    vec![
        several("several-many", 9, people.clerks.len(), None),
        several("several-one", 1, 1, None),
        several("several-unopened", 2, 2, Some((&people.carl, WRITTEN))),
    ]
}

fn warnings(house: &House<'_>, people: &People, languages: Languages) -> Vec<Sample> {
    let login = format!("{}/login", house.portal);
    let warned = |shape, keep| {
        let goes = Time(UNTIL.0 + 7 * DAY);
        let facts = closing::Warning {
            recipient: &people.jonas,
            closes: UNTIL,
            goes,
            days: 90,
            keep,
            host: house.host,
        };
        Sample { kind: Kind::Warning, shape, mail: closing::warning(house.head, &facts, languages) }
    };
    let (anna, invited) = (&people.anna, WRITTEN);
    vec![
        warned("warning", Keep::SignIn { login_url: &login }),
        warned("warning-unopened", Keep::Open { inviter: Some(anna), invited }),
        warned("warning-unopened-inviter-gone", Keep::Open { inviter: None, invited }),
        warned("warning-dead", Keep::Ask { inviter: Some(anna) }),
        warned("warning-dead-inviter-gone", Keep::Ask { inviter: None }),
    ]
}
