//! Signed assertions by which clients prove who they are (RFC 7523, sections 2.2 and 3).

use jsonwebtoken::{
    Algorithm, DecodingKey, Validation, decode, decode_header,
    errors::ErrorKind,
    jwk::{Jwk, KeyAlgorithm},
};
use serde::Deserialize;
use serde_json::Value;

use crate::domain::time::Timestamp;

/// What may sign. Nothing with a shared secret, and never nothing (RFC 8725, section 3.1).
pub(super) const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
];
/// How far ahead an assertion may end, in seconds: that long its id must be remembered.
const LONGEST: i64 = 300;
/// How wrong the clocks may be, in seconds.
const LEEWAY: i64 = 30;
/// Bytes of an assertion, and of its id.
const MAX_BYTES: usize = 8192;

#[derive(Deserialize)]
struct Claims {
    exp: f64,
    iat: Option<f64>,
    jti: Option<String>,
    aud: Value,
}

/// What has been proved: this id must not be used again before that time.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Proved {
    pub(super) jti: String,
    pub(super) until: Timestamp,
}

/// Whose assertion it says it is; nothing is checked.
pub(super) fn subject(assertion: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Subject {
        sub: String,
    }
    if assertion.len() > MAX_BYTES {
        return None;
    }
    jsonwebtoken::dangerous::insecure_decode::<Subject>(assertion).ok().map(|token| token.claims.sub)
}

/// Whether `assertion` is the client's own, for us, and for now.
pub(super) fn check(
    assertion: &str,
    client_id: &str,
    keys: &[Jwk],
    audiences: &[String],
    now: Timestamp,
) -> Result<Proved, &'static str> {
    if assertion.len() > MAX_BYTES {
        return Err("its assertion is too long");
    }
    let header = decode_header(assertion).map_err(|_| "its assertion cannot be read")?;
    if !ALGORITHMS.contains(&header.alg) {
        return Err("its assertion is not signed by ES256, EdDSA, RS256, PS256 or one of their kin");
    }
    let rules = rules(header.alg, client_id, audiences);
    let fits = |key: &&Jwk| {
        let same_id = header.kid.is_none() || key.common.key_id.is_none() || key.common.key_id == header.kid;
        same_id && key.common.key_algorithm.is_none_or(|algorithm| algorithm == KeyAlgorithm::from(header.alg))
    };
    let mut refusal = "no key of its has signed its assertion";
    for key in keys.iter().filter(fits).filter_map(|key| DecodingKey::from_jwk(key).ok()) {
        match decode::<Claims>(assertion, &key, &rules) {
            Ok(token) => return timely(token.claims, now),
            Err(error) => refusal = explain(error.kind()).unwrap_or(refusal),
        }
    }
    Err(refusal)
}

fn rules(algorithm: Algorithm, client_id: &str, audiences: &[String]) -> Validation {
    let mut rules = Validation::new(algorithm);
    rules.set_required_spec_claims(&["exp", "iss", "sub", "aud"]);
    rules.set_issuer(&[client_id]);
    rules.sub = Some(client_id.to_owned());
    rules.set_audience(audiences);
    rules.validate_nbf = true;
    rules.leeway = LEEWAY.unsigned_abs();
    rules
}

/// What is wrong with an assertion that a key has signed; `None` when that key has not.
const fn explain(kind: &ErrorKind) -> Option<&'static str> {
    match kind {
        ErrorKind::ExpiredSignature => Some("its assertion has expired"),
        ErrorKind::ImmatureSignature => Some("its assertion is not valid yet"),
        ErrorKind::InvalidAudience => Some("its assertion is for somebody else; `aud` must be the issuer"),
        ErrorKind::InvalidIssuer | ErrorKind::InvalidSubject => Some("its assertion is somebody else's"),
        ErrorKind::MissingRequiredClaim(_) => Some("its assertion lacks one of `iss`, `sub`, `aud` and `exp`"),
        _ => None,
    }
}

