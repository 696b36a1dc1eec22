//! Request bodies of the data plane: bounded, and copied only when they come in pieces.

use std::time::Duration;

use actix_web::{HttpRequest, http::header, web::Payload};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use thiserror::Error;

/// What is read and thrown away of a body that is too large, so that the client gets to read why.
const MAX_DISCARDED: usize = 256 * 1024 * 1024;
const MAX_DISCARDING: Duration = Duration::from_secs(10);

/// Why a body cannot be used.
#[derive(Debug, Error)]
pub(super) enum BodyError {
    /// Larger than allowed.
    #[error("the body is larger than {limit} bytes")]
    TooLarge { limit: usize },
    /// The connection broke, or its framing is wrong.
    #[error("the body could not be read: {0}")]
    Broken(actix_web::error::PayloadError),
}

impl BodyError {
    pub(super) const fn status(&self) -> u16 {
        match self {
            Self::TooLarge { .. } => 413,
            Self::Broken(_) => 400,
        }
    }
}

/// Reads the whole body, at most `limit` bytes.
pub(super) async fn read(request: &HttpRequest, mut payload: Payload, limit: usize) -> Result<Bytes, BodyError> {
    let declared =
        request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if declared.is_some_and(|length| length > limit) {
        discard(&mut payload).await;
        return Err(BodyError::TooLarge { limit });
    }
    let Some(first) = payload.next().await else { return Ok(Bytes::new()) };
    let first = first.map_err(BodyError::Broken)?;
    if declared == Some(first.len()) && first.len() <= limit {
        return Ok(first);
    }
    let mut body = BytesMut::from(&first[..]);
    while let Some(chunk) = payload.next().await {
        body.extend_from_slice(&chunk.map_err(BodyError::Broken)?);
        if body.len() > limit {
            drop(body);
            discard(&mut payload).await;
            return Err(BodyError::TooLarge { limit });
        }
    }
    Ok(body.freeze())
}

async fn discard(payload: &mut Payload) {
    let reading = async {
        let mut seen = 0;
        while let Some(Ok(chunk)) = payload.next().await {
            seen += chunk.len();
            if seen > MAX_DISCARDED {
                break;
            }
        }
    };
    let _ = tokio::time::timeout(MAX_DISCARDING, reading).await;
}
