//! What a pool is told to do.

use std::sync::Arc;

use actix::{ActorContext, Context, Handler};
use tokio::sync::oneshot;

use super::PoolActor;
use crate::actors::messages::{InstanceCommand, PoolCommand};

impl Handler<PoolCommand> for PoolActor {
    type Result = ();

    fn handle(&mut self, command: PoolCommand, context: &mut Context<Self>) {
        match command {
            PoolCommand::Sample { samples } => {
                for worker in self.workers.values() {
                    worker.actor.do_send(InstanceCommand::Sample { samples: Arc::clone(&samples) });
                }
            }
            PoolCommand::ShutDown { graceful } => self.shut_down(context, graceful),
        }
    }
}

impl PoolActor {
    fn shut_down(&mut self, context: &mut Context<Self>, graceful: oneshot::Sender<bool>) {
        self.ticket.leave();
        let ending: Vec<_> = self.workers.values().map(|worker| worker.actor.clone()).collect();
        self.workers.clear();
        self.publish_ring();
        actix_rt::spawn(async move {
            let stopping = ending.iter().map(|actor| {
                let (graceful, stopped) = oneshot::channel();
                actor.do_send(InstanceCommand::ShutDown { graceful });
                stopped
            });
            let stopped = futures_util::future::join_all(stopping).await;
            // Nobody may wait for it any more.
            let _ = graceful.send(stopped.into_iter().all(|stopped| stopped.unwrap_or(true)));
        });
        context.stop();
    }
}
