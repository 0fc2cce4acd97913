//! Whose name an account may write under: its own addresses, and nobody else's (RFC 6409 §6.1).

use crate::base::address::Address;
use crate::base::address::AddressKey;
use crate::base::address::Domain;
use crate::base::reply;
use crate::base::reply::Reply;
use crate::base::reverse_path::ReversePath;

/// May a signed-in account with these addresses send with this reverse path?
///
/// The null sender is allowed: a client's disposition notification must have it (RFC 8098 §3). Its From: is
/// checked all the same. A path that is no address is nobody's here.
pub fn envelope(sender: &ReversePath, own: &[AddressKey]) -> Result<(), Reply> {
    match sender {
        ReversePath::Null => Ok(()),
        ReversePath::Address(sender) => is_own(sender, own),
        ReversePath::Other(_) => Err(reply::BAD_SENDER),
    }
}

/// May it send a message with these authors in From:, and this Sender: if there is one?
///
/// A From: without any address that can be read is refused, for clients would show whatever stands in it. A missing
/// From: is added later and has nobody to check.
pub fn header(from: From<'_>, sender: Option<&Address>, own: &[AddressKey]) -> Result<(), Reply> {
    match from {
        From::Missing => {}
        From::Unreadable => return Err(reply::NOT_YOUR_ADDRESS),
        From::Authors(authors) => authors.iter().try_for_each(|author| is_own(author, own))?,
    }
    sender.map_or(Ok(()), |sender| is_own(sender, own))
}

/// Is a message from the secure alias `alias`? One of its senders is enough: the envelope's, an author, Sender:, or
/// whoever sent it again (RFC 5322 §3.6.6). An address of a secure alias domain that is not `alias` is nobody's who may
/// send here, wherever it stands.
pub fn secure(
    senders: &[Address],
    alias: Option<&AddressKey>,
    is_alias_domain: impl Fn(&Domain) -> bool,
) -> Result<bool, Reply> {
    let mut secure = false;
    for sender in senders.iter().filter(|sender| is_alias_domain(sender.domain())) {
        match alias {
            Some(alias) => is_own(sender, std::slice::from_ref(alias))?,
            None => is_own(sender, &[])?,
        }
        secure = true;
    }
    Ok(secure)
}

/// The From: of a message.
#[derive(Clone, Copy, Debug)]
pub enum From<'a> {
    /// There is none.
    Missing,
    /// There is one, or more than one field, but not every author has an address.
    Unreadable,
    /// Its authors, one at least.
    Authors(&'a [Address]),
}

fn is_own(address: &Address, own: &[AddressKey]) -> Result<(), Reply> {
    if own.contains(&address.key()) {
        return Ok(());
    }
    Err(reply::NOT_YOUR_ADDRESS.saying(format!("this account may not send as <{address}>")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::golden;

    fn address(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    #[test]
    fn decisions() {
        let own = [address("alice@guard.example").key(), address("a.smith@second.example").key()];
        let word = |verdict: Result<(), Reply>| match verdict {
            Ok(()) => String::from("take"),
            Err(reply) => reply.to_string().trim_end().to_string(),
        };
        let mut table = String::from("an account with alice@guard.example and a.smith@second.example\n");
        for sender in [
            None,
            Some("alice@guard.example"),
            Some("ALICE@Guard.Example"),
            Some("a.smith@second.example"),
            Some("alice@second.example"),
            Some("alice+x@guard.example"),
            Some("bob@guard.example"),
            Some("alice.@guard.example"),
            Some("alice@[192.0.2.1]"),
        ] {
            let path = ReversePath::parse(sender.unwrap_or_default()).unwrap();
            let verdict = word(envelope(&path, &own));
            table += &format!("MAIL FROM:<{}>: {verdict}\n", sender.unwrap_or_default());
        }
        let authors: &[&[&str]] = &[
            &["alice@guard.example"],
            &["a.smith@second.example", "alice@guard.example"],
            &["alice@guard.example", "bob@guard.example"],
            &["bob@guard.example"],
        ];
        for sender in [None, Some("alice@guard.example"), Some("bob@guard.example")] {
            let parsed = sender.map(address);
            for names in authors {
                let from: Vec<_> = names.iter().map(|name| address(name)).collect();
                let verdict = word(header(From::Authors(&from), parsed.as_ref(), &own));
                table +=
                    &format!("From: {}; Sender: {}: {verdict}\n", names.join(", "), sender.unwrap_or("-"));
            }
            for (name, from) in [("missing", From::Missing), ("unreadable", From::Unreadable)] {
                let verdict = word(header(from, parsed.as_ref(), &own));
                table += &format!("From: ({name}); Sender: {}: {verdict}\n", sender.unwrap_or("-"));
            }
        }
        let is_alias_domain = |domain: &Domain| domain.as_str().starts_with("secure.");
        let alias = address("alice@secure.guard.example").key();
        for alias in [None, Some(&alias)] {
            for senders in [
                &["alice@guard.example"][..],
                &["alice@guard.example", "Alice@Secure.guard.example"],
                &["alice@secure.guard.example", "a.smith@second.example"],
                &["alice@guard.example", "bob@secure.guard.example"],
                &["alice@secure.guard.example", "alice@secure.second.example"],
            ] {
                let parsed: Vec<_> = senders.iter().map(|name| address(name)).collect();
                let verdict = match secure(&parsed, alias, is_alias_domain) {
                    Ok(secure) => if secure { "secure" } else { "ordinary" }.into(),
                    Err(reply) => reply.to_string().trim_end().to_string(),
                };
                let alias = if alias.is_some() { "active" } else { "off" };
                table += &format!("senders {}; alias {alias}: {verdict}\n", senders.join(", "));
            }
        }
        golden::compare("sender.txt", &table);
    }
}
