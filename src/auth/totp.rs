//! Second factors: time-based one-time codes (RFC 6238), and codes that stand in for a lost device.
//!
//! SHA-1, six digits, 30 s: what every authenticator has. A code is good one step before and after its
//! own, and once (section 5.2): the last step that was used is kept. The secret is sealed by the vault; of
//! recovery codes only hashes are kept, and each is deleted with its use.

use base64::{Engine, engine::general_purpose::STANDARD};
use thiserror::Error;
use totp_rs::{Builder, Totp};
use zeroize::Zeroizing;

use super::tokens::{self, TokenHash};
use crate::{
    db::{Connection, Db, DbError, OptionalExtension, QueryResult, totp},
    domain::{ids::UserId, names::Email, secret::Secret, time::Timestamp},
    vault::{Vault, VaultError},
};

/// Recovery codes that one gets.
const RECOVERY_CODES: usize = 10;
/// What authenticators show beside the account.
const ISSUER: &str = "Berth";

/// Why a second factor cannot be made or checked.
#[derive(Debug, Error)]
pub enum TotpError {
    /// The operating system gave no randomness.
    #[error("no randomness from the operating system")]
    Random(#[from] getrandom::Error),
    /// The secret cannot be sealed or opened.
    #[error("the second factor's secret cannot be used")]
    Vault(#[from] VaultError),
    /// The secret is none, or its URI cannot be made.
    #[error("the second factor cannot be used: {0}")]
    Unusable(String),
    /// The database.
    #[error("the second factor cannot be read")]
    Database(#[from] DbError),
}

/// What an authenticator needs; shown once.
pub struct Enrolment {
    /// The secret in base32, to type in.
    pub secret: Secret,
    /// The same as `otpauth://` URI.
    pub uri: Secret,
    /// The same as a picture: a `data:` URL of a PNG.
    pub picture: Secret,
}

/// What a code is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is right, and used up now.
    Right,
    /// It was a recovery code, and is used up now.
    Recovery,
    /// It is wrong, or was used before.
    Wrong,
}

/// A fresh secret for the account: what to show, and what to store, sealed.
///
/// # Errors
/// When there is no randomness.
pub fn enrol(vault: &Vault, user: UserId, account: &Email) -> Result<(Enrolment, String), TotpError> {
    let mut bytes = Zeroizing::new(vec![0_u8; 20]);
    getrandom::fill(&mut bytes)?;
    let totp = code_maker(&bytes, account.as_str())?;
    let text = Secret::new(totp.secret().to_base32());
    let uri = totp.to_url().map_err(unusable)?;
    let picture = totp.to_qr_png().map_err(unusable)?;
    let picture = Secret::new(format!("data:image/png;base64,{}", STANDARD.encode(picture)));
    let sealed = vault.seal(&owner(user), &text)?;
    Ok((Enrolment { secret: text, uri: Secret::new(uri), picture }, sealed))
}

/// Ten fresh recovery codes of 80 bits, and their hashes.
///
/// # Errors
/// When there is no randomness.
pub fn recovery_codes(user: UserId) -> Result<(Vec<String>, Vec<String>), getrandom::Error> {
    let codes: Result<Vec<String>, _> = (0..RECOVERY_CODES).map(|_| recovery_code()).collect();
    let codes = codes?;
    let hashes = codes.iter().map(|code| recovery_hash(user, &plain(code))).collect();
    Ok((codes, hashes))
}

/// Whether a second factor of the user is in force.
///
/// # Errors
/// When the database cannot be asked.
pub async fn is_on(db: &Db, user: UserId) -> Result<bool, DbError> {
    db.read(move |conn| totp::is_on(conn, user)).await
}

/// Checks a code of the user's second factor in force, and uses it up.
///
/// # Errors
/// When the database cannot be asked, or the secret not be opened.
pub async fn check(db: &Db, vault: &Vault, user: UserId, code: &str, now: Timestamp) -> Result<Verdict, TotpError> {
    let code = plain(code);
    let row = db.read(move |conn| totp::of_user(conn, user).optional()).await?;
    let Some(row) = row.filter(|row| row.confirmed_at.is_some()) else { return Ok(Verdict::Wrong) };
    let step = step_of(vault, &row, &code, now)?;
    Ok(db.write(move |conn| use_up(conn, user, step, &code)).await?)
}

/// The time step of a code of a second factor that may not be in force yet; none when the code is wrong.
///
/// # Errors
/// When the secret cannot be opened.
pub fn step_of(vault: &Vault, row: &totp::Totp, code: &str, now: Timestamp) -> Result<Option<u64>, TotpError> {
    let secret = vault.open_sealed(&owner(row.user_id), &row.sealed)?;
    let secret = totp_rs::Secret::try_from_base32(secret.expose()).map_err(|_| unusable("its secret is no base32"))?;
    let totp = Builder::new().with_secret(secret).with_skew(1).build().map_err(unusable)?;
    Ok(totp.check(&plain(code), u64::try_from(now.0 / 1000).unwrap_or(0)))
}

fn use_up(conn: &mut Connection, user: UserId, step: Option<u64>, code: &str) -> QueryResult<Verdict> {
    if let Some(step) = step {
        return Ok(if totp::use_step(conn, user, step)? { Verdict::Right } else { Verdict::Wrong });
    }
    let is_known = totp::use_recovery_code(conn, user, &recovery_hash(user, code))?;
    Ok(if is_known { Verdict::Recovery } else { Verdict::Wrong })
}

fn code_maker(secret: &[u8], account: &str) -> Result<Totp, TotpError> {
    // A colon separates issuer and account in the URI.
    let account = account.replace(':', "_");
    let builder = Builder::new().with_secret(secret.to_vec()).with_skew(1);
    builder.with_account_name(account).with_issuer(Some(ISSUER)).build().map_err(unusable)
}

fn unusable(error: impl std::fmt::Debug) -> TotpError {
    TotpError::Unusable(format!("{error:?}"))
}

/// The name of the row that the secret is sealed for.
#[must_use]
pub fn owner(user: UserId) -> String {
    format!("totp:{user}")
}

fn recovery_code() -> Result<String, getrandom::Error> {
    let text = [tokens::random_slug()?, tokens::random_slug()?].concat();
    let groups: Vec<String> = (0..4).map(|group| text.chars().skip(group * 4).take(4).collect()).collect();
    Ok(groups.join("-"))
}

/// As people write codes: with gaps, dashes and capitals.
fn plain(code: &str) -> String {
    code.chars().filter(|c| !c.is_whitespace() && *c != '-').take(64).collect::<String>().to_lowercase()
}

fn recovery_hash(user: UserId, code: &str) -> String {
    TokenHash::of(&format!("recovery {user} {code}")).to_hex()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vault() -> Vault {
        Vault::create(&tempfile::tempdir().unwrap().path().join("key")).unwrap()
    }

    #[test]
    fn a_code_is_good_for_three_steps() {
        let (vault, user) = (vault(), UserId::generate());
        let (enrolment, sealed) = enrol(&vault, user, &"a:b@c.d".parse().unwrap()).unwrap();
        assert!(enrolment.uri.expose().starts_with("otpauth://totp/Berth"), "{}", enrolment.uri.expose());
        assert!(enrolment.picture.expose().starts_with("data:image/png;base64,"));
        let row = totp::Totp { user_id: user, sealed, created_at: Timestamp(0), confirmed_at: None, last_step: 0 };
        let secret = totp_rs::Secret::try_from_base32(enrolment.secret.expose()).unwrap();
        let code = Builder::new().with_secret(secret).build().unwrap().generate(3000).to_string();
        let at = |second: i64| step_of(&vault, &row, &code, Timestamp(second * 1000)).unwrap();
        for (second, step) in [(2969, None), (2970, Some(100)), (3000, Some(100)), (3059, Some(100)), (3060, None)] {
            assert_eq!(at(second), step, "{second}");
        }
        let spaced = format!("{} {}", &code[..3], &code[3..]);
        assert_eq!(step_of(&vault, &row, &spaced, Timestamp(3_000_000)).unwrap(), Some(100));
        let foreign = totp::Totp { user_id: UserId::generate(), ..row };
        assert!(step_of(&vault, &foreign, &code, Timestamp(3_000_000)).is_err(), "sealed for somebody else");
    }

    #[test]
    fn recovery_codes_differ_and_are_read_as_people_write_them() {
        let user = UserId::generate();
        let (codes, hashes) = recovery_codes(user).unwrap();
        let distinct: std::collections::HashSet<_> = codes.iter().collect();
        assert_eq!((codes.len(), hashes.len(), distinct.len()), (10, 10, 10));
        let written = codes[0].to_uppercase().replace('-', " ");
        assert_eq!(recovery_hash(user, &plain(&written)), hashes[0]);
        assert_ne!(recovery_hash(UserId::generate(), &plain(&written)), hashes[0]);
    }
}
