//! `/device`: where a user types the code that a device shows, sees who asks for what, and answers.
//!
//! A link may bring the code along, but never the answer: the user is to compare it with what the device shows
//! (RFC 8628 section 5.4). Wrong codes are counted like wrong passwords (section 5.1).

use std::collections::HashMap;

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{Bytes, Data},
};
use maud::{Markup, html};
use serde_json::json;

use crate::{
    auth::{
        Principal,
        oauth::{Scopes, user_code},
        tokens::{self, TokenHash, csrf},
    },
    db::{
        DbError, OptionalExtension,
        oauth_devices::{self, Device, State},
    },
    domain::time::Timestamp,
    web::{
        api::{audit, auth::client_address},
        extract::COOKIE,
        oauth::{
            authorize::{may_call, signed_in, to_sign_in},
            base_url, form,
        },
        origin,
        pages::Page,
        state::AppState,
    },
};

type Members = HashMap<String, String>;

/// `GET /device`, with or without `?user_code=`.
pub async fn show(request: HttpRequest, state: Data<AppState>) -> HttpResponse {
    if let Err(error) = origin::check(&request, &state) {
        return message(StatusCode::FORBIDDEN, &error.to_string()).into_response();
    }
    if signed_in(&request, &state).await.is_err() {
        return to_sign_in(&request, &state);
    }
    let members = form::parse(request.query_string().as_bytes()).unwrap_or_default();
    let code = members.get("user_code").and_then(|text| user_code::typed(text));
    ask(&request, &state, code.as_deref(), None).into_response()
}

/// `POST /device`: the code, and then the answer.
pub async fn decide(request: HttpRequest, body: Bytes, state: Data<AppState>) -> HttpResponse {
    match answer(&request, &body, &state).await {
        Ok(page) | Err(page) => page.into_response(),
    }
}

/// The page that asks for the code.
fn ask(request: &HttpRequest, state: &AppState, code: Option<&str>, problem: Option<&str>) -> Page {
    let shown = code.map(user_code::shown).unwrap_or_default();
    let body = html! {
        @if let Some(problem) = problem { p.bad { (problem) } }
        p { "Type the code that your device shows. If a link has filled it in, compare the two." }
        form method="post" action=(action(request, state)) {
            input type="hidden" name="csrf" value=(csrf_of(request));
            label { "Code " input name="user_code" value=(shown) required autocomplete="off" maxlength="20" spellcheck="false"; }
            div.row { button type="submit" { "Continue" } }
        }
        p.soft.small { "Go on only if you have just started this yourself, on a device before you." }
    };
    let status = if problem.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    Page::new("Connect a device", body).status(status)
}

async fn answer(request: &HttpRequest, body: &[u8], state: &AppState) -> Result<Page, Page> {
    origin::check(request, state).map_err(|error| message(StatusCode::FORBIDDEN, &error.to_string()))?;
    let principal = signed_in(request, state).await;
    let principal = principal.map_err(|_| message(StatusCode::FORBIDDEN, "You are not signed in any more."))?;
    let members = form::read(request, body).map_err(|error| message(StatusCode::BAD_REQUEST, &error.to_string()))?;
    if !tokens::equal(members.get("csrf").map(String::as_str).unwrap_or_default(), &csrf_of(request)) {
        return Err(message(StatusCode::FORBIDDEN, "This answer does not come from our page. Go back, and try again."));
    }
    let (code, device) = find(request, state, &principal, &members).await?;
    match members.get("decision").map(String::as_str) {
        Some("allow") => record(state, &principal, device, (State::Allowed, members.get("access"))).await,
        Some("deny") => record(state, &principal, device, (State::Denied, None)).await,
        _ => confirm(request, state, &principal, (&code, &device)).await,
    }
}

/// The device that shows this code and asks for an instance of this user. Nobody learns whether another user's
/// code is right.
async fn find(
    request: &HttpRequest,
    state: &AppState,
    principal: &Principal,
    members: &Members,
) -> Result<(String, Device), Page> {
    let keys = [format!("device user {}", principal.user), format!("device address {}", client_address(request))];
    let keys: [&str; 2] = [&keys[0], &keys[1]];
    if let Some(wait) = state.throttle.wait(&keys, Timestamp::now()) {
        let text = format!("Too many codes were wrong. Try again in {} minutes.", wait.as_secs().div_ceil(60));
        return Err(message(StatusCode::TOO_MANY_REQUESTS, &text));
    }
    let code = members.get("user_code").and_then(|text| user_code::typed(text));
    let found = match code.clone() {
        Some(code) => {
            let hash = TokenHash::of(&code).to_hex();
            let found = state.db.read(move |conn| oauth_devices::by_user_hash(conn, &hash).optional()).await;
            found.map_err(|error| unavailable(&error))?
        }
        None => None,
    };
    let open = |device: &Device| {
        let waits = device.state == State::Pending && device.expires_at > Timestamp::now();
        waits && may_call(state, principal, device.instance_id).is_some()
    };
    match (code, found.filter(open)) {
        (Some(code), Some(device)) => Ok((code, device)),
        (code, _) => {
            state.throttle.failed(&keys, Timestamp::now());
            let text = "No device of yours waits with this code. It may have expired: have the device begin anew.";
            Err(ask(request, state, code.as_deref(), Some(text)))
        }
    }
}

