//! What clients do wrong, and what they are told.

use serde_json::{Value, json};

use crate::support::{Instance, TestApp, User, http::Reply};

const BOTH: &str = "application/json, text/event-stream";

struct Setup {
    app: TestApp,
    ann: User,
    instance: Instance,
    session: String,
}

fn setup(service: &str) -> Setup {
    let app = TestApp::start();
    let ann = app.user("ann");
    let instance = ann.create(service);
    let session = ann.connect(&instance).session;
    Setup { app, ann, instance, session }
}

impl Setup {
    /// A proper request but for `headers`, which replace or remove (empty value) the usual ones.
    fn post(&self, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        let usual = [("accept", BOTH), ("content-type", "application/json"), ("mcp-session-id", self.session.as_str())];
        let kept = usual.iter().filter(|(name, _)| !headers.iter().any(|(other, _)| other == name));
        let all: Vec<(&str, &str)> =
            kept.chain(headers.iter().filter(|(_, value)| !value.is_empty())).copied().collect();
        self.ann.http.send("POST", &self.instance.url, &all, Some(body))
    }
}

const PING: &[u8] = br#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;

fn code(reply: &Reply) -> Value {
    reply.json()["error"]["code"].clone()
}

#[test]
fn what_is_no_message_is_refused() {
    for service in ["fake", "fake-http"] {
        let setup = setup(service);
        for garbage in ["{", "", "hello", "{\"jsonrpc\":\"2.0\",\"id\":1,", "\u{0}"] {
            let reply = setup.post(&[], garbage.as_bytes()).expect(400);
            assert_eq!(code(&reply), -32700, "{garbage:?}");
            assert_eq!(reply.json()["id"], Value::Null);
        }
        for invalid in [&b"[]"[..], b"[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}]", b"{}", b"7", b"null"] {
            assert_eq!(code(&setup.post(&[], invalid).expect(400)), -32600, "{}", String::from_utf8_lossy(invalid));
        }
        setup.post(&[], PING).expect(200);
    }
}

#[test]
fn headers_are_checked() {
    for service in ["fake", "fake-http"] {
        let setup = setup(service);
        let cases = [
            (("accept", "application/json"), 406),
            (("accept", "text/html"), 406),
            (("accept", "*/*"), 200),
            (("content-type", "text/plain"), 415),
            (("content-type", ""), 415),
            (("content-type", "application/json; charset=utf-8"), 200),
            (("mcp-protocol-version", "1999-01-01"), 400),
            (("mcp-protocol-version", "2025-06-18"), 200),
            (("origin", "http://evil.example"), 403),
            (("origin", "null"), 403),
            (("origin", &setup.app.url), 200),
            (("host", "evil.example"), 403),
        ];
        for (header, status) in cases {
            let reply = setup.post(&[header], PING);
            assert_eq!(reply.status, status, "{header:?}: {}", reply.text());
        }
    }
}

#[test]
fn other_verbs_are_not_served() {
    let setup = setup("fake");
    let reply = setup.ann.http.send("PUT", &setup.instance.url, &[], Some(PING)).expect(405);
    assert_eq!(reply.header("allow"), "GET, POST, DELETE");
}

#[test]
fn a_body_of_100_mib_is_refused_and_nobody_else_notices() {
    let setup = setup("fake");
    let text = "x".repeat(100 << 20);
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"echo","arguments":{{"text":"{text}"}}}}}}"#
    );
    assert_eq!(code(&setup.post(&[], body.as_bytes()).expect(413)), -32600);
    setup.post(&[], PING).expect(200);
    let call = setup.ann.http.send("POST", &setup.instance.beside("/mcp/call"), &[], Some(body.as_bytes())).expect(413);
    assert_eq!(call.json()["code"], "payload_too_large");
}

#[test]
fn a_second_initialize_on_a_session_is_refused() {
    let setup = setup("fake");
    let body = serde_json::to_vec(&crate::support::mcp::initialize(&json!(1), "2025-11-25")).unwrap();
    assert_eq!(code(&setup.post(&[], &body).expect(400)), -32600);
}
