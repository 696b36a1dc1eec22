//! A session-era child as stateless clients see it.
//!
//! One session with the child serves them all: what they declare travels with each call, so the
//! child is told that everything can be asked, and each question reaches the client of its call or is
//! refused.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Weak},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, future::LocalBoxFuture, stream};
use parking_lot::Mutex;
use tokio::sync::{OnceCell, mpsc};

use super::{
    held::Held,
    listeners::{Filter, Listeners, Listening, tagged},
    parked::{Parked, Parking, Source},
    results,
    round::{Round, Turn},
    state::{ParkId, Sealer, binding},
    tools::{Fetch, ToolCache, page_params},
};
use crate::{
    domain::ids::UserId,
    mcp::{
        capabilities::LogLevel,
        discovery::closure,
        error::{Code, UpstreamError},
        jsonrpc::Message,
        members::{is_object, members},
        meta::{borrowed, without_protocol_keys},
        mirrored::Mismatch,
        session::{Session, Sessions},
        upstream::{Event, Reply, SessionPeer, StatelessCall, StatelessPeer, Terms},
        version,
    },
};

/// What clients can be asked is known per call, so the child is told that everything can.
pub(in crate::mcp) const OUR_CAPABILITIES: &str =
    r#"{"sampling":{},"elicitation":{"form":{},"url":{}},"roots":{"listChanged":true}}"#;

/// How long a listener is kept waiting for a child that is slow to follow what it wants to hear of.
const FOLLOWING: Duration = Duration::from_secs(2);

/// The bridge of one child.
pub struct ForStateless {
    peer: Arc<dyn SessionPeer>,
    sessions: Arc<Sessions>,
    /// On whose behalf the session with the child is held.
    owner: UserId,
    base: OnceCell<Base>,
    pub(super) held: Arc<Held>,
    pub(super) sealer: Sealer,
    parking: Parking,
    listeners: Listeners,
    /// What the child has been asked to follow for listeners. Held while it is asked: what it hears last
    /// is what is wanted then, whichever thread asks.
    followed: tokio::sync::Mutex<HashSet<String>>,
    tools: ToolCache,
    /// The most verbose level that the child was told for calls of ours.
    level: Mutex<Option<LogLevel>>,
    myself: Weak<Self>,
}

/// Our session with the child, and what the child said of itself.
struct Base {
    session: Arc<Session>,
    capabilities: serde_json::Value,
    instructions: Option<serde_json::Value>,
    server_info: Option<String>,
}

impl ForStateless {
    /// The bridge to `peer`. Nothing is sent before the first client comes.
    ///
    /// # Errors
    /// When the operating system gives no randomness.
    pub fn new(
        peer: Arc<dyn SessionPeer>,
        sessions: Arc<Sessions>,
        owner: UserId,
        held: Arc<Held>,
    ) -> Result<Arc<Self>, getrandom::Error> {
        let sealer = Sealer::new()?;
        Ok(Arc::new_cyclic(|myself| Self {
            peer,
            sessions,
            owner,
            base: OnceCell::new(),
            held,
            sealer,
            parking: Parking::default(),
            listeners: Listeners::default(),
            followed: tokio::sync::Mutex::default(),
            tools: ToolCache::default(),
            level: Mutex::default(),
            myself: myself.clone(),
        }))
    }

    async fn base(&self) -> Result<&Base, UpstreamError> {
        self.base.get_or_try_init(|| self.open()).await
    }

