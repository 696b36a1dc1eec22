//! The stateless era: Streamable HTTP of 2026-07-28. POST only; each request says everything.
//!
//! What is wrong is answered in the order of the specification's tables: verb, `Accept`, JSON, `_meta`
//! (-32602), headers that mirror the body (-32020), version (-32022), method (-32601, 404). The HTTP
//! status follows from the error's code, so an answer waits for its first event before the head goes
//! out.

use std::time::Duration;

use futures_util::{FutureExt, StreamExt, future::LocalBoxFuture, stream};
use tokio::sync::OwnedSemaphorePermit;

use super::{Answer, Endpoint, Front, FrontRequest, Verb, media, response, sessions::answers::unanswered};
use crate::{
    domain::ids::UserId,
    mcp::{
        bridge::{Counted, Kind as HeldKind},
        discovery::closure,
        error::{Code, NO_ID, error_message, error_with_data},
        jsonrpc::{Kind, Message, ParseError},
        members::{members, only},
        meta::RequestMeta,
        sse,
        upstream::{Event, Reply, StatelessCall},
        version,
    },
};

/// The front for clients without sessions.
pub struct StatelessFront;

impl Front for StatelessFront {
    fn serve<'a>(&self, endpoint: Endpoint, request: FrontRequest<'a>) -> LocalBoxFuture<'a, Answer> {
        async move {
            match request.verb {
                Verb::Post => post(endpoint, request).await.unwrap_or_else(|refusal| refusal),
                Verb::Get | Verb::Delete => Answer::NotAllowed { allow: "POST" },
            }
        }
        .boxed_local()
    }
}

async fn post(endpoint: Endpoint, mut request: FrontRequest<'_>) -> Result<Answer, Answer> {
    media::check_accept(request.accept, &["application/json", "text/event-stream"])?;
    media::check_json(request.content_type)?;
    let message = request.message().map_err(|error| unreadable(&error))?;
    match message.kind() {
        Kind::Request => {}
        // The core protocol defines none over HTTP; clients send `cancelled` all the same, after they
        // closed the stream that was to be cancelled.
        Kind::Notification => return Ok(Answer::Empty { status: 202 }),
        Kind::Response => return Err(refuse(400, NO_ID, Code::InvalidRequest, "clients send no responses")),
    }
    let prefers_events = media::prefers_events(request.accept);
    let call = read(message, endpoint.caller.user, request)?;
    let (id, quiet) = (call.request.id().to_owned(), endpoint.quiet);
    let failed =
        |text: &str| Answer::Json { status: 200, body: error_message(&id, Code::Internal, text), session: None };
    let Endpoint { child, permit, .. } = endpoint;
    let upstream = child.reach().await.map_err(|unavailable| failed(&unavailable.detail))?;
    if call.request.method() == "tools/call" {
        let checked = upstream.stateless.clone().check_params(&call).await;
        let agrees = checked.map_err(|error| failed(&error.to_string()))?;
        agrees.map_err(|mismatch| refuse(400, &id, Code::HeaderMismatch, &mismatch.to_string()))?;
    }
    let method = call.request.method().to_owned();
    let calling = upstream.stateless.call(call);
    let calling = match method.as_str() {
        "server/discover" => calling.map(|reply| reply.map(with_our_versions)).boxed_local(),
        "subscriptions/listen" => {
            let counted = upstream.held.take(HeldKind::Listen).ok_or_else(|| failed(TOO_MANY_LISTENERS))?;
            let id = id.clone();
            calling.map(|reply| reply.map(|reply| holding(reply, id, counted))).boxed_local()
        }
        _ => calling,
    };
    let answer = answer(calling, id, quiet, prefers_events).await;
    // A listen stream may stay open for hours, and is counted where those are.
    Ok(if method == "subscriptions/listen" { answer } else { in_flight(answer, permit) })
}

/// Keeps the call's place among those in flight for as long as its answer is being sent.
fn in_flight(answer: Answer, permit: Option<OwnedSemaphorePermit>) -> Answer {
    match answer {
        Answer::Events(events) => Answer::Events(
            events
                .map(move |event| {
                    let _held = &permit;
                    event
                })
                .boxed_local(),
        ),
        answer => answer,
    }
}

const TOO_MANY_LISTENERS: &str = "as many streams as allowed are listening on this instance; close one first";

