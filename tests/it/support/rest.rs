//! A client of the REST API that knows its refusals.

use std::time::Duration;

use serde_json::Value;
use ureq::{
    Agent, Body,
    http::{HeaderMap, Request, Response},
};

use super::wait_for;

/// Somebody who talks to a Berth.
#[derive(Clone)]
pub(crate) struct Client {
    agent: Agent,
    url: String,
    headers: Vec<(String, String)>,
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Client {
    pub(crate) fn new(url: &str) -> Self {
        let config = Agent::config_builder().http_status_as_error(false).max_redirects(0).proxy(None);
        let agent = config.timeout_global(Some(Duration::from_secs(60))).build().into();
        Self { agent, url: url.to_owned(), headers: Vec::new() }
    }

    /// The same with one header more in every request.
    pub(crate) fn with(&self, name: &str, value: &str) -> Self {
        let mut client = self.clone();
        client.headers.retain(|(known, _)| known != name);
        client.headers.push((name.to_owned(), value.to_owned()));
        client
    }

    /// The same with a token.
    pub(crate) fn with_token(&self, token: &str) -> Self {
        self.with("authorization", &format!("Bearer {token}"))
    }

    /// The token, as it was given.
    pub(crate) fn token(&self) -> &str {
        let header = self.headers.iter().find(|(name, _)| name == "authorization");
        header.map(|(_, value)| value.trim_start_matches("Bearer ")).unwrap()
    }

    /// One request, its body as it is.
    pub(crate) fn send(&self, method: &str, path: &str, body: Option<&str>) -> Answer {
        let url = if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.url) };
        if method == "DELETE"
            && let Some(body) = body
        {
            return self.delete_with(&url, body);
        }
        let mut request = Request::builder().method(method).uri(url);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let response = match body {
            Some(body) => self.agent.run(request.body(body.to_owned()).unwrap()),
            // A body where methods usually have none would be refused.
            None => self.agent.run(request.body(()).unwrap()),
        };
        Answer::read(response.unwrap())
    }

    /// One request with a body that is no text.
    pub(crate) fn send_bytes(&self, method: &str, path: &str, body: &[u8]) -> Answer {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.url));
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        Answer::read(self.agent.run(request.body(body.to_vec()).unwrap()).unwrap())
    }

    /// A body that is unusual for its method, but allowed.
    fn delete_with(&self, url: &str, body: &str) -> Answer {
        let mut request = self.agent.delete(url).force_send_body();
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        Answer::read(request.send(body).unwrap())
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.send("GET", path, None)
    }

    pub(crate) fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, None)
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        self.with("content-type", "application/json").send("POST", path, Some(&body.to_string()))
    }

    pub(crate) fn patch(&self, path: &str, body: &Value) -> Answer {
        self.with("content-type", "application/json").send("PATCH", path, Some(&body.to_string()))
    }

    /// Makes an instance; its view.
    #[track_caller]
    pub(crate) fn create(&self, body: &Value) -> Value {
        self.post("/api/v1/mcps", body).expect(201)
    }

    /// The instance's view once it has that status.
    #[track_caller]
    pub(crate) fn wait_for(&self, id: &str, status: &str) -> Value {
        let mut last = Value::Null;
        wait_for(&format!("instance {id} to be {status}"), || {
            last = self.get(&format!("/api/v1/mcps/{id}")).expect(200);
            (last["status"] == status).then(|| last.clone())
        })
    }

    /// Calls a tool by the REST form.
    pub(crate) fn call(&self, instance: &Value, tool: &str, arguments: &Value) -> Answer {
        let path = format!("/{}/{}/mcp/call", text(instance, "service"), text(instance, "id"));
        self.post(&path, &serde_json::json!({ "name": tool, "arguments": arguments }))
    }
}

impl Answer {
    fn read(mut response: Response<Body>) -> Self {
        let text = response.body_mut().with_config().limit(64 << 20).read_to_string().unwrap();
        Self { status: response.status().as_u16(), headers: response.headers().clone(), text }
    }

    /// The body, given that the status is this one.
    #[track_caller]
    pub(crate) fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        if self.text.is_empty() { Value::Null } else { self.json() }
    }

    /// The body as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// The header's text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Asserts a refusal in our format; its detail.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, code: &str) -> String {
        let body = self.expect(status);
        assert_eq!(body["code"], code, "{body}");
        assert_eq!(body["status"], status);
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        assert_eq!(self.header("x-request-id"), body["request_id"].as_str());
        if status == 401 {
            assert!(self.header("www-authenticate").unwrap().starts_with("Bearer"));
        }
        if matches!(status, 429 | 503) {
            assert!(self.header("retry-after").unwrap().parse::<u64>().is_ok());
        }
        body["detail"].as_str().unwrap().to_owned()
    }
}

/// A member of an object that is a string.
#[track_caller]
pub(crate) fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_else(|| panic!("no text {name:?} in {value}")).to_owned()
}
