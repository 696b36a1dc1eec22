//! The session era: Streamable HTTP of 2025-03-26 to 2025-11-25 (transports, "Streamable HTTP").
//!
//! Status codes follow the specification where it speaks and the official SDKs where it is silent:
//! 406 `Accept`, 415 content type, 400 not a message or no session, 404 unknown session, 409 second
//! stream, 202 for what needs no answer.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, future::LocalBoxFuture};

use super::{Answer, Endpoint, Front, FrontRequest, Verb, response};
use crate::mcp::{
    error::{Code, NO_ID, UpstreamError, error_message},
    jsonrpc::{Kind, Message, ParseError},
    session::Session,
    sse,
    upstream::{Reply, Upstream},
    version,
};

/// The largest `initialize`, in bytes: it is kept for as long as the session.
const MAX_HELLO: usize = 64 * 1024;

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

async fn post(endpoint: Endpoint, request: FrontRequest) -> Result<Answer, Answer> {
    check_accept(request.accept.as_deref(), &["application/json", "text/event-stream"])?;
    if !is_media_type(request.content_type.as_deref().unwrap_or_default(), "application/json") {
        return Err(refuse(415, Code::BadState, "Content-Type must be application/json"));
    }
    let message =
        Message::parse(request.body.clone()).map_err(|error| refuse(400, code_of(&error), &error.to_string()))?;
    check_version(request.version.as_deref(), message.id())?;
    if message.method() == "initialize" && message.kind() == Kind::Request {
        return open(endpoint, &request, message).await;
    }
    let session = session_of(&endpoint, &request, message.id())?;
    if message.kind() == Kind::Request {
        return Ok(call(endpoint, session, message).await);
    }
    let upstream = endpoint.upstream.map_err(|unavailable| refuse(503, Code::Internal, &unavailable.detail))?;
    introduce(&upstream, &session).await.map_err(|error| refuse(502, Code::Internal, &error.to_string()))?;
    match upstream.notify(session, message).await {
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
    if message.body().len() > MAX_HELLO {
        let text = format!("`initialize` is larger than {MAX_HELLO} bytes");
        return Err(fail(413, Code::InvalidRequest, &text));
    }
    let upstream = endpoint.upstream.map_err(|unavailable| fail(200, Code::Internal, &unavailable.detail))?;
    let asked = message.param("protocolVersion").unwrap_or_default();
    let hello = message.body().clone();
    let session = endpoint
        .sessions
        .open(endpoint.caller, version::negotiate(&asked), hello)
        .map_err(|error| fail(503, Code::BadState, &error.to_string()))?;
    match upstream.open(Arc::clone(&session), message).await {
        Ok(body) => {
            endpoint.sessions.keep(&session);
            Ok(Answer::Json { status: 200, body, session: Some(session.id().to_string()) })
        }
        Err(error) => {
            endpoint.sessions.close(session.id());
            Err(fail(200, Code::Internal, &error.to_string()))
        }
    }
}

/// Makes a session of an earlier run known to the child.
async fn introduce(upstream: &Arc<dyn Upstream>, session: &Arc<Session>) -> Result<(), UpstreamError> {
    let parse = |body| Message::parse(body).map_err(|_| UpstreamError::SessionLost);
    session
        .introduce(async {
            let hello = parse(session.hello().clone())?;
            Arc::clone(upstream).open(Arc::clone(session), hello).await?;
            let initialized = parse(Bytes::from_static(br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#))?;
            Arc::clone(upstream).notify(Arc::clone(session), initialized).await
        })
        .await
}

async fn call(endpoint: Endpoint, session: Arc<Session>, message: Message) -> Answer {
    let id = message.id().to_owned();
    let reached = match endpoint.upstream {
        Ok(upstream) => introduce(&upstream, &session).await.map(|()| upstream).map_err(|error| error.to_string()),
        Err(unavailable) => Err(unavailable.detail),
    };
    match reached {
        Ok(upstream) => response::answer(upstream.call(session, message), id, endpoint.quiet).await,
        Err(detail) => Answer::Json { status: 200, body: error_message(&id, Code::Internal, &detail), session: None },
    }
}

async fn get(endpoint: Endpoint, request: FrontRequest) -> Result<Answer, Answer> {
    check_accept(request.accept.as_deref(), &["text/event-stream"])?;
    check_version(request.version.as_deref(), NO_ID)?;
    let session = session_of(&endpoint, &request, NO_ID)?;
    let upstream = endpoint.upstream.map_err(|unavailable| refuse(503, Code::Internal, &unavailable.detail))?;
    introduce(&upstream, &session).await.map_err(|error| refuse(502, Code::Internal, &error.to_string()))?;
    match upstream.listen(session).await {
        Ok(Reply::Messages(messages)) => {
            // A comment at once: clients and proxies see the stream open before the first message.
            let first = futures_util::stream::once(async { Ok(sse::KEEP_ALIVE) });
            let events = first.chain(messages.map(|message| Ok(sse::event(&message)))).boxed_local();
            Ok(Answer::Events(response::with_comments(events, endpoint.quiet).boxed_local()))
        }
        Ok(Reply::Relay(relay)) => Ok(Answer::Relay(relay)),
        Ok(Reply::Message(body)) => Ok(Answer::Json { status: 200, body, session: None }),
        Err(UpstreamError::NotOffered { what: "a stream of its own messages" }) => {
            Err(Answer::NotAllowed { allow: "POST, DELETE" })
        }
        Err(error @ UpstreamError::NotOffered { .. }) => Err(refuse(409, Code::BadState, &error.to_string())),
        Err(error) => Err(refuse(502, Code::Internal, &error.to_string())),
    }
}

async fn delete(endpoint: Endpoint, request: FrontRequest) -> Result<Answer, Answer> {
    let session = session_of(&endpoint, &request, NO_ID)?;
    endpoint.sessions.close(session.id());
    if let Ok(upstream) = endpoint.upstream {
        Upstream::end(upstream, session).await;
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

/// An absent header accepts everything (RFC 9110 section 12.5.1).
fn check_accept(accept: Option<&str>, needed: &[&str]) -> Result<(), Answer> {
    let Some(accept) = accept else { return Ok(()) };
    let accepts = |wanted: &str| {
        let group = wanted.split('/').next().unwrap_or_default();
        accept.split(',').any(|range| {
            let range = range.split(';').next().unwrap_or_default().trim();
            range == "*/*"
                || range.eq_ignore_ascii_case(wanted)
                || range.strip_suffix("/*").is_some_and(|prefix| prefix.eq_ignore_ascii_case(group))
        })
    };
    match needed.iter().find(|wanted| !accepts(wanted)) {
        None => Ok(()),
        Some(missing) => Err(refuse(406, Code::BadState, &format!("Accept must include {missing}"))),
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

fn is_media_type(header: &str, wanted: &str) -> bool {
    header.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accept_header() {
        let both: &[&str] = &["application/json", "text/event-stream"];
        let cases = [
            (None, true),
            (Some("*/*"), true),
            (Some("application/json, text/event-stream"), true),
            (Some("text/event-stream;q=0.5, Application/JSON"), true),
            (Some("application/*, text/*"), true),
            (Some("application/json"), false),
            (Some("text/html"), false),
            (Some(""), false),
        ];
        for (accept, fits) in cases {
            assert_eq!(check_accept(accept, both).is_ok(), fits, "{accept:?}");
        }
    }
}
