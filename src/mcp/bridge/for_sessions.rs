//! A stateless child as clients with sessions see it.
//!
//! What such a client said once (capabilities, log level, followed resources) is said for it in every
//! request; what the child wants to know is asked of it as a request of its own era, and the call is
//! made again with the answers.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
};

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, future::LocalBoxFuture, stream, stream::LocalBoxStream};
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::results;

use crate::domain::ids::UserId;
use crate::mcp::{
    ask::{Ask, Outcome},
    capabilities::LogLevel,
    discovery::our_keys,
    error::{Code, UpstreamError},
    jsonrpc::{Kind, Message},
    members::{Member, members, only},
    meta::{self, RequestMeta, borrowed, with_protocol_keys},
    mirrored::Mirrored,
    session::{Session, SessionId, Sessions},
    upstream::{Event, Reply, SessionPeer, StatelessCall, StatelessPeer, Terms},
    version,
};

/// Rounds after which a child that keeps asking is taken to be looping.
const MAX_ROUNDS: usize = 16;

/// The bridge of one child.
pub struct ForSessions {
    peer: Arc<dyn StatelessPeer>,
    sessions: Arc<Sessions>,
    /// On whose behalf the child is listened to.
    owner: UserId,
    /// The child's answer to `server/discover`.
    discovered: serde_json::Value,
    /// Calls that can be cancelled, by session and raw id.
    running: Mutex<HashMap<(SessionId, String), CancellationToken>>,
    /// Open listen streams at the child: one for its lists, one for each resource that is followed.
    listening: Mutex<HashMap<Topic, CancellationToken>>,
    myself: Weak<Self>,
}

/// What a listen stream at the child is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Topic {
    Lists,
    Resource(String),
}

impl ForSessions {
    /// The bridge to `peer`, which answered `server/discover` with `discovered`. What sessions that
    /// are open already follow is followed at once.
    #[must_use]
    pub fn new(
        peer: Arc<dyn StatelessPeer>,
        sessions: Arc<Sessions>,
        owner: UserId,
        discovered: &Message,
    ) -> Arc<Self> {
        let discovered = discovered.result().and_then(|result| serde_json::from_str(result).ok()).unwrap_or_default();
        let bridge = Arc::new_cyclic(|myself| Self {
            peer,
            sessions,
            owner,
            discovered,
            running: Mutex::default(),
            listening: Mutex::default(),
            myself: myself.clone(),
        });
        for session in bridge.sessions.all() {
            for uri in session.subscriptions() {
                bridge.listen_to(Topic::Resource(uri));
            }
            bridge.listen_to(Topic::Lists);
        }
        bridge
    }

    /// The answer to a client's `initialize`.
    fn hello(&self, session: &Session, id: &str) -> Message {
        let said = |name: &str| self.discovered.get(name).cloned();
        let mut capabilities = said("capabilities").unwrap_or_default();
        if let Some(fields) = capabilities.as_object_mut() {
            // They are negotiated per request, which this client cannot do.
            fields.remove("extensions");
        } else {
            capabilities = serde_json::json!({});
        }
        let info = self.discovered.pointer("/_meta/io.modelcontextprotocol~1serverInfo").cloned();
        let info = info.or_else(|| said("serverInfo"));
        let unnamed = || serde_json::json!({ "name": "server", "version": "0" });
        let mut result = serde_json::json!({
            "protocolVersion": session.version(),
            "capabilities": capabilities,
            "serverInfo": info.unwrap_or_else(unnamed),
        });
        if let Some(instructions) = said("instructions") {
            result["instructions"] = instructions;
        }
        Message::success(id, &result.to_string())
    }

