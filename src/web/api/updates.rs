//! Versions of services that are packages: what is newer, what it would change, taking it, going back.
//!
//! A version is changed by the service's owner, an administrator where it is everybody's. What runs goes on until its
//! next start; nothing changes that was not installed here first.

mod taking;

use std::{collections::BTreeMap, sync::Arc};

use actix_web::{
    HttpResponse,
    web::{Data, Json, Path},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use self::taking::{Change, take};
use super::{actor, audit, instances::own_credential, services::is_visible, to_the_end, validate};
use crate::{
    actors::{TrialError, TrialOf},
    auth::policy::Action,
    catalog::{InstallError, Origin, Service},
    db::service_updates::{self, UpdateState},
    domain::{
        ids::CredentialId,
        manifest::{Launch, Manifest},
        names::ServiceName,
        tool_changes::ToolChanges,
    },
    web::{
        error::{ApiError, ErrorCode},
        extract::Caller,
        state::AppState,
    },
};

/// What to compare with what is there.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CompareBody {
    version: String,
    /// One of the caller's for this service; none: the trial has a made-up one.
    #[serde(default)]
    #[schema(value_type = Option<uuid::Uuid>)]
    credential: Option<CredentialId>,
    /// Fields of the service, as for an instance of it.
    #[serde(default)]
    config: BTreeMap<String, String>,
}

/// What else to do.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApplyBody {
    /// Whether instances that run are started anew at once.
    #[serde(default)]
    restart: bool,
}

/// Whether to keep the version.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PinBody {
    pinned: bool,
}

/// How a version compares with the one that is there.
#[derive(Serialize)]
struct Comparison {
    name: ServiceName,
    from: String,
    to: String,
    /// Whether the new one starts and lists its tools.
    starts: bool,
    /// Why there are no differences to show.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tools: Option<ToolChanges>,
}

/// Which versions are newer than the one that is there.
pub async fn show(caller: Caller, state: Data<AppState>, path: Path<String>) -> Result<HttpResponse, ApiError> {
    let service = changeable(&caller, &state, &path)?;
    let manifest = &service.manifest;
    let (package, version) = package_of(manifest)?;
    let name = manifest.name.clone();
    let known = state.db.read(move |conn| service_updates::of(conn, &name)).await?;
    // What is pinned is offered nothing.
    let versions = match known.pinned {
        true => None,
        false => state.supervisor.versions(&manifest.launch).await.map_err(|error| not_installed(&error))?,
    };
    let (newer, latest) = versions.map(|versions| (versions.newer, versions.latest)).unwrap_or_default();
    Ok(HttpResponse::Ok().json(json!({
        "name": manifest.name, "package": package, "version": version, "pinned": known.pinned,
        "previous": known.previous, "changed_at": known.changed_at, "newer": newer, "latest": latest,
    })))
}

/// Tries another version beside the one that is there, and says how its tools differ.
pub async fn compare(
    caller: Caller,
    state: Data<AppState>,
    path: Path<String>,
    body: Json<CompareBody>,
) -> Result<HttpResponse, ApiError> {
    let service = changeable(&caller, &state, &path)?;
    let CompareBody { version, credential, config } = body.into_inner();
    let new = of_version(&service.manifest, &version)?;
    refuse_pinned(&state, &service.manifest.name).await?;
    validate::config(&service.manifest, &config)?;
    if let Some(id) = credential {
        own_credential(&state, caller.0.user, &service.manifest.name, id).await?;
    }
    let trial = |manifest: &Manifest| TrialOf {
        service: Service::new(manifest.clone(), service.origin.clone()),
        user: (caller.0.user, caller.0.number),
        credential,
        config: config.clone(),
    };
    let mut told = Comparison {
        name: service.manifest.name.clone(),
        from: package_of(&service.manifest)?.1.to_owned(),
        to: version,
        starts: true,
        reason: None,
        tools: None,
    };
    match tried(state.supervisor.try_tools(trial(&new)).await)? {
        Err(reason) => (told.starts, told.reason) = (false, Some(reason)),
        Ok(after) => match tried(state.supervisor.try_tools(trial(&service.manifest)).await)? {
            Ok(before) => told.tools = Some(ToolChanges::between(&before, &after)),
            Err(reason) => told.reason = Some(format!("the version that is there cannot be compared: {reason}")),
        },
    }
    Ok(HttpResponse::Ok().json(told))
}

/// What a trial has shown; an error where it could not be held.
fn tried(outcome: Result<Vec<Value>, TrialError>) -> Result<Result<Vec<Value>, String>, ApiError> {
    match outcome {
        Ok(tools) => Ok(Ok(tools)),
        Err(error @ (TrialError::NotStarted(_) | TrialError::NotListed(_))) => Ok(Err(error.to_string())),
        Err(TrialError::Install(error)) => Err(not_installed(&error)),
        Err(TrialError::Busy) => Err(ApiError::new(ErrorCode::Overloaded, TrialError::Busy.to_string())),
        Err(TrialError::Supervisor(error)) => Err(error.into()),
    }
}

