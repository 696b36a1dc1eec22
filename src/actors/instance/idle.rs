//! Sleep and wake: a child that nobody uses is ended, and the next request brings another.
//!
//! Unused is what has had no request for the idle time, and nothing open for as long: no call, no
//! stream, no question. A client's session alone keeps nothing awake.

use std::{sync::atomic::Ordering::Relaxed, time::Duration};

use actix::{ActorFutureExt, AsyncContext, Context, SpawnHandle, fut::wrap_future};
use tokio::time::Instant;

use super::InstanceActor;
use crate::domain::{lifecycle::Event, lifecycle::State, manifest::Launch, time::Timestamp};

/// The longest wait for a time of day.
const MAX_WAIT: Duration = Duration::from_secs(3600);

/// When the child was last seen in use, and the timer of the next look.
#[derive(Default)]
pub(super) struct IdleClock {
    timer: Option<SpawnHandle>,
    used_at: Option<Instant>,
    /// When a request asked for the start that is under way.
    woken_at: Option<Instant>,
    /// The start that is under way was asked for by a plan.
    is_planned: bool,
}

impl IdleClock {
    pub(super) fn cancel(&mut self, context: &mut Context<InstanceActor>) {
        if let Some(timer) = self.timer.take() {
            context.cancel_future(timer);
        }
    }

    /// Whether the start under way was asked for by a request; from now on none is.
    pub(super) fn take_wake(&mut self) -> Option<Duration> {
        self.woken_at.take().map(|at| at.elapsed())
    }

    /// Whether the start under way was asked for by a plan; from now on none is.
    pub(super) fn take_plan(&mut self) -> bool {
        std::mem::take(&mut self.is_planned)
    }
}

impl InstanceActor {
    /// After how long it sleeps. A remote server has no process to end.
    fn idle_after(&self) -> Option<Duration> {
        let service = self.runtime.catalog.get(&self.instance.service)?;
        let is_remote = matches!(service.manifest.launch, Launch::Remote { .. });
        let after = self.instance.idle_after(service.manifest.idle_seconds, self.runtime.config.idle);
        after.filter(|_| !is_remote)
    }

    /// Begins to watch for disuse, anew.
    pub(super) fn arm_idle(&mut self, context: &mut Context<Self>) {
        self.idle.cancel(context);
        if let Some(after) = self.idle_after().filter(|_| self.state().serves()) {
            self.look_again(context, after);
        }
    }

    fn look_again(&mut self, context: &mut Context<Self>, wait: Duration) {
        self.idle.timer = Some(context.run_later(wait, |actor, context| {
            actor.idle.timer = None;
            actor.consider_sleep(context);
        }));
    }

    fn consider_sleep(&mut self, context: &mut Context<Self>) {
        let Some(after) = self.idle_after().filter(|_| self.state().serves()) else { return };
        if self.route.is_used() {
            // What ends in between is noticed at the next look: it sleeps a little later, never sooner.
            self.idle.used_at = Some(Instant::now());
            self.look_again(context, after);
            return;
        }
        let in_use = self.idle.used_at.map_or(Duration::MAX, |at| at.elapsed());
        let unused = Timestamp::now().0.saturating_sub(self.route.last_used().0);
        let unused = in_use.min(Duration::from_millis(u64::try_from(unused).unwrap_or_default()));
        if let Some(rest) = after.checked_sub(unused).filter(|rest| !rest.is_zero()) {
            self.look_again(context, rest);
        } else if self.route.retire() {
            self.sleep(context);
        } else {
            // Whoever found no child in between looks again.
            self.status.send_modify(|_| ());
            self.look_again(context, after);
        }
    }

    fn sleep(&mut self, context: &mut Context<Self>) {
        self.runtime.metrics.sleeps.fetch_add(1, Relaxed);
        self.note("idle", serde_json::json!({}));
        self.go_down(context, Event::SleepRequested);
        self.route.set_usage(None);
    }

    /// Has the next request that waits for the sleeping child wake it.
    pub(super) fn await_wake(&self, context: &mut Context<Self>) {
        let route = self.route.clone();
        let wanted = wrap_future::<_, Self>(async move { route.wanted().await });
        context.spawn(wanted.map(|(), actor, context| {
            actor.wake(context);
            actor.await_wake(context);
        }));
    }

    /// Waits for the next of the times at which the service has it woken.
    pub(super) fn arm_plan(&self, context: &mut Context<Self>) {
        if !self.home.wakes_by_plan {
            return;
        }
        let now = Timestamp::now();
        let service = self.runtime.catalog.get(&self.instance.service);
        let next = service.and_then(|service| service.manifest.wake_at.iter().map(|time| time.next_after(now)).min());
        // Long waits are cut, so that changes of the service and of the wall clock are noticed within the hour.
        let wait = next.map_or(MAX_WAIT, |at| at.until(now).min(MAX_WAIT));
        context.run_later(wait, move |actor, context| {
            if next.is_some_and(|at| at <= Timestamp::now()) {
                actor.wake_by_plan(context);
            }
            actor.arm_plan(context);
        });
    }

    fn wake_by_plan(&mut self, context: &mut Context<Self>) {
        if self.state() == State::Idle {
            self.note("woken_by_plan", serde_json::json!({}));
            self.idle.is_planned = true;
            self.come_up(context);
        }
    }

    /// Does nothing when it is awake: one of many requests was faster.
    pub(super) fn wake(&mut self, context: &mut Context<Self>) {
        if self.state() == State::Idle {
            self.idle.woken_at = Some(Instant::now());
            self.come_up(context);
        }
    }
}
