//! What it means that a client closes its connection: in the stateless era that nobody wants the answer
//! any more, in the session era nothing.

use serde_json::{Value, json};

use crate::support::{
    TestApp, User,
    mcp::{call, text_of},
    stateless::{Post, StatelessClient},
    wait_for,
};

const SERVICES: [&str; 2] = ["fake", "fake-http"];

fn in_flight(user: &User) -> Value {
    user.http.get("/health/sessions").expect(200).json()["in_flight"].clone()
}

/// Waits until the child works on that many calls.
#[track_caller]
fn wait_until_in_flight(user: &User, calls: u64) {
    wait_for("the calls in flight", || (in_flight(user) == calls).then_some(()));
}

/// The ids that the child was told of, once there are that many.
#[track_caller]
fn cancelled(client: &StatelessClient, count: usize) -> Vec<Value> {
    wait_for("the cancellations", || {
        let seen: Vec<Value> = serde_json::from_str(&client.text("cancelled", &json!({}))).unwrap();
        (seen.len() >= count).then_some(seen)
    })
}

#[test]
fn a_call_whose_client_goes_away_before_any_answer_is_cancelled() {
    let app = TestApp::start();
    let ann = app.user("ann");
    for service in SERVICES {
        let client = ann.stateless(&ann.create(service));
        // Both use the same id.
        let waiting = [json!("mine"), json!("mine")].map(|id| client.begin(&id, "never", &json!({}), &json!({})));
        wait_until_in_flight(&ann, 2);
        let [first, second] = waiting;
        drop(first);
        let one = cancelled(&client, 1);
        wait_until_in_flight(&ann, 1);
        drop(second);
        let both = cancelled(&client, 2);
        wait_until_in_flight(&ann, 0);
        assert!(both.len() == 2 && both[0] == one[0] && both[0] != both[1], "{service}: {both:?}");
        assert!(!both.contains(&json!("mine")), "{service}: the child knows its calls by ids of ours: {both:?}");
    }
}

#[test]
fn a_call_whose_client_goes_away_amid_its_stream_is_cancelled_and_no_other_one() {
    let app = TestApp::start();
    let ann = app.user("ann");
    for service in SERVICES {
        let client = ann.stateless(&ann.create(service));
        let long = |steps: u64| {
            let arguments = json!({ "steps": steps, "ms": 10 });
            let params = json!({ "name": "progress", "arguments": arguments, "_meta": { "progressToken": "t" } });
            let stream = client.stream(&client.message(&json!(1), "tools/call", &params));
            assert_eq!(stream.next()["params"]["progressToken"], "t");
            stream
        };
        let (given_up, kept) = (long(6000), long(30));
        drop(given_up);
        assert_eq!(cancelled(&client, 1).len(), 1, "{service}");
        assert_eq!(text_of(&kept.answer()), "30 steps");
        assert_eq!(cancelled(&client, 1).len(), 1, "{service}");
    }
}

#[test]
fn a_question_whose_client_goes_away_before_it_is_asked_is_cancelled() {
    let app = TestApp::start();
    let ann = app.user("ann");
    for service in SERVICES {
        let client = ann.stateless(&ann.create(service)).declaring(json!({ "roots": {} }));
        let arguments = json!({ "method": "roots/list", "stay": true });
        let answer = client.call("ask", &arguments);
        let (state, asked) = (&answer["result"]["requestState"], &answer["result"]["inputRequests"]);
        let key = asked.as_object().unwrap().keys().next().unwrap();
        // The child is told an error, says nothing more, and the client does not wait for it.
        let input = json!({ key: { "code": 1 } });
        let params = json!({ "name": "ask", "arguments": arguments, "requestState": state, "inputResponses": input });
        let retry = Post::of(&client.message(&json!("again"), "tools/call", &params)).begin(&client.http, &client.url);
        wait_for("the call to go on", || {
            let seen = ann.http.get("/health/sessions").expect(200).json();
            (seen["parked"] == 0 && seen["in_flight"] == 1).then_some(())
        });
        drop(retry);
        wait_until_in_flight(&ann, 0);
        assert_eq!(cancelled(&client, 1).len(), 1, "{service}");
    }
}

#[test]
fn a_client_with_a_session_cancels_by_saying_so_only() {
    let app = TestApp::start();
    let ann = app.user("ann");
    for service in SERVICES {
        let instance = ann.create(service);
        let (client, observer) = (ann.connect(&instance), ann.stateless(&instance));
        let mut request = call(&json!(1), "progress", &json!({ "steps": 20, "ms": 10 }));
        request["params"]["_meta"] = json!({ "progressToken": 1 });
        let streaming = client.stream(&request);
        streaming.next();
        let headers = [
            ("accept", "application/json, text/event-stream"),
            ("content-type", "application/json"),
            ("mcp-session-id", client.session.as_str()),
        ];
        let body = call(&json!(2), "sleep", &json!({ "ms": 200 })).to_string();
        let waiting = client.http.begin_raw(&client.url, &headers, body.as_bytes());
        wait_until_in_flight(&ann, 2);
        drop((streaming, waiting));
        wait_until_in_flight(&ann, 0);
        assert_eq!(observer.text("cancelled", &json!({})), "[]", "{service}");
        assert_eq!(client.echo("the session goes on"), "the session goes on");
    }
}
