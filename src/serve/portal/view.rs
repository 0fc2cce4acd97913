//! A message as pages show it: who, when, what about, its text, its files.

use crate::base::address::Address;
use crate::base::time::Time;
use crate::flow::reading::Plain;
use crate::flow::reading::ReadError;
use crate::mime::address_list::AddressList;
use crate::mime::address_list::Mailbox;
use crate::mime::display;
use crate::mime::file_kind::FileKind;
use crate::mime::flowed::unflow;
use crate::mime::header::Header;
use crate::mime::html_text;
use crate::mime::part;
use crate::mime::part::Content;
use crate::mime::structure::Part;
use crate::mime::structure::Shape;
use crate::mime::structure::Structure;
use crate::serve::portal::Portal;
use crate::serve::portal::Signed;
use crate::serve::portal::Visit;
use crate::serve::portal::html;
use crate::serve::portal::html::Cleaned;
use crate::serve::portal::html::Cleaner;
use crate::serve::portal::html::Pictures;
use crate::serve::portal::page::Chrome;
use crate::serve::portal::page::Tab;
use crate::serve::portal::trouble::Trouble;
use crate::store::record::Folder;
use crate::store::record::Uid;
use crate::threads;
use data_encoding::BASE64;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::HashMap;
use std::io::Read;
use std::iter;

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
    let read = portal.flow.read(&signed.who, place.folder, place.uid).await;
    if let Err(ReadError::Damaged) = read {
        tracing::error!(mailbox = %signed.who.mailbox, uid = place.uid.0, "a message is damaged; not shown");
    }
    Ok((place, read?))
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
    /// Texts behind the first one: what a list adds, what stands between pictures.
    pub more: Vec<Passage>,
    /// The address it is from.
    pub author: Option<Address>,
    /// Until when its sender says that it is of use.
    pub expires: Option<Time>,
    /// Not all of it is shown as it came: the id of the words for that.
    pub shortened: Option<&'static str>,
}

/// A text behind the first one.
#[derive(Debug)]
pub struct Passage {
    /// Without markup.
    pub text: String,
    /// Its HTML, cleaned; `None` where it has none, or none that can be shown.
    pub html: Option<Cleaned>,
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
    /// What it is.
    pub kind: FileKind,
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
    let mut is_cut = false;
    let mut read = |index: usize| -> Result<String, Trouble> {
        let part = structure.part(index).ok_or(UNREADABLE)?;
        let text = part::read_text(message.spool.reader(), part, TEXT).map_err(|_| UNREADABLE)?;
        is_cut |= text.cut;
        Ok(if is_flowed(part) { unflow(&text.text, deletes_space(part)) } else { text.text })
    };
    let markup = body.html.map(&mut read).transpose()?;
    let plain = body.plain.map(&mut read).transpose()?;
    let mut cleaner = Cleaner::new(body.inline.iter().map(|(name, _)| name.clone()).collect());
    let mut html = markup.as_deref().and_then(|markup| cleaner.clean(markup));
    let mut as_text = markup.is_some() && html.is_none();
    let shown = if html.is_some() { body.html } else { body.plain.or(body.html) };
    let shown: Vec<usize> = shown.map(|index| holders(structure, index)).unwrap_or_default();
    let (more, rest): (Vec<usize>, Vec<usize>) =
        body.attachments.iter().partition(|index| goes_on(structure, **index, &shown));
    let (more, late) = more.split_at_checked(MORE).unwrap_or((&more, &[]));
    let mut further = Vec::new();
    for index in more {
        let text = read(*index)?;
        let is_html = structure.part(*index).is_some_and(|part| part.is("text", "html"));
        let html = if is_html { cleaner.clean(&text) } else { None };
        as_text |= is_html && html.is_none();
        further.push(Passage { text: if is_html { html_text::text(&text) } else { text }, html });
    }
    let all = html.iter().chain(further.iter().filter_map(|passage| passage.html.as_ref()));
    let pictures = fitting(message, &body.inline, all.flat_map(Cleaned::named));
    let all = html.iter_mut().chain(further.iter_mut().filter_map(|passage| passage.html.as_mut()));
    html::put_in(all, &embedded(message, &pictures, need)?);
    let text = match (plain, &markup) {
        (Some(plain), _) => plain,
        (None, Some(markup)) => html_text::text(markup),
        (None, None) => String::new(),
    };
    // A picture stands in the text or among the files.
    let shown: BTreeSet<usize> = pictures.iter().map(|picture| picture.number).collect();
    let unseen = body.inline.iter().map(|(_, index)| *index).filter(|index| !shown.contains(index));
    let numbers: BTreeSet<usize> = rest.iter().chain(late).copied().chain(unseen).collect();
    let shortened = match (is_cut, as_text) {
        (true, _) => Some("message-cut"),
        (false, true) => Some("html-as-text"),
        (false, false) => None,
    };
    let files = numbers
        .into_iter()
        .filter_map(|number| Some(file(message, number, structure.part(number)?)))
        .collect();
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
        more: further,
        author: author.and_then(Mailbox::address),
        expires: header.expires(),
        shortened,
    })
}

