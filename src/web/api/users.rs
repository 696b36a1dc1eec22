//! Accounts, for administrators.

use actix_web::{
    HttpResponse,
    web::{Data, Json, Path},
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{List, Page, actor, audit};
use crate::{
    auth::{passwords, policy::Action},
    db::{
        audit as audit_log, instances, logins,
        users::{self, NewUser, Role, User},
    },
    domain::{ids::UserId, names::Email, secret::Secret, time::Timestamp},
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
    instance_quota: Option<u32>,
}

/// All accounts.
pub async fn list(caller: Caller, state: Data<AppState>) -> Result<HttpResponse, ApiError> {
    caller.may(Action::Administer)?;
    let users = state.db.read(users::list).await?;
    Ok(HttpResponse::Ok().json(List::whole(users.iter().map(UserView::of).collect())))
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
    let ChangeUser { disabled, role, password, instance_quota } = body.into_inner();
    let role = parse_role(role.as_deref())?;
    let password_hash = hash(password).await?;
    if disabled == Some(true) || role == Some(Role::User) {
        keep_an_administrator(&state, id).await?;
    }
    let by = actor(&caller.0);
    let user = state
        .db
        .write(move |conn| {
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
            if instance_quota.is_some() {
                users::set_quota(conn, id, instance_quota)?;
            }
            let detail = json!({ "disabled": disabled, "role": role.map(Role::as_str), "password": password_hash.is_some(), "instance_quota": instance_quota });
            audit(conn, by, "user.change", format!("user:{id}"), detail)?;
            users::by_id(conn, id)
        })
        .await?;
    state.authenticator.forget_user(id);
    Ok(HttpResponse::Ok().json(UserView::of(&user)))
}

/// Removes an account with all that it has: instances, their files and logs, tokens, credentials.
pub async fn remove(caller: Caller, state: Data<AppState>, path: Path<UserId>) -> Result<HttpResponse, ApiError> {
    caller.may(Action::Administer)?;
    let id = path.into_inner();
    keep_an_administrator(&state, id).await?;
    let user = state.db.read(move |conn| users::by_id(conn, id)).await?;
    // First the door, then the rooms: nothing new is made while the rest is taken down.
    state.db.write(move |conn| users::set_disabled(conn, id, Some(Timestamp::now()))).await?;
    state.authenticator.forget_user(id);
    for instance in state.db.read(move |conn| instances::list_for_user(conn, id)).await? {
        state.supervisor.delete(instance.id).await?;
    }
    let by = actor(&caller.0);
    let email = user.email.clone();
    state
        .db
        .write(move |conn| {
            users::delete(conn, id)?;
            audit(conn, by, "user.remove", format!("user:{id}"), json!({ "email": email }))
        })
        .await?;
    state.authenticator.forget_user(id);
    let logs = state.paths.user_logs(user.number);
    let removed = tokio::task::spawn_blocking(move || std::fs::remove_dir_all(logs)).await;
    if let Ok(Err(error)) = removed
        && error.kind() != std::io::ErrorKind::NotFound
    {
        log::error!("the log directory of a removed user could not be removed: {error}");
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

/// The last administrator can be neither removed nor shut out.
async fn keep_an_administrator(state: &AppState, id: UserId) -> Result<(), ApiError> {
    let users = state.db.read(users::list).await?;
    let counts = |user: &&User| user.role == Role::Admin && user.disabled_at.is_none();
    let others = users.iter().filter(counts).filter(|user| user.id != id).count();
    let is_one = users.iter().filter(counts).any(|user| user.id == id);
    if is_one && others == 0 {
        return Err(ApiError::new(ErrorCode::Conflict, "this is the last administrator; make another one first"));
    }
    Ok(())
}

fn parse_role(role: Option<&str>) -> Result<Option<Role>, ApiError> {
    match role {
        None => Ok(None),
        Some("admin") => Ok(Some(Role::Admin)),
        Some("user") => Ok(Some(Role::User)),
        Some(other) => Err(ApiError::invalid(format!("role {other:?} is not one of admin, user"))),
    }
}

async fn hash(password: Option<Secret>) -> Result<Option<String>, ApiError> {
    let Some(password) = password else { return Ok(None) };
    passwords::check(&password).map_err(|error| ApiError::invalid(error.to_string()))?;
    let hash = passwords::hash_async(password).await.map_err(crate::auth::AuthError::from)?;
    Ok(Some(hash))
}
