//! The word of a validating resolver: its AD bit, as Postfix takes it (RFC 6840 §5.7, §5.8).
//!
//! One question, one socket, a random id; id and question of the answer must be ours. An answer without AD is
//! insecure if the server is seen to validate after it was given; what is neither "yes" nor "no" is an error, and so is
//! what cannot be read.
//!
//! From a server that has never validated an answer without AD says nothing: nobody validated. From one that did and does
//! so no longer it is no answer: a signed name would be taken for an unsigned one.

use crate::base::dns::Answer;
use crate::base::dns::Security;
use crate::base::dns::Validation;
use crate::base::random::Random;
use crate::base::random::bytes;
use crate::net::Deed;
use crate::net::dns::ANSWER;
use crate::net::dns::DATAGRAM;
use crate::net::dns::LOOKUP;
use crate::net::dns::SERVERS;
use crate::net::dns::TRIES;
use crate::net::dns::TRY;
use crate::net::dns::ask::Ask;
use crate::net::dns::ask::Chain;
use crate::net::dns::ask::Reply;
use crate::net::dns::ask::keep_no;
use crate::net::dns::ask::no;
use hickory_resolver::proto::op::Edns;
use hickory_resolver::proto::op::Message;
use hickory_resolver::proto::op::MessageType;
use hickory_resolver::proto::op::OpCode;
use hickory_resolver::proto::op::Query;
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::Name;
use hickory_resolver::proto::rr::RecordType;
use std::io;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::net::UdpSocket;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio::time::timeout;

/// Asks resolvers, and believes their AD bit or not.
pub(super) struct Stub {
    servers: Vec<Server>,
    random: Arc<dyn Random>,
    /// Their AD bit counts.
    trusted: bool,
}

/// A resolver.
struct Server {
    address: SocketAddr,
    /// It has set AD before.
    validated: AtomicBool,
    /// When the last test began that it passed. Locked while there is one under way.
    passed: Mutex<Option<Instant>>,
    /// The log knows that it does not validate any more.
    told: AtomicBool,
}

impl Server {
    fn at(address: SocketAddr) -> Self {
        Self {
            address,
            validated: AtomicBool::new(false),
            passed: Mutex::default(),
            told: AtomicBool::new(false),
        }
    }
}

impl Stub {
    /// Of resolvers whose AD bit counts; no other is ever asked.
    pub(super) fn new(mut servers: Vec<SocketAddr>, random: Arc<dyn Random>) -> Self {
        servers.truncate(SERVERS);
        Self { servers: servers.into_iter().map(Server::at).collect(), random, trusted: true }
    }

    /// Of resolvers whose AD bit does not count: everything is indeterminate.
    pub(super) fn untrusted(servers: Vec<SocketAddr>, random: Arc<dyn Random>) -> Self {
        Self { trusted: false, ..Self::new(servers, random) }
    }

    /// The resolvers, in words.
    fn in_words(&self) -> String {
        let servers: Vec<String> =
            self.servers.iter().map(|server| server.address.ip().to_string()).collect();
        servers.join(", ")
    }

    async fn look_up(&self, name: Name, kind: RecordType) -> Reply {
        let mut why = "there is no resolver".to_owned();
        for _ in 0..TRIES {
            for server in &self.servers {
                let ip = server.address.ip();
                match self.converse(server.address, &name, kind).await {
                    Ok(message) => match message.metadata.response_code {
                        ResponseCode::NoError | ResponseCode::NXDomain => {
                            match self.security(server, &message).await {
                                Ok(security) => return judge(&message, name, kind, security),
                                Err(error) => why = format!("{ip} {error}"),
                            }
                        }
                        code => why = format!("{ip} said {code}"),
                    },
                    Err(error) => why = format!("{ip}: {error}"),
                }
            }
        }
        Reply::error(name, why)
    }

    /// What an answer of this server is worth; or why it is none.
    async fn security(&self, server: &Server, message: &Message) -> Result<Security, String> {
        if !self.trusted {
            return Ok(Security::Indeterminate);
        }
        if message.metadata.authentic_data {
            server.validated.store(true, Ordering::Relaxed);
            return Ok(Security::Secure);
        }
        let validated = server.validated.load(Ordering::Relaxed);
        match self.validates(server).await {
            Ok(true) => Ok(Security::Insecure),
            Ok(false) if !validated => Ok(Security::Indeterminate),
            Ok(false) => {
                if !server.told.swap(true, Ordering::Relaxed) {
                    let resolver = server.address;
                    tracing::error!(%resolver, "the resolver no longer validates DNSSEC; what it says of unsigned names counts for nothing");
                }
                Err("no longer validates DNSSEC".into())
            }
            Err(why) => Err(format!("does not say whether it validates DNSSEC: {why}")),
        }
    }

    /// Whether a server validates, by a test that begins after now.
    async fn validates(&self, server: &Server) -> Result<bool, String> {
        let asked = Instant::now();
        let mut passed = server.passed.lock().await;
        // Whoever came while another waited for its turn has that one's test.
        if passed.is_some_and(|begun| begun >= asked) {
            return Ok(true);
        }
        let begun = Instant::now();
        let answer = self.converse(server.address, &Name::root(), RecordType::SOA).await;
        let message = answer.map_err(|why| why.to_string())?;
        match message.metadata.response_code {
            ResponseCode::NoError | ResponseCode::NXDomain => {}
            code => return Err(format!("it said {code}")),
        }
        let chain = Chain::follow(&message.answers, &Name::root(), RecordType::SOA);
        let validates = message.metadata.authentic_data && chain.is_ok_and(|chain| !chain.found.is_empty());
        if validates {
            server.validated.store(true, Ordering::Relaxed);
            server.told.store(false, Ordering::Relaxed);
            *passed = Some(begun);
        }
        Ok(validates)
    }

