//! The system itself: health, metrics.

use std::{collections::BTreeMap, sync::atomic::Ordering, time::Duration};

use actix_web::{HttpRequest, HttpResponse, http::header, web::Data};
use serde_json::json;

use super::{actor, audit};
use crate::{
    actors::PoolView,
    auth::policy::Action,
    domain::lifecycle::State,
    process::Enforcement,
    routing::Traffic,
    telemetry::Gauges,
    web::{error::ApiError, extract::Caller, state::AppState},
};

/// How long the database may take to say that it is there.
const PATIENCE: Duration = Duration::from_secs(2);

/// Whether Berth serves: 200, or 503 when it is ending or its database cannot be reached. Open to all.
pub async fn health(state: Data<AppState>) -> HttpResponse {
    let draining = state.draining.load(Ordering::Acquire);
    let database = matches!(tokio::time::timeout(PATIENCE, state.db.ping()).await, Ok(Ok(())));
    let mut instances: BTreeMap<&str, u64> = BTreeMap::new();
    for route in state.routes.all() {
        *instances.entry(route.status().state.as_str()).or_default() += 1;
    }
    let status = match (draining, database) {
        (true, _) => "stopping",
        (false, true) => "ok",
        (false, false) => "degraded",
    };
    let body = json!({
        "status": status,
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_seconds": state.started.elapsed().as_secs(),
        "database": if database { "ok" } else { "unavailable" },
        "instances": instances,
    });
    if status == "ok" { HttpResponse::Ok().json(body) } else { HttpResponse::ServiceUnavailable().json(body) }
}

/// OpenMetrics. For administrators, and without a token for scrapers on this host.
pub async fn metrics(
    request: HttpRequest,
    state: Data<AppState>,
    caller: Result<Caller, ApiError>,
) -> Result<HttpResponse, ApiError> {
    let is_local = request.peer_addr().is_some_and(|peer| peer.ip().is_loopback());
    let is_proxied =
        request.headers().contains_key("x-forwarded-for") || request.headers().contains_key(header::FORWARDED);
    if !is_local || is_proxied {
        caller?.may(Action::Administer)?;
    }
    let routes = state.routes.all();
    let count = |wanted: State| routes.iter().filter(|route| route.status().state == wanted).count() as u64;
    let traffic: Traffic = routes.iter().map(|route| route.traffic()).sum();
    let gauges = Gauges {
        instances: State::ALL
            .iter()
            .filter(|state| **state != State::Deleted)
            .map(|state| (state.as_str(), count(*state)))
            .collect(),
        sessions: traffic.sessions as u64,
        parked: traffic.parked as u64,
        listens: traffic.listens as u64,
        in_flight: traffic.in_flight as u64,
        ports: state.supervisor.leased_ports() as u64,
        groups: state.cgroups.count() as u64,
        workers: state.supervisor.pools().iter().map(serving).collect(),
    };
    let text = state.metrics.render(&gauges).map_err(ApiError::internal)?;
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8"))
        .body(text))
}

/// How many processes of a shared service serve.
fn serving(pool: &PoolView) -> (String, u64) {
    let count = pool.workers.iter().filter(|worker| worker.state.serves()).count();
    (pool.service.to_string(), count as u64)
}

/// By what limits hold on this machine. For administrators.
pub async fn limits(caller: Caller, state: Data<AppState>) -> Result<HttpResponse, ApiError> {
    caller.may(Action::Administer)?;
    let line = |line: &Enforcement| json!({ "what": line.what, "how": line.how.as_str(), "detail": line.detail });
    let items: Vec<_> = state.enforcement.iter().map(line).collect();
    Ok(HttpResponse::Ok().json(json!({ "items": items, "next": null })))
}

/// Reads the services directory again and forgets what is remembered of tokens. For administrators.
pub async fn refresh(caller: Caller, state: Data<AppState>) -> Result<HttpResponse, ApiError> {
    caller.may(Action::Administer)?;
    let catalog = state.catalog.clone();
    let read = tokio::task::spawn_blocking(move || catalog.reload_bundled()).await.map_err(ApiError::internal)?;
    state.authenticator.renew_everybody();
    let by = actor(&caller.0);
    state.db.write(move |conn| audit(conn, by, "system.refresh", "system".to_owned(), json!({}))).await?;
    let problems: Vec<String> = read.iter().map(ToString::to_string).collect();
    Ok(HttpResponse::Ok().json(json!({ "services": state.catalog.list(None).len(), "problems": problems })))
}
