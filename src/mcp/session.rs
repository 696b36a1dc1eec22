//! Client sessions of one instance: they outlive its processes.
//!
//! Owner of state: [`Sessions`], one per instance, held by its route. A session belongs to the user
//! who opened it; anybody else's request with its id finds nothing (a session id that is routed
//! without checking who made it is a hijack).

pub mod journal;
pub mod log;
mod registry;
pub mod streams;

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use self::streams::Streams;
pub use self::{
    journal::{Journal, Record},
    registry::{OpenError, Sessions},
};
use super::{
    ask::{Ask, Outcome},
    capabilities::{ClientCapabilities, LogLevel},
    error::Code,
    jsonrpc::Message,
    upstream::Event,
};
use crate::domain::{ids::UserId, time::Timestamp};

/// The session id on the wire: 32 hexadecimal digits, 128 random bits (transports, "Session
/// Management": visible ASCII, unique, from a secure generator).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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

/// Requests of the child that may wait for one client.
const MAX_ASKS: usize = 64;
/// Resources that one session may follow: all of them are written down with it.
const MAX_FOLLOWED: usize = 1000;
/// Longest URI of a followed resource, in bytes.
const MAX_URI: usize = 2048;

/// How a client reaches its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// One endpoint; the session outlives every connection (2025-03-26 to 2025-11-25).
    Streamable,
    /// HTTP+SSE of 2024-11-05: the session is its one stream.
    Sse,
}

/// A session as the HTTP child knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChildSession {
    /// The id that the child gave, if it gives any.
    pub id: Option<String>,
    /// The version that the child answered: it may be older than the client's.
    pub version: String,
}

/// Whether a session is written down.
#[derive(Default)]
enum Keeping {
    /// It ends with this run.
    #[default]
    Not,
    /// It is, and so is every change of it.
    In(Arc<dyn Journal>),
    /// It was closed: nothing brings it back.
    Over,
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
    /// What this session is at an HTTP child; `None` until this run of Berth has opened it there.
    child: Mutex<Option<Arc<ChildSession>>>,
    /// Held by whoever opens it anew there.
    reopening: tokio::sync::Mutex<()>,
    /// Which HTTP child's own messages are being read: its number, or 0.
    listening: AtomicU64,
    /// Cancelled when the session ends.
    gone: CancellationToken,
    transport: Transport,
    streams: Arc<Streams>,
    keeping: Mutex<Keeping>,
    subscriptions: Mutex<HashSet<String>>,
    capabilities: ClientCapabilities,
    level: Mutex<Option<LogLevel>>,
    asks: Mutex<Asks>,
    /// Of a session of ours, towards the child: where what belongs to no request goes.
    inbox: Option<mpsc::Sender<Event>>,
}

/// A client follows more than is kept of one.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("at most {MAX_FOLLOWED} resources can be followed in one session, with URIs of at most {MAX_URI} bytes")]
pub struct TooMuchToFollow;

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

/// What the client's `initialize` declares.
fn declared(hello: &Bytes) -> ClientCapabilities {
    let message = Message::parse(hello.clone()).ok();
    let capabilities = message.and_then(|hello| ClientCapabilities::read(hello.raw_param("capabilities")?.1));
    capabilities.unwrap_or_default()
}

impl Session {
    fn new(id: SessionId, owner: UserId, version: &'static str, hello: Bytes) -> Self {
        let now = Timestamp::now();
        Self {
            id,
            owner,
            version,
            opened_at: now,
            last_seen: AtomicI64::new(now.0),
            capabilities: declared(&hello),
            hello,
            child: Mutex::default(),
            reopening: tokio::sync::Mutex::default(),
            listening: AtomicU64::new(0),
            gone: CancellationToken::new(),
            transport: Transport::Streamable,
            streams: Streams::new(0),
            keeping: Mutex::default(),
            subscriptions: Mutex::default(),
            level: Mutex::default(),
            asks: Mutex::default(),
            inbox: None,
        }
    }

    /// One of an earlier run, as if it had just been used. The child does not know it yet.
    fn restored(record: Record, journal: &Arc<dyn Journal>) -> Self {
        let mut session = Self::new(record.id, record.owner, record.version, record.hello);
        session.opened_at = record.opened_at;
        // No id of a stream of the earlier run may mean one of this run.
        session.streams = Streams::new(u64::try_from(Timestamp::now().0).unwrap_or_default());
        session.keeping = Mutex::new(Keeping::In(Arc::clone(journal)));
        session.subscriptions = Mutex::new(record.subscriptions.into_iter().collect());
        // Nor may a late answer to a question of the earlier run be taken for one of this run.
        session.asks.get_mut().next = u64::try_from(Timestamp::now().0).unwrap_or_default();
        session.level = Mutex::new(record.level.as_deref().and_then(LogLevel::read));
        session
    }

    /// What is kept of it.
    #[must_use]
    pub fn record(&self) -> Record {
        Record {
            id: self.id,
            owner: self.owner,
            version: self.version,
            hello: self.hello.clone(),
            subscriptions: self.subscriptions(),
            level: self.level().map(|level| level.as_str().to_owned()),
            opened_at: self.opened_at,
            seen_at: Timestamp(self.last_seen.load(Ordering::Relaxed)),
        }
    }

