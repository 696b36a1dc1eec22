//! The authorization server over HTTP: discovery, consent, tokens.
//!
//! Pages answer people, JSON of RFC 6749 answers clients; neither is a problem of RFC 9457. Invariants: a
//! browser is sent nowhere before client and redirect URI are known to belong together; nothing of a request
//! is taken from the consent form but the user's answer; endpoints that pages of any origin may call look at
//! no cookie.

pub mod authorize;
pub mod challenge;
pub mod consent;
mod consent_page;
pub mod discovery;
pub mod error;
pub mod form;
mod go_back;
pub mod introspect;
mod pending;
pub mod revoke;
pub mod token;

use actix_web::{HttpRequest, http::header};
use url::Url;

use super::state::AppState;

/// Under which URL this client reaches us: what the operator says, else the host that it asked for, so that
/// `localhost` and `127.0.0.1` each get what fits them. No slash at its end, unless it is the whole path.
pub(super) fn base_url(request: &HttpRequest, state: &AppState) -> Url {
    if state.config.server.public_url.is_some() {
        return state.public_url.clone();
    }
    let host = request.headers().get(header::HOST).and_then(|value| value.to_str().ok());
    let asked =
        host.filter(|host| state.allowed.host(host)).and_then(|host| Url::parse(&format!("http://{host}")).ok());
    let plain = |url: &Url| url.path() == "/" && url.username().is_empty() && url.query().is_none();
    asked.filter(plain).unwrap_or_else(|| state.public_url.clone())
}

/// The name of the authorization server under that URL: clients compare it text by text (RFC 8414 section 3.3,
/// RFC 9207 section 2.4).
pub(super) fn issuer(base: &Url) -> String {
    base.as_str().trim_end_matches('/').to_owned()
}
