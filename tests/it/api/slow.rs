//! What takes a minute because the shortest life of an instance is one.

use serde_json::json;

use crate::support::{TestApp, text, wait_for};

#[test]
fn an_expired_instance_is_archived_and_logs_again_once_restored() {
    let app = TestApp::start();
    let ann = app.client_of("ann@example.org");
    let view = ann.post("/api/v1/mcps", &json!({ "service": "fake", "expires_in_minutes": 1 })).expect(201);
    let (id, path) = (view["id"].as_str().unwrap(), format!("/api/v1/mcps/{}", view["id"].as_str().unwrap()));
    let call = format!("/fake/{id}/mcp/call");
    let echo = json!({ "name": "echo", "arguments": { "text": "hi" } });
    let is = |status: &str| ann.get(&path).expect(200)["status"] == status;
    wait_for("running", || is("running").then_some(()));
    ann.post(&call, &echo).expect(200);
    // Most of the minute; the rest is waited for by looking.
    std::thread::park_timeout(std::time::Duration::from_secs(50));
    wait_for("expired", || is("expired").then_some(()));
    ann.post(&call, &echo).refused(503, "instance_unavailable");

    ann.post(&format!("{path}/restore"), &json!({})).expect(200);
    wait_for("running again", || is("running").then_some(()));
    ann.post(&call, &echo).expect(200);
    wait_for("a line in the new access log", || {
        let log = ann.get(&format!("{path}/logs?stream=access")).expect(200);
        log["lines"].as_array().unwrap().iter().any(|line| line.as_str().unwrap().contains("status=200")).then_some(())
    });
}

#[test]
fn debugging_ends_by_itself() {
    let app = TestApp::start();
    let ann = app.client_of("ann@example.org");
    let made = ann.create(&json!({ "service": "fake" }));
    let id = text(&made, "id");
    let view = ann.wait_for(&id, "running");
    ann.post(&format!("/api/v1/mcps/{id}/debug"), &json!({ "minutes": 1 })).expect(200);
    let now = || ann.get(&format!("/api/v1/mcps/{id}")).expect(200);
    let debugged = wait_for("the debugged process", || {
        let now = now();
        (now["status"] == "running" && now["pid"] != view["pid"]).then_some(now)
    });
    // Most of the minute; the rest is waited for by looking.
    std::thread::park_timeout(std::time::Duration::from_secs(50));
    let after = wait_for("a process that is not debugged", || {
        let now = now();
        (now["status"] == "running" && now["pid"] != debugged["pid"]).then_some(now)
    });
    assert_eq!(after.get("debug_until"), None);
    let shown = ann.call(&after, "whoami", &json!({})).expect(200).to_string();
    assert!(!shown.contains("LOG_LEVEL"), "{shown}");
    let events = ann.get(&format!("/api/v1/mcps/{id}/events")).expect(200).to_string();
    assert!(events.contains("debug_on") && events.contains("its time is over"), "{events}");
}
