//! `WWW-Authenticate` of an instance's URLs: how a client that was refused gets in (RFC 6750 section 3,
//! RFC 9728 section 5.1).

use actix_web::{HttpRequest, http::header};

use super::base_url;
use crate::{
    auth::{
        AuthError,
        oauth::{Scopes, scopes::SUPPORTED},
    },
    web::{
        error::{ApiError, ErrorCode},
        state::AppState,
    },
};

/// The URL of the metadata of the instance that the request is for. What belongs to the older transport has
/// the metadata of its stream, everything else that of `…/mcp`.
#[must_use]
pub fn metadata_url(request: &HttpRequest, state: &AppState) -> String {
    let mut segments = request.path().trim_start_matches('/').split('/');
    let (first, second) = (segments.next().unwrap_or_default(), segments.next().unwrap_or_default());
    let last = match segments.next() {
        Some("sse" | "messages") => "sse",
        _ => "mcp",
    };
    let mut url = base_url(request, state);
    let below = url.path().trim_end_matches('/').to_owned();
    // Escapes what would end the quoted text.
    url.set_path(&format!("{below}/.well-known/oauth-protected-resource/{first}/{second}/{last}"));
    url.into()
}

/// A refused proof as an answer that says where to get another.
#[must_use]
pub fn of(error: AuthError, request: &HttpRequest, state: &AppState) -> ApiError {
    let sent = request.headers().contains_key(header::AUTHORIZATION);
    let description = match &error {
        AuthError::Expired => "the token has expired",
        AuthError::Revoked => "the token was revoked",
        _ => "the token is not valid",
    };
    let refused = ApiError::from(error);
    if !matches!(refused.code(), ErrorCode::Unauthenticated | ErrorCode::TokenExpired) {
        return refused;
    }
    refused.challenge(text(request, state, sent.then_some(description)))
}

/// A token that was given for another instance.
#[must_use]
pub fn wrong_audience(request: &HttpRequest, state: &AppState) -> ApiError {
    let detail = "this access token is for another instance; ask for one for this URL";
    let challenge = text(request, state, Some("the token is for another resource"));
    ApiError::new(ErrorCode::Unauthenticated, detail).challenge(challenge)
}

/// A token that does not reach far enough: what to ask the user for (RFC 6750 section 3.1; MCP authorization,
/// "Scope Challenge Handling").
#[must_use]
pub fn insufficient(needed: &Scopes, request: &HttpRequest, state: &AppState) -> String {
    let metadata = metadata_url(request, state);
    format!("Bearer error=\"insufficient_scope\", scope=\"{needed}\", resource_metadata=\"{metadata}\"")
}

fn text(request: &HttpRequest, state: &AppState, invalid: Option<&str>) -> String {
    let error = invalid.map(|why| format!("error=\"invalid_token\", error_description=\"{why}\", "));
    let (scope, metadata) = (SUPPORTED.join(" "), metadata_url(request, state));
    format!("Bearer {}scope=\"{scope}\", resource_metadata=\"{metadata}\"", error.unwrap_or_default())
}
