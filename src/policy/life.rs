//! The life of a temporary mailbox: in each state, what each event leads to and what is told to whom.
//!
//! The whole table is `tests/golden/mailbox_life.txt`.

/// Where a temporary mailbox is in its life, or where an address is that has none.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum State {
    /// The address has no mailbox.
    None,
    /// An invitation waits.
    Unopened,
    /// Ten wrong PINs; nobody has opened it.
    Dead,
    /// The invitation came back with 5.1.x; nobody has opened it.
    Unreachable,
    /// The account that could renew the invitation is gone, or its key was reset; nobody has opened it.
    Abandoned,
    /// A password was chosen.
    Open,
    /// Opened, and the address has a newer mailbox.
    Former,
    /// Never opened, and the address has a newer mailbox.
    FormerNew,
    /// Was open and nobody came: shut, for 7 days an admin can open it again.
    Closed,
    /// The same, never opened.
    ClosedNew,
    /// Gone; its link says so for 400 days.
    Deleted,
}

impl State {
    /// Every state, in the order of the table.
    pub const ALL: [Self; 11] = [
        Self::None,
        Self::Unopened,
        Self::Dead,
        Self::Unreachable,
        Self::Abandoned,
        Self::Open,
        Self::Former,
        Self::FormerNew,
        Self::Closed,
        Self::ClosedNew,
        Self::Deleted,
    ];

    /// The form of the table and of the commands.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Unopened => "unopened",
            Self::Dead => "dead",
            Self::Unreachable => "unreachable",
            Self::Abandoned => "abandoned",
            Self::Open => "open",
            Self::Former => "former",
            Self::FormerNew => "former-new",
            Self::Closed => "closed",
            Self::ClosedNew => "closed-new",
            Self::Deleted => "deleted",
        }
    }
}

/// What is known about a temporary mailbox that is there.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Facts {
    /// It was closed and not reopened.
    pub closed: bool,
    /// A password was chosen once.
    pub opened: bool,
    /// The address has a newer mailbox since.
    pub superseded: bool,
    /// The invitation came back, and was not renewed.
    pub unreachable: bool,
    /// Ten wrong PINs were tried at the invitation.
    pub dead: bool,
    /// No account's vault can renew the invitation.
    pub abandoned: bool,
}

/// The state that these facts make. Where several hold, the one that decides most is named.
pub const fn state(facts: &Facts) -> State {
    match facts {
        Facts { closed: true, opened: true, .. } => State::Closed,
        Facts { closed: true, opened: false, .. } => State::ClosedNew,
        Facts { opened: true, superseded: true, .. } => State::Former,
        Facts { opened: true, superseded: false, .. } => State::Open,
        Facts { superseded: true, .. } => State::FormerNew,
        Facts { unreachable: true, .. } => State::Unreachable,
        Facts { dead: true, .. } => State::Dead,
        Facts { abandoned: true, .. } => State::Abandoned,
        Facts { abandoned: false, .. } => State::Unopened,
    }
}

/// The state as the invitation's link meets it: ten wrong PINs shut it wherever it still waits.
pub const fn at_link(facts: &Facts) -> State {
    match facts {
        Facts { closed: false, opened: false, dead: true, .. } => State::Dead,
        _ => state(facts),
    }
}

