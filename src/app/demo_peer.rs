//! The rest of the world, for `demo`: a mail server that takes everything and keeps the last of it in memory.
//!
//! It speaks as much SMTP as a sender needs (RFC 5321 §4.5.1), offers STARTTLS, and relays nothing.

use crate::base::limits::HEADER_BLOCK;
use crate::net::Deed;
use crate::net::listen::Handler;
use crate::net::stream::Stream;
use crate::net::tls::TlsServer;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;
use tokio::io::AsyncBufReadExt;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::io::BufReader;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Messages kept; older ones are forgotten.
const KEPT: usize = 50;
/// Of each message this much is kept, octets.
const KEPT_OCTETS: usize = 2 * HEADER_BLOCK;
/// A line of a command or of a message, octets.
const LINE: u64 = 1 << 20;
/// A sender that says nothing for this long is let go.
const PATIENCE: Duration = Duration::from_secs(60);

/// A message as it reached the peer.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Received {
    /// The reverse path, without angle brackets; empty for notifications.
    pub sender: String,
    /// The forward paths.
    pub recipients: Vec<String>,
    /// The message, dots taken out; cut at half a MiB.
    pub text: Vec<u8>,
    /// It came inside TLS.
    pub tls: bool,
}

/// The catch-all peer.
#[derive(Debug)]
pub struct DemoPeer {
    host: String,
    tls: Option<TlsServer>,
    kept: Mutex<VecDeque<Arc<Received>>>,
    count: watch::Sender<u64>,
}

impl DemoPeer {
    /// A peer that calls itself `host`.
    pub fn new(host: &str, tls: Option<TlsServer>) -> Arc<Self> {
        Arc::new(Self { host: host.into(), tls, kept: Mutex::default(), count: watch::Sender::new(0) })
    }

    /// The last messages, oldest first.
    pub fn messages(&self) -> Vec<Arc<Received>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Waits for a message that `wanted` says yes to, among those kept and those that come.
    pub async fn wait_for(&self, wanted: impl Fn(&Received) -> bool + Send) -> Option<Arc<Received>> {
        let mut count = self.count.subscribe();
        loop {
            count.mark_unchanged();
            let found = self.messages().into_iter().rev().find(|message| wanted(message));
            if found.is_some() || count.changed().await.is_err() {
                return found;
            }
        }
    }

    /// How many messages came so far.
    pub fn count(&self) -> u64 {
        *self.count.borrow()
    }

    /// Waits until more than `seen` messages came: how many now, and the new ones as far as they are kept.
    pub async fn after(&self, seen: u64) -> (u64, Vec<Arc<Received>>) {
        let mut count = self.count.subscribe();
        let Ok(now) = count.wait_for(|count| *count > seen).await.map(|count| *count) else {
            return std::future::pending().await;
        };
        let kept = self.messages();
        let new = usize::try_from(now - seen).unwrap_or(usize::MAX).min(kept.len());
        (now, kept.get(kept.len() - new..).unwrap_or_default().to_vec())
    }

    fn keep(&self, message: Received) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT {
            kept.pop_front();
        }
        kept.push_back(Arc::new(message));
        drop(kept);
        self.count.send_modify(|count| *count += 1);
    }

    async fn talk(&self, stream: Stream) -> io::Result<()> {
        let mut wire = BufReader::new(stream);
        say(&mut wire, &format!("220 {} ESMTP", self.host)).await?;
        let mut envelope = Received::default();
        while let Some(line) = line(&mut wire).await? {
            let line = String::from_utf8_lossy(&line).into_owned();
            let (verb, rest) = line.trim_end().split_once(' ').unwrap_or((line.trim_end(), ""));
            match verb.to_ascii_uppercase().as_str() {
                "EHLO" => {
                    let extensions = self.extensions(wire.get_ref());
                    say(&mut wire, &extensions).await?;
                }
                "STARTTLS" if wire.get_ref().tls().is_none() && self.tls.is_some() => {
                    wire = self.start_tls(wire).await?;
                    envelope = Received::default();
                }
                "MAIL" => {
                    envelope = Received { sender: path(rest), ..Received::default() };
                    say(&mut wire, "250 2.1.0 ok").await?;
                }
                "RCPT" if envelope.recipients.len() < 1_000 => {
                    envelope.recipients.push(path(rest));
                    say(&mut wire, "250 2.1.5 ok").await?;
                }
                "DATA" if !envelope.recipients.is_empty() => {
                    say(&mut wire, "354 go on").await?;
                    let tls = wire.get_ref().tls().is_some();
                    let text = text(&mut wire).await?;
                    self.keep(Received { text, tls, ..std::mem::take(&mut envelope) });
                    say(&mut wire, "250 2.0.0 taken").await?;
                }
                "HELO" | "NOOP" => say(&mut wire, "250 2.0.0 ok").await?,
                "RSET" => {
                    envelope = Received::default();
                    say(&mut wire, "250 2.0.0 ok").await?;
                }
                "QUIT" => return say(&mut wire, "221 2.0.0 bye").await,
                _ => say(&mut wire, "503 5.5.1 not now").await?,
            }
        }
        Ok(())
    }

    fn extensions(&self, stream: &Stream) -> String {
        let tls = if self.tls.is_some() && stream.tls().is_none() { "250-STARTTLS\r\n" } else { "" };
        format!(
            "250-{}\r\n{tls}250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-DSN\r\n250 ENHANCEDSTATUSCODES",
            self.host
        )
    }

    async fn start_tls(&self, mut wire: BufReader<Stream>) -> io::Result<BufReader<Stream>> {
        let Some(tls) = &self.tls else { return Ok(wire) };
        say(&mut wire, "220 2.0.0 go on").await?;
        // Whatever was sent behind STARTTLS goes with the old buffer.
        let stream = wire.into_inner().accept_tls(tls).await.map_err(io::Error::other)?;
        Ok(BufReader::new(stream))
    }
}

