//! Who the program runs as: another user when Berth is root, a user namespace of its own when not.

use std::{
    fs::{self, File},
    io,
    os::fd::OwnedFd,
    path::Path,
};

use nix::sched::CloneFlags;
use rustix::{
    fs::{AtFlags, FileType, Mode, OFlags},
    io::Errno,
    process::{Gid, Uid, getegid, geteuid},
    thread::{
        CapabilitySet, CapabilitySets, clear_ambient_capability_set, remove_capability_from_bounding_set,
        set_capabilities, set_thread_groups, set_thread_res_gid, set_thread_res_uid,
    },
};

use super::failure::{Failure, wall};
use crate::{
    domain::walls::Wall,
    process::{
        room::Identity,
        wire::{Built, WireOrder},
    },
};

/// Directories within each other that are handed over; what lies deeper stays as it is.
const MAX_DEPTH: usize = 128;

/// A user namespace that maps the own user and group to themselves, and nobody else.
pub(super) fn own_user_namespace() -> Result<Built, Failure> {
    let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
    let failed = |what: &str| wall(Wall::UserNamespace, what.to_owned());
    let made = nix::sched::unshare(CloneFlags::CLONE_NEWUSER).map_err(io::Error::from);
    made.map_err(failed("cannot make a user namespace:"))?;
    fs::write("/proc/self/setgroups", "deny").map_err(failed("cannot give up groups:"))?;
    fs::write("/proc/self/uid_map", format!("{uid} {uid} 1")).map_err(failed("cannot map the user:"))?;
    fs::write("/proc/self/gid_map", format!("{gid} {gid} 1")).map_err(failed("cannot map the group:"))?;
    Ok(Built { wall: Wall::UserNamespace, detail: format!("knows user {uid} and no other") })
}

/// Gives the room's own directories to its user. Nothing is followed, and only directories that are
/// another's are gone through.
pub(super) fn hand_over(order: &WireOrder<'_>) -> Result<(), Failure> {
    let owner = of(order)?;
    for path in &order.view.writable {
        let failed = |error: io::Error| wall(Wall::Uid, format!("cannot hand over {}:", path.display()))(error);
        let directory = open_directory(rustix::fs::CWD, path).map_err(|error| failed(error.into()))?;
        let about = rustix::fs::fstat(&directory).map_err(|error| failed(error.into()))?;
        if about.st_uid != owner.uid || about.st_gid != owner.gid {
            // The top comes last: it says that everything below has been done.
            hand_over_below(&directory, owner, 0).map_err(failed)?;
            chown(&directory, owner).map_err(failed)?;
        }
    }
    Ok(())
}

fn of(order: &WireOrder<'_>) -> Result<Identity, Failure> {
    let missing = || io::Error::new(io::ErrorKind::InvalidInput, "none was given");
    order.identity.ok_or_else(missing).map_err(wall(Wall::Uid, "cannot change the user:"))
}

fn open_directory(at: impl std::os::fd::AsFd, path: &Path) -> rustix::io::Result<OwnedFd> {
    rustix::fs::openat(at, path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
}

fn chown(directory: impl std::os::fd::AsFd, owner: Identity) -> io::Result<()> {
    Ok(rustix::fs::fchown(directory, Some(Uid::from_raw(owner.uid)), Some(Gid::from_raw(owner.gid)))?)
}

fn hand_over_below(directory: &OwnedFd, owner: Identity, depth: usize) -> io::Result<()> {
    if depth > MAX_DEPTH {
        return Ok(());
    }
    for entry in rustix::fs::Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let about = rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
        let is_directory = FileType::from_raw_mode(about.st_mode) == FileType::Directory;
        if is_directory {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let below = rustix::fs::openat(directory, name, flags, Mode::empty())?;
            hand_over_below(&below, owner, depth + 1)?;
            chown(&below, owner)?;
        } else if about.st_nlink == 1 || FileType::from_raw_mode(about.st_mode) == FileType::Symlink {
            // A file with a second name may be somebody else's, too.
            let (uid, gid) = (Uid::from_raw(owner.uid), Gid::from_raw(owner.gid));
            rustix::fs::chownat(directory, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
        }
    }
    Ok(())
}

/// Becomes the room's user, without groups. Gives up every capability of root with that.
pub(super) fn change(order: &WireOrder<'_>) -> Result<Built, Failure> {
    let Identity { uid, gid } = of(order)?;
    let (user, group) = (Uid::from_raw(uid), Gid::from_raw(gid));
    let failed = |what: &str| wall(Wall::Uid, what.to_owned());
    set_thread_groups(&[]).map_err(failed("cannot give up groups:"))?;
    set_thread_res_gid(group, group, group).map_err(failed("cannot change the group:"))?;
    set_thread_res_uid(user, user, user).map_err(failed("cannot change the user:"))?;
    Ok(Built { wall: Wall::Uid, detail: format!("user and group {uid}, no other groups") })
}

/// While it still may: whatever is run later cannot gain a capability, either.
pub(super) fn empty_bounding_set() -> Result<(), Failure> {
    for number in 0..u64::BITS {
        match remove_capability_from_bounding_set(CapabilitySet::from_bits_retain(1 << number)) {
            Ok(()) => {}
            // The kernel knows no more of them.
            Err(Errno::INVAL) if number > 0 => break,
            Err(error) => return Err(wall(Wall::Capabilities, "cannot empty the bounding set:")(error)),
        }
    }
    Ok(())
}

pub(super) fn drop_capabilities() -> Result<Built, Failure> {
    let none = CapabilitySet::empty();
    let sets = CapabilitySets { effective: none, permitted: none, inheritable: none };
    // Kernels without ambient sets (before 4.3) have nothing to clear.
    let ambient =
        clear_ambient_capability_set().or_else(|error| if error == Errno::INVAL { Ok(()) } else { Err(error) });
    ambient
        .and_then(|()| set_capabilities(None, sets))
        .map_err(wall(Wall::Capabilities, "cannot drop capabilities:"))?;
    Ok(Built { wall: Wall::Capabilities, detail: "none, and none to be had".to_owned() })
}

/// The users and groups that the room knows by name.
pub(super) fn names(order: &WireOrder<'_>) -> (String, String) {
    let (uid, gid) = match order.identity {
        Some(Identity { uid, gid }) if order.asks(Wall::Uid) => (uid, gid),
        _ => (geteuid().as_raw(), getegid().as_raw()),
    };
    let (mut users, mut groups) = (String::new(), String::new());
    if uid != 0 {
        users.push_str("root:x:0:0:root:/:/usr/sbin/nologin\n");
        groups.push_str("root:x:0:\n");
    }
    users.push_str(&format!("berth:x:{uid}:{gid}::/:/usr/sbin/nologin\nnobody:x:65534:65534::/:/usr/sbin/nologin\n"));
    groups.push_str(&format!("berth:x:{gid}:\nnogroup:x:65534:\n"));
    (users, groups)
}

/// Opens a file for its place in a tree of mounts, following links as the host has them.
pub(super) fn pin(path: &Path) -> io::Result<File> {
    Ok(File::from(rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?))
}
