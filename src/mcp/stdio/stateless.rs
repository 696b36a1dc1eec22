//! A stdio child of the stateless era: every request says everything, so clients share the process
//! without sharing a conversation.

use std::{
    ops::Range,
    sync::{Arc, Weak},
    time::Duration,
};

use futures_util::{FutureExt, future::LocalBoxFuture};

use super::{
    pending::{Client, MayBeAsked},
    pipe::{Abandoned, How, Listener, Pipe},
};
use crate::mcp::{
    ask::Outcome,
    bridge::tools::{Fetch, ToolCache},
    capabilities::LogLevel,
    error::{Code, UpstreamError},
    jsonrpc::Message,
    members::{members, only},
    meta,
    mirrored::Mismatch,
    session::SessionId,
    upstream::{Pulse, Reply, StatelessCall, StatelessPeer, Terms},
    version,
};

/// The key under which what a listen stream carries names its subscription.
pub(in crate::mcp) const SUBSCRIPTION_ID: &str = "io.modelcontextprotocol/subscriptionId";

/// A running child.
pub struct StatelessStdio {
    pipe: Arc<Pipe>,
    discovered: Message,
    tools: ToolCache,
}

/// What the probe of a child has shown.
pub enum Probed {
    /// It speaks the stateless era.
    Stateless(Arc<StatelessStdio>),
    /// It answered, but not as a child of that era does: it is one of the session era.
    Session,
}

impl StatelessStdio {
    /// Asks the child what it speaks (stdio, "Backward Compatibility": anything but a discovery or an
    /// error of this era means the other).
    ///
    /// # Errors
    /// When it does not answer in time, or ends.
    pub async fn probe(pipe: Arc<Pipe>, timeout: Duration) -> Result<Probed, UpstreamError> {
        let discovered = pipe.ask("server/discover", Some(&discover_params()), timeout).await?;
        if !speaks_it(&discovered) {
            return Ok(Probed::Session);
        }
        let child = Arc::new(Self { pipe, discovered, tools: ToolCache::default() });
        let weak: Weak<Self> = Arc::downgrade(&child);
        child.pipe.listen(weak);
        Ok(Probed::Stateless(child))
    }

    /// The child's answer to `server/discover`.
    #[must_use]
    pub const fn discovered(&self) -> &Message {
        &self.discovered
    }

    /// Hands what a subscription carries to the request that opened it, under its client's own id.
    fn subscription(&self, message: &Message) -> Option<()> {
        let (range, id) = subscription_id(message)?;
        let call = id.parse().ok()?;
        let raw_id = self.pipe.pending.raw_id(call)?;
        // A listener that is too slow loses its stream: it must not believe that nothing has changed.
        if !self.pipe.pending.note(call, message.spliced(&[(range, raw_id.as_bytes())])) {
            self.pipe.pending.remove(call);
            self.pipe.cancel(call, "the client is too slow");
        }
        Some(())
    }
}

/// The parameters of our own `server/discover`.
pub(in crate::mcp) fn discover_params() -> String {
    format!(r#"{{"_meta":{{{}}}}}"#, our_keys())
}

/// What our own requests carry in `_meta`.
pub(in crate::mcp) fn our_keys() -> String {
    format!(
        r#""{}":"{}","{}":{{}},"{}":{{"name":"berth","version":"{}"}}"#,
        meta::PROTOCOL_VERSION,
        version::STATELESS,
        meta::CLIENT_CAPABILITIES,
        meta::CLIENT_INFO,
        env!("CARGO_PKG_VERSION")
    )
}

/// Whether an answer to `server/discover` is one of a child that speaks a version of ours.
pub(in crate::mcp) fn speaks_it(answer: &Message) -> bool {
    #[derive(serde::Deserialize)]
    struct Discovered {
        #[serde(rename = "supportedVersions")]
        versions: Vec<String>,
    }
    let discovered = answer.result().and_then(|result| serde_json::from_str::<Discovered>(result).ok());
    discovered.is_some_and(|it| it.versions.iter().any(|version| version == version::STATELESS))
}

/// Where the subscription id lies in a notification (or an answer) of a listen stream, and its text.
pub(in crate::mcp) fn subscription_id(message: &Message) -> Option<(Range<usize>, &str)> {
    let holder = message.params().or_else(|| message.result())?;
    let fields = members(holder)?;
    let meta = members(only(&fields, meta::META).ok()??.value)?;
    let id = only(&meta, SUBSCRIPTION_ID).ok()??.value;
    Some((message.span_of(id), id))
}

impl Listener for StatelessStdio {
    fn notified(&self, message: &Message) {
        if message.method() == "notifications/message" {
            let level = message.param("level").and_then(|level| LogLevel::read(&level)).unwrap_or(LogLevel::Info);
            for call in self.pipe.pending.log_readers(level) {
                // Full: the client is slow, and is never waited for.
                let _ = self.pipe.pending.note(call, message.clone());
            }
            return;
        }
        if message.method() == "notifications/tools/list_changed" {
            self.tools.forget();
        }
        if self.subscription(message).is_none() {
            log::debug!("a notification that belongs to nobody was dropped: {}", message.method());
        }
    }

    fn asked(&self, request: Message) {
        // Servers of this era must not ask (stdio, "Sending Messages").
        let refusal =
            Outcome::refusal(Code::MethodNotFound, "requests of servers are not part of this protocol version");
        self.pipe.respond(request.id(), &refusal);
    }
}

impl StatelessPeer for StatelessStdio {
    fn call(self: Arc<Self>, call: StatelessCall) -> LocalBoxFuture<'static, Result<Reply, UpstreamError>> {
        async move {
            let StatelessCall { request, meta, .. } = call;
            let listens = request.method() == "subscriptions/listen";
            let client = Client {
                session: SessionId::NONE,
                raw_id: Box::from(request.id()),
                token: meta.progress_token.clone().map(|range| request.body().slice(range)),
                may_be_asked: MayBeAsked::No,
                request: request.clone(),
                terms: Terms { stateless: true, level: meta.log_level },
            };
            let timeout = (!listens).then_some(self.pipe.limits.call_timeout);
            let how = How { abandoned: Abandoned::Cancels, timeout };
            Arc::clone(&self.pipe).call(request, client, meta.progress_token, how).await
        }
        .boxed_local()
    }

    fn check_params<'a>(
        self: Arc<Self>,
        call: &'a StatelessCall,
    ) -> LocalBoxFuture<'a, Result<Result<(), Mismatch>, UpstreamError>> {
        async move { self.tools.check(call, &*self).await }.boxed_local()
    }
}

impl Fetch for StatelessStdio {
    fn page<'a>(&'a self, cursor: Option<&'a str>) -> LocalBoxFuture<'a, Result<Message, UpstreamError>> {
        async move {
            let params = crate::mcp::bridge::tools::page_params(cursor, Some(&our_keys()));
            self.pipe.ask("tools/list", Some(&params), self.pipe.limits.call_timeout).await
        }
        .boxed_local()
    }
}

impl Pulse for StatelessStdio {
    fn ping(self: Arc<Self>, timeout: Duration) -> LocalBoxFuture<'static, Result<(), UpstreamError>> {
        // An error answer is an answer: the child lives and reads.
        async move { self.pipe.ask("server/discover", Some(&discover_params()), timeout).await.map(|_| ()) }
            .boxed_local()
    }

    fn in_flight(&self) -> usize {
        self.pipe.in_flight()
    }
}
