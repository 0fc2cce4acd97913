//! A DNS server on loopback that answers by a rule, over UDP what fits and the rest over TCP.

use crate::net::dns::DATAGRAM;
use hickory_resolver::proto::op::Message;
use hickory_resolver::proto::op::MessageType;
use hickory_resolver::proto::rr::RecordType;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::net::UdpSocket;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

/// The server; it ends with this.
pub(super) struct TestServer {
    pub(super) address: SocketAddr,
    held: watch::Sender<bool>,
    _tasks: [AbortOnDropHandle<()>; 2],
}

type Rule = dyn Fn(&str, RecordType, &mut Message) + Send + Sync;

impl TestServer {
    /// With `rule` for what is said about a name in lower case.
    pub(super) async fn open(rule: impl Fn(&str, RecordType, &mut Message) + Send + Sync + 'static) -> Self {
        let (socket, listener) = sockets().await;
        let address = socket.local_addr().unwrap();
        let (held, holds) = watch::channel(false);
        let rule: Arc<Rule> = Arc::new(rule);
        let also = (Arc::clone(&rule), holds.clone());
        let datagrams = tokio::spawn(async move {
            let (mut octets, mut holds) = ([0; 4096], holds);
            while let Ok((length, peer)) = socket.recv_from(&mut octets).await {
                let Some(mut answer) = answered(&octets[..length], &*rule, &mut holds).await else {
                    continue;
                };
                if answer.to_vec().unwrap().len() > DATAGRAM.into() {
                    answer.answers.clear();
                    answer.metadata.truncation = true;
                }
                let _ = socket.send_to(&answer.to_vec().unwrap(), peer).await;
            }
        });
        let streams = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (rule, holds) = also.clone();
                tokio::spawn(converse(stream, rule, holds));
            }
        });
        let _tasks = [datagrams, streams].map(AbortOnDropHandle::new);
        Self { address, held, _tasks }
    }

    /// Answers are held back from now on, or no longer.
    pub(super) fn hold(&self, held: bool) {
        self.held.send_replace(held);
    }
}

/// Of one port.
async fn sockets() -> (UdpSocket, TcpListener) {
    loop {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        if let Ok(listener) = TcpListener::bind(socket.local_addr().unwrap()).await {
            return (socket, listener);
        }
    }
}

async fn answered(octets: &[u8], rule: &Rule, holds: &mut watch::Receiver<bool>) -> Option<Message> {
    let mut message = Message::from_vec(octets).ok()?;
    let query = message.queries[0].clone();
    message.metadata.message_type = MessageType::Response;
    message.metadata.recursion_available = true;
    holds.wait_for(|held| !held).await.ok()?;
    rule(&query.name().to_ascii().to_lowercase(), query.query_type(), &mut message);
    Some(message)
}

/// One question after the other.
async fn converse(
    mut stream: TcpStream,
    rule: Arc<Rule>,
    mut holds: watch::Receiver<bool>,
) -> std::io::Result<()> {
    loop {
        let mut octets = vec![0; stream.read_u16().await?.into()];
        stream.read_exact(&mut octets).await?;
        let Some(answer) = answered(&octets, &*rule, &mut holds).await else { continue };
        let answer = answer.to_vec().unwrap();
        stream.write_u16(answer.len().try_into().unwrap()).await?;
        stream.write_all(&answer).await?;
    }
}
