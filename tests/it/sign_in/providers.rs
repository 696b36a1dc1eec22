//! Signing in with another provider: a real one in all but name, which also misbehaves.

use serde_json::{Value, json};

use crate::support::{
    Answer, Builder, PASSWORD, TestApp,
    browser::Browser,
    oidc::{Oidc, Trouble},
};

fn with(oidc: &Oidc, further: &Value) -> Builder {
    TestApp::builder().set("allow_private_targets", "127.0.0.1").set("oidc", oidc.setting(further).as_str())
}

/// There; the URL by which the provider sends the browser back.
#[track_caller]
fn there(browser: &Browser, oidc: &Oidc) -> String {
    let answer = browser.get("/login/oidc/corp?next=/api/v1/me");
    assert_eq!(answer.status, 303, "{}", answer.text);
    oidc.visit(answer.header("location").unwrap())
}

/// There and back.
#[track_caller]
fn journey(browser: &Browser, oidc: &Oidc) -> Answer {
    let back = there(browser, oidc);
    browser.get(&back)
}

#[test]
fn an_account_is_found_by_verified_mail_and_then_by_who_it_is() {
    let oidc = Oidc::start();
    Builder::each(
        || with(&oidc, &json!({ "display_name": "Corp & Co" })),
        |app| {
            oidc.is("s-1", "Ann@example.org", true);
            app.client_of("ann@example.org");
            let browser = Browser::new(app);
            let page = browser.get("/login?next=/api/v1/me").text;
            assert!(page.contains("Sign in with Corp &amp; Co"), "{page}");
            assert!(page.contains("/login/oidc/corp?next=%2Fapi%2Fv1%2Fme"), "{page}");
            let answer = journey(&browser, &oidc);
            assert_eq!((answer.status, answer.header("location")), (303, Some("/api/v1/me")), "{}", answer.text);
            assert_eq!(
                (&browser.me()["email"], &browser.me()["providers"]),
                (&json!("ann@example.org"), &json!(["corp"]))
            );
            assert_eq!(browser.cookie("berth_provider"), None, "it has done its work");

            // The address has changed there; the person has not.
            oidc.is("s-1", "ann.married@example.org", false);
            let browser = Browser::new(app);
            assert_eq!(journey(&browser, &oidc).status, 303);
            assert_eq!(browser.me()["email"], "ann@example.org");
            app.cli(&["user", "disable", "ann@example.org"], "");
            assert_eq!(journey(&Browser::new(app), &oidc).status, 403, "disabled");
        },
    );
    assert!(oidc.discoveries() <= 2, "asked once per Berth, not per sign-in");
}

#[test]
fn an_address_that_is_not_verified_opens_nothing() {
    let oidc = Oidc::start();
    let app = with(&oidc, &json!({ "allow_sign_up": true })).start();
    app.client_of("ann@example.org");
    oidc.is("s-2", "ann@example.org", false);
    let browser = Browser::new(&app);
    let answer = journey(&browser, &oidc);
    assert_eq!((answer.status, answer.text.contains("not verified")), (403, true), "{}", answer.text);
    oidc.is("s-2", "new@example.org", false);
    assert_eq!(journey(&browser, &oidc).status, 403);
    assert!(browser.me().is_null());
}

#[test]
fn accounts_are_made_only_where_that_is_allowed() {
    let oidc = Oidc::start();
    oidc.is("s-3", "new@example.org", true);
    let app = with(&oidc, &json!({})).start();
    app.client_of("ann@example.org");
    assert_eq!(journey(&Browser::new(&app), &oidc).status, 403);
    drop(app);

    let app = with(&oidc, &json!({ "allow_sign_up": true, "allowed_domains": ["example.org"] })).start();
    assert_eq!(journey(&Browser::new(&app), &oidc).status, 403, "the first account is an administrator's");
    let admin = app.admin_client("root@example.org");
    let browser = Browser::new(&app);
    assert_eq!(journey(&browser, &oidc).status, 303);
    assert_eq!((&browser.me()["email"], &browser.me()["role"]), (&json!("new@example.org"), &json!("user")));
    assert_eq!(browser.me()["has_password"], false);
    assert_eq!(Browser::new(&app).sign_in("new@example.org", "").status, 401, "no password is not an empty one");
    for email in ["eve@evil.example", "eve@sub.example.org", "eve@evilexample.org"] {
        oidc.is(email, email, true);
        assert_eq!(journey(&Browser::new(&app), &oidc).status, 403, "{email}");
    }
    let users = admin.get("/api/v1/users").expect(200);
    assert_eq!(users["items"].as_array().unwrap().len(), 2, "{users}");
}

