//! Connections in the house: how they get an actor, how they are shown and recorded, how they go.

use std::sync::Arc;

use actix::{Actor, Addr, AsyncContext, Context};
use tokio::sync::{oneshot, watch};

use super::{HouseActor, following::watch_over, kept::Kept};
use crate::{
    actors::{
        instance::{Chronicle, Ending, Home, InstanceActor, Parts},
        messages::InstanceCommand,
    },
    db::connections::ConnectionRecord,
    domain::{
        instance::{Desired, Instance, Status},
        lifecycle::State,
    },
    mcp::session::SessionId,
    routing::{Route, Seat},
};

/// A connection in the house.
pub(super) struct Tenant {
    pub(super) seat: Arc<Seat>,
    pub(super) actor: Addr<InstanceActor>,
    /// The end of its process, while the house is closed.
    pub(super) resting: Option<Ending>,
    /// It was told to wake, and has not yet said that it does.
    pub(super) is_called: bool,
}

impl Tenant {
    pub(super) fn state(&self) -> State {
        self.seat.route.status().state
    }

    /// Whether it has a process, or is about to.
    pub(super) fn is_awake(&self) -> bool {
        let is_up = !matches!(self.state(), State::Idle | State::Failed | State::Stopped | State::Deleted);
        self.resting.is_none() && (is_up || self.is_called)
    }
}

impl HouseActor {
    /// Gives a connection an actor, in `state`: `Pending` starts its process at once.
    pub(super) fn seat(
        &mut self,
        context: &mut Context<Self>,
        kept: Kept,
        state: State,
        is_spare: bool,
        previous: Option<Ending>,
    ) -> Option<Arc<Seat>> {
        let Kept { id, client, created_at, used_at, sessions } = kept;
        let home = Home::of_connection(&self.runtime, &self.instance, id)?;
        let instance = Instance { state, ..self.lease() };
        let (status, receiver) = watch::channel(Status::of(&instance));
        let max = self.runtime.config.max_in_flight;
        let route = Route::to_connection(&instance, receiver.clone(), sessions, max, (id, &self.connections));
        route.touch(used_at);
        let parts = self.parts(context, id, (instance, home), (Arc::clone(&route), status), previous);
        let actor = InstanceActor::new(parts).start();
        watch_over(context.address(), id, receiver, Arc::clone(&route.sessions));
        let seat = Arc::new(Seat { id, client, created_at, route, is_spare });
        self.tenants.insert(id, Tenant { seat: Arc::clone(&seat), actor, resting: None, is_called: false });
        Some(seat)
    }

    /// What the actor of connection `id` is made from. Each has a generation later than any before.
    fn parts(
        &mut self,
        context: &mut Context<Self>,
        id: SessionId,
        (instance, home): (Instance, Home),
        (route, status): (Arc<Route>, watch::Sender<Status>),
        previous: Option<Ending>,
    ) -> Parts {
        self.generation = self.generation.next();
        Parts {
            runtime: Arc::clone(&self.runtime),
            chronicle: Chronicle::Connection(self.runtime.recorder.clone(), instance.id, id),
            instance: Arc::new(instance),
            home,
            route,
            status,
            supervisor: context.address().recipient(),
            generation: self.generation,
            previous,
        }
    }

    /// The instance as a connection's actor sees it: what its owner wants is the house's to follow.
    pub(super) fn lease(&self) -> Instance {
        Instance {
            desired: Desired::Running,
            state: State::Idle,
            port: None,
            started_at: None,
            expires_at: None,
            restarts: 0,
            last_error: None,
            ..self.instance.clone()
        }
    }

    /// Shows readers what there is.
    pub(super) fn publish_seats(&self) {
        self.connections.publish(self.tenants.values().map(|tenant| Arc::clone(&tenant.seat)));
    }

    /// Has a connection written down.
    pub(super) fn record(&self, seat: &Seat) {
        if seat.is_spare {
            return;
        }
        self.runtime.recorder.connection(ConnectionRecord {
            id: seat.id.to_string(),
            instance_id: self.instance.id,
            client: seat.client,
            created_at: seat.created_at,
            last_used_at: seat.route.last_used(),
        });
    }

    /// How many have a process.
    pub(super) fn awake(&self) -> usize {
        self.tenants.values().filter(|tenant| tenant.is_awake()).count()
    }

    /// Ends a connection and deletes its files; the receiver hears when all of it is gone.
    pub(super) fn evict(&mut self, id: SessionId) -> Option<oneshot::Receiver<()>> {
        let tenant = self.tenants.remove(&id)?;
        self.publish_seats();
        let sessions = &tenant.seat.route.sessions;
        sessions.all().iter().for_each(|session| sessions.close(session.id()));
        if !tenant.seat.is_spare {
            self.runtime.recorder.forget_connection(id.to_string());
        }
        let (done, gone) = oneshot::channel();
        match tenant.resting {
            None => tenant.actor.do_send(InstanceCommand::Delete { done }),
            // Its actor has gone before it.
            Some(resting) => {
                let dirs = self.runtime.paths.of_connection(&self.instance, id);
                actix_rt::spawn(async move {
                    let _ = resting.await;
                    let _ = tokio::task::spawn_blocking(move || dirs.remove()).await;
                    let _ = done.send(());
                });
            }
        }
        Some(gone)
    }

    /// Ends a connection that was for a session and has none.
    pub(super) fn let_go(&mut self, id: SessionId) {
        let is_over = |tenant: &Tenant| {
            tenant.seat.client.is_none() && !tenant.seat.is_spare && tenant.seat.route.sessions.is_vacant()
        };
        if self.tenants.get(&id).is_some_and(is_over) {
            self.evict(id);
        }
    }
}
