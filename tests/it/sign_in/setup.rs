//! The first administrator.

use std::fs;

use serde_json::Value;

use crate::support::{PASSWORD, TestApp, browser::Browser};

fn control(app: &TestApp) -> Value {
    serde_json::from_slice(&fs::read(app.data().join("control.json")).unwrap()).unwrap()
}

fn setup_link(app: &TestApp) -> Option<String> {
    Some(control(app)["setup_url"].as_str()?.strip_prefix(&app.url).unwrap().to_owned())
}

#[test]
fn the_first_start_gives_a_link_that_makes_one_administrator() {
    for mut app in TestApp::each_backend() {
        let old = setup_link(&app).unwrap();
        assert!(app.log().contains(&old), "the console shows it, too");
        app.stop();
        app.start_again();
        let link = setup_link(&app).unwrap();
        let browser = Browser::new(&app);
        assert_eq!(browser.get(&old).status, 404, "the link of an earlier start");

        assert_eq!(browser.get(&link).status, 200);
        let wrong = browser.submit(&link, &[("email", "root"), ("password", PASSWORD)]);
        assert_eq!((wrong.status, wrong.text.contains(r#"value="root""#)), (400, true), "{}", wrong.text);
        assert_eq!(browser.submit(&link, &[("email", "root@example.org"), ("password", "short")]).status, 400);
        let other = Browser::new(&app);
        other.get(&link);
        let answer = browser.submit(&link, &[("email", "root@example.org"), ("password", PASSWORD)]);
        assert_eq!((answer.status, answer.header("location")), (303, Some("/")), "{}", answer.text);
        assert_eq!(browser.me()["role"], "admin");

        assert_eq!(other.submit(&link, &[("email", "eve@example.org"), ("password", PASSWORD)]).status, 404);
        assert_eq!(Browser::new(&app).get(&link).status, 404);
        app.stop();
        app.start_again();
        assert_eq!(setup_link(&app), None, "there is an account");
    }
}

#[test]
fn the_link_is_dead_when_there_is_an_account() {
    let app = TestApp::start();
    let link = setup_link(&app).unwrap();
    let browser = Browser::new(&app);
    assert_eq!(browser.get(&link).status, 200);
    app.client_of("ann@example.org");
    assert_eq!(browser.submit(&link, &[("email", "eve@example.org"), ("password", PASSWORD)]).status, 404);
    assert_eq!(Browser::new(&app).get(&link).status, 404);
}
