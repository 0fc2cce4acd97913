//! Compares decision tables with `tests/golden`; with `GUARDPOST_GOLDEN=write` in the environment it writes them.

use std::fs;
use std::path::Path;

/// Asserts that the file `name` holds exactly `table`.
pub(crate) fn compare(name: &str, table: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var("GUARDPOST_GOLDEN").is_ok_and(|word| word == "write") {
        fs::write(&path, table).unwrap();
    }
    let on_record = fs::read_to_string(&path).unwrap();
    assert_eq!(table, on_record, "the decisions differ from {}", path.display());
}
