//! A command's request: to the server that runs, else to the store.

use crate::app;
use crate::cli::End;
use crate::config::Config;
use crate::serve::control::SOCKET;
use crate::serve::control::Trouble;
use crate::serve::control::client;
use crate::serve::control::request::Request;
use serde_json::Value;

/// A question to the server, or to the store, before the request itself.
pub(super) type Inquire<'a> = &'a dyn Fn(Request) -> Result<Value, End>;

/// Asks the server with what `ask` finds out from the person; when no server runs, opens the store and does it here.
///
/// A person may take long, and the server waits for no request: each goes over a connection of its own.
pub(super) fn put<T>(
    config: &Config,
    ask: impl FnOnce(Inquire<'_>) -> Result<(Request, T), End>,
) -> Result<(Value, T), End> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let socket = config.run_dir.join(SOCKET);
    let asked = |request: &Request| -> Result<Option<Value>, End> {
        let Some(stream) = runtime.block_on(client::connect(&socket))? else { return Ok(None) };
        Ok(Some(runtime.block_on(client::ask(stream, request))?))
    };
    let runs = runtime.block_on(client::connect(&socket))?.is_some();
    if !runs {
        app::ground::become_owner(&config.data_dir)?;
    }
    let answer = |request: Request| match asked(&request)? {
        Some(answer) => Ok(answer),
        // It stopped while the person was asked; whoever it is may not be the one who may open the store.
        None if runs => {
            let words = "the server has stopped meanwhile; nothing was done, run the command again";
            Err(Trouble::unavailable(words).into())
        }
        None => Ok(app::ground::answer(config, request)?),
    };
    let (request, rest) = ask(&answer)?;
    Ok((answer(request)?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::control::socket::Answering;
    use crate::serve::control::socket::ControlSocket;
    use serde_json::json;
    use std::io::Read;
    use std::os::unix::net::UnixStream;
    use std::path::Path;
    use std::pin::Pin;
    use std::sync::Arc;
    use std::time::Duration;
    use tokio::runtime::Runtime;
    use tokio::task::JoinHandle;
    use tokio_util::sync::CancellationToken;

    struct Echo;

    impl Answering for Echo {
        fn answer(
            &self,
            request: Request,
        ) -> Pin<Box<dyn Future<Output = Result<Value, Trouble>> + Send + '_>> {
            Box::pin(async move { Ok(json!(format!("{request:?}"))) })
        }
    }

    /// A server on its own threads.
    struct Server {
        runtime: Runtime,
        stop: CancellationToken,
        serving: JoinHandle<()>,
    }

    impl Server {
        fn start(config: &Config, patience: Duration) -> Self {
            let runtime = Runtime::new().unwrap();
            let stop = CancellationToken::new();
            let inside = runtime.enter();
            let socket = ControlSocket::bind(&config.run_dir, rustix::process::getuid().as_raw()).unwrap();
            let serving = socket.with_patience(patience).serve(Arc::new(Echo), stop.clone());
            let serving = runtime.spawn(serving);
            drop(inside);
            Self { runtime, stop, serving }
        }

        fn stop(self) {
            self.stop.cancel();
            self.runtime.block_on(self.serving).unwrap();
        }
    }

    fn config(home: &Path) -> Config {
        let home = home.display();
        let text = format!(
            "hostname = \"mail.a.example\"\ndata_dir = \"{home}/data\"\nrun_dir = \"{home}\"\n\
             master_key_file = \"{home}/master.key\"\n[tls]\ncertificate = \"/c\"\nkey = \"/k\"\n\
             [portal]\nurl = \"https://mail.a.example\"\n[[domain]]\nname = \"a.example\"\n"
        );
        Config::from_text(&text).unwrap_or_else(|complaints| panic!("{complaints}"))
    }

    #[test]
    fn a_person_may_take_longer_than_the_server_waits() {
        let home = tempfile::tempdir().unwrap();
        let config = config(home.path());
        let server = Server::start(&config, Duration::from_millis(500));
        let (answer, ()) = put(&config, |_| {
            // Opened after any connection of the command's own, so that those are over when this one is.
            let mut idle = UnixStream::connect(config.run_dir.join(SOCKET)).unwrap();
            idle.read_to_end(&mut Vec::new()).unwrap();
            Ok((Request::Dns {}, ()))
        })
        .unwrap();
        assert_eq!(answer, json!("Dns"));
        server.stop();
    }

    #[test]
    fn a_server_that_stops_meanwhile_is_named() {
        let home = tempfile::tempdir().unwrap();
        let config = config(home.path());
        let server = Server::start(&config, Duration::from_secs(10));
        let stopped = put(&config, |_| {
            server.stop();
            Ok((Request::Dns {}, ()))
        })
        .unwrap_err();
        assert_eq!(stopped.exit(), 69);
        assert!(stopped.to_string().contains("stopped meanwhile; nothing was done"), "{stopped}");
    }

    #[test]
    fn a_server_that_starts_meanwhile_is_asked() {
        let home = tempfile::tempdir().unwrap();
        let config = config(home.path());
        let mut started = None;
        let (answer, ()) = put(&config, |_| {
            started = Some(Server::start(&config, Duration::from_secs(10)));
            Ok((Request::Dns {}, ()))
        })
        .unwrap();
        assert_eq!(answer, json!("Dns"));
        started.unwrap().stop();
    }
}
