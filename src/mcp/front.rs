//! How a client is spoken to: one front per era, each turning HTTP into calls on an upstream.

pub mod http_sse;
mod response;
pub mod rest;
pub mod sessions;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{future::LocalBoxFuture, stream::LocalBoxStream};
use tokio::sync::OwnedSemaphorePermit;

use super::{
    error::{Unavailable, UpstreamError},
    session::Sessions,
    upstream::Upstream,
};
use crate::domain::ids::UserId;

/// One HTTP request to an instance's MCP URL: what a front needs of it.
#[derive(Clone, Debug, Default)]
pub struct FrontRequest {
    /// What is done.
    pub verb: Verb,
    /// `Accept`.
    pub accept: Option<String>,
    /// `Content-Type`.
    pub content_type: Option<String>,
    /// `Mcp-Session-Id`.
    pub session: Option<String>,
    /// `MCP-Protocol-Version`.
    pub version: Option<String>,
    /// `Last-Event-ID`.
    pub last_event_id: Option<String>,
    /// The body.
    pub body: Bytes,
}

/// The verbs of the MCP endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verb {
    /// Opens the stream of messages that belong to no request.
    Get,
    /// Carries one message.
    #[default]
    Post,
    /// Ends the session.
    Delete,
}

/// What a front acts on: the instance, as far as a call may reach it.
pub struct Endpoint {
    /// The instance's client sessions.
    pub sessions: Arc<Sessions>,
    /// Its child, or why there is none.
    pub upstream: Result<Upstream, Unavailable>,
    /// Who asks.
    pub caller: UserId,
    /// How long a stream may be silent before a comment is put into it.
    pub quiet: Duration,
    /// The call's place among those in flight: held until the call has ended, not only until the
    /// client has gone. A stream that may stay open for hours needs none.
    pub permit: Option<OwnedSemaphorePermit>,
}

/// What goes back to the client.
pub enum Answer {
    /// No body.
    Empty {
        /// The status: 202 or 204.
        status: u16,
    },
    /// One JSON-RPC message.
    Json {
        /// The status.
        status: u16,
        /// The message.
        body: Bytes,
        /// The new session's id, on the answer to `initialize`.
        session: Option<String>,
    },
    /// A stream of events.
    Events(LocalBoxStream<'static, Result<Bytes, UpstreamError>>),
    /// `405` with the verbs that are allowed.
    NotAllowed {
        /// The `Allow` header.
        allow: &'static str,
    },
}

/// One way of speaking to clients.
pub trait Front {
    /// Answers one request. Never fails: what goes wrong is an answer too.
    fn serve(&self, endpoint: Endpoint, request: FrontRequest) -> LocalBoxFuture<'static, Answer>;
}
