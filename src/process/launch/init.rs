//! The room's init: pid 1 of its process numbers. Builds the walls, starts the program, collects what
//! ends, and ends with the program: the kernel then ends whatever the program has left.
//!
//! A loop over descriptors: signals, the sockets of its door (see `door`), and the socket to the outer stage, whose closing means that the
//! outer stage is gone. It runs behind the same walls as the program, which can neither trace it nor
//! end it. After a request to stop (SIGTERM from outside) it waits for everybody, not just the program:
//! what cleans up gets the grace that Berth gives.

use std::{
    io::{self, Write},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream,
    },
    process::ExitCode,
};

use nix::sys::{
    signal::{SigSet, Signal},
    signalfd::{SfdFlags, SignalFd},
};
use rustix::{
    event::{PollFd, PollFlags, poll},
    process::{DumpableBehavior, Pid, WaitOptions, WaitStatus, kill_process_group, set_dumpable_behavior, wait},
};

use super::{
    Control, end_with_parent,
    failure::{Failure, step},
    outer, program, room,
};
use crate::process::{
    door::Keeper,
    wire::{Built, WireOrder},
};

/// How the program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Code(u8),
    Signal(i32),
}

impl End {
    pub(super) const BYTES: usize = 2;

    pub(super) fn read([kind, number]: [u8; Self::BYTES]) -> Option<Self> {
        match kind {
            b'c' => Some(Self::Code(number)),
            b's' => Some(Self::Signal(number.into())),
            _ => None,
        }
    }

    fn write(self) -> [u8; Self::BYTES] {
        match self {
            Self::Code(code) => [b'c', code],
            Self::Signal(signal) => [b's', u8::try_from(signal).unwrap_or(0)],
        }
    }

    fn of(status: WaitStatus) -> Option<Self> {
        let code = status.exit_status().and_then(|code| u8::try_from(code).ok()).map(Self::Code);
        code.or_else(|| status.terminating_signal().map(Self::Signal))
    }
}

/// Runs to the end of the room.
pub(super) fn run(
    order: &WireOrder<'_>,
    control: &mut Option<Control>,
    mut outer: UnixStream,
    mut built: Vec<Built>,
) -> Result<ExitCode, Failure> {
    end_with_parent()?;
    if is_gone(&outer) {
        return Ok(ExitCode::FAILURE);
    }
    built.push(Built { wall: crate::domain::walls::Wall::Pids, detail: "sees no process but its own".to_owned() });
    let null = rustix::fs::open(
        "/dev/null",
        rustix::fs::OFlags::RDWR | rustix::fs::OFlags::CLOEXEC,
        rustix::fs::Mode::empty(),
    );
    let null = null.map_err(step("cannot open /dev/null:"))?;
    let door = control.as_mut().and_then(|control| control.door.take());
    let keeper = room::build(order, door, &mut built)?;
    // Of the same user as the program, it must not be for the program to trace or to read.
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(step("cannot close itself to others:"))?;
    end_with_parent()?;
    let Some(mut parent) = control.take() else { return Ok(ExitCode::FAILURE) };
    let started = if order.probe { Ok(None) } else { program::start(&mut parent).map(Some) };
    // Whoever looks after this for its end needs no standard streams; the program has its own.
    let program = match started {
        Ok(program) => program,
        Err(failure) => {
            *control = Some(parent);
            return Err(failure);
        }
    };
    super::report(&mut parent.socket, &built)?;
    drop(parent);
    outer::put_in_place_of_standard_streams(&null).map_err(step("cannot let go of the program's streams:"))?;
    let Some(program) = program else { return Ok(ExitCode::SUCCESS) };
    let end = Init { program, outer: &outer, keeper, ended: None, stopping: false }.run()?;
    let _ = outer.write_all(&end.write());
    Ok(ExitCode::SUCCESS)
}

fn is_gone(outer: &UnixStream) -> bool {
    let mut one = [PollFd::new(outer, PollFlags::IN)];
    let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
    matches!(poll(&mut one, Some(&now)), Ok(1))
}

/// The outer stage.
#[derive(PartialEq, Eq)]
enum Outer {
    There,
    Gone,
}

struct Init<'a> {
    program: Pid,
    outer: &'a UnixStream,
    /// While there is a door to keep.
    keeper: Option<Keeper>,
    ended: Option<End>,
    stopping: bool,
}

impl Init<'_> {
    fn run(mut self) -> Result<End, Failure> {
        let mut wanted = SigSet::empty();
        wanted.add(Signal::SIGCHLD);
        wanted.add(Signal::SIGTERM);
        SigSet::all().thread_block().map_err(step("cannot block signals:"))?;
        let signals = SignalFd::with_flags(&wanted, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
            .map_err(step("cannot watch for signals:"))?;
        loop {
            // Before the first wait, too: a program may have ended before anybody watched.
            if let Some(end) = self.collect() {
                return Ok(end);
            }
            if self.wait(signals.as_fd())? == Outer::Gone {
                return Ok(End::Signal(Signal::SIGKILL as i32));
            }
            while let Ok(Some(signal)) = signals.read_signal() {
                // A sender outside of the room has no number in it.
                if signal.ssi_signo == Signal::SIGTERM as u32 && signal.ssi_pid == 0 {
                    self.pass_on();
                }
            }
        }
    }

    /// Waits for something to do, and does what the door asks for.
    fn wait(&mut self, signals: BorrowedFd<'_>) -> Result<Outer, Failure> {
        let own = [signals, self.outer.as_fd()].into_iter();
        let all = own.chain(self.keeper.iter().flat_map(Keeper::sockets));
        let mut watched: Vec<_> = all.map(|socket| PollFd::from_borrowed_fd(socket, PollFlags::IN)).collect();
        match poll(&mut watched, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(step("cannot wait:")(error)),
        }
        let ready: Vec<bool> = watched.iter().map(|socket| !socket.revents().is_empty()).collect();
        let at_the_door = ready.iter().skip(2).enumerate().filter(|(_, ready)| **ready);
        if let Some(keeper) = &self.keeper
            && !at_the_door.fold(true, |open, (position, _)| keeper.serve(position) && open)
        {
            self.keeper = None;
        }
        // Nothing is ever sent on that socket: it has closed.
        Ok(if ready.get(1) == Some(&true) { Outer::Gone } else { Outer::There })
    }

    /// The first request to stop goes on to the program's group; who sends a second names the program.
    fn pass_on(&mut self) {
        if !std::mem::replace(&mut self.stopping, true) {
            let _ = kill_process_group(self.program, rustix::process::Signal::TERM);
        }
    }

    /// Collects everybody who has ended; says when the room is at its end.
    fn collect(&mut self) -> Option<End> {
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) if pid == self.program => self.ended = End::of(status).or(self.ended),
                Ok(Some(_)) | Err(rustix::io::Errno::INTR) => {}
                Ok(None) => return self.ended.filter(|_| !self.stopping),
                // Nobody is left.
                Err(_) => return Some(self.ended.unwrap_or(End::Code(u8::MAX))),
            }
        }
    }
}

/// Signals as programs expect them at their start: none blocked.
pub(super) fn unblock_signals() -> io::Result<()> {
    SigSet::empty().thread_set_mask().map_err(io::Error::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_read_as_it_was_written() {
        for end in [End::Code(0), End::Code(7), End::Code(255), End::Signal(9), End::Signal(64)] {
            assert_eq!(End::read(end.write()), Some(end));
        }
        assert_eq!(End::read([0, 0]), None);
    }
}
