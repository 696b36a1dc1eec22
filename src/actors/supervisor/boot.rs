//! The start of a run: what an earlier one left behind is ended, and what is recorded is taken on.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use actix::{AsyncContext, Context, Handler, ResponseFuture};

use super::SupervisorActor;
use crate::{
    actors::messages::{AddInstance, Boot, StartWithBerth},
    db::{client_sessions::ClientSession, connections::ConnectionRecord},
    domain::ids::InstanceId,
    process::{
        cgroup::{end_groups, find_groups},
        reaper, sweep,
    },
};

/// How long processes of an earlier run may take to end.
const STALE_GRACE: Duration = Duration::from_secs(2);

/// What a boot found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BootReport {
    /// Instances that are known.
    pub instances: usize,
    /// Processes of an earlier run that were ended.
    pub stale: usize,
}

impl Handler<Boot> for SupervisorActor {
    type Result = ResponseFuture<BootReport>;

    fn handle(&mut self, Boot { instances, sessions, connections }: Boot, context: &mut Context<Self>) -> Self::Result {
        let host = self.runtime.host.clone();
        let mut by_instance: HashMap<InstanceId, Vec<ClientSession>> = HashMap::new();
        for session in sessions {
            by_instance.entry(session.instance_id).or_default().push(session);
        }
        let mut seats: HashMap<InstanceId, Vec<ConnectionRecord>> = HashMap::new();
        for connection in connections {
            seats.entry(connection.instance_id).or_default().push(connection);
        }
        let (this, metrics) = (context.address(), Arc::clone(&self.runtime.metrics));
        Box::pin(async move {
            let swept = tokio::task::spawn_blocking(move || sweep_stale(&host)).await;
            // Not before: what an earlier run has left may hold the ports.
            let _ = this.send(StartWithBerth).await;
            metrics.orphans.store(reaper::orphans_total(), Ordering::Relaxed);
            let report = BootReport { instances: instances.len(), stale: swept.unwrap_or(0) };
            for instance in instances {
                // Waits for our own mailbox, from a task of its own: the report is true when it is given.
                let sessions = by_instance.remove(&instance.id).unwrap_or_default();
                let connections = seats.remove(&instance.id).unwrap_or_default();
                let _ = this.send(AddInstance { instance, sessions, connections }).await;
            }
            report
        })
    }
}

impl Handler<StartWithBerth> for SupervisorActor {
    type Result = ();

    fn handle(&mut self, _: StartWithBerth, _: &mut Context<Self>) {
        self.start_with_berth();
    }
}

/// Ends processes that an earlier run left behind: recognised by their group's name, or by our mark;
/// never by pid alone.
fn sweep_stale(host: &str) -> usize {
    let groups = find_groups(host);
    let mut ended = end_groups(&groups);
    if ended > 0 {
        log::warn!("ended {ended} processes in {} groups that an earlier run left behind", groups.len());
    }
    // Twice: one that was just forking may have slipped through the first look.
    for _ in 0..2 {
        let stale = sweep::find_stale(host, &HashSet::new());
        if stale.is_empty() {
            break;
        }
        log::warn!("ending {} processes that an earlier run left behind", stale.len());
        ended += sweep::end_stale(&stale, STALE_GRACE);
    }
    ended
}
