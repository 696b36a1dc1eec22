//! Signing in with another provider: there and back.
//!
//! What has to be remembered in between goes with the browser, sealed in a cookie that is good for ten
//! minutes: nothing is kept here for those who never come back. Only answers that were taken are remembered,
//! until they are too old anyway, so that each is taken once.

mod person;

use std::{collections::HashMap, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse,
    web::{Data, Path, Query},
};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use url::Url;

use super::{
    Refusal,
    account::Attempt,
    cookies::{self, Kind},
    entry::{self, How},
    form::FormCookie,
    next,
    password::Where,
};
use crate::{
    auth::{
        oidc::{OidcError, Provider, Returned},
        tokens,
    },
    domain::{secret::Secret, time::Timestamp},
    web::{
        error::{ApiError, ErrorCode},
        state::AppState,
    },
};

/// The name that these cookies are sealed for.
const OWNER: &str = "sign-in provider";
const LIFETIME: Duration = Duration::from_secs(10 * 60);
/// States that are remembered; taking one costs a whole sign-in at a provider.
const MOST_USED: usize = 100_000;

/// Answers of providers that were taken, until they are too old.
#[derive(Default)]
pub struct UsedStates(Mutex<HashMap<String, Timestamp>>);

impl UsedStates {
    /// Whether this is the first time.
    pub(in crate::web) fn take(&self, state: &str, until: Timestamp, now: Timestamp) -> bool {
        let mut used = self.0.lock();
        if used.len() >= MOST_USED {
            used.retain(|_, until| *until > now);
        }
        used.len() < MOST_USED && used.insert(state.to_owned(), until).is_none()
    }
}

/// What goes with the browser.
#[derive(Serialize, Deserialize)]
struct Journey {
    provider: String,
    state: String,
    nonce: String,
    verifier: String,
    next: String,
    expires: i64,
}

/// What the provider sends back (RFC 6749 section 4.1.2, RFC 9207).
#[derive(Deserialize)]
pub struct Answer {
    code: Option<String>,
    state: Option<String>,
    iss: Option<String>,
    error: Option<String>,
}

/// `GET /login/oidc/{provider}`.
///
/// # Errors
/// 404 when there is no such provider; when it does not answer.
pub async fn begin(
    request: HttpRequest,
    state: Data<AppState>,
    name: Path<String>,
    query: Query<Where>,
) -> Result<HttpResponse, Refusal> {
    Attempt::at_address(&request).check(&state)?;
    let provider = find(&state, &name)?;
    let begun = provider.begin(&redirect_url(&state, provider)?).await.map_err(failed)?;
    let journey = Journey {
        provider: name.into_inner(),
        state: begun.state,
        nonce: begun.nonce,
        verifier: begun.verifier,
        next: next::safe(query.next.as_deref()).to_owned(),
        expires: Timestamp::now().after(LIFETIME).0,
    };
    let text = Secret::new(serde_json::to_string(&journey).map_err(ApiError::internal)?);
    let cookie = cookies::make(&state, Kind::Provider, state.vault.seal(OWNER, &text)?, Some(LIFETIME));
    Ok(entry::redirect(begun.url.as_str(), Some(&cookie)))
}

/// `GET /login/oidc/{provider}/callback`.
///
/// # Errors
/// When the answer is not one to what this browser has asked, the provider refuses or is not to be believed,
/// or there is no account and none is made.
pub async fn finish(
    request: HttpRequest,
    state: Data<AppState>,
    name: Path<String>,
    answer: Query<Answer>,
) -> Result<HttpResponse, Refusal> {
    let attempt = Attempt::at_address(&request);
    attempt.check(&state)?;
    let outcome = arrive(&request, &state, &name, answer.into_inner()).await;
    if outcome.as_ref().is_err_and(|refusal| refusal.code() != ErrorCode::UpstreamFailed) {
        attempt.failed(&state);
    }
    let mut response = outcome.unwrap_or_else(|refusal| actix_web::ResponseError::error_response(&refusal));
    // Whatever came of it, this journey is over. A cookie of our own making is always a valid header.
    let _ = response.add_cookie(&cookies::removal(&state, Kind::Provider));
    Ok(response)
}

