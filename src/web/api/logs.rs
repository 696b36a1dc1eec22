//! Logs of an instance: its last lines, and new ones as they come.

use std::{
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use actix_web::{
    HttpResponse,
    http::header,
    web::{Data, Path, Query},
};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use serde::Deserialize;
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

use super::instances::find;
use crate::{
    domain::ids::InstanceId,
    mcp::{front::Standing, sse},
    process::logs::tail,
    web::{error::ApiError, extract::Caller, state::AppState},
};

/// Between two looks at a log that is watched.
const LOOK: Duration = Duration::from_millis(500);
/// Bytes that are sent at a time to somebody who watches.
const MAX_CHUNK: u64 = 256 * 1024;

/// `?stream=error&tail=100`.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct LogQuery {
    #[serde(default)]
    #[param(inline)]
    stream: LogStream,
    #[serde(default)]
    tail: Option<usize>,
}

#[derive(Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum LogStream {
    #[default]
    Error,
    Access,
    Debug,
}

impl LogStream {
    const fn file(self) -> &'static str {
        match self {
            Self::Error => "error.log",
            Self::Access => "access.log",
            Self::Debug => "debug.log",
        }
    }
}

/// The last lines: `{lines}`, oldest first.
pub async fn lines(
    caller: Caller,
    state: Data<AppState>,
    path: Path<InstanceId>,
    query: Query<LogQuery>,
) -> Result<HttpResponse, ApiError> {
    let file = file_of(&caller, &state, path.into_inner(), &query).await?;
    let count = query.tail.unwrap_or(100).min(10_000);
    let read = tokio::task::spawn_blocking(move || tail(&file, count)).await.map_err(ApiError::internal)?;
    let lines = read.map_err(ApiError::internal)?;
    Ok(HttpResponse::Ok().json(json!({ "lines": lines })))
}

/// New lines as server-sent events, one event per line.
pub async fn follow(
    caller: Caller,
    state: Data<AppState>,
    path: Path<InstanceId>,
    query: Query<LogQuery>,
) -> Result<HttpResponse, ApiError> {
    let file = file_of(&caller, &state, path.into_inner(), &query).await?;
    let at = std::fs::metadata(&file).map_or(0, |about| about.len());
    let follower = Follower { state, file, at, quiet: 0 };
    let standing = Standing { proof: Some(Arc::clone(&caller.0.ended)), share: None, until: caller.0.expires_at };
    let events = standing.bound(stream::unfold(follower, Follower::next).boxed_local());
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "text/event-stream"))
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .insert_header(("x-accel-buffering", "no"))
        .streaming(events))
}

async fn file_of(caller: &Caller, state: &AppState, id: InstanceId, query: &LogQuery) -> Result<PathBuf, ApiError> {
    let instance = find(&caller.0, state, id, false).await?;
    Ok(state.paths.logs(&instance).join(query.stream.file()))
}

struct Follower {
    state: Data<AppState>,
    file: PathBuf,
    at: u64,
    quiet: u32,
}

impl Follower {
    /// What has been written since; a comment after some silence. A rotated file starts over. Ends when
    /// Berth does.
    async fn next(mut self) -> Option<(Result<Bytes, std::convert::Infallible>, Self)> {
        while !self.state.draining.load(Ordering::Acquire) {
            let (file, at) = (self.file.clone(), self.at);
            let read = tokio::task::spawn_blocking(move || read_from(&file, at)).await;
            let (text, at) = read.unwrap_or_default();
            self.at = at;
            let whole_lines = text.rfind('\n').map(|end| end + 1);
            // A line that fills a chunk is sent in pieces: its end may be far away.
            if let Some(end) = whole_lines.or((text.len() as u64 == MAX_CHUNK).then_some(text.len())) {
                // A line that is not finished yet is read again.
                self.at -= (text.len() - end) as u64;
                self.quiet = 0;
                let events: Vec<u8> = text[..end].lines().flat_map(|line| sse::event(line.as_bytes())).collect();
                return Some((Ok(Bytes::from(events)), self));
            }
            self.at -= text.len() as u64;
            self.quiet += 1;
            tokio::time::sleep(LOOK).await;
            if self.quiet.is_multiple_of(30) {
                return Some((Ok(sse::KEEP_ALIVE), self));
            }
        }
        None
    }
}

/// The text from `at` on and where it ends. What is no UTF-8 is replaced byte by byte, so that lengths hold.
fn read_from(file: &std::path::Path, at: u64) -> (String, u64) {
    use std::io::{Read, Seek, SeekFrom};
    let Ok(mut file) = std::fs::File::open(file) else { return (String::new(), 0) };
    let length = file.metadata().map_or(0, |about| about.len());
    let at = if length < at { 0 } else { at };
    let mut bytes = Vec::new();
    if file.seek(SeekFrom::Start(at)).is_err() || file.take(MAX_CHUNK).read_to_end(&mut bytes).is_err() {
        return (String::new(), at);
    }
    let end = at + bytes.len() as u64;
    let text = String::from_utf8(bytes).unwrap_or_else(|error| {
        error.into_bytes().iter().map(|byte| if byte.is_ascii() { char::from(*byte) } else { '?' }).collect()
    });
    (text, end)
}
