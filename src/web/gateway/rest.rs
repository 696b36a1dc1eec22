//! The REST forms of an instance: health, tools, call, and the paths of HTTP services.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header,
    web::{Data, Payload},
};
use serde::Serialize;

use super::{
    admission::{Admitted, admit, admit_caller, overloaded},
    body, limits, render,
    seating::{Wish, seat},
    seen_by,
};
use crate::{
    domain::{
        lifecycle::{Health, State},
        time::Timestamp,
    },
    mcp::{
        error::UpstreamError,
        front::rest::{self, CallBody, RestError},
        http::{PassRequest, pass},
        upstream::Upstream,
    },
    web::{
        error::{ApiError, ErrorCode},
        extract::Caller,
        framework::without_values,
        state::AppState,
    },
};

#[derive(Serialize)]
struct HealthView {
    status: Health,
    state: State,
    #[serde(skip_serializing_if = "Option::is_none")]
    checked_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<String>,
}

/// Checks the instance now: 200 when it is healthy, 503 otherwise. One that sleeps is left asleep, and
/// is fine: 200.
pub(super) async fn health(request: HttpRequest, state: Data<AppState>) -> Result<HttpResponse, ApiError> {
    let admitted = admit(&request, &state).await?;
    let checked = state.supervisor.check(admitted.route.id).await?;
    let status = admitted.route.status();
    // A guest is told whether it works, not what its server writes.
    let last_error = status
        .last_error
        .as_ref()
        .filter(|_| admitted.share.is_none())
        .filter(|_| !status.state.serves() && status.state != State::Idle)
        .map(|card| card.summary());
    let view = HealthView { status: checked, state: status.state, checked_at: status.checked_at, last_error };
    let fine = checked == Health::Healthy || status.state == State::Idle;
    let code = if fine { 200 } else { 503 };
    admitted.record(&state, "GET", "health", None, code);
    let mut response = if code == 200 { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
    Ok(response.json(view))
}

/// Every tool, as the server describes it.
pub(super) async fn tools(request: HttpRequest, state: Data<AppState>) -> Result<HttpResponse, ApiError> {
    let admitted = admit(&request, &state).await?;
    list(admitted, &state).await
}

/// `GET /api/v1/mcps/{id}/tools`: the same by the API's own proofs, the dashboard's among them.
pub(in crate::web) async fn own_tools(
    request: HttpRequest,
    caller: Caller,
    state: Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    list(admit_caller(&request, &state, caller)?, &state).await
}

async fn list(mut admitted: Admitted, state: &AppState) -> Result<HttpResponse, ApiError> {
    let (standing, user) = (admitted.standing(), admitted.principal.user);
    let listing = async {
        let upstream = reach(&mut admitted, state).await?;
        rest::list_tools(&upstream, user).await.map_err(ApiError::from)
    };
    let outcome = standing.hold(listing).await;
    let outcome = outcome.unwrap_or_else(|| Err(admitted.taken_back()));
    Ok(finish(&admitted, state, "GET", "mcp/tools", outcome))
}

/// Calls a tool: `{name, arguments}`.
pub(super) async fn call(
    request: HttpRequest,
    payload: Payload,
    state: Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let admitted = admit(&request, &state).await?;
    call_of(admitted, &request, payload, &state).await
}

/// `POST /api/v1/mcps/{id}/tools/call`: the same by the API's own proofs. A cookie needs its CSRF token, as everywhere
/// in the API; whose instance it is, tools, rates and quotas are checked as for every call.
pub(in crate::web) async fn own_call(
    request: HttpRequest,
    payload: Payload,
    caller: Caller,
    state: Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let admitted = admit_caller(&request, &state, caller)?;
    call_of(admitted, &request, payload, &state).await
}

async fn call_of(
    mut admitted: Admitted,
    request: &HttpRequest,
    payload: Payload,
    state: &AppState,
) -> Result<HttpResponse, ApiError> {
    let bytes = read(request, payload, state).await?;
    let body: CallBody = serde_json::from_slice(&bytes).map_err(|error| {
        ApiError::new(
            ErrorCode::ValidationFailed,
            format!("the body must be {{\"name\", \"arguments\"}}: {}", without_values(&error.to_string())),
        )
    })?;
    let (standing, user) = (admitted.standing(), admitted.principal.user);
    let refused = limits::refused_tool(state, &admitted, &body.name);
    let calling = async {
        refused.map_or(Ok(()), Err)?;
        let upstream = reach(&mut admitted, state).await?;
        rest::call_tool(&upstream, user, &body).await.map_err(ApiError::from)
    };
    let outcome = standing.hold(calling).await;
    let outcome = outcome.unwrap_or_else(|| Err(admitted.taken_back()));
    Ok(finish(&admitted, state, "POST", "mcp/call", outcome))
}

/// `…/api/*` of a service that speaks HTTP, passed on as it is.
pub(super) async fn pass_through(
    request: HttpRequest,
    payload: Payload,
    state: Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let mut admitted = admit(&request, &state).await?;
    if let Some(refused) = limits::refused_path(&state, &admitted) {
        admitted.record(&state, request.method().as_str(), "api", None, 403);
        return Err(refused);
    }
    // Whatever its verb: the child works on it until its last byte.
    if admitted.permit.is_none() {
        admitted.permit = Some(admitted.route.permit().ok_or_else(|| overloaded(&state))?);
    }
    let body = read(&request, payload, &state).await?;
    let upstream = reach(&mut admitted, &state).await?;
    let target = upstream
        .pulse
        .http_base()
        .ok_or_else(|| ApiError::new(ErrorCode::NotFound, "this service has no HTTP API; use …/mcp or …/mcp/call"))?;
    let headers = request.headers().iter().map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()));
    let pass_request = PassRequest {
        method: request.method().to_string(),
        path: format!("{}{}", target.base(), api_path(&request)),
        headers: headers.collect(),
        body,
    };
    let standing = admitted.standing();
    let relay = standing
        .hold(pass(target, pass_request, state.config.runtime.call_timeout))
        .await
        .ok_or_else(|| admitted.taken_back())?
        .map_err(|error| ApiError::from(RestError::from(error)))?;
    admitted.record(&state, request.method().as_str(), "api", None, relay.status);
    Ok(render::relayed(relay, admitted.permit, standing))
}

