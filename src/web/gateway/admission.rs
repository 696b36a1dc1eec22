//! Who may pass: origin, token, ownership, rate, room; in this order, each denial with its reason.
//!
//! Whoever sends no token, or none that is good here, is told where to get one (RFC 9728 section 5.1).

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Instant,
};

use actix_web::{
    HttpRequest,
    http::{Method, header},
};
use tokio::sync::OwnedSemaphorePermit;

use super::seating::client_of;
use crate::{
    auth::{
        AuthError, Principal, Via,
        limits::{Lane, Limited, Policy},
        policy::{Action, Shared, allows},
    },
    domain::{ids::InstanceId, metering::Day, names::ServiceName, notice::Notice, time::Timestamp, tools::ToolLimit},
    mcp::{
        front::{Body, Standing, Verb},
        session::Holder,
    },
    routing::{AccessEntry, Route, Share, word},
    web::{
        error::{ApiError, ErrorCode},
        extract::Caller,
        oauth::challenge,
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
    /// By what the instance is the caller's to use, where it is not theirs.
    pub(super) share: Option<Arc<Share>>,
    /// The tools that may be used; all when absent.
    pub(super) limit: Option<ToolLimit>,
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

    /// What ends the request before its time.
    pub(super) fn standing(&self) -> Standing {
        let (proof, share) = (Some(Arc::clone(&self.principal.ended)), self.share.as_ref());
        let until = [self.principal.expires_at, share.and_then(|share| share.until)].into_iter().flatten().min();
        Standing { proof, share: share.map(|share| Arc::clone(&share.ended)), until }
    }

    /// The answer to what was under way when its standing gave way.
    pub(super) fn taken_back(&self) -> ApiError {
        match &self.share {
            Some(share) if share.ended.is_cancelled() => ApiError::no_such_instance(),
            _ => AuthError::Revoked.into(),
        }
    }

    /// Whose a session is that is opened now. A proof that is limited itself gets sessions of its own.
    pub(super) fn holder(&self) -> Holder {
        let (principal, is_limited) = (&self.principal, self.limit.is_some());
        let own = || principal.reach.tool_limit().map(|_| client_of(principal));
        Holder { user: principal.user, only: if is_limited { own() } else { None } }
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
    let route = find(request, state);
    if matches!(principal.via, Via::Grant { .. })
        && !route.as_ref().is_some_and(|route| principal.reach.covers(route.id))
    {
        // Its audience is another instance (RFC 8707 section 2): here it is no valid token at all, whether
        // there is an instance or not.
        state.metrics.unauthorized.fetch_add(1, Relaxed);
        return Err(challenge::wrong_audience(request, state));
    }
    pass(request, state, (principal, route), (at, began))
}

/// The same for an instance that is named by its id alone, in a route of the API: there a sign-in of the dashboard is
/// a proof, too.
pub(super) fn admit_caller(request: &HttpRequest, state: &AppState, caller: Caller) -> Result<Admitted, ApiError> {
    let id = request.match_info().get("id").and_then(|id| id.parse::<InstanceId>().ok());
    let route = id.and_then(|id| state.routes.get(id));
    pass(request, state, (caller.0, route), (Timestamp::now(), Instant::now()))
}

fn pass(
    request: &HttpRequest,
    state: &AppState,
    (principal, route): (Arc<Principal>, Option<Arc<Route>>),
    (at, began): (Timestamp, Instant),
) -> Result<Admitted, ApiError> {
    let route = route.ok_or_else(ApiError::no_such_instance)?;
    let share = check(state, &principal, &route, at)?;
    let of_share = share.as_ref().and_then(|share| share.limit.clone());
    let limit = ToolLimit::and(principal.reach.tool_limit(), of_share);
    let lane = principal.account.lane(&route.service);
    if !lane.is_allowed {
        return Err(ApiError::service_not_allowed(&route.service));
    }
    let counts = counts(request);
    principal.take_call(&lane, at, counts).inspect_err(|limited| note_limited(state, &principal, limited, at))?;
    let permit = match request.method().as_str() {
        "GET" => None,
        _ => Some(route.permit().ok_or_else(|| overloaded(state))?),
    };
    let debugged = route.trace.is_on();
    let lane = counts.then_some(lane);
    Ok(Admitted { route, principal, permit, share, limit, lane, debugged, at, began })
}

/// Counts the refusal. That the day's calls are used up is told once a day: programs that call do not read.
fn note_limited(state: &AppState, principal: &Principal, limited: &Limited, at: Timestamp) {
    state.metrics.rate_limited.fetch_add(1, Relaxed);
    let day = Day::of(at);
    if limited.policy == Policy::Day && principal.account.is_news(day) {
        state.notices.tell(principal.user, Notice::calls_used_up(day, limited.quota));
    }
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

/// Whether the instance is the caller's to use: as its owner, or by a share, which comes back.
fn check(
    state: &AppState,
    principal: &Principal,
    route: &Route,
    at: Timestamp,
) -> Result<Option<Arc<Share>>, ApiError> {
    let share = if route.owner == principal.user { None } else { state.shares.find(route.id, principal.user) };
    let shared = share.as_ref().map(|share| Shared { guest: share.guest, is_live: share.is_live(at) });
    if !allows(principal, Action::Call { id: route.id, owner: route.owner, shared }) {
        if route.owner == principal.user || shared.is_some() {
            state.authenticator.refused(&principal.via, &format!("the instance {} is out of its reach", route.id));
        }
        // Whose it is, or that it exists at all, is nobody else's to know.
        return Err(ApiError::no_such_instance());
    }
    Ok(share)
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
        challenge::of(error, request, state)
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
