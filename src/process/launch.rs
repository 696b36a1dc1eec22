//! The launch stage: `berth launch`, the short life between `fork` and the program.
//!
//! It is single-threaded and owns nothing but itself, so it may do at leisure what must not be done
//! between `fork` and `exec` of a threaded parent. What it does to itself survives `exec`. Each step
//! either succeeds or ends it: a program never runs with less confinement than was asked for.
//!
//! ```text
//! Berth ── outer stage (the leader)        joins the control groups, a session of its own; waits
//!            └─ init, pid 1 of the room    builds the walls, starts the program, reaps ([`init`])
//!                 └─ the program
//! ```
//! Where no process numbers of its own are asked for, there are no outer stage and no init: the stage
//! builds the walls around itself and becomes the program. See `wire` for what it reads and answers.

mod cgroups;
mod failure;
mod identity;
mod init;
mod landlock;
mod limits;
mod mounts;
mod namespaces;
mod network;
mod outer;
mod plan;
mod program;
mod room;
mod seccomp;

use std::{
    io::{self, IoSliceMut, Read, Write},
    mem::MaybeUninit,
    os::{fd::OwnedFd, unix::net::UnixStream},
    process::ExitCode,
};

use rustix::{
    net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg},
    process::{Signal, getppid, set_parent_process_death_signal, setsid},
};
use zeroize::Zeroizing;

use self::failure::{Failure, step};
use super::wire::{Built, MAX_SPEC, READY, REPORT, WireOrder};
use crate::domain::walls::Wall;

/// Becomes the program that the parent names, or what it lives in; or says why not: on the socket for
/// the parent, on standard error for a person, and by the exit code 126 or 127.
#[must_use]
pub fn run() -> ExitCode {
    let mut control = None;
    match launch(&mut control) {
        Ok(code) => code,
        Err(failure) => failure.tell(control.as_mut()),
    }
}

/// The socket to the parent, with the length of the spec that is still to be read from it.
struct Control {
    socket: UnixStream,
    spec_length: u32,
    /// The keeper's end of the door, where there is one.
    door: Option<OwnedFd>,
}

fn launch(control: &mut Option<Control>) -> Result<ExitCode, Failure> {
    let (stdin, door, [order_length, spec_length]) =
        receive_descriptors().map_err(step("is started by berth, not by hand:"))?;
    let socket = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3).map_err(step("cannot keep the socket:"))?;
    let parent = control.insert(Control { socket: UnixStream::from(socket), spec_length, door });
    let json = receive(&mut parent.socket, order_length).map_err(step("cannot read the order:"))?;
    let order: WireOrder<'_> = serde_json::from_slice(&json).map_err(step("cannot understand the order:"))?;
    rustix::stdio::dup2_stdin(&stdin).map_err(step("cannot set standard input:"))?;
    drop(stdin);

    cgroups::enter(&order.cgroups)?;
    detach(order.parent)?;
    limits::reset_ignored_signals().map_err(step("cannot reset ignored signals:"))?;
    let mut built = Vec::new();
    if order.asks(Wall::UserNamespace) {
        built.push(identity::own_user_namespace()?);
    }
    if order.asks(Wall::Pids) {
        return outer::start(&order, control, built);
    }
    if parent.door.is_some() {
        let nobody = io::Error::new(io::ErrorKind::Unsupported, "it needs process numbers of its own");
        return Err(failure::wall(Wall::Network, "there is nobody to keep the door of its network:")(nobody));
    }
    room::build(&order, None, &mut built)?;
    program::become_it(&order, parent, &built).map(|()| ExitCode::SUCCESS)
}

/// The program's standard input, the door if there is one, and two lengths: the first message on descriptor 0.
fn receive_descriptors() -> io::Result<(OwnedFd, Option<OwnedFd>, [u32; 2])> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let (mut order, mut spec) = ([0; 4], [0; 4]);
    let mut parts = [IoSliceMut::new(&mut order), IoSliceMut::new(&mut spec)];
    let received = recvmsg(rustix::stdio::stdin(), &mut parts, &mut ancillary, RecvFlags::CMSG_CLOEXEC)?;
    let descriptors = ancillary.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => Some((descriptors.next()?, descriptors.next())),
        _ => None,
    });
    match descriptors {
        Some((stdin, door)) if received.bytes == 8 => {
            Ok((stdin, door, [u32::from_be_bytes(order), u32::from_be_bytes(spec)]))
        }
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

fn receive(socket: &mut UnixStream, length: u32) -> io::Result<Zeroizing<Vec<u8>>> {
    if length > MAX_SPEC {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("{length} bytes are too many")));
    }
    let mut json = Zeroizing::new(vec![0; length as usize]);
    socket.read_exact(&mut json)?;
    Ok(json)
}

/// A session of its own, which ends with the parent.
fn detach(parent: u32) -> Result<(), Failure> {
    setsid().map_err(step("cannot make a session:"))?;
    end_with_parent()?;
    // Had the parent ended just before, no signal would come.
    let still_ours = getppid().is_some_and(|pid| pid.as_raw_nonzero().get().unsigned_abs() == parent);
    if still_ours { Ok(()) } else { Err(step("has lost its parent:")(io::Error::from(io::ErrorKind::NotConnected))) }
}

/// Arms the death signal. A change of user disarms it.
fn end_with_parent() -> Result<(), Failure> {
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(step("cannot arm the death signal:"))
}

/// Tells the parent which walls stand, and that the program runs or is about to.
fn report(socket: &mut UnixStream, built: &[Built]) -> Result<(), Failure> {
    let mut message = vec![REPORT];
    serde_json::to_writer(&mut message, built).map_err(step("cannot report:"))?;
    message.extend([b'\n', READY]);
    socket.write_all(&message).map_err(step("cannot answer:"))
}
