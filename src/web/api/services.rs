//! Services.

use actix_web::{
    HttpResponse,
    web::{Data, Json, Path, Query},
};
use serde::Deserialize;
use serde_json::json;

use super::{List, actor, audit};
use crate::{
    auth::policy::Action,
    db::{instances, services},
    domain::{manifest::Manifest, names::ServiceName, time::Timestamp},
    web::{
        error::{ApiError, ErrorCode},
        extract::Caller,
        state::AppState,
    },
};

/// `?search=`.
#[derive(Deserialize)]
pub struct Search {
    search: Option<String>,
}

/// The catalog.
pub async fn list(_: Caller, state: Data<AppState>, query: Query<Search>) -> HttpResponse {
    let found = state.catalog.list(query.search.as_deref());
    let items: Vec<&Manifest> = found.iter().map(|service| &service.manifest).collect();
    HttpResponse::Ok().json(List::whole(items))
}

/// Adds a service.
pub async fn create(caller: Caller, state: Data<AppState>, body: Json<Manifest>) -> Result<HttpResponse, ApiError> {
    caller.may(Action::Administer)?;
    let manifest = body.into_inner();
    let by = actor(&caller.0);
    let service = state.catalog.add_runtime(manifest.clone(), by)?;
    let row = services::Service { manifest: manifest.clone(), owner_id: by, created_at: Timestamp::now() };
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
    Ok(HttpResponse::Created().json(&service.manifest))
}

/// One service.
pub async fn show(_: Caller, state: Data<AppState>, path: Path<String>) -> Result<HttpResponse, ApiError> {
    let service = path.parse::<ServiceName>().ok().and_then(|name| state.catalog.get(&name));
    let service = service.ok_or_else(|| ApiError::new(ErrorCode::UnknownService, "there is no such service"))?;
    Ok(HttpResponse::Ok().json(&service.manifest))
}

/// Removes a service that was added at run time, when no instance is left of it.
pub async fn remove(caller: Caller, state: Data<AppState>, path: Path<String>) -> Result<HttpResponse, ApiError> {
    caller.may(Action::Administer)?;
    let name: ServiceName =
        path.parse().map_err(|_| ApiError::new(ErrorCode::UnknownService, "there is no such service"))?;
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
