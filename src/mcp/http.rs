//! A child (or remote server) that speaks Streamable HTTP.
//!
//! What the eras share is here: one request out, one answer back, as JSON or as a stream of events
//! that is taken apart into messages (their bytes stay as they came). [`SessionHttp`] keeps a session
//! at the child for each of ours; [`StatelessHttp`] says everything in every request.
//!
//! Owner of state: none but the keep-alive connections of each thread's [`awc::Client`].

mod client;
mod door;
mod events;
mod passthrough;
mod pool;
mod repeat;
mod session_era;
mod stateless;
mod target;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use awc::{
    ClientResponse,
    http::{Method, header},
};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use tokio::time::Instant;

use self::events::Messages;
use self::repeat::Repeat;
pub use self::{
    client::install_crypto_provider,
    door::{Dial, DialOutside, Via, dial_outside_by},
    passthrough::{PassRequest, Relay, pass},
    pool::{Pool, Ring, Worker},
    session_era::SessionHttp,
    stateless::StatelessHttp,
    target::{Address, Headers, HttpTarget},
};
use super::{
    error::UpstreamError,
    jsonrpc::{Kind, Message},
};

/// The header that carries a session id (header names are case-insensitive).
pub const SESSION_HEADER: &str = "mcp-session-id";
/// The header that carries the protocol version.
pub const VERSION_HEADER: &str = "mcp-protocol-version";
/// The header that says after which event a stream goes on.
pub const RESUME_HEADER: &str = "last-event-id";

const BOTH_TYPES: &str = "application/json, text/event-stream";

/// What is wrong with a stream that ends too soon.
const NO_ANSWER: &str = "its event stream ended without an answer";

/// A child's address and the bounds of talking to it.
pub struct HttpChild {
    target: HttpTarget,
    call_timeout: Duration,
    max_answer_bytes: usize,
    in_flight: Arc<AtomicUsize>,
}

/// Counts a call for as long as it is held.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(counter: &Arc<AtomicUsize>) -> Self {
        counter.fetch_add(1, Relaxed);
        Self(Arc::clone(counter))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl HttpChild {
    /// A child at `target`; nothing is sent yet. `max_answer_bytes` bounds each message of its.
    #[must_use]
    pub fn new(target: HttpTarget, call_timeout: Duration, max_answer_bytes: usize) -> Arc<Self> {
        Arc::new(Self { target, call_timeout, max_answer_bytes, in_flight: Arc::default() })
    }

    fn counted(&self) -> Counted {
        Counted::new(&self.in_flight)
    }

    /// When a call that begins now must be over.
    fn deadline(&self) -> Instant {
        Instant::now() + self.call_timeout
    }

    /// Does `work`, but not for longer than to `deadline`.
    async fn until<T>(
        &self,
        deadline: Instant,
        work: impl Future<Output = Result<T, UpstreamError>>,
    ) -> Result<T, UpstreamError> {
        tokio::time::timeout_at(deadline, work).await.unwrap_or_else(|_| Err(self.timed_out()))
    }

    fn timed_out(&self) -> UpstreamError {
        UpstreamError::TimedOut { seconds: self.call_timeout.as_secs() }
    }

    /// Sends `body` to its MCP endpoint with these headers beside the usual, for as long as the caller waits;
    /// comes back with the head of the answer.
    async fn send(
        &self,
        method: &Method,
        more: &[(&str, &str)],
        body: Bytes,
        repeat: Repeat,
    ) -> Result<ClientResponse, UpstreamError> {
        let make = |client: &awc::Client, url: &str| {
            let accept = if *method == Method::GET { "text/event-stream" } else { BOTH_TYPES };
            let mut request = client.request(method.clone(), url).insert_header((header::ACCEPT, accept));
            if *method == Method::POST {
                request = request.insert_header((header::CONTENT_TYPE, "application/json"));
            }
            more.iter().fold(request, |request, header| request.append_header(*header))
        };
        self.target.send(self.target.path(), make, body, repeat).await
    }

    /// Whether a failed call may find another process: the pool's, not ours to wait for.
    const fn is_pooled(&self) -> bool {
        self.target.is_pooled()
    }

    /// The one response in an answer, whether it came as JSON or as events.
    async fn answer_of(&self, response: ClientResponse) -> Result<Message, UpstreamError> {
        if !is_event_stream(&response) {
            return self.plain_answer(response).await;
        }
        let mut messages = Messages::new(response, self.max_answer_bytes);
        while let Some(message) = messages.next().await {
            let message = message?;
            if message.kind() == Kind::Response {
                return Ok(message);
            }
        }
        Err(UpstreamError::Protocol { detail: NO_ANSWER.to_owned() })
    }

    /// The response in an answer that came as JSON. A refusal may carry its reason as a JSON-RPC error;
    /// that is the answer then.
    async fn plain_answer(&self, mut response: ClientResponse) -> Result<Message, UpstreamError> {
        let status = bad_status(&response);
        let success = response.status().is_success();
        match Message::parse(self.collect(&mut response).await?) {
            Ok(message) if message.kind() == Kind::Response => Ok(message),
            Err(error) if success => Err(broken(&error)),
            _ => Err(status),
        }
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
}

impl Drop for HttpChild {
    fn drop(&mut self) {
        // The processes of a pool stay where they are.
        if !self.is_pooled() {
            client::departed();
        }
    }
}

fn unreachable(error: &dyn std::fmt::Display) -> UpstreamError {
    UpstreamError::Unreachable { detail: error.to_string() }
}

fn broken(error: &dyn std::fmt::Display) -> UpstreamError {
    UpstreamError::Protocol { detail: error.to_string() }
}

fn bad_status(response: &ClientResponse) -> UpstreamError {
    UpstreamError::Status { status: response.status().as_u16() }
}

fn content_type(response: &ClientResponse) -> &[u8] {
    response.headers().get(header::CONTENT_TYPE).map_or(&[], |value| value.as_bytes())
}

fn is_event_stream(response: &ClientResponse) -> bool {
    content_type(response).starts_with(b"text/event-stream")
}

fn length_of(response: &ClientResponse) -> Option<u64> {
    response.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
