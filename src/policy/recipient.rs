//! What an RCPT is answered with: who may write to which address.

use crate::base::reply;
use crate::base::reply::Reply;

/// Who asks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Asker {
    /// Somebody on the MX, unauthenticated.
    Stranger,
    /// An account that signed in to submission.
    Account,
}

/// Whose domain it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DomainFact {
    /// A `[[domain]] name`.
    Ours,
    /// A `secure_alias_domain`.
    SecureAlias,
    /// Anybody else's.
    Foreign,
}

/// What the local part means by itself, in our domains.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LocalFact {
    /// postmaster, abuse, mailer-daemon (RFC 2142 §2, RFC 5321 §4.5.1).
    Role,
    /// The sender of our notices, with or without a `+` part.
    Notice,
    /// It carries another address in it: `%`, `!` or `@`.
    Route,
    /// A name.
    Name,
}

/// What the store has under the address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Found {
    /// An account; in a secure alias domain, one whose alias is active.
    Account,
    /// Somebody outside who has a temporary mailbox.
    TemporaryMailbox,
    /// Nothing.
    Nothing,
}

/// How the mail would come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Link {
    /// In clear.
    Plain,
    /// Inside TLS.
    Tls,
}

/// Where the mail goes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// Into the account's INBOX.
    Account,
    /// To the account that the domain names as its postmaster.
    Postmaster,
    /// To the road of answers and bounces to our notices.
    Notice,
    /// Out: an account writes to somebody outside.
    Outside,
    /// Nowhere on this connection: a secure alias takes mail over TLS only.
    NeedsTls,
    /// Nowhere.
    Refuse(Reply),
}

/// What the local part means in a domain whose notices come from `notice_from`.
pub fn local_fact(local: &str, notice_from: &str) -> LocalFact {
    let lower = local.to_lowercase();
    let notice = notice_from.to_lowercase();
    let behind_notice = lower.strip_prefix(&notice);
    match () {
        () if matches!(lower.as_str(), "postmaster" | "abuse" | "mailer-daemon") => LocalFact::Role,
        () if behind_notice.is_some_and(|rest| rest.is_empty() || rest.starts_with('+')) => LocalFact::Notice,
        () if lower.contains(['%', '!', '@']) => LocalFact::Route,
        () => LocalFact::Name,
    }
}

/// The rule of RCPT.
///
/// A stranger is told the same of every address in a foreign domain, whether it has a temporary mailbox or not:
/// mail from outside never goes into one, and nobody learns who has one. postmaster and its like of a secure alias
/// domain are nobody's alias: whoever has trouble with TLS must be able to say so (RFC 5321 §4.5.1).
pub fn judge(asker: Asker, domain: DomainFact, local: LocalFact, found: Found, link: Link) -> Verdict {
    use Asker as A;
    use DomainFact as D;
    use Found as F;
    use LocalFact as L;
    match (asker, domain, local, found) {
        (A::Stranger, D::Foreign, _, _) => Verdict::Refuse(reply::NO_RELAY),
        (A::Account, D::Foreign, _, _) => Verdict::Outside,
        (_, D::Ours, L::Notice, _) => Verdict::Notice,
        (_, D::SecureAlias, L::Notice, _) => Verdict::Refuse(reply::UNKNOWN_RECIPIENT),
        (A::Stranger, D::SecureAlias, L::Route | L::Name, F::Account) if link == Link::Plain => {
            Verdict::NeedsTls
        }
        (_, D::Ours | D::SecureAlias, L::Role | L::Route | L::Name, F::Account) => Verdict::Account,
        (_, D::Ours | D::SecureAlias, L::Role, F::TemporaryMailbox | F::Nothing) => Verdict::Postmaster,
        (A::Stranger, D::Ours | D::SecureAlias, L::Route, F::TemporaryMailbox | F::Nothing) => {
            Verdict::Refuse(reply::NO_RELAY)
        }
        (A::Account, D::Ours | D::SecureAlias, L::Route, F::TemporaryMailbox | F::Nothing)
        | (_, D::Ours | D::SecureAlias, L::Name, F::TemporaryMailbox | F::Nothing) => {
            Verdict::Refuse(reply::UNKNOWN_RECIPIENT)
        }
    }
}

/// An address literal (RFC 5321 §4.1.3): mail is for domains, and a stranger's probe is a relay attempt.
pub const fn literal(asker: Asker) -> Reply {
    match asker {
        Asker::Stranger => reply::NO_RELAY,
        Asker::Account => reply::LITERAL,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::golden;

    /// One line, or one for each link where that makes a difference.
    fn lines(asker: Asker, domain: DomainFact, local: LocalFact, found: Found) -> String {
        let says = |link| match judge(asker, domain, local, found, link) {
            Verdict::Refuse(reply) => reply.to_string().trim_end().to_string(),
            verdict => format!("{verdict:?}"),
        };
        let facts = [format!("{asker:?}"), format!("{domain:?}"), format!("{local:?}"), format!("{found:?}")];
        let [asker, domain, local, found] = facts;
        let line = format!("{asker:<9} {domain:<12} {local:<7} {found:<17}");
        let (plain, tls) = (says(Link::Plain), says(Link::Tls));
        if plain == tls {
            return format!("{line} {:<6} {tls}\n", "any");
        }
        format!("{line} {:<6} {plain}\n{line} {:<6} {tls}\n", "Plain", "Tls")
    }

    #[test]
    fn decisions() {
        let mut table =
            format!("{:<9} {:<12} {:<7} {:<17} {:<6} verdict\n", "asker", "domain", "local", "found", "link");
        for asker in [Asker::Stranger, Asker::Account] {
            for domain in [DomainFact::Ours, DomainFact::SecureAlias, DomainFact::Foreign] {
                for local in [LocalFact::Name, LocalFact::Role, LocalFact::Notice, LocalFact::Route] {
                    for found in [Found::Account, Found::TemporaryMailbox, Found::Nothing] {
                        table += &lines(asker, domain, local, found);
                    }
                }
            }
        }
        for asker in [Asker::Stranger, Asker::Account] {
            let verdict = literal(asker).to_string();
            table +=
                &format!("{:<9} (address literal){:30}{verdict}", format!("{asker:?}"), "").replace("\r", "");
        }
        golden::compare("recipient.txt", &table);
    }

    #[test]
    fn local_parts() {
        for (local, want) in [
            ("PostMaster", LocalFact::Role),
            ("abuse", LocalFact::Role),
            ("mailer-daemon", LocalFact::Role),
            ("Secure-Mail", LocalFact::Notice),
            ("secure-mail+0abc", LocalFact::Notice),
            ("secure-mailing", LocalFact::Name),
            ("victim%other.example", LocalFact::Route),
            ("\"victim@other.example\"", LocalFact::Route),
            ("other.example!victim", LocalFact::Route),
            ("alice+news", LocalFact::Name),
        ] {
            assert_eq!(local_fact(local, "secure-mail"), want, "{local}");
        }
    }
}
