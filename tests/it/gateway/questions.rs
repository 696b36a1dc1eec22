//! What a child with sessions asks of clients that have none: `input_required`, and the way back.

use serde_json::{Value, json};

use crate::support::{
    TestApp, User,
    mcp::{error_of, text_of},
    services::Service,
    stateless::StatelessClient,
    wait_for,
};

const SERVICES: [&str; 2] = ["old", "old-http"];
const FAKES: [&str; 2] = ["fake", "fake-http"];

fn app() -> TestApp {
    with_old(TestApp::builder()).start()
}

fn with_old(builder: crate::support::Builder) -> crate::support::Builder {
    builder.service(Service::conformance("old", "session")).service(Service::conformance_http("old-http", "session"))
}

/// A client that can be asked everything.
fn able(user: &User, service: &str) -> StatelessClient {
    user.stateless(&user.create(service)).declaring(everything())
}

fn everything() -> Value {
    json!({ "elicitation": {}, "sampling": {}, "roots": {} })
}

fn name(name: &str) -> Value {
    json!({ "action": "accept", "content": { "name": name } })
}

/// What an answer asks for, by key, and its state.
#[track_caller]
fn asked(answer: &Value) -> (Vec<String>, Value) {
    let result = &answer["result"];
    assert_eq!(result["resultType"], "input_required", "{answer}");
    assert!(result["requestState"].as_str().is_some_and(|state| !state.is_empty()), "{answer}");
    assert!(result.get("content").is_none() && result.get("ttlMs").is_none(), "{answer}");
    let keys = result["inputRequests"].as_object().unwrap().keys().cloned().collect();
    (keys, result["requestState"].clone())
}

/// One question of `fake-mcp`, to which it stays without an answer until it has one; its key and state.
#[track_caller]
fn question(client: &StatelessClient) -> (String, Value) {
    let (mut keys, state) = asked(&client.call("ask", &ASK()));
    (keys.pop().unwrap(), state)
}

const ASK: fn() -> Value = || json!({ "method": "roots/list", "stay": true });

fn parked(user: &User) -> Value {
    user.http.get("/health/sessions").expect(200).json()["parked"].clone()
}

/// The request ids that the child knows to be cancelled.
fn cancelled(client: &StatelessClient) -> Vec<Value> {
    serde_json::from_str(&client.text("cancelled", &json!({}))).unwrap()
}

#[test]
fn a_question_is_answered_by_calling_again() {
    let app = app();
    let ann = app.user("ann");
    for service in SERVICES {
        let client = able(&ann, service);
        let tool = "test_input_required_result_elicitation";
        let first = client.call(tool, &json!({}));
        let (keys, state) = asked(&first);
        assert_eq!(keys, ["user_name"], "{service}");
        let request = &first["result"]["inputRequests"]["user_name"];
        assert_eq!(request["method"], "elicitation/create");
        assert_eq!(request["params"]["message"], "What is your name?");
        assert_eq!(request["params"]["requestedSchema"]["required"], json!(["name"]));
        assert!(request.get("id").is_none() && request.get("jsonrpc").is_none(), "{request}");
        let done = client.retry(tool, &json!({}), &state, &json!({ "user_name": name("Ann") }));
        assert_eq!((text_of(&done), &done["result"]["resultType"]), ("Hello, Ann!".to_owned(), &json!("complete")));
        // A person who declines has answered, too.
        let (keys, state) = asked(&client.call(tool, &json!({})));
        let declined = json!({ &keys[0]: { "action": "decline" } });
        assert_eq!(text_of(&client.retry(tool, &json!({}), &state, &declined)), "Hello, nobody!");
        assert_eq!(parked(&ann), 0);
    }
}

#[test]
fn prompts_ask_too() {
    let app = app();
    let ann = app.user("ann");
    for service in SERVICES {
        let client = able(&ann, service);
        let params = json!({ "name": "test_input_required_result_prompt" });
        let (keys, state) = asked(&client.request("prompts/get", &params));
        let mut again = params.clone();
        again["requestState"] = state;
        again["inputResponses"] = json!({ &keys[0]: { "action": "accept", "content": { "context": "rain" } } });
        let done = client.request("prompts/get", &again);
        assert_eq!(done["result"]["messages"][0]["content"]["text"], "Use this context: rain", "{service}: {done}");
    }
}