async fn arrive(request: &HttpRequest, state: &AppState, name: &str, answer: Answer) -> Result<HttpResponse, Refusal> {
    let provider = find(state, name)?;
    let journey = journey(request, state, name, answer.state.as_deref())?;
    // RFC 9207 section 2.4: where it is sent, it must be the one that was asked.
    if answer.iss.as_ref().is_some_and(|iss| *iss != provider.setting().issuer) {
        return Err(Refusal::new(
            ErrorCode::Forbidden,
            "the answer comes from another sign-in provider than was asked",
        ));
    }
    if let Some(error) = answer.error {
        let plain: String = error.chars().filter(char::is_ascii_graphic).take(60).collect();
        let said = format!("{} did not sign you in ({plain})", provider.setting().display_name);
        return Err(Refusal::new(ErrorCode::Forbidden, said));
    }
    let code = answer.code.ok_or_else(|| Refusal::new(ErrorCode::MalformedRequest, "the answer has no code"))?;
    let returned = Returned { code, nonce: &journey.nonce, verifier: &journey.verifier };
    let person = provider.finish(&redirect_url(state, provider)?, returned).await.map_err(failed)?;
    let user = person::account(state, provider.setting(), person).await?;
    let form = FormCookie::of(request, state)?;
    entry::enter(request, state, (user, How::Provider(name.to_owned())), &journey.next, &form).await
}

/// What the browser has carried, if this is the answer to it.
fn journey(request: &HttpRequest, state: &AppState, name: &str, sent: Option<&str>) -> Result<Journey, Refusal> {
    let sealed = cookies::read(request, state, Kind::Provider).ok_or_else(foreign)?;
    let text = state.vault.open_sealed(OWNER, &sealed).map_err(|_| foreign())?;
    let journey: Journey = serde_json::from_str(text.expose()).map_err(|_| foreign())?;
    let (now, until) = (Timestamp::now(), Timestamp(journey.expires));
    let is_answer = tokens::equal(&journey.state, sent.unwrap_or_default()) && journey.provider == name && until > now;
    if !is_answer || !state.used_states.take(&journey.state, until, now) {
        return Err(foreign());
    }
    Ok(journey)
}

fn find<'a>(state: &'a AppState, name: &str) -> Result<&'a Provider, Refusal> {
    state.providers.find(name).ok_or_else(|| Refusal::new(ErrorCode::NotFound, "there is no such sign-in provider"))
}

fn redirect_url(state: &AppState, provider: &Provider) -> Result<Url, Refusal> {
    let base = state.public_url.as_str().trim_end_matches('/');
    let url = format!("{base}/login/oidc/{}/callback", provider.setting().name);
    Ok(Url::parse(&url).map_err(ApiError::internal)?)
}

fn foreign() -> Refusal {
    Refusal::new(
        ErrorCode::Forbidden,
        "this sign-in was not begun in this browser, was finished already, or took too long; begin again",
    )
}

/// The provider's failures are for the log; the visitor learns that it was not them.
fn failed(error: OidcError) -> Refusal {
    log::warn!("signing in with a provider failed: {error}");
    let (code, said) = match error {
        OidcError::Provider(_) => (ErrorCode::UpstreamFailed, "the sign-in provider does not answer as it should"),
        OidcError::Token(_) => (ErrorCode::Forbidden, "the sign-in provider's answer is not valid"),
        OidcError::Setting(_) => (ErrorCode::Internal, "the sign-in provider is not set up correctly"),
    };
    ApiError::new(code, format!("{said}; try again, or ask an administrator")).because(error).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_taken_once() {
        let used = UsedStates::default();
        assert!(used.take("a", Timestamp(10), Timestamp(0)));
        assert!(!used.take("a", Timestamp(10), Timestamp(0)));
        assert!(used.take("b", Timestamp(10), Timestamp(0)));
    }
}
