//! A stdio child of the session era: initialised once, by us, for all clients of its instance.
//!
//! What the protocol keeps per connection is kept here per client: log levels, followed resources,
//! and whom a request of the child is meant for.

use std::{
    collections::HashSet,
    ops::Range,
    sync::{Arc, Weak},
    time::Duration,
};

use arc_swap::ArcSwap;
use bytes::Bytes;
use futures_util::{FutureExt, future::LocalBoxFuture};
use parking_lot::Mutex;

use super::{
    pending::{Claim, Client, MayBeAsked},
    pipe::{Abandoned, How, Listener, Pipe},
};
use crate::mcp::{
    ask::{Ask, Outcome},
    bridge::OUR_CAPABILITIES,
    capabilities::LogLevel,
    clock::Clock,
    discovery::level_of,
    error::{Code, UpstreamError},
    jsonrpc::{Kind, Message},
    session::{Session, Sessions},
    upstream::{Event, Pulse, Reply, SessionPeer, Terms},
    version,
};

/// Tools and prompts that are known to ask; a child cannot make us remember more.
const MAX_TOPICS: usize = 1000;

/// A running child.
pub struct SessionStdio {
    pipe: Arc<Pipe>,
    sessions: Arc<Sessions>,
    hello: Hello,
    /// The most verbose level that any client wants; the child has one for all.
    level: Mutex<Option<LogLevel>>,
    /// What the child has asked something in before.
    topics: ArcSwap<HashSet<String>>,
}

/// What becomes of a request before the child sees it.
enum Before {
    /// The child is called, perhaps with other params.
    Call(Message),
    /// It is answered here.
    Answered(Message),
}

/// The child's own answer to `initialize`.
struct Hello {
    answer: Message,
    version: Option<Range<usize>>,
}

impl SessionStdio {
    /// Opens the conversation with the child (lifecycle, "Initialization").
    ///
    /// # Errors
    /// When it does not answer in time, refuses, or ends.
    pub async fn initialize(
        pipe: Arc<Pipe>,
        sessions: Arc<Sessions>,
        timeout: Duration,
    ) -> Result<Arc<Self>, UpstreamError> {
        let params = format!(
            r#"{{"protocolVersion":"{}","capabilities":{OUR_CAPABILITIES},"clientInfo":{{"name":"berth","version":"{}"}}}}"#,
            version::LATEST_SESSION_ERA,
            env!("CARGO_PKG_VERSION")
        );
        let answer = pipe.ask("initialize", Some(&params), timeout).await?;
        let result = answer.result().ok_or_else(|| UpstreamError::Refused { detail: refusal(&answer) })?;
        let version = protocol_version(&answer, result);
        let hello = Hello { answer, version };
        let child = Arc::new(Self { pipe, sessions, hello, level: Mutex::default(), topics: ArcSwap::default() });
        let weak: Weak<Self> = Arc::downgrade(&child);
        child.pipe.listen(weak);
        let initialized = Bytes::from_static(b"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n");
        child.pipe.writer.send(initialized)?;
        child.go_on();
        Ok(child)
    }

    /// The raw JSON of the child's answer to `initialize`.
    #[must_use]
    pub fn hello(&self) -> &str {
        self.hello.answer.result().unwrap_or("{}")
    }

    /// A restarted child has forgotten what clients follow and how much they want to read.
    fn go_on(&self) {
        let sessions = self.sessions.all();
        let mut uris: Vec<String> = sessions.iter().flat_map(|session| session.subscriptions()).collect();
        uris.sort_unstable();
        uris.dedup();
        for uri in uris {
            self.tell("resources/subscribe", &serde_json::json!({ "uri": uri }));
        }
        if let Some(level) = sessions.iter().filter_map(|session| session.level()).min() {
            *self.level.lock() = Some(level);
            self.tell("logging/setLevel", &serde_json::json!({ "level": level.as_str() }));
        }
    }

