//! The authorization endpoint (OAuth 2.1 section 4.1.1): from a client's request to the page that asks the
//! user.
//!
//! Client and redirect URI are checked first, and what is wrong with them is said on a page of ours: until
//! they are known to belong together there is nobody to send the browser to.

use std::{collections::HashMap, sync::Arc};

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web::Data,
};
use url::form_urlencoded::byte_serialize;

use super::{base_url, consent_page, form, go_back::GoBack, issuer, pending::Pending};
use crate::{
    auth::{
        AuthError, Principal,
        oauth::{
            Scopes, codes,
            resource::{self, Resource},
        },
        oauth_clients::{ClientError, OAuthClient},
        policy::{Action, allows},
    },
    domain::{ids::InstanceId, names::ServiceName, time::Timestamp},
    routing::Route,
    web::{extract::COOKIE, origin, pages::Page, state::AppState},
};

/// What is told to the client by way of the browser: code and description.
type Refusal = (&'static str, String);

/// The members of a request.
type Members = HashMap<String, String>;

/// `GET /oauth/authorize`.
pub async fn authorize(request: HttpRequest, state: Data<AppState>) -> HttpResponse {
    match begin(&request, &state).await {
        Ok(response) => response,
        Err(page) => page.into_response(),
    }
}

async fn begin(request: &HttpRequest, state: &AppState) -> Result<HttpResponse, Page> {
    origin::check(request, state).map_err(|error| refused(StatusCode::FORBIDDEN, &error.to_string()))?;
    let members = form::parse(request.query_string().as_bytes())
        .map_err(|name| refused(StatusCode::BAD_REQUEST, &format!("The request has {name} twice.")))?;
    let client = client(&members, state).await?;
    let redirect_uri = redirect_uri(&members, &client)?;
    let issuer = issuer(&base_url(request, state));
    let back = GoBack { redirect_uri, state: members.get("state").cloned(), issuer };
    let pending = match read(request, state, &members, (&client, back.clone())) {
        Ok(pending) => pending,
        Err((code, description)) => return Ok(back.with_error(code, &description)),
    };
    let principal = match signed_in(request, state).await {
        Ok(principal) => principal,
        Err(AuthError::Database(_)) => {
            return Ok(back.with_error("temporarily_unavailable", "the database is not available; try again"));
        }
        Err(_) if wants_no_page(&members) => return Ok(back.with_error("login_required", "nobody is signed in")),
        Err(_) => return Ok(to_sign_in(request, state)),
    };
    if wants_no_page(&members) {
        return Ok(back.with_error("consent_required", "the user is asked each time"));
    }
    if let Some(id) = pending.instance
        && may_call(state, &principal, id).is_none()
    {
        // The same whether it is somebody else's or nobody's.
        return Ok(back.with_error("invalid_target", "the user has no instance at this `resource`"));
    }
    consent_page::show(request, state, (&principal, &client), pending).await
}

/// The client that asks.
async fn client(members: &Members, state: &AppState) -> Result<Arc<OAuthClient>, Page> {
    let id = members.get("client_id");
    let id = id.ok_or_else(|| refused(StatusCode::BAD_REQUEST, "The request does not say which program asks."))?;
    state.oauth_clients.find(id).await.map_err(|error| match error {
        ClientError::Database(error) => {
            log::error!("a client cannot be looked up: {error}");
            refused(StatusCode::SERVICE_UNAVAILABLE, "The database is not available right now; try again.")
        }
        error => refused(StatusCode::BAD_REQUEST, &format!("The program that asks cannot be let in: {error}.")),
    })
}

/// Where the answer goes: as the client says, or to its only place when it does not say (RFC 6749 section
/// 3.1.2.3).
fn redirect_uri(members: &Members, client: &OAuthClient) -> Result<String, Page> {
    let asked = match (members.get("redirect_uri"), client.redirect_uris.as_slice()) {
        (Some(uri), _) => uri,
        (None, [only]) => only,
        (None, _) => return Err(refused(StatusCode::BAD_REQUEST, "The request does not say where to return to.")),
    };
    if client.accepts_redirect(asked) {
        return Ok(asked.clone());
    }
    let text = "The place to return to is not one that this program has registered. Nothing was sent there. If you \
                came from a program that you trust, have it connect anew.";
    Err(refused(StatusCode::BAD_REQUEST, text))
}

/// Everything else that the request says.
fn read(
    request: &HttpRequest,
    state: &AppState,
    members: &Members,
    (client, back): (&OAuthClient, GoBack),
) -> Result<Pending, Refusal> {
    let text = |name: &str| members.get(name).map(String::as_str);
    if text("request").is_some() {
        return Err(("request_not_supported", "`request` is not supported".to_owned()));
    }
    if text("request_uri").is_some() {
        return Err(("request_uri_not_supported", "`request_uri` is not supported".to_owned()));
    }
    match text("response_type") {
        Some("code") => {}
        Some(_) => return Err(("unsupported_response_type", "`response_type` must be code".to_owned())),
        None => return Err(invalid("`response_type` is missing; it must be code")),
    }
    if text("response_mode").is_some_and(|mode| mode != "query") {
        return Err(invalid("`response_mode` must be query"));
    }
    // Without a method it would be `plain` (RFC 7636 section 4.3), which OAuth 2.1 has no more.
    if text("code_challenge_method") != Some("S256") {
        return Err(invalid("`code_challenge_method` must be S256"));
    }
    let challenge = text("code_challenge").filter(|challenge| codes::is_challenge(challenge));
    let challenge = challenge.ok_or_else(|| invalid("`code_challenge` must be the base64url text of a SHA-256"))?;
    let scopes =
        Scopes::asked(text("scope").unwrap_or_default()).map_err(|error| ("invalid_scope", error.to_string()))?;
    let instance = target(request, state, text("resource"), &scopes)?;
    Ok(Pending {
        client_id: client.id.clone(),
        client_name: client.name.clone(),
        back,
        challenge: challenge.to_owned(),
        scopes: scopes.without_instance().to_string(),
        instance,
        resource: text("resource").filter(|_| instance.is_some()).map(str::to_owned),
        expires_at: Pending::deadline(Timestamp::now()),
    })
}

fn invalid(description: &str) -> Refusal {
    ("invalid_request", description.to_owned())
}

/// The instance that is meant, by `resource` or by a scope; `None` when the user is to choose.
fn target(
    request: &HttpRequest,
    state: &AppState,
    resource: Option<&str>,
    scopes: &Scopes,
) -> Result<Option<InstanceId>, Refusal> {
    let Some(text) = resource else { return Ok(scopes.instance()) };
    let unknown = || ("invalid_target", "`resource` is not the URL of an instance here".to_owned());
    let named = match resource::parse(text, &[&base_url(request, state), &state.public_url]).ok_or_else(unknown)? {
        Resource::Gateway => return Ok(scopes.instance()),
        Resource::ById { service, id } => state.routes.find(&service, id).map_or(id, |route| route.id),
        Resource::BySlug { slug, service } => by_slug(state, &slug, &service),
    };
    match scopes.instance() {
        Some(other) if other != named => {
            Err(("invalid_target", "`resource` and `scope` name two instances".to_owned()))
        }
        _ => Ok(Some(named)),
    }
}

/// An id that nobody has stands for a slug that nobody has: both are refused after the sign-in, alike.
fn by_slug(state: &AppState, slug: &str, service: &str) -> InstanceId {
    let route = service.parse::<ServiceName>().ok().and_then(|service| state.routes.find_slug(slug, &service));
    route.map_or_else(InstanceId::generate, |route| route.id)
}

/// The instance, if this user may speak to it.
pub(in crate::web) fn may_call(state: &AppState, principal: &Principal, id: InstanceId) -> Option<Arc<Route>> {
    let route = state.routes.get(id)?;
    allows(principal, Action::Call { id, owner: route.owner }).then_some(route)
}

/// Who is signed in: by the cookie alone, as browsers send nothing else on their way.
pub(in crate::web) async fn signed_in(request: &HttpRequest, state: &AppState) -> Result<Arc<Principal>, AuthError> {
    let cookie = request.cookie(COOKIE).ok_or(AuthError::Missing)?;
    state.authenticator.cookie(cookie.value()).await
}

/// `prompt=none` (OpenID Connect Core section 3.1.2.1): no page is wanted, whatever that means for the answer.
fn wants_no_page(members: &Members) -> bool {
    members.get("prompt").is_some_and(|prompt| prompt.split(' ').any(|word| word == "none"))
}

/// To the sign-in page, which leads back here.
pub(in crate::web) fn to_sign_in(request: &HttpRequest, state: &AppState) -> HttpResponse {
    let below = base_url(request, state).path().trim_end_matches('/').to_owned();
    let here = format!("{below}{}", request.uri());
    let next: String = byte_serialize(here.as_bytes()).collect();
    HttpResponse::SeeOther().insert_header((header::LOCATION, format!("{below}/login?next={next}"))).finish()
}

pub(super) fn refused(status: StatusCode, text: &str) -> Page {
    Page::message(status, "This cannot be allowed", text)
}
