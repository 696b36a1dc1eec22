//! The processes of one start of an instance, and the ladder that ends them.
//!
//! Four nets, each catching what escaped the one before: the process group of the leader; whatever
//! descends from it or from a session it led; whatever carries the instance's mark; whatever is in its
//! control groups. Without control groups, what strips its environment *and* leaves the session *and*
//! loses its parent before a stop begins escapes them all.

use std::{
    collections::{BTreeSet, HashSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use rustix::process::Signal;
use tokio::{sync::Semaphore, time::sleep};

use super::{
    cgroup::Group,
    marker::Marker,
    reaper::{self, Leader},
    table::{Row, Scan, signal_exact},
};

/// How long killed processes may take to disappear before they are reported as left.
const KILL_BOUND: Duration = Duration::from_secs(5);

/// Between two looks at what is left: from 2 ms, doubling, to this.
const MAX_PAUSE: Duration = Duration::from_millis(100);

/// After the signal to the group, until those who are left are asked by name.
const SECOND_REQUEST: Duration = Duration::from_millis(250);

/// Blocking threads that look through `/proc` at once; whoever waits shares their result.
static SCANS: Semaphore = Semaphore::const_new(2);

/// The process tree of one start of an instance. Dropping it kills the tree.
#[derive(Debug)]
pub struct ProcessTree {
    target: Option<Target>,
    /// Processes of it that are ours: those that keep the walls up.
    keepers: u32,
    done: AtomicBool,
}

/// What a stop came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StopOutcome {
    /// Everything ended by itself within the grace period.
    pub graceful: bool,
    /// Processes that had left the leader's session and had to be killed.
    pub orphans: usize,
    /// Processes that are still there: in uninterruptible sleep, or of another user.
    pub left: usize,
}

#[derive(Clone, Debug)]
struct Target {
    leader: Arc<Leader>,
    marker: Marker,
    group: Option<Arc<Group>>,
}

impl ProcessTree {
    pub(crate) const fn new(leader: Arc<Leader>, marker: Marker, group: Option<Arc<Group>>) -> Self {
        Self { target: Some(Target { leader, marker, group }), keepers: 0, done: AtomicBool::new(false) }
    }

    /// A tree without processes, for launchers that are not real.
    #[must_use]
    pub const fn empty() -> Self {
        Self { target: None, keepers: 0, done: AtomicBool::new(true) }
    }

    /// Says that the leader and an init keep the walls up, and are no processes of the program.
    pub(super) const fn is_kept_by_two(&mut self) {
        self.keepers = 2;
    }

    /// Processes that are ours and not the program's.
    pub(super) const fn keepers(&self) -> u32 {
        self.keepers
    }

    /// Ticks from boot to the leader's start: with the pid, its identity. `None` for an empty tree.
    #[must_use]
    pub fn started(&self) -> Option<u64> {
        self.target.as_ref().map(|target| target.leader.started())
    }

    /// Its control groups, where it has some.
    #[must_use]
    pub fn group(&self) -> Option<&Arc<Group>> {
        self.target.as_ref()?.group.as_ref()
    }

    /// Times that the kernel has ended a process of the tree for want of memory; known only of a tree
    /// in a control group.
    #[must_use]
    pub fn oom_kills(&self) -> u64 {
        self.group().map_or(0, |group| group.oom_kills())
    }

    /// The limit of memory that the kernel holds the tree to.
    #[must_use]
    pub fn memory_limit(&self) -> Option<u64> {
        self.group()?.memory_limit()
    }

    /// SIGTERM to the leader's process group.
    pub fn terminate(&self) {
        if let Some(target) = &self.target {
            target.leader.signal_group(Signal::TERM);
        }
    }

    /// SIGKILL to the group, then to every other process of the tree, until none is left (at most 5 s).
    ///
    /// The way out for a leader that has ended by itself, too: what it left behind goes with it.
    pub async fn kill(&self) -> StopOutcome {
        let Some(target) = &self.target else { return StopOutcome::default() };
        let known = target.members(Vec::new()).await;
        self.kill_knowing(target, known).await
    }

    /// SIGTERM to the whole tree, `grace` for it to end, then [`ProcessTree::kill`].
    ///
    /// `exited` ends when the leader has; give a ready future when it already has.
    pub async fn stop(&self, grace: Duration, exited: impl Future) -> StopOutcome {
        let Some(target) = &self.target else { return StopOutcome::default() };
        let known = target.members(Vec::new()).await;
        self.terminate();
        // The session's members have most likely been reached by the signal to the group.
        let mut asked = HashSet::new();
        ask(known.iter().filter(|row| row.session != target.leader.pid()), &mut asked);
        let ended = async {
            let emptied = target.emptied(&known, &mut asked);
            tokio::join!(exited, emptied);
        };
        if tokio::time::timeout(grace, ended).await.is_ok() {
            self.done.store(true, Relaxed);
            return StopOutcome { graceful: true, ..StopOutcome::default() };
        }
        self.kill_knowing(target, known).await
    }

    /// Lets go of the tree: nothing is killed when it is dropped.
    pub fn disarm(self) {
        self.done.store(true, Relaxed);
    }

    async fn kill_knowing(&self, target: &Target, known: Vec<Row>) -> StopOutcome {
        target.leader.signal_group(Signal::KILL);
        let deadline = Instant::now() + KILL_BOUND;
        let mut round = Round::new(target.clone(), known);
        let mut pause = Duration::from_millis(2);
        loop {
            let left = round.run_off_thread().await;
            if left == 0 || Instant::now() >= deadline {
                self.done.store(left == 0, Relaxed);
                return round.outcome(left);
            }
            sleep(pause).await;
            pause = (pause * 2).min(MAX_PAUSE);
        }
    }
}

impl Drop for ProcessTree {
    fn drop(&mut self) {
        let Some(target) = self.target.take().filter(|_| !self.done.load(Relaxed)) else { return };
        let known = Vec::new();
        // A thread, not a task: the runtime may be the very thing that is going down.
        let round = Round::new(target, known);
        round.target.leader.signal_group(Signal::KILL);
        let spawned = std::thread::Builder::new().name("berth-kill".to_owned()).spawn(move || round.run_to_the_end());
        if let Err(error) = spawned {
            log::error!("cannot start a thread to end what is left of a process tree: {error}");
        }
    }
}

impl Target {
    /// The live processes of the tree at this moment, and those of `known` that still live.
    async fn members(&self, known: Vec<Row>) -> Vec<Row> {
        let asked = Instant::now();
        let target = self.clone();
        let _permit = SCANS.acquire().await;
        tokio::task::spawn_blocking(move || target.members_since(asked, &known)).await.unwrap_or_default()
    }

    /// Ends when no process of the tree is left. Whoever is still there a moment after the group was
    /// signalled is asked by name: the leader may have been gone by then, or it was just forking.
    async fn emptied(&self, known: &[Row], asked: &mut HashSet<(u32, u64)>) {
        let mut pause = Duration::from_millis(5);
        let began = Instant::now();
        loop {
            let members = self.members(known.to_vec()).await;
            // Asked again: what was born after the table was read is in its group all the same.
            if members.is_empty() && self.in_group().is_empty() {
                return;
            }
            if began.elapsed() > SECOND_REQUEST {
                ask(members.iter(), asked);
            }
            sleep(pause).await;
            pause = (pause * 2).min(MAX_PAUSE);
        }
    }

    fn members_since(&self, asked: Instant, known: &[Row]) -> Vec<Row> {
        let scan = Scan::since(asked);
        let is_same = |pid: u32, started: u64| scan.table.get(pid).is_some_and(|row| row.started == started);
        let marked = scan.marked.iter().filter(|(_, marked)| self.marker.covers(&marked.marker)).map(|(pid, _)| *pid);
        let leader = Some(self.leader.pid()).filter(|pid| is_same(*pid, self.leader.started()));
        let known = known.iter().filter(|row| is_same(row.pid, row.started)).map(|row| row.pid);
        // The row is of the scan, and whoever signals it compares its start time.
        scan.table.closure(marked.chain(leader).chain(known).chain(self.in_group()))
    }

    fn in_group(&self) -> BTreeSet<u32> {
        self.group.as_ref().map(|group| group.pids()).unwrap_or_default()
    }
}

/// SIGTERM to each of `rows` that was not asked before.
fn ask<'a>(rows: impl Iterator<Item = &'a Row>, asked: &mut HashSet<(u32, u64)>) {
    for row in rows {
        if asked.insert((row.pid, row.started)) {
            signal_exact(row.pid, row.started, Signal::TERM);
        }
    }
}

