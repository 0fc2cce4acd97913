//! Whose word counts is found out: a validating resolver's on loopback, else our own validation.
//!
//! Where neither can be had, because the resolver answers and hands on no DNSSEC records, names are looked up without
//! validation: nothing is secure, there is no DANE, what demands it waits, and `check` and the log say so. `builtin`
//! in place of `auto` holds all mail back then. Where it hands them on and they do not prove what they should, the clock
//! is wrong or somebody lies: then all mail waits, and nothing is taken for unsigned.

use crate::base::dns::Validation;
use crate::net::Deed;
use crate::net::dns::ask::Ask;
use crate::net::dns::ask::Reply;
use crate::net::dns::builtin::Builtin;
use crate::net::dns::plain::Plain;
use crate::net::dns::stub::Stub;
use hickory_resolver::proto::rr::Name;
use hickory_resolver::proto::rr::RecordType;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::sync::OnceCell;
use tokio::time::Instant;

/// While nobody validates, it is tried again this often.
const AGAIN: Duration = Duration::from_secs(60);

/// The choice. Questions wait for it; until a resolver answers at all, there is no answer.
pub(super) struct Auto {
    /// Nothing, if no resolver is on loopback or named.
    stub: Option<Stub>,
    builtin: Builtin,
    plain: Plain,
    /// The same resolvers, whose word does not count.
    raw: Stub,
    /// Made once, for as long as this process lives: a resolver that stops validating later must not be believed less
    /// than before, nor another one more.
    validates: OnceCell<Way>,
    /// When nobody validated last, and why.
    nobody: Mutex<Option<(Instant, String)>>,
}

/// Who validates.
#[derive(Clone, Copy)]
enum Way {
    Stub,
    Builtin,
}

/// How names are looked up now.
enum Chosen<'a> {
    Validated(&'a dyn Ask),
    /// Without validation; why.
    Plain(String),
}

impl Auto {
    pub(super) fn new(stub: Option<Stub>, builtin: Builtin, plain: Plain, raw: Stub) -> Self {
        Self { stub, builtin, plain, raw, validates: OnceCell::new(), nobody: Mutex::default() }
    }

    /// The way that counts; or why there is none yet.
    async fn chosen(&self) -> Result<Chosen<'_>, String> {
        if let Some(way) = self.validates.get() {
            return Ok(self.validated(*way));
        }
        let mut nobody = self.nobody.lock().await;
        if let Some((since, why)) = &*nobody
            && since.elapsed() < AGAIN
        {
            return Ok(Chosen::Plain(why.clone()));
        }
        match self.validates.get_or_try_init(|| self.try_both()).await {
            Ok(way) => Ok(self.validated(*way)),
            Err(why) if self.raw.hands_on_signatures().await == Some(true) => Err(why),
            Err(why) if self.plain.answers().await => {
                *nobody = Some((Instant::now(), why.clone()));
                Ok(Chosen::Plain(why))
            }
            Err(why) => Err(why),
        }
    }

    fn validated(&self, way: Way) -> Chosen<'_> {
        Chosen::Validated(match (way, &self.stub) {
            (Way::Stub, Some(stub)) => stub,
            _ => &self.builtin,
        })
    }

    async fn try_both(&self) -> Result<Way, String> {
        if let Some(stub) = &self.stub
            && matches!(stub.test().await, Validation::By(_))
        {
            return Ok(Way::Stub);
        }
        match self.builtin.test().await {
            Validation::By(_) => Ok(Way::Builtin),
            Validation::Broken(why) => Err(why),
            Validation::Off => Err("nobody validates".into()),
        }
    }
}

impl Ask for Auto {
    fn ask(&self, name: Name, kind: RecordType) -> Deed<'_, Reply> {
        Box::pin(async move {
            match self.chosen().await {
                Ok(Chosen::Validated(way)) => way.ask(name, kind).await,
                Ok(Chosen::Plain(_)) => self.plain.ask(name, kind).await,
                Err(why) => Reply::error(name, why),
            }
        })
    }

    fn test(&self) -> Deed<'_, Validation> {
        Box::pin(async move {
            match self.chosen().await {
                Ok(Chosen::Validated(way)) => way.test().await,
                Ok(Chosen::Plain(why)) | Err(why) => Validation::Broken(why),
            }
        })
    }
}