    /// Opens a listen stream at the child, unless there is one.
    fn listen_to(&self, topic: Topic) {
        let can =
            |pointer: &str| self.discovered.pointer(pointer).and_then(serde_json::Value::as_bool).unwrap_or_default();
        let wanted = match &topic {
            Topic::Lists => serde_json::json!({
                "toolsListChanged": can("/capabilities/tools/listChanged"),
                "promptsListChanged": can("/capabilities/prompts/listChanged"),
                "resourcesListChanged": can("/capabilities/resources/listChanged"),
            }),
            Topic::Resource(uri) => serde_json::json!({ "resourceSubscriptions": [uri] }),
        };
        let nothing = wanted.as_object().is_some_and(|fields| fields.values().all(|value| *value == false));
        let mut listening = self.listening.lock();
        if nothing || listening.contains_key(&topic) {
            return;
        }
        let over = CancellationToken::new();
        listening.insert(topic.clone(), over.clone());
        let (peer, myself) = (Arc::clone(&self.peer), self.myself.clone());
        actix_rt::spawn(async move {
            tokio::select! {
                () = over.cancelled() => {}
                outcome = hear(peer, myself.clone(), &wanted) => {
                    if let Err(error) = outcome {
                        log::debug!("a listen stream at the child has ended: {error}");
                    }
                    if let Some(bridge) = myself.upgrade() {
                        bridge.listening.lock().remove(&topic);
                    }
                }
            }
        });
    }

    fn stop_listening(&self, uri: &str) {
        if !self.sessions.anyone_follows(uri)
            && let Some(over) = self.listening.lock().remove(&Topic::Resource(uri.to_owned()))
        {
            over.cancel();
        }
    }

    /// Hands on what the child announces, without the id of our subscription.
    fn announced(&self, note: &Message) {
        let note = untagged(note);
        let uri = (note.method() == "notifications/resources/updated").then(|| note.param("uri").unwrap_or_default());
        for session in self.sessions.all() {
            if uri.as_ref().is_none_or(|uri| session.follows(uri))
                && let Some(Event::Note(note)) = session.deliver(Event::Note(note.clone()))
            {
                session.keep(note);
            }
        }
    }

    /// What is answered here: the stateless era has no such requests.
    fn answer_here(&self, session: &Session, request: &Message) -> Option<Message> {
        let done = || Message::success(request.id(), "{}");
        let invalid = |text: &str| Message::failure(request.id(), Code::InvalidParams, text);
        Some(match request.method() {
            "ping" => done(),
            "logging/setLevel" => match request.param("level").and_then(|level| LogLevel::read(&level)) {
                Some(level) => {
                    session.set_level(level);
                    done()
                }
                None => {
                    invalid("`level` must be one of debug, info, notice, warning, error, critical, alert, emergency")
                }
            },
            "resources/subscribe" | "resources/unsubscribe" => match request.param("uri") {
                Some(uri) if request.method() == "resources/subscribe" => match session.subscribe(&uri) {
                    Ok(()) => {
                        self.listen_to(Topic::Resource(uri));
                        done()
                    }
                    Err(error) => invalid(&error.to_string()),
                },
                Some(uri) => {
                    session.unsubscribe(&uri);
                    self.stop_listening(&uri);
                    done()
                }
                None => invalid("`uri` must say which resource"),
            },
            _ => return None,
        })
    }

    async fn serve(self: Arc<Self>, session: Arc<Session>, request: Message) -> Result<Reply, UpstreamError> {
        if let Some(answer) = self.answer_here(&session, &request) {
            return Ok(Reply::Answer(answer));
        }
        let keys = keys_of(&session);
        let edits = with_protocol_keys(&request, &keys, None);
        let edits = match edits {
            Ok(edits) => edits,
            Err(error) => {
                return Ok(Reply::Answer(Message::failure(request.id(), Code::InvalidParams, &error.to_string())));
            }
        };
        let request = request.spliced_anew(&borrowed(&edits));
        let key = (session.id(), request.id().to_owned());
        let cancelled = CancellationToken::new();
        self.running.lock().insert(key.clone(), cancelled.clone());
        let running = Running { bridge: self.myself.clone(), key };
        let call = Call { bridge: self, session, request, cancelled, _running: running, rounds: 0 };
        call.reply().await
    }
}