/// The page that says who asks for what.
async fn confirm(
    request: &HttpRequest,
    state: &AppState,
    principal: &Principal,
    (code, device): (&str, &Device),
) -> Result<Page, Page> {
    let client = state.oauth_clients.find(&device.client_id).await;
    let client =
        client.map_err(|error| message(StatusCode::BAD_REQUEST, &format!("This cannot be allowed: {error}.")))?;
    let route = may_call(state, principal, device.instance_id);
    let instance = route.map(|route| format!("{} ({})", route.service, route.slug)).unwrap_or_default();
    let scopes: Scopes = device.scopes.parse().unwrap_or_else(|_| Scopes::reading());
    let body = html! {
        p { strong { (client.name) } " on the device that shows " code { (user_code::shown(code)) } " asks to use one of your MCP servers." }
        p.soft.small { "That is what it calls itself: any program can give itself this name." }
        p { "It will use " strong { (instance) } "." }
        form method="post" action=(action(request, state)) {
            input type="hidden" name="csrf" value=(csrf_of(request));
            input type="hidden" name="user_code" value=(user_code::shown(code));
            (how_far(&scopes))
            div.row {
                button.quiet type="submit" name="decision" value="deny" { "Deny" }
                button type="submit" name="decision" value="allow" { "Allow" }
            }
        }
        p.soft.small { "You are signed in as " (principal.email) ". You can take this back at any time." }
    };
    Ok(Page::new("Allow access?", body))
}

fn how_far(scopes: &Scopes) -> Markup {
    if scopes.read_only() {
        return html! { p { "It may list and read what is there, and call no tool." } };
    }
    html! {
        fieldset {
            legend { "What may it do?" }
            label.choice {
                input type="radio" name="access" value="asked" checked;
                @match scopes.tool_names() {
                    None => " Read, and call all tools, also those that come later",
                    Some(names) => {
                        " Read, and call these tools:"
                        @for name in names { " " code { (name) } }
                    }
                }
            }
            label.choice { input type="radio" name="access" value="read"; " Read only: call no tool" }
        }
    }
}

/// Records what the user has said.
async fn record(
    state: &AppState,
    principal: &Principal,
    device: Device,
    (said, access): (State, Option<&String>),
) -> Result<Page, Page> {
    let reads = access.is_some_and(|access| access == "read");
    let scopes = if reads { Scopes::reading().to_string() } else { device.scopes };
    let (user, action) =
        (principal.user, if said == State::Allowed { "oauth.device_allow" } else { "oauth.device_deny" });
    let written = state.db.write(move |conn| {
        oauth_devices::answer(conn, &device.user_hash, (said, user, &scopes), Timestamp::now())?;
        let detail = json!({ "instance": device.instance_id, "scopes": scopes });
        audit(conn, Some(user), action, format!("client:{}", device.client_id), detail)
    });
    match written.await {
        Ok(()) if said == State::Allowed => {
            Ok(Page::message(StatusCode::OK, "Connected", "Go back to your device: it goes on by itself."))
        }
        Ok(()) => Ok(Page::message(StatusCode::OK, "Denied", "The device was told no.")),
        Err(DbError::NotFound) => Err(message(StatusCode::CONFLICT, "This was answered already, or has expired.")),
        Err(error) => Err(unavailable(&error)),
    }
}

fn action(request: &HttpRequest, state: &AppState) -> String {
    format!("{}/device", base_url(request, state).path().trim_end_matches('/'))
}

fn csrf_of(request: &HttpRequest) -> String {
    request.cookie(COOKIE).map(|cookie| csrf(cookie.value())).unwrap_or_default()
}

fn message(status: StatusCode, text: &str) -> Page {
    Page::message(status, "Connect a device", text)
}

fn unavailable(error: &DbError) -> Page {
    log::error!("a device's code cannot be looked up: {error}");
    message(StatusCode::SERVICE_UNAVAILABLE, "The database is not available right now. Go back, and try again.")
}
