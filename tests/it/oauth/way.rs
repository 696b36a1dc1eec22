//! From nothing to a tool call, and on.

use serde_json::{Value, json};

use crate::support::{
    TestApp,
    http::Http,
    oauth::{
        Browser, REDIRECT, STATE, VERIFIER, access, exchange, hidden, post, public_client, refresh, request, returned,
        tools, with,
    },
};

fn text(tokens: &Value, name: &str) -> String {
    tokens[name].as_str().unwrap_or_else(|| panic!("no {name} in {tokens}")).to_owned()
}

#[test]
fn a_client_gets_from_a_refusal_to_a_tool_call_and_on() {
    TestApp::each(|app| {
        let ann = app.user("ann");
        let instance = ann.create("fake");
        public_client(app, "editor", &[REDIRECT]);
        let nobody = Http::new(&app.url, None);

        let refused = nobody.post(&instance.url, &json!({})).expect(401);
        let (_, rest) = refused.header("www-authenticate").split_once("resource_metadata=\"").unwrap();
        let resource = nobody.get(rest.split('"').next().unwrap()).expect(200).json();
        assert_eq!(resource["resource"], instance.url);
        let issuer = text(&json!({ "issuer": resource["authorization_servers"][0] }), "issuer");
        let server = nobody.get(&format!("{issuer}/.well-known/oauth-authorization-server")).expect(200).json();
        assert_eq!(server["issuer"], issuer);

        let browser = Browser::of(&ann);
        let page = browser.ask(&request("editor", &instance)).expect(200);
        let back = returned(&browser.answer(&page, &[("decision", "allow"), ("access", "call")]));
        assert_eq!((back["state"].as_str(), back["iss"].as_str()), (STATE, issuer.as_str()));

        let reply = exchange(app, "editor", &back["code"]).expect(200);
        assert_eq!(reply.header("cache-control"), "no-store");
        assert_eq!(reply.header("access-control-allow-origin"), "*");
        let given = reply.json();
        assert_eq!((given["token_type"].as_str(), given["expires_in"].as_u64()), (Some("Bearer"), Some(3600)));
        assert_eq!(given["scope"], "mcp:read mcp:call");
        let token = text(&given, "access_token");
        assert!(token.starts_with("bta_") && token.len() == 47);

        let session = ann.with_token(&token).connect(&instance);
        assert_eq!(session.text("echo", &json!({ "text": "hello" })), "hello");
        let mut by_slug = instance.clone();
        instance.view["slug_url"].as_str().unwrap().clone_into(&mut by_slug.url);
        tools(&by_slug, &token).expect(200);

        let next = refresh(app, "editor", &text(&given, "refresh_token"), &[]).expect(200).json();
        assert_ne!(next["refresh_token"], given["refresh_token"]);
        tools(&instance, &text(&next, "access_token")).expect(200);
        tools(&instance, &token).expect(200);
        ann.is_told("oauth_grant");
    });
}

#[test]
fn every_form_of_the_instances_url_is_a_resource() {
    let app = TestApp::start();
    let ann = app.user("ann");
    let instance = ann.create("fake");
    public_client(&app, "editor", &[REDIRECT]);
    let browser = Browser::of(&ann);
    let forms = [
        instance.beside("/sse"),
        format!("{}/", instance.url),
        instance.url.replacen("http://", "HTTP://", 1),
        instance.view["slug_url"].as_str().unwrap().to_owned(),
    ];
    for form in forms {
        let code = browser.allow(&with(request("editor", &instance), "resource", &form));
        let given = exchange(&app, "editor", &code).expect(200).json();
        tools(&instance, &text(&given, "access_token")).expect(200);
    }
}