/// A call of a session's client, through as many rounds as the child needs.
struct Call {
    bridge: Arc<ForSessions>,
    session: Arc<Session>,
    /// As the child is sent it, without input.
    request: Message,
    cancelled: CancellationToken,
    _running: Running,
    rounds: usize,
}

/// Makes a call cancellable for as long as it runs.
struct Running {
    bridge: Weak<ForSessions>,
    key: (SessionId, String),
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(bridge) = self.bridge.upgrade() {
            bridge.running.lock().remove(&self.key);
        }
    }
}

/// Where a call stands.
enum Stage {
    /// The child is at work.
    Working(LocalBoxStream<'static, Event>),
    /// The client is being asked: what is still to be sent to it, and what is awaited from it.
    Asking { questions: Vec<Ask>, awaited: Vec<(String, oneshot::Receiver<Outcome>)>, state: Option<String> },
}

impl Call {
    async fn reply(self) -> Result<Reply, UpstreamError> {
        let request = self.request.clone();
        let stage = match self.send(request).await? {
            Reply::Answer(answer) => match wanted(&answer) {
                None => return Ok(Reply::Answer(results::plain(&answer))),
                Some(result) => Stage::asking(&result),
            },
            Reply::Events(events) => Stage::Working(events),
        };
        let events = stream::unfold(Some((self, stage)), |state| async move {
            let (call, stage) = state?;
            Some(call.next(stage).await)
        });
        Ok(Reply::Events(events.boxed_local()))
    }

    async fn send(&self, request: Message) -> Result<Reply, UpstreamError> {
        let meta =
            RequestMeta::read(&request).map_err(|error| UpstreamError::Protocol { detail: error.to_string() })?;
        let caller = self.session.owner();
        let call = StatelessCall { request, meta, caller, mirrored: Mirrored::default() };
        tokio::select! {
            () = self.cancelled.cancelled() => Err(given_up()),
            reply = Arc::clone(&self.bridge.peer).call(call) => reply,
        }
    }

    async fn next(mut self, mut stage: Stage) -> (Event, Option<(Self, Stage)>) {
        loop {
            stage = match stage {
                Stage::Working(mut events) => {
                    let event = tokio::select! {
                        () = self.cancelled.cancelled() => return (self.failed(&given_up()), None),
                        event = events.next() => event,
                    };
                    match event {
                        Some(Event::Answer(answer)) => match wanted(&answer) {
                            None => return (Event::Answer(results::plain(&answer)), None),
                            Some(result) => Stage::asking(&result),
                        },
                        Some(event) => return (event, Some((self, Stage::Working(events)))),
                        None => return (self.failed(&no_answer()), None),
                    }
                }
                Stage::Asking { mut questions, awaited, state } => match questions.pop() {
                    Some(ask) => return (Event::Ask(ask), Some((self, Stage::Asking { questions, awaited, state }))),
                    None => match self.go_on(awaited, state).await {
                        Ok(Ok(next)) => next,
                        Ok(Err(answer)) => return (Event::Answer(answer), None),
                        Err(error) => return (self.failed(&error), None),
                    },
                },
            };
        }
    }

    fn failed(&self, error: &UpstreamError) -> Event {
        Event::Answer(Message::failure(self.request.id(), Code::Internal, &error.to_string()))
    }

