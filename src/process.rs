//! Child processes: launching, watching, stopping, logging and measuring them.
//!
//! A child starts through the **launch stage**: this same binary, re-executed as `berth launch`,
//! takes a spec on a socket, makes itself a session of its own, builds the walls of a [`Room`] and starts
//! the program in it ([`launch`] is the stage, [`ProcessLauncher`] the parent's half).
//! Nothing runs between `fork` and `exec` in the threaded parent.
//!
//! Invariants:
//! - Every process of an instance carries a [`Marker`] in its environment. It survives `fork`,
//!   `setsid` and the end of Berth, so that what left the process group can still be found. No
//!   process is ever signalled by its number alone: either it is our unreaped child, or its start
//!   time is compared while a pidfd pins it.
//! - [`ProcessTree`] owns the tree: dropping it kills the tree.
//! - Where the machine grants control groups ([`cgroup`]), every process of an instance is in one from
//!   its first instruction on, and cannot leave it by forking.
//! - Children die with Berth, even by `kill -9` (`PDEATHSIG` for leaders, [`sweep`] at the next
//!   start for whatever they had started).
//! - The table of live leaders ([`reaper`]) is the one piece of process-wide state, because
//!   children, too, belong to the process and not to an object in it.
//!
//! Needs Linux 5.3 (pidfd). No actors and no HTTP here.

mod archive;
mod budget;
pub mod cgroup;
mod descriptors;
mod dirs;
mod door;
mod handshake;
mod host;
pub mod inspect;
pub mod launch;
pub mod logs;
mod marker;
mod mask;
mod memory;
mod netns;
mod plain;
mod probe;
mod pump;
pub mod reaper;
mod removal;
mod room;
mod sample;
mod spawn;
pub mod sweep;
mod table;
mod tail;
mod tree;
mod walk;
pub mod walls;
mod wire;

use std::{io, path::PathBuf};

use futures_util::future::BoxFuture;
use tokio::{net::unix::pipe, sync::oneshot};

use crate::domain::{
    crash::ExitReason,
    limits::Limits,
    secret::Secret,
    walls::{Wall, WallReport},
};

pub use self::{
    archive::archive,
    cgroup::Cgroups,
    descriptors::raise_open_files,
    dirs::{InstanceDirs, directories_in, remove_tree, remove_trees},
    door::{Door, DoorHandle, Passage},
    host::{disk_space, host_memory, load_average, own_memory},
    marker::Marker,
    mask::Mask,
    memory::memory_is_short,
    probe::{Enforcement, How, probe, walls_in_force},
    pump::{PumpReport, pump},
    room::{DEFAULT_TMP_BYTES, Identity, Room, View, runs_as_root},
    sample::{Sample, Samples, usage_of},
    spawn::ProcessLauncher,
    table::{Table, running_for},
    tail::StderrTail,
    tree::{ProcessTree, StopOutcome},
    walk::{DirectorySize, directory_size},
};

/// Starts programs. The real one is [`ProcessLauncher`]; tests put a fake in its place.
pub trait Launcher: Send + Sync {
    /// Starts the program of `spec` and returns once it runs (its `exec` has succeeded).
    ///
    /// Dropping the future before that ends what was started.
    fn launch(&self, spec: LaunchSpec) -> BoxFuture<'_, Result<Child, SpawnError>>;
}

/// Everything that a program is started with. Nothing is inherited beyond it.
#[derive(Clone)]
pub struct LaunchSpec {
    /// `mcp-{user}-{service}-{number}`; the child sees it as `BERTH_NAME`.
    pub name: String,
    /// The program, absolute or looked up in the `PATH` of [`LaunchSpec::env`].
    pub program: PathBuf,
    /// Its arguments, without the program itself. They are public: no secrets here.
    pub args: Vec<String>,
    /// Its whole environment; the marker's variables are added to it. The last of two equal names counts.
    pub env: Vec<(String, Secret)>,
    /// Its working directory, absolute.
    pub cwd: PathBuf,
    /// Open files per process; `None` is 4096. Never more than the hard limit that Berth has.
    pub open_files: Option<u32>,
    /// The limits of its control groups; `None` is no group at all.
    pub cgroup: Option<Limits>,
    /// Whose process it is.
    pub marker: Marker,
    /// The room that it runs in.
    pub room: Room,
}

/// A running program.
#[derive(Debug)]
pub struct Child {
    /// The process id of its leader, which is also its process group and its session: the program, or
    /// where it has process numbers of its own, the process outside that waits for it.
    pub pid: u32,
    /// Its standard input, non-blocking.
    pub stdin: pipe::Sender,
    /// Its standard output, non-blocking.
    pub stdout: pipe::Receiver,
    /// Its standard error, non-blocking.
    pub stderr: pipe::Receiver,
    /// Says once how the program ended. An error means that nobody waits for it any more.
    pub exit: oneshot::Receiver<ExitReason>,
    /// Its process tree; dropping it kills the tree.
    pub tree: ProcessTree,
    /// The walls of its room, as the launch stage has built them.
    pub walls: Vec<WallReport>,
    /// The way into its own network and out of it, where it has one that needs it.
    pub door: Option<Door>,
}

/// Why a program did not start.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// The spec cannot be handed to a process at all.
    #[error("{0}")]
    Spec(String),
    /// No pipes or sockets for the child.
    #[error("cannot make the child's pipes; raise the open-files limit of Berth if it is used up")]
    Pipes(#[source] io::Error),
    /// The launch stage could not be started.
    #[error("cannot start the launch stage")]
    Fork(#[source] io::Error),
    /// Its control groups could not be made, or a limit could not be set.
    #[error("its limits cannot be set: {0}")]
    Group(#[source] cgroup::GroupError),
    /// Talking to the launch stage failed.
    #[error("the launch stage broke off")]
    Handshake(#[source] io::Error),
    /// A wall that was asked for cannot be built here, and the operator has not allowed to go without.
    #[error(
        "the wall `{wall}` cannot be built on this host: {why}; make it possible, or allow instances to run without \
         it with the setting allow_missing_walls = \"{wall}\""
    )]
    MissingWall {
        /// Which.
        wall: Wall,
        /// What the launch stage says.
        why: String,
    },
    /// The launch stage says what failed.
    #[error("{0}")]
    Stage(String),
    /// The launch stage did not answer in time.
    #[error("the launch stage did not answer within {0} s; is the working directory on a file system that hangs?")]
    TimedOut(u64),
}

impl From<SpawnError> for ExitReason {
    fn from(error: SpawnError) -> Self {
        let detail = match std::error::Error::source(&error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        };
        Self::SpawnFailed { detail }
    }
}
