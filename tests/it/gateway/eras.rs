//! How Berth finds out which era a child speaks, what misbehaves meanwhile, and what is remembered.

use serde_json::json;

use crate::support::{Instance, TestApp, User, services::Service};

/// How often a process of this instance has been started, its probe included.
fn starts(user: &User, instance: &Instance) -> usize {
    user.connect(instance).text("read", &json!({ "path": "starts" })).lines().count()
}

fn restart(user: &User, instance: &Instance) {
    for state in ["stopped", "running"] {
        user.act(&instance.id, "toggle");
        user.wait(&instance.id, state);
    }
}

#[test]
fn a_verdict_is_remembered_even_by_the_next_berth() {
    let mut app = TestApp::builder().fake("counted", &["--starts"]).start();
    let ann = app.user("ann");
    let instance = ann.create("counted");
    assert_eq!(starts(&ann, &instance), 2, "a probe and a start");
    restart(&ann, &instance);
    assert_eq!(starts(&ann, &instance), 3);
    // Another instance of the same service knows as well.
    let second = ann.create("counted");
    assert_eq!(starts(&ann, &second), 1);
    app.stop();
    app.start_again();
    ann.wait(&instance.id, "running");
    assert_eq!(starts(&ann, &instance), 4);
}

#[test]
fn a_child_that_ends_at_the_probe_is_served_in_both_eras() {
    let mut app = TestApp::builder().fake("strict", &["--strict", "--starts"]).start();
    let ann = app.user("ann");
    let instance = ann.create("strict");
    assert_eq!(instance.view["restarts"], 0, "the probed process does not count");
    assert_eq!(ann.connect(&instance).echo("old"), "old");
    let client = ann.stateless(&instance);
    assert_eq!(client.text("echo", &json!({ "text": "new" })), "new");
    let discovered = client.request("server/discover", &json!({}));
    assert_eq!(discovered["result"]["resultType"], "complete", "{discovered}");
    let before = starts(&ann, &instance);
    restart(&ann, &instance);
    assert_eq!(starts(&ann, &instance), before + 1, "not probed again");
    app.stop();
    app.start_again();
    ann.wait(&instance.id, "running");
    assert_eq!(starts(&ann, &instance), before + 2, "nor by the next Berth");
    assert_eq!(ann.show(&instance.id).view["restarts"], 0);
}

#[test]
fn a_child_that_leaves_the_probe_unanswered_is_served_in_both_eras() {
    let app = TestApp::builder().service(Service::stdio("deaf", &["--deaf", "--starts"]).start_seconds(1)).start();
    let ann = app.user("ann");
    let instance = ann.create("deaf");
    assert_eq!(ann.connect(&instance).echo("old"), "old");
    assert_eq!(ann.stateless(&instance).text("echo", &json!({ "text": "new" })), "new");
    restart(&ann, &instance);
    assert_eq!(starts(&ann, &instance), 3, "a probe and two starts");
}

#[test]
fn a_deaf_http_child_is_served_in_both_eras() {
    let app = TestApp::builder().service(Service::http("deaf-http", &["--strict"]).start_seconds(10)).start();
    let ann = app.user("ann");
    let instance = ann.create("deaf-http");
    assert_eq!(ann.connect(&instance).echo("old"), "old");
    assert_eq!(ann.stateless(&instance).text("echo", &json!({ "text": "new" })), "new");
}

#[test]
fn a_child_without_sessions_is_probed_once() {
    let app = TestApp::builder().service(Service::conformance("new", "stateless")).start();
    let ann = app.user("ann");
    let instance = ann.create("new");
    for _ in 0..2 {
        assert_eq!(ann.stateless(&instance).text("greet", &json!({ "name": "Ann" })), "Hello, Ann!");
        assert_eq!(ann.connect(&instance).text("greet", &json!({ "name": "Ann" })), "Hello, Ann!");
        restart(&ann, &instance);
    }
    assert_eq!(ann.show(&instance.id).view["last_error"], json!(null));
}
