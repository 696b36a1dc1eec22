//! A change of mode: the actor of an instance gives way to one of the other kind, at the next start.
//!
//! Invariant: from the moment at which the old actor is told to end until the new one is there, commands
//! wait in the instance's entry, in their order.

use std::sync::Arc;

use actix::{AsyncContext, Context, Handler};
use tokio::sync::oneshot;

use super::{Entry, SupervisorActor, left::Left};
use crate::{
    actors::{
        Runtime,
        messages::{ChangeMode, InstanceCommand},
    },
    domain::{ids::InstanceId, instance::Instance, lifecycle::State},
    mcp::session::SessionId,
    process::{directories_in, remove_trees},
    routing::Route,
};

/// Ends the actor of an instance whose mode has changed; one of the other kind follows.
pub(super) fn give_way(context: &Context<SupervisorActor>, id: InstanceId, entry: &mut Entry) {
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
        let instance = Instance { state: State::Pending, ..Arc::unwrap_or_clone(entry.instance) };
        let left = Left::nothing(&self.runtime, &instance);
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
