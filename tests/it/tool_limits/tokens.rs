//! API tokens with limits: made, shown, renamed, refused.

use serde_json::{Value, json};

use super::{limited, names, set};
use crate::support::TestApp;

/// The row of a token in the list.
fn row(user: &crate::support::User, id: &str) -> Value {
    let list = user.http.get("/api/v1/tokens").expect(200).json();
    list["items"].as_array().unwrap().iter().find(|row| row["id"] == id).unwrap().clone()
}

#[test]
fn a_token_shows_its_limits_its_use_and_its_last_refusal() {
    TestApp::each(|app| {
        let ann = app.user("ann");
        let instance = ann.create("fake");
        let (some, id) = limited(&ann, &json!({ "name": "one", "tools": ["get", "echo"] }));
        let fresh = row(&ann, &id);
        assert_eq!((&fresh["tools"], &fresh["read_only"]), (&json!(["echo", "get"]), &json!(false)));
        assert!(fresh["last_used_at"].is_null() && fresh["last_refusal"].is_null());
        some.http.post(&instance.beside("/mcp/call"), &json!({ "name": "crash" })).expect(403);
        let used = row(&ann, &id);
        assert!(used["last_used_at"].is_string(), "{used}");
        assert!(used["last_refusal"]["reason"].as_str().unwrap().contains("\"crash\""), "{used}");
        assert!(used["last_refusal"]["at"].is_string());

        let path = format!("/api/v1/tokens/{id}");
        assert_eq!(ann.http.patch(&path, &json!({ "name": "two" })).expect(200).json()["name"], "two");
        assert_eq!(row(&ann, &id)["name"], "two");
        ann.http.patch(&path, &json!({ "name": "x".repeat(201) })).expect(400);
        ann.http.patch(&path, &json!({ "tools": [] })).expect(400);
        // Who is limited manages no tokens; nor does anybody else.
        some.http.patch(&path, &json!({ "name": "three" })).expect(403);
        some.http.post("/api/v1/tokens", &json!({})).expect(403);
        app.user("bob").http.patch(&path, &json!({ "name": "three" })).expect(404);

        ann.http.delete(&path).expect(204);
        some.http.get(&instance.beside("/mcp/tools")).expect(401);
        assert!(row(&ann, &id)["last_refusal"]["reason"].as_str().unwrap().contains("revoked"));
    });
}

#[test]
fn limits_that_make_no_sense_are_refused() {
    let app = TestApp::start();
    let ann = app.user("ann");
    let many: Vec<String> = (0..501).map(|number| number.to_string()).collect();
    for tools in [json!([""]), json!(["a\n"]), json!(["x".repeat(257)]), json!(many), json!("echo"), json!([1])] {
        ann.http.post("/api/v1/tokens", &json!({ "tools": tools })).expect(400);
    }
    // None at all is a limit, too.
    let instance = ann.create("fake");
    let (none, _) = limited(&ann, &json!({ "tools": [] }));
    assert_eq!(names(&none.http.get(&instance.beside("/mcp/tools")).expect(200).json()), set(&[]));
}

#[test]
fn a_limited_token_of_the_command_line() {
    let app = TestApp::start();
    let ann = app.user("ann");
    let instance = ann.create("fake");
    let make = |flags: &[&str]| {
        let token = app.cli(&[&["token", "create", "--user", &ann.email], flags].concat(), "");
        ann.with_token(&token)
    };
    let some = make(&["--tool", "echo", "--tool", "get", "--name", "cli"]);
    assert_eq!(names(&some.http.get(&instance.beside("/mcp/tools")).expect(200).json()), set(&["echo", "get"]));
    let reading = make(&["--read-only"]);
    reading.http.post(&instance.beside("/mcp/call"), &json!({ "name": "echo" })).expect(403);
    let listed: Value = serde_json::from_str(&app.cli(&["token", "list", "--user", &ann.email, "--json"], "")).unwrap();
    let row = listed["items"].as_array().unwrap().iter().find(|row| row["name"] == "cli").unwrap();
    assert_eq!(row["tools"], json!(["echo", "get"]));
    assert!(app.cli(&["token", "list", "--user", &ann.email], "").contains("echo,get"));
    app.fails(&["token", "create", "--user", &ann.email, "--tool", ""]);
}
