//! The mails around temporary mailboxes, to their recipients and to senders, as pure functions of facts.
//!
//! None tells a subject, a text or a file name of the message it is about. A PIN stands only in the note to its own
//! sender, an access token only in the invitation.

use crate::base::address::Address;
use crate::base::language::Language;
use crate::base::time::Time;
use crate::texts::Value;
use crate::texts::date;
use crate::texts::letter::Block;
use crate::texts::letter::Letter;
pub use crate::texts::letter::Letterhead;
pub use crate::texts::letter::MailText;
use crate::texts::letter::no_reply;
use crate::texts::tame;
use crate::texts::text;

/// The longest display name that a mail repeats, characters.
const NAME: usize = 80;
/// The longest personal note, characters.
const NOTE: usize = 500;
/// The longest answer of another server that a note repeats, characters.
const REASON: usize = 400;

/// The account that wrote.
#[derive(Clone, Copy, Debug)]
pub struct Sender<'a> {
    /// The display name of its From:, if it has one.
    pub name: Option<&'a str>,
    /// Its address.
    pub address: &'a Address,
}

impl Sender<'_> {
    /// The name, else the address.
    fn short(&self) -> String {
        let name = tame(self.name.unwrap_or_default(), NAME);
        if name.is_empty() { self.address.to_string() } else { name }
    }

    /// Both.
    fn long(&self) -> String {
        let name = tame(self.name.unwrap_or_default(), NAME);
        if name.is_empty() { self.address.to_string() } else { format!("{name} ({})", self.address) }
    }
}

/// What an invitation says.
pub struct Invitation<'a> {
    /// Who wrote.
    pub sender: Sender<'a>,
    /// To whom.
    pub recipient: &'a Address,
    /// When.
    pub date: Time,
    /// The link works until then.
    pub until: Time,
    /// The sender's personal line; it is not encrypted, and the mail says so.
    pub note: Option<&'a str>,
    /// A PIN is needed.
    pub has_pin: bool,
    /// Another invitation went out before, which opens nothing any more.
    pub renewed: bool,
    /// `https://host/i/<id>#<access token>`.
    pub link: &'a str,
    /// The access token as the link has it.
    pub access_code: &'a str,
}

/// The mail with the link.
pub fn invitation(head: &Letterhead<'_>, facts: &Invitation<'_>, language: Language) -> MailText {
    let Invitation { sender, recipient, date: written, until, note, has_pin, renewed, link, access_code } =
        facts;
    let (short, who, address) = (sender.short(), sender.long(), sender.address.to_string());
    let recipient = recipient.to_string();
    let (written, until) = (date(language, *written), date(language, *until));
    let values = [
        ("sender", (&short).into()),
        ("sender_address", (&address).into()),
        ("who", (&who).into()),
        ("recipient", (&recipient).into()),
        ("date", (&written).into()),
        ("until", (&until).into()),
        ("brand", head.brand.into()),
    ];
    let say = |id: &str| text(language, id, &values);
    let mut blocks = vec![Block::Paragraph(say("mail-invite-who"))];
    if *renewed {
        blocks.push(Block::Paragraph(say("mail-invite-renewed")));
    }
    blocks.extend(personal(note.unwrap_or_default(), say("mail-note-intro")));
    blocks.push(Block::OnlyText(say("mail-invite-link-text") + "\n" + link));
    blocks.push(Block::Button {
        intro: say("mail-invite-click"),
        label: say("mail-invite-button"),
        link_intro: say("mail-invite-link"),
        url: (*link).to_owned(),
    });
    if *has_pin {
        blocks.push(Block::Titled { title: say("mail-invite-pin-title"), text: say("mail-invite-pin") });
    }
    let unsure = say("mail-unsure") + " " + &say("mail-never");
    blocks.push(Block::Titled { title: say("mail-unsure-title"), text: unsure });
    blocks.push(no_reply(language));
    blocks.push(Block::Code { intro: say("mail-invite-code"), code: (*access_code).to_owned() });
    Letter { head, language, subject: say("mail-invite-subject"), title: say("mail-invite-title"), blocks }
        .render()
}

