//! Another process in the place of the one that runs, without a lost call: what it was started with has changed.
//!
//! Requests that come from now on wait for the new process. Calls that the old one has are finished by it; then it is
//! ended, and only then the new one starts: two would share a directory and a port. A sleeping or stopped instance has
//! nothing to replace.

use std::time::Duration;

use actix::Context;
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use super::{InstanceActor, child};
use crate::{
    actors::messages::InstanceCommand,
    domain::lifecycle::{Event, State},
    mcp::upstream::Upstream,
    routing::Route,
};

/// Between two looks at the calls that the old process has.
const LOOK: Duration = Duration::from_millis(20);
/// For how long it must have none: a request that found the old process just before may not have reached it yet.
const SETTLE: Duration = Duration::from_millis(200);
/// The same while somebody holds a place among the calls: who waits for the new process cannot be told from who is on
/// the way to the old one.
const SETTLE_IN_USE: Duration = Duration::from_secs(1);

impl InstanceActor {
    pub(super) fn replace(&mut self, context: &mut Context<Self>) {
        match self.state() {
            State::Running | State::Unhealthy => {
                self.note("refreshed", serde_json::json!({}));
                self.drain_process(context);
            }
            // A start that still waits for the end of the process before it has read nothing yet.
            State::Pending | State::Starting | State::Restarting if self.waits_for_an_end() => return,
            State::Pending | State::Starting | State::Restarting => self.end_process(context),
            // What was changed may be what it failed of.
            State::Failed => return self.act(InstanceCommand::Start, context),
            State::Idle | State::Stopped | State::Expired | State::Disconnected | State::Deleted => return,
        }
        self.history.clear();
        if self.advance(Event::RefreshRequested) {
            self.begin_start(context);
        }
    }

    fn waits_for_an_end(&self) -> bool {
        self.starting.is_some() && self.stopping.as_ref().is_some_and(|stopping| stopping.peek().is_none())
    }

    /// Takes the instance off the data plane, and ends its process when that has answered its calls.
    fn drain_process(&mut self, context: &mut Context<Self>) {
        let upstream = self.route.upstream();
        let running = self.running.take();
        self.end_process(context);
        let Some(running) = running else { return };
        let cut = CancellationToken::new();
        self.draining = Some(cut.clone());
        let (grace, patience) = (self.runtime.config.stop_grace, self.runtime.config.call_timeout);
        let (ended, previous) = (running.ended.clone(), self.stopping.take());
        let route = self.route.clone();
        self.stopping = Some(child::ending(async move {
            if let Some(upstream) = upstream {
                tokio::select! {
                    () = quiet(&upstream, &route, patience) => {}
                    () = gone(ended) => {}
                    // Whoever stops it now does not wait for its calls.
                    () = cut.cancelled() => {}
                }
            }
            running.stop(grace, previous).await
        }));
    }
}

/// Returns when the child has had no call for a moment, or for longer than any call may take.
async fn quiet(upstream: &Upstream, route: &Route, patience: Duration) {
    let began = Instant::now();
    let mut busy = began;
    let settle = || if route.held() > 0 { SETTLE_IN_USE } else { SETTLE };
    while began.elapsed() < patience && busy.elapsed() < settle() {
        if upstream.pulse.in_flight() > 0 {
            busy = Instant::now();
        }
        sleep(LOOK).await;
    }
}

async fn gone(mut ended: watch::Receiver<bool>) {
    // An error means that nobody watches it any more: it is gone, too.
    let _ = ended.wait_for(|ended| *ended).await;
}
