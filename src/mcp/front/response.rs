//! Upstream replies as answers to a client: JSON where that is all, events where there is more.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{
    FutureExt, StreamExt,
    future::LocalBoxFuture,
    stream::{self, LocalBoxStream},
};

use super::Answer;
use crate::mcp::{
    error::{Code, UpstreamError, error_message},
    session::Session,
    sse,
    upstream::{Event, Reply},
};

type Call = LocalBoxFuture<'static, Result<Reply, UpstreamError>>;
type Events = LocalBoxStream<'static, Result<Bytes, UpstreamError>>;

/// Waits for `call`; after `quiet` without a reply the answer is committed as a stream, so that
/// nobody between takes silence for death.
pub(super) async fn answer(mut call: Call, session: Arc<Session>, id: String, quiet: Duration) -> Answer {
    match tokio::time::timeout(quiet, &mut call).await {
        Ok(Ok(Reply::Answer(answer))) => Answer::Json { status: 200, body: answer.body().clone(), session: None },
        Ok(Ok(Reply::Events(events))) => {
            Answer::Events(with_comments(written(events, session).boxed_local(), quiet).boxed_local())
        }
        Ok(Err(error)) => {
            Answer::Json { status: 200, body: error_message(&id, Code::Internal, &error.to_string()), session: None }
        }
        Err(_) => {
            let first = stream::once(async { Ok(sse::KEEP_ALIVE) });
            let rest = late(call, session, id).flatten_stream();
            Answer::Events(first.chain(with_comments(rest.boxed_local(), quiet)).boxed_local())
        }
    }
}

/// The rest of an answer whose stream has begun already.
async fn late(call: Call, session: Arc<Session>, id: String) -> Events {
    let one = |message: Bytes| stream::once(async move { Ok(sse::event(&message)) }).boxed_local();
    match call.await {
        Ok(Reply::Answer(answer)) => one(answer.body().clone()),
        Ok(Reply::Events(events)) => written(events, session).boxed_local(),
        Err(error) => one(error_message(&id, Code::Internal, &error.to_string())),
    }
}

/// Events as the client reads them.
pub(super) fn written(
    events: impl stream::Stream<Item = Event>,
    session: Arc<Session>,
) -> impl stream::Stream<Item = Result<Bytes, UpstreamError>> {
    events.filter_map(move |event| {
        let message = match event {
            Event::Note(message) | Event::Answer(message) => Some(message.body().clone()),
            Event::Ask(ask) => session.ask(ask),
        };
        std::future::ready(message.map(|message| Ok(sse::event(&message))))
    })
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
