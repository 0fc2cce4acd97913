//! What must be true after so many kills, looked at from outside and, at the end, from within.

use crate::house::House;
use crate::house::LANES;
use crate::ledger::Book;
use crate::ledger::Deed;
use crate::ledger::Fate;
use crate::ledger::FirstUse;
use crate::ledger::Ledger;
use crate::ledger::Letter;
use crate::ledger::body;
use crate::load::Client;
use crate::load::link;
use crate::load::marker;
use crate::load::post_first_use;
use crate::sink::Sink;
use crate::sink::Taken;
use crate::wire::Imap;
use guardpost::flow::Flow;
use guardpost::store::PAGE;
use guardpost::store::record::Uid;
use serde_json::Value;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::sync::atomic::AtomicU16;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;
use std::time::Instant;

/// A message as IMAP gives it.
struct Seen {
    uid: u32,
    flags: BTreeSet<String>,
    text: String,
}

/// A kill: just before and just after.
pub type Kill = (Instant, Instant);

/// What was seen of a folder of Alice so far: it only grows.
#[derive(Default)]
pub struct Watch {
    validity: u32,
    last: u32,
    uids: HashMap<String, u32>,
}

impl Watch {
    /// Looks at what is new, and whether the old is still there.
    fn look(&mut self, imap: &mut Imap, folder: &str) -> BTreeMap<u32, BTreeSet<String>> {
        let validity = imap.ask(&format!("EXAMINE {folder}")).unwrap().number("[UIDVALIDITY").unwrap();
        assert!(self.validity == 0 || self.validity == validity, "{folder} has a new UIDVALIDITY");
        self.validity = validity;
        let all = imap.ask("UID FETCH 1:* (UID FLAGS)").unwrap();
        let all: BTreeMap<u32, _> = all
            .responses
            .iter()
            .filter_map(|response| Some((response.number("UID")?, response.flags())))
            .collect();
        let new = format!("UID FETCH {}:* (UID BODY.PEEK[HEADER.FIELDS (X-Marker)])", self.last + 1);
        for response in imap.ask(&new).unwrap().responses {
            let (Some(uid), Some(header)) = (response.number("UID"), response.literals.first()) else {
                continue;
            };
            if uid <= self.last {
                continue;
            }
            let name = marker(&String::from_utf8_lossy(header)).to_owned();
            if !name.is_empty() {
                let before = self.uids.insert(name.clone(), uid);
                assert_eq!(before, None, "{name} is twice in {folder}");
            }
        }
        self.last = all.last_key_value().map_or(0, |(uid, _)| *uid);
        let gone: Vec<_> = self.uids.iter().filter(|(_, uid)| !all.contains_key(uid)).collect();
        assert!(gone.is_empty(), "{folder} has lost {gone:?}");
        all
    }

    fn has(&self, letters: &[Letter]) {
        for letter in letters.iter().filter(|letter| letter.fate == Fate::Acknowledged) {
            assert!(self.uids.contains_key(&letter.marker), "{} was acknowledged and is lost", letter.marker);
        }
    }
}

/// A quick look in between: what was acknowledged is there once, with its flags.
pub fn glance(client: &Client<'_>, inbox: &mut Watch, sent: &mut Watch) {
    let mut imap = client.alice().unwrap();
    let book = client.ledger.open();
    let flags = inbox.look(&mut imap, "INBOX");
    inbox.has(&book.arrivals);
    check_flags(&book, &flags);
    sent.look(&mut imap, "Sent");
    sent.has(&book.secure);
    sent.has(&book.plain);
}

fn check_flags(book: &Book, seen: &BTreeMap<u32, BTreeSet<String>>) {
    for (uid, set) in &book.flags {
        let flags = &seen[uid];
        let known = *flags == set.acknowledged || set.in_doubt.contains(flags);
        assert!(known, "message {uid} has {flags:?}, and not {set:?}");
    }
    let touched = |uid: &u32| book.flags.contains_key(uid);
    for (uid, flags) in seen.iter().filter(|(uid, _)| !touched(uid)) {
        assert!(flags.is_empty(), "nobody set {flags:?} on message {uid}");
    }
}

