//! What becomes of connections, as the house is told of it, and what follows for the house.

use std::sync::Arc;

use actix::{Addr, Context, Handler, Message};
use tokio::sync::watch;

use super::{HouseActor, kept::Kept};
use crate::{
    actors::messages::InstanceGone,
    domain::{
        crash::ExitReason,
        instance::Status,
        lifecycle::{Event, State},
    },
    mcp::session::{SessionId, Sessions},
    routing::Seat,
};

/// The status of a connection has changed.
#[derive(Message)]
#[rtype(result = "()")]
struct SeatChanged(SessionId);

/// A connection may have no client any more.
#[derive(Message)]
#[rtype(result = "()")]
struct SeatLeft(SessionId);

/// Tells the house of what becomes of a connection, until its actor is gone.
pub(super) fn watch_over(
    house: Addr<HouseActor>,
    id: SessionId,
    mut status: watch::Receiver<Status>,
    sessions: Arc<Sessions>,
) {
    actix_rt::spawn(async move {
        loop {
            tokio::select! {
                changed = status.changed() => match changed {
                    Ok(()) => house.do_send(SeatChanged(id)),
                    Err(_) => return,
                },
                () = sessions.ended() => house.do_send(SeatLeft(id)),
            }
        }
    });
}

impl Handler<SeatLeft> for HouseActor {
    type Result = ();

    fn handle(&mut self, SeatLeft(id): SeatLeft, _: &mut Context<Self>) {
        self.let_go(id);
    }
}

impl Handler<SeatChanged> for HouseActor {
    type Result = ();

    fn handle(&mut self, SeatChanged(id): SeatChanged, context: &mut Context<Self>) {
        let Some(tenant) = self.tenants.get_mut(&id).filter(|tenant| tenant.resting.is_none()) else { return };
        tenant.is_called = false;
        let (seat, status) = (Arc::clone(&tenant.seat), tenant.seat.route.status());
        if !self.state().serves() {
            self.follow(&status);
        }
        // The house has no process: its page shows the walls of the last connection that has one.
        if !status.walls.is_empty() && self.status.borrow().walls != status.walls {
            self.status.send_modify(|own| own.walls = Arc::clone(&status.walls));
        }
        self.react(context, &seat, status);
        if self.state().serves() && self.awake() == 0 && self.next_spare.is_none() {
            self.advance(Event::SleepRequested);
            self.route.set_usage(None);
        }
    }
}

impl HouseActor {
    /// What follows when a connection has come to a new state: for spares, and for what is recorded.
    fn react(&mut self, context: &mut Context<Self>, seat: &Seat, status: Status) {
        match status.state {
            State::Running => {
                self.spares_fail = false;
                self.plan_spare(context);
            }
            State::Idle if seat.is_spare => drop(self.evict(seat.id)),
            State::Failed if seat.is_spare => {
                self.spares_fail = true;
                let reason = status.last_error.as_ref().map(|card| &card.reason);
                // That there is no place for a spare says nothing about the service.
                if !matches!(reason, Some(ExitReason::QuotaReached { .. })) {
                    self.publish(|own| own.last_error = status.last_error);
                }
                self.evict(seat.id);
            }
            State::Idle => {
                self.record(seat);
                self.plan_spare(context);
            }
            _ => {}
        }
    }

    /// Until the house serves, its state is that of the first process.
    fn follow(&mut self, first: &Status) {
        match first.state {
            State::Pending => self.status.send_modify(|own| own.progress.clone_from(&first.progress)),
            State::Starting => drop(self.advance(Event::Spawned)),
            State::Running => self.open_doors(),
            State::Restarting => {
                self.advance(Event::EndedWillRestart);
                self.publish(|own| own.last_error.clone_from(&first.last_error));
            }
            State::Failed => {
                if self.advance(Event::EndedForGood) {
                    let reason = first.last_error.as_ref().map(crate::domain::crash::CrashCard::summary);
                    self.note("failed", serde_json::json!({ "reason": reason }));
                }
                self.publish(|own| own.last_error.clone_from(&first.last_error));
            }
            _ => {}
        }
    }
}

impl Handler<InstanceGone> for HouseActor {
    type Result = ();

    /// The actor of a connection has failed by a panic: another takes over.
    fn handle(&mut self, InstanceGone { id, deliberate }: InstanceGone, context: &mut Context<Self>) {
        let Some(id) = SessionId::read(&id.uuid().simple().to_string()).filter(|_| !deliberate) else { return };
        let Some(tenant) = self.tenants.remove(&id) else { return };
        log::error!("the actor of connection {id} failed; replacing it");
        if let Some(kept) = Kept::of_seat(&tenant.seat) {
            self.seat(context, kept, State::Idle, false, None);
        }
        self.publish_seats();
    }
}
