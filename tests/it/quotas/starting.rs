//! Running processes and their memory.

use serde_json::{Value, json};

use super::{account, echo, path, running};
use crate::support::{Answer, Client, TestApp, mcp::initialize, services::Service, text, wait_for};

fn create(client: &Client) -> Answer {
    client.post("/api/v1/mcps", &json!({ "service": "fake" }))
}

/// Waits until `client` has so many places taken.
#[track_caller]
fn occupied(client: &Client, processes: u64) -> Value {
    wait_for("processes to come or go", || {
        let usage = client.get("/api/v1/me/usage").expect(200);
        (usage["running"]["used"] == processes).then_some(usage)
    })
}

#[test]
fn so_many_processes_run_at_a_time() {
    TestApp::each(|app| {
        let (root, ann) = (app.admin_client("root@example.org"), app.client_of("ann@example.org"));
        root.patch(&account(&ann), &json!({ "quota": { "running": 2 } })).expect(200);
        let (one, two) = (running(&ann), running(&ann));
        let told = create(&ann).refused(409, "quota_reached");
        assert!(told.contains("(2 of 2)"), "{told}");
        ann.post(&format!("{}/clone", path(&one)), &json!({})).refused(409, "quota_reached");
        // One that runs may start anew: it gives its place up for that.
        ann.post(&format!("{}/restart", path(&one)), &json!({})).expect(200);
        ann.wait_for(&text(&one, "id"), "running");
        ann.post(&format!("{}/toggle", path(&two)), &json!({})).expect(200);
        occupied(&ann, 1);
        let third = running(&ann);
        ann.post(&format!("{}/toggle", path(&two)), &json!({})).refused(409, "quota_reached");
        ann.post(&format!("{}/restore", path(&two)), &json!({})).refused(409, "quota_reached");
        ann.delete(&path(&third)).expect(204);
        occupied(&ann, 1);
        ann.post(&format!("{}/toggle", path(&two)), &json!({})).expect(200);
        ann.wait_for(&text(&two, "id"), "running");
        assert_eq!(occupied(&ann, 2)["running"], json!({ "used": 2, "allowed": 2 }));
    });
}

#[test]
fn their_memory_limits_add_up() {
    let app = TestApp::builder().set("default_memory_bytes", 100 << 20).start();
    let (root, ann) = (app.admin_client("root@example.org"), app.client_of("ann@example.org"));
    root.patch(&account(&ann), &json!({ "quota": { "memory_bytes": 250 << 20 } })).expect(200);
    let one = running(&ann);
    let _two = running(&ann);
    let told = create(&ann).refused(409, "quota_reached");
    assert!(told.contains("250 MiB") && told.contains("200 MiB") && told.contains("100 MiB"), "{told}");
    let usage = occupied(&ann, 2);
    assert_eq!(usage["memory_bytes"], json!({ "used": 200 << 20, "allowed": 250 << 20 }));
    // Less for one makes room for another, from its next start on.
    ann.patch(&path(&one), &json!({ "limits": { "memory_bytes": 50 << 20 } })).expect(200);
    create(&ann).refused(409, "quota_reached");
    ann.post(&format!("{}/restart", path(&one)), &json!({})).expect(200);
    wait_for("the smaller one", || (occupied(&ann, 2)["memory_bytes"]["used"] == json!(150 << 20)).then_some(()));
    running(&ann);
}

#[test]
fn a_call_that_would_wake_one_too_many_is_told_why() {
    let app = TestApp::builder().set("idle_seconds", 1).start();
    let (root, ann) = (app.admin_client("root@example.org"), app.client_of("ann@example.org"));
    let one = running(&ann);
    ann.wait_for(&text(&one, "id"), "idle");
    occupied(&ann, 0);
    root.patch(&account(&ann), &json!({ "quota": { "running": 1 } })).expect(200);
    let two = running(&ann);
    // Awake for as long as it is told to.
    ann.patch(&path(&two), &json!({ "idle_seconds": 0 })).expect(200);
    let refused = echo(&ann, &one);
    let told = refused.refused(503, "instance_unavailable");
    assert!(told.contains("(1 of 1)"), "{told}");
    let mcp = ann.with("accept", "application/json, text/event-stream");
    let answer = mcp.post(&format!("/fake/{}/mcp", text(&one, "id")), &initialize(&json!(7), "2025-06-18"));
    let body = answer.expect(200);
    assert_eq!(body["id"], 7);
    assert!(body["error"]["message"].as_str().unwrap().contains("(1 of 1)"), "{body}");
    // It sleeps on, and says why it did not come; there is a place again, and it wakes.
    let view = ann.wait_for(&text(&one, "id"), "idle");
    assert_eq!(view["last_error"]["reason"]["kind"], "quota_reached", "{view}");
    ann.post(&format!("{}/toggle", path(&two)), &json!({})).expect(200);
    occupied(&ann, 0);
    echo(&ann, &one).expect(200);
}

#[test]
fn what_may_not_run_any_more_stays_down_after_a_restart_and_says_why() {
    let mut app = TestApp::start();
    let (root, ann) = (app.admin_client("root@example.org"), app.client_of("ann@example.org"));
    let ids: Vec<String> = (0..3).map(|_| text(&running(&ann), "id")).collect();
    root.patch(&account(&ann), &json!({ "quota": { "running": 2 } })).expect(200);
    // Nothing that runs is ended for that.
    assert_eq!(occupied(&ann, 3)["running"], json!({ "used": 3, "allowed": 2 }));
    app.stop();
    app.start_again();
    let views: Vec<Value> = wait_for("all to be up or refused", || {
        let views: Vec<Value> = ids.iter().map(|id| ann.get(&format!("/api/v1/mcps/{id}")).expect(200)).collect();
        let settled = |view: &Value| view["status"] == "running" || view["status"] == "failed";
        views.iter().all(settled).then_some(views)
    });
    let failed: Vec<&Value> = views.iter().filter(|view| view["status"] == "failed").collect();
    assert_eq!(failed.len(), 1, "{views:?}");
    let reason = &failed[0]["last_error"]["reason"];
    assert_eq!(reason["kind"], "quota_reached");
    assert!(text(reason, "detail").contains("(2 of 2)"), "{reason}");
    assert_eq!(failed[0]["restarts"], 0, "trying again changes nothing");
}

#[test]
fn connections_of_a_session_count_each() {
    let each = Service::stdio("each", &[]).with("modes", json!(["session"]));
    let app = TestApp::builder().set("spares", 0).service(each).start();
    let (root, ann) = (app.admin(), app.user("ann"));
    let instance = ann.order_with(&json!({ "service": "each", "mode": "session" }));
    ann.wait(&instance.id, "running");
    let me = ann.http.get("/api/v1/me").expect(200).json();
    let path = format!("/api/v1/users/{}", text(&me, "id"));
    root.http.patch(&path, &json!({ "quota": { "running": 1 } })).expect(200);
    let first = ann.connect(&instance);
    assert_eq!(first.echo("a"), "a");
    let refused = ann.http.post(&instance.url, &initialize(&json!(1), "2025-06-18"));
    assert!(refused.text().contains("(1 of 1)"), "{} {}", refused.status, refused.text());
    assert_eq!(first.echo("b"), "b");
}
