//! The actor of one instance in session mode: it has no process itself, but houses connections, each
//! run by an [`InstanceActor`] of its own.
//!
//! Owner of state: which connections there are, which of them have a process, and the spares. It is
//! the only writer of the instance's [`Connections`], and all that takes a process away from or gives
//! one to a connection goes through it, so that `max_connections` is a number that holds.

mod commands;
mod following;
mod kept;
mod orders;
mod rest;
mod seats;
mod spares;

use std::{collections::HashMap, sync::Arc, time::Duration};

use actix::{Actor, AsyncContext, Context, Recipient, SpawnHandle, StreamHandler};
use futures_util::{
    FutureExt,
    future::{join, join_all},
};
use tokio::sync::{mpsc, oneshot, watch};

pub(super) use self::kept::Kept;
use self::seats::Tenant;
use super::{
    Runtime,
    instance::{Ending, Housekeeping, Ticket, archive_logs, ending, open_log, write_lines},
    messages::InstanceGone,
};
use crate::{
    domain::{
        ids::Generation,
        instance::{Desired, Instance, Status},
        lifecycle::{Event, State},
        time::Timestamp,
    },
    mcp::session::SessionId,
    routing::{Connections, Order, Route},
};

/// Between two writes of the access log.
const FLUSH: Duration = Duration::from_secs(1);
/// Between two looks for connections that nobody comes back for.
const SWEEP: Duration = Duration::from_secs(60);

/// See the module.
pub(super) struct HouseActor {
    runtime: Arc<Runtime>,
    instance: Instance,
    route: Arc<Route>,
    connections: Arc<Connections>,
    orders: Option<mpsc::UnboundedReceiver<Order>>,
    status: watch::Sender<Status>,
    generation: Generation,
    tenants: HashMap<SessionId, Tenant>,
    /// Connections of an earlier run or actor, until this one has begun.
    kept: Vec<Kept>,
    housekeeping: Housekeeping,
    expiry: Option<SpawnHandle>,
    /// The logs of an expiry being packed.
    archiving: Option<Ending>,
    next_spare: Option<SpawnHandle>,
    /// A spare has failed for good; another is made when a connection has shown that it can be.
    spares_fail: bool,
    ticket: Ticket,
}

/// What an actor is made from; crosses the thread boundary.
pub(super) struct HouseParts {
    pub(super) runtime: Arc<Runtime>,
    pub(super) instance: Instance,
    pub(super) route: Arc<Route>,
    pub(super) connections: Arc<Connections>,
    pub(super) orders: mpsc::UnboundedReceiver<Order>,
    pub(super) status: watch::Sender<Status>,
    pub(super) kept: Vec<Kept>,
    pub(super) supervisor: Recipient<InstanceGone>,
    /// Later than that of any process that may still live.
    pub(super) generation: Generation,
}

impl HouseActor {
    pub(super) fn new(parts: HouseParts) -> Self {
        let HouseParts { runtime, instance, route, connections, orders, status, kept, supervisor, generation } = parts;
        Self {
            housekeeping: Housekeeping::new(&runtime, &runtime.paths.logs(&instance)),
            ticket: Ticket::new(supervisor, instance.id),
            orders: Some(orders),
            tenants: HashMap::new(),
            expiry: None,
            archiving: None,
            next_spare: None,
            spares_fail: false,
            runtime,
            instance,
            route,
            connections,
            status,
            generation,
            kept,
        }
    }

    fn state(&self) -> State {
        self.status.borrow().state
    }

    /// Moves the state machine; `false` when the event means nothing in this state.
    fn advance(&self, event: Event) -> bool {
        let Some(next) = self.state().on(event) else { return false };
        self.publish(|status| {
            status.state = next;
            status.progress = None;
        });
        true
    }

    /// Changes what everyone sees, and has it recorded.
    fn publish(&self, change: impl FnOnce(&mut Status)) {
        self.status.send_modify(change);
        let status = self.status.borrow().clone();
        self.runtime.recorder.state(self.instance.id, &status, None);
    }

    fn note(&self, kind: &'static str, detail: serde_json::Value) {
        log::info!("{} {kind}: {detail}", self.instance.process_name());
        self.runtime.recorder.event(self.instance.id, kind, detail);
    }

    /// Opens the house, if the state allows it: it serves when its first process has answered.
    fn come_up(&mut self, context: &mut Context<Self>) {
        if self.state() != State::Pending && !self.advance(Event::StartRequested) {
            return;
        }
        self.spares_fail = false;
        self.publish(|status| status.last_error = None);
        if self.spares_wanted() == 0 {
            self.open_doors();
        }
        self.make_spare(context);
    }

