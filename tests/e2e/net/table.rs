//! The table of `tests/golden/posttls_finger.txt`.

use std::fmt::Write;
use std::fs;
use std::path::Path;

/// A destination at a level.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Row {
    /// Without the level in front.
    pub destination: String,
    /// As posttls-finger calls it.
    pub level: String,
    /// What we do when a validating resolver tells us.
    pub ad: String,
    /// What we do when we validate.
    pub builtin: String,
    /// What posttls-finger finds.
    pub finger: String,
    /// The reasons of a difference.
    pub why: String,
}

impl Row {
    /// The whole domain.
    pub fn domain(&self) -> String {
        format!("{}.{}", self.level, self.destination)
    }

    /// All three mean the same.
    pub fn agrees(&self) -> bool {
        let theirs = match self.finger.as_str() {
            "verified" => ["tls=dane", "tls=stored-certificate"].contains(&self.ad.as_str()),
            "encrypted" => self.ad == "tls=unauthenticated",
            // It does not say what it would do now.
            "clear" if self.level == "dane" => self.ad == "tls=none" || self.ad.ends_with(".7.4"),
            "clear" if self.level == "may" => self.ad == "tls=none",
            "clear" => self.ad.ends_with(".7.4"),
            "mismatch" => self.ad.ends_with(".7.5"),
            "no tlsa" => self.ad == "bounce 5.7.4",
            "no address" => self.ad.starts_with("bounce 5.") && !self.ad.contains(".7."),
            "dns error" => ["wait 4.4.3", "wait 4.7.5"].contains(&self.ad.as_str()),
            "unreachable" => self.ad == "wait 4.4.1",
            _ => false,
        };
        theirs && self.ad == self.builtin
    }
}

/// The rows as they stand in the file.
pub fn read() -> Vec<Row> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/posttls_finger.txt");
    let text = fs::read_to_string(file).unwrap();
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let cells: Vec<String> = line.split('|').map(|cell| cell.trim().to_owned()).collect();
            let [destination, level, ad, builtin, finger, why] =
                <[String; 6]>::try_from(cells).unwrap_or_else(|cells| panic!("{cells:?}"));
            Row { destination, level, ad, builtin, finger, why }
        })
        .collect()
}

/// The rows as they stand in the file, differences and all.
pub fn write(rows: &[Row]) -> String {
    let mut text = String::new();
    for Row { destination, level, ad, builtin, finger, why } in rows {
        let line =
            format!("{destination:<28} | {level:<11} | {ad:<22} | {builtin:<22} | {finger:<11} | {why}");
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}
