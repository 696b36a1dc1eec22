//! How an instance refuses, and what it never accepts.

use serde_json::json;

use crate::support::{
    TestApp,
    http::Http,
    oauth::{Browser, REDIRECT, access, public_client, tools},
};

#[test]
fn every_refusal_says_where_to_get_a_token() {
    let app = TestApp::start();
    let ann = app.user("ann");
    let instance = ann.order("fake");
    let metadata = |last: &str| {
        let path = instance.beside(last);
        path.replacen(&app.url, &format!("{}/.well-known/oauth-protected-resource", app.url), 1)
    };
    let cases = [
        ("GET", "/mcp", "/mcp"),
        ("POST", "/mcp", "/mcp"),
        ("GET", "/sse", "/sse"),
        ("POST", "/messages", "/sse"),
        ("GET", "/health", "/mcp"),
        ("GET", "/mcp/tools", "/mcp"),
        ("GET", "/api/x", "/mcp"),
    ];
    for (method, path, described) in cases {
        let url = instance.beside(path);
        let (quiet, url_of) = (Http::new(&app.url, None), metadata(described));
        let rest = format!("scope=\"mcp:read mcp:call\", resource_metadata=\"{url_of}\"");
        let refused = quiet.send(method, &url, &[], None).expect(401);
        assert_eq!(refused.header("www-authenticate"), format!("Bearer {rest}"), "{method} {path}");
        for token in ["bta_wrong", "bth_wrong", "wrong"] {
            let refused = quiet.with_token(Some(token)).send(method, &url, &[], None).expect(401);
            let expected =
                format!("Bearer error=\"invalid_token\", error_description=\"the token is not valid\", {rest}");
            assert_eq!(refused.header("www-authenticate"), expected, "{method} {path}");
        }
    }
    // Whether it is there or not.
    let missing = instance.url.replace(&instance.id, "01990000-0000-7000-8000-000000000000");
    let refused = Http::new(&app.url, None).get(&missing).expect(401);
    assert!(refused.header("www-authenticate").contains("/01990000-0000-7000-8000-000000000000/mcp\""));
}

#[test]
fn a_token_in_the_query_is_none() {
    let app = TestApp::start();
    let ann = app.user("ann");
    let instance = ann.create("fake");
    public_client(&app, "editor", &[REDIRECT]);
    let given = access(&app, &Browser::of(&ann), "editor", &instance);
    let token = given["access_token"].as_str().unwrap();
    tools(&instance, token).expect(200);
    let nobody = Http::new(&app.url, None);
    for name in ["access_token", "token", "bearer"] {
        nobody.get(&instance.beside(&format!("/mcp/tools?{name}={token}"))).expect(401);
        nobody.post(&format!("{}?{name}={token}", instance.url), &json!({})).expect(401);
    }
}

#[test]
fn a_token_is_good_for_its_own_instance_alone() {
    let app = TestApp::start();
    let (ann, bob) = (app.user("ann"), app.user("bob"));
    let (instance, sibling, foreign) = (ann.create("fake"), ann.create("fake"), bob.create("fake"));
    public_client(&app, "editor", &[REDIRECT]);
    let given = access(&app, &Browser::of(&ann), "editor", &instance);
    let token = given["access_token"].as_str().unwrap();
    tools(&instance, token).expect(200);
    let missing = instance.url.replace(&instance.id, "01990000-0000-7000-8000-000000000000");
    let holder = Http::new(&app.url, Some(token));
    for url in [&sibling.url, &foreign.url, &missing] {
        let refused = holder.post(url, &json!({})).expect(401);
        assert!(refused.header("www-authenticate").contains("error=\"invalid_token\""), "{url}");
        assert_eq!(refused.json()["detail"], "this access token is for another instance; ask for one for this URL");
    }
    tools(&instance, token).expect(200);
}

#[test]
fn a_token_reaches_nothing_of_the_api() {
    let app = TestApp::start();
    let ann = app.user("ann");
    let instance = ann.create("fake");
    public_client(&app, "editor", &[REDIRECT]);
    let given = access(&app, &Browser::of(&ann), "editor", &instance);
    let holder = Http::new(&app.url, given["access_token"].as_str());
    let view = format!("/api/v1/mcps/{}", instance.id);
    for path in ["/api/v1/me", "/api/v1/mcps", &view, "/api/v1/tokens", "/api/v1/grants", "/api/v1/users", "/sessions"]
    {
        assert_eq!(holder.get(path).expect(403).json()["code"], "forbidden", "{path}");
    }
    holder.delete(&view).expect(403);
    holder.post("/api/v1/tokens", &json!({})).expect(403);
}
