//! What the owner of a temporary mailbox takes along, finds and ends, over real sockets and with foreign judges: gpg,
//! Info-ZIP and Python.

use crate::gpg::Gpg;
use crate::harness::House;
use crate::harness::PASSWORD;
use crate::mail_client::field;
use crate::main_job::BOB;
use crate::main_job::BOBS_PASSWORD;
use crate::main_job::first_use;
use crate::main_job::invite;
use crate::main_job::letter;
use crate::markers::Marker;
use crate::markers::assert_absent;
use crate::patience::PATIENCE;
use crate::plain_browser::Browser;
use crate::portal::curl;
use crate::portal::site;
use std::fs;
use std::process::Command;

/// So much text that no two lines are alike, with a marker in its middle.
fn long(marker: &str, lines: u32) -> String {
    let mut state = 1_u32;
    let line = |_| {
        let word = |_: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            format!("{:08x}", state)
        };
        (0..8).map(word).collect::<Vec<_>>().join(" ")
    };
    let mut lines: Vec<String> = (0..lines).map(line).collect();
    lines.insert(lines.len() / 2, marker.to_owned());
    lines.join("\r\n")
}

async fn send(house: &House, subject: &str, body: &str) {
    let text = letter(subject, body, "");
    let reply = house.alice_sends().await.send("alice@house.example", &[BOB], &text).await;
    assert!(reply.is(250, "2.0.0"), "{reply:?}");
}

/// What these keys open of the house's body files.
fn opened(gpg: &Gpg, passphrase: &str, house: &House) -> Vec<String> {
    gpg.forget();
    let files = house.data().into_iter().filter(|(file, _)| file.contains("/bodies/"));
    let opened = files.filter_map(|(file, _)| {
        let done = gpg.try_run(passphrase, &["--decrypt", &file]);
        done.status.success().then(|| String::from_utf8_lossy(&done.stdout).into_owned())
    });
    opened.collect()
}

