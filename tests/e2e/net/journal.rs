//! What a server says, line by line, for those who wait for a line.

use crate::patience::PATIENCE;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;
use std::sync::Arc;
use std::sync::Mutex;
use tokio::sync::watch;
use tokio::time::timeout;

/// A growing log.
#[derive(Clone, Default)]
pub struct Journal(Arc<Shared>);

#[derive(Default)]
struct Shared {
    lines: Mutex<Vec<String>>,
    moved: watch::Sender<usize>,
}

impl Journal {
    /// Of what comes out of here, until it ends.
    pub fn of(source: impl Read + Send + 'static) -> Self {
        let journal = Self::default();
        let kept = journal.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(source).lines() {
                let Ok(line) = line else { return };
                kept.push(line);
            }
        });
        journal
    }

    fn push(&self, line: String) {
        let count = {
            let mut lines = self.0.lines.lock().expect("no panic");
            lines.push(line);
            lines.len()
        };
        self.0.moved.send_replace(count);
    }

    /// Every line so far.
    pub fn lines(&self) -> Vec<String> {
        self.0.lines.lock().expect("no panic").clone()
    }

    /// Waits until the lines so far have what `found` looks for.
    pub async fn wait<T>(&self, what: &str, found: impl Fn(&[String]) -> Option<T>) -> T {
        let mut moved = self.0.moved.subscribe();
        let come = async {
            loop {
                if let Some(found) = found(&self.lines()) {
                    return found;
                }
                moved.changed().await.expect("the journal is there");
            }
        };
        let come = timeout(PATIENCE, come).await;
        come.unwrap_or_else(|_| panic!("{what} never came:\n{}", self.lines().join("\n")))
    }
}
