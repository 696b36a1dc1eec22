//! The cookies of sign-ins. Over HTTPS their names begin with `__Host-`: browsers take such a cookie only
//! from this very host, with `Secure` and for all paths (RFC 6265bis section 4.1.3.2).

use actix_web::{
    HttpRequest,
    cookie::{Cookie, SameSite, time::Duration},
};

use crate::web::state::AppState;

/// What a cookie is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The sign-in itself.
    Session,
    /// Ties forms of somebody who is not signed in to their browser.
    Form,
    /// Ties the answer of a sign-in provider to the browser that asked for it.
    Provider,
    /// Ties the answer of an outside service to the browser that asked for consent.
    Consent,
}

impl Kind {
    /// The cookie's name.
    #[must_use]
    pub const fn name(self, secure: bool) -> &'static str {
        match (self, secure) {
            (Self::Session, false) => "berth_session",
            (Self::Session, true) => "__Host-berth_session",
            (Self::Form, false) => "berth_form",
            (Self::Form, true) => "__Host-berth_form",
            (Self::Provider, false) => "berth_provider",
            (Self::Provider, true) => "__Host-berth_provider",
            (Self::Consent, false) => "berth_consent",
            (Self::Consent, true) => "__Host-berth_consent",
        }
    }
}

fn is_secure(state: &AppState) -> bool {
    state.public_url.scheme() == "https"
}

/// The value that the browser has sent, if it is not empty.
#[must_use]
pub fn read(request: &HttpRequest, state: &AppState, kind: Kind) -> Option<String> {
    let cookie = request.cookie(kind.name(is_secure(state)))?;
    Some(cookie.value().to_owned()).filter(|value| !value.is_empty())
}

/// A cookie; without an age it ends with the browser.
#[must_use]
pub fn make(state: &AppState, kind: Kind, value: String, age: Option<std::time::Duration>) -> Cookie<'static> {
    let secure = is_secure(state);
    let mut cookie = Cookie::build(kind.name(secure), value)
        .path("/")
        .http_only(true)
        // Lax: who is sent here by an OAuth client, by a mail or by a sign-in provider is known when they
        // arrive. Forms and calls that change something need the CSRF token besides.
        .same_site(SameSite::Lax)
        .secure(secure)
        .finish();
    if let Some(age) = age {
        cookie.set_max_age(Duration::seconds(i64::try_from(age.as_secs()).unwrap_or(i64::MAX)));
    }
    cookie
}

/// Takes a cookie back.
#[must_use]
pub fn removal(state: &AppState, kind: Kind) -> Cookie<'static> {
    make(state, kind, String::new(), Some(std::time::Duration::ZERO))
}
