//! The requests: one for each command that a server can answer.

use crate::base::secret::Secret;
use crate::serve::control::Trouble;
use serde::Deserialize;
use serde::Deserializer;
use serde::Serialize;
use serde::Serializer;
use serde_json::Map;
use serde_json::Value;

/// A password on its way over the socket: printed nowhere, wiped when dropped.
pub struct Password(pub Secret<String>);

impl Password {
    /// The password itself.
    pub fn secret(self) -> Secret<String> {
        self.0
    }
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(..)")
    }
}

impl Serialize for Password {
    fn serialize<S: Serializer>(&self, sink: S) -> Result<S::Ok, S::Error> {
        sink.serialize_str(self.0.expose())
    }
}

impl<'de> Deserialize<'de> for Password {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        String::deserialize(source).map(|text| Self(Secret::new(text)))
    }
}

/// What is asked. The serde name of a variant is its path.
#[derive(Debug, Deserialize, Serialize)]
#[serde(tag = "path", deny_unknown_fields)]
pub enum Request {
    /// A new account.
    #[serde(rename = "/account/add")]
    AccountAdd {
        /// Its address.
        address: String,
        /// Its first password.
        password: Password,
    },
    /// Every account.
    #[serde(rename = "/account/list")]
    AccountList {},
    /// One account.
    #[serde(rename = "/account/show")]
    AccountShow {
        /// Which.
        address: String,
    },
    /// Another password for an account; nothing is lost.
    #[serde(rename = "/account/password")]
    AccountPassword {
        /// Which.
        address: String,
        /// The one that opens it now.
        old: Password,
        /// The one that will.
        new: Password,
        /// App passwords stay.
        #[serde(default)]
        keep_app_passwords: bool,
        /// A new key too.
        #[serde(default)]
        new_key: bool,
    },
    /// A new password and key for an account whose password is lost; what was before is shut.
    #[serde(rename = "/account/reset")]
    AccountReset {
        /// Which.
        address: String,
        /// The one that will open it.
        new: Password,
    },
    /// Brings back what a reset shut.
    #[serde(rename = "/account/reopen")]
    AccountReopen {
        /// Which.
        address: String,
        /// The one from before the reset.
        old: Password,
        /// The one that opens it now.
        new: Password,
    },
    /// The message by which the recovery certificate's owner opens an account.
    #[serde(rename = "/account/recovery")]
    AccountRecovery {
        /// Which.
        address: String,
    },
    /// Another password for an account, by what that message held.
    #[serde(rename = "/account/recover")]
    AccountRecover {
        /// Which.
        address: String,
        /// The decrypted line.
        code: Password,
        /// The one that will open it.
        new: Password,
    },
    /// The open invitations of an account.
    #[serde(rename = "/account/invitations")]
    AccountInvitations {
        /// Which.
        address: String,
    },
    /// Removes an account with all its mail.
    #[serde(rename = "/account/remove")]
    AccountRemove {
        /// Which.
        address: String,
    },
    /// Switches an account's secure alias.
    #[serde(rename = "/account/alias")]
    AccountAlias {
        /// Whose.
        address: String,
        /// On or off.
        active: bool,
    },
    /// What an account's secure alias asks of other servers.
    #[serde(rename = "/account/policy")]
    AccountPolicy {
        /// Whose.
        address: String,
        /// `encrypt`, `dane-only` or `verify`.
        level: String,
    },
    /// An account's certificate.
    #[serde(rename = "/account/key/export")]
    AccountKeyExport {
        /// Whose.
        address: String,
    },
    /// An account's secret key, under a passphrase of its own.
    #[serde(rename = "/account/key/export-secret")]
    AccountKeyExportSecret {
        /// Whose.
        address: String,
        /// Opens it.
        password: Password,
    },
    /// A certificate that arriving mail is encrypted to from now on.
    #[serde(rename = "/account/key/import")]
    AccountKeyImport {
        /// Whose.
        address: String,
        /// The file's content, base64.
        file: String,
    },
    /// Every temporary mailbox.
    #[serde(rename = "/mailbox/list")]
    MailboxList {},
    /// One temporary mailbox.
    #[serde(rename = "/mailbox/show")]
    MailboxShow {
        /// Which.
        address: String,
    },
    /// Removes a temporary mailbox with all its mail.
    #[serde(rename = "/mailbox/delete")]
    MailboxDelete {
        /// Which.
        address: String,
        /// As `show` said it; nothing is whichever is the first now.
        #[serde(default)]
        fingerprint: Option<String>,
    },
    /// Opens a closed temporary mailbox again.
    #[serde(rename = "/mailbox/reopen")]
    MailboxReopen {
        /// Which.
        address: String,
    },
    /// Both clocks, and whether the wall clock is believed.
    #[serde(rename = "/clock/show")]
    ClockShow {},
    /// Takes the wall clock for right.
    #[serde(rename = "/clock/accept")]
    ClockAccept {},
    /// Every message in the queue.
    #[serde(rename = "/queue/list")]
    QueueList {},
    /// One message in the queue, with its recipients.
    #[serde(rename = "/queue/show")]
    QueueShow {
        /// Which.
        id: String,
    },
    /// Makes one message due now, or all.
    #[serde(rename = "/queue/retry")]
    QueueRetry {
        /// Which; nothing is all.
        id: Option<String>,
    },
    /// Takes a message out of the queue.
    #[serde(rename = "/queue/cancel")]
    QueueCancel {
        /// Which.
        id: String,
    },
    /// A certificate of somebody outside, for every address that it names.
    #[serde(rename = "/key/import")]
    KeyImport {
        /// The file's content, base64.
        file: String,
    },
    /// Every certificate of people outside.
    #[serde(rename = "/key/list")]
    KeyList {},
    /// One of them.
    #[serde(rename = "/key/show")]
    KeyShow {
        /// Whose.
        address: String,
    },
    /// Forgets one.
    #[serde(rename = "/key/remove")]
    KeyRemove {
        /// Whose.
        address: String,
    },
    /// One more certificate or key that a destination's is compared with.
    #[serde(rename = "/certificate/add")]
    CertificateAdd {
        /// Whose.
        domain: String,
        /// The file's content, base64.
        file: String,
    },
    /// What the hosts of a destination present now; nothing is stored.
    #[serde(rename = "/certificate/fetch")]
    CertificateFetch {
        /// Whose.
        domain: String,
    },
    /// Every stored certificate.
    #[serde(rename = "/certificate/list")]
    CertificateList {},
    /// Forgets those of a destination.
    #[serde(rename = "/certificate/remove")]
    CertificateRemove {
        /// Whose.
        domain: String,
    },
    /// What would happen to a message.
    #[serde(rename = "/recipient")]
    Recipient {
        /// For whom.
        address: String,
        /// By whom; without it, by anybody of the first domain.
        #[serde(default)]
        from: Option<String>,
    },
    /// Sends samples of the mails to people outside, worded by the templates as they lie on the disk now.
    #[serde(rename = "/template/send")]
    TemplateSend {
        /// To whom.
        to: String,
        /// This mail alone, as the file of a template names it.
        #[serde(default)]
        mail: Option<String>,
        /// Of this domain alone.
        #[serde(default)]
        domain: Option<String>,
        /// As messages of this account cause them.
        #[serde(default)]
        from: Option<String>,
        /// In this language alone.
        #[serde(default)]
        language: Option<String>,
        /// In every shape.
        #[serde(default)]
        all: bool,
    },
    /// The records to publish.
    #[serde(rename = "/dns")]
    Dns {},
    /// How the store is.
    #[serde(rename = "/health")]
    Health {},
}