/// What happens to a temporary mailbox or its address.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Event {
    /// A protected message from the account whose vault holds the link.
    MailInviter,
    /// One from another account.
    MailOther,
    /// The same, asking for a PIN where the invitation has none.
    MailOtherPin,
    /// `[secure renew]` by the account whose vault holds the link.
    RenewInviter,
    /// `[secure renew]` by another account.
    RenewOther,
    /// `[secure new]` for the first time, by an account that has written here.
    New,
    /// The same once more within 24 hours.
    NewAgain,
    /// The link is opened.
    Visit,
    /// Access code, PIN and password are right.
    FirstUse,
    /// The third wrong PIN.
    WrongPin3,
    /// The tenth.
    WrongPin10,
    /// "I have no PIN".
    NoPin,
    /// Address and password, which are right if there are any.
    SignIn,
    /// A reply is sent in the portal.
    Reply,
    /// The invitation, or a notice, comes back with 5.1.x.
    Returned,
    /// The first of `warn_days`, or one between the first and the last.
    WarnFirst,
    /// The last of `warn_days`.
    WarnLast,
    /// `inactivity_days` are over, and the warnings went out.
    Inactive,
    /// 7 days later; for an unreachable one, 7 days after the invitation came back.
    Over,
    /// `guardpost mailbox reopen`.
    Reopen,
    /// `guardpost mailbox delete`.
    Delete,
    /// The inviting account is removed, or its password reset.
    AccountGone,
    /// Its password comes back.
    AccountBack,
}

impl Event {
    /// Every event, in the order of the table.
    pub const ALL: [Self; 23] = [
        Self::MailInviter,
        Self::MailOther,
        Self::MailOtherPin,
        Self::RenewInviter,
        Self::RenewOther,
        Self::New,
        Self::NewAgain,
        Self::Visit,
        Self::FirstUse,
        Self::WrongPin3,
        Self::WrongPin10,
        Self::NoPin,
        Self::SignIn,
        Self::Reply,
        Self::Returned,
        Self::WarnFirst,
        Self::WarnLast,
        Self::Inactive,
        Self::Over,
        Self::Reopen,
        Self::Delete,
        Self::AccountGone,
        Self::AccountBack,
    ];

    /// The form of the table.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MailInviter => "mail-inviter",
            Self::MailOther => "mail-other",
            Self::MailOtherPin => "mail-other-pin",
            Self::RenewInviter => "renew-inviter",
            Self::RenewOther => "renew-other",
            Self::New => "new",
            Self::NewAgain => "new-again",
            Self::Visit => "visit",
            Self::FirstUse => "first-use",
            Self::WrongPin3 => "wrong-pin-3",
            Self::WrongPin10 => "wrong-pin-10",
            Self::NoPin => "no-pin",
            Self::SignIn => "sign-in",
            Self::Reply => "reply",
            Self::Returned => "returned",
            Self::WarnFirst => "warn-1",
            Self::WarnLast => "warn-2",
            Self::Inactive => "inactive",
            Self::Over => "over",
            Self::Reopen => "reopen",
            Self::Delete => "delete",
            Self::AccountGone => "account-gone",
            Self::AccountBack => "account-back",
        }
    }
}

/// What is answered, and who is told what.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Told {
    /// Nobody is told, and nothing is answered.
    Nobody,
    /// A mailbox is made: the invitation to the recipient, the PIN to the sender.
    Invitation,
    /// The link goes out again, from the sender's vault; the PIN is told again.
    SameInvitation,
    /// The recipient is pointed to the first invitation, the sender learns that it is still unopened.
    StillUnopened,
    /// A renewed invitation to the recipient, the new PIN to the sender.
    NewInvitation,
    /// The recipient is told of a new message.
    NewMessage,
    /// The same; the sender learns that the PIN asked for is not used.
    PinNotUsed,
    /// The submission is refused; nothing of it is taken.
    Refused,
    /// The same; a note tells the sender what a new mailbox would lose.
    WhatWouldBeLost,
    /// A new mailbox is made: as [`Told::Invitation`], and those who wrote to the old one and the old one are told.
    MadeAnew,
    /// What the newer mailbox of the address answers.
    AsNewer,
    /// What an address without a mailbox answers.
    AsNone,
    /// The page of an invitation that waits, with a PIN field, so that an unknown id is like an open one.
    AsOpenWithPin,
    /// The page of an invitation that waits.
    FirstUsePage,
    /// "Open since …: sign in".
    OpenedPage,
    /// The link leads nowhere: why, and what to do.
    GonePage,
    /// "Expired on …".
    ExpiredPage,
    /// "Deleted on …".
    DeletedPage,
    /// The same answer as for a wrong access code.
    AsWrongCode,
    /// The same answer as for a wrong password.
    AsWrongPassword,
    /// The sign-in page.
    ToSignIn,
    /// Signed in.
    SignedIn,
    /// Opened already.
    OpenedBefore,
    /// The inviter learns that it was opened.
    Opened,
    /// A wrong PIN; the inviter learns of the third.
    WrongPins,
    /// The tenth wrong PIN; the inviter learns that the invitation is dead.
    WrongPinsDead,
    /// The inviter learns that the recipient has no PIN, once a day.
    NoPin,
    /// The reply goes to the correspondent.
    Replied,
    /// The inviter learns that the recipient cannot be reached.
    InviterUnreachable,
    /// Who wrote the message learns that its notice came back.
    WriterUnreachable,
    /// The recipient is warned.
    Warning,
    /// All correspondents learn that it was never opened.
    NeverOpened,
    /// The command says that there is nothing for it to do.
    CommandRefused,
    /// Open again; a former one where the address has a newer mailbox by now.
    Reopened,
    /// Waits for its recipient again; a former one likewise.
    ReopenedNew,
}

