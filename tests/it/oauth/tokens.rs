//! The token endpoint: what it refuses, and what it ends.

use base64::Engine;
use berth::{
    auth::{
        oauth::{
            Scopes, codes,
            grants::{self, NewGrant},
        },
        tokens::TokenHash,
    },
    db::oauth_grants,
    domain::time::Timestamp,
};
use serde_json::Value;

use crate::support::{
    TestApp,
    http::{Http, Reply},
    oauth::{
        Browser, REDIRECT, VERIFIER, access, challenge, exchange, exchange_with, post, public_client, refresh, refused,
        request, returned, secret_client, tools, with,
    },
    user::{Instance, User},
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

fn actions(app: &TestApp) -> Vec<String> {
    let audit = app.operator().http.get("/api/v1/audit").expect(200).json();
    audit["items"].as_array().unwrap().iter().map(|row| text(row, "action")).collect()
}

#[test]
fn a_code_that_is_used_twice_ends_everything() {
    TestApp::each(|app| {
        let (_, instance, browser) = set_up(app);
        let code = browser.allow(&request("editor", &instance));
        let given = exchange(app, "editor", &code).expect(200).json();
        let next = refresh(app, "editor", &text(&given, "refresh_token"), &[]).expect(200).json();
        for tokens in [&given, &next] {
            tools(&instance, &text(tokens, "access_token")).expect(200);
        }
        refused(&exchange(app, "editor", &code), 400, "invalid_grant");
        for tokens in [&given, &next] {
            tools(&instance, &text(tokens, "access_token")).expect(401);
        }
        refused(&refresh(app, "editor", &text(&next, "refresh_token"), &[]), 400, "invalid_grant");
        assert!(actions(app).contains(&"oauth.code_replay".to_owned()));
    });
}

#[test]
fn a_refresh_token_that_is_used_twice_ends_its_family_and_no_other() {
    TestApp::each(|app| {
        let (ann, instance, browser) = set_up(app);
        let other = access(app, &browser, "editor", &instance);
        let first = access(app, &browser, "editor", &instance);
        let second = refresh(app, "editor", &text(&first, "refresh_token"), &[]).expect(200).json();
        tools(&instance, &text(&second, "access_token")).expect(200);
        refused(&refresh(app, "editor", &text(&first, "refresh_token"), &[]), 400, "invalid_grant");
        for tokens in [&first, &second] {
            tools(&instance, &text(tokens, "access_token")).expect(401);
        }
        refused(&refresh(app, "editor", &text(&second, "refresh_token"), &[]), 400, "invalid_grant");
        tools(&instance, &text(&other, "access_token")).expect(200);
        refresh(app, "editor", &text(&other, "refresh_token"), &[]).expect(200);
        assert!(actions(app).contains(&"oauth.refresh_reuse".to_owned()));
        let listed = ann.http.get("/api/v1/grants").expect(200).json();
        assert_eq!(listed["items"][0]["reason"], "refresh_reuse");
    });
}

#[test]
fn a_code_works_for_its_own_verifier_redirect_and_client_alone() {
    let app = TestApp::start();
    let (_, instance, browser) = set_up(&app);
    public_client(&app, "other", &[REDIRECT]);
    let code = browser.allow(&request("editor", &instance));
    let elsewhere = instance.url.replace(&instance.id, "01990000-0000-7000-8000-000000000000");
    let wrong = "x".repeat(43);
    let cases = [
        ("code_verifier", wrong.as_str(), "invalid_grant"),
        ("code_verifier", &challenge(VERIFIER), "invalid_grant"),
        ("code_verifier", "short", "invalid_grant"),
        ("code_verifier", "", "invalid_request"),
        ("redirect_uri", "https://app.example.org/other", "invalid_grant"),
        ("redirect_uri", "https://app.example.org/callback/", "invalid_grant"),
        ("client_id", "other", "invalid_grant"),
        ("code", "nonsense", "invalid_grant"),
        ("code", "", "invalid_request"),
        ("resource", &elsewhere, "invalid_target"),
        ("resource", "https://elsewhere.example/mcp", "invalid_target"),
    ];
    for (name, value, error) in cases {
        refused(&exchange_with(&app, "editor", &code, &[(name, value)]), 400, error);
    }
    refused(&exchange_with(&app, "editor", &code, &[("client_id", "nobody")]), 401, "invalid_client");
    exchange_with(&app, "editor", &code, &[("resource", &instance.url)]).expect(200);
}

#[test]
fn a_code_is_over_after_a_minute() {
    let app = TestApp::start();
    let (ann, instance, _) = set_up(&app);
    let me = ann.http.get("/api/v1/me").expect(200).json();
    let new = NewGrant {
        user: text(&me, "id").parse().unwrap(),
        client_id: "editor".to_owned(),
        client_name: "editor".to_owned(),
        instance: instance.id.parse().unwrap(),
        resource: instance.url.clone(),
        scopes: Scopes::usual(),
    };
    let keep = |code: &str, expires_at: Timestamp| {
        let bound = (REDIRECT.to_owned(), challenge(VERIFIER));
        let work = |conn: &mut berth::db::Connection| {
            let grant = grants::open(conn, &new, Timestamp::now(), expires_at)?;
            codes::insert(conn, grant, code, bound, expires_at)
        };
        app.db().write_blocking(work).unwrap();
    };
    let now = Timestamp::now();
    keep("late", Timestamp(now.0 - 1));
    keep("early", now.after(codes::LIFETIME));
    assert!(refused(&exchange(&app, "editor", "late"), 400, "invalid_grant").contains("expired"));
    exchange(&app, "editor", "early").expect(200);
}

#[test]
fn a_refresh_token_gives_less_but_never_more() {
    let app = TestApp::start();
    let (_, instance, browser) = set_up(&app);
    public_client(&app, "other", &[REDIRECT]);
    let narrow = with(request("editor", &instance), "scope", "mcp:read tool:echo");
    let page = browser.ask(&narrow).expect(200);
    let back = browser.answer(&page, &[("decision", "allow"), ("access", "tools"), ("tool", "echo")]);
    let code = returned(&back)["code"].clone();
    let mut given = exchange(&app, "editor", &code).expect(200).json();
    let token = text(&given, "refresh_token");
    refused(&refresh(&app, "editor", &token, &[("scope", "mcp:call")]), 400, "invalid_scope");
    refused(&refresh(&app, "editor", &token, &[("scope", "tool:get")]), 400, "invalid_scope");
    refused(
        &refresh(&app, "editor", &token, &[("resource", &format!("{}/x/fake/mcp", app.url))]),
        400,
        "invalid_target",
    );
    refused(&refresh(&app, "other", &token, &[]), 400, "invalid_grant");
    refused(&refresh(&app, "editor", &text(&given, "access_token"), &[]), 400, "invalid_grant");
    tools(&instance, &token).expect(401);
    // Less for once, and as much as before afterwards.
    for (scope, expected) in [("mcp:read", "mcp:read"), ("", "mcp:read tool:echo")] {
        let resource = [("scope", scope), ("resource", &instance.url)];
        given = refresh(&app, "editor", &text(&given, "refresh_token"), &resource).expect(200).json();
        assert_eq!(given["scope"], expected);
    }
}

#[test]
fn malformed_requests_are_refused_in_the_form_of_the_rfc() {
    let app = TestApp::start();
    let (_, instance, browser) = set_up(&app);
    let code = browser.allow(&request("editor", &instance));
    refused(&post(&app, "/oauth/token", &[("client_id", "editor")]), 400, "invalid_request");
    refused(&exchange_with(&app, "editor", &code, &[("grant_type", "password")]), 400, "unsupported_grant_type");
    let twice = [("code", code.as_str()), ("code", code.as_str())];
    refused(&exchange_with(&app, "editor", &code, &twice), 400, "invalid_request");
    let json = post_as(&app, "application/json", b"{}");
    refused(&json, 400, "invalid_request");
    exchange(&app, "editor", &code).expect(200);
}

#[test]
fn a_client_with_a_secret_proves_it() {
    let app = TestApp::start();
    let (_, instance, browser) = set_up(&app);
    secret_client(&app, "server", &[REDIRECT], "s3cret");
    let code = browser.allow(&request("server", &instance));
    refused(&exchange(&app, "server", &code), 401, "invalid_client");
    refused(&exchange_with(&app, "server", &code, &[("client_secret", "wrong")]), 401, "invalid_client");
    let given = exchange_with(&app, "server", &code, &[("client_secret", "s3cret")]).expect(200).json();
    let renewal = text(&given, "refresh_token");
    refused(&refresh(&app, "server", &renewal, &[]), 401, "invalid_client");
    let form = format!("grant_type=refresh_token&refresh_token={renewal}");
    let basic = |pair: &str| {
        let header = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair));
        let headers = [("authorization", header.as_str()), ("content-type", "application/x-www-form-urlencoded")];
        Http::new(&app.url, None).send("POST", "/oauth/token", &headers, Some(form.as_bytes()))
    };
    let wrong = basic("server:wrong");
    refused(&wrong, 401, "invalid_client");
    assert!(wrong.header("www-authenticate").starts_with("Basic"));
    let next = basic("server:s3cret").expect(200).json();
    tools(&instance, &text(&next, "access_token")).expect(200);
}

