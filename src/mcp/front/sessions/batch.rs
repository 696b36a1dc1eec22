//! Batches: arrays of messages, which belong to 2025-03-26 alone (JSON-RPC 2.0, section 6).
//!
//! Its messages are taken in their order, one after the other: a batch is one call in flight. All
//! answers come on one stream.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::value::RawValue;

use super::{
    answers::{self, Answering},
    checks::{code_of, refuse},
    events, take,
};
use crate::mcp::{
    error::Code,
    front::{Answer, Endpoint},
    jsonrpc::{Kind, Message},
    session::{Session, log::Lag},
};

/// The only version with batches.
const VERSION: &str = "2025-03-26";
/// Messages in one batch.
const MAX_MESSAGES: usize = 100;

/// Takes a batch.
pub(super) async fn post(endpoint: Endpoint, session: Arc<Session>, body: &Bytes) -> Result<Answer, Answer> {
    let messages = read(&session, body)?;
    if messages.iter().all(|message| message.kind() != Kind::Request) {
        for message in messages {
            take(&endpoint, &session, message).await?;
        }
        return Ok(Answer::Empty { status: 202 });
    }
    if let Err(unavailable) = &endpoint.upstream {
        return Err(refuse(503, Code::Internal, &unavailable.detail));
    }
    // A client that is too slow must know that it missed an answer.
    let (log, reading) = session.streams().begin(Lag::Ends);
    let (version, quiet) = (session.version(), endpoint.quiet);
    let answering = Answering { session: Arc::clone(&session), log, unanswered: None, _permit: None };
    actix_rt::spawn(async move {
        for message in messages {
            serve(&endpoint, &session, message, |answer| answering.log.push(answer)).await;
        }
    });
    Ok(Answer::Events(events::of_session(reading, version, quiet)))
}

async fn serve(endpoint: &Endpoint, session: &Arc<Session>, message: Message, push: impl Fn(Bytes)) {
    match (&endpoint.upstream, message.kind()) {
        (Ok(upstream), Kind::Request) => {
            let id = message.id().to_owned();
            let said = answers::ask(&upstream.sessions, session, message);
            answers::write(session, said, &id, push).await;
        }
        // Nothing can be said any more about a notification that nobody takes.
        _ => drop(take(endpoint, session, message).await),
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