impl Handler for DemoPeer {
    fn serve(self: Arc<Self>, stream: Stream, stop: CancellationToken) -> Deed<'static, ()> {
        Box::pin(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                ended = self.talk(stream) => {
                    if let Err(why) = ended {
                        tracing::debug!(%why, "demo peer: session broke off");
                    }
                }
            }
        })
    }
}

async fn say(wire: &mut BufReader<Stream>, reply: &str) -> io::Result<()> {
    wire.write_all(format!("{reply}\r\n").as_bytes()).await?;
    wire.flush().await
}

/// One line with its end; `None` at the end of the connection.
async fn line(wire: &mut BufReader<Stream>) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let mut limited = wire.take(LINE);
    let read = timeout(PATIENCE, limited.read_until(b'\n', &mut line));
    read.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    Ok(line.ends_with(b"\n").then_some(line))
}

/// The text of a message up to its lone dot (RFC 5321 §4.5.2).
async fn text(wire: &mut BufReader<Stream>) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    loop {
        let line = line(wire).await?.ok_or(io::ErrorKind::UnexpectedEof)?;
        if line == b".\r\n" {
            return Ok(text);
        }
        let line = line.strip_prefix(b".").unwrap_or(&line);
        let room = KEPT_OCTETS.saturating_sub(text.len());
        text.extend(line.iter().take(room));
    }
}

/// `FROM:<a@b> SIZE=1` to `a@b`.
fn path(argument: &str) -> String {
    let inner = argument.split_once('<').map_or("", |(_, rest)| rest);
    inner.rsplit_once('>').map_or(inner, |(inner, _)| inner).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::time::Time;
    use crate::net::gate::Gate;
    use crate::net::gate::GateLimits;
    use crate::net::listen::Intake;
    use crate::net::listen::Service;
    use crate::net::listen::bind;
    use crate::net::tls::Alpn;
    use crate::net::tls::Certificates;
    use crate::net::tls::TlsClient;
    use crate::net::tls::self_signed;
    use tokio::net::TcpStream;
    use tokio_util::task::TaskTracker;

    async fn expect(wire: &mut BufReader<Stream>, send: &str, want: &str) {
        wire.write_all(send.as_bytes()).await.unwrap();
        wire.flush().await.unwrap();
        loop {
            let reply = line(wire).await.unwrap().unwrap();
            if reply[3] == b' ' {
                assert!(reply.starts_with(want.as_bytes()), "{send:?}: {}", String::from_utf8_lossy(&reply));
                return;
            }
        }
    }

    #[tokio::test]
    async fn takes_mail_for_anybody_and_tells_who_waits() {
        let made = self_signed(&["peer.example".into()], Time(1_795_318_393)).unwrap();
        let certificates = Certificates::fixed(made.certificate.as_bytes(), made.key.as_bytes()).unwrap();
        let peer = DemoPeer::new("peer.example", Some(certificates.server(Alpn::Smtp).unwrap()));
        let intake = Intake {
            gate: Gate::new(GateLimits::default()),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        };
        let bound = bind(Service::Smtp, ([127, 0, 0, 1], 0).into()).unwrap();
        let address = bound.address;
        intake.open(bound, None, Arc::clone(&peer));
        let waiting = Arc::clone(&peer);
        let waiter =
            tokio::spawn(async move { waiting.wait_for(|m| m.recipients.contains(&"b@y".into())).await });
        let plain = Stream::plain(TcpStream::connect(address).await.unwrap()).unwrap();
        let mut wire = BufReader::new(plain);
        for (send, want) in [
            ("", "220"),
            ("EHLO me\r\n", "250"),
            ("DATA\r\n", "503"),
            ("MAIL FROM:<>\r\n", "250"),
            ("RCPT TO:<a@x>\r\n", "250"),
            ("DATA\r\n", "354"),
            ("one\r\n..two\r\n.\r\n", "250"),
            ("STARTTLS\r\nMAIL FROM:<injected@x>\r\n", "220"),
        ] {
            expect(&mut wire, send, want).await;
        }
        let stream = wire.into_inner().connect_tls(&TlsClient::default(), "peer.example").await.unwrap();
        let mut wire = BufReader::new(stream);
        for (send, want) in [
            ("EHLO me\r\n", "250"),
            ("STARTTLS\r\n", "503"),
            ("MAIL FROM:<a@x> SIZE=1\r\nRCPT TO:<b@y>\r\n", "250"),
            ("", "250"),
            ("DATA\r\n", "354"),
            ("three\r\n.\r\n", "250"),
            ("QUIT\r\n", "221"),
        ] {
            expect(&mut wire, send, want).await;
        }
        let second = waiter.await.unwrap().unwrap();
        assert_eq!(
            (second.sender.as_str(), second.text.as_slice(), second.tls),
            ("a@x", &b"three\r\n"[..], true)
        );
        let first = &peer.messages()[0];
        assert_eq!((first.sender.as_str(), first.text.as_slice()), ("", &b"one\r\n.two\r\n"[..]));
        intake.stop.cancel();
        intake.tasks.close();
        intake.tasks.wait().await;
    }
}
