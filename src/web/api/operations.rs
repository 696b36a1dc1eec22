//! What owners do with an instance beyond making and deleting it.

use std::{collections::BTreeMap, time::Duration};

use actix_web::{
    HttpResponse,
    web::{Data, Json, Path},
};
use serde::{Deserialize, Deserializer};
use serde_json::json;
use utoipa::ToSchema;

use super::{
    actor, audit, entitled,
    instance_view::InstanceView,
    instances::{self as api, Parts, expiry, find, seal_env},
    validate,
};
use crate::{
    auth::Principal,
    db::{events as event_rows, instances as rows, instances::InstanceChanges, usage_hours, users},
    domain::{
        ids::{CredentialId, InstanceId},
        instance::{Desired, Instance, Mode},
        limits::Limits,
        secret::Secret,
        time::Timestamp,
        usage::UsageHour,
    },
    web::{
        api::{List, Page},
        error::ApiError,
        extract::Caller,
        state::AppState,
    },
};

/// Until when.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Renewal {
    expires_in_minutes: Option<u64>,
    never: bool,
}

/// Changes of an instance; what is absent stays.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ChangeInstance {
    label: Option<String>,
    #[schema(value_type = Option<String>)]
    mode: Option<Mode>,
    config: Option<BTreeMap<String, String>>,
    env: Option<BTreeMap<String, String>>,
    #[schema(value_type = Option<uuid::Uuid>)]
    credential_id: Option<CredentialId>,
    #[schema(value_type = Option<Object>)]
    limits: Option<Limits>,
    /// `null`: as the service or Berth says.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<u32>)]
    idle_seconds: Option<Option<u32>>,
    expires_in_minutes: Option<u64>,
}

/// What is there, `null` among it.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<u32>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// Off when it is wanted, on when it is not.
pub async fn toggle(caller: Caller, state: Data<AppState>, path: Path<InstanceId>) -> Result<HttpResponse, ApiError> {
    let instance = find(&caller.0, &state, path.into_inner(), true).await?;
    match instance.desired {
        Desired::Running => state.supervisor.stop_instance(instance.id).await?,
        Desired::Stopped => {
            may_start(&state, &instance).await?;
            state.supervisor.start_instance(instance.id).await?;
        }
    }
    done(&caller.0, &state, instance.id, "instance.toggle").await
}

/// Passes when the owner's quota has a place for it. That its service is gone is the start's to say.
async fn may_start(state: &AppState, instance: &Instance) -> Result<(), ApiError> {
    match state.catalog.get(&instance.service) {
        Some(service) => {
            entitled::may_start(state, instance.user_id, &service, (instance.mode, instance.limits), Some(instance.id))
                .await
        }
        None => Ok(()),
    }
}

/// A new process, with a full restart budget.
pub async fn restart(caller: Caller, state: Data<AppState>, path: Path<InstanceId>) -> Result<HttpResponse, ApiError> {
    let instance = find(&caller.0, &state, path.into_inner(), true).await?;
    may_start(&state, &instance).await?;
    state.supervisor.restart_instance(instance.id).await?;
    done(&caller.0, &state, instance.id, "instance.restart").await
}

/// Another expiry: `{expires_in_minutes}` or `{never: true}`.
pub async fn renew(
    caller: Caller,
    state: Data<AppState>,
    path: Path<InstanceId>,
    body: Json<Renewal>,
) -> Result<HttpResponse, ApiError> {
    let instance = find(&caller.0, &state, path.into_inner(), true).await?;
    let Renewal { expires_in_minutes, never } = body.into_inner();
    if expires_in_minutes.is_some() == never {
        return Err(ApiError::invalid("give either `expires_in_minutes` or `never: true`"));
    }
    let until = expiry(expires_in_minutes, Timestamp::now())?;
    state.supervisor.renew(instance.id, until).await?;
    done(&caller.0, &state, instance.id, "instance.renew").await
}

