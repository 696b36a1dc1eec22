//! The token endpoint (OAuth 2.1 section 3.2): codes and refresh tokens become access tokens.

use std::{collections::HashMap, sync::Arc};

use actix_web::{
    HttpRequest, HttpResponse,
    http::header,
    web::{Bytes, Data},
};
use serde_json::json;

use super::{base_url, error::OAuthError, form, issuer};
use crate::{
    auth::{
        oauth::{
            Scopes, codes,
            grants::{self, Ended, Lifetimes, Tokens},
            resource::{self, Resource},
        },
        oauth_clients::{GrantType, OAuthClient},
        tokens::TokenHash,
    },
    db::{
        Connection, OptionalExtension, QueryResult,
        oauth_grants::{self, Grant, codes::Code, tokens::Kind},
        users::User,
    },
    domain::{
        ids::{GrantId, InstanceId},
        time::Timestamp,
    },
    web::{
        api::audit,
        oauth_clients::{device, machine},
        state::AppState,
    },
};

/// The members of a request.
pub(in crate::web) type Form = HashMap<String, String>;

/// `POST /oauth/token`.
///
/// # Errors
/// Refusals of RFC 6749 section 5.2.
pub async fn token(request: HttpRequest, body: Bytes, state: Data<AppState>) -> Result<HttpResponse, OAuthError> {
    let form = form::read(&request, &body)?;
    let client = authenticate(&request, &state, &form).await?;
    match form.get("grant_type").map(String::as_str) {
        Some("authorization_code") => {
            may_use(&client, GrantType::AuthorizationCode)?;
            exchange(&request, &state, &client, &form).await
        }
        // Whoever got one may use it: clients that register seldom name this way of their own accord.
        Some("refresh_token") => refresh(&request, &state, &client, &form).await,
        Some("client_credentials") => {
            may_use(&client, GrantType::ClientCredentials)?;
            machine::issue(&state, &client, &Target::of(&request, &state, &form)?, &form).await
        }
        Some("urn:ietf:params:oauth:grant-type:device_code") => {
            may_use(&client, GrantType::DeviceCode)?;
            device::poll(&state, &client, &form).await
        }
        Some(_) => Err(OAuthError::new("unsupported_grant_type", "this way to get tokens is not supported")),
        None => Err(missing("grant_type")),
    }
}

/// The client, once it has proved who it is.
pub(in crate::web) async fn authenticate(
    request: &HttpRequest,
    state: &AppState,
    form: &Form,
) -> Result<Arc<OAuthClient>, OAuthError> {
    let authorization = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    Ok(state.oauth_clients.authenticate(&issuer(&base_url(request, state)), authorization, form).await?)
}

pub(in crate::web) fn may_use(client: &OAuthClient, grant: GrantType) -> Result<(), OAuthError> {
    if client.may_use(grant) {
        return Ok(());
    }
    Err(OAuthError::new("unauthorized_client", "this client may not get tokens in this way"))
}

pub(in crate::web) fn missing(name: &str) -> OAuthError {
    OAuthError::invalid_request(format!("`{name}` is missing"))
}

/// What came of a code or a refresh token, whatever it says in the database.
enum Outcome {
    Given(Scopes),
    Refused(OAuthError),
    /// It was used before: the grant has ended.
    Replayed(GrantId),
}

