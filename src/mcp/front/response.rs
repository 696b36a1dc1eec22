//! Upstream replies as answers to a client: JSON where that is all, events where there is more.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{
    FutureExt, StreamExt,
    future::LocalBoxFuture,
    stream::{self, LocalBoxStream},
};

use super::Answer;
use crate::mcp::{
    error::{Code, UpstreamError, error_message},
    sse,
    upstream::Reply,
};

type Call = LocalBoxFuture<'static, Result<Reply, UpstreamError>>;
type Events = LocalBoxStream<'static, Result<Bytes, UpstreamError>>;

/// Waits for `call`; after `quiet` without a reply the answer is committed as a stream, so that
/// nobody between takes silence for death.
pub(super) async fn answer(mut call: Call, id: String, quiet: Duration) -> Answer {
    match tokio::time::timeout(quiet, &mut call).await {
        Ok(reply) => immediate(reply, &id, quiet),
        Err(_) => {
            let first = stream::once(async { Ok(sse::KEEP_ALIVE) });
            let rest = late(call, id).flatten_stream();
            Answer::Events(first.chain(with_comments(rest.boxed_local(), quiet)).boxed_local())
        }
    }
}

fn immediate(reply: Result<Reply, UpstreamError>, id: &str, quiet: Duration) -> Answer {
    match reply {
        Ok(Reply::Message(body)) => Answer::Json { status: 200, body, session: None },
        Ok(Reply::Messages(messages)) => {
            let events = messages.map(|message| Ok(sse::event(&message))).boxed_local();
            Answer::Events(with_comments(events, quiet).boxed_local())
        }
        Ok(Reply::Relay(relay)) => Answer::Relay(relay),
        Err(error) => {
            Answer::Json { status: 200, body: error_message(id, Code::Internal, &error.to_string()), session: None }
        }
    }
}

/// The rest of an answer whose stream has begun already.
async fn late(call: Call, id: String) -> Events {
    let one = |message: Bytes| stream::once(async move { Ok(sse::event(&message)) }).boxed_local();
    match call.await {
        Ok(Reply::Message(message)) => one(message),
        Ok(Reply::Messages(messages)) => messages.map(|message| Ok(sse::event(&message))).boxed_local(),
        Ok(Reply::Relay(relay)) if is_event_stream(&relay.headers) => relay.body,
        Ok(Reply::Relay(relay)) => {
            one(error_message(&id, Code::Internal, &format!("the server answered HTTP {}", relay.status)))
        }
        Err(error) => one(error_message(&id, Code::Internal, &error.to_string())),
    }
}

fn is_event_stream(headers: &[(String, Vec<u8>)]) -> bool {
    headers.iter().any(|(name, value)| name == "content-type" && value.starts_with(b"text/event-stream"))
}

/// The stream with a comment after every `quiet` of silence.
pub(super) fn with_comments(
    events: Events,
    quiet: Duration,
) -> impl stream::Stream<Item = Result<Bytes, UpstreamError>> {
    stream::unfold(events, move |mut events| async move {
        match tokio::time::timeout(quiet, events.next()).await {
            Ok(next) => next.map(|event| (event, events)),
            Err(_) => Some((Ok(sse::KEEP_ALIVE), events)),
        }
    })
}