/// The path below the instance, and the query, as the client wrote them.
fn api_path(request: &HttpRequest) -> String {
    let path = request.uri().path();
    let below = path.splitn(4, '/').nth(3).unwrap_or("api");
    let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
    format!("/{below}{query}")
}

async fn reach(admitted: &mut Admitted, state: &AppState) -> Result<Upstream, ApiError> {
    let seating = seat(admitted, Wish::Usual).await?;
    admitted.touch(&seating.route);
    let upstream = seating.route.connect(state.config.runtime.wake_timeout).await?;
    Ok(seen_by(admitted.limit.as_ref(), upstream))
}

async fn read(request: &HttpRequest, payload: Payload, state: &AppState) -> Result<bytes::Bytes, ApiError> {
    body::read(request, payload, state.config.server.max_body_bytes).await.map_err(|error| match error.status() {
        413 => ApiError::new(ErrorCode::PayloadTooLarge, error.to_string()),
        _ => ApiError::new(ErrorCode::ValidationFailed, error.to_string()),
    })
}

fn finish(
    admitted: &Admitted,
    state: &AppState,
    verb: &str,
    target: &str,
    outcome: Result<bytes::Bytes, ApiError>,
) -> HttpResponse {
    use actix_web::ResponseError;
    let response = match outcome {
        Ok(body) => HttpResponse::Ok().insert_header((header::CONTENT_TYPE, "application/json")).body(body),
        Err(error) => error.error_response(),
    };
    admitted.record(state, verb, target, None, response.status().as_u16());
    response
}

impl From<RestError> for ApiError {
    fn from(error: RestError) -> Self {
        match &error {
            RestError::Upstream(UpstreamError::TimedOut { .. }) => {
                Self::new(ErrorCode::UpstreamTimeout, error.to_string())
            }
            RestError::Upstream(_) => Self::new(ErrorCode::UpstreamFailed, error.to_string()),
            RestError::Refused { .. } => Self::new(ErrorCode::UpstreamRefused, error.to_string()),
        }
    }
}

impl From<crate::mcp::error::Unavailable> for ApiError {
    fn from(unavailable: crate::mcp::error::Unavailable) -> Self {
        Self::new(ErrorCode::InstanceUnavailable, unavailable.detail).retry_after(5)
    }
}