/// A request as it goes over the socket.
pub struct Wire {
    /// GET or POST.
    pub method: &'static str,
    /// Path, and for GET the query.
    pub target: String,
    /// For POST.
    pub body: Vec<u8>,
}

impl Request {
    /// Changes nothing, and tells no secret: members of the socket's group may ask it.
    pub const fn only_shows(&self) -> bool {
        match self {
            Self::AccountList {}
            | Self::AccountShow { .. }
            | Self::AccountInvitations { .. }
            | Self::AccountKeyExport { .. }
            | Self::MailboxList {}
            | Self::MailboxShow { .. }
            | Self::ClockShow {}
            | Self::QueueList {}
            | Self::QueueShow { .. }
            | Self::KeyList {}
            | Self::KeyShow { .. }
            | Self::CertificateList {}
            | Self::Recipient { .. }
            | Self::Dns {}
            | Self::Health {} => true,
            Self::AccountAdd { .. }
            | Self::CertificateAdd { .. }
            | Self::CertificateFetch { .. }
            | Self::CertificateRemove { .. }
            | Self::AccountPassword { .. }
            | Self::AccountReset { .. }
            | Self::AccountReopen { .. }
            | Self::AccountRecovery { .. }
            | Self::AccountRecover { .. }
            | Self::AccountRemove { .. }
            | Self::AccountAlias { .. }
            | Self::AccountPolicy { .. }
            | Self::AccountKeyExportSecret { .. }
            | Self::AccountKeyImport { .. }
            | Self::MailboxDelete { .. }
            | Self::MailboxReopen { .. }
            | Self::ClockAccept {}
            | Self::QueueRetry { .. }
            | Self::QueueCancel { .. }
            | Self::KeyImport { .. }
            | Self::KeyRemove { .. }
            | Self::TemplateSend { .. } => false,
        }
    }

    /// The form on the socket.
    pub fn to_wire(&self) -> Result<Wire, Trouble> {
        let odd = || Trouble::usage("the request cannot be written");
        let Value::Object(mut fields) = serde_json::to_value(self).map_err(|_| odd())? else {
            return Err(odd());
        };
        let Some(Value::String(path)) = fields.remove("path") else { return Err(odd()) };
        if !self.only_shows() {
            let body = serde_json::to_vec(&Value::Object(fields)).map_err(|_| odd())?;
            return Ok(Wire { method: "POST", target: path, body });
        }
        let mut target = path;
        for (at, (name, value)) in fields.iter().filter_map(|(k, v)| Some((k, v.as_str()?))).enumerate() {
            target.push(if at == 0 { '?' } else { '&' });
            target += name;
            target.push('=');
            target += &escape(value);
        }
        Ok(Wire { method: "GET", target, body: Vec::new() })
    }

