//! Accounts and the audit log, for administrators.

use serde_json::json;

use crate::support::{PASSWORD, TestApp, text};

#[test]
fn an_administrator_makes_changes_and_removes_accounts() {
    TestApp::each(|app| {
        let root = app.admin_client("root@example.org");
        let body = json!({ "email": "Ann@Example.org", "password": PASSWORD });
        let ann = root.post("/api/v1/users", &body).expect(201);
        assert_eq!(
            (&ann["email"], &ann["role"], &ann["disabled"]),
            (&json!("ann@example.org"), &json!("user"), &json!(false))
        );
        root.post("/api/v1/users", &body).refused(409, "conflict");
        let path = format!("/api/v1/users/{}", text(&ann, "id"));
        let quota = root.patch(&path, &json!({ "instance_quota": 1, "role": "admin" })).expect(200);
        assert_eq!((&quota["instance_quota"], &quota["role"]), (&json!(1), &json!("admin")));
        assert_eq!(root.patch(&path, &json!({ "instance_quota": null })).expect(200)["instance_quota"], json!(null));
        assert_eq!(root.get("/api/v1/users").expect(200)["items"].as_array().unwrap().len(), 2);
        root.delete(&format!("{path}?now=true")).expect(204);
        root.get(&path).refused(404, "not_found");
    });
}

#[test]
fn removing_an_account_removes_all_that_it_had() {
    TestApp::each(|app| {
        let root = app.admin_client("root@example.org");
        let ann = app.client_of("ann@example.org");
        let view = ann.create(&json!({ "service": "fake" }));
        let id = text(&view, "id");
        ann.wait_for(&id, "running");
        let files = app.data().join("instances").join(&id);
        let logs = app.data().join("logs/users/user_2");
        assert!(files.exists() && logs.exists());
        let me = ann.get("/api/v1/auth/me").expect(200);
        root.delete(&format!("/api/v1/users/{}?now=true", text(&me, "id"))).expect(204);
        ann.get("/api/v1/auth/me").refused(401, "unauthenticated");
        root.get(&format!("/api/v1/mcps/{id}")).refused(404, "not_found");
        assert!(!files.exists() && !logs.exists());
        // The same address makes a new account, under a number of its own.
        let again = root.post("/api/v1/users", &json!({ "email": "ann@example.org" })).expect(201);
        assert_eq!(again["number"], 3);
    });
}

#[test]
fn the_last_administrator_stays() {
    TestApp::each(|app| {
        let root = app.admin_client("root@example.org");
        let me = root.get("/api/v1/auth/me").expect(200);
        let path = format!("/api/v1/users/{}", text(&me, "id"));
        root.patch(&path, &json!({ "disabled": true })).refused(409, "conflict");
        root.patch(&path, &json!({ "role": "user" })).refused(409, "conflict");
        root.delete(&path).refused(409, "conflict");
        app.fails(&["user", "disable", "root@example.org"]);
        app.fails(&["user", "remove", "root@example.org"]);
        app.admin_client("second@example.org");
        root.delete(&path).expect(204);
        // What was refused has left no trace in the record of what was done.
        assert!(app.cli(&["audit", "verify"], "").starts_with("intact"));
    });
}

#[test]
fn a_new_password_ends_sign_ins_but_no_tokens() {
    let app = TestApp::start();
    let root = app.admin_client("root@example.org");
    let ann = app.client_of("ann@example.org");
    let login = |password: &str| {
        app.client().post("/api/v1/auth/login", &json!({ "email": "ann@example.org", "password": password }))
    };
    let cookie = login(PASSWORD).header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let me = ann.get("/api/v1/auth/me").expect(200);
    let path = format!("/api/v1/users/{}", text(&me, "id"));
    root.patch(&path, &json!({ "password": "short" })).refused(400, "validation_failed");
    root.patch(&path, &json!({ "password": "another long password" })).expect(200);
    app.client().with("cookie", &cookie).get("/api/v1/auth/me").refused(401, "unauthenticated");
    ann.get("/api/v1/auth/me").expect(200);
    login(PASSWORD).refused(401, "wrong_password");
    login("another long password").expect(200);
}

#[test]
fn users_are_kept_out() {
    let app = TestApp::start();
    let (root, ann) = (app.admin_client("root@example.org"), app.client_of("ann@example.org"));
    let me = root.get("/api/v1/auth/me").expect(200);
    let path = format!("/api/v1/users/{}", text(&me, "id"));
    for path in ["/api/v1/users", "/api/v1/audit", &path, "/api/v1/mcps?all=true"] {
        ann.get(path).refused(403, "forbidden");
        app.client().get(path).refused(401, "unauthenticated");
    }
    ann.post("/api/v1/users", &json!({ "email": "x@example.org" })).refused(403, "forbidden");
    ann.patch(&path, &json!({ "disabled": true })).refused(403, "forbidden");
    ann.delete(&path).refused(403, "forbidden");
    ann.post("/api/v1/admin/refresh", &json!({})).refused(403, "forbidden");
}

#[test]
fn the_audit_log_goes_on_page_by_page() {
    let app = TestApp::start();
    let root = app.admin_client("root@example.org");
    for n in 0..5 {
        root.post("/api/v1/users", &json!({ "email": format!("u{n}@example.org") })).expect(201);
    }
    let mut seen = Vec::new();
    let mut path = "/api/v1/audit?limit=3".to_owned();
    loop {
        let page = root.get(&path).expect(200);
        seen.extend(page["items"].as_array().unwrap().iter().map(|row| row["seq"].as_i64().unwrap()));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/api/v1/audit?limit=3&cursor={next}");
    }
    assert_eq!(seen, (1..=7).rev().collect::<Vec<i64>>());
}
