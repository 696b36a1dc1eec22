//! Dynamic registration and its management.

use berth::{
    auth::oauth_clients::records,
    db::oauth_clients::{self, REGISTERED},
    domain::time::Timestamp,
};
use serde_json::{Value, json};

use super::{actions, believed, not_believed, register, text};
use crate::support::{
    TestApp,
    http::{Http, Reply},
    oauth::{Browser, REDIRECT, access, exchange, refused, request, tools},
};

fn manage(app: &TestApp, method: &str, client: &Value, token: &str, body: Option<&Value>) -> Reply {
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let path = text(client, "registration_client_uri");
    let body = body.map(ToString::to_string);
    Http::new(&app.url, None).send(method, &path, &headers, body.as_deref().map(str::as_bytes))
}

#[test]
fn a_client_registers_and_is_let_in() {
    TestApp::each(|app| {
        let ann = app.user("ann");
        let instance = ann.create("fake");
        let client = register(
            app,
            &json!({
                "client_name": "Editor", "redirect_uris": [REDIRECT], "token_endpoint_auth_method": "none",
                "grant_types": ["authorization_code"], "application_type": "web", "something_else": { "a": 1 },
            }),
        );
        assert_eq!(client["grant_types"], json!(["authorization_code", "refresh_token"]));
        assert_eq!((&client["response_types"], &client["application_type"]), (&json!(["code"]), &json!("web")));
        assert!(client["client_secret"].is_null() && client["client_id_issued_at"].is_u64());
        let id = text(&client, "client_id");
        let browser = Browser::of(&ann);
        let tokens = access(app, &browser, &id, &instance);
        crate::support::oauth::tools(&instance, &text(&tokens, "access_token")).expect(200);
        assert!(actions(app).contains(&"oauth.client_register".to_owned()));
        // An older client finds it by the short path; a page of another origin may register, too.
        let http = Http::new(&app.url, None);
        let body = json!({ "redirect_uris": ["http://localhost:1/cb"] }).to_string();
        let headers = [("content-type", "application/json"), ("origin", "https://elsewhere.example")];
        let reply = http.send("POST", "/register", &headers, Some(body.as_bytes())).expect(201);
        assert_eq!(reply.header("access-control-allow-origin"), "*");
        assert_eq!(reply.header("cache-control"), "no-store");
        let confidential = reply.json();
        assert_eq!(confidential["token_endpoint_auth_method"], "client_secret_basic");
        assert_eq!(confidential["client_secret_expires_at"], 0);
        let (id, secret) = (text(&confidential, "client_id"), text(&confidential, "client_secret"));
        believed(app, &[("client_id", &id), ("client_secret", &secret)]);
        assert!(not_believed(app, &[("client_id", &id), ("client_secret", &secret[1..])]).contains("wrong"));
    });
}

#[test]
fn what_is_wrong_is_refused_in_the_words_of_the_rfc() {
    let app = TestApp::start();
    let http = Http::new(&app.url, None);
    let cases = [
        (json!({ "redirect_uris": ["javascript:alert(1)"] }), "invalid_redirect_uri"),
        (json!({ "redirect_uris": ["http://app.example/cb"] }), "invalid_redirect_uri"),
        (json!({ "redirect_uris": ["https://app.example/cb#x"] }), "invalid_redirect_uri"),
        (json!({ "redirect_uris": [] }), "invalid_redirect_uri"),
        (
            json!({ "redirect_uris": [REDIRECT], "token_endpoint_auth_method": "tls_client_auth" }),
            "invalid_client_metadata",
        ),
        (json!({ "redirect_uris": [REDIRECT], "client_name": "x".repeat(300) }), "invalid_client_metadata"),
        (json!({ "redirect_uris": [REDIRECT], "grant_types": ["client_credentials"] }), "invalid_client_metadata"),
        (json!([1]), "invalid_client_metadata"),
    ];
    for (metadata, code) in cases {
        refused(&http.post("/oauth/register", &metadata), 400, code);
    }
    refused(&http.send("POST", "/oauth/register", &[], Some(b"{")), 400, "invalid_client_metadata");
    let large = json!({ "redirect_uris": [REDIRECT], "x": "x".repeat(70_000) });
    refused(&http.post("/oauth/register", &large), 400, "invalid_client_metadata");
}

