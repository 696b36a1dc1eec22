//! A stateless child as clients with sessions see it.
//!
//! What such a client said once (capabilities, log level, followed resources) is said for it in every
//! request; what the child wants to know is asked of it as a request of its own era, and the call is
//! made again with the answers.

mod call;
mod listening;

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Weak},
};

use futures_util::{FutureExt, future::LocalBoxFuture};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::{CancellationToken, DropGuard};

use self::call::Call;
use crate::{
    domain::ids::UserId,
    mcp::{
        capabilities::LogLevel,
        discovery::subscription_id,
        error::{Code, UpstreamError},
        jsonrpc::{Kind, Message},
        meta::{self, RequestMeta, borrowed, with_protocol_keys},
        session::{Session, SessionId, Sessions},
        upstream::{Event, Reply, SessionPeer, StatelessPeer, Terms},
        version,
    },
};

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
    /// Told when sessions begin, or follow something else than before.
    changed: Arc<Notify>,
    /// Ends the listening with the bridge.
    _listening: DropGuard,
    myself: Weak<Self>,
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
        let (over, changed) = (CancellationToken::new(), Arc::new(Notify::new()));
        let bridge = Arc::new_cyclic(|myself| Self {
            peer,
            sessions,
            owner,
            discovered,
            running: Mutex::default(),
            changed: Arc::clone(&changed),
            _listening: over.clone().drop_guard(),
            myself: myself.clone(),
        });
        let listening = listening::run(Arc::downgrade(&bridge), changed);
        actix_rt::spawn(async move { over.run_until_cancelled(listening).await });
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
                        self.changed.notify_one();
                        done()
                    }
                    Err(error) => invalid(&error.to_string()),
                },
                Some(uri) => {
                    session.unsubscribe(&uri);
                    self.changed.notify_one();
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
        let refused = |text: &str| Ok(Reply::Answer(Message::failure(request.id(), Code::InvalidParams, text)));
        let edits = match with_protocol_keys(&request, &keys_of(&session), None) {
            Ok(edits) => edits,
            Err(error) => return refused(&error.to_string()),
        };
        let sent = request.spliced_anew(&borrowed(&edits));
        if let Err(error) = RequestMeta::read(&sent) {
            return refused(&error.to_string());
        }
        let Some((running, cancelled)) = self.run(&session, request.id()) else {
            return refused("a request with this id is still running in this session");
        };
        Call::new(self, session, sent, running, cancelled).reply().await
    }

    /// Makes a call cancellable; `None` when one with its id is running.
    fn run(&self, session: &Session, id: &str) -> Option<(Running, CancellationToken)> {
        let key = (session.id(), id.to_owned());
        let cancelled = CancellationToken::new();
        match self.running.lock().entry(key.clone()) {
            Entry::Occupied(_) => return None,
            Entry::Vacant(vacant) => vacant.insert(cancelled.clone()),
        };
        Some((Running { bridge: self.myself.clone(), key }, cancelled))
    }
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
    let tagged = subscription_id(note).is_some();
    let meta = note.raw_param(meta::META).map(|(range, _)| range);
    match meta {
        Some(range) if tagged => note.spliced(&[(range, b"{}")]),
        _ => note.clone(),
    }
}

impl SessionPeer for ForSessions {
    fn open(
        self: Arc<Self>,
        session: Arc<Session>,
        initialize: Message,
    ) -> LocalBoxFuture<'static, Result<Message, UpstreamError>> {
        async move {
            self.changed.notify_one();
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
            self.changed.notify_one();
            Ok(())
        }
        .boxed_local()
    }

    fn end(self: Arc<Self>, session: Arc<Session>) -> LocalBoxFuture<'static, ()> {
        async move {
            for uri in session.subscriptions() {
                session.unsubscribe(&uri);
            }
            self.changed.notify_one();
        }
        .boxed_local()
    }
}
