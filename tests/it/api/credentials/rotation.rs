//! Rotation: no lost call, the value before for a while, and back to it.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{VALUE, app, key_of_child};
use crate::support::{Builder, Client, McpClient, http::Http, services::Service, text, wait_for};

const NEW: &str = "sk-the-new-one-9999";

fn only(client: &Client) -> (String, Value) {
    let stored = client.get("/api/v1/credentials").expect(200)["items"][0].clone();
    (format!("/api/v1/credentials/{}", text(&stored, "id")), stored)
}

fn used(client: &Client, view: &Value) -> String {
    let answer = client.call(view, "whoami", &json!({})).expect(200);
    let whoami: Value = serde_json::from_str(answer["content"][0]["text"].as_str().unwrap()).unwrap();
    text(&whoami["env"], "THE_KEY")
}

#[test]
fn the_value_before_is_kept_for_its_time_and_can_be_brought_back() {
    Builder::each(app, |app| {
        let ann = app.client_of("ann@example.org");
        let view = ann.create(&json!({ "service": "vaulted", "credential": { "value": VALUE } }));
        assert_eq!(key_of_child(&ann, &view), VALUE);
        let (path, _) = only(&ann);
        ann.post(&format!("{path}/rollback"), &json!({})).refused(409, "conflict");
        let rotated = ann.post(&format!("{path}/rotate"), &json!({ "value": NEW, "grace_minutes": 5 })).expect(200);
        assert_eq!((&rotated["hint"], &rotated["previous"]["hint"]), (&json!("9999"), &json!("cdef")));
        // What is answered is true: the next call has the new one.
        assert_eq!(used(&ann, &view), NEW);
        let back = ann.post(&format!("{path}/rollback"), &json!({})).expect(200);
        assert_eq!(
            (&back["hint"], &back["previous"], &back["rotated_at"]),
            (&json!("cdef"), &Value::Null, &Value::Null)
        );
        assert_eq!(used(&ann, &view), VALUE);
        ann.post(&format!("{path}/rollback"), &json!({})).refused(409, "conflict");
        // Without a grace period nothing is kept.
        let rotated = ann.post(&format!("{path}/rotate"), &json!({ "value": NEW, "grace_minutes": 0 })).expect(200);
        assert_eq!(rotated["previous"], Value::Null);
        ann.post(&format!("{path}/rollback"), &json!({})).refused(409, "conflict");
        for body in
            [json!({ "value": NEW, "grace_minutes": 100_000 }), json!({ "value": "" }), json!({ "value": NEW, "x": 1 })]
        {
            ann.post(&format!("{path}/rotate"), &body).refused(400, "validation_failed");
        }
        let bob = app.client_of("bob@example.org");
        bob.post(&format!("{path}/rollback"), &json!({})).refused(404, "not_found");
        bob.post(&format!("{path}/rotate"), &json!({ "value": NEW })).refused(404, "not_found");
        // Each hand-over is in the log of what was done, once, and without a value.
        let root = app.admin_client("root@example.org");
        let uses = wait_for("four uses", || {
            let found = root.get("/api/v1/audit?action=credential.use&limit=50").expect(200);
            (found["items"].as_array().unwrap().len() >= 4).then_some(found)
        });
        assert_eq!(uses["items"].as_array().unwrap().len(), 4);
        assert!(uses["items"].as_array().unwrap().iter().all(|entry| entry["detail"]["instance"] == view["id"]));
    });
}

#[test]
fn the_value_before_is_purged_when_its_time_is_over() {
    for mut app in Builder::all(app) {
        let ann = app.client_of("ann@example.org");
        ann.post("/api/v1/credentials", &json!({ "service": "vaulted", "value": VALUE })).expect(201);
        let (path, _) = only(&ann);
        ann.post(&format!("{path}/rotate"), &json!({ "value": NEW })).expect(200);
        app.stop();
        let sealed = |app: &crate::support::TestApp| {
            app.db().read_blocking(berth::db::credentials::all).unwrap()[0].previous.clone().map(|p| p.sealed)
        };
        let kept = sealed(&app).unwrap();
        let sql = "UPDATE credentials SET previous_until = previous_until - 172800000";
        app.db().write_blocking(|c| diesel::connection::SimpleConnection::batch_execute(c, sql)).unwrap();
        app.start_again();
        assert_eq!(only(&ann).1["previous"], Value::Null);
        ann.post(&format!("{path}/rollback"), &json!({})).refused(409, "conflict");
        wait_for("the purge", || sealed(&app).is_none().then_some(()));
        if app.postgres_url().is_none() {
            wait_for("the database's files to be without it", || {
                (!super::deletion::in_files(&app, &kept)).then_some(())
            });
        }
    }
}

