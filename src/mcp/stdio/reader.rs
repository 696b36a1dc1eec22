//! Lines from a child's standard output.

use std::{fmt, io, sync::Arc};

use bytes::{Bytes, BytesMut};
use tokio::net::unix::pipe;

use super::pipe::Pipe;
use crate::mcp::jsonrpc::{Message, ParseError};

/// Bytes that are asked for at a time. The buffer exists only while there is something in it.
const READ_BYTES: usize = 16 * 1024;

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
    let mut buffer = BytesMut::new();
    // How far the buffer has been searched for a newline already.
    let mut searched = 0;
    loop {
        if let Err(error) = stdout.readable().await {
            return End::Failed { detail: error.to_string() };
        }
        buffer.reserve(READ_BYTES);
        match stdout.try_read_buf(&mut buffer) {
            Ok(0) => return End::Closed,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(error) => return End::Failed { detail: error.to_string() },
        }
        while let Some(at) = buffer.get(searched..).and_then(|rest| memchr::memchr(b'\n', rest)) {
            let line = buffer.split_to(searched + at + 1).freeze();
            searched = 0;
            pipe.take_line(line);
        }
        searched = buffer.len();
        if searched > pipe.limits.max_line_bytes {
            return End::LineTooLong { limit: pipe.limits.max_line_bytes };
        }
        if buffer.is_empty() {
            // A quiet child costs no buffer.
            buffer = BytesMut::new();
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
            Err(error) => log::debug!("a line that is not MCP was skipped: {error}"),
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
