//! The portal over real sockets as curl meets it: both versions of HTTP, the redirect, the limits, files there and
//! back.

use crate::harness::HOST;
use crate::harness::House;
use crate::main_job::first_use;
use crate::main_job::invite;
use guardpost::net::listen::Service;
use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;
use tokio::net::TcpStream;

/// What curl got.
#[derive(Debug)]
pub struct Got {
    pub status: u16,
    pub version: String,
    head: String,
    pub body: Vec<u8>,
    #[allow(dead_code, reason = "shown when a test fails")]
    complaint: String,
}

impl Got {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next_back()
    }
}

/// Runs curl against the house; its certificate is the only one that is trusted.
pub async fn curl(house: &House, arguments: &[&str]) -> Got {
    let dir = tempfile::tempdir().unwrap();
    let (head, body) = (dir.path().join("head"), dir.path().join("body"));
    let (https, http) = (house.port(Service::Https), house.port(Service::Http));
    let mut command = Command::new("curl");
    command
        .args(["--silent", "--show-error", "--max-time", "120"])
        .args([
            "--resolve",
            &format!("{HOST}:{https}:127.0.0.1"),
            "--resolve",
            &format!("{HOST}:{http}:127.0.0.1"),
        ])
        .arg("--cacert")
        .arg(house.at("tls.crt"))
        .arg("--dump-header")
        .arg(&head)
        .arg("--output")
        .arg(&body)
        .args(["--write-out", "%{http_code} %{http_version}"])
        .args(arguments);
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap();
    let output = output.expect("curl is installed");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let (status, version) = said.split_once(' ').unwrap_or((&said, ""));
    Got {
        status: status.parse().unwrap_or(0),
        version: version.to_owned(),
        head: std::fs::read_to_string(&head).unwrap_or_default(),
        body: std::fs::read(&body).unwrap_or_default(),
        complaint: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

pub fn site(house: &House) -> String {
    format!("https://{HOST}:{}", house.port(Service::Https))
}

#[tokio::test(flavor = "multi_thread")]
async fn both_versions_of_http_get_the_same_pages_and_headers() {
    let house = House::new().await;
    let login = format!("{}/login", site(&house));
    let mut pages = Vec::new();
    for (flag, version) in [("--http1.1", "1.1"), ("--http2", "2")] {
        let got = curl(&house, &[flag, &login]).await;
        assert_eq!((got.status, got.version.as_str()), (200, version), "{got:?}");
        for (name, value) in [
            ("strict-transport-security", "max-age=63072000"),
            ("cache-control", "no-store"),
            ("referrer-policy", "same-origin"),
            ("x-content-type-options", "nosniff"),
            ("x-robots-tag", "noindex"),
        ] {
            assert_eq!(got.header(name), Some(value), "{name} over {version}");
        }
        assert!(got.header("server").is_none());
        pages.push(got.body);
        let elsewhere = curl(&house, &[flag, "--header", "Host: other.example", &login]).await;
        assert_eq!(elsewhere.status, 421, "{elsewhere:?}");
        let head = curl(&house, &[flag, "--head", &login]).await;
        assert_eq!(
            (head.status, head.body.iter().filter(|byte| **byte == b'<').count()),
            (200, 0),
            "{head:?}"
        );
    }
    assert_eq!(pages.first(), pages.last());
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_http_leads_to_the_portal_and_nowhere_else() {
    let house = House::new().await;
    let plain = format!("http://{HOST}:{}", house.port(Service::Http));
    let got = curl(&house, &[&format!("{plain}/login?lang=de")]).await;
    assert_eq!(got.status, 301);
    assert_eq!(got.header("location"), Some(&*format!("{}/login?lang=de", site(&house))));
    let got = curl(&house, &["--data", "address=a&password=b", &format!("{plain}/login")]).await;
    assert_eq!(got.status, 308);
    let got = curl(&house, &["--header", "Host: evil.example", &format!("{plain}/login")]).await;
    assert_eq!(got.header("location"), Some(&*format!("{}/login", site(&house))), "never where Host says");
    assert!(got.header("set-cookie").is_none() && got.body.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_bounded() {
    let house = House::new().await;
    let site = site(&house);
    let login = format!("{site}/login");
    let origin = format!("Origin: {site}");
    let long_field = format!("X-Long: {}", "x".repeat(20 << 10));
    let long_path = format!("{site}/{}", "x".repeat(3_000));
    let form = house.home.path().join("form");
    std::fs::write(&form, format!("address=a&password={}", "x".repeat(100 << 10))).unwrap();
    let form = format!("@{}", form.display());
    let many: Vec<String> = (0..70).flat_map(|n| ["--header".to_owned(), format!("X-{n}: y")]).collect();
    let mut many: Vec<&str> = many.iter().map(String::as_str).collect();
    many.extend(["--http1.1", &login]);
    for (arguments, status) in [
        (&["--http1.1", "--header", &long_field, &login][..], 431),
        (&many, 431),
        (&["--http1.1", &long_path], 414),
        (&["--http2", &long_path], 414),
        (&["--header", &origin, "--data", &form, &login], 413),
        (&["--http1.1", "--header", &origin, "--data", &form, &login], 413),
        (&["--header", &origin, "--data", "x", "--header", "Content-Type: text/plain", &login], 415),
        (&["--request", "PUT", &login], 405),
        (&["--data", "address=a&password=b", &login], 403),
    ] {
        let got = curl(&house, arguments).await;
        assert_eq!(got.status, status, "{:.60?} {:.200}", arguments, got.head);
    }
    assert_eq!(curl(&house, &[&login]).await.status, 200, "and still there");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_go_there_and_back_octet_for_octet() {
    let house = House::new().await;
    let (mut browser, link, pin) = invite(&house).await;
    first_use(&mut browser, &link, &pin).await;
    let cookie = format!("__Host-gp={}", browser.cookie("__Host-gp").expect("a session"));
    let site = site(&house);
    let (reply, origin) = (format!("{site}/mailbox/inbox/1/reply"), format!("Origin: {site}"));
    let content: Vec<u8> = (0..3_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let file = house.home.path().join("photo.bin");
    std::fs::write(&file, &content).unwrap();

    // A sender that goes in the middle leaves nothing.
    let upload = format!("attachment=@{};filename=photo.bin", file.display());
    let form = ["--header", &origin, "--cookie", &cookie, "--form", "to=sender", "--form", "body=here it is"];
    let cut = ["--max-time", "1", "--limit-rate", "100k", "--form", &upload, &reply];
    let got = curl(&house, &[&form[..], &cut].concat()).await;
    assert_eq!(got.status, 0, "{got:?}");
    let empty = curl(&house, &["--cookie", &cookie, &format!("{site}/mailbox/sent")]).await;
    assert!(empty.text().contains("You have not sent anything yet."));

    for (number, flag) in ["--http1.1", "--http2"].into_iter().enumerate() {
        let sent = curl(&house, &[&form[..], &[flag, "--form", &upload, &reply]].concat()).await;
        assert_eq!(sent.status, 303, "{}", sent.text());
        let path = format!("{site}/mailbox/sent/{}", number + 1);
        let page = curl(&house, &["--cookie", &cookie, &path]).await.text();
        let number = page.split("/attachment/").nth(1).expect("a file").split('"').next().unwrap();
        let back = curl(&house, &[flag, "--cookie", &cookie, &format!("{path}/attachment/{number}")]).await;
        assert_eq!(back.header("content-type"), Some("application/octet-stream"));
        assert!(back.header("content-disposition").is_some_and(|value| value.contains("photo.bin")));
        assert!(back.body == content, "octet for octet");
    }
    let large = house.home.path().join("large.bin");
    sparse(&large, 30 << 20);
    let upload = format!("attachment=@{}", large.display());
    let refused = curl(&house, &[&form[..], &["--form", &upload, &reply]].concat()).await;
    assert_eq!(refused.status, 413);
    assert!(
        refused.text().contains("large.bin") && refused.text().contains("here it is"),
        "what was typed is there"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_who_sends_nothing_holds_up_nobody() {
    let house = House::new().await;
    let mut idle = Vec::new();
    for _ in 0..100 {
        idle.push(TcpStream::connect(("127.0.0.1", house.port(Service::Https))).await.unwrap());
    }
    let login = format!("{}/login", site(&house));
    assert_eq!(curl(&house, &[&login]).await.status, 200);
    let is_open =
        |socket: &TcpStream| socket.try_read(&mut [0]).is_err_and(|why| why.kind() == ErrorKind::WouldBlock);
    assert!(idle.iter().all(is_open), "nobody had to go for that");
}

fn sparse(path: &Path, length: u64) {
    std::fs::File::create(path).and_then(|file| file.set_len(length)).unwrap();
}
