//! Notes: what an account is told about a mailbox it caused, in its INBOX, encrypted like everything there.

use crate::base::address::Address;
use crate::base::id::MailboxId;
use crate::base::requirement::Unmet;
use crate::base::time::Time;
use crate::config::Config;
use crate::config::section::LocalDomain;
use crate::flow::Flow;
use crate::flow::controls::asking;
use crate::flow::letters::letterhead;
use crate::flow::recovery::RecoveryNews;
use crate::flow::refusal::TakeError;
use crate::flow::sealing::Receiver;
use crate::openpgp::fingerprint_text;
use crate::policy::tag::Invite;
use crate::store::command::Command;
use crate::store::record::Folder;
use crate::texts::letter::MailText;
use crate::texts::note as texts;
use crate::texts::note::PinNews;

/// The TLS policy that kept a mail here.
#[derive(Clone, Debug)]
pub struct Kept {
    /// The host that was met, if one was.
    pub host: Option<String>,
    /// What it does not meet.
    pub unmet: Unmet,
    /// A secure alias asked for it.
    pub alias: bool,
}

/// What is told.
#[derive(Debug)]
pub enum Note {
    /// An invitation went out: the PIN, if there is one.
    Pin {
        /// Whose mailbox.
        recipient: Address,
        /// The PIN.
        pin: Option<String>,
        /// The invitation works until then.
        until: Time,
        /// Whether it went out for the first time.
        news: PinNews,
        /// The message brought another PIN, which was not used.
        ignored: bool,
    },
    /// A PIN was said for a mailbox that was opened long ago.
    PinIgnored {
        /// Whose mailbox.
        recipient: Address,
    },
    /// A password was chosen.
    Opened {
        /// Whose mailbox.
        recipient: Address,
        /// When.
        at: Time,
        /// With a PIN.
        had_pin: bool,
    },
    /// Wrong PINs were tried.
    WrongPins {
        /// Whose mailbox.
        recipient: Address,
        /// So many.
        tries: u8,
        /// So many more are possible; with none the invitation is dead.
        left: u8,
    },
    /// The recipient has no PIN.
    NoPin {
        /// Whose mailbox.
        recipient: Address,
    },
    /// The message lies in a mailbox of another's invitation that nobody has opened.
    StillUnopened {
        /// Whose mailbox.
        recipient: Address,
        /// Who invited.
        inviter: Address,
        /// When.
        invited: Time,
    },
    /// The invitation came back: the address is bad.
    Unreachable {
        /// Whose mailbox.
        recipient: Address,
        /// What the other server said.
        reason: String,
    },
    /// The organisation's recovery certificate was switched on, changed or off.
    Recovery(RecoveryNews),
    /// An invitation or a notice came back, for whatever reason.
    Undelivered {
        /// Whose mailbox.
        recipient: Address,
        /// What the other server said.
        reason: String,
        /// The mailbox has a password.
        opened: bool,
        /// The TLS policy that kept it here, if one did.
        kept: Option<Box<Kept>>,
    },
    /// Notices came back, so none is sent any more.
    NotTold {
        /// Whose mailbox.
        recipient: Address,
    },
    /// The link went out as often as it may in a day.
    LinkNotRepeated {
        /// Whose mailbox.
        recipient: Address,
    },
    /// What a new mailbox would lose, and how to ask for it all the same.
    WhatWouldBeLost {
        /// Whose mailbox.
        recipient: Address,
        /// When it was opened, if it was.
        opened: Option<Time>,
        /// How many messages lie in it.
        messages: u32,
    },
    /// An account has made a new mailbox in the place of the one that this one wrote to.
    MadeAnew {
        /// Whose mailbox.
        recipient: Address,
        /// Which account.
        by: Address,
        /// When.
        at: Time,
    },
    /// Nobody ever opened the mailbox, and it closed.
    NeverOpened {
        /// Whose mailbox.
        recipient: Address,
        /// When.
        closed: Time,
        /// It is deleted then.
        goes: Time,
    },
    /// The invitation waits.
    Late {
        /// Whose mailbox.
        recipient: Address,
        /// Tried until then.
        until: Time,
        /// What the other server said.
        reason: String,
    },
}

