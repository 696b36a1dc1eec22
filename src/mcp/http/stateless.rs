//! An HTTP child of the stateless era: POST only, and the headers that mirror the body.

mod call;

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use awc::{ClientResponse, http::Method};
use futures_util::{FutureExt, StreamExt, future::LocalBoxFuture};

use self::call::Call;
use super::{
    HttpChild, HttpTarget,
    events::Messages,
    is_event_stream,
    repeat::{self, Repeat},
};
use crate::mcp::{
    bridge::tools::{Fetch, ToolCache, page_params},
    discovery::{discover_params, our_keys, speaks_it},
    error::UpstreamError,
    jsonrpc::Message,
    mirrored::{self, Mismatch},
    upstream::{Pulse, Reply, StatelessCall, StatelessPeer},
    version,
};

/// Times that one request is sent again.
const MAX_REPEATS: u32 = 3;
/// Pages of a list of tools that are looked at for one.
const MAX_PAGES: usize = 100;

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
            let response = send(&child, &discover, &[]).await?;
            child.answer_of(response).await
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
        let deadline = self.child.deadline();
        let request = &call.request;
        let mut params: Vec<(String, String)> =
            call.mirrored.params.iter().map(|(name, value)| (format!("Mcp-Param-{name}"), value.clone())).collect();
        // A client with sessions does not mirror anything: it is done for it.
        if call.mirrored.method.is_empty() && request.method() == "tools/call" {
            params = self.child.until(deadline, self.tools.mirror(request, &*self)).await?;
        }
        let mut sent = Sent { request: call.request, params, repeats: 0 };
        let heard = self.child.until(deadline, self.hear(&mut sent)).await?;
        let messages = match heard {
            Heard::Answer(answer) => return Ok(Reply::Answer(answer.with_id(sent.request.id()))),
            Heard::Stream(response) => Messages::new(response, self.child.max_answer_bytes),
        };
        let listens = sent.request.method() == "subscriptions/listen";
        let deadline = (!listens).then_some(deadline);
        let call = Call { peer: Arc::clone(&self), messages, sent, is_fresh: true, deadline, _counted: counted };
        Ok(Reply::Events(call.events().boxed_local()))
    }

    /// Sends a request until it is answered, or until it may not be sent again.
    async fn hear(&self, sent: &mut Sent) -> Result<Heard, UpstreamError> {
        loop {
            let error = match self.attempt(sent).await {
                Ok(heard) => return Ok(heard),
                Err(error) => error,
            };
            if !self.may_repeat(sent, &error).await {
                return Err(error);
            }
        }
    }

    async fn attempt(&self, sent: &Sent) -> Result<Heard, UpstreamError> {
        let response = send(&self.child, &sent.request, &sent.params).await?;
        if is_event_stream(&response) && response.status().is_success() {
            return Ok(Heard::Stream(response));
        }
        self.child.plain_answer(response).await.map(Heard::Answer)
    }

    /// Whether a request whose process is gone may be sent to another. Counts it.
    async fn may_repeat(&self, sent: &mut Sent, error: &UpstreamError) -> bool {
        let is_lost = matches!(error, UpstreamError::Closed { .. } | UpstreamError::Unreachable { .. });
        if !is_lost || !self.child.is_pooled() || sent.repeats >= MAX_REPEATS {
            return false;
        }
        sent.repeats += 1;
        match sent.request.method() {
            "tools/call" => self.is_repeatable(&sent.request).await,
            _ => Repeat::of(&sent.request) == Repeat::Always,
        }
    }

    /// Whether the child says of the tool that it may be called twice. Asked of another process: only now does it
    /// matter.
    async fn is_repeatable(&self, call: &Message) -> bool {
        let Some(name) = call.param("name") else { return false };
        let mut cursor: Option<String> = None;
        for _ in 0..MAX_PAGES {
            let Ok(page) = self.page(cursor.as_deref()).await else { return false };
            let Some(result) = page.result() else { return false };
            if let Some(is) = repeat::is_repeatable(result, &name) {
                return is;
            }
            cursor = next_page(result);
            if cursor.is_none() {
                return false;
            }
        }
        false
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
) -> Result<ClientResponse, UpstreamError> {
    let name = mirrored::name_header(message);
    let mut more = vec![(mirrored::VERSION, version::STATELESS), (mirrored::METHOD, message.method())];
    more.extend(name.as_deref().map(|name| (mirrored::NAME, name)));
    more.extend(params.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    child.send(&Method::POST, &more, message.body().clone(), Repeat::of(message)).await
}

/// A request, as often as it has to be sent.
struct Sent {
    request: Message,
    params: Vec<(String, String)>,
    repeats: u32,
}

/// How an answer comes.
enum Heard {
    Answer(Message),
    Stream(ClientResponse),
}

fn next_page(result: &str) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Page {
        #[serde(default, rename = "nextCursor")]
        next: Option<String>,
    }
    serde_json::from_str::<Page>(result).ok()?.next
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
            let fetch = async { self.child.answer_of(send(&self.child, &request, &[]).await?).await };
            self.child.until(self.child.deadline(), fetch).await
        }
        .boxed_local()
    }
}

impl Pulse for StatelessHttp {
    fn ping(self: Arc<Self>, timeout: Duration) -> LocalBoxFuture<'static, Result<(), UpstreamError>> {
        async move {
            let discover = Message::own("server/discover", &discover_params());
            let attempt = async {
                let response = send(&self.child, &discover, &[]).await?;
                self.child.answer_of(response).await.map(drop)
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
