//! Passwords: argon2id with the crate's defaults (19 MiB, t=2, p=1: OWASP's first choice).
//!
//! Hashing runs on blocking threads, two at a time: each takes 19 MiB and tens of milliseconds.

use std::sync::LazyLock;

use argon2::{Argon2, PasswordHash, PasswordHasher, PasswordVerifier, password_hash::SaltString};
use thiserror::Error;
use tokio::sync::Semaphore;

use crate::domain::secret::Secret;

/// Least characters of a password (NIST SP 800-63B section 3.1.1.2: at least eight).
pub const MIN_CHARACTERS: usize = 8;
/// Most bytes: longer ones only cost time.
pub const MAX_BYTES: usize = 1024;

static AT_ONCE: Semaphore = Semaphore::const_new(2);

/// Verified against when there is no account, so that both cases take the same time.
static NOBODY: LazyLock<String> =
    LazyLock::new(|| hash(&Secret::new("nobody's password".to_owned())).unwrap_or_default());

/// Why a password cannot be used.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum PasswordError {
    /// Too short.
    #[error("a password needs at least {MIN_CHARACTERS} characters")]
    TooShort,
    /// Too long.
    #[error("a password has at most {MAX_BYTES} bytes")]
    TooLong,
}

/// Hashing failed.
#[derive(Debug, Error)]
#[error("argon2: {0}")]
pub struct HashError(String);

/// Checks length.
///
/// # Errors
/// When it is too short or too long.
pub fn check(password: &Secret) -> Result<(), PasswordError> {
    if password.expose().chars().count() < MIN_CHARACTERS {
        return Err(PasswordError::TooShort);
    }
    if password.expose().len() > MAX_BYTES { Err(PasswordError::TooLong) } else { Ok(()) }
}

/// The PHC string of `password`. Blocks for tens of milliseconds.
///
/// # Errors
/// When there is no randomness for the salt, or argon2 fails.
pub fn hash(password: &Secret) -> Result<String, HashError> {
    let mut salt = [0_u8; 16];
    getrandom::fill(&mut salt).map_err(|error| HashError(error.to_string()))?;
    let salt = SaltString::encode_b64(&salt).map_err(|error| HashError(error.to_string()))?;
    let hash = Argon2::default()
        .hash_password(password.expose().as_bytes(), &salt)
        .map_err(|error| HashError(error.to_string()))?;
    Ok(hash.to_string())
}

/// Whether `password` is the one behind `hash`. Blocks for tens of milliseconds, also for `None`.
#[must_use]
pub fn verify(password: &Secret, hash: Option<&str>) -> bool {
    let stored = hash.unwrap_or(&NOBODY);
    let matches = PasswordHash::new(stored)
        .is_ok_and(|stored| Argon2::default().verify_password(password.expose().as_bytes(), &stored).is_ok());
    matches && hash.is_some()
}

/// [`hash`] on a blocking thread.
///
/// # Errors
/// As [`hash`].
pub async fn hash_async(password: Secret) -> Result<String, HashError> {
    let _turn = AT_ONCE.acquire().await;
    let hashed = tokio::task::spawn_blocking(move || hash(&password)).await;
    hashed.unwrap_or_else(|error| Err(HashError(error.to_string())))
}

/// [`verify`] on a blocking thread.
pub async fn verify_async(password: Secret, hash: Option<String>) -> bool {
    let _turn = AT_ONCE.acquire().await;
    tokio::task::spawn_blocking(move || verify(&password, hash.as_deref())).await.unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verifies_only_the_right_one() {
        let password = Secret::new("correct horse".to_owned());
        let stored = hash(&password).unwrap();
        assert!(stored.starts_with("$argon2id$"));
        assert!(verify(&password, Some(&stored)));
        assert!(!verify(&Secret::new("wrong horse".to_owned()), Some(&stored)));
        assert!(!verify(&password, None));
        assert!(!verify(&password, Some("not a hash")));
        assert!(!verify(&Secret::new("nobody's password".to_owned()), None));
    }

    #[test]
    fn length_is_checked() {
        assert_eq!(check(&Secret::new("seven77".to_owned())), Err(PasswordError::TooShort));
        assert_eq!(check(&Secret::new("eight888".to_owned())), Ok(()));
        assert_eq!(check(&Secret::new("x".repeat(1025))), Err(PasswordError::TooLong));
    }
}
