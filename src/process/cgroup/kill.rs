//! Ends every process of a group, however fast it forks: by `cgroup.kill` (v2, Linux 5.14), else the
//! group is frozen, so that nothing in it can fork or end, and each process in it is killed.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::{
    files::{self, get, put},
    group::Dir,
    mounts::{Controller, Version},
};

/// A group that is not frozen by then (a process in uninterruptible sleep) is killed all the same.
const FREEZING: Duration = Duration::from_millis(250);

/// Ends what is in any of `dirs`, which are the same group in several hierarchies. Blocking.
pub(super) fn kill_all(dirs: &[Dir]) {
    let by_kernel = dirs.iter().any(|dir| dir.version == Version::V2 && put(&dir.path, "cgroup.kill", 1).is_ok());
    if !by_kernel && let Some(dir) = dirs.iter().find(|dir| dir.controllers.contains(&Controller::Freezer)) {
        let frozen = freeze(dir);
        signal_members(&dir.path);
        if frozen {
            set_frozen(dir, false);
        }
    }
    // Where there is neither; and whoever moved itself out of one group, but not out of all.
    dirs.iter().for_each(|dir| signal_members(&dir.path));
}

fn set_frozen(dir: &Dir, frozen: bool) {
    let set = match (dir.version, frozen) {
        (Version::V1, true) => put(&dir.path, "freezer.state", "FROZEN"),
        (Version::V1, false) => put(&dir.path, "freezer.state", "THAWED"),
        (Version::V2, _) => put(&dir.path, "cgroup.freeze", u8::from(frozen)),
    };
    if let Err(error) = set {
        log::warn!("{}", error.in_words());
    }
}

/// Returns whether it has to be thawed again.
fn freeze(dir: &Dir) -> bool {
    if files::pids(&dir.path).is_empty() {
        return false;
    }
    set_frozen(dir, true);
    let began = Instant::now();
    while !is_frozen(dir) && began.elapsed() < FREEZING {
        pause();
    }
    true
}

fn is_frozen(dir: &Dir) -> bool {
    match dir.version {
        Version::V1 => get(&dir.path, "freezer.state").is_ok_and(|state| state.trim() == "FROZEN"),
        Version::V2 => files::keyed(&dir.path, "cgroup.events", "frozen") == Some(1),
    }
}

/// Ends what is in one group, frozen or not.
pub(super) fn end_members(group: &Path) {
    signal_members(group);
    let (v1, v2) = (group.join("freezer.state"), group.join("cgroup.freeze"));
    // A killed process that is frozen ends when it thaws. Which hierarchy this is, the file says.
    let _ = if v1.exists() {
        put(group, "freezer.state", "THAWED")
    } else if v2.exists() {
        put(group, "cgroup.freeze", 0)
    } else {
        Ok(())
    };
}

/// SIGKILL to each process of the group: its number counts only while a pidfd pins it there.
fn signal_members(group: &Path) {
    for pid in files::pids(group) {
        let Some(raw) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { continue };
        let Ok(pidfd) = pidfd_open(raw, PidfdFlags::empty()) else { continue };
        if is_member(pid, group) {
            let _ = pidfd_send_signal(pidfd, Signal::KILL);
        }
    }
}

/// Group names are unique on a machine, so the end of the path tells.
fn is_member(pid: u32, group: &Path) -> bool {
    let (Some(name), Some(base)) = (group.file_name(), group.parent().and_then(Path::file_name)) else { return false };
    let end = format!("/{}/{}", base.display(), name.display());
    fs::read_to_string(format!("/proc/{pid}/cgroup"))
        .is_ok_and(|groups| groups.lines().any(|line| line.ends_with(&end)))
}

#[allow(clippy::disallowed_methods, reason = "documented as blocking")]
fn pause() {
    std::thread::sleep(Duration::from_millis(1));
}
