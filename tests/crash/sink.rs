//! The rest of the world: takes every message, and remembers when.

use std::collections::HashMap;
use std::io;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Write;
use std::net::TcpListener;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::Condvar;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;
use std::time::Instant;

/// A message that was taken.
#[derive(Clone)]
pub struct Taken {
    /// When, just before the 250.
    pub at: Instant,
    /// As it was on the wire, dots taken out.
    pub text: Arc<str>,
}

/// A server that listens until the test ends.
pub struct Sink {
    /// Where.
    pub port: u16,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    taken: Mutex<HashMap<String, Vec<Taken>>>,
    came: Condvar,
}

impl Sink {
    /// Listens.
    pub fn open() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared::default());
        let for_all = shared.clone();
        thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let shared = for_all.clone();
                // One whose client was killed ends with an error.
                thread::spawn(move || shared.talk(socket));
            }
        });
        Self { port, shared }
    }

    /// What came for this recipient.
    pub fn taken(&self, recipient: &str) -> Vec<Taken> {
        self.shared.taken.lock().unwrap().get(recipient).cloned().unwrap_or_default()
    }

    /// Everything, by recipient.
    pub fn all(&self) -> HashMap<String, Vec<Taken>> {
        self.shared.taken.lock().unwrap().clone()
    }

    /// Waits for one more message, so long at most.
    pub fn wait(&self, most: Duration) {
        let taken = self.shared.taken.lock().unwrap();
        drop(self.shared.came.wait_timeout(taken, most).unwrap());
    }
}

impl Shared {
    fn talk(&self, socket: TcpStream) -> io::Result<()> {
        socket.set_nodelay(true)?;
        let mut wire = BufReader::new(socket);
        let say = |wire: &mut BufReader<TcpStream>, text: &str| write!(wire.get_mut(), "{text}\r\n");
        say(&mut wire, "220 sink.example ESMTP")?;
        let mut recipient = String::new();
        loop {
            let mut line = String::new();
            if wire.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let verb = line.split([' ', ':', '\r']).next().unwrap_or_default().to_ascii_uppercase();
            match verb.as_str() {
                "EHLO" => say(&mut wire, "250-sink.example\r\n250-8BITMIME\r\n250 PIPELINING")?,
                "RCPT" => {
                    recipient = between(&line, '<', '>').to_owned();
                    say(&mut wire, "250 2.1.5 ok")?;
                }
                "DATA" => {
                    say(&mut wire, "354 go on")?;
                    let Some(text) = text(&mut wire)? else { return Ok(()) };
                    let taken = Taken { at: Instant::now(), text: text.into() };
                    self.taken.lock().unwrap().entry(std::mem::take(&mut recipient)).or_default().push(taken);
                    self.came.notify_all();
                    say(&mut wire, "250 2.0.0 taken")?;
                }
                "QUIT" => return say(&mut wire, "221 2.0.0 bye"),
                _ => say(&mut wire, "250 2.0.0 ok")?,
            }
        }
    }
}

fn text(wire: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut text = String::new();
    loop {
        let mut line = String::new();
        if wire.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        if line == ".\r\n" {
            return Ok(Some(text));
        }
        text += line.strip_prefix('.').unwrap_or(&line);
    }
}

/// What stands between the two, or nothing.
pub fn between(text: &str, left: char, right: char) -> &str {
    let rest = text.split_once(left).map_or("", |(_, rest)| rest);
    rest.split_once(right).map_or("", |(inner, _)| inner)
}