/// RFC 6749 section 4.1.3.
async fn exchange(
    request: &HttpRequest,
    state: &AppState,
    client: &OAuthClient,
    form: &Form,
) -> Result<HttpResponse, OAuthError> {
    let hash = TokenHash::of(form.get("code").ok_or_else(|| missing("code"))?).to_hex();
    let verifier = form.get("code_verifier").ok_or_else(|| missing("code_verifier"))?.clone();
    let (client_id, redirect_uri) = (client.id.clone(), form.get("redirect_uri").cloned());
    let target = Target::of(request, state, form)?;
    let (tokens, lifetimes) = (Arc::new(Tokens::mint(true)?), Lifetimes::of(&state.config.auth));
    let minted = Arc::clone(&tokens);
    let work = move |conn: &mut Connection| {
        let Some((code, grant, user)) = oauth_grants::codes::by_hash(conn, &hash).optional()? else {
            return Ok(Outcome::Refused(unknown_code()));
        };
        let now = Timestamp::now();
        if grant.client_id != client_id {
            return Ok(Outcome::Refused(unknown_code()));
        }
        if code.used_at.is_some() {
            return replayed(conn, &grant, Ended::CodeReplayed, now);
        }
        if let Err(error) =
            usable(&code, &grant, &user, (&verifier, redirect_uri.as_deref()), now).and(target.fits(&grant))
        {
            return Ok(Outcome::Refused(error));
        }
        if !oauth_grants::codes::consume(conn, &hash, now)? {
            return replayed(conn, &grant, Ended::CodeReplayed, now);
        }
        give(conn, &grant, None, (&minted, &lifetimes), now)
    };
    finish(state, state.db.write(work).await?, &tokens, &lifetimes)
}

fn unknown_code() -> OAuthError {
    OAuthError::invalid_grant("the code is not known, or was given to another client")
}

/// Whether the code may be exchanged by this request. A `redirect_uri` that is sent must be the one that the
/// code was sent to; OAuth 2.1 section 10.2 has clients not send it, as the challenge binds the code already.
fn usable(
    code: &Code,
    grant: &Grant,
    user: &User,
    (verifier, redirect_uri): (&str, Option<&str>),
    now: Timestamp,
) -> Result<(), OAuthError> {
    holds(grant, user)?;
    if code.expires_at <= now {
        return Err(OAuthError::invalid_grant("the code has expired; it may be exchanged for a minute"));
    }
    if redirect_uri.is_some_and(|uri| uri != code.redirect_uri) {
        return Err(OAuthError::invalid_grant("`redirect_uri` is not the one that the code was sent to"));
    }
    if !codes::verifies(&code.challenge, verifier) {
        return Err(OAuthError::invalid_grant("`code_verifier` does not fit the challenge"));
    }
    Ok(())
}

/// Whether the grant is still there for somebody.
fn holds(grant: &Grant, user: &User) -> Result<(), OAuthError> {
    if grant.revoked_at.is_some() {
        return Err(OAuthError::invalid_grant("this access was revoked; ask the user anew"));
    }
    if user.disabled_at.is_some() {
        return Err(OAuthError::invalid_grant("the user's account is disabled"));
    }
    Ok(())
}

/// RFC 6749 section 6, with rotation for everybody (RFC 9700 section 4.14.2).
async fn refresh(
    request: &HttpRequest,
    state: &AppState,
    client: &OAuthClient,
    form: &Form,
) -> Result<HttpResponse, OAuthError> {
    let hash = TokenHash::of(form.get("refresh_token").ok_or_else(|| missing("refresh_token"))?).to_hex();
    let wanted = form.get("scope").map(|text| Scopes::asked(text)).transpose();
    let wanted = wanted.map_err(|error| OAuthError::new("invalid_scope", error.to_string()))?;
    let (client_id, target) = (client.id.clone(), Target::of(request, state, form)?);
    let (tokens, lifetimes) = (Arc::new(Tokens::mint(true)?), Lifetimes::of(&state.config.auth));
    let minted = Arc::clone(&tokens);
    let work = move |conn: &mut Connection| {
        let found = oauth_grants::tokens::by_hash(conn, &hash).optional()?;
        let found = found.filter(|(token, grant, _)| token.kind == Kind::Refresh && grant.client_id == client_id);
        let Some((token, grant, user)) = found else {
            let error = OAuthError::invalid_grant("the refresh token is not known, or belongs to another client");
            return Ok(Outcome::Refused(error));
        };
        let now = Timestamp::now();
        if token.used_at.is_some() {
            return replayed(conn, &grant, Ended::RefreshReplayed, now);
        }
        if let Err(error) = holds(&grant, &user).and(target.fits(&grant)) {
            return Ok(Outcome::Refused(error));
        }
        if token.revoked_at.is_some() || token.expires_at <= now {
            return Ok(Outcome::Refused(OAuthError::invalid_grant("the refresh token is over; ask the user anew")));
        }
        if wanted.as_ref().is_some_and(|wanted| !granted(&grant).covers(wanted)) {
            let error = OAuthError::new("invalid_scope", "`scope` is more than the user has allowed");
            return Ok(Outcome::Refused(error));
        }
        if !oauth_grants::tokens::consume(conn, &hash, now)? {
            return replayed(conn, &grant, Ended::RefreshReplayed, now);
        }
        give(conn, &grant, wanted, (&minted, &lifetimes), now)
    };
    finish(state, state.db.write(work).await?, &tokens, &lifetimes)
}

