//! Sleep: processes end while their connections stay, until somebody asks for them or nobody has for long.

use actix::Context;
use tokio::sync::oneshot;

use super::{HouseActor, kept::Kept, seats::Tenant};
use crate::{
    actors::{instance::ending, messages::InstanceCommand},
    domain::{lifecycle::State, time::Timestamp},
    mcp::session::SessionId,
};

impl HouseActor {
    /// Ends every process; spares go, connections stay.
    pub(super) fn put_all_to_rest(&mut self, context: &mut Context<Self>) {
        self.cancel_spare(context);
        for id in self.spares() {
            self.evict(id);
        }
        for tenant in self.tenants.values_mut().filter(|tenant| tenant.resting.is_none()) {
            let (graceful, stopped) = oneshot::channel();
            tenant.actor.do_send(InstanceCommand::ShutDown { graceful });
            tenant.is_called = false;
            tenant.resting = Some(ending(async move { stopped.await.unwrap_or(false) }));
        }
        self.route.set_usage(None);
    }

    /// Gives those actors again that rest; they sleep until somebody asks for them.
    pub(super) fn rouse_all(&mut self, context: &mut Context<Self>) {
        let resting: Vec<SessionId> =
            self.tenants.iter().filter(|(_, tenant)| tenant.resting.is_some()).map(|(id, _)| *id).collect();
        for id in resting {
            let Some(tenant) = self.tenants.remove(&id) else { continue };
            if let Some(kept) = Kept::of_seat(&tenant.seat) {
                self.seat(context, kept, State::Idle, false, tenant.resting);
            }
        }
        self.publish_seats();
    }

    /// Ends what nobody has come back to for so long that its files go; notes when the others were used.
    pub(super) fn sweep(&mut self, _: &mut Context<Self>) {
        let keep = i64::try_from(self.runtime.config.connection_keep.as_millis()).unwrap_or(i64::MAX);
        let now = Timestamp::now().0;
        let unused = |tenant: &Tenant| now.saturating_sub(tenant.seat.route.last_used().0);
        let over = |tenant: &&Tenant| !tenant.seat.is_spare && !tenant.is_awake() && unused(tenant) >= keep;
        let over: Vec<SessionId> = self.tenants.values().filter(over).map(|tenant| tenant.seat.id).collect();
        for id in over {
            self.evict(id);
        }
        let recent = self.tenants.values().filter(|tenant| unused(tenant) < 120_000);
        recent.for_each(|tenant| self.record(&tenant.seat));
    }
}
