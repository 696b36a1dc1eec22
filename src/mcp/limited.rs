//! A child as somebody sees it who may use some of its tools only.
//!
//! Stands between a front and the child's view for it, so that every front and both eras obey it, and
//! only requests of those who are limited pass here at all. What a request wants is read from its body.
//! A member that only some parsers take for one that decides (another case, a second time) is refused:
//! the child might read it.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, future::LocalBoxFuture};
use serde_json::value::RawValue;
use thiserror::Error;

use super::{
    error::{Code, UpstreamError},
    jsonrpc::Message,
    members::{Member, members, only, string},
    mirrored::Mismatch,
    session::Session,
    upstream::{Event, Reply, SessionPeer, StatelessCall, StatelessPeer, Terms, Upstream},
};
use crate::domain::tools::ToolLimit;

/// Why a message may not pass.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Denied {
    /// It calls a tool that may not be called.
    #[error("the tool {name:?} may not be called: access is limited to {limit}")]
    Tool {
        /// The tool.
        name: String,
        /// The limit, in words.
        limit: String,
    },
    /// It is about calls of anybody.
    #[error("{method} may not be used: access is limited to {limit}")]
    Method {
        /// The method.
        method: String,
        /// The limit, in words.
        limit: String,
    },
    /// What it wants is not certain.
    #[error("{what}: with access that is limited to some tools, a message must be unmistakable")]
    Unclear {
        /// What is wrong.
        what: &'static str,
    },
}

impl Denied {
    /// The answer to the request with this raw id.
    #[must_use]
    pub fn answer(&self, id: &str) -> Message {
        Message::failure(id, self.code(), &self.to_string())
    }

    /// Its JSON-RPC code.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Tool { .. } | Self::Method { .. } => Code::BadState,
            Self::Unclear { .. } => Code::InvalidRequest,
        }
    }
}

/// Whether `message` may go to the child.
///
/// # Errors
/// When it may not.
pub fn check(limit: &ToolLimit, message: &Message) -> Result<(), Denied> {
    let envelope = std::str::from_utf8(message.body()).ok().and_then(members);
    if envelope
        .is_none_or(|fields| fields.iter().any(|field| is_lookalike(field, &["jsonrpc", "id", "method", "params"])))
    {
        return Err(Denied::Unclear { what: "a member looks like `method` or `params`" });
    }
    match message.method() {
        "tools/call" => {
            let name = tool_of(message)?;
            if limit.may_call(&name) { Ok(()) } else { Err(Denied::Tool { name, limit: limit.to_string() }) }
        }
        // They tell of calls that others have made, and go on with them.
        method if method == "tasks/list" || (limit.read_only && method.starts_with("tasks/")) => {
            Err(Denied::Method { method: method.to_owned(), limit: limit.to_string() })
        }
        _ => Ok(()),
    }
}

/// The tool that a call names.
fn tool_of(message: &Message) -> Result<String, Denied> {
    const UNCLEAR: Denied = Denied::Unclear { what: "a call names its tool in `params.name`, once, as a text" };
    let fields = message.params().and_then(members).ok_or(UNCLEAR)?;
    if fields.iter().any(|field| is_lookalike(field, &["name"])) {
        return Err(UNCLEAR);
    }
    let name = only(&fields, "name").ok().flatten().and_then(|field| string(field.value));
    name.map(std::borrow::Cow::into_owned).ok_or(UNCLEAR)
}

/// Whether a parser that does not tell cases apart takes the member for one of these, which it is not.
/// Go's `encoding/json` is one, and folds by Unicode: ſ is an s to it.
fn is_lookalike(field: &Member<'_>, names: &[&str]) -> bool {
    let Some(name) = field.name() else { return false };
    !names.contains(&&*name) && names.contains(&name.to_uppercase().to_lowercase().as_str())
}

/// `answer` to `tools/list` with those tools only that the limit shows. What is left stays as the child
/// wrote it. As it is this client's alone now, nobody may keep it for others.
fn shown(limit: &ToolLimit, answer: Message) -> Message {
    let fields = answer.result().and_then(members).unwrap_or_default();
    let mut edits: Vec<(std::ops::Range<usize>, String)> = Vec::new();
    for field in &fields {
        if field.is("tools") {
            edits.extend(kept(limit, field.value).map(|text| (answer.span_of(field.value), text)));
        } else if field.is("cacheScope") && field.value != PRIVATE {
            edits.push((answer.span_of(field.value), PRIVATE.to_owned()));
        }
    }
    if edits.is_empty() {
        return answer;
    }
    let edits: Vec<_> = edits.iter().map(|(range, text)| (range.clone(), text.as_bytes())).collect();
    answer.spliced(&edits)
}

const PRIVATE: &str = r#""private""#;

