//! One's own sign-ins and password, over REST.

use serde_json::{Value, json};

use crate::support::{PASSWORD, TestApp, browser::Browser, text};

fn logins(browser: &Browser) -> Vec<Value> {
    browser.api("GET", "/api/v1/me/logins", &Value::Null).expect(200)["items"].as_array().unwrap().clone()
}

#[test]
fn sign_ins_are_listed_and_ended() {
    TestApp::each(|app| {
        app.client_of("ann@example.org");
        app.client_of("bob@example.org");
        let (one, two, three) = (
            Browser::signed_in(app, "ann@example.org"),
            Browser::signed_in(app, "ann@example.org"),
            Browser::signed_in(app, "ann@example.org"),
        );
        let bob = Browser::signed_in(app, "bob@example.org");
        let listed = logins(&one);
        assert_eq!(listed.len(), 3);
        assert!(listed.iter().all(|login| login["device"] == "Testbrowser/1" && login["address"] == "127.0.0.1"));
        assert_eq!(listed.iter().filter(|login| login["current"] == true).count(), 1);
        let id = |browser: &Browser| {
            let own = logins(browser).into_iter().find(|login| login["current"] == true).unwrap();
            text(&own, "id")
        };
        let (second, bobs) = (id(&two), id(&bob));
        one.api("DELETE", &format!("/api/v1/me/logins/{bobs}"), &Value::Null).refused(404, "not_found");
        one.api("DELETE", &format!("/api/v1/me/logins/{second}"), &Value::Null).expect(204);
        assert!(two.me().is_null() && !three.me().is_null() && !bob.me().is_null());
        let ended = one.api("DELETE", "/api/v1/me/logins", &Value::Null).expect(200);
        assert_eq!(ended["ended"], 1);
        assert!(three.me().is_null() && !one.me().is_null() && !bob.me().is_null());
    });
}

#[test]
fn a_password_is_changed_by_who_knows_it() {
    let app = TestApp::start();
    let token = app.client_of("ann@example.org");
    let (browser, other) = (Browser::signed_in(&app, "ann@example.org"), Browser::signed_in(&app, "ann@example.org"));
    let change = |current: &str, new: &str| {
        browser.api("POST", "/api/v1/me/password", &json!({ "current": current, "new": new }))
    };
    change("wrong password", "a whole new password").refused(401, "wrong_password");
    browser
        .api("POST", "/api/v1/me/password", &json!({ "new": "a whole new password" }))
        .refused(401, "wrong_password");
    change(PASSWORD, "short").refused(400, "validation_failed");
    let body = json!({ "current": PASSWORD, "new": "a whole new password" });
    token.post("/api/v1/me/password", &body).refused(403, "forbidden");
    change(PASSWORD, "a whole new password").expect(204);
    assert!(other.me().is_null() && !browser.me().is_null(), "only this sign-in goes on");
    assert_eq!(Browser::new(&app).sign_in("ann@example.org", PASSWORD).status, 401);
    assert_eq!(Browser::new(&app).sign_in("ann@example.org", "a whole new password").status, 303);
}

#[test]
fn guessing_the_own_password_gets_slow() {
    let app = TestApp::builder().set("login_attempts", "3").start();
    app.client_of("ann@example.org");
    let browser = Browser::signed_in(&app, "ann@example.org");
    let change = |current: &str| {
        browser.api("POST", "/api/v1/me/password", &json!({ "current": current, "new": "a whole new password" }))
    };
    for _ in 0..3 {
        change("wrong password").refused(401, "wrong_password");
    }
    change(PASSWORD).refused(429, "throttled");
}
