//! Passphrases for exported keys: made by us, shown once, never stored.
//!
//! An exported key is an oracle for its passphrase that nobody can take back, so it has 120 bits and not
//! what a person would choose.

use crate::base::base32;
use crate::base::random::Random;
use crate::base::random::bytes;
use crate::base::secret::Secret;

/// Six groups of four base32 characters: 120 bits.
pub fn generate(random: &dyn Random) -> Secret<String> {
    let bits = Secret::new(bytes::<15>(random));
    Secret::new(base32::grouped(bits.expose()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::tests::Seeded;

    #[test]
    fn has_six_groups_of_four() {
        let random = Seeded::new(1);
        let one = generate(&random);
        let groups: Vec<&str> = one.expose().split('-').collect();
        assert_eq!(groups.len(), 6);
        assert!(groups.iter().all(|group| group.len() == 4));
        assert_ne!(one.expose(), generate(&random).expose());
    }
}
