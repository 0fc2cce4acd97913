//! A message as pages show it: who, when, what about, its text, its files.

use crate::base::address::Address;
use crate::base::time::Time;
use crate::flow::reading::Plain;
use crate::mime::address_list::AddressList;
use crate::mime::address_list::Mailbox;
use crate::mime::display;
use crate::mime::header::Header;
use crate::mime::part;
use crate::mime::part::Content;
use crate::mime::structure::Part;
use crate::mime::structure::Shape;
use crate::serve::portal::Portal;
use crate::serve::portal::Signed;
use crate::serve::portal::Visit;
use crate::serve::portal::html;
use crate::serve::portal::html::Cleaned;
use crate::serve::portal::html::Pictures;
use crate::serve::portal::page::Chrome;
use crate::serve::portal::page::Tab;
use crate::serve::portal::trouble::Trouble;
use crate::store::record::Folder;
use crate::store::record::Uid;
use data_encoding::BASE64;
use std::io::Read;

/// Which message a path names.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Its folder.
    pub folder: Folder,
    /// Its number.
    pub uid: Uid,
}

impl Place {
    /// Reads `inbox/7`, the first two parts of a path.
    pub fn of(parts: &[String]) -> Result<Self, Trouble> {
        let [folder, uid, ..] = parts else { return Err(Trouble::NotFound) };
        Self::read(folder, uid).ok_or(Trouble::NotFound)
    }

    /// From folder and number as paths write them.
    pub fn read(folder: &str, uid: &str) -> Option<Self> {
        let folder = match folder {
            "inbox" => Folder::INBOX,
            "sent" => Folder::SENT,
            _ => return None,
        };
        let plain = uid.len() <= 10 && uid.bytes().all(|byte| byte.is_ascii_digit()) && !uid.starts_with('0');
        let uid = uid.parse().ok().filter(|_| plain)?;
        Some(Self { folder, uid: Uid(uid) })
    }

    /// `/mailbox/inbox/7`.
    pub fn path(self) -> String {
        format!("/mailbox/{}", self.name())
    }

    /// `inbox/7`.
    pub fn name(self) -> String {
        format!("{}/{}", if self.folder == Folder::SENT { "sent" } else { "inbox" }, self.uid.0)
    }

    /// The navigation's entry.
    pub fn tab(self) -> Tab {
        if self.folder == Folder::SENT { Tab::Sent } else { Tab::Inbox }
    }
}

/// Opens the message that a visit names: whole and proven, or not at all.
pub async fn open(portal: &Portal, visit: &mut Visit, signed: &Signed) -> Result<(Place, Plain), Trouble> {
    let place = Place::of(&visit.parts)?;
    visit.chrome.tab = place.tab();
    let message = portal.flow.read(&signed.who, place.folder, place.uid).await?;
    Ok((place, message))
}

/// A message for a page.
#[derive(Debug, Default)]
pub struct View {
    /// Its subject on one line; empty when it has none.
    pub subject: String,
    /// Who wrote it: the name, if one was given.
    pub from_name: String,
    /// And the address.
    pub from_address: String,
    /// To whom.
    pub to: String,
    /// With copies to whom.
    pub copies: String,
    /// When it says it was written.
    pub date: Option<Time>,
    /// Its text.
    pub text: String,
    /// Its HTML, cleaned, if it has one that can be shown.
    pub html: Option<Cleaned>,
    /// What can be saved.
    pub files: Vec<File>,
    /// It carries a signature of its sender, which is not looked at here.
    pub is_signed: bool,
}

/// A file in a message.
#[derive(Debug)]
pub struct File {
    /// Its number in the structure: what its address ends with.
    pub number: usize,
    /// A name that is safe to show and to save under.
    pub name: String,
    /// About how many octets.
    pub size: u64,
}

/// What of a message a page needs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Need {
    /// To be read: HTML is cleaned, but its pictures stay out.
    Outline,
    /// The HTML with its pictures.
    Document,
}

/// Reads a message for a page. Blocking: it decodes and cleans.
pub fn view(message: &Plain, need: Need) -> Result<View, Trouble> {
    let structure = &message.structure;
    let mut source = message.spool.reader();
    let Some(root) = structure.root() else { return Ok(View::default()) };
    let header = Header::read(&mut source, root.header).map_err(|_| UNREADABLE)?;
    let from = header.addresses("from");
    let author = from.mailboxes().next();
    let body = part::choose_body(structure);
    let read = |index: usize| -> Result<String, Trouble> {
        let part = structure.part(index).ok_or(UNREADABLE)?;
        Ok(part::read_text(message.spool.reader(), part, TEXT).map_err(|_| UNREADABLE)?.text)
    };
    let markup = body.html.map(read).transpose()?;
    let plain = body.plain.map(read).transpose()?;
    let pictures = match (&markup, need) {
        (Some(markup), Need::Document) => pictures(message, &body.inline, markup),
        (Some(_), Need::Outline) | (None, _) => Pictures::new(),
    };
    let html = markup.as_deref().and_then(|markup| html::clean(markup, pictures));
    let text = match (plain, &markup) {
        (Some(plain), _) => plain,
        (None, Some(markup)) => display::html_to_text(markup),
        (None, None) => String::new(),
    };
    let mut numbers = body.attachments.clone();
    for (id, index) in &body.inline {
        let shown = html.is_some() && markup.as_deref().is_some_and(|markup| markup.contains(id.as_str()));
        if !shown && !numbers.contains(index) {
            numbers.push(*index);
        }
    }
    let files =
        numbers.into_iter().filter_map(|number| Some(file(number, structure.part(number)?))).collect();
    Ok(View {
        subject: display::single_line(&header.subject().unwrap_or_default(), SUBJECT),
        from_name: author
            .and_then(Mailbox::display_name)
            .map(|name| display::single_line(&name, NAME))
            .unwrap_or_default(),
        from_address: author.and_then(Mailbox::address).map(|address| people(&address)).unwrap_or_default(),
        to: everybody(&header.addresses("to")),
        copies: everybody(&header.addresses("cc")),
        date: header.date(),
        text: text.replace("\r\n", "\n"),
        html,
        files,
        is_signed: root.is("multipart", "signed"),
    })
}

