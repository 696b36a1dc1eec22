//! The actor of one shared service: it has no process itself, but keeps those that serve the service's instances,
//! each run by an [`InstanceActor`] of its own.
//!
//! A process is supervised as that of an instance is: health, limits, walls, logs, restarts with backoff. It is
//! nobody's: it runs as a user of its service alone, takes no place of anybody's quota, and is told no credential
//! but with the request that needs it.
//!
//! Owner of state: which processes there are, and the ring by which requests find them. Invariant: a process is on
//! the ring only after its first answer, and off it before its successor is.

mod commands;
mod following;
mod workers;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use actix::{Actor, ActorFutureExt, AsyncContext, Context, Recipient, fut::wrap_future};
use tokio::time::Instant;

use self::workers::Employee;
use super::{
    Runtime,
    instance::Ticket,
    messages::{InstanceCommand, InstanceGone},
    pools::Known,
};
use crate::domain::{
    ids::{Generation, InstanceId},
    instance::Mode,
    lifecycle::State,
    manifest::SharedStart,
    names::ServiceName,
};

/// Between two looks at whether anybody needs the processes, and whether one may be tried again.
const LOOK: Duration = Duration::from_secs(5);
/// How long a process that was given up is left alone.
const TRUCE: Duration = Duration::from_secs(30);

/// See the module.
pub(super) struct PoolActor {
    runtime: Arc<Runtime>,
    service: ServiceName,
    known: Arc<Known>,
    workers: BTreeMap<u16, Employee>,
    /// Since when no instance has been awake.
    unused_since: Option<Instant>,
    generation: Generation,
    ticket: Ticket,
}

/// What an actor is made from; crosses the thread boundary.
pub(super) struct PoolParts {
    pub(super) runtime: Arc<Runtime>,
    pub(super) service: ServiceName,
    /// Who it is to the supervisor.
    pub(super) mark: InstanceId,
    pub(super) supervisor: Recipient<InstanceGone>,
    /// Later than that of any process that may still live.
    pub(super) generation: Generation,
}

impl PoolActor {
    pub(super) fn new(parts: PoolParts) -> Self {
        let PoolParts { runtime, service, mark, supervisor, generation } = parts;
        Self {
            known: runtime.pools.known(&service),
            ticket: Ticket::new(supervisor, mark),
            workers: BTreeMap::new(),
            unused_since: None,
            runtime,
            service,
            generation,
        }
    }

    /// Has the next request that finds nobody start the processes.
    fn await_call(&self, context: &mut Context<Self>) {
        let pool = Arc::clone(&self.known.pool);
        let called = wrap_future::<_, Self>(async move { pool.called().await });
        context.spawn(called.map(|(), actor, context| {
            actor.unused_since = None;
            actor.rouse(context);
            actor.await_call(context);
        }));
    }

    /// Starts what does not run, and has been left alone for long enough.
    fn rouse(&mut self, context: &mut Context<Self>) {
        if !self.is_shared() {
            return;
        }
        self.employ(context);
        for worker in self.workers.values_mut() {
            let may = match worker.state() {
                State::Stopped => true,
                State::Failed => worker.fell_at.is_none_or(|at| at.elapsed() >= TRUCE),
                _ => false,
            };
            if may {
                worker.fell_at = None;
                worker.actor.do_send(InstanceCommand::Start);
            }
        }
    }

    fn look(&mut self, context: &mut Context<Self>) {
        if !self.is_shared() {
            return self.send_home();
        }
        let is_used = self.runtime.routes.all().iter().any(|route| {
            let state = route.status().state;
            let is_awake = state.serves() || state.will_run() && state != State::Idle;
            route.mode == Mode::Shared && route.service == self.service && is_awake
        });
        if is_used || self.stays() {
            self.unused_since = None;
            return self.rouse(context);
        }
        let since = *self.unused_since.get_or_insert_with(Instant::now);
        if self.idle_after().is_some_and(|after| since.elapsed() >= after) {
            self.send_home();
        }
    }

    /// Ends the processes: nobody needs them.
    fn send_home(&self) {
        let up = self.workers.values().filter(|worker| worker.state() != State::Stopped);
        for worker in up {
            worker.actor.do_send(InstanceCommand::Stop);
        }
    }

    /// Whether the service is still there, and shared: an administrator may have removed it.
    fn is_shared(&self) -> bool {
        self.runtime.catalog.get(&self.service).is_some_and(|service| service.manifest.shared.is_some())
    }

    /// Whether its processes run without being needed.
    fn stays(&self) -> bool {
        let service = self.runtime.catalog.get(&self.service);
        let own = service.and_then(|service| service.manifest.shared.as_ref()?.start);
        own.unwrap_or(self.runtime.config.shared_start) == SharedStart::Boot
    }

    fn idle_after(&self) -> Option<Duration> {
        let service = self.runtime.catalog.get(&self.service);
        let own = service.and_then(|service| service.manifest.idle_seconds);
        let seconds = own.unwrap_or(self.runtime.config.idle);
        (seconds > 0).then(|| Duration::from_secs(seconds.into()))
    }
}

impl Actor for PoolActor {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        self.rouse(context);
        self.await_call(context);
        context.run_interval(LOOK, |actor, context| actor.look(context));
    }
}
