//! The system's health on one screen, for administrators: the database, the disk, the machine, Berth itself,
//! its processes, its shared services and its queues.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use actix_web::{HttpResponse, web::Data};
use serde_json::{Value, json};

use crate::{
    actors::{PoolView, WorkerView},
    auth::policy::Action,
    domain::crash::CrashCard,
    process::{self, reaper},
    routing::{Route, Traffic},
    web::{error::ApiError, extract::Caller, state::AppState},
};

/// How long the database may take to say that it is there.
const PATIENCE: Duration = Duration::from_secs(2);

/// Everything that an administrator asks for first. Always 200: what is wrong is in it.
pub async fn show(caller: Caller, state: Data<AppState>) -> Result<HttpResponse, ApiError> {
    caller.may(Action::Administer)?;
    let database = database(&state).await;
    let data_dir = state.config.storage.data_dir.clone();
    let host = tokio::task::spawn_blocking(move || host(&data_dir)).await.map_err(ApiError::internal)?;
    let is_fine = database["ok"] == true && !state.draining.load(Ordering::Acquire);
    let (range, leased) = state.supervisor.ports();
    let pools = state.supervisor.pools();
    Ok(HttpResponse::Ok().json(json!({
        "status": if is_fine { "ok" } else { "degraded" },
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_seconds": state.started.elapsed().as_secs(),
        "draining": state.draining.load(Ordering::Acquire),
        "database": database,
        "host": host,
        "instances": by_state(&state),
        "processes": processes(&state, &pools),
        "shared": shared(&pools),
        "queues": queues(&state),
        "ports": { "range": range.to_string(), "leased": leased },
    })))
}

async fn database(state: &AppState) -> Value {
    let began = Instant::now();
    let answered = tokio::time::timeout(PATIENCE, state.db.ping()).await;
    let detail = match answered {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(error.to_string()),
        Err(_) => Some(format!("no answer within {} s", PATIENCE.as_secs())),
    };
    json!({ "ok": detail.is_none(), "detail": detail, "answered_in_ms": began.elapsed().as_secs_f64() * 1e3 })
}

/// Files of the kernel are read here: blocks for a moment.
fn host(data_dir: &Path) -> Value {
    let own = process::own_memory();
    json!({
        "disk": process::disk_space(data_dir).map(|(total, free)| json!({ "total_bytes": total, "free_bytes": free })),
        "load": process::load_average(),
        "memory": process::host_memory().map(|(total, available)| {
            json!({ "total_bytes": total, "available_bytes": available })
        }),
        "berth_memory_bytes": own,
    })
}

fn by_state(state: &AppState) -> BTreeMap<&'static str, u64> {
    let mut instances = BTreeMap::new();
    for route in state.routes.all() {
        *instances.entry(route.status().state.as_str()).or_default() += 1;
    }
    instances
}

fn processes(state: &AppState, pools: &[PoolView]) -> Value {
    let workers = pools.iter().flat_map(|pool| &pool.workers).filter(|worker| worker.pid.is_some());
    let shared: Vec<u64> = workers.map(|worker| worker.usage.map_or(0, |usage| usage.memory_bytes)).collect();
    let routes = state.routes.all().into_iter().flat_map(Route::with_connections);
    let running: Vec<_> = routes.filter(|route| route.status().pid.is_some()).collect();
    let memory: u64 = running.iter().filter_map(|route| route.usage()).map(|usage| usage.memory_bytes).sum();
    json!({
        "children": running.len() + shared.len(),
        "memory_bytes": memory + shared.iter().sum::<u64>(),
        "control_groups": state.cgroups.count(),
        "orphans_total": reaper::orphans_total(),
        "starts_total": state.metrics.starts.load(Ordering::Relaxed),
        "restarts_total": state.metrics.restarts.load(Ordering::Relaxed),
    })
}

/// Shared services with their processes.
fn shared(pools: &[PoolView]) -> Value {
    let worker = |worker: &WorkerView| {
        json!({
            "number": worker.number,
            "state": worker.state,
            "health": worker.health,
            "pid": worker.pid,
            "port": worker.port,
            "restarts": worker.restarts,
            "memory_bytes": worker.usage.map(|usage| usage.memory_bytes),
            "instances": worker.instances,
            "last_error": worker.last_error.as_ref().map(CrashCard::summary),
        })
    };
    let pool = |pool: &PoolView| json!({ "service": pool.service, "workers": pool.workers.iter().map(worker).collect::<Vec<_>>() });
    pools.iter().map(pool).collect()
}

fn queues(state: &AppState) -> Value {
    let traffic: Traffic = state.routes.all().iter().map(|route| route.traffic()).sum();
    let (reading, writing) = state.db.busy();
    json!({
        "sessions": traffic.sessions,
        "calls_in_flight": traffic.in_flight,
        "calls_parked": traffic.parked,
        "listen_streams": traffic.listens,
        "database_readers_busy": reading,
        "database_writers_busy": writing,
        "overloaded_total": state.metrics.overloaded.load(Ordering::Relaxed),
        "rate_limited_total": state.metrics.rate_limited.load(Ordering::Relaxed),
    })
}