/// What the notice of a further message says, before the mailbox was opened, from somebody who is not its inviter.
pub struct Waiting<'a> {
    /// Who wrote.
    pub sender: Sender<'a>,
    /// To whom.
    pub recipient: &'a Address,
    /// When.
    pub date: Time,
    /// Who invited.
    pub first_sender: &'a Address,
    /// When.
    pub first_date: Time,
    /// That invitation works until then.
    pub until: Time,
    /// The sender's personal line.
    pub note: Option<&'a str>,
}

/// The mail that points to the first invitation.
pub fn waiting(head: &Letterhead<'_>, facts: &Waiting<'_>, language: Language) -> MailText {
    let Waiting { sender, recipient, date: written, first_sender, first_date, until, note } = facts;
    let (short, who, address) = (sender.short(), sender.long(), sender.address.to_string());
    let (recipient, first_sender) = (recipient.to_string(), first_sender.to_string());
    let (written, first_date, until) =
        (date(language, *written), date(language, *first_date), date(language, *until));
    let values = [
        ("sender", (&short).into()),
        ("sender_address", (&address).into()),
        ("who", (&who).into()),
        ("recipient", (&recipient).into()),
        ("date", (&written).into()),
        ("first_sender", (&first_sender).into()),
        ("first_date", (&first_date).into()),
        ("until", (&until).into()),
        ("brand", head.brand.into()),
    ];
    let say = |id: &str| text(language, id, &values);
    let mut blocks = vec![Block::Paragraph(say("mail-waiting-who"))];
    blocks.extend(personal(note.unwrap_or_default(), say("mail-note-intro")));
    blocks.push(Block::Paragraph(say("mail-waiting-open")));
    blocks.push(Block::Paragraph(say("mail-waiting-lost")));
    blocks.push(no_reply(language));
    Letter { head, language, subject: say("mail-next-subject"), title: say("mail-waiting-title"), blocks }
        .render()
}

/// What the notice of a further message says once the mailbox has a password.
pub struct NewMessage<'a> {
    /// Who wrote.
    pub sender: Sender<'a>,
    /// To whom.
    pub recipient: &'a Address,
    /// When.
    pub date: Time,
    /// The sender's personal line.
    pub note: Option<&'a str>,
    /// `https://host/login`.
    pub login_url: &'a str,
    /// The portal's host, to be typed by hand.
    pub host: &'a str,
}

/// The mail that says that there is a message.
pub fn new_message(head: &Letterhead<'_>, facts: &NewMessage<'_>, language: Language) -> MailText {
    let NewMessage { sender, recipient, date: written, note, login_url, host } = facts;
    let (short, who, address) = (sender.short(), sender.long(), sender.address.to_string());
    let (recipient, written) = (recipient.to_string(), date(language, *written));
    let values = [
        ("sender", (&short).into()),
        ("sender_address", (&address).into()),
        ("who", (&who).into()),
        ("recipient", (&recipient).into()),
        ("date", (&written).into()),
        ("host", (*host).into()),
        ("brand", head.brand.into()),
    ];
    let say = |id: &str| text(language, id, &values);
    let mut blocks = vec![Block::Paragraph(say("mail-next-who"))];
    blocks.extend(personal(note.unwrap_or_default(), say("mail-note-intro")));
    blocks.push(Block::OnlyText(say("mail-next-click") + "\n" + login_url));
    blocks.push(Block::Button {
        intro: say("mail-next-click"),
        label: say("mail-next-button"),
        link_intro: say("mail-invite-link"),
        url: (*login_url).to_owned(),
    });
    blocks.push(Block::Paragraph(say("mail-next-forgot")));
    blocks.push(Block::Paragraph(say("mail-unsure-genuine")));
    blocks.push(no_reply(language));
    Letter { head, language, subject: say("mail-next-subject"), title: say("mail-next-title"), blocks }
        .render()
}

/// What the notice of several messages says.
pub struct Several<'a> {
    /// How many.
    pub count: u32,
    /// From whom.
    pub senders: &'a [Address],
    /// To whom.
    pub recipient: &'a Address,
    /// Since when.
    pub since: Time,
    /// Who invited and when, while nobody has opened the mailbox.
    pub invitation: Option<(&'a Address, Time)>,
    /// That invitation works until then.
    pub until: Time,
    /// `https://host/login`.
    pub login_url: &'a str,
    /// The portal's host, to be typed by hand.
    pub host: &'a str,
}

