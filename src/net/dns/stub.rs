//! The word of a validating resolver: its AD bit, as Postfix takes it (RFC 6840 §5.7, §5.8).
//!
//! One question, one socket, a random id; id and question of the answer must be ours. An answer without AD is
//! insecure; what is neither "yes" nor "no" is an error, and so is what cannot be read.

use crate::base::dns::Answer;
use crate::base::dns::Security;
use crate::base::dns::Validation;
use crate::base::random::Random;
use crate::base::random::bytes;
use crate::net::Deed;
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
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::net::UdpSocket;
use tokio::time::timeout;

/// Asks resolvers, and believes their AD bit or not.
pub(super) struct Stub {
    servers: Vec<SocketAddr>,
    random: Arc<dyn Random>,
    /// Their AD bit counts.
    trusted: bool,
}

impl Stub {
    /// Of resolvers whose AD bit counts; no other is ever asked.
    pub(super) fn new(mut servers: Vec<SocketAddr>, random: Arc<dyn Random>) -> Self {
        servers.truncate(SERVERS);
        Self { servers, random, trusted: true }
    }

    /// Of resolvers whose AD bit does not count: everything is indeterminate.
    pub(super) fn untrusted(servers: Vec<SocketAddr>, random: Arc<dyn Random>) -> Self {
        Self { trusted: false, ..Self::new(servers, random) }
    }

    /// The resolvers, in words.
    fn in_words(&self) -> String {
        let servers: Vec<String> = self.servers.iter().map(|server| server.ip().to_string()).collect();
        servers.join(", ")
    }

    async fn look_up(&self, name: Name, kind: RecordType) -> Reply {
        let mut why = "there is no resolver".to_owned();
        for _ in 0..TRIES {
            for server in &self.servers {
                match self.converse(*server, &name, kind).await {
                    Ok(message) => match message.metadata.response_code {
                        ResponseCode::NoError | ResponseCode::NXDomain => {
                            return self.judge(&message, name, kind);
                        }
                        code => why = format!("{} said {code}", server.ip()),
                    },
                    Err(error) => why = format!("{}: {error}", server.ip()),
                }
            }
        }
        Reply::error(name, why)
    }

    fn judge(&self, message: &Message, name: Name, kind: RecordType) -> Reply {
        let security = match (self.trusted, message.metadata.authentic_data) {
            (false, _) => Security::Indeterminate,
            (true, false) => Security::Insecure,
            (true, true) => Security::Secure,
        };
        let chain = Chain::follow(&message.answers, &name, kind);
        let code = message.metadata.response_code;
        if chain.found.is_empty() {
            let keep = keep_no(&message.authorities);
            return Reply { answer: no(code, security), end: chain.end, keep };
        }
        if code != ResponseCode::NoError {
            return Reply::error(name, "the answer contradicts itself");
        }
        Reply { answer: Answer::Records(security, chain.data()), keep: chain.keep(), end: chain.end }
    }

    /// Whether answers come with their DNSSEC records, good or not; nothing where nobody answers, or only to say that it
    /// could not or would not.
    pub(super) async fn hands_on_signatures(&self) -> Option<bool> {
        for server in &self.servers {
            let asked = timeout(LOOKUP, self.converse(*server, &Name::root(), RecordType::SOA)).await;
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

/// What does not answer our question is passed over: somebody else may have sent it.
async fn over_udp(server: SocketAddr, question: &Message, octets: &[u8]) -> io::Result<Message> {
    let any: SocketAddr =
        if server.is_ipv4() { (Ipv4Addr::UNSPECIFIED, 0).into() } else { (Ipv6Addr::UNSPECIFIED, 0).into() };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(server).await?;
    socket.send(octets).await?;
    let mut datagram = vec![0; usize::from(u16::MAX)];
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
    let mut answer = vec![0; usize::from(stream.read_u16().await?)];
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
