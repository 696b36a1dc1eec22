//! Listen streams: what clients of the stateless era hear besides answers.

use std::io::Read as _;

use serde_json::{Value, json};

use crate::support::{
    Instance, TestApp, User,
    mcp::{Stream, error_of},
    procs,
    services::Service,
    stateless::{Post, SUBSCRIPTION_ID, StatelessClient},
    wait_for,
};

const CHILDREN: [&str; 4] = ["old", "old-http", "new", "new-http"];
const WATCHED: &str = "test://watched-resource";

fn app() -> TestApp {
    TestApp::builder()
        .service(Service::conformance("old", "session"))
        .service(Service::conformance_http("old-http", "session"))
        .service(Service::conformance("new", "stateless"))
        .service(Service::conformance_http("new-http", "stateless"))
        .start()
}

fn listens(user: &User) -> Value {
    user.http.get("/health/sessions").expect(200).json()["listens"].clone()
}

#[track_caller]
fn wait_until_listening(user: &User, streams: u64) {
    wait_for("the listen streams", || (listens(user) == streams).then_some(()));
}

/// Opens a listen stream and takes the acknowledgement off it; what is honoured.
#[track_caller]
fn listen(client: &StatelessClient, id: &Value, wanted: &Value) -> (Stream, Value) {
    let stream = client.listen(id, wanted);
    let first = stream.next();
    assert_eq!(first["method"], "notifications/subscriptions/acknowledged", "{first}");
    assert_eq!(first["params"]["_meta"][SUBSCRIPTION_ID], *id, "{first}");
    assert!(first.get("id").is_none(), "{first}");
    (stream, first["params"]["notifications"].clone())
}

/// The method of the next message, which must belong to this subscription.
#[track_caller]
fn heard(stream: &Stream, id: &Value) -> String {
    let note = stream.next();
    assert_eq!(note["params"]["_meta"][SUBSCRIPTION_ID], *id, "{note}");
    note["method"].as_str().unwrap().to_owned()
}

#[test]
fn the_acknowledgement_comes_first_and_only_what_was_asked_for_follows() {
    let app = app();
    let ann = app.user("ann");
    for service in CHILDREN {
        let client = ann.stateless(&ann.create(service));
        for id in [json!("listen:0"), json!(7), json!(0), json!("7")] {
            // Changes of resources are not announced by these children.
            let wanted = json!({ "toolsListChanged": true, "promptsListChanged": false, "resourcesListChanged": true });
            let (stream, honoured) = listen(&client, &id, &wanted);
            assert_eq!(honoured["toolsListChanged"], true, "{service}");
            assert!(honoured["promptsListChanged"] != true, "{service}: {honoured}");
            assert!(honoured["resourcesListChanged"] != true, "{service}: {honoured}");
            client.text("test_trigger_prompt_change", &json!({}));
            client.text("test_trigger_tool_change", &json!({}));
            assert_eq!(heard(&stream, &id), "notifications/tools/list_changed", "{service}");
        }
        wait_until_listening(&ann, 0);
    }
}

#[test]
fn a_filter_is_required() {
    let app = app();
    let ann = app.user("ann");
    for service in CHILDREN {
        let client = ann.stateless(&ann.create(service));
        for params in [json!({}), json!({ "notifications": 7 }), json!({ "notifications": null })] {
            let reply = client.post(&client.message(&json!("l"), "subscriptions/listen", &params)).expect(400);
            assert_eq!(
                (&reply.json()["error"]["code"], &reply.json()["id"]),
                (&json!(-32602), &json!("l")),
                "{service}"
            );
        }
        let (_stream, honoured) = listen(&client, &json!("l"), &json!({}));
        assert_eq!(honoured, json!({}), "{service}");
    }
}

#[test]
fn listeners_with_other_filters_hear_other_things() {
    let app = app();
    let ann = app.user("ann");
    for service in CHILDREN {
        let client = ann.stateless(&ann.create(service));
        // The same id twice: they are two requests all the same.
        let (tools, _) = listen(&client, &json!(1), &json!({ "toolsListChanged": true }));
        let (prompts, _) = listen(&client, &json!(1), &json!({ "promptsListChanged": true }));
        let (all, _) = listen(&client, &json!("all"), &json!({ "toolsListChanged": true, "promptsListChanged": true }));
        assert_eq!(listens(&ann), 3, "{service}");
        for trigger in ["test_trigger_tool_change", "test_trigger_prompt_change", "test_trigger_tool_change"] {
            client.text(trigger, &json!({}));
        }
        let (tool, prompt) = ("notifications/tools/list_changed", "notifications/prompts/list_changed");
        assert_eq!([heard(&tools, &json!(1)), heard(&tools, &json!(1))], [tool, tool], "{service}");
        assert_eq!(heard(&prompts, &json!(1)), prompt, "{service}");
        assert_eq!([0; 3].map(|_| heard(&all, &json!("all"))), [tool, prompt, tool], "{service}");
        drop((tools, prompts, all));
        wait_until_listening(&ann, 0);
    }
}

