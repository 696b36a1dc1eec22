//! Signing in and out.

use actix_web::{
    HttpRequest, HttpResponse,
    cookie::{Cookie, SameSite, time::Duration as CookieDuration},
    http::header,
    web::{Data, Json},
};
use serde::Deserialize;
use serde_json::json;

use super::{audit, users::UserView};
use crate::{
    auth::{
        AuthError, Via, passwords,
        tokens::{self, TokenHash},
    },
    db::{OptionalExtension, logins, users},
    domain::{ids::LoginId, names::Email, secret::Secret, time::Timestamp},
    web::{
        error::ApiError,
        extract::{COOKIE, Caller},
        origin,
        state::AppState,
    },
};

/// E-mail and password.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoginBody {
    email: String,
    password: Secret,
}

/// Signs in: a cookie, and the CSRF token that goes with it.
pub async fn login(
    request: HttpRequest,
    state: Data<AppState>,
    body: Json<LoginBody>,
) -> Result<HttpResponse, ApiError> {
    origin::check(&request, &state)?;
    let LoginBody { email, password } = body.into_inner();
    let peer = request.peer_addr().map(|address| address.ip().to_string()).unwrap_or_default();
    let keys = [format!("account {}", email.to_lowercase()), format!("address {peer}")];
    let keys: [&str; 2] = [&keys[0], &keys[1]];
    let now = Timestamp::now();
    if let Some(wait) = state.throttle.wait(&keys, now) {
        return Err(AuthError::Throttled { retry_after_seconds: wait.as_secs() + 1 }.into());
    }
    let user = match email.parse::<Email>() {
        Ok(email) => state.db.read(move |conn| users::by_email(conn, &email).optional()).await?,
        Err(_) => None,
    };
    let hash = user.as_ref().and_then(|user| user.password_hash.clone());
    let matches = passwords::verify_async(password, hash).await;
    let Some(user) = user.filter(|_| matches) else {
        state.throttle.failed(&keys, now);
        let detail = json!({ "address": peer });
        let target = format!("account:{}", email.chars().take(254).collect::<String>());
        state.db.write(move |conn| audit(conn, None, "auth.login_failed", target, detail)).await?;
        return Err(AuthError::WrongPassword.into());
    };
    if user.disabled_at.is_some() {
        return Err(AuthError::Disabled.into());
    }
    state.throttle.succeeded(keys[0]);
    open(&request, &state, user).await
}

async fn open(request: &HttpRequest, state: &AppState, user: users::User) -> Result<HttpResponse, ApiError> {
    let secret = tokens::random().map_err(ApiError::random)?;
    let now = Timestamp::now();
    let lifetime = state.config.auth.sign_in_lifetime;
    let agent = request.headers().get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let login = logins::Login {
        id: LoginId::generate(),
        user_id: user.id,
        hash: TokenHash::of(&secret).to_hex(),
        csrf_hash: None,
        created_at: now,
        expires_at: now.after(lifetime),
        last_seen_at: now,
        user_agent: Some(agent.chars().take(200).collect()),
    };
    let id = user.id;
    state
        .db
        .write(move |conn| {
            logins::insert(conn, &login)?;
            audit(conn, Some(id), "auth.login", format!("user:{id}"), json!({}))
        })
        .await?;
    let csrf = tokens::csrf(&secret);
    let age = CookieDuration::seconds(i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX));
    let cookie = cookie(state, secret, age);
    Ok(HttpResponse::Ok().cookie(cookie).json(json!({ "user": UserView::of(&user), "csrf_token": csrf })))
}

fn cookie(state: &AppState, value: String, age: CookieDuration) -> Cookie<'static> {
    let secure = state.public_url.scheme() == "https";
    Cookie::build(COOKIE, value)
        .path("/")
        .http_only(true)
        .same_site(SameSite::Strict)
        .secure(secure)
        .max_age(age)
        .finish()
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
    }
    Ok(HttpResponse::NoContent().cookie(cookie(&state, String::new(), CookieDuration::ZERO)).finish())
}

/// The caller's account.
pub async fn me(request: HttpRequest, caller: Caller, state: Data<AppState>) -> Result<HttpResponse, ApiError> {
    let id = caller.0.user;
    if caller.0.via == Via::Operator {
        return Ok(HttpResponse::Ok().json(json!({ "email": caller.0.email, "role": "admin", "operator": true })));
    }
    let user = state.db.read(move |conn| users::by_id(conn, id)).await?;
    let mut view = serde_json::to_value(UserView::of(&user)).unwrap_or_default();
    if let (Via::Login { .. }, Some(cookie)) = (&caller.0.via, request.cookie(COOKIE)) {
        view["csrf_token"] = tokens::csrf(cookie.value()).into();
    }
    Ok(HttpResponse::Ok().json(view))
}
