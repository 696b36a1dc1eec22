//! The groups of one start of an instance, one per hierarchy in use: limits, numbers, kill.
//!
//! Created before the launch, entered by the launch stage as its very first step, removed when the
//! last owner lets go (see `janitor`).

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use super::{
    base::Base,
    files::{self, GroupError, get, keyed, make, number, put},
    janitor::Janitor,
    kill,
    mounts::{Controller, Version},
};
use crate::domain::limits::Limits;

/// One period of the CPU limit, in microseconds; the kernel's own default.
const CPU_PERIOD_US: u64 = 100_000;

/// A smaller CPU quota is refused by the kernel.
const LEAST_QUOTA_US: u64 = 1000;

/// One of the groups.
#[derive(Clone, Debug)]
pub(super) struct Dir {
    pub(super) version: Version,
    pub(super) path: PathBuf,
    pub(super) controllers: Vec<Controller>,
    /// What a process enters by.
    pub(super) door: PathBuf,
}

/// See the module.
#[derive(Debug)]
pub struct Group {
    id: u64,
    dirs: Vec<Dir>,
    memory_limit: Option<u64>,
    janitor: Arc<Janitor>,
}

/// What the groups say of a group at one moment. `None`: no controller here says it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Working set: memory charged to the group without the file cache that can be dropped at once.
    pub memory_bytes: Option<u64>,
    /// CPU time of all processes that were ever in it.
    pub cpu: Option<Duration>,
    /// Processes.
    pub processes: u32,
    /// Open descriptors of all of them.
    pub open_files: u32,
}

impl Group {
    /// Makes the groups and sets the limits. What was made is removed again on failure.
    pub(super) fn make(
        id: u64,
        name: &str,
        bases: &[Base],
        limits: &Limits,
        janitor: &Arc<Janitor>,
    ) -> Result<Self, GroupError> {
        let mut group = Self { id, dirs: Vec::new(), memory_limit: limits.memory_bytes, janitor: Arc::clone(janitor) };
        for base in bases {
            let path = base.dir.join(name);
            // A tidy administrator may have removed an empty base.
            make(&base.dir).and_then(|()| make(&path))?;
            let door = path.join(base.door());
            group.dirs.push(Dir { version: base.version, path, controllers: base.controllers.clone(), door });
        }
        group.limit(limits)?;
        Ok(group)
    }

    fn limit(&self, limits: &Limits) -> Result<(), GroupError> {
        if let (Some(bytes), Some(dir)) = (limits.memory_bytes, self.with(Controller::Memory)) {
            limit_memory(dir, bytes)?;
        }
        if let (Some(percent), Some(dir)) = (limits.cpu_percent, self.with(Controller::Cpu)) {
            limit_cpu(dir, percent)?;
        }
        if let (Some(tasks), Some(dir)) = (limits.tasks(), self.with(Controller::Pids)) {
            put(&dir.path, "pids.max", tasks)?;
        }
        Ok(())
    }

    fn with(&self, controller: Controller) -> Option<&Dir> {
        self.dirs.iter().find(|dir| dir.controllers.contains(&controller))
    }

    /// Its number, unique in this run.
    pub(crate) const fn id(&self) -> u64 {
        self.id
    }

    /// The files that a process writes "0" into to enter.
    pub(crate) fn doors(&self) -> Vec<PathBuf> {
        self.dirs.iter().map(|dir| dir.door.clone()).collect()
    }

    /// The processes in any of the groups.
    pub(crate) fn pids(&self) -> BTreeSet<u32> {
        self.dirs.iter().flat_map(|dir| files::pids(&dir.path)).collect()
    }

    /// SIGKILL to every process in it, those that it is just forking included. Blocking, for at most
    /// half a second.
    pub(crate) fn kill(&self) {
        kill::kill_all(&self.dirs);
    }

    /// Times that the kernel has ended a process of it for want of memory.
    pub(crate) fn oom_kills(&self) -> u64 {
        let Some(Dir { version, path, .. }) = self.with(Controller::Memory) else { return 0 };
        let file = match version {
            Version::V1 => "memory.oom_control",
            Version::V2 => "memory.events",
        };
        keyed(path, file, "oom_kill").unwrap_or(0)
    }

