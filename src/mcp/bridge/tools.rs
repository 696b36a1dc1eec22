//! Which arguments of a child's tools are mirrored in headers: known from its list of tools, fetched
//! when the first call needs it, forgotten when the child says that its tools have changed.

use std::{
    borrow::Cow,
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use futures_util::future::LocalBoxFuture;
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::OnceCell;

use super::results::is_code;
use crate::mcp::{
    error::{Code, UpstreamError},
    jsonrpc::Message,
    mirrored::{Mismatch, ToolHeaders, arguments},
    upstream::StatelessCall,
};

/// Pages of a tool list that are followed before the server is taken to be looping.
const MAX_PAGES: usize = 100;

/// Between two looks at a list of tools that a mismatch has made doubtful.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

type Known = HashMap<String, ToolHeaders>;

/// How a child's list of tools is fetched.
pub(in crate::mcp) trait Fetch {
    /// One page: the answer to `tools/list`.
    fn page<'a>(&'a self, cursor: Option<&'a str>) -> LocalBoxFuture<'a, Result<Message, UpstreamError>>;
}

/// The parameters of one page; `keys` go into `_meta`.
pub(in crate::mcp) fn page_params(cursor: Option<&str>, keys: Option<&str>) -> String {
    let cursor = cursor.map(|cursor| format!(r#""cursor":{}"#, serde_json::Value::from(cursor)));
    let meta = keys.map(|keys| format!(r#""_meta":{{{keys}}}"#));
    let members: Vec<String> = cursor.into_iter().chain(meta).collect();
    format!("{{{}}}", members.join(","))
}

/// The annotated tools of one child.
#[derive(Default)]
pub(in crate::mcp) struct ToolCache {
    known: ArcSwap<OnceCell<Known>>,
    /// When a mismatch last made us look again.
    looked_again: Mutex<Option<Instant>>,
}

impl ToolCache {
    /// The child's tools have changed.
    pub(in crate::mcp) fn forget(&self) {
        self.known.store(Arc::default());
    }

    /// Whether the headers of a `tools/call` agree with its arguments. A mismatch is looked at twice:
    /// a child that does not announce changes may have changed its tools.
    pub(in crate::mcp) async fn check(
        &self,
        call: &StatelessCall,
        fetch: &impl Fetch,
    ) -> Result<Result<(), Mismatch>, UpstreamError> {
        let known = self.known.load_full();
        let was_known = known.initialized();
        let first = check(known.get_or_try_init(|| all(fetch)).await?, call);
        if first.is_ok() || !was_known || !self.may_look_again() {
            return Ok(first);
        }
        let fresh = Arc::new(OnceCell::new_with(Some(all(fetch).await?)));
        self.known.store(Arc::clone(&fresh));
        Ok(fresh.get().map_or(first, |known| check(known, call)))
    }

    /// Clients that are wrong must not make the child list its tools again and again.
    fn may_look_again(&self) -> bool {
        let mut last = self.looked_again.lock();
        let may = last.is_none_or(|at| at.elapsed() >= LOOK_AGAIN);
        if may {
            *last = Some(Instant::now());
        }
        may
    }

    /// The headers that a call of the tool `name` must have.
    pub(in crate::mcp) async fn mirror(
        &self,
        request: &Message,
        fetch: &impl Fetch,
    ) -> Result<Vec<(String, String)>, UpstreamError> {
        let Some(name) = request.param("name") else { return Ok(Vec::new()) };
        let known = self.known.load_full();
        let Some(headers) = known.get_or_try_init(|| all(fetch)).await?.get(&name) else { return Ok(Vec::new()) };
        let mirrored = arguments(request).and_then(|arguments| headers.mirror(arguments));
        mirrored.map_err(|error| broken(&error))
    }
}

fn check(known: &Known, call: &StatelessCall) -> Result<(), Mismatch> {
    // Few children annotate anything, and then no name is looked up.
    if known.is_empty() {
        return Ok(());
    }
    match call.request.param("name").and_then(|name| known.get(&name)) {
        Some(headers) => headers.check_params(&call.mirrored, arguments(&call.request)?),
        None => Ok(()),
    }
}

fn broken(error: &dyn std::fmt::Display) -> UpstreamError {
    UpstreamError::Protocol { detail: error.to_string() }
}

/// Every annotated tool.
async fn all(fetch: &impl Fetch) -> Result<Known, UpstreamError> {
    #[derive(Deserialize)]
    struct Page<'a> {
        #[serde(borrow, default)]
        tools: Vec<&'a RawValue>,
        #[serde(borrow, default, rename = "nextCursor")]
        next: Option<Cow<'a, str>>,
    }
    let mut known = Known::new();
    let mut cursor: Option<String> = None;
    for _ in 0..MAX_PAGES {
        let answer = fetch.page(cursor.as_deref()).await?;
        let Some(result) = answer.result() else {
            // A child without tools has none that are annotated. Anything else may pass: then nothing is
            // known yet.
            return if is_code(&answer, Code::MethodNotFound) {
                Ok(known)
            } else {
                Err(broken(&"it refused `tools/list`"))
            };
        };
        let page: Page<'_> = serde_json::from_str(result).map_err(|error| broken(&error))?;
        for tool in page.tools {
            match ToolHeaders::of_tool(tool.get()) {
                Ok(Some((name, headers))) => drop(known.insert(name, headers)),
                Ok(None) => {}
                Err(invalid) => log::debug!("{invalid}"),
            }
        }
        match page.next {
            Some(next) => cursor = Some(next.into_owned()),
            None => break,
        }
    }
    Ok(known)
}
