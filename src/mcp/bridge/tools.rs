//! Which arguments of a child's tools are mirrored in headers: known from its list of tools, fetched
//! when the first call needs it, forgotten when the child says that its tools have changed.

use std::{borrow::Cow, collections::HashMap, sync::Arc};

use arc_swap::ArcSwap;
use futures_util::future::LocalBoxFuture;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::OnceCell;

use crate::mcp::{
    error::UpstreamError,
    jsonrpc::Message,
    mirrored::{Mismatch, ToolHeaders, arguments},
    upstream::StatelessCall,
};

/// Pages of a tool list that are followed before the server is taken to be looping.
const MAX_PAGES: usize = 100;

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
        let Some(name) = call.request.param("name") else { return Ok(Ok(())) };
        let known = self.known.load_full();
        let was_known = known.initialized();
        let first = check(known.get_or_try_init(|| all(fetch)).await?, &name, call);
        if first.is_ok() || !was_known {
            return Ok(first);
        }
        self.forget();
        let known = self.known.load_full();
        Ok(check(known.get_or_try_init(|| all(fetch)).await?, &name, call))
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
        mirrored.map_err(|error| UpstreamError::Protocol { detail: error.to_string() })
    }
}

fn check(known: &Known, name: &str, call: &StatelessCall) -> Result<(), Mismatch> {
    match known.get(name) {
        Some(headers) => headers.check_params(&call.mirrored, arguments(&call.request)?),
        None => Ok(()),
    }
}

/// Every annotated tool. A child without tools has none.
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
        let Some(page) = answer.result().and_then(|result| serde_json::from_str::<Page<'_>>(result).ok()) else {
            break;
        };
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
