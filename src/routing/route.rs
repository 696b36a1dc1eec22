//! One route: what a call needs of an instance, or of one connection of it.
//!
//! Owner of state: the actor of the instance or connection sets the link and publishes the status;
//! calls take places and note the use. Invariant: nobody is given a child that was taken off because
//! nobody used it, see [`Route::retire`].

mod waking;

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};

use self::waking::Doorbell;
pub use self::waking::unavailable;
use super::{AccessBuffer, Connections, Trace};
use crate::{
    domain::{
        ids::{InstanceId, UserId},
        instance::{Instance, Mode, Status},
        limits::Usage,
        names::ServiceName,
        time::Timestamp,
        usage::{Recent, Sampled},
    },
    mcp::{
        session::{SessionId, Sessions},
        upstream::Upstream,
    },
};

/// Whether there is a child to hand calls to.
pub enum Link {
    /// There is.
    Up(Upstream),
    /// Not now; the status says why.
    Down,
}

/// One instance as the data plane sees it, or one connection of it. Outlives its processes.
pub struct Route {
    /// The instance.
    pub id: InstanceId,
    /// Its owner: nobody else finds it.
    pub owner: UserId,
    /// The service of its URL.
    pub service: ServiceName,
    /// Its other URL.
    pub slug: String,
    /// How processes serve it.
    pub mode: Mode,
    /// Its client sessions.
    pub sessions: Arc<Sessions>,
    /// Lines of its access log that are not written yet.
    pub access: AccessBuffer,
    /// Lines of its debug log that are not written yet.
    pub trace: Trace,
    link: ArcSwap<Link>,
    status: watch::Receiver<Status>,
    in_flight: Arc<Semaphore>,
    places: usize,
    doorbell: Doorbell,
    connections: Option<Arc<Connections>>,
    last_used: AtomicI64,
    usage: Mutex<Recent>,
}

impl Route {
    /// A route to `instance` with its client sessions and a bound of the calls at a time; down until
    /// its actor says otherwise.
    #[must_use]
    pub fn new(
        instance: &Instance,
        status: watch::Receiver<Status>,
        sessions: Arc<Sessions>,
        max_in_flight: usize,
    ) -> Arc<Self> {
        Arc::new(Self::with(instance, status, sessions, max_in_flight))
    }

    /// A route to an instance that has no process itself, but these connections.
    #[must_use]
    pub fn to_house(
        instance: &Instance,
        status: watch::Receiver<Status>,
        sessions: Arc<Sessions>,
        max_in_flight: usize,
        connections: Arc<Connections>,
    ) -> Arc<Self> {
        let route = Self::with(instance, status, sessions, max_in_flight);
        Arc::new(Self { connections: Some(connections), ..route })
    }

    /// A route to one connection of `instance`, which its house wakes.
    #[must_use]
    pub fn to_connection(
        instance: &Instance,
        status: watch::Receiver<Status>,
        sessions: Arc<Sessions>,
        max_in_flight: usize,
        (id, connections): (SessionId, &Arc<Connections>),
    ) -> Arc<Self> {
        let route = Self::with(instance, status, sessions, max_in_flight);
        Arc::new(Self { doorbell: Doorbell::House { id, connections: Arc::downgrade(connections) }, ..route })
    }

    fn with(
        instance: &Instance,
        status: watch::Receiver<Status>,
        sessions: Arc<Sessions>,
        max_in_flight: usize,
    ) -> Self {
        Self {
            id: instance.id,
            owner: instance.user_id,
            service: instance.service.clone(),
            slug: instance.slug.clone(),
            mode: instance.mode,
            sessions,
            access: AccessBuffer::default(),
            trace: Trace::default(),
            link: ArcSwap::from_pointee(Link::Down),
            status,
            in_flight: Arc::new(Semaphore::new(max_in_flight)),
            places: max_in_flight,
            doorbell: Doorbell::Own(Notify::new()),
            connections: None,
            last_used: AtomicI64::new(Timestamp::now().0),
            usage: Mutex::default(),
        }
    }

    /// Sets or removes the child. Only the instance's actor does this, before it publishes `running`
    /// and before it publishes anything else.
    pub fn set_link(&self, link: Link) {
        match &link {
            Link::Up(upstream) => self.sessions.attach(&upstream.sessions),
            Link::Down => self.sessions.detach(),
        }
        self.link.store(Arc::new(link));
    }

    /// Takes the child off because nobody uses it; `false`, and the child stays, when somebody does. Only
    /// the instance's actor does this.
    pub fn retire(&self) -> bool {
        let used = self.last_used();
        if self.is_used() {
            return false;
        }
        let link = self.link.swap(Arc::new(Link::Down));
        // Who comes now notes that before looking for the child: one of both sees the other.
        if self.last_used() == used && !self.is_used_by(&link) {
            self.sessions.detach();
            return true;
        }
        self.link.store(link);
        false
    }

    /// Whether a client has anything open: a call, a stream, a question.
    #[must_use]
    pub fn is_used(&self) -> bool {
        self.is_used_by(&self.link.load())
    }

    fn is_used_by(&self, link: &Link) -> bool {
        let busy = |upstream: &Upstream| {
            upstream.held.parked() > 0 || upstream.held.listens() > 0 || upstream.pulse.in_flight() > 0
        };
        self.held() > 0 || self.sessions.in_use() || matches!(link, Link::Up(upstream) if busy(upstream))
    }

    /// The child, if there is one now.
    #[must_use]
    pub fn upstream(&self) -> Option<Upstream> {
        match &**self.link.load() {
            Link::Up(upstream) => Some(upstream.clone()),
            Link::Down => None,
        }
    }

    /// Its connections, where each has processes of its own.
    #[must_use]
    pub const fn connections(&self) -> Option<&Arc<Connections>> {
        self.connections.as_ref()
    }

    /// This route, and those of its connections: all that may have a child.
    #[must_use]
    pub fn with_connections(self: Arc<Self>) -> Vec<Arc<Self>> {
        let seats = self.connections.iter().flat_map(|connections| connections.all());
        let mut all: Vec<Arc<Self>> = seats.map(|seat| Arc::clone(&seat.route)).collect();
        all.push(self);
        all
    }

    /// What it uses, by the last sample; `None` before the first and while nothing runs.
    #[must_use]
    pub fn usage(&self) -> Option<Usage> {
        self.usage.lock().now()
    }

    /// The last samples, oldest first.
    #[must_use]
    pub fn recent_usage(&self) -> Vec<Sampled> {
        self.usage.lock().all()
    }

    /// Publishes a sample; `None` when there is nothing left to sample.
    pub fn set_usage(&self, usage: impl Into<Option<Usage>>) {
        self.usage.lock().push(Timestamp::now(), usage.into());
    }

    /// What is true of the instance now.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    /// A place among the calls in flight; `None` when all are taken (503, not a queue).
    #[must_use]
    pub fn permit(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.in_flight).try_acquire_owned().ok()
    }

    /// How many have such a place: calls that the child has, that are on their way to it, or that wait for one.
    #[must_use]
    pub fn held(&self) -> usize {
        self.places.saturating_sub(self.in_flight.available_permits())
    }

    /// Notes that the instance is used: before the child is looked for, see [`Route::retire`].
    pub fn touch(&self, now: Timestamp) {
        self.last_used.store(now.0, Ordering::SeqCst);
    }

    /// When it was last used.
    #[must_use]
    pub fn last_used(&self) -> Timestamp {
        Timestamp(self.last_used.load(Ordering::SeqCst))
    }
}
