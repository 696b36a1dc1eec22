//! Clients of the caller's instances: sessions, and in session mode connections, each with processes.
//!
//! A connection has the id of its session, where it has one; so one id names either.

use std::sync::Arc;

use actix_web::{
    HttpResponse,
    web::{Data, Path},
};
use serde_json::{Value, json};

use super::{List, actor, audit};
use crate::{
    auth::policy::{Action, allows},
    mcp::session::{SessionId, SessionView},
    process::{directory_size, logs::tail},
    routing::{Route, Seat, Traffic},
    web::{
        error::{ApiError, ErrorCode},
        extract::Caller,
        state::AppState,
    },
};

/// Lines of a connection's log that are shown with its state.
const TAIL: usize = 50;

/// A client of an instance.
enum Found {
    /// A session at the process that all share.
    Session(Arc<Route>, SessionView),
    /// A connection with processes of its own.
    Seat(Arc<Route>, Arc<Seat>),
}

/// All clients of the instances that are the caller's to manage. Whoever knows the id of a client can speak
/// for it, so a token of one client, limited to the instance, is not told those of the others.
pub async fn list(caller: Caller, state: Data<AppState>) -> HttpResponse {
    let mut clients = visible(&caller, &state);
    clients.retain(|client| manages(&caller, client.route()));
    HttpResponse::Ok().json(List::whole(clients.iter().map(view).collect()))
}

fn manages(caller: &Caller, route: &Route) -> bool {
    allows(&caller.0, Action::Manage { id: route.id, owner: route.owner })
}

/// One of them.
pub async fn show(caller: Caller, state: Data<AppState>, path: Path<String>) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(view(&find(&caller, &state, &path)?)))
}

/// Everything that helps to understand one: process, files, last failure, last lines of its log.
pub async fn inspect(caller: Caller, state: Data<AppState>, path: Path<String>) -> Result<HttpResponse, ApiError> {
    let found = find(&caller, &state, &path)?;
    let route = found.route();
    let status = route.status();
    let mut about = view(&found);
    about["health"] = json!(status.health);
    about["checked_at"] = json!(status.checked_at);
    about["started_at"] = json!(status.started_at);
    about["restarts"] = json!(status.restarts);
    about["progress"] = json!(status.progress);
    about["last_error"] = json!(status.last_error);
    let traffic = route.traffic();
    about["in_flight"] = json!(traffic.in_flight);
    about["parked"] = json!(traffic.parked);
    about["listens"] = json!(traffic.listens);
    if let Found::Seat(_, seat) = &found {
        let (id, seat) = (route.id, seat.id);
        let instance = state.db.read(move |conn| crate::db::instances::by_id(conn, id)).await?;
        let dirs = state.paths.of_connection(&instance, seat);
        let look = move || (directory_size(&dirs.root), tail(&dirs.logs.join("error.log"), TAIL));
        let (size, lines) = tokio::task::spawn_blocking(look).await.map_err(ApiError::internal)?;
        let size = size.map_err(ApiError::internal)?;
        about["files"] = json!({ "count": size.files, "bytes": size.bytes, "complete": !size.is_lower_bound });
        about["stderr"] = json!(lines.unwrap_or_default());
    }
    Ok(HttpResponse::Ok().json(about))
}

/// Ends a client: its session is gone, and with a connection its process and its files.
pub async fn end(caller: Caller, state: Data<AppState>, path: Path<String>) -> Result<HttpResponse, ApiError> {
    let found = find(&caller, &state, &path)?;
    // Only so much of its name as tells it from others: who knows all of it can speak for the client.
    let (instance, by, name) = (found.route().id, actor(&caller.0), path.chars().take(8).collect::<String>());
    let detail = json!({ "session": name });
    state.db.write(move |conn| audit(conn, by, "session.end", format!("instance:{instance}"), detail)).await?;
    match found {
        Found::Session(route, session) => {
            if let Some(id) = SessionId::read(&session.id) {
                route.sessions.close(id);
            }
        }
        Found::Seat(house, seat) => {
            if let Some(connections) = house.connections() {
                connections.end(seat.id).await;
            }
        }
    }
    Ok(HttpResponse::NoContent().finish())
}

