//! The page that asks, and who can answer it.

use serde_json::json;

use crate::support::{
    TestApp,
    oauth::{Browser, REDIRECT, STATE, exchange, hidden, public_client, request, returned, with},
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

const YES: [(&str, &str); 2] = [("decision", "allow"), ("access", "call")];

#[test]
fn the_page_says_who_asks_for_what_and_runs_nothing_that_others_wrote() {
    let (_app, ann, _, browser) = set_up();
    let instance = ann.order_with(&json!({ "service": "fake", "label": "My <notes>" }));
    let page = browser.ask(&request("editor", &instance)).expect(200);
    let text = page.text();
    assert!(text.contains("The &lt;b&gt;editor&lt;/b&gt; program") && !text.contains("<b>"), "{text}");
    for part in
        ["app.example.org", "My &lt;notes&gt;", instance.view["slug"].as_str().unwrap(), "call all tools", &ann.email]
    {
        assert!(text.contains(part), "{part} is missing: {text}");
    }
    assert!(!text.contains("<script") && !text.contains("a program on the computer"));
}

#[test]
fn nobody_can_frame_the_page() {
    let (_app, _, instance, browser) = set_up();
    for page in
        [browser.ask(&request("editor", &instance)), browser.ask(&with(request("editor", &instance), "client_id", "?"))]
    {
        let policy = page.header("content-security-policy");
        assert!(policy.contains("frame-ancestors 'none'") && policy.contains("default-src 'none'"), "{policy}");
        assert_eq!(page.header("x-frame-options"), "DENY");
        assert_eq!(page.header("cache-control"), "no-store");
        // With `no-referrer` browsers would send the form from the origin `null`.
        assert_eq!(page.header("referrer-policy"), "same-origin");
    }
}

#[test]
fn another_site_cannot_answer() {
    let (app, _, instance, browser) = set_up();
    let page = browser.ask(&request("editor", &instance)).expect(200);
    let fields = hidden(&page);
    let field = |name: &str| fields.iter().find(|(other, _)| other == name).unwrap().1.clone();
    let (csrf, sealed) = (field("csrf"), field("request"));
    let whole = [("csrf", csrf.as_str()), ("request", &sealed), YES[0], YES[1]];
    for origin in ["https://evil.example", "null"] {
        browser.send_from(origin, &whole).expect(403);
    }
    for form in
        [&whole[1..], &[("csrf", ""), whole[1], whole[2], whole[3]], &[("csrf", "x"), whole[1], whole[2], whole[3]]]
    {
        let refused = browser.send_from(&app.url, form).expect(403);
        assert_eq!(refused.header("location"), "");
    }
    returned(&browser.send_from(&app.url, &whole));
}

#[test]
fn the_form_cannot_be_changed_or_moved() {
    let (app, ann, instance, browser) = set_up();
    let page = browser.ask(&request("editor", &instance)).expect(200);
    let (_, sealed) = hidden(&page).into_iter().find(|(name, _)| name == "request").unwrap();
    let changed: String = {
        let mut bytes = sealed.clone().into_bytes();
        let middle = bytes.len() / 2;
        bytes[middle] = if bytes[middle] == b'A' { b'B' } else { b'A' };
        String::from_utf8(bytes).unwrap()
    };
    for made_up in [changed.as_str(), "", "v1.x.y", &sealed[..sealed.len() - 4]] {
        browser.answer(&page, &[YES[0], YES[1], ("request", made_up)]).expect(403);
    }
    // Another sign-in, also of the same person, was not asked.
    let bob = app.user("bob");
    for other in [Browser::of(&ann), Browser::of(&bob)] {
        let own = other.ask(&with(request("editor", &instance), "resource", "")).expect(200);
        other.answer(&own, &[YES[0], YES[1], ("request", &sealed)]).expect(403);
    }
    Browser::of_nobody(&app).answer(&page, &YES).expect(403);
    // What the form says beside the answer counts for nothing.
    let forged = [YES[0], YES[1], ("redirect_uri", "https://evil.example"), ("state", "x"), ("client_id", "other")];
    let reply = browser.answer(&page, &forged);
    assert!(reply.header("location").starts_with(&format!("{REDIRECT}?code=")));
    assert_eq!(returned(&reply)["state"], STATE);
    exchange(&app, "editor", &returned(&reply)["code"]).expect(200);
}

#[test]
fn no_is_told_to_the_client_and_written_down() {
    let (app, _, instance, browser) = set_up();
    let page = browser.ask(&request("editor", &instance)).expect(200);
    let back = returned(&browser.answer(&page, &[("decision", "deny"), ("access", "call")]));
    assert_eq!((back["error"].as_str(), back["iss"].as_str()), ("access_denied", app.url.as_str()));
    assert_eq!(back["state"], STATE);
    // Whoever does not say yes says no.
    let back = returned(&browser.answer(&page, &[("access", "call")]));
    assert_eq!(back["error"], "access_denied");
    browser.allow(&request("editor", &instance));
    let root = app.admin();
    let audit = root.http.get("/api/v1/audit").expect(200).json();
    let actions: Vec<&str> =
        audit["items"].as_array().unwrap().iter().filter_map(|row| row["action"].as_str()).collect();
    assert_eq!(actions.iter().filter(|action| **action == "oauth.deny").count(), 2, "{actions:?}");
    assert!(actions.contains(&"oauth.consent"));
}