/// What the user has allowed. What cannot be read is to read alone.
fn granted(grant: &Grant) -> Scopes {
    grant.scopes.parse().unwrap_or_else(|_| Scopes::reading())
}

fn give(
    conn: &mut Connection,
    grant: &Grant,
    wanted: Option<Scopes>,
    (tokens, lifetimes): (&Tokens, &Lifetimes),
    now: Timestamp,
) -> QueryResult<Outcome> {
    let scopes = wanted.map_or_else(|| granted(grant), Scopes::without_instance);
    grants::issue(conn, grant.id, (tokens, &scopes), lifetimes, now)?;
    Ok(Outcome::Given(scopes))
}

/// Ends all that came of the consent: one of two has stolen what was used twice, and nobody knows who.
fn replayed(conn: &mut Connection, grant: &Grant, why: Ended, now: Timestamp) -> QueryResult<Outcome> {
    grants::revoke(conn, grant.id, why, now)?;
    let action = format!("oauth.{}", why.as_str());
    let detail = json!({ "client_id": grant.client_id, "instance": grant.instance_id, "user": grant.user_id });
    audit(conn, None, &action, format!("grant:{}", grant.id), detail)?;
    Ok(Outcome::Replayed(grant.id))
}

fn finish(
    state: &AppState,
    outcome: Outcome,
    tokens: &Tokens,
    lifetimes: &Lifetimes,
) -> Result<HttpResponse, OAuthError> {
    match outcome {
        Outcome::Given(scopes) => Ok(answer(tokens, &scopes, lifetimes)),
        Outcome::Refused(error) => Err(error),
        Outcome::Replayed(grant) => {
            state.authenticator.forget_grant(grant);
            Err(OAuthError::invalid_grant(
                "this was used before; all access that came of it has ended, ask the user anew",
            ))
        }
    }
}

/// Tokens for the client (RFC 6749 section 5.1).
pub(in crate::web) fn answer(tokens: &Tokens, scopes: &Scopes, lifetimes: &Lifetimes) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::PRAGMA, "no-cache"))
        .json(tokens.answer(scopes, lifetimes))
}

/// The `resource` of a request (RFC 8707 section 2.2): what it names must be what the user has allowed.
pub(in crate::web) enum Target {
    /// It is not said, or the gateway as a whole.
    Any,
    /// This one, or none that there is.
    Only(Option<InstanceId>),
}

impl Target {
    /// Reads it.
    pub(in crate::web) fn of(request: &HttpRequest, state: &AppState, form: &Form) -> Result<Self, OAuthError> {
        let Some(text) = form.get("resource") else { return Ok(Self::Any) };
        let named = resource::parse(text, &[&base_url(request, state), &state.public_url]);
        let named =
            named.ok_or_else(|| OAuthError::new("invalid_target", "`resource` is not the URL of an instance here"))?;
        Ok(match named {
            Resource::Gateway => Self::Any,
            Resource::ById { id, .. } => Self::Only(Some(id)),
            Resource::BySlug { slug, service } => Self::Only(
                service.parse().ok().and_then(|service| state.routes.find_slug(&slug, &service)).map(|route| route.id),
            ),
        })
    }

    fn fits(&self, grant: &Grant) -> Result<(), OAuthError> {
        match self {
            Self::Only(id) if *id != Some(grant.instance_id) => {
                Err(OAuthError::new("invalid_target", "`resource` is not what the user has allowed"))
            }
            Self::Any | Self::Only(_) => Ok(()),
        }
    }
}
