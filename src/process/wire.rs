//! What the parent and the launch stage say to each other, over a socket on the stage's descriptor 0.
//!
//! Parent → stage: eight bytes, two lengths (big-endian), with the program's standard input attached
//! as a descriptor, and after it the keeper's end of the door where there is one; then that many bytes of JSON, a [`WireOrder`], and that many, a [`WireSpec`]. The
//! order holds no secret: the stage's first process, which lives as long as the program, never reads
//! the spec. Stage → parent: [`REPORT`] and a line of JSON, then [`READY`] when the program runs (just
//! before `exec`, where the stage becomes the program), whose success closes the socket; or, at any
//! point, one line that says what failed, for a wall after [`NO_WALL`] as JSON.

use std::{borrow::Cow, path::PathBuf};

use serde::{Deserialize, Serialize};

use super::{
    netns::NetworkWall,
    room::{Identity, View},
};
use crate::domain::walls::{Level, Wall};

/// The stage has done everything but `exec`.
pub(crate) const READY: u8 = 0x06;

/// A line of JSON follows: the [`Built`] walls.
pub(crate) const REPORT: u8 = 0x01;

/// A line of JSON follows: the [`Built`] wall that could not be built, and why.
pub(crate) const NO_WALL: u8 = 0x15;

/// How the stage's line on standard error begins.
pub(crate) const PREFIX: &str = "berth-launch: ";

/// Longest order or spec; the kernel takes 2 MiB of arguments and environment by default.
pub(crate) const MAX_SPEC: u32 = 16 << 20;

/// Open files per process when the spec does not say.
pub(crate) const DEFAULT_OPEN_FILES: u32 = 4096;

/// The room to build.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct WireOrder<'a> {
    /// The process that must still be the stage's parent when it arms its death signal.
    pub(crate) parent: u32,
    /// Files to which the stage writes that it enters the control group.
    pub(crate) cgroups: Cow<'a, [PathBuf]>,
    pub(crate) walls: Vec<Wall>,
    pub(crate) level: Level,
    pub(crate) identity: Option<Identity>,
    pub(crate) view: Cow<'a, View>,
    pub(crate) network: Option<NetworkWall>,
    /// The port that it listens on, for a program in the host's network.
    pub(crate) port: Option<u16>,
    pub(crate) open_files: u32,
    pub(crate) file_bytes: Option<u64>,
    pub(crate) processes: Option<u32>,
    /// Build the walls, report them and end: there is no program.
    pub(crate) probe: bool,
}

/// The program on its way.
#[derive(Serialize, Deserialize)]
pub(crate) struct WireSpec<'a> {
    pub(crate) program: Cow<'a, str>,
    pub(crate) args: Cow<'a, [String]>,
    pub(crate) env: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    pub(crate) cwd: Cow<'a, str>,
}

/// What became of a wall.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Built {
    pub(crate) wall: Wall,
    pub(crate) detail: String,
}

impl WireOrder<'_> {
    pub(crate) fn asks(&self, wall: Wall) -> bool {
        self.walls.contains(&wall)
    }
}
