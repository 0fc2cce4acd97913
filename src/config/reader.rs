//! Reads keys out of layers: the shipped defaults, the file, the environment; later wins.
//!
//! figment merges the values; each layer remembers where its keys stand, so that a complaint can name the place.
//!
//! The code that reads is the list of what is known: a key nobody asked for is unknown. Every question answers with
//! a value, so that one run finds everything; after a complaint that value is a placeholder and the whole is
//! refused, so it never leaves this room.

use crate::config::complaint::Complaint;
use crate::config::complaint::Place;
use figment::Figment;
use figment::providers::Format;
use figment::providers::Serialized;
use figment::providers::Toml;
use figment::value::Dict;
use figment::value::Num;
use figment::value::Value;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Duration;
use toml_edit::Document;
use toml_edit::Item;
use toml_edit::TableLike;

/// The prefix of environment variables that set keys.
const PREFIX: &str = "GUARDPOST_";
/// Names the file; sets no key.
const CONFIG: &str = "GUARDPOST_CONFIG";

/// One value and where it stands.
struct Entry<'a> {
    value: &'a Value,
    /// The text of an environment variable, which need not be quoted.
    raw: Option<&'a str>,
}

/// One source of values, flat: `domain[0].portal.url`.
#[derive(Default)]
pub struct Layer {
    /// Every key, with its place.
    keys: BTreeMap<String, Place>,
    /// Headers and inline tables, with their places.
    tables: BTreeMap<String, Place>,
    /// The texts of environment variables, by key.
    raw: BTreeMap<String, String>,
    /// Where it is too odd to be read further.
    complaints: Vec<Complaint>,
}

/// The values of all layers together, flat.
pub struct Merged(BTreeMap<String, Value>);

impl Merged {
    /// The defaults, then the file, then the environment.
    pub fn new(defaults: &str, file: &str, environment: &Layer) -> Result<Self, Complaint> {
        let odd = |trouble: figment::Error| Complaint::new(Place::File, "", trouble.to_string());
        let shipped: Dict = Figment::from(Toml::string(defaults)).extract().map_err(odd)?;
        let mut said: Dict = Figment::from(Toml::string(file)).extract().map_err(odd)?;
        // A value in the place of a section would take all of the section with it; the reader complains of it.
        said.retain(|key, value| {
            value.as_dict().is_some() || shipped.get(key).is_none_or(|d| d.as_dict().is_none())
        });
        let mut figment = Figment::from(Toml::string(defaults)).merge(Serialized::defaults(said));
        for (path, raw) in &environment.raw {
            // Never fails: what is no other value is a text.
            let value: Value = raw.parse().unwrap_or_else(|never: std::convert::Infallible| match never {});
            figment = figment.merge((path, value));
        }
        let merged: Dict = figment.extract().map_err(odd)?;
        let mut flat = BTreeMap::new();
        flatten_values("", merged, &mut flat);
        Ok(Self(flat))
    }
}

fn flatten_values(prefix: &str, dict: Dict, flat: &mut BTreeMap<String, Value>) {
    for (key, value) in dict {
        let path = if prefix.is_empty() { key } else { format!("{prefix}.{key}") };
        match value {
            Value::Dict(_, inner) => flatten_values(&path, inner, flat),
            Value::Array(_, list) if !list.is_empty() && list.iter().all(|one| one.as_dict().is_some()) => {
                for (at, element) in list.into_iter().enumerate() {
                    let path = format!("{path}[{at}]");
                    flatten_values(&path, element.into_dict().unwrap_or_default(), flat);
                }
            }
            value => {
                flat.insert(path, value);
            }
        }
    }
}

impl Layer {
    /// Reads a file's text.
    pub fn file(text: &str) -> Result<Self, Complaint> {
        let document = Document::parse(text).map_err(|trouble| {
            let line = trouble.span().map_or(1, |span| line_of(text, span.start));
            Complaint::new(Place::Line(line), "", trouble.message().lines().collect::<Vec<_>>().join("; "))
        })?;
        let mut layer = Self::default();
        layer.flatten(text, "", document.as_table());
        Ok(layer)
    }

    /// Reads the variables that begin with `GUARDPOST_`; `__` stands between section and key.
    pub fn environment(variables: &[(String, String)]) -> Self {
        let mut layer = Self::default();
        for (name, raw) in variables {
            let Some(key) = name.strip_prefix(PREFIX).filter(|_| name != CONFIG) else { continue };
            let path = key.to_ascii_lowercase().replace("__", ".");
            layer.keys.insert(path.clone(), Place::Variable(name.clone()));
            layer.raw.insert(path, raw.clone());
        }
        layer
    }

