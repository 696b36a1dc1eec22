//! The curated list: templates of services.

use actix_web::{
    HttpResponse,
    web::{Data, Query},
};
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;

use super::{List, services::is_visible};
use crate::{
    catalog::curated::{self, Curated},
    web::{error::ApiError, extract::Caller, state::AppState},
};

/// `?search=&category=`.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Wanted {
    search: Option<String>,
    category: Option<String>,
}

#[derive(Serialize)]
struct View {
    #[serde(flatten)]
    entry: &'static Curated,
    /// Whether the caller has a service of this name.
    added: bool,
    source: &'static str,
}

/// What of the list fits.
///
/// # Errors
/// When reading it has failed inside Berth.
pub async fn list(caller: Caller, state: Data<AppState>, query: Query<Wanted>) -> Result<HttpResponse, ApiError> {
    let Wanted { search, category } = query.into_inner();
    // The first question reads some sixty files of text.
    let found = tokio::task::spawn_blocking(move || curated::list(search.as_deref(), category.as_deref()));
    let view = |entry: &'static Curated| {
        let service = state.catalog.get(&entry.manifest.name);
        View { entry, added: service.is_some_and(|service| is_visible(&service, &caller.0)), source: "curated" }
    };
    let items: Vec<View> = found.await.map_err(ApiError::internal)?.into_iter().map(view).collect();
    Ok(HttpResponse::Ok().json(List::whole(items)))
}
