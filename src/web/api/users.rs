//! Accounts, for administrators.

use std::collections::BTreeSet;

use actix_web::{
    HttpResponse,
    web::{Data, Json, Path},
};
use futures_util::future::try_join_all;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{
    List, Page, actor, audit,
    grants::{GrantChange, given, present, with_grant},
};
use crate::{
    auth::{passwords, policy::Action},
    db::{
        Connection, DbError, QueryError, QueryResult, audit as audit_log, grants, instances, logins, services,
        users::{self, NewUser, Role, User},
    },
    domain::{
        ids::UserId,
        names::{Email, ServiceName},
        secret::Secret,
        time::Timestamp,
    },
    process::remove_trees,
    web::{
        error::{ApiError, ErrorCode},
        extract::Caller,
        state::AppState,
    },
};

/// What is shown of an account.
#[derive(Serialize)]
pub struct UserView {
    id: UserId,
    number: u32,
    email: Email,
    role: &'static str,
    disabled: bool,
    instance_quota: Option<u32>,
    created_at: Timestamp,
}

impl UserView {
    /// The view of `user`.
    #[must_use]
    pub fn of(user: &User) -> Self {
        Self {
            id: user.id,
            number: user.number,
            email: user.email.clone(),
            role: user.role.as_str(),
            disabled: user.disabled_at.is_some(),
            instance_quota: user.instance_quota,
            created_at: user.created_at,
        }
    }
}

/// A new account.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateUser {
    email: Email,
    #[serde(default)]
    password: Option<Secret>,
    #[serde(default)]
    role: Option<String>,
}

/// Changes of an account; what is absent stays.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChangeUser {
    disabled: Option<bool>,
    role: Option<String>,
    password: Option<Secret>,
    /// `null` brings the default back.
    #[serde(deserialize_with = "present")]
    instance_quota: Option<Option<u32>>,
    /// Figures that are to change; `null` brings all defaults back.
    #[serde(deserialize_with = "present")]
    quota: Option<Option<Map<String, Value>>>,
    /// The services that may be used; `null` leaves that to their groups.
    #[serde(deserialize_with = "present")]
    services: Option<Option<BTreeSet<ServiceName>>>,
}

/// All accounts.
pub async fn list(caller: Caller, state: Data<AppState>) -> Result<HttpResponse, ApiError> {
    caller.may(Action::Administer)?;
    let (users, mut own, groups) =
        state.db.read(|conn| Ok((users::list(conn)?, grants::all_own(conn)?, grants::group_names(conn)?))).await?;
    let items = users.iter().map(|user| {
        let mut grant = own.remove(&user.id).unwrap_or_default();
        grant.quota.instances = user.instance_quota;
        with_grant(user, &grant, groups.get(&user.id).map(Vec::as_slice).unwrap_or_default())
    });
    Ok(HttpResponse::Ok().json(List::whole(items.collect())))
}

/// One account.
pub async fn show(caller: Caller, state: Data<AppState>, path: Path<UserId>) -> Result<HttpResponse, ApiError> {
    caller.may(Action::Administer)?;
    let id = path.into_inner();
    let view = state
        .db
        .read(move |conn| {
            let user = users::by_id(conn, id)?;
            given(conn, &user)
        })
        .await?;
    Ok(HttpResponse::Ok().json(view))
}

/// Makes an account.
pub async fn create(caller: Caller, state: Data<AppState>, body: Json<CreateUser>) -> Result<HttpResponse, ApiError> {
    caller.may(Action::Administer)?;
    let CreateUser { email, password, role } = body.into_inner();
    let role = parse_role(role.as_deref())?.unwrap_or(Role::User);
    let password_hash = hash(password).await?;
    let by = actor(&caller.0);
    let new = NewUser {
        id: UserId::generate(),
        email,
        password_hash,
        role,
        instance_quota: None,
        created_at: Timestamp::now(),
    };
    let user = state
        .db
        .write(move |conn| {
            let user = users::insert(conn, &new)?;
            audit(
                conn,
                by,
                "user.create",
                format!("user:{}", user.id),
                json!({ "email": user.email, "role": role.as_str() }),
            )?;
            Ok(user)
        })
        .await?;
    Ok(HttpResponse::Created().json(UserView::of(&user)))
}

/// Changes an account. Disabling takes effect on the next request.
pub async fn change(
    caller: Caller,
    state: Data<AppState>,
    path: Path<UserId>,
    body: Json<ChangeUser>,
) -> Result<HttpResponse, ApiError> {
    caller.may(Action::Administer)?;
    let id = path.into_inner();
    let ChangeUser { disabled, role, password, instance_quota, quota, services } = body.into_inner();
    let change = GrantChange { quota, services };
    change.check(&state)?;
    let role = parse_role(role.as_deref())?;
    let password_hash = hash(password).await?;
    let by = actor(&caller.0);
    let view = state
        .db
        .write(move |conn| {
            let mut detail = change.detail();
            detail["disabled"] = json!(disabled);
            detail["role"] = json!(role.map(Role::as_str));
            detail["password"] = json!(password_hash.is_some());
            detail["instance_quota"] = json!(instance_quota);
            audit(conn, by, "user.change", format!("user:{id}"), detail)?;
            if disabled == Some(true) || role == Some(Role::User) {
                keep_an_administrator(conn, id)?;
            }
            if let Some(disabled) = disabled {
                users::set_disabled(conn, id, disabled.then(Timestamp::now))?;
                if disabled {
                    logins::delete_for_user(conn, id, None)?;
                }
            }
            if let Some(role) = role {
                users::set_role(conn, id, role)?;
            }
            if let Some(hash) = &password_hash {
                users::set_password(conn, id, Some(hash))?;
                logins::delete_for_user(conn, id, None)?;
            }
            if let Some(quota) = instance_quota {
                users::set_quota(conn, id, quota)?;
            }
            if !change.is_empty() {
                let grant = change.apply(grants::own(conn, id)?);
                grants::set_own(conn, id, &grant.map_err(|error| QueryError::SerializationError(error.into()))?)?;
            }
            let user = users::by_id(conn, id)?;
            given(conn, &user)
        })
        .await
        .map_err(kept)?;
    state.authenticator.forget_user(id);
    Ok(HttpResponse::Ok().json(view))
}

