//! An HTTP child's stream of events, taken apart into messages.

use std::{collections::VecDeque, time::Duration};

use awc::ClientResponse;
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::time::Instant;

use super::{broken, unreachable};
use crate::mcp::{error::UpstreamError, jsonrpc::Message, sse::EventReader};

/// Before a stream that the child closed early is resumed, when the child did not say (`retry`).
const DEFAULT_RETRY: Duration = Duration::from_secs(1);
/// A child cannot make us come back sooner.
const MIN_RETRY: Duration = Duration::from_millis(100);
/// A child cannot make us wait longer. A connection that lasted so long was worth its while.
const MAX_RETRY: Duration = Duration::from_secs(30);

/// The messages of one stream; survives the connections that it is read from.
pub(super) struct Messages {
    response: ClientResponse,
    reader: EventReader,
    ready: VecDeque<Bytes>,
    limit: usize,
    since: Instant,
    patience: Patience,
}

impl Messages {
    pub(super) fn new(response: ClientResponse, limit: usize) -> Self {
        let (reader, ready) = (EventReader::default(), VecDeque::new());
        Self { response, reader, ready, limit, since: Instant::now(), patience: Patience::default() }
    }

    /// The next message; `None` when the connection has ended. Nothing is lost when it is not awaited
    /// to its end.
    pub(super) async fn next(&mut self) -> Option<Result<Message, UpstreamError>> {
        loop {
            while let Some(event) = self.ready.pop_front() {
                match Message::parse(event) {
                    Ok(message) => {
                        self.patience = Patience::default();
                        return Some(Ok(message));
                    }
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

    /// How long to wait before resuming: longer each time that it brought no message.
    pub(super) fn pause(&mut self) -> Duration {
        if self.since.elapsed() >= MAX_RETRY {
            self.patience = Patience::default();
        }
        self.since = Instant::now();
        self.patience.next(self.reader.retry())
    }

    /// Goes on from another connection.
    pub(super) fn go_on(&mut self, response: ClientResponse) {
        self.reader.restart();
        self.response = response;
        self.since = Instant::now();
    }
}

/// Attempts in a row that brought nothing.
#[derive(Default)]
struct Patience {
    attempts: u32,
}

impl Patience {
    /// The pause before the next attempt, where the child has asked for `told`.
    fn next(&mut self, told: Option<Duration>) -> Duration {
        let base = told.unwrap_or(DEFAULT_RETRY).clamp(MIN_RETRY, MAX_RETRY);
        let pause = base.saturating_mul(2_u32.saturating_pow(self.attempts)).min(MAX_RETRY);
        self.attempts = self.attempts.saturating_add(1);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_within_bounds() {
        let pauses = |told: Option<u64>| {
            let mut patience = Patience::default();
            (0..40).map(|_| patience.next(told.map(Duration::from_millis)).as_millis()).collect::<Vec<_>>()
        };
        assert_eq!(pauses(None)[..7], [1000, 2000, 4000, 8000, 16000, 30000, 30000]);
        assert_eq!(pauses(Some(0))[..4], [100, 200, 400, 800]);
        assert_eq!(pauses(Some(3_600_000))[..2], [30000, 30000]);
        assert_eq!(pauses(Some(0)).last(), Some(&30000));
    }
}