/// Calls without end from several clients while the credential is rotated again and again; none may fail.
fn under_load(service: Service, rotations: usize) {
    let app = crate::support::TestApp::builder().service(service).start();
    let ann = app.client_of("ann@example.org");
    let view = ann.create(&json!({ "service": "vaulted", "credential": { "value": VALUE } }));
    ann.wait_for(&text(&view, "id"), "running");
    let (path, _) = only(&ann);
    let (over, calls) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for client in 0..4 {
            let (app, view, over, calls) = (&app, &view, &over, &calls);
            let ann = ann.clone();
            scope.spawn(move || {
                let fresh = app.client().with_token(ann.token());
                while !over.load(SeqCst) {
                    // Some are under way for a while.
                    let answer = match client {
                        0 => fresh.call(view, "sleep", &json!({ "ms": 300 })),
                        _ => fresh.call(view, "echo", &json!({ "text": "hi" })),
                    };
                    if answer.status != 200 || answer.json()["isError"] == true {
                        over.store(true, SeqCst);
                        panic!("a call failed: {answer:?}");
                    }
                    calls.fetch_add(1, SeqCst);
                }
            });
        }
        for round in 0..rotations {
            if over.load(SeqCst) {
                break;
            }
            let value = format!("sk-rotated-value-{round:04}");
            ann.post(&format!("{path}/rotate"), &json!({ "value": value })).expect(200);
            let before = calls.load(SeqCst);
            wait_for("the new value to be in use", || (used(&ann, &view) == value).then_some(()));
            wait_for("calls to go on", || (calls.load(SeqCst) > before + 8 || over.load(SeqCst)).then_some(()));
        }
        over.store(true, SeqCst);
    });
    assert!(calls.load(SeqCst) > 8 * rotations);
}

fn keyed(service: Service) -> Service {
    service.with("credential", json!({ "kind": "api_key", "env": "THE_KEY" }))
}

#[test]
fn no_call_is_lost_to_a_rotation() {
    under_load(keyed(Service::stdio("vaulted", &[])), 6);
}

#[test]
fn no_call_is_lost_to_a_rotation_over_http() {
    under_load(keyed(Service::http("vaulted", &[])), 4);
}

#[test]
fn what_is_under_way_is_finished_by_the_old_process_and_two_rotations_wait_for_it() {
    let app = app().start();
    let ann = app.client_of("ann@example.org");
    let view = ann.create(&json!({ "service": "vaulted", "credential": { "value": VALUE } }));
    assert_eq!(key_of_child(&ann, &view), VALUE);
    let (path, _) = only(&ann);
    thread::scope(|scope| {
        let long = scope.spawn(|| {
            let answer = ann.call(&view, "sleep", &json!({ "ms": 3000 }));
            (Instant::now(), answer)
        });
        wait_for("the call to be under way", || {
            let health = app.client().with_token(app.control_token()).get("/health/sessions").expect(200);
            (health["in_flight"].as_u64() >= Some(1)).then_some(())
        });
        ann.post(&format!("{path}/rotate"), &json!({ "value": "sk-one-in-between-1" })).expect(200);
        ann.post(&format!("{path}/rotate"), &json!({ "value": NEW })).expect(200);
        assert_eq!(used(&ann, &view), NEW);
        let held_until = Instant::now();
        let (ended, answer) = long.join().unwrap();
        answer.expect(200);
        assert!(held_until + Duration::from_millis(1) > ended);
    });
}

#[test]
fn what_waits_for_calls_stops_at_once_when_it_is_stopped() {
    let app = app().start();
    let ann = app.client_of("ann@example.org");
    let view = ann.create(&json!({ "service": "vaulted", "credential": { "value": VALUE } }));
    assert_eq!(key_of_child(&ann, &view), VALUE);
    let (path, _) = only(&ann);
    thread::scope(|scope| {
        let long = scope.spawn(|| ann.call(&view, "sleep", &json!({ "ms": 120_000 })));
        wait_for("the call to be under way", || {
            let health = app.client().with_token(app.control_token()).get("/health/sessions").expect(200);
            (health["in_flight"].as_u64() >= Some(1)).then_some(())
        });
        ann.post(&format!("{path}/rotate"), &json!({ "value": NEW })).expect(200);
        let toggled = ann.post(&format!("/api/v1/mcps/{}/toggle", text(&view, "id")), &json!({})).expect(200);
        assert_eq!(toggled["status"], "stopped");
        assert!(long.join().unwrap().status >= 500);
    });
}