/// Removes an account with all that it has: instances, their files and logs, tokens, credentials.
pub async fn remove(caller: Caller, state: Data<AppState>, path: Path<UserId>) -> Result<HttpResponse, ApiError> {
    caller.may(Action::Administer)?;
    let id = path.into_inner();
    let by = actor(&caller.0);
    // First the door, then the rooms: nothing new is made while the rest is taken down.
    let user = state.db.write(move |conn| shut_out(conn, id, by)).await.map_err(kept)?;
    state.authenticator.forget_user(id);
    let owned = state.db.read(move |conn| instances::list_for_user(conn, id)).await?;
    // Together: each may take its whole grace period.
    try_join_all(owned.iter().map(|instance| state.supervisor.delete(instance.id))).await?;
    // The record of what was called keeps the address.
    state.authenticator.ledger().flush(&state.db, Timestamp::now()).await?;
    let services = state.db.write(move |conn| erase(conn, id)).await?;
    for name in &services {
        // Gone already, when somebody else was faster.
        let _ = state.catalog.remove_runtime(name);
    }
    state.authenticator.forget_user(id);
    let logs = [state.paths.user_logs(user.number), state.paths.user_archives(user.number)];
    if let Ok(Err(error)) = tokio::task::spawn_blocking(move || remove_trees(logs)).await {
        log::error!("the logs of a removed user could not be removed: {error}");
    }
    Ok(HttpResponse::NoContent().finish())
}

/// The audit log, newest first.
pub async fn audit_list(
    caller: Caller,
    state: Data<AppState>,
    page: actix_web::web::Query<Page>,
) -> Result<HttpResponse, ApiError> {
    caller.may(Action::Administer)?;
    let (limit, before) = (page.limit(), page.before);
    let entries = state.db.read(move |conn| audit_log::list(conn, limit, before, None)).await?;
    let next = (entries.len() == limit as usize).then(|| entries.last().map(|entry| entry.seq.to_string())).flatten();
    let items = entries.into_iter().map(|entry| {
        json!({ "seq": entry.seq, "at": entry.at, "actor": entry.actor, "action": entry.action, "target": entry.target, "detail": entry.detail, "hash": entry.hash })
    });
    Ok(HttpResponse::Ok().json(List { items: items.collect(), next }))
}

/// The first half of a removal. The audit row comes first: it is what puts such transactions in one
/// order, so that two administrators cannot remove each other at once.
fn shut_out(conn: &mut Connection, id: UserId, by: Option<UserId>) -> QueryResult<User> {
    let user = users::by_id(conn, id)?;
    audit(conn, by, "user.remove", format!("user:{id}"), json!({ "email": user.email }))?;
    keep_an_administrator(conn, id)?;
    users::set_disabled(conn, id, Some(Timestamp::now()))?;
    Ok(user)
}

/// The second half; returns the services that only this user could use.
fn erase(conn: &mut Connection, id: UserId) -> QueryResult<Vec<ServiceName>> {
    let own = services::list(conn)?.into_iter().filter(|service| service.owner_id == Some(id));
    let names: Vec<ServiceName> = own.map(|service| service.manifest.name).collect();
    names.iter().try_for_each(|name| services::delete(conn, name))?;
    users::delete(conn, id)?;
    Ok(names)
}

/// The last administrator can be neither removed nor shut out: the transaction is undone, see [`kept`].
fn keep_an_administrator(conn: &mut Connection, id: UserId) -> QueryResult<()> {
    let users = users::list(conn)?;
    let counts = |user: &&User| user.role == Role::Admin && user.disabled_at.is_none();
    let others = users.iter().filter(counts).filter(|user| user.id != id).count();
    let is_one = users.iter().filter(counts).any(|user| user.id == id);
    if is_one && others == 0 {
        return Err(QueryError::RollbackTransaction);
    }
    Ok(())
}

/// What a transaction that was undone for [`keep_an_administrator`] is for the caller.
fn kept(error: DbError) -> ApiError {
    match error {
        DbError::Query(QueryError::RollbackTransaction) => {
            ApiError::new(ErrorCode::Conflict, "this is the last administrator; make another one first")
        }
        error => error.into(),
    }
}

fn parse_role(role: Option<&str>) -> Result<Option<Role>, ApiError> {
    match role {
        None => Ok(None),
        Some("admin") => Ok(Some(Role::Admin)),
        Some("user") => Ok(Some(Role::User)),
        Some(other) => Err(ApiError::invalid(format!("`role`: {other:?} is not one of admin, user"))),
    }
}

async fn hash(password: Option<Secret>) -> Result<Option<String>, ApiError> {
    let Some(password) = password else { return Ok(None) };
    passwords::check(&password)?;
    let hash = passwords::hash_async(password).await.map_err(crate::auth::AuthError::from)?;
    Ok(Some(hash))
}
