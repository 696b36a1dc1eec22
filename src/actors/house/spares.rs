//! Spares: connections that are started before their client comes, under the id that it will get.
//!
//! A spare counts among the processes. It is given back when nobody came for it in the idle time (it
//! then goes to sleep as any connection does, and has nothing worth keeping), when memory is short, and
//! when a connection needs its place.

use std::time::Duration;

use actix::{ActorFutureExt, AsyncContext, Context, fut::wrap_future};

use super::{HouseActor, kept::Kept};
use crate::{
    domain::{lifecycle::State, time::Timestamp},
    mcp::session::{SessionId, Sessions},
    process::memory_is_short,
};

/// After a connection has come and before its successor is started: a rush is not slowed.
const AFTER_A_RUSH: Duration = Duration::from_millis(500);

impl HouseActor {
    pub(super) fn spares_wanted(&self) -> usize {
        let service = self.runtime.catalog.get(&self.instance.service);
        let own = service.and_then(|service| service.manifest.spares);
        usize::try_from(own.unwrap_or(self.runtime.config.spares)).unwrap_or(usize::MAX)
    }

    /// Ids of the spares that there are.
    pub(super) fn spares(&self) -> Vec<SessionId> {
        self.tenants.values().filter(|tenant| tenant.seat.is_spare).map(|tenant| tenant.seat.id).collect()
    }

    pub(super) fn cancel_spare(&mut self, context: &mut Context<Self>) {
        if let Some(timer) = self.next_spare.take() {
            context.cancel_future(timer);
        }
    }

    /// Has a spare made soon, if one is missing.
    pub(super) fn plan_spare(&mut self, context: &mut Context<Self>) {
        self.cancel_spare(context);
        if self.may_spare() && self.is_used() {
            self.next_spare = Some(context.run_later(AFTER_A_RUSH, |actor, context| {
                actor.next_spare = None;
                actor.make_spare(context);
            }));
        }
    }

    /// Whether anybody has a process here: otherwise nobody is about to come.
    fn is_used(&self) -> bool {
        self.tenants.values().any(|tenant| !tenant.seat.is_spare && tenant.is_awake())
    }

    fn may_spare(&self) -> bool {
        let up = self.state().serves() || self.state().will_run();
        up && !self.spares_fail
            && self.spares().len() < self.spares_wanted()
            && self.awake() < self.runtime.config.max_connections
    }

    /// Starts spares, unless memory is short.
    pub(super) fn make_spare(&mut self, context: &mut Context<Self>) {
        let look =
            wrap_future::<_, Self>(async { tokio::task::spawn_blocking(memory_is_short).await.unwrap_or(false) });
        context.spawn(look.map(|is_short, actor, context| {
            // The first process shows whether the service runs at all.
            if !is_short || !actor.state().serves() {
                actor.start_spares(context);
            }
        }));
    }

    fn start_spares(&mut self, context: &mut Context<Self>) {
        while self.may_spare() {
            let Some(kept) = self.fresh(None) else { return };
            if self.seat(context, kept, State::Pending, true, self.archived()).is_none() {
                return;
            }
        }
        self.publish_seats();
    }

    /// A connection that there was not before; `None` without randomness.
    pub(super) fn fresh(&self, client: Option<crate::domain::connection::Client>) -> Option<Kept> {
        let id = SessionId::generate().inspect_err(|error| log::error!("no randomness: {error}")).ok()?;
        let journal = self.runtime.recorder.journal(self.instance.id);
        let sessions = std::sync::Arc::new(Sessions::of_connection(id, journal, None));
        let now = Timestamp::now();
        Some(Kept { id, client, created_at: now, used_at: now, sessions })
    }

    /// Gives spares back while memory is short.
    pub(super) fn mind_memory(&self, context: &mut Context<Self>) {
        if self.spares().is_empty() || !self.state().serves() {
            return;
        }
        let look =
            wrap_future::<_, Self>(async { tokio::task::spawn_blocking(memory_is_short).await.unwrap_or(false) });
        context.spawn(look.map(|is_short, actor, _| {
            if is_short {
                actor.spares().into_iter().for_each(|id| drop(actor.evict(id)));
            }
        }));
    }
}
