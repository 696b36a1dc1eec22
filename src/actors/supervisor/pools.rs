//! How a shared service gets the actor that keeps its processes: when it is asked for the first time, with Berth
//! where that is wanted, and when an actor has failed.

use std::{collections::HashMap, sync::Arc};

use actix::{Actor, AsyncContext, Context, Recipient, StreamHandler};
use tokio::sync::oneshot;

use super::SupervisorActor;
use crate::{
    actors::{
        messages::PoolCommand,
        pool::{PoolActor, PoolParts},
    },
    domain::{
        ids::{Generation, InstanceId},
        manifest::SharedStart,
        names::ServiceName,
        time::Timestamp,
    },
};

/// A pool, as the supervisor knows it.
pub(super) struct PoolEntry {
    pub(super) actor: Recipient<PoolCommand>,
    pub(super) service: ServiceName,
}

/// Ends all pools; each receiver says whether its processes ended by themselves.
pub(super) fn end_pools(pools: &mut HashMap<InstanceId, PoolEntry>) -> impl Iterator<Item = oneshot::Receiver<bool>> {
    pools.drain().map(|(_, entry)| {
        let (graceful, stopped) = oneshot::channel();
        entry.actor.do_send(PoolCommand::ShutDown { graceful });
        stopped
    })
}

impl SupervisorActor {
    /// Hears from now on of the services whose processes are asked for.
    pub(super) fn take_orders(&self, context: &mut Context<Self>) {
        if let Some(mut orders) = self.runtime.pools.orders() {
            context.add_stream(futures_util::stream::poll_fn(move |polled| orders.poll_recv(polled)));
        }
    }

    /// Asks for the processes that are to run without being needed.
    pub(super) fn start_with_berth(&self) {
        for service in self.runtime.catalog.list(None) {
            let Some(shared) = &service.manifest.shared else { continue };
            if shared.start.unwrap_or(self.runtime.config.shared_start) == SharedStart::Boot {
                self.runtime.pools.of(&service.manifest.name);
            }
        }
    }

    pub(super) fn open_pool(&mut self, context: &Context<Self>, service: ServiceName) {
        let Some(arbiter) = self.arbiters.get(self.next_arbiter % self.arbiters.len()) else { return };
        if self.shutting_down {
            return;
        }
        self.next_arbiter = self.next_arbiter.wrapping_add(1);
        let mark = InstanceId::generate();
        let parts = PoolParts {
            runtime: Arc::clone(&self.runtime),
            service: service.clone(),
            mark,
            supervisor: context.address().recipient(),
            generation: Generation(u64::try_from(Timestamp::now().0).unwrap_or_default()),
        };
        let actor = PoolActor::start_in_arbiter(&arbiter.handle(), move |_| PoolActor::new(parts)).recipient();
        self.pools.insert(mark, PoolEntry { actor, service });
    }
}

impl StreamHandler<ServiceName> for SupervisorActor {
    fn handle(&mut self, service: ServiceName, context: &mut Context<Self>) {
        self.open_pool(context, service);
    }

    fn finished(&mut self, _: &mut Context<Self>) {}
}
