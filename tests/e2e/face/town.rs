//! Weber & Roth with their appliance, the people they write to, and where else a browser could be led.

use crate::chromium::Elsewhere;
use crate::face::chromium::Chromium;
use crate::harness::House;
use crate::harness::PASSWORD;
use crate::mail_client::Imap;
use crate::main_job::link_in;
use crate::patience::until;
use crate::peer::Plan;
use guardpost::base::language::Language;
use guardpost::net::listen::Service;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Where the portal is, as the world knows it.
pub const SITE: &str = "https://post.weber-roth.example";
/// Another name that leads to the portal.
pub const OTHER: &str = "post.elsewhere.example";
/// Who writes.
pub const ANNA: &str = "anna.weber@weber-roth.example";
/// Who can write, too.
pub const PAUL: &str = "paul.roth@weber-roth.example";
/// What every recipient chooses.
pub const CHOSEN: &str = "Larch under nine blue moons";
/// The PIN that Anna chooses.
pub const PIN: &str = "482913";

/// The house, under the name of Weber & Roth, and whoever else is on the net.
pub struct Town {
    /// The appliance.
    pub house: House,
    /// In which Anna writes.
    pub language: Language,
    stranger: Elsewhere,
}

/// What a recipient was sent.
#[derive(Clone, Debug)]
pub struct Invited {
    /// As it stands in the mail.
    pub link: String,
    /// Without the access code.
    pub page: String,
    /// The access code.
    pub token: String,
}

impl Invited {
    /// The invitation to somebody, behind so many mails that were there.
    pub async fn behind(house: &House, before: usize, to: &str) -> Self {
        let rcpts = [format!("<{to}>")];
        let sent = || {
            let mails = house.world.taken();
            mails.iter().skip(before).filter(|mail| mail.rcpts == rcpts).find_map(link_in)
        };
        let link = until("the invitation", async || sent()).await;
        let (page, token) = link.split_once('#').expect("an access code");
        Self { page: page.to_owned(), token: token.to_owned(), link: link.clone() }
    }
}

impl Town {
    /// With Anna and Paul.
    pub async fn new() -> Self {
        let more = format!(
            "[temporary_mailbox]\npin = \"optional\"\n[limits]\nmessage_size = \"2 MiB\"\nnotice_interval = \"0\"\n\
             [[encryption.rule]]\nfrom = \"eva.lang@kunde.example\"\nto = \"{PAUL}\"\naction = \"refuse\"\n\
             [[domain]]\nname = \"weber-roth.example\"\n[domain.portal]\nurl = \"{SITE}\"\n\
             brand = \"Weber & Roth\"\naccent = \"#1f5f8b\"\n"
        );
        let house = House::empty(Plan::default(), &more).await;
        for address in [ANNA, PAUL] {
            house.add_account(address, PASSWORD).await;
        }
        Self { house, language: Language::En, stranger: stranger().await }
    }

    /// A browser in this town: it finds the portal, and every other name at the stranger's.
    pub async fn chromium(&self) -> Chromium {
        let (portal, stranger) = (self.house.port(Service::Https), self.stranger.port);
        let host = SITE.trim_start_matches("https://");
        Chromium::start(&format!(
            "MAP {host} 127.0.0.1:{portal},MAP {OTHER} 127.0.0.1:{portal},MAP * 127.0.0.1:{stranger},EXCLUDE localhost"
        ))
        .await
    }

    /// Submits a message as it is.
    pub async fn submit(&self, from: &str, to: &str, message: &str) {
        let reply = self.house.submission(from, PASSWORD).await.send(from, &[to], message).await;
        assert!(reply.is(250, "2.0.0"), "{reply:?}");
    }

    /// Anna writes; `more` are header lines, `body` begins with its own.
    pub async fn write(&self, to: &str, subject: &str, more: &str, body: &str) {
        let subject = encoded(subject);
        let message = format!(
            "From: Anna Weber <{ANNA}>\r\nTo: <{to}>\r\nSubject: [secure] {subject}\r\n{more}MIME-Version: 1.0\r\n{body}"
        );
        self.submit(ANNA, to, &message).await;
    }

    /// Anna writes the first message, with this PIN; what her recipient is sent.
    pub async fn invite(&self, to: &str, pin: &str) -> Invited {
        self.invite_with(to, "", pin).await
    }

    /// The same with a tag in the subject's place: `[secure renew]`.
    pub async fn invite_with(&self, to: &str, tag: &str, pin: &str) -> Invited {
        let before = self.house.world.taken().len();
        let tag = if tag.is_empty() { "[secure]" } else { tag };
        let (subject, text) = match self.language {
            Language::En => {
                ("Our meeting", "Dear Max,\r\n\r\nhere is what we spoke about: the figures, in writing.")
            }
            Language::De => {
                ("Unser Treffen", "Guten Tag,\r\n\r\nhier steht, was wir besprochen haben: die Zahlen.")
            }
        };
        let message = format!(
            "From: Anna Weber <{ANNA}>\r\nTo: <{to}>\r\nSubject: {tag} {subject}\r\nX-Guardpost-PIN: {pin}\r\n\
             MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n\r\nAnna Weber\r\n"
        );
        self.submit(ANNA, to, &message).await;
        self.invitation(before, to).await
    }

    /// The invitation to somebody, behind so many mails that were there; a notice may come before it.
    pub async fn invitation(&self, before: usize, to: &str) -> Invited {
        Invited::behind(&self.house, before, to).await
    }

    /// A recipient's mailbox by IMAP.
    pub async fn imap(&self, who: &str) -> Imap {
        self.house.imap(who, CHOSEN).await
    }

    /// The files of messages on disk.
    pub fn bodies(&self) -> BTreeSet<PathBuf> {
        let files = self.house.data().into_iter().map(|(file, _)| PathBuf::from(file));
        files.filter(|file| file.components().any(|part| part.as_os_str() == "bodies")).collect()
    }

    /// What anybody but the portal was told because of a page; a browser has errands of its own, to hosts that no
    /// page names.
    pub fn told_elsewhere(&self) -> Vec<String> {
        let told = self.stranger.told().into_iter().map(|said| called(&said));
        told.filter(|said| said.contains(".example")).collect()
    }
}

/// RFC 2047 §2, where it is needed.
fn encoded(text: &str) -> String {
    if text.is_ascii() {
        return text.to_owned();
    }
    let words = text.chars().collect::<Vec<_>>();
    let words = words.chunks(12).map(|piece| {
        let piece: String = piece.iter().collect();
        format!("=?utf-8?B?{}?=", data_encoding::BASE64.encode(piece.as_bytes()))
    });
    words.collect::<Vec<_>>().join("\r\n ")
}

/// Everybody else: a site that answers every name, with a form that leads to the portal.
async fn stranger() -> Elsewhere {
    let page = format!(
        "<!doctype html><html lang=en><title>Prize</title><form method=post action=\"{SITE}/login\">\
         <input name=address value=\"a@b.example\"><input name=password value=\"x\">\
         <button id=go>Go</button></form>"
    );
    Elsewhere::answering("text/html", page).await
}

/// What was asked for, and of whom.
fn called(said: &str) -> String {
    let host = said.lines().find(|line| line.to_ascii_lowercase().starts_with("host:"));
    format!("{} {}", said.lines().next().unwrap_or_default(), host.unwrap_or_default())
}
