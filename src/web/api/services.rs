//! Services.

use std::sync::Arc;

use actix_web::{
    HttpResponse,
    web::{Data, Json, Path, Query},
};
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::{Value, json};
use utoipa::IntoParams;

use super::{List, actor, audit, validate};
use crate::{
    auth::{Principal, policy::Action},
    catalog::{Origin, Service, curated},
    db::{instances, services, users::Role},
    domain::{ids::UserId, limits::Limits, manifest::Manifest, names::ServiceName, time::Timestamp},
    web::{
        error::{ApiError, ErrorCode},
        extract::Caller,
        state::AppState,
    },
};

/// `?search=`.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Search {
    search: Option<String>,
}

/// What the caller may see of the catalog.
pub async fn list(caller: Caller, state: Data<AppState>, query: Query<Search>) -> HttpResponse {
    let mut found = state.catalog.list(query.search.as_deref());
    found.retain(|service| is_visible(service, &caller.0));
    let items: Vec<&Manifest> = found.iter().map(|service| &service.manifest).collect();
    HttpResponse::Ok().json(List::whole(items))
}

/// A service that a user added is theirs alone, and what is not on their allow-list is not shown;
/// administrators see all.
pub(super) fn is_visible(service: &Service, caller: &Principal) -> bool {
    let is_allowed = || caller.account.entitlement.services.allows(&service.manifest.name);
    caller.role == Role::Admin || (may_use(service, caller.user) && is_allowed())
}

/// Whether instances of `user` may be copies of this service.
pub(super) fn may_use(service: &Service, user: UserId) -> bool {
    match service.origin {
        Origin::Bundled { .. } | Origin::Runtime { owner: None } => true,
        Origin::Runtime { owner: Some(owner) } => owner == user,
    }
}

/// What a service is made from: a manifest, or `{from, name?}`, an entry of the curated list.
pub struct NewService(Manifest);

impl<'de> Deserialize<'de> for NewService {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Template {
            from: ServiceName,
            name: Option<ServiceName>,
        }
        let value = Value::deserialize(deserializer)?;
        if value.get("from").is_none() {
            return serde_json::from_value(value).map(Self).map_err(D::Error::custom);
        }
        let Template { from, name } = serde_json::from_value(value).map_err(D::Error::custom)?;
        let unknown = || D::Error::custom(format!("`from`: the curated list has no {from}; see GET /api/v1/catalog"));
        let mut manifest = curated::get(&from).ok_or_else(unknown)?.manifest.clone();
        manifest.name = name.unwrap_or(manifest.name);
        Ok(Self(manifest))
    }
}

/// The service of this name, if the caller may see it.
pub(super) fn visible(state: &AppState, caller: &Principal, name: &str) -> Result<Arc<Service>, ApiError> {
    let service = name.parse::<ServiceName>().ok().and_then(|name| state.catalog.get(&name));
    service
        .filter(|service| is_visible(service, caller))
        .ok_or_else(|| ApiError::new(ErrorCode::UnknownService, "there is no such service"))
}

/// Whether the caller may add services; whether they administer.
///
/// # Errors
/// Why not.
pub(super) fn may_add(caller: &Caller, state: &AppState) -> Result<bool, ApiError> {
    caller.may(Action::UseAccount)?;
    let is_admin = caller.may(Action::Administer).is_ok();
    if !is_admin && !state.config.auth.user_services {
        let detail = "only administrators may add services here; the setting `user_services` lets everybody";
        return Err(ApiError::new(ErrorCode::Forbidden, detail));
    }
    Ok(is_admin)
}

/// Whether somebody may add this one, who may add services.
///
/// # Errors
/// Why not.
pub(super) fn may_be_added(state: &AppState, manifest: &Manifest, is_admin: bool) -> Result<(), ApiError> {
    if let Some(detail) = manifest.privilege().filter(|_| !is_admin) {
        return Err(ApiError::new(ErrorCode::Forbidden, detail));
    }
    let defaults = state.config.runtime.limits(Limits::default(), Limits::default());
    validate::limits(manifest.limits, defaults, is_admin)
}

/// Adds a service: for everybody by an administrator, for oneself by a user where `user_services` allows it.
pub async fn create(caller: Caller, state: Data<AppState>, body: Json<NewService>) -> Result<HttpResponse, ApiError> {
    let is_admin = may_add(&caller, &state)?;
    let service = add(&caller, &state, body.into_inner().0, is_admin).await?;
    Ok(HttpResponse::Created().json(&service.manifest))
}

/// Adds a service to the catalog and the database; either both or none.
pub(super) async fn add(
    caller: &Caller,
    state: &AppState,
    manifest: Manifest,
    is_admin: bool,
) -> Result<Arc<Service>, ApiError> {
    may_be_added(state, &manifest, is_admin)?;
    let by = actor(&caller.0);
    let owner_id = by.filter(|_| !is_admin);
    let service = state.catalog.add_runtime(manifest.clone(), owner_id)?;
    let row = services::Service { manifest: manifest.clone(), owner_id, created_at: Timestamp::now() };
    let name = manifest.name.clone();
    let stored = state
        .db
        .write(move |conn| {
            services::insert(conn, &row)?;
            audit(conn, by, "service.create", format!("service:{}", row.manifest.name), json!({}))
        })
        .await;
    if stored.is_err() {
        let _ = state.catalog.remove_runtime(&name);
    }
    stored?;
    Ok(service)
}

/// One service.
pub async fn show(caller: Caller, state: Data<AppState>, path: Path<String>) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(&visible(&state, &caller.0, &path)?.manifest))
}

/// Removes a service that was added at run time, when no instance is left of it.
pub async fn remove(caller: Caller, state: Data<AppState>, path: Path<String>) -> Result<HttpResponse, ApiError> {
    caller.may(Action::UseAccount)?;
    let service = visible(&state, &caller.0, &path)?;
    let name = service.manifest.name.clone();
    let is_own = service.origin == Origin::Runtime { owner: Some(caller.0.user) };
    if !is_own {
        caller.may(Action::Administer)?;
    }
    let (by, wanted) = (actor(&caller.0), name.clone());
    let used = state.db.read(instances::list_all).await?.iter().filter(|instance| instance.service == name).count();
    if used > 0 {
        return Err(ApiError::new(ErrorCode::Conflict, format!("{used} instances use {name}; delete them first")));
    }
    state.catalog.remove_runtime(&name)?;
    state
        .db
        .write(move |conn| {
            services::delete(conn, &wanted)?;
            audit(conn, by, "service.remove", format!("service:{wanted}"), json!({}))
        })
        .await?;
    Ok(HttpResponse::NoContent().finish())
}
