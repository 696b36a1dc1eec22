//! Calls and their answers: JSON where that is all and comes soon, a stream of events otherwise.
//!
//! A call that became a stream belongs to the session, not to the connection: a task on this thread
//! writes its events into the session's log, and goes on when the client's connection is lost
//! (transports: "Disconnection SHOULD NOT be interpreted as the client cancelling its request"). Its
//! place among the calls in flight is held until it ends.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{
    FutureExt, StreamExt,
    future::LocalBoxFuture,
    stream::{self, LocalBoxStream},
};
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, timeout_at},
};

use super::{checks::refuse_request, events};
use crate::mcp::{
    error::{Code, UpstreamError},
    front::{Answer, Endpoint},
    jsonrpc::Message,
    session::{
        Session,
        log::{EventLog, Lag},
    },
    upstream::{Event, Reply, SessionPeer, Terms},
};

/// How long an answer may take and still be one JSON message. A client that loses its connection
/// before can resume nothing, so this is short; but most calls are faster, and JSON costs them less.
const SOON: Duration = Duration::from_millis(250);

type Call = LocalBoxFuture<'static, Result<Reply, UpstreamError>>;
/// What is said about a call, its answer last.
pub(in crate::mcp::front) type Said = LocalBoxStream<'static, Event>;

/// Hands on one request and answers it.
///
/// A client that names events before JSON gets events, whenever the answer comes.
pub(super) async fn call(endpoint: Endpoint, session: Arc<Session>, request: Message, prefers_events: bool) -> Answer {
    let id = request.id().to_owned();
    let Endpoint { upstream, permit, quiet, .. } = endpoint;
    let upstream = match upstream {
        Ok(upstream) => upstream,
        Err(unavailable) => return refuse_request(200, &id, Code::Internal, &unavailable.detail),
    };
    let call = upstream.sessions.call(Arc::clone(&session), request, Terms::default());
    let mut begun = Begun { call: Some(call), permit };
    let begun_well = if prefers_events { Err(begun.whole(&id)) } else { begun.soon(&id).await };
    match begun_well {
        Ok(body) => Answer::Json { status: 200, body, session: None },
        Err(said) => {
            let permit = begun.permit.take();
            let (log, reading) = session.streams().begin(Lag::Skips);
            let version = session.version();
            let mut answering = Answering { session, log, unanswered: Some(id.clone()), _permit: permit };
            actix_rt::spawn(async move {
                write(&answering.session, said, &id, |message| answering.log.push(message)).await;
                answering.answered();
            });
            Answer::Events(events::of_session(reading, version, quiet))
        }
    }
}

/// The stream of an answer while it is written. It ends with its task, also when that ends early: a
/// worker without connections does not wait for its tasks when Berth ends, and the client may be
/// connected to another one.
pub(super) struct Answering {
    pub(super) session: Arc<Session>,
    pub(super) log: Arc<EventLog>,
    /// The raw id of the request that this is the answer to, until it has been answered.
    pub(super) unanswered: Option<String>,
    pub(super) _permit: Option<OwnedSemaphorePermit>,
}

impl Answering {
    fn answered(&mut self) {
        self.unanswered = None;
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        if let Some(id) = &self.unanswered {
            self.log.push(Message::failure(id, Code::Internal, "Berth ended before the server answered").into_body());
        }
        self.log.finish();
        self.session.streams().trim();
    }
}

/// A call whose answer may come soon. When its client goes away before, it goes on without.
struct Begun {
    call: Option<Call>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Begun {
    /// The answer, if it comes soon and before anything else; otherwise what will be said.
    async fn soon(&mut self, id: &str) -> Result<Bytes, Said> {
        let deadline = Instant::now() + SOON;
        let Some(call) = self.call.as_mut() else { return Err(stream::empty().boxed_local()) };
        let outcome = timeout_at(deadline, call).await;
        let call = self.call.take();
        match (outcome, call) {
            (Ok(Ok(Reply::Answer(answer))), _) => Ok(answer.into_body()),
            (Ok(Err(error)), _) => Ok(Message::failure(id, Code::Internal, &error.to_string()).into_body()),
            // Something comes before the answer, or a child's event stream has begun.
            (Ok(Ok(Reply::Events(mut events))), _) => match timeout_at(deadline, events.next()).await {
                Ok(Some(Event::Answer(answer))) => Ok(answer.into_body()),
                Ok(first) => Err(stream::iter(first).chain(events).boxed_local()),
                Err(_) => Err(events),
            },
            (Err(_), Some(call)) => Err(said(call, id.to_owned())),
            (Err(_), None) => Err(stream::empty().boxed_local()),
        }
    }
}

impl Begun {
    /// All that will be said, as a stream.
    fn whole(&mut self, id: &str) -> Said {
        self.call.take().map_or_else(|| stream::empty().boxed_local(), |call| said(call, id.to_owned()))
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        if let Some(call) = self.call.take() {
            let permit = self.permit.take();
            actix_rt::spawn(async move {
                said(call, String::new()).for_each(|_| std::future::ready(())).await;
                drop(permit);
            });
        }
    }
}

/// What is said about a call that has only begun.
pub(in crate::mcp::front) fn said(call: Call, id: String) -> Said {
    call.map(move |reply| match reply {
        Ok(Reply::Events(events)) => events,
        Ok(Reply::Answer(answer)) => one(answer),
        Err(error) => one(Message::failure(&id, Code::Internal, &error.to_string())),
    })
    .flatten_stream()
    .boxed_local()
}

fn one(answer: Message) -> Said {
    stream::once(std::future::ready(Event::Answer(answer))).boxed_local()
}

/// The same for a request that is yet to be handed on.
pub(in crate::mcp::front) fn ask(peer: &Arc<dyn SessionPeer>, session: &Arc<Session>, request: Message) -> Said {
    let id = request.id().to_owned();
    said(Arc::clone(peer).call(Arc::clone(session), request, Terms::default()), id)
}

/// Hands each message that the client is to get to `push`; the last one is the answer to `id`.
pub(in crate::mcp::front) async fn write(session: &Session, mut said: Said, id: &str, push: impl Fn(Bytes)) {
    while let Some(event) = said.next().await {
        let is_answer = matches!(event, Event::Answer(_));
        if let Some(message) = session.written(event) {
            push(message);
        }
        if is_answer {
            return;
        }
    }
    push(Message::failure(id, Code::Internal, "the server ended without an answer").into_body());
}
