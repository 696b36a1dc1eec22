//! How a share ends: what is under way by it ends at once.

use berth::{
    db::shares as stored,
    domain::{ids::ShareId, time::Timestamp},
};
use serde_json::{Value, json};

use super::{end, received, share};
use crate::support::{
    TestApp,
    oauth::{Browser, REDIRECT, access, public_client, tools},
    text, wait_for,
};

#[test]
fn by_its_owner() {
    let app = TestApp::start();
    let (ann, bob) = (app.user("ann"), app.user("bob"));
    for service in ["fake", "fake-http"] {
        let instance = ann.create(service);
        let made = share(&ann, &instance, &bob, &json!({}));
        let (owner, client) = (ann.connect(&instance), bob.connect(&instance));
        let (own, guests) = (owner.listen(), client.listen());
        let answer = client.long_call(&json!("long"));
        let listen = bob.stateless(&instance).listen(&json!("l"), &json!({ "toolsListChanged": true }));
        listen.next();
        end(&ann, &instance, &made);
        assert!(guests.ends() && answer.ends() && listen.ends());
        client.post(&json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" })).expect(404);
        bob.http.get(&instance.beside("/mcp/tools")).expect(404);
        // Over HTTP, its session at the child ends, and the calls with it; over stdio all share one.
        if service == "fake" {
            wait_for("the end of the guest's call", || {
                let cancelled: Value = serde_json::from_str(&owner.text("cancelled", &json!({}))).ok()?;
                (!cancelled.as_array()?.is_empty()).then_some(())
            });
        }
        owner.text("list_changed", &json!({}));
        assert_eq!(own.next()["method"], "notifications/tools/list_changed");
        assert_eq!(received(&bob).len(), 0);
    }
}

/// What the guest has allowed their own clients there ends, too: no app of theirs still says that it is connected.
#[test]
fn with_what_its_guest_has_allowed() {
    TestApp::each(|app| {
        let (ann, bob) = (app.user("ann"), app.user("bob"));
        let (instance, own) = (ann.create("fake"), bob.create("fake"));
        let made = share(&ann, &instance, &bob, &json!({}));
        public_client(app, "editor", &[REDIRECT]);
        let browser = Browser::of(&bob);
        let tokens = [&instance, &own].map(|instance| text(&access(app, &browser, "editor", instance), "access_token"));
        tools(&instance, &tokens[0]).expect(200);
        end(&ann, &instance, &made);
        tools(&instance, &tokens[0]).expect(401);
        tools(&own, &tokens[1]).expect(200);
        let grants = bob.http.get("/api/v1/grants").expect(200).json();
        let ended: Vec<&Value> = grants["items"].as_array().unwrap().iter().map(|grant| &grant["reason"]).collect();
        assert_eq!(ended, [&Value::Null, &json!("share_ended")], "{grants}");
    });
}

#[test]
fn by_its_time() {
    TestApp::each(|app| {
        let (ann, bob) = (app.user("ann"), app.user("bob"));
        let instance = ann.create("fake");
        let soon = Timestamp::now().after(std::time::Duration::from_secs(10));
        share(&ann, &instance, &bob, &json!({ "expires_at": soon }));
        let client = bob.connect(&instance);
        let (own, answer) = (client.listen(), client.long_call(&json!(1)));
        assert!(own.ends() && answer.ends());
        bob.http.get(&instance.beside("/mcp/tools")).expect(404);
        assert_eq!(received(&bob).len(), 0);
        // It is still shown to its owner, and makes room for another.
        let listed = ann.http.get(&super::shares(&instance)).expect(200).json();
        assert_eq!(listed["items"][0]["is_over"], true);
        share(&ann, &instance, &bob, &json!({}));
        bob.http.get(&instance.beside("/mcp/tools")).expect(200);
        assert_eq!(ann.http.get(&super::shares(&instance)).expect(200).json()["items"].as_array().unwrap().len(), 1);
    });
}

#[test]
fn with_its_guest() {
    TestApp::each(|app| {
        let (ann, bob, admin) = (app.user("ann"), app.user("bob"), app.admin());
        let instance = ann.create("fake");
        share(&ann, &instance, &bob, &json!({}));
        let id = bob.http.get("/api/v1/me").expect(200).json()["id"].as_str().unwrap().to_owned();
        admin.http.delete(&format!("/api/v1/users/{id}?now=true")).expect(204);
        assert_eq!(ann.http.get(&super::shares(&instance)).expect(200).json()["items"], json!([]));
    });
}

#[test]
fn what_is_over_is_not_loaded_at_the_start() {
    let mut app = TestApp::start();
    let (ann, bob) = (app.user("ann"), app.user("bob"));
    let instance = ann.create("fake");
    let guest = bob.http.get("/api/v1/me").expect(200).json()["id"].as_str().unwrap().parse().unwrap();
    let over = stored::Share {
        id: ShareId::generate(),
        instance_id: instance.id.parse().unwrap(),
        guest_id: guest,
        tools: None,
        read_only: false,
        created_at: Timestamp(1),
        expires_at: Some(Timestamp(2)),
    };
    app.db().write_blocking(|conn| stored::insert(conn, &over)).unwrap();
    app.stop();
    app.start_again();
    ann.wait(&instance.id, "running");
    bob.http.get(&instance.beside("/mcp/tools")).expect(404);
}
