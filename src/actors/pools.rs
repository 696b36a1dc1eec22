//! Which shared services have processes, as everybody sees them.
//!
//! Owner of state: the table of pools, which only grows by what is asked for; what a pool has is its actor's to
//! publish. A pool that is asked for the first time gets its actor from the supervisor.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::sync::mpsc;

use crate::{
    domain::{
        crash::CrashCard,
        ids::InstanceId,
        lifecycle::{Health, State},
        limits::Usage,
        names::ServiceName,
    },
    mcp::http::Pool,
    routing::Route,
};

/// One pool, as its actor publishes it.
pub(super) struct Known {
    pub(super) pool: Arc<Pool>,
    pub(super) desks: ArcSwap<Vec<Desk>>,
}

/// Where one process of a pool is looked at.
pub(super) struct Desk {
    pub(super) number: u16,
    pub(super) route: Arc<Route>,
}

/// All pools.
pub struct Pools {
    known: Mutex<BTreeMap<ServiceName, Arc<Known>>>,
    orders: mpsc::UnboundedSender<ServiceName>,
    ordered: Mutex<Option<mpsc::UnboundedReceiver<ServiceName>>>,
    patience: Duration,
}

/// One process of a shared service.
pub struct WorkerView {
    /// Which it is, from 0.
    pub number: u16,
    /// Its state; `stopped` when nobody needs it.
    pub state: State,
    /// Its last health check.
    pub health: Health,
    /// Its leading process.
    pub pid: Option<u32>,
    /// Its port.
    pub port: Option<u16>,
    /// Restarts in this run.
    pub restarts: u32,
    /// What it uses, by the last sample.
    pub usage: Option<Usage>,
    /// Its last failure.
    pub last_error: Option<CrashCard>,
    /// Awake instances that it serves.
    pub instances: usize,
}

/// A shared service with its processes.
pub struct PoolView {
    /// The service.
    pub service: ServiceName,
    /// Its processes.
    pub workers: Vec<WorkerView>,
}

impl Pools {
    /// None yet. Requests wait up to `patience` for a process.
    #[must_use]
    pub fn new(patience: Duration) -> Self {
        let (orders, ordered) = mpsc::unbounded_channel();
        Self { known: Mutex::default(), orders, ordered: Mutex::new(Some(ordered)), patience }
    }

    /// The processes of `service`, which are started when there are none.
    pub(super) fn of(&self, service: &ServiceName) -> Arc<Pool> {
        Arc::clone(&self.known(service).pool)
    }

    pub(super) fn known(&self, service: &ServiceName) -> Arc<Known> {
        let mut known = self.known.lock();
        if let Some(known) = known.get(service) {
            return Arc::clone(known);
        }
        let one = Arc::new(Known { pool: Pool::new(self.patience), desks: ArcSwap::default() });
        known.insert(service.clone(), Arc::clone(&one));
        // Without a supervisor there is nobody to serve either.
        let _ = self.orders.send(service.clone());
        one
    }

    /// The services whose pools are asked for; for the first that asks.
    pub(super) fn orders(&self) -> Option<mpsc::UnboundedReceiver<ServiceName>> {
        self.ordered.lock().take()
    }

    /// What there is now. `served` are the awake instances of a service.
    pub(super) fn views(&self, served: impl Fn(&ServiceName) -> Vec<InstanceId>) -> Vec<PoolView> {
        let known: Vec<_> = self.known.lock().iter().map(|(name, known)| (name.clone(), Arc::clone(known))).collect();
        let view = |(service, known): (ServiceName, Arc<Known>)| {
            let ring = known.pool.ring();
            let served: Vec<_> = served(&service).into_iter().map(|id| ring.number_for(id.uuid())).collect();
            let count = |number| served.iter().filter(|one| **one == Some(number)).count();
            let workers = known.desks.load().iter().map(|desk| desk.view(count(desk.number))).collect();
            PoolView { service, workers }
        };
        known.into_iter().map(view).collect()
    }
}

impl Desk {
    fn view(&self, instances: usize) -> WorkerView {
        let status = self.route.status();
        WorkerView {
            number: self.number,
            state: status.state,
            health: status.health,
            pid: status.pid,
            port: status.pid.and(status.port),
            restarts: status.restarts,
            usage: status.pid.and_then(|_| self.route.usage()),
            last_error: status.last_error,
            instances,
        }
    }
}
