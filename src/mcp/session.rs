//! Client sessions of one instance: they outlive its processes.
//!
//! Owner of state: [`Sessions`], one per instance, held by its route. A session belongs to the user
//! who opened it; anybody else's request with its id finds nothing (a session id that is routed
//! without checking who made it is a hijack).

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use thiserror::Error;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    ask::{Ask, Outcome},
    capabilities::{ClientCapabilities, LogLevel},
    error::Code,
    jsonrpc::Message,
    upstream::Event,
};
use crate::domain::{ids::UserId, time::Timestamp};

/// Messages that may wait for one client's stream before that client counts as too slow.
const STREAM_CAPACITY: usize = 256;

/// The session id on the wire: 32 hexadecimal digits, 128 random bits (transports, "Session
/// Management": visible ASCII, unique, from a secure generator).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionId([u8; 16]);

impl SessionId {
    /// Nobody's: calls that belong to no session.
    pub const NONE: Self = Self([0; 16]);

    fn generate() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// Reads an id; `None` when it cannot be one of ours.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        if text.len() != 32 {
            return None;
        }
        u128::from_str_radix(text, 16).ok().map(|number| Self(number.to_be_bytes()))
    }
}

impl std::fmt::Display for SessionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

/// One MCP client of one instance.
pub struct Session {
    id: SessionId,
    owner: UserId,
    version: &'static str,
    opened_at: Timestamp,
    last_seen: AtomicI64,
    /// The client's `initialize`, to open the session anew with a child that forgot it.
    hello: Bytes,
    /// The id that an HTTP child gave, and how often it was renewed.
    child: Mutex<Option<String>>,
    /// Whether an HTTP child has been sent this session's `initialize` by this run of Berth.
    at_child: AtomicBool,
    /// Whether an HTTP child's own messages are being read.
    listening: AtomicBool,
    /// Cancelled when the session ends.
    gone: CancellationToken,
    stream: Mutex<Option<mpsc::Sender<Event>>>,
    subscriptions: Mutex<HashSet<String>>,
    capabilities: ClientCapabilities,
    level: Mutex<Option<LogLevel>>,
    asks: Mutex<Asks>,
    /// Of a session of ours, towards the child: where what belongs to no request goes.
    inbox: Option<mpsc::Sender<Event>>,
}

/// Requests of the child that the client has been sent.
#[derive(Default)]
struct Asks {
    waiting: HashMap<u64, (Instant, Ask)>,
    next: u64,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.gone.cancel();
    }
}

/// What is shown of a session.
#[derive(Clone, Debug)]
pub struct SessionView {
    /// Its id: it grants nothing without a token of its owner.
    pub id: String,
    /// Who opened it.
    pub owner: UserId,
    /// The protocol version in use.
    pub version: &'static str,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// Its last request.
    pub last_seen: Timestamp,
    /// Whether a GET stream is open.
    pub streaming: bool,
}

/// The stream cannot be opened.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("this session has a stream open already; close it first")]
pub struct StreamTaken;

/// What the client's `initialize` declares.
fn declared(hello: &Bytes) -> ClientCapabilities {
    let message = Message::parse(hello.clone()).ok();
    let capabilities = message.and_then(|hello| ClientCapabilities::read(hello.raw_param("capabilities")?.1));
    capabilities.unwrap_or_default()
}

impl Session {
    fn new(
        owner: UserId,
        version: &'static str,
        hello: Bytes,
        capabilities: ClientCapabilities,
        inbox: Option<mpsc::Sender<Event>>,
    ) -> Result<Self, OpenError> {
        let now = Timestamp::now();
        Ok(Self {
            id: SessionId::generate().map_err(OpenError::Random)?,
            owner,
            version,
            opened_at: now,
            last_seen: AtomicI64::new(now.0),
            hello,
            child: Mutex::default(),
            at_child: AtomicBool::new(false),
            listening: AtomicBool::new(false),
            gone: CancellationToken::new(),
            stream: Mutex::default(),
            subscriptions: Mutex::default(),
            capabilities,
            level: Mutex::default(),
            asks: Mutex::default(),
            inbox,
        })
    }

    /// Its id.
    #[must_use]
    pub const fn id(&self) -> SessionId {
        self.id
    }

