//! Client sessions of one instance: they outlive its processes.
//!
//! Owner of state: [`Sessions`], one per instance, held by its route. A session belongs to the user
//! who opened it; anybody else's request with its id finds nothing (a session id that is routed
//! without checking who made it is a hijack).

pub mod journal;
pub mod log;
pub mod streams;

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use thiserror::Error;
use tokio::sync::{OnceCell, mpsc};

pub use self::journal::{Journal, Record};
use crate::domain::{ids::UserId, time::Timestamp};

/// Messages that may wait for one client's stream before that client counts as too slow.
const STREAM_CAPACITY: usize = 256;

/// The session id on the wire: 32 hexadecimal digits, 128 random bits (transports, "Session
/// Management": visible ASCII, unique, from a secure generator).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SessionId([u8; 16]);

impl SessionId {
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
    /// The id that an HTTP child gave, and how often it was renewed.
    child: Mutex<Option<String>>,
    stream: Mutex<Option<mpsc::Sender<Bytes>>>,
    subscriptions: Mutex<HashSet<String>>,
    keeping: Mutex<Keeping>,
    /// Set once the child knows of it; one from an earlier run is made known by its first request.
    known: OnceCell<()>,
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

impl Session {
    /// Its id.
    #[must_use]
    pub const fn id(&self) -> SessionId {
        self.id
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

    /// Opens the stream for messages that belong to no request.
    ///
    /// # Errors
    /// When one is open: each message goes to exactly one stream, so there is only one.
    pub fn open_stream(&self) -> Result<mpsc::Receiver<Bytes>, StreamTaken> {
        let mut stream = self.stream.lock();
        if stream.as_ref().is_some_and(|sender| !sender.is_closed()) {
            return Err(StreamTaken);
        }
        let (sender, receiver) = mpsc::channel(STREAM_CAPACITY);
        *stream = Some(sender);
        Ok(receiver)
    }

    /// Hands `message` to the open stream; `false` when there is none. A reader that is too slow
    /// loses its stream: it is never waited for.
    pub fn deliver(&self, message: &Bytes) -> bool {
        let mut stream = self.stream.lock();
        let Some(sender) = stream.as_ref() else { return false };
        let delivered = sender.try_send(message.clone()).is_ok();
        if !delivered {
            *stream = None;
        }
        delivered
    }

    /// Remembers that the client follows a resource; `true` when it did not before.
    pub fn subscribe(&self, uri: &str) -> bool {
        let is_new = self.subscriptions.lock().insert(uri.to_owned());
        if is_new {
            self.changed();
        }
        is_new
    }

    /// Forgets it.
    pub fn unsubscribe(&self, uri: &str) {
        let was_there = self.subscriptions.lock().remove(uri);
        if was_there {
            self.changed();
        }
    }

    /// Has what is kept of it written down.
    fn changed(&self) {
        if let Keeping::In(journal) = &*self.keeping.lock() {
            journal.changed(self);
        }
    }

    /// Ends its stream, and what is kept of it.
    fn close(&self) {
        *self.stream.lock() = None;
        let mut keeping = self.keeping.lock();
        if let Keeping::In(journal) = std::mem::replace(&mut *keeping, Keeping::Over) {
            journal.closed(self.id);
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

    /// One of an earlier run. The child does not know it yet.
    fn restored(record: Record, journal: &Arc<dyn Journal>) -> Self {
        Self {
            id: record.id,
            owner: record.owner,
            version: record.version,
            opened_at: record.opened_at,
            last_seen: AtomicI64::new(Timestamp::now().0),
            hello: record.hello,
            child: Mutex::default(),
            stream: Mutex::default(),
            subscriptions: Mutex::new(record.subscriptions.into_iter().collect()),
            keeping: Mutex::new(Keeping::In(Arc::clone(journal))),
            known: OnceCell::new(),
        }
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
            level: None,
            opened_at: self.opened_at,
            seen_at: Timestamp(self.last_seen.load(Ordering::Relaxed)),
        }
    }

    /// Makes a session of an earlier run known to the child by `introduce`, once.
    ///
    /// # Errors
    /// What `introduce` fails with; the next request tries again.
    pub async fn introduce<E>(&self, introduce: impl Future<Output = Result<(), E>>) -> Result<(), E> {
        self.known.get_or_try_init(|| introduce).await.copied()
    }

    fn streaming(&self) -> bool {
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
    limit: usize,
    journal: Option<Arc<dyn Journal>>,
}

impl Sessions {
    /// No sessions yet; at most `limit` at a time.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { open: RwLock::default(), limit, journal: None }
    }

    /// Those of an earlier run, the newest `limit` of them, each as if it had just been used; they
    /// and later ones are kept in `journal`.
    #[must_use]
    pub fn restored(limit: usize, journal: Arc<dyn Journal>, mut records: Vec<Record>) -> Self {
        records.sort_by_key(|record| std::cmp::Reverse(record.opened_at));
        for left_out in records.iter().skip(limit) {
            journal.closed(left_out.id);
        }
        let sessions = records.into_iter().take(limit).map(|record| Session::restored(record, &journal));
        let open = sessions.map(|session| (session.id, Arc::new(session))).collect();
        Self { open: RwLock::new(open), limit, journal: Some(journal) }
    }

    /// Opens a session. When the limit is reached, the one that was idle longest and has no stream
    /// makes room: many clients never say goodbye.
    ///
    /// # Errors
    /// When every session has a stream open, or there is no randomness.
    pub fn open(&self, owner: UserId, version: &'static str, hello: Bytes) -> Result<Arc<Session>, OpenError> {
        let now = Timestamp::now();
        let session = Arc::new(Session {
            id: SessionId::generate().map_err(OpenError::Random)?,
            owner,
            version,
            opened_at: now,
            last_seen: AtomicI64::new(now.0),
            hello,
            child: Mutex::default(),
            stream: Mutex::default(),
            subscriptions: Mutex::default(),
            keeping: Mutex::default(),
            known: OnceCell::new_with(Some(())),
        });
        let mut open = self.open.write();
        if open.len() >= self.limit {
            let idle = open.values().filter(|session| !session.streaming());
            let oldest = idle.min_by_key(|session| session.last_seen.load(Ordering::Relaxed)).map(|session| session.id);
            let oldest = oldest.ok_or(OpenError::Full { limit: self.limit })?;
            if let Some(session) = open.remove(&oldest) {
                session.close();
            }
        }
        open.insert(session.id, Arc::clone(&session));
        Ok(session)
    }

    /// Has `session` kept, so that its client can go on with it after a restart.
    pub fn keep(&self, session: &Session) {
        let Some(journal) = &self.journal else { return };
        let mut keeping = session.keeping.lock();
        if matches!(*keeping, Keeping::Not) {
            journal.opened(session);
            *keeping = Keeping::In(Arc::clone(journal));
        }
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
            session.close();
        }
    }

    /// Ends sessions without a request for `idle` and without a stream; returns how many.
    pub fn close_idle(&self, idle: Duration) -> usize {
        let now = Timestamp::now();
        let mut open = self.open.write();
        let before = open.len();
        open.retain(|_, session| {
            let unused = now.0.saturating_sub(session.last_seen.load(Ordering::Relaxed));
            let stays = session.streaming() || u128::try_from(unused).unwrap_or(0) < idle.as_millis();
            if !stays {
                session.close();
            }
            stays
        });
        before - open.len()
    }

    /// Ends every stream; the sessions stay. What is being answered is not touched.
    pub fn end_streams(&self) {
        for session in self.open.read().values() {
            *session.stream.lock() = None;
        }
    }

    /// Every open session.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Session>> {
        self.open.read().values().cloned().collect()
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
        self.open.read().values().any(|session| session.follows(uri))
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
        let message = Bytes::from_static(b"{}");
        assert!(!session.deliver(&message));
        let _unread = session.open_stream().unwrap();
        assert_eq!(session.open_stream().err(), Some(StreamTaken));
        assert!((0..STREAM_CAPACITY).all(|_| session.deliver(&message)));
        assert!(!session.deliver(&message));
        assert!(session.open_stream().is_ok());
    }
}
