//! Berth as a registered client of a service's outside service: what `oauth2` credentials of it are obtained with.
//!
//! The secret goes in and never comes out; it is sent to the token endpoint alone that the service has now.

use actix_web::{
    HttpResponse,
    web::{Data, Json, Path},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use url::Url;
use utoipa::ToSchema;

use super::{actor, audit, services::visible};
use crate::{
    auth::policy::Action,
    catalog::{Origin, Service},
    db::{OptionalExtension, outside_clients},
    domain::{manifest::Endpoints, names::ServiceName, secret::Secret, time::Timestamp},
    outside::client_owner,
    web::{
        connect::redirect_url,
        error::{ApiError, ErrorCode},
        extract::Caller,
        state::AppState,
    },
};

/// Longest id or secret, in bytes.
const MAX: usize = 4096;

/// A registration, as the outside service gave it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Registration {
    client_id: String,
    /// None for a public client.
    #[schema(value_type = Option<String>, format = Password)]
    client_secret: Option<Secret>,
}

/// What is shown of it.
#[derive(Serialize)]
struct View {
    service: ServiceName,
    client_id: Option<String>,
    has_secret: bool,
    created_at: Option<Timestamp>,
    /// What has to be registered there.
    redirect_uri: Url,
    scopes: Vec<String>,
}

/// The registration, or what it needs.
pub async fn show(caller: Caller, state: Data<AppState>, path: Path<String>) -> Result<HttpResponse, ApiError> {
    let (service, _) = mine(&caller, &state, &path)?;
    Ok(HttpResponse::Ok().json(view(&state, &service).await?))
}

/// Stores a registration instead of the one before. Tokens that were granted to that one cannot be refreshed with
/// another: their owners connect again.
pub async fn put(
    caller: Caller,
    state: Data<AppState>,
    path: Path<String>,
    body: Json<Registration>,
) -> Result<HttpResponse, ApiError> {
    let (service, endpoints) = mine(&caller, &state, &path)?;
    let Registration { client_id, client_secret } = body.into_inner();
    let is_good = |text: &str| (1..=MAX).contains(&text.len()) && text.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    if !is_good(&client_id) || !client_secret.as_ref().is_none_or(|secret| is_good(secret.expose())) {
        let detail = format!("`client_id` and `client_secret` must have 1 to {MAX} printable ASCII characters");
        return Err(ApiError::invalid(detail));
    }
    let name = service.manifest.name.clone();
    let seal = |secret: &Secret| state.vault.seal(&client_owner(&name), secret);
    let row = outside_clients::OutsideClient {
        service: name.clone(),
        client_id,
        sealed_secret: client_secret.as_ref().map(seal).transpose()?,
        token_url: endpoints.token.into(),
        created_at: Timestamp::now(),
    };
    let by = actor(&caller.0);
    state
        .db
        .write(move |conn| {
            outside_clients::put(conn, &row)?;
            audit(conn, by, "service.oauth_client", format!("service:{name}"), json!({ "client_id": row.client_id }))
        })
        .await?;
    state.outside.wake();
    Ok(HttpResponse::Ok().json(view(&state, &service).await?))
}

/// Forgets the registration.
pub async fn remove(caller: Caller, state: Data<AppState>, path: Path<String>) -> Result<HttpResponse, ApiError> {
    let (service, _) = mine(&caller, &state, &path)?;
    let (by, name) = (actor(&caller.0), service.manifest.name.clone());
    let known = state.db.write(move |conn| {
        let known = outside_clients::delete(conn, &name)?;
        if known {
            audit(conn, by, "service.oauth_client_removed", format!("service:{name}"), json!({}))?;
        }
        Ok(known)
    });
    if known.await? { Ok(HttpResponse::NoContent().finish()) } else { Err(ApiError::not_found("registration")) }
}

async fn view(state: &AppState, service: &Service) -> Result<View, ApiError> {
    let name = service.manifest.name.clone();
    let stored = state.db.read(move |conn| outside_clients::of_service(conn, &name).optional()).await?;
    Ok(View {
        service: service.manifest.name.clone(),
        has_secret: stored.as_ref().is_some_and(|stored| stored.sealed_secret.is_some()),
        created_at: stored.as_ref().map(|stored| stored.created_at),
        client_id: stored.map(|stored| stored.client_id),
        redirect_uri: redirect_url(state, &service.manifest.name)?,
        scopes: service.manifest.scopes.clone(),
    })
}

/// The service, if the caller may say with which client it is used, and it has a use for one.
fn mine(caller: &Caller, state: &AppState, name: &str) -> Result<(std::sync::Arc<Service>, Endpoints), ApiError> {
    caller.may(Action::UseAccount)?;
    let service = visible(state, &caller.0, name)?;
    if service.origin != (Origin::Runtime { owner: Some(caller.0.user) }) {
        caller.may(Action::Administer)?;
    }
    let manifest = &service.manifest;
    let Some(oauth) = &manifest.credential.oauth else {
        let detail = format!("{} has no `credential.oauth`: nobody signs in for it", manifest.name);
        return Err(ApiError::new(ErrorCode::Conflict, detail));
    };
    let endpoints = oauth.endpoints(&manifest.env).map_err(|error| ApiError::invalid(error.to_string()))?;
    Ok((service, endpoints))
}
