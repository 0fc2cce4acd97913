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
    /// `https://host/i/<id>#<access token>`.
    pub link: &'a str,
    /// The access token as the link has it.
    pub access_code: &'a str,
}

/// The mail with the link.
pub fn invitation(head: &Letterhead<'_>, facts: &Invitation<'_>, language: Language) -> MailText {
    let Invitation { sender, recipient, date: written, until, note, has_pin, link, access_code } = facts;
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
    /// The mailbox was there before, not opened: the same link went out again.
    pub resent: bool,
    /// The message brought a PIN of its own, which was not used.
    pub ignored: bool,
}

/// To the sender, when an invitation goes out: the PIN, and to pass it on by another way.
pub fn note_pin(head: &Letterhead<'_>, facts: &Pin<'_>, language: Language) -> MailText {
    let until = date(language, facts.until);
    let extra = [("until", (&until).into()), ("header", facts.header.unwrap_or_default().into())];
    let note = Note::new(head, facts.recipient, language, &extra);
    let mut blocks = Vec::new();
    let (subject, title) = match (facts.pin, facts.resent) {
        (None, _) => {
            blocks.push(note.paragraph("note-no-pin-set-text"));
            ("note-no-pin-set-subject", "note-no-pin-set-title")
        }
        (Some(pin), resent) => {
            let intro = if resent { "note-resent-text" } else { "note-pin-text" };
            blocks.push(Block::Code { intro: note.say(intro), code: tame(pin, 32) });
            blocks.push(note.paragraph("note-pin-how"));
            if facts.header.is_some() {
                blocks.push(note.paragraph("note-pin-again"));
            }
            if resent {
                ("note-resent-subject", "note-resent-title")
            } else {
                ("note-pin-subject", "note-pin-title")
            }
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

/// To the sender: `tries` wrong PINs, `left` more are possible; with none left the invitation is dead.
pub fn note_wrong_pins(
    head: &Letterhead<'_>,
    recipient: &Address,
    tries: u8,
    left: u8,
    language: Language,
) -> MailText {
    let extra = [("tries", tries.into()), ("left", left.into())];
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

/// To the sender: the invitation came back. `reason` is what the other server said.
pub fn note_unreachable(
    head: &Letterhead<'_>,
    recipient: &Address,
    reason: &str,
    language: Language,
) -> MailText {
    let reason = tame(reason, REASON);
    let extra = [("reason", (&reason).into())];
    let note = Note::new(head, recipient, language, &extra);
    let mut blocks = vec![note.paragraph("note-unreachable-text")];
    if !reason.is_empty() {
        blocks.push(note.paragraph("note-reason"));
    }
    blocks.push(note.paragraph("note-unreachable-do"));
    note.letter("note-unreachable-subject", "note-unreachable-title", blocks)
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
