//! Authorization codes: one use, one minute, bound to a challenge (RFC 7636).

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use crate::{
    auth::tokens::{TokenHash, equal},
    db::{Connection, QueryResult, oauth_grants::codes},
    domain::{ids::GrantId, time::Timestamp},
};

/// How long a code may be exchanged (RFC 6749, section 4.1.2, recommends ten minutes at most; clients take
/// seconds).
pub const LIFETIME: Duration = Duration::from_secs(60);

/// Whether it is the base64url text of a SHA-256, which is what S256 makes (RFC 7636, section 4.2).
#[must_use]
pub fn is_challenge(text: &str) -> bool {
    text.len() == 43 && URL_SAFE_NO_PAD.decode(text).is_ok_and(|bytes| bytes.len() == 32)
}

/// Whether `verifier` is what the challenge was made of (RFC 7636, sections 4.1 and 4.6).
#[must_use]
pub fn verifies(challenge: &str, verifier: &str) -> bool {
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    if !(43..=128).contains(&verifier.len()) || !verifier.bytes().all(unreserved) {
        return false;
    }
    equal(challenge, &URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes())))
}

/// Keeps `code` for a grant.
///
/// # Errors
/// When the query fails.
pub fn insert(
    conn: &mut Connection,
    grant: GrantId,
    code: &str,
    (redirect_uri, challenge): (String, String),
    expires_at: Timestamp,
) -> QueryResult<()> {
    let hash = TokenHash::of(code).to_hex();
    let code = codes::Code { hash, grant_id: grant, redirect_uri, challenge, expires_at, used_at: None };
    codes::insert(conn, &code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verifies_the_example_of_the_rfc() {
        // RFC 7636, appendix B.
        let (verifier, challenge) =
            ("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
        assert!(is_challenge(challenge) && verifies(challenge, verifier));
        let long = "a".repeat(129);
        for wrong in [
            "",
            verifier.get(..42).unwrap(),
            &verifier.replace('d', "e"),
            challenge,
            &long,
            &verifier.replace('_', "+"),
        ] {
            assert!(!verifies(challenge, wrong), "{wrong}");
        }
        for wrong in ["", "plain", verifier.get(..42).unwrap(), &verifier.replace('_', "=")] {
            assert!(!is_challenge(wrong), "{wrong}");
        }
    }
}
