//! The curated list as templates of services.

use serde_json::{Value, json};

use crate::support::{TestApp, text};

#[test]
fn an_entry_of_the_list_becomes_a_service() {
    let app = TestApp::builder().set("user_services", "true").start();
    let (root, ann, bob) =
        (app.admin_client("root@example.org"), app.client_of("ann@example.org"), app.client_of("bob@example.org"));
    let all = ann.get("/api/v1/catalog").expect(200);
    assert!(all["items"].as_array().unwrap().len() >= 50);
    let entry = |client: &crate::support::Client| -> Value {
        let found = client.get("/api/v1/catalog?search=fetch&category=web").expect(200);
        found["items"].as_array().unwrap().iter().find(|item| item["manifest"]["name"] == "fetch").unwrap().clone()
    };
    let fetch = entry(&ann);
    assert_eq!((&fetch["added"], &fetch["source"]), (&json!(false), &json!("curated")));
    assert_eq!(fetch["checked"]["outcome"], "answers");
    ann.post("/api/v1/services", &json!({ "from": "fetch" })).expect(201);
    assert_eq!(ann.get("/api/v1/services/fetch").expect(200), fetch["manifest"]);
    assert_eq!([entry(&ann)["added"].clone(), entry(&bob)["added"].clone()], [json!(true), json!(false)]);
    let own = root.post("/api/v1/services", &json!({ "from": "fetch", "name": "fetch-of-all" })).expect(201);
    assert_eq!(own["launch"], fetch["manifest"]["launch"]);
    let said = bob.post("/api/v1/services", &json!({ "from": "nothing" })).refused(400, "validation_failed");
    assert!(said.contains("curated list"), "{said}");
    ann.get("/api/v1/catalog?colour=red").refused(400, "validation_failed");
}

#[test]
fn adding_one_is_under_the_rules_of_every_service() {
    let app = TestApp::start();
    app.client_of("ann@example.org").post("/api/v1/services", &json!({ "from": "fetch" })).refused(403, "forbidden");
    let listed = app.cli(&["service", "list", "--curated", "--search", "sqlite", "--json"], "");
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let names: Vec<String> =
        listed["items"].as_array().unwrap().iter().map(|item| text(&item["manifest"], "name")).collect();
    assert!(names.contains(&"sqlite".to_owned()), "{names:?}");
    app.cli(&["service", "add", "sqlite"], "");
    assert!(app.cli(&["service", "show", "sqlite"], "").contains("mcp-alchemy"));
    assert!(app.fails(&["service", "add", "nothing-such"]).contains("service list --curated"));
}