/// The mail that says how many messages wait.
pub fn several(head: &Letterhead<'_>, facts: &Several<'_>, language: Language) -> MailText {
    let (recipient, since) = (facts.recipient.to_string(), date(language, facts.since));
    let mut senders: Vec<String> = facts.senders.iter().take(NAMED).map(ToString::to_string).collect();
    if facts.senders.len() > NAMED {
        senders.push("…".to_owned());
    }
    let who = senders.join(", ");
    let (inviter, invited) = facts
        .invitation
        .map_or_else(Default::default, |(inviter, invited)| (inviter.to_string(), date(language, invited)));
    let until = date(language, facts.until);
    let values = [
        ("n", facts.count.into()),
        ("who", (&who).into()),
        ("sender", (&who).into()),
        ("recipient", (&recipient).into()),
        ("date", (&since).into()),
        ("first_sender", (&inviter).into()),
        ("first_date", (&invited).into()),
        ("until", (&until).into()),
        ("host", facts.host.into()),
        ("brand", head.brand.into()),
    ];
    let say = |id: &str| text(language, id, &values);
    let mut blocks = vec![Block::Paragraph(say("mail-several-who"))];
    if facts.invitation.is_some() {
        blocks.push(Block::Paragraph(say("mail-several-open")));
        blocks.push(Block::Paragraph(say("mail-waiting-lost")));
    } else {
        blocks.push(Block::OnlyText(say("mail-next-click") + "\n" + facts.login_url));
        blocks.push(Block::Button {
            intro: say("mail-next-click"),
            label: say("mail-next-button"),
            link_intro: say("mail-invite-link"),
            url: facts.login_url.to_owned(),
        });
        blocks.push(Block::Paragraph(say("mail-next-forgot")));
        blocks.push(Block::Paragraph(say("mail-unsure-genuine")));
    }
    blocks.push(no_reply(language));
    Letter { head, language, subject: say("mail-several-subject"), title: say("mail-several-title"), blocks }
        .render()
}

/// Senders that one mail names.
const NAMED: usize = 5;

/// To somebody who answered an invitation or a notice by mail (RFC 3834): `address` is where they wrote,
/// `login_url` where to answer.
pub fn auto_answer(
    head: &Letterhead<'_>,
    address: &Address,
    login_url: &str,
    language: Language,
) -> MailText {
    let address = address.to_string();
    let say = |id: &str| text(language, id, &[("address", (&address).into())]);
    let portal = say("mail-answer-portal");
    let blocks = vec![
        Block::Paragraph(say("mail-answer-text")),
        Block::List(vec![portal, login_url.to_owned()]),
        Block::Paragraph(say("mail-answer-first")),
    ];
    Letter { head, language, subject: say("mail-answer-subject"), title: say("mail-answer-title"), blocks }
        .render()
}

/// What a link that goes out is to its mailbox.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PinNews {
    /// Its first.
    First,
    /// The one that went out before, once more.
    Resent,
    /// Another one: what went out before opens nothing any more.
    Renewed,
}

/// What the note about a PIN says.
pub struct Pin<'a> {
    /// Whose mailbox.
    pub recipient: &'a Address,
    /// The PIN; nothing when none was assigned.
    pub pin: Option<&'a str>,
    /// The header of the Sent copy that shows it again; nothing when that is off.
    pub header: Option<&'a str>,
    /// The invitation works until then.
    pub until: Time,
    /// Whether the link goes out for the first time.
    pub news: PinNews,
    /// The message brought a PIN of its own, which was not used.
    pub ignored: bool,
}

