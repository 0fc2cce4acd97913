//! Drives one conversation with a peer: moves octets, keeps times, asks the policy, decides nothing.

use crate::base::envelope::Recipient;
use crate::base::limits::FRAME;
use crate::base::requirement::Unmet;
use crate::base::secret::Secret;
use crate::flow::Flow;
use crate::flow::delivery::Handover;
use crate::flow::delivery::Outcome;
use crate::flow::delivery::Progress;
use crate::flow::delivery::Tls;
use crate::flow::delivery::message_file;
use crate::flow::delivery::message_reader;
use crate::flow::hosts::Host;
use crate::flow::queue::Destination;
use crate::flow::queue::Job;
use crate::mime::downgrade;
use crate::mime::problem::Problem;
use crate::mime::scan::Limits;
use crate::mime::scan::Scanner;
use crate::net::error::NetError;
use crate::net::stream::Stream;
use crate::net::tls::PeerCertificate;
use crate::net::tls::TlsClient;
use crate::policy::dane::Dane;
use crate::policy::tls::Attempt;
use crate::policy::tls::Cleared;
use crate::policy::tls::Demand;
use crate::policy::tls::Facts;
use crate::policy::tls::Link;
use crate::policy::tls::Proof;
use crate::policy::tls::Refusal;
use crate::policy::tls::judge;
use crate::smtp::client;
use crate::smtp::client::Answered;
use crate::smtp::client::Conversation;
use crate::smtp::client::Ear;
use crate::smtp::client::Effect;
use crate::smtp::client::Forward;
use crate::smtp::client::Heard;
use crate::smtp::client::Plan;
use crate::smtp::client::Trouble;
use crate::smtp::client::clean;
use crate::smtp::data::Encoder;
use crate::store::spool::SpoolReader;
use std::fmt;
use std::fs;
use std::io;
use std::io::Read;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// One conversation about one message with one host.
pub(in crate::flow) struct Session<'a> {
    pub(in crate::flow) flow: &'a Flow,
    pub(in crate::flow) job: &'a Job,
    pub(in crate::flow) host: &'a Host,
    pub(in crate::flow) demand: Demand,
    pub(in crate::flow) facts: Facts<'a>,
    pub(in crate::flow) tls: &'a TlsClient,
}

/// How a conversation broke off.
#[derive(Debug)]
pub(in crate::flow) enum Broken {
    /// The policy refused: nothing of the envelope was said.
    Refused(Refusal),
    /// Anywhere else.
    Trouble(Trouble),
}

impl From<Trouble> for Broken {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

impl Session<'_> {
    /// Talks to the peer to the end; what it answered for each recipient is in `progress`.
    pub(in crate::flow) async fn run(
        &self,
        stream: Stream,
        tls: Tls,
        progress: &mut Progress,
    ) -> Result<(), Broken> {
        let mut wire = Wire { stream, ear: Ear::default(), proof: None };
        let (mut conversation, mut effect) = Conversation::new(self.plan(tls, progress)?);
        loop {
            let in_text = matches!(effect, Effect::Text { .. });
            let step = match effect {
                Effect::Quit => {
                    self.note(&wire, &mut conversation, progress);
                    wire.quit().await;
                    return Ok(());
                }
                Effect::StartTls => {
                    wire = self.start_tls(wire, tls).await?;
                    Ok(conversation.tls_stands())
                }
                other => self.step(other, &mut wire, &mut conversation, tls).await,
            };
            match step {
                Ok(next) => effect = next,
                Err(broken) => {
                    self.note(&wire, &mut conversation, progress);
                    let passed = wire.proof.is_some();
                    if !in_text {
                        wire.quit().await;
                    }
                    return Err(match broken {
                        Broken::Trouble(trouble) => Broken::Trouble(Trouble { passed, ..trouble }),
                        Broken::Refused(refusal) => Broken::Refused(refusal),
                    });
                }
            }
        }
    }

