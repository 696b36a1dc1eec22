//! The GET stream: what belongs to no request goes to whom it concerns.

use serde_json::{Value, json};

use crate::support::TestApp;

fn is_fence(message: &Value) -> bool {
    message["method"] == "notifications/message"
}

fn updates(messages: &[Value]) -> Vec<&str> {
    let updated = messages.iter().filter(|message| message["method"] == "notifications/resources/updated");
    updated.map(|message| message["params"]["uri"].as_str().unwrap()).collect()
}

#[test]
fn updates_go_to_the_sessions_that_follow_the_resource() {
    let app = TestApp::start();
    let ann = app.user("ann");
    let instance = ann.create("fake");
    let (a, b, c) = (ann.connect(&instance), ann.connect(&instance), ann.connect(&instance));
    let (at_a, at_b) = (a.listen(), b.listen());
    let uri = |name: &str| json!({ "uri": format!("fake://{name}") });
    for (client, name) in [(&a, "one"), (&b, "two"), (&a, "three"), (&b, "three")] {
        assert!(client.request("resources/subscribe", &uri(name))["result"].is_object());
    }
    for name in ["one", "two", "three"] {
        c.text("notify_resource", &uri(name));
    }
    // The one that leaves must not take the other's subscription with it.
    assert!(a.request("resources/unsubscribe", &uri("three"))["result"].is_object());
    c.text("notify_resource", &uri("three"));
    c.text("log", &json!({ "text": "fence" }));
    assert_eq!(updates(&at_a.until(is_fence)), ["fake://one", "fake://three"]);
    assert_eq!(updates(&at_b.until(is_fence)), ["fake://two", "fake://three", "fake://three"]);
}

#[test]
fn what_concerns_everyone_goes_to_everyone_once() {
    let app = TestApp::start();
    let ann = app.user("ann");
    let (instance, elsewhere) = (ann.create("fake"), ann.create("fake"));
    let clients = [ann.connect(&instance), ann.connect(&instance)];
    let far = ann.connect(&elsewhere);
    let streams = [clients[0].listen(), clients[1].listen()];
    let unconcerned = far.listen();
    clients[0].text("list_changed", &json!({}));
    clients[1].text("log", &json!({ "text": "fence" }));
    for stream in &streams {
        let methods: Vec<Value> = stream.until(is_fence).iter().map(|message| message["method"].clone()).collect();
        assert_eq!(methods, ["notifications/tools/list_changed", "notifications/message"]);
    }
    far.text("log", &json!({ "text": "of its own" }));
    assert_eq!(unconcerned.next()["params"]["data"], "of its own");
}

#[test]
fn one_stream_per_session() {
    let app = TestApp::start();
    let ann = app.user("ann");
    let client = ann.connect(&ann.create("fake"));
    let stream = client.listen();
    let headers = [("accept", "text/event-stream"), ("mcp-session-id", client.session.as_str())];
    client.http.send("GET", &client.url, &headers, None).expect(409);
    client.text("log", &json!({ "text": "the first stream lives" }));
    assert_eq!(stream.next()["params"]["data"], "the first stream lives");
    let wrong = [("accept", "application/json"), ("mcp-session-id", client.session.as_str())];
    client.http.send("GET", &client.url, &wrong, None).expect(406);
    // The stream ends with its session.
    client.close();
    assert!(stream.ends(), "the stream of an ended session");
}

#[test]
fn subscriptions_outlive_the_child() {
    let app = TestApp::start();
    let ann = app.user("ann");
    let instance = ann.create("fake");
    let client = ann.connect(&instance);
    let stream = client.listen();
    client.request("resources/subscribe", &json!({ "uri": "fake://one" }));
    crate::support::procs::kill(instance.pid());
    ann.wait_for_successor(&instance);
    assert_eq!(client.text("subscribed", &json!({})), r#"["fake://one"]"#);
    client.text("notify_resource", &json!({ "uri": "fake://one" }));
    let seen = stream.until(|message| message["method"] == "notifications/resources/updated");
    assert_eq!(updates(&seen), ["fake://one"]);
}

#[test]
fn an_http_childs_stream_is_handed_on() {
    let app = TestApp::start();
    let ann = app.user("ann");
    let client = ann.connect(&ann.create("fake-http"));
    let stream = client.listen();
    client.text("list_changed", &json!({}));
    assert_eq!(stream.next()["method"], "notifications/tools/list_changed");
}
