//! HTTP+SSE of 2024-11-05: one stream for everything that the client is told, one endpoint for
//! everything that it says (2024-11-05 transports, "HTTP with SSE").
//!
//! The session is its stream: it ends when that does, and nothing of it can be resumed. The id in the
//! address of the second endpoint opens it to the user who made the stream, and to nobody else.

use std::sync::Arc;

use futures_util::{StreamExt, stream};

use super::{
    Answer, Endpoint, FrontRequest,
    media::{self, STREAM},
    response::with_comments,
    sessions::{
        MAX_HELLO,
        answers::{self, Worth},
        asked::{Asked, taken_back},
        checks::{code_of, refuse, refuse_request},
        take,
    },
};
use crate::mcp::{
    error::Code,
    jsonrpc::{Kind, Message},
    session::{Session, SessionId, Sessions, Transport, streams::Streams},
    sse, version,
};

/// Ends the session with its stream.
struct Connection {
    sessions: Arc<Sessions>,
    id: SessionId,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.sessions.disconnect(self.id);
    }
}

/// Opens the stream. `messages` is the path of the second endpoint, to which the id is added.
pub async fn open(endpoint: Endpoint, request: &FrontRequest<'_>, messages: &str) -> Answer {
    if let Err(refusal) = media::check_accept(request.accept, &[STREAM]) {
        return refusal;
    }
    if let Err(unavailable) = endpoint.child.reach().await {
        return refuse(503, Code::Internal, &unavailable.detail);
    }
    let (id, reading) = match endpoint.sessions.connect(endpoint.caller) {
        Ok(connected) => connected,
        Err(error) => return refuse(503, Code::BadState, &error.to_string()),
    };
    let connection = Connection { sessions: endpoint.sessions, id };
    let first = sse::endpoint_event(&format!("{messages}?session_id={id}"));
    let events = reading.map(move |(_, message)| {
        let _open = &connection;
        Ok(sse::event(&message))
    });
    let events = stream::once(async { Ok(first) }).chain(events).boxed_local();
    Answer::Events(with_comments(events, endpoint.quiet).boxed_local())
}

/// Takes one message to the session `id`; what there is to say comes on its stream.
pub async fn post(endpoint: Endpoint, request: FrontRequest<'_>, id: Option<&str>) -> Answer {
    let served = serve(endpoint, request, id).await;
    served.map_or_else(|refusal| refusal, |()| Answer::Empty { status: 202 })
}

async fn serve(endpoint: Endpoint, mut request: FrontRequest<'_>, id: Option<&str>) -> Result<(), Answer> {
    media::check_json(request.content_type)?;
    let message = request.message().map_err(|error| refuse(400, code_of(&error), &error.to_string()))?;
    let fail = |status, code, text: &str| refuse_request(status, message.id(), code, text);
    let id = id.ok_or_else(|| fail(400, Code::BadState, "session_id is missing; open the stream at …/sse first"))?;
    let is_hello = message.kind() == Kind::Request && message.method() == "initialize";
    let not_found = || fail(404, Code::SessionNotFound, "session not found; open a new stream at …/sse");
    let id = SessionId::read(id).ok_or_else(not_found)?;
    if let Some(session) = endpoint.sessions.find_over(Transport::Sse, id, endpoint.caller) {
        if is_hello {
            return Err(fail(400, Code::InvalidRequest, "this session is initialized already"));
        }
        return go_on(endpoint, session, message).await;
    }
    let streams = endpoint.sessions.connected(id, endpoint.caller).ok_or_else(not_found)?;
    if !is_hello {
        return Err(fail(400, Code::BadState, "send `initialize` first"));
    }
    if message.body().len() > MAX_HELLO {
        return Err(fail(413, Code::InvalidRequest, &format!("`initialize` is larger than {MAX_HELLO} bytes")));
    }
    initialize(endpoint, id, &streams, message).await
}

async fn initialize(endpoint: Endpoint, id: SessionId, streams: &Streams, hello: Message) -> Result<(), Answer> {
    let raw_id = hello.id().to_owned();
    let fail = |status, code, text: &str| refuse_request(status, &raw_id, code, text);
    let upstream = endpoint.child.reach().await;
    let upstream = upstream.map_err(|unavailable| fail(503, Code::Internal, &unavailable.detail))?;
    let agreed = version::negotiate(&hello.param("protocolVersion").unwrap_or_default());
    let session = endpoint
        .sessions
        .open_connected(id, endpoint.caller, agreed, hello.body().clone())
        .map_err(|error| fail(503, Code::BadState, &error.to_string()))?
        .ok_or_else(|| fail(400, Code::InvalidRequest, "this session is initialized already"))?;
    let peer = upstream.sessions;
    match Arc::clone(&peer).open(Arc::clone(&session), hello).await {
        Ok(answer) => {
            streams.deliver(answer.into_body());
            endpoint.sessions.accepted(&session);
            // A child that has nothing to say of its own is no reason to refuse its client.
            let _ = peer.listen(session).await;
        }
        Err(error) => {
            streams.deliver(Message::failure(&raw_id, Code::Internal, &error.to_string()).into_body());
            streams.finish_own();
        }
    }
    Ok(())
}

async fn go_on(endpoint: Endpoint, session: Arc<Session>, message: Message) -> Result<(), Answer> {
    if message.kind() != Kind::Request {
        return take(endpoint.child, &session, message).await;
    }
    let id = message.id().to_owned();
    let Endpoint { child, permit, standing, .. } = endpoint;
    let upstream = child.reach().await;
    let upstream = upstream.map_err(|unavailable| refuse_request(503, &id, Code::Internal, &unavailable.detail))?;
    actix_rt::spawn(async move {
        let said = answers::ask(&upstream.sessions, &session, message);
        let writing = answers::write(&session, said, &id, |message, worth| {
            match worth {
                Worth::Note => session.streams().deliver_note(message),
                Worth::Needed => session.streams().deliver(message),
            };
        });
        let asked = Asked { peer: upstream.sessions, session: Arc::clone(&session), id: id.clone(), standing };
        if !asked.unless_over(writing).await {
            session.streams().deliver(taken_back(&id).into_body());
        }
        drop(permit);
    });
    Ok(())
}
