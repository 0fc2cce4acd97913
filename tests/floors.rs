//! The floors of the building: a room uses only rooms below its own, and outside packages have doors.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::path::PathBuf;

/// Ground floor first. A room (file or directory of `src`) missing here fails the test.
const FLOORS: &[&[&str]] = &[
    &["base"],
    &["config", "mime", "openpgp", "texts", "vault"],
    &["policy", "smtp", "imap"],
    &["threads"],
    &["store", "net"],
    &["flow"],
    &["serve"],
    &["app", "cli"],
];

/// The top floor: it builds the whole, so its rooms may know each other.
const TOP: usize = 7;

/// A package, and the only places that may name it.
const DOORS: &[(&str, &[&str])] = &[
    ("sled", &["store"]),
    ("sequoia_openpgp", &["openpgp"]),
    ("argon2", &["vault"]),
    ("aws_lc_rs::aead", &["vault"]),
    ("aws_lc_rs::hkdf", &["vault"]),
    ("tokio::task::spawn_blocking", &["threads"]),
    ("hickory_resolver", &["net"]),
    ("hickory_proto", &["net"]),
    ("tokio_rustls", &["net"]),
    ("hyper", &["serve", "net/http_client"]),
    ("axum", &["serve"]),
    ("mail_parser", &["mime"]),
    ("mail_builder", &["mime"]),
    ("mail_auth", &["mime"]),
    ("toml_edit", &["config"]),
    ("fluent_bundle", &["texts"]),
    ("imap_codec", &["imap"]),
    ("imap_types", &["imap"]),
    ("clap", &["cli"]),
    ("rpassword", &["cli"]),
    ("anyhow", &["main"]),
];

/// Floors up to this one have no runtime, no socket, no clock and no disk.
const PURE: usize = 2;
const IMPURE: &[&str] =
    &["tokio", "std::net::TcpStream", "std::net::TcpListener", "std::fs", "Instant::now", "SystemTime::now"];

struct File {
    path: PathBuf,
    /// Below `src`, without `.rs`.
    name: String,
    room: String,
    /// Without its tests.
    code: String,
}

fn files() -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut open = vec![root.clone()];
    let mut found = Vec::new();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|end| end == "rs") {
            let name = path.strip_prefix(&root).unwrap().with_extension("").display().to_string();
            let room = name.split('/').next().unwrap().to_owned();
            let text = fs::read_to_string(&path).unwrap();
            found.push(File { path, name, room, code: text });
        }
    }
    let tests: Vec<String> = found.iter().flat_map(test_modules).collect();
    for file in &mut found {
        let is_test = file.name.ends_with("tests") || tests.contains(&file.name);
        let end = if is_test { 0 } else { own_tests(&file.code).unwrap_or(file.code.len()) };
        file.code.truncate(end);
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    assert!(found.len() > 50, "only {} files", found.len());
    found
}

/// Where a file's own tests begin, which others may use too.
fn own_tests(code: &str) -> Option<usize> {
    ["mod tests", "pub(crate) mod tests"]
        .iter()
        .find_map(|tests| code.find(&format!("#[cfg(test)]\n{tests}")))
}

/// The files behind `#[cfg(test)] mod name;`.
fn test_modules(file: &File) -> Vec<String> {
    let dir = file.name.strip_suffix("/mod").unwrap_or(&file.name);
    let modules = file.code.split("#[cfg(test)]\n").skip(1).filter_map(|rest| {
        let line = rest.lines().next()?;
        let (_, name) = line.strip_suffix(';')?.split_once("mod ")?;
        Some(format!("{dir}/{name}"))
    });
    modules.collect()
}

fn floor(room: &str) -> Option<usize> {
    FLOORS.iter().position(|rooms| rooms.contains(&room))
}

/// Every room named behind `crate::` on a line of code.
fn rooms(line: &str) -> impl Iterator<Item = &str> {
    line.match_indices("crate::").filter_map(|(at, mark)| {
        let rest = &line[at + mark.len()..];
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        rest.get(..end)
    })
}

fn code_lines(code: &str) -> impl Iterator<Item = (usize, &str)> {
    code.lines()
        .enumerate()
        .map(|(at, line)| (at + 1, line))
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
}

