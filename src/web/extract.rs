//! Who calls the API: a bearer token first, else the dashboard's cookie with its CSRF token.

use std::{future::Future, pin::Pin, sync::Arc};

use actix_web::{
    FromRequest, HttpRequest,
    dev::Payload,
    http::{Method, header},
    web::Data,
};

use super::{
    error::{ApiError, ErrorCode},
    origin, rate_limit,
    sign_in::cookies,
    state::AppState,
};
use crate::auth::{
    AuthError, Principal, Via,
    policy::{Action, allows},
    tokens,
};

/// The header that proves that a page of ours sent the cookie.
pub const CSRF_HEADER: &str = "x-csrf-token";

/// The principal of an API request.
pub struct Caller(pub Arc<Principal>);

impl Caller {
    /// Passes when policy allows `action`.
    ///
    /// # Errors
    /// 403 otherwise.
    pub fn may(&self, action: Action) -> Result<(), ApiError> {
        if allows(&self.0, action) {
            return Ok(());
        }
        let detail = match action {
            Action::Administer => "only administrators may do this",
            _ => "this token is limited to instances and may not do this",
        };
        Err(ApiError::new(ErrorCode::Forbidden, detail))
    }
}

impl FromRequest for Caller {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let state =
                request.app_data::<Data<AppState>>().ok_or_else(|| ApiError::new(ErrorCode::Internal, "no state"))?;
            origin::check(&request, state)?;
            let principal = authenticate(&request, state).await?;
            // What an OAuth client was given is good for MCP, and for nothing else of what its user may do.
            if matches!(principal.via, Via::Grant { .. }) {
                let detail = "this access token is for one instance's MCP endpoint; the API needs an API token";
                return Err(ApiError::new(ErrorCode::Forbidden, detail));
            }
            rate_limit::remember(&request, principal.take_request()?);
            Ok(Self(principal))
        })
    }
}

async fn authenticate(request: &HttpRequest, state: &AppState) -> Result<Arc<Principal>, AuthError> {
    let header_text = |name: header::HeaderName| request.headers().get(name).and_then(|value| value.to_str().ok());
    if let Some(bearer) = header_text(header::AUTHORIZATION) {
        return state.authenticator.bearer(bearer).await;
    }
    let cookie = cookies::read(request, state, cookies::Kind::Session).ok_or(AuthError::Missing)?;
    let principal = state.authenticator.cookie(&cookie).await?;
    let is_safe = matches!(*request.method(), Method::GET | Method::HEAD);
    let csrf = request.headers().get(CSRF_HEADER).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !is_safe && !tokens::equal(csrf, &tokens::csrf(&cookie)) {
        return Err(AuthError::Csrf);
    }
    Ok(principal)
}
