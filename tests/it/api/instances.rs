//! Making, seeing and owning instances.

use serde_json::{Value, json};

use crate::support::{Builder, TestApp, services::Service, text};

fn path(view: &Value) -> String {
    format!("/api/v1/mcps/{}", text(view, "id"))
}

#[test]
fn an_instance_starts_at_once_and_has_every_member_of_its_contract() {
    TestApp::each(|app| {
        let ann = app.client_of("ann@example.org");
        let body = json!({ "service": "fake", "label": "mine", "expires_in_minutes": 60, "env": { "COLOUR": "red" } });
        let made = ann.create(&body);
        let view = ann.wait_for(&text(&made, "id"), "running");
        for member in [
            "id",
            "slug",
            "service",
            "number",
            "label",
            "mode",
            "status",
            "health",
            "port",
            "pid",
            "url",
            "created_at",
            "started_at",
            "expires_at",
            "restarts",
            "limits",
            "last_error",
        ] {
            assert!(view.get(member).is_some(), "{member} is missing: {view}");
        }
        assert_eq!(view["url"], format!("{}/fake/{}/mcp", app.url, text(&view, "id")));
        assert_eq!(view["slug_url"], format!("{}/{}/fake/mcp", app.url, text(&view, "slug")));
        assert!(text(&view, "slug").starts_with("fak_ann_"));
        assert_eq!((&view["number"], &view["mode"], &view["label"]), (&json!(1), &json!("dedicated"), &json!("mine")));
        let minutes = |name: &str| text(&view, name).parse::<jiff::Timestamp>().unwrap().as_second() / 60;
        assert_eq!(minutes("expires_at") - minutes("created_at"), 60);

        let whoami = ann.call(&view, "whoami", &json!({})).expect(200);
        let whoami: Value = serde_json::from_str(whoami["content"][0]["text"].as_str().unwrap()).unwrap();
        assert_eq!(whoami["env"]["COLOUR"], "red");
        assert_eq!(whoami["env"].get("BERTH_DATA_DIR"), None);
        assert_eq!(ann.get("/api/v1/mcps").expect(200)["items"].as_array().unwrap().len(), 1);
    });
}