/// Everything; the server runs, and nobody else speaks to it.
pub fn everything(client: &mut Client<'_>, kills: &[Kill]) {
    while client.ledger.open().secure.iter().any(|letter| letter.fate == Fate::InDoubt)
        || client.ledger.open().plain.iter().any(|letter| letter.fate == Fate::InDoubt)
    {
        client.repeat_all().unwrap();
    }
    let known = client.house.log().matches("submission repeated; not done twice").count();
    println!("repeated submissions that were known already: {known}");
    wait_for_the_queue(client.house, client.sink);
    let mut imap = client.alice().unwrap();
    client.learn_pins(&mut imap).unwrap();
    let opened = first_uses(client);
    let book = client.ledger.open();
    inbox(&book, &read(&mut imap, "INBOX"), &opened);
    sent(&book, &read(&mut imap, "Sent"));
    drafts(&book, &read(&mut imap, "Drafts"));
    mailboxes(client.house, &book);
    went_out(&book, &client.sink.all(), kills);
}

fn wait_for_the_queue(house: &House, sink: &Sink) {
    let begun = Instant::now();
    loop {
        let (done, list) = house.command(&["queue", "list", "--json"]);
        assert!(done, "{list}");
        let list: Value = serde_json::from_str(&list).unwrap();
        if list.as_array().unwrap().is_empty() {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(300), "the queue keeps {list}");
        sink.wait(Duration::from_millis(100));
    }
}

/// Every message of a folder, whole.
fn read(imap: &mut Imap, folder: &str) -> Vec<Seen> {
    imap.ask(&format!("EXAMINE {folder}")).unwrap();
    let found = imap.ask("UID SEARCH ALL").unwrap();
    let line = found.responses.iter().find_map(|response| response.line.strip_prefix("* SEARCH")).unwrap();
    let uids: Vec<&str> = line.split_whitespace().collect();
    let mut seen = Vec::with_capacity(uids.len());
    for some in uids.chunks(50) {
        let done = imap.ask(&format!("UID FETCH {} (UID FLAGS BODY.PEEK[])", some.join(","))).unwrap();
        assert!(done.is_ok(), "{}", done.tagged);
        for response in done.responses {
            let (Some(uid), Some(text)) = (response.number("UID"), response.literals.first()) else {
                continue;
            };
            let text = String::from_utf8(text.clone()).unwrap();
            seen.push(Seen { uid, flags: response.flags(), text });
        }
    }
    assert_eq!(seen.len(), uids.len(), "each message of {folder} can be read");
    seen
}

fn by_marker(seen: &[Seen]) -> HashMap<&str, Vec<&Seen>> {
    let mut found: HashMap<&str, Vec<&Seen>> = HashMap::new();
    for message in seen {
        found.entry(marker(&message.text)).or_default().push(message);
    }
    found
}

fn inbox(book: &Book, seen: &[Seen], opened: &BTreeSet<String>) {
    let mut found = by_marker(seen);
    let notes = found.remove("").unwrap_or_default();
    let mut unanswered = 0;
    for letter in &book.arrivals {
        let copies = found.remove(letter.marker.as_str()).unwrap_or_default();
        let good = match letter.fate {
            Fate::Acknowledged => copies.len() == 1,
            Fate::InDoubt => copies.len() <= 1,
        };
        assert!(good, "{} ({:?}) is there {} times", letter.marker, letter.fate, copies.len());
        unanswered += if letter.fate == Fate::InDoubt { copies.len() } else { 0 };
        for copy in copies {
            assert!(copy.text.ends_with(&*letter.text), "{} has changed:\n{}", letter.marker, copy.text);
        }
    }
    assert!(found.is_empty(), "{:?} was never sent", found.keys());
    println!("messages that were taken without an answer: {unanswered}");
    check_flags(book, &seen.iter().map(|message| (message.uid, message.flags.clone())).collect());
    // Alice is told of each mailbox once, and of each first use once.
    let notes: Vec<String> = notes.iter().map(|note| note.text.replace("=\r\n", "")).collect();
    for letter in &book.secure {
        let told = notes.iter().filter(|note| note.contains(&letter.to)).count();
        let wanted = 1 + usize::from(opened.contains(&letter.to));
        assert_eq!(told, wanted, "notes about {}", letter.to);
    }
    assert_eq!(notes.len(), book.secure.len() + opened.len());
}

fn sent(book: &Book, seen: &[Seen]) {
    let mut found = by_marker(seen);
    for letter in book.secure.iter().chain(&book.plain) {
        let copies = found.remove(letter.marker.as_str()).unwrap_or_default();
        assert_eq!(copies.len(), 1, "copies of {}", letter.marker);
        assert_eq!(body(&copies[0].text), letter.body(), "{} has changed", letter.marker);
    }
    assert!(found.is_empty(), "{:?} was never sent", found.keys());
}

