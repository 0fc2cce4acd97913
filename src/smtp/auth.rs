//! SASL PLAIN (RFC 4616) and LOGIN for both sides of SMTP AUTH (RFC 4954): pure exchanges.

use crate::base::secret::Secret;
use data_encoding::BASE64;
use zeroize::Zeroizing;

/// The mechanisms there are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mechanism {
    /// RFC 4616.
    Plain,
    /// Never a standard, still spoken by many clients.
    Login,
}

impl Mechanism {
    /// Reads a mechanism's name.
    pub fn parse(name: &str) -> Option<Self> {
        match () {
            () if name.eq_ignore_ascii_case("PLAIN") => Some(Self::Plain),
            () if name.eq_ignore_ascii_case("LOGIN") => Some(Self::Login),
            () => None,
        }
    }
}

/// What somebody who signs in said.
#[derive(Debug)]
pub struct Credentials {
    /// The address, as it was typed.
    pub user: String,
    /// The password, as it was typed.
    pub password: Secret<String>,
}

/// Where a server's exchange stands: what the next line will be.
#[derive(Debug)]
pub enum Exchange {
    /// PLAIN: the one response.
    Plain,
    /// LOGIN: the user name.
    LoginUser,
    /// LOGIN: the password of this user.
    LoginPassword(String),
}

/// What a response led to.
#[derive(Debug)]
pub enum Turn {
    /// Another question, in base64.
    Ask(Exchange, &'static str),
    /// All was said.
    Done(Credentials),
    /// `*`: the client gave up.
    Cancelled,
    /// Not base64, or not what the mechanism wants.
    Malformed,
}

impl Exchange {
    /// Begins; the question belongs into the 334 when there was no initial response.
    pub const fn begin(mechanism: Mechanism) -> (Self, &'static str) {
        match mechanism {
            Mechanism::Plain => (Self::Plain, ""),
            // "Username:"
            Mechanism::Login => (Self::LoginUser, "VXNlcm5hbWU6"),
        }
    }

    /// Takes one response line.
    pub fn respond(self, line: &[u8]) -> Turn {
        if line == b"*" {
            return Turn::Cancelled;
        }
        // RFC 4954 §4: "=" is an initial response that is there, but empty.
        let line = if line == b"=" { b"" } else { line };
        let Ok(decoded) = BASE64.decode(line).map(Zeroizing::new) else { return Turn::Malformed };
        let Ok(text) = std::str::from_utf8(&decoded) else { return Turn::Malformed };
        match self {
            Self::Plain => plain(text).map_or(Turn::Malformed, Turn::Done),
            // "Password:"
            Self::LoginUser => Turn::Ask(Self::LoginPassword(text.into()), "UGFzc3dvcmQ6"),
            Self::LoginPassword(user) => Turn::Done(Credentials { user, password: Secret::new(text.into()) }),
        }
    }
}

/// RFC 4616 §2: authzid NUL authcid NUL password. Nobody acts for somebody else.
fn plain(text: &str) -> Option<Credentials> {
    let (authzid, rest) = text.split_once('\0')?;
    let (user, password) = rest.split_once('\0')?;
    let fits = (authzid.is_empty() || authzid == user) && !user.is_empty() && !password.contains('\0');
    fits.then(|| Credentials { user: user.into(), password: Secret::new(password.into()) })
}

/// The one response of a PLAIN client.
pub fn plain_response(credentials: &Credentials) -> Zeroizing<String> {
    let password = credentials.password.expose();
    let clear = Zeroizing::new([b"\0", credentials.user.as_bytes(), b"\0", password.as_bytes()].concat());
    Zeroizing::new(BASE64.encode(&clear))
}

/// A LOGIN client's answer: user name first, then password.
pub fn login_response(text: &str) -> Zeroizing<String> {
    Zeroizing::new(BASE64.encode(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(turn: Turn) -> Option<(String, String)> {
        match turn {
            Turn::Done(said) => Some((said.user, said.password.expose().clone())),
            _ => None,
        }
    }

    #[test]
    fn plain_reads_and_refuses() {
        for (clear, want) in [
            ("\0alice@x.example\0secret", Some(("alice@x.example", "secret"))),
            ("a@x\0a@x\0sécret", Some(("a@x", "sécret"))),
            ("b@x\0a@x\0secret", None),
            ("\0a@x\0sec\0ret", None),
            ("\0\0secret", None),
            ("a@x", None),
            ("", None),
        ] {
            let turn = Exchange::Plain.respond(BASE64.encode(clear.as_bytes()).as_bytes());
            assert_eq!(done(turn), want.map(|(user, word)| (user.into(), word.into())), "{clear:?}");
        }
        assert!(matches!(Exchange::Plain.respond(b"*"), Turn::Cancelled));
        for line in [&b"not base64!"[..], b"\xff", b"AA"] {
            assert!(matches!(Exchange::Plain.respond(line), Turn::Malformed));
        }
    }

    #[test]
    fn client_and_server_understand_each_other() {
        let said = Credentials { user: "alice@x.example".into(), password: Secret::new("pässword".into()) };
        let want = Some(("alice@x.example".into(), "pässword".into()));
        assert_eq!(done(Exchange::Plain.respond(plain_response(&said).as_bytes())), want);
        let Turn::Ask(next, _) = Exchange::LoginUser.respond(login_response(&said.user).as_bytes()) else {
            panic!("no question for the password");
        };
        assert_eq!(done(next.respond(login_response(said.password.expose()).as_bytes())), want);
    }
}
