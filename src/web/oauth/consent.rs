//! The user's answer: a code for the client, or a refusal.

use std::collections::BTreeSet;

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{Bytes, Data},
};
use serde_json::json;

use super::{
    authorize::{may_call, refused, signed_in},
    pending::Pending,
};
use crate::{
    auth::{
        Principal, Via,
        oauth::{
            Scopes, codes,
            grants::{self, NewGrant},
        },
        tokens,
    },
    db::DbError,
    domain::{ids::InstanceId, notice::Notice, time::Timestamp},
    web::{
        api::audit,
        origin,
        pages::Page,
        sign_in::cookies::{self, Kind},
        state::AppState,
    },
};

/// What the form says; a tool's name may be there many times.
#[derive(Default)]
struct Answer {
    csrf: String,
    request: String,
    allowed: bool,
    access: String,
    instance: Option<InstanceId>,
    tools: BTreeSet<String>,
}

/// `POST /oauth/consent`.
pub async fn decide(request: HttpRequest, body: Bytes, state: Data<AppState>) -> HttpResponse {
    match answer(&request, &body, &state).await {
        Ok(response) => response,
        Err(page) => page.into_response(),
    }
}

async fn answer(request: &HttpRequest, body: &[u8], state: &AppState) -> Result<HttpResponse, Page> {
    origin::check(request, state).map_err(|error| refused(StatusCode::FORBIDDEN, &error.to_string()))?;
    let again = |text: &str| refused(StatusCode::FORBIDDEN, &format!("{text} Have the program connect anew."));
    let principal = signed_in(request, state).await.map_err(|_| again("You are not signed in any more."))?;
    let answer = read(body);
    let cookie =
        cookies::read(request, state, Kind::Session).ok_or_else(|| again("You are not signed in any more."))?;
    if !tokens::equal(&answer.csrf, &tokens::csrf(&cookie)) {
        return Err(again("This answer does not come from our page."));
    }
    let Via::Login { id } = principal.via else { return Err(again("You are not signed in any more.")) };
    let now = Timestamp::now();
    let pending = Pending::open(&state.vault, id, &answer.request, now)
        .ok_or_else(|| again("The request is too old, or is not the one that you were asked about."))?;
    if answer.allowed {
        allow(state, &principal, pending, answer).await
    } else {
        deny(state, &principal, pending).await
    }
}

fn read(body: &[u8]) -> Answer {
    let mut answer = Answer::default();
    for (name, value) in url::form_urlencoded::parse(body) {
        match &*name {
            "csrf" => answer.csrf = value.into_owned(),
            "request" => answer.request = value.into_owned(),
            "decision" => answer.allowed = value == "allow",
            "access" => answer.access = value.into_owned(),
            "instance" => answer.instance = value.parse().ok(),
            "tool" => drop(answer.tools.insert(value.into_owned())),
            _ => {}
        }
    }
    answer
}

/// What the user has left of what was asked for.
fn narrowed(asked: Scopes, answer: &Answer) -> Option<Scopes> {
    let chosen = match answer.access.as_str() {
        _ if asked.read_only() => return Some(asked),
        "read" => Scopes::reading(),
        "call" => return Some(asked),
        "tools" => Scopes::tools(answer.tools.iter().cloned()),
        _ => return None,
    };
    asked.covers(&chosen).then_some(chosen)
}

async fn allow(
    state: &AppState,
    principal: &Principal,
    pending: Pending,
    answer: Answer,
) -> Result<HttpResponse, Page> {
    let asked = pending.scopes.parse::<Scopes>().unwrap_or_else(|_| Scopes::reading());
    let incomplete = || refused(StatusCode::BAD_REQUEST, "The answer is not complete. Go back, and choose.");
    let scopes = narrowed(asked, &answer).ok_or_else(incomplete)?;
    let id = pending.instance.or(answer.instance).ok_or_else(incomplete)?;
    let Some(route) = may_call(state, principal, id) else {
        return Ok(pending.back.with_error("invalid_target", "the user has no such instance any more"));
    };
    let code = tokens::random().map_err(|error| {
        log::error!("no code could be made: {error}");
        refused(StatusCode::INTERNAL_SERVER_ERROR, "Something failed inside Berth; its log has more.")
    })?;
    let resource =
        pending.resource.unwrap_or_else(|| format!("{}/{}/{}/mcp", pending.back.issuer, route.service, route.id));
    let new = NewGrant {
        user: principal.user,
        client_id: pending.client_id,
        client_name: pending.client_name,
        instance: id,
        resource,
        scopes,
    };
    record(state, new, &code, (pending.back.redirect_uri.clone(), pending.challenge)).await?;
    Ok(pending.back.with_code(&code))
}

/// Records grant, code and who has allowed it.
async fn record(state: &AppState, new: NewGrant, code: &str, bound: (String, String)) -> Result<(), Page> {
    let (now, code) = (Timestamp::now(), code.to_owned());
    let expires_at = now.after(codes::LIFETIME);
    let (user, client, instance) = (new.user, new.client_name.clone(), new.instance);
    let written = state.db.write(move |conn| {
        let grant = grants::open(conn, &new, now, expires_at)?;
        codes::insert(conn, grant, &code, bound.clone(), expires_at)?;
        let detail = json!({
            "client_id": new.client_id, "client_name": new.client_name, "instance": new.instance,
            "scopes": new.scopes.to_string(), "redirect_uri": bound.0,
        });
        audit(conn, Some(new.user), "oauth.consent", format!("grant:{grant}"), detail)?;
        Ok(grant)
    });
    let grant = written.await.map_err(|error| unavailable(&error))?;
    state.notices.tell(user, Notice::granted(grant, &client, instance));
    Ok(())
}

async fn deny(state: &AppState, principal: &Principal, pending: Pending) -> Result<HttpResponse, Page> {
    let user = principal.user;
    let detail = json!({ "client_name": pending.client_name, "instance": pending.instance });
    let target = format!("client:{}", pending.client_id);
    let written = state.db.write(move |conn| audit(conn, Some(user), "oauth.deny", target, detail));
    written.await.map_err(|error| unavailable(&error))?;
    Ok(pending.back.with_error("access_denied", "the user has said no"))
}

fn unavailable(error: &DbError) -> Page {
    log::error!("a consent could not be recorded: {error}");
    refused(StatusCode::SERVICE_UNAVAILABLE, "The database is not available right now. Go back, and try again.")
}