    /// Who opened it.
    #[must_use]
    pub const fn owner(&self) -> UserId {
        self.owner
    }

    /// The protocol version that was agreed.
    #[must_use]
    pub const fn version(&self) -> &'static str {
        self.version
    }

    /// The client's `initialize` request as it came.
    #[must_use]
    pub const fn hello(&self) -> &Bytes {
        &self.hello
    }

    /// The HTTP child's own session id.
    #[must_use]
    pub fn child_session(&self) -> Option<String> {
        self.child.lock().clone()
    }

    /// Records the HTTP child's session id.
    pub fn set_child_session(&self, id: Option<String>) {
        *self.child.lock() = id;
    }

    /// Whether an HTTP child knows this session, with or without an id for it.
    #[must_use]
    pub fn is_open_at_child(&self) -> bool {
        self.at_child.load(Ordering::Relaxed)
    }

    /// An HTTP child has accepted this session's `initialize`.
    pub fn set_open_at_child(&self) {
        self.at_child.store(true, Ordering::Relaxed);
    }

    /// Says whether an HTTP child's own messages are being read; returns what was so before.
    pub fn set_listening(&self, listening: bool) -> bool {
        self.listening.swap(listening, Ordering::Relaxed)
    }

    /// Cancelled when the session ends.
    #[must_use]
    pub fn gone(&self) -> CancellationToken {
        self.gone.clone()
    }

    /// Opens the stream for messages that belong to no request.
    ///
    /// # Errors
    /// When one is open: each message goes to exactly one stream, so there is only one.
    pub fn open_stream(&self) -> Result<mpsc::Receiver<Event>, StreamTaken> {
        let mut stream = self.stream.lock();
        if stream.as_ref().is_some_and(|sender| !sender.is_closed()) {
            return Err(StreamTaken);
        }
        let (sender, receiver) = mpsc::channel(STREAM_CAPACITY);
        *stream = Some(sender);
        Ok(receiver)
    }

    /// Hands `event` to the open stream; gives it back when there is none. A reader that is too slow
    /// loses its stream: it is never waited for.
    #[must_use]
    pub fn deliver(&self, event: Event) -> Option<Event> {
        if let Some(inbox) = &self.inbox {
            return inbox.try_send(event).err().map(mpsc::error::TrySendError::into_inner);
        }
        let mut stream = self.stream.lock();
        let Some(sender) = stream.as_ref() else { return Some(event) };
        match sender.try_send(event) {
            Ok(()) => None,
            Err(mpsc::error::TrySendError::Full(event) | mpsc::error::TrySendError::Closed(event)) => {
                *stream = None;
                Some(event)
            }
        }
    }

    /// Keeps `note` for a client that has a stream but is not there just now.
    pub fn keep(&self, note: Message) {
        let _ = note;
    }

    /// What the client can be asked: it declared so in `initialize`.
    #[must_use]
    pub const fn capabilities(&self) -> ClientCapabilities {
        self.capabilities
    }

    /// Whether it is ours, towards the child.
    #[must_use]
    pub const fn is_internal(&self) -> bool {
        self.inbox.is_some()
    }

    /// The least important log lines that the client wants; `None` until it has said so.
    #[must_use]
    pub fn level(&self) -> Option<LogLevel> {
        *self.level.lock()
    }

    /// The client has said which log lines it wants.
    pub fn set_level(&self, level: LogLevel) {
        *self.level.lock() = Some(level);
    }

    /// Takes a request of the child: the request to send to the client, under an id minted for this
    /// session. `None` when the client cannot be asked this; the child is told so.
    pub fn ask(&self, ask: Ask) -> Option<Bytes> {
        let request = ask.request();
        if !self.capabilities.allows(request.method(), request.params()) {
            let text = format!("the client did not declare what {} needs", request.method());
            ask.answer(Outcome::refusal(Code::MethodNotFound, &text));
            return None;
        }
        let mut asks = self.asks.lock();
        asks.next += 1;
        let id = asks.next;
        let request = request.with_id(&id.to_string()).body().clone();
        asks.waiting.insert(id, (Instant::now(), ask));
        Some(request)
    }

    /// The client's response to a request of the child; `false` when it was asked no such thing.
    pub fn answered(&self, response: &Message) -> bool {
        let ask = response.minted_id().and_then(|id| self.asks.lock().waiting.remove(&id));
        // Outside the lock: answering writes to the child.
        ask.map(|(_, ask)| ask.answer(Outcome::of(response))).is_some()
    }

    /// Gives up asks that nobody has answered for `patience`.
    pub fn expire_asks(&self, patience: Duration) {
        let mut asks = self.asks.lock();
        let expired: Vec<u64> =
            asks.waiting.iter().filter(|(_, (at, _))| at.elapsed() >= patience).map(|(id, _)| *id).collect();
        let dropped: Vec<_> = expired.into_iter().filter_map(|id| asks.waiting.remove(&id)).collect();
        drop(asks);
        drop(dropped);
    }

    /// Requests of the child that wait for the client.
    #[must_use]
    pub fn asks(&self) -> usize {
        self.asks.lock().waiting.len()
    }

    /// Remembers that the client follows a resource; `true` when it did not before.
    pub fn subscribe(&self, uri: &str) -> bool {
        self.subscriptions.lock().insert(uri.to_owned())
    }

    /// Forgets it.
    pub fn unsubscribe(&self, uri: &str) {
        self.subscriptions.lock().remove(uri);
    }

    /// Whether the client follows this resource.
    #[must_use]
    pub fn follows(&self, uri: &str) -> bool {
        self.subscriptions.lock().contains(uri)
    }

    /// All resources that the client follows.
    #[must_use]
    pub fn subscriptions(&self) -> Vec<String> {
        self.subscriptions.lock().iter().cloned().collect()
    }

    /// Whether its stream is open.
    #[must_use]
    pub fn streaming(&self) -> bool {
        self.stream.lock().as_ref().is_some_and(|sender| !sender.is_closed())
    }

    fn view(&self) -> SessionView {
        SessionView {
            id: self.id.to_string(),
            owner: self.owner,
            version: self.version,
            opened_at: self.opened_at,
            last_seen: Timestamp(self.last_seen.load(Ordering::Relaxed)),
            streaming: self.streaming(),
        }
    }
}

