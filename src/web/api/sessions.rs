//! Client sessions of the caller's instances.

use std::sync::Arc;

use actix_web::{
    HttpResponse,
    web::{Data, Path},
};
use serde_json::{Value, json};

use super::List;
use crate::{
    auth::policy::{Action, allows},
    mcp::session::SessionView,
    routing::{Route, Traffic},
    web::{
        error::{ApiError, ErrorCode},
        extract::Caller,
        state::AppState,
    },
};

/// All open sessions that the caller may see.
pub async fn list(caller: Caller, state: Data<AppState>) -> HttpResponse {
    let sessions = visible(&caller, &state).into_iter().map(|(route, session)| view(&route, &session)).collect();
    HttpResponse::Ok().json(List::whole(sessions))
}

/// One session.
pub async fn show(caller: Caller, state: Data<AppState>, path: Path<String>) -> Result<HttpResponse, ApiError> {
    let (route, session) = find(&caller, &state, &path)?;
    Ok(HttpResponse::Ok().json(view(&route, &session)))
}

/// Ends a session: its client gets 404 and opens another.
pub async fn end(caller: Caller, state: Data<AppState>, path: Path<String>) -> Result<HttpResponse, ApiError> {
    let (route, session) = find(&caller, &state, &path)?;
    if let Some(id) = crate::mcp::session::SessionId::read(&session.id) {
        route.sessions.close(id);
    }
    Ok(HttpResponse::NoContent().finish())
}

/// Sessions per instance.
pub async fn health(caller: Caller, state: Data<AppState>) -> HttpResponse {
    let routes = routes(&caller, &state);
    let traffic: Vec<(&Arc<Route>, Traffic)> = routes.iter().map(|route| (route, route.traffic())).collect();
    let total = traffic.iter().map(|(_, traffic)| *traffic).sum::<Traffic>();
    let busy = traffic.iter().filter(|(_, traffic)| !traffic.is_quiet());
    let items = busy.map(|(route, traffic)| {
        json!({
            "instance": route.id, "service": route.service, "sessions": traffic.sessions, "parked": traffic.parked,
            "listens": traffic.listens, "in_flight": traffic.in_flight, "usage": route.usage(),
        })
    });
    HttpResponse::Ok().json(json!({
        "sessions": total.sessions, "parked": total.parked, "listens": total.listens, "in_flight": total.in_flight,
        "instances": items.collect::<Vec<_>>(),
    }))
}

fn routes(caller: &Caller, state: &AppState) -> Vec<Arc<Route>> {
    let mut routes = state.routes.all();
    routes.retain(|route| allows(&caller.0, Action::View { id: route.id, owner: route.owner }));
    routes
}

fn visible(caller: &Caller, state: &AppState) -> Vec<(Arc<Route>, SessionView)> {
    let sessions_of = |route: Arc<Route>| {
        route.sessions.views().into_iter().map(move |session| (Arc::clone(&route), session)).collect::<Vec<_>>()
    };
    routes(caller, state).into_iter().flat_map(sessions_of).collect()
}

fn find(caller: &Caller, state: &AppState, id: &str) -> Result<(Arc<Route>, SessionView), ApiError> {
    let found = visible(caller, state).into_iter().find(|(_, session)| session.id == id);
    found.ok_or_else(|| ApiError::new(ErrorCode::NotFound, "there is no such session, or it is not yours"))
}

fn view(route: &Route, session: &SessionView) -> Value {
    json!({
        "id": session.id, "instance": route.id, "service": route.service, "user": session.owner, "version": session.version,
        "opened_at": session.opened_at, "last_seen": session.last_seen, "streaming": session.streaming,
    })
}
