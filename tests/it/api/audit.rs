//! The audit log over REST and by the command line.

use serde_json::{Value, json};

use crate::support::{TestApp, services::Service, text, wait_for};

fn actions(list: &Value) -> Vec<String> {
    list["items"].as_array().unwrap().iter().map(|row| text(row, "action")).collect()
}

#[test]
fn the_log_is_filtered_exported_and_checked() {
    TestApp::each(|app| {
        let root = app.admin_client("root@example.org");
        let me = text(&root.get("/api/v1/me").expect(200), "id");
        for n in 0..3 {
            root.post("/api/v1/users", &json!({ "email": format!("u{n}@example.org") })).expect(201);
        }
        let get = |query: &str| root.get(&format!("/api/v1/audit{query}")).expect(200);
        assert_eq!(actions(&get(&format!("?actor={me}"))), ["user.create"; 3]);
        assert_eq!(actions(&get("?action=token.create")), ["token.create"]);
        assert_eq!(actions(&get(&format!("?target=user:{me}"))), ["user.create"]);
        assert_eq!(actions(&get("?to=2020-01-01T00:00:00Z")), [""; 0]);
        assert_eq!(get("?from=2020-01-01T00:00:00Z")["items"].as_array().unwrap().len(), 5);
        root.get("/api/v1/audit?from=yesterday").refused(400, "validation_failed");
        root.get("/api/v1/audit/export?limit=3").refused(400, "validation_failed");

        let exported = root.get("/api/v1/audit/export");
        assert_eq!((exported.status, exported.header("content-type")), (200, Some("application/jsonl")));
        let lines: Vec<Value> = exported.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.iter().map(|line| line["seq"].as_i64().unwrap()).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
        for pair in lines.windows(2) {
            assert_eq!(pair[1]["prev_hash"], pair[0]["hash"]);
        }
        assert_eq!(app.cli(&["audit", "export"], ""), exported.text.trim_end());
        assert_eq!(app.cli(&["audit", "export", "--actor", &me], "").lines().count(), 3);

        let hash = text(&lines[1], "hash");
        let found = root.get(&format!("/api/v1/audit/verify?expect_hash={hash}")).expect(200);
        assert_eq!(
            (&found["intact"], &found["entries"], &found["newest_hash"]),
            (&json!(true), &json!(5), &lines[4]["hash"])
        );
        app.cli(&["audit", "verify", "--expect-hash", &hash], "");
        let strange = "0".repeat(64);
        assert!(!app.run_with(&["audit", "verify", "--expect-hash", &strange], "").status.success());
        assert_eq!(root.get(&format!("/api/v1/audit/verify?expect_hash={strange}")).expect(200)["intact"], false);
    });
}

#[test]
fn everybody_sees_what_concerns_them() {
    TestApp::each(|app| {
        let root = app.admin_client("root@example.org");
        let (ann, bob) = (app.client_of("ann@example.org"), app.client_of("bob@example.org"));
        let id = text(&ann.create(&json!({ "service": "fake" })), "id");
        root.post(&format!("/api/v1/mcps/{id}/restart"), &json!({})).expect(200);
        app.client()
            .post("/api/v1/auth/login", &json!({ "email": "ann@example.org", "password": "guess" }))
            .expect(401);
        let own = ann.get("/api/v1/me/activity").expect(200);
        let expected = ["auth.login_failed", "instance.restart", "instance.create", "token.create", "user.create"];
        assert_eq!(actions(&own), expected);
        assert_eq!(actions(&bob.get("/api/v1/me/activity").expect(200)), ["token.create", "user.create"]);
        let page = ann.get("/api/v1/me/activity?limit=2").expect(200);
        assert_eq!(actions(&page), expected[..2]);
        let next = ann.get(&format!("/api/v1/me/activity?limit=9&cursor={}", text(&page, "next"))).expect(200);
        assert_eq!(actions(&next), expected[2..]);
        for path in ["/api/v1/audit", "/api/v1/audit/export", "/api/v1/audit/verify"] {
            ann.get(path).refused(403, "forbidden");
        }
    });
}

#[test]
fn a_credential_that_a_child_is_given_is_audited() {
    let keyed = Service::stdio("keyed", &[]).with("credential", json!({ "kind": "api_key", "env": "API_KEY" }));
    let app = TestApp::builder().service(keyed).start();
    let ann = app.client_of("ann@example.org");
    let order = json!({ "service": "keyed", "credential": { "value": "0123456789abcdef" } });
    let id = text(&ann.create(&order), "id");
    ann.wait_for(&id, "running");
    let used = wait_for("the entry", || {
        let own = ann.get("/api/v1/me/activity").expect(200);
        own["items"].as_array().unwrap().iter().find(|row| row["action"] == "credential.use").cloned()
    });
    assert_eq!(used["detail"], json!({ "instance": id }));
    assert!(actions(&ann.get("/api/v1/me/activity").expect(200)).contains(&"credential.create".to_owned()));
}
