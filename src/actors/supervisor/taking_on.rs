//! How an instance gets its actor: when it is new to this run, and when an actor has failed.
//!
//! Invariant: an instance's route is in the table before its actor exists.

use std::sync::Arc;

use actix::{Actor, AsyncContext, Context, Handler, Recipient};
use actix_rt::ArbiterHandle;
use tokio::sync::watch;

use super::{Entry, SupervisorActor, left::Left};
use crate::{
    actors::{
        house::{HouseActor, HouseParts, Kept},
        instance::{Chronicle, Home, InstanceActor, Parts},
        messages::{AddInstance, InstanceCommand, InstanceGone},
    },
    domain::{
        ids::Generation,
        instance::{Instance, Status},
        lifecycle::State,
        time::Timestamp,
    },
    mcp::session::Sessions,
    routing::{Connections, Route},
};

impl SupervisorActor {
    /// Starts the actor of an instance, with what is left of an earlier one.
    pub(super) fn take_on(&mut self, context: &mut Context<Self>, instance: Instance, left: Left, replaced: u32) {
        let Some(arbiter) = self.arbiters.get(self.next_arbiter % self.arbiters.len()) else { return };
        if self.shutting_down {
            return;
        }
        let arbiter = arbiter.handle();
        self.next_arbiter = self.next_arbiter.wrapping_add(1);
        let supervisor = context.address().recipient();
        // Time as the base: later than every generation of an earlier run or actor.
        let generation = Generation(u64::try_from(Timestamp::now().0).unwrap_or_default());
        let instance = Arc::new(instance);
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
        instance: &Arc<Instance>,
        sessions: Arc<Sessions>,
        (supervisor, generation): (Recipient<InstanceGone>, Generation),
    ) -> Recipient<InstanceCommand> {
        let (status, receiver) = watch::channel(Status::of(instance));
        let route = Route::new(instance, receiver, sessions, self.runtime.config.max_in_flight);
        self.runtime.routes.insert(Arc::clone(&route));
        let parts = Parts {
            runtime: Arc::clone(&self.runtime),
            instance: Arc::clone(instance),
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
        let instance = Instance::clone(instance);
        let parts = HouseParts { runtime, instance, route, connections, orders, status, kept, supervisor, generation };
        HouseActor::start_in_arbiter(arbiter, move |_| HouseActor::new(parts)).recipient()
    }
}

impl Handler<AddInstance> for SupervisorActor {
    type Result = ();

    fn handle(&mut self, add: AddInstance, context: &mut Context<Self>) {
        let AddInstance { instance, sessions, connections } = add;
        if !self.instances.contains_key(&instance.id) {
            let left = Left::of_last_run(&self.runtime, &instance, connections, &sessions);
            self.take_on(context, instance, left, 0);
        }
    }
}

impl Handler<InstanceGone> for SupervisorActor {
    type Result = ();

    /// An actor that nobody told to go has panicked: its process died with it (release by `Drop`),
    /// and a new actor takes over from what is known; after a few times the instance stays down.
    fn handle(&mut self, InstanceGone { id, deliberate }: InstanceGone, context: &mut Context<Self>) {
        // What is tried is not tried again; who waits for it sees that it is gone.
        if deliberate || self.shutting_down || self.trials.remove(&id).is_some() {
            return;
        }
        if let Some(pool) = self.pools.remove(&id) {
            log::error!("the actor of the shared service {} failed; replacing it", pool.service);
            return self.open_pool(context, pool.service);
        }
        let Some(entry) = self.instances.remove(&id) else { return };
        log::error!("the actor of instance {id} failed; replacing it");
        let mut instance = Arc::unwrap_or_clone(entry.instance);
        instance.state = if entry.replaced < 3 { State::Pending } else { State::Failed };
        let left = match self.runtime.routes.get(id) {
            Some(route) => Left::of_route(&instance, &route),
            None => Left::nothing(&self.runtime, &instance),
        };
        self.take_on(context, instance, left, entry.replaced + 1);
    }
}
