//! Drives the conversation about one message with a peer: moves octets, keeps times, asks the policy, decides nothing.
//!
//! It goes over a new connection, or over one that another message has left open, if the policy lets this message go
//! over that one too: each message is judged by itself, by what is known now.

pub(in crate::flow) mod text;

use crate::base::address::Domain;
use crate::base::envelope::Recipient;
use crate::base::requirement::Unmet;
use crate::base::secret::Secret;
use crate::config::Config;
use crate::flow::Flow;
use crate::flow::alarms::Alarm;
use crate::flow::connections::Connection;
use crate::flow::connections::Connections;
use crate::flow::connections::Made;
use crate::flow::course::Course;
use crate::flow::delivery::Handover;
use crate::flow::delivery::Outcome;
use crate::flow::delivery::Progress;
use crate::flow::delivery::Tls;
use crate::flow::hosts::Host;
use crate::flow::queue::Destination;
use crate::flow::queue::Job;
use crate::flow::wire::Wire;
use crate::net::error::NetError;
use crate::net::stream::Stream;
use crate::net::stream::TlsFacts;
use crate::net::tls::TlsClient;
use crate::policy::tls::Attempt;
use crate::policy::tls::Cleared;
use crate::policy::tls::Demand;
use crate::policy::tls::Facts;
use crate::policy::tls::Link;
use crate::policy::tls::Proof;
use crate::policy::tls::Refusal;
use crate::policy::tls::judge;
use crate::policy::tls::rotated;
use crate::smtp::client;
use crate::smtp::client::Answered;
use crate::smtp::client::Conversation;
use crate::smtp::client::Effect;
use crate::smtp::client::Forward;
use crate::smtp::client::Plan;
use crate::smtp::client::Trouble;
use crate::smtp::client::clean;
use crate::store::record_stored::SeenCertificate;
use std::fs;
use std::net::IpAddr;
use std::sync::Arc;

/// One conversation about one message with one host.
pub(in crate::flow) struct Session<'a> {
    pub(in crate::flow) flow: &'a Flow,
    /// As it was when the host was chosen.
    pub(in crate::flow) config: Arc<Config>,
    pub(in crate::flow) job: &'a Job,
    pub(in crate::flow) host: &'a Host,
    pub(in crate::flow) demand: Demand,
    pub(in crate::flow) facts: Facts<'a>,
    pub(in crate::flow) tls: &'a TlsClient,
    pub(in crate::flow) connections: &'a Connections,
}

/// How a conversation broke off.
#[derive(Debug)]
pub(in crate::flow) enum Broken {
    /// The policy refused: nothing of the envelope was said.
    Refused(Refusal),
    /// The connection, which another message had left open, is of no use any more. Nothing of the text was said: a new
    /// connection is as good as a first one.
    Stale(Trouble),
    /// Over a new connection, before anything of the envelope was answered: it is the word of whoever is at this address,
    /// and another address of the host may do better.
    Early(Trouble),
    /// Anywhere else.
    Trouble(Trouble),
}

impl From<Trouble> for Broken {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

impl Session<'_> {
    /// Talks to the peer over a new connection; what it answered for each recipient is in `progress`.
    pub(in crate::flow) async fn run(
        &self,
        stream: Stream,
        tls: Tls,
        progress: &mut Progress,
    ) -> Result<(), Broken> {
        let (conversation, effect) = Conversation::new(self.plan(tls, progress)?);
        let wire = Wire::new(stream, self.flow.clock.running());
        self.talk(wire, conversation, effect, tls, progress).await
    }

