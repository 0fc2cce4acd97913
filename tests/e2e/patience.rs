//! How tests wait: for the thing itself, as long as it takes on a busy machine.

use std::time::Duration;
use tokio::time::sleep;
use tokio::time::timeout;

/// Nothing takes longer, however busy the machine is; what does is broken.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Looks until there is something to see, where nobody tells of a change.
pub async fn until<T>(what: &str, look: impl AsyncFnMut() -> Option<T>) -> T {
    until_within(PATIENCE, what, look).await
}

/// The same where the thing itself may take this long.
pub async fn until_within<T>(most: Duration, what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let seen = async {
        loop {
            if let Some(seen) = look().await {
                return seen;
            }
            sleep(BETWEEN).await;
        }
    };
    timeout(most, seen).await.unwrap_or_else(|_| panic!("{what}: not within {most:?}"))
}

/// Between two looks: short for a test, long for whoever is waited for.
const BETWEEN: Duration = Duration::from_millis(20);
