//! One-time codes: asked for, confirmed, used once, replaced by recovery codes, taken away.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use totp_rs::{Builder, Secret};

use crate::support::{Answer, Client, PASSWORD, TestApp, browser::Browser, text};

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// The code of the step `ahead` of `from`. Codes of this step and the next are good until the next is over.
fn code(secret: &str, from: u64, ahead: u64) -> String {
    let secret = Secret::try_from_base32(secret).unwrap();
    Builder::new().with_secret(secret).build().unwrap().generate(from + 30 * ahead).to_string()
}

/// Turns a second factor on: its secret, when that was, and the recovery codes.
pub(super) fn enable(browser: &Browser) -> (String, u64, Vec<String>) {
    let begun = browser.api("POST", "/api/v1/me/totp", &Value::Null).expect(201);
    let (secret, at) = (text(&begun, "secret"), now());
    assert!(text(&begun, "uri").contains(&secret) && text(&begun, "qr").starts_with("data:image/png;base64,"));
    let body = json!({ "code": code(&secret, at, 0) });
    let confirmed = browser.api("POST", "/api/v1/me/totp/confirm", &body).expect(200);
    let codes = confirmed["recovery_codes"].as_array().unwrap();
    (secret, at, codes.iter().map(|code| code.as_str().unwrap().to_owned()).collect())
}

fn api_sign_in(client: &Client, code: Option<&str>) -> Answer {
    client.post("/api/v1/auth/login", &json!({ "email": "ann@example.org", "password": PASSWORD, "code": code }))
}

#[test]
fn a_code_is_asked_for_and_good_once() {
    TestApp::each(|app| {
        app.client_of("ann@example.org");
        let browser = Browser::signed_in(app, "ann@example.org");
        assert_eq!(browser.me()["totp"], false);
        let (secret, at, _) = enable(&browser);
        assert_eq!(browser.me()["totp"], true);

        let page = Browser::new(app);
        let step = page.sign_in("ann@example.org", PASSWORD);
        assert_eq!((step.status, step.text.contains("one-time-code")), (200, true), "{}", step.text);
        assert!(page.me().is_null() && page.cookie("berth_session").is_none());
        let replayed = page.submit("/login/code", &[("code", &code(&secret, at, 0))]);
        assert_eq!(replayed.status, 401, "the code that has confirmed it is used up");
        assert!(replayed.text.contains(r#"role="alert""#));
        let next = code(&secret, at, 1);
        let answer = page.submit("/login/code", &[("code", &next)]);
        assert_eq!((answer.status, answer.header("location")), (303, Some("/")), "{}", answer.text);
        assert_eq!(page.me()["email"], "ann@example.org");

        let again = Browser::new(app);
        again.sign_in("ann@example.org", PASSWORD);
        assert_eq!(again.submit("/login/code", &[("code", &next)]).status, 401, "used once is used up");
        api_sign_in(&app.client(), None).refused(401, "totp_required");
        api_sign_in(&app.client(), Some(&next)).refused(401, "wrong_code");
    });
}

#[test]
fn the_step_in_between_belongs_to_the_browser_that_took_the_first() {
    let app = TestApp::start();
    app.client_of("ann@example.org");
    let (_, _, recovery) = enable(&Browser::signed_in(&app, "ann@example.org"));
    let first = Browser::new(&app);
    first.sign_in("ann@example.org", PASSWORD);
    let ticket = first.hidden()["ticket"].clone();
    assert!(ticket.starts_with("v1."), "sealed: {ticket}");
    let other = Browser::new(&app);
    other.get("/login");
    let fields = [("ticket", ticket.as_str()), ("code", recovery[0].as_str())];
    assert_eq!(other.submit("/login/code", &fields).status, 401, "another browser");
    assert_eq!(other.submit("/login/code", &[("ticket", "v1.x.y"), fields[1]]).status, 401, "nobody's");
    assert_eq!(first.submit("/login/code", &[("csrf", "x"), fields[1]]).status, 403);
    app.cli(&["user", "disable", "ann@example.org"], "");
    assert_eq!(first.submit("/login/code", &[fields[1]]).status, 403, "disabled in between");
    app.cli(&["user", "enable", "ann@example.org"], "");
    assert_eq!(first.submit("/login/code", &[fields[1]]).status, 303);
}

#[test]
fn recovery_codes_stand_in_once_each() {
    let app = TestApp::start();
    app.client_of("ann@example.org");
    let (_, _, recovery) = enable(&Browser::signed_in(&app, "ann@example.org"));
    assert_eq!(recovery.len(), 10);
    api_sign_in(&app.client(), Some(&recovery[0])).expect(200);
    api_sign_in(&app.client(), Some(&recovery[0])).refused(401, "wrong_code");
    api_sign_in(&app.client(), Some(&recovery[1].to_uppercase().replace('-', " "))).expect(200);
}

#[test]
fn guessing_codes_gets_slow_and_the_password_does_not_forgive_it() {
    let app = TestApp::builder().set("login_attempts", "3").start();
    app.client_of("ann@example.org");
    let (_, _, recovery) = enable(&Browser::signed_in(&app, "ann@example.org"));
    for n in 0..3 {
        let from = app.client().with("x-forwarded-for", &format!("10.0.0.{n}"));
        api_sign_in(&from, Some("000000")).refused(401, "wrong_code");
    }
    let from = app.client().with("x-forwarded-for", "10.0.0.9");
    api_sign_in(&from, Some(&recovery[0])).refused(429, "throttled");
    let page = Browser::from(&app, "10.0.0.10");
    page.sign_in("ann@example.org", PASSWORD);
    assert_eq!(page.submit("/login/code", &[("code", &recovery[0])]).status, 429);
}

#[test]
fn it_is_taken_away_with_password_and_code_or_by_an_administrator() {
    let app = TestApp::start();
    let ann = app.client_of("ann@example.org");
    let admin = app.admin_client("root@example.org");
    let browser = Browser::signed_in(&app, "ann@example.org");
    let remove = |password: &str, code: &str| {
        browser.api("DELETE", "/api/v1/me/totp", &json!({ "password": password, "code": code }))
    };
    browser.api("POST", "/api/v1/me/totp/confirm", &json!({ "code": "000000" })).refused(409, "conflict");
    browser.api("POST", "/api/v1/me/totp", &Value::Null).expect(201);
    browser.api("POST", "/api/v1/me/totp/confirm", &json!({ "code": "000000" })).refused(401, "wrong_code");
    api_sign_in(&app.client(), None).expect(200); // Not confirmed is not in force.
    let (_, _, recovery) = enable(&browser);
    browser.api("POST", "/api/v1/me/totp", &Value::Null).refused(409, "conflict");
    remove("wrong password", &recovery[0]).refused(401, "wrong_password");
    remove(PASSWORD, "000000").refused(401, "wrong_code");
    // A token that was stolen does not shut its owner out.
    ann.post("/api/v1/me/totp", &Value::Null).refused(403, "forbidden");
    ann.post("/api/v1/me/totp/confirm", &json!({ "code": "1" })).refused(403, "forbidden");
    remove(PASSWORD, &recovery[0]).expect(204);
    api_sign_in(&app.client(), None).expect(200);

    let id = text(&browser.me(), "id");
    enable(&browser);
    ann.delete(&format!("/api/v1/users/{id}/totp")).refused(403, "forbidden");
    admin.delete(&format!("/api/v1/users/{id}/totp")).expect(204);
    api_sign_in(&app.client(), None).expect(200);
    enable(&browser);
    app.cli(&["user", "reset-totp", "ann@example.org"], "");
    api_sign_in(&app.client(), None).expect(200);
}
