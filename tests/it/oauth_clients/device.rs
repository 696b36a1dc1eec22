//! The device flow: codes, the page, polling.

use serde_json::{Value, json};

use super::{actions, register, text};
use crate::support::{
    TestApp,
    http::{Http, Reply},
    oauth::{Browser, post, refresh, refused, tools},
    user::{Instance, User},
};

const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

struct World<'a> {
    app: &'a TestApp,
    ann: User,
    instance: Instance,
    client: String,
}

fn world(app: &TestApp) -> World<'_> {
    let ann = app.user("ann");
    let instance = ann.create("fake");
    let metadata = json!({ "client_name": "Terminal", "grant_types": [GRANT], "token_endpoint_auth_method": "none" });
    World { app, ann, instance, client: text(&register(app, &metadata), "client_id") }
}

impl World<'_> {
    fn begin(&self, scope: &str) -> Value {
        let form = [("client_id", self.client.as_str()), ("resource", &self.instance.url), ("scope", scope)];
        post(self.app, "/oauth/device", &form).expect(200).json()
    }

    fn poll(&self, device: &Value) -> Reply {
        let code = text(device, "device_code");
        post(self.app, "/oauth/token", &[("grant_type", GRANT), ("client_id", &self.client), ("device_code", &code)])
    }

    /// The cookie of a sign-in, and its CSRF token.
    fn sign_in(&self, user: &User) -> (String, String) {
        let http = Http::new(&self.app.url, None);
        let body = json!({ "email": user.email, "password": crate::support::PASSWORD });
        let reply = http.post("/api/v1/auth/login", &body).expect(200);
        (reply.header("set-cookie").split(';').next().unwrap().to_owned(), text(&reply.json(), "csrf_token"))
    }

    fn submit(&self, (cookie, csrf): &(String, String), form: &[(&str, &str)]) -> Reply {
        let form = [&[("csrf", csrf.as_str())], form].concat();
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let headers = [("cookie", cookie.as_str()), ("content-type", "application/x-www-form-urlencoded")];
        Http::new(&self.app.url, None).send("POST", "/device", &headers, Some(body.as_bytes()))
    }
}

#[test]
fn a_device_is_let_in_by_its_user() {
    TestApp::each(|app| {
        let world = world(app);
        let device = world.begin("");
        let code = text(&device, "user_code");
        assert!(code.len() == 9 && code.chars().all(|c| c == '-' || "BCDFGHJKLMNPQRSTVWXZ".contains(c)), "{code}");
        assert_eq!((&device["expires_in"], &device["interval"]), (&json!(600), &json!(5)));
        assert_eq!(text(&device, "verification_uri"), format!("{}/device", app.url));
        let complete = text(&device, "verification_uri_complete");
        refused(&world.poll(&device), 400, "authorization_pending");
        let slower = refused(&world.poll(&device), 400, "slow_down");
        assert!(slower.contains("10 s"), "{slower}");
        // Nobody is signed in: to the sign-in page, and back with the code.
        let away = Http::new(&app.url, None).get(&complete).expect(303);
        assert!(away.header("location").contains("/login?next="), "{}", away.header("location"));
        let browser = Browser::of(&world.ann);
        let page = browser.open(complete.trim_start_matches(&app.url)).expect(200).text();
        assert!(page.contains(&code) && !page.contains("Allow"), "{page}");
        let ann = world.sign_in(&world.ann);
        let question = world.submit(&ann, &[("user_code", &code.to_lowercase().replace('-', " "))]).expect(200);
        assert!(question.text().contains("Terminal") && question.text().contains("fake ("), "{}", question.text());
        assert_eq!(question.header("x-frame-options"), "DENY");
        world.submit(&ann, &[("user_code", &code), ("decision", "allow"), ("access", "asked")]).expect(200);
        let tokens = world.poll(&device).expect(200).json();
        tools(&world.instance, &text(&tokens, "access_token")).expect(200);
        refused(&world.poll(&device), 400, "invalid_grant");
        let next = refresh(app, &world.client, &text(&tokens, "refresh_token"), &[]).expect(200).json();
        tools(&world.instance, &text(&next, "access_token")).expect(200);
        assert!(actions(app).contains(&"oauth.device_allow".to_owned()));
        world.submit(&ann, &[("user_code", &code), ("decision", "allow")]).expect(400);
    });
}

#[test]
fn the_user_may_say_no_or_less() {
    let app = TestApp::start();
    let world = world(&app);
    let ann = world.sign_in(&world.ann);
    let (denied, narrowed) = (world.begin(""), world.begin("mcp:read mcp:call"));
    world.submit(&ann, &[("user_code", &text(&denied, "user_code")), ("decision", "deny")]).expect(200);
    refused(&world.poll(&denied), 400, "access_denied");
    let code = text(&narrowed, "user_code");
    world.submit(&ann, &[("user_code", &code), ("decision", "allow"), ("access", "read")]).expect(200);
    assert_eq!(world.poll(&narrowed).expect(200).json()["scope"], "mcp:read");
    assert!(actions(&app).contains(&"oauth.device_deny".to_owned()));
}

#[test]
fn codes_belong_to_one_client_and_one_user() {
    let app = TestApp::start();
    let world = world(&app);
    let device = world.begin("");
    let (code, secret) = (text(&device, "user_code"), text(&device, "device_code"));
    // Another client with the device's code.
    let other = register(&app, &json!({ "grant_types": [GRANT], "token_endpoint_auth_method": "none" }));
    let form = [("grant_type", GRANT), ("client_id", &text(&other, "client_id")), ("device_code", &secret)];
    refused(&post(&app, "/oauth/token", &form), 400, "invalid_grant");
    // Somebody else than the instance's owner; a page of another origin; without the page's own mark.
    let bob = app.user("bob");
    let stranger = world.sign_in(&bob);
    world.submit(&stranger, &[("user_code", &code), ("decision", "allow")]).expect(400);
    let (cookie, _) = world.sign_in(&world.ann);
    world.submit(&(cookie, "x".to_owned()), &[("user_code", &code), ("decision", "allow")]).expect(403);
    refused(&world.poll(&device), 400, "authorization_pending");
    // A client that may not do this, and one that names no instance.
    let browser_only =
        register(&app, &json!({ "redirect_uris": ["https://a.example/cb"], "token_endpoint_auth_method": "none" }));
    let form = [("client_id", text(&browser_only, "client_id")), ("resource", world.instance.url.clone())];
    let form = form.each_ref().map(|(name, value)| (*name, value.as_str()));
    refused(&post(&app, "/oauth/device", &form), 400, "unauthorized_client");
    refused(&post(&app, "/oauth/device", &[("client_id", &world.client)]), 400, "invalid_target");
}

#[test]
fn guessing_is_throttled() {
    let app = TestApp::builder().set("login_attempts", 3).start();
    let world = world(&app);
    let code = text(&world.begin(""), "user_code");
    let ann = world.sign_in(&world.ann);
    for _ in 0..3 {
        world.submit(&ann, &[("user_code", "BBBB-BBBB")]).expect(400);
    }
    world.submit(&ann, &[("user_code", &code)]).expect(429);
}
