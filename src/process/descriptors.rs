//! As many open files as the host lets Berth have.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the soft limit of open files to the hard one; a shell's 1,024 are soon gone, with a few per
/// instance and client. Children get theirs from their service.
pub fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return;
    }
    let raised = Rlimit { current: limit.maximum, ..limit };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        log::warn!("Berth may open no more than {:?} files: {error}", limit.current);
    }
}