#[test]
fn sleeping_and_stopped_instances_stay_so() {
    let app = app().start();
    let ann = app.client_of("ann@example.org");
    let view = ann.create(&json!({ "service": "vaulted", "credential": { "value": VALUE } }));
    let id = text(&view, "id");
    ann.wait_for(&id, "running");
    ann.post(&format!("/api/v1/mcps/{id}/toggle"), &json!({})).expect(200);
    let (path, _) = only(&ann);
    ann.post(&format!("{path}/rotate"), &json!({ "value": NEW })).expect(200);
    assert_eq!(ann.get(&format!("/api/v1/mcps/{id}")).expect(200)["status"], "stopped");
    ann.post(&format!("/api/v1/mcps/{id}/toggle"), &json!({})).expect(200);
    assert_eq!(key_of_child(&ann, &view), NEW);
}

#[test]
fn every_connection_of_an_instance_takes_the_new_value() {
    let app = crate::support::TestApp::builder()
        .service(keyed(Service::stdio("vaulted", &[])).with("modes", json!(["session"])))
        .start();
    let ann = app.client_of("ann@example.org");
    let view = ann.create(&json!({ "service": "vaulted", "credential": { "value": VALUE } }));
    assert_eq!(key_of_child(&ann, &view), VALUE);
    let http = Http::new(&app.url, Some(ann.token()));
    let session = McpClient::open(&http, &text(&view, "url"));
    assert_eq!(session.whoami()["env"]["THE_KEY"], VALUE);
    let (path, _) = only(&ann);
    ann.post(&format!("{path}/rotate"), &json!({ "value": NEW })).expect(200);
    wait_for("one connection to have it", || (used(&ann, &view) == NEW).then_some(()));
    wait_for("the other to have it", || (session.whoami()["env"]["THE_KEY"] == NEW).then_some(()));
}

#[test]
fn a_session_goes_on_with_the_new_value() {
    let app = app().start();
    let ann = app.client_of("ann@example.org");
    let view = ann.create(&json!({ "service": "vaulted", "credential": { "value": VALUE } }));
    ann.wait_for(&text(&view, "id"), "running");
    let session = McpClient::open(&Http::new(&app.url, Some(ann.token())), &text(&view, "url"));
    assert_eq!(session.whoami()["env"]["THE_KEY"], VALUE);
    let (path, _) = only(&ann);
    ann.post(&format!("{path}/rotate"), &json!({ "value": NEW })).expect(200);
    assert_eq!(session.whoami()["env"]["THE_KEY"], NEW);
}

#[test]
fn a_token_for_one_instance_reaches_no_credential() {
    let app = app().start();
    let ann = app.client_of("ann@example.org");
    let view = ann.create(&json!({ "service": "vaulted", "credential": { "value": VALUE } }));
    let made = ann.post("/api/v1/tokens", &json!({ "instances": [view["id"]] })).expect(201);
    let scoped = app.client().with_token(&text(&made, "token"));
    let (path, _) = only(&ann);
    let value = json!({ "value": NEW });
    scoped.post("/api/v1/credentials", &json!({ "service": "vaulted", "value": NEW })).refused(403, "forbidden");
    scoped.post(&format!("{path}/rotate"), &value).refused(403, "forbidden");
    for action in ["test", "rollback"] {
        scoped.post(&format!("{path}/{action}"), &json!({})).refused(403, "forbidden");
    }
    scoped.delete(&format!("{path}?force=true")).refused(403, "forbidden");
    assert_eq!(key_of_child(&ann, &view), VALUE);
}

#[test]
fn a_failed_instance_is_tried_again_with_the_new_value() {
    let script = "[ \"$THE_KEY\" = sk-the-new-one-9999 ] || exit 3; exec \"$0\"";
    let launch =
        json!({ "kind": "command", "command": "/bin/sh", "args": ["-c", script, env!("CARGO_BIN_EXE_fake-mcp")] });
    let picky = keyed(Service::command("vaulted", "/bin/sh").with("launch", launch)).with("sandbox", json!("off"));
    let app = crate::support::TestApp::builder().service(picky).start();
    let ann = app.client_of("ann@example.org");
    let view = ann.create(&json!({ "service": "vaulted", "credential": { "value": VALUE } }));
    ann.wait_for(&text(&view, "id"), "failed");
    let (path, _) = only(&ann);
    ann.post(&format!("{path}/rotate"), &json!({ "value": NEW })).expect(200);
    assert_eq!(key_of_child(&ann, &view), NEW);
}
