//! The network of its own, with the interface and the door that it gets.

use std::os::fd::OwnedFd;

use nix::sched::{CloneFlags, unshare};

use super::failure::{Failure, wall};
use crate::{
    domain::walls::Wall,
    process::{
        door::Keeper,
        netns,
        wire::{Built, WireOrder},
    },
};

/// Leaves the host's network, when that is asked for. Who keeps `door` is returned.
pub(super) fn set_up(
    order: &WireOrder<'_>,
    door: Option<OwnedFd>,
    built: &mut Vec<Built>,
) -> Result<Option<Keeper>, Failure> {
    let Some(network) = order.network.as_ref().filter(|_| order.asks(Wall::Network)) else { return Ok(None) };
    let failed = |what: &str| wall(Wall::Network, what.to_owned());
    unshare(CloneFlags::CLONE_NEWNET).map_err(wall(Wall::Network, "cannot make a network of its own:"))?;
    if network.loopback {
        netns::raise_loopback().map_err(failed("cannot bring its loopback interface up:"))?;
    }
    let keeper = door.map(|door| Keeper::open(door, &network.targets)).transpose();
    let keeper = keeper.map_err(failed("cannot listen for what goes outside:"))?;
    built.push(Built { wall: Wall::Network, detail: network.describe() });
    Ok(keeper)
}
