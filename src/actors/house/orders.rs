//! What clients order of the house: a connection, a process for one, its end.

use std::sync::Arc;

use actix::Context;

use super::HouseActor;
use crate::{
    actors::messages::InstanceCommand,
    domain::{
        connection::Client,
        lifecycle::{Event, State},
        time::Timestamp,
    },
    mcp::{error::Unavailable, session::SessionId},
    routing::{Order, Seat, unavailable},
};

/// Connections that may sleep, for each that may have a process.
const KEPT_FOR_EACH: usize = 4;

impl HouseActor {
    pub(super) fn take_order(&mut self, context: &mut Context<Self>, order: Order) {
        // A reply that nobody waits for any more is nobody's loss.
        match order {
            Order::Open { client, reply } => {
                let opened = self.open(context, client);
                if let Err(Ok(seat)) = reply.send(opened) {
                    self.let_go(seat.id);
                }
            }
            Order::Wake { id, reply } => drop(reply.send(self.wake(id))),
            Order::Leave { id } => self.let_go(id),
            Order::End { id, reply } => {
                let gone = self.evict(id);
                actix_rt::spawn(async move {
                    let known = match gone {
                        Some(gone) => gone.await.is_ok(),
                        None => false,
                    };
                    let _ = reply.send(known);
                });
            }
        }
    }

    fn open(&mut self, context: &mut Context<Self>, client: Option<Client>) -> Result<Arc<Seat>, Unavailable> {
        self.be_open()?;
        // Two requests of a client at once: the other was first.
        if let Some(seat) = client.and_then(|client| self.connections.of(client)) {
            return Ok(seat);
        }
        let seat = match self.best_spare() {
            Some(id) => self.hand_over(id, client),
            None => {
                self.make_place()?;
                let kept = self.fresh(client);
                kept.and_then(|kept| self.seat(context, kept, State::Pending, false, self.archived()))
            }
        };
        let seat = seat.ok_or_else(|| Unavailable { detail: "no connection could be made; try again".to_owned() })?;
        self.record(&seat);
        self.drop_oldest();
        self.publish_seats();
        self.plan_spare(context);
        Ok(seat)
    }

    /// Whether connections are served; a house that sleeps wakes.
    fn be_open(&mut self) -> Result<(), Unavailable> {
        if self.state() == State::Idle {
            self.advance(Event::StartRequested);
            self.open_doors();
        }
        if self.state().serves() || self.state().will_run() {
            return Ok(());
        }
        Err(unavailable(&self.status.borrow()))
    }

    /// A spare that answers already, else one on its way.
    fn best_spare(&self) -> Option<SessionId> {
        let spares = self.tenants.values().filter(|tenant| tenant.seat.is_spare && tenant.is_awake());
        spares.max_by_key(|tenant| tenant.state().serves()).map(|tenant| tenant.seat.id)
    }

    /// A spare gets its client.
    fn hand_over(&mut self, id: SessionId, client: Option<Client>) -> Option<Arc<Seat>> {
        let tenant = self.tenants.get_mut(&id)?;
        let now = Timestamp::now();
        let route = Arc::clone(&tenant.seat.route);
        route.touch(now);
        tenant.seat = Arc::new(Seat { id, client, created_at: now, route, is_spare: false });
        Some(Arc::clone(&tenant.seat))
    }

    /// Makes sure that another process may start: a spare gives way.
    fn make_place(&mut self) -> Result<(), Unavailable> {
        let max = self.runtime.config.max_connections;
        if self.awake() >= max
            && let Some(spare) = self.spares().pop()
        {
            self.evict(spare);
        }
        if self.awake() >= max {
            let detail = format!(
                "all {max} connections of this instance are in use (`max_connections`); close one, or wait until one \
                 has been unused for a while"
            );
            return Err(Unavailable { detail });
        }
        Ok(())
    }

    /// Forgets those that have slept longest when more are kept than may be.
    fn drop_oldest(&mut self) {
        let most = self.runtime.config.max_connections.saturating_mul(KEPT_FOR_EACH);
        while self.tenants.len() > most {
            let asleep = self.tenants.values().filter(|tenant| !tenant.is_awake());
            let Some(oldest) = asleep.min_by_key(|tenant| tenant.seat.route.last_used()).map(|tenant| tenant.seat.id)
            else {
                return;
            };
            self.evict(oldest);
        }
    }

    fn wake(&mut self, id: SessionId) -> Result<(), Unavailable> {
        self.be_open()?;
        let gone = || Unavailable { detail: "the connection has ended; open another".to_owned() };
        if self.tenants.get(&id).ok_or_else(gone)?.is_awake() {
            return Ok(());
        }
        self.make_place()?;
        let tenant = self.tenants.get_mut(&id).ok_or_else(gone)?;
        tenant.is_called = true;
        tenant.actor.do_send(InstanceCommand::Wake);
        Ok(())
    }
}
