//! What becomes of a submitted message for one recipient: one decision, from facts.
//!
//! Two steps: what is wanted for this recipient ([`want`]), and what that means for what the recipient has
//! ([`decide`]). Protection is never weakened silently: what cannot be done as asked is refused.

use thiserror::Error;

/// What the sender said about this message, by tag or by header.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Said {
    /// Nothing.
    #[default]
    Nothing,
    /// Encrypt.
    Secure,
    /// Do not.
    Plain,
}

/// Whether the message continues a conversation that was encrypted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Conversation {
    /// It does, and conversations are kept encrypted.
    Encrypted,
    /// It does not.
    New,
}

/// `[encryption] mode`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mode {
    /// When the sender asks.
    Requested,
    /// Also when a certificate of the recipient is on file.
    KeyKnown,
    /// Always; a sender may not choose otherwise.
    Always,
}

/// What the first `[[encryption.rule]]` that fits sender and recipient says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Rule {
    /// None fits.
    None,
    /// `encrypt`.
    Encrypt,
    /// `plain`.
    Plain,
    /// `refuse`.
    Refuse,
}

/// What is wanted for one recipient.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Want {
    /// Encrypted, one way or another.
    Encrypted,
    /// Encrypted if there is a certificate.
    EncryptedIfKey,
    /// As it is.
    Plain,
}

/// What the recipient has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Recipient {
    /// An account of this server.
    Account,
    /// Somebody outside.
    Outside(Certificate, Mailbox),
}

/// The OpenPGP certificate on file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Certificate {
    /// There is none.
    None,
    /// It can be encrypted to.
    Usable,
    /// It is expired, revoked, or cannot encrypt.
    Unusable,
}

/// The temporary mailbox.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mailbox {
    /// There is none.
    None,
    /// There is one that was not opened yet.
    Unopened,
    /// There is one, and its owner has a password.
    Open,
}

/// `[encryption] on_bad_key`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OnBadKey {
    /// The temporary mailbox takes it.
    TemporaryMailbox,
    /// Nothing is sent.
    Refuse,
}

/// What is done for one recipient.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Decision {
    /// Into the account's mailbox, encrypted at rest.
    Local,
    /// PGP/MIME (RFC 3156) to the certificate on file.
    Pgp,
    /// Into a temporary mailbox that this message makes.
    NewTemporaryMailbox,
    /// Into the temporary mailbox that is there, opened or not.
    TemporaryMailbox,
    /// As it is, under the TLS policy.
    Plain,
    /// Nothing of the message is taken, for anybody.
    Refuse(Refusal),
}

/// Why a message is refused.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum Refusal {
    /// A rule of the admin.
    #[error("a rule of this server forbids mail to this recipient")]
    Rule,
    /// `[plain]` where mail has to be encrypted.
    #[error("mail to this recipient has to be encrypted; take the plain tag or header out")]
    PlainForbidden,
    /// A certificate that cannot be used, where that is to stop the mail.
    #[error("the OpenPGP certificate of this recipient cannot be used")]
    BadKey,
}

/// What is wanted for one recipient? A rule is the admin's word for these two addresses; the sender may ask for more
/// protection than it says, never for less.
pub const fn want(rule: Rule, said: Said, conversation: Conversation, mode: Mode) -> Result<Want, Refusal> {
    use Conversation as C;
    match (rule, said, conversation, mode) {
        (Rule::Refuse, _, _, _) => Err(Refusal::Rule),
        (Rule::Encrypt, Said::Plain, _, _) | (Rule::None, Said::Plain, _, Mode::Always) => {
            Err(Refusal::PlainForbidden)
        }
        (Rule::Encrypt, Said::Nothing | Said::Secure, _, _)
        | (Rule::None | Rule::Plain, Said::Secure, _, _)
        | (Rule::None, Said::Nothing, C::Encrypted, _)
        | (Rule::None, Said::Nothing, C::New, Mode::Always) => Ok(Want::Encrypted),
        (Rule::None, Said::Nothing, C::New, Mode::KeyKnown) => Ok(Want::EncryptedIfKey),
        (Rule::Plain, Said::Nothing | Said::Plain, _, _)
        | (Rule::None, Said::Plain, _, Mode::Requested | Mode::KeyKnown)
        | (Rule::None, Said::Nothing, C::New, Mode::Requested) => Ok(Want::Plain),
    }
}

/// The conversation that answers to the message continue, as far as one recipient goes; an account here counts like
/// anybody else.
///
/// A message between accounts leaves for nobody, but an answer to it may, and with it what was to be encrypted. What
/// the mode says is said of every message anew.
pub const fn answers(rule: Rule, said: Said, conversation: Conversation) -> Conversation {
    use Conversation as C;
    match (rule, said, conversation) {
        (_, Said::Plain, _) => C::New,
        (_, Said::Secure, _) | (_, Said::Nothing, C::Encrypted) | (Rule::Encrypt, Said::Nothing, C::New) => {
            C::Encrypted
        }
        (Rule::None | Rule::Plain | Rule::Refuse, Said::Nothing, C::New) => C::New,
    }
}