/// Brings back what has expired, failed, stopped or lost its process.
pub async fn restore(caller: Caller, state: Data<AppState>, path: Path<InstanceId>) -> Result<HttpResponse, ApiError> {
    let instance = find(&caller.0, &state, path.into_inner(), true).await?;
    may_start(&state, &instance).await?;
    state.supervisor.restore(instance.id).await?;
    done(&caller.0, &state, instance.id, "instance.restore").await
}

/// A second instance with the same service, label, configuration, environment and credential.
pub async fn clone(caller: Caller, state: Data<AppState>, path: Path<InstanceId>) -> Result<HttpResponse, ApiError> {
    let source = find(&caller.0, &state, path.into_inner(), true).await?;
    let owner_id = source.user_id;
    let service = api::service_of(&state, source.service.as_str(), owner_id)?;
    entitled::allowed_service(&state, owner_id, &source.service).await?;
    let owner = state.db.read(move |conn| users::by_id(conn, owner_id)).await?;
    let env = open_env(&state, &source)?;
    let parts = Parts {
        label: source.label,
        mode: source.mode,
        config: source.config,
        env,
        credential: source.credential_id.map(api::Choice::Stored),
        limits: source.limits,
        idle_seconds: source.idle_seconds,
        expires_at: None,
    };
    entitled::may_start(&state, owner_id, &service, (parts.mode, parts.limits), None).await?;
    let instance = api::record(&state, &caller, &owner, &service, parts).await?;
    api::take_on(&state, &instance).await?;
    Ok(HttpResponse::Created().json(InstanceView::of(instance, &state)))
}

/// Changes an instance. What its process was started with stays until its next start.
pub async fn change(
    caller: Caller,
    state: Data<AppState>,
    path: Path<InstanceId>,
    body: Json<ChangeInstance>,
) -> Result<HttpResponse, ApiError> {
    let instance = find(&caller.0, &state, path.into_inner(), true).await?;
    let body = body.into_inner();
    let service = api::service_of(&state, instance.service.as_str(), instance.user_id)?;
    let until = expiry(body.expires_in_minutes, Timestamp::now())?;
    let changes = changes(&caller, &state, &instance, &service.manifest, &body).await?;
    let (id, by) = (instance.id, actor(&caller.0));
    let names = json!({
        "label": body.label.is_some(), "mode": body.mode, "config": body.config.is_some(), "env": body.env.is_some(),
        "credential": body.credential_id, "limits": body.limits,
        "idle_seconds": body.idle_seconds,
    });
    state
        .db
        .write(move |conn| {
            rows::update(conn, id, &changes)?;
            audit(conn, by, "instance.change", format!("instance:{id}"), names)
        })
        .await?;
    if until.is_some() {
        state.supervisor.renew(id, until).await?;
    }
    state.supervisor.reconfigure(id).await?;
    let instance = state.db.read(move |conn| rows::by_id(conn, id)).await?;
    Ok(HttpResponse::Ok().json(InstanceView::of(instance, &state)))
}

async fn changes(
    caller: &Caller,
    state: &AppState,
    instance: &Instance,
    manifest: &crate::domain::manifest::Manifest,
    body: &ChangeInstance,
) -> Result<InstanceChanges, ApiError> {
    if let Some(env) = &body.env {
        validate::environment(env)?;
        validate::environment_in(body.mode.unwrap_or(instance.mode), env)?;
    }
    if let Some(config) = &body.config {
        validate::config(manifest, config)?;
    }
    validate::label(body.label.as_deref().unwrap_or_default())?;
    if let Some(limits) = &body.limits {
        let in_force = state.config.runtime.limits(Limits::default(), manifest.limits);
        validate::limits(*limits, in_force, caller.may(crate::auth::policy::Action::Administer).is_ok())?;
    }
    if let Some(id) = body.credential_id {
        api::own_credential(state, instance.user_id, &instance.service, id).await?;
    }
    let mode = body.mode.map(|mode| validate::mode(manifest, Some(mode))).transpose()?;
    let sealed = match &body.env {
        None => None,
        Some(env) if env.is_empty() => Some(None),
        Some(env) => Some(Some(seal_env(state, instance.user_id, instance.id, env)?)),
    };
    Ok(InstanceChanges {
        label: body.label.clone(),
        mode,
        config: body.config.clone(),
        env_sealed: sealed,
        credential_id: body.credential_id.map(Some),
        limits: body.limits,
        idle_seconds: body.idle_seconds,
        ..InstanceChanges::default()
    })
}

