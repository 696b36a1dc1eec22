//! Client sessions of one instance: they outlive its processes.
//!
//! Owner of state: [`Sessions`], one per instance, held by its route. A session belongs to the user
//! who opened it (to one proof of theirs, where that is limited, see [`Holder`]); anybody else's request with its id finds nothing (a session id that is routed
//! without checking who made it is a hijack).

mod budget;
mod holder;
pub mod journal;
pub mod log;
mod registry;
pub mod streams;

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use self::{budget::Budget, log::Lag, streams::Streams};
pub use self::{
    holder::Holder,
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

    /// A fresh one.
    ///
    /// # Errors
    /// When the operating system gives no randomness.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// Reads an id; `None` when it cannot be one of ours.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        // A number may have a sign, an id has none.
        if text.len() != 32 || text.starts_with('+') {
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
pub(super) const MAX_URI: usize = 2048;

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
    In {
        /// Where.
        journal: Arc<dyn Journal>,
        /// The session.
        session: Weak<Session>,
    },
    /// It was closed: nothing brings it back.
    Over,
}

/// One MCP client of one instance.
pub struct Session {
    id: SessionId,
    owner: Holder,
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
    /// The journal knows of a change that it has not fetched yet.
    changed: AtomicBool,
    /// What the instance's sessions hold together.
    budget: Arc<Budget>,
    subscriptions: Mutex<HashSet<String>>,
    capabilities: ClientCapabilities,
    level: Mutex<Option<LogLevel>>,
    asks: Mutex<Asks>,
    /// Of a session of ours, towards the child: where what belongs to no request goes.
    inbox: Option<mpsc::Sender<Event>>,
}

/// A client follows more than is kept of one.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "at most {MAX_FOLLOWED} resources can be followed in one session, with URIs of at most {MAX_URI} bytes, and the \
     sessions of this instance may follow many, but not any number together"
)]
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
        self.budget.unfollow(self.subscriptions.get_mut().len());
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
    fn new(id: SessionId, owner: Holder, version: &'static str, hello: Bytes, budget: &Arc<Budget>) -> Self {
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
            streams: Streams::within(0, Lag::Ends, budget),
            keeping: Mutex::default(),
            changed: AtomicBool::new(false),
            budget: Arc::clone(budget),
            subscriptions: Mutex::default(),
            level: Mutex::default(),
            asks: Mutex::default(),
            inbox: None,
        }
    }

    /// One of an earlier run, as if it had just been used. The child does not know it yet.
    fn restored(record: Record, journal: Arc<dyn Journal>, budget: &Arc<Budget>) -> Arc<Self> {
        let mut session = Self::new(record.id, record.owner, record.version, record.hello, budget);
        // No id of a stream of the earlier run may mean one of this run.
        let past = u64::try_from(Timestamp::now().0).unwrap_or_default();
        session.streams = Streams::within(past, Lag::Ends, budget);
        session.opened_at = record.opened_at;
        let followed = record.subscriptions.into_iter().filter(|_| budget.follow()).collect::<HashSet<_>>();
        session.subscriptions = Mutex::new(followed);
        // Nor may a late answer to a question of the earlier run be taken for one of this run.
        session.asks.get_mut().next = past;
        session.level = Mutex::new(record.level.as_deref().and_then(LogLevel::read));
        Arc::new_cyclic(|myself| {
            session.keeping = Mutex::new(Keeping::In { journal, session: Weak::clone(myself) });
            session
        })
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

    /// What is to be written down of it. The next change is announced again.
    #[must_use]
    pub fn to_write(&self) -> Record {
        // Before it is read: a change in between is announced once too often, never left out.
        self.changed.store(false, Ordering::SeqCst);
        self.record()
    }

    /// Has what is kept of it written down.
    fn changed(&self) {
        let keeping = self.keeping.lock();
        if let Keeping::In { journal, session } = &*keeping
            && !self.changed.swap(true, Ordering::SeqCst)
            && let Some(session) = session.upgrade()
        {
            journal.changed(session);
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
        if let Keeping::In { journal, .. } = std::mem::replace(&mut *keeping, Keeping::Over) {
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
        self.owner.user
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
        if let Event::Note(note) = event {
            self.keep(note);
        } else if let Some(message) = self.written(event) {
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
        self.streams.deliver_note(note.into_body());
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
        // Under the lock: `close` takes what waits after it has cancelled.
        if self.gone.is_cancelled() {
            drop(asks);
            ask.answer(Outcome::refusal(Code::Internal, "the client has ended its session"));
            return None;
        }
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
        if subscriptions.len() >= MAX_FOLLOWED || uri.len() > MAX_URI || !self.budget.follow() {
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
            self.budget.unfollow(1);
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
            owner: self.owner.user,
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

    fn session(hello: &Bytes, budget: &Arc<Budget>) -> Session {
        let id = SessionId::read(&"1".repeat(32)).unwrap();
        Session::new(id, UserId::generate().into(), "2025-11-25", hello.clone(), budget)
    }

    #[test]
    fn a_question_after_the_end_is_answered() {
        let hello = br#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"capabilities":{"roots":{}}}}"#;
        let session = session(&Bytes::from_static(hello), &Arc::default());
        let said: Arc<Mutex<Vec<String>>> = Arc::default();
        let ask = || {
            let request = Bytes::from_static(br#"{"jsonrpc":"2.0","id":"x","method":"roots/list"}"#);
            let said = Arc::clone(&said);
            Ask::new(Message::parse(request).unwrap(), move |outcome| {
                said.lock().push(String::from_utf8(outcome.response("1")).unwrap());
            })
        };
        assert!(session.ask(ask()).is_some() && said.lock().is_empty());
        session.close();
        assert!(session.ask(ask()).is_none());
        assert_eq!((said.lock().len(), session.asks()), (2, 0));
        assert!(said.lock()[1].contains("has ended its session"));
    }

    #[test]
    fn sessions_together_follow_a_bounded_number_of_resources() {
        let budget: Arc<Budget> = Arc::default();
        let sessions: Vec<Session> = (0..11).map(|_| session(&Bytes::new(), &budget)).collect();
        for session in &sessions[..10] {
            (0..MAX_FOLLOWED).for_each(|number| session.subscribe(&format!("a:{number}")).unwrap());
        }
        assert_eq!(sessions[10].subscribe("a:0"), Err(TooMuchToFollow));
        sessions[0].unsubscribe("a:0");
        assert_eq!(sessions[10].subscribe("a:0"), Ok(()));
        drop(sessions);
        assert!(session(&Bytes::new(), &budget).subscribe("a:0").is_ok());
    }

    #[test]
    fn what_no_connection_reads_is_given_back_or_kept() {
        let session = session(&Bytes::new(), &Arc::default());
        let note = Message::parse(Bytes::from_static(br#"{"jsonrpc":"2.0","method":"a"}"#)).unwrap();
        let event = || Event::Note(note.clone());
        assert!(session.deliver(event()).is_some());
        let reading = session.streams().open_own().unwrap();
        assert!(session.deliver(event()).is_none());
        drop(reading);
        assert!(session.deliver(event()).is_some());
    }
}
