//! The actor of one instance: owns its child, its timers, its logs and its state.
//!
//! Every change of state goes through the pure machine in `domain::lifecycle`; every task that works
//! for a start carries that start's generation, and what an older one reports is ignored. Stopping
//! increments the generation, so a start that is still under way can no longer report itself ready.

mod child;
mod commands;
mod conversation;
mod debugging;
mod events;
mod health;
mod home;
mod housekeeping;
mod idle;
mod network;
mod refreshing;
mod replacing;
mod start;
mod watching;

use std::sync::Arc;

use actix::{Actor, AsyncContext, Context, Recipient, SpawnHandle};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub(super) use self::{
    child::{Ending, Running, ending},
    home::{Chronicle, Home, RunsAs},
    housekeeping::{Housekeeping, archive_logs, open_log, write_lines},
    start::Started,
};
use self::{debugging::Debugging, health::HealthRecord, idle::IdleClock, start::Starting};
use super::{Runtime, messages::InstanceGone};
use crate::{
    domain::{
        crash::{CrashCard, ExitReason},
        fingerprint::Fingerprint,
        ids::{Generation, InstanceId},
        instance::{Desired, Instance, Status},
        lifecycle::{Event, Health, State},
        restart::{RestartHistory, Verdict},
        time::Timestamp,
    },
    routing::{Link, Route},
};

/// See the module.
pub(super) struct InstanceActor {
    runtime: Arc<Runtime>,
    instance: Arc<Instance>,
    home: Home,
    chronicle: Chronicle,
    route: Arc<Route>,
    status: watch::Sender<Status>,
    generation: Generation,
    history: RestartHistory,
    /// The process, from its spawn to its end.
    running: Option<Box<Running>>,
    /// What the start under way depends on, or one that failed did; the instance has it when it was good.
    fingerprint: Option<Fingerprint>,
    /// The start that is under way; aborted by a stop.
    starting: Option<Starting>,
    /// The end of the last process; a new start waits for it.
    stopping: Option<Ending>,
    /// Cuts short the wait for the calls of a process that is being replaced.
    draining: Option<CancellationToken>,
    health: HealthRecord,
    housekeeping: Housekeeping,
    idle: IdleClock,
    debugging: Debugging,
    expiry: Option<SpawnHandle>,
    pending_restart: Option<SpawnHandle>,
    ticket: Ticket,
}

/// Tells who keeps the actor when it is gone, also when a panic took it.
pub(super) struct Ticket {
    supervisor: Recipient<InstanceGone>,
    gone: Option<InstanceGone>,
}

impl Ticket {
    pub(super) const fn new(supervisor: Recipient<InstanceGone>, id: InstanceId) -> Self {
        Self { supervisor, gone: Some(InstanceGone { id, deliberate: false }) }
    }

    /// Nothing is to be done when the actor is gone.
    pub(super) fn leave(&mut self) {
        if let Some(gone) = &mut self.gone {
            gone.deliberate = true;
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let Some(gone) = self.gone.take() {
            self.supervisor.do_send(gone);
        }
    }
}

/// What an actor is made from; crosses the thread boundary.
pub(super) struct Parts {
    pub(super) runtime: Arc<Runtime>,
    pub(super) instance: Arc<Instance>,
    pub(super) home: Home,
    pub(super) chronicle: Chronicle,
    pub(super) route: Arc<Route>,
    pub(super) status: watch::Sender<Status>,
    pub(super) supervisor: Recipient<InstanceGone>,
    /// The first start's generation: later than that of any process that may still live.
    pub(super) generation: Generation,
    /// The end of the process of an actor before this one.
    pub(super) previous: Option<Ending>,
}

impl InstanceActor {
    pub(super) fn new(parts: Parts) -> Self {
        let Parts { runtime, instance, home, chronicle, route, status, supervisor, generation, previous } = parts;
        Self {
            housekeeping: Housekeeping::new(&runtime, &home.dirs.logs),
            debugging: Debugging::new(),
            health: HealthRecord::default(),
            idle: IdleClock::default(),
            ticket: Ticket::new(supervisor, home.mark),
            history: RestartHistory::default(),
            running: None,
            fingerprint: None,
            starting: None,
            stopping: previous,
            draining: None,
            expiry: None,
            pending_restart: None,
            runtime,
            instance,
            home,
            chronicle,
            route,
            status,
            generation,
        }
    }

    /// The instance, to be changed.
    fn own(&mut self) -> &mut Instance {
        Arc::make_mut(&mut self.instance)
    }

    fn state(&self) -> State {
        self.status.borrow().state
    }

    /// Moves the state machine; `false` when the event means nothing in this state.
    fn advance(&mut self, event: Event) -> bool {
        let Some(next) = self.state().on(event) else { return false };
        self.route.trace.line(format_args!("state {} -> {next} ({event:?})", self.state()));
        self.publish(|status| {
            status.state = next;
            status.progress = None;
        });
        true
    }

    /// Changes what everyone sees, and has it recorded.
    fn publish(&mut self, change: impl FnOnce(&mut Status)) {
        self.status.send_modify(change);
        let status = self.status.borrow().clone();
        self.chronicle.state(&status, None);
    }

    fn note(&self, kind: &'static str, detail: serde_json::Value) {
        log::info!("{} {kind}: {detail}", self.home.name);
        self.chronicle.event(kind, detail);
    }