/// The raw array `tools` without those that are not shown; `None` when all are, or it is no array.
fn kept(limit: &ToolLimit, tools: &str) -> Option<String> {
    let all: Vec<&RawValue> = serde_json::from_str(tools).ok()?;
    let name_of = |tool: &RawValue| {
        let fields = members(tool.get())?;
        only(&fields, "name").ok().flatten().and_then(|field| string(field.value)).map(std::borrow::Cow::into_owned)
    };
    let is_shown = |tool: &&&RawValue| name_of(tool).is_some_and(|name| limit.may_list(&name));
    let kept: Vec<&str> = all.iter().filter(is_shown).map(|tool| tool.get()).collect();
    (kept.len() < all.len()).then(|| format!("[{}]", kept.join(",")))
}

/// The child as this limit shows it.
#[must_use]
pub fn limited(upstream: Upstream, limit: &ToolLimit) -> Upstream {
    let limit = Arc::new(limit.clone());
    Upstream {
        sessions: Arc::new(Limited { inner: upstream.sessions, limit: Arc::clone(&limit) }),
        stateless: Arc::new(Limited { inner: upstream.stateless, limit }),
        ..upstream
    }
}

/// One view of a child, limited.
struct Limited<P: ?Sized> {
    inner: Arc<P>,
    limit: Arc<ToolLimit>,
}

type Answered = LocalBoxFuture<'static, Result<Reply, UpstreamError>>;

impl<P: ?Sized> Limited<P> {
    /// Has `request` answered by `call`, if it may be, and only with what may be seen.
    fn through(&self, request: &Message, call: impl FnOnce() -> Answered) -> Answered {
        if let Err(denied) = check(&self.limit, request) {
            let answer = denied.answer(request.id());
            return async move { Ok(Reply::Answer(answer)) }.boxed_local();
        }
        let answering = call();
        if request.method() != "tools/list" {
            return answering;
        }
        let limit = Arc::clone(&self.limit);
        async move {
            Ok(match answering.await? {
                Reply::Answer(answer) => Reply::Answer(shown(&limit, answer)),
                Reply::Events(events) => Reply::Events(
                    events
                        .map(move |event| match event {
                            Event::Answer(answer) => Event::Answer(shown(&limit, answer)),
                            event => event,
                        })
                        .boxed_local(),
                ),
            })
        }
        .boxed_local()
    }
}

impl SessionPeer for Limited<dyn SessionPeer> {
    fn open(
        self: Arc<Self>,
        session: Arc<Session>,
        initialize: Message,
    ) -> LocalBoxFuture<'static, Result<Message, UpstreamError>> {
        Arc::clone(&self.inner).open(session, initialize)
    }

    fn call(self: Arc<Self>, session: Arc<Session>, request: Message, terms: Terms) -> Answered {
        let handed_on = request.clone();
        self.through(&request, || Arc::clone(&self.inner).call(session, handed_on, terms))
    }

    fn notify(
        self: Arc<Self>,
        session: Arc<Session>,
        message: Message,
    ) -> LocalBoxFuture<'static, Result<(), UpstreamError>> {
        match check(&self.limit, &message) {
            Ok(()) => Arc::clone(&self.inner).notify(session, message),
            Err(denied) => async move { Err(UpstreamError::Refused { detail: denied.to_string() }) }.boxed_local(),
        }
    }

    fn listen(self: Arc<Self>, session: Arc<Session>) -> LocalBoxFuture<'static, Result<(), UpstreamError>> {
        Arc::clone(&self.inner).listen(session)
    }

    fn end(self: Arc<Self>, session: Arc<Session>) -> LocalBoxFuture<'static, ()> {
        Arc::clone(&self.inner).end(session)
    }
}

impl StatelessPeer for Limited<dyn StatelessPeer> {
    fn call(self: Arc<Self>, call: StatelessCall) -> Answered {
        let request = call.request.clone();
        self.through(&request, || Arc::clone(&self.inner).call(call))
    }

    fn check_params<'a>(
        self: Arc<Self>,
        call: &'a StatelessCall,
    ) -> LocalBoxFuture<'a, Result<Result<(), Mismatch>, UpstreamError>> {
        Arc::clone(&self.inner).check_params(call)
    }
}

/// What of a body may not pass, with the raw id of the first request that may not: a batch passes as a
/// whole or not at all, so that what it says in one breath is not done by halves.
///
/// # Errors
/// When something may not pass.
pub fn check_batch(limit: &ToolLimit, batch: &Bytes) -> Result<(), (String, Denied)> {
    // What is no batch, or of what is no message, is refused where batches are read.
    let parts: Vec<&RawValue> = serde_json::from_slice(batch).unwrap_or_default();
    for part in parts {
        let Ok(message) = Message::parse(Bytes::copy_from_slice(part.get().as_bytes())) else { continue };
        check(limit, &message).map_err(|denied| (message.id().to_owned(), denied))?;
    }
    Ok(())
}

#[cfg(test)]
#[path = "limited/tests.rs"]
mod tests;
