//! The data plane's HTTP side: every URL of an instance, in both its forms.
//!
//! `/{service}/{instance}/…` and `/{slug}/{service}/…` reach the same instance. On the path of an MCP
//! call lie a hash of the token, one look into a lock-free table, a rate limit, a permit, and the
//! front; nothing is sent to an actor and nothing is read from the database.

mod admission;
mod body;
mod render;
mod rest;

use std::sync::atomic::Ordering::Relaxed;

use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, header},
    web::{self, Data, Payload, ServiceConfig},
};

use self::admission::{Admitted, admit};
use super::{error::ApiError, state::AppState};
use crate::mcp::{
    era::{Era, classify},
    error::{Code, NO_ID, error_message},
    front::{Answer, Body, Endpoint, Front, FrontRequest, Verb, sessions::SessionFront, stateless::StatelessFront},
    http::{SESSION_HEADER, VERSION_HEADER},
    jsonrpc::Message,
    mirrored::Mirrored,
};

/// How long an answer may be silent before it becomes a stream with comments in it.
const QUIET: std::time::Duration = std::time::Duration::from_secs(15);

/// The routes of instances. Registered last: their first segment is a variable.
pub(super) fn configure(config: &mut ServiceConfig) {
    config
        .service(web::resource("/{a}/{b}/mcp").route(web::route().to(mcp)))
        .service(web::resource("/{a}/{b}/health").route(web::get().to(rest::health)))
        .service(web::resource("/{a}/{b}/mcp/tools").route(web::get().to(rest::tools)))
        .service(web::resource("/{a}/{b}/mcp/call").route(web::post().to(rest::call)))
        .service(web::resource("/{a}/{b}/api").route(web::route().to(rest::pass_through)))
        .service(web::resource("/{a}/{b}/api/{tail:.*}").route(web::route().to(rest::pass_through)));
}

async fn mcp(request: HttpRequest, payload: Payload, state: Data<AppState>) -> Result<HttpResponse, ApiError> {
    let admitted = admit(&request, &state).await?;
    let answer = match verb_of(request.method()) {
        Some(verb) => serve(&request, payload, &state, &admitted, verb).await,
        None => Answer::NotAllowed { allow: "GET, POST, DELETE" },
    };
    let status = render::status_of(&answer);
    if status >= 500 {
        state.metrics.call_errors.fetch_add(1, Relaxed);
    }
    admitted.record(&state, request.method().as_str(), "mcp", header_of(&request, SESSION_HEADER), status);
    Ok(render::response(answer, admitted.permit))
}

async fn serve(request: &HttpRequest, payload: Payload, state: &AppState, admitted: &Admitted, verb: Verb) -> Answer {
    let limit = state.config.server.max_body_bytes;
    let body = match verb {
        Verb::Post => match body::read(request, payload, limit).await {
            Ok(body) => Message::parse(body).map_or_else(Body::Unreadable, Body::Message),
            Err(error) => {
                let body = error_message(NO_ID, Code::InvalidRequest, &error.to_string());
                return Answer::Json { status: error.status(), body, session: None };
            }
        },
        Verb::Get | Verb::Delete => Body::None,
    };
    let message = match &body {
        Body::Message(message) => Some(message),
        Body::None | Body::Unreadable(_) => None,
    };
    let era = classify(header_of(request, VERSION_HEADER), message);
    let text = |name: &str| header_of(request, name).map(str::to_owned);
    let front_request = FrontRequest {
        verb,
        accept: text(header::ACCEPT.as_str()),
        content_type: text(header::CONTENT_TYPE.as_str()),
        session: text(SESSION_HEADER),
        version: text(VERSION_HEADER),
        mirrored: match era {
            Era::Stateless => mirrored_of(request),
            Era::Session => Mirrored::default(),
        },
        body,
    };
    let route = &admitted.route;
    let endpoint = Endpoint {
        sessions: std::sync::Arc::clone(&route.sessions),
        upstream: route.connect(state.config.runtime.wake_timeout).await,
        caller: admitted.principal.user,
        quiet: QUIET,
    };
    match era {
        Era::Session => SessionFront.serve(endpoint, front_request).await,
        Era::Stateless => StatelessFront.serve(endpoint, front_request).await,
    }
}

fn mirrored_of(request: &HttpRequest) -> Mirrored {
    Mirrored::collect(request.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes())))
}

fn verb_of(method: &Method) -> Option<Verb> {
    match *method {
        Method::GET => Some(Verb::Get),
        Method::POST => Some(Verb::Post),
        Method::DELETE => Some(Verb::Delete),
        _ => None,
    }
}

fn header_of<'a>(request: &'a HttpRequest, name: &str) -> Option<&'a str> {
    request.headers().get(name).and_then(|value| value.to_str().ok())
}