/// To the sender, when an invitation goes out: the PIN, and to pass it on by another way.
pub fn note_pin(head: &Letterhead<'_>, facts: &Pin<'_>, language: Language) -> MailText {
    let until = date(language, facts.until);
    let extra = [("until", (&until).into()), ("header", facts.header.unwrap_or_default().into())];
    let note = Note::new(head, facts.recipient, language, &extra);
    let mut blocks = Vec::new();
    let (subject, title) = match (facts.pin, facts.news) {
        (None, PinNews::First | PinNews::Resent) => {
            blocks.push(note.paragraph("note-no-pin-set-text"));
            ("note-no-pin-set-subject", "note-no-pin-set-title")
        }
        (None, PinNews::Renewed) => {
            blocks.push(note.paragraph("note-renewed-no-pin-text"));
            ("note-renewed-subject", "note-renewed-no-pin-title")
        }
        (Some(pin), news) => {
            let (intro, subject, title) = match news {
                PinNews::First => ("note-pin-text", "note-pin-subject", "note-pin-title"),
                PinNews::Resent => ("note-resent-text", "note-resent-subject", "note-resent-title"),
                PinNews::Renewed => ("note-renewed-text", "note-renewed-subject", "note-pin-title"),
            };
            blocks.push(Block::Code { intro: note.say(intro), code: tame(pin, 32) });
            blocks.push(note.paragraph("note-pin-how"));
            if facts.header.is_some() {
                blocks.push(note.paragraph("note-pin-again"));
            }
            (subject, title)
        }
    };
    if facts.ignored {
        blocks.push(note.paragraph("note-pin-ignored"));
    }
    if facts.pin.is_some() {
        blocks.push(note.paragraph("note-pin-until"));
    }
    note.letter(subject, title, blocks)
}

/// To the sender: the PIN of a message was not used, since the mailbox was opened long ago.
pub fn note_pin_ignored(head: &Letterhead<'_>, recipient: &Address, language: Language) -> MailText {
    let note = Note::new(head, recipient, language, &[]);
    let blocks = vec![note.paragraph("note-pin-ignored")];
    note.letter("note-pin-subject", "note-pin-subject", blocks)
}

/// To the sender: the mailbox was opened at `when`, with a PIN or with the link alone.
pub fn note_opened(
    head: &Letterhead<'_>,
    recipient: &Address,
    when: Time,
    had_pin: bool,
    language: Language,
) -> MailText {
    let when = date(language, when);
    let extra = [("date", (&when).into())];
    let note = Note::new(head, recipient, language, &extra);
    let opened = if had_pin { "note-opened-text" } else { "note-opened-text-no-pin" };
    let blocks = vec![note.paragraph(opened), note.paragraph("note-opened-doubt")];
    note.letter("note-opened-subject", "note-opened-title", blocks)
}

/// To the sender: `tries` wrong PINs, `left` more are possible; with none left the invitation is dead until the sender
/// writes `renew` in a subject.
pub fn note_wrong_pins(
    head: &Letterhead<'_>,
    recipient: &Address,
    tries: u8,
    left: u8,
    renew: &str,
    language: Language,
) -> MailText {
    let extra = [("tries", tries.into()), ("left", left.into()), ("renew", renew.into())];
    let note = Note::new(head, recipient, language, &extra);
    if left == 0 {
        let blocks = vec![note.paragraph("note-dead-text"), note.paragraph("note-dead-do")];
        return note.letter("note-dead-subject", "note-dead-title", blocks);
    }
    let blocks = vec![note.paragraph("note-wrong-text"), note.paragraph("note-wrong-do")];
    note.letter("note-wrong-subject", "note-wrong-title", blocks)
}

/// To the sender: somebody with the link asks for the PIN.
pub fn note_no_pin(head: &Letterhead<'_>, recipient: &Address, language: Language) -> MailText {
    let note = Note::new(head, recipient, language, &[]);
    let blocks = vec![note.paragraph("note-asked-text"), note.paragraph("note-asked-care")];
    note.letter("note-asked-subject", "note-asked-title", blocks)
}

/// To a sender whose message went into a mailbox that `inviter` caused at `invited` and nobody has opened yet.
pub fn note_still_unopened(
    head: &Letterhead<'_>,
    recipient: &Address,
    inviter: &Address,
    invited: Time,
    language: Language,
) -> MailText {
    let (inviter, invited) = (inviter.to_string(), date(language, invited));
    let extra = [("inviter", (&inviter).into()), ("date", (&invited).into())];
    let note = Note::new(head, recipient, language, &extra);
    let blocks = vec![note.paragraph("note-unopened-text"), note.paragraph("note-unopened-pin")];
    note.letter("note-unopened-subject", "note-unopened-title", blocks)
}

