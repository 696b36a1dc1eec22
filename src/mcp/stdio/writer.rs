//! Lines to a child's standard input: written by the caller when the pipe takes them, else queued.

use std::{collections::VecDeque, io};

use bytes::{Buf, Bytes};
use parking_lot::Mutex;
use tokio::{net::unix::pipe, sync::Notify};

use crate::mcp::error::UpstreamError;

struct Backlog {
    /// `None` once the child's input has been closed.
    pipe: Option<std::sync::Arc<pipe::Sender>>,
    lines: VecDeque<Bytes>,
    bytes: usize,
}

/// The writing end of one child.
pub(super) struct LineWriter {
    backlog: Mutex<Backlog>,
    waiting: Notify,
    max_bytes: usize,
}

impl LineWriter {
    pub(super) fn new(pipe: pipe::Sender, max_bytes: usize) -> Self {
        let backlog = Backlog { pipe: Some(std::sync::Arc::new(pipe)), lines: VecDeque::new(), bytes: 0 };
        Self { backlog: Mutex::new(backlog), waiting: Notify::new(), max_bytes }
    }

    /// Writes `line`, or queues what the pipe does not take now. Never waits.
    ///
    /// # Errors
    /// When the child is gone, or so much is queued that it evidently does not read.
    pub(super) fn send(&self, line: Bytes) -> Result<(), UpstreamError> {
        self.send_within(line, self.max_bytes)
    }

    /// The same for what the child waits for or must know, however much is queued: answers to its own
    /// requests and cancellations. What it can ask, and what can be cancelled, is bounded elsewhere.
    ///
    /// # Errors
    /// When the child is gone.
    pub(super) fn send_anyway(&self, line: Bytes) -> Result<(), UpstreamError> {
        self.send_within(line, usize::MAX)
    }

    fn send_within(&self, mut line: Bytes, max_bytes: usize) -> Result<(), UpstreamError> {
        let mut backlog = self.backlog.lock();
        let Some(pipe) = &backlog.pipe else { return Err(gone()) };
        if backlog.lines.is_empty() {
            match pipe.try_write(&line) {
                Ok(written) if written == line.len() => return Ok(()),
                Ok(written) => line.advance(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return Err(gone()),
            }
        } else if backlog.bytes.saturating_add(line.len()) > max_bytes {
            return Err(UpstreamError::Congested { bytes: backlog.bytes });
        }
        backlog.bytes += line.len();
        backlog.lines.push_back(line);
        self.waiting.notify_one();
        Ok(())
    }

    /// Writes the backlog whenever the pipe has room, until it is closed.
    pub(super) async fn drain(&self) {
        loop {
            self.waiting.notified().await;
            while let Some(pipe) = self.backlogged_pipe() {
                if pipe.writable().await.is_err() || self.write_some().is_err() {
                    self.close();
                }
            }
            if self.backlog.lock().pipe.is_none() {
                return;
            }
        }
    }

    /// Closes the child's input and forgets what was not written.
    pub(super) fn close(&self) {
        let mut backlog = self.backlog.lock();
        backlog.pipe = None;
        backlog.lines.clear();
        backlog.bytes = 0;
        self.waiting.notify_one();
    }

    fn backlogged_pipe(&self) -> Option<std::sync::Arc<pipe::Sender>> {
        let backlog = self.backlog.lock();
        if backlog.lines.is_empty() { None } else { backlog.pipe.clone() }
    }

    fn write_some(&self) -> io::Result<()> {
        let mut backlog = self.backlog.lock();
        let Backlog { pipe: Some(pipe), lines, bytes } = &mut *backlog else { return Ok(()) };
        while let Some(line) = lines.front_mut() {
            match pipe.try_write(line) {
                Ok(written) => {
                    *bytes -= written;
                    line.advance(written);
                    if line.is_empty() {
                        lines.pop_front();
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn gone() -> UpstreamError {
    UpstreamError::Closed { reason: "its process has ended".to_owned() }
}
