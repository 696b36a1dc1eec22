//! One's own sign-ins and password.

use actix_web::{
    HttpRequest, HttpResponse,
    web::{Data, Json, Path},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::{List, audit};
use crate::{
    auth::{AuthError, Principal, Via, passwords, policy::Action},
    db::{Connection, QueryResult, links, logins, users},
    domain::{
        ids::{LoginId, UserId},
        secret::Secret,
        time::Timestamp,
    },
    web::{
        error::{ApiError, ErrorCode},
        extract::Caller,
        sign_in::account::check_own_password,
        state::AppState,
    },
};

/// What is shown of a sign-in.
#[derive(Serialize)]
struct LoginView {
    id: LoginId,
    device: Option<String>,
    address: Option<String>,
    created_at: Timestamp,
    expires_at: Timestamp,
    current: bool,
}

/// The old and the new password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangePassword {
    /// Absent where there is none.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = Password)]
    current: Option<Secret>,
    #[schema(value_type = String, format = Password)]
    new: Secret,
}

/// The sign-in that the request came with; only a person in a browser has one.
///
/// # Errors
/// 403 when it came with a token: one that was stolen must not shut its owner out.
pub(super) fn in_person(caller: &Principal) -> Result<LoginId, ApiError> {
    match caller.via {
        Via::Login { id } => Ok(id),
        Via::Token { .. } | Via::Grant { .. } | Via::Operator => {
            Err(ApiError::new(ErrorCode::Forbidden, "sign in in a browser to change how you sign in"))
        }
    }
}

fn current(caller: &Principal) -> Option<LoginId> {
    in_person(caller).ok()
}

/// One's sign-ins, newest first.
pub async fn logins(caller: Caller, state: Data<AppState>) -> Result<HttpResponse, ApiError> {
    caller.may(Action::UseAccount)?;
    let (user, current, now) = (caller.0.user, current(&caller.0), Timestamp::now());
    let logins = state.db.read(move |conn| logins::list_for_user(conn, user)).await?;
    let views = logins.into_iter().filter(|login| login.expires_at > now).map(|login| LoginView {
        current: current == Some(login.id),
        id: login.id,
        device: login.user_agent.filter(|agent| !agent.is_empty()),
        address: login.address,
        created_at: login.created_at,
        expires_at: login.expires_at,
    });
    Ok(HttpResponse::Ok().json(List::whole(views.collect())))
}

/// Ends one of one's sign-ins.
pub async fn end_login(caller: Caller, state: Data<AppState>, path: Path<LoginId>) -> Result<HttpResponse, ApiError> {
    caller.may(Action::UseAccount)?;
    let (user, id) = (caller.0.user, path.into_inner());
    let ended = state.db.write(move |conn| {
        logins::delete_own(conn, user, id)?;
        audit(conn, Some(user), "auth.login_end", format!("login:{id}"), json!({}))
    });
    ended.await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Ends all of one's sign-ins but this one.
pub async fn end_other_logins(caller: Caller, state: Data<AppState>) -> Result<HttpResponse, ApiError> {
    caller.may(Action::UseAccount)?;
    let (user, kept) = (caller.0.user, current(&caller.0));
    let ended = state.db.write(move |conn| {
        let ended = logins::delete_for_user(conn, user, kept)?;
        if ended > 0 {
            audit(conn, Some(user), "auth.login_end", format!("user:{user}"), json!({ "ended": ended }))?;
        }
        Ok(ended)
    });
    Ok(HttpResponse::Ok().json(json!({ "ended": ended.await? })))
}

/// Sets another password; all other sign-ins end.
pub async fn set_password(
    request: HttpRequest,
    caller: Caller,
    state: Data<AppState>,
    body: Json<ChangePassword>,
) -> Result<HttpResponse, ApiError> {
    caller.may(Action::UseAccount)?;
    let kept = in_person(&caller.0)?;
    let ChangePassword { current, new } = body.into_inner();
    passwords::check(&new).map_err(|error| ApiError::invalid(format!("`new`: {error}")))?;
    let id = caller.0.user;
    let user = state.db.read(move |conn| users::by_id(conn, id)).await?;
    check_own_password(&request, &state, &user, current).await?;
    let hash = passwords::hash_async(new).await.map_err(AuthError::from)?;
    state.db.write(move |conn| replace(conn, id, kept, &hash)).await?;
    Ok(HttpResponse::NoContent().finish())
}

fn replace(conn: &mut Connection, user: UserId, kept: LoginId, hash: &str) -> QueryResult<()> {
    users::set_password(conn, user, Some(hash))?;
    logins::delete_for_user(conn, user, Some(kept))?;
    links::delete_for_user(conn, user)?;
    audit(conn, Some(user), "auth.password_change", format!("user:{user}"), json!({}))
}
