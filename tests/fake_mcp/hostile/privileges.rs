//! Becoming somebody else, or somewhere else.

use std::{io, path::Path};

use nix::{
    mount::{MsFlags, mount},
    sched::{CloneFlags, unshare},
    unistd::{Gid, Uid, chroot, geteuid, setgid, setuid},
};
use serde_json::json;

use super::{Attack, Outcome};

pub(super) fn attempt(attack: &Attack) -> Option<Outcome> {
    Some(match attack.kind.as_str() {
        "who" => Ok(json!(geteuid().as_raw())),
        "setuid" => setuid(Uid::from_raw(attack.uid)).map(|()| json!("became")).map_err(io::Error::from),
        "setgid" => setgid(Gid::from_raw(attack.uid)).map(|()| json!("became")).map_err(io::Error::from),
        "mount" => mount_over(Path::new(&attack.path)),
        "unshare" => enter(&attack.name),
        "chroot" => chroot(Path::new(&attack.path)).map(|()| json!("entered")).map_err(io::Error::from),
        _ => return None,
    })
}

/// An empty file system over a directory.
fn mount_over(path: &Path) -> Outcome {
    let none: Option<&str> = None;
    mount(Some("tmpfs"), path, Some("tmpfs"), MsFlags::empty(), none)?;
    Ok(json!("mounted"))
}

/// A new namespace: the way to privileges that nobody gave. Wants a single thread for `user`.
fn enter(name: &str) -> Outcome {
    let flag = match name {
        "user" => CloneFlags::CLONE_NEWUSER,
        "mount" => CloneFlags::CLONE_NEWNS,
        "net" => CloneFlags::CLONE_NEWNET,
        "pid" => CloneFlags::CLONE_NEWPID,
        _ => return Err(io::ErrorKind::InvalidInput.into()),
    };
    unshare(flag)?;
    Ok(json!("entered"))
}
