//! `berth credential`: the operator's way, with values on standard input alone.

use serde_json::{Value, json};

use super::{VALUE, app, key_of_child};
use crate::support::text;

#[test]
fn the_operator_keeps_the_credentials_of_users() {
    let app = app().start();
    let ann = app.client_of("ann@example.org");
    let id = app.cli(&["credential", "add", "vaulted", "--user", "ann@example.org", "--label", "work"], VALUE);
    let listed: Value =
        serde_json::from_str(&app.cli(&["credential", "list", "--user", "ann@example.org", "--json"], "")).unwrap();
    assert_eq!((&listed["items"][0]["id"], &listed["items"][0]["label"]), (&json!(id), &json!("work")));
    let table = app.cli(&["credential", "list", "--user", "ann@example.org"], "");
    assert!(table.contains(&id) && table.contains("…cdef") && !table.contains(VALUE), "{table}");
    let view = ann.create(&json!({ "service": "vaulted", "credential": { "id": id } }));
    assert_eq!(key_of_child(&ann, &view), VALUE);
    let told = app.cli(&["credential", "rotate", &id, "--grace-minutes", "9"], "sk-the-new-one-9999\n");
    assert!(told.contains("…9999; …cdef can be brought back until"), "{told}");
    assert_eq!(key_of_child(&ann, &view), "sk-the-new-one-9999");
    assert!(app.cli(&["credential", "rollback", &id], "").contains("…cdef"));
    let told = app.fails(&["credential", "test", &id]);
    assert!(told.contains("does not say how"), "{told}");
    let told = app.fails(&["credential", "delete", &id]);
    assert!(told.contains(&text(&view, "id")), "{told}");
    app.cli(&["credential", "delete", &id, "--force"], "");
    assert_eq!(ann.get("/api/v1/credentials").expect(200)["items"], json!([]));
    // Nobody else names users.
    ann.get("/api/v1/credentials?user=ann@example.org").refused(403, "forbidden");
    let body = json!({ "service": "vaulted", "value": VALUE, "user": "ann@example.org" });
    app.client_of("bob@example.org").post("/api/v1/credentials", &body).refused(403, "forbidden");
    // An administrator stores for others, but does not touch what is theirs.
    let root = app.admin_client("root@example.org");
    let stored = root.post("/api/v1/credentials", &body).expect(201);
    let path = format!("/api/v1/credentials/{}", text(&stored, "id"));
    assert_eq!(root.get("/api/v1/credentials?user=ann@example.org").expect(200)["items"][0]["id"], stored["id"]);
    root.post(&format!("{path}/rotate"), &json!({ "value": VALUE })).refused(404, "not_found");
    root.delete(&path).refused(404, "not_found");
    ann.delete(&path).expect(204);
}
