//! Children that end, or never come up.

use serde_json::{Value, json};

use crate::support::{TestApp, mcp::error_of, procs, services::Service};

#[test]
fn a_killed_child_is_replaced_and_the_next_call_works() {
    for app in TestApp::each_backend() {
        let ann = app.user("ann");
        let (instance, other) = (ann.create("fake"), ann.create("fake"));
        let client = ann.connect(&instance);
        for round in 1..=3 {
            let before = ann.show(&instance.id);
            procs::kill(before.pid());
            let now = ann.wait_for_successor(&before);
            assert_eq!(client.echo("back"), "back");
            assert_eq!(now.view["restarts"], round);
            assert_eq!(now.view["last_error"]["reason"], json!({ "kind": "signal", "signal": 9 }));
        }
        assert_eq!(ann.show(&other.id).view["pid"], other.view["pid"]);
    }
}

#[test]
fn a_call_that_meets_a_restart_waits_for_it() {
    let app = TestApp::builder().fake("slow", &["--slow-start", "700"]).start();
    let ann = app.user("ann");
    let instance = ann.create("slow");
    let client = ann.connect(&instance);
    client.call("crash", &json!({ "code": 1 }));
    assert_eq!(client.echo("late but right"), "late but right");
    assert_ne!(ann.show(&instance.id).view["pid"], instance.view["pid"]);
}

#[test]
fn a_crash_loop_ends_as_failed_with_its_card() {
    let app = TestApp::builder().fake("crasher", &["--exit", "7"]).start();
    let ann = app.user("ann");
    let good = ann.create("fake");
    let failed = ann.wait(&ann.order("crasher").id, "failed");
    let card = &failed.view["last_error"];
    assert_eq!(card["reason"], json!({ "kind": "code", "code": 7 }), "{card}");
    assert_eq!(card["stderr_tail"], json!(["exiting with 7 as told"]), "{card}");
    assert_eq!((&failed.view["restarts"], &failed.view["pid"]), (&json!(5), &Value::Null));
    let reply = ann.http.post(&failed.beside("/mcp/call"), &json!({ "name": "echo" })).expect(503);
    assert!(reply.text().contains("exited with code 7"), "{}", reply.text());
    assert_eq!(ann.connect(&good).echo("not my trouble"), "not my trouble");
    // A person may try again; it fails again.
    ann.act(&failed.id, "restart");
    ann.wait(&failed.id, "failed");
}

/// Starts `service`, waits until Berth gives up, and returns the reason.
fn reason_of_failure(app: &TestApp, service: &str) -> Value {
    let ann = app.user("ann");
    let good = ann.create("fake");
    let failed = ann.wait(&ann.order(service).id, "failed");
    assert_eq!(ann.connect(&good).echo("not my trouble"), "not my trouble");
    failed.view["last_error"]["reason"].clone()
}

#[test]
fn one_that_never_answers_fails_with_the_reason() {
    let app = TestApp::builder().service(Service::stdio("mute", &["--mute"]).start_seconds(1)).start();
    let reason = reason_of_failure(&app, "mute");
    assert_eq!(reason["kind"], "not_ready", "{reason}");
    assert!(reason["detail"].as_str().unwrap().contains("initialize"), "{reason}");
}

#[test]
fn one_that_never_listens_fails_with_the_reason() {
    let app = TestApp::builder().service(Service::http("deaf", &["--no-listen"]).start_seconds(1)).start();
    let reason = reason_of_failure(&app, "deaf");
    assert_eq!(reason["kind"], "not_ready", "{reason}");
}

#[test]
fn one_whose_program_is_missing_fails_with_the_reason() {
    let app = TestApp::builder().service(Service::command("missing", "/no/such/program")).start();
    let reason = reason_of_failure(&app, "missing");
    assert_eq!(reason["kind"], "spawn_failed", "{reason}");
    assert!(reason["detail"].as_str().unwrap().contains("/no/such/program"), "{reason}");
}

#[test]
fn calls_that_meet_a_start_that_fails_are_told_why() {
    let app = TestApp::builder().fake("crasher", &["--exit", "7"]).env("BERTH_WAKE_TIMEOUT_SECONDS", 60).start();
    let ann = app.user("ann");
    let instance = ann.order("crasher");
    let reply = ann.http.post(&instance.beside("/mcp/call"), &json!({ "name": "echo" })).expect(503);
    assert!(reply.text().contains("exited with code 7"), "{}", reply.text());
    let headers = [("content-type", "application/json")];
    let hello = serde_json::to_vec(&crate::support::mcp::initialize(&json!(1), "2025-11-25")).unwrap();
    let answer = ann.http.send("POST", &instance.url, &headers, Some(&hello)).messages().pop().unwrap();
    assert!(error_of(&answer).contains("exited with code 7"), "{answer}");
}
