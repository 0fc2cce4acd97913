//! Whose word counts is found out: a validating resolver's on loopback, else our own validation.
//!
//! Where neither can be had, because the resolver answers and hands on no DNSSEC records, names are looked up without
//! validation: nothing is secure, there is no DANE, what demands it waits, and `check` and the log say so. `builtin`
//! in place of `auto` holds all mail back then. What was found like this is not kept, so that it counts for nothing once
//! somebody validates. Where the resolver hands them on and they do not prove what they should, the clock is wrong or
//! somebody lies; where it does not say, nothing is known: then all mail waits, and nothing is taken for unsigned.

use crate::base::dns::Validation;
use crate::net::Deed;
use crate::net::dns::LOOKUP;
use crate::net::dns::ask::Ask;
use crate::net::dns::ask::Reply;
use crate::net::dns::builtin::Builtin;
use crate::net::dns::plain::Plain;
use crate::net::dns::stub::Stub;
use hickory_resolver::proto::rr::Name;
use hickory_resolver::proto::rr::RecordType;
use std::sync::Arc;
use std::sync::OnceLock;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio::time::timeout;

/// The choice. Questions wait for it; until a resolver answers at all, there is no answer.
pub(super) struct Auto {
    ways: Arc<Ways>,
    /// What the last test came to, and how long that counts. Locked while there is one under way.
    lately: Arc<Mutex<Option<(Instant, Choice)>>>,
    patience: Patience,
}

/// How long is waited.
#[derive(Clone, Copy)]
struct Patience {
    /// For the answer to a question, the choice included.
    question: Duration,
    /// Before the next test, while nobody validates.
    unvalidated: Duration,
    /// Before the next test, while nobody answers: whoever asks meanwhile need not wait for the same again.
    unanswered: Duration,
}

/// All there are.
struct Ways {
    /// Nothing, if no resolver is on loopback or named.
    stub: Option<Stub>,
    builtin: Builtin,
    plain: Plain,
    /// The same resolvers, whose word does not count.
    raw: Stub,
    /// Chosen once, for as long as this process lives: when a resolver stops validating later, mail waits, and neither
    /// another one nor nobody takes its place.
    validates: OnceLock<Way>,
}

/// Who validates.
#[derive(Clone, Copy)]
enum Way {
    Stub,
    Builtin,
}

/// How names are looked up now; or why they are not.
type Choice = Result<Chosen, String>;

#[derive(Clone)]
enum Chosen {
    Validated(Way),
    /// Without validation; why.
    Plain(String),
}

impl Auto {
    pub(super) fn new(stub: Option<Stub>, builtin: Builtin, plain: Plain, raw: Stub) -> Self {
        let ways = Arc::new(Ways { stub, builtin, plain, raw, validates: OnceLock::new() });
        let patience = Patience {
            question: LOOKUP,
            unvalidated: Duration::from_secs(60),
            unanswered: Duration::from_secs(5),
        };
        Self { ways, lately: Arc::default(), patience }
    }

    /// The way that counts.
    async fn chosen(&self) -> Choice {
        if let Some(way) = self.ways.validates.get() {
            return Ok(Chosen::Validated(*way));
        }
        let mut lately = Arc::clone(&self.lately).lock_owned().await;
        if let Some((until, found)) = &*lately
            && *until > Instant::now()
        {
            return found.clone();
        }
        let (ways, patience) = (Arc::clone(&self.ways), self.patience);
        // It goes on to its end when nobody waits for it any longer: else a slow one would never come to it.
        let test = tokio::spawn(async move {
            let found = ways.choose().await;
            let counts = if found.is_ok() { patience.unvalidated } else { patience.unanswered };
            *lately = Some((Instant::now() + counts, found.clone()));
            found
        });
        test.await.unwrap_or_else(|why| Err(why.to_string()))
    }
}

impl Ways {
    async fn choose(&self) -> Choice {
        let why = match self.try_both().await {
            Ok(way) => return Ok(Chosen::Validated(*self.validates.get_or_init(|| way))),
            Err(why) => why,
        };
        match self.raw.hands_on_signatures().await {
            Some(false) => Ok(Chosen::Plain(why)),
            Some(true) | None => Err(why),
        }
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

    fn of(&self, way: Way) -> &dyn Ask {
        match (way, &self.stub) {
            (Way::Stub, Some(stub)) => stub,
            _ => &self.builtin,
        }
    }
}

impl Ask for Auto {
    fn ask(&self, name: Name, kind: RecordType) -> Deed<'_, Reply> {
        Box::pin(async move {
            let late = name.clone();
            let answer = async {
                match self.chosen().await {
                    Ok(Chosen::Validated(way)) => self.ways.of(way).ask(name, kind).await,
                    Ok(Chosen::Plain(_)) => {
                        Reply { keep: Duration::ZERO, ..self.ways.plain.ask(name, kind).await }
                    }
                    Err(why) => Reply::error(name, why),
                }
            };
            let answer = timeout(self.patience.question, answer).await;
            answer.unwrap_or_else(|_| Reply::error(late, "no answer in time"))
        })
    }

    fn test(&self) -> Deed<'_, Validation> {
        Box::pin(async move {
            let found = async {
                match self.chosen().await {
                    Ok(Chosen::Validated(way)) => self.ways.of(way).test().await,
                    Ok(Chosen::Plain(why)) | Err(why) => Validation::Broken(why),
                }
            };
            let found = timeout(self.patience.question, found).await;
            found.unwrap_or_else(|_| Validation::Broken("the resolver does not answer in time".into()))
        })
    }
}

#[cfg(test)]
#[path = "auto_tests.rs"]
mod tests;
