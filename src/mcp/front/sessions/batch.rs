//! Batches: arrays of messages, which belong to 2025-03-26 alone (JSON-RPC 2.0, section 6).
//!
//! Its messages are taken in their order, one after the other: a batch is one call in flight. All
//! answers come on one stream.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::value::RawValue;

use super::{
    answers::{self, Answering, Worth},
    asked::Asked,
    checks::{code_of, refuse},
    events, take,
};
use crate::mcp::{
    error::Code,
    front::{Answer, Child, Endpoint},
    jsonrpc::{Kind, Message},
    session::{Session, log::Lag},
    upstream::Upstream,
};

/// The only version with batches.
const VERSION: &str = "2025-03-26";
/// Messages in one batch.
const MAX_MESSAGES: usize = 100;

/// Takes a batch.
pub(super) async fn post(endpoint: Endpoint, session: Arc<Session>, body: &Bytes) -> Result<Answer, Answer> {
    let messages = read(&session, body)?;
    if messages.iter().all(|message| message.kind() != Kind::Request) {
        return take_all(endpoint.child, &session, messages).await;
    }
    let Endpoint { child, quiet, permit, standing, .. } = endpoint;
    let upstream = child.reach().await.map_err(|unavailable| refuse(503, Code::Internal, &unavailable.detail))?;
    // A client that is too slow must know that it missed an answer.
    let (log, reading) = session.streams().begin(Lag::Ends);
    let version = session.version();
    let answering = Answering { session: Arc::clone(&session), log, unanswered: None, _permit: permit };
    actix_rt::spawn(async move {
        for message in messages {
            let id = message.id().to_owned();
            let push = |answer, _: Worth| session.streams().push(&answering.log, answer);
            let peer = Arc::clone(&upstream.sessions);
            let asked = Asked { peer, session: Arc::clone(&session), id, standing: standing.clone() };
            if !asked.unless_over(serve(&upstream, &session, message, push)).await {
                break;
            }
        }
    });
    Ok(Answer::Events(events::of_session(reading, version, quiet)))
}

/// Takes messages of which none needs an answer.
async fn take_all(child: Child, session: &Arc<Session>, messages: Vec<Message>) -> Result<Answer, Answer> {
    let (responses, notes): (Vec<_>, Vec<_>) =
        messages.into_iter().partition(|message| message.kind() == Kind::Response);
    for response in &responses {
        session.answered(response);
    }
    if !notes.is_empty() {
        let upstream = child.reach().await.map_err(|unavailable| refuse(503, Code::Internal, &unavailable.detail))?;
        for note in notes {
            take(Child::There(upstream.clone()), session, note).await?;
        }
    }
    Ok(Answer::Empty { status: 202 })
}

async fn serve(upstream: &Upstream, session: &Arc<Session>, message: Message, push: impl Fn(Bytes, Worth)) {
    if message.kind() == Kind::Request {
        let id = message.id().to_owned();
        let said = answers::ask(&upstream.sessions, session, message);
        answers::write(session, said, &id, push).await;
    } else {
        // Nothing can be said any more about a notification that nobody takes.
        drop(take(Child::There(upstream.clone()), session, message).await);
    }
}

fn read(session: &Session, body: &Bytes) -> Result<Vec<Message>, Answer> {
    let invalid = |text: &str| refuse(400, Code::InvalidRequest, text);
    if session.version() != VERSION {
        let text = format!(
            "batches are part of {VERSION} alone, and this session has agreed on {}: send one message per request",
            session.version()
        );
        return Err(invalid(&text));
    }
    let parts: Vec<&RawValue> =
        serde_json::from_slice(body).map_err(|error| refuse(400, Code::Parse, &format!("not JSON: {error}")))?;
    if parts.is_empty() || parts.len() > MAX_MESSAGES {
        return Err(invalid(&format!("a batch holds 1 to {MAX_MESSAGES} messages, not {}", parts.len())));
    }
    let parse = |(place, part): (usize, &&RawValue)| {
        let message = Message::parse(Bytes::copy_from_slice(part.get().as_bytes()));
        message.map_err(|error| refuse(400, code_of(&error), &format!("message {place} of the batch: {error}")))
    };
    let messages: Vec<Message> = parts.iter().enumerate().map(parse).collect::<Result<_, _>>()?;
    if messages.iter().any(|message| message.method() == "initialize") {
        return Err(invalid("`initialize` must not be part of a batch"));
    }
    Ok(messages)
}
