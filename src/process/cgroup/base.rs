//! Berth's own place in one hierarchy: the group `berth-<host>` below the group that Berth was started
//! in, with the controllers that were seen to work there.
//!
//! In v2 a group that hands controllers to its children may hold no process itself. So Berth first
//! moves into a leaf beside its instances, `berth-supervisor`, which needs a sub-tree of its own
//! (systemd: `Delegate=yes`); where other processes share the group, that cannot be done.

use std::path::{Path, PathBuf};

use super::{
    files::{self, GroupError, get, make, put, remove},
    mounts::{Controller, Hierarchy, Version},
};

/// Where Berth itself lives in v2.
const LEAF: &str = "berth-supervisor";

/// See the module.
#[derive(Debug)]
pub(super) struct Base {
    pub(super) version: Version,
    pub(super) dir: PathBuf,
    /// Those that were seen to work.
    pub(super) controllers: Vec<Controller>,
}

/// The name of the base of the data directory `host`.
pub(super) fn name(host: &str) -> String {
    format!("berth-{host}")
}

impl Base {
    /// Makes the base for `host` in `hierarchy` and tries each of `wanted` in it; says in `notes` what
    /// does not work and why.
    pub(super) fn take(
        hierarchy: &Hierarchy,
        host: &str,
        wanted: &[Controller],
        notes: &mut Vec<String>,
    ) -> Option<Self> {
        let Some(own) = &hierarchy.own else {
            notes.push(format!("the own group is not visible below {}", hierarchy.mount.display()));
            return None;
        };
        let taken = match hierarchy.version {
            Version::V1 => make(&own.join(name(host))).map(|()| (own.clone(), own.join(name(host)))),
            Version::V2 => take_v2(own, host, wanted, notes),
        };
        let proven = taken.and_then(|(home, dir)| {
            let base = Self { version: hierarchy.version, dir, controllers: Vec::new() };
            base.prove(&home, wanted, notes).inspect_err(|_| {
                remove(&base.dir);
            })
        });
        proven.map_err(|error| notes.push(error.in_words())).ok()
    }

    /// Makes a group, sets each limit, enters and leaves it, removes it.
    fn prove(&self, home: &Path, wanted: &[Controller], notes: &mut Vec<String>) -> Result<Self, GroupError> {
        let probe = self.dir.join(format!("probe-{}", std::process::id()));
        make(&probe)?;
        let mut controllers = Vec::new();
        for controller in wanted {
            match try_out(self.version, &probe, *controller) {
                Ok(()) => controllers.push(*controller),
                Err(error) => notes.push(error.in_words()),
            }
        }
        let entered = put(&probe, self.door(), 0).and_then(|()| put(home, self.door(), 0));
        if !remove(&probe) {
            log::warn!("the group {} cannot be removed", probe.display());
        }
        entered.map(|()| Self { version: self.version, dir: self.dir.clone(), controllers })
    }

    /// The file by which a process that has one thread enters a group.
    ///
    /// In v1 a single thread enters by `tasks` in microseconds; by `cgroup.procs` the kernel first waits
    /// until no process of the machine is forking, which takes it 5 to 15 ms. v2 has only that way.
    pub(super) const fn door(&self) -> &'static str {
        match self.version {
            Version::V1 => "tasks",
            Version::V2 => "cgroup.procs",
        }
    }

    pub(super) fn has(&self, controller: Controller) -> bool {
        self.controllers.contains(&controller)
    }

    /// As people read it.
    pub(super) const fn kind(&self) -> &'static str {
        match self.version {
            Version::V1 => "cgroup v1",
            Version::V2 => "cgroup v2",
        }
    }
}

/// Sets what a limit would set, far off.
fn try_out(version: Version, probe: &Path, controller: Controller) -> Result<(), GroupError> {
    match (version, controller) {
        (Version::V1, Controller::Memory) => put(probe, "memory.limit_in_bytes", 1_u64 << 40),
        (Version::V1, Controller::Cpu) => put(probe, "cpu.cfs_quota_us", -1),
        (Version::V1, Controller::CpuAccounting) => get(probe, "cpuacct.usage").map(drop),
        (Version::V1, Controller::Freezer) => put(probe, "freezer.state", "THAWED"),
        (Version::V2, Controller::Memory) => put(probe, "memory.max", 1_u64 << 40),
        (Version::V2, Controller::Cpu) => put(probe, "cpu.max", "max 100000"),
        (Version::V2, Controller::CpuAccounting) => get(probe, "cpu.stat").map(drop),
        (Version::V2, Controller::Freezer) => match put(probe, "cgroup.kill", 1) {
            Ok(()) => Ok(()),
            // Linux 5.2 to 5.13 can freeze, but not kill.
            Err(_) => put(probe, "cgroup.freeze", 0),
        },
        (_, Controller::Pids) => put(probe, "pids.max", 1_u32 << 20),
    }
}

/// The group that Berth is in now, and the base.
fn take_v2(
    own: &Path,
    host: &str,
    wanted: &[Controller],
    notes: &mut Vec<String>,
) -> Result<(PathBuf, PathBuf), GroupError> {
    // After `berth restart` the process is in its leaf already.
    let own = own.parent().filter(|_| own.ends_with(LEAF)).unwrap_or(own);
    let offered = get(own, "cgroup.controllers").unwrap_or_default();
    let offered: Vec<Controller> = offered_of(&offered).filter(|it| wanted.contains(it)).collect();
    let mut home = own.to_path_buf();
    if !offered.is_empty() && !is_root(own) {
        let leaf = own.join(LEAF);
        make(&leaf)?;
        put(&leaf, "cgroup.procs", 0)?;
        home = leaf;
    }
    let enabled: Vec<Controller> = offered.into_iter().filter(|it| hand_down(own, *it, notes)).collect();
    if enabled.is_empty() && home != own && put(own, "cgroup.procs", 0).is_ok() {
        remove(&home);
        home = own.to_path_buf();
    }
    let base = own.join(name(host));
    make(&base)?;
    for controller in enabled {
        hand_down(&base, controller, notes);
    }
    Ok((home, base))
}

/// Lets the children of `dir` have `controller`.
fn hand_down(dir: &Path, controller: Controller, notes: &mut Vec<String>) -> bool {
    let enabled = put(dir, "cgroup.subtree_control", format!("+{}", controller.name()));
    let Err(error) = enabled else { return true };
    if error.source.kind() == std::io::ErrorKind::ResourceBusy {
        notes.push(format!(
            "{} has no {} for groups below it, because other processes are in it",
            dir.display(),
            controller.name()
        ));
    } else {
        notes.push(error.in_words());
    }
    false
}

/// Those of v2 that have to be handed down.
fn offered_of(text: &str) -> impl Iterator<Item = Controller> {
    let names: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
    [Controller::Memory, Controller::Cpu, Controller::Pids]
        .into_iter()
        .filter(move |it| names.iter().any(|name| name == it.name()))
}

/// The root alone may hold processes and hand down controllers; it has no `cgroup.type`.
fn is_root(dir: &Path) -> bool {
    files::get(dir, "cgroup.type").is_err()
}
