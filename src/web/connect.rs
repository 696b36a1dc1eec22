//! Signing in at an outside service: there and back. What comes of it is a credential.
//!
//! What has to be remembered in between goes with the browser, sealed in a cookie that is good for ten minutes. It names
//! the user: an answer that comes to a browser where somebody else is signed in, or nobody, is not taken, so that
//! nobody's account there ends up with somebody else here.

mod store;

use std::time::Duration;

use actix_web::{
    HttpRequest, HttpResponse,
    web::{Data, Path, Query},
};
use maud::html;
use serde::{Deserialize, Serialize};
use url::Url;

use super::{
    api::{instances::service_of, validate},
    error::{ApiError, ErrorCode},
    oauth::authorize::to_sign_in,
    pages::Page,
    sign_in::{
        Refusal,
        cookies::{self, Kind},
        entry, next,
    },
    state::AppState,
};
use crate::{
    auth::tokens,
    catalog::Service,
    db::{OptionalExtension, credentials},
    domain::{
        ids::{CredentialId, UserId},
        names::ServiceName,
        secret::Secret,
        time::Timestamp,
    },
    outside::{GrantError, Returned},
};

/// The name that these cookies are sealed for.
const OWNER: &str = "outside consent";
/// How long somebody may take to consent.
const LIFETIME: Duration = Duration::from_secs(10 * 60);

/// What is wanted.
#[derive(Deserialize)]
pub struct Wanted {
    /// The new credential's label.
    #[serde(default)]
    label: String,
    /// The credential that is to have the new tokens, instead of a new one.
    credential: Option<CredentialId>,
    /// Where this leads, on this server.
    next: Option<String>,
}

/// What goes with the browser.
#[derive(Serialize, Deserialize)]
struct Journey {
    user: UserId,
    service: ServiceName,
    label: String,
    credential: Option<CredentialId>,
    state: String,
    verifier: String,
    next: Option<String>,
    expires: i64,
}

/// What the outside service sends back (RFC 6749 section 4.1.2, RFC 9207).
#[derive(Deserialize)]
pub struct Answer {
    code: Option<String>,
    state: Option<String>,
    iss: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
}

/// `GET /connect/{service}`.
///
/// # Errors
/// When there is no such service, it has no way to sign in, Berth is not registered there, or the credential is not
/// the caller's.
pub async fn begin(
    request: HttpRequest,
    state: Data<AppState>,
    name: Path<String>,
    wanted: Query<Wanted>,
) -> Result<HttpResponse, Refusal> {
    let Some((who, _)) = entry::signed_in(&request, &state).await? else {
        return Ok(to_sign_in(&request, &state));
    };
    let Wanted { label, credential, next: wanted } = wanted.into_inner();
    validate::label(&label)?;
    let service = service_of(&state, &name, who.user)?;
    if let Some(id) = credential {
        own(&state, who.user, &service, id).await?;
    }
    let manifest = &service.manifest;
    let begun = state.outside.begin(manifest, &redirect_url(&state, &manifest.name)?).await.map_err(unready)?;
    let journey = Journey {
        user: who.user,
        service: manifest.name.clone(),
        label,
        credential,
        state: begun.state,
        verifier: begun.verifier,
        next: wanted.map(|wanted| next::safe(Some(&wanted)).to_owned()),
        expires: Timestamp::now().after(LIFETIME).0,
    };
    let text = Secret::new(serde_json::to_string(&journey).map_err(ApiError::internal)?);
    let cookie = cookies::make(&state, Kind::Consent, state.vault.seal(OWNER, &text)?, Some(LIFETIME));
    Ok(entry::redirect(begun.url.as_str(), Some(&cookie)))
}

/// `GET /connect/{service}/callback`.
///
/// # Errors
/// When the answer is not one to what this browser has asked, or the outside service refuses.
pub async fn finish(
    request: HttpRequest,
    state: Data<AppState>,
    name: Path<String>,
    answer: Query<Answer>,
) -> HttpResponse {
    let outcome = arrive(&request, &state, &name, answer.into_inner()).await;
    let mut response = outcome.unwrap_or_else(|refusal| actix_web::ResponseError::error_response(&refusal));
    // Whatever came of it, this journey is over. A cookie of our own making is always a valid header.
    let _ = response.add_cookie(&cookies::removal(&state, Kind::Consent));
    response
}

