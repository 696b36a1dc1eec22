//! Signing in with a password: cookie, CSRF, throttle, audit.

use berth::auth::tokens::TokenHash;
use serde_json::json;

use crate::support::{Answer, Client, PASSWORD, TestApp};

fn sign_in(client: &Client, email: &str, password: &str) -> Answer {
    client.post("/api/v1/auth/login", &json!({ "email": email, "password": password }))
}

/// A browser that is signed in: its cookie, and its CSRF token.
fn browser(app: &TestApp, email: &str) -> (Client, String) {
    let answer = sign_in(&app.client(), email, PASSWORD);
    let csrf = answer.expect(200)["csrf_token"].as_str().unwrap().to_owned();
    let cookie = answer.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    (app.client().with("cookie", &cookie), csrf)
}

#[test]
fn a_cookie_reads_and_needs_the_csrf_token_to_change() {
    TestApp::each(|app| {
        app.client_of("ann@example.org");
        let answer = sign_in(&app.client(), "Ann@Example.org", PASSWORD);
        assert_eq!(answer.expect(200)["user"]["email"], "ann@example.org");
        let cookie = answer.header("set-cookie").unwrap();
        for attribute in ["berth_session=", "HttpOnly", "SameSite=Lax", "Path=/"] {
            assert!(cookie.contains(attribute), "{cookie}");
        }
        assert!(!cookie.contains("Secure"), "plain HTTP would never send it back: {cookie}");

        let (browser, csrf) = browser(app, "ann@example.org");
        let me = browser.get("/api/v1/auth/me").expect(200);
        assert_eq!((&me["email"], &me["csrf_token"]), (&json!("ann@example.org"), &json!(csrf)));
        let body = json!({ "service": "fake" });
        browser.post("/api/v1/mcps", &body).refused(403, "csrf_failed");
        browser.with("x-csrf-token", "wrong").post("/api/v1/mcps", &body).refused(403, "csrf_failed");
        browser.with("x-csrf-token", &csrf).post("/api/v1/mcps", &body).expect(201);
    });
}

#[test]
fn signing_out_ends_the_cookie() {
    let app = TestApp::start();
    app.client_of("ann@example.org");
    let (browser, csrf) = browser(&app, "ann@example.org");
    browser.post("/api/v1/auth/logout", &json!({})).refused(403, "csrf_failed");
    browser.with("x-csrf-token", &csrf).post("/api/v1/auth/logout", &json!({})).expect(204);
    browser.get("/api/v1/auth/me").refused(401, "unauthenticated");
}

#[test]
fn a_cookie_is_marked_for_tls_when_the_public_url_is() {
    let app = TestApp::builder().set("public_url", "https://berth.example.org").start();
    app.client_of("ann@example.org");
    let answer = sign_in(&app.client(), "ann@example.org", PASSWORD);
    assert!(answer.header("set-cookie").unwrap().contains("Secure"));
}

#[test]
fn who_is_not_told_apart_from_what() {
    let app = TestApp::start();
    app.client_of("ann@example.org");
    let wrong = sign_in(&app.client(), "ann@example.org", "wrong password").refused(401, "wrong_password");
    let unknown = sign_in(&app.client(), "nobody@example.org", PASSWORD).refused(401, "wrong_password");
    let malformed = sign_in(&app.client(), "not an address", PASSWORD).refused(401, "wrong_password");
    assert_eq!(wrong, unknown);
    assert_eq!(wrong, malformed);
}

