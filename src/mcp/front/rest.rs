//! REST for programs without an MCP client: list the tools, call one.

use std::{borrow::Cow, sync::Arc};

use bytes::Bytes;
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use thiserror::Error;

use crate::mcp::{
    error::UpstreamError,
    jsonrpc::Message,
    session::Session,
    upstream::{Event, Reply, Terms, Upstream},
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
}

/// The `initialize` with which a REST caller's session is opened.
#[must_use]
pub fn hello() -> Bytes {
    Bytes::from(format!(
        r#"{{"jsonrpc":"2.0","id":0,"method":"initialize","params":{{"protocolVersion":"{}","capabilities":{{}},"clientInfo":{{"name":"berth-rest","version":"{}"}}}}}}"#,
        crate::mcp::version::LATEST_SESSION_ERA,
        env!("CARGO_PKG_VERSION")
    ))
}

/// Opens a REST caller's session with the child.
///
/// # Errors
/// When the child does not answer.
pub async fn open(upstream: &Upstream, session: &Arc<Session>) -> Result<(), RestError> {
    let message = parse(hello())?;
    Arc::clone(&upstream.sessions).open(Arc::clone(session), message).await?;
    let initialized = parse(Bytes::from_static(br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#))?;
    Arc::clone(&upstream.sessions).notify(Arc::clone(session), initialized).await?;
    Ok(())
}

/// All tools, every page: `{"tools":[…]}` with each tool as the server wrote it.
///
/// # Errors
/// When the child does not answer or refuses.
pub async fn list_tools(upstream: &Upstream, session: &Arc<Session>) -> Result<Bytes, RestError> {
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
        let params = cursor.map(|cursor| serde_json::json!({ "cursor": cursor }).to_string());
        let answer = ask(upstream, session, "tools/list", params.as_deref()).await?;
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
pub async fn call_tool(upstream: &Upstream, session: &Arc<Session>, body: &CallBody) -> Result<Bytes, RestError> {
    let params = CallParams { name: &body.name, arguments: body.arguments.as_deref() };
    let params =
        serde_json::to_string(&params).map_err(|error| UpstreamError::Protocol { detail: error.to_string() })?;
    let answer = ask(upstream, session, "tools/call", Some(&params)).await?;
    Ok(Bytes::copy_from_slice(answer.result().unwrap_or("{}").as_bytes()))
}

async fn ask(
    upstream: &Upstream,
    session: &Arc<Session>,
    method: &str,
    params: Option<&str>,
) -> Result<Message, RestError> {
    let params = params.map(|params| format!(r#","params":{params}"#)).unwrap_or_default();
    let request = parse(Bytes::from(format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}"{params}}}"#)))?;
    let reply = Arc::clone(&upstream.sessions).call(Arc::clone(session), request, Terms::default()).await?;
    let answer = match reply {
        Reply::Answer(answer) => answer,
        Reply::Events(mut events) => loop {
            // Whoever has no MCP client cannot be asked anything: a dropped ask is answered so.
            match events.next().await {
                Some(Event::Answer(answer)) => break answer,
                Some(Event::Note(_) | Event::Ask(_)) => {}
                None => return Err(UpstreamError::Protocol { detail: "it gave no answer".to_owned() }.into()),
            }
        },
    };
    refused(&answer)?;
    Ok(answer)
}

fn parse(body: Bytes) -> Result<Message, UpstreamError> {
    Message::parse(body).map_err(|error| UpstreamError::Protocol { detail: error.to_string() })
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