    async fn open(&self) -> Result<Base, UpstreamError> {
        let hello = Bytes::from(format!(
            r#"{{"jsonrpc":"2.0","id":0,"method":"initialize","params":{{"protocolVersion":"{}","capabilities":{OUR_CAPABILITIES},"clientInfo":{{"name":"berth","version":"{}"}}}}}}"#,
            version::LATEST_SESSION_ERA,
            env!("CARGO_PKG_VERSION")
        ));
        let broken = |error: &dyn std::fmt::Display| UpstreamError::Protocol { detail: error.to_string() };
        let (session, inbox) =
            self.sessions.open_internal(self.owner, hello.clone()).map_err(|error| broken(&error))?;
        let initialize = Message::parse(hello).map_err(|error| broken(&error))?;
        let answer = Arc::clone(&self.peer).open(Arc::clone(&session), initialize).await?;
        let initialized = Message::note("notifications/initialized", "{}");
        Arc::clone(&self.peer).notify(Arc::clone(&session), initialized).await?;
        actix_rt::spawn(hear(self.myself.clone(), inbox));
        let mut said: serde_json::Value =
            answer.result().and_then(|result| serde_json::from_str(result).ok()).unwrap_or_default();
        Ok(Base {
            session,
            capabilities: capabilities_of(said["capabilities"].take()),
            instructions: Some(said["instructions"].take()).filter(serde_json::Value::is_string),
            server_info: Some(said["serverInfo"].take()).filter(serde_json::Value::is_object).map(|it| it.to_string()),
        })
    }

    /// Who the child says it is, raw.
    pub(super) fn server_info(&self) -> Option<&str> {
        self.base.get()?.server_info.as_deref()
    }

    /// Something that the child says to everybody.
    pub(super) fn announced(&self, note: &Message) {
        if note.method() == "notifications/tools/list_changed" {
            self.tools.forget();
        }
        self.listeners.announce(note);
    }

    /// Keeps a call until its client comes back with input, or for as long as patience lasts.
    pub(super) fn park(&self, id: ParkId, call: Parked) {
        self.parking.insert(id, call);
        let (myself, patience) = (self.myself.clone(), self.held.limits.patience);
        actix_rt::spawn(async move {
            tokio::time::sleep(patience).await;
            if let Some(bridge) = myself.upgrade() {
                bridge.parking.take(id);
            }
        });
    }

    pub(super) fn unlisten(self: Arc<Self>, number: u64) {
        let left = self.listeners.remove(number);
        if !left.is_empty() {
            actix_rt::spawn(async move { self.follow(left).await });
        }
    }

    /// Has the child follow those of these resources that a listener wants to hear of, and no others.
    async fn follow(&self, uris: Vec<String>) {
        let Some(base) = self.base.get() else { return };
        let mut followed = self.followed.lock().await;
        for uri in uris {
            let wanted = self.listeners.follow(&uri);
            if wanted == followed.contains(&uri) {
                continue;
            }
            let method = if wanted { "resources/subscribe" } else { "resources/unsubscribe" };
            let request = Message::own(method, &serde_json::json!({ "uri": uri }).to_string());
            if let Err(error) = Arc::clone(&self.peer).call(Arc::clone(&base.session), request, Terms::default()).await
            {
                log::debug!("{method} at the child has failed: {error}");
            }
            if wanted {
                followed.insert(uri)
            } else {
                followed.remove(&uri)
            };
        }
    }