impl Told {
    /// The form of the table.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nobody => "nobody",
            Self::Invitation => "recipient: invitation; sender: PIN",
            Self::SameInvitation => "recipient: the same invitation; sender: PIN",
            Self::StillUnopened => "recipient: notice of the invitation; sender: still unopened",
            Self::NewInvitation => "recipient: new invitation; sender: new PIN",
            Self::NewMessage => "recipient: new message",
            Self::PinNotUsed => "recipient: new message; sender: PIN not used",
            Self::Refused => "554",
            Self::WhatWouldBeLost => "554; sender: what would be lost",
            Self::MadeAnew => {
                "recipient: invitation; sender: PIN; correspondents: made anew; old mailbox: made anew"
            }
            Self::AsNewer => "as the newer mailbox",
            Self::AsNone => "as none",
            Self::AsOpenWithPin => "200 as an open one with PIN",
            Self::FirstUsePage => "200",
            Self::OpenedPage => "200 opened, sign in",
            Self::GonePage => "410",
            Self::ExpiredPage => "410 expired",
            Self::DeletedPage => "410 deleted",
            Self::AsWrongCode => "403 as a wrong code",
            Self::AsWrongPassword => "403 as a wrong password",
            Self::ToSignIn => "303 to sign in",
            Self::SignedIn => "303",
            Self::OpenedBefore => "409",
            Self::Opened => "inviter: opened",
            Self::WrongPins => "403; inviter: wrong PINs",
            Self::WrongPinsDead => "410; inviter: wrong PINs, dead",
            Self::NoPin => "303; inviter: no PIN, once a day",
            Self::Replied => "303; correspondent: the reply",
            Self::InviterUnreachable => "inviter: unreachable",
            Self::WriterUnreachable => "writer: unreachable",
            Self::Warning => "recipient: warning",
            Self::NeverOpened => "correspondents: never opened",
            Self::CommandRefused => "exit 1",
            Self::Reopened => "nobody; former where the address has a newer mailbox",
            Self::ReopenedNew => "nobody; former-new where the address has a newer mailbox",
        }
    }
}

/// What an event leads to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Step {
    /// The state afterwards; the same one where the event changes nothing.
    pub next: State,
    /// What is answered, and who is told what.
    pub told: Told,
}

/// What `event` leads to in `state`.
pub const fn next(state: State, event: Event) -> Step {
    match state {
        State::None => none(event),
        State::Unopened => unopened(event),
        State::Dead => dead(event),
        State::Unreachable => unreachable(event),
        State::Abandoned => abandoned(event),
        State::Open => open(event),
        State::Former => former(event),
        State::FormerNew => former_new(event),
        State::Closed => closed(event, state, step(State::Open, Told::Reopened)),
        State::ClosedNew => closed(event, state, step(State::Unopened, Told::ReopenedNew)),
        State::Deleted => deleted(event),
    }
}

