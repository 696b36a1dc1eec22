//! What a child asks of its client.

use serde_json::{Value, json};

use crate::support::{
    TestApp,
    mcp::{call, text_of},
    raw::{RawClient, RawEvent, RawStream},
};

const LATEST: &str = "2025-11-25";

/// The next message on the stream.
fn message(stream: &mut RawStream) -> Value {
    let events = std::iter::from_fn(|| stream.try_next());
    events.map(|event: RawEvent| event).find(|event| !event.data.is_empty()).expect("a message").json()
}

fn question(id: &Value) -> Value {
    call(id, "ask", &json!({ "method": "roots/list" }))
}

#[test]
fn the_client_that_is_meant_is_asked_and_its_answer_reaches_the_child() {
    let app = TestApp::start();
    let ann = app.user("ann");
    for service in ["fake", "fake-http"] {
        let instance = ann.create(service);
        let client = RawClient::open(&ann, &instance, LATEST, &json!({ "roots": {} }));
        let other = RawClient::open(&ann, &instance, LATEST, &json!({ "roots": {} }));
        let mut stream = client.stream(&question(&json!("q")));
        let asked = message(&mut stream);
        assert_eq!(asked["method"], "roots/list", "{asked}");
        let answer = |roots: &str| json!({ "jsonrpc": "2.0", "id": asked["id"], "result": { "roots": [roots] } });
        // The same id in another session is no answer to this.
        other.post(&answer("wrong")).expect(202);
        client.post(&json!({ "jsonrpc": "2.0", "id": "unknown", "result": {} })).expect(202);
        client.post(&answer("right")).expect(202);
        let told = message(&mut stream);
        assert_eq!(
            (told["id"].clone(), text_of(&told)),
            (json!("q"), r#"{"roots":["right"]}"#.to_owned()),
            "{service}"
        );
        assert!(stream.try_next().is_none());
    }
}

#[test]
fn a_question_survives_the_connection() {
    let app = TestApp::start();
    let ann = app.user("ann");
    let client = RawClient::open(&ann, &ann.create("fake"), LATEST, &json!({ "roots": {} }));
    let mut stream = client.stream(&question(&json!(1)));
    let primed = stream.next().id();
    drop(stream);
    let mut stream = client.listen(Some(&primed));
    let asked = message(&mut stream);
    client.post(&json!({ "jsonrpc": "2.0", "id": asked["id"], "error": { "code": -1, "message": "no" } })).expect(202);
    assert!(text_of(&message(&mut stream)).contains("\"no\""));
}

#[test]
fn who_cannot_be_asked_is_not_asked() {
    let app = TestApp::start();
    let ann = app.user("ann");
    for service in ["fake", "fake-http"] {
        let client = RawClient::open(&ann, &ann.create(service), LATEST, &json!({ "sampling": {} }));
        let answers = client.post(&question(&json!(1))).expect(200).messages();
        assert_eq!(answers.len(), 1, "{answers:?}");
        assert!(text_of(&answers[0]).contains("-32601"), "{service}: {answers:?}");
    }
}

#[test]
fn a_session_that_ends_answers_what_it_was_asked() {
    let app = TestApp::start();
    let ann = app.user("ann");
    let client = RawClient::open(&ann, &ann.create("fake"), LATEST, &json!({ "roots": {} }));
    let mut stream = client.stream(&question(&json!(1)));
    message(&mut stream);
    let headers = [("mcp-session-id", client.session.as_str())];
    client.http.send("DELETE", &client.url, &headers, None).expect(204);
    assert!(text_of(&message(&mut stream)).contains("-32603"));
}
