//! Lines from a child's standard output: answers to their askers, notifications to their sessions.

use std::{fmt, io, sync::Arc};

use bytes::{Bytes, BytesMut};
use serde::Deserialize;
use tokio::net::unix::pipe;

use super::StdioUpstream;
use crate::mcp::jsonrpc::{Kind, Message, ParseError, splice};

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
pub(super) async fn run(upstream: Arc<StdioUpstream>, stdout: pipe::Receiver) -> End {
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
            upstream.take_line(line);
        }
        searched = buffer.len();
        if searched > upstream.limits.max_line_bytes {
            return End::LineTooLong { limit: upstream.limits.max_line_bytes };
        }
        if buffer.is_empty() {
            // A quiet child costs no buffer.
            buffer = BytesMut::new();
        }
    }
}

impl StdioUpstream {
    fn take_line(&self, line: Bytes) {
        let line = trim(line);
        if line.is_empty() {
            return;
        }
        match Message::parse(line.clone()) {
            Ok(message) => self.take_message(message),
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
                self.take_message(message);
            }
        }
    }

    fn take_message(&self, message: Message) {
        match message.kind() {
            Kind::Response => {
                let known = match message.minted_id() {
                    Some(id) => self.pending.answer(id, message),
                    None => false,
                };
                if !known {
                    log::debug!("an answer that nobody waits for was dropped");
                }
            }
            Kind::Notification => self.take_notification(&message),
            Kind::Request => self.answer_child(&message),
        }
    }

    fn take_notification(&self, message: &Message) {
        match message.method() {
            "notifications/progress" => self.route_progress(message),
            "notifications/resources/updated" => {
                let uri = message.param("uri").unwrap_or_default();
                self.deliver(message.body(), |session| session.follows(&uri));
            }
            // It concerns a request of the child's, and we have none of those open.
            "notifications/cancelled" => {}
            _ => self.deliver(message.body(), |_| true),
        }
    }

    /// The token on the wire is the id that we minted; its asker gets its own token back.
    fn route_progress(&self, message: &Message) {
        #[derive(Deserialize)]
        struct Params<'a> {
            #[serde(borrow, rename = "progressToken")]
            token: &'a serde_json::value::RawValue,
        }
        let Some(params) = message.params() else { return };
        let Ok(Params { token }) = serde_json::from_str::<Params<'_>>(params) else { return };
        let Some((stream, client_token)) = token.get().parse().ok().and_then(|id| self.pending.progress(id)) else {
            return;
        };
        let start = (token.get().as_ptr() as usize).saturating_sub(message.body().as_ptr() as usize);
        let range = start..start + token.get().len();
        let restored = splice(message.body(), &[(range, client_token.as_ref())]);
        // Full: the client is slow; progress may be lost, the answer has its own channel.
        let _ = stream.try_send(Bytes::from(restored));
    }

    /// Each session gets the message on exactly one stream (transports, "Multiple Connections").
    fn deliver(&self, message: &Bytes, concerns: impl Fn(&crate::mcp::session::Session) -> bool) {
        for session in self.sessions.all() {
            if concerns(&session)
                && !session.deliver(message)
                && let Some(stream) = self.pending.stream_of(session.id())
            {
                let _ = stream.try_send(message.clone());
            }
        }
    }

    /// The child asks something. We declared no client capabilities, so only `ping` is legitimate.
    fn answer_child(&self, request: &Message) {
        let id = request.id();
        let line = if request.method() == "ping" {
            format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{}}}}\n")
        } else {
            format!(
                "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"error\":{{\"code\":-32601,\"message\":\"the client did not declare this capability\"}}}}\n"
            )
        };
        let _ = self.writer.send(Bytes::from(line));
    }
}

fn trim(mut line: Bytes) -> Bytes {
    while line.last().is_some_and(u8::is_ascii_whitespace) {
        line.truncate(line.len() - 1);
    }
    line
}
