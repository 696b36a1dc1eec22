//! The parent's half of a launch: fork the stage, hand it the spec, wait for the program.
//!
//! All forks happen on one thread, because the kernel sends a child's death signal when the
//! *thread* that forked it ends, and because `fork` blocks. The thread lives as long as the launcher
//! or any child.

use std::{
    io,
    os::fd::OwnedFd,
    path::PathBuf,
    process::{Child as StdChild, Command, ExitStatus},
    sync::{Arc, mpsc},
    time::Duration,
};

use futures_util::{FutureExt, future::BoxFuture};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open};
use tokio::{io::unix::AsyncFd, sync::oneshot, time::timeout};

use super::{
    Child, Door, LaunchSpec, Launcher, ProcessTree, SpawnError,
    cgroup::{self, Cgroups},
    door,
    handshake::{Ends, Letter, Theirs, hand_over},
    reaper::{self, Leader},
    walls::Policy,
    wire::Built,
};
use crate::{
    domain::{crash::ExitReason, walls::Wall},
    outbound::Guard,
};

/// How long the launch stage may take; it takes milliseconds.
const STAGE_TIMEOUT: Duration = Duration::from_secs(10);

/// Starts real processes through the launch stage.
#[derive(Debug)]
pub struct ProcessLauncher {
    exe: PathBuf,
    forks: mpsc::Sender<Fork>,
    cgroups: Arc<Cgroups>,
    policy: Policy,
    guard: Arc<Guard>,
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
        let cgroups = Arc::new(Cgroups::none());
        Ok(Self { exe, forks, cgroups, policy: Policy::default(), guard: Arc::default() })
    }

    /// A launcher whose stage is the running binary: the very file, even if another has taken its path.
    ///
    /// # Errors
    /// See [`ProcessLauncher::new`].
    pub fn of_this_binary() -> Result<Self, SpawnError> {
        Self::new(PathBuf::from("/proc/self/exe"))
    }

    /// The same launcher with control groups for what is launched, where the machine grants them.
    #[must_use]
    pub fn with_cgroups(self, cgroups: Arc<Cgroups>) -> Self {
        Self { cgroups, ..self }
    }

    /// Makes the control groups, off the runtime: the kernel may take its time.
    async fn group(&self, spec: &LaunchSpec) -> Result<Option<Arc<cgroup::Group>>, SpawnError> {
        let Some(limits) = spec.cgroup else { return Ok(None) };
        let (cgroups, marker) = (Arc::clone(&self.cgroups), spec.marker.clone());
        let made = tokio::task::spawn_blocking(move || cgroups.group(&marker, &limits)).await;
        made.map_err(|error| SpawnError::Fork(io::Error::other(error)))?.map_err(SpawnError::Group)
    }

    /// The same launcher, which goes without the walls that `policy` says.
    #[must_use]
    pub fn with_policy(self, policy: Policy) -> Self {
        Self { policy, ..self }
    }

    /// The same launcher, whose programs reach outside what `guard` lets pass, and their allow-lists name.
    #[must_use]
    pub fn with_guard(self, guard: Arc<Guard>) -> Self {
        Self { guard, ..self }
    }

    async fn start(&self, spec: LaunchSpec) -> Result<Child, SpawnError> {
        let mut without = self.policy.known_missing(&spec.room);
        loop {
            match self.attempt(&spec, &without).await {
                Err(SpawnError::MissingWall { wall, why })
                    if self.policy.allows(wall) && !without.iter().any(|built| built.wall == wall) =>
                {
                    without.push(Built { wall, detail: why });
                }
                ended => return ended,
            }
        }
    }

    /// One try, without the walls in `without`.
    async fn attempt(&self, spec: &LaunchSpec, without: &[Built]) -> Result<Child, SpawnError> {
        let group = self.group(spec).await?;
        let letter = Letter::new(spec, without, group.as_ref().map(|group| group.doors()).unwrap_or_default())?;
        let (door, theirs_of_door) = door_of(spec, without)?.unzip();
        let (ours, theirs) = Ends::new().map_err(SpawnError::Pipes)?;
        let mut command = Command::new(&self.exe);
        command.arg("launch").env_clear().envs(spec.marker.env(&spec.name));
        let Theirs { control, stdin, stdout, stderr } = theirs;
        command.stdin(OwnedFd::from(control)).stdout(OwnedFd::from(stdout)).stderr(OwnedFd::from(stderr));

        let Forked { child, leader } = self.fork(command).await.map_err(SpawnError::Fork)?;
        let pid = leader.pid();
        let tree = ProcessTree::new(Arc::clone(&leader), spec.marker.clone(), group);
        let exit = self.watch(child, Arc::clone(&leader)).map_err(SpawnError::Pipes)?;
        let Ends { control, stdin: program_stdin, stdout, stderr } = ours;
        let mut child = Child { pid, stdin: program_stdin, stdout, stderr, exit, tree, walls: Vec::new(), door: None };
        let hand_over = hand_over(control, (stdin.into(), theirs_of_door), &letter);
        let handed = match timeout(STAGE_TIMEOUT, hand_over).await {
            Ok(handed) => handed,
            Err(_) => Err(SpawnError::TimedOut(STAGE_TIMEOUT.as_secs())),
        };
        match handed {
            Ok(built) => {
                if built.iter().any(|built| built.wall == Wall::Pids) {
                    child.tree.is_kept_by_two();
                }
                child.walls = super::walls::report(&built, without);
                child.door = door.map(|door| self.open(door, spec)).transpose()?;
                Ok(child)
            }
            Err(error) => Err(give_up(child, &leader, error).await),
        }
    }

    fn open(&self, door: OwnedFd, spec: &LaunchSpec) -> Result<Door, SpawnError> {
        let endpoints = spec.room.fence()?.map(|fence| fence.endpoints).unwrap_or_default();
        Door::open(door, endpoints, Arc::clone(&self.guard)).map_err(SpawnError::Pipes)
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

/// Both ends of the door that the program of `spec` needs in its own network.
fn door_of(spec: &LaunchSpec, without: &[Built]) -> Result<Option<(OwnedFd, OwnedFd)>, SpawnError> {
    let is_fenced =
        spec.room.asked().any(|wall| wall == Wall::Network) && without.iter().all(|built| built.wall != Wall::Network);
    match spec.room.fence()? {
        Some(fence) if is_fenced && fence.needs_door() => door::pair().map(Some).map_err(SpawnError::Pipes),
        _ => Ok(None),
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
