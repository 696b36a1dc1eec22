//! What owners do with an instance: toggle, restart, renew, restore, clone.

use serde_json::{Value, json};

use crate::support::{Client, TestApp, text, wait_for};

fn path(view: &Value) -> String {
    format!("/api/v1/mcps/{}", text(view, "id"))
}

fn running(client: &Client, service: &str) -> Value {
    let made = client.create(&json!({ "service": service }));
    client.wait_for(&text(&made, "id"), "running")
}

#[test]
fn toggle_takes_down_and_brings_up() {
    TestApp::each(|app| {
        let ann = app.client_of("ann@example.org");
        let view = running(&ann, "fake");
        let (id, toggle) = (text(&view, "id"), format!("{}/toggle", path(&view)));
        ann.post(&toggle, &json!({})).expect(200);
        ann.wait_for(&id, "stopped");
        let told = ann.call(&view, "echo", &json!({ "text": "hi" })).refused(503, "instance_unavailable");
        assert!(told.contains("stopped"), "{told}");
        ann.post(&toggle, &json!({})).expect(200);
        let again = ann.wait_for(&id, "running");
        assert_ne!(again["pid"], view["pid"]);
        ann.call(&view, "echo", &json!({ "text": "hi" })).expect(200);
    });
}

#[test]
fn what_is_stopped_stays_stopped_over_a_restart_of_berth() {
    let mut app = TestApp::start();
    let ann = app.client_of("ann@example.org");
    let (up, down) = (running(&ann, "fake"), running(&ann, "fake"));
    ann.post(&format!("{}/toggle", path(&down)), &json!({})).expect(200);
    ann.wait_for(&text(&down, "id"), "stopped");
    app.stop();
    app.start_again();
    ann.wait_for(&text(&up, "id"), "running");
    assert_eq!(ann.get(&path(&down)).expect(200)["status"], "stopped");
}

#[test]
fn restart_gives_a_new_process() {
    let app = TestApp::start();
    let ann = app.client_of("ann@example.org");
    let view = running(&ann, "fake");
    ann.post(&format!("{}/restart", path(&view)), &json!({})).expect(200);
    wait_for("a new process", || {
        let now = ann.get(&path(&view)).expect(200);
        (now["status"] == "running" && now["pid"] != view["pid"]).then_some(())
    });
}

#[test]
fn renewal_sets_and_removes_the_end() {
    TestApp::each(|app| {
        let ann = app.client_of("ann@example.org");
        let view = running(&ann, "fake");
        let renew = format!("{}/renew", path(&view));
        for wrong in [json!({}), json!({ "expires_in_minutes": 0 }), json!({ "expires_in_minutes": 5, "never": true })]
        {
            ann.post(&renew, &wrong).refused(400, "validation_failed");
        }
        ann.post(&renew, &json!({ "expires_in_minutes": 5 })).expect(200);
        wait_for("the end to be set", || ann.get(&path(&view)).expect(200)["expires_at"].as_str().map(drop));
        ann.post(&renew, &json!({ "never": true })).expect(200);
        wait_for("the end to be gone", || ann.get(&path(&view)).expect(200)["expires_at"].is_null().then_some(()));
        assert_eq!(ann.get(&path(&view)).expect(200)["pid"], view["pid"], "its process was left alone");
    });
}

#[test]
fn a_clone_has_the_same_settings_and_a_process_of_its_own() {
    TestApp::each(|app| {
        let ann = app.client_of("ann@example.org");
        let body = json!({ "service": "fake", "label": "first", "env": { "COLOUR": "red" } });
        let first = ann.create(&body);
        let clone = ann.post(&format!("{}/clone", path(&first)), &json!({})).expect(201);
        assert_eq!((&clone["number"], &clone["label"]), (&json!(2), &json!("first")));
        assert_ne!(clone["slug"], first["slug"]);
        let clone = ann.wait_for(&text(&clone, "id"), "running");
        assert!(ann.call(&clone, "whoami", &json!({})).text.contains("red"));
        ann.call(&clone, "set", &json!({ "key": "k", "value": "v" })).expect(200);
        ann.wait_for(&text(&first, "id"), "running");
        assert!(!ann.call(&first, "get", &json!({ "key": "k" })).text.contains("\"v\""), "memory is not shared");
    });
}

#[test]
fn what_fails_for_good_says_why_and_restore_tries_again() {
    let app = TestApp::builder().fake("broken", &["--exit", "7"]).start();
    let ann = app.client_of("ann@example.org");
    let made = ann.create(&json!({ "service": "broken" }));
    let failed = ann.wait_for(&text(&made, "id"), "failed");
    assert!(failed["last_error"].to_string().contains('7'), "{failed}");
    let told = ann.call(&made, "echo", &json!({})).refused(503, "instance_unavailable");
    assert!(told.contains("exited with code 7"), "{told}");
    ann.post(&format!("{}/restore", path(&made)), &json!({})).expect(200);
    ann.wait_for(&text(&made, "id"), "failed");
    let events = ann.get(&format!("{}/events", path(&made))).expect(200);
    assert!(events["items"].as_array().unwrap().len() > 2, "{events}");
}

#[test]
fn events_go_on_page_by_page() {
    let app = TestApp::start();
    let ann = app.client_of("ann@example.org");
    let view = running(&ann, "fake");
    ann.post(&format!("{}/restart", path(&view)), &json!({})).expect(200);
    let all = wait_for("events to be recorded", || {
        let all = ann.get(&format!("{}/events", path(&view))).expect(200);
        (all["items"].as_array().unwrap().len() >= 2).then_some(all)
    });
    let page = ann.get(&format!("{}/events?limit=1", path(&view))).expect(200);
    assert_eq!(page["items"][0], all["items"][0]);
    let next = text(&page, "next");
    let page = ann.get(&format!("{}/events?limit=1&before={next}", path(&view))).expect(200);
    assert_eq!(page["items"][0], all["items"][1]);
}

#[test]
fn stats_say_what_is_used_and_what_is_enforced() {
    let app = TestApp::builder().set("sample_seconds", 1).start();
    let ann = app.client_of("ann@example.org");
    let view = running(&ann, "fake");
    let stats = wait_for("a sample", || {
        let stats = ann.get(&format!("{}/stats", path(&view))).expect(200);
        (!stats["usage"].is_null()).then_some(stats)
    });
    assert!(stats["usage"]["memory_bytes"].as_u64().unwrap() > 0);
    assert_eq!(stats["usage"]["processes"], 1);
    assert!(!stats["enforcement"].as_array().unwrap().is_empty());
}
