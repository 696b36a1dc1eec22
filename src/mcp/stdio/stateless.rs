//! A stdio child of the stateless era: every request says everything, so clients share the process
//! without sharing a conversation.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use futures_util::{FutureExt, StreamExt, future::LocalBoxFuture};

use super::{
    pending::{Client, MayBeAsked},
    pipe::{Abandoned, How, Listener, Pipe},
};
use crate::mcp::{
    ask::Outcome,
    bridge::tools::{Fetch, ToolCache},
    discovery::{closure, discover_params, level_of, our_keys, speaks_it, subscription_id},
    error::{Code, UpstreamError},
    jsonrpc::Message,
    mirrored::Mismatch,
    session::SessionId,
    upstream::{Event, Pulse, Reply, StatelessCall, StatelessPeer, Terms},
};

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
            let text = "more has changed than you have read; listen again";
            self.pipe.pending.answer(call, Message::failure(&raw_id, Code::Internal, text));
            self.pipe.cancel(call, "the client is too slow");
        }
        Some(())
    }

    /// The child ends a subscription: on this transport it says so by a cancellation (stdio,
    /// "Cancellation").
    fn ended(&self, message: &Message) {
        let id = message.raw_param("requestId").and_then(|(_, id)| id.parse().ok());
        if let Some((call, raw_id)) = id.and_then(|call| Some((call, self.pipe.pending.raw_id(call)?))) {
            self.pipe.pending.answer(call, closure(&raw_id));
        }
    }
}

/// The closing answer of a listen stream names the subscription too: by the client's id, not by ours.
fn under_its_own_id(reply: Reply, id: String) -> Reply {
    let renamed = move |answer: Message| match subscription_id(&answer) {
        Some((range, _)) => answer.spliced(&[(range, id.as_bytes())]),
        None => answer,
    };
    match reply {
        Reply::Answer(answer) => Reply::Answer(renamed(answer)),
        Reply::Events(events) => Reply::Events(
            events
                .map(move |event| match event {
                    Event::Answer(answer) => Event::Answer(renamed(answer)),
                    event => event,
                })
                .boxed_local(),
        ),
    }
}

impl Listener for StatelessStdio {
    fn notified(&self, message: &Message) {
        if message.method() == "notifications/message" {
            for call in self.pipe.pending.log_readers(level_of(message)) {
                // Full: the client is slow, and is never waited for.
                let _ = self.pipe.pending.note(call, message.clone());
            }
            return;
        }
        if message.method() == "notifications/cancelled" {
            self.ended(message);
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
            let id = request.id().to_owned();
            let reply = Arc::clone(&self.pipe).call(request, client, meta.progress_token, how).await?;
            Ok(if listens { under_its_own_id(reply, id) } else { reply })
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
