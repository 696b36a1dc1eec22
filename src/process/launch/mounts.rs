//! The view: a file system with only what the room needs in it, put together in memory and then made
//! the root. Read-only, but for the room's own directories and its temporary files.
//!
//! Everything that is shown is opened before the first mount: where the view is put together, a part of
//! the host is covered, and links of the host must not be followed inside the view.

use std::{
    collections::HashSet,
    ffi::CString,
    fs, io,
    os::{
        fd::AsRawFd,
        unix::fs::{DirBuilderExt, PermissionsExt, symlink},
    },
    path::{Path, PathBuf},
};

use nix::sched::CloneFlags;
use rustix::{
    fs::{Gid, Mode, Uid},
    mount::{
        MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_bind, mount_bind_recursive, mount_change,
        mount_remount, unmount,
    },
    process::{pivot_root, umask},
};

use super::{
    failure::{Failure, wall},
    plan::{self, Entry, What},
};
use crate::{
    domain::walls::Wall,
    process::wire::{Built, WireOrder},
};

/// Where the view is put together; the first that is a directory. Never `/proc`, which is read meanwhile.
const BASES: [&str; 5] = ["/tmp", "/run", "/var", "/mnt", "/usr"];
/// Files in the memory for temporary files.
const SCRATCH_FILES: u32 = 16_384;
/// Where that memory is mounted while the view is put together.
const SCRATCH: &str = ".scratch";

fn failed<E: Into<io::Error>>(what: &str) -> impl FnOnce(E) -> Failure {
    wall(Wall::Mounts, what)
}

/// Builds the view and makes it the root.
pub(super) fn build(order: &WireOrder<'_>) -> Result<Built, Failure> {
    nix::sched::unshare(CloneFlags::CLONE_NEWNS).map_err(failed("cannot make mounts of its own:"))?;
    let before = umask(Mode::WGRP | Mode::WOTH);
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", private).map_err(failed("cannot keep mounts to itself:"))?;
    let entries = plan::of(order).map_err(failed("cannot find what the program needs:"))?;
    let base = BASES.map(Path::new).into_iter().find(|path| path.is_dir());
    let base = base.ok_or(io::ErrorKind::NotFound).map_err(failed("cannot find a place for the view:"))?;
    assemble(order, base, &entries).map_err(failed("cannot put the view together:"))?;
    close_up(base, &entries, order).map_err(failed("cannot make the view read-only:"))?;
    enter(base).map_err(failed("cannot enter the view:"))?;
    umask(before);
    let view = &order.view;
    let detail = format!(
        "sees the system's programs, {} folders of its service, {} of its own, and {} MiB of temporary files",
        view.read_only.len(),
        view.writable.len(),
        view.tmp_bytes >> 20
    );
    Ok(Built { wall: Wall::Mounts, detail })
}

fn assemble(order: &WireOrder<'_>, base: &Path, entries: &[Entry]) -> io::Result<()> {
    memory(base, MountFlags::NOSUID | MountFlags::NODEV, "mode=0755,size=4m,nr_inodes=4096")?;
    let scratch = base.join(SCRATCH);
    fs::create_dir(&scratch)?;
    let options = format!("mode=0755,size={},nr_inodes={SCRATCH_FILES}", order.view.tmp_bytes);
    memory(&scratch, plan::writable(order.level), &options)?;
    for (name, mode) in [("tmp", 0o1777), ("shm", 0o1777), ("own", 0o700)] {
        let path = scratch.join(name);
        fs::create_dir(&path)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
        if let Some(owner) = order.identity.filter(|_| order.asks(Wall::Uid)) {
            rustix::fs::chown(&path, Some(Uid::from_raw(owner.uid)), Some(Gid::from_raw(owner.gid)))?;
        }
    }
    for Entry { path, what } in entries {
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        place(base, &inside(base, path), what).map_err(named)?;
    }
    // What is bound elsewhere keeps the memory.
    unmount(&scratch, UnmountFlags::DETACH)?;
    fs::remove_dir(&scratch)
}

/// Where `path` is while the view is put together.
fn inside(base: &Path, path: &Path) -> PathBuf {
    base.join(path.strip_prefix("/").unwrap_or(path))
}

fn place(base: &Path, target: &Path, what: &What) -> io::Result<()> {
    if let Some(parent) = target.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o755).create(parent)?;
    }
    match what {
        What::Link(to) => symlink(to, target)?,
        What::Text(text) => fs::write(target, text)?,
        What::Bind { source, .. } => {
            make_target(target, source.metadata()?.is_dir())?;
            mount_bind_recursive(format!("/proc/self/fd/{}", source.as_raw_fd()), target)?;
        }
        What::Scratch(name) => {
            make_target(target, true)?;
            mount_bind(base.join(SCRATCH).join(name), target)?;
        }
        What::Empty => {
            // Only what something else would show has to be covered.
            if target.exists() {
                memory(target, MountFlags::NOSUID | MountFlags::NODEV, "mode=0755,size=1m,nr_inodes=1024")?;
            }
        }
        What::Proc => {
            make_target(target, true)?;
            mount("proc", target, "proc", MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC, None)?;
        }
    }
    Ok(())
}

