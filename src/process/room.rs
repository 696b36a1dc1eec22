//! What a room is made from: the wishes of one start, before any of it is built.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{SpawnError, netns::Fence};
use crate::domain::{
    manifest::Network,
    walls::{Level, Wall},
};

/// Bytes of a room's temporary files, unless said otherwise: 64 MiB.
pub const DEFAULT_TMP_BYTES: u64 = 64 << 20;

/// The room that a program runs in.
#[derive(Clone, Debug, PartialEq)]
pub struct Room {
    /// How closely it is confined.
    pub level: Level,
    /// Who it runs as; `None`: as Berth itself. Only root can give another.
    pub identity: Option<Identity>,
    /// What it sees of the file system.
    pub view: View,
    /// What it may reach.
    pub network: Network,
    /// The port that Berth connects to, where there is one.
    pub port: Option<u16>,
    /// Longest file that it may write, in bytes; no limit when absent.
    pub file_bytes: Option<u64>,
    /// Processes at a time, where the kernel counts them per room; no limit when absent.
    pub processes: Option<u32>,
}

/// A user and a group that nobody else has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

/// What a program sees of the file system, beyond the system's own programs and libraries. All paths
/// are absolute, and the same inside as outside.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// Files and folders that it can read and run. What is not there is left out.
    pub read_only: Vec<PathBuf>,
    /// Directories that are its own.
    pub writable: Vec<PathBuf>,
    /// Directories that are empty for it, even where one of the above holds them.
    pub hidden: Vec<PathBuf>,
    /// Its `TMPDIR`: in memory, together with `/tmp` and `/dev/shm`.
    pub tmp: Option<PathBuf>,
    /// How much all three hold, in bytes.
    pub tmp_bytes: u64,
}

/// Whether Berth is root, who can give its children other users.
#[must_use]
pub fn runs_as_root() -> bool {
    rustix::process::geteuid().is_root()
}

impl Room {
    /// No room at all: [`Level::Off`].
    #[must_use]
    pub fn bare() -> Self {
        Self {
            level: Level::Off,
            identity: None,
            view: View { tmp_bytes: DEFAULT_TMP_BYTES, ..View::default() },
            network: Network::Open,
            port: None,
            file_bytes: None,
            processes: None,
        }
    }

    /// The walls that it asks for.
    pub(crate) fn asked(&self) -> impl Iterator<Item = Wall> {
        let (root, fenced) = (runs_as_root(), self.network != Network::Open);
        Wall::ALL.into_iter().filter(move |wall| wall.is_asked(self.level, root, fenced))
    }

    /// The network of its own that it gets, in which nobody else is.
    pub(super) fn fence(&self) -> Result<Option<Fence>, SpawnError> {
        Fence::of(&self.network, self.port.is_some()).map_err(|error| SpawnError::Spec(error.to_string()))
    }
}
