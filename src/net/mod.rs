//! The wire: listeners, streams, TLS, DNS, dialling.
//!
//! Everything here has a limit in time and in number; nothing here decides about mail.

pub mod dial;
pub mod dns;
pub mod error;
pub mod gate;
pub mod http_client;
pub mod listen;
pub mod roots;
pub mod stream;
pub mod tls;

use std::future::Future;
use std::pin::Pin;

/// A future as an object: what a handler or a resolver gives back.
pub type Deed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