fn post_as(app: &TestApp, kind: &str, body: &[u8]) -> Reply {
    Http::new(&app.url, None).send("POST", "/oauth/token", &[("content-type", kind)], Some(body))
}

#[test]
fn what_is_over_is_removed() {
    let app = TestApp::start();
    let (_, instance, browser) = set_up(&app);
    let given = access(&app, &browser, "editor", &instance);
    let hash = |name: &str| TokenHash::of(&text(&given, name)).to_hex();
    let (access, refresh) = (hash("access_token"), hash("refresh_token"));
    let db = app.db();
    let there = |hash: &str| {
        let hash = hash.to_owned();
        db.read_blocking(|conn| oauth_grants::tokens::by_hash(conn, &hash)).is_ok()
    };
    let day = |n: i64| Timestamp(Timestamp::now().0 + n * 86_400_000);
    db.write_blocking(|conn| oauth_grants::purge_expired(conn, Timestamp::now())).unwrap();
    assert!(there(&access) && there(&refresh));
    db.write_blocking(|conn| oauth_grants::purge_expired(conn, day(1))).unwrap();
    assert!(!there(&access) && there(&refresh));
    db.write_blocking(|conn| oauth_grants::purge_expired(conn, day(61))).unwrap();
    assert!(!there(&refresh));
}
