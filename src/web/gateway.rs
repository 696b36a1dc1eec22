//! The data plane's HTTP side: every URL of an instance, in both its forms.
//!
//! `/{service}/{instance}/…` and `/{slug}/{service}/…` reach the same instance. On the path of an MCP
//! call lie a hash of the token, one look into a lock-free table, a rate limit, a permit, and the
//! front; nothing is sent to an actor and nothing is read from the database.

mod admission;
mod body;
mod limits;
mod render;
pub(super) mod rest;
mod seating;

use std::sync::{Arc, atomic::Ordering::Relaxed};

use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, header},
    web::{self, Data, Payload, ServiceConfig},
};
use futures_util::FutureExt;

use self::{
    admission::{Admitted, admit},
    seating::{Wish, seat},
};
use super::{error::ApiError, state::AppState};
use crate::mcp::{
    era::{Era, classify},
    error::{Code, NO_ID, Unavailable, error_message},
    front::{
        Answer, Body, Child, Endpoint, Front, FrontRequest, Standing, Verb, http_sse, sessions::SessionFront,
        stateless::StatelessFront,
    },
    http::{SESSION_HEADER, VERSION_HEADER},
    limited::limited,
    mirrored::Mirrored,
    upstream::Upstream,
};
use crate::{domain::tools::ToolLimit, routing::Route};

/// How long a stream may be silent before a comment is put into it.
const QUIET: std::time::Duration = std::time::Duration::from_secs(15);

/// The route of calls. Registered first: routes are tried one after the other, and this is the one that must be
/// fast. Names of services and slugs do not begin with a dot, as what is well known does.
pub(super) fn configure_calls(config: &mut ServiceConfig) {
    config.service(web::resource("/{a:[^./][^/]*}/{b}/mcp").route(web::route().to(mcp)));
}

/// The other routes of instances. Registered last: their first segment is a variable.
pub(super) fn configure(config: &mut ServiceConfig) {
    config
        .service(web::resource("/{a}/{b}/sse").route(web::route().to(sse)))
        .service(web::resource("/{a}/{b}/messages").route(web::route().to(messages)))
        .service(web::resource("/{a}/{b}/health").route(web::get().to(rest::health)))
        .service(web::resource("/{a}/{b}/mcp/tools").route(web::get().to(rest::tools)))
        .service(web::resource("/{a}/{b}/mcp/call").route(web::post().to(rest::call)))
        .service(web::resource("/{a}/{b}/api").route(web::route().to(rest::pass_through)))
        .service(web::resource("/{a}/{b}/api/{tail:.*}").route(web::route().to(rest::pass_through)));
}

async fn mcp(request: HttpRequest, payload: Payload, state: Data<AppState>) -> Result<HttpResponse, ApiError> {
    let mut admitted = admit(&request, &state).await?;
    let standing = admitted.standing();
    let answer = match verb_of(&request, &[Verb::Get, Verb::Post, Verb::Delete]) {
        Some(verb) => standing.hold(serve(&request, payload, &state, &mut admitted, verb)).await,
        None => Some(Answer::NotAllowed { allow: "GET, POST, DELETE" }),
    };
    let session = header_of(&request, SESSION_HEADER);
    finish(&request, &state, (&admitted, standing), ("mcp", session), answer)
}

/// Has the front of the client's era answer.
async fn serve(
    request: &HttpRequest,
    payload: Payload,
    state: &AppState,
    admitted: &mut Admitted,
    verb: Verb,
) -> Answer {
    let front_request = match read(request, payload, state, verb).await {
        Ok(front_request) => front_request,
        Err(refusal) => return refusal,
    };
    admitted.trace(verb, &front_request.body);
    if let Some(refusal) = limits::refusal(request, state, admitted, &front_request.body) {
        return refusal;
    }
    let era = classify(front_request.version, front_request.body.message());
    let wish = if era == Era::Session { Wish::of(&front_request) } else { Wish::Usual };
    let seating = match seat(admitted, wish).await {
        Ok(seating) => seating,
        Err(unavailable) => return refused(&front_request, &unavailable),
    };
    let endpoint = endpoint(&seating.route, admitted, state);
    match era {
        Era::Session => SessionFront.serve(endpoint, front_request).await,
        Era::Stateless => {
            let headers = request.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
            let front_request = FrontRequest { mirrored: Mirrored::collect(headers), ..front_request };
            StatelessFront.serve(endpoint, front_request).await
        }
    }
}

/// HTTP+SSE of 2024-11-05: the stream.
async fn sse(request: HttpRequest, payload: Payload, state: Data<AppState>) -> Result<HttpResponse, ApiError> {
    let mut admitted = admit(&request, &state).await?;
    let standing = admitted.standing();
    let answer = match verb_of(&request, &[Verb::Get]) {
        Some(verb) => standing.hold(open_stream(&request, payload, &state, &mut admitted, verb)).await,
        None => Some(Answer::NotAllowed { allow: "GET" }),
    };
    finish(&request, &state, (&admitted, standing), ("sse", None), answer)
}

async fn open_stream(
    request: &HttpRequest,
    payload: Payload,
    state: &AppState,
    admitted: &mut Admitted,
    verb: Verb,
) -> Answer {
    let front_request = match read(request, payload, state, verb).await {
        Ok(front_request) => front_request,
        Err(refusal) => return refusal,
    };
    admitted.trace(verb, &front_request.body);
    let messages = messages_path(request, state);
    match seat(admitted, Wish::New).await {
        Ok(seating) => http_sse::open(endpoint(&seating.route, admitted, state), &front_request, &messages).await,
        Err(unavailable) => refused(&front_request, &unavailable),
    }
}

