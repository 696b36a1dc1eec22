//! The catalog, and services that are added while Berth runs.

use serde_json::{Value, json};

use crate::support::{TestApp, text};

fn manifest(name: &str) -> Value {
    json!({
        "name": name,
        "display_name": "Added",
        "description": "an echo",
        "transport": "stdio",
        "launch": { "kind": "command", "command": env!("CARGO_BIN_EXE_fake-mcp") },
    })
}

#[test]
fn services_are_listed_searched_added_and_removed() {
    TestApp::each(|app| {
        let (root, ann) = (app.admin_client("root@example.org"), app.client_of("ann@example.org"));
        ann.post("/api/v1/services", &manifest("mine")).refused(403, "forbidden");
        root.post("/api/v1/services", &manifest("mine")).expect(201);
        root.post("/api/v1/services", &manifest("mine")).refused(409, "conflict");
        let names = |path: &str| -> Vec<String> {
            ann.get(path).expect(200)["items"].as_array().unwrap().iter().map(|item| text(item, "name")).collect()
        };
        assert_eq!(names("/api/v1/services"), ["fake", "fake-http", "mine"]);
        assert_eq!(names("/api/v1/services?search=ECHO"), ["mine"]);
        assert_eq!(ann.get("/api/v1/services/mine").expect(200)["description"], "an echo");
        ann.get("/api/v1/services/nothing").refused(404, "unknown_service");

        let view = ann.create(&json!({ "service": "mine" }));
        ann.wait_for(&text(&view, "id"), "running");
        root.delete("/api/v1/services/mine").refused(409, "conflict");
        ann.delete(&format!("/api/v1/mcps/{}", text(&view, "id"))).expect(204);
        ann.delete("/api/v1/services/mine").refused(403, "forbidden");
        root.delete("/api/v1/services/mine").expect(204);
        root.delete("/api/v1/services/fake").refused(409, "conflict");
    });
}

#[test]
fn added_services_outlive_a_restart() {
    let mut app = TestApp::start();
    let root = app.admin_client("root@example.org");
    root.post("/api/v1/services", &manifest("mine")).expect(201);
    app.stop();
    app.start_again();
    root.get("/api/v1/services/mine").expect(200);
    let view = root.create(&json!({ "service": "mine" }));
    root.wait_for(&text(&view, "id"), "running");
}

#[test]
fn a_wrong_manifest_names_the_field() {
    let app = TestApp::start();
    let root = app.admin_client("root@example.org");
    let with = |path: &str, value: Value| {
        let mut manifest = manifest("mine");
        *manifest.pointer_mut(path).unwrap() = value;
        root.post("/api/v1/services", &manifest).refused(400, "validation_failed")
    };
    assert!(with("/name", json!("Not A Name")).contains("service name"));
    assert!(with("/transport", json!("http")).contains("`transport`"));
    assert!(with("/launch", json!({ "kind": "shell" })).contains("shell"));
    assert!(with("/launch", json!({ "kind": "npm", "package": "x", "version": "^1" })).contains("version"));
    assert!(with("/launch", json!({ "kind": "node", "entry": "index.js" })).contains("launch.kind"));
    let mut unknown = manifest("mine");
    unknown["colour"] = json!("red");
    assert!(root.post("/api/v1/services", &unknown).refused(400, "validation_failed").contains("colour"));
}

#[test]
fn a_user_may_add_services_where_that_is_allowed_and_has_them_alone() {
    let app = TestApp::builder().set("user_services", "true").start();
    let (root, ann, bob) =
        (app.admin_client("root@example.org"), app.client_of("ann@example.org"), app.client_of("bob@example.org"));
    ann.post("/api/v1/services", &manifest("anns")).expect(201);
    ann.create(&json!({ "service": "anns" }));
    bob.get("/api/v1/services/anns").refused(404, "unknown_service");
    bob.delete("/api/v1/services/anns").refused(404, "unknown_service");
    assert_eq!(bob.get("/api/v1/services?search=added").expect(200)["items"], json!([]));
    bob.post("/api/v1/mcps", &json!({ "service": "anns" })).refused(404, "unknown_service");
    root.get("/api/v1/services/anns").expect(200);
    // Their services go with the account.
    let me = ann.get("/api/v1/auth/me").expect(200);
    root.delete(&format!("/api/v1/users/{}?now=true", text(&me, "id"))).expect(204);
    root.get("/api/v1/services/anns").refused(404, "unknown_service");
}

#[test]
fn only_administrators_may_add_what_is_more_than_every_services_due() {
    let app = TestApp::builder().set("user_services", "true").start();
    let (root, ann) = (app.admin_client("root@example.org"), app.client_of("ann@example.org"));
    let cases = [
        ("bare", "sandbox", json!("off")),
        ("open", "read_only", json!(["/srv/tools"])),
        ("common", "shared", json!({ "port": 49170 })),
    ];
    for (name, member, value) in cases {
        let mut asked = manifest(name);
        if member == "shared" {
            asked["transport"] = json!("http");
            asked["launch"]["kind"] = json!("http");
        }
        asked[member] = value;
        let said = ann.post("/api/v1/services", &asked).refused(403, "forbidden");
        assert!(said.contains(member), "{said}");
        ann.get(&format!("/api/v1/services/{name}")).refused(404, "unknown_service");
        root.post("/api/v1/services", &asked).expect(201);
    }
    let mut asked = manifest("large");
    asked["limits"] = json!({ "memory_bytes": 1_u64 << 40 });
    ann.post("/api/v1/services", &asked).refused(400, "validation_failed");
    root.post("/api/v1/services", &asked).expect(201);
}

#[test]
fn a_folder_that_was_added_is_found_on_request() {
    let app = TestApp::start();
    let root = app.admin_client("root@example.org");
    let folder = app.root().join("services").join("late");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("service.toml"), toml::to_string(&manifest("late")).unwrap()).unwrap();
    let broken = app.root().join("services").join("broken");
    std::fs::create_dir_all(&broken).unwrap();
    std::fs::write(broken.join("service.toml"), "name = 1").unwrap();
    root.get("/api/v1/services/late").refused(404, "unknown_service");
    let answer = root.post("/api/v1/admin/refresh", &json!({})).expect(200);
    assert_eq!(answer["services"], 3);
    assert!(answer["problems"][0].as_str().unwrap().contains("broken"));
    root.get("/api/v1/services/late").expect(200);
}
