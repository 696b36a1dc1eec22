//! A client that sees what is on the wire: ids of events, connections that it cuts.

use std::io::{BufRead, BufReader, Read};

use serde_json::{Value, json};

use super::{
    http::{Http, Reply},
    user::{Instance, User},
};

/// One session, and nothing hidden.
pub(crate) struct RawClient {
    pub(crate) http: Http,
    pub(crate) url: String,
    pub(crate) session: String,
}

/// One event as it came.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct RawEvent {
    pub(crate) id: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) retry: Option<String>,
    pub(crate) data: String,
}

impl RawEvent {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    #[track_caller]
    pub(crate) fn id(&self) -> String {
        self.id.clone().unwrap_or_else(|| panic!("no id in {self:?}"))
    }
}

/// A stream that is read by the test itself; dropping it cuts the connection.
pub(crate) struct RawStream(BufReader<Box<dyn Read + Send>>);

impl RawStream {
    pub(crate) fn new(body: impl Read + Send + 'static) -> Self {
        Self(BufReader::new(Box::new(body)))
    }

    /// The next event; `None` when the stream has ended. Comments are passed over.
    pub(crate) fn try_next(&mut self) -> Option<RawEvent> {
        let mut event = RawEvent::default();
        let mut any = false;
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line).ok()? == 0 {
                return None;
            }
            let line = line.trim_end_matches(['\r', '\n']);
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value).to_owned();
            match field {
                "" if line.is_empty() && any => return Some(event),
                "" => continue,
                "id" => event.id = Some(value),
                "event" => event.name = Some(value),
                "retry" => event.retry = Some(value),
                "data" => event.data.push_str(&value),
                other => panic!("unknown field {other:?}"),
            }
            any = true;
        }
    }

    #[track_caller]
    pub(crate) fn next(&mut self) -> RawEvent {
        self.try_next().expect("another event")
    }

    /// Everything up to the end.
    pub(crate) fn rest(&mut self) -> Vec<RawEvent> {
        std::iter::from_fn(|| self.try_next()).collect()
    }
}

impl RawClient {
    /// Opens a session that declares `capabilities`.
    #[track_caller]
    pub(crate) fn open(user: &User, instance: &Instance, version: &str, capabilities: &Value) -> Self {
        let mut client = Self { http: user.http.fresh(), url: instance.url.clone(), session: String::new() };
        let hello = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
            "protocolVersion": version, "capabilities": capabilities,
            "clientInfo": { "name": "raw", "version": "1" } } });
        let reply = client.post(&hello).expect(200);
        reply.header("mcp-session-id").clone_into(&mut client.session);
        assert_eq!(reply.messages()[0]["result"]["protocolVersion"], version);
        client.post(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).expect(202);
        client
    }

    fn headers<'a>(&'a self, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        let mut headers = vec![("accept", "application/json, text/event-stream"), ("content-type", "application/json")];
        if !self.session.is_empty() {
            headers.push(("mcp-session-id", &self.session));
        }
        headers.extend(more);
        headers
    }

    /// Sends a body and reads the whole answer.
    #[track_caller]
    pub(crate) fn post(&self, message: &Value) -> Reply {
        let body = serde_json::to_vec(message).unwrap();
        self.http.send("POST", &self.url, &self.headers(&[]), Some(&body))
    }

    /// Sends a request whose answer is a stream.
    #[track_caller]
    pub(crate) fn stream(&self, message: &Value) -> RawStream {
        let body = serde_json::to_vec(message).unwrap();
        let (status, body) = self.http.fresh().open("POST", &self.url, &self.headers(&[]), Some(&body));
        assert_eq!(status, 200);
        RawStream::new(body)
    }

    /// Opens the GET stream, or resumes one.
    #[track_caller]
    pub(crate) fn get(&self, seen: Option<&str>) -> (u16, RawStream) {
        let resume: Vec<(&str, &str)> = seen.map(|seen| ("last-event-id", seen)).into_iter().collect();
        let (status, body) = self.http.fresh().open("GET", &self.url, &self.headers(&resume), None);
        (status, RawStream::new(body))
    }

    #[track_caller]
    pub(crate) fn listen(&self, seen: Option<&str>) -> RawStream {
        let (status, stream) = self.get(seen);
        assert_eq!(status, 200);
        stream
    }
}
