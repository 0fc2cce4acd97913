//! A server that is killed while a peer that took its mail has not answered QUIT yet.

use crate::free_ports::free_port;
use crate::harness::House;
use crate::harness::PASSWORD;
use crate::mail_client::Smtp;
use crate::main_job::letter;
use crate::patience::until;
use crate::peer::Plan;
use guardpost::serve::control::request::Request;
use serde_json::Value;
use std::fs;
use std::io;
use std::net::TcpStream;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::Mutex;
use tokio::io::AsyncBufReadExt;
use tokio::io::AsyncWriteExt;
use tokio::io::BufReader;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

const ALICE: &str = "alice@house.example";

/// What was said on one connection.
#[derive(Clone, Debug, Default)]
struct Talk {
    text: String,
    /// QUIT came, and is not answered.
    quit: bool,
    /// The other side waits no longer.
    left: bool,
}

/// A server that takes mail and never answers QUIT.
struct Peer {
    port: u16,
    talks: Arc<Mutex<Vec<Talk>>>,
    accepting: JoinHandle<()>,
}

impl Peer {
    async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let talks: Arc<Mutex<Vec<Talk>>> = Arc::default();
        let all = Arc::clone(&talks);
        let accepting = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let number = {
                    let mut talks = all.lock().unwrap();
                    talks.push(Talk::default());
                    talks.len() - 1
                };
                let record = Record { all: Arc::clone(&all), number };
                tokio::spawn(async move {
                    // Whoever talks to it may be killed.
                    let _ = talk(BufReader::new(socket), &record).await;
                    record.note(|talk| talk.left = true);
                });
            }
        });
        Self { port, talks, accepting }
    }

    /// The connections that brought a message with this in it.
    fn brought(&self, mark: &str) -> Vec<Talk> {
        let talks = self.talks.lock().unwrap();
        talks.iter().filter(|talk| talk.text.contains(mark)).cloned().collect()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Where it is noted what was said on one connection.
struct Record {
    all: Arc<Mutex<Vec<Talk>>>,
    number: usize,
}

impl Record {
    fn note(&self, change: impl FnOnce(&mut Talk)) {
        change(&mut self.all.lock().unwrap()[self.number]);
    }
}

async fn talk(mut wire: BufReader<tokio::net::TcpStream>, record: &Record) -> io::Result<()> {
    wire.write_all(b"220 peer.example ESMTP\r\n").await?;
    let mut in_text = false;
    loop {
        let mut line = String::new();
        if wire.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        record.note(|talk| talk.text += &line);
        let reply = match line.trim_end() {
            "." if in_text => {
                in_text = false;
                "250 2.0.0 taken\r\n"
            }
            _ if in_text => continue,
            "DATA" => {
                in_text = true;
                "354 go on\r\n"
            }
            "QUIT" => {
                record.note(|talk| talk.quit = true);
                continue;
            }
            _ => "250 2.0.0 ok\r\n",
        };
        wire.write_all(reply.as_bytes()).await?;
    }
}

/// The server as a process of its own, which SIGKILL ends.
struct Server {
    child: Child,
    port: u16,
}

impl Server {
    /// On the files of a house that is not at home.
    async fn start(house: &House) -> Self {
        let port = free_port();
        let listen = format!("submissions = [\"127.0.0.1:{port}\"]");
        let text = house.configuration(443).replace("submissions = []", &listen);
        fs::write(house.at("guard.toml"), text).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_guardpost"));
        command.env_clear().arg("--config").arg(house.at("guard.toml")).arg("serve");
        let child = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let server = Self { child, port };
        until("the server listens", async || TcpStream::connect(("127.0.0.1", port)).ok()).await;
        server
    }

    async fn send(&self, mark: &str) {
        let mut smtp = Smtp::connect(self.port, true).await;
        assert_eq!(smtp.sign_in(ALICE, PASSWORD).await.code, 235);
        let reply = smtp.send(ALICE, &["bob@far.example"], &letter(mark, "BODY", "")).await;
        assert!(reply.is(250, "2.0.0"), "{reply:?}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn queue_is_empty(house: &House) {
    until("the queue is empty", async || {
        let listed = house.control(&Request::QueueList {}).await.unwrap();
        (listed == Value::Array(Vec::new())).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_peer_took_is_on_disk_before_it_answers_quit() {
    let peer = Peer::open().await;
    let more = format!("smarthost = \"127.0.0.1:{}\"\n[limits]\nmessages_per_connection = 1\n", peer.port);
    let mut house = House::with(Plan::default(), &more).await;
    house.stop().await;
    // A machine that stands still for as long as the server waits for the answer shows nothing: then once more.
    for round in 0..6 {
        let (first, second) = (format!("Avocet-{round}-first"), format!("Avocet-{round}-second"));
        let server = Server::start(&house).await;
        server.send(&first).await;
        until("QUIT", async || peer.brought(&first).first().filter(|talk| talk.quit).map(|_| ())).await;
        queue_is_empty(&house).await;
        let waiting = !peer.brought(&first)[0].left;
        drop(server);
        // It is started anew, and has come to the end of its queue.
        let server = Server::start(&house).await;
        server.send(&second).await;
        until("the second message", async || peer.brought(&second).first().map(|_| ())).await;
        queue_is_empty(&house).await;
        drop(server);
        assert_eq!((peer.brought(&first).len(), peer.brought(&second).len()), (1, 1), "each once");
        if waiting {
            return;
        }
    }
    panic!("the queue knew of no message before the peer was left");
}
