//! Stored credentials: sealed, never shown again, and handed to the child by the manifest's name.

mod checking;
mod commands;
mod connecting;
mod deletion;
mod rotation;

use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::support::{Builder, Client, TestApp, services::Service, text};

pub(super) const VALUE: &str = "sk-0123456789abcdef";

pub(super) fn app() -> Builder {
    let credential = json!({ "kind": "api_key", "env": "THE_KEY", "help": "ask the admin" });
    TestApp::builder().service(Service::stdio("vaulted", &[]).with("credential", credential))
}

/// What the child has in its environment.
pub(super) fn key_of_child(client: &Client, view: &Value) -> Value {
    client.wait_for(&text(view, "id"), "running");
    let answer = client.call(view, "whoami", &json!({})).expect(200);
    let whoami: Value = serde_json::from_str(answer["content"][0]["text"].as_str().unwrap()).unwrap();
    whoami["env"]["THE_KEY"].clone()
}

fn nothing_has(app: &TestApp, secret: &str) {
    fn walk(path: &std::path::Path, secret: &[u8]) {
        for entry in std::fs::read_dir(path).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                walk(&path, secret);
            } else if let Ok(bytes) = std::fs::read(&path) {
                assert!(memchr::memmem::find(&bytes, secret).is_none(), "{} has the secret", path.display());
            }
        }
    }
    walk(&app.data(), secret.as_bytes());
    assert!(!app.log().contains(secret));
}

#[test]
fn a_credential_reaches_the_child_and_no_file() {
    Builder::each(app, |app| {
        let ann = app.client_of("ann@example.org");
        let stored = ann.post("/api/v1/credentials", &json!({ "service": "vaulted", "label": "work", "value": VALUE }));
        let stored = stored.expect(201);
        assert_eq!((&stored["hint"], &stored["kind"]), (&json!("cdef"), &json!("api_key")));
        let listed = ann.get("/api/v1/credentials").expect(200);
        assert_eq!(listed["items"][0]["label"], "work");
        assert!(!listed.to_string().contains(VALUE));
        let view = ann.create(&json!({ "service": "vaulted", "credential": { "id": stored["id"] } }));
        assert_eq!(key_of_child(&ann, &view), VALUE);
        nothing_has(app, VALUE);
    });
}

#[test]
fn rotation_restarts_what_uses_it() {
    let app = app().start();
    let ann = app.client_of("ann@example.org");
    let view = ann.create(&json!({ "service": "vaulted", "credential": { "value": VALUE } }));
    assert_eq!(key_of_child(&ann, &view), VALUE);
    let stored = ann.get("/api/v1/credentials").expect(200)["items"][0].clone();
    let path = format!("/api/v1/credentials/{}", text(&stored, "id"));
    let rotated = ann.post(&format!("{path}/rotate"), &json!({ "value": "sk-the-new-one-9999" })).expect(200);
    assert_eq!(rotated["hint"], "9999");
    crate::support::wait_for("the child to have the new key", || {
        (key_of_child(&ann, &view) == "sk-the-new-one-9999").then_some(())
    });
    ann.delete(&path).refused(409, "conflict");
    ann.delete(&format!("{path}?force=true")).expect(204);
    assert_eq!(ann.get("/api/v1/credentials").expect(200)["items"], json!([]));
    ann.post(&format!("/api/v1/mcps/{}/restart", text(&view, "id")), &json!({})).expect(200);
    let failed = ann.wait_for(&text(&view, "id"), "failed");
    assert!(failed["last_error"].to_string().contains("credential"), "{failed}");
}

#[test]
fn credentials_are_checked_before_they_are_stored() {
    let app = app().start();
    let (ann, bob) = (app.client_of("ann@example.org"), app.client_of("bob@example.org"));
    let create = |body: Value| ann.post("/api/v1/mcps", &body);
    let told = create(json!({ "service": "vaulted" })).refused(400, "validation_failed");
    assert!(told.contains("ask the admin"), "{told}");
    create(json!({ "service": "fake", "credential": { "value": VALUE } })).refused(400, "validation_failed");
    create(json!({ "service": "vaulted", "credential": { "value": "" } })).refused(400, "validation_failed");
    create(json!({ "service": "vaulted", "credential": { "value": "a\u{0}b" } })).refused(400, "validation_failed");
    create(json!({ "service": "vaulted", "credential": {} })).refused(400, "validation_failed");

    let foreign = bob.post("/api/v1/credentials", &json!({ "service": "vaulted", "value": VALUE })).expect(201);
    let id = text(&foreign, "id");
    create(json!({ "service": "vaulted", "credential": { "id": id } })).refused(400, "validation_failed");
    ann.delete(&format!("/api/v1/credentials/{id}")).refused(404, "not_found");
    ann.post(&format!("/api/v1/credentials/{id}/rotate"), &json!({ "value": VALUE })).refused(404, "not_found");
    ann.post("/api/v1/credentials", &json!({ "service": "fake", "value": VALUE })).refused(400, "validation_failed");
    ann.post("/api/v1/credentials", &json!({ "service": "nothing", "value": VALUE })).refused(404, "unknown_service");
    assert_eq!(ann.get("/api/v1/mcps").expect(200)["items"], json!([]));
}

#[test]
fn a_refused_instance_leaves_no_credential_behind() {
    let app = app().set("instance_quota", "0").start();
    let ann = app.client_of("ann@example.org");
    let body = json!({ "service": "vaulted", "credential": { "value": VALUE } });
    ann.post("/api/v1/mcps", &body).refused(409, "quota_reached");
    assert_eq!(ann.get("/api/v1/credentials").expect(200)["items"], json!([]));
}

#[test]
fn another_master_key_is_refused_and_changes_nothing() {
    let mut app = app().start();
    let ann = app.client_of("ann@example.org");
    let view = ann.create(&json!({ "service": "vaulted", "credential": { "value": VALUE } }));
    app.stop();
    let key_file = app.data().join("master.key");
    let key = std::fs::read(&key_file).unwrap();
    let put = |text: &[u8]| {
        std::fs::write(&key_file, text).unwrap();
        std::fs::set_permissions(&key_file, std::fs::Permissions::from_mode(0o600)).unwrap();
    };
    put(b"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    let told = app.fails(&["serve", "--listen", "127.0.0.1:0"]);
    assert!(told.contains("master key"), "{told}");
    std::fs::remove_file(&key_file).unwrap();
    let told = app.fails(&["serve", "--listen", "127.0.0.1:0"]);
    assert!(told.contains("missing") && !key_file.exists(), "{told}");
    put(&key);
    app.start_again();
    assert_eq!(key_of_child(&ann, &view), VALUE);
}