fn drafts(book: &Book, seen: &[Seen]) {
    let mut found = by_marker(seen);
    for (name, draft) in &book.drafts {
        let copies = found.remove(name.as_str()).map_or(0, |copies| copies.len());
        let good = match (draft.put, draft.thrown) {
            (Fate::Acknowledged, None) => copies == 1,
            (_, Some(Fate::Acknowledged)) => copies == 0,
            (Fate::InDoubt, None) | (_, Some(Fate::InDoubt)) => copies <= 1,
        };
        assert!(good, "{name} is there {copies} times: {draft:?}");
    }
    assert!(found.is_empty(), "{:?} was never put down", found.keys());
}

fn mailboxes(house: &House, book: &Book) {
    let (done, list) = house.command(&["mailbox", "list", "--json"]);
    assert!(done, "{list}");
    let list: Value = serde_json::from_str(&list).unwrap();
    let mut listed: Vec<&str> =
        list.as_array().unwrap().iter().map(|mailbox| mailbox["address"].as_str().unwrap()).collect();
    let mut wanted: Vec<&str> = book.secure.iter().map(|letter| letter.to.as_str()).collect();
    listed.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(listed, wanted, "one mailbox for each");
}

/// Everything went out, and twice only what was on its way when the server was killed.
fn went_out(book: &Book, taken: &HashMap<String, Vec<Taken>>, kills: &[Kill]) {
    for letter in &book.secure {
        let invitations = taken.get(&letter.to).unwrap_or_else(|| panic!("nobody invited {}", letter.to));
        let links: BTreeSet<_> = invitations.iter().map(|mail| link(&mail.text).expect("a link")).collect();
        assert_eq!(links.len(), 1, "{} has one invitation", letter.to);
    }
    for letter in &book.plain {
        let copies = taken.get(&letter.to).unwrap_or_else(|| panic!("{} never went out", letter.marker));
        assert!(copies.iter().all(|copy| body(&copy.text) == letter.body()), "{} changed", letter.marker);
    }
    let known: BTreeSet<&str> =
        book.secure.iter().chain(&book.plain).map(|letter| letter.to.as_str()).collect();
    assert!(taken.keys().all(|to| known.contains(to.as_str())), "nobody else got anything");
    let mut doubled: HashMap<usize, usize> = HashMap::new();
    for (to, copies) in taken {
        for pair in copies.windows(2) {
            let between =
                kills.iter().position(|(before, after)| pair[0].at <= *after && *before <= pair[1].at);
            let kill = between.unwrap_or_else(|| panic!("{to} got a message twice without a kill between"));
            *doubled.entry(kill).or_default() += 1;
        }
    }
    for (kill, count) in &doubled {
        assert!(*count <= LANES, "kill {kill} made {count} messages go out twice");
    }
    let total: usize = doubled.values().sum();
    println!("went out: {} messages, {total} of them twice, at {} kills", taken.len(), doubled.len());
}

/// Each first use: done or not done, never neither, never both. Answers who has a password now.
fn first_uses(client: &Client<'_>) -> BTreeSet<String> {
    let used: Vec<FirstUse> = client.ledger.open().first_uses.values().cloned().collect();
    let bodies: HashMap<String, String> = {
        let book = client.ledger.open();
        book.secure.iter().map(|letter| (letter.to.clone(), letter.body().to_owned())).collect()
    };
    let network = AtomicU16::new(1);
    let half = used.len().div_ceil(2).max(1);
    let mut completed = 0;
    thread::scope(|scope| {
        let workers: Vec<_> = used
            .chunks(half)
            .map(|some| {
                let (network, bodies) = (&network, &bodies);
                scope.spawn(move || {
                    some.iter().filter(|used| check_first_use(client.house, used, bodies, network)).count()
                })
            })
            .collect();
        completed = workers.into_iter().map(|worker| worker.join().unwrap()).sum();
    });
    // Those that nobody tried to open can be opened.
    let mut opened: BTreeSet<String> = used.iter().map(|used| used.recipient.clone()).collect();
    let doubt = used.iter().filter(|used| used.fate == Fate::InDoubt).count();
    for _ in 0..3 {
        let Some(fresh) = client.openable() else { break };
        assert_eq!(
            post_first_use(client.house, 0, &fresh, &fresh.password).unwrap(),
            303,
            "{}",
            fresh.recipient
        );
        opened.insert(fresh.recipient.clone());
        client.ledger.open().first_uses.insert(fresh.recipient.clone(), fresh);
    }
    let before = client.ledger.open().done_before;
    println!(
        "first uses: {} acknowledged, {before} of these when tried again; {doubt} in doubt, {completed} of these done",
        used.len() - doubt
    );
    opened
}

