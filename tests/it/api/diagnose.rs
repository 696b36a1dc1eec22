//! Diagnosis: the report of an instance, and the likely cause of what real processes do wrong.

use serde_json::{Value, json};

use crate::support::{Client, TestApp, services::Service, text};

fn diagnose(client: &Client, view: &Value) -> Value {
    client.get(&format!("/api/v1/mcps/{}/diagnose", text(view, "id"))).expect(200)
}

#[track_caller]
fn cause(report: &Value) -> &str {
    report["likely_cause"]["code"].as_str().unwrap_or_else(|| panic!("no cause in {report}"))
}

#[test]
fn a_healthy_instance_has_nothing_wrong() {
    TestApp::each(|app| {
        let ann = app.client_of("ann@example.org");
        for (service, listener) in [("fake", Value::Null), ("fake-http", json!("own"))] {
            let made = ann.create(&json!({ "service": service }));
            let view = ann.wait_for(&text(&made, "id"), "running");
            let report = diagnose(&ann, &view);
            assert_eq!(report["findings"], json!([]), "{report}");
            assert_eq!(report["process"]["pid"], view["pid"]);
            assert!(report["process"]["threads"].as_u64().unwrap() > 0);
            assert!(report["process"]["open_files"].as_u64().unwrap() > 2);
            assert!(report["process"]["memory_bytes"].as_u64().unwrap() > 0);
            assert_eq!(report["health"]["now"], "healthy");
            assert_eq!(report["credential"]["needed"], false);
            assert_eq!(report["package"]["installed"], true);
            assert!(report["disk"]["free_bytes"].as_u64().unwrap() > 0);
            assert!(report["limits"].to_string().contains("open_files"));
            assert_eq!(report["walls"], ann.wait_for(&text(&view, "id"), "running")["walls"]);
            assert!(report["walls"].to_string().contains("seccomp"), "{report}");
            match listener {
                Value::Null => assert_eq!(report["port"], Value::Null),
                _ => assert!(report["port"]["listener"]["own"]["pid"].is_u64(), "{report}"),
            }
        }
    });
}

#[test]
fn failures_have_their_cause() {
    let module = "Error: Cannot find module 'zod'";
    let say = |name: &str, line: &str| Service::stdio(name, &["--say", line, "--exit", "1"]);
    let app = TestApp::builder()
        .service(say("modules", module))
        .service(say("ports", "Error: listen EADDRINUSE: address already in use :::8080"))
        .service(say("refused", "HTTPError: 401 Unauthorized"))
        .service(say("away", "Error: connect ECONNREFUSED 127.0.0.1:5432"))
        .service(say("memory", "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory"))
        .service(say("quiet", "bye"))
        .service(Service::stdio("shell", &["--exit", "127"]))
        .service(Service::stdio("loud", &["--print", "Server started!", "--mute"]).start_seconds(1))
        .service(Service::stdio("mute", &["--mute"]).start_seconds(1))
        .service(Service::http("closed", &["--no-listen"]).start_seconds(1))
        .start();
    let ann = app.client_of("ann@example.org");
    let cases = [
        ("modules", "module_missing", module),
        ("ports", "port_in_use", "EADDRINUSE"),
        ("refused", "credential_refused", "401"),
        ("away", "unreachable", "ECONNREFUSED"),
        ("memory", "out_of_memory", "heap"),
        ("quiet", "exited", "exiting with 1"),
        ("shell", "program_missing", "127"),
        ("loud", "protocol", "Server started!"),
        ("mute", "start_timeout", "initialize"),
        ("closed", "not_listening", "no answer"),
    ];
    let made: Vec<Value> = cases.iter().map(|(service, ..)| ann.create(&json!({ "service": service }))).collect();
    for ((service, code, evidence), view) in cases.iter().zip(&made) {
        ann.wait_for(&text(view, "id"), "failed");
        let report = diagnose(&ann, view);
        assert_eq!(cause(&report), *code, "{service}: {report}");
        let believed = report["likely_cause"]["evidence"].as_str().unwrap();
        assert!(believed.contains(evidence), "{service}: {believed}");
        assert!(report["errors"]["events"].to_string().contains("ended"));
    }
}

