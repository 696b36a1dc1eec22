//! Whose attempt it is, how often they have tried, and whether a password is right.

use std::net::IpAddr;

use actix_web::HttpRequest;
use serde_json::json;

use crate::{
    auth::{
        AuthError, passwords,
        totp::{self, Verdict},
    },
    db::{
        OptionalExtension,
        users::{self, User},
    },
    domain::{ids::UserId, names::Email, secret::Secret, time::Timestamp},
    web::{api::audit, error::ApiError, state::AppState},
};

/// Counts attempts at one thing, by whom they are for and where they come from.
pub struct Attempt {
    /// Where it comes from.
    pub address: String,
    keys: [String; 2],
}

impl Attempt {
    /// At signing in to an account, by the address that was typed.
    #[must_use]
    pub fn at_account(request: &HttpRequest, email: &str) -> Self {
        Self::at(request, "account", &plain(email))
    }

    /// At the second factor of an account: its password does not forgive these.
    #[must_use]
    pub fn at_code(request: &HttpRequest, user: UserId) -> Self {
        Self::at(request, "code", &user.to_string())
    }

    /// At having a mail sent: counted apart, and every one of them.
    #[must_use]
    pub fn at_mail(request: &HttpRequest, email: &str) -> Self {
        let address = client_address(request);
        Self { keys: [format!("mail to {}", plain(email)), format!("mails from {address}")], address }
    }

    /// At something that only the address names: links, answers of providers.
    #[must_use]
    pub fn at_address(request: &HttpRequest) -> Self {
        let address = client_address(request);
        let key = format!("address {address}");
        Self { keys: [key.clone(), key], address }
    }

    fn at(request: &HttpRequest, kind: &str, name: &str) -> Self {
        let address = client_address(request);
        Self { keys: [format!("{kind} {name}"), format!("address {address}")], address }
    }

    fn keys(&self) -> Vec<&str> {
        let [first, second] = &self.keys;
        // What is the same twice counts once.
        if first == second { vec![first] } else { vec![first, second] }
    }

    /// Passes while there were few failures.
    ///
    /// # Errors
    /// How long to wait.
    pub fn check(&self, state: &AppState) -> Result<(), AuthError> {
        match state.throttle.wait(&self.keys(), Timestamp::now()) {
            None => Ok(()),
            Some(wait) => Err(AuthError::Throttled { retry_after_seconds: wait.as_secs() + 1 }),
        }
    }

    /// Counts a failure.
    pub fn failed(&self, state: &AppState) {
        state.throttle.failed(&self.keys(), Timestamp::now());
    }

    /// Forgives the account; the address goes on counting.
    pub fn succeeded(&self, state: &AppState) {
        state.throttle.succeeded(&self.keys[0]);
    }
}

/// An address has at most 254 characters; longer names are nobody's and need no memory.
fn plain(email: &str) -> String {
    email.trim().to_lowercase().chars().take(254).collect()
}

/// The account with this address and password.
///
/// # Errors
/// The same, after the same time, for a wrong password and an unknown account; when there were too many
/// failures; or when the account is disabled and the password right.
pub async fn by_password(
    request: &HttpRequest,
    state: &AppState,
    email: &str,
    password: Secret,
) -> Result<User, ApiError> {
    let attempt = Attempt::at_account(request, email);
    attempt.check(state)?;
    let known = email.trim().parse::<Email>();
    // What is no address may be a password in the wrong field.
    let target = if known.is_ok() { format!("account:{}", plain(email)) } else { "account".to_owned() };
    let user = match known {
        Ok(email) => state.db.read(move |conn| users::by_email(conn, &email).optional()).await?,
        Err(_) => None,
    };
    let hash = user.as_ref().and_then(|user| user.password_hash.clone());
    let matches = passwords::verify_async(password, hash).await;
    // Guesses that were sent at once have all passed the first look; what they found stays hidden.
    attempt.check(state)?;
    let is_disabled = user.as_ref().is_some_and(|user| user.disabled_at.is_some());
    let Some(user) = user.filter(|_| matches && !is_disabled) else {
        attempt.failed(state);
        let detail = json!({ "address": attempt.address, "disabled": matches && is_disabled });
        state.db.write(move |conn| audit(conn, None, "auth.login_failed", target, detail)).await?;
        return Err(if matches { AuthError::Disabled } else { AuthError::WrongPassword }.into());
    };
    attempt.succeeded(state);
    Ok(user)
}

/// Whether this is the password of an account whose owner is known already.
///
/// # Errors
/// When it is not, or there were too many failures. An account without a password has none to check.
pub async fn check_own_password(
    request: &HttpRequest,
    state: &AppState,
    user: &User,
    password: Option<Secret>,
) -> Result<(), ApiError> {
    let Some(hash) = user.password_hash.clone() else { return Ok(()) };
    let attempt = Attempt::at_account(request, user.email.as_str());
    attempt.check(state)?;
    let password = password.unwrap_or_else(|| Secret::new(String::new()));
    if passwords::verify_async(password, Some(hash)).await {
        return Ok(());
    }
    attempt.failed(state);
    Err(AuthError::WrongPassword.into())
}

/// Checks a code of the second factor, and uses it up; `true` when it was a recovery code.
///
/// # Errors
/// When it is wrong, or there were too many wrong ones.
pub async fn check_code(request: &HttpRequest, state: &AppState, user: UserId, code: &str) -> Result<bool, ApiError> {
    let attempt = Attempt::at_code(request, user);
    attempt.check(state)?;
    let verdict = totp::check(&state.db, &state.vault, user, code, Timestamp::now()).await?;
    if verdict == Verdict::Wrong {
        attempt.failed(state);
        let (target, detail) = (format!("user:{user}"), json!({ "address": attempt.address }));
        state.db.write(move |conn| audit(conn, None, "auth.code_failed", target, detail)).await?;
        return Err(AuthError::WrongCode.into());
    }
    attempt.succeeded(state);
    Ok(verdict == Verdict::Recovery)
}

/// Where a sign-in comes from. A proxy on this host says it in the last entry of `X-Forwarded-For`;
/// everybody else could write there what they like. Of IPv6, the network counts: one person has it whole.
#[must_use]
pub fn client_address(request: &HttpRequest) -> String {
    let Some(peer) = request.peer_addr().map(|peer| peer.ip().to_canonical()) else { return String::new() };
    let forwarded = request.headers().get("x-forwarded-for").and_then(|value| value.to_str().ok());
    let forwarded = forwarded.and_then(|list| list.rsplit(',').next()?.trim().parse::<IpAddr>().ok());
    match forwarded.filter(|_| peer.is_loopback()).unwrap_or(peer) {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}
