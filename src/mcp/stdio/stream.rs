//! A call about which the child says more than its answer.

use std::{sync::Arc, time::Duration};

use futures_util::stream;
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use super::pipe::InFlight;
use crate::mcp::{
    clock::Clock,
    error::{Code, UpstreamError},
    jsonrpc::Message,
    upstream::Event,
};

/// The receiving side of a call that became a stream.
pub(super) struct CallStream {
    events: mpsc::Receiver<Event>,
    answer: oneshot::Receiver<Result<Message, UpstreamError>>,
    clock: Arc<Clock>,
}

impl CallStream {
    pub(super) const fn new(
        events: mpsc::Receiver<Event>,
        answer: oneshot::Receiver<Result<Message, UpstreamError>>,
        clock: Arc<Clock>,
    ) -> Self {
        Self { events, answer, clock }
    }

    /// Its events, ending with the answer (or the error that stands for it) under the client's `id`.
    /// Dropping it abandons the call.
    pub(super) fn events(
        self,
        call: InFlight,
        id: String,
        begun: Instant,
        timeout: Duration,
    ) -> impl stream::Stream<Item = Event> {
        let timer = Box::pin(tokio::time::sleep(timeout.saturating_sub(begun.elapsed())));
        stream::unfold(Some((self, call, timer, id)), move |state| async move {
            let (mut this, mut call, mut timer, id) = state?;
            let outcome = loop {
                tokio::select! {
                    biased;
                    Some(event) = this.events.recv() => return Some((event, Some((this, call, timer, id)))),
                    outcome = &mut this.answer => break outcome.unwrap_or_else(|_| Err(super::closed())),
                    () = &mut timer => match this.clock.left(timeout) {
                        Some(left) => timer.as_mut().reset(Instant::now() + left),
                        None => break Err(call.time_out(timeout)),
                    },
                }
            };
            call.answered();
            let answer = match outcome {
                Ok(message) => message.with_id(&id),
                Err(error) => Message::failure(&id, Code::Internal, &error.to_string()),
            };
            Some((Event::Answer(answer), None))
        })
    }
}
