//! Logs of an instance by REST.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::support::{Client, PATIENCE, TestApp, text, wait_for};

fn running(client: &Client) -> Value {
    let made = client.create(&json!({ "service": "fake" }));
    client.wait_for(&text(&made, "id"), "running")
}

fn logs(view: &Value, query: &str) -> String {
    format!("/api/v1/mcps/{}/logs{query}", text(view, "id"))
}

#[test]
fn both_streams_have_their_last_lines() {
    let app = TestApp::start();
    let ann = app.client_of("ann@example.org");
    let view = running(&ann);
    ann.call(&view, "flood_stderr", &json!({ "bytes": 5000 })).expect(200);
    let errors = wait_for("standard error to be written", || {
        let lines = ann.get(&logs(&view, "?stream=error&tail=3")).expect(200)["lines"].clone();
        (lines.as_array().unwrap().len() == 3).then_some(lines)
    });
    assert!(errors[0].is_string());
    wait_for("the access log to be written", || {
        let lines = ann.get(&logs(&view, "?stream=access")).expect(200)["lines"].clone();
        lines.to_string().contains("mcp/call").then_some(())
    });
    assert_eq!(ann.get(&logs(&view, "?tail=0")).expect(200)["lines"], json!([]));
    ann.get(&logs(&view, "?stream=other")).refused(400, "validation_failed");
    ann.get(&logs(&view, "?tail=many")).refused(400, "validation_failed");
}

#[test]
fn new_lines_come_as_events() {
    let app = TestApp::start();
    let ann = app.client_of("ann@example.org");
    let view = running(&ann);
    let address = app.url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let path = logs(&view, "/stream?stream=error");
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {}\r\n\r\n", ann.token()).unwrap();
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert_ne!(reader.read_line(&mut head).unwrap(), 0, "{head}");
    }
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("text/event-stream"), "{head}");
    ann.call(&view, "flood_stderr", &json!({ "bytes": 2048 })).expect(200);
    let mut line = String::new();
    let deadline = Instant::now() + PATIENCE;
    while !line.starts_with("data:") {
        assert!(Instant::now() < deadline, "nothing but comments came");
        line.clear();
        assert_ne!(reader.read_line(&mut line).unwrap(), 0, "the stream ended");
    }
    assert!(line.trim_end().len() > "data: ".len(), "{line}");
    // The drop of `app` proves that an open stream does not hold up the end.
}
