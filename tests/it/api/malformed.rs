//! What is not even a request: the framework's refusals wear our format.

use serde_json::json;

use crate::support::TestApp;

#[test]
fn bodies() {
    let app = TestApp::start();
    let ann = app.client_of("ann@example.org");
    let json_client = ann.with("content-type", "application/json");
    for text in ["", "{", "\u{feff}{}", "nul\u{0}", "{\"service\":\"fake\"} x"] {
        json_client.send("POST", "/api/v1/mcps", Some(text)).refused(400, "malformed_request");
    }
    for text in ["[]", "1", "null", "{\"service\":1}", "{\"service\":\"fake\",\"env\":[]}"] {
        json_client.send("POST", "/api/v1/mcps", Some(text)).refused(400, "validation_failed");
    }
    let plain = ann.with("content-type", "text/plain");
    plain.send("POST", "/api/v1/mcps", Some("{}")).refused(415, "unsupported_media_type");
    let large = json!({ "service": "x".repeat(2 << 20) });
    ann.post("/api/v1/mcps", &large).refused(413, "payload_too_large");
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    json_client.send("POST", "/api/v1/mcps", Some(&deep)).refused(400, "validation_failed");
    ann.get("/api/v1/mcps").expect(200);
}

#[test]
fn paths_methods_and_queries() {
    let app = TestApp::start();
    let ann = app.client_of("ann@example.org");
    for path in ["/nothing", "/api", "/api/v1", "/api/v1/nothing", "/api/v2/mcps", "/a/b/c/d/e"] {
        ann.get(path).refused(404, "not_found");
    }
    for path in ["/api/v1/mcps/not-an-id", "/api/v1/mcps/%00", "/api/v1/sessions/x", "/fake/not-an-id/mcp"] {
        ann.get(path).refused(404, "not_found");
    }
    let answer = ann.send("PUT", "/api/v1/mcps", None);
    answer.refused(405, "method_not_allowed");
    assert_eq!(answer.header("allow"), Some("GET, POST"));
    ann.delete("/health").refused(405, "method_not_allowed");
    ann.get("/api/v1/mcps?limits=3").refused(400, "validation_failed");
    ann.get("/api/v1/mcps?all=perhaps").refused(400, "validation_failed");
}

#[test]
fn proofs() {
    let app = TestApp::start();
    let ann = app.client_of("ann@example.org");
    let nobody = app.client();
    nobody.get("/api/v1/mcps").refused(401, "unauthenticated");
    for header in ["", "Bearer", "Bearer ", "Basic YTpi", "Bearer bth_wrong", "Bearer x y", "bth_wrong"] {
        nobody.with("authorization", header).get("/api/v1/mcps").refused(401, "unauthenticated");
    }
    nobody.with("cookie", "berth_session=wrong").get("/api/v1/mcps").refused(401, "unauthenticated");
    // Programs that send both mean the token.
    ann.with("cookie", "berth_session=wrong").get("/api/v1/mcps").expect(200);
    let lower = nobody.with("authorization", &format!("bearer {}", ann.token()));
    lower.get("/api/v1/mcps").expect(200);
}

#[test]
fn answers_keep_browsers_strict() {
    let app = TestApp::start();
    let ann = app.client_of("ann@example.org");
    for path in ["/api/v1/mcps", "/health", "/api/v1/nothing"] {
        let answer = ann.get(path);
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
        assert!(answer.header("x-request-id").is_some(), "{path}");
    }
    assert!(ann.get("/health").header("content-security-policy").unwrap().contains("frame-ancestors 'none'"));
}