#[test]
fn without_a_resource_the_user_chooses_the_instance() {
    let app = TestApp::start();
    let (ann, bob) = (app.user("ann"), app.user("bob"));
    let (one, foreign) = (ann.create("fake"), bob.create("fake"));
    public_client(&app, "editor", &[REDIRECT]);
    let browser = Browser::of(&ann);
    let chosen = format!("value=\"{}\" required checked", one.id);
    let page = || browser.ask(&with(request("editor", &one), "resource", "")).expect(200).text();
    assert!(page().contains(&chosen), "the only one is chosen already");
    let other = ann.create("fake");
    assert!(!page().contains(&chosen));
    for resource in ["", app.url.as_str()] {
        let page = browser.ask(&with(request("editor", &one), "resource", resource)).expect(200);
        assert!(page.text().contains(&one.id) && page.text().contains(&other.id) && !page.text().contains(&foreign.id));
        browser.answer(&page, &[("decision", "allow"), ("access", "call")]).expect(400);
        let yes = |id: &str| browser.answer(&page, &[("decision", "allow"), ("access", "call"), ("instance", id)]);
        assert_eq!(returned(&yes(&foreign.id))["error"], "invalid_target");
        let given = exchange(&app, "editor", &returned(&yes(&other.id))["code"]).expect(200).json();
        tools(&other, &text(&given, "access_token")).expect(200);
        tools(&one, &text(&given, "access_token")).expect(401);
    }
    // A scope may name it, too.
    let scoped = with(request("editor", &one), "scope", &format!("mcp:call instance:{}", other.id));
    let given = exchange(&app, "editor", &browser.allow(&with(scoped.clone(), "resource", ""))).expect(200).json();
    assert_eq!(given["scope"], "mcp:read mcp:call");
    tools(&other, &text(&given, "access_token")).expect(200);
    assert_eq!(returned(&browser.ask(&scoped))["error"], "invalid_target");
}

#[test]
fn the_user_narrows_what_is_asked_for() {
    let app = TestApp::start();
    let ann = app.user("ann");
    let instance = ann.create("fake");
    public_client(&app, "editor", &[REDIRECT]);
    let browser = Browser::of(&ann);
    let page = browser.ask(&request("editor", &instance)).expect(200);
    assert!(page.text().contains("value=\"echo\""), "its tools are named: {}", page.text());
    let cases: [(&[(&str, &str)], &str); 4] = [
        (&[("access", "read")], "mcp:read"),
        (&[("access", "tools"), ("tool", "get"), ("tool", "echo")], "mcp:read tool:echo tool:get"),
        (&[("access", "tools")], "mcp:read"),
        (&[("access", "call"), ("tool", "echo")], "mcp:read mcp:call"),
    ];
    for (choice, scope) in cases {
        let answer = [&[("decision", "allow")], choice].concat();
        let given = exchange(&app, "editor", &returned(&browser.answer(&page, &answer))["code"]).expect(200).json();
        assert_eq!(given["scope"], scope);
        tools(&instance, &text(&given, "access_token")).expect(200);
    }
    let granted = ann.http.get("/api/v1/grants").expect(200).json();
    assert_eq!(granted["items"][2]["tools"], json!(["echo", "get"]));
    assert_eq!(granted["items"][3].get("tools"), None);
}

#[test]
fn nobody_is_given_more_than_was_asked_for() {
    let app = TestApp::start();
    let ann = app.user("ann");
    let instance = ann.create("fake");
    public_client(&app, "editor", &[REDIRECT]);
    let browser = Browser::of(&ann);
    let page = browser.ask(&with(request("editor", &instance), "scope", "tool:echo")).expect(200);
    let text = page.text();
    assert!(text.contains("value=\"echo\"") && !text.contains("value=\"get\"") && !text.contains("value=\"call\""));
    browser.answer(&page, &[("decision", "allow"), ("access", "tools"), ("tool", "get")]).expect(400);
    let back = returned(&browser.answer(&page, &[("decision", "allow"), ("access", "call")]));
    assert_eq!(exchange(&app, "editor", &back["code"]).expect(200).json()["scope"], "mcp:read tool:echo");
    let page = browser.ask(&with(request("editor", &instance), "scope", "mcp:read")).expect(200);
    let back = returned(&browser.answer(&page, &[("decision", "allow"), ("access", "call")]));
    assert_eq!(exchange(&app, "editor", &back["code"]).expect(200).json()["scope"], "mcp:read");
}

