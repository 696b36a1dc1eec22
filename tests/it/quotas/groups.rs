//! Groups: what they give to their members.

use serde_json::{Value, json};

use super::account;
use crate::support::{TestApp, text};

#[test]
fn a_group_gives_to_its_members() {
    TestApp::each(|app| {
        let (root, ann) = (app.admin_client("root@example.org"), app.client_of("ann@example.org"));
        let user = account(&ann).rsplit('/').next().unwrap().to_owned();
        let allowed = |what: &str| ann.get("/api/v1/me/usage").expect(200)[what]["allowed"].clone();
        let body = json!({ "name": "students", "description": "First year", "quota": { "instances": 2, "running": 1 },
            "services": ["fake"] });
        let students = root.post("/api/v1/groups", &body).expect(201);
        root.post("/api/v1/groups", &body).refused(409, "conflict");
        let path = format!("/api/v1/groups/{}", text(&students, "id"));
        let member = format!("{path}/members/{user}");
        assert_eq!(allowed("instances"), 10);
        root.send("PUT", &member, None).expect(204);
        root.send("PUT", &member, None).expect(204);
        assert_eq!((allowed("instances"), allowed("running")), (json!(2), json!(1)));
        ann.post("/api/v1/mcps", &json!({ "service": "fake-http" })).refused(403, "service_not_allowed");
        // The most generous of the groups counts, for each figure; and what any of them allows.
        let more = root.post("/api/v1/groups", &json!({ "name": "more", "quota": { "instances": 7 } })).expect(201);
        let more = format!("/api/v1/groups/{}", text(&more, "id"));
        root.send("PUT", &format!("{more}/members/{user}"), None).expect(204);
        assert_eq!((allowed("instances"), allowed("running")), (json!(7), json!(1)));
        ann.post("/api/v1/mcps", &json!({ "service": "fake-http" })).refused(403, "service_not_allowed");
        root.patch(&more, &json!({ "services": ["fake-http"], "quota": { "running": 0 } })).expect(200);
        assert_eq!((allowed("instances"), allowed("running")), (json!(7), Value::Null));
        ann.create(&json!({ "service": "fake-http" }));
        // Their own counts before all.
        root.patch(&account(&ann), &json!({ "quota": { "instances": 3 } })).expect(200);
        assert_eq!(allowed("instances"), 3);
        let shown = root.get(&account(&ann)).expect(200);
        assert_eq!(shown["groups"], json!(["more", "students"]));
        root.patch(&account(&ann), &json!({ "quota": { "instances": null } })).expect(200);
        // Out of one, and the other is removed.
        root.delete(&format!("{more}/members/{user}")).expect(204);
        root.delete(&format!("{more}/members/{user}")).refused(404, "not_found");
        assert_eq!(allowed("instances"), 2);
        let view = root.get(&path).expect(200);
        assert_eq!(view["members"], json!([{ "id": user, "email": "ann@example.org" }]));
        let list = root.get("/api/v1/groups").expect(200);
        let counts: Vec<&Value> = list["items"].as_array().unwrap().iter().map(|item| &item["member_count"]).collect();
        assert_eq!(counts, [&json!(0), &json!(1)]);
        root.delete(&path).expect(204);
        assert_eq!(allowed("instances"), 10);
        root.get(&path).refused(404, "not_found");
        assert!(app.cli(&["audit", "verify"], "").starts_with("intact"));
    });
}

#[test]
fn groups_are_for_administrators() {
    let app = TestApp::start();
    let (root, ann) = (app.admin_client("root@example.org"), app.client_of("ann@example.org"));
    let group = root.post("/api/v1/groups", &json!({ "name": "team" })).expect(201);
    let path = format!("/api/v1/groups/{}", text(&group, "id"));
    let member = format!("{path}/members/{}", account(&ann).rsplit('/').next().unwrap());
    for (method, path) in [
        ("GET", "/api/v1/groups"),
        ("GET", &path),
        ("DELETE", &path),
        ("PUT", &member),
        ("DELETE", &member),
        ("GET", "/api/v1/usage"),
        ("GET", &format!("{}/usage", account(&ann))),
        ("GET", "/api/v1/admin/health"),
    ] {
        ann.send(method, path, None).refused(403, "forbidden");
        app.client().send(method, path, None).refused(401, "unauthenticated");
    }
    ann.post("/api/v1/groups", &json!({ "name": "mine" })).refused(403, "forbidden");
    ann.patch(&path, &json!({ "name": "mine" })).refused(403, "forbidden");
    for wrong in [
        json!({ "name": "" }),
        json!({ "name": " x" }),
        json!({ "name": "x\n" }),
        json!({ "name": "x", "quota": { "x": 1 } }),
    ] {
        root.post("/api/v1/groups", &wrong).refused(400, "validation_failed");
    }
    root.patch(&path, &json!({ "services": ["none-such"] })).refused(400, "validation_failed");
    assert_eq!(root.patch(&path, &json!({ "name": "crew" })).expect(200)["name"], "crew");
}

#[test]
fn the_command_line_does_it_too() {
    let app = TestApp::start();
    let ann = app.client_of("ann@example.org");
    let allowed = |what: &str| ann.get("/api/v1/me/usage").expect(200)[what]["allowed"].clone();
    assert_eq!(allowed("running"), Value::Null);
    app.cli(&["group", "add", "team", "--running", "4", "--services", "fake,fake-http"], "");
    app.cli(&["group", "member", "team", "--add", "ann@example.org"], "");
    assert_eq!(allowed("running"), 4);
    app.cli(&["group", "quota", "team", "--running", "5", "--any-service"], "");
    assert_eq!(allowed("running"), 5);
    app.cli(&["user", "quota", "ann@example.org", "--running", "1", "--calls-per-day", "9"], "");
    assert_eq!((allowed("running"), allowed("calls_today")), (json!(1), json!(9)));
    let shown: Value = serde_json::from_str(&app.cli(&["user", "quota", "ann@example.org", "--json"], "")).unwrap();
    assert_eq!(shown["quota"], json!({ "running": 1, "calls_per_day": 9 }));
    assert_eq!((&shown["allowed"]["running"], &shown["allowed"]["instances"]), (&json!(1), &json!(10)));
    app.cli(&["user", "quota", "ann@example.org", "--reset"], "");
    assert_eq!(allowed("running"), 5);
    assert!(app.cli(&["group", "list"], "").contains("5 running"));
    assert!(app.cli(&["group", "show", "team"], "").contains("ann@example.org"));
    app.cli(&["group", "member", "team", "--remove", "ann@example.org"], "");
    assert_eq!(allowed("running"), Value::Null);
    app.cli(&["group", "remove", "team"], "");
    assert!(app.fails(&["group", "show", "team"]).contains("no group"));
    assert!(app.cli(&["audit", "verify"], "").starts_with("intact"));
}
