//! The program itself: started by the init, or what the stage becomes.

use std::{collections::BTreeMap, ffi::OsStr, io, os::unix::process::CommandExt, path::Path, process::Command};

use rustix::process::Pid;

use super::{
    Control,
    failure::{Failure, NOT_FOUND, step},
    init, receive, report,
};
use crate::process::wire::{Built, WireOrder, WireSpec};

/// Starts it as a child. Its environment is read, used and dropped here.
pub(super) fn start(parent: &mut Control) -> Result<Pid, Failure> {
    with_spec(parent, |_, spec| {
        init::unblock_signals().map_err(step("cannot unblock signals:"))?;
        // The group that it was born into is out of its sight: its number would read as zero.
        let child = command(spec).process_group(0).spawn().map_err(|why| failure(spec, why))?;
        Ok(Pid::from_child(&child))
    })
}

/// Returns only when it fails, or when there is no program.
pub(super) fn become_it(order: &WireOrder<'_>, parent: &mut Control, built: &[Built]) -> Result<(), Failure> {
    if order.probe {
        return report(&mut parent.socket, built);
    }
    with_spec(parent, |parent, spec| {
        report(&mut parent.socket, built)?;
        Err(failure(spec, command(spec).exec()))
    })
}

fn with_spec<T>(
    parent: &mut Control,
    act: impl FnOnce(&mut Control, &WireSpec<'_>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let json = receive(&mut parent.socket, parent.spec_length).map_err(step("cannot read the spec:"))?;
    let spec: WireSpec<'_> = serde_json::from_slice(&json).map_err(step("cannot understand the spec:"))?;
    let cwd: &str = &spec.cwd;
    std::env::set_current_dir(cwd).map_err(step(format!("cannot enter the working directory {cwd}:")))?;
    // Marked, not closed: the socket must last until `exec` has succeeded.
    close_fds::set_fds_cloexec(3, &[]);
    act(parent, &spec)
}

fn command(spec: &WireSpec<'_>) -> Command {
    // Sorted and unique: the last of two equal names counts.
    let env: BTreeMap<&str, &str> = spec.env.iter().map(|(name, value)| (name.as_ref(), value.as_ref())).collect();
    let mut command = Command::new(&*spec.program);
    command.args(spec.args.iter()).env_clear().envs(env);
    command
}

fn failure(spec: &WireSpec<'_>, why: io::Error) -> Failure {
    let program: &str = &spec.program;
    if why.kind() != io::ErrorKind::NotFound {
        return step(format!("cannot run {program}:"))(why);
    }
    // The kernel says the same of a script whose interpreter is missing.
    let what = match Path::new(program) {
        path if path.components().count() == 1 && path.file_name() == Some(OsStr::new(program)) => {
            format!("cannot find {program} in PATH:")
        }
        path if path.exists() => format!("cannot find the interpreter of {program}:"),
        _ => format!("cannot find {program}:"),
    };
    Failure { what, why, code: NOT_FOUND, wall: None }
}