/// What happened to an instance, newest first.
pub async fn events(
    caller: Caller,
    state: Data<AppState>,
    path: Path<InstanceId>,
    page: actix_web::web::Query<Page>,
) -> Result<HttpResponse, ApiError> {
    let id = find(&caller.0, &state, path.into_inner(), false).await?.id;
    let (limit, before) = (page.limit(), page.before);
    let rows = state.db.read(move |conn| event_rows::list(conn, id, limit, before)).await?;
    let next = (rows.len() == limit as usize).then(|| rows.last().map(|row| row.id.to_string())).flatten();
    let items =
        rows.into_iter().map(|row| json!({ "id": row.id, "at": row.at, "kind": row.kind, "detail": row.detail }));
    Ok(HttpResponse::Ok().json(List { items: items.collect(), next }))
}

/// What an instance uses now, has used in the last minutes and hours, and what of its limits is in force how.
pub async fn stats(caller: Caller, state: Data<AppState>, path: Path<InstanceId>) -> Result<HttpResponse, ApiError> {
    let instance = find(&caller.0, &state, path.into_inner(), false).await?;
    let route = state.routes.get(instance.id);
    let manifest = state.catalog.get(&instance.service).map(|service| service.manifest.limits).unwrap_or_default();
    let id = instance.id;
    let hours = state.db.read(move |conn| usage_hours::list(conn, id, HOURS)).await?;
    let enforcement = state
        .enforcement
        .iter()
        .map(|item| json!({ "what": item.what, "how": item.how.as_str(), "detail": item.detail }));
    Ok(HttpResponse::Ok().json(json!({
        "usage": route.as_ref().and_then(|route| route.usage()),
        "limits": state.config.runtime.limits(instance.limits, manifest),
        "sessions": route.as_ref().map_or(0, |route| route.sessions.len()),
        "last_used": route.as_ref().map(|route| route.last_used()),
        "recent": route.as_ref().map(|route| route.recent_usage()).unwrap_or_default(),
        "hours": hours.iter().map(hour_view).collect::<Vec<_>>(),
        "enforcement": enforcement.collect::<Vec<_>>(),
    })))
}

/// Hours of history in one answer: a week.
const HOURS: u32 = 168;

fn hour_view(hour: &UsageHour) -> serde_json::Value {
    json!({
        "hour": hour.hour,
        "samples": hour.samples,
        "memory_avg_bytes": hour.memory_avg(),
        "memory_max_bytes": hour.memory_max,
        "cpu_seconds": Duration::from_millis(hour.cpu_ms).as_secs_f64(),
        "processes_max": hour.processes_max,
        "requests": hour.requests,
    })
}

fn open_env(state: &AppState, instance: &Instance) -> Result<BTreeMap<String, String>, ApiError> {
    let Some(sealed) = &instance.env_sealed else { return Ok(BTreeMap::new()) };
    let opened: Secret = state.vault.open_sealed(&instance.env_owner(), sealed)?;
    serde_json::from_str(opened.expose()).map_err(ApiError::internal)
}

async fn done(
    caller: &Principal,
    state: &AppState,
    id: InstanceId,
    action: &'static str,
) -> Result<HttpResponse, ApiError> {
    let by = actor(caller);
    let instance = state
        .db
        .write(move |conn| {
            audit(conn, by, action, format!("instance:{id}"), json!({}))?;
            rows::by_id(conn, id)
        })
        .await?;
    Ok(HttpResponse::Ok().json(InstanceView::of(instance, state)))
}

/// How long a request may name its expiry ahead.
pub(super) const MAX_EXPIRY: Duration = Duration::from_secs(100 * 366 * 86_400);
