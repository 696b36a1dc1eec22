//! A step of the launch that failed, and how that is told.

use std::{io, io::Write, process::ExitCode};

use super::Control;
use crate::{
    domain::walls::Wall,
    process::wire::{Built, NO_WALL, PREFIX},
};

/// The exit code for a program that is not there, as shells have it.
pub(super) const NOT_FOUND: u8 = 127;
/// The exit code for everything else that fails here.
const CANNOT_RUN: u8 = 126;

/// A step that failed.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) what: String,
    pub(super) why: io::Error,
    pub(super) code: u8,
    /// The wall that it was part of.
    pub(super) wall: Option<Wall>,
}

/// Names the step whose error it is.
pub(super) fn step<E: Into<io::Error>>(what: impl Into<String>) -> impl FnOnce(E) -> Failure {
    move |why| Failure { what: what.into(), why: why.into(), code: CANNOT_RUN, wall: None }
}

/// As [`step`], for a step that belongs to a wall.
pub(super) fn wall<E: Into<io::Error>>(wall: Wall, what: impl Into<String>) -> impl FnOnce(E) -> Failure {
    move |why| Failure { what: what.into(), why: why.into(), code: CANNOT_RUN, wall: Some(wall) }
}

impl Failure {
    /// Tells the parent, and a person; returns the exit code.
    pub(super) fn tell(&self, control: Option<&mut Control>) -> ExitCode {
        let line = format!("{} {}\n", self.what, self.why);
        let _ = io::stderr().write_all(format!("{PREFIX}{line}").as_bytes());
        if let Some(control) = control {
            let _ = control.socket.write_all(&self.message(&line));
        }
        ExitCode::from(self.code)
    }

    fn message(&self, line: &str) -> Vec<u8> {
        let Some(wall) = self.wall else { return line.as_bytes().to_vec() };
        let mut message = vec![NO_WALL];
        let built = Built { wall, detail: line.trim_end().to_owned() };
        if serde_json::to_writer(&mut message, &built).is_err() {
            return line.as_bytes().to_vec();
        }
        message.push(b'\n');
        message
    }
}