const fn step(next: State, told: Told) -> Step {
    Step { next, told }
}

const fn none(event: Event) -> Step {
    use Event as E;
    const HERE: State = State::None;
    match event {
        E::MailInviter | E::MailOther | E::MailOtherPin | E::New | E::NewAgain => {
            step(State::Unopened, Told::Invitation)
        }
        E::RenewInviter | E::RenewOther => step(HERE, Told::Refused),
        E::Visit => step(HERE, Told::AsOpenWithPin),
        E::FirstUse | E::WrongPin3 | E::WrongPin10 | E::NoPin => step(HERE, Told::AsWrongCode),
        E::SignIn => step(HERE, Told::AsWrongPassword),
        E::Reply => step(HERE, Told::ToSignIn),
        E::Returned | E::WarnFirst | E::WarnLast | E::Inactive | E::Over => step(HERE, Told::Nobody),
        E::Reopen | E::Delete => step(HERE, Told::CommandRefused),
        E::AccountGone | E::AccountBack => step(HERE, Told::Nobody),
    }
}

const fn unopened(event: Event) -> Step {
    use Event as E;
    const HERE: State = State::Unopened;
    match event {
        E::MailInviter => step(HERE, Told::SameInvitation),
        E::MailOther => step(HERE, Told::StillUnopened),
        E::MailOtherPin | E::RenewOther => step(HERE, Told::Refused),
        E::RenewInviter => step(HERE, Told::NewInvitation),
        E::New => step(HERE, Told::WhatWouldBeLost),
        E::NewAgain => step(State::FormerNew, Told::MadeAnew),
        E::Visit => step(HERE, Told::FirstUsePage),
        E::FirstUse => step(State::Open, Told::Opened),
        E::WrongPin3 => step(HERE, Told::WrongPins),
        E::WrongPin10 => step(State::Dead, Told::WrongPinsDead),
        E::NoPin => step(HERE, Told::NoPin),
        E::SignIn => step(HERE, Told::AsWrongPassword),
        E::Reply => step(HERE, Told::ToSignIn),
        E::Returned => step(State::Unreachable, Told::InviterUnreachable),
        E::WarnFirst | E::WarnLast => step(HERE, Told::Warning),
        E::Inactive => step(State::ClosedNew, Told::NeverOpened),
        E::Over | E::AccountBack => step(HERE, Told::Nobody),
        E::Reopen => step(HERE, Told::CommandRefused),
        E::Delete => step(State::Deleted, Told::Nobody),
        E::AccountGone => step(State::Abandoned, Told::Nobody),
    }
}

/// A dead one stays dead when its inviter goes: the renewal that would wake it is refused then as another's.
const fn dead(event: Event) -> Step {
    use Event as E;
    const HERE: State = State::Dead;
    match event {
        E::MailInviter | E::MailOther | E::MailOtherPin | E::RenewOther => step(HERE, Told::Refused),
        E::RenewInviter => step(State::Unopened, Told::NewInvitation),
        E::New => step(HERE, Told::WhatWouldBeLost),
        E::NewAgain => step(State::FormerNew, Told::MadeAnew),
        E::Visit | E::FirstUse | E::WrongPin3 | E::WrongPin10 | E::NoPin => step(HERE, Told::GonePage),
        E::SignIn => step(HERE, Told::AsWrongPassword),
        E::Reply => step(HERE, Told::ToSignIn),
        E::Returned => step(State::Unreachable, Told::InviterUnreachable),
        E::WarnFirst | E::WarnLast => step(HERE, Told::Warning),
        E::Inactive => step(State::ClosedNew, Told::NeverOpened),
        E::Over | E::AccountGone | E::AccountBack => step(HERE, Told::Nobody),
        E::Reopen => step(HERE, Told::CommandRefused),
        E::Delete => step(State::Deleted, Told::Nobody),
    }
}

