//! What the parent and the launch stage say to each other, over a socket on the stage's descriptor 0.
//!
//! Parent → stage: four bytes of length (big-endian) with the program's standard input attached as
//! a descriptor, then that many bytes of JSON. Stage → parent: [`READY`] just before `exec`, whose
//! success closes the socket; or, at any point, one line that says what failed.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// The stage has done everything but `exec`.
pub(crate) const READY: u8 = 0x06;

/// How the stage's line on standard error begins.
pub(crate) const PREFIX: &str = "berth-launch: ";

/// Longest spec; the kernel takes 2 MiB of arguments and environment by default.
pub(crate) const MAX_SPEC: u32 = 16 << 20;

/// Open files per process when the spec does not say.
pub(crate) const DEFAULT_OPEN_FILES: u32 = 4096;

/// A launch spec on its way.
#[derive(Serialize, Deserialize)]
pub(crate) struct WireSpec<'a> {
    /// The process that must still be the stage's parent when it arms its death signal.
    pub(crate) parent: u32,
    /// Paths of the files by which it enters its control groups, its very first step.
    pub(crate) cgroups: Vec<String>,
    pub(crate) program: Cow<'a, str>,
    pub(crate) args: Cow<'a, [String]>,
    pub(crate) env: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    pub(crate) cwd: Cow<'a, str>,
    pub(crate) open_files: u32,
}
