//! File access by path, and signals and abstract sockets of others, refused by the kernel a second
//! time, should a hole be found in the first wall. As much of it as this kernel has.

use std::{io, path::PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, LandlockStatus, NetPort, PathBeneath, PathFd,
    Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetStatus, Scope,
};

use super::failure::{Failure, wall};
use crate::{
    domain::walls::{Level, Wall},
    process::wire::{Built, WireOrder},
};

/// The newest set of rights that is asked for; an older kernel enforces those that it knows.
const NEWEST: ABI = ABI::V6;

/// Where everybody may write; the devices take bytes and forget them.
const SHARED: [&str; 2] = ["/tmp", "/dev/shm"];
const DEVICES: [&str; 6] = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"];
/// What can be read where there is no view that says it.
const SYSTEM: [&str; 9] = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc", "/proc", "/dev"];

/// Restricts this process and whatever comes of it.
pub(super) fn enforce(order: &WireOrder<'_>) -> Result<Built, Failure> {
    let failed = |error: landlock::RulesetError| io::Error::other(error.to_string());
    let status = restrict(order).map_err(failed).map_err(wall(Wall::Landlock, "cannot restrict file access:"))?;
    let enforced = match status.ruleset {
        RulesetStatus::FullyEnforced => "all of it",
        RulesetStatus::PartiallyEnforced => "as much as this kernel knows",
        RulesetStatus::NotEnforced => {
            let none = io::Error::new(io::ErrorKind::Unsupported, "the kernel does not have it, or not turned on");
            return Err(wall(Wall::Landlock, "cannot restrict file access:")(none));
        }
    };
    let version = match status.landlock {
        LandlockStatus::Available { effective_abi, .. } => effective_abi as i32,
        _ => 0,
    };
    let port = own_port(order).filter(|_| version >= ABI::V4 as i32);
    let port = port.map(|port| format!(", TCP port {port} and no other")).unwrap_or_default();
    Ok(Built { wall: Wall::Landlock, detail: format!("version {version}, {enforced}{port}") })
}

fn restrict(order: &WireOrder<'_>) -> Result<landlock::RestrictionStatus, landlock::RulesetError> {
    let readable = AccessFs::from_read(NEWEST);
    let all = AccessFs::from_all(NEWEST);
    let writable = if order.level == Level::Strict { all & !AccessFs::Execute } else { all };
    let mut handled = Ruleset::default().set_compatibility(CompatLevel::BestEffort).handle_access(all)?;
    if own_port(order).is_some() {
        handled = handled.handle_access(AccessNet::BindTcp)?;
    }
    let mut ruleset = handled
        .scope(Scope::AbstractUnixSocket)?
        .scope(Scope::Signal)?
        .create()?
        // The stage has done so already, and says so itself.
        .no_new_privs(false);
    let view = &order.view;
    let own = view.writable.iter().chain(&view.tmp).cloned().chain(SHARED.map(PathBuf::from));
    let seen: Vec<PathBuf> = if order.asks(Wall::Mounts) {
        vec![PathBuf::from("/")]
    } else {
        SYSTEM.map(PathBuf::from).into_iter().chain(view.read_only.iter().cloned()).collect()
    };
    let rights = seen.into_iter().map(|path| (path, readable)).chain(own.map(|path| (path, writable)));
    let devices = DEVICES.map(|path| (PathBuf::from(path), device_rights()));
    for (path, access) in rights.chain(devices) {
        let Ok(parent) = PathFd::new(&path) else { continue };
        let access = if path.is_dir() { access } else { access & AccessFs::from_file(NEWEST) };
        ruleset = ruleset.add_rule(PathBeneath::new(parent, access))?;
    }
    if let Some(port) = own_port(order) {
        ruleset = ruleset.add_rule(NetPort::new(port, AccessNet::BindTcp))?;
    }
    ruleset.restrict_self()
}

/// The only port that a program may take in the host's network, where it would be somebody else's
/// otherwise. One that is not told a port, or has a network of its own, may take any.
fn own_port(order: &WireOrder<'_>) -> Option<u16> {
    order.port.filter(|_| order.network.is_none())
}

fn device_rights() -> BitFlags<AccessFs> {
    AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::IoctlDev
}