    fn flatten(&mut self, text: &str, prefix: &str, table: &dyn TableLike) {
        for (key, item) in table.iter() {
            let path = if prefix.is_empty() { key.to_owned() } else { format!("{prefix}.{key}") };
            let span = table.key(key).and_then(toml_edit::Key::span).or_else(|| item.span());
            let place = place_of(text, span);
            match item {
                Item::None => {}
                Item::ArrayOfTables(list) => {
                    for (at, element) in list.iter().enumerate() {
                        let path = format!("{path}[{at}]");
                        self.tables.insert(path.clone(), place_of(text, element.span()));
                        self.flatten(text, &path, element);
                    }
                }
                Item::Value(toml_edit::Value::Array(list)) if has_tables(list) => {
                    for (at, element) in list.iter().filter_map(toml_edit::Value::as_inline_table).enumerate()
                    {
                        let path = format!("{path}[{at}]");
                        self.tables.insert(path.clone(), place_of(text, element.span()));
                        self.flatten(text, &path, element);
                    }
                }
                Item::Value(toml_edit::Value::InlineTable(inner)) => {
                    self.tables.insert(path.clone(), place);
                    self.flatten(text, &path, inner);
                }
                Item::Table(inner) => {
                    self.tables.insert(path.clone(), place);
                    self.flatten(text, &path, inner);
                }
                Item::Value(_) => {
                    self.keys.insert(path, place);
                }
            }
        }
        if prefix.split('.').count() > 8 {
            self.complaints.push(Complaint::new(Place::File, prefix, "nested too deeply"));
        }
    }
}

/// Asks the layers and collects complaints.
pub struct Reader {
    /// The lowest first.
    layers: [Layer; 3],
    merged: Merged,
    asked: RefCell<BTreeSet<String>>,
    complaints: RefCell<Vec<Complaint>>,
}

impl Reader {
    /// Over defaults, file and environment.
    pub fn new(layers: [Layer; 3], merged: Merged) -> Self {
        Self { layers, merged, asked: RefCell::default(), complaints: RefCell::default() }
    }

    /// The section `path`; "" is the top.
    pub fn section(&self, path: &str) -> Section<'_> {
        Section { reader: self, path: path.to_owned() }
    }

    /// The sections `[[path]]`, of the highest layer that has any.
    pub fn sections(&self, path: &str) -> Vec<Section<'_>> {
        self.asked.borrow_mut().insert(path.to_owned());
        for layer in self.layers.iter().rev() {
            if let Some(place) = layer.keys.get(path) {
                // An empty list is a way to say "none".
                if self.merged.0.get(path).and_then(Value::as_array).is_none_or(|list| !list.is_empty()) {
                    self.complain(place.clone(), path, format!("must be [[{path}]] sections"));
                }
                return Vec::new();
            }
            let found: Vec<_> = (0..)
                .map(|at| format!("{path}[{at}]"))
                .take_while(|path| layer.tables.contains_key(path))
                .map(|path| Section { reader: self, path })
                .collect();
            if !found.is_empty() {
                return found;
            }
        }
        Vec::new()
    }

    /// Notes a finding.
    pub fn complain(&self, place: Place, key: impl Into<String>, what: impl Into<String>) {
        self.complaints.borrow_mut().push(Complaint::new(place, bare(&key.into()), what));
    }

    /// Where `path` is said, by the highest layer that says it.
    pub fn place(&self, path: &str) -> Place {
        let [_, above @ ..] = &self.layers;
        above
            .iter()
            .rev()
            .find_map(|layer| layer.keys.get(path).or_else(|| layer.tables.get(path)))
            .cloned()
            .unwrap_or(Place::File)
    }

    /// Everything found, in the order of the file, with the keys nobody asked for.
    pub fn finish(self) -> Vec<Complaint> {
        let asked = self.asked.into_inner();
        let mut complaints = self.complaints.into_inner();
        for layer in self.layers {
            complaints.extend(layer.complaints);
            for (path, place) in layer.keys.iter().filter(|(path, _)| !asked.contains(*path)) {
                complaints.push(Complaint::new(place.clone(), bare(path), "unknown key"));
            }
            for (path, place) in &layer.tables {
                let known = |asked: &String| {
                    asked == path || asked.strip_prefix(path).is_some_and(|rest| rest.starts_with(['.', '[']))
                };
                let is_reported = complaints.iter().any(|complaint| complaint.place == *place);
                if !asked.iter().any(known) && !is_reported {
                    complaints.push(Complaint::new(place.clone(), bare(path), "unknown section"));
                }
            }
        }
        complaints.sort();
        complaints.dedup();
        complaints
    }

    fn entry(&self, path: &str) -> Option<Entry<'_>> {
        self.asked.borrow_mut().insert(path.to_owned());
        let value = self.merged.0.get(path)?;
        let raw = self.layers.iter().rev().find_map(|layer| layer.raw.get(path)).map(String::as_str);
        Some(Entry { value, raw })
    }
}

