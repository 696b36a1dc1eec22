//! How a child is spoken to: one trait for stdio, HTTP and remote servers.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{future::LocalBoxFuture, stream::LocalBoxStream};

use super::{error::UpstreamError, jsonrpc::Message, session::Session};

/// What a child answers to one request.
pub enum Reply {
    /// One complete JSON-RPC message with the client's own id.
    Message(Bytes),
    /// Notifications that belong to the request, then the answer, then the end.
    Messages(LocalBoxStream<'static, Bytes>),
    /// An HTTP child's answer, handed on as it comes.
    Relay(Relay),
}

/// An HTTP answer that is passed through.
pub struct Relay {
    /// Its status.
    pub status: u16,
    /// Its headers, without those that belong to the hop.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Its length, where it is known.
    pub length: Option<u64>,
    /// Its body.
    pub body: LocalBoxStream<'static, Result<Bytes, UpstreamError>>,
}

/// One child (or remote server), shared by all sessions of an instance. Futures run on the thread
/// that asked; nothing is sent to another thread but bytes.
pub trait Upstream: Send + Sync {
    /// Answers a client's `initialize` and makes `session` known to the child where it must be.
    /// The answer carries the agreed version and the client's own id.
    fn open(
        self: Arc<Self>,
        session: Arc<Session>,
        initialize: Message,
    ) -> LocalBoxFuture<'static, Result<Bytes, UpstreamError>>;

    /// Hands on one request and yields its answer. Dropping the future abandons the answer; the
    /// session era does not take that for a cancellation.
    fn call(
        self: Arc<Self>,
        session: Arc<Session>,
        request: Message,
    ) -> LocalBoxFuture<'static, Result<Reply, UpstreamError>>;

    /// Hands on a notification, or a response to a request of the child.
    fn notify(
        self: Arc<Self>,
        session: Arc<Session>,
        message: Message,
    ) -> LocalBoxFuture<'static, Result<(), UpstreamError>>;

    /// The stream of messages that belong to no request.
    fn listen(self: Arc<Self>, session: Arc<Session>) -> LocalBoxFuture<'static, Result<Reply, UpstreamError>>;

    /// Tells the child that the session has ended.
    fn end(self: Arc<Self>, session: Arc<Session>) -> LocalBoxFuture<'static, ()>;

    /// Whether the child answers at all: the health check.
    fn ping(self: Arc<Self>, timeout: Duration) -> LocalBoxFuture<'static, Result<(), UpstreamError>>;

    /// The base URL of a child that speaks HTTP, for paths beside its MCP endpoint.
    fn http_base(&self) -> Option<&super::http::HttpTarget> {
        None
    }
}
