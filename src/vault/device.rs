//! The device cookie: a browser that signed in to a mailbox before is not locked out by strangers' failures.
//!
//! generation (4) ‖ random (16) ‖ expiry (8) ‖ HMAC(K_device, lp(M, generation, random, expiry)), base64url.

use crate::base::id::MailboxId;
use crate::base::random::Random;
use crate::base::random::bytes;
use crate::base::secret::Key;
use crate::base::secret::Secret;
use crate::base::time::Time;
use crate::vault::primitives::equal;
use crate::vault::primitives::lp;
use crate::vault::primitives::mac;
use data_encoding::BASE64URL_NOPAD;
use std::time::Duration;

/// How long a device is known: a year.
pub const LIFE: Duration = Duration::from_secs(365 * 24 * 3600);

/// A known device: what its failures are counted under.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Device(pub [u8; 16]);

/// A cookie for a device that has just signed in to `mailbox`, whose records are of `generation`.
pub fn issue(
    device_key: &Key,
    mailbox: MailboxId,
    generation: u32,
    now: Time,
    random: &dyn Random,
) -> Secret<String> {
    let random: [u8; 16] = bytes(random);
    let expiry = now + LIFE;
    let tag = tag(device_key, mailbox, generation, &random, expiry);
    let cookie = [&generation.to_be_bytes()[..], &random, &expiry.0.to_be_bytes(), &tag].concat();
    Secret::new(BASE64URL_NOPAD.encode(&cookie))
}

/// The device, if the cookie is good for `mailbox` at `now`.
pub fn recognise(
    device_key: &Key,
    mailbox: MailboxId,
    generation: u32,
    now: Time,
    cookie: &str,
) -> Option<Device> {
    if cookie.len() > 128 {
        return None;
    }
    let cookie = BASE64URL_NOPAD.decode(cookie.as_bytes()).ok()?;
    let (said, rest) = cookie.split_first_chunk::<4>()?;
    let (random, rest) = rest.split_first_chunk::<16>()?;
    let (expiry, rest) = rest.split_first_chunk::<8>()?;
    let expiry = Time(i64::from_be_bytes(*expiry));
    let good = equal(&tag(device_key, mailbox, generation, random, expiry), rest)
        && u32::from_be_bytes(*said) == generation
        && now < expiry;
    good.then_some(Device(*random))
}

fn tag(key: &Key, mailbox: MailboxId, generation: u32, random: &[u8; 16], expiry: Time) -> [u8; 32] {
    mac(key, &lp(&[mailbox.bytes(), &generation.to_be_bytes(), random, &expiry.0.to_be_bytes()]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::tests::Seeded;

    #[test]
    fn is_good_for_one_mailbox_one_generation_and_one_year() {
        let random = Seeded::new(1);
        let key = Key::new([1; 32]);
        let (m, n) = (MailboxId::new([1; 16]), MailboxId::new([2; 16]));
        let now = Time(1_000_000);
        let cookie = issue(&key, m, 3, now, &random);
        let cookie = cookie.expose();
        let device = recognise(&key, m, 3, now, cookie);
        assert!(device.is_some());
        assert_eq!(recognise(&key, m, 3, now + (LIFE - Duration::from_secs(1)), cookie), device);
        assert_eq!(recognise(&key, m, 3, now + LIFE, cookie), None);
        assert_eq!(recognise(&key, n, 3, now, cookie), None);
        assert_eq!(recognise(&key, m, 4, now, cookie), None);
        assert_eq!(recognise(&Key::new([2; 32]), m, 3, now, cookie), None);
        for at in 0..cookie.len() {
            let mut changed = cookie.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            assert_eq!(recognise(&key, m, 3, now, std::str::from_utf8(&changed).unwrap()), None, "{at}");
            assert_eq!(recognise(&key, m, 3, now, &cookie[..at]), None);
        }
        assert_eq!(recognise(&key, m, 3, now, &"A".repeat(100_000)), None);
    }
}
