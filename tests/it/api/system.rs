//! Health, metrics, the document, client sessions.

use serde_json::{Value, json};

use crate::support::{Client, TestApp, text, wait_for};

#[test]
fn health_is_open_and_counts_instances_by_state() {
    TestApp::each(|app| {
        let ann = app.client_of("ann@example.org");
        let view = ann.create(&json!({ "service": "fake" }));
        ann.wait_for(&text(&view, "id"), "running");
        let health = app.client().get("/health").expect(200);
        assert_eq!((&health["status"], &health["database"]), (&json!("ok"), &json!("ok")));
        assert_eq!(health["version"], env!("CARGO_PKG_VERSION"));
        assert_eq!(health["instances"], json!({ "running": 1 }));
        assert!(health["uptime_seconds"].is_u64());
        assert_eq!(app.client().send("HEAD", "/health", None).status, 200);
        app.client().get("/health/sessions").refused(401, "unauthenticated");
    });
}

#[test]
fn metrics_are_for_this_host_and_for_administrators() {
    let app = TestApp::start();
    let (root, ann) = (app.admin_client("root@example.org"), app.client_of("ann@example.org"));
    let view = ann.create(&json!({ "service": "fake" }));
    ann.wait_for(&text(&view, "id"), "running");
    ann.call(&view, "echo", &json!({ "text": "hi" })).expect(200);
    let metrics = app.client().get("/metrics");
    assert_eq!(metrics.status, 200);
    for line in
        ["berth_calls_total 1", "berth_starts_total 1", "berth_instances{state=\"running\"} 1", "berth_orphans_total 0"]
    {
        assert!(metrics.text.lines().any(|known| known == line), "{line} is not in\n{}", metrics.text);
    }
    let proxied = |client: &Client| client.with("x-forwarded-for", "192.0.2.1").get("/metrics");
    proxied(&app.client()).refused(401, "unauthenticated");
    proxied(&ann).refused(403, "forbidden");
    assert_eq!(proxied(&root).status, 200);
}

#[test]
fn the_document_describes_the_contract() {
    let app = TestApp::start();
    let document = app.client_of("ann@example.org").get("/openapi.json").expect(200);
    assert!(text(&document, "openapi").starts_with("3."));
    let methods = |path: &str| -> Vec<String> {
        let item = document["paths"].get(path).unwrap_or_else(|| panic!("{path} is not described"));
        ["get", "post", "patch", "delete"]
            .iter()
            .filter(|method| item.get(**method).is_some())
            .map(|m| (*m).to_owned())
            .collect()
    };
    let contract: [(&str, &[&str]); 23] = [
        ("/api/v1/auth/login", &["post"]),
        ("/api/v1/auth/logout", &["post"]),
        ("/api/v1/auth/me", &["get"]),
        ("/api/v1/services", &["get", "post"]),
        ("/api/v1/services/{name}", &["get", "delete"]),
        ("/api/v1/mcps", &["get", "post"]),
        ("/api/v1/mcps/{id}", &["get", "patch", "delete"]),
        ("/api/v1/mcps/{id}/toggle", &["post"]),
        ("/api/v1/mcps/{id}/debug", &["post"]),
        ("/api/v1/mcps/{id}/diagnose", &["get"]),
        ("/api/v1/mcps/{id}/logs", &["get"]),
        ("/api/v1/mcps/{id}/logs/stream", &["get"]),
        ("/api/v1/mcps/{id}/stats", &["get"]),
        ("/api/v1/mcps/{id}/events", &["get"]),
        ("/api/v1/credentials", &["get", "post"]),
        ("/api/v1/credentials/{id}/rotate", &["post"]),
        ("/api/v1/tokens", &["get", "post"]),
        ("/api/v1/tokens/{id}", &["delete"]),
        ("/api/v1/users", &["get", "post"]),
        ("/api/v1/users/{id}", &["get", "patch", "delete"]),
        ("/api/v1/audit", &["get"]),
        ("/api/v1/sessions/{id}", &["delete"]),
        ("/{service}/{id}/mcp", &["get", "post", "delete"]),
    ];
    for (path, expected) in contract {
        let described = methods(path);
        assert!(expected.iter().all(|method| described.iter().any(|known| known == method)), "{path}: {described:?}");
    }
    // What is described is there: nothing of it is an unknown path.
    for path in document["paths"].as_object().unwrap().keys().filter(|path| !path.contains('{')) {
        assert_ne!(app.client().send("OPTIONS", path, None).status, 404, "{path}");
    }
}

fn initialize(client: &Client, view: &Value) -> String {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "test", "version": "1" } } });
    let client = client.with("accept", "application/json, text/event-stream");
    let answer = client.post(&format!("/fake/{}/mcp", text(view, "id")), &body);
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.header("mcp-session-id").unwrap().to_owned()
}

#[test]
fn client_sessions_are_shown_to_their_owner_and_can_be_ended() {
    let app = TestApp::start();
    let (ann, bob) = (app.client_of("ann@example.org"), app.client_of("bob@example.org"));
    let view = ann.create(&json!({ "service": "fake" }));
    ann.wait_for(&text(&view, "id"), "running");
    let session = initialize(&ann, &view);
    for prefix in ["", "/api/v1"] {
        let listed = ann.get(&format!("{prefix}/sessions")).expect(200);
        assert_eq!((&listed["items"][0]["id"], &listed["items"][0]["instance"]), (&json!(session), &view["id"]));
        assert_eq!(bob.get(&format!("{prefix}/sessions")).expect(200)["items"], json!([]));
        ann.get(&format!("{prefix}/sessions/{session}/state")).expect(200);
        bob.get(&format!("{prefix}/sessions/{session}/state")).refused(404, "not_found");
        bob.delete(&format!("{prefix}/sessions/{session}")).refused(404, "not_found");
    }
    assert_eq!(ann.get("/health/sessions").expect(200)["sessions"], 1);
    ann.delete(&format!("/sessions/{session}")).expect(204);
    wait_for("the session to be gone", || (ann.get("/sessions").expect(200)["items"] == json!([])).then_some(()));
    let ping = json!({ "jsonrpc": "2.0", "id": 2, "method": "ping" });
    let client = ann.with("accept", "application/json, text/event-stream").with("mcp-session-id", &session);
    assert_eq!(client.post(&format!("/fake/{}/mcp", text(&view, "id")), &ping).status, 404);
}
