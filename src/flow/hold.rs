//! Whether somebody who signed in still may: a changed password, a reset or a removal ends it at once.

use crate::flow::Flow;
use crate::flow::sign_in::Unlocked;
use std::sync::Arc;
use tokio::sync::watch;

/// Somebody signed in, watched.
pub struct Hold {
    /// Who.
    pub who: Arc<Unlocked>,
    changes: watch::Receiver<u64>,
    /// The counter when it was last found good; nothing before the first look.
    checked: Option<u64>,
}

impl Flow {
    /// Watches over `who` from now on.
    pub fn hold(&self, who: Arc<Unlocked>) -> Hold {
        Hold { changes: self.store.watch(who.mailbox), who, checked: None }
    }

    /// Whether `hold` is still good. The store's own trouble ends nothing: it is told when something is asked of it.
    pub async fn still_holds(&self, hold: &mut Hold) -> bool {
        let now = *hold.changes.borrow_and_update();
        if hold.checked == Some(now) {
            return true;
        }
        let good = match self.store.mailbox(hold.who.mailbox).await {
            Ok(record) => record.is_some_and(|record| record.generation == hold.who.generation),
            Err(_) => true,
        };
        if good {
            hold.checked = Some(now);
        }
        good
    }
}

impl Hold {
    /// Waits for a change of the mailbox that was not looked at.
    pub async fn changed(&mut self) {
        if self.changes.changed().await.is_err() {
            // The mailbox is gone; the next look says so.
            std::future::pending::<()>().await;
        }
    }
}