fn import(gpg: &Gpg, passphrase: &str, file: &[u8]) {
    let done = gpg.try_run(passphrase, &["--import", &gpg.file("key.asc", file)]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

/// The password, the page with the passphrase, the file.
async fn download_key(bob: &mut Browser) -> (String, Vec<u8>) {
    let form = bob.get("/mailbox/key").await;
    assert_eq!(form.field_names("/mailbox/key/download"), ["password"]);
    let page = bob.post("/mailbox/key/download", &[("password", BOBS_PASSWORD)]).await;
    assert_eq!(page.status, 200, "{}", page.words());
    let fields = page.form("/mailbox/key/file").expect("a form for the file");
    let [(name, passphrase)] = fields.as_slice() else { panic!("{} fields", fields.len()) };
    assert!(page.words().contains(passphrase.as_str()), "it is shown");
    let file = bob.post("/mailbox/key/file", &[(name, passphrase)]).await;
    assert_eq!(file.status, 200, "{}", file.words());
    (passphrase.clone(), file.body)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_downloaded_key_opens_mail_from_before_and_after_the_first_use() {
    const BEFORE: &str = "Cloudberry-7719-before";
    const AFTER: &str = "Hawthorn-5521-after";
    let house = House::new().await;
    let (mut bob, link, pin) = invite(&house).await;
    send(&house, "[secure] Earlier", &long(BEFORE, 3_000)).await;
    first_use(&mut bob, &link, &pin).await;
    send(&house, "[secure] Later", &long(AFTER, 3_000)).await;

    let (passphrase, file) = download_key(&mut bob).await;
    let gpg = Gpg::new();
    import(&gpg, &passphrase, &file);
    let listed = gpg.try_run(&passphrase, &["--list-secret-keys", "--with-colons"]);
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert_eq!(listed.lines().filter(|line| line.starts_with("sec:")).count(), 2, "{listed}");
    assert!(listed.contains(BOB), "{listed}");
    assert!(opened(&gpg, "0000-0000-0000-0000-0000-0000", &house).is_empty(), "its passphrase is its lock");
    let texts = opened(&gpg, &passphrase, &house);
    for marker in [BEFORE, AFTER] {
        assert_eq!(
            texts.iter().filter(|text| text.contains(marker)).count(),
            1,
            "{marker} of {}",
            texts.len()
        );
    }

    let public = bob.get("/mailbox/key/public").await;
    let other = Gpg::new();
    import(&other, "", &public.body);
    assert!(opened(&other, "", &house).is_empty(), "the public part opens nothing");

    let again = bob.post("/mailbox/key/file", &[("passphrase", &passphrase)]).await;
    assert_eq!(again.status, 403, "once");
    let armor = String::from_utf8(file).unwrap().lines().nth(10).unwrap().to_owned();
    let secrets = [("passphrase", Marker::new(&passphrase)), ("key file", Marker::new(&armor))];
    house.data().iter().for_each(|(file, octets)| assert_absent(&secrets, file, octets));
    assert_absent(&secrets, "the log", &house.logged());
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_can_be_taken_along_as_one_zip() {
    const TEXT: &str = "Whitebeam-3384-in-the-middle";
    let house = House::new().await;
    let (mut bob, link, pin) = invite(&house).await;
    first_use(&mut bob, &link, &pin).await;
    send(&house, "[secure] Large one", &long(TEXT, 40_000)).await;
    let reply = [("to", "sender"), ("subject", "Re: Large one"), ("body", "Sycamore answer")];
    assert_eq!(bob.post("/mailbox/inbox/2/reply", &reply).await.status, 303);

    let page = bob.get("/mailbox/export").await;
    assert!(page.words().contains("3 messages, about 2.9 MB"), "{}", page.words());
    assert_eq!(page.form("/mailbox/export"), Some(Vec::new()));
    let zip = bob.post("/mailbox/export", &[]).await;
    assert_eq!((zip.status, zip.header("content-type")), (200, Some("application/zip")));
    assert_eq!(zip.header("content-length"), Some(zip.body.len().to_string().as_str()));
    assert!(zip.header("transfer-encoding").is_none(), "the browser can show how far it is");

    let path = house.at("taken.zip");
    fs::write(&path, &zip.body).unwrap();
    let tested = Command::new("unzip").arg("-t").arg(&path).output().expect("unzip is installed");
    let said = String::from_utf8_lossy(&tested.stdout).into_owned();
    assert!(tested.status.success() && said.contains("No errors detected"), "{said}");
    let program = "import sys,zipfile,email.policy,email\nz=zipfile.ZipFile(sys.argv[1])\nassert z.testzip() is None\n\
                   for n in z.namelist():\n  m=email.message_from_bytes(z.read(n),policy=email.policy.default)\n  \
                   print(n,'|',m['Subject'],'|',len(z.read(n)))\n";
    let python = Command::new("python3").arg("-c").arg(program).arg(&path).output().expect("python3");
    let said = String::from_utf8_lossy(&python.stdout).into_owned();
    assert!(python.status.success() && said.lines().count() == 4, "{said}");
    for (start, subject) in [
        ("INBOX/", ") Offer.eml | Offer |"),
        ("INBOX/", "Large one.eml | Large one |"),
        ("Sent/", "Re_ Large one.eml |"),
    ] {
        assert!(
            said.lines().any(|line| line.starts_with(start) && line.contains(subject)),
            "{start} {subject}: {said}"
        );
    }
    let raw = bob.get("/mailbox/inbox/2/raw").await.body;
    assert!(zip.body.windows(raw.len()).any(|window| window == raw), "stored octet by octet");

    let marker = [("text", Marker::new(TEXT))];
    house.data().iter().for_each(|(file, octets)| assert_absent(&marker, file, octets));
}

/// As browsers speak today; and a reader that goes away in the middle is noticed.
#[tokio::test(flavor = "multi_thread")]
async fn an_export_over_http_2_is_whole_or_over() {
    let house = House::new().await;
    let (mut bob, link, pin) = invite(&house).await;
    first_use(&mut bob, &link, &pin).await;
    send(&house, "[secure] Large one", &long("Rowan-6617", 60_000)).await;
    let cookie = format!("Cookie: __Host-gp={}", bob.cookie("__Host-gp").unwrap());
    let origin = format!("Origin: {}", site(&house));
    let (export, progress) =
        (format!("{}/mailbox/export", site(&house)), format!("{}/mailbox/export/progress", site(&house)));
    let post = ["--http2", "--header", &cookie, "--header", &origin, "--data", "", &export];

    let broken = curl(&house, &[&["--limit-rate", "100k", "--max-time", "2"][..], &post].concat()).await;
    assert!(broken.body.len() < 4_000_000, "{}", broken.body.len());
    let over = async {
        let idle = b"width=\"102\"";
        while !curl(&house, &["--header", &cookie, &progress])
            .await
            .body
            .windows(idle.len())
            .any(|at| at == idle)
        {}
    };
    tokio::time::timeout(PATIENCE, over).await.expect("it ends with its reader");

    let whole = curl(&house, &post).await;
    assert_eq!((whole.status, whole.version.as_str()), (200, "2"), "{whole:?}");
    assert_eq!(whole.header("content-length"), Some(whole.body.len().to_string().as_str()));
    assert!(whole.header("content-disposition").unwrap().starts_with("attachment; "));
    let path = house.at("taken.zip");
    fs::write(&path, &whole.body).unwrap();
    let tested = Command::new("unzip").arg("-tq").arg(&path).output().expect("unzip is installed");
    assert!(tested.status.success(), "{}", String::from_utf8_lossy(&tested.stdout));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_to_all_stays_in_the_organisation() {
    let house = House::new().await;
    house.add_account("carol@house.example", PASSWORD).await;
    let (mut bob, link, pin) = invite(&house).await;
    first_use(&mut bob, &link, &pin).await;
    let form = bob.get("/mailbox/inbox/1/reply").await.form("/mailbox/inbox/1/reply").expect("a form");
    assert_eq!(form[0], ("to".to_owned(), "sender".to_owned()), "no choice where there is none");
    let more = "Cc: Carol <carol@house.example>, Eve <eve@outside.example>, <gone@house.example>\r\n";
    let text = letter("[secure] For all", "hello", more);
    let reply =
        house.alice_sends().await.send("alice@house.example", &[BOB, "carol@house.example"], &text).await;
    assert!(reply.is(250, "2.0.0"), "{reply:?}");
    let mails = house.world.wait_for(2).await.len();

    let mut imap = house.imap(BOB, BOBS_PASSWORD).await;
    imap.select("INBOX").await;
    let flags = |said: crate::mail_client::Said| said.lines.join("\n");
    let before = flags(imap.ask("FETCH 2 FLAGS").await.unwrap());
    assert!(!before.contains("Seen") && !before.contains("Answered"), "{before}");
    let page = bob.get("/mailbox/inbox/2/reply").await;
    assert!(
        page.words().contains("carol@house.example") && !page.words().contains("eve@"),
        "{}",
        page.words()
    );
    let fields =
        [("to", "all"), ("subject", "Re: For all\r\nBcc: eve@outside.example"), ("body", "Bryony to all")];
    assert_eq!(bob.post("/mailbox/inbox/2/reply", &fields).await.location(), "/mailbox/sent?sent=1");
    for account in ["alice@house.example", "carol@house.example"] {
        let inbox = house.imap(account, PASSWORD).await.messages("INBOX").await;
        assert!(inbox.iter().any(|mail| mail.contains("Bryony to all")), "{account}");
    }
    let sent = imap.messages("Sent").await.remove(0);
    let to = field(&sent, "To").unwrap();
    assert!(to.contains("alice@house.example") && to.contains("carol@house.example"), "{to}");
    assert!(
        to.matches('@').count() == 2 && field(&sent, "Bcc").is_none() && field(&sent, "Cc").is_none(),
        "{sent}"
    );
    imap.select("INBOX").await;
    let after = flags(imap.ask("FETCH 2 FLAGS").await.unwrap());
    assert!(after.contains("\\Seen") && after.contains("\\Answered"), "{after}");
    assert!(bob.get("/mailbox").await.words().contains("Answered"));
    assert_eq!(house.world.taken().len(), mails, "nothing left the house");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_searched_for_is_told_to_nobody() {
    const WORD: &str = "Spindletree8847";
    let house = House::new().await;
    let (mut bob, link, pin) = invite(&house).await;
    first_use(&mut bob, &link, &pin).await;
    send(&house, "[secure] One of many", &long(WORD, 500)).await;
    for number in 0..4 {
        send(&house, &format!("[secure] Other {number}"), "nothing").await;
    }
    let list = bob.get("/mailbox").await;
    assert_eq!(list.field_names("/mailbox/search"), ["q"]);
    let found = bob.post("/mailbox/search", &[("q", &WORD.to_uppercase())]).await;
    assert_eq!(found.status, 200);
    assert!(
        found.words().contains("1 message found") && found.words().contains("All 6 messages were searched.")
    );
    assert_eq!(found.link("/mailbox/inbox/").as_deref(), Some("/mailbox/inbox/2"));
    assert!(bob.get("/mailbox/inbox/2").await.words().contains(WORD), "the link leads there");
    let markers = [("word", Marker::new(WORD)), ("typed word", Marker::new(&WORD.to_uppercase()))];
    assert_absent(&markers, "the log", &house.logged());
    house.data().iter().for_each(|(file, octets)| assert_absent(&markers, file, octets));
}

#[tokio::test(flavor = "multi_thread")]
async fn other_browsers_and_mail_programs_end_when_their_owner_says() {
    let house = House::new().await;
    let (mut bob, link, pin) = invite(&house).await;
    first_use(&mut bob, &link, &pin).await;
    let mut other = house.browser();
    other
        .more
        .push(("User-Agent".into(), "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko Firefox/130.0".into()));
    let sign_in = [("address", BOB), ("password", BOBS_PASSWORD)];
    assert_eq!(other.post("/login", &sign_in).await.location(), "/mailbox");
    let mut idling = house.imap(BOB, BOBS_PASSWORD).await;
    idling.select("INBOX").await;
    idling.put(b"x1 IDLE\r\n").await;

    let page = bob.get("/mailbox/sessions").await;
    let words = page.words();
    assert!(words.contains("Firefox on Linux") && words.contains("Mail program (IMAP)"), "{words}");
    assert!(bob.post("/mailbox/sessions/end-others", &[]).await.location().starts_with("/mailbox/sessions"));
    assert_eq!(other.get("/mailbox").await.location(), "/login", "at once");
    let mut last = String::new();
    while let Some(line) = idling.line().await {
        last = line;
    }
    assert!(last.starts_with("* BYE"), "{last}");
    let words = bob.get("/mailbox/sessions").await.words();
    assert!(words.contains("Nothing else has this mailbox open."), "{words}");
    assert_eq!(house.imap(BOB, BOBS_PASSWORD).await.select("INBOX").await, 1, "the password still opens it");
}
