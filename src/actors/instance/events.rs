//! What the tasks of an instance report. Reports of an earlier start are dropped, and with them
//! whatever they carry: a process that came too late is killed by that.

use std::sync::Arc;

use actix::{AsyncContext, Context, Handler};
use tokio_util::task::TaskTracker;

use super::{
    InstanceActor,
    child::Running,
    start::{StartJob, Started, Starting},
};
use crate::{
    actors::messages::{Happened, What},
    domain::{
        crash::{CrashCard, ExitReason},
        fingerprint::Fingerprint,
        lifecycle::{Event, Health, State},
        time::Timestamp,
    },
    routing::Link,
};

impl Handler<Happened> for InstanceActor {
    type Result = ();

    fn handle(&mut self, Happened { generation, what }: Happened, context: &mut Context<Self>) {
        if generation != self.generation {
            return;
        }
        match what {
            What::Progressed { text } => self.status.send_modify(|status| status.progress = Some(text)),
            What::Spawned { running, fingerprint } => self.spawned(running, fingerprint),
            What::Ready { started } => self.ready(context, *started),
            What::Ended { reason } => self.fell(context, reason),
            What::Dressed { headers, done } => self.dressed(context, headers, done),
            What::Probed { outcome } => self.probed(context, outcome),
            What::Measured { disk, logs } => self.housekeeping.measured(disk, logs),
        }
    }
}

impl InstanceActor {
    /// Starts the task that brings the instance up. The state is `pending` or `restarting`.
    pub(super) fn begin_start(&mut self, context: &mut Context<Self>) {
        if !matches!(self.state(), State::Pending | State::Restarting) || self.starting.is_some() {
            return;
        }
        self.generation = self.generation.next();
        let job = self.job(context);
        let preparing = job.preparing.clone();
        self.starting = Some(Starting::new(actix_rt::spawn(job.run()), preparing));
    }

    /// What a start of now needs.
    pub(super) fn job(&self, context: &Context<Self>) -> StartJob {
        StartJob {
            preparing: TaskTracker::new(),
            runtime: self.runtime.clone(),
            instance: self.instance.clone(),
            home: self.home.clone(),
            dirs: self.home.dirs.clone(),
            sessions: self.route.sessions.clone(),
            generation: self.generation,
            error_log: self.housekeeping.error_log(),
            actor: context.address(),
            // A start that is given up while it waits leaves the end to whoever waits next.
            previous: self.stopping.clone(),
        }
    }

    fn spawned(&mut self, running: Option<Box<Running>>, fingerprint: Fingerprint) {
        let port = running.as_ref().and_then(|running| running.port());
        self.fingerprint = Some(fingerprint);
        if port.is_some() {
            self.own().port = port;
        }
        let pid = running.as_ref().map(|running| running.pid);
        let walls = running.as_ref().map(|running| Arc::clone(&running.walls));
        self.running = running;
        self.begin_counting();
        self.advance(Event::Spawned);
        self.publish(|status| {
            status.pid = pid;
            status.port = port;
            status.walls = walls.unwrap_or_default();
        });
    }

    fn ready(&mut self, context: &mut Context<Self>, started: Started) {
        self.starting = None;
        self.housekeeping.reopen();
        self.debugging.reopen();
        self.route.set_link(Link::Up(started.upstream));
        if !self.advance(Event::Ready) {
            self.route.set_link(Link::Down);
            return;
        }
        let fingerprint = self.fingerprint.take();
        self.own().last_good.clone_from(&fingerprint);
        let now = Timestamp::now();
        self.publish(|status| {
            status.started_at = Some(now);
            status.health = Health::Healthy;
            status.checked_at = Some(now);
        });
        let status = self.status.borrow().clone();
        self.chronicle.state(&status, fingerprint);
        self.note("running", serde_json::json!({ "pid": status.pid, "port": status.port }));
        self.health.started(self.status.borrow().restarts > 0);
        self.schedule_probe(context);
        self.idle.take_plan();
        if let Some(took) = self.idle.take_wake() {
            self.runtime.metrics.record_wake(took);
        }
        self.arm_idle(context);
    }

    /// Writes down how the process ended, for those who look and for those who are told.
    pub(super) fn note_fall(&self, card: &CrashCard, next: Event) {
        let reason = card.summary();
        self.note("ended", serde_json::json!({ "reason": reason, "restarts": card.restarts }));
        if card.out_of_memory || matches!(card.reason, ExitReason::LimitExceeded { .. }) {
            self.note("limit_hit", serde_json::json!({ "reason": reason }));
        }
        if next == Event::EndedForGood {
            self.note("failed", serde_json::json!({ "reason": reason }));
        }
    }
}