#[test]
fn guessing_gets_slow_per_account_and_per_address() {
    let app = TestApp::builder().set("login_attempts", "3").start();
    app.client_of("ann@example.org");
    app.client_of("bob@example.org");
    let from = |address: &str| app.client().with("x-forwarded-for", address);
    for address in ["10.0.0.1", "10.0.0.2", "10.0.0.3"] {
        sign_in(&from(address), "ann@example.org", "wrong password").refused(401, "wrong_password");
    }
    // Ann's account waits, wherever one comes from, even with the right password; Bob's does not.
    let told = sign_in(&from("10.0.0.4"), "ann@example.org", PASSWORD).refused(429, "throttled");
    assert!(told.contains("try again in"), "{told}");
    sign_in(&from("10.0.0.4"), "bob@example.org", PASSWORD).expect(200);
    // One address that tries many accounts waits as well.
    for account in ["x@example.org", "y@example.org", "z@example.org"] {
        sign_in(&from("10.0.0.9"), account, "wrong password").refused(401, "wrong_password");
    }
    sign_in(&from("10.0.0.9"), "bob@example.org", PASSWORD).refused(429, "throttled");
    sign_in(&from("10.0.0.5"), "bob@example.org", PASSWORD).expect(200);
}

#[test]
fn guesses_at_once_find_no_more_than_one_by_one() {
    let app = TestApp::builder().set("login_attempts", "2").start();
    app.client_of("ann@example.org");
    let guess = |password: &str| sign_in(&app.client(), "ann@example.org", password).status;
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let wrong: Vec<_> = (0..12).map(|_| scope.spawn(|| guess("wrong password"))).collect();
        wrong.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let heard = statuses.iter().filter(|status| **status == 401).count();
    // Two workers may each have one answer ready when the count is reached.
    assert!((2..=4).contains(&heard), "{statuses:?}");
    assert_eq!(guess(PASSWORD), 429);
}

#[test]
fn a_disabled_account_is_told_so_only_with_its_password() {
    let app = TestApp::start();
    app.admin_client("root@example.org");
    let ann = app.client_of("ann@example.org");
    let (browser, _) = browser(&app, "ann@example.org");
    ann.get("/api/v1/auth/me").expect(200);
    app.cli(&["user", "disable", "ann@example.org"], "");
    ann.get("/api/v1/auth/me").refused(403, "account_disabled");
    assert!(matches!(browser.get("/api/v1/auth/me").status, 401 | 403));
    sign_in(&app.client(), "ann@example.org", PASSWORD).refused(403, "account_disabled");
    sign_in(&app.client(), "ann@example.org", "wrong password").refused(401, "wrong_password");
    app.cli(&["user", "enable", "ann@example.org"], "");
    ann.get("/api/v1/auth/me").expect(200);
}

#[test]
fn pages_of_other_sites_and_foreign_names_are_refused() {
    let app = TestApp::start();
    let ann = app.client_of("ann@example.org");
    for origin in ["https://evil.example.org", "null", "http://localhost:1"] {
        ann.with("origin", origin).get("/api/v1/auth/me").refused(403, "origin_refused");
        let answer = sign_in(&app.client().with("origin", origin), "ann@example.org", PASSWORD);
        answer.refused(403, "origin_refused");
    }
    ann.with("origin", &app.url).get("/api/v1/auth/me").expect(200);
    ann.with("host", "evil.example.org").get("/api/v1/auth/me").refused(403, "origin_refused");
}

#[test]
fn sign_ins_and_failures_are_audited_without_secrets() {
    TestApp::each(|app| {
        let root = app.admin_client("root@example.org");
        sign_in(&app.client(), "root@example.org", PASSWORD).expect(200);
        sign_in(&app.client(), "root@example.org", "wrong password").refused(401, "wrong_password");
        let log = root.get("/api/v1/audit").expect(200);
        let actions: Vec<&str> =
            log["items"].as_array().unwrap().iter().map(|row| row["action"].as_str().unwrap()).collect();
        assert_eq!(actions, ["auth.login_failed", "auth.login", "token.create", "user.create"]);
        let text = log.to_string();
        for secret in [PASSWORD, "wrong password", root.token(), &TokenHash::of(root.token()).to_hex()] {
            assert!(!text.contains(secret));
        }
        assert!(app.cli(&["audit", "verify"], "").starts_with("intact: 4 entries"));
    });
}