    /// A request whose answer nobody waits for.
    fn tell(&self, method: &str, params: &serde_json::Value) {
        let id = self.pipe.pending.mint();
        let line = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"{method}\",\"params\":{params}}}\n");
        // A failure means that the child is ending; its successor is told by `go_on`.
        let _ = self.pipe.writer.send(Bytes::from(line));
    }

    /// Each session gets the message on exactly one stream (transports, "Multiple Connections").
    fn deliver(&self, message: &Message, concerns: impl Fn(&Session) -> bool) {
        let mut newest = None;
        for session in self.sessions.all() {
            if !concerns(&session) {
                continue;
            }
            if let Some(Event::Note(note)) = session.deliver(Event::Note(message.clone()))
                && !session.is_internal()
            {
                let newest = newest.get_or_insert_with(|| self.pipe.pending.newest_calls());
                match newest.get(&session.id()) {
                    // Full: the client is slow, and is never waited for.
                    Some(call) => drop(self.pipe.pending.note(*call, note)),
                    None => session.keep(note),
                }
            }
        }
    }

    /// A log line goes to each client that wants this much. Behind the bridge every call is a client
    /// of its own, and nothing says which of them the line is about.
    fn deliver_log(&self, message: &Message) {
        let level = level_of(message);
        self.deliver(message, |session| !session.is_internal() && session.level().is_none_or(|wanted| level >= wanted));
        for call in self.pipe.pending.log_readers(level) {
            self.pipe.pending.note(call, message.clone());
        }
    }

    /// An ask that belongs to no call goes to the one client that has a stream open for such things.
    fn ask_somebody(&self, request: Message) {
        let all = self.sessions.all();
        let mut able = all
            .iter()
            .filter(|session| session.streaming() && session.capabilities().allows(request.method(), request.params()));
        match (able.next(), able.next()) {
            (Some(session), None) => {
                // A stream that has just closed gives the ask back; dropping it answers the child.
                let _ = session.deliver(Event::Ask(self.ask(request)));
            }
            _ => self.refuse(&request, "no client is there that could be asked"),
        }
    }

    fn ask(&self, request: Message) -> Ask {
        let (pipe, id) = (Arc::clone(&self.pipe), request.id().to_owned());
        Ask::new(request, move |outcome| pipe.respond(&id, &outcome))
    }

    /// An ask that belongs to this call. The child hears the answer when the call has its turn again: it
    /// may ask the next thing then.
    fn ask_in(&self, call: u64, request: Message, clock: Arc<Clock>) -> Ask {
        let (pipe, id) = (Arc::clone(&self.pipe), request.id().to_owned());
        Ask::new(request, move |outcome| {
            // First: the child may ask the next thing before this thread gets any further.
            if pipe.pending.resume(call, &clock) {
                pipe.respond(&id, &outcome);
                return;
            }
            actix_rt::spawn(async move {
                pipe.pending.resume_in_turn(call, &clock).await;
                pipe.respond(&id, &outcome);
            });
        })
    }

    fn refuse(&self, request: &Message, text: &str) {
        log::debug!("the child's {} is refused: {text}", request.method());
        self.pipe.respond(request.id(), &Outcome::refusal(Code::MethodNotFound, text));
    }

    /// The most verbose of all levels, if this changes what the child was told last.
    fn raise_level(&self, wanted: LogLevel) -> LogLevel {
        let mut level = self.level.lock();
        let others = self.sessions.all().iter().filter_map(|session| session.level()).min();
        let most = others.map_or(wanted, |others| others.min(wanted));
        *level = Some(most);
        most
    }

    /// What a request means to this instance beyond the child's answer.
    fn before_call(&self, session: &Session, request: Message) -> Before {
        match request.method() {
            "resources/subscribe" => {
                if let Some(Err(error)) = request.param("uri").map(|uri| session.subscribe(&uri)) {
                    let refusal = Message::failure(request.id(), Code::InvalidParams, &error.to_string());
                    return Before::Answered(refusal);
                }
            }
            "resources/unsubscribe" => {
                if let Some(uri) = request.param("uri") {
                    session.unsubscribe(&uri);
                    if self.sessions.anyone_follows(&uri) {
                        return Before::Answered(Message::success(request.id(), "{}"));
                    }
                }
            }
            "logging/setLevel" => {
                if let Some(level) = request.param("level").and_then(|level| LogLevel::read(&level)) {
                    session.set_level(level);
                    return Before::Call(with_level(request, self.raise_level(level)));
                }
            }
            _ => {}
        }
        Before::Call(request)
    }

    /// Whether the child may ask something during this call: only during such as may be answered with
    /// `input_required` in 2026-07-28, and completion.
    fn may_be_asked(&self, request: &Message) -> MayBeAsked {
        if !matches!(request.method(), "tools/call" | "prompts/get" | "resources/read" | "completion/complete") {
            return MayBeAsked::No;
        }
        let topics = self.topics.load();
        // Most servers never ask, and then no name is looked up.
        if !topics.is_empty() && topics.contains(&topic(request)) { MayBeAsked::Known } else { MayBeAsked::Perhaps }
    }

    /// The child has asked during a call about this.
    fn learn(&self, request: &Message) {
        let topic = topic(request);
        if self.topics.load().contains(&topic) {
            return;
        }
        self.topics.rcu(|topics| {
            let mut topics = HashSet::clone(topics);
            if topics.len() < MAX_TOPICS {
                topics.insert(topic.clone());
            }
            topics
        });
    }

    /// Cancels the client's call at the child, and ends it here: servers do not answer what was
    /// cancelled (utilities/cancellation), and nobody waits for it.
    fn cancel(&self, session: &Session, message: &Message) -> Result<(), UpstreamError> {
        let Some((range, id)) = message.raw_param("requestId") else { return Ok(()) };
        // Not found: it is not running any more.
        let Some(minted) = self.pipe.pending.find(session.id(), id) else { return Ok(()) };
        let sent = self.pipe.writer.send_anyway(message.to_line(&mut [(range, minted.to_string().as_bytes())]));
        let over = Message::failure(id, Code::Internal, "the client cancelled the call");
        self.pipe.pending.answer(minted, over);
        sent
    }
}

