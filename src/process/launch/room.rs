//! The order in which walls are built: each while the means that it needs are still at hand.

use std::os::fd::OwnedFd;

use super::{failure::Failure, identity, landlock, limits, mounts, namespaces, network, seccomp};
use crate::{
    domain::walls::Wall,
    process::{
        door::Keeper,
        wire::{Built, WireOrder},
    },
};

/// Builds the walls around this process, but for the namespaces of users and of process numbers, which
/// have to be made before it. With a `door` to keep, this process is its keeper.
pub(super) fn build(
    order: &WireOrder<'_>,
    door: Option<OwnedFd>,
    built: &mut Vec<Built>,
) -> Result<Option<Keeper>, Failure> {
    namespaces::leave(order, built)?;
    let keeper = network::set_up(order, door, built)?;
    if order.asks(Wall::Uid) {
        identity::hand_over(order)?;
    }
    if order.asks(Wall::Mounts) {
        built.push(mounts::build(order)?);
    }
    built.push(limits::set(order)?);
    if order.asks(Wall::Capabilities) {
        identity::empty_bounding_set()?;
    }
    if order.asks(Wall::Uid) {
        built.push(identity::change(order)?);
        super::end_with_parent()?;
    }
    if order.asks(Wall::Capabilities) {
        built.push(identity::drop_capabilities()?);
    }
    built.push(limits::give_up_privileges()?);
    if order.asks(Wall::Landlock) {
        built.push(landlock::enforce(order)?);
    }
    if order.asks(Wall::Seccomp) {
        built.push(seccomp::enforce(order.level)?);
    }
    built.push(Built { wall: Wall::Environment, detail: "only what the service and its owner set".to_owned() });
    built.push(Built { wall: Wall::Descriptors, detail: "0, 1 and 2".to_owned() });
    Ok(keeper)
}