#[test]
fn a_program_on_the_users_machine_takes_any_port() {
    let app = TestApp::start();
    let ann = app.user("ann");
    let instance = ann.create("fake");
    public_client(&app, "terminal", &["http://127.0.0.1/callback", "terminal://callback"]);
    let browser = Browser::of(&ann);
    let asked = with(request("terminal", &instance), "redirect_uri", "http://127.0.0.1:49152/callback");
    let page = browser.ask(&asked).expect(200);
    assert!(page.text().contains("a program on the computer that you are using"));
    let policy = page.header("content-security-policy");
    assert!(policy.contains("form-action 'self' http://127.0.0.1:49152"), "{policy}");
    let reply = browser.answer(&page, &[("decision", "allow"), ("access", "call")]);
    assert!(reply.header("location").starts_with("http://127.0.0.1:49152/callback?code="));

    let page = browser.ask(&with(asked, "redirect_uri", "terminal://callback")).expect(200);
    assert!(page.header("content-security-policy").contains("form-action 'self' terminal:"));
    let reply = browser.answer(&page, &[("decision", "deny")]);
    assert!(reply.header("location").starts_with("terminal://callback?error=access_denied"));
}

#[test]
fn who_is_not_signed_in_is_sent_to_the_sign_in_page_and_back() {
    let app = TestApp::start();
    let ann = app.user("ann");
    let instance = ann.create("fake");
    public_client(&app, "editor", &[REDIRECT]);
    let reply = Browser::of_nobody(&app).ask(&request("editor", &instance)).expect(303);
    let next = reply.header("location").strip_prefix("/login?next=").unwrap().to_owned();
    let next: String = url::form_urlencoded::parse(format!("next={next}").as_bytes()).next().unwrap().1.into_owned();
    assert!(next.starts_with("/oauth/authorize?"));
    let page = Browser::of(&ann).open(&next).expect(200);
    assert_eq!(hidden(&page).len(), 2);
    // Pages cannot be shown where none is wanted.
    let quiet = with(request("editor", &instance), "prompt", "none");
    assert_eq!(returned(&Browser::of_nobody(&app).ask(&quiet))["error"], "login_required");
    assert_eq!(returned(&Browser::of(&ann).ask(&quiet))["error"], "consent_required");
}

#[test]
fn clients_of_the_first_revision_find_the_short_paths() {
    let app = TestApp::start();
    let ann = app.user("ann");
    let instance = ann.create("fake");
    public_client(&app, "editor", &[REDIRECT]);
    let browser = Browser::of(&ann);
    let long = browser.ask(&request("editor", &instance)).expect(200);
    let query =
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(request("editor", &instance)).finish();
    let short = browser.open(&format!("/authorize?{query}")).expect(200);
    assert_eq!(hidden(&short).len(), hidden(&long).len());
    let code = &returned(&browser.answer(&short, &[("decision", "allow"), ("access", "call")]))["code"];
    let form =
        [("grant_type", "authorization_code"), ("client_id", "editor"), ("code", code), ("code_verifier", VERIFIER)];
    post(&app, "/token", &form).expect(200);
}

#[test]
fn tokens_survive_a_restart() {
    let mut app = TestApp::start();
    let ann = app.user("ann");
    let instance = ann.create("fake");
    public_client(&app, "editor", &[REDIRECT]);
    let given = access(&app, &Browser::of(&ann), "editor", &instance);
    app.stop();
    app.start_again();
    tools(&instance, &text(&given, "access_token")).expect(200);
    refresh(&app, "editor", &text(&given, "refresh_token"), &[]).expect(200);
}