/// Rounds of killing what is left.
struct Round {
    target: Target,
    known: Vec<Row>,
    orphans: HashSet<(u32, u64)>,
}

impl Round {
    fn new(target: Target, known: Vec<Row>) -> Self {
        Self { target, known, orphans: HashSet::new() }
    }

    /// Kills every member of the tree; returns how many were still there.
    fn run(&mut self, asked: Instant) -> usize {
        let members = self.target.members_since(asked, &self.known);
        for row in &members {
            let killed = signal_exact(row.pid, row.started, Signal::KILL);
            if killed && row.session != self.target.leader.pid() && self.orphans.insert((row.pid, row.started)) {
                reaper::count_orphans(1);
            }
        }
        // All at once, however fast it forks.
        let still_there = self.target.group.as_ref().map_or(0, |group| {
            group.kill();
            group.pids().len()
        });
        // Remembered, should one lose its mark or its parent before it dies.
        let count = members.len().max(still_there);
        self.known = members;
        count
    }

    async fn run_off_thread(&mut self) -> usize {
        let asked = Instant::now();
        let mut round = Self::new(self.target.clone(), std::mem::take(&mut self.known));
        std::mem::swap(&mut round.orphans, &mut self.orphans);
        let _permit = SCANS.acquire().await;
        let ran = tokio::task::spawn_blocking(move || {
            let left = round.run(asked);
            (round, left)
        });
        let Ok((round, left)) = ran.await else { return 0 };
        *self = round;
        left
    }

    #[allow(clippy::disallowed_methods, reason = "a thread of its own, without a runtime")]
    fn run_to_the_end(mut self) {
        let deadline = Instant::now() + KILL_BOUND;
        while self.run(Instant::now()) > 0 && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn outcome(&self, left: usize) -> StopOutcome {
        StopOutcome { graceful: false, orphans: self.orphans.len(), left }
    }
}
