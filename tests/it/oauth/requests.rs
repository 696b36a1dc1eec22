//! Authorization requests that are refused, and where that is said.

use crate::support::{
    TestApp,
    oauth::{Browser, Members, REDIRECT, STATE, public_client, request, returned, with},
    user::{Instance, User},
};

fn set_up() -> (TestApp, User, Instance, Browser) {
    let app = TestApp::start();
    let ann = app.user("ann");
    let instance = ann.order("fake");
    public_client(&app, "editor", &[REDIRECT]);
    let browser = Browser::of(&ann);
    (app, ann, instance, browser)
}

/// It is refused on a page of ours: the browser is sent nowhere.
#[track_caller]
fn stays(browser: &Browser, request: &Members) {
    let page = browser.ask(request).expect(400);
    assert_eq!(page.header("location"), "");
    assert!(page.header("content-type").starts_with("text/html"));
    assert!(!page.text().contains("<form"), "{}", page.text());
}

#[test]
fn no_open_redirect() {
    let (app, _, instance, browser) = set_up();
    let good = request("editor", &instance);
    for uri in [
        "https://evil.example/callback",
        "https://app.example.org.evil.example/callback",
        "https://app.example.org@evil.example/callback",
        "https://app.example.org/callback/../evil",
        "https://app.example.org/callback?next=https://evil.example",
        "https://app.example.org/callback#x",
        "https://app.example.org:444/callback",
        "https://APP.example.org/callback",
        "http://app.example.org/callback",
        "//evil.example",
        "/login",
        "javascript:alert(1)",
        "data:text/html,x",
    ] {
        stays(&browser, &with(good.clone(), "redirect_uri", uri));
        // Also when everything else is wrong, and nobody is signed in.
        stays(&Browser::of_nobody(&app), &with(with(good.clone(), "redirect_uri", uri), "response_type", "token"));
    }
}

#[test]
fn an_unknown_client_is_sent_nowhere() {
    let (app, _, instance, browser) = set_up();
    let good = request("editor", &instance);
    stays(&browser, &with(good.clone(), "client_id", "nobody"));
    stays(&browser, &with(good.clone(), "client_id", ""));
    // Twice is not once.
    let page = browser.open(&format!("/oauth/authorize?client_id=editor&client_id=editor&redirect_uri={REDIRECT}"));
    assert_eq!((page.status, page.header("location")), (400, ""));
    public_client(&app, "two", &[REDIRECT, "https://app.example.org/other"]);
    stays(&browser, &with(with(good.clone(), "client_id", "two"), "redirect_uri", ""));
    // With one place alone there is no doubt.
    browser.ask(&with(good, "redirect_uri", "")).expect(200);
}

#[test]
fn what_else_is_wrong_is_told_to_the_client_with_state_and_issuer() {
    let (app, _, instance, browser) = set_up();
    let good = request("editor", &instance);
    let cases = [
        ("response_type", "", "invalid_request"),
        ("response_type", "token", "unsupported_response_type"),
        ("response_type", "code id_token", "unsupported_response_type"),
        ("response_mode", "fragment", "invalid_request"),
        ("request", "x.y.z", "request_not_supported"),
        ("request_uri", "https://app.example.org/r", "request_uri_not_supported"),
        ("scope", "mcp:everything", "invalid_scope"),
        ("scope", "instance:1", "invalid_scope"),
        // PKCE: absent, taken down to `plain`, or nothing that S256 makes.
        ("code_challenge", "", "invalid_request"),
        ("code_challenge_method", "", "invalid_request"),
        ("code_challenge_method", "plain", "invalid_request"),
        ("code_challenge_method", "s256", "invalid_request"),
        ("code_challenge", "short", "invalid_request"),
    ];
    for (name, value, error) in cases {
        let back = returned(&browser.ask(&with(good.clone(), name, value)));
        assert_eq!(back["error"], error, "{name}={value}: {back:?}");
        assert_eq!((back["state"].as_str(), back["iss"].as_str()), (STATE, app.url.as_str()));
        assert!(!back.contains_key("code"));
    }
    let quiet = with(with(good, "state", ""), "scope", "mcp:everything");
    assert!(!returned(&browser.ask(&quiet)).contains_key("state"));
}

#[test]
fn a_resource_that_is_not_the_users_is_refused_like_one_that_is_not_there() {
    let (app, _, instance, browser) = set_up();
    let bob = app.user("bob");
    let foreign = bob.order("fake");
    let good = request("editor", &instance);
    let missing = instance.url.replace(&instance.id, "01990000-0000-7000-8000-000000000000");
    let slug = foreign.view["slug_url"].as_str().unwrap();
    let refusals: Vec<Members> = [foreign.url.as_str(), &missing, slug, &format!("{}/aaaaaaaaaaaa/fake/mcp", app.url)]
        .iter()
        .map(|resource| returned(&browser.ask(&with(good.clone(), "resource", resource))))
        .collect();
    assert_eq!(refusals[0]["error"], "invalid_target");
    assert!(refusals.iter().all(|refusal| *refusal == refusals[0]), "{refusals:?}");
    // Before the sign-in all are alike, too.
    for resource in [&instance.url, &foreign.url, &missing] {
        Browser::of_nobody(&app).ask(&with(good.clone(), "resource", resource)).expect(303);
    }
    for resource in [
        "https://elsewhere.example/mcp",
        "nonsense",
        &format!("{}#x", instance.url),
        &format!("{}/api/v1/tokens", app.url),
    ] {
        let back = returned(&browser.ask(&with(good.clone(), "resource", resource)));
        assert_eq!(back["error"], "invalid_target", "{resource}");
    }
    // An administrator may see foreign instances, and may not speak to them.
    let root = Browser::of(&app.admin());
    assert_eq!(returned(&root.ask(&good))["error"], "invalid_target");
}