/// What is done for a recipient who has this? A certificate on file that cannot be used never means plain text.
pub const fn decide(want: Want, recipient: Recipient, on_bad_key: OnBadKey) -> Decision {
    use Certificate as C;
    let (certificate, mailbox) = match recipient {
        Recipient::Account => return Decision::Local,
        Recipient::Outside(certificate, mailbox) => (certificate, mailbox),
    };
    match (want, certificate, on_bad_key) {
        (Want::Plain, _, _) | (Want::EncryptedIfKey, C::None, _) => Decision::Plain,
        (Want::Encrypted | Want::EncryptedIfKey, C::Usable, _) => Decision::Pgp,
        (Want::Encrypted | Want::EncryptedIfKey, C::Unusable, OnBadKey::Refuse) => {
            Decision::Refuse(Refusal::BadKey)
        }
        (Want::Encrypted, C::None, _)
        | (Want::Encrypted | Want::EncryptedIfKey, C::Unusable, OnBadKey::TemporaryMailbox) => {
            match mailbox {
                Mailbox::None => Decision::NewTemporaryMailbox,
                Mailbox::Unopened | Mailbox::Open => Decision::TemporaryMailbox,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::golden;

    const MODES: [Mode; 3] = [Mode::Requested, Mode::KeyKnown, Mode::Always];
    const RULES: [Rule; 4] = [Rule::None, Rule::Encrypt, Rule::Plain, Rule::Refuse];
    const SAID: [Said; 3] = [Said::Nothing, Said::Secure, Said::Plain];
    const CONVERSATIONS: [Conversation; 2] = [Conversation::New, Conversation::Encrypted];

    #[test]
    fn wants() {
        let mut table = format!("{:<8} {:<8} {:<12} {:<10} want\n", "rule", "said", "conversation", "mode");
        for rule in RULES {
            for said in SAID {
                for conversation in CONVERSATIONS {
                    for mode in MODES {
                        let word = match want(rule, said, conversation, mode) {
                            Ok(want) => format!("{want:?}"),
                            Err(why) => format!("refuse: {why}"),
                        };
                        let facts = (format!("{rule:?}"), format!("{said:?}"), format!("{conversation:?}"));
                        let (rule, said, conversation) = facts;
                        let mode = format!("{mode:?}");
                        table += &format!("{rule:<8} {said:<8} {conversation:<12} {mode:<10} {word}\n");
                    }
                }
            }
        }
        golden::compare("encryption_wants.txt", &table);
    }

    #[test]
    fn what_answers_continue() {
        let mut table = format!("{:<8} {:<8} {:<12} answers\n", "rule", "said", "conversation");
        for rule in RULES {
            for said in SAID {
                for conversation in CONVERSATIONS {
                    let answers = answers(rule, said, conversation);
                    let facts = (format!("{rule:?}"), format!("{said:?}"), format!("{conversation:?}"));
                    let (rule, said, conversation) = facts;
                    table += &format!("{rule:<8} {said:<8} {conversation:<12} {answers:?}\n");
                }
            }
        }
        golden::compare("encryption_answers.txt", &table);
    }

    #[test]
    fn decisions() {
        let mut recipients = vec![Recipient::Account];
        for certificate in [Certificate::None, Certificate::Usable, Certificate::Unusable] {
            for mailbox in [Mailbox::None, Mailbox::Unopened, Mailbox::Open] {
                recipients.push(Recipient::Outside(certificate, mailbox));
            }
        }
        let mut table = format!("{:<15} {:<27} {:<17} decision\n", "want", "recipient", "on bad key");
        for want in [Want::Encrypted, Want::EncryptedIfKey, Want::Plain] {
            for recipient in &recipients {
                for on_bad_key in [OnBadKey::TemporaryMailbox, OnBadKey::Refuse] {
                    let decision = decide(want, *recipient, on_bad_key);
                    let (want, recipient) = (format!("{want:?}"), format!("{recipient:?}"));
                    let on_bad_key = format!("{on_bad_key:?}");
                    table += &format!("{want:<15} {recipient:<27} {on_bad_key:<17} {decision:?}\n");
                }
            }
        }
        golden::compare("encryption_decisions.txt", &table);
    }

    /// Whatever the facts are: what was asked to be encrypted never goes plain.
    #[test]
    fn secure_is_never_plain() {
        let outside = [Certificate::None, Certificate::Usable, Certificate::Unusable].map(|certificate| {
            [Mailbox::None, Mailbox::Unopened, Mailbox::Open]
                .map(|mailbox| Recipient::Outside(certificate, mailbox))
        });
        let facts = RULES.iter().flat_map(|rule| CONVERSATIONS.map(|conversation| (*rule, conversation)));
        let facts = facts.flat_map(|(rule, conversation)| MODES.map(|mode| (rule, conversation, mode)));
        let mut judged = 0;
        for (rule, conversation, mode) in facts {
            let Ok(want) = want(rule, Said::Secure, conversation, mode) else { continue };
            for recipient in outside.as_flattened() {
                assert_ne!(decide(want, *recipient, OnBadKey::TemporaryMailbox), Decision::Plain);
                assert_ne!(decide(want, *recipient, OnBadKey::Refuse), Decision::Plain);
                judged += 1;
            }
        }
        assert_eq!(judged, 3 * 2 * 3 * 9, "every rule but refuse");
    }
}
