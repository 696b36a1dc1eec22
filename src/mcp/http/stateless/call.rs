//! One call whose answer comes as events, from however many processes.

use std::sync::Arc;

use futures_util::stream;
use tokio::time::Instant;

use super::{Heard, Sent, StatelessHttp};
use crate::mcp::{
    error::{Code, UpstreamError},
    http::{Counted, NO_ANSWER, events::Messages},
    jsonrpc::{Kind, Message},
    upstream::Event,
};

/// A request whose answer comes as events. Dropping it closes the connection, which cancels it.
pub(super) struct Call {
    pub(super) peer: Arc<StatelessHttp>,
    pub(super) messages: Messages,
    pub(super) sent: Sent,
    /// Nothing of the answer has been handed on yet.
    pub(super) is_fresh: bool,
    /// None where the client listens.
    pub(super) deadline: Option<Instant>,
    pub(super) _counted: Counted,
}

impl Call {
    /// Its events; the last is the answer, or the error that stands for it.
    pub(super) fn events(self) -> impl stream::Stream<Item = Event> {
        stream::unfold(Some(self), |call| async move {
            let mut call = call?;
            match call.within(Self::event).await {
                Ok(event @ Event::Answer(_)) => Some((event, None)),
                Ok(event) => {
                    call.is_fresh = false;
                    Some((event, Some(call)))
                }
                Err(error) => {
                    let failure = Message::failure(call.sent.request.id(), Code::Internal, &error.to_string());
                    Some((Event::Answer(failure), None))
                }
            }
        })
    }

    /// Does `work` until the deadline, where there is one.
    async fn within<T>(
        &mut self,
        work: impl AsyncFn(&mut Self) -> Result<T, UpstreamError>,
    ) -> Result<T, UpstreamError> {
        match self.deadline {
            None => work(self).await,
            Some(deadline) => match tokio::time::timeout_at(deadline, work(self)).await {
                Ok(done) => done,
                Err(_) => Err(self.peer.child.timed_out()),
            },
        }
    }

    /// The next event, of another process where that of the call is gone and nothing was heard of it.
    async fn event(&mut self) -> Result<Event, UpstreamError> {
        loop {
            let error = match self.messages.next().await {
                Some(Ok(message)) => match self.take(message) {
                    Some(event) => return Ok(event),
                    None => continue,
                },
                Some(Err(error)) => error,
                None => UpstreamError::Closed { reason: NO_ANSWER.to_owned() },
            };
            let peer = Arc::clone(&self.peer);
            if !self.is_fresh || !peer.may_repeat(&mut self.sent, &error).await {
                return Err(error);
            }
            match peer.hear(&mut self.sent).await? {
                Heard::Answer(answer) => return Ok(Event::Answer(answer.with_id(self.sent.request.id()))),
                Heard::Stream(response) => self.messages = Messages::new(response, peer.child.max_answer_bytes),
            }
        }
    }

    fn take(&self, message: Message) -> Option<Event> {
        let id = self.sent.request.id();
        match message.kind() {
            Kind::Response if message.answers(id) => Some(Event::Answer(message.with_id(id))),
            Kind::Response => {
                log::debug!("an answer that nobody waits for was dropped");
                None
            }
            Kind::Notification => {
                self.peer.heard(&message);
                Some(Event::Note(message))
            }
            // Servers of this era must not ask (streamable-http, "Receiving Messages").
            Kind::Request => None,
        }
    }
}