/// To the sender: the invitation came back, since the address is bad. `reason` is what the other server said, `renew`
/// what a subject says to try again.
pub fn note_unreachable(
    head: &Letterhead<'_>,
    recipient: &Address,
    reason: &str,
    renew: &str,
    language: Language,
) -> MailText {
    let reason = tame(reason, REASON);
    let extra = [("reason", (&reason).into()), ("renew", renew.into())];
    let note = Note::new(head, recipient, language, &extra);
    let mut blocks = vec![note.paragraph("note-unreachable-text")];
    if !reason.is_empty() {
        blocks.push(note.paragraph("note-reason"));
    }
    blocks.push(note.paragraph("note-unreachable-do"));
    note.letter("note-unreachable-subject", "note-unreachable-title", blocks)
}

/// To the sender: an invitation or a notice came back, though the address may be right; `opened` mailboxes need no
/// link.
pub fn note_undelivered(
    head: &Letterhead<'_>,
    recipient: &Address,
    reason: &str,
    opened: bool,
    renew: &str,
    language: Language,
) -> MailText {
    let reason = tame(reason, REASON);
    let extra = [("reason", (&reason).into()), ("renew", renew.into())];
    let note = Note::new(head, recipient, language, &extra);
    let mut blocks = vec![note.paragraph("note-undelivered-text")];
    if !reason.is_empty() {
        blocks.push(note.paragraph("note-reason"));
    }
    blocks.push(note.paragraph(if opened { "note-undelivered-opened" } else { "note-undelivered-do" }));
    note.letter("note-undelivered-subject", "note-undelivered-title", blocks)
}

/// To the sender: the recipient is not told by mail any more.
pub fn note_not_told(head: &Letterhead<'_>, recipient: &Address, language: Language) -> MailText {
    let note = Note::new(head, recipient, language, &[]);
    let blocks = vec![note.paragraph("note-not-told-text"), note.paragraph("note-not-told-do")];
    note.letter("note-not-told-subject", "note-not-told-title", blocks)
}

/// To the sender: the link was not sent once more.
pub fn note_link_not_repeated(head: &Letterhead<'_>, recipient: &Address, language: Language) -> MailText {
    let note = Note::new(head, recipient, language, &[]);
    let blocks = vec![note.paragraph("note-not-repeated-text")];
    note.letter("note-not-repeated-subject", "note-not-repeated-title", blocks)
}

/// What a new mailbox would lose.
pub struct Lost<'a> {
    /// Whose mailbox.
    pub recipient: &'a Address,
    /// When it was opened, if it was.
    pub opened: Option<Time>,
    /// How many messages lie in it.
    pub messages: u32,
    /// What a subject says to ask for a new one.
    pub new: &'a str,
    /// What a subject says to ask for another link.
    pub renew: &'a str,
}

/// To a sender who asked for a new mailbox, before it is made.
pub fn note_lost(head: &Letterhead<'_>, facts: &Lost<'_>, language: Language) -> MailText {
    let opened = facts.opened.map(|opened| date(language, opened)).unwrap_or_default();
    let extra = [
        ("opened", (&opened).into()),
        ("messages", facts.messages.into()),
        ("new", facts.new.into()),
        ("renew", facts.renew.into()),
    ];
    let note = Note::new(head, facts.recipient, language, &extra);
    let blocks = vec![
        note.paragraph(if facts.opened.is_some() { "note-lost-opened" } else { "note-lost-unopened" }),
        note.paragraph("note-lost-what"),
        note.paragraph("note-lost-told"),
        note.paragraph("note-lost-do"),
    ];
    note.letter("note-lost-subject", "note-lost-title", blocks)
}

/// To the other correspondents: `by` has made a new mailbox at `when`.
pub fn note_made_anew(
    head: &Letterhead<'_>,
    recipient: &Address,
    by: &Address,
    when: Time,
    language: Language,
) -> MailText {
    let (by, when) = (by.to_string(), date(language, when));
    let extra = [("by", (&by).into()), ("date", (&when).into())];
    let note = Note::new(head, recipient, language, &extra);
    let blocks = vec![note.paragraph("note-anew-text"), note.paragraph("note-anew-doubt")];
    note.letter("note-anew-subject", "note-anew-title", blocks)
}