#[test]
fn numbers_are_the_lowest_free_ones_and_the_quota_holds() {
    Builder::each(
        || TestApp::builder().set("instance_quota", 3),
        |app| {
            let ann = app.client_of("ann@example.org");
            let body = json!({ "service": "fake" });
            let views: Vec<Value> = (0..3).map(|_| ann.create(&body)).collect();
            assert_eq!(views.iter().map(|view| view["number"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 2, 3]);
            let told = ann.post("/api/v1/mcps", &body).refused(409, "quota_reached");
            assert!(told.contains('3') && told.contains("delete one"), "{told}");
            ann.post(&format!("{}/clone", path(&views[0])), &json!({})).refused(409, "quota_reached");
            ann.delete(&path(&views[1])).expect(204);
            assert_eq!(ann.create(&body)["number"], 2);
        },
    );
}

#[test]
fn a_race_for_the_last_place_has_one_winner() {
    Builder::each(
        || TestApp::builder().set("instance_quota", 2),
        |app| {
            let ann = app.client_of("ann@example.org");
            let create = || ann.post("/api/v1/mcps", &json!({ "service": "fake" })).status;
            let statuses: Vec<u16> = std::thread::scope(|scope| {
                let all: Vec<_> = (0..8).map(|_| scope.spawn(create)).collect();
                all.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 2, "{statuses:?}");
            assert_eq!(statuses.iter().filter(|status| **status == 409).count(), 6, "{statuses:?}");
        },
    );
}

#[test]
fn somebody_elses_instance_does_not_exist() {
    TestApp::each(|app| {
        let (ann, bob) = (app.client_of("ann@example.org"), app.client_of("bob@example.org"));
        let view = ann.create(&json!({ "service": "fake" }));
        ann.wait_for(&text(&view, "id"), "running");
        let (id, of) = (text(&view, "id"), path(&view));
        let never_was = format!("/api/v1/mcps/{}", berth::domain::ids::InstanceId::generate());
        let told = bob.get(&never_was).refused(404, "not_found");
        for suffix in ["", "/logs", "/logs/stream", "/stats", "/events"] {
            assert_eq!(bob.get(&format!("{of}{suffix}")).refused(404, "not_found"), told);
        }
        for verb in ["toggle", "restart", "restore", "clone"] {
            assert_eq!(bob.post(&format!("{of}/{verb}"), &json!({})).refused(404, "not_found"), told);
        }
        bob.post(&format!("{of}/renew"), &json!({ "never": true })).refused(404, "not_found");
        bob.patch(&of, &json!({ "label": "x" })).refused(404, "not_found");
        bob.delete(&of).refused(404, "not_found");
        for path in [format!("/fake/{id}/health"), format!("/fake/{id}/mcp/tools"), format!("/fake/{id}/mcp")] {
            assert_eq!(bob.get(&path).refused(404, "not_found"), told);
            app.client().get(&path).refused(401, "unauthenticated");
        }
        bob.call(&view, "echo", &json!({ "text": "hi" })).refused(404, "not_found");
        assert_eq!(bob.get("/api/v1/mcps").expect(200)["items"], json!([]));
        ann.call(&view, "echo", &json!({ "text": "hi" })).expect(200);
    });
}

#[test]
fn an_administrator_sees_and_manages_but_never_calls() {
    let app = TestApp::start();
    let (root, ann) = (app.admin_client("root@example.org"), app.client_of("ann@example.org"));
    let view = ann.create(&json!({ "service": "fake" }));
    ann.wait_for(&text(&view, "id"), "running");
    root.get(&path(&view)).expect(200);
    root.call(&view, "echo", &json!({ "text": "hi" })).refused(404, "not_found");
    assert_eq!(root.get("/api/v1/mcps").expect(200)["items"], json!([]));
    assert_eq!(root.get("/api/v1/mcps?all=true").expect(200)["items"].as_array().unwrap().len(), 1);
    assert_eq!(root.get("/api/v1/mcps?user=ann@example.org").expect(200)["items"].as_array().unwrap().len(), 1);
    let for_ann = root.create(&json!({ "service": "fake", "user": "ann@example.org" }));
    assert_eq!(for_ann["number"], 2);
    ann.get(&path(&for_ann)).expect(200);
    ann.post("/api/v1/mcps", &json!({ "service": "fake", "user": "root@example.org" })).refused(403, "forbidden");
    root.delete(&path(&view)).expect(204);
}

#[test]
fn what_cannot_be_is_refused_with_its_reason() {
    let app = TestApp::start();
    let ann = app.client_of("ann@example.org");
    let refused = |body: Value| ann.post("/api/v1/mcps", &body).refused(400, "validation_failed");
    assert!(refused(json!({ "service": "fake", "env": { "LD_PRELOAD": "/x.so" } })).contains("LD_PRELOAD"));
    assert!(
        refused(json!({ "service": "fake", "env": { "NODE_OPTIONS": "--require /x.js" } })).contains("NODE_OPTIONS")
    );
    assert!(refused(json!({ "service": "fake", "config": { "ROOT": "/" } })).contains("ROOT"));
    assert!(refused(json!({ "service": "fake", "mode": "shared" })).contains("`mode`"));
    assert!(refused(json!({ "service": "fake", "mode": "bogus" })).contains("bogus"));
    assert!(refused(json!({ "service": "fake", "expires_in_minutes": 0 })).contains("at least 1"));
    assert!(refused(json!({ "service": "fake", "label": "a\nb" })).contains("`label`"));
    assert!(refused(json!({ "service": "fake", "colour": "red" })).contains("colour"));
    assert!(refused(json!({})).contains("service"));
    let told = ann.post("/api/v1/mcps", &json!({ "service": "nothing" })).refused(404, "unknown_service");
    assert!(told.contains("nothing") && told.contains("/api/v1/services"), "{told}");
    assert_eq!(ann.get("/api/v1/mcps").expect(200)["items"], json!([]));
}

#[test]
fn changes_are_checked_like_creation_and_take_effect_at_the_next_start() {
    let limits = json!({ "memory_bytes": 100_000_000, "processes": 8 });
    let app = TestApp::builder().service(Service::stdio("fake", &[]).with("limits", limits)).start();
    let (root, ann) = (app.admin_client("root@example.org"), app.client_of("ann@example.org"));
    let view = ann.create(&json!({ "service": "fake", "env": { "COLOUR": "red" } }));
    let of = path(&view);
    ann.wait_for(&text(&view, "id"), "running");
    ann.patch(&of, &json!({ "env": { "PATH": "/x" } })).refused(400, "validation_failed");
    ann.patch(&of, &json!({ "limits": { "memory_bytes": 200_000_000 } })).refused(400, "validation_failed");
    let wider = json!({ "service": "fake", "limits": { "memory_bytes": 200_000_000 } });
    ann.post("/api/v1/mcps", &wider).refused(400, "validation_failed");
    let tighter = ann.create(&json!({ "service": "fake", "limits": { "processes": 4 } }));
    assert_eq!((&tighter["limits"]["processes"], &tighter["limits"]["memory_bytes"]), (&json!(4), &json!(100_000_000)));
    // What the service leaves open is Berth's to say.
    ann.patch(&of, &json!({ "limits": { "disk_bytes": 3_000_000_000_u64 } })).refused(400, "validation_failed");
    ann.patch(&of, &json!({ "label": "x", "expires_in_minutes": 0 })).refused(400, "validation_failed");
    assert_eq!(ann.get(&of).expect(200)["label"], "", "a refused change changes nothing");

    let changes = json!({ "label": "new", "env": { "COLOUR": "blue" }, "limits": { "memory_bytes": 90_000_000 } });
    let changed = ann.patch(&of, &changes).expect(200);
    assert_eq!(changed["label"], "new");
    assert_eq!(
        changed["limits"],
        json!({ "memory_bytes": 90_000_000, "processes": 8, "disk_bytes": 2_147_483_648_u64 })
    );
    assert_eq!(root.patch(&of, &json!({ "limits": { "processes": 99 } })).expect(200)["limits"]["processes"], 99);
    ann.post(&format!("{of}/restart"), &json!({})).expect(200);
    crate::support::wait_for("the new environment", || {
        let answer = ann.call(&view, "whoami", &json!({}));
        (answer.status == 200 && answer.text.contains("blue")).then_some(())
    });
}

#[test]
fn deletion_leaves_no_process_no_file_and_no_url() {
    TestApp::each(|app| {
        let ann = app.client_of("ann@example.org");
        let made = ann.create(&json!({ "service": "fake" }));
        let view = ann.wait_for(&text(&made, "id"), "running");
        let pid = view["pid"].as_u64().unwrap();
        let files = app.data().join("instances").join(text(&view, "id"));
        let logs = app.data().join("logs/users/user_1/mcp_001_fake_1");
        assert!(files.exists() && logs.exists());
        ann.delete(&path(&view)).expect(204);
        assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
        assert!(!files.exists() && !logs.exists());
        ann.get(&path(&view)).refused(404, "not_found");
        ann.delete(&path(&view)).refused(404, "not_found");
        ann.call(&view, "echo", &json!({ "text": "hi" })).refused(404, "not_found");
    });
}
