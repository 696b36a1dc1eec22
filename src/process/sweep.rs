//! What an earlier run of Berth left behind: found by its mark, ended at start.
//!
//! After `kill -9` of Berth the leaders are dead (`PDEATHSIG`), but what they had started may live.
//! A process is recognised by the mark with this data directory's host id, and identified by pid
//! and start time together. Everything here blocks: call it before serving, or on a blocking thread.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use rustix::process::Signal;

use super::{
    reaper,
    table::{Scan, row, signal_exact},
};
use crate::domain::ids::{Generation, InstanceId};

/// A process of an earlier run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaleProcess {
    /// Its pid.
    pub pid: u32,
    /// Ticks from boot to its start: with the pid, its identity.
    pub started: u64,
    /// The instance that it belonged to.
    pub instance: InstanceId,
    /// Which start of that instance.
    pub generation: Generation,
    /// The name that it was started under, `mcp-{user}-{service}-{number}`.
    pub name: String,
}

/// The live processes marked with `host`, without the starts named in `except`.
#[must_use]
pub fn find_stale(host: &str, except: &HashSet<(InstanceId, Generation)>) -> Vec<StaleProcess> {
    let scan = Scan::since(Instant::now());
    let marked = scan.marked.iter().filter(|(pid, marked)| {
        let marker = &marked.marker;
        marker.host == host && !except.contains(&(marker.instance, marker.generation)) && **pid != std::process::id()
    });
    let stale = marked.filter_map(|(pid, marked)| {
        Some(StaleProcess {
            pid: *pid,
            started: scan.table.get(*pid)?.started,
            instance: marked.marker.instance,
            generation: marked.marker.generation,
            name: marked.name.clone(),
        })
    });
    stale.collect()
}

/// SIGTERM to each, up to `grace` for them to end, then SIGKILL; returns how many that ended.
///
/// Nothing may be launched for the same instances meanwhile. Call [`find_stale`] again afterwards:
/// a process that was just forking may have slipped through.
#[must_use]
pub fn end_stale(stale: &[StaleProcess], grace: Duration) -> usize {
    let lives = |process: &&StaleProcess| {
        row(process.pid).is_some_and(|row| row.started == process.started && !row.is_zombie())
    };
    let mut signalled = HashSet::new();
    for (signal, patience) in [(Signal::TERM, grace), (Signal::KILL, Duration::from_secs(2))] {
        for process in stale.iter().filter(lives) {
            if signal_exact(process.pid, process.started, signal) {
                signalled.insert(process.pid);
            }
        }
        wait_until(patience, || !stale.iter().any(|process| lives(&process)));
    }
    let ended = stale.iter().filter(|process| signalled.contains(&process.pid) && !lives(process)).count();
    reaper::count_orphans(ended);
    ended
}

#[allow(clippy::disallowed_methods, reason = "documented as blocking")]
fn wait_until(patience: Duration, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + patience;
    while !done() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
}
