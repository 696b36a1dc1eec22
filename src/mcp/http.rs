//! A child (or remote server) that speaks Streamable HTTP.
//!
//! Each of our sessions is a session of its own at the child, under the id that the child gave; the
//! client never sees that id. Bodies are handed on as they come. A child that was restarted has
//! forgotten its sessions and says 404: the session is opened anew there with the client's own
//! `initialize`, and the client does not notice.
//!
//! Owner of state: none but the keep-alive connections of each thread's [`awc::Client`].

mod client;
mod passthrough;

use std::{sync::Arc, time::Duration};

use awc::{
    ClientResponse,
    error::SendRequestError,
    http::{Method, StatusCode, header},
};
use bytes::{Bytes, BytesMut};
use futures_util::{FutureExt, StreamExt, future::LocalBoxFuture};

pub use self::{
    client::install_crypto_provider,
    passthrough::{PassRequest, pass},
};
use super::{
    error::UpstreamError,
    jsonrpc::{Kind, Message},
    session::Session,
    sse::EventReader,
    upstream::{Reply, Upstream},
    version,
};
use crate::domain::secret::Secret;

/// The header that carries a session id (header names are case-insensitive).
pub const SESSION_HEADER: &str = "mcp-session-id";
/// The header that carries the protocol version.
pub const VERSION_HEADER: &str = "mcp-protocol-version";

const BOTH_TYPES: &str = "application/json, text/event-stream";

/// Where an HTTP child is reached.
pub struct HttpTarget {
    /// Scheme, host and port, without a trailing slash.
    pub origin: String,
    /// Path (and query) of the MCP endpoint.
    pub path: String,
    /// Headers that every request carries, such as the instance's credential.
    pub headers: Vec<(String, Secret)>,
}

/// A running HTTP child.
pub struct HttpUpstream {
    target: HttpTarget,
    url: String,
    call_timeout: Duration,
    max_answer_bytes: usize,
}

impl HttpUpstream {
    /// A child at `target`; nothing is sent yet. `max_answer_bytes` bounds answers that must be
    /// held whole (JSON, `initialize`); streams are not bounded.
    #[must_use]
    pub fn new(target: HttpTarget, call_timeout: Duration, max_answer_bytes: usize) -> Self {
        let url = format!("{}{}", target.origin, target.path);
        Self { target, url, call_timeout, max_answer_bytes }
    }