    async fn step(
        &self,
        effect: Effect,
        wire: &mut Wire,
        conversation: &mut Conversation<Cleared>,
        tls: Tls,
    ) -> Result<Effect, Broken> {
        let limit = match effect {
            Effect::Listen(limit) => limit,
            Effect::Say(line, limit) => {
                wire.say(line.expose().as_bytes()).await?;
                limit
            }
            Effect::Text { seven_bit } => {
                self.send_text(wire, seven_bit).await?;
                client::END
            }
            Effect::AskPolicy => {
                let refused = conversation.tls_refused();
                let cleared = self.ask_policy(&self.link(wire, tls, refused)).map_err(Broken::Refused)?;
                wire.proof = Some(cleared.proof());
                return Ok(conversation.cleared(cleared)?);
            }
            Effect::StartTls | Effect::Quit => return Ok(effect),
        };
        Ok(conversation.hear(&wire.hear(limit).await?)?)
    }

    fn plan(&self, tls: Tls, progress: &Progress) -> Result<Plan, Trouble> {
        let (config, record) = (self.flow.config(), &self.job.record);
        let sign_in = match (&self.job.destination, &config.outbound.smarthost_sign_in) {
            (Destination::Smarthost, Some((user, file))) => {
                let password = fs::read_to_string(file).map_err(|why| {
                    Trouble::new((4, 3, 5), format!("the smarthost's password cannot be read: {why}"))
                })?;
                let password = Secret::new(password);
                Some((user.clone(), Secret::new(password.expose().trim_end().to_owned())))
            }
            _ => None,
        };
        Ok(Plan {
            hello: config.hostname.to_string(),
            start_tls: tls != Tls::Plain,
            sign_in,
            sender: record.sender.clone(),
            recipients: progress
                .open
                .iter()
                .map(|recipient| Forward {
                    number: recipient.number,
                    recipient: Recipient {
                        address: recipient.address.clone(),
                        notify: recipient.notify,
                        orcpt: recipient.orcpt.clone(),
                    },
                })
                .collect(),
            size: record.size,
            eight_bit: record.eight_bit,
            smtputf8: record.smtputf8,
            envid: record.envid.clone(),
        })
    }

    /// The handshake. SNI is the name whose records vouch for it (RFC 7672 §8.1), else the host's.
    async fn start_tls(&self, wire: Wire, tls: Tls) -> Result<Wire, Broken> {
        let name = match self.facts.dane {
            Dane::Usable { base, .. } => base.as_str(),
            Dane::None(_) | Dane::Unusable | Dane::Unknown(_) => &self.host.name,
        };
        let why = match wire.start_tls(self.tls, name).await {
            Ok(wire) => return Ok(wire),
            Err(why) => why,
        };
        let link = match (&why, tls) {
            (NetError::TimedOut(_), _) => Link::Hung,
            (_, Tls::Wanted(attempt)) => Link::Failed(attempt),
            (_, Tls::Plain) => Link::Failed(Attempt::Again),
        };
        tracing::debug!(queue = %self.job.record.id, host = %self.host.name, %why, "no handshake");
        match self.ask_policy(&link) {
            Err(refusal) => Err(Broken::Refused(refusal)),
            // There is no connection that could be cleared.
            Ok(_) => Err(Trouble::new((4, 7, 5), why.to_string()).into()),
        }
    }

