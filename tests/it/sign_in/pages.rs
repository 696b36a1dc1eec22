//! The sign-in page: what it takes, what it refuses, where it leads.

use crate::support::{PASSWORD, TestApp, browser::Browser};

fn app() -> TestApp {
    let app = TestApp::start();
    app.client_of("ann@example.org");
    app
}

#[test]
fn a_page_signs_in_and_out() {
    TestApp::each(|app| {
        app.client_of("ann@example.org");
        let browser = Browser::new(app);
        let home = browser.get("/");
        assert_eq!((home.status, home.header("location")), (303, Some("/login")));
        let page = browser.get("/login?next=/api/v1/me");
        assert_eq!(page.status, 200);
        for part in [r#"autocomplete="username""#, r#"autocomplete="current-password""#, "<label>", "no-store"] {
            let headers = format!("{:?}", page.headers);
            assert!(page.text.contains(part) || headers.contains(part), "{part}: {}", page.text);
        }
        assert!(!page.text.contains("<script"));
        let answer = browser.submit("/login", &[("email", " Ann@Example.org "), ("password", PASSWORD)]);
        assert_eq!((answer.status, answer.header("location")), (303, Some("/api/v1/me")), "{}", answer.text);
        assert_eq!(browser.me()["email"], "ann@example.org");
        let home = browser.get("/");
        assert_eq!((home.status, home.header("location")), (303, Some("/app/")));
        let again = browser.get("/login?next=/x");
        assert_eq!((again.status, again.header("location")), (303, Some("/x")), "who is signed in is not asked");

        let csrf = browser.me()["csrf_token"].as_str().unwrap().to_owned();
        let cookie = browser.cookie("berth_session").unwrap();
        assert_eq!(browser.submit("/logout", &[("csrf", "wrong")]).status, 403);
        let answer = browser.submit("/logout", &[("csrf", csrf.as_str())]);
        assert_eq!((answer.status, answer.header("location")), (303, Some("/login")));
        assert_eq!(browser.cookie("berth_session"), None);
        browser.set_cookie("berth_session", &cookie);
        assert!(browser.me().is_null(), "the cookie of before is worth nothing");
    });
}