#[test]
fn several_questions_come_at_once_and_what_is_not_answered_is_asked_again() {
    let app = app();
    let ann = app.user("ann");
    for service in SERVICES {
        let client = able(&ann, service);
        let tool = "test_input_required_result_multiple_inputs";
        let (keys, first) = asked(&client.call(tool, &json!({})));
        assert_eq!(keys, ["client_roots", "greeting", "user_name"], "{service}");
        let (keys, second) = asked(&client.retry(tool, &json!({}), &first, &json!({ "user_name": name("Ann") })));
        assert_eq!(keys, ["client_roots", "greeting"]);
        assert_ne!(first, second);
        // Nothing, and what nobody asked for, leaves all open.
        let (keys, third) = asked(&client.retry(tool, &json!({}), &second, &Value::Null));
        assert_eq!(keys, ["client_roots", "greeting"]);
        let (keys, fourth) = asked(&client.retry(tool, &json!({}), &third, &json!({ "other": {} })));
        assert_eq!(keys, ["client_roots", "greeting"]);
        let said = json!({ "role": "assistant", "model": "m", "content": { "type": "text", "text": "Hi" } });
        let rest = json!({ "client_roots": { "roots": [] }, "greeting": said });
        let text = text_of(&client.retry(tool, &json!({}), &fourth, &rest));
        assert!(text.contains(r#"content={"name":"Ann"}"#) && text.contains("LLM response: Hi"), "{text}");
    }
}

#[test]
fn rounds_follow_one_another() {
    let app = app();
    let ann = app.user("ann");
    for service in SERVICES {
        let client = able(&ann, service);
        let tool = "test_input_required_result_multi_round";
        let (keys, first) = asked(&client.call(tool, &json!({})));
        assert_eq!(keys, ["step1"], "{service}");
        let (keys, second) = asked(&client.retry(tool, &json!({}), &first, &json!({ "step1": name("Ann") })));
        assert_eq!(keys, ["step2"]);
        assert_ne!(first, second);
        let color = json!({ "step2": { "action": "accept", "content": { "color": "red" } } });
        let text = text_of(&client.retry(tool, &json!({}), &second, &color));
        assert!(text.contains(r#"{"name":"Ann"}"#) && text.contains(r#"{"color":"red"}"#), "{text}");
    }
}

#[test]
fn input_of_the_wrong_kind_is_refused_and_the_call_still_waits() {
    let app = TestApp::start();
    let ann = app.user("ann");
    for service in FAKES {
        let client = able(&ann, service);
        let (key, state) = question(&client);
        for wrong in
            [json!(7), json!([]), json!("x"), json!({ &key: 12345 }), json!({ &key: null }), json!({ &key: [] })]
        {
            let refusal = client.retry("ask", &ASK(), &state, &wrong);
            assert_eq!(refusal["error"]["code"], -32602, "{service} {wrong}: {refusal}");
        }
        for state in [json!(7), json!(null), json!({}), json!([])] {
            let refusal = client.retry("ask", &ASK(), &state, &json!({ &key: {} }));
            assert_eq!(refusal["error"]["code"], -32602, "{service} {state}: {refusal}");
        }
        let done = client.retry("ask", &ASK(), &state, &json!({ &key: { "roots": [] } }));
        assert_eq!(text_of(&done), r#"{"roots":[]}"#);
    }
}

#[test]
fn a_state_is_good_for_its_own_request_and_once() {
    let app = TestApp::start();
    let (ann, bob) = (app.user("ann"), app.user("bob"));
    for service in FAKES {
        let (client, other) = (able(&ann, service), able(&ann, service));
        let (key, state) = question(&client);
        let input = json!({ &key: { "roots": [] } });
        let text = state.as_str().unwrap();
        let changed = |at: usize| {
            let mut bytes = text.as_bytes().to_vec();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            String::from_utf8(bytes).unwrap()
        };
        let forged = [
            String::new(),
            "forged".to_owned(),
            format!("{text}A"),
            format!("{text}-TAMPERED"),
            text[1..].to_owned(),
            changed(0),
            changed(text.len() / 2),
            changed(text.len() - 2),
            "A".repeat(text.len()),
            "x".repeat(100_000),
        ];
        let refuse = |client: &StatelessClient, tool: &str, arguments: &Value, state: &Value| {
            let answer = client.retry(tool, arguments, state, &input);
            assert_eq!(answer["error"]["code"], -32602, "{service}: {answer}");
            assert!(error_of(&answer).contains("requestState"), "{answer}");
        };
        for state in forged {
            refuse(&client, "ask", &ASK(), &json!(state));
        }
        refuse(&client, "echo", &json!({ "text": "x" }), &state);
        refuse(&client, "ask", &json!({ "method": "roots/list" }), &state);
        refuse(&client, "ask", &json!({}), &state);
        // Another instance of the same user, and another user.
        refuse(&other, "ask", &ASK(), &state);
        let foreign = StatelessClient::new(&bob.http, &client.url);
        let params = json!({ "name": "ask", "arguments": ASK(), "requestState": state, "inputResponses": input });
        foreign.post(&foreign.message(&json!(1), "tools/call", &params)).expect(404);
        // None of it has cost the call its answer, whoever spells the arguments how.
        let spelled = json!({ "stay": true, "method": "roots/list" });
        assert_eq!(text_of(&client.retry("ask", &spelled, &state, &input)), r#"{"roots":[]}"#);
        refuse(&client, "ask", &ASK(), &state);
        assert_eq!(parked(&ann), 0);
    }
}

#[test]
fn who_did_not_declare_it_is_not_asked() {
    let app = app();
    let ann = app.user("ann");
    for service in SERVICES {
        let client = able(&ann, service);
        // The child makes do with what there is.
        let tool = "test_input_required_result_capabilities";
        let (keys, state) = asked(&client.declaring(json!({ "sampling": {} })).call(tool, &json!({})));
        assert_eq!(keys, ["sample"], "{service}");
        // Another request of the same client may declare less: then it is not asked again.
        let said = json!({ "role": "assistant", "model": "m", "content": { "type": "text", "text": "Hi" } });
        let done = client.declaring(json!({})).retry(tool, &json!({}), &state, &json!({ "sample": said }));
        assert_eq!(text_of(&done), "LLM response: Hi");
        let text_only = client.declaring(json!({ "elicitation": { "url": {} } }));
        let refusal = text_only.call("test_input_required_result_elicitation", &json!({}));
        assert_eq!(refusal["error"]["code"], -32021, "{refusal}");
        assert_eq!(parked(&ann), 0);
    }
}

#[test]
fn no_more_calls_wait_than_allowed() {
    let app = TestApp::builder().set("max_parked", 2).start();
    let ann = app.user("ann");
    for service in FAKES {
        let client = able(&ann, service);
        let waiting = [question(&client), question(&client)];
        assert_eq!(parked(&ann), 2, "{service}");
        let answer = client.call("ask", &json!({ "method": "roots/list" }));
        assert_eq!(answer["error"]["code"], -32603, "{answer}");
        assert!(error_of(&answer).contains("too many calls wait for input"), "{answer}");
        for (key, state) in waiting {
            assert!(text_of(&client.retry("ask", &ASK(), &state, &json!({ &key: {} }))).contains("{}"));
        }
        let (key, state) = question(&client);
        client.retry("ask", &ASK(), &state, &json!({ &key: {} }));
        assert_eq!(parked(&ann), 0, "{service}");
    }
}

#[test]
fn what_waits_is_seen_and_given_up_after_a_while() {
    let app = TestApp::builder().set("ask_patience_seconds", 1).start();
    let ann = app.user("ann");
    let gauge = || {
        let metrics = app.operator().http.get("/metrics").expect(200).text();
        metrics.lines().find_map(|line| line.strip_prefix("berth_parked_calls ").map(str::to_owned)).unwrap()
    };
    for service in FAKES {
        let instance = ann.create(service);
        let client = ann.stateless(&instance).declaring(everything());
        let (key, state) = question(&client);
        let seen = ann.http.get("/health/sessions").expect(200).json();
        assert_eq!((&seen["parked"], gauge().as_str()), (&json!(1), "1"), "{service}");
        assert_eq!(
            (&seen["instances"][0]["instance"], &seen["instances"][0]["parked"]),
            (&json!(instance.id), &json!(1))
        );
        wait_for("the call to be given up", || (parked(&ann) == 0 && gauge() == "0").then_some(()));
        wait_for("the child to be told", || (cancelled(&client).len() == 1).then_some(()));
        let late = client.retry("ask", &ASK(), &state, &json!({ &key: {} }));
        assert_eq!(late["error"]["code"], -32602, "{late}");
        assert!(error_of(&late).contains("expired"), "{late}");
        assert_eq!(client.text("echo", &json!({ "text": "on it goes" })), "on it goes");
    }
}

#[test]
fn what_waits_ends_with_its_child() {
    let app = TestApp::start();
    let ann = app.user("ann");
    for service in FAKES {
        let instance = ann.create(service);
        let client = ann.stateless(&instance).declaring(everything());
        let (key, state) = question(&client);
        crate::support::procs::kill(instance.pid());
        ann.wait_for_successor(&instance);
        let late = client.retry("ask", &ASK(), &state, &json!({ &key: {} }));
        assert_eq!(late["error"]["code"], -32602, "{service}: {late}");
        assert_eq!(parked(&ann), 0);
        let (key, state) = question(&client);
        assert!(text_of(&client.retry("ask", &ASK(), &state, &json!({ &key: {} }))).contains("{}"));
    }
}
