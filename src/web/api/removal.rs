//! Removing accounts, and bringing them back for as long as that is possible.
//!
//! A removal takes effect at once: the account is disabled, which makes its tokens, sign-ins and grants worthless,
//! and its instances end. What it has is erased when its time to be brought back is over, by [`erase_due`].

use actix_web::{
    HttpResponse,
    web::{Data, Path, Query},
};
use futures_util::future::try_join_all;
use serde::Deserialize;
use serde_json::json;
use utoipa::IntoParams;

use super::{
    actor, audit,
    users::{UserView, keep_an_administrator, kept},
};
use crate::{
    auth::policy::Action,
    db::{
        Connection, OptionalExtension, QueryResult, instances,
        removals::{self, Removal},
        services,
        users::{self, User},
    },
    domain::{ids::UserId, names::ServiceName, time::Timestamp},
    process::remove_trees,
    web::{
        error::{ApiError, ErrorCode},
        extract::Caller,
        state::AppState,
    },
};

/// `?now=true`: nothing is kept.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct When {
    #[serde(default)]
    now: bool,
}

/// Removes an account: for now, or for good.
pub async fn remove(
    caller: Caller,
    state: Data<AppState>,
    path: Path<UserId>,
    when: Query<When>,
) -> Result<HttpResponse, ApiError> {
    caller.may(Action::Administer)?;
    let id = path.into_inner();
    let by = actor(&caller.0);
    let undo = state.config.auth.user_undo.filter(|_| !when.now);
    let now = Timestamp::now();
    let erase_at = undo.map_or(now, |undo| now.after(undo));
    let user = state.db.write(move |conn| shut_out(conn, id, by, (now, erase_at))).await.map_err(kept)?;
    state.authenticator.forget_user(id);
    if undo.is_none() {
        erase(&state, &user).await?;
        return Ok(HttpResponse::NoContent().finish());
    }
    // Asked again after the door was shut: what was made meanwhile ends, too.
    let owned = state.db.read(move |conn| instances::list_for_user(conn, id)).await?;
    try_join_all(owned.iter().map(|instance| state.supervisor.stop_instance(instance.id))).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Brings a removed account back as it was, with what was running.
pub async fn restore(caller: Caller, state: Data<AppState>, path: Path<UserId>) -> Result<HttpResponse, ApiError> {
    caller.may(Action::Administer)?;
    let id = path.into_inner();
    let by = actor(&caller.0);
    let restored = state.db.write(move |conn| bring_back(conn, id, by, Timestamp::now())).await;
    let (user, removal) = restored?.ok_or_else(|| {
        ApiError::new(ErrorCode::Conflict, "this account is not removed, or its time to be brought back is over")
    })?;
    state.authenticator.forget_user(id);
    for instance in removal.running {
        // One that has expired or was deleted meanwhile does not come back; the others do.
        if let Err(error) = state.supervisor.start_instance(instance).await {
            log::warn!("instance {instance} of a restored account does not start: {error}");
        }
    }
    Ok(HttpResponse::Ok().json(UserView::of(&user)))
}

/// Erases the accounts whose time to be brought back is over.
///
/// # Errors
/// When the database cannot be read; an account that cannot be erased is logged and tried again.
pub async fn erase_due(state: &AppState, now: Timestamp) -> Result<(), ApiError> {
    for removal in state.db.read(removals::list).await?.into_iter().take_while(|removal| removal.erase_at <= now) {
        let id = removal.user_id;
        let Some(user) = state.db.read(move |conn| users::by_id(conn, id).optional()).await? else { continue };
        if let Err(error) = erase(state, &user).await {
            log::error!("the removed account {id} could not be erased, it is tried again: {error}");
        }
    }
    Ok(())
}

/// The audit row comes first: it is what puts such transactions in one order, so that two administrators
/// cannot remove each other at once.
fn shut_out(
    conn: &mut Connection,
    id: UserId,
    by: Option<UserId>,
    (now, erase_at): (Timestamp, Timestamp),
) -> QueryResult<User> {
    let user = users::by_id(conn, id)?;
    let detail = json!({ "email": user.email, "erase_at": erase_at });
    audit(conn, by, "user.remove", format!("user:{id}"), detail)?;
    keep_an_administrator(conn, id)?;
    removals::begin(conn, id, now, erase_at)?;
    users::by_id(conn, id)
}

/// `None` when it is too late, or there is nothing to bring back.
fn bring_back(
    conn: &mut Connection,
    id: UserId,
    by: Option<UserId>,
    now: Timestamp,
) -> QueryResult<Option<(User, Removal)>> {
    users::by_id(conn, id)?;
    if removals::find(conn, id)?.is_none_or(|removal| removal.erase_at <= now) {
        return Ok(None);
    }
    let removal = removals::undo(conn, id)?;
    audit(conn, by, "user.restore", format!("user:{id}"), json!({ "instances": removal.running }))?;
    Ok(Some((users::by_id(conn, id)?, removal)))
}

/// Instances with their files and logs, credentials, services, tokens, the account. The last step is the account's:
/// whatever fails before is done again.
async fn erase(state: &AppState, user: &User) -> Result<(), ApiError> {
    let id = user.id;
    let owned = state.db.read(move |conn| instances::list_for_user(conn, id)).await?;
    // Together: each may take its whole grace period.
    try_join_all(owned.iter().map(|instance| state.supervisor.delete(instance.id))).await?;
    let logs = [state.paths.user_logs(user.number), state.paths.user_archives(user.number)];
    if let Ok(Err(error)) = tokio::task::spawn_blocking(move || remove_trees(logs)).await {
        log::error!("the logs of a removed user could not be removed: {error}");
    }
    // The record of what was called keeps the address.
    state.authenticator.ledger().flush(&state.db, Timestamp::now()).await?;
    let services = state.db.write(move |conn| erase_rows(conn, id)).await?;
    for name in &services {
        // Gone already, when somebody else was faster.
        let _ = state.catalog.remove_runtime(name);
    }
    state.authenticator.forget_user(id);
    // What was sealed for them leaves the files, too.
    if let Err(error) = state.db.scrub().await {
        log::warn!("what a removed user had stays in the database's log until it is next tidied up, sealed: {error}");
    }
    Ok(())
}

/// Returns the services that only this user could use.
fn erase_rows(conn: &mut Connection, id: UserId) -> QueryResult<Vec<ServiceName>> {
    let Some(user) = users::by_id(conn, id).optional()? else { return Ok(Vec::new()) };
    let own = services::list(conn)?.into_iter().filter(|service| service.owner_id == Some(id));
    let names: Vec<ServiceName> = own.map(|service| service.manifest.name).collect();
    names.iter().try_for_each(|name| services::delete(conn, name))?;
    users::delete(conn, id)?;
    audit(conn, None, "user.erase", format!("user:{id}"), json!({ "email": user.email }))?;
    Ok(names)
}
