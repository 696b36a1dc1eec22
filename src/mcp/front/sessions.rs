//! The session era: Streamable HTTP of 2025-03-26 to 2025-11-25 (transports, "Streamable HTTP").
//!
//! Status codes follow the specification where it speaks and the official SDKs where it is silent:
//! 406 `Accept`, 415 content type, 400 not a message or no session, 404 unknown session, 409 second
//! stream, 202 for what needs no answer.

use std::sync::Arc;

use futures_util::{FutureExt, StreamExt, future::LocalBoxFuture, stream};

use super::{Answer, Endpoint, Front, FrontRequest, Verb, media, response};
use crate::mcp::{
    error::{Code, NO_ID, UpstreamError, error_message},
    jsonrpc::{Kind, Message, ParseError},
    session::Session,
    sse,
    upstream::Terms,
    version,
};

/// The front for clients that `initialize` and keep a session.
pub struct SessionFront;

impl Front for SessionFront {
    fn serve(&self, endpoint: Endpoint, request: FrontRequest) -> LocalBoxFuture<'static, Answer> {
        async move {
            let served = match request.verb {
                Verb::Post => post(endpoint, request).await,
                Verb::Get => get(endpoint, request).await,
                Verb::Delete => delete(endpoint, request).await,
            };
            served.unwrap_or_else(|refusal| refusal)
        }
        .boxed_local()
    }
}

async fn post(endpoint: Endpoint, mut request: FrontRequest) -> Result<Answer, Answer> {
    media::check_accept(request.accept.as_deref(), &["application/json", "text/event-stream"])?;
    media::check_json(request.content_type.as_deref())?;
    let message = request.message().map_err(|error| refuse(400, code_of(&error), &error.to_string()))?;
    check_version(request.version.as_deref(), message.id())?;
    if message.method() == "initialize" && message.kind() == Kind::Request {
        return open(endpoint, &request, message).await;
    }
    let session = session_of(&endpoint, &request, message.id())?;
    if message.kind() == Kind::Request {
        return Ok(call(endpoint, session, message).await);
    }
    if message.kind() == Kind::Response {
        // A late answer to something that has been given up is nobody's fault.
        session.answered(&message);
        return Ok(Answer::Empty { status: 202 });
    }
    let upstream = endpoint.upstream.map_err(|unavailable| refuse(503, Code::Internal, &unavailable.detail))?;
    match upstream.sessions.notify(session, message).await {
        Ok(()) => Ok(Answer::Empty { status: 202 }),
        Err(error) => Err(refuse(502, Code::Internal, &error.to_string())),
    }
}

async fn open(endpoint: Endpoint, request: &FrontRequest, message: Message) -> Result<Answer, Answer> {
    let id = message.id().to_owned();
    let fail = |status, code, text: &str| Answer::Json { status, body: error_message(&id, code, text), session: None };
    if request.session.is_some() {
        return Err(fail(
            400,
            Code::InvalidRequest,
            "this session is initialized already; leave the session header out to open another",
        ));
    }
    let upstream = endpoint.upstream.map_err(|unavailable| fail(200, Code::Internal, &unavailable.detail))?;
    let asked = message.param("protocolVersion").unwrap_or_default();
    let hello = message.body().clone();
    let session = endpoint
        .sessions
        .open(endpoint.caller, version::negotiate(&asked), hello)
        .map_err(|error| fail(503, Code::BadState, &error.to_string()))?;
    match upstream.sessions.open(Arc::clone(&session), message).await {
        Ok(answer) => {
            let (body, session) = (answer.body().clone(), Some(session.id().to_string()));
            Ok(Answer::Json { status: 200, body, session })
        }
        Err(error) => {
            endpoint.sessions.close(session.id());
            Err(fail(200, Code::Internal, &error.to_string()))
        }
    }
}

async fn call(endpoint: Endpoint, session: Arc<Session>, message: Message) -> Answer {
    let id = message.id().to_owned();
    match endpoint.upstream {
        Ok(upstream) => {
            let call = upstream.sessions.call(Arc::clone(&session), message, Terms::default());
            response::answer(call, session, id, endpoint.quiet).await
        }
        Err(unavailable) => {
            Answer::Json { status: 200, body: error_message(&id, Code::Internal, &unavailable.detail), session: None }
        }
    }
}

async fn get(endpoint: Endpoint, request: FrontRequest) -> Result<Answer, Answer> {
    media::check_accept(request.accept.as_deref(), &["text/event-stream"])?;
    check_version(request.version.as_deref(), NO_ID)?;
    let session = session_of(&endpoint, &request, NO_ID)?;
    let upstream = endpoint.upstream.map_err(|unavailable| refuse(503, Code::Internal, &unavailable.detail))?;
    match upstream.sessions.listen(Arc::clone(&session)).await {
        Ok(()) => {}
        Err(UpstreamError::NotOffered { .. }) => return Err(Answer::NotAllowed { allow: "POST, DELETE" }),
        Err(error) => return Err(refuse(502, Code::Internal, &error.to_string())),
    }
    let receiver = session.open_stream().map_err(|error| refuse(409, Code::BadState, &error.to_string()))?;
    let events =
        stream::unfold(receiver, |mut receiver| async move { receiver.recv().await.map(|event| (event, receiver)) });
    // A comment at once: clients and proxies see the stream open before the first message.
    let first = stream::once(async { Ok(sse::KEEP_ALIVE) });
    let events = first.chain(response::written(events, session)).boxed_local();
    Ok(Answer::Events(response::with_comments(events, endpoint.quiet).boxed_local()))
}

async fn delete(endpoint: Endpoint, request: FrontRequest) -> Result<Answer, Answer> {
    let session = session_of(&endpoint, &request, NO_ID)?;
    endpoint.sessions.close(session.id());
    if let Ok(upstream) = endpoint.upstream {
        upstream.sessions.end(session).await;
    }
    Ok(Answer::Empty { status: 204 })
}

fn session_of(endpoint: &Endpoint, request: &FrontRequest, id: &str) -> Result<Arc<Session>, Answer> {
    let fail = |status, code, text| Answer::Json { status, body: error_message(id, code, text), session: None };
    let Some(header) = request.session.as_deref() else {
        return Err(fail(400, Code::BadState, "Mcp-Session-Id is missing; send `initialize` first"));
    };
    let found = endpoint.sessions.find(header, endpoint.caller);
    found.ok_or_else(|| fail(404, Code::SessionNotFound, "session not found; send `initialize` to open a new one"))
}

fn refuse(status: u16, code: Code, text: &str) -> Answer {
    Answer::Json { status, body: error_message(NO_ID, code, text), session: None }
}

const fn code_of(error: &ParseError) -> Code {
    match error {
        ParseError::NotJson(_) => Code::Parse,
        ParseError::Batch | ParseError::Invalid(_) => Code::InvalidRequest,
    }
}

/// An absent header means what the session has agreed on.
fn check_version(header: Option<&str>, id: &str) -> Result<(), Answer> {
    match header {
        Some(version) if !version::is_supported(version) => {
            let text = format!(
                "MCP-Protocol-Version {version:?} is not supported; supported: {}",
                version::SESSION_ERA.join(", ")
            );
            Err(Answer::Json { status: 400, body: error_message(id, Code::BadState, &text), session: None })
        }
        _ => Ok(()),
    }
}