/// Whether one in doubt had been done. Whatever it was, the recipient has a password afterwards.
fn check_first_use(
    house: &House,
    used: &FirstUse,
    bodies: &HashMap<String, String>,
    network: &AtomicU16,
) -> bool {
    let network = || network.fetch_add(1, Ordering::Relaxed);
    let sign_in = |password: &str| {
        Imap::signed_in(house.imaps, &house.trust, network(), &used.recipient, password).unwrap()
    };
    let other = format!("{} of another forest", used.password);
    let signed_in = sign_in(&used.password);
    let again = post_first_use(house, network(), used, &other).unwrap();
    let (imap, done) = match (signed_in, used.fate) {
        (Some(imap), _) => {
            assert_eq!(again, 409, "password and link both work for {}", used.recipient);
            (imap, true)
        }
        (None, Fate::Acknowledged) => panic!("{} was opened, and the password is lost", used.recipient),
        (None, Fate::InDoubt) => {
            assert_eq!(again, 303, "neither password nor link works for {}", used.recipient);
            assert!(sign_in(&used.password).is_none(), "both passwords work for {}", used.recipient);
            (sign_in(&other).expect("the new password works"), false)
        }
    };
    let mut imap = imap;
    let messages = read(&mut imap, "INBOX");
    assert_eq!(messages.len(), 1, "messages for {}", used.recipient);
    assert_eq!(body(&messages[0].text), bodies[&used.recipient], "for {}", used.recipient);
    done && used.fate == Fate::InDoubt
}

/// The directory after the server has stopped in order.
pub fn directory(house: &House) {
    let data = house.at("data");
    for path in below(&data).iter().filter(|path| path.is_dir() && path.ends_with("blobs")) {
        assert_eq!(fs::read_dir(path).unwrap().count(), 0, "{} holds something", path.display());
    }
    let blobs = below(&data).iter().filter(|path| path.ends_with("blobs")).count();
    assert_eq!(fs::read_dir(data.join("spool")).unwrap().count(), 0, "the spool is empty");
    let named = house.with_flow(async |flow| named(&flow).await);
    let bodies = data.join("bodies");
    let files: BTreeSet<String> = below(&bodies)
        .iter()
        .filter(|path| path.is_file())
        .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    let missing: Vec<_> = named.difference(&files).collect();
    assert!(missing.is_empty(), "named and not there: {missing:?}");
    let orphans: Vec<_> = files.difference(&named).collect();
    let unfinished = orphans.iter().filter(|name| name.ends_with(".tmp")).count();
    let hour = Duration::from_secs(3600);
    for path in below(&bodies).iter().filter(|path| path.is_file()) {
        let age = fs::metadata(path).unwrap().modified().unwrap().elapsed().unwrap_or_default();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        assert!(age < hour || named.contains(&name), "{name} has no name for longer than an hour");
    }
    println!(
        "bodies: {} named, {} without a name, {unfinished} of these unfinished; {blobs} empty blobs/",
        named.len(),
        orphans.len()
    );
    assert!(!named.is_empty());
}

/// The body files that a record names.
async fn named(flow: &Flow) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut after = None;
    loop {
        let page = flow.store.mailboxes(after, PAGE).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        for mailbox in &page {
            for folder in flow.store.folders(mailbox.id).await.unwrap() {
                let mut uid = Uid(0);
                loop {
                    let messages = flow.store.messages(mailbox.id, folder.folder, uid, PAGE).await.unwrap();
                    let Some(last) = messages.last() else { break };
                    uid = last.uid;
                    let files = messages.iter().filter_map(|message| message.record.body.file());
                    names.extend(files.map(|id| id.to_string()));
                }
            }
        }
    }
    let queue = flow.store.queue(None, PAGE).await.unwrap();
    assert!(queue.is_empty(), "the queue was worked off");
    names
}

fn below(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(below(&path));
        }
        found.push(path);
    }
    found
}

/// The load was one: everything that can be acknowledged was, and was cut off.
pub fn load_was_real(ledger: &Ledger, kills: usize) {
    let book = ledger.open();
    for deed in Deed::ALL {
        let (done, cut) = (book.done.get(&deed).copied(), book.cut_off.get(&deed).copied());
        let (done, cut) = (done.unwrap_or(0), cut.unwrap_or(0));
        println!("{deed:?}: {done} acknowledged, {cut} cut off");
        assert!(done * 20 >= kills && (cut > 0 || deed == Deed::Expunge), "too little of {deed:?}");
    }
    println!("submissions made again: {}", book.repeated);
    assert_eq!(book.refusals, [""; 0], "refused");
}