    /// Whether answers come with their DNSSEC records, good or not; nothing where nobody answers, or only to say that it
    /// could not or would not.
    pub(super) async fn hands_on_signatures(&self) -> Option<bool> {
        for server in &self.servers {
            let asked = timeout(LOOKUP, self.converse(server.address, &Name::root(), RecordType::SOA)).await;
            let silent = [ResponseCode::ServFail, ResponseCode::Refused];
            if let Ok(Ok(message)) = asked
                && !silent.contains(&message.metadata.response_code)
            {
                return Some(message.answers.iter().any(|found| found.record_type() == RecordType::RRSIG));
            }
        }
        None
    }

    /// One question to one server, over UDP, and over TCP if the answer does not fit.
    async fn converse(&self, server: SocketAddr, name: &Name, kind: RecordType) -> io::Result<Message> {
        let late = |_| io::Error::from(io::ErrorKind::TimedOut);
        let question = self.question(name, kind);
        let octets = question.to_vec().map_err(io::Error::other)?;
        let short = timeout(TRY, over_udp(server, &question, &octets)).await.map_err(late)??;
        if !short.metadata.truncation {
            return Ok(short);
        }
        timeout(TRY, over_tcp(server, &question, &octets)).await.map_err(late)?
    }

    fn question(&self, name: &Name, kind: RecordType) -> Message {
        let id = u16::from_be_bytes(bytes(&*self.random));
        let mut question = Message::new(id, MessageType::Query, OpCode::Query);
        question.metadata.recursion_desired = true;
        question.metadata.authentic_data = true;
        question.add_query(Query::query(name.clone(), kind));
        let mut edns = Edns::new();
        edns.set_max_payload(DATAGRAM).set_dnssec_ok(true);
        question.set_edns(edns);
        question
    }
}

impl Ask for Stub {
    fn ask(&self, name: Name, kind: RecordType) -> Deed<'_, Reply> {
        Box::pin(async move {
            let late = name.clone();
            let reply = timeout(LOOKUP, self.look_up(name, kind)).await;
            reply.unwrap_or_else(|_| Reply::error(late, "no answer in time"))
        })
    }

    fn test(&self) -> Deed<'_, Validation> {
        Box::pin(async move {
            let who = self.in_words();
            if !self.trusted {
                return Validation::Broken(format!(
                    "the word of {who} does not count: it is not on loopback and not in dns.trust_ad_from"
                ));
            }
            match self.ask(Name::root(), RecordType::SOA).await.answer {
                Answer::Records(Security::Secure, _) => {
                    Validation::By(format!("the validating resolver {who}"))
                }
                Answer::Error(why) => Validation::Broken(format!("the resolver does not answer: {why}")),
                _ => Validation::Broken(format!("the resolver {who} does not validate")),
            }
        })
    }
}

/// The answer in a message of which this much is known. What nobody validated is not kept: somebody may, later.
fn judge(message: &Message, name: Name, kind: RecordType, security: Security) -> Reply {
    let chain = match Chain::follow(&message.answers, &name, kind) {
        Ok(chain) => chain,
        Err(why) => return Reply::error(name, why),
    };
    let code = message.metadata.response_code;
    let counts = |keep| if security == Security::Indeterminate { Duration::ZERO } else { keep };
    if chain.found.is_empty() {
        let keep = counts(keep_no(&message.authorities));
        return Reply { answer: no(code, security), end: chain.end, keep };
    }
    if code != ResponseCode::NoError {
        return Reply::error(name, "the answer contradicts itself");
    }
    Reply { answer: Answer::Records(security, chain.data()), keep: counts(chain.keep()), end: chain.end }
}

/// What does not answer our question is passed over: somebody else may have sent it.
async fn over_udp(server: SocketAddr, question: &Message, octets: &[u8]) -> io::Result<Message> {
    let any: SocketAddr =
        if server.is_ipv4() { (Ipv4Addr::UNSPECIFIED, 0).into() } else { (Ipv6Addr::UNSPECIFIED, 0).into() };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(server).await?;
    socket.send(octets).await?;
    let mut datagram = vec![0; usize::from(ANSWER)];
    loop {
        let length = socket.recv(&mut datagram).await?;
        let message = Message::from_vec(datagram.get(..length).unwrap_or_default());
        match message {
            Ok(message) if answers(&message, question) => return Ok(message),
            _ => {}
        }
    }
}

async fn over_tcp(server: SocketAddr, question: &Message, octets: &[u8]) -> io::Result<Message> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(octets.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), octets].concat()).await?;
    let length = stream.read_u16().await?;
    if length > ANSWER {
        return Err(io::Error::other(format!(
            "an answer of {length} octets; more than {ANSWER} are not read"
        )));
    }
    let mut answer = vec![0; usize::from(length)];
    stream.read_exact(&mut answer).await?;
    let message = Message::from_vec(&answer).map_err(io::Error::other)?;
    if !answers(&message, question) || message.metadata.truncation {
        return Err(io::Error::other("the answer is to another question"));
    }
    Ok(message)
}

/// It is the answer to this very question (RFC 5452 §9.1).
fn answers(message: &Message, question: &Message) -> bool {
    message.metadata.id == question.metadata.id
        && message.metadata.message_type == MessageType::Response
        && message.metadata.op_code == OpCode::Query
        && message.queries == question.queries
}

#[cfg(test)]
#[path = "stub_tests.rs"]
mod tests;
