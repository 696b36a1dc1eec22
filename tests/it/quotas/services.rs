//! Which services somebody may use.

use serde_json::{Value, json};

use super::{account, echo, path, running};
use crate::support::{Client, TestApp};

fn names(client: &Client) -> Vec<String> {
    let list = client.get("/api/v1/services").expect(200);
    let names = list["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap().to_owned());
    names.collect()
}

#[test]
fn only_what_is_on_the_list() {
    TestApp::each(|app| {
        let (root, ann) = (app.admin_client("root@example.org"), app.client_of("ann@example.org"));
        let view = running(&ann);
        echo(&ann, &view).expect(200);
        let changed = root.patch(&account(&ann), &json!({ "services": ["fake-http"] })).expect(200);
        assert_eq!(changed["services"], json!(["fake-http"]));
        // From the next request on: nothing new, nothing seen, nothing called.
        let told = ann.post("/api/v1/mcps", &json!({ "service": "fake" })).refused(403, "service_not_allowed");
        assert!(told.contains("fake"), "{told}");
        ann.post(&format!("{}/clone", path(&view)), &json!({})).refused(403, "service_not_allowed");
        assert_eq!(names(&ann), ["fake-http"]);
        ann.get("/api/v1/services/fake").refused(404, "unknown_service");
        echo(&ann, &view).refused(403, "service_not_allowed");
        assert_eq!(ann.get("/api/v1/me/usage").expect(200)["services"], json!(["fake-http"]));
        // It is still theirs, to look at and to delete.
        ann.get(&path(&view)).expect(200);
        ann.create(&json!({ "service": "fake-http" }));
        // Administrators see the whole catalog, and make nothing for somebody that they may not have.
        assert_eq!(names(&root), ["fake", "fake-http"]);
        let body = json!({ "service": "fake", "user": "ann@example.org" });
        root.post("/api/v1/mcps", &body).refused(403, "service_not_allowed");
        let changed = root.patch(&account(&ann), &json!({ "services": null })).expect(200);
        assert_eq!(changed["services"], Value::Null);
        echo(&ann, &view).expect(200);
        assert_eq!(names(&ann), ["fake", "fake-http"]);
    });
}