/// One section, that keys are read from.
pub struct Section<'a> {
    reader: &'a Reader,
    path: String,
}

impl Section<'_> {
    /// Where `key` is said.
    pub fn place(&self, key: &str) -> Place {
        self.reader.place(&self.at(key))
    }

    /// Where the section begins.
    pub fn begins(&self) -> Place {
        self.reader.place(&self.path)
    }

    /// Notes a finding about `key`.
    pub fn complain(&self, key: &str, what: impl Into<String>) {
        self.reader.complain(self.place(key), self.at(key), what);
    }

    /// The section `[self.key]`.
    pub fn section(&self, key: &str) -> Self {
        Self { reader: self.reader, path: self.at(key) }
    }

    /// Whether a layer says `key`, which then counts as asked for.
    pub fn has(&self, key: &str) -> bool {
        self.reader.entry(&self.at(key)).is_some()
    }

    /// A text, read by `read`.
    pub fn text<T: Default>(&self, key: &str, read: impl Fn(&str) -> Result<T, String>) -> T {
        self.required(key).and_then(|entry| self.read(key, &entry, read)).unwrap_or_default()
    }

    /// A text that may be missing; then nothing.
    pub fn perhaps<T>(&self, key: &str, read: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        self.reader.entry(&self.at(key)).and_then(|entry| self.read(key, &entry, read))
    }

    /// A text that must be said and has no placeholder; missing is a complaint.
    pub fn must<T>(&self, key: &str, read: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        self.required(key).and_then(|entry| self.read(key, &entry, read))
    }

    /// A list of texts; a complaint of `read` names its element.
    pub fn texts<T>(&self, key: &str, most: usize, read: impl Fn(&str) -> Result<T, String>) -> Vec<T> {
        let Some(entry) = self.required(key) else { return Vec::new() };
        self.list(key, &entry, most, read)
    }

    /// A text, or a list of texts.
    pub fn one_or_more<T>(&self, key: &str, most: usize, read: impl Fn(&str) -> Result<T, String>) -> Vec<T> {
        let Some(entry) = self.required(key) else { return Vec::new() };
        if entry.value.as_array().is_some() {
            return self.list(key, &entry, most, read);
        }
        self.read(key, &entry, read).into_iter().collect()
    }

    /// A whole number within `range`.
    pub fn number(&self, key: &str, range: Range<u64>) -> u64 {
        let Some(entry) = self.required(key) else { return 0 };
        let Some(number) = integer(entry.value) else {
            self.complain(key, "must be a whole number");
            return 0;
        };
        match u64::try_from(number).ok().filter(|number| range.contains(number)) {
            Some(number) => number,
            None => {
                self.complain(key, format!("must be {} to {}", range.start, range.end - 1));
                0
            }
        }
    }

    /// `"auto"`, which is nothing, or a whole number from 1 to `most`.
    pub fn auto_or_number(&self, key: &str, most: usize) -> Option<usize> {
        let entry = self.required(key)?;
        if entry.value.as_str() == Some("auto") {
            return None;
        }
        let number = integer(entry.value).and_then(|number| usize::try_from(number).ok());
        let number = number.filter(|number| (1..=most).contains(number));
        if number.is_none() {
            self.complain(key, format!("must be \"auto\" or 1 to {most}"));
        }
        number
    }

    /// A list of whole numbers within `range`.
    pub fn numbers(&self, key: &str, count: Range<usize>, range: Range<u64>) -> Vec<u64> {
        let Some(entry) = self.required(key) else { return Vec::new() };
        let number =
            |value: &Value| integer(value).and_then(|n| u64::try_from(n).ok()).filter(|n| range.contains(n));
        let list = entry.value.as_array().filter(|list| count.contains(&list.len()));
        let Some(numbers) = list.and_then(|list| list.iter().map(number).collect::<Option<Vec<_>>>()) else {
            let (most, end) = (count.end - 1, range.end - 1);
            let words =
                format!("must be a list of {} to {most} numbers, {} to {end}", count.start, range.start);
            self.complain(key, words);
            return Vec::new();
        };
        numbers
    }

    /// Yes or no.
    pub fn flag(&self, key: &str) -> bool {
        let Some(entry) = self.required(key) else { return false };
        let Value::Bool(_, flag) = entry.value else {
            self.complain(key, "must be true or false");
            return false;
        };
        *flag
    }

    /// One of `words`; one of `later` is known but not in this version.
    pub fn choice<T: Copy>(&self, key: &str, words: &[(&str, T)], later: &[&str]) -> Option<T> {
        self.must(key, |text| {
            if later.contains(&text) {
                return Err(not_yet(&format!("\"{text}\"")));
            }
            words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value).ok_or_else(|| {
                let words: Vec<_> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
                format!("must be {}", words.join(" or "))
            })
        })
    }

    /// A size text, octets, within `range`.
    pub fn size(&self, key: &str, range: Range<u64>) -> u64 {
        self.text(key, |text| {
            let size = crate::config::value::size(text)?;
            if range.contains(&size) {
                return Ok(size);
            }
            let show = |octets| bytesize::ByteSize(octets).display().iec().to_string();
            Err(format!("must be {} to {}", show(range.start), show(range.end - 1)))
        })
    }

    /// A time text within `range`, seconds.
    pub fn span(&self, key: &str, range: Range<u64>) -> Duration {
        self.text(key, |text| {
            let span = crate::config::value::span(text)?;
            if range.contains(&span.as_secs()) && span.subsec_nanos() == 0 {
                return Ok(span);
            }
            Err(format!("must be {} to {}", show_span(range.start), show_span(range.end - 1)))
        })
    }

    /// A list that may only be empty: its feature is not here yet.
    pub fn only_none(&self, key: &str) {
        self.texts(key, 1_000, |_| Err::<(), _>(not_yet("this")));
    }

    fn required(&self, key: &str) -> Option<Entry<'_>> {
        let entry = self.reader.entry(&self.at(key));
        if entry.is_none() {
            let place = if self.path.is_empty() { Place::File } else { self.begins() };
            self.reader.complain(place, self.at(key), "must be said");
        }
        entry
    }

    fn read<T>(&self, key: &str, entry: &Entry<'_>, read: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        let Some(text) =
            entry.raw.filter(|_| entry.value.as_str().is_none()).or_else(|| entry.value.as_str())
        else {
            self.complain(key, "must be a text in quotes");
            return None;
        };
        read(text).map_err(|what| self.complain(key, what)).ok()
    }

    fn list<T>(
        &self,
        key: &str,
        entry: &Entry<'_>,
        most: usize,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Vec<T> {
        let Some(texts) = entry
            .value
            .as_array()
            .and_then(|list| list.iter().map(Value::as_str).collect::<Option<Vec<_>>>())
            .filter(|texts| texts.len() <= most)
        else {
            self.complain(key, format!("must be a list of at most {most} texts"));
            return Vec::new();
        };
        let mut values = Vec::with_capacity(texts.len());
        for text in texts {
            match read(text) {
                Ok(value) => values.push(value),
                Err(what) => self.complain(key, format!("\"{}\": {what}", text.escape_debug())),
            }
        }
        values
    }

    fn at(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
}

/// Whole numbers only: `1.0` is none.
fn integer(value: &Value) -> Option<i128> {
    match value {
        Value::Num(_, Num::F32(_) | Num::F64(_)) => None,
        Value::Num(_, number) => number.to_i128().or_else(|| i128::try_from(number.to_u128()?).ok()),
        _ => None,
    }
}

fn not_yet(what: &str) -> String {
    format!("{what} is not in this version")
}

/// `domain[0].name` without its number, as people write it.
fn bare(path: &str) -> String {
    let mut inside = false;
    path.chars()
        .filter(|c| {
            inside = (inside || *c == '[') && *c != ']';
            !inside && *c != ']'
        })
        .collect()
}

fn show_span(seconds: u64) -> String {
    match seconds {
        s if s % 86_400 == 0 && s > 0 => format!("{}d", s / 86_400),
        s if s % 3_600 == 0 && s > 0 => format!("{}h", s / 3_600),
        s if s % 60 == 0 && s > 0 => format!("{}m", s / 60),
        s => format!("{s}s"),
    }
}

fn has_tables(list: &toml_edit::Array) -> bool {
    !list.is_empty() && list.iter().all(toml_edit::Value::is_inline_table)
}

fn place_of(text: &str, span: Option<Range<usize>>) -> Place {
    span.map_or(Place::File, |span| Place::Line(line_of(text, span.start)))
}

fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}
