//! REST for programs without an MCP client: list the tools, call one.

use std::{borrow::Cow, sync::Arc};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use thiserror::Error;

use crate::{
    domain::ids::UserId,
    mcp::{
        bridge::{answer_of, plain, tools::page_params},
        discovery::our_keys,
        error::UpstreamError,
        jsonrpc::Message,
        meta::RequestMeta,
        mirrored::Mirrored,
        upstream::{StatelessCall, Upstream},
    },
};

/// Pages of a tool list that are followed before the server is taken to be looping.
const MAX_PAGES: usize = 100;

/// Why a REST request failed.
#[derive(Debug, Error)]
pub enum RestError {
    /// The server could not answer.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    /// It answered with a JSON-RPC error.
    #[error("the server refused: {message}")]
    Refused {
        /// Its code.
        code: i64,
        /// Its words.
        message: String,
    },
}

/// A tool call as REST clients send it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallBody {
    /// The tool.
    pub name: String,
    /// Its arguments, handed on as they are.
    #[serde(default)]
    pub arguments: Option<Box<RawValue>>,
}

#[derive(Serialize)]
struct CallParams<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    arguments: Option<&'a RawValue>,
    #[serde(rename = "_meta")]
    meta: Box<RawValue>,
}

/// All tools, every page: `{"tools":[…]}` with each tool as the server wrote it.
///
/// # Errors
/// When the child does not answer or refuses.
pub async fn list_tools(upstream: &Upstream, caller: UserId) -> Result<Bytes, RestError> {
    #[derive(Deserialize)]
    struct Page<'a> {
        #[serde(borrow, default)]
        tools: Vec<&'a RawValue>,
        #[serde(borrow, default, rename = "nextCursor")]
        next: Option<Cow<'a, str>>,
    }
    let mut tools: Vec<Box<RawValue>> = Vec::new();
    let mut cursor: Option<String> = None;
    for _ in 0..MAX_PAGES {
        let answer = ask(upstream, caller, "tools/list", &page_params(cursor.as_deref(), Some(&our_keys()))).await?;
        let result = answer.result().unwrap_or("{}");
        let page: Page<'_> =
            serde_json::from_str(result).map_err(|error| UpstreamError::Protocol { detail: error.to_string() })?;
        tools.extend(page.tools.into_iter().map(ToOwned::to_owned));
        match page.next {
            Some(next) => cursor = Some(next.into_owned()),
            None => break,
        }
    }
    let body = serde_json::to_vec(&serde_json::json!({ "tools": tools })).unwrap_or_default();
    Ok(Bytes::from(body))
}

/// Calls a tool; the result as the server wrote it.
///
/// # Errors
/// When the child does not answer or refuses.
pub async fn call_tool(upstream: &Upstream, caller: UserId, body: &CallBody) -> Result<Bytes, RestError> {
    let params = CallParams { name: &body.name, arguments: body.arguments.as_deref(), meta: raw(&our_keys())? };
    let params = serde_json::to_string(&params).map_err(|error| broken(&error))?;
    let answer = ask(upstream, caller, "tools/call", &params).await?;
    Ok(Bytes::copy_from_slice(answer.result().unwrap_or("{}").as_bytes()))
}

fn raw(members: &str) -> Result<Box<RawValue>, UpstreamError> {
    RawValue::from_string(format!("{{{members}}}")).map_err(|error| broken(&error))
}

/// Whoever has no MCP client keeps no session and can be asked nothing.
async fn ask(upstream: &Upstream, caller: UserId, method: &str, params: &str) -> Result<Message, RestError> {
    let request = Message::own(method, params);
    let meta = RequestMeta::read(&request).map_err(|error| broken(&error))?;
    let call = StatelessCall { request, meta, caller, mirrored: Mirrored::default() };
    let answer = plain(&answer_of(Arc::clone(&upstream.stateless).call(call).await?).await?);
    refused(&answer)?;
    Ok(answer)
}

fn broken(error: &dyn std::fmt::Display) -> UpstreamError {
    UpstreamError::Protocol { detail: error.to_string() }
}

fn refused(answer: &Message) -> Result<(), RestError> {
    #[derive(Deserialize)]
    struct Refusal {
        error: Option<ErrorObject>,
    }
    #[derive(Deserialize)]
    struct ErrorObject {
        #[serde(default)]
        code: i64,
        #[serde(default)]
        message: String,
    }
    if answer.result().is_some() {
        return Ok(());
    }
    let refusal: Refusal =
        serde_json::from_slice(answer.body()).map_err(|error| UpstreamError::Protocol { detail: error.to_string() })?;
    match refusal.error {
        Some(ErrorObject { code, message }) => Err(RestError::Refused { code, message }),
        None => Ok(()),
    }
}