fn make_target(target: &Path, is_directory: bool) -> io::Result<()> {
    match target.try_exists() {
        Ok(true) => Ok(()),
        _ if is_directory => fs::create_dir(target),
        _ => fs::File::create(target).map(|_| ()),
    }
}

fn memory(target: &Path, flags: MountFlags, options: &str) -> io::Result<()> {
    let options = CString::new(options)?;
    Ok(mount("tmpfs", target, "tmpfs", flags, Some(options.as_c_str()))?)
}

/// Gives every mount of the view its flags; a mount of the host brings those below it along.
fn close_up(base: &Path, entries: &[Entry], order: &WireOrder<'_>) -> io::Result<()> {
    let table = fs::read_to_string("/proc/self/mountinfo")?;
    for (mounted, has) in mounts_of(&table, base) {
        let below = mounted.strip_prefix(base).unwrap_or(Path::new(""));
        let wanted = wanted(entries, &Path::new("/").join(below), order);
        if !has.contains(wanted) {
            mount_remount(&mounted, MountFlags::BIND | has | wanted, c"")?;
        }
    }
    Ok(())
}

/// The mounts of `table` that make up the view: the last at `base`, and those that hang from it. What the
/// host had mounted below is listed, too, but covered.
fn mounts_of(table: &str, base: &Path) -> Vec<(PathBuf, MountFlags)> {
    let all: Vec<Mount> = table.lines().filter_map(Mount::read).collect();
    let Some(root) = all.iter().rfind(|mount| mount.path == base) else { return Vec::new() };
    let (mut ids, mut found) = (HashSet::from([root.id]), vec![(root.path.clone(), root.flags)]);
    // What is mounted on another is listed after it.
    for mount in &all {
        if ids.contains(&mount.parent) && ids.insert(mount.id) {
            found.push((mount.path.clone(), mount.flags));
        }
    }
    found
}

/// The flags of what is mounted at `path`: those of the last entry that it is or lies below.
fn wanted(entries: &[Entry], path: &Path, order: &WireOrder<'_>) -> MountFlags {
    let own = entries.iter().rev().find(|entry| path.starts_with(&entry.path) && !matches!(entry.what, What::Link(_)));
    match own.map(|entry| &entry.what) {
        Some(What::Bind { flags, .. }) => *flags,
        Some(What::Scratch(_)) => plan::writable(order.level),
        Some(What::Proc) => MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC,
        _ => MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV,
    }
}

/// One line of `mountinfo`.
#[derive(Debug, PartialEq, Eq)]
struct Mount {
    id: u64,
    parent: u64,
    path: PathBuf,
    flags: MountFlags,
}

impl Mount {
    fn read(line: &str) -> Option<Self> {
        let mut fields = line.split(' ');
        let (id, parent) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        let mut fields = fields.skip(2);
        let path = PathBuf::from(unescape(fields.next()?));
        Some(Self { id, parent, path, flags: read_flags(fields.next()?) })
    }
}

fn read_flags(options: &str) -> MountFlags {
    let flag = |option: &str| match option {
        "ro" => MountFlags::RDONLY,
        "nosuid" => MountFlags::NOSUID,
        "nodev" => MountFlags::NODEV,
        "noexec" => MountFlags::NOEXEC,
        "noatime" => MountFlags::NOATIME,
        "nodiratime" => MountFlags::NODIRATIME,
        "relatime" => MountFlags::RELATIME,
        "nosymfollow" => MountFlags::NOSYMFOLLOW,
        _ => MountFlags::empty(),
    };
    options.split(',').map(flag).fold(MountFlags::empty(), MountFlags::union)
}

/// `mountinfo` writes blanks as `\040`.
fn unescape(path: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .into_iter()
        .fold(path.to_owned(), |path, (code, character)| path.replace(code, character))
}

/// Makes `base` the root; nothing of the host is left behind it.
fn enter(base: &Path) -> io::Result<()> {
    std::env::set_current_dir(base)?;
    pivot_root(".", ".")?;
    // The old root lies over the new one, at the same place.
    unmount(".", UnmountFlags::DETACH)?;
    std::env::set_current_dir("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mounts_of_the_view_are_told_from_those_that_it_covers() {
        let table = r"1 0 8:1 / / rw,relatime - ext4 /dev/root rw
2 1 8:1 / /tmp rw - tmpfs tmpfs rw
3 2 8:1 / /tmp/of\040the\040host rw - ext4 /dev/root rw
10 2 0:9 / /tmp rw,nosuid,nodev - tmpfs tmpfs rw
11 10 8:1 /usr /tmp/usr ro,noatime master:1 - ext4 /dev/root rw
12 11 8:2 / /tmp/usr/a\040b rw - ext4 /dev/other rw
nonsense";
        let common = MountFlags::NOSUID | MountFlags::NODEV;
        let expected = [
            ("/tmp", common),
            ("/tmp/usr", MountFlags::RDONLY | MountFlags::NOATIME),
            ("/tmp/usr/a b", MountFlags::empty()),
        ];
        assert_eq!(mounts_of(table, Path::new("/tmp")), expected.map(|(path, flags)| (PathBuf::from(path), flags)));
        assert_eq!(mounts_of(table, Path::new("/other")), []);
    }
}
