//! Public keys of clients (RFC 7517): read tolerantly, kept typed and few.

use std::sync::Arc;

use jsonwebtoken::jwk::{AlgorithmParameters, Jwk};
use serde_json::Value;
use url::Url;

/// Keys of one client that are looked at.
const MAX_KEYS: usize = 8;
/// Characters of the modulus of an RSA key of 2048 bits, in base64url: shorter ones can be broken.
const RSA_CHARACTERS: usize = 342;

/// Reads a JSON Web Key Set. Keys of types that mean nothing here are passed over (RFC 7517, section 5), secret
/// ones are refused: whoever could sign must be the client alone.
///
/// # Errors
/// What is wrong.
pub(super) fn read(jwks: &Value) -> Result<Vec<Jwk>, String> {
    let keys = jwks.get("keys").and_then(Value::as_array).ok_or("must be an object with a list `keys`")?;
    if keys.iter().any(|key| key.get("d").is_some() || key.get("k").is_some()) {
        return Err("has a secret key; give public keys alone, and change this one".to_owned());
    }
    let usable = |key: &Value| serde_json::from_value::<Jwk>(key.clone()).ok().filter(is_usable);
    let found: Vec<Jwk> = keys.iter().filter_map(usable).collect();
    match found.len() {
        0 => Err("has no public key of type EC, OKP, or RSA with 2048 bits or more".to_owned()),
        count if count > MAX_KEYS => Err(format!("has {count} keys; give {MAX_KEYS} at most")),
        _ => Ok(found),
    }
}

fn is_usable(key: &Jwk) -> bool {
    match &key.algorithm {
        AlgorithmParameters::EllipticCurve(_) | AlgorithmParameters::OctetKeyPair(_) => true,
        AlgorithmParameters::RSA(rsa) => rsa.n.len() >= RSA_CHARACTERS,
        _ => false,
    }
}

/// Where keys may be fetched from.
///
/// # Errors
/// When it is no https URL.
pub(super) fn check_uri(uri: &str) -> Result<Url, &'static str> {
    let plain = |url: &Url| url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    let url = Url::parse(uri).ok().filter(|url| url.scheme() == "https" && url.has_host() && plain(url));
    url.ok_or("must be an https URL without user name, password and fragment")
}

/// A client's public keys.
#[derive(Clone, Debug)]
pub enum Keys {
    /// These.
    Inline(Arc<Vec<Jwk>>),
    /// Those that are found there.
    At(Url),
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn public_keys_are_read_and_others_are_not() {
        let ec = json!({ "kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "kid": "1" });
        let rsa = |characters: usize| json!({ "kty": "RSA", "n": "A".repeat(characters), "e": "AQAB" });
        assert_eq!(read(&json!({ "keys": [ec, rsa(342), { "kty": "new" }, 5] })).unwrap().len(), 2);
        let mut private = ec.clone();
        private["d"] = "AA".into();
        for wrong in [
            json!([]),
            json!({}),
            json!({ "keys": [] }),
            json!({ "keys": [rsa(171)] }),
            json!({ "keys": [ec, private] }),
            json!({ "keys": [{ "kty": "oct", "k": "AA" }] }),
            json!({ "keys": vec![ec; 9] }),
        ] {
            assert!(read(&wrong).is_err(), "{wrong}");
        }
    }
}
