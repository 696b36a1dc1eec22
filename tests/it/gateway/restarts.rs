//! A client's session outlives Berth.

use berth::db::client_sessions;
use serde_json::json;

use crate::support::{McpClient, TestApp, mcp::initialize, wait_for};

const PING: &[u8] = br#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;

/// Ids of the sessions that are written down.
fn written(app: &TestApp) -> Vec<String> {
    let sessions = app.db().read_blocking(client_sessions::list_all).unwrap();
    sessions.into_iter().map(|session| session.id).collect()
}

/// How Berth comes to its end.
#[derive(Clone, Copy)]
enum End {
    Asked,
    Killed,
}

fn restart(app: &mut TestApp, end: End) {
    match end {
        End::Asked => app.stop(),
        End::Killed => app.kill(),
    }
    app.start_again();
}

#[test]
fn clients_go_on_with_their_sessions() {
    for mut app in TestApp::each_backend() {
        let (ann, bob) = (app.user("ann"), app.user("bob"));
        let clients: Vec<McpClient> = ["fake", "fake-http"].map(|service| ann.connect(&ann.create(service))).into();
        let foreign = bob.connect(&bob.create("fake"));
        let over = ann.connect(&ann.list()[0]);
        for end in [End::Killed, End::Asked] {
            if matches!(end, End::Killed) {
                // Older than what is still on its way into the database.
                wait_for("the sessions to be written", || {
                    let known = written(&app);
                    clients.iter().chain([&foreign, &over]).all(|client| known.contains(&client.session)).then_some(())
                });
                assert_eq!(over.close().status, 204);
                wait_for("the ended session to be forgotten", || {
                    (!written(&app).contains(&over.session)).then_some(())
                });
            }
            restart(&mut app, end);
            for client in &clients {
                assert_eq!(client.echo("still here"), "still here");
                assert!(client.request("tools/list", &json!({}))["result"]["tools"].is_array());
                let stream = client.listen();
                client.text("list_changed", &json!({}));
                assert_eq!(stream.next()["method"], "notifications/tools/list_changed");
            }
            let mine = [("content-type", "application/json"), ("mcp-session-id", clients[0].session.as_str())];
            foreign.http.send("POST", &foreign.url, &mine, Some(PING)).expect(404);
            foreign.http.send("POST", &clients[0].url, &mine, Some(PING)).expect(404);
            over.post(&json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" })).expect(404);
        }
    }
}

#[test]
fn what_a_client_follows_is_followed_after_a_restart() {
    let mut app = TestApp::start();
    let ann = app.user("ann");
    let client = ann.connect(&ann.create("fake"));
    for name in ["one", "two"] {
        client.request("resources/subscribe", &json!({ "uri": format!("fake://{name}") }));
    }
    client.request("resources/unsubscribe", &json!({ "uri": "fake://one" }));
    restart(&mut app, End::Asked);
    assert_eq!(client.text("subscribed", &json!({})), r#"["fake://two"]"#);
    let stream = client.listen();
    client.text("notify_resource", &json!({ "uri": "fake://two" }));
    assert_eq!(stream.next()["params"]["uri"], "fake://two");
}

#[test]
fn what_is_ended_is_forgotten_for_good() {
    let app = TestApp::start();
    let ann = app.user("ann");
    let instance = ann.create("fake");
    let client = ann.connect(&instance);
    wait_for("the session to be written", || written(&app).contains(&client.session).then_some(()));
    ann.http.delete(&format!("/api/v1/sessions/{}", client.session)).expect(204);
    wait_for("the session to be forgotten", || written(&app).is_empty().then_some(()));
    let again = ann.connect(&instance);
    wait_for("the session to be written", || written(&app).contains(&again.session).then_some(()));
    // With its instance goes everything.
    ann.delete(&instance.id);
    assert_eq!(written(&app), Vec::<String>::new());
}

#[test]
fn a_large_initialize_is_refused() {
    let app = TestApp::start();
    let ann = app.user("ann");
    let instance = ann.create("fake");
    let mut hello = initialize(&json!(1), "2025-11-25");
    hello["params"]["_meta"] = json!({ "padding": "x".repeat(64 * 1024) });
    let body = serde_json::to_vec(&hello).unwrap();
    let reply = ann.http.send("POST", &instance.url, &[("content-type", "application/json")], Some(&body)).expect(413);
    assert_eq!(reply.json()["error"]["code"], -32600);
}
