//! API tokens: what they open, and how they end.

use std::time::Duration;

use berth::{
    auth::tokens::TokenHash,
    db::tokens::{self, NewToken},
    domain::{
        ids::{TokenId, UserId},
        time::Timestamp,
    },
};
use serde_json::{Value, json};

use crate::support::{TestApp, text};

#[test]
fn a_token_is_shown_once_and_works_until_it_is_revoked() {
    TestApp::each(|app| {
        let ann = app.client_of("ann@example.org");
        let made = ann.post("/api/v1/tokens", &json!({ "name": "laptop", "expires_in_days": 3 })).expect(201);
        let (token, id) = (text(&made, "token"), text(&made, "id"));
        assert!(token.starts_with("bth_") && token.ends_with(&text(&made, "hint")));
        let laptop = app.client().with_token(&token);
        laptop.get("/api/v1/auth/me").expect(200);

        let listed = ann.get("/api/v1/tokens").expect(200);
        assert_eq!(listed["items"].as_array().unwrap().len(), 2);
        assert!(!listed.to_string().contains(&token));
        assert!(!listed.to_string().contains(&TokenHash::of(&token).to_hex()));

        ann.delete(&format!("/api/v1/tokens/{id}")).expect(204);
        laptop.get("/api/v1/auth/me").refused(401, "unauthenticated");
        assert!(app.cli(&["token", "list", "--user", "ann@example.org"], "").contains("revoked"));
    });
}

#[test]
fn a_token_of_the_command_line_works_at_once_and_so_does_its_end() {
    let app = TestApp::start();
    let ann = app.client_of("ann@example.org");
    let token = app.cli(&["token", "create", "--user", "ann@example.org", "--name", "cli"], "");
    let other = app.client().with_token(&token);
    other.get("/api/v1/auth/me").expect(200);
    let listed = ann.get("/api/v1/tokens").expect(200);
    let row = listed["items"].as_array().unwrap().iter().find(|row| row["name"] == "cli").unwrap().clone();
    app.cli(&["token", "revoke", &text(&row, "id")], "");
    other.get("/api/v1/auth/me").refused(401, "unauthenticated");
    ann.get("/api/v1/auth/me").expect(200);
}

#[test]
fn an_expired_token_is_refused_also_when_it_is_remembered() {
    TestApp::each(|app| {
        let ann = app.client_of("ann@example.org");
        let me = ann.get("/api/v1/auth/me").expect(200);
        let owner: UserId = text(&me, "id").parse().unwrap();
        let make = |token: &str, expires_at: Timestamp| {
            let new = NewToken {
                id: TokenId::generate(),
                user_id: owner,
                name: String::new(),
                hash: TokenHash::of(token).to_hex(),
                hint: String::new(),
                instances: None,
                created_at: Timestamp::now(),
                expires_at: Some(expires_at),
                tools: None,
                read_only: false,
            };
            app.db().write_blocking(|conn| tokens::insert(conn, &new)).unwrap();
            app.client().with_token(token)
        };
        make("bth_old", Timestamp(1)).get("/api/v1/auth/me").refused(401, "token_expired");
        let short = make("bth_short", Timestamp::now().after(Duration::from_millis(1500)));
        short.get("/api/v1/auth/me").expect(200);
        crate::support::sleep(Duration::from_millis(1600));
        short.get("/api/v1/auth/me").refused(401, "token_expired");
    });
}

#[test]
fn a_scoped_token_reaches_its_instances_and_nothing_else() {
    TestApp::each(|app| {
        let ann = app.client_of("ann@example.org");
        let (one, two) = (ann.create(&json!({ "service": "fake" })), ann.create(&json!({ "service": "fake" })));
        let scoped = ann.post("/api/v1/tokens", &json!({ "instances": [one["id"]] })).expect(201);
        let scoped = app.client().with_token(&text(&scoped, "token"));
        ann.wait_for(&text(&one, "id"), "running");
        scoped.call(&one, "echo", &json!({ "text": "hi" })).expect(200);
        scoped.call(&two, "echo", &json!({ "text": "hi" })).refused(404, "not_found");

        let path = |view: &Value| format!("/api/v1/mcps/{}", text(view, "id"));
        scoped.get(&path(&one)).expect(200);
        scoped.get(&path(&two)).refused(404, "not_found");
        assert_eq!(scoped.get("/api/v1/mcps").expect(200)["items"].as_array().unwrap().len(), 1);
        scoped.delete(&path(&one)).refused(403, "forbidden");
        scoped.post("/api/v1/mcps", &json!({ "service": "fake" })).refused(403, "forbidden");
        scoped.post("/api/v1/tokens", &json!({})).refused(403, "forbidden");
        scoped.get("/api/v1/credentials").refused(403, "forbidden");
    });
}

#[test]
fn a_scope_cannot_name_a_foreign_instance() {
    let app = TestApp::start();
    let (ann, bob) = (app.client_of("ann@example.org"), app.client_of("bob@example.org"));
    let foreign = bob.create(&json!({ "service": "fake" }));
    ann.post("/api/v1/tokens", &json!({ "instances": [foreign["id"]] })).refused(400, "validation_failed");
    app.fails(&["token", "create", "--user", "ann@example.org", "--instance", &text(&foreign, "id")]);
    ann.post("/api/v1/tokens", &json!({ "expires_in_days": 0 })).refused(400, "validation_failed");
}

#[test]
fn a_token_whose_last_instance_is_gone_reaches_nothing() {
    let app = TestApp::start();
    let ann = app.client_of("ann@example.org");
    let view = ann.create(&json!({ "service": "fake" }));
    let scoped = ann.post("/api/v1/tokens", &json!({ "instances": [view["id"]] })).expect(201);
    let scoped = app.client().with_token(&text(&scoped, "token"));
    ann.delete(&format!("/api/v1/mcps/{}", text(&view, "id"))).expect(204);
    let other = ann.create(&json!({ "service": "fake" }));
    scoped.get(&format!("/api/v1/mcps/{}", text(&other, "id"))).refused(404, "not_found");
    assert_eq!(scoped.get("/api/v1/mcps").expect(200)["items"], json!([]));
}

#[test]
fn nobody_revokes_what_is_not_theirs() {
    let app = TestApp::start();
    let (root, ann, bob) =
        (app.admin_client("root@example.org"), app.client_of("ann@example.org"), app.client_of("bob@example.org"));
    let made = bob.post("/api/v1/tokens", &json!({})).expect(201);
    let path = format!("/api/v1/tokens/{}", text(&made, "id"));
    ann.delete(&path).refused(404, "not_found");
    app.client().with_token(&text(&made, "token")).get("/api/v1/auth/me").expect(200);
    root.delete(&path).expect(204);
    app.client().with_token(&text(&made, "token")).get("/api/v1/auth/me").refused(401, "unauthenticated");
}
