//! A conversation that goes as far as TLS and no further: what a peer is like, before there is anything to say.

use crate::flow::wire::Wire;
use crate::net::error::NetError;
use crate::net::stream::Stream;
use crate::net::stream::TlsFacts;
use crate::net::tls::PeerCertificate;
use crate::net::tls::TlsClient;
use crate::policy::tls::Cleared;
use crate::smtp::client::Conversation;
use crate::smtp::client::Effect;
use crate::smtp::client::Plan;
use crate::smtp::client::Trouble;
use std::time::Duration;

/// What was met where a conversation went as far as TLS and no further.
#[derive(Clone, Debug)]
pub(in crate::flow) enum Glimpse {
    /// No STARTTLS is offered.
    NotOffered,
    /// STARTTLS was offered, and answered with a refusal.
    Refused,
    /// The handshake broke.
    Failed,
    /// The handshake came to no end.
    Hung,
    /// TLS stands.
    Tls(TlsFacts),
}

/// What a peer presents.
pub(in crate::flow) async fn peek(
    stream: Stream,
    tls: &TlsClient,
    name: &str,
    hello: String,
) -> Result<PeerCertificate, Trouble> {
    match glimpse(stream, tls, name, hello).await? {
        Glimpse::Tls(facts) => Ok(facts.peer.unwrap_or_default()),
        Glimpse::NotOffered | Glimpse::Refused => Err(Trouble::new((5, 7, 4), "offers no encryption")),
        Glimpse::Failed | Glimpse::Hung => {
            Err(Trouble::new((4, 7, 5), "no encrypted connection could be made"))
        }
    }
}

/// As far as TLS, to see what a peer is like; there is no envelope of which anything could be said.
pub(in crate::flow) async fn glimpse(
    stream: Stream,
    tls: &TlsClient,
    name: &str,
    hello: String,
) -> Result<Glimpse, Trouble> {
    let plan = Plan {
        hello,
        start_tls: true,
        sign_in: None,
        sender: None,
        recipients: Vec::new(),
        size: 0,
        eight_bit: false,
        smtputf8: false,
        envid: None,
    };
    let mut wire = Wire::new(stream, Duration::ZERO);
    let (mut conversation, mut effect) = Conversation::<Cleared>::new(plan);
    loop {
        let limit = match effect {
            Effect::Listen(limit) => limit,
            Effect::Say(line, limit) => {
                wire.say(line.expose().as_bytes()).await?;
                limit
            }
            Effect::StartTls => {
                let wire = match wire.start_tls(tls, name).await {
                    Ok(wire) => wire,
                    Err(NetError::TimedOut(_)) => return Ok(Glimpse::Hung),
                    Err(why) => {
                        tracing::debug!(host = name, %why, "no handshake");
                        return Ok(Glimpse::Failed);
                    }
                };
                let facts = wire.stream.tls().cloned();
                wire.quit().await;
                return Ok(facts.map_or(Glimpse::Failed, Glimpse::Tls));
            }
            Effect::AskPolicy | Effect::Text { .. } | Effect::Done | Effect::Quit | Effect::Leave => {
                let refused = conversation.tls_refused();
                wire.quit().await;
                return Ok(if refused { Glimpse::Refused } else { Glimpse::NotOffered });
            }
        };
        effect = conversation.hear(&wire.hear(limit).await?)?;
    }
}
