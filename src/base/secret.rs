//! Secrets: never printed, wiped when dropped, and every use found with `grep expose`.

use std::fmt;
use zeroize::Zeroize;

/// A value that must not reach a log, an error or a dump.
pub struct Secret<T: Zeroize>(T);

impl<T: Zeroize> Secret<T> {
    /// Wraps `value`; it is wiped when this is dropped.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// Opens the wrapper; grep for `.expose(` to audit every use.
    pub const fn expose(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl<T: Zeroize> Drop for Secret<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// 32 secret bytes: a key of any kind.
pub type Key = Secret<[u8; 32]>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_says_nothing() {
        assert_eq!(format!("{:?}", Secret::new(String::from("hunter2"))), "Secret(..)");
    }
}
