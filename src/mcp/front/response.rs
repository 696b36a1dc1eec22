//! What answers that are streams have in common.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{
    StreamExt,
    stream::{self, LocalBoxStream},
};

use crate::mcp::{error::UpstreamError, sse};

/// The stream with a comment after every `quiet` of silence, so that nobody between takes silence
/// for death.
pub(super) fn with_comments(
    events: LocalBoxStream<'static, Result<Bytes, UpstreamError>>,
    quiet: Duration,
) -> impl stream::Stream<Item = Result<Bytes, UpstreamError>> {
    stream::unfold(events, move |mut events| async move {
        match tokio::time::timeout(quiet, events.next()).await {
            Ok(next) => next.map(|event| (event, events)),
            Err(_) => Some((Ok(sse::KEEP_ALIVE), events)),
        }
    })
}
