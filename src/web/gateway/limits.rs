//! What those may not do who are limited to some tools: refused before anything is asked of the child.
//!
//! The child's own view is limited too (`mcp::limited`): this is where the refusal gets its status and says
//! how to be allowed more.

use std::fmt::Write as _;

use actix_web::HttpRequest;

use super::admission::Admitted;
use crate::{
    auth::Via,
    domain::tools::ToolLimit,
    mcp::{
        error::error_message,
        front::{Answer, Body},
        limited::{Denied, check, check_batch},
    },
    web::{
        error::{ApiError, ErrorCode},
        state::AppState,
    },
};

/// The refusal of a body that the caller may not send; `None` when they may.
pub(super) fn refusal(request: &HttpRequest, state: &AppState, admitted: &Admitted, body: &Body) -> Option<Answer> {
    let limit = admitted.limit.as_ref()?;
    let (id, denied) = match body {
        Body::Message(message) => (message.id().to_owned(), check(limit, message).err()?),
        Body::Batch(batch) => check_batch(limit, batch).err()?,
        Body::Unreadable(_) | Body::None => return None,
    };
    note(state, admitted, &denied);
    let body = error_message(&id, denied.code(), &explain(admitted, &denied));
    Some(Answer::Forbidden { body, challenge: challenge(request, state, admitted, &denied) })
}

/// The refusal of a tool that is called by the REST form.
pub(super) fn refused_tool(state: &AppState, admitted: &Admitted, tool: &str) -> Option<ApiError> {
    let limit = admitted.limit.as_ref().filter(|limit| !limit.may_call(tool))?;
    let denied = Denied::Tool { name: tool.to_owned(), limit: limit.to_string() };
    note(state, admitted, &denied);
    Some(ApiError::new(ErrorCode::Forbidden, explain(admitted, &denied)))
}

/// The refusal of the paths of HTTP services: nothing there says which tool is used.
pub(super) fn refused_path(state: &AppState, admitted: &Admitted) -> Option<ApiError> {
    let limit = admitted.limit.as_ref()?;
    let detail = format!("paths of the service may not be used: access is limited to {limit}");
    state.authenticator.refused(&admitted.principal.via, &detail);
    Some(ApiError::new(ErrorCode::Forbidden, detail))
}

fn note(state: &AppState, admitted: &Admitted, denied: &Denied) {
    state.authenticator.refused(&admitted.principal.via, &denied.to_string());
}

/// Whose limit it is, and what to do about it.
fn explain(admitted: &Admitted, denied: &Denied) -> String {
    let own = admitted.principal.reach.tool_limit();
    let advice = match (&admitted.principal.via, &denied) {
        (_, Denied::Unclear { .. }) => return denied.to_string(),
        (_, _) if own.is_none() => "ask the owner of the instance, who shares it with you, for more",
        (Via::Token { .. }, _) => "this token may do no more; make another one for that",
        (_, _) => "ask the user for more",
    };
    format!("{denied}; {advice}")
}

/// `WWW-Authenticate` for an OAuth client that may be allowed more (RFC 6750 section 3.1; MCP authorization,
/// "Scope Challenge Handling"). What an owner shares, no consent of the guest widens.
fn challenge(request: &HttpRequest, state: &AppState, admitted: &Admitted, denied: &Denied) -> Option<String> {
    let Denied::Tool { name, .. } = denied else { return None };
    if !matches!(admitted.principal.via, Via::Grant { .. }) {
        return None;
    }
    if admitted.share.as_ref().is_some_and(|share| share.limit.as_ref().is_some_and(|limit| !limit.may_call(name))) {
        return None;
    }
    let (scope, metadata) =
        (needed(admitted.principal.reach.tool_limit().as_ref(), name), metadata_url(request, state));
    Some(format!("Bearer error=\"insufficient_scope\", scope=\"{scope}\", resource_metadata=\"{metadata}\""))
}

/// The scopes of what may be done now and of `tool`.
fn needed(limit: Option<&ToolLimit>, tool: &str) -> String {
    let known = limit.filter(|limit| !limit.read_only).and_then(|limit| limit.tools.as_deref());
    let mut scopes = "mcp:read".to_owned();
    for name in known.into_iter().flatten().map(String::as_str).chain([tool]) {
        scopes.push_str(" tool:");
        for byte in name.bytes() {
            // What a scope may consist of (RFC 6749 section 3.3), but for the escape itself.
            match byte {
                b'!' | b'#' | b'$' | b'&'..=b'[' | b']'..=b'~' => scopes.push(char::from(byte)),
                // Writing to a String cannot fail.
                _ => drop(write!(scopes, "%{byte:02X}")),
            }
        }
    }
    scopes
}

/// Where the protected resource describes itself (RFC 9728 section 3.1).
fn metadata_url(request: &HttpRequest, state: &AppState) -> String {
    let mut segments = request.path().trim_start_matches('/').split('/');
    let (first, second) = (segments.next().unwrap_or_default(), segments.next().unwrap_or_default());
    let last = if matches!(segments.next(), Some("sse" | "messages")) { "sse" } else { "mcp" };
    let mut url = state.public_url.clone();
    let below = url.path().trim_end_matches('/').to_owned();
    // Escapes what would end the quoted text.
    url.set_path(&format!("{below}/.well-known/oauth-protected-resource/{first}/{second}/{last}"));
    url.into()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn what_is_needed_is_what_there_is_and_the_tool() {
        let some = ToolLimit { tools: Some(Arc::new(["a".to_owned(), "b c".to_owned()].into())), read_only: false };
        let reading = ToolLimit { tools: None, read_only: true };
        let cases = [(&some, "x\"y", "mcp:read tool:a tool:b%20c tool:x%22y"), (&reading, "ä", "mcp:read tool:%C3%A4")];
        for (limit, tool, expected) in cases {
            assert_eq!(needed(Some(limit), tool), expected);
        }
    }
}