#[test]
fn a_room_uses_only_rooms_below_it() {
    let mut wrong = Vec::new();
    for file in files() {
        if matches!(file.name.as_str(), "lib" | "main") {
            continue;
        }
        let Some(own) = floor(&file.room) else {
            wrong.push(format!("{}: {} is on no floor", file.path.display(), file.room));
            continue;
        };
        for (at, line) in code_lines(&file.code) {
            if line.contains("crate::{") {
                wrong.push(format!("{}:{at}: one use a line, no braces", file.path.display()));
            }
            for room in rooms(line).filter(|room| *room != file.room) {
                if floor(room).is_none_or(|other| other >= own && own != TOP) {
                    wrong.push(format!("{}:{at}: {} must not use {room}", file.path.display(), file.room));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn packages_have_doors() {
    let mut wrong = Vec::new();
    for file in files() {
        for (package, doors) in DOORS {
            if doors.iter().any(|door| file.name == *door || file.name.starts_with(&format!("{door}/"))) {
                continue;
            }
            for (at, line) in code_lines(&file.code).filter(|(_, line)| names(line, package)) {
                wrong.push(format!(
                    "{}:{at}: {package} only in {}: {line}",
                    file.path.display(),
                    doors.join(", ")
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn the_lower_floors_are_pure() {
    let mut wrong = Vec::new();
    for file in files().into_iter().filter(|file| floor(&file.room).is_some_and(|floor| floor <= PURE)) {
        for (at, line) in code_lines(&file.code) {
            for thing in IMPURE.iter().filter(|thing| names(line, thing)) {
                wrong.push(format!("{}:{at}: no {thing} on this floor", file.path.display()));
            }
            if line.contains("async fn") {
                wrong.push(format!("{}:{at}: no async on this floor", file.path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn every_file_says_what_it_is() {
    for file in files() {
        let text = fs::read_to_string(&file.path).unwrap();
        assert!(text.starts_with("//! "), "{} does not say what it is", file.path.display());
    }
    for word in ["utils", "util", "helpers", "helper", "misc", "common"] {
        assert!(
            files().iter().all(|file| !file.name.split('/').any(|part| part == word)),
            "a room named {word}"
        );
    }
}

/// `package` as a word of its own, followed by a path or the end of a `use`.
fn names(line: &str, package: &str) -> bool {
    line.match_indices(package).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = &line[at + package.len()..];
        let starts = before.is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != ':');
        // A room of the same name is not the package.
        let is_path = package.contains("::") || after.starts_with("::") || after.starts_with(';');
        starts && is_path && !after.starts_with(|c: char| c.is_alphanumeric() || c == '_')
    })
}

/// Every `RFC nnnn §s.s` of the sources stands in tests/rfc_index.tsv, and every line there is cited.
///
/// After a change: `UPDATE_GOLDEN=1 cargo test --test floors`.
#[test]
fn citations_are_indexed() {
    let mut cited = BTreeSet::new();
    let mut wrong = Vec::new();
    for file in files() {
        let text = fs::read_to_string(&file.path).unwrap();
        // A citation may be broken between its words by a line end.
        let text = text
            .replace("\n///", "")
            .replace("\n//!", "")
            .replace("\n    ///", "")
            .replace("\n        ///", "");
        for (at, _) in text.match_indices("RFC ") {
            let rest = &text[at + 4..];
            let number: String = rest.chars().take_while(char::is_ascii_digit).collect();
            if number.is_empty() {
                continue;
            }
            let behind = &rest[number.len()..];
            let section = behind.strip_prefix(" §").map(|section| {
                let end =
                    section.find(|c: char| !c.is_ascii_alphanumeric() && c != '.').unwrap_or(section.len());
                section[..end].trim_end_matches('.')
            });
            match section {
                Some("") => wrong.push(format!("{}: RFC {number} § without a number", file.name)),
                Some(section) => {
                    cited.insert(format!("RFC {number}\t{section}"));
                }
                None => {
                    cited.insert(format!("RFC {number}\t"));
                }
            }
        }
        for odd in ["RFC-", "rfc ", "RFC #"] {
            if let Some(at) =
                text.find(odd).filter(|at| text[at + odd.len()..].starts_with(|c: char| c.is_ascii_digit()))
            {
                let line = text[..at].lines().count();
                wrong.push(format!("{}:{line}: write RFC nnnn §s.s", file.name));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rfc_index.tsv");
    let index: String = cited.iter().map(|line| format!("{line}\n")).collect();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, &index).unwrap();
    }
    let known: BTreeSet<String> =
        fs::read_to_string(&path).unwrap_or_default().lines().map(str::to_owned).collect();
    let missing: Vec<_> = cited.difference(&known).collect();
    let stale: Vec<_> = known.difference(&cited).collect();
    assert!(
        missing.is_empty() && stale.is_empty(),
        "cited, not indexed: {missing:?}\nindexed, not cited: {stale:?}"
    );
}