    /// The same over a connection that another message has left open; `None` if none is good for this one.
    pub(in crate::flow) async fn go_on(
        &self,
        addresses: &[IpAddr],
        progress: &mut Progress,
    ) -> Option<Result<(), Broken>> {
        let tls = Tls::Wanted(Attempt::First);
        let plan = match self.plan(tls, progress) {
            Ok(plan) => plan,
            Err(trouble) => return Some(Err(trouble.into())),
        };
        let (connection, cleared) = self.connections.take(|connection| self.clears(connection, addresses))?;
        let link = self.link(&connection.wire, Tls::Wanted(Attempt::First), false);
        self.note_seen(&link);
        self.passed(&cleared, &link, connection.wire.stream.tls());
        self.note_rotation(&link);
        let Connection { mut wire, mut conversation, .. } = connection;
        wire.proof = Some(cleared.proof());
        wire.text = self.read_ahead().await;
        Some(match conversation.next(plan, cleared) {
            Ok(effect) => self.talk(wire, conversation, effect, tls, progress).await,
            Err(trouble) => {
                wire.quit().await;
                Err(Broken::Stale(trouble))
            }
        })
    }

    /// The token for this message on an open connection: to this host at one of these addresses, made under this
    /// configuration and with the name that would be asked for now; and judged by this message's own demand, by what
    /// its handshake showed then and what DNS and the store say now.
    fn clears(&self, connection: &Connection, addresses: &[IpAddr]) -> Option<Cleared> {
        let same = connection.is_like(&self.made(), addresses);
        let link = self.link(&connection.wire, Tls::Wanted(Attempt::First), false);
        same.then(|| judge(self.demand, &self.facts, &link, self.flow.clock.now()).ok())?
    }

