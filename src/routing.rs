//! From a URL to an instance: a lock-free snapshot of routes, and what a call needs of each.
//!
//! Owner of state: the supervisor is the only writer of the [`RouteTable`]; an instance's actor is
//! the only writer of its route's link and status. Readers take no lock and send no message.

mod access;
mod connections;
mod table;
mod trace;

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};

pub use self::{
    access::{AccessBuffer, AccessEntry},
    connections::{Connections, Order, Seat},
    table::RouteTable,
    trace::{Trace, word},
};
use crate::{
    domain::{
        ids::{InstanceId, UserId},
        instance::{Instance, Mode, Status},
        lifecycle::State,
        limits::Usage,
        names::ServiceName,
        time::Timestamp,
    },
    mcp::{
        error::Unavailable,
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

/// What wakes a child that sleeps.
enum Doorbell {
    /// Its own actor hears it.
    Own(Notify),
    /// The house decides: processes of connections are counted together.
    House { id: SessionId, connections: Weak<Connections> },
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
    usage: Mutex<Option<Usage>>,
}

/// What clients have open, of one instance or of many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Sessions.
    pub sessions: usize,
    /// Calls that wait for their client's input.
    pub parked: usize,
    /// Listen streams of clients without a session.
    pub listens: usize,
    /// Calls that the child has not answered; the parked ones among them.
    pub in_flight: usize,
}

impl Traffic {
    /// Whether there is nothing.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        *self == Self::default()
    }
}

impl std::iter::Sum for Traffic {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| Self {
            sessions: sum.sessions + one.sessions,
            parked: sum.parked + one.parked,
            listens: sum.listens + one.listens,
            in_flight: sum.in_flight + one.in_flight,
        })
    }
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
        let held = self.in_flight.available_permits() < self.places;
        held || self.sessions.in_use() || matches!(link, Link::Up(upstream) if busy(upstream))
    }

    /// Returns when a request waits for the sleeping child.
    pub async fn wanted(&self) {
        match &self.doorbell {
            Doorbell::Own(wanted) => wanted.notified().await,
            Doorbell::House { .. } => std::future::pending().await,
        }
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

    /// What its clients have open now.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        if let Some(connections) = &self.connections {
            return connections.all().iter().map(|seat| seat.route.traffic()).sum();
        }
        let sessions = self.sessions.len();
        let Some(upstream) = self.upstream() else { return Traffic { sessions, ..Traffic::default() } };
        Traffic {
            sessions,
            parked: upstream.held.parked(),
            listens: upstream.held.listens(),
            in_flight: upstream.pulse.in_flight(),
        }
    }

    /// The last sample of what it uses; `None` before the first.
    #[must_use]
    pub fn usage(&self) -> Option<Usage> {
        *self.usage.lock()
    }

    /// Publishes a sample; `None` when there is nothing left to sample.
    pub fn set_usage(&self, usage: impl Into<Option<Usage>>) {
        *self.usage.lock() = usage.into();
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

    /// Notes that the instance is used: before the child is looked for, see [`Route::retire`].
    pub fn touch(&self, now: Timestamp) {
        self.last_used.store(now.0, Ordering::SeqCst);
    }

    /// When it was last used.
    #[must_use]
    pub fn last_used(&self) -> Timestamp {
        Timestamp(self.last_used.load(Ordering::SeqCst))
    }

    /// The child, waiting up to `patience` while it is on its way up; one that sleeps is woken.
    ///
    /// # Errors
    /// When it is down and not coming, or does not come in time: the text says what to do.
    pub async fn connect(&self, patience: Duration) -> Result<Upstream, Unavailable> {
        if let Link::Up(upstream) = &**self.link.load() {
            return Ok(upstream.clone());
        }
        let coming = tokio::time::timeout(patience, self.wait_for_link()).await;
        coming.unwrap_or_else(|_| {
            let status = self.status();
            let progress = status.progress.map(|progress| format!(" ({progress})")).unwrap_or_default();
            Err(Unavailable { detail: format!("the instance is still {}{progress}; try again shortly", status.state) })
        })
    }

    async fn ring(&self) -> Result<(), Unavailable> {
        match &self.doorbell {
            Doorbell::Own(wanted) => {
                wanted.notify_one();
                Ok(())
            }
            Doorbell::House { id, connections } => match connections.upgrade() {
                Some(connections) => connections.wake(*id).await,
                None => Err(unavailable(&Status { state: State::Deleted, ..self.status() })),
            },
        }
    }

    async fn wait_for_link(&self) -> Result<Upstream, Unavailable> {
        let mut status = self.status.clone();
        let failed_before = status.borrow().failed_wakes;
        loop {
            let now = status.borrow_and_update().clone();
            if let Link::Up(upstream) = &**self.link.load() {
                return Ok(upstream.clone());
            }
            if now.state == State::Idle {
                self.ring().await?;
            }
            if now.failed_wakes > failed_before {
                return Err(unavailable(&Status { state: State::Failed, ..now }));
            }
            // `running` without a link: its process has just ended, and the actor is about to say so.
            if !now.state.will_run() && !now.state.serves() {
                return Err(unavailable(&now));
            }
            if status.changed().await.is_err() {
                return Err(Unavailable { detail: "the instance is being removed".to_owned() });
            }
        }
    }
}

/// Why there is no child, and what to do.
#[must_use]
pub fn unavailable(status: &Status) -> Unavailable {
    let crash = status.last_error.as_ref().map(|card| card.summary()).unwrap_or_default();
    let detail = match status.state {
        State::Stopped => "the instance is stopped; its owner can toggle it on".to_owned(),
        State::Expired => "the instance has expired; its owner can renew it".to_owned(),
        State::Failed => format!("the instance failed: {crash}; fix the cause and restart it"),
        State::Disconnected => format!("the instance has lost its process: {crash}; restore it"),
        state => format!("the instance is {state}"),
    };
    Unavailable { detail }
}
