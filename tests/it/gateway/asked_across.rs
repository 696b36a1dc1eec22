//! Questions that cross the eras: clients with sessions on a stateless child, and clients of both eras
//! at once on a child that says nothing of whom it asks.

use std::thread;

use serde_json::{Value, json};

use crate::support::{
    TestApp, User,
    mcp::{call, text_of},
    raw::{RawClient, RawStream},
    services::Service,
    stateless::StatelessClient,
    wait_for,
};

const LATEST: &str = "2025-11-25";

fn app() -> TestApp {
    TestApp::builder()
        .service(Service::conformance("new", "stateless"))
        .service(Service::conformance_http("new-http", "stateless"))
        .start()
}

fn able(user: &User, service: &str) -> RawClient {
    let instance = user.create(service);
    RawClient::open(user, &instance, LATEST, &json!({ "elicitation": {}, "sampling": {}, "roots": {} }))
}

/// The next message on the stream.
#[track_caller]
fn message(stream: &mut RawStream) -> Value {
    std::iter::from_fn(|| stream.try_next()).find(|event| !event.data.is_empty()).expect("a message").json()
}

fn answer(client: &RawClient, asked: &Value, result: &Value) {
    client.post(&json!({ "jsonrpc": "2.0", "id": asked["id"], "result": result })).expect(202);
}

fn input(asked: &Value) -> Value {
    match asked["method"].as_str().unwrap() {
        "elicitation/create" => json!({ "action": "accept", "content": { "name": "Ann", "color": "red" } }),
        "sampling/createMessage" => {
            json!({ "role": "assistant", "model": "m", "content": { "type": "text", "text": "Hi" } })
        }
        _ => json!({ "roots": [] }),
    }
}

