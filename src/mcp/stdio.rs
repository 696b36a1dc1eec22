//! A child that speaks lines of JSON-RPC on its standard input and output.
//!
//! One child serves all clients of its instance: requests get ids minted here, answers find their
//! asker through the pending map, notifications go to whom they concern. The calling HTTP worker
//! writes its line to the pipe itself (one thread hop less than a writer task; measured as the larger
//! part of a call's cost) and only what the pipe does not take at once waits for the drain task.
//! Reader and drain are separate tasks, so a child that does not read cannot stop us from reading it.
//!
//! What the eras share is a [`Pipe`]; [`SessionStdio`] speaks the one, [`StatelessStdio`] the other.
//!
//! Owner of state: the pending map and the write backlog, both ending with the process.

mod noise;
mod pending;
mod pipe;
mod reader;
mod session_era;
mod stateless;
mod stream;
mod writer;

use std::time::Duration;

pub use self::{
    pipe::Pipe,
    reader::End,
    session_era::SessionStdio,
    stateless::{Probed, StatelessStdio},
};
use super::error::UpstreamError;

/// Bounds of one stdio child.
#[derive(Clone, Copy, Debug)]
pub struct StdioLimits {
    /// Longest line that the child may write, in bytes.
    pub max_line_bytes: usize,
    /// Bytes that may wait for a child that does not read.
    pub max_backlog_bytes: usize,
    /// For one call, from hand-over to answer; it stands still while somebody is being asked.
    pub call_timeout: Duration,
}

fn closed() -> UpstreamError {
    UpstreamError::Closed { reason: "its process has ended".to_owned() }
}

/// Makes `message` a line: newlines can only be whitespace between tokens, inside strings JSON
/// forbids them.
fn one_line(message: &mut Vec<u8>) {
    for byte in message.iter_mut() {
        if matches!(byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
    message.push(b'\n');
}