    /// Begins a start, if the state allows one.
    fn come_up(&mut self, context: &mut Context<Self>) {
        if self.state() != State::Pending && !self.advance(Event::StartRequested) {
            return;
        }
        self.begin_start(context);
    }

    /// Ends what runs, because of `event` (stop, expiry, deletion …).
    fn go_down(&mut self, context: &mut Context<Self>, event: Event) {
        if !self.advance(event) {
            return;
        }
        self.end_process(context);
    }

    /// Takes the instance off the data plane and ends its process; the rest happens in a task.
    fn end_process(&mut self, context: &mut Context<Self>) {
        self.generation = self.generation.next();
        self.write_usage();
        self.route.set_link(Link::Down);
        if let Some(cut) = self.draining.take() {
            cut.cancel();
        }
        if let Some(timer) = self.pending_restart.take() {
            context.cancel_future(timer);
        }
        self.health.cancel(context);
        self.idle.cancel(context);
        if let Some(starting) = self.starting.take() {
            self.stopping = Some(child::ending(starting.give_up(self.stopping.take())));
        }
        if let Some(running) = self.running.take() {
            let grace = self.runtime.config.stop_grace;
            self.stopping = Some(child::ending(running.stop(grace, self.stopping.take())));
        }
        self.publish(|status| {
            status.pid = None;
            status.health = Health::Unknown;
        });
    }

    /// The process ended, or never came up: decide what next.
    fn fell(&mut self, context: &mut Context<Self>, reason: ExitReason) {
        let tail = self.running.as_ref().map(|running| running.stderr_tail()).unwrap_or_default();
        let is_refused = matches!(reason, ExitReason::QuotaReached { .. });
        // Trying again does not change what is refused; and what falls is not its own where it has no process.
        let verdict = if is_refused || self.home.is_pooled {
            Verdict::GiveUp
        } else {
            self.history.record(&self.runtime.config.restart, Timestamp::now())
        };
        let card = self.crash_card(reason, tail);
        let summary = card.summary();
        // First the link, then the callers: one who tries again at once waits for the next process.
        self.route.set_link(Link::Down);
        if let Some(running) = &self.running {
            running.fail_callers(&summary);
        }
        let failed_wake = self.idle.take_wake().is_some();
        let slept = self.idle.take_plan() || failed_wake;
        let event = match verdict {
            Verdict::RestartAfter(_) => Event::EndedWillRestart,
            // There may be a place, or a process, when it is asked for again.
            Verdict::GiveUp if is_refused && slept || self.home.is_pooled => Event::SleepRequested,
            Verdict::GiveUp => Event::EndedForGood,
        };
        self.note_fall(&card, event);
        self.publish(|status| {
            status.last_error = Some(card);
            status.failed_wakes += u32::from(failed_wake);
        });
        self.go_down(context, event);
        if let Verdict::RestartAfter(delay) = verdict {
            self.runtime.metrics.restarts.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            self.publish(|status| status.restarts += 1);
            self.pending_restart = Some(context.run_later(delay, |actor, context| {
                actor.pending_restart = None;
                actor.begin_start(context);
            }));
        }
    }

    fn crash_card(&self, reason: ExitReason, stderr_tail: Vec<String>) -> CrashCard {
        let (out_of_memory, memory_limit) = self.memory_at_end(&reason);
        CrashCard {
            at: Timestamp::now(),
            reason,
            out_of_memory,
            memory_limit,
            stderr_tail,
            changed: self.changed(),
            restarts: self.history.count().saturating_sub(1),
        }
    }

    /// What the start that failed had otherwise than the last good one.
    fn changed(&self) -> Vec<String> {
        let both = self.instance.last_good.as_ref().zip(self.fingerprint.as_ref());
        both.map_or_else(Vec::new, |(before, now)| before.changed(now))
    }

    /// Sets the timer that ends the instance when its time is over.
    fn arm_expiry(&mut self, context: &mut Context<Self>) {
        if let Some(timer) = self.expiry.take() {
            context.cancel_future(timer);
        }
        let Some(at) = self.instance.expires_at else { return };
        // Long waits are cut, so that a change of the wall clock is noticed within the hour.
        let wait = at.until(Timestamp::now()).min(std::time::Duration::from_secs(3600));
        self.expiry = Some(context.run_later(wait, move |actor, context| {
            if at <= Timestamp::now() { actor.expire(context) } else { actor.arm_expiry(context) }
        }));
    }

    fn expire(&mut self, context: &mut Context<Self>) {
        self.go_down(context, Event::ExpiryReached);
        self.note("expired", serde_json::json!({}));
        let dirs = self.home.dirs.clone();
        let stopping = self.stopping.take();
        self.stopping = Some(child::ending(async move {
            let graceful = child::finished(stopping).await;
            housekeeping::archive_logs(dirs).await;
            graceful
        }));
    }
}

impl Actor for InstanceActor {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        housekeeping::schedule(context);
        self.arm_expiry(context);
        self.await_wake(context);
        self.arm_plan(context);
        self.arm_debugging(context);
        let expired = self.instance.expires_at.is_some_and(|at| at <= Timestamp::now());
        let wanted = self.instance.desired == Desired::Running && !expired;
        // What failed before stays failed: a person must act, not a restart of Berth. What slept, sleeps.
        if wanted && !matches!(self.state(), State::Failed | State::Idle) {
            self.publish(|status| status.state = State::Pending);
            self.begin_start(context);
        }
    }
}
