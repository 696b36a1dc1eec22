//! Taking another version of a package: installed first, written down, then in the catalog; the last good one is kept.

use actix_web::HttpResponse;
use serde_json::json;

use super::{not_installed, package_of, service_of};
use crate::{
    catalog::Service,
    db::{
        instances,
        service_updates::{self, UpdateState},
        services,
    },
    domain::{
        ids::UserId,
        instance::{Desired, Instance},
        lifecycle::State,
        manifest::Manifest,
        names::ServiceName,
        time::Timestamp,
    },
    web::{
        api::audit,
        error::{ApiError, ErrorCode},
        state::AppState,
    },
};

/// A change of version.
pub(super) struct Change {
    pub(super) by: Option<UserId>,
    pub(super) action: &'static str,
    pub(super) restart: bool,
}

/// Installs `new`, writes it down, and has instances take it.
pub(super) async fn take(
    state: &AppState,
    service: &Service,
    new: Manifest,
    change: Change,
) -> Result<HttpResponse, ApiError> {
    let name = new.name.clone();
    let (from, to) = (package_of(&service.manifest)?.1.to_owned(), package_of(&new)?.1.to_owned());
    if from == to {
        return Err(ApiError::new(ErrorCode::Conflict, format!("{name} has version {to} already")));
    }
    state
        .supervisor
        .install(&Service::new(new.clone(), service.origin.clone()))
        .await
        .map_err(|error| not_installed(&error))?;
    let copies = copies_of(state, &name).await?;
    let is_back = change.action == "service.rollback";
    let (manifest, seen) = (new.clone(), copies.clone());
    let detail = json!({ "from": from, "to": to, "restart": change.restart });
    let written = state.db.write(move |conn| {
        if services::by_name(conn, &manifest.name)?.manifest != service_of(&manifest, &from) {
            return Ok(None);
        }
        let known = service_updates::of(conn, &manifest.name)?;
        let previous = if is_back { None } else { last_good(&known, &from, &seen) };
        let next = UpdateState { previous, changed_at: Some(Timestamp::now()), ..known };
        service_updates::change(conn, &manifest, &next)?;
        audit(conn, change.by, change.action, format!("service:{}", manifest.name), detail)?;
        Ok(Some(next))
    });
    let meanwhile = || ApiError::new(ErrorCode::Conflict, "the service was changed meanwhile; look again");
    let next = written.await?.ok_or_else(meanwhile)?;
    state.catalog.replace_runtime(new)?;
    let restarted = if change.restart { restart(state, &copies).await } else { 0 };
    Ok(HttpResponse::Ok().json(json!({
        "name": name, "version": to, "previous": next.previous, "restarted": restarted,
    })))
}

/// The version to go back to after `current`: itself, unless it was taken over and no instance has come up with it.
fn last_good(known: &UpdateState, current: &str, copies: &[Instance]) -> Option<String> {
    let has = |state| copies.iter().any(|copy| copy.state == state);
    let is_bad = known.changed_at.is_some() && has(State::Failed) && !has(State::Running);
    if is_bad { known.previous.clone() } else { Some(current.to_owned()) }
}

/// Instances of a service.
async fn copies_of(state: &AppState, name: &ServiceName) -> Result<Vec<Instance>, ApiError> {
    let mut all = state.db.read(instances::list_all).await?;
    all.retain(|instance| instance.service == *name);
    Ok(all)
}

/// Starts anew what runs, or ought to; how many. What sleeps or was stopped takes it when it is next started.
async fn restart(state: &AppState, copies: &[Instance]) -> usize {
    let mut restarted = 0;
    let ought = |copy: &&Instance| {
        copy.desired == Desired::Running && !matches!(copy.state, State::Idle | State::Stopped | State::Deleted)
    };
    for copy in copies.iter().filter(ought) {
        match state.supervisor.restart_instance(copy.id).await {
            Ok(()) => restarted += 1,
            Err(error) => log::info!("{} keeps its version until its next start: {error}", copy.id),
        }
    }
    restarted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_with_which_nothing_came_up_is_not_gone_back_to() {
        let known = |previous: Option<&str>, changed: bool| UpdateState {
            pinned: false,
            previous: previous.map(str::to_owned),
            changed_at: changed.then_some(Timestamp(1)),
        };
        assert_eq!(last_good(&known(None, false), "1.0.0", &[]).as_deref(), Some("1.0.0"));
        assert_eq!(last_good(&known(Some("1.0.0"), true), "1.1.0", &[]).as_deref(), Some("1.1.0"));
    }
}
