//! What a front hands calls to: a child (or remote server) as each era of clients sees it.
//!
//! A child speaks one era itself; the [`super::bridge`] shows it to clients of the other. So a front
//! never asks what the child is: it takes the view of its own era and is answered in it.

use std::{sync::Arc, time::Duration};

use futures_util::{future::LocalBoxFuture, stream::LocalBoxStream};

use super::{
    ask::Ask,
    bridge::Held,
    capabilities::LogLevel,
    era::Era,
    error::UpstreamError,
    http::HttpTarget,
    jsonrpc::Message,
    meta::RequestMeta,
    mirrored::{Mirrored, Mismatch},
    session::Session,
};
use crate::domain::ids::UserId;

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

/// On which terms a call is made.
#[derive(Clone, Copy, Debug, Default)]
pub struct Terms {
    /// The client keeps no session: the call is a client of its own, and its end cancels it.
    pub stateless: bool,
    /// The least important log lines that such a client wants to see of it.
    pub level: Option<LogLevel>,
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

    /// Hands on one request. Dropping the future or the events abandons the answer, which cancels
    /// the call only where `terms` say so, or where the child is of the other era: this one does not take
    /// it for a cancellation, so a front goes on reading.
    fn call(
        self: Arc<Self>,
        session: Arc<Session>,
        request: Message,
        terms: Terms,
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

/// One request of a client that keeps no session (2026-07-28). Its headers agree with its body.
pub struct StatelessCall {
    /// The request as the client sent it.
    pub request: Message,
    /// Its `_meta`.
    pub meta: RequestMeta,
    /// Who asks.
    pub caller: UserId,
    /// The headers that mirror its body: an HTTP child is sent them too.
    pub mirrored: Mirrored,
}

/// A child as clients see it that say everything in every request (2026-07-28).
pub trait StatelessPeer: Send + Sync {
    /// Hands on one request, `server/discover` and `subscriptions/listen` among them. Dropping the
    /// future or the events cancels it (Streamable HTTP, "Cancellation"). No event is an
    /// [`Event::Ask`].
    fn call(self: Arc<Self>, call: StatelessCall) -> LocalBoxFuture<'static, Result<Reply, UpstreamError>>;

    /// Whether the headers that mirror a tool's arguments agree with them. Needs the tool's schema,
    /// so the child's list of tools is fetched when it is not known.
    fn check_params<'a>(
        self: Arc<Self>,
        call: &'a StatelessCall,
    ) -> LocalBoxFuture<'a, Result<Result<(), Mismatch>, UpstreamError>>;
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

/// A running child in both views. Cheap to clone.
#[derive(Clone)]
pub struct Upstream {
    /// The era that the child speaks itself.
    pub era: Era,
    /// For clients with sessions.
    pub sessions: Arc<dyn SessionPeer>,
    /// For clients without.
    pub stateless: Arc<dyn StatelessPeer>,
    /// Its health.
    pub pulse: Arc<dyn Pulse>,
    /// What is kept of clients between their requests.
    pub held: Arc<Held>,
}
