//! Who waits for which child: the leaders that were launched, and the orphans that were adopted.
//!
//! Berth is a child subreaper, so a process whose parent ends becomes Berth's own child and, when
//! it ends, a zombie until somebody waits for it. [`reap_adopted`] does, without ever taking the
//! status of a leader away from the task that waits for it.

use std::{
    collections::BTreeMap,
    io,
    process::Child as StdChild,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
};

use parking_lot::Mutex;
use rustix::process::{Pid, Signal, WaitOptions, getpid, kill_process, kill_process_group, waitpid};

use super::table::{self, Scan, Table};

/// Live leaders by pid. Its lock is held while one is signalled and while one is waited for, so a
/// number is never signalled after it was given back to the kernel.
static LEADERS: Mutex<BTreeMap<u32, Arc<Leader>>> = Mutex::new(BTreeMap::new());

/// Held while a child is forked and registered, and while adopted children are reaped: a leader
/// that ends at once must not be taken for an adopted one.
static FORK: Mutex<()> = Mutex::new(());

static ORPHANS: AtomicU64 = AtomicU64::new(0);

/// A child that the launcher started.
#[derive(Debug)]
pub(crate) struct Leader {
    pid: Pid,
    started: u64,
    reaped: AtomicBool,
    /// Nobody waits for it any more; [`reap_adopted`] will.
    abandoned: AtomicBool,
}

impl Leader {
    pub(crate) fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// Ticks from boot to its start.
    pub(crate) const fn started(&self) -> u64 {
        self.started
    }

    /// Whether its end has been collected; its pid says nothing from then on.
    pub(crate) fn is_reaped(&self) -> bool {
        self.reaped.load(Relaxed)
    }

    /// Sends `signal` to its process group, unless it has been reaped.
    pub(crate) fn signal_group(&self, signal: Signal) {
        let _leaders = LEADERS.lock();
        if self.is_reaped() {
            return;
        }
        // The stage has no group of its own in its first moments.
        if kill_process_group(self.pid, signal).is_err() {
            let _ = kill_process(self.pid, signal);
        }
    }

    /// Runs `wait`, and forgets the leader when it says that the process was reaped.
    pub(crate) fn reap<T>(&self, wait: impl FnOnce() -> io::Result<Option<T>>) -> io::Result<Option<T>> {
        self.reap_locked(&mut LEADERS.lock(), wait)
    }

    fn reap_locked<T>(
        &self,
        leaders: &mut BTreeMap<u32, Arc<Self>>,
        wait: impl FnOnce() -> io::Result<Option<T>>,
    ) -> io::Result<Option<T>> {
        let waited = wait();
        if !matches!(waited, Ok(None)) {
            self.reaped.store(true, Relaxed);
            leaders.remove(&self.pid());
        }
        waited
    }

    /// Leaves the end of the process to [`reap_adopted`].
    pub(crate) fn abandon(&self) {
        self.abandoned.store(true, Relaxed);
    }
}

/// Forks through `fork` and registers the child as a leader before anybody can reap it.
pub(crate) fn register(fork: impl FnOnce() -> io::Result<StdChild>) -> io::Result<(StdChild, Arc<Leader>)> {
    let _fork = FORK.lock();
    let child = fork()?;
    let pid = Pid::from_child(&child);
    // Unreaped, so its row is there; should /proc be unreadable, zero matches no other process.
    let started = table::row(child.id()).map_or(0, |row| row.started);
    let leader = Arc::new(Leader { pid, started, reaped: AtomicBool::new(false), abandoned: AtomicBool::new(false) });
    LEADERS.lock().insert(child.id(), Arc::clone(&leader));
    Ok((child, leader))
}

/// Makes this process the parent of its descendants' orphans. Call once at start.
///
/// # Errors
/// The kernel refuses (never seen; Linux 3.4 and later know it).
pub fn become_subreaper() -> io::Result<()> {
    Ok(rustix::process::set_child_subreaper(Some(getpid()))?)
}

/// Collects ended children that were adopted; returns how many. Blocking; call every few seconds.
///
/// A zombie in Berth's own session is left alone: it was started by other means than the launcher
/// (which gives every child a session of its own), and whoever started it waits for it.
pub fn reap_adopted() -> usize {
    reap(false)
}

/// Collects every ended child, leaders included: at the end of Berth, when whoever waited for them may be gone.
pub(crate) fn reap_all() -> usize {
    reap(true)
}

fn reap(leaders_too: bool) -> usize {
    Scan::forget();
    let _fork = FORK.lock();
    let table = Table::read();
    // Read from the same table as theirs: in a pid namespace whose session leader is outside, it is
    // zero, which `getsid` cannot say.
    let own_session = table.get(std::process::id()).map_or(0, |row| row.session);
    let ended = table.children_of(std::process::id()).filter(|row| row.is_zombie());
    ended.filter(|row| reap_one(row.pid, row.session != own_session, leaders_too)).count()
}

fn reap_one(pid: u32, foreign_session: bool, leaders_too: bool) -> bool {
    let mut leaders = LEADERS.lock();
    let leader = leaders.get(&pid).map(Arc::clone);
    let wait = || {
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
        Ok(waitpid(pid, WaitOptions::NOHANG)?)
    };
    match leader {
        Some(leader) if leaders_too || leader.abandoned.load(Relaxed) => {
            matches!(leader.reap_locked(&mut leaders, wait), Ok(Some(_)))
        }
        Some(_) => false,
        None => foreign_session && matches!(wait(), Ok(Some(_))),
    }
}

/// Processes that outlived their instance's process group and had to be found and killed, since start.
#[must_use]
pub fn orphans_total() -> u64 {
    ORPHANS.load(Relaxed)
}

pub(crate) fn count_orphans(found: usize) {
    ORPHANS.fetch_add(found as u64, Relaxed);
}