/// A text, octets; what is longer is cut.
const TEXT: usize = (1 << 20) + 1;
/// Texts shown behind the first one.
const MORE: usize = 8;
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
    /// Some of it is HTML: it is shown in a frame, all of it.
    pub fn is_framed(&self) -> bool {
        self.cleaned().next().is_some()
    }

    /// Remote pictures that were not loaded, by host.
    pub fn blocked(&self) -> BTreeMap<&str, usize> {
        let mut blocked = BTreeMap::new();
        for (host, count) in self.cleaned().flat_map(|html| &html.blocked) {
            *blocked.entry(host.as_str()).or_default() += count;
        }
        blocked
    }

    /// Its texts without markup.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        iter::once(self.text.as_str()).chain(self.more.iter().map(|passage| passage.text.as_str()))
    }

    fn cleaned(&self) -> impl Iterator<Item = &Cleaned> {
        self.html.iter().chain(self.more.iter().filter_map(|passage| passage.html.as_ref()))
    }

    /// The subject, or words for none.
    pub fn title(&self, chrome: &Chrome) -> String {
        if self.subject.is_empty() { chrome.say("no-subject") } else { self.subject.clone() }
    }
}

/// The file that part `number` is; any part may be saved, not only those on the list.
pub fn file(message: &Plain, number: usize, part: &Part) -> File {
    let named = part.file_name().or_else(|| subject_of(message, part));
    let name = named.unwrap_or_else(|| format!("{}-{number}{}", part.kind, ending(part)));
    let name = display::file_name(&name);
    let kind = FileKind::of(&name, &part.kind, &part.subtype);
    File { number, name, size: part.decoded_size(), kind }
}

/// What a message in the message is about, as the name of a file.
fn subject_of(message: &Plain, part: &Part) -> Option<String> {
    let inner = part.children.first().filter(|_| part.shape == Shape::Message)?;
    let inner = message.structure.part(usize::try_from(*inner).ok()?)?;
    let subject = Header::read(&mut message.spool.reader(), inner.header).ok()?.subject()?;
    let subject = display::single_line(&subject, 60);
    (!subject.is_empty()).then(|| format!("{}.eml", subject.replace(['/', '\\', ':', '.'], "-")))
}

/// RFC 3676 §4.
fn is_flowed(part: &Part) -> bool {
    part.is("text", "plain")
        && part.parameters.value("format").is_some_and(|format| format.eq_ignore_ascii_case("flowed"))
}

fn deletes_space(part: &Part) -> bool {
    part.parameters.value("delsp").is_some_and(|word| word.eq_ignore_ascii_case("yes"))
}