    /// Serves from now on.
    fn open_doors(&mut self) {
        self.advance(Event::Spawned);
        if self.advance(Event::Ready) {
            self.publish(|status| status.started_at = Some(Timestamp::now()));
            self.note("running", serde_json::json!({ "connections": self.tenants.len() }));
        }
    }

    /// Ends every process, because of `event`; connections and their files stay.
    fn go_down(&mut self, context: &mut Context<Self>, event: Event) {
        if self.advance(event) {
            self.put_all_to_rest(context);
            self.write_usage();
        }
    }

    /// Hands over what was used since the last time.
    fn write_usage(&mut self) {
        if let Some(part) = self.housekeeping.take_hour() {
            self.runtime.recorder.usage(self.instance.id, part);
        }
    }

    fn write_access_log(&self) {
        let lines = self.housekeeping.take_lines(&self.route);
        if lines.is_some() {
            actix_rt::spawn(write_lines(lines));
        }
    }

    fn write_trace(&self) {
        if let Some(lines) = self.route.trace.take() {
            let path = self.runtime.paths.logs(&self.instance).join("debug.log");
            actix_rt::spawn(write_lines(open_log(path, self.housekeeping.error_log().1).map(|log| (log, lines))));
        }
        self.route.trace.set(self.instance.is_debugged(Timestamp::now()));
    }

    /// Sets the timer that ends the instance when its time is over.
    fn arm_expiry(&mut self, context: &mut Context<Self>) {
        if let Some(timer) = self.expiry.take() {
            context.cancel_future(timer);
        }
        let Some(at) = self.instance.expires_at else { return };
        // Long waits are cut, so that a change of the wall clock is noticed within the hour.
        let wait = at.until(Timestamp::now()).min(Duration::from_secs(3600));
        self.expiry = Some(context.run_later(wait, move |actor, context| {
            if at <= Timestamp::now() { actor.expire(context) } else { actor.arm_expiry(context) }
        }));
    }

    fn expire(&mut self, context: &mut Context<Self>) {
        // Spares take their logs with them: that must not happen while all logs are packed.
        let leaving: Vec<_> = self.spares().into_iter().filter_map(|id| self.evict(id)).collect();
        self.go_down(context, Event::ExpiryReached);
        self.note("expired", serde_json::json!({}));
        self.housekeeping.reopen();
        self.archive_after(leaving);
    }

    /// Packs the logs when every process has ended and those of `leaving` have gone.
    fn archive_after(&mut self, leaving: Vec<oneshot::Receiver<()>>) {
        let resting: Vec<Ending> = self.tenants.values().filter_map(|tenant| tenant.resting.clone()).collect();
        let dirs = self.runtime.paths.of(&self.instance);
        let archiving = ending(async move {
            join(join_all(leaving), join_all(resting)).await;
            archive_logs(dirs).await;
            true
        });
        // Whoever starts again, or goes, does so after that.
        for tenant in self.tenants.values_mut() {
            let archiving = archiving.clone();
            tenant.resting =
                tenant.resting.take().map(|resting| ending(join(resting, archiving).map(|(ended, _)| ended)));
        }
        self.archiving = Some(archiving);
    }

    /// The end of the packing of logs that a process started now has to wait for.
    fn archived(&self) -> Option<Ending> {
        self.archiving.clone().filter(|archiving| archiving.peek().is_none())
    }
}

impl Actor for HouseActor {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        if let Some(mut orders) = self.orders.take() {
            context.add_stream(futures_util::stream::poll_fn(move |polled| orders.poll_recv(polled)));
        }
        self.seat_kept(context);
        self.arm_expiry(context);
        self.route.trace.set(self.instance.is_debugged(Timestamp::now()));
        context.run_interval(FLUSH, |actor, _| {
            actor.write_access_log();
            actor.write_trace();
        });
        context.run_interval(SWEEP, |actor, context| actor.sweep(context));
        let expired = self.instance.expires_at.is_some_and(|at| at <= Timestamp::now());
        let wanted = self.instance.desired == Desired::Running && !expired;
        // What failed before stays failed, what slept sleeps on.
        if wanted && !matches!(self.state(), State::Failed | State::Idle) {
            self.publish(|status| status.state = State::Pending);
            self.come_up(context);
        }
    }
}

impl StreamHandler<Order> for HouseActor {
    fn handle(&mut self, order: Order, context: &mut Context<Self>) {
        self.take_order(context, order);
    }

    fn finished(&mut self, _: &mut Context<Self>) {}
}
