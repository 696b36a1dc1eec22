//! Links in mails: one use, one purpose, a short time.

use std::time::Duration;

use berth::{
    auth::links::mint,
    db::{links, links::Purpose, users},
    domain::time::Timestamp,
};
use serde_json::json;

use crate::support::{
    Answer, PASSWORD, TestApp,
    browser::{Browser, mailed_link, mails},
    wait_for,
};

fn app() -> TestApp {
    let app = TestApp::builder().set("mail", "file").start();
    app.client_of("ann@example.org");
    app
}

#[track_caller]
fn ask(browser: &Browser, kind: &str, email: &str) -> Answer {
    browser.get(if kind == "link" { "/login?next=/api/v1/me" } else { "/login/reset" });
    browser.submit(&format!("/login/{kind}"), &[("email", email)])
}

#[test]
fn a_link_in_a_mail_signs_in_once() {
    let make = || TestApp::builder().set("mail", "file");
    crate::support::Builder::each(make, |app| {
        app.client_of("ann@example.org");
        let answer = ask(&Browser::new(app), "link", "Ann@Example.org");
        assert_eq!(answer.status, 200, "{}", answer.text);
        let link = mailed_link(app, "ann@example.org", 1);
        assert!(link.starts_with("/login/link/") && link.ends_with("?next=%2Fapi%2Fv1%2Fme"), "{link}");

        // What looks through mail only looks.
        for _ in 0..3 {
            assert_eq!(app.client().get(&link).status, 200);
        }
        let browser = Browser::new(app);
        assert!(browser.get(&link).text.contains("Sign in"));
        assert!(browser.me().is_null());
        let post = link.split('?').next().unwrap();
        assert_eq!(browser.submit(post, &[("csrf", "x")]).status, 403);
        let answer = browser.submit(post, &[]);
        assert_eq!((answer.status, answer.header("location")), (303, Some("/api/v1/me")), "{}", answer.text);
        assert_eq!(browser.me()["email"], "ann@example.org");

        let second = Browser::new(app);
        second.get("/login");
        assert_eq!(second.submit(post, &[]).status, 404, "it was used");
        assert_eq!(second.get(&link).status, 404, "it was used");
        assert!(second.me().is_null());
    });
}

#[test]
fn a_forgotten_password_is_replaced_and_all_sign_ins_end() {
    let app = app();
    let before = Browser::signed_in(&app, "ann@example.org");
    assert_eq!(ask(&Browser::new(&app), "reset", "ann@example.org").status, 200);
    let link = mailed_link(&app, "ann@example.org", 1);
    assert!(link.starts_with("/login/reset/"), "{link}");
    let browser = Browser::new(&app);
    assert!(browser.get(&link).text.contains("new-password"));
    let short = browser.submit(&link, &[("password", "short")]);
    assert_eq!(short.status, 400);
    assert!(short.text.contains(r#"role="alert""#), "{}", short.text);
    assert_eq!(browser.submit(&link, &[("password", "a whole new password")]).status, 200);
    assert!(before.me().is_null(), "sign-ins of before have ended");
    assert_eq!(browser.submit(&link, &[("password", "another new password")]).status, 404, "it was used");
    assert_eq!(browser.sign_in("ann@example.org", PASSWORD).status, 401);
    assert_eq!(browser.sign_in("ann@example.org", "a whole new password").status, 303);
}

#[test]
fn a_link_opens_nothing_else_and_not_for_ever() {
    let app = app();
    let db = app.db();
    let ann = db.read_blocking(|conn| users::by_email(conn, &"ann@example.org".parse().unwrap())).unwrap().id;
    let make = |purpose, ago: u64| {
        let at = Timestamp(Timestamp::now().0 - i64::try_from(ago).unwrap() * 1000);
        let (token, link) = mint(purpose, Some(ann), at).unwrap();
        db.write_blocking(|conn| links::insert(conn, &link)).unwrap();
        token.expose().to_owned()
    };
    let status = |path: String| Browser::new(&app).get(&path).status;
    let (magic, reset) = (make(Purpose::Magic, 0), make(Purpose::Reset, 0));
    assert_eq!(status(format!("/login/link/{magic}")), 200);
    assert_eq!(status(format!("/login/reset/{magic}")), 404);
    assert_eq!(status(format!("/setup/{magic}")), 404);
    assert_eq!(status(format!("/login/link/{reset}")), 404);
    assert_eq!(status(format!("/login/reset/{reset}")), 200);
    for (purpose, path, minutes) in [(Purpose::Magic, "link", 15), (Purpose::Reset, "reset", 30)] {
        let seconds = Duration::from_secs(minutes * 60).as_secs();
        assert_eq!(status(format!("/login/{path}/{}", make(purpose, seconds - 30))), 200, "{path}");
        let old = make(purpose, seconds + 1);
        assert_eq!(status(format!("/login/{path}/{old}")), 404, "{path}");
        let browser = Browser::new(&app);
        browser.get("/login");
        let answer = browser.submit(&format!("/login/{path}/{old}"), &[("password", "a whole new password")]);
        assert_eq!(answer.status, 404, "{path}");
    }
    app.cli(&["user", "disable", "ann@example.org"], "");
    let browser = Browser::new(&app);
    browser.get(&format!("/login/link/{magic}"));
    assert_eq!(browser.submit(&format!("/login/link/{magic}"), &[]).status, 403, "the account is disabled");
}

#[test]
fn nobody_learns_who_has_an_account() {
    let app = app();
    for kind in ["link", "reset"] {
        let known = ask(&Browser::from(&app, "10.0.0.1"), kind, "ann@example.org");
        let unknown = ask(&Browser::from(&app, "10.0.0.2"), kind, "bob@example.org");
        let nonsense = ask(&Browser::from(&app, "10.0.0.3"), kind, "no address");
        assert_eq!(known.status, 200);
        assert_eq!((known.status, &known.text), (unknown.status, &unknown.text));
        assert_eq!((known.status, &known.text), (nonsense.status, &nonsense.text));
        let api = |email: &str| app.client().post(&format!("/api/v1/auth/{kind}"), &json!({ "email": email }));
        assert_eq!(api("ann@example.org").expect(202), api("bob@example.org").expect(202));
    }
    wait_for("Ann's mails", || (mails(&app, "ann@example.org").len() == 4).then_some(()));
    assert_eq!(mails(&app, "bob@example.org").len(), 0);
    assert!(!app.log().contains("/login/link/"), "links are not logged");
}

#[test]
fn without_mail_nothing_is_offered_that_needs_it() {
    let app = TestApp::builder().set("mail", "off").start();
    app.client_of("ann@example.org");
    let browser = Browser::new(&app);
    assert!(!browser.get("/login").text.contains("/login/link"));
    assert_eq!(browser.submit("/login/link", &[("email", "ann@example.org")]).status, 409);
    app.client().post("/api/v1/auth/link", &json!({ "email": "ann@example.org" })).refused(409, "conflict");
}

#[test]
fn the_command_line_prints_a_link() {
    let app = app();
    let url = app.cli(&["user", "link", "ann@example.org"], "");
    let path = url.strip_prefix(&app.url).unwrap();
    let browser = Browser::new(&app);
    assert_eq!(browser.get(path).status, 200);
    assert_eq!(browser.submit(path, &[]).status, 303);
    assert_eq!(browser.me()["email"], "ann@example.org");
}
