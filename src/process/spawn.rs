//! The parent's half of a launch: fork the stage, hand it the spec, wait for the program.
//!
//! All forks happen on one thread, because the kernel sends a child's death signal when the
//! *thread* that forked it ends, and because `fork` blocks. The thread lives as long as the launcher
//! or any child.

use std::{
    borrow::Cow,
    io::{self, IoSlice},
    mem::MaybeUninit,
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream as StdUnixStream,
    },
    path::PathBuf,
    process::{Child as StdChild, Command, ExitStatus},
    sync::{Arc, mpsc},
    time::Duration,
};

use futures_util::{FutureExt, future::BoxFuture};
use rustix::{
    net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg},
    process::{Pid, PidfdFlags, Signal, pidfd_open},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, unix::AsyncFd},
    net::{UnixStream, unix::pipe},
    sync::oneshot,
    time::timeout,
};
use zeroize::Zeroizing;

use super::{
    Child, LaunchSpec, Launcher, ProcessTree, SpawnError,
    cgroup::{Cgroups, Room},
    reaper::{self, Leader},
    wire::{DEFAULT_OPEN_FILES, MAX_SPEC, READY, WireSpec},
};
use crate::domain::crash::ExitReason;

/// How long the launch stage may take; it takes milliseconds.
const STAGE_TIMEOUT: Duration = Duration::from_secs(10);

/// What a broken stage says is cut to this.
const MAX_STAGE_TEXT: u64 = 4096;

/// Starts real processes through the launch stage.
#[derive(Debug)]
pub struct ProcessLauncher {
    exe: PathBuf,
    forks: mpsc::Sender<Fork>,
    cgroups: Arc<Cgroups>,
}

#[derive(Debug)]
struct Fork {
    command: Command,
    reply: oneshot::Sender<io::Result<Forked>>,
}

/// A forked stage. When nobody takes it over it is ended.
#[derive(Debug)]
struct Forked {
    child: StdChild,
    leader: Arc<Leader>,
}

impl ProcessLauncher {
    /// A launcher whose stage is `exe launch`.
    ///
    /// # Errors
    /// [`SpawnError::Fork`] when its thread cannot be started.
    pub fn new(exe: PathBuf) -> Result<Self, SpawnError> {
        let (forks, requests) = mpsc::channel::<Fork>();
        let serve = move || requests.into_iter().for_each(Fork::serve);
        std::thread::Builder::new().name("berth-launch".to_owned()).spawn(serve).map_err(SpawnError::Fork)?;
        Ok(Self { exe, forks, cgroups: Arc::new(Cgroups::none()) })
    }

    /// A launcher whose stage is the running binary: the very file, even if another has taken its path.
    ///
    /// # Errors
    /// See [`ProcessLauncher::new`].
    pub fn of_this_binary() -> Result<Self, SpawnError> {
        Self::new(PathBuf::from("/proc/self/exe"))
    }

    /// The same with control groups for what is launched, where the machine grants them.
    #[must_use]
    pub fn with_cgroups(self, cgroups: Arc<Cgroups>) -> Self {
        Self { cgroups, ..self }
    }

    /// Makes the control groups, off the runtime: the kernel may take its time.
    async fn room(&self, spec: &LaunchSpec) -> Result<Option<Arc<Room>>, SpawnError> {
        let Some(limits) = spec.cgroup else { return Ok(None) };
        let (cgroups, marker) = (Arc::clone(&self.cgroups), spec.marker.clone());
        let made = tokio::task::spawn_blocking(move || cgroups.room(&marker, &limits)).await;
        made.map_err(|error| SpawnError::Fork(io::Error::other(error)))?.map_err(SpawnError::Group)
    }

    async fn start(&self, spec: LaunchSpec) -> Result<Child, SpawnError> {
        let room = self.room(&spec).await?;
        let json = encode(&spec, room.as_ref().map(|room| room.doors()).unwrap_or_default())?;
        let (ours, theirs) = Ends::new().map_err(SpawnError::Pipes)?;
        let mut command = Command::new(&self.exe);
        command.arg("launch").env_clear().envs(spec.marker.env(&spec.name));
        let Theirs { control, stdin, stdout, stderr } = theirs;
        command.stdin(OwnedFd::from(control)).stdout(OwnedFd::from(stdout)).stderr(OwnedFd::from(stderr));

        let Forked { child, leader } = self.fork(command).await.map_err(SpawnError::Fork)?;
        let pid = leader.pid();
        let tree = ProcessTree::new(Arc::clone(&leader), spec.marker, room);
        let exit = self.watch(child, Arc::clone(&leader)).map_err(SpawnError::Pipes)?;
        let Ends { control, stdin: program_stdin, stdout, stderr } = ours;
        let child = Child { pid, stdin: program_stdin, stdout, stderr, exit, tree };
        let hand_over = hand_over(control, stdin.into(), &json);
        let handed = match timeout(STAGE_TIMEOUT, hand_over).await {
            Ok(handed) => handed,
            Err(_) => Err(SpawnError::TimedOut(STAGE_TIMEOUT.as_secs())),
        };
        match handed {
            Ok(()) => Ok(child),
            Err(error) => Err(give_up(child, &leader, error).await),
        }
    }