/// What a call is about: a tool or prompt by its name, else the method alone.
fn topic(request: &Message) -> String {
    match request.method() {
        method @ ("tools/call" | "prompts/get") => format!("{method} {}", request.param("name").unwrap_or_default()),
        method => method.to_owned(),
    }
}

fn with_level(request: Message, level: LogLevel) -> Message {
    let quoted = format!("\"{}\"", level.as_str());
    match request.raw_param("level") {
        Some((range, _)) => request.spliced(&[(range, quoted.as_bytes())]),
        None => request,
    }
}

fn refusal(answer: &Message) -> String {
    let text = String::from_utf8_lossy(answer.body());
    format!("it refused `initialize`: {}", text.trim_end().chars().take(500).collect::<String>())
}

/// Where the version lies in the child's answer, quotes included.
fn protocol_version(answer: &Message, result: &str) -> Option<Range<usize>> {
    #[derive(serde::Deserialize)]
    struct Version<'a> {
        #[serde(borrow, rename = "protocolVersion")]
        version: Option<&'a serde_json::value::RawValue>,
    }
    let parsed: Version<'_> = serde_json::from_str(result).ok()?;
    Some(answer.span_of(parsed.version?.get()))
}

impl Listener for SessionStdio {
    fn notified(&self, message: &Message) {
        match message.method() {
            "notifications/resources/updated" => {
                let uri = message.param("uri").unwrap_or_default();
                self.deliver(message, |session| session.follows(&uri));
            }
            "notifications/message" => self.deliver_log(message),
            // It concerns a request of the child's; the client's answer will be ignored.
            "notifications/cancelled" => {}
            _ => self.deliver(message, |_| true),
        }
    }

