//! One message to one webhook, signed as Standard Webhooks has it (standardwebhooks.com, version 1.0.0).
//!
//! The receiver computes HMAC-SHA-256 over `id.timestamp.body` with the secret that it was given when the
//! webhook was made, and compares; it refuses old timestamps and ids that it has seen. The id of a message stays
//! the same when it is tried again.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use hmac::{Hmac, Mac as _};
use http::{HeaderName, HeaderValue, header::CONTENT_TYPE};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::Sha256;
use thiserror::Error;
use url::Url;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::{
    db::{
        notifications::Notification,
        webhooks::{self, Webhook},
    },
    domain::{network::PrivateTargets, secret::Secret, time::Timestamp},
    outbound::{FetchError, Fetcher, Limits, Request},
    vault::{Vault, VaultError},
};

/// What secrets begin with.
const SECRET_PREFIX: &str = "whsec_";
/// Longest URL, in bytes.
const MAX_URL: usize = 2048;
/// How long a receiver may take, and how much of its answer is read: nothing of it is of use.
const LIMITS: Limits = Limits { time: Duration::from_secs(10), bytes: 64 << 10 };

/// Where to, and what it is signed with. Sealed as JSON.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub struct Target {
    url: String,
    secret: String,
}

/// Why a URL cannot be a webhook's.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum UrlError {
    /// It is no URL.
    #[error("must be a URL of at most {MAX_URL} bytes")]
    Malformed,
    /// It is of another scheme.
    #[error("must begin with https://; http:// is for hosts that the operator allows in `allow_private_targets`")]
    Scheme,
    /// It names a user.
    #[error("must not have a user name or a password in it")]
    Credentials,
}

/// How an attempt failed: what its user is told.
#[derive(Debug, Error)]
pub enum PostError {
    /// The receiver answered otherwise than with 2xx. A redirect is not followed.
    #[error("answered {0}")]
    Status(u16),
    /// It did not answer.
    #[error("{0}")]
    Fetch(#[from] FetchError),
    /// The target cannot be opened.
    #[error("its secret cannot be opened")]
    Sealed(#[from] VaultError),
    /// The target does not read as one.
    #[error("it is not readable any more; make it again")]
    Unreadable,
}

impl Target {
    /// A target with a fresh secret.
    ///
    /// # Errors
    /// When the operating system gives no randomness.
    pub fn new(url: &Url) -> Result<Self, getrandom::Error> {
        let mut bytes = Zeroizing::new([0_u8; 32]);
        getrandom::fill(bytes.as_mut())?;
        Ok(Self { url: url.to_string(), secret: format!("{SECRET_PREFIX}{}", STANDARD.encode(bytes.as_ref())) })
    }

    /// The secret, to show once.
    #[must_use]
    pub fn secret(&self) -> Secret {
        Secret::new(self.secret.clone())
    }

    /// Sealed for the webhook `owner`.
    ///
    /// # Errors
    /// When it cannot be sealed.
    pub fn seal(&self, vault: &Vault, owner: &str) -> Result<String, VaultError> {
        // Two strings always serialise.
        vault.seal(owner, &Secret::new(serde_json::to_string(self).unwrap_or_default()))
    }

    fn open(vault: &Vault, webhook: &Webhook) -> Result<Self, PostError> {
        let text = vault.open_sealed(&webhooks::owner(webhook.user_id, webhook.id), &webhook.sealed)?;
        serde_json::from_str(text.expose()).map_err(|_| PostError::Unreadable)
    }
}

/// A URL that may be a webhook's.
///
/// # Errors
/// What is wrong with it.
pub fn check(text: &str, private: &PrivateTargets) -> Result<Url, UrlError> {
    let url =
        text.parse::<Url>().ok().filter(|url| text.len() <= MAX_URL && url.has_host()).ok_or(UrlError::Malformed)?;
    match url.scheme() {
        "https" => {}
        "http" if private.allow_host_of(&url) => {}
        _ => return Err(UrlError::Scheme),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(UrlError::Credentials);
    }
    Ok(url)
}

/// The body of a message.
#[must_use]
pub fn body(told: &Notification) -> Bytes {
    let body = json!({
        "type": format!("notification.{}", told.kind),
        "timestamp": told.at,
        "data": { "id": told.id, "kind": told.kind, "title": told.title, "detail": told.detail },
    });
    body.to_string().into()
}

/// Posts a message once.
///
/// # Errors
/// Why it did not arrive.
pub async fn post(
    fetcher: &Fetcher,
    vault: &Vault,
    webhook: &Webhook,
    (id, body): (&str, Bytes),
    now: Timestamp,
) -> Result<u16, PostError> {
    let target = Target::open(vault, webhook)?;
    let seconds = (now.0 / 1000).to_string();
    let signature = sign(&target.secret, id, &seconds, &body).ok_or(PostError::Unreadable)?;
    let url = target.url.parse().map_err(|_| PostError::Unreadable)?;
    let value = |text: &str| HeaderValue::from_str(text).map_err(|_| PostError::Unreadable);
    let request = Request::post(url, body)
        .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
        .header(HeaderName::from_static("webhook-id"), value(id)?)
        .header(HeaderName::from_static("webhook-timestamp"), value(&seconds)?)
        .header(HeaderName::from_static("webhook-signature"), value(&signature)?);
    let status = fetcher.send(request, LIMITS).await?.status;
    if status.is_success() { Ok(status.as_u16()) } else { Err(PostError::Status(status.as_u16())) }
}

/// `v1,` and the base64 of the HMAC; `None` when the secret is none of ours.
fn sign(secret: &str, id: &str, timestamp: &str, body: &[u8]) -> Option<String> {
    let key = Zeroizing::new(STANDARD.decode(secret.strip_prefix(SECRET_PREFIX)?).ok()?);
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).ok()?;
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac.update(body);
    Some(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's reference libraries.
    #[test]
    fn signs_as_the_specification_does() {
        let signature = sign(
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "1614265330",
            b"{\"test\": 2432232314}",
        );
        assert_eq!(signature.as_deref(), Some("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="));
        assert_eq!(sign("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "a", "1", b""), None);
    }

    #[test]
    fn only_https_and_what_the_operator_allows() {
        let private: PrivateTargets = "127.0.0.0/8, hooks.internal:8080".parse().unwrap();
        let cases = [
            ("https://example.org/a?b=c", None),
            ("http://127.0.0.1:1/", None),
            ("http://localhost:1/", None),
            ("http://hooks.internal:8080/x", None),
            ("http://hooks.internal/x", Some(UrlError::Scheme)),
            ("http://example.org/", Some(UrlError::Scheme)),
            ("http://10.0.0.1/", Some(UrlError::Scheme)),
            ("ftp://example.org/", Some(UrlError::Scheme)),
            ("https://a:b@example.org/", Some(UrlError::Credentials)),
            ("data:text/plain,x", Some(UrlError::Malformed)),
            ("example.org", Some(UrlError::Malformed)),
        ];
        for (text, error) in cases {
            assert_eq!(check(text, &private).err(), error, "{text}");
        }
    }
}
