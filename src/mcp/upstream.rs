//! What a front hands calls to: a child (or remote server) as each era of clients sees it.
//!
//! A child speaks one era itself; the [`super::bridge`] shows it to clients of the other. So a front
//! never asks what the child is: it takes the view of its own era and is answered in it.

use std::{sync::Arc, time::Duration};

use futures_util::{future::LocalBoxFuture, stream::LocalBoxStream};

use super::{ask::Ask, error::UpstreamError, http::HttpTarget, jsonrpc::Message, session::Session};

/// What a child says about one call, or to one session, in order.
pub enum Event {
    /// A notification.
    Note(Message),
    /// A request of the child. Only session-era clients ever see one.
    Ask(Ask),
    /// The answer, with the caller's own id: the last event of a call.
    Answer(Message),
}

/// What a child answers to one request.
pub enum Reply {
    /// The answer, at once, with the caller's own id.
    Answer(Message),
    /// What belongs to the call, and the answer last.
    Events(LocalBoxStream<'static, Event>),
}

/// A child as clients see it that `initialize` (2024-11-05 to 2025-11-25). Futures run on the thread
/// that asked.
pub trait SessionPeer: Send + Sync {
    /// Answers a client's `initialize` and makes `session` known to the child where it must be.
    /// The answer carries the agreed version and the client's own id.
    fn open(
        self: Arc<Self>,
        session: Arc<Session>,
        initialize: Message,
    ) -> LocalBoxFuture<'static, Result<Message, UpstreamError>>;

    /// Hands on one request. Dropping the future or the events abandons the answer; this era does
    /// not take that for a cancellation.
    fn call(
        self: Arc<Self>,
        session: Arc<Session>,
        request: Message,
    ) -> LocalBoxFuture<'static, Result<Reply, UpstreamError>>;

    /// Hands on a notification.
    fn notify(
        self: Arc<Self>,
        session: Arc<Session>,
        message: Message,
    ) -> LocalBoxFuture<'static, Result<(), UpstreamError>>;

    /// From now on, what belongs to no request reaches [`Session::deliver`]. Repeating it is harmless.
    fn listen(self: Arc<Self>, session: Arc<Session>) -> LocalBoxFuture<'static, Result<(), UpstreamError>>;

    /// Tells the child that the session has ended.
    fn end(self: Arc<Self>, session: Arc<Session>) -> LocalBoxFuture<'static, ()>;
}

/// The health check of a child.
pub trait Pulse: Send + Sync {
    /// Whether the child answers at all.
    fn ping(self: Arc<Self>, timeout: Duration) -> LocalBoxFuture<'static, Result<(), UpstreamError>>;

    /// Calls that wait for the child's answer.
    fn in_flight(&self) -> usize;

    /// Its address, where it speaks HTTP: for paths beside its MCP endpoint.
    fn http_base(&self) -> Option<&HttpTarget> {
        None
    }
}

/// A running child as clients see it. Cheap to clone.
#[derive(Clone)]
pub struct Upstream {
    /// For clients with sessions.
    pub sessions: Arc<dyn SessionPeer>,
    /// Its health.
    pub pulse: Arc<dyn Pulse>,
}
