//! Accounts, for administrators.

use std::collections::BTreeSet;

use actix_web::{
    HttpResponse,
    web::{Data, Json, Path},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::{
    List, actor, audit,
    entitlements::{EntitlementChange, given, present, with_grant},
};
use crate::{
    auth::{passwords, policy::Action},
    db::{
        Connection, DbError, QueryError, QueryResult, entitlements, logins,
        removals::{self, Removal},
        users::{self, NewUser, Role, User},
    },
    domain::{
        ids::UserId,
        names::{Email, ServiceName},
        secret::Secret,
        time::Timestamp,
    },
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
    /// When a removed account is erased; until then it can be brought back.
    #[serde(skip_serializing_if = "Option::is_none")]
    erase_at: Option<Timestamp>,
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
            erase_at: None,
        }
    }

    /// The same, with what is known of its removal.
    #[must_use]
    pub fn removed(self, removal: Option<&Removal>) -> Self {
        Self { erase_at: removal.map(|removal| removal.erase_at), ..self }
    }
}

/// A new account.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateUser {
    #[schema(value_type = String, format = Email)]
    email: Email,
    #[serde(default)]
    #[schema(value_type = Option<String>, format = Password)]
    password: Option<Secret>,
    #[serde(default)]
    role: Option<String>,
}

/// Changes of an account; what is absent stays.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeUser {
    disabled: Option<bool>,
    role: Option<String>,
    #[schema(value_type = Option<String>, format = Password)]
    password: Option<Secret>,
    /// `null` brings the default back.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<u32>)]
    instance_quota: Option<Option<u32>>,
    /// Figures that are to change; `null` brings all defaults back.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Object>)]
    quota: Option<Option<Map<String, Value>>>,
    /// The services that may be used; `null` leaves that to their groups.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Vec<String>>)]
    services: Option<Option<BTreeSet<ServiceName>>>,
}

/// All accounts.
pub async fn list(caller: Caller, state: Data<AppState>) -> Result<HttpResponse, ApiError> {
    caller.may(Action::Administer)?;
    let (users, removals, mut own, groups) = state
        .db
        .read(|conn| {
            let own = entitlements::all_own(conn)?;
            Ok((users::list(conn)?, removals::list(conn)?, own, entitlements::group_names(conn)?))
        })
        .await?;
    let items = users.iter().map(|user| {
        let mut grant = own.remove(&user.id).unwrap_or_default();
        grant.quota.instances = user.instance_quota;
        let removal = removals.iter().find(|removal| removal.user_id == user.id);
        let groups = groups.get(&user.id).map(Vec::as_slice).unwrap_or_default();
        with_grant(&UserView::of(user).removed(removal), &grant, groups)
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
    let wanted = new.email.clone();
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
        .await;
    let user = match user {
        Err(error @ DbError::UniqueViolation { .. }) => return Err(taken(&state, wanted, error).await),
        user => user?,
    };
    Ok(HttpResponse::Created().json(UserView::of(&user)))
}

/// An address is taken as long as the account that has it is not erased.
async fn taken(state: &AppState, email: Email, error: DbError) -> ApiError {
    let find = move |conn: &mut Connection| {
        let user = users::by_email(conn, &email)?;
        removals::find(conn, user.id)
    };
    match state.db.read(find).await {
        Ok(Some(removal)) => ApiError::new(
            ErrorCode::Conflict,
            format!(
                "the account with this e-mail address was removed and can be restored until {}; restore it, or \
                 remove it with ?now=true first",
                removal.erase_at
            ),
        ),
        Ok(None) | Err(_) => error.into(),
    }
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
    let change = EntitlementChange { quota, services };
    change.check(&state)?;
    let role = parse_role(role.as_deref())?;
    let password_hash = hash(password).await?;
    let takes_away = disabled.is_some() || role.is_some() || password_hash.is_some();
    let by = actor(&caller.0);
    let view = state
        .db
        .write(move |conn| {
            let mut detail = change.detail();
            detail["disabled"] = json!(disabled);
            detail["role"] = json!(role.map(Role::as_str));
            detail["password"] = json!(password_hash.is_some());
            detail["instance_quota"] = json!(instance_quota);
            // A removed account is disabled until it is restored.
            if disabled == Some(false) && removals::find(conn, id)?.is_some() {
                return Ok(None);
            }
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
                let grant = change.apply(entitlements::own(conn, id)?);
                entitlements::set_own(conn, id, &grant.map_err(|error| QueryError::SerializationError(error.into()))?)?;
            }
            let user = users::by_id(conn, id)?;
            given(conn, &user).map(Some)
        })
        .await
        .map_err(kept)?
        .ok_or_else(|| ApiError::new(ErrorCode::Conflict, "this account is removed; restore it instead"))?;
    // What somebody may use is found out anew; what they may not do any more ends.
    if takes_away {
        state.authenticator.forget_user(id);
    } else {
        state.authenticator.renew_user(id);
    }
    Ok(HttpResponse::Ok().json(view))
}

/// The last administrator can be neither removed nor shut out: the transaction is undone, see [`kept`].
pub(super) fn keep_an_administrator(conn: &mut Connection, id: UserId) -> QueryResult<()> {
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
pub(super) fn kept(error: DbError) -> ApiError {
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
