//! What time does to accounts: what a reset shut goes after a while, and everybody learns of the recovery certificate.

use crate::base::time::Time;
use crate::flow::Flow;
use crate::flow::accounts::AdminError;
use crate::store::record_life::LifeClock;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often accounts are looked after.
const TICK: Duration = Duration::from_secs(60);
/// The clock of the store is written every minute; one that is further from ours says that something is wrong.
const FRESH: Duration = Duration::from_secs(5 * 60);

impl Flow {
    /// Looks after the accounts now and every minute, until `stop`.
    pub async fn look_after_accounts(self: Arc<Self>, stop: CancellationToken) {
        loop {
            if let Err(error) = self.account_round().await {
                tracing::error!(%error, "accounts could not be looked after; tried again in a minute");
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(TICK) => {}
            }
        }
    }

    /// One round. Answers with the generations that were destroyed: none while the wall clock is not believed.
    pub async fn account_round(&self) -> Result<u64, AdminError> {
        let told = self.tell_recovery().await?;
        if told > 0 {
            tracing::info!(accounts = told, "told of the recovery certificate");
        }
        let clock = self.store.life_clock().await?;
        match clock {
            Some(clock) if is_believed(&clock, self.clock.now()) => self.destroy_shut_generations().await,
            _ => Ok(0),
        }
    }
}

/// Whether the wall clock says what the store has seen a moment ago. A jump that was not judged yet is not believed.
fn is_believed(clock: &LifeClock, now: Time) -> bool {
    clock.suspended.is_none() && clock.wall <= now + Duration::from_secs(1) && now <= clock.wall + FRESH
}
