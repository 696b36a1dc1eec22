//! Signing in and out.

use std::net::IpAddr;

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
    // An address has at most 254 characters; longer names are nobody's and need no memory.
    let account: String = email.to_lowercase().chars().take(254).collect();
    let address = client_address(&request);
    let keys = [format!("account {account}"), format!("address {address}")];
    let keys: [&str; 2] = [&keys[0], &keys[1]];
    refuse_throttled(&state, &keys)?;
    let user = match email.parse::<Email>() {
        Ok(email) => state.db.read(move |conn| users::by_email(conn, &email).optional()).await?,
        Err(_) => None,
    };
    let hash = user.as_ref().and_then(|user| user.password_hash.clone());
    let matches = passwords::verify_async(password, hash).await;
    // Guesses that were sent at once have all passed the first look; what they found stays hidden.
    refuse_throttled(&state, &keys)?;
    let is_disabled = user.as_ref().is_some_and(|user| user.disabled_at.is_some());
    let Some(user) = user.filter(|_| matches && !is_disabled) else {
        state.throttle.failed(&keys, Timestamp::now());
        let detail = json!({ "address": address, "disabled": matches && is_disabled });
        let target = format!("account:{account}");
        state.db.write(move |conn| audit(conn, None, "auth.login_failed", target, detail)).await?;
        return Err(if matches { AuthError::Disabled } else { AuthError::WrongPassword }.into());
    };
    state.throttle.succeeded(keys[0]);
    open(&request, &state, user).await
}

fn refuse_throttled(state: &AppState, keys: &[&str]) -> Result<(), AuthError> {
    match state.throttle.wait(keys, Timestamp::now()) {
        None => Ok(()),
        Some(wait) => Err(AuthError::Throttled { retry_after_seconds: wait.as_secs() + 1 }),
    }
}

/// Where a sign-in comes from. A proxy on this host says it in the last entry of `X-Forwarded-For`;
/// everybody else could write there what they like. Of IPv6, the network counts: one person has it whole.
fn client_address(request: &HttpRequest) -> String {
    let Some(peer) = request.peer_addr().map(|peer| peer.ip().to_canonical()) else { return String::new() };
    let forwarded = request.headers().get("x-forwarded-for").and_then(|value| value.to_str().ok());
    let forwarded = forwarded.and_then(|list| list.rsplit(',').next()?.trim().parse::<IpAddr>().ok());
    match forwarded.filter(|_| peer.is_loopback()).unwrap_or(peer) {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
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
        // Lax: who is sent here by an OAuth client is signed in when they arrive. Forms and calls that
        // change something need the CSRF token besides.
        .same_site(SameSite::Lax)
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
        state.authenticator.forget_proof(&caller.0.via);
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
