//! One connection to a peer: lines out, replies in, each in its time.

use crate::flow::session::text::Text;
use crate::net::error::NetError;
use crate::net::stream::Stream;
use crate::net::tls::TlsClient;
use crate::policy::tls::Proof;
use crate::smtp::client;
use crate::smtp::client::Ear;
use crate::smtp::client::Heard;
use crate::smtp::client::Trouble;
use futures_util::FutureExt;
use std::io;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

/// The connection, and what has come over it.
pub(in crate::flow) struct Wire {
    pub(in crate::flow) stream: Stream,
    ear: Ear,
    /// What the policy found for the message under way, once it has passed.
    pub(in crate::flow) proof: Option<Proof>,
    /// The message under way, where it is read ahead.
    pub(in crate::flow) text: Option<Text>,
    /// When it was made, by the running clock.
    pub(in crate::flow) opened: Duration,
    /// Messages that it was used for.
    pub(in crate::flow) messages: usize,
}

impl Wire {
    /// Nothing has come yet.
    pub(in crate::flow) fn new(stream: Stream, opened: Duration) -> Self {
        Self { stream, ear: Ear::default(), proof: None, text: None, opened, messages: 0 }
    }

    /// The peer neither has said anything that nobody asked for, such as a 421, nor has closed.
    pub(in crate::flow) fn is_quiet(&mut self) -> bool {
        self.ear.is_empty() && self.stream.read(&mut [0; 1]).now_or_never().is_none()
    }

    pub(in crate::flow) async fn write(&mut self, octets: &[u8]) -> Result<(), Trouble> {
        match timeout(client::WRITE, self.stream.write_all(octets)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(why)) => Err(lost(&why)),
            Err(_) => Err(Trouble::new((4, 4, 2), "the peer takes nothing more")),
        }
    }

    pub(in crate::flow) async fn say(&mut self, octets: &[u8]) -> Result<(), Trouble> {
        self.write(octets).await?;
        match timeout(client::WRITE, self.stream.flush()).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(why)) => Err(lost(&why)),
            Err(_) => Err(Trouble::new((4, 4, 2), "the peer takes nothing more")),
        }
    }

    /// The next reply, in `limit` as a whole.
    pub(in crate::flow) async fn hear(&mut self, limit: Duration) -> Result<Heard, Trouble> {
        let reply = async {
            let mut octets = [0; 4_096];
            loop {
                let heard = self.ear.reply();
                if let Some(heard) =
                    heard.map_err(|_| Trouble::new((4, 5, 0), "the peer does not speak SMTP"))?
                {
                    return Ok(heard);
                }
                let length = self.stream.read(&mut octets).await.map_err(|why| lost(&why))?;
                let came = octets.get(..length).unwrap_or_default();
                if came.is_empty() {
                    return Err(Trouble::new((4, 4, 2), "the peer closed the connection"));
                }
                self.ear.feed(came);
            }
        };
        timeout(limit, reply)
            .await
            .unwrap_or_else(|_| Err(Trouble::new((4, 4, 2), "the peer did not answer in time")))
    }

    pub(in crate::flow) async fn start_tls(self, tls: &TlsClient, name: &str) -> Result<Self, NetError> {
        // What came behind the 220 was not said inside TLS: it goes with the old ear.
        Ok(Self { stream: self.stream.connect_tls(tls, name).await?, ear: Ear::default(), ..self })
    }

    /// Says QUIT and waits a moment for the answer; neither changes what was decided.
    pub(in crate::flow) async fn quit(mut self) {
        let bye = async {
            self.stream.write_all(b"QUIT\r\n").await?;
            self.stream.flush().await?;
            let mut octets = [0; 512];
            if self.stream.read(&mut octets).await? == 0 {
                return Ok(());
            }
            self.stream.shutdown().await
        };
        if let Ok(Err(why)) = timeout(client::BYE, bye).await {
            tracing::trace!(%why, "the peer did not wait for the end");
        }
    }
}

fn lost(why: &io::Error) -> Trouble {
    Trouble::new((4, 4, 2), format!("the connection broke: {why}"))
}
