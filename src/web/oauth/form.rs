//! What clients and pages send as `application/x-www-form-urlencoded`.

use std::collections::HashMap;

use actix_web::{HttpRequest, http::header};

use super::error::OAuthError;

/// The members of a body. One that is sent without a value counts as not sent, and none may be sent twice
/// (RFC 6749 section 3.2).
///
/// # Errors
/// When it is no form, or a member is there twice.
pub fn read(request: &HttpRequest, body: &[u8]) -> Result<HashMap<String, String>, OAuthError> {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err(OAuthError::invalid_request("the body must be application/x-www-form-urlencoded"));
    }
    parse(body).map_err(|name| OAuthError::invalid_request(format!("{name} is there twice")))
}

/// The members of a body or a query; else the name of one that is there twice.
///
/// # Errors
/// That name.
pub fn parse(text: &[u8]) -> Result<HashMap<String, String>, String> {
    let mut members = HashMap::new();
    for (name, value) in url::form_urlencoded::parse(text).filter(|(_, value)| !value.is_empty()) {
        if members.insert(name.clone().into_owned(), value.into_owned()).is_some() {
            return Err(name.chars().take(50).collect());
        }
    }
    Ok(members)
}