fn timely(claims: Claims, now: Timestamp) -> Result<Proved, &'static str> {
    // A list may be meant for others, too, who could then be us (draft-ietf-oauth-rfc7523bis, section 4).
    if claims.aud.as_array().is_some_and(|list| list.len() > 1) {
        return Err("its assertion is for several; `aud` must be the issuer alone");
    }
    #[expect(clippy::cast_precision_loss, reason = "seconds of this millennium are far below 2^53")]
    let now_seconds = (now.0 / 1000) as f64;
    #[expect(clippy::cast_precision_loss, reason = "small constants")]
    let (longest, leeway) = ((LONGEST + LEEWAY) as f64, LEEWAY as f64);
    if claims.exp > now_seconds + longest {
        return Err("its assertion is valid for more than 5 minutes");
    }
    if claims.iat.is_some_and(|at| at > now_seconds + leeway) {
        return Err("its assertion is of the future");
    }
    let jti = claims.jti.filter(|jti| !jti.is_empty()).ok_or("its assertion has no `jti`")?;
    Ok(Proved { jti, until: Timestamp(now.0 + 1000 * (LONGEST + 2 * LEEWAY)) })
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    use jsonwebtoken::{EncodingKey, Header, encode};
    use serde_json::json;

    use super::*;

    const ISSUER: &str = "https://gw.example";

    /// An EdDSA key pair of a fixed seed: PKCS#8 (RFC 8410, section 7) and its public half.
    struct Pair {
        private: EncodingKey,
        public: Jwk,
    }

    fn pair(kid: &str, seed: u8) -> Pair {
        let head = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
        let private = EncodingKey::from_ed_der(&[&head[..], &[seed; 32]].concat());
        let mut public = Jwk::from_encoding_key(&private, Algorithm::EdDSA).unwrap();
        public.common.key_id = Some(kid.to_owned());
        Pair { private, public }
    }

    fn now() -> i64 {
        Timestamp::now().0 / 1000
    }

    fn claims() -> Value {
        json!({ "iss": "me", "sub": "me", "aud": ISSUER, "exp": now() + 300, "iat": now(), "jti": "1" })
    }

    fn sign(pair: &Pair, claims: &Value) -> String {
        encode(
            &Header { kid: pair.public.common.key_id.clone(), ..Header::new(Algorithm::EdDSA) },
            claims,
            &pair.private,
        )
        .unwrap()
    }

    fn checked(assertion: &str, keys: &[Jwk]) -> Result<Proved, &'static str> {
        check(assertion, "me", keys, &[ISSUER.to_owned()], Timestamp::now())
    }

    #[test]
    fn the_clients_own_signature_proves_it() {
        let (one, two) = (pair("1", 1), pair("2", 2));
        let keys = [two.public.clone(), one.public.clone()];
        assert_eq!(checked(&sign(&one, &claims()), &keys).unwrap().jti, "1");
        assert_eq!(subject(&sign(&one, &claims())).as_deref(), Some("me"));
        let mut listed = claims();
        listed["aud"] = json!([ISSUER]);
        assert!(checked(&sign(&two, &listed), &keys).is_ok());
    }

    #[test]
    fn nothing_else_does() {
        let (own, foreign) = (pair("1", 1), pair("1", 3));
        let keys = [own.public.clone()];
        let but = |member: &str, value: Value| {
            let mut claims = claims();
            claims[member] = value;
            sign(&own, &claims)
        };
        let unsigned = format!("{}.{}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#), {
            URL_SAFE_NO_PAD.encode(claims().to_string())
        });
        // The public key as the secret of an HMAC: the oldest trick.
        let public = serde_json::to_value(&own.public).unwrap()["x"].as_str().unwrap().to_owned();
        let secret = EncodingKey::from_secret(&URL_SAFE_NO_PAD.decode(public).unwrap());
        let shared = encode(&Header::new(Algorithm::HS256), &claims(), &secret).unwrap();
        let cases = [
            (sign(&foreign, &claims()), "no key"),
            (unsigned, "cannot be read"),
            (shared, "not signed by"),
            ("x".repeat(9000), "too long"),
            ("a.b.c".to_owned(), "cannot be read"),
            (but("iss", json!("you")), "somebody else's"),
            (but("sub", json!("you")), "somebody else's"),
            (but("aud", json!("https://other.example")), "for somebody else"),
            (but("aud", json!([ISSUER, "https://other.example"])), "for several"),
            (but("exp", json!(now() - 60)), "expired"),
            (but("exp", json!(now() + 3600)), "more than 5 minutes"),
            (but("nbf", json!(now() + 200)), "not valid yet"),
            (but("iat", json!(now() + 200)), "of the future"),
            (but("jti", Value::Null), "no `jti`"),
        ];
        for (assertion, expected) in cases {
            let refusal = checked(&assertion, &keys).unwrap_err();
            assert!(refusal.contains(expected), "{expected}: {refusal}");
        }
        for member in ["iss", "sub", "aud", "exp"] {
            assert!(checked(&but(member, Value::Null), &keys).is_err(), "{member}");
        }
        assert!(checked(&sign(&own, &claims()), &[]).is_err());
        let mut other = own.public.clone();
        other.common.key_id = Some("2".to_owned());
        assert!(checked(&sign(&own, &claims()), &[other.clone()]).is_err());
        other.common.key_id = None;
        assert!(checked(&sign(&own, &claims()), &[other.clone()]).is_ok());
        other.common.key_algorithm = Some(KeyAlgorithm::ES256);
        assert!(checked(&sign(&own, &claims()), &[other]).is_err());
    }
}