    /// Whether the child serves MCP yet: a session of our own, opened and ended.
    ///
    /// # Errors
    /// When it does not accept connections or refuses `initialize`.
    pub async fn initialize(&self, timeout: Duration) -> Result<(), UpstreamError> {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":0,"method":"initialize","params":{{"protocolVersion":"{}","capabilities":{{}},"clientInfo":{{"name":"berth","version":"{}"}}}}}}"#,
            version::LATEST_SESSION_ERA,
            env!("CARGO_PKG_VERSION")
        );
        let attempt = async {
            let response = self.send(Method::POST, None, Bytes::from(body)).await?;
            let session = session_of(&response);
            let answer = self.answer_of(response).await?;
            if answer.result().is_none() {
                return Err(UpstreamError::Protocol { detail: "it refused `initialize`".to_owned() });
            }
            if let Some(session) = session {
                self.delete(&session).await;
            }
            Ok(())
        };
        tokio::time::timeout(timeout, attempt)
            .await
            .unwrap_or(Err(UpstreamError::TimedOut { seconds: timeout.as_secs() }))
    }

    /// Sends one request; `session` is our session, whose own id at the child is used.
    async fn send(
        &self,
        method: Method,
        session: Option<&Session>,
        body: Bytes,
    ) -> Result<ClientResponse, UpstreamError> {
        let accept = if method == Method::GET { "text/event-stream" } else { BOTH_TYPES };
        let mut request =
            client::local().request(method.clone(), self.url.as_str()).insert_header((header::ACCEPT, accept));
        if method == Method::POST {
            request = request.insert_header((header::CONTENT_TYPE, "application/json"));
        }
        for (name, value) in &self.target.headers {
            request = request.insert_header((name.as_str(), value.expose()));
        }
        if let Some(session) = session {
            request = request.insert_header((VERSION_HEADER, session.version()));
            if let Some(id) = session.child_session() {
                request = request.insert_header((SESSION_HEADER, id));
            }
        }
        // A GET stream may stay silent for hours; a call may not.
        let sent =
            if method == Method::GET { request.send() } else { request.timeout(self.call_timeout).send_body(body) };
        sent.await.map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &SendRequestError) -> UpstreamError {
        match error {
            SendRequestError::Timeout => UpstreamError::TimedOut { seconds: self.call_timeout.as_secs() },
            error => unreachable(error),
        }
    }

    async fn delete(&self, session: &str) {
        let mut request = client::local().delete(self.url.as_str()).insert_header((SESSION_HEADER, session));
        for (name, value) in &self.target.headers {
            request = request.insert_header((name.as_str(), value.expose()));
        }
        // A child may refuse DELETE (405) or be gone: either way there is nothing left to do.
        let _ = request.timeout(Duration::from_secs(5)).send().await;
    }

    /// Sends `message`; opens the session anew, once, when the child has forgotten it.
    async fn send_in_session(
        &self,
        method: Method,
        session: &Session,
        body: Bytes,
    ) -> Result<ClientResponse, UpstreamError> {
        let response = self.send(method.clone(), Some(session), body.clone()).await?;
        if response.status() != StatusCode::NOT_FOUND || session.child_session().is_none() {
            return Ok(response);
        }
        self.reopen(session).await?;
        let response = self.send(method, Some(session), body).await?;
        if response.status() == StatusCode::NOT_FOUND { Err(UpstreamError::SessionLost) } else { Ok(response) }
    }

    async fn reopen(&self, session: &Session) -> Result<(), UpstreamError> {
        session.set_child_session(None);
        let response = self.send(Method::POST, Some(session), session.hello().clone()).await?;
        session.set_child_session(session_of(&response));
        self.answer_of(response).await?;
        let initialized = Bytes::from_static(br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
        let mut accepted = self.send(Method::POST, Some(session), initialized).await?;
        self.collect(&mut accepted).await.map(|_| ())
    }

    /// The one response in an answer, whether it came as JSON or as events.
    async fn answer_of(&self, mut response: ClientResponse) -> Result<Message, UpstreamError> {
        if !response.status().is_success() {
            return Err(UpstreamError::Unreachable {
                detail: format!("it answered HTTP {}", response.status().as_u16()),
            });
        }
        if !is_event_stream(&response) {
            let body = self.collect(&mut response).await?;
            return Message::parse(body).map_err(|error| UpstreamError::Protocol { detail: error.to_string() });
        }
        let mut reader = EventReader::default();
        while let Some(chunk) = response.next().await {
            let chunk = chunk.map_err(|error| unreachable(&error))?;
            let events = reader
                .feed(&chunk, self.max_answer_bytes)
                .map_err(|error| UpstreamError::Protocol { detail: error.to_string() })?;
            let messages = events.into_iter().filter_map(|event| Message::parse(event).ok());
            if let Some(answer) = messages.into_iter().find(|message| message.kind() == Kind::Response) {
                return Ok(answer);
            }
        }
        Err(UpstreamError::Protocol { detail: "its event stream ended without an answer".to_owned() })
    }

    async fn collect(&self, response: &mut ClientResponse) -> Result<Bytes, UpstreamError> {
        // Read to the very end: only then does the connection go back to the pool.
        let mut whole = Bytes::new();
        let mut pieces = BytesMut::new();
        while let Some(chunk) = response.next().await {
            let chunk = chunk.map_err(|error| unreachable(&error))?;
            if whole.len() + pieces.len() + chunk.len() > self.max_answer_bytes {
                return Err(UpstreamError::Protocol {
                    detail: format!("its answer is larger than {} bytes", self.max_answer_bytes),
                });
            }
            if whole.is_empty() && pieces.is_empty() {
                whole = chunk;
                continue;
            }
            pieces.extend_from_slice(&std::mem::take(&mut whole));
            pieces.extend_from_slice(&chunk);
        }
        Ok(if pieces.is_empty() { whole } else { pieces.freeze() })
    }

    async fn reply_of(&self, mut response: ClientResponse) -> Result<Reply, UpstreamError> {
        if response.status() == StatusCode::OK && is_json(&response) {
            return self.collect(&mut response).await.map(Reply::Message);
        }
        Ok(Reply::Relay(passthrough::relay(response)))
    }
}

