//! One MCP client, with a session or without: ids from 1 in every one, so that they collide on purpose.

use std::{borrow::Cow, io::Write as _};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use crate::{
    connection::{Connection, Head},
    targets::Target,
};

/// What the newest revision of the session era calls itself.
const VERSION: &str = "2025-11-25";

/// The version without sessions, and what its requests carry.
const STATELESS: &str = "2026-07-28";
const STATELESS_META: &str = r#","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},"io.modelcontextprotocol/clientInfo":{"name":"berth-load","version":"1"}}"#;

/// What came of one call.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The answer that belongs to this call.
    Right,
    /// Somebody else's answer, or a broken one.
    Wrong(String),
}

/// A session and the connection that it uses.
#[derive(Debug)]
pub(crate) struct Session {
    target: Target,
    number: usize,
    connection: Connection,
    /// Request line and headers up to the value of `Content-Length`.
    head: Vec<u8>,
    next_id: u64,
    request: Vec<u8>,
    body: Vec<u8>,
}

#[derive(Deserialize)]
struct Answer<'a> {
    id: Option<u64>,
    #[serde(borrow)]
    result: Option<CallResult<'a>>,
}

#[derive(Deserialize)]
struct CallResult<'a> {
    #[serde(borrow, default)]
    content: Vec<Content<'a>>,
}

#[derive(Deserialize)]
struct Content<'a> {
    #[serde(borrow, default)]
    text: Cow<'a, str>,
}

impl Session {
    /// Connects without speaking MCP. `number` makes this session's texts unlike all others'.
    pub(crate) fn connect(target: &Target, number: usize) -> Result<Self> {
        let url = target.url.as_ref().context("the target has no url")?;
        let connection = Connection::open(url)?;
        let head = head(target, "POST", "");
        Ok(Self { target: target.clone(), number, connection, head, next_id: 1, request: Vec::new(), body: Vec::new() })
    }

    /// Connects and initializes.
    pub(crate) fn open(target: &Target, number: usize) -> Result<Self> {
        let mut session = Self::connect(target, number)?;
        session.begin()?;
        Ok(session)
    }

