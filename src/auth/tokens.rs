//! Random tokens and their hashes.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::domain::secret::Secret;

/// What API tokens start with, so that secret scanners and people recognise them.
pub const PREFIX: &str = "bth_";

/// A token's SHA-256. Plain hashing is enough: a token has 256 random bits, not a person's choice.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// The hash of a token's text.
    #[must_use]
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }

    /// As the database keeps it.
    #[must_use]
    pub fn to_hex(self) -> String {
        use std::fmt::Write;
        self.0.iter().fold(String::with_capacity(64), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }

    /// Back from [`Self::to_hex`]; `None` when it is not that.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let mut bytes = [0_u8; 32];
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(text.get(2 * index..2 * index + 2)?, 16).ok()?;
        }
        Some(Self(bytes))
    }

    /// Whether `token` has this hash, in constant time.
    #[must_use]
    pub fn is_of(&self, token: &str) -> bool {
        self.0.ct_eq(&Self::of(token).0).into()
    }
}

/// A fresh API token: `bth_` and 256 random bits.
///
/// # Errors
/// When the operating system gives no randomness.
pub fn mint() -> Result<Secret, getrandom::Error> {
    random().map(|text| Secret::new(format!("{PREFIX}{text}")))
}

/// 256 random bits as URL-safe text.
///
/// # Errors
/// When the operating system gives no randomness.
pub fn random() -> Result<String, getrandom::Error> {
    let mut bytes = zeroize::Zeroizing::new([0_u8; 32]);
    getrandom::fill(bytes.as_mut())?;
    Ok(URL_SAFE_NO_PAD.encode(bytes.as_ref()))
}

/// The random part of a slug: 60 bits as twelve lower-case letters and digits.
///
/// # Errors
/// When the operating system gives no randomness.
pub fn random_slug() -> Result<String, getrandom::Error> {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut bytes = [0_u8; 12];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.iter().filter_map(|byte| ALPHABET.get(usize::from(byte % 32))).map(|byte| char::from(*byte)).collect())
}

/// The CSRF token of a dashboard sign-in: derived from its secret, so it needs no storage and
/// cannot be made by another site (which can send the cookie but not read it).
#[must_use]
pub fn csrf(cookie: &str) -> String {
    let digest = Sha256::new().chain_update(b"berth csrf\0").chain_update(cookie.as_bytes()).finalize();
    URL_SAFE_NO_PAD.encode(digest)
}

/// Compares in constant time.
#[must_use]
pub fn equal(left: &str, right: &str) -> bool {
    left.as_bytes().ct_eq(right.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_long_and_never_the_same() {
        let (one, two) = (mint().unwrap(), mint().unwrap());
        assert_ne!(one.expose(), two.expose());
        assert!(one.expose().starts_with(PREFIX) && one.expose().len() == 47);
        assert_eq!(TokenHash::of(one.expose()).to_hex().len(), 64);
    }

    #[test]
    fn hashes_come_back_from_their_text() {
        let hash = TokenHash::of("a");
        assert!(TokenHash::from_hex(&hash.to_hex()) == Some(hash) && hash.is_of("a") && !hash.is_of("b"));
        for wrong in [String::new(), "zz".repeat(32), "+1".repeat(32), hash.to_hex()[1..].to_owned()] {
            assert!(TokenHash::from_hex(&wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn csrf_depends_on_the_cookie() {
        assert_ne!(csrf("a"), csrf("b"));
        assert!(equal(&csrf("a"), &csrf("a")));
        assert!(!equal("a", "ab"));
    }

    #[test]
    fn slugs_are_safe_in_urls() {
        let slug = random_slug().unwrap();
        assert!(slug.len() == 12 && slug.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()));
    }
}
