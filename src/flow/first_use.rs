//! The first use of a temporary mailbox: link and PIN become a password.

// signatures:
/// What GET /i/<id> shows; unknown ids look like open ones with a PIN.
pub enum InvitationPage { Open { has_pin: bool, language: Option<Language> }, Used { at: Time }, Replaced, Dead, Deleted { at: Time } }
pub struct FirstUseForm { pub token: Secret<String>, pub pin: Secret<String>, pub password: Secret<String>, pub confirm: Secret<String>, pub understood: bool, pub language: Language, pub source: Source }
pub enum FirstUseError {
    WrongToken, Rules(Vec<Rule>) /* no try was used */, WrongPin { left: u8, max: u8 }, State(InvitationPage) /* used: 409, others 410 */,
    Paused { retry_after: Duration }, Busy { retry_after: Duration }, Store(StoreError),
}
pub enum Rule { PinMissing, PasswordShort, PasswordLong, PasswordCharacter, PasswordCommon, PasswordIsAddress, PasswordIsPin, Mismatch, NotUnderstood }
impl Flow {
    pub async fn invitation_page(&self, id: Option<InvitationId>) -> Result<InvitationPage, StoreError>;
    pub async fn first_use(&self, id: Option<InvitationId>, form: FirstUseForm) -> Result<Arc<Unlocked>, FirstUseError>;
    /// "I have no PIN": told to the sender at most once a day; Ok also when it was told already.
    pub async fn no_pin(&self, id: Option<InvitationId>, token: Secret<String>, source: &Source) -> Result<(), FirstUseError>;
}