/// A text without a name beside the first one, in the message itself and not in one that it holds; of what says the same
/// in other ways, where the first one stands, which `shown` leads to.
fn goes_on(structure: &Structure, index: usize, shown: &[usize]) -> bool {
    let is_text = structure.part(index).is_some_and(|part| {
        let kind = part.is("text", "plain") || part.is("text", "html");
        kind && !part.is_attachment() && part.file_name().is_none() && index != 0
    });
    let holders = holders(structure, index);
    let mut steps = holders.iter().zip(holders.iter().skip(1));
    is_text
        && steps.all(|(inner, outer)| {
            structure.part(*outer).is_some_and(|holder| {
                match (holder.kind.as_str(), holder.subtype.as_str()) {
                    ("multipart", "mixed") => true,
                    // What is signed comes first, its signature behind (RFC 1847 §2.1).
                    ("multipart", "signed") => {
                        holder.children.first().is_some_and(|first| *first as usize == *inner)
                    }
                    ("multipart", "alternative") => shown.contains(inner),
                    _ => false,
                }
            })
        })
}

/// The numbers of a part and of what holds it, outwards.
fn holders(structure: &Structure, index: usize) -> Vec<usize> {
    let parent = |index: &usize| usize::try_from(structure.part(*index)?.parent?).ok();
    std::iter::successors(Some(index), parent).collect()
}

/// An ending for a part without a name; one that is not known gets none, which is no danger.
fn ending(part: &Part) -> &'static str {
    match (part.kind.as_str(), part.subtype.as_str()) {
        ("text", "html") => ".html",
        ("text", "calendar") => ".ics",
        ("message", "rfc822" | "global") => ".eml",
        ("text" | "message", _) => ".txt",
        ("image", "png") => ".png",
        ("image", "jpeg") => ".jpg",
        ("image", "gif") => ".gif",
        ("image", "webp") => ".webp",
        ("image", "heic") => ".heic",
        ("image", "bmp") => ".bmp",
        ("image", "tiff") => ".tiff",
        ("image", "svg+xml") => ".svg",
        ("application", "pdf") => ".pdf",
        ("application", "pgp-signature" | "pgp-keys" | "pgp-encrypted") => ".asc",
        _ => "",
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

/// A picture that the HTML shows.
struct Picture {
    /// Its Content-ID.
    name: String,
    /// Its number in the structure.
    number: usize,
    /// Its type.
    kind: &'static str,
}

/// The pictures that are shown in the places named: of a kind that is shown, as long as they fit.
fn fitting(message: &Plain, inline: &[(String, usize)], named: impl Iterator<Item = String>) -> Vec<Picture> {
    // Of two with one name the first is meant.
    let numbers: HashMap<&str, usize> =
        inline.iter().rev().map(|(name, number)| (name.as_str(), *number)).collect();
    let mut left = PICTURES;
    let mut seen = BTreeSet::new();
    let pictures = named.filter(|name| seen.insert(name.clone())).filter_map(|name| {
        let number = *numbers.get(name.as_str())?;
        let part = message.structure.part(number)?;
        let room = left.checked_sub(part.most_octets())?;
        let mut start = Vec::new();
        Content::open(message.spool.reader(), part).ok()?.take(16).read_to_end(&mut start).ok()?;
        let kind = html::picture_kind(&start)?;
        left = room;
        Some(Picture { name, number, kind })
    });
    pictures.collect()
}

/// Pictures as `data:` URLs, where they are needed.
fn embedded(message: &Plain, pictures: &[Picture], need: Need) -> Result<Pictures, Trouble> {
    let mut embedded = Pictures::new();
    for picture in pictures.iter().filter(|_| need == Need::Document) {
        let part = message.structure.part(picture.number).ok_or(UNREADABLE)?;
        let mut bytes = Vec::new();
        let content = Content::open(message.spool.reader(), part);
        content.and_then(|mut content| content.read_to_end(&mut bytes)).map_err(|_| UNREADABLE)?;
        let data = format!("data:{};base64,{}", picture.kind, BASE64.encode(&bytes));
        embedded.insert(picture.name.clone(), data);
    }
    Ok(embedded)
}

/// Runs blocking work on a message and gives both back.
pub async fn blocking<T: Send + 'static>(
    message: Plain,
    work: impl FnOnce(&Plain) -> Result<T, Trouble> + Send + 'static,
) -> Result<(Plain, T), Trouble> {
    threads::blocking(move || work(&message).map(|result| (message, result)))
        .await
        .map_err(|_| Trouble::Internal("reading a message panicked"))?
}

#[cfg(test)]
mod tests;
