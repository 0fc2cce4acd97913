//! A DNS server on loopback that answers by a rule.

use hickory_resolver::proto::op::Message;
use hickory_resolver::proto::op::MessageType;
use hickory_resolver::proto::rr::RecordType;
use std::net::SocketAddr;
use tokio::net::UdpSocket;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

/// The server; it ends with this.
pub(super) struct TestServer {
    pub(super) address: SocketAddr,
    held: watch::Sender<bool>,
    _task: AbortOnDropHandle<()>,
}

impl TestServer {
    /// With `rule` for what is said about a name in lower case.
    pub(super) async fn open(rule: impl Fn(&str, RecordType, &mut Message) + Send + Sync + 'static) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let (held, mut holds) = watch::channel(false);
        let task = tokio::spawn(async move {
            let mut octets = [0; 4096];
            while let Ok((length, peer)) = socket.recv_from(&mut octets).await {
                let Ok(mut message) = Message::from_vec(&octets[..length]) else { continue };
                let query = message.queries[0].clone();
                message.metadata.message_type = MessageType::Response;
                message.metadata.recursion_available = true;
                if holds.wait_for(|held| !held).await.is_err() {
                    return;
                }
                rule(&query.name().to_ascii().to_lowercase(), query.query_type(), &mut message);
                let _ = socket.send_to(&message.to_vec().unwrap(), peer).await;
            }
        });
        Self { address, held, _task: AbortOnDropHandle::new(task) }
    }

    /// Answers are held back from now on, or no longer.
    pub(super) fn hold(&self, held: bool) {
        self.held.send_replace(held);
    }
}
