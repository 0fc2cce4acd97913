//! The log on standard error: one line an event, as text or as JSON, with people's addresses made unreadable.
//!
//! Whoever writes an event need not think of `[privacy]`: every word of a value that looks like a mail address, and
//! every field that holds a client's network address, passes through here.

use crate::app::clock::SystemClock;
use crate::base::random::Random;
use crate::base::random::bytes;
use crate::base::secret::Key;
use crate::base::time::Clock;
use crate::config::section::Log;
use crate::config::section::LogAddresses;
use crate::config::section::LogFormat;
use crate::config::section::Privacy;
use crate::vault::primitives::mac;
use serde_json::Map;
use serde_json::Value;
use std::fmt;
use std::fmt::Write as _;
use std::io;
use std::io::IsTerminal;
use std::io::Write;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::RwLock;
use tracing::Event;
use tracing::Level;
use tracing::Subscriber;
use tracing::field::Field;
use tracing::field::Visit;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::Registry;
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt;

/// Fields that hold a client's network address.
const CLIENTS: [&str; 2] = ["ip", "client"];
/// Octets of a hash that stands for an address.
const HASH: usize = 5;

/// The log of this process, to be changed with the configuration.
#[derive(Clone)]
pub struct Logging {
    filter: reload::Handle<EnvFilter, Registry>,
    rules: Arc<RwLock<Rules>>,
}

/// How lines are written.
#[derive(Clone, Copy, Debug)]
struct Rules {
    format: LogFormat,
    addresses: LogAddresses,
    ips: bool,
    colour: bool,
}

impl Logging {
    /// Begins to log to standard error. The second of a process changes nothing.
    pub fn begin(log: &Log, privacy: &Privacy, random: &dyn Random) -> Self {
        let (filter, handle) = reload::Layer::new(filter(&log.level));
        let rules = Arc::new(RwLock::new(rules(log, privacy)));
        let lines = Lines {
            rules: rules.clone(),
            key: Key::new(bytes(random)),
            sink: Mutex::new(Box::new(io::stderr())),
        };
        // A test's process may have one already.
        let _ = tracing_subscriber::registry().with(filter).with(lines).try_init();
        Self { filter: handle, rules }
    }

    /// Puts other settings in force.
    pub fn change(&self, log: &Log, privacy: &Privacy) {
        *self.rules.write().unwrap_or_else(PoisonError::into_inner) = rules(log, privacy);
        if let Err(error) = self.filter.reload(filter(&log.level)) {
            tracing::error!(%error, "the level of the log stays as it was");
        }
    }
}

fn rules(log: &Log, privacy: &Privacy) -> Rules {
    Rules {
        format: log.format,
        addresses: privacy.log_addresses,
        ips: privacy.log_ip,
        colour: io::stderr().is_terminal(),
    }
}

/// A plain level is ours; other people's rooms only speak of trouble.
fn filter(level: &str) -> EnvFilter {
    let plain = !level.contains(['=', ',']);
    EnvFilter::new(if plain { format!("error,guardpost={level}") } else { level.to_owned() })
}

/// Writes the lines.
struct Lines {
    rules: Arc<RwLock<Rules>>,
    /// Hashes of addresses are the same until the next start, and tell nothing after it.
    key: Key,
    sink: Mutex<Box<dyn Write + Send>>,
}

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let rules = *self.rules.read().unwrap_or_else(PoisonError::into_inner);
        let mut facts = Facts { rules, key: &self.key, message: String::new(), fields: Map::new() };
        event.record(&mut facts);
        let time = SystemClock.now().to_string();
        let level = *event.metadata().level();
        let line = match rules.format {
            LogFormat::Json => json(&time, level, event.metadata().target(), facts),
            LogFormat::Text => text(&time, level, &facts),
        };
        let mut sink = self.sink.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody is left to tell.
        let _ = sink.write_all(line.as_bytes());
    }
}

fn json(time: &str, level: Level, target: &str, facts: Facts<'_>) -> String {
    let mut object = Map::new();
    object.insert("time".into(), time.into());
    object.insert("level".into(), level.as_str().to_ascii_lowercase().into());
    object.insert("room".into(), target.into());
    object.insert("event".into(), facts.message.into());
    for (name, value) in facts.fields {
        object.entry(name).or_insert(value);
    }
    format!("{}\n", Value::Object(object))
}

