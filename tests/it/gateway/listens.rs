//! Listen streams of clients without a session.

use serde_json::json;

use crate::support::{Instance, TestApp, User, raw::RawStream};

const VERSION: &str = "2026-07-28";

fn listen(user: &User, instance: &Instance) -> RawStream {
    let request = json!({ "jsonrpc": "2.0", "id": 1, "method": "subscriptions/listen", "params": {
        "notifications": { "toolsListChanged": true },
        "_meta": {
            "io.modelcontextprotocol/protocolVersion": VERSION,
            "io.modelcontextprotocol/clientInfo": { "name": "it", "version": "1" },
            "io.modelcontextprotocol/clientCapabilities": {},
        },
    } });
    let headers = [
        ("accept", "application/json, text/event-stream"),
        ("content-type", "application/json"),
        ("mcp-protocol-version", VERSION),
        ("mcp-method", "subscriptions/listen"),
    ];
    let http = user.http.fresh();
    let (status, body) = http.open("POST", &instance.url, &headers, Some(request.to_string().as_bytes()));
    assert_eq!(status, 200);
    let mut stream = RawStream::new(body);
    assert_eq!(stream.next().json()["method"], "notifications/subscriptions/acknowledged");
    stream
}

#[test]
fn streams_that_listen_take_no_place_of_calls() {
    let app = TestApp::builder().set("max_in_flight", 2).start();
    let ann = app.user("ann");
    let instance = ann.create("fake");
    let mut streams: Vec<RawStream> = (0..3).map(|_| listen(&ann, &instance)).collect();
    let client = ann.connect(&instance);
    assert_eq!(client.echo("there is room"), "there is room");
    client.text("list_changed", &json!({}));
    for stream in &mut streams {
        assert_eq!(stream.next().json()["method"], "notifications/tools/list_changed");
    }
}