    /// Has what is kept of it written down.
    fn changed(&self) {
        if let Keeping::In(journal) = &*self.keeping.lock() {
            journal.changed(self);
        }
    }

    /// Ends its own stream, what is kept of it, and what the child asked its client.
    fn close(&self) {
        self.streams.hang_up_own();
        self.gone.cancel();
        let asks = std::mem::take(&mut self.asks.lock().waiting);
        // Outside the lock: dropping an ask answers the child.
        drop(asks);
        let mut keeping = self.keeping.lock();
        if let Keeping::In(journal) = std::mem::replace(&mut *keeping, Keeping::Over) {
            journal.closed(self.id);
        }
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

    /// What it is at the HTTP child, if that has been sent its `initialize`.
    #[must_use]
    pub fn child_session(&self) -> Option<Arc<ChildSession>> {
        self.child.lock().clone()
    }

    /// The HTTP child has accepted its `initialize`.
    pub fn set_child_session(&self, child: Arc<ChildSession>) {
        *self.child.lock() = Some(child);
    }

    /// The turn to open it anew at the HTTP child: held until it is open there.
    pub async fn reopening(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.reopening.lock().await
    }

    /// From now on the own messages of the HTTP child `number` are read, and no other's; `false` when
    /// they are already.
    pub fn start_listening(&self, number: u64) -> bool {
        self.listening.swap(number, Ordering::Relaxed) != number
    }

    /// The messages of the HTTP child `number` are not read any more.
    pub fn stop_listening(&self, number: u64) {
        // Another child's may be by now.
        let _ = self.listening.compare_exchange(number, 0, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Whether the messages of the HTTP child `number` are still to be read.
    #[must_use]
    pub fn listens_to(&self, number: u64) -> bool {
        self.listening.load(Ordering::Relaxed) == number
    }

    /// Cancelled when the session ends.
    #[must_use]
    pub fn gone(&self) -> CancellationToken {
        self.gone.clone()
    }

    /// Its streams.
    #[must_use]
    pub const fn streams(&self) -> &Arc<Streams> {
        &self.streams
    }

    /// Hands `event` to the session's own stream while a connection reads that; gives it back
    /// otherwise. A reader that is too slow loses its stream: it is never waited for.
    #[must_use]
    pub fn deliver(&self, event: Event) -> Option<Event> {
        if let Some(inbox) = &self.inbox {
            return inbox.try_send(event).err().map(mpsc::error::TrySendError::into_inner);
        }
        if !self.streams.own_is_read() {
            return Some(event);
        }
        if let Some(message) = self.written(event) {
            self.streams.deliver(message);
        }
        None
    }

    /// The message that tells the client of `event`; `None` when it is none of the client's.
    pub fn written(&self, event: Event) -> Option<Bytes> {
        match event {
            Event::Note(message) | Event::Answer(message) => Some(message.into_body()),
            Event::Ask(ask) => self.ask(ask),
        }
    }

    /// Puts `note` into the stream of an answer that is being read, or keeps it for a client that
    /// has had a stream of its own but is not there just now.
    pub fn keep(&self, note: Message) {
        self.streams.deliver(note.into_body());
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
        let before = self.level.lock().replace(level);
        if before != Some(level) {
            self.changed();
        }
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
        if asks.waiting.len() >= MAX_ASKS {
            drop(asks);
            ask.answer(Outcome::refusal(Code::Internal, "too many requests wait for this client; ask later"));
            return None;
        }
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

    /// Remembers that the client follows a resource.
    ///
    /// # Errors
    /// When it follows as many as it may, or the URI is longer than what is kept.
    pub fn subscribe(&self, uri: &str) -> Result<(), TooMuchToFollow> {
        let mut subscriptions = self.subscriptions.lock();
        if subscriptions.contains(uri) {
            return Ok(());
        }
        if subscriptions.len() >= MAX_FOLLOWED || uri.len() > MAX_URI {
            return Err(TooMuchToFollow);
        }
        subscriptions.insert(uri.to_owned());
        drop(subscriptions);
        self.changed();
        Ok(())
    }

    /// Forgets it.
    pub fn unsubscribe(&self, uri: &str) {
        let was_there = self.subscriptions.lock().remove(uri);
        if was_there {
            self.changed();
        }
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

    /// Whether a connection reads its own stream.
    #[must_use]
    pub fn streaming(&self) -> bool {
        self.streams.own_is_read()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_connection_reads_is_given_back_or_kept() {
        let id = SessionId::read(&"1".repeat(32)).unwrap();
        let session = Session::new(id, UserId::generate(), "2025-11-25", Bytes::new());
        let note = Message::parse(Bytes::from_static(br#"{"jsonrpc":"2.0","method":"a"}"#)).unwrap();
        let event = || Event::Note(note.clone());
        assert!(session.deliver(event()).is_some());
        let reading = session.streams().open_own().unwrap();
        assert!(session.deliver(event()).is_none());
        drop(reading);
        assert!(session.deliver(event()).is_some());
    }
}
