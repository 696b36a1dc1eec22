//! An HTTP child of the stateless era: POST only, and the headers that mirror the body.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use awc::{ClientResponse, http::Method};
use futures_util::{FutureExt, StreamExt, future::LocalBoxFuture, stream};

use super::{Counted, HttpChild, HttpTarget, bad_status, broken, events::Messages, is_event_stream};
use crate::mcp::{
    bridge::tools::{Fetch, ToolCache, page_params},
    discovery::{discover_params, our_keys, speaks_it},
    error::{Code, UpstreamError},
    jsonrpc::{Kind, Message},
    mirrored::{self, Mismatch},
    upstream::{Event, Pulse, Reply, StatelessCall, StatelessPeer},
    version,
};

/// A running child.
pub struct StatelessHttp {
    child: Arc<HttpChild>,
    discovered: Message,
    tools: ToolCache,
}

impl StatelessHttp {
    /// Asks the child what it speaks (streamable-http, "Backward Compatibility"); `None` when it answers,
    /// but not as a child of this era does.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub async fn probe(child: Arc<HttpChild>, timeout: Duration) -> Result<Option<Arc<Self>>, UpstreamError> {
        let discover = Message::own("server/discover", &discover_params());
        let attempt = async {
            let response = send(&child, &discover, &[], timeout).await?;
            answer_of(&child, response).await
        };
        let answered = tokio::time::timeout(timeout, attempt)
            .await
            .unwrap_or(Err(UpstreamError::TimedOut { seconds: timeout.as_secs() }));
        match answered {
            Ok(discovered) if speaks_it(&discovered) => {
                Ok(Some(Arc::new(Self { child, discovered, tools: ToolCache::default() })))
            }
            // An answer that this era does not know, or a status that says so.
            Ok(_) | Err(UpstreamError::Status { .. } | UpstreamError::Protocol { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The child's answer to `server/discover`.
    #[must_use]
    pub const fn discovered(&self) -> &Message {
        &self.discovered
    }

    async fn serve(self: Arc<Self>, call: StatelessCall) -> Result<Reply, UpstreamError> {
        let counted = self.child.counted();
        let request = &call.request;
        let mut params: Vec<(String, String)> =
            call.mirrored.params.iter().map(|(name, value)| (format!("Mcp-Param-{name}"), value.clone())).collect();
        // A client with sessions does not mirror anything: it is done for it.
        if call.mirrored.method.is_empty() && request.method() == "tools/call" {
            params = self.tools.mirror(request, &*self).await?;
        }
        let mut response = send(&self.child, request, &params, self.child.call_timeout).await?;
        if is_event_stream(&response) && response.status().is_success() {
            let listens = request.method() == "subscriptions/listen";
            let messages = Messages::new(response, self.child.max_answer_bytes);
            let timeout = (!listens).then_some(self.child.call_timeout);
            let stream =
                Call { peer: Arc::clone(&self), messages, id: request.id().to_owned(), timeout, _counted: counted };
            return Ok(Reply::Events(stream.events().boxed_local()));
        }
        let status = bad_status(&response);
        let success = response.status().is_success();
        let body = self.child.collect(&mut response).await?;
        match Message::parse(body) {
            Ok(message) if message.kind() == Kind::Response => Ok(Reply::Answer(message.with_id(request.id()))),
            Err(error) if success => Err(broken(&error)),
            _ => Err(status),
        }
    }

    fn heard(&self, note: &Message) {
        if note.method() == "notifications/tools/list_changed" {
            self.tools.forget();
        }
    }
}

async fn send(
    child: &HttpChild,
    message: &Message,
    params: &[(String, String)],
    timeout: Duration,
) -> Result<ClientResponse, UpstreamError> {
    let mut request = child
        .request(&Method::POST)
        .insert_header((mirrored::VERSION, version::STATELESS))
        .insert_header((mirrored::METHOD, message.method()));
    if let Some(name) = mirrored::name_header(message) {
        request = request.insert_header((mirrored::NAME, name));
    }
    for (name, value) in params {
        request = request.append_header((name.as_str(), value.as_str()));
    }
    child.send(request, message.body().clone(), timeout).await
}

async fn answer_of(child: &HttpChild, mut response: ClientResponse) -> Result<Message, UpstreamError> {
    if is_event_stream(&response) {
        let mut messages = Messages::new(response, child.max_answer_bytes);
        while let Some(message) = messages.next().await {
            let message = message?;
            if message.kind() == Kind::Response {
                return Ok(message);
            }
        }
        return Err(UpstreamError::Protocol { detail: "its event stream ended without an answer".to_owned() });
    }
    let status = bad_status(&response);
    let success = response.status().is_success();
    let body = child.collect(&mut response).await?;
    Message::parse(body).map_err(|error| if success { broken(&error) } else { status })
}

/// A request whose answer comes as events. Dropping it closes the connection, which cancels it.
struct Call {
    peer: Arc<StatelessHttp>,
    messages: Messages,
    id: String,
    timeout: Option<Duration>,
    _counted: Counted,
}

impl Call {
    fn events(self) -> impl stream::Stream<Item = Event> {
        stream::unfold(Some(self), |call| async move {
            let mut call = call?;
            let failed = |call: &Self, text: &str| Event::Answer(Message::failure(&call.id, Code::Internal, text));
            loop {
                let next = match call.timeout {
                    None => call.messages.next().await,
                    Some(timeout) => match tokio::time::timeout(timeout, call.messages.next()).await {
                        Ok(next) => next,
                        Err(_) => {
                            let error = UpstreamError::TimedOut { seconds: timeout.as_secs() };
                            return Some((failed(&call, &error.to_string()), None));
                        }
                    },
                };
                match next {
                    Some(Ok(message)) => match message.kind() {
                        Kind::Response if message.answers(&call.id) => {
                            return Some((Event::Answer(message.with_id(&call.id)), None));
                        }
                        Kind::Response => log::debug!("an answer that nobody waits for was dropped"),
                        Kind::Notification => {
                            call.peer.heard(&message);
                            return Some((Event::Note(message), Some(call)));
                        }
                        // Servers of this era must not ask (streamable-http, "Receiving Messages").
                        Kind::Request => {}
                    },
                    Some(Err(error)) => return Some((failed(&call, &error.to_string()), None)),
                    None => return Some((failed(&call, "the server ended the stream before it answered"), None)),
                }
            }
        })
    }
}

impl StatelessPeer for StatelessHttp {
    fn call(self: Arc<Self>, call: StatelessCall) -> LocalBoxFuture<'static, Result<Reply, UpstreamError>> {
        self.serve(call).boxed_local()
    }

    fn check_params<'a>(
        self: Arc<Self>,
        call: &'a StatelessCall,
    ) -> LocalBoxFuture<'a, Result<Result<(), Mismatch>, UpstreamError>> {
        async move { self.tools.check(call, &*self).await }.boxed_local()
    }
}

impl Fetch for StatelessHttp {
    fn page<'a>(&'a self, cursor: Option<&'a str>) -> LocalBoxFuture<'a, Result<Message, UpstreamError>> {
        async move {
            let request = Message::own("tools/list", &page_params(cursor, Some(&our_keys())));
            let response = send(&self.child, &request, &[], self.child.call_timeout).await?;
            answer_of(&self.child, response).await
        }
        .boxed_local()
    }
}

impl Pulse for StatelessHttp {
    fn ping(self: Arc<Self>, timeout: Duration) -> LocalBoxFuture<'static, Result<(), UpstreamError>> {
        async move {
            let discover = Message::own("server/discover", &discover_params());
            let attempt = async {
                let response = send(&self.child, &discover, &[], timeout).await?;
                answer_of(&self.child, response).await.map(drop)
            };
            tokio::time::timeout(timeout, attempt)
                .await
                .unwrap_or(Err(UpstreamError::TimedOut { seconds: timeout.as_secs() }))
        }
        .boxed_local()
    }

    fn in_flight(&self) -> usize {
        self.child.in_flight.load(Relaxed)
    }

    fn http_base(&self) -> Option<&HttpTarget> {
        Some(&self.child.target)
    }
}
