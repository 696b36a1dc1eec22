//! What a guest never gets, and what cannot be shared.

use serde_json::json;

use super::{end, received, share, shares};
use crate::support::TestApp;

#[test]
fn nothing_but_calls() {
    let app = TestApp::start();
    let (ann, bob, admin) = (app.user("ann"), app.user("bob"), app.admin());
    let instance = ann.create("fake");
    let made = share(&ann, &instance, &bob, &json!({}));
    let path = format!("/api/v1/mcps/{}", instance.id);
    for below in ["", "/logs", "/logs/stream", "/stats", "/events", "/diagnose", "/shares"] {
        bob.http.get(&format!("{path}{below}")).expect(404);
    }
    for below in ["/toggle", "/restart", "/renew", "/restore", "/clone", "/debug"] {
        bob.http.post(&format!("{path}{below}"), &json!({})).expect(404);
    }
    bob.http.patch(&path, &json!({ "label": "mine" })).expect(404);
    bob.http.delete(&path).expect(404);
    bob.http.post(&shares(&instance), &json!({ "email": admin.email })).expect(404);
    bob.http.delete(&format!("{}/{}", shares(&instance), made["id"].as_str().unwrap())).expect(404);
    let session = ann.connect(&instance).session;
    for path in [format!("/api/v1/sessions/{session}"), format!("/api/v1/sessions/{session}/state")] {
        bob.http.get(&path).expect(404);
    }
    assert!(!bob.http.get("/health/sessions").expect(200).text().contains(&instance.id));
    // An administrator sees and ends shares, but does not act with somebody's credential, nor has others do so.
    assert_eq!(admin.http.get(&shares(&instance)).expect(200).json()["items"][0]["id"], made["id"]);
    admin.http.post(&shares(&instance), &json!({ "email": admin.email })).expect(403);
    admin.http.get(&instance.beside("/mcp/tools")).expect(404);
    end(&admin, &instance, &made);
    bob.http.get(&instance.beside("/mcp/tools")).expect(404);
}

#[test]
fn shares_that_make_no_sense() {
    TestApp::each(|app| {
        let (ann, bob) = (app.user("ann"), app.user("bob"));
        let instance = ann.create("fake");
        let to = |terms: serde_json::Value| {
            let mut body = terms;
            if body["email"].is_null() {
                body["email"] = json!(bob.email);
            }
            ann.http.post(&shares(&instance), &body).status
        };
        for (terms, status) in [
            (json!({ "email": ann.email }), 400),
            (json!({ "email": "nobody@example.org" }), 400),
            (json!({ "email": "x" }), 400),
            (json!({ "tools": [""] }), 400),
            (json!({ "expires_in_days": 0 }), 400),
            (json!({ "expires_at": "2020-01-01T00:00:00Z" }), 400),
            (json!({ "expires_at": "2999-01-01T00:00:00Z", "expires_in_days": 1 }), 400),
            (json!({ "tool": ["echo"] }), 400),
            (json!({ "expires_at": "2999-01-01T00:00:00Z" }), 201),
            (json!({}), 409),
        ] {
            assert_eq!(to(terms.clone()), status, "{terms}");
        }
        ann.http.delete(&format!("{}/{}", shares(&instance), uuid())).expect(404);
        assert_eq!(received(&bob).len(), 1);
        // What is gone is shared no more.
        ann.delete(&instance.id);
        assert_eq!(received(&bob).len(), 0);
        bob.http.get(&instance.beside("/mcp/tools")).expect(404);
    });
}

fn uuid() -> &'static str {
    "00000000-0000-7000-8000-000000000000"
}

#[test]
fn calls_count_for_who_makes_them() {
    let app = TestApp::builder().env("BERTH_CALLS_PER_SECOND", 5).start();
    let (ann, bob) = (app.user("ann"), app.user("bob"));
    let instance = ann.order("fake");
    crate::support::wait_for("running", || {
        let reply = ann.http.get(&format!("/api/v1/mcps/{}", instance.id));
        (reply.status == 200 && reply.json()["status"] == "running").then_some(())
    });
    crate::support::wait_for("a share", || {
        (ann.http.post(&shares(&instance), &json!({ "email": bob.email })).status == 201).then_some(())
    });
    let url = instance.beside("/mcp/call");
    let call = json!({ "name": "echo", "arguments": { "text": "a" } });
    let refused = (0..1000).find(|_| bob.http.post(&url, &call).status == 429);
    assert!(refused.is_some(), "the guest is never slowed down");
    crate::support::wait_for("the owner's turn", || (ann.http.post(&url, &call).status == 200).then_some(()));
}