#[test]
fn an_answer_is_taken_once_and_in_the_browser_that_asked() {
    let oidc = Oidc::start();
    let app = with(&oidc, &json!({})).set("login_attempts", "100").start();
    app.client_of("ann@example.org");
    let browser = Browser::new(&app);
    let back = there(&browser, &oidc);
    let other = Browser::new(&app);
    assert_eq!(other.get(&back).status, 403, "a browser that has not asked");
    there(&other, &oidc);
    assert_eq!(other.get(&back).status, 403, "a browser that has asked for another one");
    let carried = browser.cookie("berth_provider").unwrap();
    assert_eq!(browser.get(&back).status, 303);
    browser.set_cookie("berth_provider", &carried);
    assert_eq!(browser.get(&back).status, 403, "taken already");

    let forged = Browser::new(&app);
    there(&forged, &oidc);
    assert_eq!(forged.get("/login/oidc/corp/callback?code=x&state=guessed").status, 403);
    there(&forged, &oidc);
    assert_eq!(forged.get("/login/oidc/corp/callback?code=x").status, 403, "no state at all");
    assert_eq!(Browser::new(&app).get("/login/oidc/nobody").status, 404);
}

#[test]
fn what_a_misbehaving_provider_says_is_not_believed() {
    let oidc = Oidc::start();
    let app = with(&oidc, &json!({})).set("login_attempts", "100").start();
    app.client_of("ann@example.org");
    for trouble in [
        Trouble::WrongNonce,
        Trouble::WrongAudience,
        Trouble::WrongIssuer,
        Trouble::WrongSignature,
        Trouble::Expired,
        Trouble::MixedUp,
        Trouble::Denied,
    ] {
        oidc.misbehaves(trouble);
        let browser = Browser::new(&app);
        let answer = journey(&browser, &oidc);
        assert_eq!(answer.status, 403, "{trouble:?}: {}", answer.text);
        assert!(browser.me().is_null() && browser.cookie("berth_session").is_none(), "{trouble:?}");
        assert!(answer.text.contains(r#"role="alert""#), "{trouble:?}: {}", answer.text);
    }
    oidc.misbehaves(Trouble::None);
    assert_eq!(journey(&Browser::new(&app), &oidc).status, 303);
    oidc.rotates_its_key();
    assert_eq!(journey(&Browser::new(&app), &oidc).status, 303, "with its new key");
}

#[test]
fn a_second_factor_is_asked_for_here_too() {
    let oidc = Oidc::start();
    let app = with(&oidc, &json!({})).start();
    app.client_of("ann@example.org");
    let browser = Browser::signed_in(&app, "ann@example.org");
    let recovery = super::second_factor::enable(&browser).2;
    let browser = Browser::new(&app);
    let step = journey(&browser, &oidc);
    assert_eq!((step.status, step.text.contains("one-time-code")), (200, true), "{}", step.text);
    assert!(browser.me().is_null());
    let answer = browser.submit("/login/code", &[("code", &recovery[0])]);
    assert_eq!((answer.status, answer.header("location")), (303, Some("/api/v1/me")), "{}", answer.text);
}

#[test]
fn a_provider_that_cannot_be_reached_is_told_as_that() {
    let oidc = Oidc::start();
    // Without leave, nothing on this machine is asked.
    let app = TestApp::builder().set("oidc", oidc.setting(&json!({})).as_str()).start();
    app.client_of("ann@example.org");
    assert_eq!(Browser::new(&app).get("/login/oidc/corp").status, 502);
    assert_eq!(oidc.discoveries(), 0);
    assert_eq!(Browser::new(&app).sign_in("ann@example.org", PASSWORD).status, 303, "other ways still work");
}

#[test]
fn bad_answers_get_slow() {
    let oidc = Oidc::start();
    let app = with(&oidc, &json!({})).set("login_attempts", "3").start();
    app.client_of("ann@example.org");
    let browser = Browser::from(&app, "10.0.0.1");
    for _ in 0..3 {
        assert_eq!(browser.get("/login/oidc/corp/callback?code=x&state=y").status, 403);
    }
    assert_eq!(browser.get("/login/oidc/corp/callback?code=x&state=y").status, 429);
    assert_eq!(browser.get("/login/oidc/corp").status, 429);
}
