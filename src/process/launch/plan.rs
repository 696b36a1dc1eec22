//! What is in the view, and where it comes from: the list that `mounts` then builds, parents first.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use rustix::mount::MountFlags;

use super::identity;
use crate::{
    domain::walls::{Level, Wall},
    process::{room::View, wire::WireOrder},
};

/// Folders of the system, as they are or as the links that they are.
const SYSTEM: [&str; 10] =
    ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store", "/gnu/store", "/etc/alternatives"];

/// What programs look for below `/etc`; nothing that says who else is here.
const ETC: [&str; 23] = [
    "ca-certificates",
    "ca-certificates.conf",
    "crypto-policies",
    "debian_version",
    "fonts",
    "gai.conf",
    "host.conf",
    "hosts",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "mime.types",
    "nsswitch.conf",
    "os-release",
    "pki/ca-trust",
    "pki/tls/certs",
    "protocols",
    "resolv.conf",
    "services",
    "ssl/certs",
    "ssl/openssl.cnf",
    "timezone",
];

/// Devices that give and take bytes, and nothing else.
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

/// Folders that the data of others lies below: never shown as a whole for the sake of one program in it.
const TOO_WIDE: [&str; 12] =
    ["/", "/dev", "/etc", "/home", "/media", "/mnt", "/proc", "/run", "/srv", "/sys", "/tmp", "/var"];

/// One thing in the view.
#[derive(Debug)]
pub(super) struct Entry {
    /// Where, inside as outside.
    pub(super) path: PathBuf,
    pub(super) what: What,
}

#[derive(Debug)]
pub(super) enum What {
    /// A file or folder of the host.
    Bind { source: File, flags: MountFlags },
    /// A symbolic link.
    Link(PathBuf),
    /// A file with this text.
    Text(String),
    /// A directory in the memory that is given to temporary files.
    Scratch(&'static str),
    /// An empty directory.
    Empty,
    /// The processes of the room.
    Proc,
}

const READ_ONLY: MountFlags = MountFlags::RDONLY.union(MountFlags::NOSUID).union(MountFlags::NODEV);
const DEVICE: MountFlags = MountFlags::NOSUID.union(MountFlags::NOEXEC);

/// The flags of the memory for temporary files, and of the room's own directories.
pub(super) fn writable(level: Level) -> MountFlags {
    let common = MountFlags::NOSUID | MountFlags::NODEV;
    if level == Level::Strict { common | MountFlags::NOEXEC } else { common }
}

/// Everything in the view of `order`, parents before what is below them.
pub(super) fn of(order: &WireOrder<'_>) -> std::io::Result<Vec<Entry>> {
    let mut plan = Plan { entries: Vec::new() };
    plan.add_system();
    plan.add_devices();
    plan.add(PathBuf::from("/proc"), What::Proc);
    plan.add(PathBuf::from("/tmp"), What::Scratch("tmp"));
    plan.add(PathBuf::from("/dev/shm"), What::Scratch("shm"));
    let (users, groups) = identity::names(order);
    plan.add(PathBuf::from("/etc/passwd"), What::Text(users));
    plan.add(PathBuf::from("/etc/group"), What::Text(groups));
    if let Some(network) = order.network.as_ref().filter(|_| order.asks(Wall::Network)) {
        plan.add(PathBuf::from("/etc/hosts"), What::Text(network.hosts()));
    }
    let view: &View = &order.view;
    for path in view.hidden.iter().filter(|path| path.is_dir()) {
        plan.add(path.clone(), What::Empty);
        // Under its real name, too, should a link lead to it.
        plan.entries
            .extend(path.canonicalize().ok().filter(|real| real != path).map(|path| Entry { path, what: What::Empty }));
    }
    plan.add_read_only(&view.read_only);
    for path in &view.writable {
        let source = identity::pin(path).map_err(|error| named(path, &error))?;
        plan.add(path.clone(), What::Bind { source, flags: writable(order.level) });
    }
    if let Some(tmp) = &view.tmp {
        plan.add(tmp.clone(), What::Scratch("own"));
    }
    plan.entries.sort_by_key(|entry| entry.path.components().count());
    debug_assert!(order.asks(Wall::Mounts));
    Ok(plan.entries)
}

fn named(path: &Path, error: &std::io::Error) -> std::io::Error {
    std::io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

struct Plan {
    entries: Vec<Entry>,
}

impl Plan {
    fn add(&mut self, path: PathBuf, what: What) {
        self.entries.retain(|entry| entry.path != path);
        self.entries.push(Entry { path, what });
    }

    fn bind(&mut self, path: &Path, flags: MountFlags) {
        // What is not there, or not to be read, is not in the view either.
        if let Ok(source) = identity::pin(path) {
            self.add(path.to_path_buf(), What::Bind { source, flags });
        }
    }

    fn add_system(&mut self) {
        for path in SYSTEM.map(Path::new) {
            match fs::read_link(path) {
                Ok(target) => self.add(path.to_path_buf(), What::Link(target)),
                Err(_) => self.bind(path, READ_ONLY),
            }
        }
        for path in ETC.iter().map(|name| Path::new("/etc").join(name)) {
            match fs::canonicalize(&path) {
                // Relative links stay right only where they are.
                Ok(target) if target.starts_with("/usr") && target != path => self.add(path, What::Link(target)),
                _ => self.bind(&path, READ_ONLY.union(MountFlags::NOEXEC)),
            }
        }
    }

    fn add_devices(&mut self) {
        for path in DEVICES.map(|name| Path::new("/dev").join(name)) {
            self.bind(&path, DEVICE);
        }
        let links = [("fd", ""), ("stdin", "/0"), ("stdout", "/1"), ("stderr", "/2")];
        for (name, target) in links {
            let target = PathBuf::from(format!("/proc/self/fd{target}"));
            self.add(Path::new("/dev").join(name), What::Link(target));
        }
    }

    /// Paths that the system's folders do not show already.
    fn add_read_only(&mut self, paths: &[PathBuf]) {
        for path in paths.iter().filter(|path| path.is_absolute()) {
            let Ok(real) = path.canonicalize() else { continue };
            let is_wide = TOO_WIDE.iter().any(|wide| Path::new(wide) == real);
            if !is_wide && !self.is_shown(path, &real) {
                self.bind(path, READ_ONLY);
            }
        }
    }

    fn is_shown(&self, path: &Path, real: &Path) -> bool {
        self.entries.iter().any(|entry| match &entry.what {
            What::Bind { .. } => real.starts_with(&entry.path) && (path == real || self.is_link_to_shown(path)),
            _ => false,
        })
    }

    /// Whether a link of the system leads there, such as `/bin` to `/usr/bin`.
    fn is_link_to_shown(&self, path: &Path) -> bool {
        self.entries.iter().any(|entry| match &entry.what {
            What::Link(_) | What::Bind { .. } => path.starts_with(&entry.path),
            _ => false,
        })
    }
}