    /// The limit of memory that the kernel holds it to.
    pub(crate) fn memory_limit(&self) -> Option<u64> {
        self.memory_limit.filter(|_| self.with(Controller::Memory).is_some())
    }

    /// Blocking: a few files of the kernel, and a look at each process.
    pub(super) fn read(&self) -> Reading {
        let pids = self.listed();
        Reading {
            memory_bytes: self.with(Controller::Memory).and_then(working_set),
            cpu: self.with(Controller::CpuAccounting).and_then(cpu_time),
            processes: u32::try_from(pids.len()).unwrap_or(u32::MAX),
            open_files: pids.iter().map(|pid| super::super::sample::open_files(*pid)).fold(0, u32::saturating_add),
        }
    }

    /// Has the groups removed as soon as they are empty.
    pub(super) fn remove(&self) {
        for dir in &self.dirs {
            self.janitor.remove(dir.path.clone());
        }
    }

    /// Removes the groups, which nothing has ever entered.
    pub(super) fn remove_at_once(&self) {
        for dir in &self.dirs {
            files::remove(&dir.path);
        }
    }

    /// The processes as one of the groups lists them: v2 does so for less than v1.
    fn listed(&self) -> Vec<u32> {
        let dir = self.dirs.iter().find(|dir| dir.version == Version::V2).or_else(|| self.dirs.first());
        dir.map(|dir| files::pids(&dir.path)).unwrap_or_default()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.remove();
    }
}

fn limit_memory(Dir { version, path, .. }: &Dir, bytes: u64) -> Result<(), GroupError> {
    match version {
        Version::V1 => {
            put(path, "memory.limit_in_bytes", bytes)?;
            // Memory and swap together; only where the kernel counts swap.
            if path.join("memory.memsw.limit_in_bytes").exists() {
                put(path, "memory.memsw.limit_in_bytes", bytes)?;
            }
        }
        Version::V2 => {
            put(path, "memory.max", bytes)?;
            if path.join("memory.swap.max").exists() {
                put(path, "memory.swap.max", 0)?;
            }
            // Half a server is worse than none: the kernel ends all of it. Linux 4.19.
            if path.join("memory.oom.group").exists() {
                put(path, "memory.oom.group", 1)?;
            }
        }
    }
    Ok(())
}

fn limit_cpu(Dir { version, path, .. }: &Dir, percent: u32) -> Result<(), GroupError> {
    let quota = (u64::from(percent) * CPU_PERIOD_US / 100).max(LEAST_QUOTA_US);
    match version {
        Version::V2 => put(path, "cpu.max", format_args!("{quota} {CPU_PERIOD_US}")),
        Version::V1 => {
            put(path, "cpu.cfs_period_us", CPU_PERIOD_US)?;
            match put(path, "cpu.cfs_quota_us", quota) {
                // More than the group above may use: that bound is the tighter one.
                Err(error) if error.source.kind() == std::io::ErrorKind::InvalidInput => Ok(()),
                set => set,
            }
        }
    }
}

fn working_set(Dir { version, path, .. }: &Dir) -> Option<u64> {
    let (used, cache) = match version {
        Version::V1 => ("memory.usage_in_bytes", "total_inactive_file"),
        Version::V2 => ("memory.current", "inactive_file"),
    };
    let inactive = keyed(path, "memory.stat", cache).unwrap_or(0);
    Some(number(path, used)?.saturating_sub(inactive))
}

fn cpu_time(Dir { version, path, .. }: &Dir) -> Option<Duration> {
    match version {
        Version::V1 => number(path, "cpuacct.usage").map(Duration::from_nanos),
        Version::V2 => keyed(path, "cpu.stat", "usage_usec").map(Duration::from_micros),
    }
}

/// What a group of an earlier run is known by.
pub(super) fn dirs_at(version: Version, path: &Path) -> Dir {
    let controllers = if path.join("freezer.state").exists() || get(path, "cgroup.freeze").is_ok() {
        vec![Controller::Freezer]
    } else {
        Vec::new()
    };
    Dir { version, path: path.to_path_buf(), controllers, door: PathBuf::new() }
}
