//! Whose word counts is found out once: a validating resolver's on loopback, else our own validation.

use crate::base::dns::Validation;
use crate::net::Deed;
use crate::net::dns::ask::Ask;
use crate::net::dns::ask::Reply;
use crate::net::dns::builtin::Builtin;
use crate::net::dns::stub::Stub;
use hickory_resolver::proto::rr::Name;
use hickory_resolver::proto::rr::RecordType;
use tokio::sync::OnceCell;

/// The choice. Questions wait for it; until one of the two works, there is no answer.
pub(super) struct Auto {
    /// Nothing, if no resolver is on loopback or named.
    stub: Option<Stub>,
    builtin: Builtin,
    /// Made once, for as long as this process lives: a resolver that stops validating later must not be believed less
    /// than before, nor another one more.
    stub_counts: OnceCell<bool>,
}

impl Auto {
    pub(super) fn new(stub: Option<Stub>, builtin: Builtin) -> Self {
        Self { stub, builtin, stub_counts: OnceCell::new() }
    }

    /// The way that counts; or why there is none yet.
    async fn chosen(&self) -> Result<&dyn Ask, String> {
        let stub_counts = self.stub_counts.get_or_try_init(async || {
            let Some(stub) = &self.stub else { return Ok(false) };
            if matches!(stub.test().await, Validation::By(_)) {
                return Ok(true);
            }
            match self.builtin.test().await {
                Validation::By(_) => Ok(false),
                Validation::Broken(why) => Err(why),
                Validation::Off => Err("nobody validates".into()),
            }
        });
        Ok(match (stub_counts.await?, &self.stub) {
            (true, Some(stub)) => stub,
            _ => &self.builtin,
        })
    }
}

impl Ask for Auto {
    fn ask(&self, name: Name, kind: RecordType) -> Deed<'_, Reply> {
        Box::pin(async move {
            match self.chosen().await {
                Ok(chosen) => chosen.ask(name, kind).await,
                Err(why) => Reply::error(name, why),
            }
        })
    }

    fn test(&self) -> Deed<'_, Validation> {
        Box::pin(async move {
            match self.chosen().await {
                Ok(chosen) => chosen.test().await,
                Err(why) => Validation::Broken(why),
            }
        })
    }
}
