//! Calls and their answers: JSON where that is all and comes soon, a stream of events otherwise.
//!
//! A call that became a stream belongs to the session, not to the connection: a task on this thread
//! writes its events into the session's log, and goes on when the client's connection is lost
//! (transports: "Disconnection SHOULD NOT be interpreted as the client cancelling its request"). Its
//! place among the calls in flight is held until it ends. Only when its client may not be here any more
//! is it cancelled at once.

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

use super::{
    asked::{Asked, taken_back},
    checks::refuse_request,
    events,
};
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
    let Endpoint { child, permit, quiet, standing, .. } = endpoint;
    let upstream = match child.reach().await {
        Ok(upstream) => upstream,
        Err(unavailable) => return refuse_request(200, &id, Code::Internal, &unavailable.detail),
    };
    let call = Arc::clone(&upstream.sessions).call(Arc::clone(&session), request, Terms::default());
    let asked = Asked { peer: upstream.sessions, session, id, standing };
    let mut begun = Begun { stage: Stage::Asked(call), asked, permit };
    let soon = if prefers_events { None } else { begun.soon().await };
    match soon {
        Some(body) => Answer::Json { status: 200, body, session: None },
        None => {
            let (said, permit) = begun.whole();
            let asked = begun.asked.clone();
            let session = Arc::clone(&asked.session);
            let (log, reading) = session.streams().begin(Lag::Skips);
            let version = session.version();
            let mut answering = Answering { session, log, unanswered: Some(asked.id.clone()), _permit: permit };
            actix_rt::spawn(async move {
                let session = &answering.session;
                let push = |message, _: Worth| session.streams().push(&answering.log, message);
                if !asked.unless_over(write(session, said, &asked.id, push)).await {
                    push(taken_back(&asked.id).into_body(), Worth::Needed);
                }
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
    stage: Stage,
    asked: Asked,
    permit: Option<OwnedSemaphorePermit>,
}

enum Stage {
    /// The child has been asked.
    Asked(Call),
    /// It has begun to speak: what it said already and what is still to come.
    Spoken(Option<Event>, Said),
    /// There is nothing more to wait for.
    Over,
}

impl Begun {
    /// The answer, if it comes soon and before anything else.
    async fn soon(&mut self) -> Option<Bytes> {
        let id = &self.asked.id;
        let deadline = Instant::now() + SOON;
        if let Stage::Asked(call) = &mut self.stage {
            let reply = timeout_at(deadline, call).await.ok()?;
            self.stage = Stage::Over;
            match reply {
                Ok(Reply::Answer(answer)) => return Some(answer.into_body()),
                Ok(Reply::Events(events)) => self.stage = Stage::Spoken(None, events),
                Err(error) => return Some(Message::failure(id, Code::Internal, &error.to_string()).into_body()),
            }
        }
        // Something comes before the answer, or a child's event stream has begun.
        let Stage::Spoken(first, events) = &mut self.stage else { return None };
        match timeout_at(deadline, events.next()).await.ok()? {
            Some(Event::Answer(answer)) => {
                self.stage = Stage::Over;
                Some(answer.into_body())
            }
            spoken => {
                *first = spoken;
                None
            }
        }
    }

    /// All that is still to be said, as a stream, and the call's place among those in flight.
    fn whole(&mut self) -> (Said, Option<OwnedSemaphorePermit>) {
        let said = match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Asked(call) => said(call, self.asked.id.clone()),
            Stage::Spoken(first, events) => stream::iter(first).chain(events).boxed_local(),
            Stage::Over => stream::empty().boxed_local(),
        };
        (said, self.permit.take())
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        if matches!(self.stage, Stage::Over) {
            return;
        }
        let (mut said, permit) = self.whole();
        let asked = self.asked.clone();
        actix_rt::spawn(async move {
            let reading = async {
                while let Some(event) = said.next().await {
                    // Nobody can come back for the rest, but on its own stream the client can be asked.
                    if matches!(event, Event::Ask(_)) {
                        drop(asked.session.deliver(event));
                    }
                }
            };
            asked.unless_over(reading).await;
            drop(permit);
        });
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

/// What a message is worth to a client that reads too slowly for everything.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::mcp::front) enum Worth {
    /// It may be missed.
    Note,
    /// Somebody waits for what comes of it: an answer, a question.
    Needed,
}

/// Hands each message that the client is to get to `push`; the last one is the answer to `id`.
pub(in crate::mcp::front) async fn write(session: &Session, mut said: Said, id: &str, push: impl Fn(Bytes, Worth)) {
    while let Some(event) = said.next().await {
        let is_answer = matches!(event, Event::Answer(_));
        let worth = if matches!(event, Event::Note(_)) { Worth::Note } else { Worth::Needed };
        if let Some(message) = session.written(event) {
            push(message, worth);
        }
        if is_answer {
            return;
        }
    }
    push(unanswered(id).into_body(), Worth::Needed);
}

/// What stands for an answer that the child did not give.
pub(in crate::mcp::front) fn unanswered(id: &str) -> Message {
    Message::failure(id, Code::Internal, "the server ended without an answer")
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;
    use crate::{
        domain::ids::UserId,
        mcp::{ask::Ask, front::Standing, session::Sessions},
    };

    /// A child that is not asked here.
    struct Mute;

    impl SessionPeer for Mute {
        fn open(
            self: Arc<Self>,
            _: Arc<Session>,
            _: Message,
        ) -> LocalBoxFuture<'static, Result<Message, UpstreamError>> {
            std::future::pending().boxed_local()
        }

        fn call(self: Arc<Self>, _: Arc<Session>, _: Message, _: Terms) -> Call {
            std::future::pending().boxed_local()
        }

        fn notify(self: Arc<Self>, _: Arc<Session>, _: Message) -> LocalBoxFuture<'static, Result<(), UpstreamError>> {
            std::future::ready(Ok(())).boxed_local()
        }

        fn listen(self: Arc<Self>, _: Arc<Session>) -> LocalBoxFuture<'static, Result<(), UpstreamError>> {
            std::future::ready(Ok(())).boxed_local()
        }

        fn end(self: Arc<Self>, _: Arc<Session>) -> LocalBoxFuture<'static, ()> {
            std::future::ready(()).boxed_local()
        }
    }

    fn message(text: &'static str) -> Message {
        Message::parse(Bytes::from_static(text.as_bytes())).unwrap()
    }

    #[test]
    fn a_call_goes_on_when_its_client_leaves_before_the_first_note() {
        actix_rt::System::new().block_on(async {
            let hello = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"capabilities":{"roots":{}}}}"#;
            let sessions = Sessions::new(1);
            let session = sessions.open(UserId::generate(), "2025-11-25", Bytes::from(hello)).unwrap();
            let mut own = session.streams().open_own().unwrap();
            let (child, said) = mpsc::unbounded_channel();
            let events =
                stream::unfold(said, |mut said| async { said.recv().await.map(|event| (event, said)) }).boxed_local();
            let call = std::future::ready(Ok(Reply::Events(events))).boxed_local();
            let standing = Standing::default();
            let asked = Asked { peer: Arc::new(Mute), session: Arc::clone(&session), id: "1".to_owned(), standing };
            let mut begun = Begun { stage: Stage::Asked(call), asked, permit: None };
            assert!(begun.soon().now_or_never().is_none(), "nothing has been said yet");
            drop(begun);
            assert!(!child.is_closed(), "the child is still heard");
            let ask = Ask::new(message(r#"{"jsonrpc":"2.0","id":7,"method":"roots/list"}"#), |_| {});
            assert!(child.send(Event::Ask(ask)).is_ok());
            let asked = own.next().await.map(|(_, message)| Message::parse(message).unwrap());
            assert_eq!(asked.as_ref().map(Message::method), Some("roots/list"));
            assert!(child.send(Event::Answer(Message::success("1", "{}"))).is_ok());
        });
    }
}
