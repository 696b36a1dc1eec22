//! What an instance is told to do.

use std::sync::Arc;

use actix::{ActorContext, Context, Handler};
use tokio::sync::oneshot;

use super::{InstanceActor, child::finished};
use crate::{
    actors::messages::InstanceCommand,
    domain::{
        instance::Instance,
        lifecycle::{Event, State},
    },
};

impl Handler<InstanceCommand> for InstanceActor {
    type Result = ();

    fn handle(&mut self, command: InstanceCommand, context: &mut Context<Self>) {
        self.act(command, context);
    }
}

impl InstanceActor {
    pub(super) fn act(&mut self, command: InstanceCommand, context: &mut Context<Self>) {
        match command {
            InstanceCommand::Start => {
                self.history.clear();
                self.come_up(context);
            }
            InstanceCommand::Stop => self.go_down(context, Event::StopRequested),
            InstanceCommand::Restart => self.restart(context),
            InstanceCommand::Debug { until } => self.debug(context, until),
            InstanceCommand::Renew { until } => self.renew(context, until),
            InstanceCommand::Reconfigure { instance, done } => self.reconfigure(context, *instance, done),
            InstanceCommand::Refresh { done } => self.refresh(context, done),
            // Nobody may wait for it any more.
            InstanceCommand::Heard { reply } => drop(reply.send(())),
            InstanceCommand::LastWords { reply } => {
                let words = self.running.as_ref().map(|running| running.stderr_tail()).unwrap_or_default();
                // Nobody may wait for it any more.
                let _ = reply.send(words);
            }
            InstanceCommand::Check { reply } => self.check_now(context, reply),
            InstanceCommand::Delete { done } => self.delete(context, done),
            InstanceCommand::ShutDown { graceful } => self.shut_down(context, graceful),
            InstanceCommand::Sample { samples } => self.take_sample(context, &samples),
            InstanceCommand::Wake => self.wake(context),
        }
    }

    pub(super) fn restart(&mut self, context: &mut Context<Self>) {
        self.history.clear();
        self.go_down(context, Event::StopRequested);
        self.come_up(context);
    }

    fn renew(&mut self, context: &mut Context<Self>, until: Option<crate::domain::time::Timestamp>) {
        self.own().expires_at = until;
        self.publish(|status| status.expires_at = until);
        self.arm_expiry(context);
        let wanted = self.instance.desired == crate::domain::instance::Desired::Running;
        if self.state() == State::Expired && wanted {
            self.history.clear();
            self.come_up(context);
        }
    }

    fn reconfigure(&mut self, context: &mut Context<Self>, instance: Instance, done: Option<oneshot::Sender<()>>) {
        let told = |instance: &Instance| (instance.config.clone(), instance.credential_id);
        let is_told_anew = self.home.is_pooled && told(&self.instance) != told(&instance);
        // What was started well last is known here before the database knows it.
        let last_good = self.own().last_good.take().or_else(|| instance.last_good.clone());
        self.instance = Arc::new(Instance { last_good, ..instance });
        self.arm_idle(context);
        if is_told_anew {
            self.refresh(context, done);
        }
    }

    fn delete(&mut self, context: &mut Context<Self>, done: oneshot::Sender<()>) {
        self.go_down(context, Event::DeleteRequested);
        self.ticket.leave();
        let (stopping, dirs) = (self.stopping.take(), self.home.dirs.clone());
        actix_rt::spawn(async move {
            finished(stopping).await;
            let removed = tokio::task::spawn_blocking(move || dirs.remove()).await;
            if let Ok(Err(error)) = removed {
                log::error!("directories of a deleted instance could not be removed: {error}");
            }
            // The receiver may have given up waiting; the work is done all the same.
            let _ = done.send(());
        });
        context.stop();
    }

    fn shut_down(&mut self, context: &mut Context<Self>, graceful: oneshot::Sender<bool>) {
        // The state that the database shows stays: it is what the next boot starts from.
        self.end_process(context);
        self.ticket.leave();
        let stopping = self.stopping.take();
        let lines = self.housekeeping.take_lines(&self.route);
        actix_rt::spawn(async move {
            let ended = finished(stopping).await;
            super::housekeeping::write_lines(lines).await;
            let _ = graceful.send(ended);
        });
        context.stop();
    }
}