#[test]
fn a_stateless_child_asks_a_client_with_a_session() {
    let app = app();
    let ann = app.user("ann");
    for service in ["new", "new-http"] {
        let client = able(&ann, service);
        let cases = [
            ("test_input_required_result_elicitation", 1, "Hello, Ann!"),
            ("test_input_required_result_multiple_inputs", 3, "LLM response: Hi"),
            ("test_input_required_result_multi_round", 2, r#"content={"color":"red","name":"Ann"}"#),
        ];
        for (tool, questions, expected) in cases {
            let mut stream = client.stream(&call(&json!("call"), tool, &json!({})));
            let mut ids = Vec::new();
            for _ in 0..questions {
                let asked = message(&mut stream);
                assert!(asked["method"].is_string() && !ids.contains(&asked["id"]), "{service} {tool}: {asked}");
                answer(&client, &asked, &input(&asked));
                ids.push(asked["id"].clone());
            }
            let told = message(&mut stream);
            assert_eq!(told["id"], "call");
            assert!(text_of(&told).contains(expected), "{service} {tool}: {told}");
            assert!(stream.try_next().is_none());
        }
    }
}

#[test]
fn a_client_that_fails_to_answer_ends_the_call_with_its_error() {
    let app = app();
    let ann = app.user("ann");
    for service in ["new", "new-http"] {
        let client = able(&ann, service);
        let mut stream = client.stream(&call(&json!(1), "test_input_required_result_elicitation", &json!({})));
        let asked = message(&mut stream);
        let error = json!({ "code": -1, "message": "User rejected", "data": { "a": 1 } });
        client.post(&json!({ "jsonrpc": "2.0", "id": asked["id"], "error": error })).expect(202);
        let told = message(&mut stream);
        assert_eq!((&told["id"], &told["error"]), (&json!(1), &error), "{service}");
        // A person who declines has answered.
        let mut stream = client.stream(&call(&json!(2), "test_input_required_result_elicitation", &json!({})));
        let asked = message(&mut stream);
        answer(&client, &asked, &json!({ "action": "decline" }));
        assert_eq!(text_of(&message(&mut stream)), "Hello, nobody!");
    }
}

#[test]
fn a_call_that_waits_for_its_client_is_cancelled_by_notification() {
    let app = app();
    let ann = app.user("ann");
    for service in ["new", "new-http"] {
        let client = able(&ann, service);
        let mut stream = client.stream(&call(&json!("c"), "test_input_required_result_elicitation", &json!({})));
        let asked = message(&mut stream);
        let cancel = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": "c" } });
        client.post(&cancel).expect(202);
        let rest = stream.rest();
        let results = rest.iter().filter(|event| event.data.contains("\"result\"")).count();
        assert_eq!(results, 0, "{service}: {rest:?}");
        // Its answer comes too late for anything.
        answer(&client, &asked, &input(&asked));
        let reply = client.post(&call(&json!(3), "test_simple_text", &json!({}))).expect(200);
        assert_eq!(reply.messages().pop().unwrap()["id"], 3);
    }
}

#[test]
fn what_a_client_with_a_session_cannot_do_it_is_not_asked() {
    let app = app();
    let ann = app.user("ann");
    for service in ["new", "new-http"] {
        let client = RawClient::open(&ann, &ann.create(service), LATEST, &json!({}));
        let reply = client.post(&call(&json!(1), "test_missing_capability", &json!({}))).expect(200);
        assert_eq!(reply.messages()[0]["error"]["code"], -32021, "{service}");
    }
}

const ASK: fn() -> Value = || json!({ "method": "roots/list" });

fn roots(name: &str) -> Value {
    json!({ "roots": [{ "uri": format!("file:///{name}") }] })
}

/// One question to a client without a session, answered under its own name.
#[track_caller]
fn ask_stateless(client: &StatelessClient, name: &str) {
    let asked = client.call("ask", &ASK());
    let requests = asked["result"]["inputRequests"].as_object().unwrap_or_else(|| panic!("{name}: {asked}"));
    let key = requests.keys().next().unwrap();
    let done = client.retry("ask", &ASK(), &asked["result"]["requestState"], &json!({ key: roots(name) }));
    assert_eq!(text_of(&done), roots(name).to_string());
}

/// One question to a client with a session, answered under its own name.
#[track_caller]
fn ask_session(client: &RawClient, name: &str) {
    let mut stream = client.stream(&call(&json!(1), "ask", &ASK()));
    let asked = message(&mut stream);
    assert_eq!(asked["method"], "roots/list", "{name}: {asked}");
    answer(client, &asked, &roots(name));
    assert_eq!(text_of(&message(&mut stream)), roots(name).to_string());
}

#[test]
fn each_is_asked_what_its_own_call_wants_to_know() {
    const ROUNDS: usize = 5;
    let app = TestApp::start();
    let ann = app.user("ann");
    for service in ["fake", "fake-http"] {
        let instance = ann.create(service);
        let capabilities = json!({ "roots": {} });
        let stateless = || ann.fresh().stateless(&instance).declaring(capabilities.clone());
        let session = || RawClient::open(&ann.fresh(), &instance, LATEST, &capabilities);
        // From the first question on it is known that this tool asks.
        ask_stateless(&stateless(), "first");
        let (stateless, sessions) = ([stateless(), stateless()], [session(), session()]);
        thread::scope(|scope| {
            for (number, client) in stateless.iter().enumerate() {
                scope.spawn(move || {
                    (0..ROUNDS).for_each(|round| ask_stateless(client, &format!("stateless {number}/{round}")));
                });
            }
            for (number, client) in sessions.iter().enumerate() {
                scope.spawn(move || {
                    (0..ROUNDS).for_each(|round| ask_session(client, &format!("session {number}/{round}")));
                });
            }
        });
        wait_for("nothing to be left", || {
            let seen = ann.http.get("/health/sessions").expect(200).json();
            (seen["parked"] == 0 && seen["in_flight"] == 0).then_some(())
        });
    }
}
