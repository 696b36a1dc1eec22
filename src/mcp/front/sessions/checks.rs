//! What is checked of every request, and refusals.

use std::sync::Arc;

use crate::mcp::{
    error::{Code, NO_ID, error_message},
    front::{Answer, Endpoint, FrontRequest},
    jsonrpc::ParseError,
    session::Session,
    version,
};

/// The session that the request names, if the caller opened it.
pub(super) fn session_of(endpoint: &Endpoint, request: &FrontRequest<'_>, id: &str) -> Result<Arc<Session>, Answer> {
    let Some(header) = request.session else {
        let text = "Mcp-Session-Id is missing; send `initialize` first";
        return Err(refuse_request(400, id, Code::BadState, text));
    };
    let found = endpoint.sessions.find(header, endpoint.caller);
    let text = "session not found; send `initialize` to open a new one";
    found.ok_or_else(|| refuse_request(404, id, Code::SessionNotFound, text))
}

/// A refusal of the request with this raw id.
pub(in crate::mcp::front) fn refuse_request(status: u16, id: &str, code: Code, text: &str) -> Answer {
    Answer::Json { status, body: error_message(id, code, text), session: None }
}

/// A refusal of what has no id.
pub(in crate::mcp::front) fn refuse(status: u16, code: Code, text: &str) -> Answer {
    refuse_request(status, NO_ID, code, text)
}

/// The code of what is no message.
pub(in crate::mcp::front) const fn code_of(error: &ParseError) -> Code {
    match error {
        ParseError::NotJson(_) => Code::Parse,
        ParseError::Batch | ParseError::Invalid(_) => Code::InvalidRequest,
    }
}

/// An absent header means what the session has agreed on.
pub(super) fn check_version(header: Option<&str>, id: &str) -> Result<(), Answer> {
    match header {
        Some(version) if !version::is_supported(version) => {
            let text = format!(
                "MCP-Protocol-Version {version:?} is not supported; supported: {}",
                version::SESSION_ERA.join(", ")
            );
            Err(refuse_request(400, id, Code::BadState, &text))
        }
        _ => Ok(()),
    }
}
