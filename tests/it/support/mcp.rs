//! A small MCP client: one session over Streamable HTTP.

use std::{
    io::{BufRead, BufReader, Read},
    net::{Shutdown, TcpStream},
    sync::{
        atomic::{AtomicI64, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use serde_json::{Value, json};

use super::{
    PATIENCE,
    http::{Http, Reply},
};

pub(crate) const VERSION: &str = "2025-11-25";

/// One open session.
pub(crate) struct McpClient {
    pub(crate) http: Http,
    pub(crate) url: String,
    pub(crate) session: String,
    /// The answer to `initialize`.
    pub(crate) hello: Value,
    next: AtomicI64,
}

/// The request that opens a session.
pub(crate) fn initialize(id: &Value, version: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": "initialize", "params": {
        "protocolVersion": version, "capabilities": {}, "clientInfo": { "name": "it", "version": "1" } } })
}

/// A call of a tool.
pub(crate) fn call(id: &Value, tool: &str, arguments: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": { "name": tool, "arguments": arguments } })
}

/// The text in the answer to a call.
#[track_caller]
pub(crate) fn text_of(answer: &Value) -> String {
    let text = answer["result"]["content"][0]["text"].as_str();
    text.unwrap_or_else(|| panic!("no text in {answer}")).to_owned()
}

/// The words of an error.
#[track_caller]
pub(crate) fn error_of(answer: &Value) -> String {
    let text = answer["error"]["message"].as_str();
    text.unwrap_or_else(|| panic!("no error in {answer}")).to_owned()
}

impl McpClient {
    #[track_caller]
    pub(crate) fn open(http: &Http, url: &str) -> Self {
        let (http, url) = (http.clone(), url.to_owned());
        let mut client = Self { http, url, session: String::new(), hello: Value::Null, next: AtomicI64::new(1) };
        let reply = client.post(&initialize(&json!(0), VERSION)).expect(200);
        reply.header("mcp-session-id").clone_into(&mut client.session);
        assert_eq!(client.session.len(), 32, "{}", reply.text());
        client.hello = reply.messages().pop().unwrap();
        client.notify("notifications/initialized", &json!({}));
        client
    }

    /// Goes on with a session that is open.
    pub(crate) fn again(http: &Http, url: &str, session: &str) -> Self {
        let (http, url, session) = (http.clone(), url.to_owned(), session.to_owned());
        // Ids of this client are its own.
        static CLIENTS: AtomicI64 = AtomicI64::new(1);
        let next = AtomicI64::new(CLIENTS.fetch_add(1, Ordering::Relaxed) * 1_000_000);
        Self { http, url, session, hello: Value::Null, next }
    }

    fn headers(&self) -> Vec<(&str, &str)> {
        let mut headers = vec![("accept", "application/json, text/event-stream"), ("content-type", "application/json")];
        if !self.session.is_empty() {
            headers.extend([("mcp-session-id", self.session.as_str()), ("mcp-protocol-version", VERSION)]);
        }
        headers
    }

    /// Sends one message, whatever it is.
    #[track_caller]
    pub(crate) fn post(&self, message: &Value) -> Reply {
        self.http.send("POST", &self.url, &self.headers(), Some(&serde_json::to_vec(message).unwrap()))
    }

    #[track_caller]
    pub(crate) fn notify(&self, method: &str, params: &Value) {
        self.post(&json!({ "jsonrpc": "2.0", "method": method, "params": params })).expect(202);
    }

