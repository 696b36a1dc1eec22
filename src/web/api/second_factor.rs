//! One's second factor: asked for, confirmed, taken away.

use actix_web::{
    HttpRequest, HttpResponse,
    web::{Data, Json, Path},
};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use super::{actor, audit, me::in_person};
use crate::{
    auth::{AuthError, policy::Action, totp as codes},
    db::{Connection, DbError, OptionalExtension, QueryResult, totp, users},
    domain::{ids::UserId, secret::Secret, time::Timestamp},
    web::{
        error::{ApiError, ErrorCode},
        extract::Caller,
        sign_in::account::{Attempt, check_code, check_own_password},
        state::AppState,
    },
};

/// A code.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfirmBody {
    code: String,
}

/// What takes a second factor away.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RemoveBody {
    /// Absent where there is none.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = Password)]
    password: Option<Secret>,
    code: String,
}

/// Asks for a second factor: its secret, in this answer alone. It is in force once a code has confirmed it.
pub async fn begin(caller: Caller, state: Data<AppState>) -> Result<HttpResponse, ApiError> {
    caller.may(Action::UseAccount)?;
    in_person(&caller.0)?;
    let user = caller.0.user;
    let (enrolment, sealed) = codes::enrol(&state.vault, user, &caller.0.email)?;
    let begun = state.db.write(move |conn| totp::begin(conn, user, &sealed, Timestamp::now())).await;
    begun.map_err(|error| match error {
        DbError::UniqueViolation { .. } => {
            ApiError::new(ErrorCode::Conflict, "there is a second factor already; take it away first")
        }
        error => error.into(),
    })?;
    let body = json!({
        "secret": enrolment.secret.expose(),
        "uri": enrolment.uri.expose(),
        "qr": enrolment.picture.expose(),
    });
    Ok(HttpResponse::Created().json(body))
}

/// Puts the second factor in force; its recovery codes are in this answer alone.
pub async fn confirm(
    request: HttpRequest,
    caller: Caller,
    state: Data<AppState>,
    body: Json<ConfirmBody>,
) -> Result<HttpResponse, ApiError> {
    caller.may(Action::UseAccount)?;
    in_person(&caller.0)?;
    let (user, now) = (caller.0.user, Timestamp::now());
    let attempt = Attempt::at_code(&request, user);
    attempt.check(&state)?;
    let row = state.db.read(move |conn| totp::of_user(conn, user).optional()).await?;
    let waiting = row.filter(|row| row.confirmed_at.is_none());
    let row = waiting.ok_or_else(|| ApiError::new(ErrorCode::Conflict, "no second factor waits to be confirmed"))?;
    let Some(step) = codes::step_of(&state.vault, &row, &body.code, now)? else {
        attempt.failed(&state);
        return Err(AuthError::WrongCode.into());
    };
    let (codes, hashes) = codes::recovery_codes(user).map_err(ApiError::random)?;
    let confirmed = state.db.write(move |conn| {
        totp::confirm(conn, user, &hashes, now)?;
        // The code that has confirmed it does not sign in any more.
        totp::use_step(conn, user, step)?;
        audit(conn, Some(user), "auth.totp_enable", format!("user:{user}"), json!({}))
    });
    confirmed.await?;
    Ok(HttpResponse::Ok().json(json!({ "recovery_codes": codes })))
}

/// Takes one's second factor away.
pub async fn remove(
    request: HttpRequest,
    caller: Caller,
    state: Data<AppState>,
    body: Json<RemoveBody>,
) -> Result<HttpResponse, ApiError> {
    caller.may(Action::UseAccount)?;
    in_person(&caller.0)?;
    let id = caller.0.user;
    let RemoveBody { password, code } = body.into_inner();
    let user = state.db.read(move |conn| users::by_id(conn, id)).await?;
    check_own_password(&request, &state, &user, password).await?;
    check_code(&request, &state, id, &code).await?;
    state.db.write(move |conn| take_away(conn, id, Some(id))).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Takes somebody's second factor away, for an administrator: they have lost it.
pub async fn reset(caller: Caller, state: Data<AppState>, path: Path<UserId>) -> Result<HttpResponse, ApiError> {
    caller.may(Action::Administer)?;
    let (id, by) = (path.into_inner(), actor(&caller.0));
    let removed = state.db.write(move |conn| {
        users::by_id(conn, id)?;
        take_away(conn, id, by)
    });
    removed.await?;
    Ok(HttpResponse::NoContent().finish())
}

fn take_away(conn: &mut Connection, user: UserId, by: Option<UserId>) -> QueryResult<()> {
    if totp::delete(conn, user)? {
        audit(conn, by, "auth.totp_disable", format!("user:{user}"), json!({}))?;
    }
    Ok(())
}
