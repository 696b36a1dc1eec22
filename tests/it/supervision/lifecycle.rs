//! What owners do with instances, and what they may not.

use std::net::TcpListener;

use serde_json::json;

use crate::support::{TestApp, procs, wait_for};

#[test]
fn the_quota_holds_and_a_deletion_makes_room() {
    let app = TestApp::builder().env("BERTH_INSTANCE_QUOTA", 2).start();
    let (ann, bob) = (app.user("ann"), app.user("bob"));
    let first = ann.create("fake");
    ann.create("fake");
    let refused = ann.http.post("/api/v1/mcps", &json!({ "service": "fake" })).expect(409);
    assert_eq!(refused.json()["code"], "quota_reached");
    assert_eq!(ann.list().len(), 2);
    bob.create("fake");
    ann.delete(&first.id);
    ann.create("fake");
}

#[test]
fn the_quota_holds_against_a_rush() {
    for app in TestApp::each_backend() {
        let ann = app.user("ann");
        let statuses: Vec<u16> = std::thread::scope(|scope| {
            let rush: Vec<_> = (0..16)
                .map(|_| scope.spawn(|| ann.http.post("/api/v1/mcps", &json!({ "service": "fake" })).status))
                .collect();
            rush.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 10, "{statuses:?}");
        assert_eq!(statuses.iter().filter(|status| **status == 409).count(), 6, "{statuses:?}");
        let mut numbers: Vec<u64> = ann.list().iter().map(|one| one.view["number"].as_u64().unwrap()).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (1..=10).collect::<Vec<u64>>());
    }
}

#[test]
fn orders_that_make_no_sense_are_refused() {
    let app = TestApp::start();
    let ann = app.user("ann");
    let cases = [
        (json!({ "service": "nothing" }), "unknown_service"),
        (json!({ "service": "../fake" }), "unknown_service"),
        (json!({ "service": "fake", "mode": "shared" }), "validation_failed"),
        (json!({ "service": "fake", "config": { "x": "y" } }), "validation_failed"),
        (json!({ "service": "fake", "env": { "LD_PRELOAD": "/tmp/x.so" } }), "validation_failed"),
        (json!({ "service": "fake", "env": { "BERTH_HOST": "x" } }), "validation_failed"),
        (json!({ "service": "fake", "credential": { "value": "x" } }), "validation_failed"),
        (json!({ "service": "fake", "expires_in_minutes": 0 }), "validation_failed"),
        (json!({ "service": "fake", "what": 1 }), "validation_failed"),
        (json!({}), "validation_failed"),
    ];
    for (body, code) in cases {
        let reply = ann.http.post("/api/v1/mcps", &body);
        let status = if code == "unknown_service" { 404 } else { 400 };
        assert_eq!((reply.status, &reply.json()["code"]), (status, &json!(code)), "{body}: {}", reply.text());
    }
    assert_eq!(ann.list().len(), 0);
}

#[test]
fn nobody_touches_what_is_anothers() {
    let app = TestApp::start();
    let (ann, bob) = (app.user("ann"), app.user("bob"));
    let instance = ann.create("fake");
    let path = format!("/api/v1/mcps/{}", instance.id);
    bob.http.get(&path).expect(404);
    bob.http.delete(&path).expect(404);
    for action in ["toggle", "restart"] {
        bob.http.post(&format!("{path}/{action}"), &json!({})).expect(404);
    }
    assert_eq!(bob.list().len(), 0);
    assert_eq!(ann.show(&instance.id).view["pid"], instance.view["pid"]);
    assert_eq!(app.operator().list().len(), 1);
}

#[test]
fn a_restart_keeps_everything_but_the_process() {
    let app = TestApp::start();
    let ann = app.user("ann");
    for service in ["fake", "fake-http"] {
        let order = json!({ "service": service, "label": "mine", "env": { "MY_KEY": "mine alone" } });
        let instance = ann.wait(&ann.order_with(&order).id, "running");
        let client = ann.connect(&instance);
        client.text("write", &json!({ "path": "kept.txt", "text": "kept" }));
        ann.act(&instance.id, "restart");
        let now = ann.wait_for_successor(&instance);
        for same in ["id", "url", "slug_url", "number", "label", "port"] {
            assert_eq!(now.view[same], instance.view[same], "{same}");
        }
        assert_eq!(client.text("read", &json!({ "path": "kept.txt" })), "kept");
        assert_eq!(client.whoami()["env"]["MY_KEY"], "mine alone");
        wait_for("the old process's end", || (!procs::is_marked(instance.pid(), app.root())).then_some(()));
    }
}

#[test]
fn toggling_fast_ends_where_it_should() {
    let app = TestApp::start();
    let ann = app.user("ann");
    let instance = ann.create("fake-http");
    for _ in 0..6 {
        ann.act(&instance.id, "toggle");
    }
    let now = ann.wait(&instance.id, "running");
    assert_eq!(ann.connect(&now).echo("on"), "on");
    for _ in 0..3 {
        ann.act(&instance.id, "toggle");
    }
    ann.wait(&instance.id, "stopped");
    wait_for("no process", || procs::marked(&app.data().join("instances")).is_empty().then_some(()));
}

#[test]
fn a_port_that_somebody_else_took_is_passed_over() {
    let app = TestApp::start();
    let ann = app.user("ann");
    let _foreign = TcpListener::bind(("127.0.0.1", app.ports().first())).unwrap();
    let instance = ann.create("fake-http");
    assert_ne!(instance.port(), app.ports().first());
    ann.act(&instance.id, "toggle");
    wait_for("the process's end", || (!procs::is_marked(instance.pid(), app.root())).then_some(()));
    let _taken = TcpListener::bind(("127.0.0.1", instance.port())).unwrap();
    ann.act(&instance.id, "toggle");
    let now = ann.wait(&instance.id, "running");
    assert!(now.port() != instance.port() && now.port() != app.ports().first(), "{}", now.view);
    assert_eq!(ann.connect(&now).echo("elsewhere"), "elsewhere");
}

#[test]
fn without_a_free_port_the_instance_says_so() {
    let app = TestApp::start();
    let ann = app.user("ann");
    let first = app.ports().first();
    let _all: Vec<TcpListener> =
        (first..first + procs::PORTS).map(|port| TcpListener::bind(("127.0.0.1", port)).unwrap()).collect();
    let failed = ann.wait(&ann.order("fake-http").id, "failed");
    let reason = failed.view["last_error"]["reason"].to_string();
    assert!(reason.contains("port"), "{reason}");
    assert_eq!(ann.connect(&ann.create("fake")).echo("needs none"), "needs none");
}
