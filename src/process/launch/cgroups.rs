//! Enters the control groups of the instance: the first thing that the stage does, so that nothing
//! it or the program does later is outside of them.

use std::{fs::File, io, io::Write};

/// Writes "0", which is this process, to each of `groups`: paths of `cgroup.procs` (v2) or `tasks` (v1).
pub(super) fn enter(groups: &[String]) -> io::Result<()> {
    for path in groups {
        let entered = File::options().write(true).open(path).and_then(|mut file| file.write_all(b"0"));
        entered.map_err(|error| io::Error::new(error.kind(), format!("{path}: {error}")))?;
    }
    Ok(())
}