    /// The child logs for all its clients alike, so it is told the most verbose level that any wants.
    async fn raise_level(&self, base: &Base, wanted: LogLevel) {
        if base.capabilities.get("logging").is_none() || self.level.lock().is_some_and(|level| level <= wanted) {
            return;
        }
        let request = Message::own("logging/setLevel", &format!(r#"{{"level":"{}"}}"#, wanted.as_str()));
        let told = Arc::clone(&self.peer).call(Arc::clone(&base.session), request, Terms::default()).await;
        if told.is_ok() {
            *self.level.lock() = Some(wanted);
        }
    }

    async fn serve(self: Arc<Self>, call: StatelessCall) -> Result<Reply, UpstreamError> {
        let base = self.base().await?;
        match call.request.method() {
            "server/discover" => Ok(Reply::Answer(discovered(base, &call.request))),
            "subscriptions/listen" => Ok(self.listen(base, &call.request).await),
            "tools/list" | "prompts/list" | "resources/list" | "resources/templates/list" | "completion/complete" => {
                self.begin(base, call).await
            }
            "tools/call" | "prompts/get" | "resources/read" => match resumption(&call.request) {
                Ok(Some(state)) => self.resume(&state, call).await,
                Ok(None) => self.begin(base, call).await,
                Err(text) => Ok(refuse(&call.request, &text)),
            },
            method => {
                let text = format!("{method} is not a method of this server");
                Ok(Reply::Answer(Message::failure(call.request.id(), Code::MethodNotFound, &text)))
            }
        }
    }

    /// The first round of a call.
    async fn begin(self: &Arc<Self>, base: &Base, call: StatelessCall) -> Result<Reply, UpstreamError> {
        let given = match given(&call.request) {
            Ok(given) => given,
            Err(text) => return Ok(refuse(&call.request, &text)),
        };
        if let Some(level) = call.meta.log_level {
            self.raise_level(base, level).await;
        }
        let edits = match without_protocol_keys(&call.request, None) {
            Ok(edits) => edits,
            Err(error) => return Ok(refuse(&call.request, &error.to_string())),
        };
        let request = call.request.spliced(&borrowed(&edits));
        let terms = Terms { stateless: true, level: call.meta.log_level };
        let reply = Arc::clone(&self.peer).call(Arc::clone(&base.session), request, terms).await?;
        let events = match reply {
            Reply::Answer(answer) => {
                let done = results::complete(&answer, call.request.method(), base.server_info.as_deref());
                return Ok(Reply::Answer(done));
            }
            Reply::Events(events) => events,
        };
        let turn = Turn::new(call, given, false);
        Ok(reply_of(Round::first(Arc::clone(self), Source::Fresh(events), turn)).await)
    }

    /// A later round: the client has brought what it was asked for.
    async fn resume(self: &Arc<Self>, state: &str, call: StatelessCall) -> Result<Reply, UpstreamError> {
        let given = match given(&call.request) {
            Ok(given) => given,
            Err(text) => return Ok(refuse(&call.request, &text)),
        };
        let id = self.sealer.open(state, &binding(call.caller, &call.request));
        let Some(parked) = id.and_then(|id| self.parking.take(id)) else {
            let text = "`requestState` is not one that waits for this request: it was changed, used before, has \
                        expired, or belongs to another; call again without it";
            return Ok(refuse(&call.request, text));
        };
        Ok(reply_of(Round::resumed(Arc::clone(self), parked, Turn::new(call, given, true))).await)
    }

    async fn listen(self: &Arc<Self>, base: &Base, request: &Message) -> Reply {
        let filter = match Filter::read(request) {
            Ok(filter) => filter.honoured(&base.capabilities),
            Err(text) => return refuse(request, &text),
        };
        let id = request.id().to_owned();
        let acknowledged = tagged(&acknowledgement(&filter), &id);
        let (number, heard, fresh) = self.listeners.add(filter, id.clone());
        let listening = Listening { bridge: self.myself.clone(), number };
        // What is acknowledged is heard from then on. A task of its own: what the child is being told must
        // be known even when this client goes away.
        let (bridge, session) = (Arc::clone(self), Arc::clone(&base.session));
        let following = actix_rt::spawn(async move {
            bridge.hear_child(session).await;
            bridge.follow(fresh).await;
        });
        let _ = tokio::time::timeout(FOLLOWING, following).await;
        let first = stream::once(async move { Event::Note(acknowledged) });
        Reply::Events(first.chain(Open { heard, id, _listening: listening }.events()).boxed_local())
    }

    /// An HTTP child says what concerns everybody on a stream of its own, which must be open.
    async fn hear_child(&self, session: Arc<Session>) {
        if let Err(error) = Arc::clone(&self.peer).listen(session).await {
            log::debug!("the child's own messages cannot be heard: {error}");
        }
    }
}

/// An open listen stream.
struct Open {
    heard: mpsc::Receiver<Message>,
    id: String,
    _listening: Listening,
}

impl Open {
    /// What it hears, and a graceful end when the child is gone.
    fn events(self) -> impl stream::Stream<Item = Event> {
        stream::unfold(Some(self), |open| async move {
            let mut open = open?;
            match open.heard.recv().await {
                Some(note) => Some((Event::Note(note), Some(open))),
                None => Some((Event::Answer(closure(&open.id)), None)),
            }
        })
    }
}

fn acknowledgement(filter: &Filter) -> Message {
    let params = serde_json::json!({ "notifications": filter.shown() });
    Message::note("notifications/subscriptions/acknowledged", &params.to_string())
}

/// Takes what the child says on its own account, for as long as both live.
async fn hear(bridge: Weak<ForStateless>, mut inbox: mpsc::Receiver<Event>) {
    while let Some(event) = inbox.recv().await {
        let Some(bridge) = bridge.upgrade() else { return };
        match event {
            Event::Note(note) => bridge.announced(&note),
            // It belongs to no call, so there is no client to ask; dropping it says so.
            Event::Ask(_) | Event::Answer(_) => {}
        }
    }
}

/// A round's first event decides: an answer at once is a plain one.
async fn reply_of(round: Round) -> Reply {
    match round.next().await {
        (Event::Answer(answer), _) => Reply::Answer(answer),
        (event, rest) => {
            let rest = stream::unfold(rest, |round| async move { Some(round?.next().await) });
            Reply::Events(stream::once(async move { event }).chain(rest).boxed_local())
        }
    }
}

fn refuse(request: &Message, text: &str) -> Reply {
    Reply::Answer(Message::failure(request.id(), Code::InvalidParams, text))
}

/// The state that a request brings back.
fn resumption(request: &Message) -> Result<Option<String>, String> {
    match request.raw_param("requestState") {
        None => Ok(None),
        Some((_, raw)) => {
            serde_json::from_str(raw).map(Some).map_err(|_| "`requestState` must be the string that it was".to_owned())
        }
    }
}

/// The input that a request brings, by key.
fn given(request: &Message) -> Result<HashMap<String, Bytes>, String> {
    let Some((_, raw)) = request.raw_param("inputResponses") else { return Ok(HashMap::new()) };
    let fields = members(raw).ok_or("`inputResponses` must be an object")?;
    let mut given = HashMap::new();
    for field in fields {
        if !is_object(field.value) {
            return Err(format!("`inputResponses`: {} must be an object", field.key));
        }
        let name = field.name().ok_or("`inputResponses` has a name that is no text")?.into_owned();
        given.insert(name, Bytes::copy_from_slice(field.value.as_bytes()));
    }
    Ok(given)
}

/// What a child of the session era can do, as the stateless era says it: its tasks are others.
fn capabilities_of(mut capabilities: serde_json::Value) -> serde_json::Value {
    match capabilities.as_object_mut() {
        Some(fields) => {
            fields.remove("tasks");
            capabilities
        }
        None => serde_json::json!({}),
    }
}

fn discovered(base: &Base, request: &Message) -> Message {
    let mut result = serde_json::json!({
        "supportedVersions": version::SUPPORTED,
        "capabilities": base.capabilities,
    });
    if let Some(instructions) = &base.instructions {
        result["instructions"] = instructions.clone();
    }
    let answer = Message::success(request.id(), &result.to_string());
    results::complete(&answer, request.method(), base.server_info.as_deref())
}

impl StatelessPeer for ForStateless {
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

impl Fetch for ForStateless {
    fn page<'a>(&'a self, cursor: Option<&'a str>) -> LocalBoxFuture<'a, Result<Message, UpstreamError>> {
        async move {
            let base = self.base().await?;
            let request = Message::own("tools/list", &page_params(cursor, None));
            let reply = Arc::clone(&self.peer).call(Arc::clone(&base.session), request, Terms::default()).await?;
            answer_of(reply).await
        }
        .boxed_local()
    }
}

/// The answer of a call that nobody else reads.
pub(in crate::mcp) async fn answer_of(reply: Reply) -> Result<Message, UpstreamError> {
    match reply {
        Reply::Answer(answer) => Ok(answer),
        Reply::Events(mut events) => loop {
            match events.next().await {
                Some(Event::Answer(answer)) => return Ok(answer),
                Some(Event::Note(_) | Event::Ask(_)) => {}
                None => return Err(UpstreamError::Protocol { detail: "it gave no answer".to_owned() }),
            }
        },
    }
}
