//! A client of the stateless era: each of its requests says everything.

use std::sync::atomic::{AtomicI64, Ordering};

use serde_json::{Value, json};

use super::{
    http::{Http, Reply},
    mcp::{Stream, text_of},
};

pub(crate) const NOW: &str = "2026-07-28";
pub(crate) const SUBSCRIPTION_ID: &str = "io.modelcontextprotocol/subscriptionId";
pub(crate) const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";
pub(crate) const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";

/// What a request of a client that declares `capabilities` has in `_meta`.
pub(crate) fn meta(capabilities: &Value) -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": NOW,
        "io.modelcontextprotocol/clientCapabilities": capabilities,
        "io.modelcontextprotocol/clientInfo": { "name": "it", "version": "1" },
    })
}

/// A POST that a test may spoil before it is sent.
#[derive(Clone)]
pub(crate) struct Post {
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Post {
    /// As a proper client sends it.
    pub(crate) fn of(message: &Value) -> Self {
        let (method, params) = (message["method"].as_str().unwrap_or_default(), &message["params"]);
        let name = match method {
            "tools/call" | "prompts/get" => params["name"].as_str(),
            "resources/read" => params["uri"].as_str(),
            _ => None,
        };
        let usual = [
            ("accept", "application/json, text/event-stream"),
            ("content-type", "application/json"),
            ("mcp-protocol-version", NOW),
            ("mcp-method", method),
        ];
        let all = usual.into_iter().chain(name.map(|name| ("mcp-name", name)));
        let headers = all.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Self { headers, body: serde_json::to_vec(message).unwrap() }
    }

    /// Without a header.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| known != name);
        self
    }

    /// With one more header, whatever there is.
    pub(crate) fn and(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With this value of the header.
    pub(crate) fn with(self, name: &str, value: &str) -> Self {
        self.without(name).and(name, value)
    }

    /// With another body.
    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    fn headers(&self) -> Vec<(&str, &str)> {
        self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }

    #[track_caller]
    pub(crate) fn send(&self, http: &Http, url: &str) -> Reply {
        http.send("POST", url, &self.headers(), Some(&self.body))
    }

    /// Sends it on a connection of its own, which is closed as soon as what is returned is dropped.
    #[track_caller]
    pub(crate) fn begin(&self, http: &Http, url: &str) -> std::net::TcpStream {
        http.begin_raw(url, &self.headers(), &self.body)
    }
}

/// Somebody with requests to one instance.
pub(crate) struct StatelessClient {
    pub(crate) http: Http,
    pub(crate) url: String,
    capabilities: Value,
    next: AtomicI64,
}

impl StatelessClient {
    pub(crate) fn new(http: &Http, url: &str) -> Self {
        Self { http: http.clone(), url: url.to_owned(), capabilities: json!({}), next: AtomicI64::new(1) }
    }

    /// The same with these capabilities.
    pub(crate) fn declaring(&self, capabilities: Value) -> Self {
        Self { capabilities, ..Self::new(&self.http, &self.url) }
    }

    /// A request with everything that it must have; what `params` has in `_meta` comes on top.
    pub(crate) fn message(&self, id: &Value, method: &str, params: &Value) -> Value {
        let mut params = params.clone();
        let mut meta = meta(&self.capabilities);
        for (name, value) in params["_meta"].take().as_object().into_iter().flatten() {
            meta[name] = value.clone();
        }
        params["_meta"] = meta;
        json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
    }

    fn next(&self, method: &str, params: &Value) -> Value {
        self.message(&json!(self.next.fetch_add(1, Ordering::Relaxed)), method, params)
    }

    #[track_caller]
    pub(crate) fn send(&self, post: &Post) -> Reply {
        post.send(&self.http, &self.url)
    }

    #[track_caller]
    pub(crate) fn post(&self, message: &Value) -> Reply {
        self.send(&Post::of(message))
    }

    /// A request under an id of its own; the last message of the answer, whatever the status.
    #[track_caller]
    pub(crate) fn request(&self, method: &str, params: &Value) -> Value {
        let message = self.next(method, params);
        let answer = self.post(&message).messages().pop().unwrap();
        assert_eq!(answer["id"], message["id"], "{answer}");
        answer
    }

    /// Calls a tool; the whole answer.
    #[track_caller]
    pub(crate) fn call(&self, tool: &str, arguments: &Value) -> Value {
        self.request("tools/call", &json!({ "name": tool, "arguments": arguments }))
    }

    /// Calls a tool that must succeed; its text.
    #[track_caller]
    pub(crate) fn text(&self, tool: &str, arguments: &Value) -> String {
        text_of(&self.call(tool, arguments))
    }

    /// The same call again, with input.
    #[track_caller]
    pub(crate) fn retry(&self, tool: &str, arguments: &Value, state: &Value, responses: &Value) -> Value {
        let mut params = json!({ "name": tool, "arguments": arguments, "requestState": state });
        if !responses.is_null() {
            params["inputResponses"] = responses.clone();
        }
        self.request("tools/call", &params)
    }

    /// Sends a request and reads its answer as it comes.
    #[track_caller]
    pub(crate) fn stream(&self, message: &Value) -> Stream {
        Stream::over(Post::of(message).begin(&self.http, &self.url))
    }

    /// Opens a listen stream.
    #[track_caller]
    pub(crate) fn listen(&self, id: &Value, wanted: &Value) -> Stream {
        self.stream(&self.message(id, "subscriptions/listen", &json!({ "notifications": wanted })))
    }

    /// Sends a call and returns its connection: dropping it is all that the client does about it.
    #[track_caller]
    pub(crate) fn begin(&self, id: &Value, tool: &str, arguments: &Value, meta: &Value) -> std::net::TcpStream {
        let params = json!({ "name": tool, "arguments": arguments, "_meta": meta });
        Post::of(&self.message(id, "tools/call", &params)).begin(&self.http, &self.url)
    }
}
