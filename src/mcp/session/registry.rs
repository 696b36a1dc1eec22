//! All sessions of one instance: how they come, are found and go.

use std::{
    collections::HashMap,
    sync::{Arc, Weak, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use thiserror::Error;
use tokio::sync::mpsc;

use super::{
    Journal, Keeping, Record, Session, SessionId, SessionView, Transport,
    streams::{Reading, Streams},
};
use crate::{
    domain::{ids::UserId, time::Timestamp},
    mcp::{capabilities::ClientCapabilities, upstream::Event, version::LATEST_SESSION_ERA},
};

/// How long a person may take to answer what a child asks.
const ASK_PATIENCE: Duration = Duration::from_secs(600);
/// Events that may wait in a session of ours.
const INBOX: usize = 256;

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
    /// Streams of HTTP+SSE over which nothing was initialized yet, and who opened them.
    connected: Mutex<HashMap<SessionId, (UserId, Arc<Streams>)>>,
    limit: usize,
    journal: Option<Arc<dyn Journal>>,
}

impl Sessions {
    /// No sessions yet; at most `limit` at a time.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { open: RwLock::default(), internal: RwLock::default(), connected: Mutex::default(), limit, journal: None }
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
        Self { open: RwLock::new(open), journal: Some(journal), ..Self::new(limit) }
    }

    /// Opens a session. When the limit is reached, the one that was idle longest and has no stream
    /// makes room: many clients never say goodbye.
    ///
    /// # Errors
    /// When every session has a stream open, or there is no randomness.
    pub fn open(&self, owner: UserId, version: &'static str, hello: Bytes) -> Result<Arc<Session>, OpenError> {
        let id = SessionId::generate().map_err(OpenError::Random)?;
        self.insert(Session::new(id, owner, version, hello))
    }

    fn insert(&self, session: Session) -> Result<Arc<Session>, OpenError> {
        let session = Arc::new(session);
        let mut open = self.open.write();
        if open.len() >= self.limit {
            let idle = open.values().filter(|session| !session.streams.in_use());
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

    /// A stream of HTTP+SSE over which `owner` is about to initialize, and its id.
    ///
    /// # Errors
    /// When there are too many such streams, or there is no randomness.
    pub fn connect(&self, owner: UserId) -> Result<(SessionId, Reading), OpenError> {
        let full = || OpenError::Full { limit: self.limit };
        let id = SessionId::generate().map_err(OpenError::Random)?;
        let streams = Streams::new(0);
        let reading = streams.open_own().map_err(|_| full())?;
        let mut connected = self.connected.lock();
        if connected.len() >= self.limit {
            return Err(full());
        }
        connected.insert(id, (owner, streams));
        Ok((id, reading))
    }

    /// The streams of a connection over which `owner` has initialized nothing yet.
    #[must_use]
    pub fn connected(&self, id: SessionId, owner: UserId) -> Option<Arc<Streams>> {
        let connected = self.connected.lock();
        connected.get(&id).filter(|(connector, _)| *connector == owner).map(|(_, streams)| Arc::clone(streams))
    }

    /// Opens the session of a connection; `None` when `owner` has no such connection that still waits
    /// for its session.
    ///
    /// # Errors
    /// As [`Sessions::open`].
    pub fn open_connected(
        &self,
        id: SessionId,
        owner: UserId,
        version: &'static str,
        hello: Bytes,
    ) -> Result<Option<Arc<Session>>, OpenError> {
        let taken = {
            let mut connected = self.connected.lock();
            let is_theirs = connected.get(&id).is_some_and(|(connector, _)| *connector == owner);
            is_theirs.then(|| connected.remove(&id)).flatten()
        };
        let Some((_, streams)) = taken else { return Ok(None) };
        let mut session = Session::new(id, owner, version, hello);
        session.streams = streams;
        session.transport = Transport::Sse;
        self.insert(session).map(Some)
    }

    /// A connection of HTTP+SSE has ended, and its session with it.
    pub fn disconnect(&self, id: SessionId) {
        self.connected.lock().remove(&id);
        self.close(id);
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
        let (inbox, received) = mpsc::channel(INBOX);
        let id = SessionId::generate().map_err(OpenError::Random)?;
        let mut session = Session::new(id, owner, LATEST_SESSION_ERA, hello);
        session.capabilities = ClientCapabilities::all();
        session.inbox = Some(inbox);
        let session = Arc::new(session);
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

    /// The session with this id that `owner` opened over Streamable HTTP.
    #[must_use]
    pub fn find(&self, id: &str, owner: UserId) -> Option<Arc<Session>> {
        self.find_over(Transport::Streamable, SessionId::read(id)?, owner)
    }

    /// The session with this id, if `owner` opened it over this transport.
    #[must_use]
    pub fn find_over(&self, transport: Transport, id: SessionId, owner: UserId) -> Option<Arc<Session>> {
        let fits = |session: &&Arc<Session>| session.owner == owner && session.transport == transport;
        let session = self.open.read().get(&id).filter(fits).cloned()?;
        session.last_seen.store(Timestamp::now().0, Ordering::Relaxed);
        Some(session)
    }

    /// Ends a session; its own stream ends with it.
    pub fn close(&self, id: SessionId) {
        let closed = self.open.write().remove(&id);
        if let Some(session) = closed {
            session.close();
        }
    }

    /// The periodic sweep: ends sessions without a request for `idle` and with nothing under way,
    /// returns how many; gives up streams and asks of the others that have waited long enough.
    pub fn close_idle(&self, idle: Duration) -> usize {
        let now = Timestamp::now();
        let is_idle = |session: &Arc<Session>| {
            let unused = now.0.saturating_sub(session.last_seen.load(Ordering::Relaxed));
            !session.streams.in_use() && u128::try_from(unused).unwrap_or(0) >= idle.as_millis()
        };
        let (idle, others): (Vec<_>, Vec<_>) = self.open.read().values().cloned().partition(is_idle);
        for session in others {
            session.streams.sweep(now);
            session.expire_asks(ASK_PATIENCE);
        }
        idle.iter().for_each(|session| self.close(session.id));
        idle.len()
    }

    /// Ends every session's own stream; the sessions stay. What is being answered is not touched.
    pub fn end_streams(&self) {
        for session in self.open.read().values() {
            session.streams.hang_up_own();
        }
        for (_, streams) in self.connected.lock().values() {
            streams.hang_up_own();
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
        let _stream = first.streams().open_own().unwrap();
        let second = open(&sessions, ann);
        let third = open(&sessions, ann);
        assert!(sessions.find(&first.id().to_string(), ann).is_some());
        assert!(sessions.find(&second.id().to_string(), ann).is_none());
        let _stream = third.streams().open_own().unwrap();
        assert!(matches!(sessions.open(ann, "2025-11-25", Bytes::new()), Err(OpenError::Full { limit: 2 })));
    }

    #[test]
    fn the_newest_are_restored_and_known_by_their_ids() {
        #[derive(Default)]
        struct Closed(Mutex<Vec<String>>);
        impl Journal for Closed {
            fn opened(&self, _: &Session) {}
            fn changed(&self, _: &Session) {}
            fn closed(&self, id: SessionId) {
                self.0.lock().push(id.to_string());
            }
        }
        let ann = UserId::generate();
        let record = |number: u8| Record {
            id: SessionId::read(&format!("{number:032x}")).unwrap(),
            owner: ann,
            version: "2025-11-25",
            hello: Bytes::new(),
            subscriptions: vec![format!("a:{number}")],
            level: Some("error".to_owned()),
            opened_at: Timestamp(i64::from(number)),
            seen_at: Timestamp(0),
        };
        let journal: Arc<Closed> = Arc::default();
        let sessions = Sessions::restored(2, journal.clone(), vec![record(1), record(3), record(2)]);
        assert_eq!(*journal.0.lock(), [format!("{:032x}", 1)]);
        let third = sessions.find(&format!("{:032x}", 3), ann).unwrap();
        assert!(third.follows("a:3") && third.level().is_some());
        assert_eq!(sessions.close_idle(Duration::from_secs(60)), 0, "they have just been used");
        sessions.close(third.id());
        // What a call of it still changes must not bring it back.
        third.subscribe("a:4").unwrap();
        assert_eq!(journal.0.lock().len(), 2);
    }

    #[test]
    fn a_connection_becomes_a_session_of_its_own_kind_once() {
        let sessions = Sessions::new(2);
        let (ann, bob) = (UserId::generate(), UserId::generate());
        let (id, reading) = sessions.connect(ann).unwrap();
        assert!(sessions.connected(id, ann).is_some() && sessions.connected(id, bob).is_none());
        assert!(sessions.open_connected(id, bob, "2024-11-05", Bytes::new()).unwrap().is_none());
        let session = sessions.open_connected(id, ann, "2024-11-05", Bytes::new()).unwrap().unwrap();
        assert!(sessions.open_connected(id, ann, "2024-11-05", Bytes::new()).unwrap().is_none());
        assert!(session.streaming() && sessions.find(&id.to_string(), ann).is_none());
        assert!(sessions.find_over(Transport::Sse, id, ann).is_some());
        assert!(sessions.find_over(Transport::Sse, id, bob).is_none());
        drop(reading);
        sessions.disconnect(id);
        assert!(sessions.find_over(Transport::Sse, id, ann).is_none() && session.gone().is_cancelled());
        let _kept: Vec<_> = (0..2).map(|_| sessions.connect(ann).unwrap()).collect();
        assert!(matches!(sessions.connect(ann), Err(OpenError::Full { limit: 2 })));
    }
}