#[test]
fn a_resource_is_followed_by_both_eras_at_once() {
    let app = app();
    let ann = app.user("ann");
    for service in CHILDREN {
        let instance = ann.create(service);
        let (client, session) = (ann.stateless(&instance), ann.connect(&instance));
        let at_session = session.listen();
        assert_eq!(session.request("resources/subscribe", &json!({ "uri": WATCHED }))["result"], json!({}));
        let wanted = json!({ "resourceSubscriptions": [WATCHED, "test://other"] });
        let (stream, honoured) = listen(&client, &json!("r"), &wanted);
        assert_eq!(honoured["resourceSubscriptions"], wanted["resourceSubscriptions"], "{service}");
        // To a stateless child the session's wish goes as a request of its own.
        let followed = wait_for("the session's subscription", || {
            client.text("test_trigger_resource_change", &json!({}));
            at_session.try_next()
        });
        assert_eq!(followed["params"]["uri"], WATCHED, "{service}");
        assert!(followed["params"]["_meta"].get(SUBSCRIPTION_ID).is_none(), "{service}: {followed}");
        assert_eq!(heard(&stream, &json!("r")), "notifications/resources/updated", "{service}");
    }
}

/// The resources that the child is asked to follow.
fn followed(client: &StatelessClient) -> Vec<String> {
    let mut uris: Vec<String> = serde_json::from_str(&client.text("subscribed", &json!({}))).unwrap();
    uris.sort_unstable();
    uris
}

#[track_caller]
fn wait_until_followed(client: &StatelessClient, expected: &[&str]) {
    wait_for("the subscriptions at the child", || (followed(client) == expected).then_some(()));
}

#[test]
fn the_child_follows_a_resource_once_and_as_long_as_anybody_wants_it() {
    let app = TestApp::start();
    let ann = app.user("ann");
    let instance = ann.create("fake");
    let (client, session) = (ann.stateless(&instance), ann.connect(&instance));
    let wanting = |id: u64, uris: &[&str]| listen(&client, &json!(id), &json!({ "resourceSubscriptions": uris })).0;
    let (one, both) = (wanting(1, &["fake://one", "fake://one"]), wanting(2, &["fake://one", "fake://two"]));
    wait_until_followed(&client, &["fake://one", "fake://two"]);
    drop(both);
    wait_until_listening(&ann, 1);
    wait_until_followed(&client, &["fake://one"]);
    // A session that follows it as well goes first.
    session.request("resources/subscribe", &json!({ "uri": "fake://one" }));
    session.request("resources/unsubscribe", &json!({ "uri": "fake://one" }));
    assert!(followed(&client).contains(&"fake://one".to_owned()));
    session.text("notify_resource", &json!({ "uri": "fake://one" }));
    assert_eq!(heard(&one, &json!(1)), "notifications/resources/updated");
    // A session that follows it as well goes last.
    session.request("resources/subscribe", &json!({ "uri": "fake://one" }));
    drop(one);
    wait_until_listening(&ann, 0);
    let at_session = session.listen();
    client.text("notify_resource", &json!({ "uri": "fake://one" }));
    assert_eq!(at_session.next()["params"]["uri"], "fake://one");
    assert!(followed(&client).contains(&"fake://one".to_owned()));
    session.request("resources/unsubscribe", &json!({ "uri": "fake://one" }));
    wait_until_followed(&client, &[]);
}

#[test]
fn what_was_acknowledged_is_heard_from_then_on() {
    let app = app();
    let ann = app.user("ann");
    for service in CHILDREN {
        let client = ann.stateless(&ann.create(service));
        for round in 0..10 {
            let id = json!(round);
            let wanted = json!({ "resourceSubscriptions": [WATCHED], "toolsListChanged": true });
            let (stream, _) = listen(&client, &id, &wanted);
            client.text("test_trigger_resource_change", &json!({}));
            client.text("test_trigger_tool_change", &json!({}));
            assert_eq!(heard(&stream, &id), "notifications/resources/updated", "{service} {round}");
            assert_eq!(heard(&stream, &id), "notifications/tools/list_changed", "{service} {round}");
        }
    }
}