/// A listen stream, counted for as long as it is open. When its child or Berth ends, it ends as the
/// specification has it (patterns/subscriptions, "Graceful Closure"); what the child refuses at once
/// stays refused.
fn holding(reply: Reply, id: String, counted: Counted) -> Reply {
    let Reply::Events(events) = reply else { return reply };
    let listening = stream::unfold(Some((events, counted, false)), move |state| {
        let id = id.clone();
        async move {
            let (mut events, counted, acknowledged) = state?;
            let event = tokio::select! {
                () = counted.ending() => None,
                event = events.next() => event,
            };
            match event {
                Some(Event::Answer(answer)) if !acknowledged || answer.error().is_none() => {
                    Some((Event::Answer(answer), None))
                }
                Some(Event::Answer(_)) | None => Some((Event::Answer(closure(&id)), None)),
                Some(event) => Some((event, Some((events, counted, true)))),
            }
        }
    });
    Reply::Events(listening.boxed_local())
}

/// The call that a request is, if all that it says of itself agrees.
fn read(message: Message, caller: UserId, request: FrontRequest<'_>) -> Result<StatelessCall, Answer> {
    let id = message.id().to_owned();
    let meta =
        RequestMeta::read(&message).map_err(|error| refuse(400, &id, Code::InvalidParams, &error.to_string()))?;
    request
        .mirrored
        .check(&message, &meta.version)
        .map_err(|mismatch| refuse(400, &id, Code::HeaderMismatch, &mismatch.to_string()))?;
    if meta.version != version::STATELESS {
        return Err(unsupported(&id, &meta.version));
    }
    if is_removed(message.method()) {
        let text = format!("{} is not a method of {}", message.method(), version::STATELESS);
        return Err(refuse(404, &id, Code::MethodNotFound, &text));
    }
    Ok(StatelessCall { request: message, meta, caller, mirrored: request.mirrored })
}

/// Methods that this era has done away with: no child is asked, whatever it would say.
fn is_removed(method: &str) -> bool {
    matches!(
        method,
        "initialize"
            | "ping"
            | "logging/setLevel"
            | "resources/subscribe"
            | "resources/unsubscribe"
            | "tasks/list"
            | "tasks/result"
    )
}

/// The versions that are served at this URL are ours, whatever the child speaks.
fn with_our_versions(reply: Reply) -> Reply {
    let Reply::Answer(answer) = reply else { return reply };
    let fields = answer.result().and_then(members).unwrap_or_default();
    let there = only(&fields, "supportedVersions").ok().flatten().map(|field| answer.span_of(field.value));
    let ours = serde_json::json!(version::SUPPORTED).to_string();
    Reply::Answer(there.map_or_else(|| answer.clone(), |range| answer.spliced(&[(range, ours.as_bytes())])))
}

fn unsupported(id: &str, requested: &str) -> Answer {
    let data = serde_json::json!({ "supported": version::SUPPORTED, "requested": requested });
    let body = error_with_data(id, Code::UnsupportedVersion, "Unsupported protocol version", Some(&data));
    Answer::Json { status: 400, body, session: None }
}

fn unreadable(error: &ParseError) -> Answer {
    let code = match error {
        ParseError::NotJson(_) => Code::Parse,
        ParseError::Batch | ParseError::Invalid(_) => Code::InvalidRequest,
    };
    refuse(400, NO_ID, code, &error.to_string())
}

fn refuse(status: u16, id: &str, code: Code, text: &str) -> Answer {
    Answer::Json { status, body: error_message(id, code, text), session: None }
}

type Calling = LocalBoxFuture<'static, Result<Reply, crate::mcp::error::UpstreamError>>;

/// Waits for the first event; after `quiet` the answer is committed as a stream. Dropping what is
/// returned cancels the call.
async fn answer(mut calling: Calling, id: String, quiet: Duration, prefers_events: bool) -> Answer {
    let failed = |id: &str, text: &str| Message::failure(id, Code::Internal, text);
    let first = tokio::time::timeout(quiet, &mut calling).await;
    match first {
        Ok(Ok(Reply::Answer(answer))) => single(&answer, prefers_events),
        Ok(Ok(Reply::Events(events))) => streamed(answered(events, id), quiet, prefers_events).await,
        Ok(Err(error)) => single(&failed(&id, &error.to_string()), prefers_events),
        Err(_) => {
            let rest = async move {
                match calling.await {
                    Ok(Reply::Answer(answer)) => stream::once(async { Event::Answer(answer) }).boxed_local(),
                    Ok(Reply::Events(events)) => answered(events, id),
                    Err(error) => {
                        let answer = failed(&id, &error.to_string());
                        stream::once(async { Event::Answer(answer) }).boxed_local()
                    }
                }
            };
            events_of(rest.flatten_stream().boxed_local(), quiet, true)
        }
    }
}

