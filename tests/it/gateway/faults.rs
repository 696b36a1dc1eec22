//! What children do wrong, and how little of it anybody else notices.

use serde_json::json;

use crate::support::{
    TestApp,
    mcp::{Stream, error_of},
};

#[test]
fn a_dying_child_answers_all_its_callers_with_the_reason() {
    let app = TestApp::start();
    let ann = app.user("ann");
    let (instance, other) = (ann.create("fake"), ann.create("fake"));
    let (a, b, untouched) = (ann.connect(&instance), ann.connect(&instance), ann.connect(&other));
    let waiting: Vec<Stream> = vec![a.long_call(&json!(1)), a.long_call(&json!(2)), b.long_call(&json!(1))];
    let elsewhere = untouched.long_call(&json!(1));
    let crash = error_of(&b.call("crash", &json!({ "code": 3 })));
    for words in waiting.iter().map(|stream| error_of(&stream.answer())).chain([crash]) {
        assert!(words.contains("exited with code 3") && words.contains("crashing with 3 as told"), "{words}");
    }
    assert_eq!(elsewhere.next()["method"], "notifications/progress");
    assert_eq!(a.echo("the session goes on"), "the session goes on");
    assert_eq!(ann.show(&instance.id).view["last_error"]["reason"], json!({ "kind": "code", "code": 3 }));
}

#[test]
fn a_child_that_ends_cleanly_or_by_a_signal_is_told_apart() {
    let app = TestApp::start();
    let ann = app.user("ann");
    let instance = ann.create("fake");
    let client = ann.connect(&instance);
    let words = error_of(&client.call("close_stdout", &json!({})));
    assert!(words.contains("exited with code 0"), "{words}");
    ann.wait_for_successor(&instance);
    let words = error_of(&client.call("die_signal", &json!({ "signal": 6 })));
    assert!(words.contains("ended by signal 6"), "{words}");
    assert_eq!(client.echo("back"), "back");
}

#[test]
fn a_stopped_instance_says_so() {
    let app = TestApp::start();
    let ann = app.user("ann");
    for service in ["fake", "fake-http"] {
        let instance = ann.create(service);
        let client = ann.connect(&instance);
        ann.act(&instance.id, "toggle");
        ann.wait(&instance.id, "stopped");
        let words = error_of(&client.call("echo", &json!({ "text": "x" })));
        assert!(words.contains("stopped") && words.contains("toggle"), "{words}");
        let reply = ann.http.post(&instance.beside("/mcp/call"), &json!({ "name": "echo" })).expect(503);
        assert_eq!(reply.json()["code"], "instance_unavailable");
        ann.http.get(&instance.beside("/health")).expect(503);
        ann.act(&instance.id, "toggle");
        ann.wait(&instance.id, "running");
        assert_eq!(client.echo("the same session"), "the same session");
    }
}

#[test]
fn a_line_without_end_ends_the_child_and_nobody_else() {
    let app = TestApp::builder().env("BERTH_MAX_LINE_BYTES", 65_536).start();
    let ann = app.user("ann");
    let (instance, other) = (ann.create("fake"), ann.create("fake"));
    let (client, untouched) = (ann.connect(&instance), ann.connect(&other));
    let elsewhere = untouched.long_call(&json!(1));
    let words = error_of(&client.call("endless", &json!({})));
    assert!(words.contains("a line of more than 65536 bytes"), "{words}");
    assert_eq!(elsewhere.next()["method"], "notifications/progress");
    assert_eq!(client.echo("a new child"), "a new child");
    let reason = ann.show(&instance.id).view["last_error"]["reason"].clone();
    assert_eq!(reason["kind"], "protocol", "{reason}");
    assert_eq!(ann.show(&other.id).view["restarts"], 0);
}

#[test]
fn garbage_and_answers_that_nobody_asked_for_are_skipped() {
    let app = TestApp::start();
    let ann = app.user("ann");
    let instance = ann.create("fake");
    let client = ann.connect(&instance);
    assert_eq!(client.text("garbage", &json!({})), "garbage sent");
    assert_eq!(client.text("wrong_id", &json!({})), "the right answer");
    assert_eq!(client.echo("and on"), "and on");
    assert_eq!(ann.show(&instance.id).view["restarts"], 0);
}

#[test]
fn five_megabytes_arrive_whole() {
    let app = TestApp::start();
    let ann = app.user("ann");
    for service in ["fake", "fake-http"] {
        let client = ann.connect(&ann.create(service));
        let text = client.text("big", &json!({ "bytes": 5_000_000 }));
        assert!(text.len() == 5_000_000 && text.bytes().all(|byte| byte == b'x'), "{service}: {}", text.len());
        let sent = "é\"\\\n\u{1F600}".repeat(200_000);
        assert!(client.echo(&sent) == sent, "{service}");
    }
}

#[test]
fn a_question_of_the_childs_is_answered() {
    let app = TestApp::start();
    let ann = app.user("ann");
    let client = ann.connect(&ann.create("fake"));
    assert_eq!(client.text("ask", &json!({ "method": "ping" })), "{}");
    let refused = client.text("ask", &json!({ "method": "sampling/createMessage" }));
    assert!(refused.contains("-32601"), "{refused}");
}
