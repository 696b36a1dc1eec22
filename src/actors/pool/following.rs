//! What becomes of the processes, as their pool is told of it, and what follows for the ring.

use std::sync::Arc;

use actix::{Addr, AsyncContext, Context, Handler, Message};
use tokio::{sync::watch, time::Instant};

use super::{PoolActor, workers::Employee};
use crate::{
    actors::messages::InstanceGone,
    domain::{crash::CrashCard, instance::Status, lifecycle::State},
    mcp::http::{Ring, Worker},
};

/// The status of a process has changed.
#[derive(Message)]
#[rtype(result = "()")]
struct WorkerChanged(u16);

/// Tells the pool of what becomes of a process, until its actor is gone.
pub(super) fn watch_over(pool: Addr<PoolActor>, number: u16, mut status: watch::Receiver<Status>) {
    actix_rt::spawn(async move {
        while status.changed().await.is_ok() {
            pool.do_send(WorkerChanged(number));
        }
    });
}

impl Handler<WorkerChanged> for PoolActor {
    type Result = ();

    fn handle(&mut self, WorkerChanged(number): WorkerChanged, _: &mut Context<Self>) {
        let Some(worker) = self.workers.get_mut(&number) else { return };
        worker.follow(number);
        self.publish_ring();
    }
}

impl Employee {
    /// Takes the process on the ring, or off it.
    fn follow(&mut self, number: u16) {
        let status = self.route.status();
        if status.state == State::Failed {
            self.fell_at.get_or_insert_with(Instant::now);
        }
        let upstream = self.route.upstream().filter(|_| status.state.serves());
        let address = upstream.as_ref().and_then(|upstream| upstream.pulse.http_base()?.address());
        let known = self.worker.as_ref();
        match address {
            Some(address) if known.is_some_and(|worker| worker.is_at(address)) => {}
            Some(address) => drop(self.worker.replace(Worker::new(number, Arc::clone(address)))),
            None => {
                if let Some(worker) = self.worker.take() {
                    worker.has_ended(words(&status));
                }
            }
        }
    }
}

/// Why it does not serve.
fn words(status: &Status) -> String {
    let card = status.last_error.as_ref().map(CrashCard::summary);
    card.unwrap_or_else(|| format!("the process of the shared service is {}", status.state))
}

impl PoolActor {
    /// Shows requests where to go. One that fails its checks is gone to only when there is no other.
    pub(super) fn publish_ring(&self) {
        let (mut well, mut unwell) = (Vec::new(), Vec::new());
        for employee in self.workers.values() {
            let group = if employee.state() == State::Unhealthy { &mut unwell } else { &mut well };
            group.extend(employee.worker.clone());
        }
        let workers = if well.is_empty() { unwell } else { well };
        let fallen = self.workers.values().filter(|employee| employee.state() == State::Failed);
        let reasons: Vec<String> = fallen.map(|employee| words(&employee.route.status())).collect();
        let is_down = workers.is_empty() && !reasons.is_empty() && reasons.len() == self.workers.len();
        let down = is_down.then(|| {
            let reason = reasons.into_iter().next().unwrap_or_default();
            format!("the shared service {} does not run: {reason}; it is tried again in a while", self.service)
        });
        self.known.pool.publish(Ring { workers, down });
    }
}

impl Handler<InstanceGone> for PoolActor {
    type Result = ();

    /// The actor of a process has failed by a panic, and its process has ended with it: another takes over.
    fn handle(&mut self, InstanceGone { id, deliberate }: InstanceGone, context: &mut Context<Self>) {
        let Some(number) = self.workers.iter().find(|(_, one)| one.mark == id).map(|(number, _)| *number) else {
            return;
        };
        if deliberate {
            return;
        }
        log::error!("the actor of process {number} of the shared service {} failed; replacing it", self.service);
        if let Some(worker) = self.workers.remove(&number).and_then(|gone| gone.worker) {
            worker.has_ended("its supervision has failed".to_owned());
        }
        self.publish_ring();
        // Not at once: what fails again and again must not keep everybody busy.
        context.run_later(super::LOOK, |actor, context| actor.employ(context));
    }
}