    /// Reads what came over the socket.
    pub fn from_wire(method: &str, path: &str, query: &str, body: &[u8]) -> Result<Self, Trouble> {
        let mut fields = match method {
            "GET" => Value::Object(query_fields(query)?),
            "POST" => {
                serde_json::from_slice(body).map_err(|_| Trouble::usage("the body is not a JSON object"))?
            }
            _ => return Err(Trouble::usage("GET asks, POST changes")),
        };
        let Some(object) = fields.as_object_mut() else {
            return Err(Trouble::usage("the body is not a JSON object"));
        };
        object.insert("path".into(), path.into());
        // serde's words name fields of ours and no values: a password must not be repeated.
        let request: Self = serde_json::from_value(fields)
            .map_err(|_| Trouble::usage("no such request, or not these fields"))?;
        if request.only_shows() != (method == "GET") {
            return Err(Trouble::usage("GET asks, POST changes"));
        }
        Ok(request)
    }
}

fn query_fields(query: &str) -> Result<Map<String, Value>, Trouble> {
    let mut fields = Map::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = unescape(value).ok_or_else(|| Trouble::usage("the query is not UTF-8"))?;
        fields.insert(name.to_owned(), Value::String(value));
    }
    Ok(fields)
}

/// RFC 3986 §2.1.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~@".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out += &format!("%{byte:02X}");
        }
    }
    out
}

/// RFC 3986 §2.1; nothing when it is not UTF-8 or not hexadecimal.
pub(crate) fn unescape(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        out.push(digit(bytes.next()?)? << 4 | digit(bytes.next()?)?);
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn password(text: &str) -> Password {
        Password(Secret::new(text.into()))
    }

    fn there_and_back(request: &Request) -> Request {
        let wire = request.to_wire().unwrap();
        let (path, query) = wire.target.split_once('?').unwrap_or((&wire.target, ""));
        Request::from_wire(wire.method, path, query, &wire.body).unwrap()
    }

    #[test]
    fn goes_over_the_wire() {
        let show = Request::AccountShow { address: "\"a b\"+%&@bücher.example".into() };
        assert!(show.to_wire().unwrap().target.starts_with("/account/show?address=%22a%20b%22%2B%25%26@"));
        assert_eq!(format!("{:?}", there_and_back(&show)), format!("{show:?}"));
        let add = Request::AccountAdd { address: "a@x".into(), password: password("pass word") };
        let wire = add.to_wire().unwrap();
        assert_eq!((wire.method, wire.target.as_str()), ("POST", "/account/add"));
        let Request::AccountAdd { password, .. } = there_and_back(&add) else { panic!() };
        assert_eq!(password.secret().expose(), "pass word");
        assert!(matches!(
            there_and_back(&Request::QueueRetry { id: None }),
            Request::QueueRetry { id: None }
        ));
    }

    /// Scripts that name the address alone go on to work.
    #[test]
    fn what_names_a_mailbox_closer_is_optional() {
        let bare = Request::from_wire("POST", "/mailbox/delete", "", br#"{"address":"b@x"}"#).unwrap();
        assert!(matches!(bare, Request::MailboxDelete { fingerprint: None, .. }), "{bare:?}");
        let named = Request::MailboxDelete { address: "b@x".into(), fingerprint: Some("0123 4567".into()) };
        assert_eq!(format!("{:?}", there_and_back(&named)), format!("{named:?}"));
    }

    #[test]
    fn tells_no_password() {
        let add = Request::AccountAdd { address: "a@x".into(), password: password("hunter2") };
        assert!(!format!("{add:?}").contains("hunter2"));
        let odd = Request::from_wire("POST", "/account/add", "", br#"{"address":5,"password":"hunter2"}"#);
        assert!(!format!("{odd:?}").contains("hunter2"));
    }

    #[test]
    fn refuses_what_is_no_request() {
        for (method, path, query, body) in [
            ("GET", "/nowhere", "", ""),
            ("GET", "/account/show", "", ""),
            ("GET", "/account/show", "address=%ff", ""),
            ("GET", "/account/list", "speed=3", ""),
            ("GET", "/account/remove", "address=a@x", ""),
            ("POST", "/account/list", "", "{}"),
            ("POST", "/account/remove", "", "[]"),
            ("POST", "/account/remove", "", "{\"address\":"),
            ("DELETE", "/account/remove", "", "{\"address\":\"a@x\"}"),
        ] {
            assert!(Request::from_wire(method, path, query, body.as_bytes()).is_err(), "{method} {path}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(path in "/[a-z/]{0,20}", query in "\\PC{0,60}", body in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = Request::from_wire("GET", &path, &query, &body);
            let _ = Request::from_wire("POST", &path, &query, &body);
        }

        #[test]
        fn any_text_comes_back(address in "\\PC{0,60}") {
            let show = Request::KeyShow { address };
            prop_assert_eq!(format!("{:?}", there_and_back(&show)), format!("{show:?}"));
        }
    }
}
