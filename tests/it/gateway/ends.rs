//! How sessions end, and what has no need of a child.

use serde_json::json;

use crate::support::{TestApp, wait_for};

#[test]
fn the_child_hears_of_a_session_that_somebody_else_has_ended() {
    let app = TestApp::start();
    let ann = app.user("ann");
    let instance = ann.create("fake");
    let (ended, other) = (ann.connect(&instance), ann.connect(&instance));
    let followed = json!({ "uri": "test://a" });
    assert!(ended.request("resources/subscribe", &followed)["result"].is_object());
    assert_eq!(other.text("subscribed", &json!({})), r#"["test://a"]"#);
    ann.http.delete(&format!("/api/v1/sessions/{}", ended.session)).expect(204);
    wait_for("the child to be told", || (other.text("subscribed", &json!({})) == "[]").then_some(()));
}

#[test]
fn what_needs_no_child_does_not_wait_for_one() {
    let app = TestApp::builder().fake("late", &["--slow-start", "8000"]).start();
    let ann = app.user("ann");
    let instance = ann.order("late");
    let nobody = "0".repeat(32);
    let headers = [
        ("accept", "application/json, text/event-stream"),
        ("content-type", "application/json"),
        ("mcp-session-id", nobody.as_str()),
    ];
    let ping = json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" }).to_string();
    ann.http.send("POST", &instance.url, &headers, Some(ping.as_bytes())).expect(404);
    ann.http.send("POST", &instance.url, &headers[..2], Some(b"{")).expect(400);
    ann.http.send("DELETE", &instance.url, &headers, None).expect(404);
    let state = ann.show(&instance.id).view["state"].clone();
    assert!(state != "running", "{state}: they have been answered before");
}

#[test]
fn the_access_log_is_not_written_by_clients() {
    let app = TestApp::start();
    let ann = app.user("ann");
    let instance = ann.create("fake");
    let messages = format!("{}?session_id=x%0Aforged", instance.beside("/messages"));
    let ping = br#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    ann.http.send("POST", &messages, &[("content-type", "application/json")], Some(ping)).expect(404);
    let log = wait_for("the line", || {
        let logs = ann.http.get(&format!("/api/v1/mcps/{}/logs?stream=access", instance.id));
        let text = logs.text();
        text.contains("messages").then_some(text)
    });
    assert!(log.contains("session=?") && !log.contains("forged"), "{log}");
}
