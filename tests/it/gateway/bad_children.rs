//! Children that misbehave, as clients of the stateless era see them.

use serde_json::{Value, json};

use crate::support::{TestApp, mcp::error_of, stateless::StatelessClient, wait_for};

#[test]
fn a_line_that_is_too_long_ends_the_child_and_the_call() {
    let app = TestApp::builder().set("max_line_bytes", 1 << 20).start();
    let ann = app.user("ann");
    let (instance, other) = (ann.create("fake"), ann.create("fake"));
    let (client, untouched) = (ann.stateless(&instance), ann.stateless(&other));
    untouched.text("set", &json!({ "key": "k", "value": "v" }));
    for (tool, arguments) in [("endless", json!({})), ("big", json!({ "bytes": 50 << 20 }))] {
        let now = ann.show(&instance.id);
        let answer = client.call(tool, &arguments);
        assert_eq!(answer["error"]["code"], -32603, "{answer}");
        assert!(error_of(&answer).contains("a line of more than 1048576 bytes"), "{answer}");
        ann.wait_for_successor(&now);
        assert_eq!(client.text("echo", &json!({ "text": "a new child" })), "a new child");
    }
    assert_eq!(untouched.text("get", &json!({ "key": "k" })), "\"v\"");
}

#[test]
fn an_http_answer_that_is_too_long_fails_its_call_only() {
    let app = TestApp::builder().set("max_line_bytes", 1 << 20).start();
    let ann = app.user("ann");
    let client = ann.stateless(&ann.create("fake-http"));
    client.text("set", &json!({ "key": "k", "value": "v" }));
    let answer = client.call("big", &json!({ "bytes": 2 << 20 }));
    assert_eq!(answer["error"]["code"], -32603, "{answer}");
    assert_eq!(client.text("get", &json!({ "key": "k" })), "\"v\"");
}

#[test]
fn broken_lines_stray_and_double_answers_are_skipped() {
    let app = TestApp::start();
    let ann = app.user("ann");
    let instance = ann.create("fake");
    let client = ann.stateless(&instance);
    let session = ann.connect(&instance);
    for _ in 0..3 {
        assert_eq!(client.text("garbage", &json!({})), "garbage sent");
        assert_eq!(client.text("broken", &json!({})), "broken lines sent");
        assert_eq!(client.text("wrong_id", &json!({})), "the right answer");
        assert_eq!(client.text("twice", &json!({})), "the first answer");
        assert_eq!(client.text("echo", &json!({ "text": "and on" })), "and on");
        assert_eq!(session.text("broken", &json!({})), "broken lines sent");
        assert_eq!(session.text("twice", &json!({})), "the first answer");
        assert_eq!(session.echo("and on"), "and on");
    }
    assert_eq!(ann.show(&instance.id).view["restarts"], 0);
    // Over HTTP each answer has a place of its own.
    let client = ann.stateless(&ann.create("fake-http"));
    assert_eq!(client.text("wrong_id", &json!({})), "the right answer");
    assert_eq!(client.text("twice", &json!({})), "the first answer");
    assert_eq!(client.text("echo", &json!({ "text": "and on" })), "and on");
}

#[test]
fn a_dying_child_answers_all_its_callers() {
    let app = TestApp::start();
    let ann = app.user("ann");
    let instance = ann.create("fake");
    let client = ann.stateless(&instance).declaring(json!({ "roots": {} }));
    let params =
        json!({ "name": "progress", "arguments": { "steps": 6000, "ms": 10 }, "_meta": { "progressToken": 1 } });
    let stream = client.stream(&client.message(&json!("s"), "tools/call", &params));
    stream.next();
    let crash = error_of(&client.call("crash", &json!({ "code": 3 })));
    for words in [crash, error_of(&stream.answer())] {
        assert!(words.contains("exited with code 3"), "{words}");
    }
    assert_eq!(client.text("echo", &json!({ "text": "a new child" })), "a new child");
}

/// What became of the question that the child asked outside of any call.
#[track_caller]
fn asked_later(client: &StatelessClient, method: &str) -> String {
    client.text("set", &json!({ "key": "asked", "value": "" }));
    assert_eq!(client.text("ask_later", &json!({ "method": method })), "later");
    wait_for("the child to be answered", || {
        let text: Value = serde_json::from_str(&client.text("get", &json!({ "key": "asked" }))).unwrap();
        text.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
    })
}

#[test]
fn questions_outside_of_calls_and_unknown_ones_are_refused() {
    let app = TestApp::start();
    let ann = app.user("ann");
    let instance = ann.create("fake");
    let client = ann.stateless(&instance).declaring(json!({ "roots": {}, "sampling": {}, "elicitation": {} }));
    for method in ["roots/list", "no/such"] {
        let told = asked_later(&client, method);
        assert!(told.contains("-32601") || told.contains("-32603"), "{method}: {told}");
    }
    assert_eq!(asked_later(&client, "ping"), "{}");
    for service in ["fake", "fake-http"] {
        let client = ann.stateless(&ann.create(service)).declaring(json!({ "roots": {}, "sampling": {} }));
        for method in ["no/such", "tools/call", "", "notifications/message"] {
            let told = client.text("ask", &json!({ "method": method }));
            assert!(told.contains("-32601"), "{service} {method:?}: {told}");
        }
        assert_eq!(client.text("ask", &json!({ "method": "ping" })), "{}", "{service}");
    }
}

#[test]
fn a_client_that_does_not_read_its_answer_holds_up_nobody() {
    let app = TestApp::start();
    let ann = app.user("ann");
    for service in ["fake", "fake-http"] {
        let instance = ann.create(service);
        let (client, session) = (ann.stateless(&instance), ann.connect(&instance));
        let meta = json!({ "io.modelcontextprotocol/logLevel": "debug" });
        let arguments = json!({ "steps": 400, "bytes": 100_000 });
        let stalled = client.begin(&json!(1), "flood", &arguments, &meta);
        for round in 0..20 {
            let text = format!("{service} {round}");
            assert_eq!(session.echo(&text), text);
            assert_eq!(client.text("echo", &json!({ "text": text })), text);
        }
        drop(stalled);
        wait_for("the flood to end", || {
            (ann.http.get("/health/sessions").expect(200).json()["in_flight"] == 0).then_some(())
        });
    }
}
