//! What Berth and the keeper of a door say to each other: [`Message`]s of one size on a socket that
//! keeps them apart (`SOCK_SEQPACKET`), each with at most one descriptor.

use std::{
    io::{self, IoSlice, IoSliceMut},
    mem::MaybeUninit,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};

const LENGTH: usize = 12;

const DIAL: u8 = 1;
const DIALLED: u8 = 2;
const FAILED: u8 = 3;
const KNOCKED: u8 = 4;

/// One message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Message {
    /// To the keeper: connect to this port on the loopback interface behind the door.
    Dial { id: u32, port: u16 },
    /// From it, with the connection, which may still be under way.
    Dialled { id: u32 },
    /// From it: no connection, for this error number.
    Failed { id: u32, errno: u32 },
    /// From it, with the connection: somebody behind the door asks for the target of this number.
    Knocked { target: u16 },
}

impl Message {
    fn encode(self) -> [u8; LENGTH] {
        let (kind, short, id, errno) = match self {
            Self::Dial { id, port } => (DIAL, port, id, 0),
            Self::Dialled { id } => (DIALLED, 0, id, 0),
            Self::Failed { id, errno } => (FAILED, 0, id, errno),
            Self::Knocked { target } => (KNOCKED, target, 0, 0),
        };
        let mut bytes = [0; LENGTH];
        bytes[0] = kind;
        bytes[2..4].copy_from_slice(&short.to_be_bytes());
        bytes[4..8].copy_from_slice(&id.to_be_bytes());
        bytes[8..].copy_from_slice(&errno.to_be_bytes());
        bytes
    }

    fn decode(bytes: [u8; LENGTH]) -> Option<Self> {
        let [kind, _, a, b, id @ .., _, _, _, _] = bytes;
        let [.., e, f, g, h] = bytes;
        let (short, id, errno) = (u16::from_be_bytes([a, b]), u32::from_be_bytes(id), u32::from_be_bytes([e, f, g, h]));
        match kind {
            DIAL => Some(Self::Dial { id, port: short }),
            DIALLED => Some(Self::Dialled { id }),
            FAILED => Some(Self::Failed { id, errno }),
            KNOCKED => Some(Self::Knocked { target: short }),
            _ => None,
        }
    }
}

/// The two ends of a door, neither of which outlives an `exec`: Berth's, which never blocks, and the keeper's.
pub(in crate::process) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    Ok(socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?)
}

/// Sends one message, whole or not at all. Never blocks.
pub(super) fn send(socket: impl AsFd, message: Message, descriptor: Option<BorrowedFd<'_>>) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let descriptors = descriptor.as_slice();
    if !descriptors.is_empty() {
        ancillary.push(SendAncillaryMessage::ScmRights(descriptors));
    }
    let bytes = message.encode();
    sendmsg(socket, &[IoSlice::new(&bytes)], &mut ancillary, SendFlags::NOSIGNAL | SendFlags::DONTWAIT)?;
    Ok(())
}

/// Takes one message. Never blocks.
///
/// # Errors
/// `WouldBlock` when there is none, `UnexpectedEof` when the other side is gone, `InvalidData` when it
/// is not one of ours.
pub(super) fn receive(socket: impl AsFd) -> io::Result<(Message, Option<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    // One more than there may be, so that a longer message is seen to be one.
    let mut bytes = [0; LENGTH + 1];
    let mut parts = [IoSliceMut::new(&mut bytes)];
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
    let length = recvmsg(socket, &mut parts, &mut ancillary, flags)?.bytes;
    let mut descriptors = ancillary.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
        _ => None,
    });
    // Whatever else came along is closed here.
    let descriptor = descriptors.next().and_then(|mut descriptors| descriptors.next());
    if length == 0 && descriptor.is_none() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let whole: Option<[u8; LENGTH]> = bytes[..length].try_into().ok();
    let message = whole.and_then(Message::decode);
    message.map(|message| (message, descriptor)).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_arrive_as_they_were_sent() {
        let (ours, theirs) = pair().unwrap();
        let messages = [
            Message::Dial { id: 7, port: 3001 },
            Message::Dialled { id: u32::MAX },
            Message::Failed { id: 1, errno: 111 },
            Message::Knocked { target: 63 },
        ];
        for message in messages {
            send(&ours, message, None).unwrap();
            let (came, descriptor) = receive(&theirs).unwrap();
            assert_eq!(came, message);
            assert!(descriptor.is_none());
        }
        send(&ours, messages[3], Some(ours.as_fd())).unwrap();
        assert!(receive(&theirs).unwrap().1.is_some());
    }

    #[test]
    fn what_is_no_message_is_an_error() {
        let (ours, theirs) = pair().unwrap();
        assert_eq!(receive(&theirs).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        for bytes in [&[DIAL; 3][..], &[DIAL; LENGTH + 1], &[DIAL; 4096], &[9; LENGTH]] {
            rustix::io::write(&ours, bytes).unwrap();
            assert_eq!(receive(&theirs).unwrap_err().kind(), io::ErrorKind::InvalidData, "{} bytes", bytes.len());
        }
        drop(ours);
        assert_eq!(receive(&theirs).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