#[test]
fn what_is_missing_is_named() {
    let needs = json!({ "kind": "api_key", "env": "API_KEY" });
    let app = TestApp::builder()
        .service(Service::command("nowhere", "/no/such/program"))
        .service(Service::stdio("locked", &[]).with("credential", needs))
        .start();
    let ann = app.client_of("ann@example.org");
    let view = ann.create(&json!({ "service": "nowhere" }));
    ann.wait_for(&text(&view, "id"), "failed");
    let report = diagnose(&ann, &view);
    assert_eq!((cause(&report), &report["package"]["installed"]), ("program_missing", &json!(false)), "{report}");

    let view = ann.create(&json!({ "service": "locked", "credential": { "value": "ghp_0123456789wxyz" } }));
    ann.wait_for(&text(&view, "id"), "running");
    let report = diagnose(&ann, &view);
    assert_eq!((&report["credential"]["present"], &report["credential"]["hint"]), (&json!(true), &json!("wxyz")));
    assert!(!report.to_string().contains("ghp_"), "{report}");
    let stored = ann.get("/api/v1/credentials").expect(200);
    ann.delete(&format!("/api/v1/credentials/{}?force=true", text(&stored["items"][0], "id"))).expect(204);
    ann.post(&format!("/api/v1/mcps/{}/restart", text(&view, "id")), &json!({})).expect(200);
    ann.wait_for(&text(&view, "id"), "failed");
    assert_eq!(cause(&diagnose(&ann, &view)), "credential_missing");
}

#[test]
fn changed_settings_are_named() {
    let config = json!([{ "name": "flag", "default": "plain" }]);
    let launch = |service: Service| service.with("config", config.clone());
    let app = TestApp::builder().service(launch(Service::stdio("picky", &["{config.flag}"]))).start();
    let ann = app.client_of("ann@example.org");
    let view = ann.create(&json!({ "service": "picky" }));
    let id = text(&view, "id");
    ann.wait_for(&id, "running");
    ann.patch(&format!("/api/v1/mcps/{id}"), &json!({ "config": { "flag": "--nonsense" } })).expect(200);
    ann.post(&format!("/api/v1/mcps/{id}/restart"), &json!({})).expect(200);
    ann.wait_for(&id, "failed");
    let report = diagnose(&ann, &view);
    let found = report["findings"].as_array().unwrap();
    let changed = found.iter().find(|finding| finding["code"] == "changed");
    assert!(changed.unwrap()["evidence"].as_str().unwrap().contains("config.flag"), "{report}");
}

#[test]
fn states_that_are_meant_to_be_are_said() {
    let app = TestApp::start();
    let ann = app.client_of("ann@example.org");
    let view = ann.create(&json!({ "service": "fake" }));
    ann.wait_for(&text(&view, "id"), "running");
    ann.post(&format!("/api/v1/mcps/{}/toggle", text(&view, "id")), &json!({})).expect(200);
    ann.wait_for(&text(&view, "id"), "stopped");
    let report = diagnose(&ann, &view);
    assert_eq!((cause(&report), &report["process"]), ("stopped", &Value::Null));
}

#[test]
fn is_the_owners_and_the_administrators() {
    let app = TestApp::start();
    let (ann, bob, root) =
        (app.client_of("ann@example.org"), app.client_of("bob@example.org"), app.admin_client("root@example.org"));
    let view = ann.create(&json!({ "service": "fake" }));
    let path = format!("/api/v1/mcps/{}/diagnose", text(&view, "id"));
    bob.get(&path).refused(404, "not_found");
    app.client().get(&path).refused(401, "unauthenticated");
    root.get(&path).expect(200);
    ann.get("/api/v1/mcps/0198c6a0-0000-7000-8000-000000000000/diagnose").refused(404, "not_found");
}

#[test]
fn from_the_command_line() {
    let app = TestApp::builder()
        .fake("broken", &["--say", "ModuleNotFoundError: No module named 'x'", "--exit", "1"])
        .start();
    let ann = app.client_of("ann@example.org");
    let view = ann.create(&json!({ "service": "broken" }));
    ann.wait_for(&text(&view, "id"), "failed");
    let slug = text(&view, "slug");
    let told = app.cli(&["instance", "diagnose", &slug], "");
    assert!(told.contains("1. a module that it needs is missing"), "{told}");
    assert!(told.contains("because: ModuleNotFoundError") && told.contains("do: add it"), "{told}");
    let report: Value = serde_json::from_str(&app.cli(&["instance", "diagnose", &slug, "--json"], "")).unwrap();
    assert_eq!(cause(&report), "module_missing");
    assert!(app.fails(&["instance", "diagnose", "0198c6a0-0000-7000-8000-000000000000"]).contains("no such instance"));
}
