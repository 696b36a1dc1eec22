//! What is special about children that speak HTTP.

use std::thread;

use serde_json::{Value, json};

use crate::support::{
    Builder, Instance, McpClient, TestApp, User,
    http::Reply,
    mcp::{VERSION, call, error_of, initialize, text_of},
    procs,
    services::Service,
    stateless::StatelessClient,
    wait_for,
};

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
    let app = with("plain", &["--no-session"]).start();
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

/// A call of a client without a session, which wants to hear of progress.
fn stateless(client: &McpClient, id: &Value, tool: &str, arguments: &Value) -> Reply {
    let client = StatelessClient::new(&client.http, &client.url);
    let mut request = client.message(id, "tools/call", &json!({ "name": tool, "arguments": arguments }));
    request["params"]["_meta"]["progressToken"] = id.clone();
    client.post(&request)
}

/// What the child has counted.
fn count(ann: &User, instance: &Instance, what: &str) -> u64 {
    ann.http.get(&instance.beside("/api/counts")).expect(200).json()[what].as_u64().unwrap()
}

fn with(name: &str, flags: &[&str]) -> Builder {
    TestApp::builder().service(Service::http(name, flags))
}

#[test]
fn a_child_of_an_older_revision_is_spoken_to_in_it() {
    let app = with("older", &["--only", "2025-06-18"]).start();
    let ann = app.user("ann");
    let instance = ann.create("older");
    let client = ann.connect(&instance);
    assert_eq!(client.hello["result"]["protocolVersion"], VERSION, "what the client and Berth agree on");
    assert_eq!(client.echo("a"), "a");
    let answer = stateless(&client, &json!(1), "echo", &json!({ "text": "b" })).expect(200);
    assert_eq!(text_of(&answer.messages().pop().unwrap()), "b");
    procs::kill(instance.pid());
    ann.wait_for_successor(&instance);
    assert_eq!(client.echo("c"), "c", "in a session that was opened anew");
}

#[test]
fn clients_without_a_session_may_use_the_same_progress_token() {
    let app = TestApp::start();
    let ann = app.user("ann");
    let client = ann.connect(&ann.create("fake-http"));
    thread::scope(|scope| {
        for steps in 20..24 {
            let client = &client;
            scope.spawn(move || {
                let reply = stateless(client, &json!(1), "progress", &json!({ "steps": steps, "ms": 10 })).expect(200);
                let mut messages = reply.messages();
                assert_eq!(text_of(&messages.pop().unwrap()), format!("{steps} steps"));
                assert_eq!(messages.len(), steps);
                assert!(messages.iter().all(|note| note["params"]["progressToken"] == 1), "{messages:?}");
            });
        }
    });
}

#[test]
fn calls_that_find_a_forgotten_session_open_it_anew_once() {
    // Long enough for all of them to find out.
    let app = with("slow-hello", &["--slow-hello", "400"]).start();
    let ann = app.user("ann");
    let instance = ann.create("slow-hello");
    let client = ann.connect(&instance);
    procs::kill(instance.pid());
    let now = ann.wait_for_successor(&instance);
    thread::scope(|scope| {
        for number in 0..8 {
            let client = &client;
            let request = call(&json!(format!("call {number}")), "sleep", &json!({ "ms": 10 }));
            scope.spawn(move || assert_eq!(text_of(&client.ask(&request)), "slept"));
        }
    });
    assert_eq!(count(&ann, &now, "sessions"), 1);
}

#[test]
fn a_client_that_the_child_refuses_is_told_why_and_has_no_session() {
    let app = with("choosy", &["--refuse", "it"]).start();
    let ann = app.user("ann");
    let instance = ann.create("choosy");
    let headers = [("accept", "application/json, text/event-stream"), ("content-type", "application/json")];
    let hello = serde_json::to_vec(&initialize(&json!(7), VERSION)).unwrap();
    let reply = ann.http.send("POST", &instance.url, &headers, Some(&hello)).expect(200);
    assert!(error_of(&reply.json()).contains("clients of this name are not served"), "{}", reply.text());
    assert!(reply.json()["id"] == 7 && !reply.headers.contains_key("mcp-session-id"));
    assert_eq!(count(&ann, &instance, "sessions"), 0, "nor has the child");
}

#[test]
fn a_stream_that_is_refused_for_a_while_is_heard_again() {
    let app = with("flaky", &["--listen", "end,503,503,stay"]).start();
    let ann = app.user("ann");
    let client = ann.connect(&ann.create("flaky"));
    let stream = client.listen();
    wait_for("something that the child says", || {
        client.text("list_changed", &json!({}));
        stream.soon().filter(|note| note["method"] == "notifications/tools/list_changed")
    });
}

#[test]
fn a_stream_that_is_not_offered_any_more_ends_the_clients() {
    let app = with("fading", &["--listen", "end,405"]).start();
    let ann = app.user("ann");
    let client = ann.connect(&ann.create("fading"));
    assert!(client.listen().ends());
    let headers = [("accept", "text/event-stream"), ("mcp-session-id", client.session.as_str())];
    client.http.send("GET", &client.url, &headers, None).expect(405);
}

#[test]
fn a_call_has_one_time_out_whatever_the_child_does_and_the_child_hears_of_it() {
    for flags in [["--tease"].as_slice(), &[]] {
        let app = with("teasing", flags).set("call_timeout_seconds", 1).start();
        let ann = app.user("ann");
        let instance = ann.create("teasing");
        let client = ann.connect(&instance);
        let answer = client.ask(&call(&json!("mine"), "never", &json!({})));
        assert!(error_of(&answer).contains("did not answer within 1 s"), "{answer}");
        let answer = stateless(&client, &json!(1), "never", &json!({})).expect(200).messages().pop().unwrap();
        assert!(error_of(&answer).contains("did not answer within 1 s"), "{answer}");
        wait_for("both to be cancelled", || {
            let cancelled = client.text("cancelled", &json!({}));
            (cancelled.contains("\"mine\"") && cancelled.contains("call-")).then_some(())
        });
        // At 100 ms, 200 ms, 400 ms and so on: many times as many without a pause.
        assert!(count(&ann, &instance, "gets") < 20);
    }
}
