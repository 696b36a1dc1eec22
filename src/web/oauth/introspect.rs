//! The introspection endpoint (RFC 7662), for administrators: what a token is good for.

use actix_web::{
    HttpRequest, HttpResponse,
    web::{Bytes, Data},
};
use serde_json::{Value, json};

use super::{base_url, form, issuer};
use crate::{
    auth::{policy::Action, tokens::TokenHash},
    db::{
        OptionalExtension,
        oauth_grants::{
            Grant,
            tokens::{self, Kind, Token},
        },
        users::User,
    },
    domain::time::Timestamp,
    web::{error::ApiError, extract::Caller, state::AppState},
};

/// `POST /oauth/introspect`.
///
/// # Errors
/// When the caller is no administrator, or sends no token.
pub async fn introspect(
    request: HttpRequest,
    caller: Caller,
    body: Bytes,
    state: Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    caller.may(Action::Administer)?;
    let form = form::read(&request, &body).map_err(|error| ApiError::invalid(error.to_string()))?;
    let token = form.get("token").ok_or_else(|| ApiError::invalid("`token` is missing"))?;
    let hash = TokenHash::of(token).to_hex();
    let found = state.db.read(move |conn| tokens::by_hash(conn, &hash).optional()).await?;
    let active = found.filter(|(token, grant, user)| is_active(token, grant, user, Timestamp::now()));
    let view = active
        .map_or_else(|| json!({ "active": false }), |found| describe(&found, &issuer(&base_url(&request, &state))));
    Ok(HttpResponse::Ok().json(view))
}

fn is_active(token: &Token, grant: &Grant, user: &User, now: Timestamp) -> bool {
    let ended = token.used_at.or(token.revoked_at).or(grant.revoked_at).or(user.disabled_at);
    ended.is_none() && token.expires_at > now
}

/// Section 2.2.
fn describe((token, grant, user): &(Token, Grant, User), issuer: &str) -> Value {
    let kind = match token.kind {
        Kind::Access => "access_token",
        Kind::Refresh => "refresh_token",
    };
    json!({
        "active": true,
        "scope": token.scopes,
        "client_id": grant.client_id,
        "username": user.email,
        "token_type": "Bearer",
        "token_use": kind,
        "exp": token.expires_at.0 / 1000,
        "iat": token.created_at.0 / 1000,
        "sub": user.id,
        "aud": grant.resource,
        "iss": issuer,
    })
}
