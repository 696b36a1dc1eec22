//! Resource limits, file mode, privileges and signals: what stands at every level.

use std::{fs, io};

use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit, umask};

use super::failure::{Failure, wall};
use crate::{
    domain::walls::Wall,
    process::wire::{Built, WireOrder},
};

/// Open files, core dumps, file size; processes, where the user namespace counts them for this room alone.
pub(super) fn set(order: &WireOrder<'_>) -> Result<Built, Failure> {
    umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
    let files = Some(u64::from(order.open_files).min(hard(Resource::Nofile)));
    let mut limits = vec![(Resource::Nofile, files, "open files"), (Resource::Core, Some(0), "core dumps")];
    if let Some(bytes) = order.file_bytes {
        limits.push((Resource::Fsize, Some(bytes.min(hard(Resource::Fsize))), "file size"));
    }
    if let Some(processes) = order.processes.filter(|_| order.asks(Wall::UserNamespace)) {
        // The init is one of them.
        let processes = u64::from(processes).saturating_add(1).min(hard(Resource::Nproc));
        limits.push((Resource::Nproc, Some(processes), "processes"));
    }
    let mut told = Vec::new();
    for (resource, limit, name) in limits {
        setrlimit(resource, Rlimit { current: limit, maximum: limit })
            .map_err(wall(Wall::Rlimits, format!("cannot limit {name}:")))?;
        told.push(format!("{name} {}", limit.unwrap_or(0)));
    }
    Ok(Built { wall: Wall::Rlimits, detail: told.join(", ") })
}

fn hard(resource: Resource) -> u64 {
    getrlimit(resource).maximum.unwrap_or(u64::MAX)
}

/// Neither setuid nor file capabilities give anything from here on.
pub(super) fn give_up_privileges() -> Result<Built, Failure> {
    rustix::thread::set_no_new_privs(true).map_err(wall(Wall::NoNewPrivs, "cannot give up privileges:"))?;
    Ok(Built { wall: Wall::NoNewPrivs, detail: "setuid programs give nothing".to_owned() })
}

/// Signals that are ignored stay so across `exec`; those with a handler go back to their default.
///
/// `exec` of the standard library resets SIGPIPE. Others are ignored only when
/// Berth was started so, by `nohup` for one; installing any handler is then the safe way back.
pub(super) fn reset_ignored_signals() -> io::Result<()> {
    let status = fs::read_to_string("/proc/self/status")?;
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    let signals: Vec<i32> =
        (1..32).filter(|signal| ignored & (1 << (signal - 1)) != 0 && *signal != Signal::PIPE.as_raw()).collect();
    if signals.is_empty() {
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let _context = runtime.enter();
    for signal in signals {
        // A few (SIGSEGV and the like) cannot be caught this way; ignoring them has no effect anyway.
        let _ = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::from_raw(signal));
    }
    Ok(())
}
