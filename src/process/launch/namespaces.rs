//! The namespaces that take one call each. That of the network is in `network`.

use nix::sched::{CloneFlags, unshare};

use super::failure::{Failure, wall};
use crate::{
    domain::walls::Wall,
    process::wire::{Built, WireOrder},
};

const NAMESPACES: [(Wall, CloneFlags, &str); 3] = [
    (Wall::Ipc, CloneFlags::CLONE_NEWIPC, "queues, semaphores and shared memory of its own"),
    (Wall::Uts, CloneFlags::CLONE_NEWUTS, "a host name of its own"),
    (Wall::CgroupNamespace, CloneFlags::CLONE_NEWCGROUP, "sees no control group but its own"),
];

/// The host name in every room.
const HOST_NAME: &[u8] = b"berth";

/// Leaves those of the host that are asked for.
pub(super) fn leave(order: &WireOrder<'_>, built: &mut Vec<Built>) -> Result<(), Failure> {
    for (name, flag, detail) in NAMESPACES.into_iter().filter(|(name, ..)| order.asks(*name)) {
        unshare(flag).map_err(wall(name, format!("cannot make a namespace ({name}):")))?;
        if name == Wall::Uts {
            rustix::system::sethostname(HOST_NAME).map_err(wall(name, "cannot set the host name:"))?;
        }
        built.push(Built { wall: name, detail: detail.to_owned() });
    }
    Ok(())
}