    /// `initialize` and `initialized`: a new session over the same connection.
    pub(crate) fn begin(&mut self) -> Result<()> {
        self.next_id = 1;
        if self.target.stateless {
            let more = format!("MCP-Protocol-Version: {STATELESS}\r\nMcp-Method: tools/call\r\nMcp-Name: echo\r\n");
            self.head = head(&self.target, "POST", &more);
            return Ok(());
        }
        self.head = head(&self.target, "POST", "");
        let id = self.take_id();
        self.body = format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"initialize","params":{{"protocolVersion":"{VERSION}","capabilities":{{}},"clientInfo":{{"name":"berth-load","version":"1"}}}}}}"#
        )
        .into_bytes();
        let answer = self.post()?;
        if answer.status != 200 {
            bail!("initialize: status {}: {}", answer.status, self.body_text());
        }
        let mut more = format!("MCP-Protocol-Version: {VERSION}\r\n");
        if let Some(id) = answer.session {
            more.push_str(&format!("Mcp-Session-Id: {id}\r\n"));
        }
        self.head = head(&self.target, "POST", &more);
        self.body = br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#.to_vec();
        let answer = self.post()?;
        if answer.status >= 300 {
            bail!("initialized: status {}: {}", answer.status, self.body_text());
        }
        Ok(())
    }

    /// Opens a stream of what belongs to no request, the way of its era, and hands over its connection.
    pub(crate) fn listen(&self) -> Result<Connection> {
        let url = self.target.url.as_ref().context("the target has no url")?;
        if self.target.stateless {
            let more = format!("MCP-Protocol-Version: {STATELESS}\r\nMcp-Method: subscriptions/listen\r\n");
            let body = format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{{"notifications":{{"toolsListChanged":true}}{STATELESS_META}}}}}"#
            );
            let mut request = head(&self.target, "POST", &more);
            write!(request, "{}\r\n\r\n{body}", body.len())?;
            return opened(Connection::open(url)?, &request);
        }
        let text = String::from_utf8_lossy(&self.head).replacen("POST ", "GET ", 1);
        let request = text.replace("Content-Length: ", "\r\n");
        opened(Connection::open(url)?, request.as_bytes())
    }

    /// Calls `echo` with a text of this call alone and judges the answer.
    pub(crate) fn call(&mut self, padding: &str) -> Result<Verdict> {
        let id = self.write_call(padding)?;
        let answer = self.post()?;
        if answer.status != 200 {
            bail!("status {}: {}", answer.status, self.body_text());
        }
        let body = &self.connection.body;
        let message = if answer.is_event_stream { answer_event(body, id) } else { Some(body.as_slice()) };
        let Some(message) = message else { bail!("the event stream ended without the answer") };
        Ok(self.judge(message, id, padding))
    }

    /// Calls any tool with these arguments, given as JSON; it must succeed.
    pub(crate) fn call_tool(&mut self, tool: &str, arguments: &str) -> Result<()> {
        let id = self.take_id();
        let meta = if self.target.stateless { STATELESS_META } else { "" };
        self.body = format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{tool}","arguments":{arguments}{meta}}}}}"#
        )
        .into_bytes();
        let answer = self.post()?;
        let body = &self.connection.body;
        let message = if answer.is_event_stream { answer_event(body, id) } else { Some(body.as_slice()) };
        let is_result = message.and_then(id_and_text).is_some_and(|(answered, _)| answered == id);
        if answer.status == 200 && is_result { Ok(()) } else { bail!("status {}: {}", answer.status, self.body_text()) }
    }

    /// Ends the session; servers that do not know how are forgiven.
    pub(crate) fn end(mut self) -> Result<()> {
        let text = String::from_utf8_lossy(&self.head).replacen("POST ", "DELETE ", 1);
        let request = text.replace("Content-Length: ", "\r\n");
        self.connection.exchange(request.as_bytes()).map(drop)
    }

    /// A new connection and a new session, after a failure.
    pub(crate) fn renew(&mut self) -> Result<()> {
        *self = Self::open(&self.target, self.number)?;
        Ok(())
    }

    /// Posts a body of the same size and expects status 200.
    pub(crate) fn raw(&mut self, padding: &str) -> Result<Verdict> {
        self.write_call(padding)?;
        let answer = self.post()?;
        if answer.status != 200 || self.connection.body.is_empty() {
            bail!("status {}: {}", answer.status, self.body_text());
        }
        Ok(Verdict::Right)
    }

    /// The body of the next call; its id.
    fn write_call(&mut self, padding: &str) -> Result<u64> {
        let (id, number) = (self.take_id(), self.number);
        let meta = if self.target.stateless { STATELESS_META } else { "" };
        self.body.clear();
        write!(
            self.body,
            r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"echo","arguments":{{"text":"s{number}.{id}.{padding}"}}{meta}}}}}"#
        )?;
        Ok(id)
    }

    fn judge(&self, message: &[u8], id: u64, padding: &str) -> Verdict {
        let wrong = || Verdict::Wrong(String::from_utf8_lossy(message).chars().take(300).collect());
        let Some((answered, text)) = id_and_text(message) else { return wrong() };
        let mine = text
            .strip_prefix('s')
            .and_then(|rest| rest.split_once('.'))
            .and_then(|(number, rest)| Some((number, rest.split_once('.')?)))
            .is_some_and(|(number, (call, rest))| {
                number.parse() == Ok(self.number) && call.parse() == Ok(id) && rest == padding
            });
        if mine && answered == id { Verdict::Right } else { wrong() }
    }

    fn post(&mut self) -> Result<Head> {
        if self.connection.closed {
            self.connection = Connection::open(self.target.url.as_ref().context("the target has no url")?)?;
        }
        self.request.clear();
        self.request.extend_from_slice(&self.head);
        write!(self.request, "{}\r\n\r\n", self.body.len())?;
        self.request.extend_from_slice(&self.body);
        self.connection.exchange(&self.request)
    }

    fn take_id(&mut self) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        id
    }

    fn body_text(&self) -> String {
        String::from_utf8_lossy(&self.connection.body).chars().take(200).collect()
    }
}

fn opened(mut stream: Connection, request: &[u8]) -> Result<Connection> {
    let answer = stream.begin(request)?;
    if answer.status != 200 {
        bail!("stream: status {}", answer.status);
    }
    Ok(stream)
}

/// The id of an answer and the text of its first content.
pub(crate) fn id_and_text(message: &[u8]) -> Option<(u64, Cow<'_, str>)> {
    let answer: Answer<'_> = serde_json::from_slice(message).ok()?;
    let first = answer.result?.content.into_iter().next()?;
    Some((answer.id?, first.text))
}

fn head(target: &Target, verb: &str, more: &str) -> Vec<u8> {
    let (path, authority) = target.url.as_ref().map_or(("/", ""), |url| (url.path(), url.authority()));
    let token = target.token.as_ref().map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    format!(
        "{verb} {path} HTTP/1.1\r\nHost: {authority}\r\n{token}{more}Accept: application/json, text/event-stream\r\nContent-Type: application/json\r\nContent-Length: "
    )
    .into_bytes()
}

/// The data of the event that answers `id`. Notifications before it are passed over.
fn answer_event(body: &[u8], id: u64) -> Option<&[u8]> {
    #[derive(Deserialize)]
    struct Peek {
        id: Option<u64>,
        method: Option<serde::de::IgnoredAny>,
    }
    let events = body.split(|byte| *byte == b'\n').filter_map(|line| line.strip_prefix(b"data:"));
    let mut last = None;
    for data in events.map(<[u8]>::trim_ascii).filter(|data| !data.is_empty()) {
        let peek = serde_json::from_slice::<Peek>(data).ok()?;
        if peek.method.is_none() {
            last = Some(data);
            if peek.id == Some(id) {
                break;
            }
        }
    }
    last
}