/// HTTP+SSE of 2024-11-05: what the client says.
async fn messages(request: HttpRequest, payload: Payload, state: Data<AppState>) -> Result<HttpResponse, ApiError> {
    let mut admitted = admit(&request, &state).await?;
    let standing = admitted.standing();
    let id = session_in(request.query_string());
    let answer = match verb_of(&request, &[Verb::Post]) {
        Some(verb) => standing.hold(take(&request, payload, &state, &mut admitted, (verb, id.as_deref()))).await,
        None => Some(Answer::NotAllowed { allow: "POST" }),
    };
    finish(&request, &state, (&admitted, standing), ("messages", id.as_deref()), answer)
}

async fn take(
    request: &HttpRequest,
    payload: Payload,
    state: &AppState,
    admitted: &mut Admitted,
    (verb, session): (Verb, Option<&str>),
) -> Answer {
    let front_request = match read(request, payload, state, verb).await {
        Ok(front_request) => front_request,
        Err(refusal) => return refusal,
    };
    admitted.trace(verb, &front_request.body);
    if let Some(refusal) = limits::refusal(request, state, admitted, &front_request.body) {
        return refusal;
    }
    match seat(admitted, Wish::Session(session)).await {
        Ok(seating) => http_sse::post(endpoint(&seating.route, admitted, state), front_request, session).await,
        Err(unavailable) => refused(&front_request, &unavailable),
    }
}

/// The path to which a client of `…/sse` posts, as it reaches us: a proxy may serve us below a path.
fn messages_path(request: &HttpRequest, state: &AppState) -> String {
    let below = state.public_url.path().trim_end_matches('/');
    let path = request.path();
    format!("{below}{}/messages", path.strip_suffix("/sse").unwrap_or(path))
}

fn session_in(query: &str) -> Option<String> {
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    pairs.find(|(name, _)| name == "session_id").map(|(_, value)| value.into_owned())
}

/// Counts and logs the answer, and makes it a response that ends when the right to it does. There is none
/// when that has ended already.
fn finish(
    request: &HttpRequest,
    state: &AppState,
    (admitted, standing): (&Admitted, Standing),
    (target, session): (&str, Option<&str>),
    answer: Option<Answer>,
) -> Result<HttpResponse, ApiError> {
    let verb = request.method().as_str();
    let Some(answer) = answer else {
        let refused = admitted.taken_back();
        admitted.record(state, verb, target, session, refused.code().status().as_u16());
        return Err(refused);
    };
    let status = render::status(&answer);
    if status >= 500 {
        state.metrics.call_errors.fetch_add(1, Relaxed);
    }
    admitted.record(state, verb, target, session, status);
    Ok(render::response(match answer {
        Answer::Events(events) => Answer::Events(standing.bound(events)),
        answer => answer,
    }))
}

/// The answer where there is no connection to hand the request to.
fn refused(request: &FrontRequest<'_>, unavailable: &Unavailable) -> Answer {
    let id = request.body.message().map_or(NO_ID, |message| message.id());
    Answer::Json { status: 503, body: error_message(id, Code::Internal, &unavailable.detail), session: None }
}

/// What the front acts on. The call's place among those in flight goes with it.
fn endpoint(route: &Arc<Route>, admitted: &mut Admitted, state: &AppState) -> Endpoint {
    admitted.touch(route);
    let child = route.upstream().map_or_else(
        || {
            let (route, patience) = (Arc::clone(route), state.config.runtime.wake_timeout);
            let limit = admitted.limit.clone();
            let coming = async move { route.connect(patience).await.map(|upstream| seen_by(limit.as_ref(), upstream)) };
            Child::Coming(coming.boxed_local())
        },
        |upstream| Child::There(seen_by(admitted.limit.as_ref(), upstream)),
    );
    Endpoint {
        sessions: Arc::clone(&route.sessions),
        child,
        caller: admitted.holder(),
        standing: admitted.standing(),
        quiet: QUIET,
        permit: admitted.permit.take(),
    }
}

/// The child as its caller may use it.
fn seen_by(limit: Option<&ToolLimit>, upstream: Upstream) -> Upstream {
    match limit {
        Some(limit) => limited(upstream, limit),
        None => upstream,
    }
}

async fn read<'a>(
    request: &'a HttpRequest,
    payload: Payload,
    state: &AppState,
    verb: Verb,
) -> Result<FrontRequest<'a>, Answer> {
    let limit = state.config.server.max_body_bytes;
    let body = match verb {
        Verb::Post => body::read(request, payload, limit).await.map(Body::read).map_err(|error| {
            let body = error_message(NO_ID, Code::InvalidRequest, &error.to_string());
            Answer::Json { status: error.status(), body, session: None }
        })?,
        Verb::Get | Verb::Delete => Body::None,
    };
    let text = |name: &str| header_of(request, name);
    Ok(FrontRequest {
        verb,
        accept: text(header::ACCEPT.as_str()),
        content_type: text(header::CONTENT_TYPE.as_str()),
        session: text(SESSION_HEADER),
        version: text(VERSION_HEADER),
        last_event_id: text("last-event-id"),
        mirrored: Mirrored::default(),
        body,
    })
}

fn verb_of(request: &HttpRequest, allowed: &[Verb]) -> Option<Verb> {
    let verb = match *request.method() {
        Method::GET => Verb::Get,
        Method::POST => Verb::Post,
        Method::DELETE => Verb::Delete,
        _ => return None,
    };
    allowed.contains(&verb).then_some(verb)
}

fn header_of<'a>(request: &'a HttpRequest, name: &str) -> Option<&'a str> {
    request.headers().get(name).and_then(|value| value.to_str().ok())
}
