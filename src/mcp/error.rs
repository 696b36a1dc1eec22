//! JSON-RPC errors as MCP clients see them, one source for every front.

use bytes::Bytes;
use serde::Serialize;
use thiserror::Error;

/// The text of an absent id: errors that belong to no request carry it.
pub const NO_ID: &str = "null";

/// JSON-RPC error codes (JSON-RPC 2.0 section 5.1, and what MCP SDKs use in the server range).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// -32700: not JSON.
    Parse,
    /// -32600: JSON, but not a message that is allowed here.
    InvalidRequest,
    /// -32601: no such method, or the client did not declare what it takes.
    MethodNotFound,
    /// -32602: the params are not what the method needs.
    InvalidParams,
    /// -32603: the server behind the URL failed.
    Internal,
    /// -32000: the request does not fit the connection's state.
    BadState,
    /// -32001: no such session.
    SessionNotFound,
    /// -32020: a header does not say what the body says (2026-07-28, "Server Validation").
    HeaderMismatch,
    /// -32021: the request needs a capability that the client did not declare (2026-07-28).
    MissingCapability,
    /// -32022: the protocol version is not served (2026-07-28, "Protocol Version Negotiation").
    UnsupportedVersion,
}

impl Code {
    /// The number on the wire.
    #[must_use]
    pub const fn number(self) -> i32 {
        match self {
            Self::Parse => -32700,
            Self::InvalidRequest => -32600,
            Self::MethodNotFound => -32601,
            Self::InvalidParams => -32602,
            Self::Internal => -32603,
            Self::BadState => -32000,
            Self::SessionNotFound => -32001,
            Self::HeaderMismatch => -32020,
            Self::MissingCapability => -32021,
            Self::UnsupportedVersion => -32022,
        }
    }
}

#[derive(Serialize)]
struct ErrorObject<'a> {
    code: i32,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a serde_json::Value>,
}

/// The member `error`.
#[must_use]
pub fn error_object(code: Code, message: &str, data: Option<&serde_json::Value>) -> String {
    let object = ErrorObject { code: code.number(), message, data };
    serde_json::to_string(&object).unwrap_or_else(|_| r#"{"code":-32603,"message":"internal error"}"#.to_owned())
}

/// A JSON-RPC error message; `id` is the raw JSON of the request's id, or [`NO_ID`].
#[must_use]
pub fn error_message(id: &str, code: Code, message: &str) -> Bytes {
    error_with_data(id, code, message, None)
}

/// A JSON-RPC error message with `data`.
#[must_use]
pub fn error_with_data(id: &str, code: Code, message: &str, data: Option<&serde_json::Value>) -> Bytes {
    let error = error_object(code, message, data);
    Bytes::from(format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#))
}

/// Why a child could not answer.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum UpstreamError {
    /// The process ended while the call was on its way.
    #[error("the server ended before it answered: {reason}")]
    Closed {
        /// The crash card's summary.
        reason: String,
    },
    /// It did not answer in time.
    #[error("the server did not answer within {seconds} s; the call was cancelled")]
    TimedOut {
        /// The time-out that was reached.
        seconds: u64,
    },
    /// It does not read what it is sent.
    #[error("the server does not read its input: {bytes} bytes are waiting; try again later")]
    Congested {
        /// Bytes that wait to be written.
        bytes: usize,
    },
    /// It spoke, but not MCP.
    #[error("the server broke the protocol: {detail}")]
    Protocol {
        /// What it did.
        detail: String,
    },
    /// It does not want to talk to us.
    #[error("{detail}")]
    Refused {
        /// What it said.
        detail: String,
    },
    /// It is there, but does not serve MCP as it was asked to.
    #[error("the server answered HTTP {status}")]
    Status {
        /// The status.
        status: u16,
    },
    /// It could not be reached.
    #[error("the server could not be reached: {detail}")]
    Unreachable {
        /// What failed.
        detail: String,
    },
    /// It does not know the session it was sent, even a fresh one.
    #[error("the server has forgotten the session; initialize again")]
    SessionLost,
    /// What was asked for is not something that this server offers.
    #[error("the server does not offer {what}")]
    NotOffered {
        /// What was asked for.
        what: &'static str,
    },
}

/// Why an instance has no process to hand a call to.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{detail}")]
pub struct Unavailable {
    /// The state and what to do about it, for the client's user.
    pub detail: String,
}