    fn link<'b>(&self, wire: &'b Wire, tls: Tls, refused: bool) -> Link<'b> {
        match (wire.stream.tls(), tls) {
            (Some(facts), _) => {
                let peer = facts.peer.as_ref();
                Link::Tls {
                    chain: peer.map(|peer| peer.chain.as_slice()).unwrap_or_default(),
                    signature_good: peer.is_some_and(|peer| peer.signature_good),
                }
            }
            (None, Tls::Wanted(attempt)) if refused => Link::Refused(attempt),
            (None, Tls::Wanted(_)) => Link::NotOffered,
            (None, Tls::Plain) => Link::PlainAgain,
        }
    }

    /// One verdict, one event.
    fn ask_policy(&self, link: &Link<'_>) -> Result<Cleared, Refusal> {
        let (queue, host, demand) = (self.job.record.id, self.host.name.as_str(), self.demand);
        let verdict = judge(demand, &self.facts, link, self.flow.clock.now());
        match &verdict {
            Ok(cleared) => {
                let proof = cleared.proof();
                let against_dane = proof == Proof::Stored { against_dane: true };
                tracing::info!(%queue, host, policy = %demand, %proof, against_dane, "tls policy passed");
                if let Some(reason) = cleared.tested() {
                    tracing::info!(%queue, host, %reason, "mta-sts, which is only tested, would not have passed");
                }
            }
            Err(refusal) => {
                let (reason, then) = (&refusal.reason, refusal.then);
                tracing::info!(%queue, host, policy = %demand, %reason, ?then, "tls policy not met");
            }
        }
        verdict
    }

    /// A refusal as what a recipient waits for or fails by.
    pub(in crate::flow) fn refused(&self, refusal: Refusal) -> Trouble {
        let (queue, host, demand) = (self.job.record.id, self.host.name.as_str(), self.demand);
        let reason = &refusal.reason;
        if refusal.alarm {
            tracing::error!(%queue, host, policy = %demand, %reason, "tls policy: somebody should look at this");
        } else {
            tracing::info!(%queue, host, policy = %demand, %reason, "host not used");
        }
        let unmet = Unmet { requirement: demand.requirement(), reason: refusal.reason.clone() };
        Trouble { unmet: Some(Box::new(unmet)), ..Trouble::new(refusal.status(), refusal.to_string()) }
    }

    /// Notes what was answered for whom.
    fn note(&self, wire: &Wire, conversation: &mut Conversation<Cleared>, progress: &mut Progress) {
        for (number, answered) in conversation.answers() {
            match answered {
                Answered::Taken { reply, reports } => {
                    progress.end(number, Outcome::Delivered(self.handover(wire, reply, reports)));
                }
                Answered::Refused(trouble) => {
                    let trouble = Trouble { passed: true, ..trouble.at(&self.host.name) };
                    if trouble.is_transient() {
                        progress.put_off(number, trouble);
                    } else {
                        progress.end(number, Outcome::Failed(trouble));
                    }
                }
            }
        }
    }

    /// `mx.example [192.0.2.1] tls=unauthenticated TLSv1.3 TLS_AES_128_GCM_SHA256; 250 2.0.0 ok`.
    fn handover(&self, wire: &Wire, reply: String, reports: bool) -> Handover {
        // Nobody takes anything before the policy has passed.
        let proven = wire.proof.unwrap_or(Proof::None);
        let link = match wire.stream.tls() {
            Some(facts) => format!("{proven} {} {}", facts.version, facts.cipher),
            None => proven.to_string(),
        };
        let host = self.host.name.clone();
        let proof = clean(&format!("{host} [{}] {link}; {reply}", wire.stream.peer().ip()), 1_000);
        Handover { proof, proven, link, host, reply, reports }
    }

    /// Sends the message and its end. If it cannot be read whole, the end is never said.
    async fn send_text(&self, wire: &mut Wire, seven_bit: bool) -> Result<(), Trouble> {
        let mut reader: Box<dyn Read + Send> = if seven_bit {
            Box::new(self.in_seven_bits().await?)
        } else {
            Box::new(message_reader(self.flow, &self.job.record).await.map_err(unreadable)?)
        };
        let (sender, mut chunks) = mpsc::channel::<io::Result<Vec<u8>>>(2);
        tokio::task::spawn_blocking(move || {
            loop {
                let mut chunk = vec![0; FRAME];
                let read = reader.read(&mut chunk).map(|length| {
                    chunk.truncate(length);
                    chunk
                });
                let ended = read.as_ref().map_or(true, Vec::is_empty);
                // The receiver is gone when the connection broke: nobody needs the rest.
                if sender.blocking_send(read).is_err() || ended {
                    return;
                }
            }
        });
        let mut encoder = Encoder::default();
        let mut out = Vec::new();
        loop {
            // No chunk at all is a reader that broke down, not the end of the message.
            let chunk = chunks.recv().await.unwrap_or_else(|| Err(io::ErrorKind::BrokenPipe.into()));
            let chunk = chunk.map_err(unreadable)?;
            if chunk.is_empty() {
                break;
            }
            out.clear();
            encoder.encode(&chunk, &mut out);
            wire.write(&out).await?;
        }
        out.clear();
        encoder.finish(&mut out);
        wire.say(&out).await
    }
}