/// Into the mailbox that has a newer one now: `by` has asked for it at `when`; it stays until `until` at least.
pub fn made_anew(
    head: &Letterhead<'_>,
    recipient: &Address,
    by: &Address,
    when: Time,
    until: Time,
    language: Language,
) -> MailText {
    let (recipient, by) = (recipient.to_string(), by.to_string());
    let (when, until) = (date(language, when), date(language, until));
    let values = [
        ("recipient", (&recipient).into()),
        ("by", (&by).into()),
        ("date", (&when).into()),
        ("until", (&until).into()),
        ("brand", head.brand.into()),
    ];
    let say = |id: &str| text(language, id, &values);
    let blocks = vec![
        Block::Paragraph(say("mail-anew-text")),
        Block::Paragraph(say("mail-anew-here")),
        Block::Paragraph(say("mail-anew-doubt")),
    ];
    Letter { head, language, subject: say("mail-anew-subject"), title: say("mail-anew-subject"), blocks }
        .render()
}

/// To the sender: the invitation waits, and is tried until `until`.
pub fn note_late(
    head: &Letterhead<'_>,
    recipient: &Address,
    until: Time,
    reason: &str,
    language: Language,
) -> MailText {
    let (until, reason) = (date(language, until), tame(reason, REASON));
    let extra = [("until", (&until).into()), ("reason", (&reason).into())];
    let note = Note::new(head, recipient, language, &extra);
    let mut blocks = vec![note.paragraph("note-late-text")];
    if !reason.is_empty() {
        blocks.push(note.paragraph("note-reason"));
    }
    note.letter("note-late-subject", "note-late-title", blocks)
}

/// What became of the recovery certificate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Recovery {
    /// It was switched on.
    On,
    /// Another one took its place.
    Changed,
    /// It was switched off.
    Off,
}

/// To an account: who else can open it. `fingerprint` is that of the recovery certificate, empty when it is off.
pub fn note_recovery(
    head: &Letterhead<'_>,
    account: &Address,
    news: Recovery,
    fingerprint: &str,
    language: Language,
) -> MailText {
    let extra = [("fingerprint", fingerprint.into())];
    let note = Note::new(head, account, language, &extra);
    let (text, what) = match news {
        Recovery::On => ("note-recovery-on-text", Some("note-recovery-what")),
        Recovery::Changed => ("note-recovery-changed-text", Some("note-recovery-what")),
        Recovery::Off => ("note-recovery-off-text", None),
    };
    let blocks = std::iter::once(text).chain(what).map(|id| note.paragraph(id)).collect();
    note.letter("note-recovery-subject", "note-recovery-title", blocks)
}

/// A note to a sender about one recipient.
pub(super) struct Note<'a> {
    head: &'a Letterhead<'a>,
    language: Language,
    recipient: String,
    extra: &'a [(&'a str, Value<'a>)],
}

impl<'a> Note<'a> {
    pub fn new(
        head: &'a Letterhead<'a>,
        recipient: &Address,
        language: Language,
        extra: &'a [(&'a str, Value<'a>)],
    ) -> Self {
        Self { head, language, recipient: recipient.to_string(), extra }
    }

    pub fn say(&self, id: &str) -> String {
        let mut values = vec![("recipient", (&self.recipient).into()), ("brand", self.head.brand.into())];
        values.extend_from_slice(self.extra);
        text(self.language, id, &values)
    }

    pub fn paragraph(&self, id: &str) -> Block {
        Block::Paragraph(self.say(id))
    }

    pub fn letter(&self, subject: &str, title: &str, blocks: Vec<Block>) -> MailText {
        let (subject, title) = (self.say(subject), self.say(title));
        Letter { head: self.head, language: self.language, subject, title, blocks }.render()
    }
}

/// The sender's personal line, if there is one.
fn personal(note: &str, intro: String) -> Option<Block> {
    let text = tame(note, NOTE);
    (!text.is_empty()).then_some(Block::Note { intro, text })
}

#[cfg(test)]
#[path = "mail_tests.rs"]
mod tests;
