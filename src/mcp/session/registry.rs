//! All sessions of one instance: how they come, are found and go.

use std::{
    collections::HashMap,
    sync::{Arc, Weak, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use thiserror::Error;
use tokio::sync::{Notify, mpsc};

use super::{
    Holder, Journal, Keeping, Record, Session, SessionId, SessionView, Transport,
    budget::Budget,
    log::Lag,
    streams::{Reading, Streams},
};
use crate::{
    domain::{ids::UserId, time::Timestamp},
    mcp::{
        capabilities::ClientCapabilities,
        upstream::{Event, SessionPeer},
        version::LATEST_SESSION_ERA,
    },
};

/// How long a person may take to answer what a child asks.
const ASK_PATIENCE: Duration = Duration::from_secs(600);
/// Events that may wait in a session of ours.
const INBOX: usize = 256;

/// Why no session could be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The connection has had its session.
    #[error("this connection has a session already")]
    Taken,
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
    connected: Mutex<HashMap<SessionId, (Holder, Arc<Streams>)>>,
    limit: usize,
    journal: Option<Arc<dyn Journal>>,
    budget: Arc<Budget>,
    /// Takes sessions that have ended to the child that there is now, to be told so.
    farewells: Mutex<Option<mpsc::UnboundedSender<Arc<Session>>>>,
    ids: Ids,
    /// Told of every session that ends.
    ended: Notify,
}

/// Where ids of sessions come from.
enum Ids {
    /// Each is drawn.
    Drawn,
    /// There is one, for one session; `None` when that has it.
    One(Mutex<Option<SessionId>>),
}

impl Sessions {
    /// No sessions yet; at most `limit` at a time.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            open: RwLock::default(),
            internal: RwLock::default(),
            connected: Mutex::default(),
            limit,
            journal: None,
            budget: Arc::default(),
            farewells: Mutex::default(),
            ids: Ids::Drawn,
            ended: Notify::new(),
        }
    }

    /// Those of an earlier run, the newest `limit` of them, each as if it had just been used; they
    /// and later ones are kept in `journal`.
    #[must_use]
    pub fn restored(limit: usize, journal: Arc<dyn Journal>, mut records: Vec<Record>) -> Self {
        records.sort_by_key(|record| std::cmp::Reverse(record.opened_at));
        for left_out in records.iter().skip(limit) {
            journal.closed(left_out.id);
        }
        let sessions = Self::new(limit);
        let restored = records.into_iter().take(limit);
        let restored = restored.map(|record| Session::restored(record, Arc::clone(&journal), &sessions.budget));
        let open = restored.map(|session| (session.id, session)).collect();
        Self { open: RwLock::new(open), journal: Some(journal), ..sessions }
    }

    /// Those of one connection: a single session, which has the id of the connection.
    #[must_use]
    pub fn of_connection(id: SessionId, journal: Arc<dyn Journal>, record: Option<Record>) -> Self {
        let left = if record.is_some() { None } else { Some(id) };
        let sessions = Self::restored(1, journal, record.into_iter().collect());
        Self { ids: Ids::One(Mutex::new(left)), ..sessions }
    }

    fn next_id(&self) -> Result<SessionId, OpenError> {
        match &self.ids {
            Ids::Drawn => SessionId::generate().map_err(OpenError::Random),
            Ids::One(id) => id.lock().take().ok_or(OpenError::Taken),
        }
    }

    /// Whether no client has a session, nor is about to.
    #[must_use]
    pub fn is_vacant(&self) -> bool {
        self.is_empty() && self.connected.lock().is_empty()
    }

    /// Returns when a session has ended since it was asked last.
    pub async fn ended(&self) {
        self.ended.notified().await;
    }

    /// There is a child: it is told of every session that ends from now on, whatever ends it, by a
    /// task on the thread that says so.
    pub fn attach(&self, peer: &Arc<dyn SessionPeer>) {
        let (farewells, mut ended) = mpsc::unbounded_channel();
        *self.farewells.lock() = Some(farewells);
        let peer = Arc::downgrade(peer);
        actix_rt::spawn(async move {
            while let Some(session) = ended.recv().await {
                let Some(peer) = peer.upgrade() else { return };
                actix_rt::spawn(peer.end(session));
            }
        });
    }

    /// There is no child any more.
    pub fn detach(&self) {
        *self.farewells.lock() = None;
    }

    /// The child has accepted `session`. If that ended meanwhile, the child did not know it yet.
    pub fn accepted(&self, session: &Arc<Session>) {
        if session.gone.is_cancelled() {
            self.bid_farewell(Arc::clone(session));
        }
    }

    /// Ends a session that is not listed any more, with its child. The one way that sessions end; not
    /// to be called under a lock: it writes to the child.
    fn end(&self, session: Arc<Session>) {
        session.close();
        self.bid_farewell(session);
        self.ended.notify_one();
    }

    fn bid_farewell(&self, session: Arc<Session>) {
        if let Some(farewells) = &*self.farewells.lock() {
            // A closed channel: the child is gone.
            let _ = farewells.send(session);
        }
    }

    /// Opens a session. When the limit is reached, the one that was idle longest and has no stream
    /// makes room: many clients never say goodbye.
    ///
    /// # Errors
    /// When every session has a stream open, or there is no randomness.
    pub fn open(
        &self,
        owner: impl Into<Holder>,
        version: &'static str,
        hello: Bytes,
    ) -> Result<Arc<Session>, OpenError> {
        let id = self.next_id()?;
        let (session, left) = self.insert(Session::new(id, owner.into(), version, hello, &self.budget))?;
        left.into_iter().for_each(|left| self.end(left));
        Ok(session)
    }

    /// Lists a session; with it comes the one that made room, which is to be ended.
    fn insert(&self, session: Session) -> Result<(Arc<Session>, Option<Arc<Session>>), OpenError> {
        let session = Arc::new(session);
        let mut open = self.open.write();
        let mut left = None;
        if open.len() >= self.limit {
            let idle = open.values().filter(|session| !session.streams.in_use());
            let oldest = idle.min_by_key(|session| session.last_seen.load(Ordering::Relaxed)).map(|session| session.id);
            left = open.remove(&oldest.ok_or(OpenError::Full { limit: self.limit })?);
        }
        open.insert(session.id, Arc::clone(&session));
        drop(open);
        Ok((session, left))
    }

    /// Has `session` kept, so that its client can go on with it after a restart.
    pub fn keep(&self, session: &Arc<Session>) {
        let Some(journal) = &self.journal else { return };
        let mut keeping = session.keeping.lock();
        if matches!(*keeping, Keeping::Not) {
            journal.opened(session);
            *keeping = Keeping::In { journal: Arc::clone(journal), session: Arc::downgrade(session) };
        }
    }

    /// A stream of HTTP+SSE over which `owner` is about to initialize, and its id.
    ///
    /// # Errors
    /// When there are too many such streams, or there is no randomness.
    pub fn connect(&self, owner: impl Into<Holder>) -> Result<(SessionId, Reading), OpenError> {
        let full = || OpenError::Full { limit: self.limit };
        let id = self.next_id()?;
        let streams = Streams::within(0, Lag::Misses, &self.budget);
        let reading = streams.open_own().map_err(|_| full())?;
        let mut connected = self.connected.lock();
        if connected.len() >= self.limit {
            return Err(full());
        }
        connected.insert(id, (owner.into(), streams));
        Ok((id, reading))
    }

    /// The streams of a connection over which `owner` has initialized nothing yet.
    #[must_use]
    pub fn connected(&self, id: SessionId, owner: impl Into<Holder>) -> Option<Arc<Streams>> {
        let owner = owner.into();
        let connected = self.connected.lock();
        connected.get(&id).filter(|(connector, _)| *connector == owner).map(|(_, streams)| Arc::clone(streams))
    }

    /// Opens the session of a connection; `None` when `owner` has no such connection that still waits
    /// for its session. A connection without room for its session ends.
    ///
    /// # Errors
    /// As [`Sessions::open`].
    pub fn open_connected(
        &self,
        id: SessionId,
        owner: impl Into<Holder>,
        version: &'static str,
        hello: Bytes,
    ) -> Result<Option<Arc<Session>>, OpenError> {
        let owner = owner.into();
        let mut connected = self.connected.lock();
        let theirs = connected.get(&id).filter(|(connector, _)| *connector == owner);
        let Some(streams) = theirs.map(|(_, streams)| Arc::clone(streams)) else { return Ok(None) };
        let mut session = Session::new(id, owner, version, hello, &self.budget);
        session.streams = Arc::clone(&streams);
        session.transport = Transport::Sse;
        // Listed before it is taken from there: a connection that ends now finds it here or there.
        let inserted = self.insert(session);
        connected.remove(&id);
        drop(connected);
        let (session, left) = inserted.inspect_err(|_| streams.finish_own())?;
        left.into_iter().for_each(|left| self.end(left));
        Ok(Some(session))
    }

    /// A connection of HTTP+SSE has ended, and its session with it.
    pub fn disconnect(&self, id: SessionId) {
        self.connected.lock().remove(&id);
        self.close(id);
        self.ended.notify_one();
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
        let mut session = Session::new(id, owner.into(), LATEST_SESSION_ERA, hello, &self.budget);
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
    pub fn find(&self, id: &str, owner: impl Into<Holder>) -> Option<Arc<Session>> {
        self.find_over(Transport::Streamable, SessionId::read(id)?, owner)
    }

    /// The session with this id, if `owner` opened it over this transport.
    #[must_use]
    pub fn find_over(&self, transport: Transport, id: SessionId, owner: impl Into<Holder>) -> Option<Arc<Session>> {
        let owner = owner.into();
        let fits = |session: &&Arc<Session>| session.owner == owner && session.transport == transport;
        let session = self.open.read().get(&id).filter(fits).cloned()?;
        session.last_seen.store(Timestamp::now().0, Ordering::Relaxed);
        Some(session)
    }

    /// Ends a session; its own stream ends with it, and the child is told.
    pub fn close(&self, id: SessionId) {
        let closed = self.open.write().remove(&id);
        if let Some(session) = closed {
            self.end(session);
        }
    }

    /// Ends every session of this user, and every stream over which they are about to open one.
    pub fn close_of(&self, user: UserId) {
        let theirs: Vec<SessionId> =
            self.open.read().values().filter(|session| session.owner.user == user).map(|session| session.id).collect();
        theirs.into_iter().for_each(|id| self.close(id));
        for (owner, streams) in self.connected.lock().values() {
            if owner.user == user {
                streams.hang_up_own();
            }
        }
    }

    /// Whether this user has a session, or is about to.
    #[must_use]
    pub fn has_of(&self, user: UserId) -> bool {
        self.open.read().values().any(|session| session.owner.user == user)
            || self.connected.lock().values().any(|(owner, _)| owner.user == user)
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

    /// Whether a client has a stream open, an answer under way, or a question of the child to answer.
    #[must_use]
    pub fn in_use(&self) -> bool {
        let used = |session: &Arc<Session>| session.streams.in_use() || session.asks() > 0;
        !self.connected.lock().is_empty() || self.open.read().values().any(used)
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
    use futures_util::{FutureExt, StreamExt, future::LocalBoxFuture};

    use super::*;
    use crate::mcp::{
        error::UpstreamError,
        jsonrpc::Message,
        upstream::{Reply, Terms},
    };

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
            fn changed(&self, _: Arc<Session>) {}
            fn closed(&self, id: SessionId) {
                self.0.lock().push(id.to_string());
            }
        }
        let ann = UserId::generate();
        let record = |number: u8| Record {
            id: SessionId::read(&format!("{number:032x}")).unwrap(),
            owner: ann.into(),
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

    #[test]
    fn a_connection_without_room_for_its_session_ends() {
        let sessions = Sessions::new(1);
        let ann = UserId::generate();
        let first = open(&sessions, ann);
        let _busy = first.streams().open_own().unwrap();
        let (id, mut reading) = sessions.connect(ann).unwrap();
        assert!(sessions.open_connected(id, ann, "2024-11-05", Bytes::new()).is_err());
        assert!(sessions.connected(id, ann).is_none());
        assert_eq!(reading.next().now_or_never(), Some(None));
    }

    #[test]
    fn the_child_hears_of_every_end() {
        let system = actix_rt::System::new();
        system.block_on(async {
            let sessions = Sessions::new(2);
            let ann = UserId::generate();
            let (ended, mut heard) = mpsc::unbounded_channel();
            let peer: Arc<dyn SessionPeer> = Arc::new(Listener(ended));
            sessions.attach(&peer);
            let [first, second] = [(); 2].map(|()| open(&sessions, ann));
            first.last_seen.store(0, Ordering::Relaxed);
            let evicting = open(&sessions, ann);
            assert_eq!(heard.recv().await, Some(first.id()), "it made room");
            sessions.close(second.id());
            assert_eq!(heard.recv().await, Some(second.id()));
            assert_eq!(sessions.close_idle(Duration::ZERO), 1);
            assert_eq!(heard.recv().await, Some(evicting.id()));
            let (id, reading) = sessions.connect(ann).unwrap();
            let session = sessions.open_connected(id, ann, "2024-11-05", Bytes::new()).unwrap().unwrap();
            drop(reading);
            sessions.disconnect(id);
            assert_eq!(heard.recv().await, Some(id));
            sessions.accepted(&session);
            assert_eq!(heard.recv().await, Some(id), "it had ended before the child knew it");
            sessions.detach();
            sessions.close(open(&sessions, ann).id());
            drop(peer);
            assert_eq!(heard.recv().await, None);
        });
    }

    /// A child that notes which sessions have ended.
    struct Listener(mpsc::UnboundedSender<SessionId>);

    type Answered<T> = LocalBoxFuture<'static, Result<T, UpstreamError>>;

    fn nothing<T: 'static>() -> Answered<T> {
        std::future::ready(Err(UpstreamError::SessionLost)).boxed_local()
    }

    impl SessionPeer for Listener {
        fn open(self: Arc<Self>, _: Arc<Session>, _: Message) -> Answered<Message> {
            nothing()
        }

        fn call(self: Arc<Self>, _: Arc<Session>, _: Message, _: Terms) -> Answered<Reply> {
            nothing()
        }

        fn notify(self: Arc<Self>, _: Arc<Session>, _: Message) -> Answered<()> {
            nothing()
        }

        fn listen(self: Arc<Self>, _: Arc<Session>) -> Answered<()> {
            nothing()
        }

        fn end(self: Arc<Self>, session: Arc<Session>) -> LocalBoxFuture<'static, ()> {
            self.0.send(session.id()).unwrap();
            std::future::ready(()).boxed_local()
        }
    }
}
