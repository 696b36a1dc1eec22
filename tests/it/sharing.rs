//! Instances that their owners share with others: what a guest may do, and what not.

mod denied;
mod ended;

use berth::db::client_sessions;
use serde_json::{Value, json};

use crate::{
    support::{Instance, TestApp, User, mcp::call, services::Service},
    tool_limits::{limited, names, refusal, set},
};

/// Shares the instance; the share.
#[track_caller]
fn share(owner: &User, instance: &Instance, guest: &User, terms: &Value) -> Value {
    let mut body = terms.clone();
    body["email"] = json!(guest.email);
    owner.http.post(&shares(instance), &body).expect(201).json()
}

fn shares(instance: &Instance) -> String {
    format!("/api/v1/mcps/{}/shares", instance.id)
}

#[track_caller]
fn end(owner: &User, instance: &Instance, share: &Value) {
    owner.http.delete(&format!("{}/{}", shares(instance), share["id"].as_str().unwrap())).expect(204);
}

/// The instances that others share with the user.
#[track_caller]
fn received(user: &User) -> Vec<Value> {
    user.http.get("/api/v1/shares").expect(200).json()["items"].as_array().unwrap().clone()
}

#[test]
fn a_guest_uses_what_is_shared_and_no_more() {
    TestApp::each(|app| {
        let (ann, bob) = (app.user("ann"), app.user("bob"));
        let instance = ann.create("fake");
        bob.http.get(&instance.beside("/mcp/tools")).expect(404);
        let made = share(&ann, &instance, &bob, &json!({ "tools": ["get", "echo"], "expires_in_days": 3 }));
        assert_eq!((&made["tools"], &made["is_over"]), (&json!(["echo", "get"]), &json!(false)));

        bob.is_told("share_received");
        let seen = &received(&bob)[0];
        assert_eq!((&seen["owner"], &seen["service"]), (&json!(ann.email), &json!("fake")));
        assert_eq!((&seen["url"], &seen["status"]), (&json!(instance.url), &json!("running")));
        assert_eq!((&seen["tools"], &seen["expires_at"]), (&json!(["echo", "get"]), &made["expires_at"]));
        assert_eq!(bob.list().len(), 0, "it is not among one's own");
        assert_eq!(received(&ann).len(), 0);

        let client = bob.connect(&instance);
        assert_eq!(names(&client.request("tools/list", &json!({}))["result"]), set(&["echo", "get"]));
        assert_eq!(client.echo("hello"), "hello");
        assert!(refusal(&client.post(&call(&json!(1), "set", &json!({}))), &json!(1)).contains("owner"));
        let stateless = bob.stateless(&instance);
        assert_eq!(stateless.text("echo", &json!({ "text": "a" })), "a");
        let message = stateless.message(&json!(2), "tools/call", &json!({ "name": "set", "arguments": {} }));
        refusal(&stateless.post(&message), &json!(2));
        assert_eq!(names(&bob.http.get(&instance.beside("/mcp/tools")).expect(200).json()), set(&["echo", "get"]));
        bob.http.get(&instance.beside("/health")).expect(200);
        let slug = instance.view["slug_url"].as_str().unwrap().replace("/mcp", "/mcp/tools");
        bob.http.get(&slug).expect(200);
        // The owner is not limited by it.
        assert!(names(&ann.connect(&instance).request("tools/list", &json!({}))["result"]).len() > 10);
        let listed = ann.http.get(&shares(&instance)).expect(200).json();
        assert_eq!((&listed["items"][0]["email"], &listed["items"][0]["id"]), (&json!(bob.email), &made["id"]));
    });
}