impl Flow {
    /// The command that delivers a note to an account; `None` if the account is gone.
    pub(in crate::flow) async fn note(
        &self,
        account: MailboxId,
        note: Note,
    ) -> Result<Option<Command>, TakeError> {
        let Some(receiver) = self.receiver(account).await? else { return Ok(None) };
        let config = self.config();
        let Some(domain) = config.main_domain(receiver.record.address.domain()) else { return Ok(None) };
        let text = words(&note, &config, domain, &receiver);
        self.lay_letter(&receiver, domain, &text, Folder::INBOX).await.map(Some)
    }
}

fn words(note: &Note, config: &Config, domain: &LocalDomain, receiver: &Receiver) -> MailText {
    let head = letterhead(domain);
    let about = |recipient| texts::Note { head: &head, recipient, language: receiver.record.language };
    let renew = asking(config, Invite::Renew);
    match note {
        Note::Pin { recipient, pin, until, news, ignored } => {
            let shown = &config.temporary_mailbox;
            about(recipient).pin(&texts::Pin {
                pin: pin.as_deref(),
                header: shown.show_pin_again.then_some(shown.sent_header.as_str()),
                until: *until,
                news: *news,
                ignored: *ignored,
            })
        }
        Note::PinIgnored { recipient } => about(recipient).pin_ignored(),
        Note::Opened { recipient, at, had_pin } => about(recipient).opened(*at, *had_pin),
        Note::WrongPins { recipient, tries, left } => about(recipient).wrong_pins(*tries, *left, &renew),
        Note::NoPin { recipient } => about(recipient).no_pin(),
        Note::StillUnopened { recipient, inviter, invited } => {
            about(recipient).still_unopened(inviter, *invited)
        }
        Note::Recovery(news) => {
            let (news, fingerprint) = match news {
                RecoveryNews::On(certificate) => (texts::Recovery::On, Some(certificate)),
                RecoveryNews::Changed(certificate) => (texts::Recovery::Changed, Some(certificate)),
                RecoveryNews::Off => (texts::Recovery::Off, None),
            };
            let fingerprint = fingerprint.map(|of| fingerprint_text(&of.0)).unwrap_or_default();
            about(&receiver.record.address).recovery(news, &fingerprint)
        }
        Note::Unreachable { recipient, reason } => about(recipient).unreachable(reason, &renew),
        Note::Undelivered { recipient, reason, opened, kept: None } => {
            about(recipient).undelivered(reason, *opened, &renew)
        }
        Note::Undelivered { recipient, opened, kept: Some(kept), .. } => {
            let kept = texts::Kept {
                host: kept.host.as_deref(),
                unmet: &kept.unmet,
                normal: kept.alias.then_some(&receiver.record.address),
                secure: config.encryption.subject_tag.first().map_or("", String::as_str),
            };
            about(recipient).kept(&kept, *opened, &renew)
        }
        Note::NotTold { recipient } => about(recipient).not_told(),
        Note::LinkNotRepeated { recipient } => about(recipient).link_not_repeated(),
        Note::WhatWouldBeLost { recipient, opened, messages } => {
            let new = asking(config, Invite::New);
            let facts = texts::Lost { opened: *opened, messages: *messages, new: &new, renew: &renew };
            about(recipient).lost(&facts)
        }
        Note::MadeAnew { recipient, by, at } => about(recipient).made_anew(by, *at),
        Note::NeverOpened { recipient, closed, goes } => about(recipient).never_opened(*closed, *goes),
        Note::Late { recipient, until, reason } => about(recipient).late(*until, reason),
    }
}
