//! Devices without a browser (RFC 8628): they show a code, and ask again and again until a user has typed it.

use std::{sync::Arc, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{Bytes, Data},
};
use serde_json::json;

use super::{keep_pace, machine};
use crate::{
    auth::{
        oauth::{
            Scopes,
            grants::{self, Lifetimes, NewGrant, Tokens},
            user_code,
        },
        oauth_clients::{GrantType, OAuthClient},
        tokens::{self, TokenHash},
    },
    db::{
        Connection, OptionalExtension, QueryResult, instances,
        oauth_devices::{self, Device, State},
        users,
    },
    domain::{ids::UserId, secret::Secret, time::Timestamp},
    web::{
        oauth::{
            base_url,
            error::OAuthError,
            form, issuer,
            token::{Form, Target, answer, authenticate, may_use, missing},
        },
        state::AppState,
    },
};

/// How long the codes live.
const LIFETIME: Duration = Duration::from_secs(600);
/// Seconds between two polls, and how many more whenever a device does not keep to that (section 3.5).
const PACE: i64 = 5;
/// Devices that may wait at a time.
const MAX_WAITING: i64 = 10_000;

/// `POST /oauth/device`: the device authorization request.
///
/// # Errors
/// When the client may not do this, or names no instance.
pub async fn begin(request: HttpRequest, body: Bytes, state: Data<AppState>) -> Result<HttpResponse, OAuthError> {
    keep_pace(&request, &state, "device")?;
    let form = form::read(&request, &body)?;
    let client = authenticate(&request, &state, &form).await?;
    may_use(&client, GrantType::DeviceCode)?;
    let scopes = Scopes::asked(form.get("scope").map(String::as_str).unwrap_or_default());
    let scopes = scopes.map_err(|error| OAuthError::new("invalid_scope", error.to_string()))?;
    let instance_id = machine::instance(&Target::of(&request, &state, &form)?, &scopes)?;
    let (device_code, code) = (Secret::new(tokens::random()?), Secret::new(user_code::mint()?));
    let now = Timestamp::now();
    let device = Device {
        device_hash: TokenHash::of(device_code.expose()).to_hex(),
        user_hash: TokenHash::of(code.expose()).to_hex(),
        client_id: client.id.clone(),
        instance_id,
        scopes: scopes.without_instance().to_string(),
        resource: form.get("resource").cloned().unwrap_or_default(),
        state: State::Pending,
        user_id: None,
        created_at: now,
        expires_at: now.after(LIFETIME),
        pace_seconds: PACE,
        polled_at: None,
    };
    if !state.db.write(move |conn| insert(conn, &device)).await? {
        let refused = OAuthError::new("temporarily_unavailable", "too many devices wait for their users; try again");
        return Err(refused.status(StatusCode::SERVICE_UNAVAILABLE).retry_after(60));
    }
    let page = format!("{}/device", issuer(&base_url(&request, &state)));
    let shown = user_code::shown(code.expose());
    Ok(HttpResponse::Ok().json(json!({
        "device_code": device_code.expose(),
        "user_code": shown,
        "verification_uri": page,
        "verification_uri_complete": format!("{page}?user_code={shown}"),
        "expires_in": LIFETIME.as_secs(),
        "interval": PACE,
    })))
}

/// `false` when too many wait.
fn insert(conn: &mut Connection, device: &Device) -> QueryResult<bool> {
    if oauth_devices::count(conn)? >= MAX_WAITING {
        oauth_devices::purge_expired(conn, device.created_at)?;
        if oauth_devices::count(conn)? >= MAX_WAITING {
            return Ok(false);
        }
    }
    oauth_devices::insert(conn, device).map(|()| true)
}

/// The device asks for its tokens (section 3.4).
///
/// # Errors
/// As section 3.5 has them.
pub(in crate::web) async fn poll(
    state: &AppState,
    client: &OAuthClient,
    form: &Form,
) -> Result<HttpResponse, OAuthError> {
    let hash = TokenHash::of(form.get("device_code").ok_or_else(|| missing("device_code"))?).to_hex();
    let (client_id, client_name) = (client.id.clone(), client.name.clone());
    let (tokens, lifetimes) = (Arc::new(Tokens::mint(true)?), Lifetimes::of(&state.config.auth));
    let minted = Arc::clone(&tokens);
    let work = move |conn: &mut Connection| {
        let device = oauth_devices::by_device_hash(conn, &hash).optional()?;
        let Some(device) = device.filter(|device| device.client_id == client_id) else {
            return Ok(Err(OAuthError::invalid_grant("the device code is not known, or was used")));
        };
        let now = Timestamp::now();
        if device.expires_at <= now {
            return Ok(Err(OAuthError::new("expired_token", "the codes have expired; begin anew")));
        }
        let user = match (device.state, device.user_id) {
            (State::Pending, _) => return wait(conn, &device, now).map(Err),
            (State::Allowed, Some(user)) => user,
            (State::Denied | State::Allowed, _) => {
                oauth_devices::delete(conn, &hash)?;
                return Ok(Err(OAuthError::new("access_denied", "the user has said no")));
            }
        };
        // Of two polls at once, one gets tokens.
        if !oauth_devices::delete(conn, &hash)? || !may_still(conn, user, &device)? {
            return Ok(Err(OAuthError::invalid_grant("the device code was used, or the user or the instance is gone")));
        }
        let scopes: Scopes = device.scopes.parse().unwrap_or_else(|_| Scopes::reading());
        let new = NewGrant {
            user,
            client_id,
            client_name,
            instance: device.instance_id,
            resource: device.resource,
            scopes: scopes.clone(),
        };
        let grant = grants::open(conn, &new, now, now.after(lifetimes.access))?;
        grants::issue(conn, grant, (&minted, &scopes), &lifetimes, now)?;
        Ok(Ok(scopes))
    };
    let scopes = state.db.write(work).await??;
    Ok(answer(&tokens, &scopes, &lifetimes))
}

/// The user has not answered yet; who asks too often must ask less often from now on.
fn wait(conn: &mut Connection, device: &Device, now: Timestamp) -> QueryResult<OAuthError> {
    let pace = Duration::from_secs(device.pace_seconds.unsigned_abs());
    if device.polled_at.is_some_and(|at| at.after(pace) > now) {
        let slower = device.pace_seconds.saturating_add(PACE);
        oauth_devices::polled(conn, &device.device_hash, now, slower)?;
        return Ok(OAuthError::new("slow_down", format!("ask every {slower} s")));
    }
    oauth_devices::polled(conn, &device.device_hash, now, device.pace_seconds)?;
    Ok(OAuthError::new("authorization_pending", "the user has not answered yet"))
}

/// Whether the user may still act, and still has the instance.
fn may_still(conn: &mut Connection, user: UserId, device: &Device) -> QueryResult<bool> {
    let active = users::by_id(conn, user).optional()?.is_some_and(|user| user.disabled_at.is_none());
    let instance = instances::by_id(conn, device.instance_id).optional()?;
    Ok(active && instance.is_some_and(|instance| instance.user_id == user))
}