/// Why no session could be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// All are in use.
    #[error("{limit} sessions are open on this instance and all are in use; close one first")]
    Full {
        /// The limit.
        limit: usize,
    },
    /// The operating system gave no randomness.
    #[error("no randomness for a session id")]
    Random(#[source] getrandom::Error),
}

/// The sessions of one instance.
pub struct Sessions {
    open: RwLock<HashMap<SessionId, Arc<Session>>>,
    internal: RwLock<Vec<Weak<Session>>>,
    limit: usize,
}

impl Sessions {
    /// No sessions yet; at most `limit` at a time.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { open: RwLock::default(), internal: RwLock::default(), limit }
    }

    /// Opens a session. When the limit is reached, the one that was idle longest and has no stream
    /// makes room: many clients never say goodbye.
    ///
    /// # Errors
    /// When every session has a stream open, or there is no randomness.
    pub fn open(&self, owner: UserId, version: &'static str, hello: Bytes) -> Result<Arc<Session>, OpenError> {
        let capabilities = declared(&hello);
        let session = Arc::new(Session::new(owner, version, hello, capabilities, None)?);
        let mut open = self.open.write();
        if open.len() >= self.limit {
            let idle = open.values().filter(|session| !session.streaming());
            let oldest = idle.min_by_key(|session| session.last_seen.load(Ordering::Relaxed)).map(|session| session.id);
            let oldest = oldest.ok_or(OpenError::Full { limit: self.limit })?;
            open.remove(&oldest);
        }
        open.insert(session.id, Arc::clone(&session));
        Ok(session)
    }

    /// A session of ours with the child, and what the child says in it that belongs to no request.
    /// Not listed, not counted, alive as long as it is held.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn open_internal(
        &self,
        owner: UserId,
        hello: Bytes,
    ) -> Result<(Arc<Session>, mpsc::Receiver<Event>), OpenError> {
        let version = super::version::LATEST_SESSION_ERA;
        let (inbox, received) = mpsc::channel(STREAM_CAPACITY);
        let session = Arc::new(Session::new(owner, version, hello, ClientCapabilities::all(), Some(inbox))?);
        let mut internal = self.internal.write();
        internal.retain(|session| session.strong_count() > 0);
        internal.push(Arc::downgrade(&session));
        Ok((session, received))
    }

    /// Our own sessions.
    #[must_use]
    pub fn internal(&self) -> Vec<Arc<Session>> {
        self.internal.read().iter().filter_map(Weak::upgrade).collect()
    }

    /// The session with this id, if `owner` opened it.
    #[must_use]
    pub fn find(&self, id: &str, owner: UserId) -> Option<Arc<Session>> {
        let id = SessionId::read(id)?;
        let session = self.open.read().get(&id).filter(|session| session.owner == owner).cloned()?;
        session.last_seen.store(Timestamp::now().0, Ordering::Relaxed);
        Some(session)
    }

    /// Ends a session; its stream ends with it.
    pub fn close(&self, id: SessionId) {
        if let Some(session) = self.open.write().remove(&id) {
            *session.stream.lock() = None;
            session.gone.cancel();
        }
    }

    /// Ends sessions without a request for `idle` and without a stream; returns how many.
    pub fn close_idle(&self, idle: Duration) -> usize {
        let now = Timestamp::now();
        let mut open = self.open.write();
        let before = open.len();
        open.retain(|_, session| {
            let unused = now.0.saturating_sub(session.last_seen.load(Ordering::Relaxed));
            session.streaming() || u128::try_from(unused).unwrap_or(0) < idle.as_millis()
        });
        before - open.len()
    }

    /// Ends every stream; the sessions stay. What is being answered is not touched.
    pub fn end_streams(&self) {
        for session in self.open.read().values() {
            *session.stream.lock() = None;
        }
    }

    /// Every open session, our own among them.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Session>> {
        let mut all: Vec<Arc<Session>> = self.open.read().values().cloned().collect();
        all.extend(self.internal());
        all
    }

    /// What is shown of them.
    #[must_use]
    pub fn views(&self) -> Vec<SessionView> {
        self.open.read().values().map(|session| session.view()).collect()
    }

    /// How many are open.
    #[must_use]
    pub fn len(&self) -> usize {
        self.open.read().len()
    }

    /// Whether none is open.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether any session follows this resource.
    #[must_use]
    pub fn anyone_follows(&self, uri: &str) -> bool {
        self.all().iter().any(|session| session.follows(uri))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(sessions: &Sessions, owner: UserId) -> Arc<Session> {
        sessions.open(owner, "2025-11-25", Bytes::new()).unwrap()
    }

    #[test]
    fn only_its_owner_finds_a_session() {
        let sessions = Sessions::new(10);
        let (ann, bob) = (UserId::generate(), UserId::generate());
        let id = open(&sessions, ann).id().to_string();
        assert!(sessions.find(&id, ann).is_some());
        assert!(sessions.find(&id, bob).is_none());
        for wrong in ["", "x", "+0000000000000000000000000000000", &"0".repeat(32), &id.repeat(2)] {
            assert!(sessions.find(wrong, ann).is_none(), "{wrong}");
        }
    }

    #[test]
    fn the_idle_one_makes_room_and_one_with_a_stream_never_does() {
        let sessions = Sessions::new(2);
        let ann = UserId::generate();
        let first = open(&sessions, ann);
        let _stream = first.open_stream().unwrap();
        let second = open(&sessions, ann);
        let third = open(&sessions, ann);
        assert!(sessions.find(&first.id().to_string(), ann).is_some());
        assert!(sessions.find(&second.id().to_string(), ann).is_none());
        let _stream = third.open_stream().unwrap();
        assert!(matches!(sessions.open(ann, "2025-11-25", Bytes::new()), Err(OpenError::Full { limit: 2 })));
    }

    #[test]
    fn a_slow_reader_loses_its_stream() {
        let sessions = Sessions::new(1);
        let session = open(&sessions, UserId::generate());
        let note = || Event::Note(Message::parse(Bytes::from_static(br#"{"jsonrpc":"2.0","method":"a"}"#)).unwrap());
        assert!(session.deliver(note()).is_some());
        let _unread = session.open_stream().unwrap();
        assert_eq!(session.open_stream().err(), Some(StreamTaken));
        assert!((0..STREAM_CAPACITY).all(|_| session.deliver(note()).is_none()));
        assert!(session.deliver(note()).is_some());
        assert!(session.open_stream().is_ok());
    }
}