/// Clients per instance, and what they use.
pub async fn health(caller: Caller, state: Data<AppState>) -> HttpResponse {
    let routes = routes(&caller, &state);
    let traffic: Vec<(&Arc<Route>, Traffic)> = routes.iter().map(|route| (route, route.traffic())).collect();
    let total = traffic.iter().map(|(_, traffic)| *traffic).sum::<Traffic>();
    let busy = traffic.iter().filter(|(route, traffic)| route.connections().is_some() || !traffic.is_quiet());
    let items = busy.map(|(route, traffic)| {
        let mut item = json!({
            "instance": route.id, "service": route.service, "sessions": traffic.sessions, "parked": traffic.parked,
            "listens": traffic.listens, "in_flight": traffic.in_flight, "usage": route.usage(),
        });
        if let Some(connections) = route.connections() {
            let seats = connections.all();
            let clients = seats.iter().filter(|seat| !seat.is_spare);
            let shows_ids = manages(&caller, route);
            item["connections"] = clients.map(|seat| resources(seat, shows_ids)).collect();
            item["spares"] = seats.iter().filter(|seat| seat.is_spare).map(|seat| resources(seat, false)).collect();
        }
        item
    });
    HttpResponse::Ok().json(json!({
        "sessions": total.sessions, "parked": total.parked, "listens": total.listens, "in_flight": total.in_flight,
        "instances": items.collect::<Vec<_>>(),
    }))
}

/// The id of a spare is its next client's secret.
fn resources(seat: &Seat, shows_id: bool) -> Value {
    let status = seat.route.status();
    let mut about = json!({ "state": status.state, "pid": status.pid, "usage": seat.route.usage() });
    if shows_id {
        about["id"] = json!(seat.id.to_string());
    }
    about
}

fn routes(caller: &Caller, state: &AppState) -> Vec<Arc<Route>> {
    let mut routes = state.routes.all();
    routes.retain(|route| allows(&caller.0, Action::View { id: route.id, owner: route.owner }));
    routes
}

fn visible(caller: &Caller, state: &AppState) -> Vec<Found> {
    let clients_of = |route: Arc<Route>| match route.connections() {
        Some(connections) => {
            let seats = connections.all().into_iter().filter(|seat| !seat.is_spare);
            seats.map(|seat| Found::Seat(Arc::clone(&route), seat)).collect::<Vec<_>>()
        }
        None => route.sessions.views().into_iter().map(|view| Found::Session(Arc::clone(&route), view)).collect(),
    };
    routes(caller, state).into_iter().flat_map(clients_of).collect()
}

fn find(caller: &Caller, state: &AppState, id: &str) -> Result<Found, ApiError> {
    let found = visible(caller, state).into_iter().find(|found| found.id() == id);
    found.ok_or_else(|| ApiError::new(ErrorCode::NotFound, "there is no such session, or it is not yours"))
}

impl Found {
    fn id(&self) -> String {
        match self {
            Self::Session(_, session) => session.id.clone(),
            Self::Seat(_, seat) => seat.id.to_string(),
        }
    }

    /// The way to its process.
    fn route(&self) -> &Arc<Route> {
        match self {
            Self::Session(route, _) => route,
            Self::Seat(_, seat) => &seat.route,
        }
    }
}

fn view(found: &Found) -> Value {
    let route = found.route();
    let status = route.status();
    let of_process = json!({
        "id": found.id(), "instance": route.id, "service": route.service, "mode": mode(found),
        "state": status.state, "pid": status.pid, "usage": route.usage(), "last_used": route.last_used(),
    });
    let of_client = match found {
        Found::Session(_, session) => of_session(session),
        Found::Seat(_, seat) => match seat.route.sessions.views().pop() {
            Some(session) => of_session(&session),
            None => json!({
                "era": if seat.client.is_some() { "stateless" } else { "session" }, "user": route.owner, "version": null, "opened_at": seat.created_at,
                "last_seen": route.last_used(), "streaming": route.traffic().listens > 0,
            }),
        },
    };
    merged(of_process, of_client)
}

const fn mode(found: &Found) -> &'static str {
    match found {
        Found::Session(..) => "dedicated",
        Found::Seat(..) => "session",
    }
}

fn of_session(session: &SessionView) -> Value {
    json!({
        "era": "session", "user": session.owner, "version": session.version, "opened_at": session.opened_at,
        "last_seen": session.last_seen, "streaming": session.streaming,
    })
}

fn merged(mut one: Value, mut other: Value) -> Value {
    if let (Some(one), Some(other)) = (one.as_object_mut(), other.as_object_mut()) {
        one.append(other);
    }
    one
}
