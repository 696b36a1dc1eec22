//! One call: under which ids it goes out, what comes before its answer, and how it is given up.

use std::sync::{
    Arc, Weak,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use awc::http::Method;
use bytes::Bytes;
use futures_util::stream;
use tokio::time::Instant;

use super::SessionHttp;
use crate::mcp::{
    clock::Clock,
    error::{Code, UpstreamError},
    http::{Counted, NO_ANSWER, events::Messages, is_event_stream, repeat::Repeat},
    jsonrpc::{Kind, Message},
    session::Session,
    upstream::{Event, Terms},
};

/// The id of a request, raw, on either side of us, and its progress token.
pub(super) struct Ids {
    pub(super) client: String,
    child: String,
    token: Token,
}

/// Under which token the progress of a call is reported.
enum Token {
    /// The same on both sides.
    Passed,
    /// Clients without a session share one at the child, and may use the same tokens in it: the child
    /// is given the call's id there. The client's own, raw; `None` when it wants no progress.
    Minted(Option<Bytes>),
}

fn fresh_id() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("\"call-{}\"", NEXT.fetch_add(1, Relaxed))
}

impl Ids {
    /// The request as the child is to see it.
    pub(super) fn of(request: Message, terms: Terms) -> Result<(Message, Self), UpstreamError> {
        let client = request.id().to_owned();
        if !terms.stateless {
            return Ok((request, Self { child: client.clone(), client, token: Token::Passed }));
        }
        let child = fresh_id();
        let token = request.progress_token().map_err(|error| UpstreamError::Protocol { detail: error.to_string() })?;
        let own = token.clone().map(|range| request.body().slice(range));
        let mut edits: Vec<_> =
            request.id_span().into_iter().chain(token).map(|range| (range, child.as_bytes())).collect();
        edits.sort_by_key(|(range, _)| range.start);
        let sent = request.spliced(&edits);
        Ok((sent, Self { client, child, token: Token::Minted(own) }))
    }

    /// What the child says during the call as the client is to see it; `None` when it is not about it.
    fn note(&self, note: Message) -> Option<Message> {
        let Token::Minted(own) = &self.token else { return Some(note) };
        if note.method() != "notifications/progress" {
            return Some(note);
        }
        let (range, said) = note.raw_param("progressToken")?;
        let own = own.as_ref().filter(|_| said == self.child)?;
        Some(note.spliced(&[(range, own.as_ref())]))
    }
}

/// Cancels a call at the child: the child takes a closed connection for nothing of that kind.
pub(super) struct Cancel {
    peer: Weak<SessionHttp>,
    session: Weak<Session>,
    id: String,
    /// The end of the call's future cancels it.
    when_dropped: bool,
    over: bool,
}

impl Cancel {
    pub(super) fn new(peer: &Arc<SessionHttp>, session: &Arc<Session>, ids: &Ids, terms: Terms) -> Self {
        let (peer, session) = (Arc::downgrade(peer), Arc::downgrade(session));
        Self { peer, session, id: ids.child.clone(), when_dropped: terms.stateless, over: false }
    }

    /// The call is over; there is nothing to cancel.
    pub(super) const fn over(&mut self) {
        self.over = true;
    }

    /// The call has failed before anything came of it. The error.
    pub(super) fn failed(&mut self, error: UpstreamError) -> UpstreamError {
        match error {
            UpstreamError::TimedOut { .. } => self.tell("it took too long"),
            _ => self.over(),
        }
        error
    }

    /// Tells the child that nobody waits for the call any more.
    fn tell(&mut self, reason: &str) {
        if std::mem::replace(&mut self.over, true) {
            return;
        }
        let (Some(peer), Some(session)) = (self.peer.upgrade(), self.session.upgrade()) else { return };
        if let Some(at) = session.child_session() {
            let params = format!(r#"{{"requestId":{},"reason":"{reason}"}}"#, self.id);
            peer.tell(at, Message::note("notifications/cancelled", &params).into_body());
        }
    }
}

impl Drop for Cancel {
    fn drop(&mut self) {
        if self.when_dropped {
            self.tell("the client went away");
        }
    }
}

/// A call whose answer comes as events.
pub(super) struct Call {
    peer: Arc<SessionHttp>,
    session: Arc<Session>,
    messages: Messages,
    ids: Ids,
    clock: Arc<Clock>,
    cancel: Cancel,
    deadline: Instant,
    _counted: Counted,
}

impl Call {
    pub(super) fn new(
        peer: Arc<SessionHttp>,
        session: Arc<Session>,
        messages: Messages,
        ids: Ids,
        cancel: Cancel,
        deadline: Instant,
        counted: Counted,
    ) -> Self {
        Self { peer, session, messages, ids, clock: Arc::default(), cancel, deadline, _counted: counted }
    }