impl Drop for HttpUpstream {
    fn drop(&mut self) {
        client::departed();
    }
}

fn unreachable(error: &dyn std::fmt::Display) -> UpstreamError {
    UpstreamError::Unreachable { detail: error.to_string() }
}

fn session_of(response: &ClientResponse) -> Option<String> {
    response.headers().get(SESSION_HEADER)?.to_str().ok().map(str::to_owned)
}

fn content_type(response: &ClientResponse) -> &[u8] {
    response.headers().get(header::CONTENT_TYPE).map_or(&[], |value| value.as_bytes())
}

fn is_event_stream(response: &ClientResponse) -> bool {
    content_type(response).starts_with(b"text/event-stream")
}

fn is_json(response: &ClientResponse) -> bool {
    content_type(response).starts_with(b"application/json")
}

fn length_of(response: &ClientResponse) -> Option<u64> {
    response.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

impl Upstream for HttpUpstream {
    fn open(
        self: Arc<Self>,
        session: Arc<Session>,
        initialize: Message,
    ) -> LocalBoxFuture<'static, Result<Bytes, UpstreamError>> {
        async move {
            let response = self.send(Method::POST, None, initialize.body().clone()).await?;
            session.set_child_session(session_of(&response));
            let answer = self.answer_of(response).await?;
            Ok(answer.body().clone())
        }
        .boxed_local()
    }

    fn call(
        self: Arc<Self>,
        session: Arc<Session>,
        request: Message,
    ) -> LocalBoxFuture<'static, Result<Reply, UpstreamError>> {
        async move {
            let response = self.send_in_session(Method::POST, &session, request.body().clone()).await?;
            self.reply_of(response).await
        }
        .boxed_local()
    }

    fn notify(
        self: Arc<Self>,
        session: Arc<Session>,
        message: Message,
    ) -> LocalBoxFuture<'static, Result<(), UpstreamError>> {
        async move {
            let mut response = self.send_in_session(Method::POST, &session, message.body().clone()).await?;
            let status = response.status();
            if status.is_success() {
                return self.collect(&mut response).await.map(|_| ());
            }
            Err(UpstreamError::Unreachable { detail: format!("it answered HTTP {}", status.as_u16()) })
        }
        .boxed_local()
    }

    fn listen(self: Arc<Self>, session: Arc<Session>) -> LocalBoxFuture<'static, Result<Reply, UpstreamError>> {
        async move {
            let response = self.send_in_session(Method::GET, &session, Bytes::new()).await?;
            match response.status() {
                StatusCode::METHOD_NOT_ALLOWED => {
                    Err(UpstreamError::NotOffered { what: "a stream of its own messages" })
                }
                _ => Ok(Reply::Relay(passthrough::relay(response))),
            }
        }
        .boxed_local()
    }

    fn end(self: Arc<Self>, session: Arc<Session>) -> LocalBoxFuture<'static, ()> {
        async move {
            if let Some(id) = session.child_session() {
                self.delete(&id).await;
            }
        }
        .boxed_local()
    }

    fn ping(self: Arc<Self>, timeout: Duration) -> LocalBoxFuture<'static, Result<(), UpstreamError>> {
        async move { self.initialize(timeout).await }.boxed_local()
    }

    fn http_base(&self) -> Option<&HttpTarget> {
        Some(&self.target)
    }
}
