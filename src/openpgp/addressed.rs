//! Whom a ciphertext is for, as far as it says so: without opening it.

use crate::openpgp::certificate::Certificate;
use sequoia_openpgp::Packet;
use sequoia_openpgp::parse::PacketParserBuilder;
use sequoia_openpgp::parse::PacketParserResult;
use sequoia_openpgp::parse::Parse;
use std::io::Read;
use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;

/// Packets in front of a container that are looked at.
const PACKETS: usize = 256;

/// Whether a message, binary or armored, names a key of `certificate` and then holds an encrypted container with
/// integrity protection.
///
/// A message that names nobody is for nobody. That what it names really opens it, only the owner finds out.
pub fn is_for(certificate: &Certificate, mut ciphertext: impl Read + Send + Sync) -> bool {
    // The library ends with a panic where it meets what it thought impossible.
    catch_unwind(AssertUnwindSafe(|| names(certificate, &mut ciphertext))).ok().flatten().unwrap_or(false)
}

fn names(certificate: &Certificate, ciphertext: &mut (impl Read + Send + Sync)) -> Option<bool> {
    let mut named = false;
    let mut next = PacketParserBuilder::from_reader(ciphertext)
        .and_then(|builder| builder.automatic_hashing(false).build())
        .ok()?;
    for _ in 0..PACKETS {
        let PacketParserResult::Some(packet) = next else { return None };
        match &packet.packet {
            Packet::PKESK(session_key) => {
                let recipient = session_key.recipient()?;
                named |= certificate.cert().keys().any(|key| key.key().key_handle().aliases(&recipient));
            }
            Packet::SEIP(_) => return Some(named),
            Packet::SKESK(_) | Packet::Marker(_) | Packet::Padding(_) | Packet::Unknown(_) => {}
            _ => return None,
        }
        next = packet.next().ok()?.1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::address::Address;
    use crate::base::time::Time;
    use crate::openpgp::encrypt::Form;
    use crate::openpgp::encrypt::encrypt;
    use crate::openpgp::generate;

    const NOW: Time = Time(1_795_318_393);

    fn certificate(address: &str) -> Certificate {
        let made = generate::generate(&Address::parse(address).unwrap(), NOW).unwrap();
        Certificate::parse(&made.certificate).unwrap()
    }

    #[test]
    fn knows_whom_it_names() {
        let (ann, bob) = (certificate("ann@a.example"), certificate("bob@b.example"));
        for form in [Form::Binary, Form::Armored] {
            let sealed = encrypt(&[&ann], &b"text"[..], Vec::new(), NOW, form).unwrap().into_inner();
            assert!(is_for(&ann, &sealed[..]) && !is_for(&bob, &sealed[..]));
            let both = encrypt(&[&bob, &ann], &b"text"[..], Vec::new(), NOW, form).unwrap().into_inner();
            assert!(is_for(&ann, &both[..]) && is_for(&bob, &both[..]));
            for cut in 0..sealed.len().min(120) {
                let _ = is_for(&ann, &sealed[..cut]);
            }
        }
        for nothing in
            ["", "text", "-----BEGIN PGP MESSAGE-----\r\n\r\nabcd\r\n-----END PGP MESSAGE-----\r\n"]
        {
            assert!(!is_for(&ann, nothing.as_bytes()), "{nothing}");
        }
        let sealed = encrypt(&[&ann], &b"text"[..], Vec::new(), NOW, Form::Binary).unwrap().into_inner();
        let keys_only = usize::from(sealed[1]) + 2;
        assert!(!is_for(&ann, &sealed[..keys_only]), "a named key without a container");
    }
}
