//! Control groups: limits that the kernel enforces, numbers that it counts, and a kill that nothing
//! escapes, whatever it does to its session, its parents or its environment.
//!
//! Every start of an instance has a [`Group`]: one group `berth-<host>/<instance>-<generation>.<number>` in
//! each hierarchy that is of use here. Which that are is found by doing ([`Cgroups::take`]): unified hosts
//! (v2), hosts with one hierarchy per controller (v1), and hybrids, where v2 serves for what v1 lacks.
//! Where nothing can be had, the reasons are kept in words, and limits hold by sampling.
//!
//! Owner of state: the kernel. Here are only the list of live groups and the thread that removes groups.
//! Invariant: nothing outside of `berth-<host>` is limited, killed or removed, and only this data
//! directory's Berth uses that name.
//!
//! A child that runs as root and sees `/sys/fs/cgroup` writable could leave its group; hiding that from
//! it is the business of the walls.

mod base;
mod files;
mod group;
mod janitor;
mod kill;
mod leftovers;
mod mounts;

use std::{
    collections::HashMap,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
};

use parking_lot::Mutex;

use self::{
    base::Base,
    janitor::Janitor,
    mounts::{Controller, Version},
};
pub use self::{
    files::GroupError,
    group::{Group, Reading},
    leftovers::{StaleGroup, end_groups, find_groups},
};
use super::Marker;
use crate::domain::limits::Limits;

/// Control groups as this machine grants them to us.
#[derive(Debug)]
pub struct Cgroups {
    bases: Vec<Base>,
    notes: Vec<String>,
    allow: Allow,
    janitor: Arc<Janitor>,
    live: Mutex<HashMap<u64, Weak<Group>>>,
    next: AtomicU64,
    is_closed: AtomicBool,
}

/// Which hierarchies may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allow {
    /// All.
    All,
    /// Only the unified one.
    OnlyV2,
    /// None, as if the machine granted nothing.
    Nothing,
}

impl Cgroups {
    /// Finds out by doing what can be had for the data directory `host`, and makes its base groups.
    ///
    /// Under v2 this process moves to a group of its own. Blocking, for some tens of milliseconds.
    #[must_use]
    pub fn take(host: &str, allow: Allow) -> Self {
        let (mut bases, mut notes): (Vec<Base>, Vec<String>) = (Vec::new(), Vec::new());
        let mut hierarchies = mounts::read();
        hierarchies.retain(|it| match allow {
            Allow::All => true,
            Allow::OnlyV2 => it.version == Version::V2,
            Allow::Nothing => false,
        });
        match allow {
            Allow::Nothing => notes.push("they are switched off (`cgroups`)".to_owned()),
            _ if hierarchies.is_empty() => notes.push("no hierarchy of control groups is mounted".to_owned()),
            _ => {}
        }
        // v2 last: a hybrid host needs it only for what v1 lacks, and entering it is dear (see `Base::door`).
        hierarchies.sort_by_key(|it| it.version == Version::V2);
        for hierarchy in hierarchies {
            let is_missing = |it: &Controller| !bases.iter().any(|base: &Base| base.has(*it));
            let can = |it: &Controller| hierarchy.version == Version::V2 || hierarchy.controllers.contains(it);
            let wanted: Vec<Controller> = Controller::ALL.into_iter().filter(can).filter(is_missing).collect();
            if !wanted.is_empty() {
                bases.extend(Base::take(&hierarchy, host, &wanted, &mut notes));
            }
        }
        notes.dedup();
        Self {
            bases,
            notes,
            allow,
            janitor: Arc::default(),
            live: Mutex::default(),
            next: AtomicU64::new(1),
            is_closed: AtomicBool::new(false),
        }
    }

    /// None at all: everything holds by sampling.
    #[must_use]
    pub fn none() -> Self {
        Self::take("none", Allow::Nothing)
    }