impl Session<'_> {
    /// The message written anew for a peer that takes 7 bits only.
    async fn in_seven_bits(&self) -> Result<SpoolReader, Trouble> {
        let mut whole = message_file(self.flow, &self.job.record).await.map_err(unreadable)?;
        let mut spool = self.flow.spools.begin();
        let written = tokio::task::spawn_blocking(move || {
            let mut scanner = Scanner::new(Limits { size: u64::MAX, ..Limits::default() });
            let mut octets = vec![0; FRAME];
            loop {
                let length = whole.read(&mut octets)?;
                if length == 0 {
                    break;
                }
                scanner.feed(octets.get(..length).unwrap_or_default())?;
            }
            let structure = scanner.finish()?;
            downgrade::write(&mut whole, &structure, downgrade::Peer::SevenBit, &mut spool)?;
            Ok::<_, Problem>(spool.finish()?)
        });
        match written.await.map_err(unreadable)? {
            Ok(spooled) => Ok(spooled.reader()),
            Err(Problem::Io(why)) => Err(unreadable(why)),
            Err(_) => {
                let text =
                    "the peer takes no 8-bit text, and what is signed or encrypted cannot be rewritten";
                Err(Trouble::new((5, 6, 3), text))
            }
        }
    }
}

/// As far as TLS, to see what a peer presents; there is no envelope of which anything could be said.
pub(in crate::flow) async fn peek(
    stream: Stream,
    tls: &TlsClient,
    name: &str,
    hello: String,
) -> Result<PeerCertificate, Trouble> {
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
    let mut wire = Wire { stream, ear: Ear::default(), proof: None };
    let (mut conversation, mut effect) = Conversation::<Cleared>::new(plan);
    loop {
        let limit = match effect {
            Effect::Listen(limit) => limit,
            Effect::Say(line, limit) => {
                wire.say(line.expose().as_bytes()).await?;
                limit
            }
            Effect::StartTls => {
                let wire = wire.start_tls(tls, name).await;
                let wire = wire.map_err(|why| Trouble::new((4, 7, 5), why.to_string()))?;
                let peer = wire.stream.tls().and_then(|facts| facts.peer.clone());
                wire.quit().await;
                return Ok(peer.unwrap_or_default());
            }
            Effect::AskPolicy | Effect::Text { .. } | Effect::Quit => {
                wire.quit().await;
                return Err(Trouble::new((5, 7, 4), "offers no encryption"));
            }
        };
        effect = conversation.hear(&wire.hear(limit).await?)?;
    }
}

fn unreadable(why: impl fmt::Display) -> Trouble {
    Trouble::new((4, 3, 0), format!("the queued message cannot be read: {why}"))
}

/// The connection, and what has come over it.
struct Wire {
    stream: Stream,
    ear: Ear,
    /// What the policy found, once it has passed.
    proof: Option<Proof>,
}

impl Wire {
    async fn write(&mut self, octets: &[u8]) -> Result<(), Trouble> {
        match timeout(client::WRITE, self.stream.write_all(octets)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(why)) => Err(lost(&why)),
            Err(_) => Err(Trouble::new((4, 4, 2), "the peer takes nothing more")),
        }
    }

    async fn say(&mut self, octets: &[u8]) -> Result<(), Trouble> {
        self.write(octets).await?;
        match timeout(client::WRITE, self.stream.flush()).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(why)) => Err(lost(&why)),
            Err(_) => Err(Trouble::new((4, 4, 2), "the peer takes nothing more")),
        }
    }

    /// The next reply, in `limit` as a whole.
    async fn hear(&mut self, limit: Duration) -> Result<Heard, Trouble> {
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

    async fn start_tls(self, tls: &TlsClient, name: &str) -> Result<Self, NetError> {
        // What came behind the 220 was not said inside TLS: it goes with the old ear.
        Ok(Self { stream: self.stream.connect_tls(tls, name).await?, ear: Ear::default(), proof: None })
    }

    /// Says QUIT and waits a moment for the answer; neither changes what was decided.
    async fn quit(mut self) {
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