type Said = stream::LocalBoxStream<'static, Event>;

/// The events up to the answer to `id`; ours where the child gives none.
fn answered(events: Said, id: String) -> Said {
    stream::unfold(Some((events, id)), |open| async move {
        let (mut events, id) = open?;
        match events.next().await {
            Some(answer @ Event::Answer(_)) => Some((answer, None)),
            Some(event) => Some((event, Some((events, id)))),
            None => Some((Event::Answer(unanswered(&id)), None)),
        }
    })
    .boxed_local()
}

/// A stream whose first event decides: an answer alone is sent as one.
async fn streamed(mut events: Said, quiet: Duration, prefers_events: bool) -> Answer {
    match tokio::time::timeout(quiet, events.next()).await {
        Ok(Some(Event::Answer(answer))) => single(&answer, prefers_events),
        Ok(first) => events_of(stream::iter(first).chain(events).boxed_local(), quiet, false),
        Err(_) => events_of(events, quiet, true),
    }
}

fn single(answer: &Message, prefers_events: bool) -> Answer {
    let status = status_of(answer);
    if status == 200 && prefers_events {
        let event = sse::event(answer.body());
        return Answer::Events(stream::once(async { Ok(event) }).boxed_local());
    }
    Answer::Json { status, body: answer.body().clone(), session: None }
}

fn events_of(events: Said, quiet: Duration, comment: bool) -> Answer {
    let written = events.filter_map(|event| {
        std::future::ready(match event {
            Event::Note(message) | Event::Answer(message) => Some(Ok(sse::event(message.body()))),
            // Upstreams ask nothing of clients without sessions; dropping it says so to the child.
            Event::Ask(_) => None,
        })
    });
    let first = stream::iter(comment.then_some(Ok(sse::KEEP_ALIVE)));
    Answer::Events(response::with_comments(first.chain(written).boxed_local(), quiet).boxed_local())
}

/// The HTTP status of an answer (streamable-http, "Protocol Version Header", "Server Validation").
fn status_of(answer: &Message) -> u16 {
    let Some(error) = answer.error() else { return 200 };
    let fields = members(error).unwrap_or_default();
    let number = only(&fields, "code").ok().flatten().and_then(|code| code.value.parse::<i32>().ok());
    let is = |code: &Code| number == Some(code.number());
    if is(&Code::MethodNotFound) {
        404
    } else if BAD_REQUEST.iter().any(is) {
        400
    } else {
        200
    }
}

/// What is the client's fault.
const BAD_REQUEST: [Code; 6] = [
    Code::Parse,
    Code::InvalidRequest,
    Code::InvalidParams,
    Code::HeaderMismatch,
    Code::MissingCapability,
    Code::UnsupportedVersion,
];

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn the_status_follows_the_code() {
        let cases = [
            (Code::Parse, 400),
            (Code::InvalidRequest, 400),
            (Code::InvalidParams, 400),
            (Code::HeaderMismatch, 400),
            (Code::MissingCapability, 400),
            (Code::UnsupportedVersion, 400),
            (Code::MethodNotFound, 404),
            (Code::Internal, 200),
        ];
        for (code, status) in cases {
            assert_eq!(status_of(&Message::failure("1", code, "no")), status, "{code:?}");
        }
        assert_eq!(status_of(&Message::success("1", r#"{"error":{"code":-32601}}"#)), 200);
    }

    #[test]
    fn a_call_that_ends_without_an_answer_is_answered() {
        let note = || Event::Note(Message::parse(Bytes::from_static(br#"{"jsonrpc":"2.0","method":"a"}"#)).unwrap());
        for (events, expected) in [(vec![], 1), (vec![note()], 2), (vec![note(), note()], 3)] {
            let said: Vec<Event> =
                answered(stream::iter(events).boxed_local(), "7".to_owned()).collect().now_or_never().unwrap();
            assert_eq!(said.len(), expected);
            let Some(Event::Answer(answer)) = said.last() else { panic!("no answer") };
            assert!(answer.id() == "7" && answer.error().is_some());
        }
        let whole = stream::iter([note(), Event::Answer(Message::success("7", "{}")), note()]).boxed_local();
        assert_eq!(answered(whole, "7".to_owned()).count().now_or_never(), Some(2));
    }
}
