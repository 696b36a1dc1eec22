//! Taking back what was allowed: by the user, by the client, with the account.

use std::time::Duration;

use berth::{
    auth::tokens::TokenHash,
    db::oauth_grants::{
        self,
        tokens::{Kind, Token},
    },
    domain::time::Timestamp,
};
use serde_json::{Value, json};

use crate::support::{
    TestApp,
    http::Http,
    oauth::{Browser, REDIRECT, access, post, public_client, refresh, refused, tools},
    user::{Instance, User},
    wait_for,
};

fn set_up(app: &TestApp) -> (User, Instance, Browser) {
    let ann = app.user("ann");
    let instance = ann.create("fake");
    public_client(app, "editor", &[REDIRECT]);
    let browser = Browser::of(&ann);
    (ann, instance, browser)
}

fn text(tokens: &Value, name: &str) -> String {
    tokens[name].as_str().unwrap_or_else(|| panic!("no {name} in {tokens}")).to_owned()
}

#[test]
fn the_user_sees_connected_apps_and_ends_them_at_once() {
    TestApp::each(|app| {
        let (ann, instance, browser) = set_up(app);
        let bob = app.user("bob");
        let (one, other) = (access(app, &browser, "editor", &instance), access(app, &browser, "editor", &instance));
        for tokens in [&one, &other] {
            tools(&instance, &text(tokens, "access_token")).expect(200);
        }
        let listed = ann.http.get("/api/v1/grants").expect(200).json();
        let [_, oldest] = listed["items"].as_array().unwrap().as_slice() else { panic!("{listed}") };
        assert_eq!(oldest["client_name"], "The <b>editor</b> program");
        assert_eq!((&oldest["instance"], &oldest["resource"]), (&json!(instance.id), &json!(instance.url)));
        assert_eq!(oldest["scopes"], json!(["mcp:read", "mcp:call"]));
        for secret in [text(&one, "access_token"), text(&one, "refresh_token")] {
            assert!(
                !listed.to_string().contains(&secret) && !listed.to_string().contains(&TokenHash::of(&secret).to_hex())
            );
        }

        let path = format!("/api/v1/grants/{}", text(oldest, "id"));
        assert_eq!(bob.http.get("/api/v1/grants").expect(200).json()["items"], json!([]));
        bob.http.delete(&path).expect(404);
        ann.http.delete(&path).expect(204);
        tools(&instance, &text(&one, "access_token")).expect(401);
        refused(&refresh(app, "editor", &text(&one, "refresh_token"), &[]), 400, "invalid_grant");
        tools(&instance, &text(&other, "access_token")).expect(200);
        let listed = ann.http.get("/api/v1/grants").expect(200).json();
        assert_eq!(listed["items"][1]["reason"], "revoked_by_user");
        wait_for("the time of last use", || {
            ann.http.get("/api/v1/grants").json()["items"][0]["last_used_at"].as_str().map(drop)
        });
    });
}

#[test]
fn a_client_gives_back_what_it_has_and_nothing_else() {
    let app = TestApp::start();
    let (_, instance, browser) = set_up(&app);
    public_client(&app, "other", &[REDIRECT]);
    let given = access(&app, &browser, "editor", &instance);
    let (token, renewal) = (text(&given, "access_token"), text(&given, "refresh_token"));
    let revoke = |client: &str, token: &str| post(&app, "/oauth/revoke", &[("client_id", client), ("token", token)]);
    tools(&instance, &token).expect(200);
    for (client, token) in [("other", token.as_str()), ("other", &renewal), ("editor", "nonsense")] {
        revoke(client, token).expect(200);
    }
    refused(&revoke("nobody", &token), 401, "invalid_client");
    refused(&post(&app, "/oauth/revoke", &[("client_id", "editor")]), 400, "invalid_request");
    tools(&instance, &token).expect(200);

    revoke("editor", &token).expect(200);
    tools(&instance, &token).expect(401);
    let next = refresh(&app, "editor", &renewal, &[]).expect(200).json();
    tools(&instance, &text(&next, "access_token")).expect(200);
    revoke("editor", &text(&next, "refresh_token")).expect(200);
    tools(&instance, &text(&next, "access_token")).expect(401);
}

#[test]
fn a_disabled_user_has_no_apps() {
    let app = TestApp::start();
    let (ann, instance, browser) = set_up(&app);
    let given = access(&app, &browser, "editor", &instance);
    tools(&instance, &text(&given, "access_token")).expect(200);
    let id = text(&ann.http.get("/api/v1/me").expect(200).json(), "id");
    let root = app.admin();
    root.http.patch(&format!("/api/v1/users/{id}"), &json!({ "disabled": true })).expect(200);
    tools(&instance, &text(&given, "access_token")).expect(403);
    refused(&refresh(&app, "editor", &text(&given, "refresh_token"), &[]), 400, "invalid_grant");
}

#[test]
fn an_access_token_ends_by_itself_also_when_it_is_remembered() {
    let app = TestApp::start();
    let (ann, instance, browser) = set_up(&app);
    access(&app, &browser, "editor", &instance);
    let grant = text(&ann.http.get("/api/v1/grants").expect(200).json()["items"][0], "id").parse().unwrap();
    let now = Timestamp::now();
    let soon = Token {
        hash: TokenHash::of("bta_soon").to_hex(),
        grant_id: grant,
        kind: Kind::Access,
        scopes: "mcp:read mcp:call".to_owned(),
        created_at: now,
        expires_at: now.after(Duration::from_secs(2)),
        used_at: None,
        revoked_at: None,
    };
    app.db().write_blocking(|conn| oauth_grants::tokens::insert(conn, &soon)).unwrap();
    tools(&instance, "bta_soon").expect(200);
    let refused = wait_for("its end", || Some(tools(&instance, "bta_soon")).filter(|reply| reply.status != 200));
    assert_eq!(refused.json()["code"], "token_expired");
    assert!(refused.header("www-authenticate").contains("error=\"invalid_token\""));
}

#[test]
fn administrators_learn_what_a_token_is_good_for() {
    let app = TestApp::start();
    let (ann, instance, browser) = set_up(&app);
    let root = app.admin();
    let given = access(&app, &browser, "editor", &instance);
    let ask = |http: &Http, token: &str| {
        let form = format!("token={token}");
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        http.send("POST", "/oauth/introspect", &headers, Some(form.as_bytes()))
    };
    let found = ask(&root.http, &text(&given, "access_token")).expect(200).json();
    assert_eq!((&found["active"], &found["client_id"]), (&json!(true), &json!("editor")));
    assert_eq!((&found["username"], &found["aud"]), (&json!(ann.email), &json!(instance.url)));
    assert_eq!((&found["scope"], &found["iss"]), (&json!("mcp:read mcp:call"), &json!(app.url)));
    assert_eq!(found["exp"].as_i64().unwrap() - found["iat"].as_i64().unwrap(), 3600);
    assert_eq!(ask(&root.http, "nonsense").expect(200).json(), json!({ "active": false }));
    refresh(&app, "editor", &text(&given, "refresh_token"), &[]).expect(200);
    assert_eq!(ask(&root.http, &text(&given, "refresh_token")).expect(200).json(), json!({ "active": false }));
    ask(&ann.http, &text(&given, "access_token")).expect(403);
    ask(&root.http.with_token(None), &text(&given, "access_token")).expect(401);
    ask(&root.http.with_token(Some(&text(&given, "access_token"))), "x").expect(403);
}