    /// Waits for the client's answers and makes the call again with them.
    async fn go_on(
        &mut self,
        awaited: Vec<(String, oneshot::Receiver<Outcome>)>,
        state: Option<String>,
    ) -> Result<Result<Stage, Message>, UpstreamError> {
        self.rounds += 1;
        if self.rounds > MAX_ROUNDS {
            return Err(UpstreamError::Protocol { detail: format!("it asked {MAX_ROUNDS} times without an answer") });
        }
        let mut responses = Vec::with_capacity(awaited.len());
        for (key, outcome) in awaited {
            let outcome = tokio::select! {
                () = self.cancelled.cancelled() => return Err(given_up()),
                outcome = outcome => outcome.map_err(|_| given_up())?,
            };
            match outcome {
                Outcome::Result(result) => {
                    responses.push(format!("{key}:{}", String::from_utf8_lossy(&result)));
                }
                // The stateless era has no way to say that the client failed.
                Outcome::Error(error) => {
                    return Ok(Err(Message::response(self.request.id(), "error", &String::from_utf8_lossy(&error))));
                }
            }
        }
        let request = with_input(&self.request, &responses, state.as_deref());
        Ok(match self.send(request).await? {
            Reply::Answer(answer) => match wanted(&answer) {
                None => Err(results::plain(&answer)),
                Some(result) => Ok(Stage::asking(&result)),
            },
            Reply::Events(events) => Ok(Stage::Working(events)),
        })
    }
}

/// What the child wants to know before it answers, raw.
struct Wanted {
    /// Key (with its quotes) and request of each.
    requests: Vec<(String, String)>,
    state: Option<String>,
}

impl Stage {
    fn asking(wanted: &Wanted) -> Self {
        let (mut questions, mut awaited) = (Vec::new(), Vec::new());
        for (key, request) in &wanted.requests {
            let Some(request) = question(key, request) else { continue };
            let (sender, receiver) = oneshot::channel();
            questions.push(Ask::new(request, move |outcome| drop(sender.send(outcome))));
            awaited.push((key.clone(), receiver));
        }
        // Taken from the end: the first question first.
        questions.reverse();
        Self::Asking { questions, awaited, state: wanted.state.clone() }
    }
}

/// The request that the client will read; the session gives it an id of its own.
fn question(key: &str, request: &str) -> Option<Message> {
    let fields = members(request)?;
    let raw = |name: &str| only(&fields, name).ok().flatten().map(|field: Member<'_>| field.value);
    let params = raw("params").map(|params| format!(r#","params":{params}"#)).unwrap_or_default();
    let text = format!(r#"{{"jsonrpc":"2.0","id":{key},"method":{}{params}}}"#, raw("method")?);
    Message::parse(Bytes::from(text)).ok()
}

/// What an answer asks for; `None` when it is final.
fn wanted(answer: &Message) -> Option<Wanted> {
    let result = answer.result()?;
    memchr::memmem::find(result.as_bytes(), b"input_required")?;
    let fields = members(result)?;
    let raw = |name: &str| only(&fields, name).ok().flatten().map(|field| field.value);
    if raw("resultType") != Some("\"input_required\"") {
        return None;
    }
    let requests = raw("inputRequests").and_then(members).unwrap_or_default();
    let requests = requests.iter().map(|field| (field.key.to_owned(), field.value.to_owned())).collect();
    Some(Wanted { requests, state: raw("requestState").map(str::to_owned) })
}

/// The request again, with input.
fn with_input(request: &Message, responses: &[String], state: Option<&str>) -> Message {
    let Some(span) = request.params_span() else { return request.clone() };
    let mut added = format!(r#""inputResponses":{{{}}},"#, responses.join(","));
    if let Some(state) = state {
        added.push_str(&format!(r#""requestState":{state},"#));
    }
    // There is `_meta` in there, so something follows.
    let at = span.start + 1;
    request.spliced(&[(at..at, added.as_bytes())])
}

/// What the session's client declares, as members of `_meta`.
fn keys_of(session: &Session) -> String {
    let hello = Message::parse(session.hello().clone()).ok();
    let raw = |name: &str| hello.as_ref().and_then(|hello| Some(hello.raw_param(name)?.1.to_owned()));
    let mut keys = format!(
        r#""{}":"{}","{}":{}"#,
        meta::PROTOCOL_VERSION,
        version::STATELESS,
        meta::CLIENT_CAPABILITIES,
        raw("capabilities").unwrap_or_else(|| "{}".to_owned())
    );
    if let Some(info) = raw("clientInfo") {
        keys.push_str(&format!(r#","{}":{info}"#, meta::CLIENT_INFO));
    }
    if let Some(level) = session.level() {
        keys.push_str(&format!(r#","{}":"{}""#, meta::LOG_LEVEL, level.as_str()));
    }
    keys
}

/// `note` without the id of our subscription.
fn untagged(note: &Message) -> Message {
    let tagged = crate::mcp::discovery::subscription_id(note).is_some();
    let meta = note.raw_param(meta::META).map(|(range, _)| range);
    match meta {
        Some(range) if tagged => note.spliced(&[(range, b"{}")]),
        _ => note.clone(),
    }
}

/// Reads one listen stream of the child to its end.
async fn hear(
    peer: Arc<dyn StatelessPeer>,
    bridge: Weak<ForSessions>,
    wanted: &serde_json::Value,
) -> Result<(), UpstreamError> {
    let broken = |error: &dyn std::fmt::Display| UpstreamError::Protocol { detail: error.to_string() };
    let params = format!(r#"{{"notifications":{wanted},"_meta":{{{}}}}}"#, our_keys());
    let request = Message::own("subscriptions/listen", &params);
    let meta = RequestMeta::read(&request).map_err(|error| broken(&error))?;
    let Some(caller) = bridge.upgrade().map(|bridge| bridge.owner) else { return Ok(()) };
    let call = StatelessCall { request, meta, caller, mirrored: Mirrored::default() };
    let Reply::Events(mut events) = peer.call(call).await? else { return Ok(()) };
    while let Some(event) = events.next().await {
        let Some(bridge) = bridge.upgrade() else { return Ok(()) };
        if let Event::Note(note) = event
            && note.method() != "notifications/subscriptions/acknowledged"
        {
            bridge.announced(&note);
        }
    }
    Ok(())
}

fn given_up() -> UpstreamError {
    UpstreamError::Closed { reason: "the call was cancelled".to_owned() }
}

fn no_answer() -> UpstreamError {
    UpstreamError::Protocol { detail: "it gave no answer".to_owned() }
}

impl SessionPeer for ForSessions {
    fn open(
        self: Arc<Self>,
        session: Arc<Session>,
        initialize: Message,
    ) -> LocalBoxFuture<'static, Result<Message, UpstreamError>> {
        async move {
            self.listen_to(Topic::Lists);
            Ok(self.hello(&session, initialize.id()))
        }
        .boxed_local()
    }

    fn call(
        self: Arc<Self>,
        session: Arc<Session>,
        request: Message,
        _: Terms,
    ) -> LocalBoxFuture<'static, Result<Reply, UpstreamError>> {
        self.serve(session, request).boxed_local()
    }

    fn notify(
        self: Arc<Self>,
        session: Arc<Session>,
        message: Message,
    ) -> LocalBoxFuture<'static, Result<(), UpstreamError>> {
        async move {
            if message.kind() == Kind::Notification
                && message.method() == "notifications/cancelled"
                && let Some((_, id)) = message.raw_param("requestId")
                && let Some(cancelled) = self.running.lock().get(&(session.id(), id.to_owned()))
            {
                cancelled.cancel();
            }
            Ok(())
        }
        .boxed_local()
    }

    fn listen(self: Arc<Self>, _: Arc<Session>) -> LocalBoxFuture<'static, Result<(), UpstreamError>> {
        async move {
            self.listen_to(Topic::Lists);
            Ok(())
        }
        .boxed_local()
    }

    fn end(self: Arc<Self>, session: Arc<Session>) -> LocalBoxFuture<'static, ()> {
        async move {
            for uri in session.subscriptions() {
                session.unsubscribe(&uri);
                self.stop_listening(&uri);
            }
        }
        .boxed_local()
    }
}
