//! Signing in and out, and who one is.

use actix_web::{
    HttpRequest, HttpResponse,
    web::{Data, Json},
};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use super::{audit, users::UserView};
use crate::{
    auth::{AuthError, Via, policy::Action, tokens, totp},
    db::{OptionalExtension, identities, links::Purpose, logins, users},
    domain::secret::Secret,
    web::{
        error::ApiError,
        extract::Caller,
        origin,
        sign_in::{
            account::{by_password, check_code},
            cookies::{self, Kind},
            entry::{self, How},
            mails,
        },
        state::AppState,
    },
};

/// E-mail and password, and the code of the second factor where there is one.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LoginBody {
    email: String,
    #[schema(value_type = String, format = Password)]
    password: Secret,
    #[serde(default)]
    code: Option<String>,
}

/// An e-mail address.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddressBody {
    email: String,
}

/// Signs in: a cookie, and the CSRF token that goes with it.
pub async fn login(
    request: HttpRequest,
    state: Data<AppState>,
    body: Json<LoginBody>,
) -> Result<HttpResponse, ApiError> {
    origin::check(&request, &state)?;
    let LoginBody { email, password, code } = body.into_inner();
    let user = by_password(&request, &state, &email, password).await?;
    let has_second = totp::is_on(&state.db, user.id).await?;
    if has_second {
        let code = code.ok_or(AuthError::CodeRequired)?;
        check_code(&request, &state, user.id, &code).await?;
    }
    let opened = entry::open(&request, &state, &user, &How::Password, has_second).await?;
    let body = json!({ "user": UserView::of(&user), "csrf_token": opened.csrf });
    Ok(HttpResponse::Ok().cookie(opened.cookie).json(body))
}

/// Has a link to sign in sent, if there is such an account: the answer does not say.
pub async fn link(
    request: HttpRequest,
    state: Data<AppState>,
    body: Json<AddressBody>,
) -> Result<HttpResponse, ApiError> {
    origin::check(&request, &state)?;
    mails::request(&request, &state, &body.email, (Purpose::Magic, "/"))?;
    Ok(HttpResponse::Accepted().json(json!({ "detail": mails::SENT })))
}

/// Has a link to set a new password sent, if there is such an account: the answer does not say.
pub async fn reset(
    request: HttpRequest,
    state: Data<AppState>,
    body: Json<AddressBody>,
) -> Result<HttpResponse, ApiError> {
    origin::check(&request, &state)?;
    mails::request(&request, &state, &body.email, (Purpose::Reset, "/"))?;
    Ok(HttpResponse::Accepted().json(json!({ "detail": mails::SENT })))
}

/// Signs out; the cookie is worth nothing afterwards.
pub async fn logout(caller: Caller, state: Data<AppState>) -> Result<HttpResponse, ApiError> {
    if let Via::Login { id } = caller.0.via {
        let user = caller.0.user;
        state
            .db
            .write(move |conn| {
                logins::delete(conn, id).optional()?;
                audit(conn, Some(user), "auth.logout", format!("user:{user}"), json!({}))
            })
            .await?;
        state.authenticator.forget_proof(&caller.0.via);
    }
    Ok(HttpResponse::NoContent().cookie(cookies::removal(&state, Kind::Session)).finish())
}

/// The caller's account.
pub async fn me(request: HttpRequest, caller: Caller, state: Data<AppState>) -> Result<HttpResponse, ApiError> {
    let id = caller.0.user;
    if caller.0.via == Via::Operator {
        return Ok(HttpResponse::Ok().json(json!({ "email": caller.0.email, "role": "admin", "operator": true })));
    }
    let read = state.db.read(move |conn| {
        let user = users::by_id(conn, id)?;
        Ok((user, crate::db::totp::is_on(conn, id)?, identities::providers_of(conn, id)?))
    });
    let (user, totp, providers) = read.await?;
    let mut view = serde_json::to_value(UserView::of(&user)).unwrap_or_default();
    view["has_password"] = user.password_hash.is_some().into();
    view["totp"] = totp.into();
    view["may_add_services"] = (state.config.auth.user_services || caller.may(Action::Administer).is_ok()).into();
    view["providers"] = providers.into();
    if let (Via::Login { .. }, Some(cookie)) = (&caller.0.via, cookies::read(&request, &state, Kind::Session)) {
        view["csrf_token"] = tokens::csrf(&cookie).into();
    }
    Ok(HttpResponse::Ok().json(view))
}