    async fn fork(&self, command: Command) -> io::Result<Forked> {
        let (reply, forked) = oneshot::channel();
        let gone = || io::Error::other("the launcher's thread has ended");
        self.forks.send(Fork { command, reply }).map_err(|_| gone())?;
        forked.await.map_err(|_| gone())?
    }

    /// Starts the task that waits for the leader.
    fn watch(&self, child: StdChild, leader: Arc<Leader>) -> io::Result<oneshot::Receiver<ExitReason>> {
        let waiter = Waiter { child, leader, _thread: self.forks.clone() };
        let pidfd = pidfd_open(Pid::from_child(&waiter.child), PidfdFlags::NONBLOCK)?;
        // Its successor is `unsafe` for types that may swap their descriptor; an `OwnedFd` never does.
        #[allow(deprecated, reason = "an OwnedFd upholds what the unsafe successor asks for")]
        let pidfd = AsyncFd::new(pidfd)?;
        let (sender, exit) = oneshot::channel();
        tokio::spawn(async move {
            let reason = waiter.wait(pidfd).await;
            let _ = sender.send(reason);
        });
        Ok(exit)
    }
}

impl Launcher for ProcessLauncher {
    fn launch(&self, spec: LaunchSpec) -> BoxFuture<'_, Result<Child, SpawnError>> {
        self.start(spec).boxed()
    }
}

impl Fork {
    fn serve(self) {
        let Self { mut command, reply } = self;
        let forked = reaper::register(|| command.spawn()).map(|(child, leader)| Forked { child, leader });
        // The parent's copies of the child's ends go with the command, so that their ends are seen.
        drop(command);
        if let Err(Ok(Forked { leader, .. })) = reply.send(forked) {
            leader.signal_group(Signal::KILL);
            leader.abandon();
        }
    }
}

/// Waits for one leader. Dropped before the end, it leaves the zombie to the reaper.
struct Waiter {
    child: StdChild,
    leader: Arc<Leader>,
    _thread: mpsc::Sender<Fork>,
}

impl Waiter {
    async fn wait(mut self, pidfd: AsyncFd<OwnedFd>) -> ExitReason {
        let lost = |error: io::Error| ExitReason::Lost { detail: format!("its end could not be observed: {error}") };
        loop {
            let mut ready = match pidfd.readable().await {
                Ok(ready) => ready,
                Err(error) => return lost(error),
            };
            match self.leader.reap(|| self.child.try_wait()) {
                Ok(Some(status)) => return reason(status),
                Ok(None) => ready.clear_ready(),
                Err(error) => return lost(error),
            }
        }
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        if !self.leader.is_reaped() {
            self.leader.abandon();
        }
    }
}

fn reason(status: ExitStatus) -> ExitReason {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => ExitReason::Code { code },
        (None, Some(signal)) => ExitReason::Signal { signal },
        (None, None) => ExitReason::Lost { detail: format!("it ended with {status}") },
    }
}

/// Our ends of what connects us with the child.
struct Ends {
    control: UnixStream,
    stdin: pipe::Sender,
    stdout: pipe::Receiver,
    stderr: pipe::Receiver,
}

/// The child's ends; blocking, as programs expect.
struct Theirs {
    control: StdUnixStream,
    stdin: io::PipeReader,
    stdout: io::PipeWriter,
    stderr: io::PipeWriter,
}

