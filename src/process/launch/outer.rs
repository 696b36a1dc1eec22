//! The outer stage: the process that Berth knows as the leader. It waits for the room's init and ends
//! as the program has ended, by the same code or the same signal.
//!
//! It ignores nothing and handles nothing: every signal is blocked, so that the one to its group reaches
//! the init, which passes it on, and does not end it. Its end, however it comes, is the end of the init, and with that of the room.

use std::{
    io::{self, Read},
    os::unix::net::UnixStream,
    process::ExitCode,
};

use fork::{ProcessFork, fork_process};
use nix::{
    sched::CloneFlags,
    sys::signal::{SigSet, SigmaskHow},
};
use rustix::{
    fs::{Mode, OFlags},
    process::{Pid, Signal, WaitOptions, waitpid},
};

use super::{
    Control,
    failure::{Failure, step, wall},
    init::{self, End},
};
use crate::{
    domain::walls::Wall,
    process::wire::{Built, WireOrder},
};

/// Starts the init and waits for it. In the init's own process it returns what that returns.
pub(super) fn start(
    order: &WireOrder<'_>,
    control: &mut Option<Control>,
    built: Vec<Built>,
) -> Result<ExitCode, Failure> {
    let blocked = SigSet::all().thread_swap_mask(SigmaskHow::SIG_SETMASK).map(|_| ());
    blocked.map_err(step("cannot block signals:"))?;
    nix::sched::unshare(CloneFlags::CLONE_NEWPID)
        .map_err(wall(Wall::Pids, "cannot make process numbers of its own:"))?;
    let (ours, theirs) = UnixStream::pair().map_err(step("cannot make a socket:"))?;
    // This process has one thread: its copy may do whatever it could.
    match fork_process().map_err(wall(Wall::Pids, "cannot start the init:"))? {
        ProcessFork::Child => {
            drop(ours);
            init::run(order, control, theirs, built)
        }
        ProcessFork::Parent(init) => {
            drop(theirs);
            *control = None;
            let init = Pid::from_raw(init.get()).ok_or(io::ErrorKind::InvalidData);
            watch_over(init.map_err(step("cannot wait for the init:"))?, ours)
        }
    }
}

fn watch_over(init: Pid, mut reports: UnixStream) -> Result<ExitCode, Failure> {
    // Held open here, the program's pipes would never close.
    let _ = let_go_of_standard_streams();
    let mut report = [0; End::BYTES];
    let told = reports.read_exact(&mut report).ok().and_then(|()| End::read(report));
    let status = loop {
        match waitpid(Some(init), WaitOptions::empty()) {
            Ok(Some((_, status))) => break status,
            Ok(None) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(step("cannot wait for the init:")(error)),
        }
    };
    let own = || match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => End::Code(u8::try_from(code).unwrap_or(u8::MAX)),
        (None, signal) => End::Signal(signal.unwrap_or(Signal::KILL.as_raw())),
    };
    Ok(end_as(told.unwrap_or_else(own)))
}

/// Puts `/dev/null` in the place of the three standard streams.
pub(super) fn let_go_of_standard_streams() -> rustix::io::Result<()> {
    let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    put_in_place_of_standard_streams(&null)
}

pub(super) fn put_in_place_of_standard_streams(null: impl std::os::fd::AsFd) -> rustix::io::Result<()> {
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    rustix::stdio::dup2_stderr(&null)
}

/// The exit code; for a signal, dies by it.
fn end_as(end: End) -> ExitCode {
    let signal = match end {
        End::Code(code) => return ExitCode::from(code),
        End::Signal(signal) => signal,
    };
    let _ = signal_hook::low_level::emulate_default_handler(signal);
    // Returns for signals that it does not know, such as those of real time: their default is to end, too.
    let _ = SigSet::empty().thread_set_mask();
    let _ = signal_hook::low_level::raise(signal);
    ExitCode::from(128_u8.saturating_add(u8::try_from(signal).unwrap_or(0)))
}
