//! What runs on this machine, as far as it is ours; and ports that no other test uses.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process,
};

use rustix::{
    fs::{FlockOperation, flock},
    process::{Pid, Signal, kill_process},
};

/// Processes whose environment names `root`: Berth's children carry their directories in theirs.
pub(crate) fn marked(root: &Path) -> Vec<String> {
    pids().filter(|pid| is_marked(*pid, root)).map(describe).collect()
}

/// Ends what a failed test leaves.
pub(crate) fn kill_marked(root: &Path) {
    for pid in pids().filter(|pid| is_marked(*pid, root)) {
        kill(pid);
    }
}

fn pids() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Whether `pid`, or one that descends from it, lives and names `root` in its environment. A zombie has
/// none; a leader that only waits for its room has not all of it.
pub(crate) fn is_marked(pid: u32, root: &Path) -> bool {
    let needle = root.to_str().unwrap().as_bytes();
    let environ = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    memchr::memmem::find(&environ, needle).is_some()
        || (memchr::memmem::find(&environ, b"BERTH_HOST=").is_some()
            && children.split_whitespace().any(|child| is_marked(child.parse().unwrap(), root)))
}

/// The number on the host of the process that is `inner` in the room of the leader `leader`.
pub(crate) fn on_host(leader: u32, inner: u32) -> u32 {
    let room = fs::read_link(format!("/proc/{leader}/ns/pid_for_children")).unwrap();
    let is_inner = |pid: &u32| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:")).unwrap_or_default();
        numbers.split_whitespace().next_back() == Some(inner.to_string().as_str())
            && fs::read_link(format!("/proc/{pid}/ns/pid")).is_ok_and(|namespace| namespace == room)
    };
    pids().find(is_inner).unwrap_or_else(|| panic!("{inner} is not in the room of {leader}"))
}

/// Processes that have `words` among their arguments.
pub(crate) fn with_argument(words: &str) -> Vec<u32> {
    let has = |pid: &u32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0).any(|argument| argument == words.as_bytes())
    };
    pids().filter(has).collect()
}

/// Processes that run this program.
pub(crate) fn running(program: &Path) -> Vec<String> {
    let is_it = |pid: &u32| fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == program);
    pids().filter(is_it).map(describe).collect()
}

/// The control groups of a process, as directories of this host.
pub(crate) fn cgroups(pid: u32) -> Vec<PathBuf> {
    let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    let folder = |line: &str| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next()?, fields.next()?.trim_start_matches('/'));
        let is_mount = |fields: &Vec<&str>| match controllers {
            "" => fields[2] == "cgroup2",
            named => {
                fields[2] == "cgroup" && named.split(',').all(|one| fields[3].split(',').any(|other| one == other))
            }
        };
        let mount = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>()).find(is_mount)?;
        Some(Path::new(mount[1]).join(path))
    };
    groups.lines().filter_map(folder).collect()
}

/// Whether a control group was made for a child: others are the host's, or the test's own.
pub(crate) fn is_a_rooms(group: &Path) -> bool {
    !cgroups(process::id()).iter().any(|own| own.starts_with(group))
}

/// A size of `/proc/PID/status` (`VmRSS`, `VmHWM`), in bytes.
pub(crate) fn memory(pid: u32, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

fn describe(pid: u32) -> String {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    format!("{pid} {}", String::from_utf8_lossy(&line).replace('\0', " "))
}

/// SIGKILL.
pub(crate) fn kill(pid: u32) {
    let pid = Pid::from_raw(pid.try_into().unwrap()).unwrap();
    let _ = kill_process(pid, Signal::KILL);
}

/// What the open descriptors of a process are, sorted, without the numbers that always differ.
pub(crate) fn descriptors(pid: u32) -> Vec<String> {
    let connections = fs::read_to_string(format!("/proc/{pid}/net/tcp")).unwrap_or_default();
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
    let targets = entries.filter_map(|entry| fs::read_link(entry.path()).ok());
    let mut found: Vec<String> = targets.map(|target| kind_of(&target.to_string_lossy(), &connections)).collect();
    found.sort_unstable();
    found
}

/// `socket:[123]` as the addresses and the state that the kernel's table gives for it.
fn kind_of(target: &str, connections: &str) -> String {
    let Some((kind, number)) = target.split_once(":[") else { return target.to_owned() };
    let of_inode = |line: &&str| line.split_whitespace().nth(9) == Some(number.trim_end_matches(']'));
    match connections.lines().find(of_inode) {
        Some(line) => format!("tcp {}", line.split_whitespace().skip(1).take(3).collect::<Vec<_>>().join(" ")),
        None => kind.to_owned(),
    }
}

/// Twenty ports, below those that the kernel hands out, that only the holder uses.
pub(crate) struct PortSlot {
    first: u16,
    _lock: File,
}

const FIRST_PORT: u16 = 20_000;
const SLOTS: u16 = 600;
pub(crate) const PORTS: u16 = 20;

impl PortSlot {
    pub(crate) fn take() -> Self {
        let folder = std::env::temp_dir().join("berth-test-ports");
        fs::create_dir_all(&folder).unwrap();
        let start = u16::try_from(process::id() % u32::from(SLOTS)).unwrap();
        for slot in (start..SLOTS).chain(0..start) {
            let lock = File::create(folder.join(slot.to_string())).unwrap();
            if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok() {
                return Self { first: FIRST_PORT + slot * PORTS, _lock: lock };
            }
        }
        panic!("every range of ports is in use; is another run of the tests stuck?")
    }

    pub(crate) const fn first(&self) -> u16 {
        self.first
    }

    pub(crate) fn range(&self) -> String {
        format!("{}-{}", self.first, self.first + PORTS - 1)
    }
}
