//! The button of the first use, pressed again: the browser has dropped the answer to the first time.
//!
//! Nothing is opened by the link: the password is, as at any sign-in and at its cost, and whoever sends another one
//! is told what everybody is told who comes too late. Nothing is kept between the two.

use crate::base::id::InvitationId;
use crate::base::secret::Secret;
use crate::base::time::Time;
use crate::flow::Flow;
use crate::flow::sign_in::Realm;
use crate::flow::sign_in::SignInError;
use crate::flow::sign_in::Source;
use crate::flow::sign_in::Unlocked;
use crate::store::error::StoreError;
use std::sync::Arc;
use std::time::Duration;

/// So long after a first use its form may come again.
const AGAIN: Duration = Duration::from_secs(120);

impl Flow {
    /// Signs in who sends the form of a first use again, with the password that it set. The access code was found to be
    /// right; `used` is when the mailbox was opened.
    pub async fn pressed_again(
        self: &Arc<Self>,
        id: InvitationId,
        used: Time,
        password: Secret<String>,
        source: &Source,
    ) -> Result<Option<Arc<Unlocked>>, StoreError> {
        if self.clock.now().since(used) > AGAIN {
            return Ok(None);
        }
        let Some(invitation) = self.store.invitation(id).await? else { return Ok(None) };
        let Some(record) = self.store.mailbox(invitation.mailbox).await? else { return Ok(None) };
        let address = record.address.to_string();
        match self.sign_in(&address, password, source, Realm::Recipients).await {
            // The address may have another mailbox by now, with the same password.
            Ok(who) => Ok(Some(who).filter(|who| who.mailbox == record.id)),
            Err(SignInError::Wrong | SignInError::Paused { .. } | SignInError::Busy { .. }) => Ok(None),
            Err(SignInError::Store(error)) => Err(error),
        }
    }
}
