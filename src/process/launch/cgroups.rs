//! Entering the control groups that the parent has made.

use std::{fs, path::PathBuf};

use super::failure::{Failure, step};

/// Enters each: `0` written to its `cgroup.procs` means the writer. First of all, so that nothing that
/// the room costs is counted as Berth's own.
pub(super) fn enter(files: &[PathBuf]) -> Result<(), Failure> {
    files.iter().try_for_each(|file| {
        fs::write(file, "0").map_err(step(format!("cannot enter the control group {}:", file.display())))
    })
}
