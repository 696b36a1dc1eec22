//! The one supervisor: knows every instance, writes the route table, never awaits an instance.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use actix::{Actor, Addr, Arbiter, AsyncContext, Context, Handler, ResponseFuture};
use tokio::sync::{oneshot, watch};

use super::{
    Runtime,
    instance::{InstanceActor, Parts},
    messages::{AddInstance, Boot, InstanceCommand, InstanceGone, RemoveInstance, Shutdown, ToInstance},
    recorder,
};
use crate::{
    db::client_sessions::ClientSession,
    domain::{
        ids::{Generation, InstanceId},
        instance::{Instance, Status},
        lifecycle::State,
        time::Timestamp,
    },
    mcp::session::Sessions,
    process::{
        Samples,
        cgroup::{end_groups, find_groups},
        reaper, sweep,
    },
    routing::Route,
};

/// How long processes of an earlier run may take to end.
const STALE_GRACE: Duration = Duration::from_secs(2);

/// What a boot found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BootReport {
    /// Instances that are known.
    pub instances: usize,
    /// Processes of an earlier run that were ended.
    pub stale: usize,
}

struct Entry {
    actor: Addr<InstanceActor>,
    instance: Instance,
    /// Times that its actor was replaced after a panic.
    replaced: u32,
}

/// See the module.
pub(super) struct SupervisorActor {
    runtime: Arc<Runtime>,
    arbiters: Vec<Arbiter>,
    next_arbiter: usize,
    instances: HashMap<InstanceId, Entry>,
    shutting_down: bool,
}

impl SupervisorActor {
    pub(super) fn new(runtime: Arc<Runtime>, arbiters: usize) -> Self {
        let arbiters = (0..arbiters.max(1)).map(|_| Arbiter::new()).collect();
        Self { runtime, arbiters, next_arbiter: 0, instances: HashMap::new(), shutting_down: false }
    }

    fn take_on(&mut self, context: &mut Context<Self>, instance: Instance, sessions: Arc<Sessions>, replaced: u32) {
        if self.shutting_down {
            return;
        }
        let (status, receiver) = watch::channel(Status::of(&instance));
        let route = Route::new(&instance, receiver, sessions, self.runtime.config.max_in_flight);
        self.runtime.routes.insert(Arc::clone(&route));
        let parts = Parts {
            runtime: Arc::clone(&self.runtime),
            instance: instance.clone(),
            route,
            status,
            supervisor: context.address().recipient(),
            // Time as the base: later than every generation of an earlier run or actor.
            generation: Generation(u64::try_from(Timestamp::now().0).unwrap_or_default()),
        };
        let Some(arbiter) = self.arbiters.get(self.next_arbiter % self.arbiters.len()) else { return };
        self.next_arbiter = self.next_arbiter.wrapping_add(1);
        let actor = InstanceActor::start_in_arbiter(&arbiter.handle(), move |_| InstanceActor::new(parts));
        self.instances.insert(instance.id, Entry { actor, instance, replaced });
    }

    fn sample(&self) {
        let actors: Vec<Addr<InstanceActor>> = self.instances.values().map(|entry| entry.actor.clone()).collect();
        if actors.is_empty() {
            return;
        }
        let cgroups = Arc::clone(&self.runtime.cgroups);
        actix_rt::spawn(async move {
            let Ok(samples) = tokio::task::spawn_blocking(move || Samples::take(&cgroups)).await else { return };
            let samples = Arc::new(samples);
            for actor in actors {
                actor.do_send(InstanceCommand::Sample { samples: Arc::clone(&samples) });
            }
        });
    }
}

impl Actor for SupervisorActor {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
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

impl Handler<Boot> for SupervisorActor {
    type Result = ResponseFuture<BootReport>;