const fn unreachable(event: Event) -> Step {
    use Event as E;
    const HERE: State = State::Unreachable;
    match event {
        E::MailInviter | E::MailOther | E::MailOtherPin | E::RenewOther => step(HERE, Told::Refused),
        E::RenewInviter => step(State::Unopened, Told::NewInvitation),
        E::New => step(HERE, Told::WhatWouldBeLost),
        E::NewAgain => step(State::FormerNew, Told::MadeAnew),
        E::Visit => step(HERE, Told::FirstUsePage),
        E::FirstUse => step(State::Open, Told::Opened),
        E::WrongPin3 => step(HERE, Told::WrongPins),
        E::WrongPin10 => step(HERE, Told::WrongPinsDead),
        E::NoPin => step(HERE, Told::NoPin),
        E::SignIn => step(HERE, Told::AsWrongPassword),
        E::Reply => step(HERE, Told::ToSignIn),
        E::Returned | E::WarnFirst | E::WarnLast | E::Inactive => step(HERE, Told::Nobody),
        E::Over | E::Delete => step(State::Deleted, Told::Nobody),
        E::Reopen => step(HERE, Told::CommandRefused),
        E::AccountGone | E::AccountBack => step(HERE, Told::Nobody),
    }
}

const fn abandoned(event: Event) -> Step {
    use Event as E;
    const HERE: State = State::Abandoned;
    match event {
        E::MailInviter | E::MailOther | E::MailOtherPin | E::RenewInviter | E::RenewOther => {
            step(HERE, Told::Refused)
        }
        E::New => step(HERE, Told::WhatWouldBeLost),
        E::NewAgain => step(State::FormerNew, Told::MadeAnew),
        E::Visit => step(HERE, Told::FirstUsePage),
        E::FirstUse => step(State::Open, Told::Opened),
        E::WrongPin3 => step(HERE, Told::WrongPins),
        E::WrongPin10 => step(State::Dead, Told::WrongPinsDead),
        E::NoPin => step(HERE, Told::NoPin),
        E::SignIn => step(HERE, Told::AsWrongPassword),
        E::Reply => step(HERE, Told::ToSignIn),
        E::Returned => step(State::Unreachable, Told::InviterUnreachable),
        E::WarnFirst | E::WarnLast => step(HERE, Told::Warning),
        E::Inactive => step(State::ClosedNew, Told::NeverOpened),
        E::Over | E::AccountGone => step(HERE, Told::Nobody),
        E::Reopen => step(HERE, Told::CommandRefused),
        E::Delete => step(State::Deleted, Told::Nobody),
        E::AccountBack => step(State::Unopened, Told::Nobody),
    }
}

const fn open(event: Event) -> Step {
    use Event as E;
    const HERE: State = State::Open;
    match event {
        E::MailInviter | E::MailOther => step(HERE, Told::NewMessage),
        E::MailOtherPin => step(HERE, Told::PinNotUsed),
        E::RenewInviter | E::RenewOther => step(HERE, Told::Refused),
        E::New => step(HERE, Told::WhatWouldBeLost),
        E::NewAgain => step(State::Former, Told::MadeAnew),
        E::Visit => step(HERE, Told::OpenedPage),
        E::FirstUse | E::WrongPin3 | E::WrongPin10 | E::NoPin => step(HERE, Told::OpenedBefore),
        E::SignIn => step(HERE, Told::SignedIn),
        E::Reply => step(HERE, Told::Replied),
        E::Returned => step(HERE, Told::WriterUnreachable),
        E::WarnFirst | E::WarnLast => step(HERE, Told::Warning),
        E::Inactive => step(State::Closed, Told::Nobody),
        E::Over | E::AccountGone | E::AccountBack => step(HERE, Told::Nobody),
        E::Reopen => step(HERE, Told::CommandRefused),
        E::Delete => step(State::Deleted, Told::Nobody),
    }
}