#[test]
fn what_a_token_may_and_what_is_shared_hold_together() {
    let app = TestApp::start();
    let (ann, bob) = (app.user("ann"), app.user("bob"));
    let (shared, own) = (ann.create("fake"), bob.create("fake"));
    share(&ann, &shared, &bob, &json!({ "tools": ["echo", "get"] }));
    let listed =
        |user: &User, instance: &Instance| names(&user.http.get(&instance.beside("/mcp/tools")).expect(200).json());
    let (tools, _) = limited(&bob, &json!({ "tools": ["get", "set"] }));
    assert_eq!(listed(&tools, &shared), set(&["get"]));
    assert_eq!(listed(&tools, &own), set(&["get", "set"]));
    let (elsewhere, _) = limited(&bob, &json!({ "instances": [own.id] }));
    elsewhere.http.get(&shared.beside("/mcp/tools")).expect(404);
    let (here, _) = limited(&bob, &json!({ "instances": [shared.id] }));
    assert_eq!(listed(&here, &shared), set(&["echo", "get"]));
    here.http.get(&own.beside("/mcp/tools")).expect(404);
    // Only what one may use can be named.
    app.user("eve").http.post("/api/v1/tokens", &json!({ "instances": [shared.id] })).expect(400);
    // To read alone.
    let read = ann.create("fake");
    share(&ann, &read, &bob, &json!({ "read_only": true }));
    assert!(listed(&bob, &read).len() > 10);
    bob.http.post(&read.beside("/mcp/call"), &json!({ "name": "echo" })).expect(403);
}

#[test]
fn guests_and_owners_have_sessions_of_their_own() {
    let app = TestApp::builder().service(Service::stdio("each", &[]).with("modes", json!(["session"]))).start();
    let (ann, bob) = (app.user("ann"), app.user("bob"));
    for service in ["fake", "fake-http", "each"] {
        let instance = ann.create(service);
        let made = share(&ann, &instance, &bob, &json!({}));
        let (owner, guest) = (ann.connect(&instance), bob.connect(&instance));
        let ping = json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" });
        for (user, session) in [(&ann, &guest.session), (&bob, &owner.session)] {
            let strange = crate::support::McpClient::again(&user.http, &instance.url, session);
            strange.post(&ping).expect(404);
            strange.close().expect(404);
        }
        // Whether they share a process, they see by what it remembers.
        let apart = service == "each";
        let memory = json!({ "key": service });
        owner.text("set", &json!({ "key": service, "value": "mine" }));
        assert_eq!(guest.text("get", &memory), if apart { "null" } else { "\"mine\"" }, "{service}");
        ann.stateless(&instance).text("set", &json!({ "key": service, "value": "other" }));
        let seen = bob.stateless(&instance).text("get", &memory);
        assert_eq!(seen, if apart { "null" } else { "\"other\"" }, "{service}");
        // The guest's clients are gone with the share, the owner's are not.
        end(&ann, &instance, &made);
        assert_eq!(owner.echo("a"), "a");
        let sessions = ann.http.get("/api/v1/sessions").expect(200).text();
        assert!(!sessions.contains(&guest.session) && sessions.contains(&owner.session), "{sessions}");
    }
}

#[test]
fn shares_outlive_a_restart_and_another_mode() {
    let mut app =
        TestApp::builder().service(Service::stdio("each", &[]).with("modes", json!(["dedicated", "session"]))).start();
    let (ann, bob) = (app.user("ann"), app.user("bob"));
    let instance = ann.create("each");
    share(&ann, &instance, &bob, &json!({ "tools": ["echo"] }));
    let client = bob.connect(&instance);
    app.stop();
    assert_eq!(app.db().read_blocking(client_sessions::list_all).unwrap().len(), 1);
    app.start_again();
    ann.wait(&instance.id, "running");
    assert_eq!(client.echo("again"), "again");
    client.post(&call(&json!(1), "set", &json!({}))).expect(403);
    ann.http.patch(&format!("/api/v1/mcps/{}", instance.id), &json!({ "mode": "session" })).expect(200);
    ann.wait(&instance.id, "running");
    assert_eq!(bob.connect(&instance).echo("there"), "there");
}
