//! What the house is told to do: each command reaches all its connections.

use std::time::Duration;

use actix::{ActorContext, Context, Handler};
use tokio::sync::oneshot;

use super::HouseActor;
use crate::{
    actors::{instance::write_lines, messages::InstanceCommand},
    domain::{
        instance::{Desired, Instance},
        lifecycle::{Event, Health, State},
        limits::Usage,
        time::Timestamp,
    },
};

impl Handler<InstanceCommand> for HouseActor {
    type Result = ();

    fn handle(&mut self, command: InstanceCommand, context: &mut Context<Self>) {
        match command {
            InstanceCommand::Start | InstanceCommand::Wake => self.start(context),
            InstanceCommand::Stop => self.go_down(context, Event::StopRequested),
            InstanceCommand::Restart => {
                self.go_down(context, Event::StopRequested);
                self.start(context);
            }
            // Each connection for itself; who waits is told now.
            InstanceCommand::Refresh { done: _ } => self.refresh(context),
            InstanceCommand::Renew { until } => self.renew(context, until),
            InstanceCommand::Debug { until } => self.debug(until),
            InstanceCommand::Reconfigure { instance, .. } => self.reconfigure(*instance),
            // Nobody may wait for it any more.
            InstanceCommand::Heard { reply } => drop(reply.send(())),
            InstanceCommand::LastWords { reply } => self.ask_last_words(reply),
            InstanceCommand::Check { reply } => {
                let health = if self.state().serves() { Health::Healthy } else { Health::Unknown };
                let _ = reply.send(health);
            }
            InstanceCommand::Delete { done } => self.delete(context, done),
            InstanceCommand::ShutDown { graceful } => self.shut_down(context, graceful),
            InstanceCommand::Sample { samples } => {
                for tenant in self.tenants.values() {
                    tenant.actor.do_send(InstanceCommand::Sample { samples: std::sync::Arc::clone(&samples) });
                }
                self.sum_up();
                self.mind_memory(context);
            }
        }
    }
}

impl HouseActor {
    fn start(&mut self, context: &mut Context<Self>) {
        self.rouse_all(context);
        self.come_up(context);
    }

    /// Every process is replaced; connections and their sessions stay.
    fn refresh(&mut self, context: &mut Context<Self>) {
        if self.state() == State::Failed {
            return self.start(context);
        }
        for tenant in self.tenants.values().filter(|tenant| tenant.is_awake()) {
            tenant.actor.do_send(InstanceCommand::Refresh { done: None });
        }
    }

    fn renew(&mut self, context: &mut Context<Self>, until: Option<Timestamp>) {
        self.instance.expires_at = until;
        self.publish(|status| status.expires_at = until);
        self.arm_expiry(context);
        if self.state() == State::Expired && self.instance.desired == Desired::Running {
            self.start(context);
        }
    }

    /// Every connection is debugged, or none; what arrives for the house itself is traced here.
    fn debug(&mut self, until: Option<Timestamp>) {
        self.instance.debug_until = until;
        self.publish(|status| status.debug_until = until);
        self.route.trace.set(self.instance.is_debugged(Timestamp::now()));
        for tenant in self.tenants.values() {
            tenant.actor.do_send(InstanceCommand::Debug { until });
        }
    }

    /// Those of the connection that was used last, as far as one has a process.
    fn ask_last_words(&self, reply: oneshot::Sender<Vec<String>>) {
        let awake = self.tenants.values().filter(|tenant| tenant.is_awake());
        match awake.max_by_key(|tenant| tenant.seat.route.last_used().0) {
            Some(tenant) => tenant.actor.do_send(InstanceCommand::LastWords { reply }),
            // Nobody may wait for it any more.
            None => drop(reply.send(Vec::new())),
        }
    }

    fn reconfigure(&mut self, instance: Instance) {
        self.instance = instance;
        for tenant in self.tenants.values() {
            tenant.actor.do_send(InstanceCommand::Reconfigure { instance: Box::new(self.lease()), done: None });
        }
    }

    /// What all connections use is what the instance uses, as of the sample before. Their CPU time they
    /// have written down themselves.
    fn sum_up(&mut self) {
        let awake = self.tenants.values().filter(|tenant| tenant.is_awake());
        let sum = awake.filter_map(|tenant| tenant.seat.route.usage()).reduce(|sum, one| Usage {
            memory_bytes: sum.memory_bytes + one.memory_bytes,
            cpu_percent: sum.cpu_percent + one.cpu_percent,
            processes: sum.processes + one.processes,
            open_files: sum.open_files + one.open_files,
            disk_bytes: sum.disk_bytes + one.disk_bytes,
            disk_is_lower_bound: sum.disk_is_lower_bound || one.disk_is_lower_bound,
            log_bytes: sum.log_bytes + one.log_bytes,
        });
        self.route.set_usage(sum);
        let requests = self.route.access.requests();
        let due = sum.and_then(|sum| self.housekeeping.add_to_hour(&sum, Duration::ZERO, requests));
        if let Some(part) = due {
            self.runtime.recorder.usage(self.instance.id, part);
        }
    }

    fn delete(&mut self, context: &mut Context<Self>, done: oneshot::Sender<()>) {
        self.advance(Event::DeleteRequested);
        self.cancel_spare(context);
        let ids: Vec<_> = self.tenants.keys().copied().collect();
        let leaving: Vec<_> = ids.into_iter().filter_map(|id| self.evict(id)).collect();
        self.ticket.leave();
        let (dirs, archiving) = (self.runtime.paths.of(&self.instance), self.archiving.take());
        actix_rt::spawn(async move {
            futures_util::future::join_all(leaving).await;
            // Its archives go, too.
            if let Some(archiving) = archiving {
                archiving.await;
            }
            let removed = tokio::task::spawn_blocking(move || dirs.remove()).await;
            if let Ok(Err(error)) = removed {
                log::error!("directories of a deleted instance could not be removed: {error}");
            }
            let _ = done.send(());
        });
        context.stop();
    }

    fn shut_down(&mut self, context: &mut Context<Self>, graceful: oneshot::Sender<bool>) {
        for tenant in self.tenants.values() {
            self.record(&tenant.seat);
        }
        let spares: Vec<_> = self.spares().into_iter().filter_map(|id| self.evict(id)).collect();
        // The state that the database shows stays: it is what the next boot starts from.
        self.put_all_to_rest(context);
        self.write_usage();
        self.ticket.leave();
        let resting: Vec<_> = self.tenants.values_mut().filter_map(|tenant| tenant.resting.take()).collect();
        let lines = self.housekeeping.take_lines(&self.route);
        actix_rt::spawn(async move {
            let ended = futures_util::future::join_all(resting).await;
            futures_util::future::join_all(spares).await;
            write_lines(lines).await;
            let _ = graceful.send(ended.into_iter().all(|ended| ended));
        });
        context.stop();
    }
}
