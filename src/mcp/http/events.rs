//! An HTTP child's stream of events, taken apart into messages.

use std::{collections::VecDeque, time::Duration};

use awc::ClientResponse;
use bytes::Bytes;
use futures_util::StreamExt;

use super::{broken, unreachable};
use crate::mcp::{error::UpstreamError, jsonrpc::Message, sse::EventReader};

/// Before a stream that the child closed early is resumed, when the child did not say (`retry`).
const DEFAULT_RETRY: Duration = Duration::from_secs(1);
/// A child cannot make us wait longer.
const MAX_RETRY: Duration = Duration::from_secs(30);

/// The messages of one stream; survives the connections that it is read from.
pub(super) struct Messages {
    response: ClientResponse,
    reader: EventReader,
    ready: VecDeque<Bytes>,
    limit: usize,
}

impl Messages {
    pub(super) fn new(response: ClientResponse, limit: usize) -> Self {
        Self { response, reader: EventReader::default(), ready: VecDeque::new(), limit }
    }

    /// The next message; `None` when the connection has ended.
    pub(super) async fn next(&mut self) -> Option<Result<Message, UpstreamError>> {
        loop {
            while let Some(event) = self.ready.pop_front() {
                match Message::parse(event) {
                    Ok(message) => return Some(Ok(message)),
                    Err(error) => log::debug!("an event that is not MCP was skipped: {error}"),
                }
            }
            let chunk = match self.response.next().await? {
                Ok(chunk) => chunk,
                Err(error) => return Some(Err(unreachable(&error))),
            };
            match self.reader.feed(&chunk, self.limit) {
                Ok(events) => self.ready.extend(events),
                Err(error) => return Some(Err(broken(&error))),
            }
        }
    }

    /// Where to resume, if the child numbers its events.
    pub(super) fn last_id(&self) -> Option<String> {
        self.reader.last_id().map(str::to_owned)
    }

    /// How long to wait before resuming.
    pub(super) fn pause(&self) -> Duration {
        self.reader.retry().unwrap_or(DEFAULT_RETRY).min(MAX_RETRY)
    }

    /// Goes on from another connection.
    pub(super) fn go_on(&mut self, response: ClientResponse) {
        self.response = response;
    }
}
