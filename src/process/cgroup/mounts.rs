//! Which hierarchies of control groups are mounted, and where in each this process is.

use std::path::{Path, PathBuf};

/// The two interfaces of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// One hierarchy per controller, or per few of them.
    V1,
    /// The unified hierarchy.
    V2,
}

/// What a controller does for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Controller {
    /// Limits and counts memory.
    Memory,
    /// Limits CPU time.
    Cpu,
    /// Counts CPU time. Always there in v2.
    CpuAccounting,
    /// Limits processes and threads.
    Pids,
    /// Holds all processes of a group still. Part of every group in v2.
    Freezer,
}

impl Controller {
    pub(super) const ALL: [Self; 5] = [Self::Memory, Self::Cpu, Self::CpuAccounting, Self::Pids, Self::Freezer];

    /// The kernel's name for it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Cpu => "cpu",
            Self::CpuAccounting => "cpuacct",
            Self::Pids => "pids",
            Self::Freezer => "freezer",
        }
    }
}

/// One mounted hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hierarchy {
    pub(super) version: Version,
    /// Where it is mounted.
    pub(super) mount: PathBuf,
    /// The directory of the group that this process is in; `None` when the mount does not show it.
    pub(super) own: Option<PathBuf>,
    /// v1: its controllers that we use. v2 says in each group.
    pub(super) controllers: Vec<Controller>,
}

/// The hierarchies of use that this process sees.
pub(super) fn read() -> Vec<Hierarchy> {
    let text = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    parse(&text("/proc/self/mountinfo"), &text("/proc/self/cgroup"))
}

/// See proc_pid_mountinfo(5) and cgroups(7).
fn parse(mountinfo: &str, membership: &str) -> Vec<Hierarchy> {
    let mut found: Vec<Hierarchy> = Vec::new();
    for line in mountinfo.lines() {
        let Some(hierarchy) = parse_mount(line, membership) else { continue };
        // The same hierarchy may be mounted twice; the first that shows our group is as good as any.
        let known = found
            .iter_mut()
            .find(|other| (other.version, &other.controllers) == (hierarchy.version, &hierarchy.controllers));
        match known {
            Some(known) if known.own.is_none() => *known = hierarchy,
            Some(_) => {}
            None => found.push(hierarchy),
        }
    }
    found
}

fn parse_mount(line: &str, membership: &str) -> Option<Hierarchy> {
    let (place, system) = line.split_once(" - ")?;
    let place: Vec<&str> = place.split(' ').collect();
    let (root, mount) = (unescape(place.get(3)?), PathBuf::from(unescape(place.get(4)?)));
    let mut system = system.split(' ');
    let kind = system.next()?;
    let options: Vec<&str> = system.nth(1)?.split(',').collect();
    let all = Controller::ALL.into_iter();
    let (version, controllers) = match kind {
        "cgroup2" => (Version::V2, Vec::new()),
        "cgroup" => (Version::V1, all.filter(|it| options.contains(&it.name())).collect::<Vec<_>>()),
        _ => return None,
    };
    if version == Version::V1 && controllers.is_empty() {
        return None;
    }
    let own = path_in(membership, version, &controllers).and_then(|path| below(&mount, &root, path));
    Some(Hierarchy { version, mount, own, controllers })
}

/// The path of this process's group in a hierarchy, from lines `number:controllers:path`.
fn path_in<'a>(membership: &'a str, version: Version, controllers: &[Controller]) -> Option<&'a str> {
    membership.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (names, path) = (parts.next()?, parts.next()?);
        let is_it = match (version, controllers.first()) {
            (Version::V1, Some(first)) => names.split(',').any(|name| name == first.name()),
            _ => names.is_empty(),
        };
        is_it.then_some(path)
    })
}

/// `path` as seen through a mount whose root is the group `root`.
fn below(mount: &Path, root: &str, path: &str) -> Option<PathBuf> {
    let rest = Path::new(path).strip_prefix(root).ok()?;
    let is_inside = rest.components().all(|part| part != std::path::Component::ParentDir);
    is_inside.then(|| if rest.as_os_str().is_empty() { mount.to_path_buf() } else { mount.join(rest) })
}

/// Spaces and the like are written as `\040`.
fn unescape(text: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "\
25 1 0:22 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
26 25 0:23 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
27 25 0:24 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
28 25 0:25 / /sys/fs/cgroup/blkio rw,relatime - cgroup cgroup rw,blkio
29 25 0:26 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
30 1 0:27 / /home rw - ext4 /dev/vda rw,memory";

    fn own(version: Version, mountinfo: &str, membership: &str) -> Option<PathBuf> {
        parse(mountinfo, membership).into_iter().find(|it| it.version == version)?.own
    }

    #[test]
    fn finds_the_hierarchies_of_a_hybrid_host() {
        let found = parse(HYBRID, "9:name=systemd:/\n4:memory:/a/b\n1:cpu,cpuacct:/\n0::/user.slice\n");
        let of = |version, mount: &str, own: &str, controllers: &[Controller]| Hierarchy {
            version,
            mount: mount.into(),
            own: Some(own.into()),
            controllers: controllers.to_vec(),
        };
        let cpu = [Controller::Cpu, Controller::CpuAccounting];
        let expected = [
            of(Version::V1, "/sys/fs/cgroup/cpu,cpuacct", "/sys/fs/cgroup/cpu,cpuacct", &cpu),
            of(Version::V1, "/sys/fs/cgroup/memory", "/sys/fs/cgroup/memory/a/b", &[Controller::Memory]),
            of(Version::V2, "/sys/fs/cgroup/unified", "/sys/fs/cgroup/unified/user.slice", &[]),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_mount_shows_what_is_below_its_root() {
        let mount = |root: &str| format!("1 1 0:1 {root} /c\\040g rw - cgroup2 none rw");
        let cases = [
            ("/", "0::/", Some("/c g")),
            ("/", "0::/a/b", Some("/c g/a/b")),
            ("/docker/x", "0::/docker/x", Some("/c g")),
            ("/docker/x", "0::/docker/x/y", Some("/c g/y")),
            ("/docker/x", "0::/docker/xyz", None),
            ("/", "0::/../other", None),
            ("/", "4:memory:/a", None),
        ];
        for (root, membership, expected) in cases {
            let found = own(Version::V2, &mount(root), membership);
            assert_eq!(found, expected.map(PathBuf::from), "{root} {membership}");
        }
    }
}