    fn made(&self) -> Made<'_> {
        let (host, asked_for) = (self.host, self.asked_for());
        Made { host, asked_for, destination: &self.job.destination, config: &self.config }
    }

    async fn talk(
        &self,
        mut wire: Wire,
        mut conversation: Conversation<Cleared>,
        mut effect: Effect,
        tls: Tls,
        progress: &mut Progress,
    ) -> Result<(), Broken> {
        wire.messages += 1;
        loop {
            if wire.proof.is_some() {
                progress.pass();
            }
            let in_text = matches!(effect, Effect::Text { .. });
            if in_text {
                progress.hold().await;
            }
            let step = match effect {
                Effect::Done => {
                    self.note(&wire, &mut conversation, progress);
                    self.leave_open(wire, conversation, tls, progress);
                    return Ok(());
                }
                Effect::Quit => {
                    self.note(&wire, &mut conversation, progress);
                    progress.leave(wire);
                    return Ok(());
                }
                Effect::Leave => {
                    self.note(&wire, &mut conversation, progress);
                    return Ok(());
                }
                Effect::StartTls => {
                    wire = self.start_tls(wire, tls).await?;
                    Ok(conversation.tls_stands())
                }
                other => self.step(other, &mut wire, &mut conversation, tls, &progress.course).await,
            };
            let broken = match step {
                Ok(next) => {
                    effect = next;
                    continue;
                }
                Err(broken) => broken,
            };
            self.note(&wire, &mut conversation, progress);
            let passed = wire.proof.is_some();
            if passed {
                progress.pass();
            }
            let proof = passed.then(|| proven(&wire));
            return Err(match broken {
                // What was said at once with RSET may still be answered: it is left, not talked to.
                Broken::Trouble(trouble) if conversation.is_used() && !in_text => Broken::Stale(trouble),
                broken => {
                    if !in_text {
                        wire.quit().await;
                    }
                    let Broken::Trouble(trouble) = broken else { return Err(broken) };
                    // Before the policy has passed nothing of the envelope was said.
                    let early = if passed { conversation.awaits_mail() } else { trouble.is_transient() };
                    let trouble = Trouble { passed, proof, ..trouble };
                    if early { Broken::Early(trouble) } else { Broken::Trouble(trouble) }
                }
            });
        }
    }

    /// Leaves the connection to the next message, where there can be one.
    ///
    /// One that went without TLS although the peer offers it is not left open: the next message has its own chance.
    fn leave_open(&self, wire: Wire, conversation: Conversation<Cleared>, tls: Tls, progress: &mut Progress) {
        let as_usual = match (wire.stream.tls(), tls) {
            (Some(_), _) => true,
            (None, Tls::Wanted(_)) => !conversation.tls_refused(),
            (None, Tls::Plain) => false,
        };
        let connection = Connection::new(wire, conversation, &self.made());
        let refused = match as_usual {
            true => self.connections.keep(connection, &self.config.limits, self.flow.clock.running()),
            false => Some(connection),
        };
        if let Some(connection) = refused {
            progress.leave(connection.wire);
        }
    }

    async fn step(
        &self,
        effect: Effect,
        wire: &mut Wire,
        conversation: &mut Conversation<Cleared>,
        tls: Tls,
        course: &Course,
    ) -> Result<Effect, Broken> {
        let limit = match effect {
            Effect::Listen(limit) => limit,
            Effect::Say(line, limit) => {
                wire.say(line.expose().as_bytes()).await?;
                limit
            }
            Effect::Text { seven_bit } => {
                let text = wire.text.take();
                self.send_text(wire, seven_bit, text, course).await?;
                client::END
            }
            Effect::AskPolicy => {
                let refused = conversation.tls_refused();
                let cleared = self
                    .ask_policy(&self.link(wire, tls, refused), wire.stream.tls())
                    .map_err(Broken::Refused)?;
                wire.proof = Some(cleared.proof());
                wire.text = self.read_ahead().await;
                return Ok(conversation.cleared(cleared)?);
            }
            Effect::StartTls | Effect::Done | Effect::Quit | Effect::Leave => return Ok(effect),
        };
        Ok(conversation.hear(&wire.hear(limit).await?)?)
    }

    fn plan(&self, tls: Tls, progress: &Progress) -> Result<Plan, Trouble> {
        let (config, record) = (&self.config, &self.job.record);
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

    fn asked_for(&self) -> &str {
        self.host.asked_for(self.facts.dane)
    }

    /// The handshake.
    async fn start_tls(&self, wire: Wire, tls: Tls) -> Result<Wire, Broken> {
        let why = match wire.start_tls(self.tls, self.asked_for()).await {
            Ok(wire) => return Ok(wire),
            Err(why) => why,
        };
        let link = match (&why, tls) {
            (NetError::TimedOut(_), _) => Link::Hung,
            (_, Tls::Wanted(attempt)) => Link::Failed(attempt),
            (_, Tls::Plain) => Link::Failed(Attempt::Again),
        };
        tracing::debug!(queue = %self.job.record.id, host = %self.host.name, %why, "no handshake");
        match self.ask_policy(&link, None) {
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
    fn ask_policy(&self, link: &Link<'_>, tls: Option<&TlsFacts>) -> Result<Cleared, Refusal> {
        let (queue, host, demand) = (self.job.record.id, self.host.name.as_str(), self.demand);
        let domain = self.facts.next_hop.map(Domain::as_str);
        let (version, cipher) = (tls.map(|tls| tls.version), tls.map(|tls| tls.cipher.as_str()));
        let verdict = judge(demand, &self.facts, link, self.flow.clock.now());
        self.note_seen(link);
        match &verdict {
            Ok(cleared) => {
                self.passed(cleared, link, tls);
                self.note_rotation(link);
            }
            Err(refusal) => {
                let (reason, then, (class, subject, detail)) =
                    (&refusal.reason, refusal.then, refusal.status());
                let status = format_args!("{class}.{subject}.{detail}");
                tracing::info!(
                    %queue, domain, host, policy = %demand, %status, %reason, version, cipher, ?then,
                    "tls policy not met"
                );
            }
        }
        verdict
    }

    fn passed(&self, cleared: &Cleared, link: &Link<'_>, tls: Option<&TlsFacts>) {
        let (queue, host, demand) = (self.job.record.id, self.host.name.as_str(), self.demand);
        let domain = self.facts.next_hop.map(Domain::as_str);
        let (version, cipher) = (tls.map(|tls| tls.version), tls.map(|tls| tls.cipher.as_str()));
        let proof = cleared.proof();
        let against_dane = proof == Proof::Stored { against_dane: true };
        tracing::info!(
            %queue, domain, host, policy = %demand, %proof, version, cipher, against_dane, "tls policy passed"
        );
        if let Some(reason) = cleared.tested() {
            tracing::info!(%queue, domain, host, %reason, "mta-sts, which is only tested, would not have passed");
        }
        let presented = self.facts.presented(link, self.flow.clock.now());
        if demand.requirement().wants_stored() && presented == Some(1) {
            let hint = "remove both with \"guardpost certificate remove\", and add this one";
            tracing::warn!(%queue, domain, host, hint, "the destination presents its second stored certificate now");
        }
    }

    /// A refusal as what a recipient waits for or fails by.
    pub(in crate::flow) fn refused(&self, refusal: Refusal) -> Trouble {
        let (queue, host, demand) = (self.job.record.id, self.host.name.as_str(), self.demand);
        let reason = &refusal.reason;
        if refusal.alarm {
            tracing::error!(%queue, host, policy = %demand, %reason, "tls policy: somebody should look at this");
            self.flow.alarms.raise(Alarm::Unmet {
                destination: self.destination(),
                host: host.to_owned(),
                reason: reason.clone(),
                from: self.job.record.sender.as_ref().map(|sender| sender.domain().clone()),
            });
        } else {
            tracing::info!(%queue, host, policy = %demand, %reason, "host not used");
        }
        let unmet = Unmet { requirement: demand.requirement(), reason: refusal.reason.clone() };
        Trouble { unmet: Some(Box::new(unmet)), ..Trouble::new(refusal.status(), refusal.to_string()) }
    }

    /// Certificates are stored under this name.
    fn destination(&self) -> String {
        match &self.job.destination {
            Destination::Domain(domain) => domain.to_string(),
            Destination::Smarthost => self.host.name.clone(),
        }
    }

    /// What is compared with what is stored is noted.
    fn note_seen(&self, link: &Link<'_>) {
        let domain = match &self.job.destination {
            Destination::Domain(domain) => Some(domain),
            Destination::Smarthost => self.host.domain(),
        };
        let (Some(domain), true) = (domain, self.demand.requirement().wants_stored()) else { return };
        let at = self.flow.clock.now();
        if let Some((fingerprint, stored)) = self.facts.compared(link, at) {
            let seen = SeenCertificate { fingerprint, host: self.host.name.clone(), at, stored };
            self.flow.sightings.note(domain, seen);
        }
    }

    /// Where a later one of two stored certificates is presented, the earlier one has had its day.
    fn note_rotation(&self, link: &Link<'_>) {
        let Link::Tls { chain, .. } = link else { return };
        let Some((was, now)) = chain.first().and_then(|own| rotated(self.facts.stored, own)) else { return };
        self.flow.alarms.raise(Alarm::Rotated {
            destination: self.destination(),
            host: self.host.name.clone(),
            was: was.fingerprint(),
            now: now.fingerprint(),
        });
    }

    /// Notes what was answered for whom.
    fn note(&self, wire: &Wire, conversation: &mut Conversation<Cleared>, progress: &mut Progress) {
        for (number, answered) in conversation.answers() {
            match answered {
                Answered::Taken { reply, reports } => {
                    progress.end(number, Outcome::Delivered(self.handover(wire, reply, reports)));
                }
                Answered::Refused(trouble) => {
                    let proof = Some(proven(wire));
                    let trouble = Trouble { passed: true, proof, ..trouble.at(&self.host.name) };
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
        let proof = wire.proof.unwrap_or(Proof::None);
        let (host, link) = (self.host.name.clone(), proven(wire));
        let words = clean(&format!("{host} [{}] {link}; {reply}", wire.stream.peer().ip()), 1_000);
        Handover { proof: words, proven: proof, link, host, reply, reports }
    }
}

/// `tls=unauthenticated TLSv1.3 TLS_AES_128_GCM_SHA256`.
fn proven(wire: &Wire) -> String {
    // Nobody says anything of an envelope before the policy has passed.
    let proof = wire.proof.unwrap_or(Proof::None);
    match wire.stream.tls() {
        Some(facts) => format!("{proof} {} {}", facts.version, facts.cipher),
        None => proof.to_string(),
    }
}