#[test]
fn no_more_listen_than_allowed_and_who_leaves_makes_room() {
    let app = TestApp::builder().set("max_sessions", 2).start();
    let ann = app.user("ann");
    for service in ["fake", "fake-http"] {
        let client = ann.stateless(&ann.create(service));
        let wanted = json!({ "toolsListChanged": true });
        let (first, second) = (listen(&client, &json!(1), &wanted).0, listen(&client, &json!(2), &wanted).0);
        assert_eq!(listens(&ann), 2, "{service}");
        let params = json!({ "notifications": wanted });
        let refused = client.post(&client.message(&json!(3), "subscriptions/listen", &params)).messages().remove(0);
        assert_eq!((&refused["id"], &refused["error"]["code"]), (&json!(3), &json!(-32603)), "{service}");
        assert!(error_of(&refused).contains("close one first"), "{refused}");
        drop(first);
        wait_until_listening(&ann, 1);
        let third = listen(&client, &json!(3), &wanted).0;
        drop((second, third));
        wait_until_listening(&ann, 0);
    }
}

#[test]
fn streams_that_listen_take_no_place_of_calls() {
    let app = TestApp::builder().set("max_in_flight", 2).start();
    let ann = app.user("ann");
    let instance = ann.create("fake");
    let client = ann.stateless(&instance);
    let streams: Vec<(Value, Stream)> =
        (0..3).map(|id| (json!(id), listen(&client, &json!(id), &json!({ "toolsListChanged": true })).0)).collect();
    let other = ann.connect(&instance);
    assert_eq!(other.echo("there is room"), "there is room");
    other.text("list_changed", &json!({}));
    for (id, stream) in &streams {
        assert_eq!(heard(stream, id), "notifications/tools/list_changed");
    }
}

#[test]
fn a_stream_ends_with_its_child_and_says_so() {
    let app = app();
    let ann = app.user("ann");
    for service in CHILDREN.iter().chain(&["fake", "fake-http"]) {
        let instance = ann.create(service);
        let client = ann.stateless(&instance);
        for id in [json!("listen"), json!(3)] {
            let now = ann.show(&instance.id);
            let (stream, _) = listen(&client, &id, &json!({ "toolsListChanged": true }));
            end(&ann, &now);
            let last = stream.next();
            let expected = json!({ "resultType": "complete", "_meta": { SUBSCRIPTION_ID: id } });
            assert_eq!((&last["id"], &last["result"]), (&id, &expected), "{service}: {last}");
            assert!(stream.ends(), "{service}");
            wait_until_listening(&ann, 0);
        }
    }
}

fn end(user: &User, instance: &Instance) {
    procs::kill(instance.pid());
    user.wait_for_successor(instance);
}

#[test]
fn who_does_not_read_loses_the_stream_and_harms_nobody() {
    let app = TestApp::start();
    let ann = app.user("ann");
    let instance = ann.create("fake");
    let (client, other) = (ann.stateless(&instance), ann.connect(&instance));
    let uri = format!("fake://{}", "x".repeat(2000));
    let params = json!({ "notifications": { "resourceSubscriptions": [uri] } });
    let mut stalled =
        Post::of(&client.message(&json!("stalled"), "subscriptions/listen", &params)).begin(&client.http, &client.url);
    wait_until_listening(&ann, 1);
    // More than any socket takes; the child is read all the same.
    assert_eq!(client.text("notify_resource", &json!({ "uri": uri, "steps": 20_000 })), "announced");
    assert_eq!(other.echo("calls go on"), "calls go on");
    assert_eq!(client.text("echo", &json!({ "text": "in both eras" })), "in both eras");
    // When it reads again, it finds the end, so that it knows that it has missed something.
    let mut text = Vec::new();
    let mut part = [0; 65_536];
    while memchr::memmem::find(&text, b"\"resultType\":\"complete\"").is_none() {
        let read = stalled.read(&mut part).unwrap();
        assert!(read > 0, "the end of the stream is told");
        text.drain(..text.len().saturating_sub(200));
        text.extend_from_slice(&part[..read]);
    }
    wait_until_listening(&ann, 0);
}
