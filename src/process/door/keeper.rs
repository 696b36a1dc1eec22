//! The keeper of a door: the half that lives in the instance's own network, in a stage of the launch.
//!
//! It makes connections to ports behind the door when Berth asks, and takes those that are meant for
//! the targets of the allow-list. Either is handed to Berth as a descriptor, so that no byte passes
//! through here. It never blocks, and does a bounded amount of work at a time.
//!
//! Invariants: its sockets are closed on `exec`; it holds no connection longer than it takes to hand it over.

use std::{
    io,
    net::{Ipv4Addr, SocketAddrV4},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use rustix::{
    io::Errno,
    net::{
        AddressFamily, SocketFlags, SocketType, accept_with, bind, connect, listen, socket_with,
        sockopt::{set_socket_reuseaddr, set_tcp_nodelay},
    },
};

use super::wire::{self, Message};
use crate::process::netns::Target;

/// Connections that may wait at one target.
const BACKLOG: i32 = 16;
/// Messages or connections taken at a time from one socket.
const AT_A_TIME: usize = 16;

const PLAIN: SocketFlags = SocketFlags::CLOEXEC.union(SocketFlags::NONBLOCK);

/// The sockets of a keeper.
pub(in crate::process) struct Keeper {
    /// To Berth. First of [`Keeper::sockets`].
    berth: OwnedFd,
    /// One per target, in the order of the allow-list.
    targets: Vec<OwnedFd>,
}

impl Keeper {
    /// A keeper who listens at `targets`, in the network that this process is in. Low ports need the
    /// privileges of its owner.
    ///
    /// # Errors
    /// When a target's address is not to be had.
    pub(in crate::process) fn open(berth: OwnedFd, targets: &[Target]) -> io::Result<Self> {
        let targets = targets.iter().map(|target| listen_at(target.at));
        Ok(Self { berth, targets: targets.collect::<io::Result<_>>()? })
    }

    /// What to poll for readability. The answer is for [`Keeper::serve`], by position.
    pub(in crate::process) fn sockets(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        std::iter::once(self.berth.as_fd()).chain(self.targets.iter().map(AsFd::as_fd))
    }

    /// Serves the socket at `position`. Whether the keeper still has a door to keep: once Berth is gone,
    /// or speaks what it does not know, it has none.
    pub(in crate::process) fn serve(&self, position: usize) -> bool {
        let Some(target) = position.checked_sub(1) else { return self.answer() };
        if let (Some(socket), Ok(number)) = (self.targets.get(target), u16::try_from(target)) {
            self.admit(socket, number);
        }
        true
    }

    fn answer(&self) -> bool {
        for _ in 0..AT_A_TIME {
            match wire::receive(&self.berth) {
                Ok((Message::Dial { id, port }, _)) => self.dial(id, port),
                Ok(_) => return false,
                Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
            }
        }
        true
    }

    /// A message that does not get through is lost, and with it the connection; Berth stops waiting in time.
    fn dial(&self, id: u32, port: u16) {
        let _ = match dial(port) {
            Ok(connection) => wire::send(&self.berth, Message::Dialled { id }, Some(connection.as_fd())),
            Err(errno) => {
                wire::send(&self.berth, Message::Failed { id, errno: errno.raw_os_error().unsigned_abs() }, None)
            }
        };
    }

    fn admit(&self, socket: &OwnedFd, target: u16) {
        for _ in 0..AT_A_TIME {
            let Ok(connection) = accept_with(socket, PLAIN) else { return };
            let _ = wire::send(&self.berth, Message::Knocked { target }, Some(connection.as_fd()));
        }
    }
}

fn listen_at(address: SocketAddrV4) -> io::Result<OwnedFd> {
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, PLAIN, None)?;
    set_socket_reuseaddr(&socket, true)?;
    bind(&socket, &address)?;
    listen(&socket, BACKLOG)?;
    Ok(socket)
}

/// A connection to `port` here, made or under way.
fn dial(port: u16) -> Result<OwnedFd, Errno> {
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, PLAIN, None)?;
    set_tcp_nodelay(&socket, true)?;
    match connect(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(socket),
        Err(errno) => Err(errno),
    }
}
