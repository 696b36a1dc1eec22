//! The page that asks the user: who asks, where the answer goes, for which instance, how far.

use std::{collections::HashMap, time::Duration};

use actix_web::{HttpRequest, HttpResponse, http::StatusCode};
use maud::{Markup, html};
use serde::Deserialize;
use tokio::time::timeout;

use super::{
    authorize::{may_call, refused},
    base_url,
    pending::Pending,
};
use crate::{
    auth::{
        Principal, Via,
        oauth::Scopes,
        oauth_clients::{ClientOrigin, OAuthClient},
        tokens::csrf,
    },
    db::instances,
    domain::ids::InstanceId,
    mcp::front::rest::list_tools,
    routing::Route,
    web::{
        pages::Page,
        sign_in::cookies::{self, Kind},
        state::AppState,
    },
};

/// How long the page waits for the list of tools.
const TOOLS_WITHIN: Duration = Duration::from_secs(3);

/// Shows the page.
pub(super) async fn show(
    request: &HttpRequest,
    state: &AppState,
    (principal, client): (&Principal, &OAuthClient),
    pending: Pending,
) -> Result<HttpResponse, Page> {
    let failed = || refused(StatusCode::INTERNAL_SERVER_ERROR, "Something failed inside Berth; its log has more.");
    let cookie = cookies::read(request, state, Kind::Session);
    let (Via::Login { id }, Some(cookie)) = (&principal.via, cookie) else { return Err(failed()) };
    let sealed = pending.seal(&state.vault, *id).map_err(|error| {
        log::error!("a consent page cannot be sealed: {error}");
        failed()
    })?;
    let scopes = pending.scopes.parse::<Scopes>().unwrap_or_else(|_| Scopes::reading());
    let labels = labels(state, principal).await;
    let tools = offered_tools(state, principal, &pending, &scopes).await;
    let action = format!("{}/oauth/consent", base_url(request, state).path().trim_end_matches('/'));
    let body = html! {
        (who(client, &pending))
        form method="post" action=(action) {
            input type="hidden" name="csrf" value=(csrf(&cookie));
            input type="hidden" name="request" value=(sealed);
            (which(state, principal, (pending.instance, &labels)))
            (how_far(&scopes, &tools))
            div.row {
                button.quiet type="submit" name="decision" value="deny" { "Deny" }
                button type="submit" name="decision" value="allow" { "Allow" }
            }
        }
        p.soft.small { "You are signed in as " (principal.email) ". You can take this back at any time." }
    };
    Ok(Page::new("Allow access?", body).form_target(pending.back.source()).into_response())
}

/// The client in its own words, what we know of it, and where it will be told.
fn who(client: &OAuthClient, pending: &Pending) -> Markup {
    let place = pending.back.place();
    html! {
        p { strong { (client.name) } " asks to use one of your MCP servers." }
        p.soft.small {
            @match client.origin {
                ClientOrigin::Fixed => "It was set up here by somebody with an account.",
                ClientOrigin::Document => { "It describes itself at " (client.id) "." },
                ClientOrigin::Registered => "It has registered itself: nobody has checked its name.",
            }
        }
        p { "Your answer goes to " strong { (place) } "." }
        @if pending.back.is_local() {
            p.bad {
                "That is a program on the computer that you are using, and any program there can give itself this \
                 name. Go on only if you have just started this yourself."
            }
        }
    }
}

/// The instance that was asked for, or the choice of one.
fn which(state: &AppState, principal: &Principal, (instance, labels): (Option<InstanceId>, &Labels)) -> Markup {
    let name = |route: &Route| match labels.get(&route.id).filter(|label| !label.is_empty()) {
        Some(label) => format!("{label}: {} ({})", route.service, route.slug),
        None => format!("{} ({})", route.service, route.slug),
    };
    if let Some(route) = instance.and_then(|id| state.routes.get(id)) {
        return html! { p { "It will use " strong { (name(&route)) } "." } };
    }
    let routes = state.routes.all();
    let mut own: Vec<_> = routes.iter().filter(|route| may_call(state, principal, route.id).is_some()).collect();
    own.sort_by_cached_key(|route| name(route));
    html! {
        fieldset {
            legend { "Which of them may it use?" }
            @for route in &own {
                label.choice { input type="radio" name="instance" value=(route.id) required checked[own.len() == 1]; " " (name(route)) }
            }
            @if own.is_empty() { p { "You have none yet." } }
        }
    }
}

/// What the user calls their instances; where that cannot be read, service and slug have to do.
type Labels = HashMap<InstanceId, String>;

async fn labels(state: &AppState, principal: &Principal) -> Labels {
    let user = principal.user;
    let own = state.db.read(move |conn| instances::list_for_user(conn, user)).await.unwrap_or_default();
    own.into_iter().map(|instance| (instance.id, instance.label)).collect()
}

/// What may be allowed, the most that was asked for first.
fn how_far(scopes: &Scopes, tools: &[String]) -> Markup {
    if scopes.read_only() {
        return html! { p { "It may list and read what is there, and call no tool." } };
    }
    let all = scopes.tool_names().is_none();
    html! {
        fieldset {
            legend { "What may it do?" }
            @if all {
                label.choice {
                    input type="radio" name="access" value="call" checked;
                    " Read, and call all tools, also those that come later"
                }
            }
            @if !tools.is_empty() {
                label.choice { input type="radio" name="access" value="tools" checked[!all]; " Read, and call these tools only:" }
                div {
                    @for tool in tools {
                        label.choice { input type="checkbox" name="tool" value=(tool) checked; " " code { (tool) } }
                    }
                }
            }
            label.choice { input type="radio" name="access" value="read"; " Read only: call no tool" }
        }
    }
}

/// The tools that the user can choose from: those that were asked for, else those that the instance has, if it
/// runs and says so soon.
async fn offered_tools(state: &AppState, principal: &Principal, pending: &Pending, scopes: &Scopes) -> Vec<String> {
    #[derive(Deserialize)]
    struct List {
        tools: Vec<Tool>,
    }
    #[derive(Deserialize)]
    struct Tool {
        name: String,
    }
    if let Some(names) = scopes.tool_names() {
        return names.into_iter().collect();
    }
    let upstream = pending.instance.and_then(|id| may_call(state, principal, id)).and_then(|route| route.upstream());
    let Some(upstream) = upstream else { return Vec::new() };
    let Ok(Ok(body)) = timeout(TOOLS_WITHIN, list_tools(&upstream, principal.user)).await else { return Vec::new() };
    let list: List = serde_json::from_slice(&body).unwrap_or(List { tools: Vec::new() });
    list.tools.into_iter().map(|tool| tool.name).collect()
}