    fn asked(&self, request: Message) {
        if request.method() == "ping" {
            self.pipe.respond(request.id(), &Outcome::Result(Bytes::from_static(b"{}")));
            return;
        }
        match self.pipe.pending.claim() {
            Claim::Call(id) => {
                if let Some(call) = self.pipe.pending.asks_in(id) {
                    self.learn(&call);
                }
                self.pipe.pending.ask(id, |clock| {
                    clock.stop();
                    Event::Ask(self.ask_in(id, request, clock))
                });
            }
            Claim::Nobody => self.ask_somebody(request),
            Claim::Ambiguous => self.refuse(
                &request,
                "several clients have calls running and nothing tells which of them is meant; \
                 give each connection its own process (mode `session`)",
            ),
        }
    }
}

impl SessionPeer for SessionStdio {
    fn open(
        self: Arc<Self>,
        session: Arc<Session>,
        initialize: Message,
    ) -> LocalBoxFuture<'static, Result<Message, UpstreamError>> {
        async move {
            let quoted = format!("\"{}\"", session.version());
            let mut edits: Vec<(Range<usize>, &[u8])> = Vec::with_capacity(2);
            edits.extend(self.hello.answer.id_span().map(|range| (range, initialize.id().as_bytes())));
            edits.extend(self.hello.version.clone().map(|range| (range, quoted.as_bytes())));
            edits.sort_by_key(|(range, _)| range.start);
            Ok(self.hello.answer.spliced(&edits))
        }
        .boxed_local()
    }

    fn call(
        self: Arc<Self>,
        session: Arc<Session>,
        request: Message,
        terms: Terms,
    ) -> LocalBoxFuture<'static, Result<Reply, UpstreamError>> {
        async move {
            let request = match self.before_call(&session, request) {
                Before::Call(request) => request,
                Before::Answered(answer) => return Ok(Reply::Answer(answer)),
            };
            let token =
                request.progress_token().map_err(|error| UpstreamError::Protocol { detail: error.to_string() })?;
            let client = Client {
                session: session.id(),
                raw_id: Box::from(request.id()),
                token: token.clone().map(|range| request.body().slice(range)),
                may_be_asked: self.may_be_asked(&request),
                request: request.clone(),
                terms,
            };
            let how = How {
                abandoned: if terms.stateless { Abandoned::Cancels } else { Abandoned::GoesOn },
                timeout: Some(self.pipe.limits.call_timeout),
            };
            Arc::clone(&self.pipe).call(request, client, token, how).await
        }
        .boxed_local()
    }

    fn notify(
        self: Arc<Self>,
        session: Arc<Session>,
        message: Message,
    ) -> LocalBoxFuture<'static, Result<(), UpstreamError>> {
        async move {
            let line = match (message.kind(), message.method()) {
                // The child has been told `initialized` once already.
                (Kind::Response, _) | (_, "notifications/initialized" | "notifications/progress") => None,
                (_, "notifications/cancelled") => return self.cancel(&session, &message),
                _ => Some(message.to_line(&mut [])),
            };
            line.map_or(Ok(()), |line| self.pipe.writer.send(line))
        }
        .boxed_local()
    }

    fn listen(self: Arc<Self>, _: Arc<Session>) -> LocalBoxFuture<'static, Result<(), UpstreamError>> {
        // The reader delivers to every session, always.
        async { Ok(()) }.boxed_local()
    }

    fn end(self: Arc<Self>, session: Arc<Session>) -> LocalBoxFuture<'static, ()> {
        async move {
            for uri in session.subscriptions() {
                session.unsubscribe(&uri);
                if !self.sessions.anyone_follows(&uri) {
                    self.tell("resources/unsubscribe", &serde_json::json!({ "uri": uri }));
                }
            }
        }
        .boxed_local()
    }
}

impl Pulse for SessionStdio {
    fn ping(self: Arc<Self>, timeout: Duration) -> LocalBoxFuture<'static, Result<(), UpstreamError>> {
        // An error answer is an answer: the child lives and reads.
        async move { self.pipe.ask("ping", None, timeout).await.map(|_| ()) }.boxed_local()
    }

    fn in_flight(&self) -> usize {
        self.pipe.in_flight()
    }
}