fn text(time: &str, level: Level, facts: &Facts<'_>) -> String {
    let (on, off) = match level {
        _ if !facts.rules.colour => ("", ""),
        Level::ERROR => ("\x1b[31m", "\x1b[0m"),
        Level::WARN => ("\x1b[33m", "\x1b[0m"),
        _ => ("\x1b[2m", "\x1b[0m"),
    };
    let mut line = format!("{time} {on}{:<5}{off} {}", level.as_str().to_ascii_lowercase(), facts.message);
    for (name, value) in &facts.fields {
        let _ = match value {
            Value::String(text) if is_word(text) => write!(line, " {name}={text}"),
            value => write!(line, " {name}={value}"),
        };
    }
    line.push('\n');
    line
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'='))
}

/// The fields of one event, fit to be written.
struct Facts<'a> {
    rules: Rules,
    key: &'a Key,
    message: String,
    fields: Map<String, Value>,
}

impl Facts<'_> {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        if self.rules.ips || !CLIENTS.contains(&field.name()) {
            self.fields.insert(field.name().to_owned(), value.into());
        }
    }

    fn put_text(&mut self, field: &Field, text: &str) {
        let text = without_addresses(text, self.rules.addresses, self.key);
        match field.name() {
            "message" => self.message = text,
            _ => self.put(field, text),
        }
    }
}

impl Visit for Facts<'_> {
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put_text(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put_text(field, &format!("{value:?}"));
    }
}

/// `text` with every mail address in it as `rule` wants it.
fn without_addresses(text: &str, rule: LogAddresses, key: &Key) -> String {
    if rule == LogAddresses::Full || !text.contains('@') {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(between).unwrap_or(rest.len());
        let (word, behind) = rest.split_at(end);
        match word.rsplit_once('@') {
            Some((local, domain)) if !local.is_empty() => match rule {
                LogAddresses::Domain => {
                    let _ = write!(out, "*@{domain}");
                }
                LogAddresses::Hash | LogAddresses::Full => {
                    let hash = mac(key, word.to_lowercase().as_bytes());
                    let hash = hash.get(..HASH).unwrap_or_default();
                    let _ = write!(out, "address:{}", crate::base::base32::lower(hash));
                }
            },
            _ => out.push_str(word),
        }
        let separator = behind.find(|c| !between(c)).unwrap_or(behind.len());
        out.push_str(&behind[..separator]);
        rest = &behind[separator..];
    }
    out
}

/// What does not stand in a mail address as servers and logs write it.
fn between(c: char) -> bool {
    c.is_whitespace() || matches!(c, '<' | '>' | '(' | ')' | ',' | ';' | '"' | '[' | ']' | ':')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sink that can be read.
    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn written(format: LogFormat, addresses: LogAddresses, ips: bool) -> String {
        let sink = Shared::default();
        let lines = Lines {
            rules: Arc::new(RwLock::new(Rules { format, addresses, ips, colour: false })),
            key: Key::new([7; 32]),
            sink: Mutex::new(Box::new(sink.clone())),
        };
        tracing::subscriber::with_default(tracing_subscriber::registry().with(lines), || {
            let reason = "550 5.1.1 <Bob@b.example>: no such user";
            tracing::warn!(ip = "192.0.2.7", to = 3_u64, %reason, tls = true, "not delivered");
        });
        let bytes = sink.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn both_forms_keep_people_to_themselves() {
        let text = written(LogFormat::Text, LogAddresses::Domain, false);
        let (_, text) = text.split_once(' ').unwrap();
        assert_eq!(
            text,
            "warn  not delivered to=3 reason=\"550 5.1.1 <*@b.example>: no such user\" tls=true\n"
        );
        let line = written(LogFormat::Json, LogAddresses::Full, true);
        let value: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["event"], "not delivered");
        assert_eq!(value["ip"], "192.0.2.7");
        assert_eq!(value["reason"], "550 5.1.1 <Bob@b.example>: no such user");
        assert!(value["room"].as_str().unwrap().starts_with("guardpost::app::log"));
        let hashed = written(LogFormat::Text, LogAddresses::Hash, false);
        assert!(!hashed.contains("ob@") && hashed.contains("<address:"), "{hashed}");
    }

    #[test]
    fn a_hash_is_the_same_word_for_the_same_address() {
        let key = Key::new([1; 32]);
        let hash = |text: &str| without_addresses(text, LogAddresses::Hash, &key);
        assert_eq!(hash("a@b.example"), hash("A@B.example"));
        assert_ne!(hash("a@b.example"), hash("b@b.example"));
        assert_eq!(hash("no address, @ alone"), "no address, @ alone");
        assert!(hash("x a@b.example,c@d.example y").starts_with("x address:"));
    }
}
