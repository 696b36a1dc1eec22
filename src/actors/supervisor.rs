//! The one supervisor: knows every instance, writes the route table, never awaits an instance.
//!
//! Owner of state: the table of instances, each with its actor and the record that a replacement would
//! start from; the table of pools; what is being tried.

mod boot;
mod left;
mod mode;
mod pools;
mod taking_on;
mod trials;

use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use actix::{Actor, Arbiter, AsyncContext, Context, Handler, Recipient};
use tokio::sync::oneshot;

pub use self::boot::BootReport;
pub(in crate::actors) use self::trials::{Trial, TryOut};
use self::{
    mode::give_way,
    pools::{PoolEntry, end_pools},
};
use super::{
    Runtime,
    messages::{InstanceCommand, PoolCommand, RemoveInstance, Shutdown, ToInstance},
};
use crate::{
    domain::{
        ids::InstanceId,
        instance::{Desired, Instance, Mode},
    },
    process::{Samples, reaper},
};

/// An instance, as the supervisor knows it.
struct Entry {
    actor: Recipient<InstanceCommand>,
    /// The actor has the same until one of them changes it: most never do.
    instance: Arc<Instance>,
    /// Which kind of actor it is.
    mode: Mode,
    /// What it was told while its actor gives way to one of the other kind.
    waiting: Option<Vec<InstanceCommand>>,
    /// Times that its actor was replaced after a panic.
    replaced: u32,
}

impl Entry {
    fn own(&mut self) -> &mut Instance {
        Arc::make_mut(&mut self.instance)
    }
}

/// See the module.
pub(super) struct SupervisorActor {
    runtime: Arc<Runtime>,
    arbiters: Vec<Arbiter>,
    next_arbiter: usize,
    instances: HashMap<InstanceId, Entry>,
    pools: HashMap<InstanceId, PoolEntry>,
    trials: HashMap<InstanceId, Recipient<InstanceCommand>>,
    shutting_down: bool,
}

impl SupervisorActor {
    pub(super) fn new(runtime: Arc<Runtime>, arbiters: usize) -> Self {
        let arbiters = (0..arbiters.max(1)).map(|_| Arbiter::new()).collect();
        Self {
            runtime,
            arbiters,
            next_arbiter: 0,
            instances: HashMap::new(),
            pools: HashMap::new(),
            trials: HashMap::new(),
            shutting_down: false,
        }
    }

    fn sample(&self) {
        let actors: Vec<Recipient<InstanceCommand>> =
            self.instances.values().map(|entry| entry.actor.clone()).collect();
        let pools: Vec<Recipient<PoolCommand>> = self.pools.values().map(|entry| entry.actor.clone()).collect();
        if actors.is_empty() && pools.is_empty() {
            return;
        }
        let cgroups = Arc::clone(&self.runtime.cgroups);
        actix_rt::spawn(async move {
            let Ok(samples) = tokio::task::spawn_blocking(move || Samples::take(&cgroups)).await else { return };
            let samples = Arc::new(samples);
            for actor in actors {
                actor.do_send(InstanceCommand::Sample { samples: Arc::clone(&samples) });
            }
            for pool in pools {
                pool.do_send(PoolCommand::Sample { samples: Arc::clone(&samples) });
            }
        });
    }
}

impl Actor for SupervisorActor {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        self.take_orders(context);
        context.run_interval(self.runtime.config.sample_interval, |supervisor, _| supervisor.sample());
        context.run_interval(Duration::from_secs(5), |supervisor, _| {
            let metrics = Arc::clone(&supervisor.runtime.metrics);
            actix_rt::spawn(async move {
                let _ = tokio::task::spawn_blocking(reaper::reap_adopted).await;
                metrics.orphans.store(reaper::orphans_total(), Ordering::Relaxed);
            });
        });
    }
}

impl Handler<ToInstance> for SupervisorActor {
    type Result = bool;

    fn handle(&mut self, ToInstance { id, command }: ToInstance, context: &mut Context<Self>) -> bool {
        let Some(entry) = self.instances.get_mut(&id) else { return false };
        let starts = matches!(command, InstanceCommand::Start | InstanceCommand::Restart);
        // What a replacement after a panic would start from.
        match &command {
            InstanceCommand::Reconfigure { instance, .. } => entry.instance = Arc::new((**instance).clone()),
            InstanceCommand::Renew { until } => entry.own().expires_at = *until,
            InstanceCommand::Debug { until } => entry.own().debug_until = *until,
            InstanceCommand::Start | InstanceCommand::Restart => {
                entry.own().desired = Desired::Running;
            }
            InstanceCommand::Stop => entry.own().desired = Desired::Stopped,
            _ => {}
        }
        match &mut entry.waiting {
            // One of the other kind is on its way: nobody waits for that.
            Some(_) if matches!(command, InstanceCommand::Heard { .. }) => {}
            Some(waiting) => waiting.push(command),
            None if starts && entry.mode != entry.instance.mode => give_way(context, id, entry),
            None => entry.actor.do_send(command),
        }
        true
    }
}

impl Handler<RemoveInstance> for SupervisorActor {
    type Result = bool;

    fn handle(&mut self, RemoveInstance { id, done }: RemoveInstance, _: &mut Context<Self>) -> bool {
        // First the route, then the process: nobody is sent to a process that is being ended.
        if let Some(trial) = self.trials.remove(&id) {
            trial.do_send(InstanceCommand::Delete { done });
            return true;
        }
        self.runtime.routes.remove(id);
        let Some(entry) = self.instances.remove(&id) else { return false };
        let delete = InstanceCommand::Delete { done };
        match entry.waiting {
            // Its successor does it, and is known for no longer than that.
            Some(mut waiting) => {
                waiting.push(delete);
                self.instances.insert(id, Entry { waiting: Some(waiting), ..entry });
            }
            None => entry.actor.do_send(delete),
        }
        true
    }
}

impl Handler<Shutdown> for SupervisorActor {
    type Result = actix::MessageResult<Shutdown>;

    fn handle(&mut self, _: Shutdown, _: &mut Context<Self>) -> Self::Result {
        self.shutting_down = true;
        let actors = self.instances.drain().map(|(_, entry)| entry.actor);
        let stopping = actors.chain(self.trials.drain().map(|(_, trial)| trial)).map(|actor| {
            let (graceful, stopped) = oneshot::channel();
            actor.do_send(InstanceCommand::ShutDown { graceful });
            stopped
        });
        let stopping: Vec<_> = stopping.chain(end_pools(&mut self.pools)).collect();
        actix::MessageResult(stopping)
    }
}
