//! Every status of the session front, with its code.

use serde_json::{Value, json};

use crate::support::{
    TestApp,
    mcp::{VERSION, initialize},
};

const BOTH: &str = "application/json, text/event-stream";
const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
const NOTE: &str = r#"{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}"#;
const RESPONSE: &str = r#"{"jsonrpc":"2.0","id":77,"result":{}}"#;

struct Case<'a> {
    verb: &'a str,
    headers: &'a [(&'a str, &'a str)],
    body: Option<&'a str>,
    status: u16,
    /// The JSON-RPC error's code; 0 where there is no error.
    code: i64,
}

const fn case<'a>(
    verb: &'a str,
    headers: &'a [(&'a str, &'a str)],
    body: Option<&'a str>,
    status: u16,
    code: i64,
) -> Case<'a> {
    Case { verb, headers, body, status, code }
}

fn check(app: &TestApp, token_of: &crate::support::User, url: &str, cases: &[Case<'_>]) {
    for Case { verb, headers, body, status, code } in cases {
        let reply = token_of.http.send(verb, url, headers, body.map(str::as_bytes));
        let got =
            (reply.status, if reply.body.is_empty() { Value::Null } else { reply.json()["error"]["code"].clone() });
        let expected = (*status, if *code == 0 { Value::Null } else { json!(code) });
        assert_eq!(got, expected, "{verb} {headers:?} {body:?}: {}\n{}", reply.text(), app.url);
    }
}

#[test]
fn the_table() {
    let app = TestApp::start();
    let ann = app.user("ann");
    for service in ["fake", "fake-http"] {
        let instance = ann.create(service);
        let client = ann.connect(&instance);
        let stream = client.listen();
        let id = client.session.as_str();
        let json_type = ("content-type", "application/json");
        let usual = [("accept", BOTH), json_type, ("mcp-session-id", id)];
        let hello = initialize(&json!(1), VERSION).to_string();
        let large = hello.replace("\"it\"", &format!("\"{}\"", "x".repeat(64 * 1024)));
        let with = |name: &'static str, value: &'static str| {
            let mut headers = usual.to_vec();
            headers.retain(|(known, _)| *known != name);
            headers.push((name, value));
            headers
        };
        let unknown = with("mcp-session-id", "00000000000000000000000000000000");
        let (plain, old) = (with("content-type", "text/plain"), with("mcp-protocol-version", "2020-01-01"));
        let resumed = with("last-event-id", "5-5");
        let (no_json, no_stream) = (with("accept", "text/event-stream"), with("accept", "application/json"));
        check(
            &app,
            &ann,
            &instance.url,
            &[
                case("POST", &usual, Some(PING), 200, 0),
                case("POST", &usual, Some(NOTE), 202, 0),
                case("POST", &usual, Some(RESPONSE), 202, 0),
                case("POST", &no_json, Some(PING), 406, -32000),
                case("POST", &no_stream, Some(PING), 406, -32000),
                case("POST", &plain, Some(PING), 415, -32000),
                case("POST", &usual, Some("{"), 400, -32700),
                case("POST", &usual, Some("{}"), 400, -32600),
                case("POST", &usual, Some("[]"), 400, -32600),
                case("POST", &usual, Some(&hello), 400, -32600),
                case("POST", &usual[..2], Some(&large), 413, -32600),
                case("POST", &old, Some(PING), 400, -32000),
                case("POST", &usual[..2], Some(PING), 400, -32000),
                case("POST", &usual[..2], Some(NOTE), 400, -32000),
                case("POST", &unknown, Some(PING), 404, -32001),
                case("POST", &unknown, Some(NOTE), 404, -32001),
                case("GET", &usual, None, 409, -32000),
                case("GET", &resumed, None, 400, -32000),
                case("GET", &no_stream, None, 406, -32000),
                case("GET", &usual[..1], None, 400, -32000),
                case("GET", &unknown, None, 404, -32001),
                case("DELETE", &usual[..1], None, 400, -32000),
                case("DELETE", &unknown, None, 404, -32001),
                case("PATCH", &usual, Some(PING), 405, 0),
            ],
        );
        ann.act(&instance.id, "toggle");
        ann.wait(&instance.id, "stopped");
        let other = [("accept", BOTH), json_type];
        check(
            &app,
            &ann,
            &instance.url,
            &[
                // A request is answered, with the reason; what has no answer is refused.
                case("POST", &usual, Some(PING), 200, -32603),
                case("POST", &other, Some(&hello), 200, -32603),
                case("POST", &usual, Some(NOTE), 503, -32603),
                case("POST", &usual, Some(RESPONSE), 202, 0),
                case("DELETE", &usual, None, 204, 0),
                case("DELETE", &usual, None, 404, -32001),
            ],
        );
        assert!(stream.ends(), "the stream of an ended session");
    }
}
