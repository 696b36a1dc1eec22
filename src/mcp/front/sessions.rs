//! The session era: Streamable HTTP of 2025-03-26 to 2025-11-25 (transports, "Streamable HTTP").
//!
//! Status codes follow the specification where it speaks and the official SDKs where it is silent:
//! 406 `Accept`, 415 content type, 400 not a message or no session, 404 unknown session, 409 second
//! stream, 202 for what needs no answer. An event id that is not known (any more) is 400: 404 would
//! tell the client that its session is gone.

pub(super) mod answers;
pub(super) mod asked;
mod batch;
pub(super) mod checks;
pub(super) mod events;

use std::sync::Arc;

use futures_util::{FutureExt, future::LocalBoxFuture};

use self::checks::{check_version, code_of, refuse, refuse_request, session_of};
use super::{
    Answer, Body, Child, Endpoint, Front, FrontRequest, Verb,
    media::{self, JSON, STREAM},
};
use crate::mcp::{
    error::{Code, NO_ID, UpstreamError},
    jsonrpc::{Kind, Message},
    session::{
        Session,
        log::EventId,
        streams::{OWN, Reading},
    },
    version,
};

/// The largest `initialize`, in bytes: it is kept for as long as the session.
pub(super) const MAX_HELLO: usize = 64 * 1024;

/// The front for clients that `initialize` and keep a session.
pub struct SessionFront;

impl Front for SessionFront {
    fn serve<'a>(&self, endpoint: Endpoint, request: FrontRequest<'a>) -> LocalBoxFuture<'a, Answer> {
        async move {
            let served = match request.verb {
                Verb::Post => post(endpoint, request).await,
                Verb::Get => get(endpoint, request).await,
                Verb::Delete => delete(&endpoint, &request),
            };
            served.unwrap_or_else(|refusal| refusal)
        }
        .boxed_local()
    }
}

async fn post(endpoint: Endpoint, mut request: FrontRequest<'_>) -> Result<Answer, Answer> {
    media::check_accept(request.accept, &[JSON, STREAM])?;
    media::check_json(request.content_type)?;
    if let Body::Batch(batch) = &request.body {
        check_version(request.version, NO_ID)?;
        let session = session_of(&endpoint, &request, NO_ID)?;
        return batch::post(endpoint, session, batch).await;
    }
    let message = request.message().map_err(|error| refuse(400, code_of(&error), &error.to_string()))?;
    check_version(request.version, message.id())?;
    if message.method() == "initialize" && message.kind() == Kind::Request {
        return open(endpoint, &request, message).await;
    }
    let session = session_of(&endpoint, &request, message.id())?;
    if message.kind() == Kind::Request {
        let prefers_events = media::prefers_events(request.accept);
        return Ok(answers::call(endpoint, session, message, prefers_events).await);
    }
    take(endpoint.child, &session, message).await?;
    Ok(Answer::Empty { status: 202 })
}

/// Takes what needs no answer: a notification, or a response to a request of the child.
pub(super) async fn take(child: Child, session: &Arc<Session>, message: Message) -> Result<(), Answer> {
    if message.kind() == Kind::Response {
        // A late answer to something that has been given up is nobody's fault. Its child is there
        // already, or will never hear of it.
        session.answered(&message);
        return Ok(());
    }
    let upstream = child.reach().await.map_err(|unavailable| refuse(503, Code::Internal, &unavailable.detail))?;
    let taken = upstream.sessions.notify(Arc::clone(session), message).await;
    taken.map_err(|error| refuse(502, Code::Internal, &error.to_string()))
}

async fn open(endpoint: Endpoint, request: &FrontRequest<'_>, message: Message) -> Result<Answer, Answer> {
    let id = message.id().to_owned();
    let fail = |status, code, text: &str| refuse_request(status, &id, code, text);
    if request.session.is_some() {
        return Err(fail(
            400,
            Code::InvalidRequest,
            "this session is initialized already; leave the session header out to open another",
        ));
    }
    if message.body().len() > MAX_HELLO {
        return Err(fail(413, Code::InvalidRequest, &format!("`initialize` is larger than {MAX_HELLO} bytes")));
    }
    let upstream =
        endpoint.child.reach().await.map_err(|unavailable| fail(200, Code::Internal, &unavailable.detail))?;
    let asked = message.param("protocolVersion").unwrap_or_default();
    let hello = message.body().clone();
    let session = endpoint
        .sessions
        .open(endpoint.caller, version::negotiate(&asked), hello)
        .map_err(|error| fail(503, Code::BadState, &error.to_string()))?;
    match upstream.sessions.open(Arc::clone(&session), message).await {
        Ok(answer) => {
            endpoint.sessions.keep(&session);
            endpoint.sessions.accepted(&session);
            let (body, session) = (answer.into_body(), Some(session.id().to_string()));
            Ok(Answer::Json { status: 200, body, session })
        }
        Err(error) => {
            endpoint.sessions.close(session.id());
            Err(fail(200, Code::Internal, &error.to_string()))
        }
    }
}

async fn get(endpoint: Endpoint, request: FrontRequest<'_>) -> Result<Answer, Answer> {
    media::check_accept(request.accept, &[STREAM])?;
    check_version(request.version, NO_ID)?;
    let session = session_of(&endpoint, &request, NO_ID)?;
    let reading = match request.last_event_id {
        Some(seen) => resume(&session, seen)?,
        None => session.streams().open_own().map_err(|taken| refuse(409, Code::BadState, &taken.to_string()))?,
    };
    if reading.position().stream == OWN {
        let upstream = endpoint.child.reach().await;
        let upstream = upstream.map_err(|unavailable| refuse(503, Code::Internal, &unavailable.detail))?;
        match upstream.sessions.listen(Arc::clone(&session)).await {
            Ok(()) => {}
            Err(UpstreamError::NotOffered { .. }) => return Err(Answer::NotAllowed { allow: "POST, DELETE" }),
            Err(error) => return Err(refuse(502, Code::Internal, &error.to_string())),
        }
    }
    Ok(Answer::Events(events::of_session(reading, session.version(), endpoint.quiet)))
}

fn resume(session: &Session, seen: &str) -> Result<Reading, Answer> {
    let known = EventId::read(seen).and_then(|id| session.streams().resume(id));
    known.ok_or_else(|| {
        let text = format!("Last-Event-ID {seen:?} is of no stream that can still be resumed; send the request again");
        refuse(400, Code::BadState, &text)
    })
}

fn delete(endpoint: &Endpoint, request: &FrontRequest<'_>) -> Result<Answer, Answer> {
    let session = session_of(endpoint, request, NO_ID)?;
    endpoint.sessions.close(session.id());
    Ok(Answer::Empty { status: 204 })
}