    /// Its events; the last is the answer, or the error that stands for it.
    pub(super) fn events(self) -> impl stream::Stream<Item = Event> {
        stream::unfold(Some(self), |call| async move {
            let mut call = call?;
            match call.next().await {
                Ok(Event::Answer(answer)) => {
                    call.cancel.over();
                    Some((Event::Answer(answer), None))
                }
                Ok(event) => Some((event, Some(call))),
                Err(error) => {
                    call.cancel.tell("its answer did not come");
                    let failure = Message::failure(&call.ids.client, Code::Internal, &error.to_string());
                    Some((Event::Answer(failure), None))
                }
            }
        })
    }

    async fn next(&mut self) -> Result<Event, UpstreamError> {
        loop {
            let Ok(heard) = tokio::time::timeout_at(self.deadline, self.hear()).await else {
                let child = &self.peer.child;
                let left = self.clock.left(child.call_timeout).ok_or_else(|| child.timed_out())?;
                self.deadline = Instant::now() + left;
                continue;
            };
            if let Some(event) = self.event(heard?) {
                return Ok(event);
            }
        }
    }

    fn event(&self, message: Message) -> Option<Event> {
        match message.kind() {
            Kind::Response if message.answers(&self.ids.child) => {
                Some(Event::Answer(message.with_id(&self.ids.client)))
            }
            Kind::Response => {
                log::debug!("an answer that nobody waits for was dropped");
                None
            }
            Kind::Notification => self.ids.note(message).map(Event::Note),
            Kind::Request => self.peer.asked(&self.session, message, Some(Arc::clone(&self.clock))).map(Event::Ask),
        }
    }

    /// The next message, from however many connections.
    async fn hear(&mut self) -> Result<Message, UpstreamError> {
        loop {
            match self.messages.next().await {
                Some(Ok(message)) => return Ok(message),
                // It would be sent again.
                Some(Err(error @ UpstreamError::Protocol { .. })) => return Err(error),
                Some(Err(_)) | None => self.resume().await?,
            }
        }
    }

    /// The child closed the connection before its answer: it is fetched where it broke off
    /// (2025-11-25 transports, "Resumability and Redelivery").
    async fn resume(&mut self) -> Result<(), UpstreamError> {
        let lost = || UpstreamError::Protocol { detail: NO_ANSWER.to_owned() };
        let id = self.messages.last_id().ok_or_else(lost)?;
        let at = self.session.child_session().ok_or_else(lost)?;
        tokio::time::sleep(self.messages.pause()).await;
        let response = self.peer.send(Method::GET, &at, Some(&id), (Bytes::new(), Repeat::Unsent)).await?;
        if !response.status().is_success() || !is_event_stream(&response) {
            return Err(lost());
        }
        self.messages.go_on(response);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: String) -> Message {
        Message::parse(Bytes::from(text)).unwrap()
    }

    fn progress(token: &str) -> Message {
        let params = format!(r#"{{"progressToken":{token},"progress":1}}"#);
        Message::note("notifications/progress", &params)
    }

    #[test]
    fn clients_without_a_session_share_neither_ids_nor_tokens() {
        let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"_meta":{"progressToken":1}}}"#;
        let terms = Terms { stateless: true, ..Terms::default() };
        let (a, ids) = Ids::of(message(call.to_owned()), terms).unwrap();
        let (b, others) = Ids::of(message(call.to_owned()), terms).unwrap();
        let token = |call: &Message| call.body().slice(call.progress_token().unwrap().unwrap());
        assert!(a.id() != b.id() && token(&a) != token(&b));
        let told = ids.note(progress(std::str::from_utf8(&token(&a)).unwrap())).unwrap();
        assert_eq!(told.raw_param("progressToken").unwrap().1, "1");
        assert!(others.note(progress(std::str::from_utf8(&token(&a)).unwrap())).is_none());
    }

    #[test]
    fn in_a_session_everything_stays_as_it_came() {
        let call = r#"{"id":1,"jsonrpc":"2.0","method":"tools/call","params":{"_meta":{"progressToken":"t"}}}"#;
        let (sent, ids) = Ids::of(message(call.to_owned()), Terms::default()).unwrap();
        assert_eq!(sent.body(), call.as_bytes());
        assert!(ids.note(progress("\"t\"")).is_some());
    }
}