const fn former(event: Event) -> Step {
    use Event as E;
    const HERE: State = State::Former;
    match event {
        E::MailInviter | E::MailOther | E::MailOtherPin | E::RenewInviter | E::RenewOther => {
            step(HERE, Told::AsNewer)
        }
        E::New | E::NewAgain => step(HERE, Told::Refused),
        E::Visit => step(HERE, Told::OpenedPage),
        E::FirstUse | E::WrongPin3 | E::WrongPin10 | E::NoPin => step(HERE, Told::OpenedBefore),
        E::SignIn => step(HERE, Told::SignedIn),
        E::Reply => step(HERE, Told::Replied),
        E::WarnFirst | E::WarnLast => step(HERE, Told::Warning),
        E::Inactive => step(State::Closed, Told::Nobody),
        E::Returned | E::Over | E::AccountGone | E::AccountBack => step(HERE, Told::Nobody),
        E::Reopen => step(HERE, Told::CommandRefused),
        E::Delete => step(State::Deleted, Told::Nobody),
    }
}

const fn former_new(event: Event) -> Step {
    use Event as E;
    const HERE: State = State::FormerNew;
    match event {
        E::MailInviter | E::MailOther | E::MailOtherPin | E::RenewInviter | E::RenewOther => {
            step(HERE, Told::AsNewer)
        }
        E::New | E::NewAgain => step(HERE, Told::Refused),
        E::Visit => step(HERE, Told::FirstUsePage),
        E::FirstUse => step(State::Former, Told::Opened),
        E::WrongPin3 => step(HERE, Told::WrongPins),
        E::WrongPin10 => step(HERE, Told::WrongPinsDead),
        E::NoPin => step(HERE, Told::NoPin),
        E::SignIn => step(HERE, Told::AsWrongPassword),
        E::Reply => step(HERE, Told::ToSignIn),
        E::WarnFirst | E::WarnLast => step(HERE, Told::Warning),
        E::Inactive => step(State::ClosedNew, Told::NeverOpened),
        E::Returned | E::Over | E::AccountGone | E::AccountBack => step(HERE, Told::Nobody),
        E::Reopen => step(HERE, Told::CommandRefused),
        E::Delete => step(State::Deleted, Told::Nobody),
    }
}

/// A closed one, opened before or not: `again` is what `mailbox reopen` makes of it.
const fn closed(event: Event, here: State, again: Step) -> Step {
    use Event as E;
    match event {
        E::MailInviter | E::MailOther | E::MailOtherPin | E::New | E::NewAgain => step(here, Told::AsNone),
        E::RenewInviter | E::RenewOther => step(here, Told::Refused),
        E::Visit => step(here, Told::ExpiredPage),
        E::FirstUse | E::WrongPin3 | E::WrongPin10 | E::NoPin => step(here, Told::GonePage),
        E::SignIn => step(here, Told::AsWrongPassword),
        E::Reply => step(here, Told::ToSignIn),
        E::Returned | E::WarnFirst | E::WarnLast | E::Inactive => step(here, Told::Nobody),
        E::Over | E::Delete => step(State::Deleted, Told::Nobody),
        E::Reopen => again,
        E::AccountGone | E::AccountBack => step(here, Told::Nobody),
    }
}

const fn deleted(event: Event) -> Step {
    use Event as E;
    const HERE: State = State::Deleted;
    match event {
        E::MailInviter | E::MailOther | E::MailOtherPin | E::New | E::NewAgain => step(HERE, Told::AsNone),
        E::RenewInviter | E::RenewOther => step(HERE, Told::Refused),
        E::Visit => step(HERE, Told::DeletedPage),
        E::FirstUse | E::WrongPin3 | E::WrongPin10 | E::NoPin => step(HERE, Told::GonePage),
        E::SignIn => step(HERE, Told::AsWrongPassword),
        E::Reply => step(HERE, Told::ToSignIn),
        E::Returned | E::WarnFirst | E::WarnLast | E::Inactive | E::Over => step(HERE, Told::Nobody),
        E::Reopen | E::Delete => step(HERE, Told::CommandRefused),
        E::AccountGone | E::AccountBack => step(HERE, Told::Nobody),
    }
}

#[cfg(test)]
mod tests;
