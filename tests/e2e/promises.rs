//! Every promise has a test, every test that is named is there, and what is not promised is said.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::path::PathBuf;

const TABLE: &str = include_str!("../promises.tsv");

/// A line of the table: its id, and the tests with the binary that they are in.
fn rows() -> Vec<(&'static str, Vec<(&'static str, &'static str)>)> {
    let lines = TABLE.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines
        .map(|line| {
            let [id, _, tests] = line.split('\t').collect::<Vec<_>>().try_into().expect("three columns");
            let tests =
                tests.split("; ").map(|test| test.split_once(' ').expect("binary and path")).collect();
            (id, tests)
        })
        .collect()
}

#[test]
fn every_promise_has_a_test_and_every_test_is_there() {
    let rows = rows();
    let ids: Vec<&str> = rows.iter().map(|(id, _)| *id).collect();
    let mut sorted = ids.clone();
    sorted.sort_by_key(|id| {
        let (document, number) = id[1..].split_once('-').expect("S0-1");
        (document.parse::<u32>().unwrap(), number.parse::<u32>().unwrap())
    });
    sorted.dedup();
    assert_eq!(ids, sorted, "in order, each once");
    let mut missing = Vec::new();
    for (id, tests) in rows {
        for (binary, path) in tests {
            if !has_test(binary, path) {
                missing.push(format!("{id}: {binary} {path}"));
            }
        }
    }
    assert!(missing.is_empty(), "no such test: {missing:#?}");
}

/// The other way: nothing that is proven here end to end is promised nowhere.
#[test]
fn every_test_of_the_main_job_shows_a_promise() {
    let mut named: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (id, tests) in rows() {
        for (_, path) in tests {
            named.entry(path).or_default().push(id);
        }
    }
    let idle: Vec<String> = files("e2e", "main_job")
        .iter()
        .flat_map(|file| tests_in(file))
        .map(|name| format!("main_job::{name}"))
        .filter(|path| !named.contains_key(path.as_str()) && !BESIDE.contains(&path.as_str()))
        .collect();
    assert!(idle.is_empty(), "a test without a promise: {idle:?}");
}

/// Tests of the road itself, which no promise names.
const BESIDE: [&str; 2] = [
    "main_job::mail_from_outside_is_sealed_on_arrival",
    "main_job::the_invitation_reaches_a_world_without_tls",
];

#[test]
fn what_is_not_promised_is_said() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let readme = readme.split_whitespace().collect::<Vec<_>>().join(" ");
    for words in ["does not hold between your visits", "end-to-end", "running machine"] {
        assert!(readme.contains(words), "README.md must say {words:?}");
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files that may hold the module of a test: `a::b::tests` is in `a/b.rs`, `a/b_tests.rs` or `a/b/tests.rs`.
fn files(binary: &str, module: &str) -> Vec<PathBuf> {
    let dir = root().join(if binary == "lib" { "src" } else { "tests/e2e" });
    let whole = module.replace("::", "/");
    let outer = whole.strip_suffix("/tests").unwrap_or(&whole);
    [&whole, &format!("{outer}_tests"), outer]
        .into_iter()
        .flat_map(|path: &str| [dir.join(format!("{path}.rs")), dir.join(path).join("mod.rs")])
        .filter(|path| path.is_file())
        .collect()
}

fn has_test(binary: &str, path: &str) -> bool {
    // A binary without modules is a file.
    let (files, name) = match path.rsplit_once("::") {
        Some((module, name)) => (files(binary, module), name),
        None => (vec![root().join(format!("tests/{binary}.rs"))], path),
    };
    files.iter().filter(|file| file.is_file()).flat_map(|file| tests_in(file)).any(|found| found == name)
}

/// The names of the functions that stand behind a `#[test]` or `#[tokio::test…]`, or that a suite of both engines runs.
fn tests_in(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap();
    let mut names = Vec::new();
    let mut marked = false;
    for line in text.lines().map(str::trim) {
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            marked = true;
        } else if let Some(rest) = line.strip_prefix("fn ").or_else(|| line.strip_prefix("async fn ")) {
            if marked {
                names.push(rest.split('(').next().unwrap_or_default().to_owned());
            }
            marked = false;
        }
    }
    names
}
