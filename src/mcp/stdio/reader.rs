//! Lines from a child's standard output.

use std::{fmt, io, sync::Arc};

use bytes::{Bytes, BytesMut};
use tokio::net::unix::pipe;

use super::pipe::Pipe;
use crate::mcp::jsonrpc::{Message, ParseError};

/// Bytes that are asked for at a time. The buffer exists only while there is something in it.
const READ_BYTES: usize = 16 * 1024;

/// Reads after which others get their turn: about 256 KiB.
const READS_PER_TURN: u32 = 16;

/// Allocations up to this size are never worth a copy.
const SMALL_ALLOCATION: usize = 4 * READ_BYTES;

/// Why reading ended.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// The child closed its output.
    Closed,
    /// The child wrote a line that is longer than allowed.
    LineTooLong {
        /// The limit in bytes.
        limit: usize,
    },
    /// The pipe failed.
    Failed {
        /// What the system said.
        detail: String,
    },
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("closed its standard output"),
            Self::LineTooLong { limit } => write!(f, "wrote a line of more than {limit} bytes"),
            Self::Failed { detail } => write!(f, "its standard output failed: {detail}"),
        }
    }
}

/// Reads until the child's output ends.
pub(super) async fn run(pipe: Arc<Pipe>, stdout: pipe::Receiver) -> End {
    let mut lines = Lines::default();
    let mut reads = 0_u32;
    loop {
        // Readiness costs no budget of the runtime, so a child that never pauses would keep every other
        // instance of this thread from its turn.
        reads = reads.wrapping_add(1);
        if reads.is_multiple_of(READS_PER_TURN) {
            tokio::task::yield_now().await;
        }
        if let Err(error) = stdout.readable().await {
            return End::Failed { detail: error.to_string() };
        }
        match stdout.try_read_buf(lines.room()) {
            Ok(0) => return End::Closed,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(error) => return End::Failed { detail: error.to_string() },
        }
        while let Some(line) = lines.next() {
            pipe.take_line(line);
        }
        if lines.unfinished() > pipe.limits.max_line_bytes {
            return End::LineTooLong { limit: pipe.limits.max_line_bytes };
        }
        lines.tidy();
    }
}

/// What has been read, cut into lines.
#[derive(Default)]
struct Lines {
    buffer: BytesMut,
    /// How far the buffer has been searched for a newline already.
    searched: usize,
    /// Bytes of the allocation that the buffer is in, at least.
    allocated: usize,
}

impl Lines {
    /// Where the next bytes go.
    fn room(&mut self) -> &mut BytesMut {
        self.buffer.reserve(READ_BYTES);
        self.allocated = self.allocated.max(self.buffer.capacity());
        &mut self.buffer
    }

    /// The next whole line. A short one in a large allocation is copied out of it: somebody may keep it,
    /// and would keep all of that.
    fn next(&mut self) -> Option<Bytes> {
        let at = memchr::memchr(b'\n', self.buffer.get(self.searched..)?)?;
        let line = self.buffer.split_to(self.searched + at + 1);
        self.searched = 0;
        let wasteful = self.allocated > SMALL_ALLOCATION && line.len() < self.allocated / 4;
        Some(if wasteful { Bytes::copy_from_slice(&line) } else { line.freeze() })
    }

    /// Bytes of the line that has begun.
    fn unfinished(&mut self) -> usize {
        self.searched = self.buffer.len();
        self.searched
    }

    /// A quiet child costs no buffer, and one that wrote a long line once does not keep its size.
    fn tidy(&mut self) {
        if self.buffer.is_empty() {
            *self = Self::default();
        } else if self.allocated > SMALL_ALLOCATION && self.buffer.len() < READ_BYTES {
            self.buffer = BytesMut::from(&self.buffer[..]);
            self.allocated = self.buffer.capacity();
        }
    }
}

impl Pipe {
    fn take_line(&self, line: Bytes) {
        let line = trim(line);
        if line.is_empty() {
            return;
        }
        match Message::parse(line.clone()) {
            Ok(message) => self.take(message),
            Err(ParseError::Batch) => self.take_batch(&line),
            // Servers must not, but do, print other things there; their log is not our protocol.
            Err(error) => {
                self.noise.heard(&line);
                log::debug!("a line that is not MCP was skipped: {error}");
            }
        }
    }

    /// Servers of 2025-03-26 and before may answer in arrays.
    fn take_batch(&self, line: &[u8]) {
        let messages: Vec<&serde_json::value::RawValue> = serde_json::from_slice(line).unwrap_or_default();
        for raw in messages {
            if let Ok(message) = Message::parse(Bytes::copy_from_slice(raw.get().as_bytes())) {
                self.take(message);
            }
        }
    }
}

fn trim(mut line: Bytes) -> Bytes {
    while line.last().is_some_and(u8::is_ascii_whitespace) {
        line.truncate(line.len() - 1);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_lines_do_not_keep_large_allocations() {
        let mut lines = Lines::default();
        let mut text = vec![b'x'; 1 << 20];
        text.extend_from_slice(b"\nshort\nbegun");
        lines.room().extend_from_slice(&text);
        lines.allocated = lines.allocated.max(lines.buffer.capacity());
        assert_eq!(lines.next().map(|line| line.len()), Some((1 << 20) + 1));
        let short = lines.next().unwrap();
        assert_eq!(&short[..], b"short\n");
        assert!(lines.next().is_none() && lines.unfinished() == 5);
        lines.tidy();
        assert!(lines.allocated < 1 << 20 && &lines.buffer[..] == b"begun");
        lines.room().extend_from_slice(b"\n");
        assert_eq!(lines.next().as_deref(), Some(&b"begun\n"[..]));
        // It is whole by itself: nothing else holds what it lies in.
        assert!(short.try_into_mut().is_ok());
    }
}