impl Ends {
    fn new() -> io::Result<(Self, Theirs)> {
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

/// Gives the stage the spec and waits until it has become the program.
async fn hand_over(mut control: UnixStream, stdin: OwnedFd, json: &[u8]) -> Result<(), SpawnError> {
    // A stage that fails early closes its end: its own words then say more than the broken pipe.
    let sent = async {
        send_stdin(&control, stdin, json.len())?;
        control.write_all(json).await
    };
    let sent = sent.await;
    let mut answer = Vec::new();
    let heard = (&mut control).take(MAX_STAGE_TEXT).read_to_end(&mut answer).await;
    match (answer.strip_prefix(&[READY]), sent, heard) {
        (Some([]), ..) => Ok(()),
        (Some(text), ..) => Err(SpawnError::Stage(String::from_utf8_lossy(text).trim_end().to_owned())),
        (None, ..) if !answer.is_empty() => {
            Err(SpawnError::Stage(String::from_utf8_lossy(&answer).trim_end().to_owned()))
        }
        (None, Err(error), _) | (None, Ok(()), Err(error)) => Err(SpawnError::Handshake(error)),
        (None, Ok(()), Ok(_)) => Err(SpawnError::Handshake(io::ErrorKind::UnexpectedEof.into())),
    }
}

fn send_stdin(control: &UnixStream, stdin: OwnedFd, length: usize) -> io::Result<()> {
    let length = u32::try_from(length).map_err(io::Error::other)?.to_be_bytes();
    let descriptors = [stdin.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
    // Four bytes into an empty socket: never blocks, never partial.
    sendmsg(control, &[IoSlice::new(&length)], &mut ancillary, SendFlags::NOSIGNAL)?;
    // The child must be the only reader of its standard input, or nobody would see it close.
    drop(stdin);
    Ok(())
}

/// Ends a stage that did not become a program; a stage that broke off may have said why on standard error.
async fn give_up(child: Child, leader: &Leader, error: SpawnError) -> SpawnError {
    let Child { stderr, exit, tree, .. } = child;
    if matches!(error, SpawnError::TimedOut(_)) {
        leader.signal_group(Signal::KILL);
    }
    // It has no descendants yet: once its end is known, nothing is left to sweep.
    if timeout(Duration::from_secs(1), exit).await.is_ok() {
        tree.disarm();
    }
    let SpawnError::Handshake(source) = error else { return error };
    let mut text = [0; 512];
    match stderr.try_read(&mut text) {
        Ok(length) if length > 0 => {
            let said = String::from_utf8_lossy(&text[..length]);
            SpawnError::Stage(format!("the launch stage broke off: {}", said.trim_end()))
        }
        _ => SpawnError::Handshake(source),
    }
}

/// The spec as JSON, after the checks that the kernel would make less legibly.
fn encode(spec: &LaunchSpec, cgroups: Vec<String>) -> Result<Zeroizing<Vec<u8>>, SpawnError> {
    let reject = |what: String| Err(SpawnError::Spec(what));
    let (Some(program), Some(cwd)) = (spec.program.to_str(), spec.cwd.to_str()) else {
        return reject("the program and the working directory must be UTF-8".to_owned());
    };
    if !spec.cwd.is_absolute() {
        return reject(format!("the working directory {cwd} must be absolute"));
    }
    let marks = spec.marker.env(&spec.name);
    let marks = marks.iter().map(|(name, value)| (Cow::Borrowed(*name), Cow::Borrowed(value.as_str())));
    let env = spec.env.iter().map(|(name, value)| (Cow::Borrowed(name.as_str()), Cow::Borrowed(value.expose())));
    // The marks come last and win: a child cannot be configured to hide.
    let env: Vec<_> = env.chain(marks).collect();
    if let Some((name, _)) = env.iter().find(|(name, _)| name.is_empty() || name.contains(['=', '\0'])) {
        return reject(format!("the environment variable {name:?} has no valid name"));
    }
    if let Some((name, _)) = env.iter().find(|(_, value)| value.contains('\0')) {
        return reject(format!("the environment variable {name} holds a NUL byte"));
    }
    if spec.args.iter().any(|arg| arg.contains('\0')) || program.contains('\0') || cwd.contains('\0') {
        return reject("the program, its arguments and its directory must not hold a NUL byte".to_owned());
    }
    // Room for everything at once, so that no copy of a secret is left behind by growing.
    let room = env.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() * 6 + 4096;
    let wire = WireSpec {
        parent: std::process::id(),
        cgroups,
        program: Cow::Borrowed(program),
        args: Cow::Borrowed(&spec.args),
        env,
        cwd: Cow::Borrowed(cwd),
        open_files: spec.open_files.unwrap_or(DEFAULT_OPEN_FILES),
    };
    let mut json = Zeroizing::new(Vec::with_capacity(room));
    serde_json::to_writer(&mut *json, &wire).map_err(|error| SpawnError::Spec(error.to_string()))?;
    if json.len() > MAX_SPEC as usize {
        return reject("arguments and environment together are too long".to_owned());
    }
    Ok(json)
}
