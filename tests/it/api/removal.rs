//! Accounts that are removed, brought back, and erased.

use diesel::connection::SimpleConnection as _;
use serde_json::{Value, json};

use crate::support::{PASSWORD, TestApp, text, wait_for};

#[test]
fn a_removed_account_is_dead_at_once_and_comes_back_as_it_was() {
    TestApp::each(|app| {
        let root = app.admin_client("root@example.org");
        let ann = app.client_of("ann@example.org");
        let running = text(&ann.create(&json!({ "service": "fake" })), "id");
        let stopped = text(&ann.create(&json!({ "service": "fake" })), "id");
        ann.wait_for(&running, "running");
        ann.wait_for(&stopped, "running");
        ann.post(&format!("/api/v1/mcps/{stopped}/toggle"), &json!({})).expect(200);
        ann.wait_for(&stopped, "stopped");
        let login =
            || app.client().post("/api/v1/auth/login", &json!({ "email": "ann@example.org", "password": PASSWORD }));
        login().expect(200);
        let path = format!("/api/v1/users/{}", text(&ann.get("/api/v1/auth/me").expect(200), "id"));

        root.delete(&path).expect(204);
        let removed = root.get(&path).expect(200);
        assert_eq!(removed["disabled"], true);
        assert!(removed["erase_at"].is_string());
        ann.get("/api/v1/auth/me").refused(403, "account_disabled");
        login().refused(403, "account_disabled");
        wait_for("its end", || {
            (root.get(&format!("/api/v1/mcps/{running}")).expect(200)["status"] == "stopped").then_some(())
        });
        assert_eq!(root.get(&path).expect(200)["erase_at"], removed["erase_at"]);
        // Its address stays taken, and nothing but a restoration brings it back.
        let detail = root.post("/api/v1/users", &json!({ "email": "ann@example.org" })).refused(409, "conflict");
        assert!(detail.contains("restore"), "{detail}");
        root.patch(&path, &json!({ "disabled": false })).refused(409, "conflict");
        app.fails(&["user", "enable", "ann@example.org"]);
        ann.post(&format!("{path}/restore"), &json!({})).refused(403, "account_disabled");

        let back = root.post(&format!("{path}/restore"), &json!({})).expect(200);
        assert_eq!((&back["disabled"], back.get("erase_at")), (&json!(false), None));
        root.post(&format!("{path}/restore"), &json!({})).refused(409, "conflict");
        ann.wait_for(&running, "running");
        assert_eq!(ann.get(&format!("/api/v1/mcps/{stopped}")).expect(200)["status"], "stopped");
        login().expect(200);
        let log = root.get("/api/v1/audit").expect(200).to_string();
        assert!(log.contains("user.remove") && log.contains("user.restore"), "{log}");
    });
}

#[test]
fn one_that_was_disabled_before_comes_back_disabled() {
    let app = TestApp::start();
    let root = app.admin_client("root@example.org");
    app.client_of("ann@example.org");
    app.cli(&["user", "disable", "ann@example.org"], "");
    assert!(app.cli(&["user", "remove", "ann@example.org"], "").contains("user restore ann@example.org"));
    assert!(app.cli(&["user", "list"], "").contains("removed"));
    app.cli(&["user", "restore", "ann@example.org"], "");
    let users = root.get("/api/v1/users").expect(200);
    let ann = users["items"].as_array().unwrap().iter().find(|user| user["email"] == "ann@example.org").unwrap();
    assert_eq!((&ann["disabled"], ann.get("erase_at")), (&json!(true), None));
}

#[test]
fn after_its_time_everything_is_erased() {
    for mut app in TestApp::each_backend() {
        let root = app.admin_client("root@example.org");
        let ann = app.client_of("ann@example.org");
        let id = text(&ann.create(&json!({ "service": "fake" })), "id");
        ann.wait_for(&id, "running");
        let path = format!("/api/v1/users/{}", text(&ann.get("/api/v1/auth/me").expect(200), "id"));
        let files = app.data().join("instances").join(&id);
        let logs = app.data().join("logs/users/user_2");
        root.delete(&path).expect(204);
        app.stop();
        // Neither a restart nor time that is left erases it.
        app.start_again();
        assert_eq!(root.get(&format!("/api/v1/mcps/{id}")).expect(200)["status"], "stopped");
        assert!(files.exists() && logs.exists());
        app.stop();
        app.db().write_blocking(|c| c.batch_execute("UPDATE removals SET erase_at = 1")).unwrap();
        app.fails(&["user", "restore", "ann@example.org"]);
        app.start_again();
        wait_for("its erasure", || (root.get(&path).status == 404).then_some(()));
        assert!(!files.exists() && !logs.exists());
        root.get(&format!("/api/v1/mcps/{id}")).refused(404, "not_found");
        root.post(&format!("{path}/restore"), &json!({})).refused(404, "not_found");
        let newest = &root.get("/api/v1/audit?limit=1").expect(200)["items"][0];
        assert_eq!((&newest["action"], &newest["actor"]), (&json!("user.erase"), &Value::Null));
        root.post("/api/v1/users", &json!({ "email": "ann@example.org" })).expect(201);
    }
}

#[test]
fn without_a_time_to_undo_it_is_erased_at_once() {
    let mut app = TestApp::builder().set("user_undo_hours", "0").start();
    let root = app.admin_client("root@example.org");
    app.client_of("ann@example.org");
    assert!(app.cli(&["user", "remove", "ann@example.org"], "").contains("all that it had"));
    app.client_of("ann@example.org");
    app.stop();
    app.cli(&["user", "remove", "ann@example.org", "--now"], "");
    app.start_again();
    assert_eq!(root.get("/api/v1/users").expect(200)["items"].as_array().unwrap().len(), 1);
}
