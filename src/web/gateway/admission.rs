//! Who may pass: origin, token, ownership, rate, room; in this order, each denial with its reason.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Instant,
};

use actix_web::{
    HttpRequest,
    http::{Method, header},
};
use tokio::sync::OwnedSemaphorePermit;

use crate::{
    auth::{
        AuthError, Principal,
        limits::Lane,
        policy::{Action, allows},
    },
    domain::{ids::InstanceId, names::ServiceName, time::Timestamp},
    mcp::front::{Body, Verb},
    routing::{AccessEntry, Route, word},
    web::{
        error::{ApiError, ErrorCode},
        origin,
        state::AppState,
    },
};

/// A request that may reach its instance.
pub(super) struct Admitted {
    pub(super) route: Arc<Route>,
    pub(super) principal: Arc<Principal>,
    /// Its place among the calls in flight; a stream that may stay open for hours needs none.
    pub(super) permit: Option<OwnedSemaphorePermit>,
    /// Where its answer is counted, if it is a call.
    lane: Option<Arc<Lane>>,
    /// Whether the instance is debugged: read once, as that is all that it may cost.
    debugged: bool,
    at: Timestamp,
    began: Instant,
}

impl Admitted {
    /// Notes that the instance is used, and the connection of it that is; comes before the child is
    /// looked for.
    pub(super) fn touch(&self, seat: &Route) {
        self.route.touch(self.at);
        seat.touch(self.at);
    }

    /// Says in the debug log what has come, while the instance is debugged: never what is in it.
    pub(super) fn trace(&self, verb: Verb, body: &Body) {
        if !self.debugged {
            return;
        }
        let line = match body {
            Body::Message(message) => {
                let (method, id) = (word(message.method()), word(message.id()));
                let bytes = message.params().or(message.result()).or(message.error()).map_or(0, str::len);
                format!("{:?} of {}: {method} id={id} bytes={bytes}", message.kind(), self.principal.user)
            }
            Body::Batch(bytes) => format!("batch of {}: bytes={}", self.principal.user, bytes.len()),
            Body::Unreadable(error) => format!("unreadable body of {}: {error}", self.principal.user),
            Body::None => format!("{verb:?} of {}", self.principal.user),
        };
        self.route.trace.line(format_args!("received {line}"));
    }

    /// Counts the request and writes its line of the access log.
    pub(super) fn record(&self, state: &AppState, verb: &str, target: &str, session: Option<&str>, status: u16) {
        let took = self.began.elapsed();
        state.metrics.record_call(took);
        if let Some(lane) = &self.lane {
            lane.meter.answered(self.at, took, status >= 400);
        }
        if self.debugged {
            self.route.trace.line(format_args!("answered {verb} {} {status} us={}", word(target), took.as_micros()));
        }
        self.route.access.record(&AccessEntry {
            at: self.at,
            user: self.principal.user,
            verb,
            target,
            session,
            status,
            took,
        });
    }
}

/// Decides whether the request may pass.
pub(super) async fn admit(request: &HttpRequest, state: &AppState) -> Result<Admitted, ApiError> {
    let (at, began) = (Timestamp::now(), Instant::now());
    origin::check(request, state)?;
    let principal = authenticate(request, state).await?;
    let route = find(request, state).ok_or_else(ApiError::no_such_instance)?;
    let action = Action::Call { id: route.id, owner: route.owner };
    if !allows(&principal, action) {
        // Whose it is, or that it exists at all, is nobody else's to know.
        return Err(ApiError::no_such_instance());
    }
    let lane = principal.account.lane(&route.service);
    if !lane.is_allowed {
        return Err(ApiError::service_not_allowed(&route.service));
    }
    let counts = counts(request);
    principal.take_call(&lane, at, counts).inspect_err(|_| {
        state.metrics.rate_limited.fetch_add(1, Relaxed);
    })?;
    let permit = match request.method().as_str() {
        "GET" => None,
        _ => Some(route.permit().ok_or_else(|| overloaded(state))?),
    };
    let debugged = route.trace.is_on();
    let lane = counts.then_some(lane);
    Ok(Admitted { route, principal, permit, lane, debugged, at, began })
}

/// Whether the request is a call, of which there may be so many a day: all are, but the opening and the end of
/// a session's stream and the look at an instance's health.
fn counts(request: &HttpRequest) -> bool {
    match *request.method() {
        Method::POST => true,
        Method::GET => !["/mcp", "/sse", "/health"].iter().any(|end| request.path().ends_with(end)),
        Method::DELETE => !request.path().ends_with("/mcp"),
        _ => true,
    }
}

pub(super) fn overloaded(state: &AppState) -> ApiError {
    state.metrics.overloaded.fetch_add(1, Relaxed);
    ApiError::new(ErrorCode::Overloaded, "this instance has as many calls in flight as it may; try again")
        .retry_after(1)
}

async fn authenticate(request: &HttpRequest, state: &AppState) -> Result<Arc<Principal>, ApiError> {
    let header = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let outcome = match header {
        Some(header) => state.authenticator.bearer(header).await,
        None => Err(AuthError::Missing),
    };
    outcome.map_err(|error| {
        state.metrics.unauthorized.fetch_add(1, Relaxed);
        error.into()
    })
}

/// `/{service}/{instance}` or `/{slug}/{service}`: a UUID in second place tells them apart.
fn find(request: &HttpRequest, state: &AppState) -> Option<Arc<Route>> {
    let (first, second) = (request.match_info().get("a")?, request.match_info().get("b")?);
    match second.parse::<InstanceId>() {
        Ok(id) => state.routes.find(first, id),
        Err(_) => state.routes.find_slug(first, &second.parse::<ServiceName>().ok()?),
    }
}
