//! Machines: tokens for their owner, and for nobody else's instances.

use serde_json::json;

use super::{post_as, register, text};
use crate::support::{
    TestApp,
    oauth::{REDIRECT, post, refused, tools},
    user::{Instance, User},
};

fn machine(user: &User) -> (String, String) {
    let made = user.http.post("/api/v1/oauth/clients", &json!({ "name": "Nightly job" })).expect(201).json();
    assert_eq!(made["grant_types"], json!(["client_credentials"]));
    (text(&made, "id"), text(&made, "client_secret"))
}

fn ask(
    app: &TestApp,
    (id, secret): &(String, String),
    instance: &Instance,
    scope: &str,
) -> crate::support::http::Reply {
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", id.as_str()),
        ("client_secret", secret),
        ("resource", &instance.url),
        ("scope", scope),
    ];
    post(app, "/oauth/token", &form)
}

#[test]
fn a_machine_acts_for_its_owner_on_one_instance() {
    TestApp::each(|app| {
        let (ann, bob) = (app.user("ann"), app.user("bob"));
        let (one, two, foreign) = (ann.create("fake"), ann.create("fake"), bob.create("fake"));
        let client = machine(&ann);
        let tokens = ask(app, &client, &one, "").expect(200).json();
        assert!(tokens["refresh_token"].is_null() && tokens["expires_in"].is_u64(), "{tokens}");
        let token = text(&tokens, "access_token");
        tools(&one, &token).expect(200);
        // Its audience is the first: elsewhere it is no token at all.
        tools(&two, &token).expect(401);
        tools(&foreign, &token).expect(401);
        refused(&ask(app, &client, &foreign, ""), 400, "invalid_target");
        let reading = ask(app, &client, &one, "mcp:read").expect(200).json();
        assert_eq!(reading["scope"], "mcp:read");
        refused(&ask(app, &client, &one, "mcp:everything"), 400, "invalid_scope");
        let unsaid = [("grant_type", "client_credentials"), ("client_id", &client.0), ("client_secret", &client.1)];
        refused(&post(app, "/oauth/token", &unsaid), 400, "invalid_target");
        refused(&ask(app, &(client.0.clone(), "wrong".to_owned()), &one, ""), 401, "invalid_client");
        // It ends with the client.
        ann.http.delete(&format!("/api/v1/oauth/clients/{}", client.0)).expect(204);
        tools(&one, &token).expect(401);
        refused(&ask(app, &client, &one, ""), 401, "invalid_client");
    });
}

#[test]
fn a_machine_without_an_owner_gets_nothing() {
    let app = TestApp::start();
    let ann = app.user("ann");
    let instance = ann.create("fake");
    let client = register(&app, &json!({ "redirect_uris": [REDIRECT], "grant_types": ["authorization_code"] }));
    let own = (text(&client, "client_id"), text(&client, "client_secret"));
    refused(&ask(&app, &own, &instance, ""), 400, "unauthorized_client");
    let admin = app.admin();
    let disabled = machine(&ann);
    let users = admin.http.get("/api/v1/users").expect(200).json();
    let row = users["items"].as_array().unwrap().iter().find(|user| user["email"] == "ann@example.org").unwrap();
    admin.http.patch(&format!("/api/v1/users/{}", text(row, "id")), &json!({ "disabled": true })).expect(200);
    refused(&ask(&app, &disabled, &instance, ""), 400, "invalid_target");
    assert_eq!(post_as(&app, "Bearer x", "/oauth/token", &[("grant_type", "client_credentials")]).status, 401);
}
