//! Debug mode: what the process is started with, what Berth writes, and how it ends.

use berth::{
    db::instances,
    domain::{ids::InstanceId, time::Timestamp},
};
use serde_json::{Value, json};

use crate::support::{Client, TestApp, services::Service, text, wait_for};

fn whoami(client: &Client, view: &Value) -> Value {
    let answer = client.call(view, "whoami", &json!({})).expect(200);
    serde_json::from_str(answer["content"][0]["text"].as_str().unwrap()).unwrap()
}

fn running(client: &Client, service: &str) -> Value {
    let made = client.create(&json!({ "service": service }));
    client.wait_for(&text(&made, "id"), "running")
}

/// Waits for another process than `before`.
fn successor(client: &Client, before: &Value) -> Value {
    wait_for("another process", || {
        let now = client.get(&format!("/api/v1/mcps/{}", text(before, "id"))).expect(200);
        (now["status"] == "running" && now["pid"] != before["pid"]).then_some(now)
    })
}

fn debug(client: &Client, view: &Value, body: &Value) -> Value {
    client.post(&format!("/api/v1/mcps/{}/debug", text(view, "id")), body).expect(200)
}

fn debug_log(client: &Client, view: &Value) -> String {
    client.get(&format!("/api/v1/mcps/{}/logs?stream=debug&tail=1000", text(view, "id"))).expect(200).to_string()
}

#[test]
fn adds_the_usual_environment_and_takes_it_away() {
    TestApp::each(|app| {
        let ann = app.client_of("ann@example.org");
        let view = running(&ann, "fake");
        assert_eq!(whoami(&ann, &view)["env"].get("LOG_LEVEL"), None);
        assert_eq!(view.get("debug_until"), None);
        assert!(debug(&ann, &view, &json!({}))["debug_until"].is_string());
        let debugged = successor(&ann, &view);
        let env = whoami(&ann, &debugged)["env"].clone();
        assert_eq!((&env["LOG_LEVEL"], &env["DEBUG"]), (&json!("debug"), &json!("mcp:*")));
        assert_eq!(env.get("NODE_DEBUG"), None, "it is no program of Node");
        assert!(debugged["debug_until"].is_string());
        // Extending it needs no other process.
        debug(&ann, &view, &json!({ "minutes": 1440 }));
        assert_eq!(ann.wait_for(&text(&view, "id"), "running")["pid"], debugged["pid"]);
        assert_eq!(debug(&ann, &view, &json!({ "off": true }))["debug_until"], Value::Null);
        let after = successor(&ann, &debugged);
        assert_eq!(whoami(&ann, &after)["env"].get("LOG_LEVEL"), None);
        assert_eq!(after.get("debug_until"), None);
    });
}

#[test]
fn adds_what_the_manifest_says() {
    let part = json!({ "env": { "VERBOSE": "{INSTANCE_ID}", "LOG_LEVEL": "trace" }, "args": ["in-{INSTANCE_TYPE}"] });
    let service = Service::stdio("talker", &[]).with("debug", part).with("env", json!({ "LOG_LEVEL": "warn" }));
    let app = TestApp::builder().service(service).start();
    let ann = app.client_of("ann@example.org");
    let view = running(&ann, "talker");
    debug(&ann, &view, &json!({ "minutes": 5 }));
    let who = whoami(&ann, &successor(&ann, &view));
    assert_eq!((&who["env"]["VERBOSE"], &who["env"]["LOG_LEVEL"]), (&view["id"], &json!("trace")));
    assert_eq!(who["env"].get("DEBUG"), None);
    assert_eq!(who["args"].as_array().unwrap().last(), Some(&json!("in-talker")));
}

#[test]
fn writes_what_is_done_but_not_what_is_in_it() {
    let app = TestApp::start();
    let (ann, user) = (app.client_of("ann@example.org"), app.user("bob"));
    let view = running(&ann, "fake");
    assert_eq!(
        ann.get(&format!("/api/v1/mcps/{}/logs?stream=debug", text(&view, "id"))).expect(200)["lines"],
        json!([])
    );
    let instance = user.create("fake");
    user.http.post(&format!("/api/v1/mcps/{}/debug", instance.id), &json!({})).expect(200);
    let instance = user.wait_for_successor(&instance);
    user.connect(&instance).call("echo", &json!({ "text": "a-secret-parameter" }));
    let log = wait_for("the call in the debug log", || {
        let path = format!("/api/v1/mcps/{}/logs?stream=debug&tail=1000", instance.id);
        let log = user.http.get(&path).expect(200).json().to_string();
        (log.contains("tools/call") && log.contains("answered POST mcp 200")).then_some(log)
    });
    assert!(log.contains("state ") && log.contains(" berth: received Request"), "{log}");
    assert!(!log.contains("a-secret-parameter"), "{log}");
    // Nobody else's log, and none of what is not debugged.
    assert!(!debug_log(&ann, &view).contains("berth:"));
}

