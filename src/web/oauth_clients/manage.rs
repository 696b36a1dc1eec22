//! What clients do with their own registrations (RFC 7592).

use actix_web::{
    HttpRequest, HttpResponse,
    http::header,
    web::{Bytes, Data, Path},
};
use serde_json::{Map, Value, json};

use super::{end, members, register::answer};
use crate::{
    auth::{
        oauth_clients::{metadata, records},
        tokens::TokenHash,
    },
    db::{
        OptionalExtension,
        oauth_clients::{self, ClientRecord, REGISTERED},
    },
    web::{
        api::audit,
        oauth::{base_url, error::OAuthError, issuer},
        state::AppState,
    },
};

/// `GET /oauth/register/{client_id}`.
///
/// # Errors
/// When the database cannot be used.
pub async fn show(request: HttpRequest, id: Path<String>, state: Data<AppState>) -> Result<HttpResponse, OAuthError> {
    let Some((record, token)) = own(&request, &state, &id).await? else { return Ok(unproven()) };
    Ok(HttpResponse::Ok().json(answer(&record, &issuer(&base_url(&request, &state)), None, &token)))
}

/// `PUT /oauth/register/{client_id}`: what is not said any more is forgotten (section 2.2).
///
/// # Errors
/// When the metadata cannot be accepted.
pub async fn replace(
    request: HttpRequest,
    id: Path<String>,
    body: Bytes,
    state: Data<AppState>,
) -> Result<HttpResponse, OAuthError> {
    let Some((mut record, token)) = own(&request, &state, &id).await? else { return Ok(unproven()) };
    let members = members(&body)?;
    check_members(&record, &members)?;
    let secret = records::apply(&mut record, metadata::read(&members)?)?;
    let kept = record.clone();
    let written = state.db.write(move |conn| {
        oauth_clients::update(conn, &kept)?;
        let detail = json!({ "client_name": kept.name, "redirect_uris": kept.redirect_uris });
        audit(conn, None, "oauth.client_change", format!("client:{}", kept.id), detail)
    });
    written.await?;
    Ok(HttpResponse::Ok().json(answer(&record, &issuer(&base_url(&request, &state)), secret.as_ref(), &token)))
}

/// `DELETE /oauth/register/{client_id}`; everything that users have allowed it ends.
///
/// # Errors
/// When the database cannot be used.
pub async fn remove(request: HttpRequest, id: Path<String>, state: Data<AppState>) -> Result<HttpResponse, OAuthError> {
    let Some((record, _)) = own(&request, &state, &id).await? else { return Ok(unproven()) };
    let removed = state.db.write(move |conn| {
        let grants = end(conn, &record.id)?;
        let detail = json!({ "client_name": record.name, "grants": grants.len() });
        audit(conn, None, "oauth.client_delete", format!("client:{}", record.id), detail)?;
        Ok(grants)
    });
    for grant in removed.await? {
        state.authenticator.forget_grant(grant);
    }
    Ok(HttpResponse::NoContent().finish())
}

/// The registration that the bearer's token is for, and the token.
async fn own(request: &HttpRequest, state: &AppState, id: &str) -> Result<Option<(ClientRecord, String)>, OAuthError> {
    let header = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token =
        header.and_then(|header| header.split_once(' ')).filter(|(kind, _)| kind.eq_ignore_ascii_case("bearer"));
    let Some((_, token)) = token else { return Ok(None) };
    let wanted = id.to_owned();
    let record = state.db.read(move |conn| oauth_clients::by_id(conn, &wanted).optional()).await?;
    let fits = |record: &ClientRecord| {
        let hash = record.registration_hash.as_deref().and_then(TokenHash::from_hex);
        record.origin == REGISTERED && hash.is_some_and(|hash| hash.is_of(token.trim()))
    };
    Ok(record.filter(fits).map(|record| (record, token.trim().to_owned())))
}

/// The same whether there is no such client or the token is another's (section 4.2: nothing is learned).
fn unproven() -> HttpResponse {
    let text = "the registration access token is not this client's";
    HttpResponse::Unauthorized()
        .insert_header((header::WWW_AUTHENTICATE, "Bearer error=\"invalid_token\""))
        .json(json!({ "error": "invalid_token", "error_description": text }))
}

/// What a client must send along, and what it must not (section 2.2).
fn check_members(record: &ClientRecord, members: &Map<String, Value>) -> Result<(), OAuthError> {
    let wrong = |text: &str| Err(OAuthError::new("invalid_client_metadata", text));
    if members.get("client_id").and_then(Value::as_str) != Some(&record.id) {
        return wrong("`client_id` must be this client's");
    }
    let ours =
        ["registration_access_token", "registration_client_uri", "client_secret_expires_at", "client_id_issued_at"];
    if ours.iter().any(|member| members.contains_key(*member)) {
        return wrong(
            "registration_access_token, registration_client_uri, client_secret_expires_at and \
                      client_id_issued_at are not the client's to set",
        );
    }
    let Some(secret) = members.get("client_secret") else { return Ok(()) };
    let hash = record.secret_hash.as_deref().and_then(TokenHash::from_hex);
    match (secret.as_str(), hash) {
        (Some(secret), Some(hash)) if hash.is_of(secret) => Ok(()),
        _ => wrong("`client_secret` is not the one that this client has, and cannot be chosen"),
    }
}
