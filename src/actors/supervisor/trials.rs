//! Processes that are tried apart from all instances: in nobody's list, on no route, for as long as somebody waits.

use std::sync::Arc;

use actix::{Actor, AsyncContext, Context, Handler, Message, MessageResult};
use tokio::sync::watch;

use super::SupervisorActor;
use crate::{
    actors::{
        Runtime,
        instance::{Chronicle, Home, InstanceActor, Parts},
    },
    domain::{
        ids::Generation,
        instance::{Instance, Status},
        time::Timestamp,
    },
    mcp::session::Sessions,
    routing::Route,
};

/// Start a process for a record that is in no database; [`super::RemoveInstance`] ends it.
#[derive(Message)]
#[rtype(result = "Option<Trial>")]
pub(in crate::actors) struct TryOut {
    /// With a catalog of its own.
    pub(in crate::actors) runtime: Arc<Runtime>,
    pub(in crate::actors) instance: Instance,
}

/// Where the process is found.
pub(in crate::actors) struct Trial {
    pub(in crate::actors) route: Arc<Route>,
    pub(in crate::actors) status: watch::Receiver<Status>,
}

impl Handler<TryOut> for SupervisorActor {
    type Result = MessageResult<TryOut>;

    fn handle(&mut self, TryOut { runtime, instance }: TryOut, context: &mut Context<Self>) -> Self::Result {
        let arbiter = self.arbiters.get(self.next_arbiter % self.arbiters.len()).filter(|_| !self.shutting_down);
        let Some(arbiter) = arbiter.map(actix::Arbiter::handle) else { return MessageResult(None) };
        self.next_arbiter = self.next_arbiter.wrapping_add(1);
        let (status, receiver) = watch::channel(Status::of(&instance));
        let sessions = Arc::new(Sessions::new(0));
        let route = Route::new(&instance, receiver.clone(), sessions, runtime.config.max_in_flight);
        let id = instance.id;
        let parts = Parts {
            home: Home::of_trial(&runtime, &instance),
            runtime,
            instance: Arc::new(instance),
            chronicle: Chronicle::Log,
            route: Arc::clone(&route),
            status,
            supervisor: context.address().recipient(),
            generation: Generation(u64::try_from(Timestamp::now().0).unwrap_or_default()),
            previous: None,
        };
        let actor = InstanceActor::start_in_arbiter(&arbiter, move |_| InstanceActor::new(parts)).recipient();
        self.trials.insert(id, actor);
        MessageResult(Some(Trial { route, status: receiver }))
    }
}