/// A text, octets; what is longer is cut.
const TEXT: usize = (1 << 20) + 1;
/// Characters of a subject.
const SUBJECT: usize = 250;
/// Characters of a name.
const NAME: usize = 100;
/// People named in a line.
const PEOPLE: usize = 50;
/// Pictures shown in HTML, octets in all.
const PICTURES: u64 = 10 << 20;
/// What is stored is whole, yet cannot be read back.
const UNREADABLE: Trouble = Trouble::Internal("a message could not be read from its spool");

impl View {
    /// The subject, or words for none.
    pub fn title(&self, chrome: &Chrome) -> String {
        if self.subject.is_empty() { chrome.say("no-subject") } else { self.subject.clone() }
    }
}

/// The file that part `number` is; any part may be saved, not only those on the list.
pub fn file(number: usize, part: &Part) -> File {
    let name = part.file_name().unwrap_or_else(|| format!("{}-{number}{}", part.kind, ending(part)));
    File { number, name: display::file_name(&name), size: part.decoded_size() }
}

/// An ending for a part without a name.
fn ending(part: &Part) -> &'static str {
    match (part.kind.as_str(), part.subtype.as_str()) {
        ("text", "plain") => ".txt",
        ("text", "html") => ".html",
        ("text", "calendar") => ".ics",
        ("image", "png") => ".png",
        ("image", "jpeg") => ".jpg",
        ("image", "gif") => ".gif",
        ("application", "pdf") => ".pdf",
        ("application", "pgp-signature" | "pgp-keys" | "pgp-encrypted") => ".asc",
        ("message", _) if part.shape == Shape::Message => ".eml",
        _ => ".bin",
    }
}

/// An address as people read it.
fn people(address: &Address) -> String {
    display::single_line(&address.to_string(), 320)
}

/// Everybody in a list, names first.
fn everybody(list: &AddressList) -> String {
    let mut words: Vec<String> = list
        .mailboxes()
        .take(PEOPLE)
        .filter_map(|mailbox| {
            let address = people(&mailbox.address()?);
            Some(match mailbox.display_name() {
                Some(name) if !name.is_empty() => {
                    format!("{} <{address}>", display::single_line(&name, NAME))
                }
                _ => address,
            })
        })
        .collect();
    if list.mailboxes().count() > PEOPLE {
        words.push("…".to_owned());
    }
    words.join(", ")
}

/// The pictures that the HTML names, as `data:` URLs, as long as they fit.
fn pictures(message: &Plain, inline: &[(String, usize)], markup: &str) -> Pictures {
    let mut pictures = Pictures::new();
    let mut left = PICTURES;
    for (id, index) in inline {
        let Some(part) = message.structure.part(*index) else { continue };
        if !markup.contains(id.as_str()) || part.decoded_size() > left {
            continue;
        }
        let mut bytes = Vec::new();
        let Ok(content) = Content::open(message.spool.reader(), part) else { continue };
        if content.take(left).read_to_end(&mut bytes).is_err() {
            continue;
        }
        let Some(kind) = picture_kind(&bytes) else { continue };
        left = left.saturating_sub(bytes.len() as u64);
        pictures.insert(id.clone(), format!("data:{kind};base64,{}", BASE64.encode(&bytes)));
    }
    pictures
}

/// What a picture truly is, whatever it is called; kinds that hold no script.
fn picture_kind(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0x89, b'P', b'N', b'G', ..] => Some("image/png"),
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [b'G', b'I', b'F', b'8', ..] => Some("image/gif"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("image/webp"),
        _ => None,
    }
}

/// Runs blocking work on a message and gives both back.
pub async fn blocking<T: Send + 'static>(
    message: Plain,
    work: impl FnOnce(&Plain) -> Result<T, Trouble> + Send + 'static,
) -> Result<(Plain, T), Trouble> {
    tokio::task::spawn_blocking(move || work(&message).map(|result| (message, result)))
        .await
        .map_err(|_| Trouble::Internal("reading a message panicked"))?
}