async fn arrive(
    request: &HttpRequest,
    state: &Data<AppState>,
    name: &str,
    answer: Answer,
) -> Result<HttpResponse, Refusal> {
    let journey = journey(request, state, name, answer.state.as_deref()).await?;
    let service = service_of(state, name, journey.user)?;
    let display = &service.manifest.display_name;
    let issuer = service.manifest.credential.oauth.as_ref().and_then(|oauth| oauth.issuer.as_ref());
    // RFC 9207 section 2.4: where it is said whose answer it is, it must be the one's that was asked.
    if issuer.is_some() && answer.iss.is_some() && answer.iss.as_ref() != issuer {
        return Err(Refusal::new(ErrorCode::Forbidden, format!("the answer comes from somebody else than {display}")));
    }
    if let Some(error) = answer.error {
        let said: String =
            answer.error_description.unwrap_or(error).chars().filter(|c| !c.is_control()).take(200).collect();
        return Err(Refusal::new(ErrorCode::Forbidden, format!("{display} did not give access: {said}")));
    }
    let code = answer.code.ok_or_else(|| Refusal::new(ErrorCode::MalformedRequest, "the answer has no code"))?;
    let redirect = redirect_url(state, &service.manifest.name)?;
    let returned = Returned { code, verifier: &journey.verifier };
    let tokens = state.outside.finish(&service.manifest.name, &redirect, returned).await.map_err(unready)?;
    if let Some(id) = journey.credential {
        own(state, journey.user, &service, id).await?;
    }
    let id = store::keep(state, &journey, &service, tokens).await?;
    Ok(match &journey.next {
        Some(next) => entry::redirect(&with_id(next, id), None),
        None => connected(display),
    })
}

fn connected(display: &str) -> HttpResponse {
    let body = html! {
        p { "Berth may act for you at " strong { (display) } " now, and keeps its access fresh." }
        p { a href="/" { "Go on" } }
    };
    Page::new(format!("{display} is connected"), body).into_response()
}

/// What the browser has carried, if this is the answer to it and its user is who is signed in.
async fn journey(request: &HttpRequest, state: &AppState, name: &str, sent: Option<&str>) -> Result<Journey, Refusal> {
    let sealed = cookies::read(request, state, Kind::Consent).ok_or_else(foreign)?;
    let text = state.vault.open_sealed(OWNER, &sealed).map_err(|_| foreign())?;
    let journey: Journey = serde_json::from_str(text.expose()).map_err(|_| foreign())?;
    let (now, until) = (Timestamp::now(), Timestamp(journey.expires));
    let is_theirs = entry::signed_in(request, state).await?.is_some_and(|(who, _)| who.user == journey.user);
    let is_answer = tokens::equal(&journey.state, sent.unwrap_or_default()) && journey.service.as_str() == name;
    if !is_answer || !is_theirs || until <= now || !state.used_states.take(&journey.state, until, now) {
        return Err(foreign());
    }
    Ok(journey)
}

/// Whether the credential is this user's, and the service's.
async fn own(state: &AppState, user: UserId, service: &Service, id: CredentialId) -> Result<(), Refusal> {
    let row = state.db.read(move |conn| credentials::by_id(conn, id).optional()).await?;
    let is_theirs = row.is_some_and(|row| row.user_id == user && row.service == service.manifest.name);
    if is_theirs { Ok(()) } else { Err(ApiError::not_found("credential").into()) }
}

/// Where the outside service sends the browser back; it has to be registered there.
pub(super) fn redirect_url(state: &AppState, service: &ServiceName) -> Result<Url, ApiError> {
    let base = state.public_url.as_str().trim_end_matches('/');
    Url::parse(&format!("{base}/connect/{service}/callback")).map_err(ApiError::internal)
}

/// `next` with the credential's id in its query.
fn with_id(next: &str, id: CredentialId) -> String {
    let (path, fragment) = next.split_once('#').map_or((next, ""), |(path, fragment)| (path, fragment));
    let separator = if path.contains('?') { '&' } else { '?' };
    let fragment = if fragment.is_empty() { String::new() } else { format!("#{fragment}") };
    format!("{path}{separator}connected={id}{fragment}")
}

fn foreign() -> Refusal {
    Refusal::new(
        ErrorCode::Forbidden,
        "this was not begun in this browser by who is signed in, was finished already, or took too long; begin again",
    )
}

fn unready(error: GrantError) -> Refusal {
    let code = match &error {
        GrantError::NoWay(_) | GrantError::NoClient(_) | GrantError::Moved(..) => ErrorCode::Conflict,
        GrantError::Lapsed(_) => ErrorCode::Forbidden,
        GrantError::Unavailable(_) => ErrorCode::UpstreamFailed,
        GrantError::Db(_) | GrantError::Vault(_) => ErrorCode::Internal,
    };
    let said = match &error {
        GrantError::Lapsed(why) => format!("the service does not take its own answer: {why}; begin again"),
        GrantError::Unavailable(why) => format!("the service's token endpoint gave no token: {why}"),
        other => other.to_string(),
    };
    ApiError::new(code, said).because(error).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_goes_into_the_query() {
        let id = CredentialId::generate();
        for (next, before, after) in [("/", "/?", ""), ("/a?b=c", "/a?b=c&", ""), ("/a#b", "/a?", "#b")] {
            assert_eq!(with_id(next, id), format!("{before}connected={id}{after}"));
        }
    }
}
