//! The parent's side of the conversation with the launch stage: the ends of the pipes, the order and the
//! spec on their way, and what comes back. See `wire`.

use std::{
    borrow::Cow,
    io::{self, IoSlice},
    mem::MaybeUninit,
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream as StdUnixStream,
    },
    path::PathBuf,
};

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixStream, unix::pipe},
};
use zeroize::Zeroizing;

use super::{
    LaunchSpec, SpawnError,
    netns::Fence,
    wire::{Built, DEFAULT_OPEN_FILES, MAX_SPEC, NO_WALL, READY, REPORT, WireOrder, WireSpec},
};
use crate::domain::walls::Wall;

/// What a broken stage says is cut to this; a report is shorter.
const MAX_STAGE_TEXT: u64 = 16_384;

/// Two messages in JSON, the order and the spec.
pub(super) struct Letter {
    lengths: [u8; 8],
    json: Zeroizing<Vec<u8>>,
}

/// Our ends of what connects us with the child.
pub(super) struct Ends {
    pub(super) control: UnixStream,
    pub(super) stdin: pipe::Sender,
    pub(super) stdout: pipe::Receiver,
    pub(super) stderr: pipe::Receiver,
}

/// The child's ends; blocking, as programs expect.
pub(super) struct Theirs {
    pub(super) control: StdUnixStream,
    pub(super) stdin: io::PipeReader,
    pub(super) stdout: io::PipeWriter,
    pub(super) stderr: io::PipeWriter,
}

impl Ends {
    pub(super) fn new() -> io::Result<(Self, Theirs)> {
        let (control, their_control) = StdUnixStream::pair()?;
        control.set_nonblocking(true)?;
        let (their_stdin, stdin) = io::pipe()?;
        let (stdout, their_stdout) = io::pipe()?;
        let (stderr, their_stderr) = io::pipe()?;
        let ours = Self {
            control: UnixStream::from_std(control)?,
            stdin: pipe::Sender::from_owned_fd(stdin.into())?,
            stdout: pipe::Receiver::from_owned_fd(stdout.into())?,
            stderr: pipe::Receiver::from_owned_fd(stderr.into())?,
        };
        let theirs = Theirs { control: their_control, stdin: their_stdin, stdout: their_stdout, stderr: their_stderr };
        Ok((ours, theirs))
    }
}

/// Gives the stage its letter and waits until the program runs. The walls that were built.
pub(super) async fn hand_over(
    mut control: UnixStream,
    (stdin, door): (OwnedFd, Option<OwnedFd>),
    letter: &Letter,
) -> Result<Vec<Built>, SpawnError> {
    // A stage that fails early closes its end: its own words then say more than the broken pipe.
    let sent = async {
        send_descriptors(&control, &stdin, door.as_ref(), letter.lengths)?;
        // The child must be the only one to have them, or nobody would see them close.
        drop((stdin, door));
        control.write_all(&letter.json).await
    };
    let sent = sent.await;
    let mut answer = Vec::new();
    let heard = (&mut control).take(MAX_STAGE_TEXT).read_to_end(&mut answer).await;
    match (understand(&answer), sent, heard) {
        (Some(answer), ..) => answer,
        (None, Err(error), _) | (None, Ok(()), Err(error)) => Err(SpawnError::Handshake(error)),
        (None, Ok(()), Ok(_)) => Err(SpawnError::Handshake(io::ErrorKind::UnexpectedEof.into())),
    }
}

/// What the stage has answered; `None` for nothing.
pub(super) fn understand(answer: &[u8]) -> Option<Result<Vec<Built>, SpawnError>> {
    let text = |bytes: &[u8]| SpawnError::Stage(String::from_utf8_lossy(bytes).trim_end().to_owned());
    let garbled = |error: serde_json::Error| SpawnError::Handshake(error.into());
    let (kind, rest) = answer.split_first()?;
    let line = rest.split(|byte| *byte == b'\n').next().unwrap_or_default();
    Some(match *kind {
        REPORT => match (serde_json::from_slice(line), rest.get(line.len() + 1..)) {
            (Ok(built), Some([READY])) => Ok(built),
            (Ok(_), Some([READY, failed @ ..])) => Err(text(failed)),
            (Ok(_), _) => return None,
            (Err(error), _) => Err(garbled(error)),
        },
        NO_WALL => Err(match serde_json::from_slice::<Built>(line) {
            Ok(Built { wall, detail }) => SpawnError::MissingWall { wall, why: detail },
            Err(error) => garbled(error),
        }),
        _ => Err(text(answer)),
    })
}

/// Sends the first message. Eight bytes into an empty socket: never blocks, never partial.
pub(super) fn send_descriptors(
    control: impl AsFd,
    stdin: &OwnedFd,
    door: Option<&OwnedFd>,
    lengths: [u8; 8],
) -> io::Result<()> {
    let descriptors: Vec<_> = std::iter::once(stdin).chain(door).map(AsFd::as_fd).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
    sendmsg(control, &[IoSlice::new(&lengths)], &mut ancillary, SendFlags::NOSIGNAL)?;
    Ok(())
}