    /// A request under an id of its own; the last message of the answer.
    #[track_caller]
    pub(crate) fn request(&self, method: &str, params: &Value) -> Value {
        let id = json!(self.next.fetch_add(1, Ordering::Relaxed));
        self.ask(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }))
    }

    /// The answer to a request; its id must be the request's.
    #[track_caller]
    pub(crate) fn ask(&self, request: &Value) -> Value {
        let answer = self.post(request).expect(200).messages().pop().unwrap();
        assert_eq!(answer["id"], request["id"], "{answer}");
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

    #[track_caller]
    pub(crate) fn echo(&self, text: &str) -> String {
        self.text("echo", &json!({ "text": text }))
    }

    /// What the child says of itself.
    #[track_caller]
    pub(crate) fn whoami(&self) -> Value {
        serde_json::from_str(&self.text("whoami", &json!({}))).unwrap()
    }

    /// Opens the GET stream.
    #[track_caller]
    pub(crate) fn listen(&self) -> Stream {
        let (status, body) = self.http.open("GET", &self.url, &self.headers(), None);
        assert_eq!(status, 200);
        Stream::read(body)
    }

    /// Sends a request and reads its answer as it comes.
    #[track_caller]
    pub(crate) fn stream(&self, request: &Value) -> Stream {
        let body = serde_json::to_vec(request).unwrap();
        let (status, body) = self.http.open("POST", &self.url, &self.headers(), Some(&body));
        assert_eq!(status, 200);
        Stream::read(body)
    }

    /// A call that runs until the child dies or a minute has passed. Returns once the child works on it.
    #[track_caller]
    pub(crate) fn long_call(&self, id: &Value) -> Stream {
        let mut request = call(id, "progress", &json!({ "steps": 6000, "ms": 10 }));
        request["params"]["_meta"] = json!({ "progressToken": id });
        let stream = self.stream(&request);
        assert_eq!(stream.next()["params"]["progressToken"], *id);
        stream
    }

    pub(crate) fn close(&self) -> Reply {
        self.http.send("DELETE", &self.url, &self.headers(), None)
    }
}

/// Messages of an event stream, read by a thread of its own.
pub(crate) struct Stream {
    messages: mpsc::Receiver<Value>,
    /// Closed with the stream; else only its reader's next message shows that it is unwanted.
    connection: Option<TcpStream>,
}

impl Drop for Stream {
    fn drop(&mut self) {
        if let Some(connection) = &self.connection {
            // It may have been closed by the other side.
            let _ = connection.shutdown(Shutdown::Both);
        }
    }
}

impl Stream {
    fn read(body: impl Read + Send + 'static) -> Self {
        let (sender, messages) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(body).lines() {
                let Ok(line) = line else { return };
                // The last chunk, where they are seen.
                if line == "0" {
                    return;
                }
                // An event without data only names the place to resume from.
                let Some(data) = line.strip_prefix("data:").filter(|data| !data.is_empty()) else { continue };
                let message =
                    serde_json::from_str(data).unwrap_or_else(|error| Value::from(format!("{error}: {data}")));
                if sender.send(message).is_err() {
                    return;
                }
            }
        });
        Self { messages, connection: None }
    }

    /// The answer that comes on a connection of its own, which must be a stream.
    #[track_caller]
    pub(super) fn over(connection: TcpStream) -> Self {
        let mut body = BufReader::new(connection.try_clone().unwrap());
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(body.read_line(&mut head).unwrap() > 0, "no answer: {head}");
        }
        assert!(head.starts_with("HTTP/1.1 200 ") && head.contains("text/event-stream"), "{head}");
        // Each event is a chunk; sizes and ends of chunks are no fields of events.
        let mut stream = Self::read(body);
        stream.connection = Some(connection);
        stream
    }

    /// The next message.
    #[track_caller]
    pub(crate) fn next(&self) -> Value {
        self.messages.recv_timeout(PATIENCE).expect("a message on the stream")
    }

    /// The next message, if it is there or about to come.
    pub(crate) fn soon(&self) -> Option<Value> {
        self.messages.recv_timeout(Duration::from_millis(50)).ok()
    }

    /// The next message, if it is there already.
    pub(crate) fn try_next(&self) -> Option<Value> {
        self.messages.try_recv().ok()
    }

    /// Whether it ends, whatever comes before.
    pub(crate) fn ends(&self) -> bool {
        loop {
            match self.messages.recv_timeout(PATIENCE) {
                Ok(_) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => return true,
                Err(mpsc::RecvTimeoutError::Timeout) => return false,
            }
        }
    }

    /// The next message that is no notification.
    #[track_caller]
    pub(crate) fn answer(&self) -> Value {
        loop {
            let message = self.next();
            if message.get("id").is_some() {
                return message;
            }
        }
    }

    /// Everything up to the first message that fits, that one included.
    #[track_caller]
    pub(crate) fn until(&self, fits: impl Fn(&Value) -> bool) -> Vec<Value> {
        let mut seen = Vec::new();
        loop {
            seen.push(self.next());
            if seen.last().is_some_and(&fits) {
                return seen;
            }
        }
    }
}
