//! A session's stream as the client reads it.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{
    StreamExt,
    stream::{self, LocalBoxStream},
};

use crate::mcp::{error::UpstreamError, front::response::with_comments, session::streams::Reading, sse};

/// The first version that knows ids of events.
const NUMBERED_SINCE: &str = "2025-03-26";
/// The first version whose clients understand an event without data; older ones may choke on it.
const PRIMED_SINCE: &str = "2025-11-25";

/// The events of `reading` for a client of `version`. Something is sent at once, so that clients and
/// proxies see the stream open: an event that names the place to resume from, or a comment.
pub(in crate::mcp::front) fn of_session(
    reading: Reading,
    version: &str,
    quiet: Duration,
) -> LocalBoxStream<'static, Result<Bytes, UpstreamError>> {
    // Versions are dates: their order is that of their texts.
    let first = if version >= PRIMED_SINCE { sse::priming(reading.position()) } else { sse::KEEP_ALIVE };
    let numbered = version >= NUMBERED_SINCE;
    let events = reading
        .map(move |(id, message)| Ok(if numbered { sse::numbered_event(id, &message) } else { sse::event(&message) }));
    with_comments(stream::once(async { Ok(first) }).chain(events).boxed_local(), quiet).boxed_local()
}