    fn handle(&mut self, Boot { instances, sessions }: Boot, context: &mut Context<Self>) -> Self::Result {
        let host = self.runtime.host.clone();
        let mut by_instance: HashMap<InstanceId, Vec<ClientSession>> = HashMap::new();
        for session in sessions {
            by_instance.entry(session.instance_id).or_default().push(session);
        }
        let this = context.address();
        Box::pin(async move {
            let swept = tokio::task::spawn_blocking(move || sweep_stale(&host)).await;
            let report = BootReport { instances: instances.len(), stale: swept.unwrap_or(0) };
            for instance in instances {
                // Waits for our own mailbox, from a task of its own: the report is true when it is given.
                let sessions = by_instance.remove(&instance.id).unwrap_or_default();
                let _ = this.send(AddInstance { instance, sessions }).await;
            }
            report
        })
    }
}

/// Ends processes that an earlier run left behind: recognised by their group's name, or by our mark;
/// never by pid alone.
fn sweep_stale(host: &str) -> usize {
    let groups = find_groups(host);
    let mut ended = end_groups(&groups);
    if ended > 0 {
        log::warn!("ended {ended} processes in {} groups that an earlier run left behind", groups.len());
    }
    // Twice: one that was just forking may have slipped through the first look.
    for _ in 0..2 {
        let stale = sweep::find_stale(host, &HashSet::new());
        if stale.is_empty() {
            break;
        }
        log::warn!("ending {} processes that an earlier run left behind", stale.len());
        ended += sweep::end_stale(&stale, STALE_GRACE);
    }
    ended
}

impl Handler<AddInstance> for SupervisorActor {
    type Result = ();

    fn handle(&mut self, AddInstance { instance, sessions }: AddInstance, context: &mut Context<Self>) {
        if !self.instances.contains_key(&instance.id) {
            let sessions = restore(&self.runtime, &instance, &sessions);
            self.take_on(context, instance, sessions, 0);
        }
    }
}

/// The instance's client sessions of the last run, from now on kept by the recorder.
fn restore(runtime: &Runtime, instance: &Instance, sessions: &[ClientSession]) -> Arc<Sessions> {
    let journal = runtime.recorder.journal(instance.id);
    let records = sessions.iter().filter_map(recorder::sessions::record_of).collect();
    Arc::new(Sessions::restored(runtime.config.max_sessions, journal, records))
}

impl Handler<ToInstance> for SupervisorActor {
    type Result = bool;

    fn handle(&mut self, ToInstance { id, command }: ToInstance, _: &mut Context<Self>) -> bool {
        let Some(entry) = self.instances.get_mut(&id) else { return false };
        // What a replacement after a panic would start from.
        match &command {
            InstanceCommand::Reconfigure { instance } => entry.instance = (**instance).clone(),
            InstanceCommand::Renew { until } => entry.instance.expires_at = *until,
            InstanceCommand::Start | InstanceCommand::Restart => {
                entry.instance.desired = crate::domain::instance::Desired::Running;
            }
            InstanceCommand::Stop => entry.instance.desired = crate::domain::instance::Desired::Stopped,
            _ => {}
        }
        entry.actor.do_send(command);
        true
    }
}

impl Handler<RemoveInstance> for SupervisorActor {
    type Result = bool;

    fn handle(&mut self, RemoveInstance { id, done }: RemoveInstance, _: &mut Context<Self>) -> bool {
        // First the route, then the process: nobody is sent to a process that is being ended.
        self.runtime.routes.remove(id);
        let Some(entry) = self.instances.remove(&id) else { return false };
        entry.actor.do_send(InstanceCommand::Delete { done });
        true
    }
}

impl Handler<Shutdown> for SupervisorActor {
    type Result = actix::MessageResult<Shutdown>;

    fn handle(&mut self, _: Shutdown, _: &mut Context<Self>) -> Self::Result {
        self.shutting_down = true;
        let stopping = self.instances.drain().map(|(_, entry)| {
            let (graceful, stopped) = oneshot::channel();
            entry.actor.do_send(InstanceCommand::ShutDown { graceful });
            stopped
        });
        actix::MessageResult(stopping.collect())
    }
}

impl Handler<InstanceGone> for SupervisorActor {
    type Result = ();

    /// An actor that nobody told to go has panicked: its process died with it (release by `Drop`),
    /// and a new actor takes over from what is known; after a few times the instance stays down.
    fn handle(&mut self, InstanceGone { id, deliberate }: InstanceGone, context: &mut Context<Self>) {
        if deliberate || self.shutting_down {
            return;
        }
        let Some(entry) = self.instances.remove(&id) else { return };
        log::error!("the actor of instance {id} failed; replacing it");
        let mut instance = entry.instance;
        instance.state = if entry.replaced < 3 { State::Pending } else { State::Failed };
        let sessions = match self.runtime.routes.get(id) {
            Some(route) => Arc::clone(&route.sessions),
            None => restore(&self.runtime, &instance, &[]),
        };
        self.take_on(context, instance, sessions, entry.replaced + 1);
    }
}