#[test]
fn what_is_wrong_is_said_in_the_page_and_what_was_typed_is_kept() {
    let app = app();
    let browser = Browser::new(&app);
    let wrong = browser.sign_in("ann@example.org", "wrong password");
    let unknown = browser.sign_in("bob@example.org", PASSWORD);
    for (answer, email) in [(&wrong, "ann@example.org"), (&unknown, "bob@example.org")] {
        assert_eq!(answer.status, 401);
        assert!(answer.text.contains(r#"role="alert""#) && answer.text.contains("e-mail or password is wrong"));
        assert!(answer.text.contains(&format!(r#"value="{email}""#)), "{}", answer.text);
        assert!(!answer.text.contains(PASSWORD) && !answer.text.contains("wrong password"));
    }
    let said = browser.sign_in("\"><script>alert(1)</script>", "x").text;
    assert!(!said.contains("<script>"), "{said}");
    app.cli(&["user", "disable", "ann@example.org"], "");
    assert_eq!(browser.sign_in("ann@example.org", "wrong password").status, 401);
    assert_eq!(browser.sign_in("ann@example.org", PASSWORD).status, 403, "who knows the password may know");
}

#[test]
fn it_leads_to_our_own_paths_only() {
    let app = app();
    for (next, leads) in [
        ("/a?b=c", "/a?b=c"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example", "/"),
        ("/\t/evil.example", "/"),
        ("/.//evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("evil", "/"),
    ] {
        let encoded: String = url::form_urlencoded::byte_serialize(next.as_bytes()).collect();
        let browser = Browser::new(&app);
        browser.get(&format!("/login?next={encoded}"));
        let fields = [("email", "ann@example.org"), ("password", PASSWORD)];
        assert_eq!(browser.submit("/login", &fields).header("location"), Some(leads), "{next:?} in the page");
        assert_eq!(browser.get(&format!("/login?next={encoded}")).header("location"), Some(leads), "{next:?} at once");
        let browser = Browser::new(&app);
        browser.get("/login");
        let fields = [("email", "ann@example.org"), ("password", PASSWORD), ("next", next)];
        assert_eq!(browser.submit("/login", &fields).header("location"), Some(leads), "{next:?} in the form");
    }
}

#[test]
fn a_form_of_another_page_is_refused() {
    let app = app();
    let fields = [("email", "ann@example.org"), ("password", PASSWORD)];
    let browser = Browser::new(&app);
    assert_eq!(browser.submit("/login", &[("csrf", "")]).status, 400, "fields are missing");
    assert_eq!(browser.submit("/login", &[("csrf", ""), fields[0], fields[1]]).status, 403, "no cookie");
    browser.get("/login");
    let token = browser.hidden()["csrf"].clone();
    assert_eq!(browser.submit("/login", &[("csrf", "x"), fields[0], fields[1]]).status, 403, "wrong token");
    let other = Browser::new(&app);
    other.get("/login");
    assert_eq!(other.submit("/login", &[("csrf", &token), fields[0], fields[1]]).status, 403, "another's token");
    let body = format!("csrf={token}&email=ann%40example.org&password=x");
    let cookie = format!("berth_form={}", browser.cookie("berth_form").unwrap());
    let client = app.client().with("cookie", &cookie).with("content-type", "application/x-www-form-urlencoded");
    for origin in ["https://evil.example", "null"] {
        assert_eq!(client.with("origin", origin).send("POST", "/login", Some(&body)).status, 403, "{origin}");
    }
    assert_eq!(client.send("POST", "/login", Some(&body)).status, 401, "with the right token it is read");
}

#[test]
fn every_sign_in_has_a_cookie_of_its_own_and_ends_the_one_before() {
    let app = app();
    let browser = Browser::new(&app);
    browser.set_cookie("berth_session", "planted-by-somebody-else");
    browser.sign_in("ann@example.org", PASSWORD);
    let first = browser.cookie("berth_session").unwrap();
    assert_ne!(first, "planted-by-somebody-else");
    // The page is not shown to who is signed in; a form that is open in another tab works all the same.
    let form = Browser::new(&app);
    form.get("/login");
    form.set_cookie("berth_session", &first);
    assert_eq!(form.submit("/login", &[("email", "ann@example.org"), ("password", PASSWORD)]).status, 303);
    let second = form.cookie("berth_session").unwrap();
    assert_ne!(first, second);
    assert!(browser.me().is_null(), "the first is over");
    assert_eq!(form.me()["email"], "ann@example.org");
}

#[test]
fn over_tls_cookies_cannot_be_set_by_other_hosts() {
    let app = TestApp::builder().set("public_url", "https://berth.example.org").start();
    app.client_of("ann@example.org");
    let browser = Browser::new(&app);
    let answer = browser.sign_in("ann@example.org", PASSWORD);
    let cookie = answer.header("set-cookie").unwrap();
    assert!(cookie.starts_with("__Host-berth_session="), "{cookie}");
    for attribute in ["Secure", "HttpOnly", "Path=/", "SameSite=Lax"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    assert!(!cookie.contains("Domain"), "{cookie}");
    assert_eq!(browser.me()["email"], "ann@example.org");
    let value = browser.cookie("__Host-berth_session").unwrap();
    let plain = app.client().with("cookie", &format!("berth_session={value}"));
    assert_eq!(plain.get("/api/v1/me").status, 401, "under the plain name anybody could have set it");
}

#[test]
fn guessing_gets_slow_on_the_page_and_on_links() {
    let app = TestApp::builder().set("login_attempts", "3").set("mail", "file").start();
    app.client_of("ann@example.org");
    let guesser = Browser::from(&app, "10.0.0.1");
    for _ in 0..3 {
        assert_eq!(guesser.sign_in("ann@example.org", "wrong password").status, 401);
    }
    let refused = guesser.sign_in("ann@example.org", PASSWORD);
    assert_eq!(refused.status, 429);
    assert!(refused.header("retry-after").unwrap().parse::<u64>().unwrap() > 60);
    assert_eq!(Browser::from(&app, "10.0.0.2").sign_in("ann@example.org", PASSWORD).status, 429, "the account waits");

    let links = Browser::from(&app, "10.0.0.3");
    for path in ["/login/link/x", "/login/reset/x", "/setup/x"] {
        assert_eq!(links.get(path).status, 404, "{path}");
    }
    assert_eq!(links.get("/login/link/x").status, 429);

    // Mails to one person from many places, and to many from one: whether they exist or not.
    for email in ["bob@example.org", "cid@example.org"] {
        for n in 0..3 {
            let browser = Browser::from(&app, &format!("10.1.0.{n}"));
            browser.get("/login");
            assert_eq!(browser.submit("/login/link", &[("email", email)]).status, 200);
        }
        let browser = Browser::from(&app, "10.2.0.1");
        browser.get("/login");
        assert_eq!(browser.submit("/login/link", &[("email", email)]).status, 429, "{email}");
    }
}
