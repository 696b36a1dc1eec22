//! How a client is spoken to: one front per era, each turning HTTP into calls on an upstream.

pub mod http_sse;
mod media;
mod response;
pub mod rest;
pub mod sessions;
mod standing;
pub mod stateless;

pub use self::standing::Standing;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{future::LocalBoxFuture, stream::LocalBoxStream};
use tokio::sync::OwnedSemaphorePermit;

use super::{
    error::{Unavailable, UpstreamError},
    jsonrpc::{Message, ParseError},
    mirrored::Mirrored,
    session::{Holder, Sessions},
    upstream::Upstream,
};

/// One HTTP request to an instance's MCP URL: what a front needs of it.
#[derive(Debug, Default)]
pub struct FrontRequest<'a> {
    /// What is done.
    pub verb: Verb,
    /// `Accept`.
    pub accept: Option<&'a str>,
    /// `Content-Type`.
    pub content_type: Option<&'a str>,
    /// `Mcp-Session-Id`.
    pub session: Option<&'a str>,
    /// `MCP-Protocol-Version`.
    pub version: Option<&'a str>,
    /// `Last-Event-ID`.
    pub last_event_id: Option<&'a str>,
    /// The headers that mirror the body. Only the stateless era has them.
    pub mirrored: Mirrored,
    /// The body, read once, before the era was known.
    pub body: Body,
}

/// The body of a POST.
#[derive(Debug, Default)]
pub enum Body {
    /// There is none, or it has been taken.
    #[default]
    None,
    /// One message.
    Message(Message),
    /// An array of messages, unread.
    Batch(Bytes),
    /// Nothing of that.
    Unreadable(ParseError),
}

impl Body {
    /// What the bytes of a POST are.
    #[must_use]
    pub fn read(bytes: Bytes) -> Self {
        match Message::parse(bytes.clone()) {
            Ok(message) => Self::Message(message),
            Err(ParseError::Batch) => Self::Batch(bytes),
            Err(error) => Self::Unreadable(error),
        }
    }

    /// The one message that it is.
    #[must_use]
    pub const fn message(&self) -> Option<&Message> {
        match self {
            Self::Message(message) => Some(message),
            Self::None | Self::Batch(_) | Self::Unreadable(_) => None,
        }
    }
}

impl FrontRequest<'_> {
    /// Takes the message of the body.
    fn message(&mut self) -> Result<Message, ParseError> {
        match std::mem::take(&mut self.body) {
            Body::Message(message) => Ok(message),
            Body::Batch(_) => Err(ParseError::Batch),
            Body::Unreadable(error) => Err(error),
            Body::None => Message::parse(Bytes::new()),
        }
    }
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

/// The instance's child, as far as it is known: a front that needs none does not wait for it.
pub enum Child {
    /// It is there.
    There(Upstream),
    /// It may be on its way up.
    Coming(LocalBoxFuture<'static, Result<Upstream, Unavailable>>),
}

impl Child {
    /// The child, waiting for it where it comes.
    ///
    /// # Errors
    /// When it does not: the text says why.
    pub async fn reach(self) -> Result<Upstream, Unavailable> {
        match self {
            Self::There(upstream) => Ok(upstream),
            Self::Coming(upstream) => upstream.await,
        }
    }
}

/// What a front acts on: the instance, as far as a call may reach it.
pub struct Endpoint {
    /// The instance's client sessions.
    pub sessions: Arc<Sessions>,
    /// Its child.
    pub child: Child,
    /// Who asks.
    pub caller: Holder,
    /// What ends it before its time.
    pub standing: Standing,
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
    /// `403` with one JSON-RPC message.
    Forbidden {
        /// The message.
        body: Bytes,
        /// The `WWW-Authenticate` header, where there is a way to be allowed more.
        challenge: Option<String>,
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
    fn serve<'a>(&self, endpoint: Endpoint, request: FrontRequest<'a>) -> LocalBoxFuture<'a, Answer>;
}
