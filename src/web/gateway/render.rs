//! A front's answer as an HTTP response, and answers of HTTP children that are handed on as they come.

use actix_web::{
    HttpResponse, HttpResponseBuilder,
    body::SizedStream,
    http::{StatusCode, header},
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream::LocalBoxStream};
use tokio::sync::OwnedSemaphorePermit;

use crate::mcp::{
    error::UpstreamError,
    front::{Answer, Standing},
    http::{Relay, SESSION_HEADER},
};

type Body = LocalBoxStream<'static, Result<Bytes, UpstreamError>>;

/// The status that the answer will have.
pub(super) const fn status(answer: &Answer) -> u16 {
    match answer {
        Answer::Empty { status } | Answer::Json { status, .. } => *status,
        Answer::Events(_) => 200,
        Answer::Forbidden { .. } => 403,
        Answer::NotAllowed { .. } => 405,
    }
}

/// The answer as a response.
pub(super) fn response(answer: Answer) -> HttpResponse {
    match answer {
        Answer::Empty { status } => builder(status).finish(),
        Answer::Json { status, body, session } => {
            let mut response = builder(status);
            response.insert_header((header::CONTENT_TYPE, "application/json"));
            if let Some(session) = session {
                response.insert_header((SESSION_HEADER, session));
            }
            response.body(body)
        }
        Answer::Forbidden { body, challenge } => {
            let mut response = builder(403);
            response.insert_header((header::CONTENT_TYPE, "application/json"));
            if let Some(challenge) = challenge {
                response.insert_header((header::WWW_AUTHENTICATE, challenge));
            }
            response.body(body)
        }
        Answer::Events(events) => builder(200)
            .insert_header((header::CONTENT_TYPE, "text/event-stream"))
            .insert_header((header::CACHE_CONTROL, "no-cache"))
            .insert_header(("x-accel-buffering", "no"))
            .streaming(events),
        Answer::NotAllowed { allow } => builder(405).insert_header((header::ALLOW, allow)).finish(),
    }
}

/// An HTTP child's answer as it comes.
pub(super) fn relayed(relay: Relay, permit: Option<OwnedSemaphorePermit>, standing: Standing) -> HttpResponse {
    let Relay { status, headers, length, body } = relay;
    let body = standing.bound(body);
    let mut response = builder(status);
    for (name, value) in headers {
        response.append_header((name, value));
    }
    match length {
        Some(length) => response.body(SizedStream::new(length, holding(body, permit))),
        None => response.streaming(holding(body, permit)),
    }
}

fn builder(status: u16) -> HttpResponseBuilder {
    HttpResponse::build(StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY))
}

fn holding(
    body: Body,
    permit: Option<OwnedSemaphorePermit>,
) -> impl Stream<Item = Result<Bytes, UpstreamError>> + 'static {
    body.map(move |chunk| {
        let _held = &permit;
        chunk
    })
}