#[test]
fn lasts_over_a_restart_of_berth_and_not_beyond_its_time() {
    let mut app = TestApp::start();
    let ann = app.client_of("ann@example.org");
    let view = running(&ann, "fake");
    let id: InstanceId = text(&view, "id").parse().unwrap();
    debug(&ann, &view, &json!({ "minutes": 60 }));
    let view = successor(&ann, &view);
    app.stop();
    app.start_again();
    let view = successor(&ann, &view);
    assert_eq!(whoami(&ann, &view)["env"]["LOG_LEVEL"], "debug");
    assert!(view["debug_until"].is_string());
    app.stop();
    app.db().write_blocking(|conn| instances::set_debug(conn, id, Some(Timestamp(1)))).unwrap();
    app.start_again();
    let view = successor(&ann, &view);
    assert_eq!(whoami(&ann, &view)["env"].get("LOG_LEVEL"), None);
    assert_eq!(view.get("debug_until"), None);
}

#[test]
fn does_not_start_what_is_stopped_and_tries_what_has_failed() {
    let app = TestApp::builder().fake("broken", &["--exit", "3"]).start();
    let ann = app.client_of("ann@example.org");
    let view = running(&ann, "fake");
    ann.post(&format!("/api/v1/mcps/{}/toggle", text(&view, "id")), &json!({})).expect(200);
    ann.wait_for(&text(&view, "id"), "stopped");
    debug(&ann, &view, &json!({}));
    assert_eq!(ann.wait_for(&text(&view, "id"), "stopped")["pid"], Value::Null);
    ann.post(&format!("/api/v1/mcps/{}/toggle", text(&view, "id")), &json!({})).expect(200);
    let view = ann.wait_for(&text(&view, "id"), "running");
    assert_eq!(whoami(&ann, &view)["env"]["LOG_LEVEL"], "debug");
    let failed = ann.create(&json!({ "service": "broken" }));
    let failed = ann.wait_for(&text(&failed, "id"), "failed");
    let before = failed["last_error"]["at"].clone();
    debug(&ann, &failed, &json!({}));
    wait_for("another failure", || {
        let now = ann.wait_for(&text(&failed, "id"), "failed");
        (now["last_error"]["at"] != before).then_some(())
    });
}

#[test]
fn is_the_owners_and_within_bounds() {
    let app = TestApp::start();
    let (ann, bob, root) =
        (app.client_of("ann@example.org"), app.client_of("bob@example.org"), app.admin_client("root@example.org"));
    let view = running(&ann, "fake");
    let path = format!("/api/v1/mcps/{}/debug", text(&view, "id"));
    bob.post(&path, &json!({})).refused(404, "not_found");
    app.client().post(&path, &json!({})).refused(401, "unauthenticated");
    for body in [json!({ "minutes": 0 }), json!({ "minutes": 1441 }), json!({ "minutes": 5, "off": true })] {
        ann.post(&path, &body).refused(400, "validation_failed");
    }
    assert_eq!(ann.get(&format!("/api/v1/mcps/{}", text(&view, "id"))).expect(200).get("debug_until"), None);
    root.post(&path, &json!({ "minutes": 1 })).expect(200);
}

#[test]
fn secrets_that_a_process_prints_are_not_written() {
    let credential = json!({ "kind": "api_key", "env": "API_KEY" });
    let shout = Service::command("shout", "/bin/sh").with("credential", credential);
    let launch = json!({ "kind": "command", "command": "/bin/sh",
        "args": ["-c", "echo \"using $API_KEY and $MY_TOKEN for $COLOUR\" >&2; exit 4"] });
    let app = TestApp::builder().service(shout.with("launch", launch)).start();
    let ann = app.client_of("ann@example.org");
    let made = ann.create(&json!({ "service": "shout", "credential": { "value": "the-canary-of-this-test" },
        "env": { "MY_TOKEN": "another-canary-here", "COLOUR": "reddish-brown" } }));
    let failed = ann.wait_for(&text(&made, "id"), "failed");
    let said = failed["last_error"]["stderr_tail"].to_string();
    assert!(said.contains("using *** and *** for reddish-brown"), "{said}");
    let log = ann.get(&format!("/api/v1/mcps/{}/logs", text(&made, "id"))).expect(200).to_string();
    assert!(log.contains("using ***") && !log.contains("canary"), "{log}");
}

#[test]
fn from_the_command_line() {
    let app = TestApp::start();
    let ann = app.client_of("ann@example.org");
    let view = running(&ann, "fake");
    let slug = text(&view, "slug");
    assert!(app.cli(&["instance", "debug", &slug, "--minutes", "5"], "").contains("debugged until"));
    let debugged = successor(&ann, &view);
    wait_for("lines in the debug log", || {
        app.cli(&["instance", "logs", &slug, "--stream", "debug"], "").contains("berth: state").then_some(())
    });
    assert!(app.cli(&["instance", "debug", &slug, "--off"], "").contains("not debugged any more"));
    successor(&ann, &debugged);
}
