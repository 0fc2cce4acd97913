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
        further.push(Passage { text: if is_html { display::html_to_text(&text) } else { text }, html });
    }
    let all = html.iter().chain(further.iter().filter_map(|passage| passage.html.as_ref()));
    let pictures = fitting(message, &body.inline, all.flat_map(Cleaned::named));
    let all = html.iter_mut().chain(further.iter_mut().filter_map(|passage| passage.html.as_mut()));
    html::put_in(all, &embedded(message, &pictures, need)?);
    let text = match (plain, &markup) {
        (Some(plain), _) => plain,
        (None, Some(markup)) => display::html_to_text(markup),
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
mod tests {
    use super::*;
    use crate::base::id::MessageId;
    use crate::mime::scan::Limits;
    use crate::mime::scan::Scanner;
    use crate::serve::portal::frame;
    use crate::serve::portal::tests::PAYLOADS;
    use crate::serve::portal::tests::skeleton;
    use crate::store::body::Body;
    use crate::store::record::Fingerprint;
    use crate::store::record::Flags;
    use crate::store::record::MessageRecord;
    use crate::store::spool::SpoolDir;
    use std::io::Write;

    fn plain(message: &[u8]) -> Plain {
        let structure = Scanner::scan(message, Limits::default()).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let mut spool = SpoolDir::open(dir.path()).unwrap().begin();
        spool.write_all(message).unwrap();
        let record = MessageRecord {
            id: MessageId::new([1; 16]),
            arrived: Time(0),
            size: message.len() as u64,
            body: Body::Inline(Vec::new()),
            certificate: Fingerprint(vec![0; 20]),
            sender: None,
            message_id: None,
        };
        Plain { uid: Uid(1), record, flags: Flags::default(), spool: spool.finish().unwrap(), structure }
    }

    fn seen(message: &str) -> View {
        view(&plain(message.replace('\n', "\r\n").as_bytes()), Need::Document).unwrap()
    }

    const PIXEL: &str =
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

    #[test]
    fn a_plain_message() {
        let view = seen(
            "From: =?utf-8?q?J=C3=B6rg?= <joerg@x.example>\nTo: a@b.example, \"B, C\" <c@d.example>\n\
             Subject: =?utf-8?b?R3LDvMOfZQ==?=\n =?utf-8?q?_aus_K=C3=B6ln?=\n\
             Date: Sun, 22 Nov 2026 09:12:00 +0000\n\nHallo\n\nWelt\n",
        );
        assert_eq!(view.subject, "Grüße aus Köln");
        assert_eq!((view.from_name.as_str(), view.from_address.as_str()), ("Jörg", "joerg@x.example"));
        assert_eq!(view.to, "a@b.example, B, C <c@d.example>");
        assert_eq!(view.text.trim(), "Hallo\n\nWelt");
        assert_eq!(view.date, Some(Time(1_795_338_720)));
        assert!(view.html.is_none() && view.files.is_empty());
    }

    #[test]
    fn pictures_that_the_text_shows_and_others() {
        let view = seen(&format!(
            "Content-Type: multipart/related; boundary=b\n\n--b\nContent-Type: text/html\n\n\
             <p>x<img src=\"cid:one@x\"><img src=\"https://t.example/p.gif\"></p>\n\
             --b\nContent-Type: image/svg+xml; name=a.png\nContent-ID: <one@x>\nContent-Transfer-Encoding: base64\n\n\
             {PIXEL}\n--b\nContent-Type: image/png; name=two.png\nContent-ID: <two@x>\n\
             Content-Transfer-Encoding: base64\n\n{PIXEL}\n--b--\n"
        ));
        let cleaned = view.html.unwrap();
        assert!(
            cleaned
                .shown(&html::Words::default())
                .contains(&format!("src=\"data:image/png;base64,{PIXEL}\"")),
            "by what it truly is"
        );
        assert_eq!(cleaned.blocked.get("t.example"), Some(&1));
        let names: Vec<_> = view.files.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(names, ["two.png"], "what the text does not show can be saved");
    }

    #[test]
    fn a_picture_that_is_none_is_not_shown() {
        let view = seen(
            "Content-Type: multipart/related; boundary=b\n\n--b\nContent-Type: text/html\n\n<img src=\"cid:one\">\n\
             --b\nContent-Type: image/png\nContent-ID: <one>\n\n<svg onload=canary()>\n--b--\n",
        );
        assert!(!view.html.unwrap().shown(&html::Words::default()).contains("src="));
    }

    /// A related message of this HTML and parts, the names of its files, and how many pictures its document shows.
    fn related(html: &str, parts: &[&str]) -> (Vec<String>, usize) {
        let parts: String = parts.iter().map(|part| format!("--b\n{part}\n")).collect();
        let message = format!(
            "Content-Type: multipart/related; boundary=b\n\n--b\nContent-Type: text/html\n\n{html}\n{parts}--b--\n"
        );
        let message = plain(message.replace('\n', "\r\n").as_bytes());
        let names = |view: &View| view.files.iter().map(|file| file.name.clone()).collect::<Vec<_>>();
        let document = view(&message, Need::Document).unwrap();
        assert_eq!(names(&document), names(&view(&message, Need::Outline).unwrap()), "page and paper agree");
        let shown = document.html.as_ref().map(|html| html.shown(&html::Words::default()));
        (names(&document), shown.map_or(0, |html| html.matches("src=\"data:").count()))
    }

    fn picture(kind: &str, id: &str, data: &str) -> String {
        format!(
            "Content-Type: image/{kind}; name=x.{kind}\nContent-ID: <{id}>\nContent-Transfer-Encoding: base64\n\n{data}"
        )
    }

    #[test]
    fn every_picture_is_in_the_text_or_among_the_files() {
        let heic = "AAAAGGZ0eXBoZWljAAAAAA==";
        for (html, id, kind, data, shown) in [
            ("<img src=\"cid:1\">", "1", "png", PIXEL, true),
            ("<p style=\"width: 1%\">", "1", "png", PIXEL, false),
            ("<img src=\"cid:1\">", "1", "heic", heic, false),
            ("<img src=\"cid:1\">", "1", "bmp", "Qk06AAAAAAAAAA==", false),
            ("<div style=\"background: url(cid:1)\">", "1", "png", PIXEL, false),
            ("<table background=\"cid:1\">", "1", "png", PIXEL, false),
            ("<object><img src=\"cid:1\"></object>", "1", "png", PIXEL, false),
            ("<img src=\"cid:a%40b\">", "a@b", "png", PIXEL, true),
            ("<img src=\"CID:a@b?x\">", "a@b", "png", PIXEL, true),
            ("<img src=\"cid:a&amp;b\">", "a&b", "png", PIXEL, true),
        ] {
            let files = if shown { vec![] } else { vec![format!("x.{kind}")] };
            assert_eq!(
                related(html, &[&picture(kind, id, data)]),
                (files, usize::from(shown)),
                "{html} {kind}"
            );
        }
        let both = [picture("png", "1", PIXEL), picture("gif", "1", PIXEL)];
        let both = both.each_ref().map(String::as_str);
        assert_eq!(related("<img src=cid:1>", &both), (vec!["x.gif".to_owned()], 1), "one name for two");
    }

    #[test]
    fn html_below_an_attachment_is_shown() {
        let plain = "\nbare";
        let html =
            |words: &str| format!("Content-Type: text/html\n\n<p>{words}<img src=\"https://t.example/\">");
        let pdf =
            "Content-Type: application/pdf; name=a.pdf\nContent-Disposition: inline; filename=a.pdf\n\nx";
        let multi = |kind: &str, parts: &[&str]| {
            let boundary = format!("b{}", parts.concat().len());
            let parts: String = parts.iter().map(|part| format!("--{boundary}\n{part}\n")).collect();
            format!("Content-Type: multipart/{kind}; boundary={boundary}\n\n{parts}--{boundary}--\n")
        };
        let (above, below) = (html("above</div>"), html("below"));
        let (above, below) = (above.as_str(), below.as_str());
        let mixed = multi("mixed", &[above, pdf, below]);
        let too_deep = format!("Content-Type: text/html\n\n{}", "<div>".repeat(400));
        for (message, files, shown) in [
            (multi("alternative", &[plain, &mixed]), vec!["a.pdf"], true),
            (multi("mixed", &[&multi("alternative", &[plain, above]), below]), vec![], true),
            (
                multi("signed", &[&mixed, "Content-Type: application/pgp-signature\n\nx"]),
                vec!["a.pdf", "application-5.asc"],
                true,
            ),
            (multi("signed", &[above, below]), vec!["text-2.html"], false),
            (multi("alternative", &[plain, above, below]), vec!["text-3.html"], false),
            (
                multi("alternative", &[plain, &multi("mixed", &[&too_deep, below])]),
                vec!["text-4.html"],
                false,
            ),
            (
                multi("mixed", &[plain, &multi("alternative", &[plain, below])]),
                vec!["text-3.txt", "text-4.html"],
                false,
            ),
            (
                multi("mixed", &[above, &below.replace("html\n", "html; name=x.html\n")]),
                vec!["x.html"],
                false,
            ),
            (
                multi("mixed", &[above, &format!("Content-Type: message/rfc822\n\n{below}")]),
                vec!["message-2.eml"],
                false,
            ),
        ] {
            let view = seen(&message);
            let names: Vec<_> = view.files.iter().map(|file| file.name.as_str()).collect();
            assert_eq!(names, files, "{message}");
            let document = frame::document(&view, &html::Words::default());
            assert_eq!(document.contains("<hr><p>below"), shown, "{document}");
            assert!(!shown || view.blocked() == BTreeMap::from([("t.example", 2)]) && view.is_framed());
        }
        let many = seen(&multi("mixed", &[below; 12]));
        assert_eq!((many.more.len(), many.files.len()), (MORE, 3), "so many and no more");
        let footer = seen(&multi("mixed", &[plain, below]));
        assert!(footer.html.is_none() && footer.is_framed(), "HTML stands in no page itself");
    }

    #[test]
    fn parts_without_a_name_are_no_programs() {
        for (kind, types, names) in [
            (
                "report; report-type=delivery-status",
                &["text/plain", "message/delivery-status", "text/rfc822-headers"][..],
                &["message-2.txt", "text-3.txt"][..],
            ),
            (
                "report; report-type=disposition-notification",
                &["text/plain", "message/disposition-notification", "message/rfc822"],
                &["message-2.txt", "message-3.eml"],
            ),
            ("alternative", &["text/plain", "text/x-amp-html", "text/html"], &["text-2.txt"]),
            (
                "mixed",
                &[
                    "text/plain",
                    "text/markdown",
                    "image/heic",
                    "image/x-emf",
                    "application/octet-stream",
                    "audio/amr",
                ],
                &["text-2.txt", "image-3.heic", "image-4", "application-5", "audio-6"],
            ),
        ] {
            let parts: String =
                types.iter().map(|kind| format!("--b\nContent-Type: {kind}\n\nx: y\n")).collect();
            let view = seen(&format!("Content-Type: multipart/{kind}; boundary=b\n\n{parts}--b--\n"));
            assert_eq!(view.files.iter().map(|file| file.name.as_str()).collect::<Vec<_>>(), names);
            for file in view.files {
                assert_eq!(file.kind.danger(), None, "{}", file.name);
            }
        }
    }

    #[test]
    fn photos_that_do_not_fit_are_files() {
        let data =
            format!("/9j/{}", "A".repeat(72)) + &format!("\n{}", "A".repeat(76)).repeat((4 << 20) / 57);
        let photos = ["1", "2", "3"].map(|id| picture("jpeg", id, &data));
        let html =
            "<img src=cid:3><img src=cid:3><img src=cid:3><img src=cid:3><img src=cid:1><img src=cid:2>";
        let (files, shown) = related(html, &photos.each_ref().map(String::as_str));
        assert_eq!((files, shown), (vec!["x.jpeg".to_owned()], 2), "two fit, and one of them again does not");
    }

    #[test]
    fn html_that_is_too_deep_is_shown_as_text() {
        let deep = format!("{}words{}", "<div>".repeat(400), "</div>".repeat(400));
        let view = seen(&format!("Content-Type: text/html\n\n{deep}\n"));
        assert!(view.html.is_none());
        assert_eq!(view.text.trim(), "words");
    }

    #[test]
    fn names_of_files_are_only_names() {
        let view = seen(
            "Content-Type: multipart/mixed; boundary=b\n\n--b\n\ntext\n\
             --b\nContent-Disposition: attachment; filename=\"../../etc/passwd\"\n\nx\n\
             --b\nContent-Disposition: attachment; filename*=utf-8''a%E2%80%AEgpj.exe\n\nx\n\
             --b\nContent-Type: message/rfc822\n\nSubject: in\n\ny\n--b--\n",
        );
        let names: Vec<_> = view.files.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(names[..2], ["passwd", "agpj.exe"]);
        assert!(names[2].ends_with(".eml"), "{names:?}");
    }

    #[test]
    fn payloads_in_every_field() {
        for payload in PAYLOADS.lines().filter(|payload| payload.is_ascii()) {
            let quoted = payload.replace(['\\', '"'], "");
            let view = seen(&format!(
                "From: \"{quoted}\" <a@x.example>\nSubject: {payload}\nContent-Type: multipart/mixed; boundary=zz9\n\n\
                 --zz9\nContent-Type: text/html\n\n{payload}\n\
                 --zz9\nContent-Disposition: attachment; filename=\"{quoted}\"\n\nx\n--zz9--\n"
            ));
            let html = view.html.map(|cleaned| cleaned.shown(&html::Words::default())).unwrap_or_default();
            let tags = skeleton(&html);
            assert!(tags.iter().all(|tag| !tag.starts_with("script") && !tag.contains(" on")), "{html}");
            for file in view.files {
                assert!(!file.name.contains(['<', '>', '/', '"']), "{}", file.name);
            }
        }
    }

    #[test]
    fn places() {
        assert_eq!(Place::read("inbox", "7").unwrap().path(), "/mailbox/inbox/7");
        assert_eq!(Place::read("sent", "4294967295").unwrap().name(), "sent/4294967295");
        for (folder, uid) in [
            ("drafts", "7"),
            ("inbox", "0"),
            ("inbox", "07"),
            ("inbox", "+7"),
            ("inbox", "4294967296"),
            ("INBOX", "7"),
        ] {
            assert!(Place::read(folder, uid).is_none(), "{folder}/{uid}");
        }
    }
}
