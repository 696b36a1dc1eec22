//! What a client shows at the token endpoint to prove who it is (RFC 6749, section 2.3): in the header or in
//! the form, and never in two ways at once.

use std::collections::HashMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use url::form_urlencoded;

use super::{ClientError, assertion};
use crate::domain::secret::Secret;

/// `client_assertion_type` (RFC 7523, section 2.2).
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Who it says it is, and by what.
pub(super) struct Shown {
    pub(super) client_id: String,
    pub(super) proof: Proof,
    /// Whether it came as a header.
    pub(super) basic: bool,
}

/// By what it proves that.
pub(super) enum Proof {
    Nothing,
    Secret(Secret),
    Assertion(String),
}

/// Reads the header and the form. A member without a value counts as absent (RFC 6749, section 3.2).
pub(super) fn read(authorization: Option<&str>, form: &HashMap<String, String>) -> Result<Shown, ClientError> {
    let member = |name: &str| form.get(name).map(String::as_str).filter(|value| !value.is_empty());
    let (secret, assertion) = (member("client_secret"), member("client_assertion"));
    let ways = [authorization.is_some(), secret.is_some(), assertion.is_some()];
    if ways.iter().filter(|way| **way).count() > 1 {
        return Err(ClientError::Malformed("the client proves who it is in two ways at once; use one"));
    }
    let shown = match (authorization, secret, assertion) {
        (Some(header), _, _) => basic(header)?,
        (_, _, Some(assertion)) => signed(assertion, member("client_assertion_type"), member("client_id"))?,
        (_, secret, _) => {
            let unsaid = ClientError::Unproven { reason: "it has not said who it is", basic: false };
            let client_id = member("client_id").ok_or(unsaid)?.to_owned();
            let proof = secret.map_or(Proof::Nothing, |secret| Proof::Secret(Secret::new(secret.to_owned())));
            Shown { client_id, proof, basic: false }
        }
    };
    match member("client_id") {
        Some(id) if id != shown.client_id => Err(ClientError::Malformed("`client_id` is not who proves to be it")),
        _ => Ok(shown),
    }
}

/// `Authorization: Basic`, both halves of which are encoded as in a form (RFC 6749, section 2.3.1).
fn basic(header: &str) -> Result<Shown, ClientError> {
    let unread = ClientError::Unproven { reason: "its Authorization header is not of the form Basic", basic: true };
    let pair = || {
        let (scheme, encoded) = header.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let pair = Secret::new(String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?);
        let (id, secret) = pair.expose().split_once(':')?;
        Some((decode(id), Secret::new(decode(secret))))
    };
    let (client_id, secret) = pair().ok_or(unread)?;
    Ok(Shown { client_id, proof: Proof::Secret(secret), basic: true })
}

/// One value of `application/x-www-form-urlencoded`.
fn decode(text: &str) -> String {
    // As a key without a value: a `=` or `&` in it, which a client has left as it is, means itself.
    let whole = text.replace('&', "%26").replace('=', "%3D");
    form_urlencoded::parse(whole.as_bytes()).next().map(|(key, _)| key.into_owned()).unwrap_or_default()
}

/// RFC 7521, section 4.2: the assertion says whose it is; `client_id` may say the same.
fn signed(assertion: &str, kind: Option<&str>, client_id: Option<&str>) -> Result<Shown, ClientError> {
    if kind != Some(ASSERTION_TYPE) {
        return Err(ClientError::Unproven {
            reason: "`client_assertion_type` must be urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            basic: false,
        });
    }
    let unread = ClientError::Unproven { reason: "its assertion cannot be read", basic: false };
    let client_id = match client_id {
        Some(id) => id.to_owned(),
        None => assertion::subject(assertion).ok_or(unread)?,
    };
    Ok(Shown { client_id, proof: Proof::Assertion(assertion.to_owned()), basic: false })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(authorization: Option<&str>, form: &[(&str, &str)]) -> Result<(String, Option<String>), &'static str> {
        let form = form.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let shown = read(authorization, &form).map_err(|error| error.code())?;
        let secret = match shown.proof {
            Proof::Secret(secret) => Some(secret.expose().to_owned()),
            Proof::Nothing => None,
            Proof::Assertion(text) => Some(text),
        };
        Ok((shown.client_id, secret))
    }

    #[test]
    fn one_way_and_no_more() {
        let header = |text: &str| format!("Basic {}", STANDARD.encode(text));
        let said = |id: &str, secret: Option<&str>| Ok((id.to_owned(), secret.map(str::to_owned)));
        let (plain, odd) = (header("a:s"), header("https%3A%2F%2Fa%2Fb:s+t%3A=&%25"));
        assert_eq!(shown(Some(&plain), &[]), said("a", Some("s")));
        assert_eq!(shown(Some(&plain.replace("Basic", "basic")), &[("client_id", "a")]), said("a", Some("s")));
        assert_eq!(shown(Some(&odd), &[]), said("https://a/b", Some("s t:=&%")));
        assert_eq!(shown(None, &[("client_id", "a"), ("client_secret", "s")]), said("a", Some("s")));
        assert_eq!(shown(None, &[("client_id", "a"), ("client_secret", "")]), said("a", None));
        assert_eq!(shown(Some(&plain), &[("client_secret", "")]), said("a", Some("s")));
        let refused = [
            (Some(plain.as_str()), vec![("client_secret", "s")], "invalid_request"),
            (Some(plain.as_str()), vec![("client_id", "b")], "invalid_request"),
            (Some(plain.as_str()), vec![("client_assertion", "x")], "invalid_request"),
            (None, vec![("client_id", "a"), ("client_secret", "s"), ("client_assertion", "x")], "invalid_request"),
            (Some("Bearer x"), vec![], "invalid_client"),
            (Some("Basic !"), vec![], "invalid_client"),
            (None, vec![], "invalid_client"),
            (None, vec![("client_secret", "s")], "invalid_client"),
            (None, vec![("client_assertion", "x"), ("client_assertion_type", "y")], "invalid_client"),
            (None, vec![("client_assertion", "x"), ("client_assertion_type", ASSERTION_TYPE)], "invalid_client"),
        ];
        for (header, form, code) in refused {
            assert_eq!(shown(header, &form), Err(code), "{header:?} {form:?}");
        }
    }
}
