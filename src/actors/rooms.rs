//! The room that an instance's processes run in, from its service, its directories and its owner.

use crate::{
    catalog::{Program, Service},
    domain::{limits::Limits, uids::UidRange, walls::Level},
    process::{DEFAULT_TMP_BYTES, Identity, InstanceDirs, Room, View, runs_as_root},
};

use super::{instance::RunsAs, paths::Paths};

/// Who the instances of the user with the ordinal `number` run as; `None`: as Berth, which is not root.
///
/// # Errors
/// The range has no id left for that user.
pub fn identity_of(uids: UidRange, number: u32) -> Result<Option<Identity>, String> {
    if !runs_as_root() {
        return Ok(None);
    }
    let uid = uids.of(number).ok_or_else(|| format!("no user id is left in {uids} for user {number}; widen `uids`"))?;
    Ok(Some(Identity { uid, gid: uid }))
}

/// Whom the processes of a home run as; `None`: as Berth, which is not root.
fn identity(uids: UidRange, runs_as: RunsAs) -> Result<Option<Identity>, String> {
    match runs_as {
        RunsAs::Person(number) => identity_of(uids, number),
        RunsAs::Service(_) if !runs_as_root() => Ok(None),
        RunsAs::Service(number) => {
            let uid = uids.from_end(number);
            let uid = uid.ok_or_else(|| format!("no user id is left in {uids} for a shared service; widen `uids`"))?;
            Ok(Some(Identity { uid, gid: uid }))
        }
    }
}

/// The room of one start of processes that run as `runs_as`.
///
/// # Errors
/// The setting `uids` has no id left for them.
pub(super) fn room_of(
    runs_as: RunsAs,
    service: &Service,
    program: &Program,
    dirs: &InstanceDirs,
    (port, limits): (Option<u16>, Limits),
    (paths, uids): (&Paths, UidRange),
) -> Result<Room, String> {
    let manifest = &service.manifest;
    let identity = if manifest.sandbox == Level::Off { None } else { identity(uids, runs_as)? };
    Ok(Room {
        level: manifest.sandbox,
        identity,
        view: View {
            read_only: [program.read_only.as_slice(), &manifest.read_only].concat(),
            writable: vec![dirs.work(), dirs.home()],
            // Whatever a folder above shows of it: the database, the master key, logs and other instances.
            hidden: vec![paths.data().to_path_buf()],
            tmp: Some(dirs.tmp()),
            tmp_bytes: DEFAULT_TMP_BYTES,
        },
        network: manifest.network.clone(),
        port,
        file_bytes: limits.disk_bytes,
        processes: limits.processes,
    })
}