/// Takes another version: from the next start of each instance, or at once.
pub async fn apply(
    caller: Caller,
    state: Data<AppState>,
    path: Path<(String, String)>,
    body: Json<ApplyBody>,
) -> Result<HttpResponse, ApiError> {
    let (name, version) = path.into_inner();
    let service = changeable(&caller, &state, &name)?;
    let new = of_version(&service.manifest, &version)?;
    refuse_pinned(&state, &service.manifest.name).await?;
    let change = Change { by: actor(&caller.0), action: "service.update", restart: body.restart };
    to_the_end(async move { take(&state, &service, new, change).await }).await
}

/// Goes back to the last good version; also where the service is pinned.
pub async fn roll_back(
    caller: Caller,
    state: Data<AppState>,
    path: Path<String>,
    body: Json<ApplyBody>,
) -> Result<HttpResponse, ApiError> {
    let service = changeable(&caller, &state, &path)?;
    let name = service.manifest.name.clone();
    let known = state.db.read(move |conn| service_updates::of(conn, &name)).await?;
    let none = || ApiError::new(ErrorCode::Conflict, "there is no version to go back to: it was not updated");
    let new = of_version(&service.manifest, &known.previous.ok_or_else(none)?)?;
    let change = Change { by: actor(&caller.0), action: "service.rollback", restart: body.restart };
    to_the_end(async move { take(&state, &service, new, change).await }).await
}

/// Keeps a service at its version, or no longer.
pub async fn pin(
    caller: Caller,
    state: Data<AppState>,
    path: Path<String>,
    body: Json<PinBody>,
) -> Result<HttpResponse, ApiError> {
    let service = changeable(&caller, &state, &path)?;
    let (_, version) = package_of(&service.manifest)?;
    let (name, by, pinned) = (service.manifest.name.clone(), actor(&caller.0), body.pinned);
    let detail = json!({ "version": version });
    state
        .db
        .write(move |conn| {
            let known = service_updates::of(conn, &name)?;
            service_updates::put(conn, &name, &UpdateState { pinned, ..known })?;
            let action = if pinned { "service.pin" } else { "service.unpin" };
            audit(conn, by, action, format!("service:{name}"), detail)
        })
        .await?;
    Ok(HttpResponse::Ok().json(json!({ "name": service.manifest.name, "version": version, "pinned": pinned })))
}

/// The manifest with another version of the package: what is stored, when nobody has changed it.
fn service_of(manifest: &Manifest, version: &str) -> Manifest {
    let mut manifest = manifest.clone();
    if let Launch::Npm { version: own, .. } | Launch::Pypi { version: own, .. } = &mut manifest.launch {
        version.clone_into(own);
    }
    manifest
}

/// The service, if the caller may change it.
fn changeable(caller: &Caller, state: &AppState, name: &str) -> Result<Arc<Service>, ApiError> {
    caller.may(Action::UseAccount)?;
    let unknown = || ApiError::new(ErrorCode::UnknownService, "there is no such service");
    let name: ServiceName = name.parse().map_err(|_| unknown())?;
    let service = state.catalog.get(&name).filter(|service| is_visible(service, &caller.0)).ok_or_else(unknown)?;
    if service.origin != (Origin::Runtime { owner: Some(caller.0.user) }) {
        caller.may(Action::Administer)?;
    }
    if service.is_bundled() {
        let detail = format!("{name} comes from the services directory: it changes with its folder there");
        return Err(ApiError::new(ErrorCode::Conflict, detail));
    }
    Ok(service)
}

/// Package and version of a service that is one.
fn package_of(manifest: &Manifest) -> Result<(&str, &str), ApiError> {
    match &manifest.launch {
        Launch::Npm { package, version, .. } | Launch::Pypi { package, version, .. } => Ok((package, version)),
        _ => {
            let detail = format!("{} is no package of npm or PyPI: it has no version to change", manifest.name);
            Err(ApiError::new(ErrorCode::Conflict, detail))
        }
    }
}

/// The manifest with another version.
fn of_version(manifest: &Manifest, version: &str) -> Result<Manifest, ApiError> {
    package_of(manifest)?;
    let new = service_of(manifest, version);
    new.validate().map_err(|error| ApiError::invalid(format!("`version`: {}", error.reason)))?;
    Ok(new)
}

async fn refuse_pinned(state: &AppState, name: &ServiceName) -> Result<(), ApiError> {
    let wanted = name.clone();
    if state.db.read(move |conn| service_updates::of(conn, &wanted)).await?.pinned {
        let detail = format!("{name} is pinned to its version; `berth service pin {name} --off` lets it change");
        return Err(ApiError::new(ErrorCode::Conflict, detail));
    }
    Ok(())
}

fn not_installed(error: &InstallError) -> ApiError {
    ApiError::new(ErrorCode::UpstreamFailed, error.to_string())
}
