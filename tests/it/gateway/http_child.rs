//! What is special about children that speak HTTP.

use serde_json::json;

use crate::support::{TestApp, mcp::error_of, procs, wait_for};

#[test]
fn a_session_outlives_the_child() {
    let app = TestApp::start();
    let ann = app.user("ann");
    let instance = ann.create("fake-http");
    let client = ann.connect(&instance);
    client.text("set", &json!({ "key": "k", "value": "v" }));
    procs::kill(instance.pid());
    let now = ann.wait_for_successor(&instance);
    assert_eq!(client.text("get", &json!({ "key": "k" })), "null", "a new child");
    assert_eq!(now.port(), instance.port(), "on the same port");
    assert_eq!(client.echo("the same session"), "the same session");
}

#[test]
fn waiting_callers_of_a_dead_child_are_answered() {
    let app = TestApp::start();
    let ann = app.user("ann");
    let instance = ann.create("fake-http");
    let client = ann.connect(&instance);
    let words = error_of(&client.call("crash", &json!({ "code": 3 })));
    assert!(!words.is_empty());
    let stream = {
        ann.wait_for_successor(&instance);
        client.long_call(&json!(1))
    };
    let now = ann.show(&instance.id);
    procs::kill(now.pid());
    assert!(stream.ends(), "the stream of a dead child");
    ann.wait_for_successor(&now);
    assert_eq!(client.echo("back"), "back");
}

#[test]
fn a_child_without_sessions_of_its_own_works_too() {
    let app = TestApp::builder().service(crate::support::services::Service::http("plain", &["--no-session"])).start();
    let ann = app.user("ann");
    let instance = ann.create("plain");
    let (a, b) = (ann.connect(&instance), ann.connect(&instance));
    assert_ne!(a.session, b.session);
    assert_eq!(a.echo("a"), "a");
    a.close();
    assert_eq!(b.echo("b"), "b");
    a.post(&json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" })).expect(404);
}

#[test]
fn an_open_stream_hears_the_next_child_too() {
    let app = TestApp::start();
    let ann = app.user("ann");
    let instance = ann.create("fake-http");
    let client = ann.connect(&instance);
    let stream = client.listen();
    procs::kill(instance.pid());
    ann.wait_for_successor(&instance);
    // The new child is listened to as soon as it is there, but not before the instance shows it.
    wait_for("something that the new child says", || {
        client.text("list_changed", &json!({}));
        stream.soon().filter(|note| note["method"] == "notifications/tools/list_changed")
    });
}
