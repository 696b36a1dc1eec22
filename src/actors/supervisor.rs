//! The one supervisor: knows every instance, writes the route table, never awaits an instance.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use actix::{Actor, Arbiter, AsyncContext, Context, Handler, Recipient, ResponseFuture};
use actix_rt::ArbiterHandle;
use tokio::sync::{oneshot, watch};

use super::{
    Runtime,
    house::{HouseActor, HouseParts, Kept},
    instance::{Chronicle, Home, InstanceActor, Parts},
    messages::{AddInstance, Boot, ChangeMode, InstanceCommand, InstanceGone, RemoveInstance, Shutdown, ToInstance},
    recorder,
};
use crate::{
    db::{client_sessions::ClientSession, connections::ConnectionRecord},
    domain::{
        ids::{Generation, InstanceId},
        instance::{Instance, Mode, Status},
        lifecycle::State,
        time::Timestamp,
    },
    mcp::session::{Record, SessionId, Sessions},
    process::{
        Samples,
        cgroup::{end_groups, find_groups},
        directories_in, reaper, remove_trees, sweep,
    },
    routing::{Connections, Route},
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
    actor: Recipient<InstanceCommand>,
    instance: Instance,
    /// Which kind of actor it is.
    mode: Mode,
    /// What it was told while its actor gives way to one of the other kind.
    waiting: Option<Vec<InstanceCommand>>,
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

    /// Starts the actor of an instance, with what is left of an earlier one.
    fn take_on(&mut self, context: &mut Context<Self>, instance: Instance, left: Left, replaced: u32) {
        let Some(arbiter) = self.arbiters.get(self.next_arbiter % self.arbiters.len()) else { return };
        if self.shutting_down {
            return;
        }
        let arbiter = arbiter.handle();
        self.next_arbiter = self.next_arbiter.wrapping_add(1);
        let supervisor = context.address().recipient();
        // Time as the base: later than every generation of an earlier run or actor.
        let generation = Generation(u64::try_from(Timestamp::now().0).unwrap_or_default());
        let actor = match left {
            Left::Sessions(sessions) => self.start_instance(&arbiter, &instance, sessions, (supervisor, generation)),
            Left::Connections(kept) => self.start_house(&arbiter, &instance, kept, (supervisor, generation)),
        };
        let mode = instance.mode;
        self.instances.insert(instance.id, Entry { actor, instance, mode, waiting: None, replaced });
    }

    fn start_instance(
        &self,
        arbiter: &ArbiterHandle,
        instance: &Instance,
        sessions: Arc<Sessions>,
        (supervisor, generation): (Recipient<InstanceGone>, Generation),
    ) -> Recipient<InstanceCommand> {
        let (status, receiver) = watch::channel(Status::of(instance));
        let route = Route::new(instance, receiver, sessions, self.runtime.config.max_in_flight);
        self.runtime.routes.insert(Arc::clone(&route));
        let parts = Parts {
            runtime: Arc::clone(&self.runtime),
            instance: instance.clone(),
            home: Home::of_instance(&self.runtime, instance),
            chronicle: Chronicle::Instance(self.runtime.recorder.clone(), instance.id),
            route,
            status,
            supervisor,
            generation,
            previous: None,
        };
        InstanceActor::start_in_arbiter(arbiter, move |_| InstanceActor::new(parts)).recipient()
    }

    fn start_house(
        &self,
        arbiter: &ArbiterHandle,
        instance: &Instance,
        kept: Vec<Kept>,
        (supervisor, generation): (Recipient<InstanceGone>, Generation),
    ) -> Recipient<InstanceCommand> {
        let (status, receiver) = watch::channel(Status::of(instance));
        let (connections, orders) = Connections::new();
        // No session is the instance's own: who asks it for one is told that there is none.
        let sessions = Arc::new(Sessions::new(0));
        let max = self.runtime.config.max_in_flight;
        let route = Route::to_house(instance, receiver, sessions, max, Arc::clone(&connections));
        self.runtime.routes.insert(Arc::clone(&route));
        let runtime = Arc::clone(&self.runtime);
        let instance = instance.clone();
        let parts = HouseParts { runtime, instance, route, connections, orders, status, kept, supervisor, generation };
        HouseActor::start_in_arbiter(arbiter, move |_| HouseActor::new(parts)).recipient()
    }

    fn sample(&self) {
        let actors: Vec<Recipient<InstanceCommand>> =
            self.instances.values().map(|entry| entry.actor.clone()).collect();
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

    fn handle(&mut self, Boot { instances, sessions, connections }: Boot, context: &mut Context<Self>) -> Self::Result {
        let host = self.runtime.host.clone();
        let mut by_instance: HashMap<InstanceId, Vec<ClientSession>> = HashMap::new();
        for session in sessions {
            by_instance.entry(session.instance_id).or_default().push(session);
        }
        let mut seats: HashMap<InstanceId, Vec<ConnectionRecord>> = HashMap::new();
        for connection in connections {
            seats.entry(connection.instance_id).or_default().push(connection);
        }
        let (this, metrics) = (context.address(), Arc::clone(&self.runtime.metrics));
        Box::pin(async move {
            let swept = tokio::task::spawn_blocking(move || sweep_stale(&host)).await;
            metrics.orphans.store(reaper::orphans_total(), Ordering::Relaxed);
            let report = BootReport { instances: instances.len(), stale: swept.unwrap_or(0) };
            for instance in instances {
                // Waits for our own mailbox, from a task of its own: the report is true when it is given.
                let sessions = by_instance.remove(&instance.id).unwrap_or_default();
                let connections = seats.remove(&instance.id).unwrap_or_default();
                let _ = this.send(AddInstance { instance, sessions, connections }).await;
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

    fn handle(&mut self, add: AddInstance, context: &mut Context<Self>) {
        let AddInstance { instance, sessions, connections } = add;
        if !self.instances.contains_key(&instance.id) {
            let left = match instance.mode {
                Mode::Session => Left::Connections(seats_left(&self.runtime, &instance, connections, &sessions)),
                Mode::Dedicated | Mode::Shared => {
                    let gone = connections.into_iter().map(|connection| connection.id);
                    gone.for_each(|id| self.runtime.recorder.forget_connection(id));
                    Left::Sessions(restore(&self.runtime, &instance, &sessions))
                }
            };
            self.take_on(context, instance, left, 0);
        }
    }
}

/// What an earlier run or actor has left of an instance.
enum Left {
    /// Of one that has a process.
    Sessions(Arc<Sessions>),
    /// Of one that has processes for each connection.
    Connections(Vec<Kept>),
}

/// Connections of the last run with their sessions; those to which nobody can come back are forgotten,
/// and sessions without a connection too.
fn seats_left(
    runtime: &Runtime,
    instance: &Instance,
    connections: Vec<ConnectionRecord>,
    sessions: &[ClientSession],
) -> Vec<Kept> {
    let journal = runtime.recorder.journal(instance.id);
    let records = sessions.iter().filter_map(recorder::sessions::record_of);
    let mut records: HashMap<String, Record> = records.map(|record| (record.id.to_string(), record)).collect();
    let mut kept = Vec::new();
    for connection in connections {
        let session = records.remove(&connection.id);
        match Kept::of(&connection, session, Arc::clone(&journal)) {
            Some(one) => kept.push(one),
            None => runtime.recorder.forget_connection(connection.id),
        }
    }
    records.values().for_each(|record| journal.closed(record.id));
    kept
}

/// The instance's client sessions of the last run, from now on kept by the recorder.
fn restore(runtime: &Runtime, instance: &Instance, sessions: &[ClientSession]) -> Arc<Sessions> {
    let journal = runtime.recorder.journal(instance.id);
    let records = sessions.iter().filter_map(recorder::sessions::record_of).collect();
    Arc::new(Sessions::restored(runtime.config.max_sessions, journal, records))
}

impl Handler<ToInstance> for SupervisorActor {
    type Result = bool;

    fn handle(&mut self, ToInstance { id, command }: ToInstance, context: &mut Context<Self>) -> bool {
        let Some(entry) = self.instances.get_mut(&id) else { return false };
        let starts = matches!(command, InstanceCommand::Start | InstanceCommand::Restart);
        // What a replacement after a panic would start from.
        match &command {
            InstanceCommand::Reconfigure { instance } => entry.instance = (**instance).clone(),
            InstanceCommand::Renew { until } => entry.instance.expires_at = *until,
            InstanceCommand::Debug { until } => entry.instance.debug_until = *until,
            InstanceCommand::Start | InstanceCommand::Restart => {
                entry.instance.desired = crate::domain::instance::Desired::Running;
            }
            InstanceCommand::Stop => entry.instance.desired = crate::domain::instance::Desired::Stopped,
            _ => {}
        }
        match &mut entry.waiting {
            Some(waiting) => waiting.push(command),
            None if starts && entry.mode != entry.instance.mode => give_way(context, id, entry),
            None => entry.actor.do_send(command),
        }
        true
    }
}

/// Ends the actor of an instance whose mode has changed; one of the other kind follows.
fn give_way(context: &Context<SupervisorActor>, id: InstanceId, entry: &mut Entry) {
    let (graceful, stopped) = oneshot::channel();
    entry.actor.do_send(InstanceCommand::ShutDown { graceful });
    entry.waiting = Some(Vec::new());
    let this = context.address();
    actix_rt::spawn(async move {
        let _ = stopped.await;
        this.do_send(ChangeMode { id });
    });
}

impl Handler<ChangeMode> for SupervisorActor {
    type Result = ();

    /// Clients of the other mode are forgotten: what they had was another process's.
    fn handle(&mut self, ChangeMode { id }: ChangeMode, context: &mut Context<Self>) {
        let Some(entry) = self.instances.remove(&id) else { return };
        if let Some(route) = self.runtime.routes.get(id) {
            forget_clients(&self.runtime, route);
        }
        let instance = Instance { state: State::Pending, ..entry.instance };
        let left = match instance.mode {
            Mode::Session => Left::Connections(Vec::new()),
            Mode::Dedicated | Mode::Shared => Left::Sessions(restore(&self.runtime, &instance, &[])),
        };
        self.take_on(context, instance, left, entry.replaced);
        let waiting = entry.waiting.unwrap_or_default();
        let is_doomed = waiting.iter().any(|command| matches!(command, InstanceCommand::Delete { .. }));
        if let Some(successor) = self.instances.get(&id) {
            waiting.into_iter().for_each(|command| successor.actor.do_send(command));
        }
        if is_doomed {
            self.runtime.routes.remove(id);
            self.instances.remove(&id);
        }
    }
}

/// Ends the sessions and connections of an instance, whose actor is gone.
fn forget_clients(runtime: &Runtime, route: Arc<Route>) {
    if let Some(connections) = route.connections() {
        connections.all().iter().for_each(|seat| runtime.recorder.forget_connection(seat.id.to_string()));
        // Listed now: those of its successor are not among them.
        let folders = directories_in(&runtime.paths.connections(route.id));
        actix_rt::spawn(async move {
            // They go with the instance at the latest.
            let _ = tokio::task::spawn_blocking(move || remove_trees(folders)).await;
        });
    }
    for seat in route.with_connections() {
        let views = seat.sessions.views();
        views.iter().filter_map(|view| SessionId::read(&view.id)).for_each(|id| seat.sessions.close(id));
    }
}

impl Handler<RemoveInstance> for SupervisorActor {
    type Result = bool;

    fn handle(&mut self, RemoveInstance { id, done }: RemoveInstance, _: &mut Context<Self>) -> bool {
        // First the route, then the process: nobody is sent to a process that is being ended.
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
        let route = self.runtime.routes.get(id);
        let left = match (route, instance.mode) {
            (Some(route), Mode::Session) => {
                let seats = route.connections().map(|connections| connections.all()).unwrap_or_default();
                Left::Connections(seats.iter().filter_map(|seat| Kept::of_seat(seat)).collect())
            }
            (None, Mode::Session) => Left::Connections(Vec::new()),
            (Some(route), Mode::Dedicated | Mode::Shared) => Left::Sessions(Arc::clone(&route.sessions)),
            (None, Mode::Dedicated | Mode::Shared) => Left::Sessions(restore(&self.runtime, &instance, &[])),
        };
        self.take_on(context, instance, left, entry.replaced + 1);
    }
}
