//! Log lines in the stateless era: each request says which it wants, and most want none.

use serde_json::{Value, json};

use crate::support::{
    TestApp,
    mcp::text_of,
    services::Service,
    stateless::{LOG_LEVEL, StatelessClient},
};

fn wanting(level: Option<&str>) -> Value {
    level.map_or_else(|| json!({}), |level| json!({ LOG_LEVEL: level }))
}

/// The levels of the lines that come with a call.
fn lines(client: &StatelessClient, tool: &str, arguments: &Value, wanted: Option<&str>) -> Vec<String> {
    let params = json!({ "name": tool, "arguments": arguments, "_meta": wanting(wanted) });
    let mut messages = client.post(&client.message(&json!(1), "tools/call", &params)).expect(200).messages();
    text_of(&messages.pop().unwrap());
    let level = |note: &Value| {
        assert_eq!(note["method"], "notifications/message", "{note}");
        note["params"]["level"].as_str().unwrap().to_owned()
    };
    messages.iter().map(level).collect()
}

#[test]
fn a_request_gets_the_lines_of_its_level_and_above() {
    let app = TestApp::builder()
        .service(Service::conformance("new", "stateless"))
        .service(Service::conformance_http("new-http", "stateless"))
        .start();
    let ann = app.user("ann");
    let cases: [(Option<&str>, &[&str]); 7] = [
        (None, &[]),
        (Some("debug"), &["debug", "info", "error"]),
        (Some("info"), &["info", "error"]),
        (Some("notice"), &["error"]),
        (Some("error"), &["error"]),
        (Some("emergency"), &[]),
        (None, &[]),
    ];
    for service in ["fake", "fake-http"] {
        let client = ann.stateless(&ann.create(service));
        for (wanted, expected) in cases {
            // This child logs everything, whatever level it was told.
            let said = ["debug", "info", "error"].map(|level| json!({ "level": level, "text": "x" }));
            let got: Vec<String> = said.iter().flat_map(|line| lines(&client, "log", line, wanted)).collect();
            assert_eq!(got, expected, "{service} {wanted:?}");
        }
        assert_eq!(client.text("level", &json!({})), "debug", "the most verbose that any request wanted");
    }
    for service in ["new", "new-http"] {
        let client = ann.stateless(&ann.create(service));
        for (wanted, expected) in cases {
            assert_eq!(lines(&client, "test_logging_tool", &json!({}), wanted), expected, "{service} {wanted:?}");
        }
    }
}

#[test]
fn who_wants_no_lines_gets_none_beside_one_who_does() {
    let app = TestApp::start();
    let ann = app.user("ann");
    for service in ["fake", "fake-http"] {
        let instance = ann.create(service);
        let (reader, other) = (ann.stateless(&instance), ann.stateless(&instance));
        let session = ann.connect(&instance);
        let long = |client: &StatelessClient, level: Option<&str>| {
            let mut meta = wanting(level);
            meta["progressToken"] = json!(1);
            let params = json!({ "name": "progress", "arguments": { "steps": 40, "ms": 10 }, "_meta": meta });
            let stream = client.stream(&client.message(&json!(1), "tools/call", &params));
            assert_eq!(stream.next()["method"], "notifications/progress");
            stream
        };
        let (reading, deaf) = (long(&reader, Some("warning")), long(&other, None));
        for level in ["info", "error"] {
            assert!(lines(&other, "log", &json!({ "level": level, "text": "x" }), None).is_empty());
            session.text("log", &json!({ "level": level, "text": "x" }));
        }
        let is_answer = |message: &Value| message.get("id").is_some();
        let seen = reading.until(is_answer);
        let levels: Vec<&Value> =
            seen.iter().filter(|it| it["method"] == "notifications/message").map(|it| &it["params"]["level"]).collect();
        assert!(levels.iter().all(|level| **level == "error"), "{service}: {levels:?}");
        let deaf = deaf.until(is_answer);
        assert!(deaf.iter().all(|message| message["method"] != "notifications/message"), "{service}: {deaf:?}");
    }
}