    /// Makes the groups of one start and sets `limits`; `None` where this machine grants no groups.
    ///
    /// # Errors
    /// When a group cannot be made or a limit cannot be set.
    pub fn group(&self, marker: &Marker, limits: &Limits) -> Result<Option<Arc<Group>>, GroupError> {
        if self.bases.is_empty() {
            return Ok(None);
        }
        let id = self.next.fetch_add(1, Relaxed);
        let name = format!("{}-{}.{id}", marker.instance, marker.generation);
        let group = Arc::new(Group::make(id, &name, &self.bases, limits, &self.janitor)?);
        let mut live = self.live.lock();
        if self.is_closed.load(Relaxed) {
            // A start that was given up while Berth ends: nothing will enter it, and nobody else removes it.
            group.remove_at_once();
            self.remove_bases();
            return Ok(None);
        }
        live.insert(id, Arc::downgrade(&group));
        Ok(Some(group))
    }

    /// What the groups of all live starts say. Blocking: some tens of microseconds per start.
    #[must_use]
    pub fn read_all(&self) -> HashMap<u64, Reading> {
        let groups: Vec<Arc<Group>> = {
            let mut live = self.live.lock();
            live.retain(|_, group| group.strong_count() > 0);
            live.values().filter_map(Weak::upgrade).collect()
        };
        groups.iter().map(|group| (group.id(), group.read())).collect()
    }

    /// Groups of instances that exist now, in the hierarchy that has most to do.
    #[must_use]
    pub fn count(&self) -> usize {
        let Some(base) = self.bases.first() else { return 0 };
        let entries = std::fs::read_dir(&base.dir).into_iter().flatten().flatten();
        entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).count()
    }

    /// Whether memory, CPU time and processes are all counted by groups.
    #[must_use]
    pub fn counts_all(&self) -> bool {
        [Controller::Memory, Controller::CpuAccounting].iter().all(|it| self.with(*it).is_some())
    }

    /// Whether the kernel holds groups to their memory limit.
    #[must_use]
    pub fn limits_memory(&self) -> bool {
        self.with(Controller::Memory).is_some()
    }

    /// Whether the kernel holds groups to their CPU limit.
    #[must_use]
    pub fn limits_cpu(&self) -> bool {
        self.with(Controller::Cpu).is_some()
    }

    /// Whether the kernel bounds the processes of groups.
    #[must_use]
    pub fn limits_processes(&self) -> bool {
        self.with(Controller::Pids).is_some()
    }

    /// Whether whole groups can be killed at once.
    #[must_use]
    pub fn kills(&self) -> bool {
        self.with(Controller::Freezer).is_some()
    }

    /// The kind of groups that limit memory, CPU and processes here, and that hold a tree still while it
    /// is killed; as people read it.
    pub(crate) fn kinds(&self) -> [Option<&'static str>; 4] {
        [Controller::Memory, Controller::Cpu, Controller::Pids, Controller::Freezer]
            .map(|it| self.with(it).map(Base::kind))
    }

    /// Whether they are not wanted, whatever the machine grants.
    #[must_use]
    pub fn are_switched_off(&self) -> bool {
        self.allow == Allow::Nothing
    }

    /// Why what is missing is missing, one sentence each.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    fn with(&self, controller: Controller) -> Option<&Base> {
        self.bases.iter().find(|base| base.has(controller))
    }

    /// Removes all groups, waiting for those that still empty, and the bases. Call it when everything has
    /// been stopped. Blocking, for 4 s at most.
    pub fn close(&self) {
        // A group may have owners yet: a task that was aborted and has not been dropped, for one.
        let live = self.live.lock();
        self.is_closed.store(true, Relaxed);
        let groups: Vec<Arc<Group>> = live.values().filter_map(Weak::upgrade).collect();
        drop(live);
        groups.iter().for_each(|group| group.remove());
        self.janitor.finish();
        self.remove_bases();
    }

    fn remove_bases(&self) {
        for base in &self.bases {
            files::remove(&base.dir);
        }
    }
}

impl Drop for Cgroups {
    /// Those in which something is left stay, for the next start to sweep.
    fn drop(&mut self) {
        self.remove_bases();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::{Generation, InstanceId};

    #[test]
    fn without_groups_there_are_no_rooms_and_the_reason_is_told() {
        let groups = Cgroups::none();
        let marker = Marker { host: "h".to_owned(), instance: InstanceId::generate(), generation: Generation(1) };
        assert!(groups.group(&marker, &Limits::default()).unwrap().is_none());
        assert!(!groups.notes().is_empty() && !groups.limits_memory() && !groups.counts_all());
        assert_eq!((groups.count(), groups.read_all().len()), (0, 0));
    }
}