#[test]
fn a_client_manages_its_own_registration_and_no_other() {
    TestApp::each(|app| {
        let metadata = json!({ "client_name": "One", "redirect_uris": [REDIRECT] });
        let (one, two) = (register(app, &metadata), register(app, &metadata));
        let (id, token) = (text(&one, "client_id"), text(&one, "registration_access_token"));
        let secret = text(&one, "client_secret");
        let shown = manage(app, "GET", &one, &token, None).expect(200).json();
        assert_eq!((&shown["client_id"], &shown["client_secret"]), (&one["client_id"], &Value::Null));
        for (client, token) in [(&one, text(&two, "registration_access_token")), (&one, secret.clone())] {
            for method in ["GET", "DELETE"] {
                let reply = manage(app, method, client, &token, None).expect(401);
                assert_eq!(reply.header("www-authenticate"), "Bearer error=\"invalid_token\"");
            }
        }
        let moved = json!({ "client_id": id, "client_name": "Two", "redirect_uris": ["https://new.example/cb"] });
        let replaced = manage(app, "PUT", &one, &token, Some(&moved)).expect(200).json();
        assert_eq!(replaced["redirect_uris"], json!(["https://new.example/cb"]));
        believed(app, &[("client_id", &id), ("client_secret", &secret)]);
        for wrong in [
            json!({ "client_id": text(&two, "client_id"), "redirect_uris": [REDIRECT] }),
            json!({ "client_id": id, "redirect_uris": [REDIRECT], "registration_access_token": token }),
            json!({ "client_id": id, "redirect_uris": [REDIRECT], "client_secret": "chosen" }),
        ] {
            refused(&manage(app, "PUT", &one, &token, Some(&wrong)), 400, "invalid_client_metadata");
        }
        let public = json!({ "client_id": id, "redirect_uris": [REDIRECT], "token_endpoint_auth_method": "none" });
        manage(app, "PUT", &one, &token, Some(&public)).expect(200);
        believed(app, &[("client_id", &id)]);
        not_believed(app, &[("client_id", &id), ("client_secret", &secret)]);
        assert_eq!(manage(app, "DELETE", &one, &token, None).status, 204);
        manage(app, "GET", &one, &token, None).expect(401);
        not_believed(app, &[("client_id", &id)]);
        let seen = actions(app);
        assert!(
            ["oauth.client_change", "oauth.client_delete"].iter().all(|action| seen.contains(&(*action).to_owned()))
        );
    });
}

#[test]
fn a_client_that_goes_takes_its_access_with_it() {
    let app = TestApp::start();
    let ann = app.user("ann");
    let instance = ann.create("fake");
    let metadata = json!({ "redirect_uris": [REDIRECT], "token_endpoint_auth_method": "none" });
    let client = register(&app, &metadata);
    let id = text(&client, "client_id");
    let browser = Browser::of(&ann);
    let token = text(&access(&app, &browser, &id, &instance), "access_token");
    tools(&instance, &token).expect(200);
    let code = browser.allow(&request(&id, &instance));
    assert_eq!(manage(&app, "DELETE", &client, &text(&client, "registration_access_token"), None).status, 204);
    tools(&instance, &token).expect(401);
    refused(&exchange(&app, &id, &code), 401, "invalid_client");
}

#[test]
fn registration_can_be_closed() {
    let app = TestApp::builder().set("client_registration", "off").start();
    let http = Http::new(&app.url, None);
    let metadata = json!({ "redirect_uris": [REDIRECT] });
    refused(&http.post("/oauth/register", &metadata), 403, "access_denied");
    let server = http.get("/.well-known/oauth-authorization-server").expect(200).json();
    assert!(server["registration_endpoint"].is_null(), "{server}");
}

#[test]
fn registrations_are_counted_per_address() {
    let app = TestApp::start();
    let http = Http::new(&app.url, None);
    let metadata = json!({ "redirect_uris": [REDIRECT] }).to_string();
    let from = |address: &str| {
        let headers = [("content-type", "application/json"), ("x-forwarded-for", address)];
        http.send("POST", "/oauth/register", &headers, Some(metadata.as_bytes()))
    };
    let refused_one = (0..100).map(|_| from("192.0.2.1")).find(|reply| reply.status != 201).expect("a bound");
    refused(&refused_one, 429, "temporarily_unavailable");
    assert_eq!(refused_one.header("retry-after"), "60");
    from("192.0.2.2").expect(201);
}

#[test]
fn unused_registrations_make_room() {
    let app = TestApp::builder().set("max_registered_clients", 2).start();
    let metadata = json!({ "redirect_uris": [REDIRECT], "token_endpoint_auth_method": "none" });
    let hours_ago = |hours: i64| Timestamp(Timestamp::now().0 - hours * 3_600_000);
    let put = |name: &str, hours: i64, used: bool| {
        let mut record = records::blank(REGISTERED, hours_ago(hours));
        record.id = name.to_owned();
        record.last_used_at = used.then(|| hours_ago(hours));
        app.db().write_blocking(|conn| oauth_clients::insert(conn, &record)).unwrap();
    };
    put("used", 100, true);
    put("young", 23, false);
    let http = Http::new(&app.url, None);
    refused(&http.post("/oauth/register", &metadata), 503, "temporarily_unavailable");
    app.db().write_blocking(|conn| oauth_clients::delete(conn, "young")).unwrap();
    put("old", 25, false);
    register(&app, &metadata);
    let left = |id: &str| app.db().read_blocking(|conn| oauth_clients::by_id(conn, id)).is_ok();
    assert!(left("used") && !left("old"));
}