impl Letter {
    /// The letter for `spec` without the walls in `without`, after the checks that the kernel would make
    /// less legibly.
    /// It enters the control groups at `doors`.
    pub(super) fn new(spec: &LaunchSpec, without: &[Built], doors: Vec<PathBuf>) -> Result<Self, SpawnError> {
        check(spec)?;
        let walls = spec.room.asked().filter(|wall| !without.iter().any(|built| built.wall == *wall)).collect();
        let order = WireOrder { cgroups: Cow::Owned(doors), ..order(spec, walls, false)? };
        Self::write(&order, &program(spec), room_for(spec))
    }

    /// The letter for a try of the walls of `spec`, without a program.
    pub(super) fn probing(spec: &LaunchSpec, walls: Vec<Wall>) -> Result<Self, SpawnError> {
        Self::write(&order(spec, walls, true)?, &program(spec), room_for(spec))
    }

    fn write(order: &WireOrder<'_>, spec: &WireSpec<'_>, room: usize) -> Result<Self, SpawnError> {
        let unfit = |error: serde_json::Error| SpawnError::Spec(error.to_string());
        let mut json = Zeroizing::new(Vec::with_capacity(room));
        serde_json::to_writer(&mut *json, order).map_err(unfit)?;
        let order = json.len();
        serde_json::to_writer(&mut *json, spec).map_err(unfit)?;
        let length = |bytes: usize| u32::try_from(bytes).ok().filter(|bytes| *bytes <= MAX_SPEC);
        let (Some(first), Some(second)) = (length(order), length(json.len() - order)) else {
            return Err(SpawnError::Spec("arguments and environment together are too long".to_owned()));
        };
        let mut lengths = [0; 8];
        lengths[..4].copy_from_slice(&first.to_be_bytes());
        lengths[4..].copy_from_slice(&second.to_be_bytes());
        Ok(Self { lengths, json })
    }

    pub(super) const fn lengths(&self) -> [u8; 8] {
        self.lengths
    }

    pub(super) fn json(&self) -> &[u8] {
        &self.json
    }
}

fn order(spec: &LaunchSpec, walls: Vec<Wall>, probe: bool) -> Result<WireOrder<'_>, SpawnError> {
    let room = &spec.room;
    let fence = room.fence()?.filter(|_| walls.contains(&Wall::Network));
    Ok(WireOrder {
        parent: std::process::id(),
        cgroups: Cow::default(),
        walls,
        level: room.level,
        identity: room.identity,
        view: Cow::Borrowed(&room.view),
        network: fence.as_ref().map(Fence::wall),
        port: room.port,
        open_files: spec.open_files.unwrap_or(DEFAULT_OPEN_FILES),
        file_bytes: room.file_bytes,
        processes: room.processes,
        probe,
    })
}

fn program(spec: &LaunchSpec) -> WireSpec<'_> {
    WireSpec {
        program: spec.program.to_string_lossy(),
        args: Cow::Borrowed(&spec.args),
        env: environment(spec),
        cwd: spec.cwd.to_string_lossy(),
    }
}

/// The marks come last and win: a child cannot be configured to hide.
fn environment(spec: &LaunchSpec) -> Vec<(Cow<'_, str>, Cow<'_, str>)> {
    let marks = spec.marker.env(&spec.name).into_iter().map(|(name, value)| (Cow::Borrowed(name), Cow::Owned(value)));
    let own = spec.env.iter().map(|(name, value)| (Cow::Borrowed(name.as_str()), Cow::Borrowed(value.expose())));
    own.chain(marks).collect()
}

/// Room for everything at once, so that no copy of a secret is left behind by growing.
fn room_for(spec: &LaunchSpec) -> usize {
    let texts = spec.env.iter().map(|(name, value)| name.len() + value.expose().len());
    let arguments = spec.args.iter().map(String::len);
    texts.chain(arguments).sum::<usize>() * 6 + 16_384
}

fn check(spec: &LaunchSpec) -> Result<(), SpawnError> {
    let reject = |what: String| Err(SpawnError::Spec(what));
    let (Some(program), Some(cwd)) = (spec.program.to_str(), spec.cwd.to_str()) else {
        return reject("the program and the working directory must be UTF-8".to_owned());
    };
    if !spec.cwd.is_absolute() {
        return reject(format!("the working directory {cwd} must be absolute"));
    }
    let env = environment(spec);
    if let Some((name, _)) = env.iter().find(|(name, _)| name.is_empty() || name.contains(['=', '\0'])) {
        return reject(format!("the environment variable {name:?} has no valid name"));
    }
    if let Some((name, _)) = env.iter().find(|(_, value)| value.contains('\0')) {
        return reject(format!("the environment variable {name} holds a NUL byte"));
    }
    if spec.args.iter().any(|arg| arg.contains('\0')) || program.contains('\0') || cwd.contains('\0') {
        return reject("the program, its arguments and its directory must not hold a NUL byte".to_owned());
    }
    Ok(())
}
