//! Streams that are cut and resumed: nothing is lost, nothing comes twice, nothing on a foreign stream.

use serde_json::{Value, json};

use crate::support::{
    TestApp, User,
    mcp::{call, text_of},
    raw::{RawClient, RawEvent, RawStream},
    wait_for,
};

const LATEST: &str = "2025-11-25";

fn open(user: &User, service: &str, version: &str) -> RawClient {
    RawClient::open(user, &user.create(service), version, &json!({}))
}

/// A call that reports every one of its steps.
fn steps(steps: u64, ms: u64) -> Value {
    let mut request = call(&json!("it"), "progress", &json!({ "steps": steps, "ms": ms }));
    request["params"]["_meta"] = json!({ "progressToken": "t" });
    request
}

fn progress(events: &[RawEvent]) -> Vec<u64> {
    let messages = events.iter().filter(|event| !event.data.is_empty()).map(RawEvent::json);
    messages.filter_map(|message| message["params"]["progress"].as_u64()).collect()
}

/// Reads until `count` events with a message have come.
fn read(stream: &mut RawStream, count: usize) -> Vec<RawEvent> {
    let mut events = Vec::new();
    while events.iter().filter(|event: &&RawEvent| !event.data.is_empty()).count() < count {
        events.push(stream.next());
    }
    events
}

#[test]
fn a_call_goes_on_without_its_connection_and_its_answer_waits() {
    let app = TestApp::start();
    let ann = app.user("ann");
    for service in ["fake", "fake-http"] {
        let client = open(&ann, service, LATEST);
        let mut stream = client.stream(&steps(40, 10));
        let mut events = read(&mut stream, 3);
        // Cut again and again.
        for _ in 0..3 {
            drop(stream);
            stream = client.listen(Some(&events.last().unwrap().id()));
            events.extend(read(&mut stream, 5));
        }
        drop(stream);
        let seen = events.last().unwrap().id();
        let rest = client.listen(Some(&seen)).rest();
        let answer = rest.last().unwrap().json();
        assert_eq!((answer["id"].clone(), text_of(&answer)), (json!("it"), "40 steps".to_owned()), "{service}");
        events.extend(rest);
        assert_eq!(progress(&events), (1..=40).collect::<Vec<_>>(), "{service}");
        // It waits for a client that did not get it all, and always from where that one says.
        assert_eq!(progress(&client.listen(Some(&seen)).rest()).first(), Some(&19), "{service}");
    }
}

#[test]
fn a_connection_that_is_cut_before_the_first_message_can_be_resumed() {
    let app = TestApp::start();
    let ann = app.user("ann");
    for service in ["fake", "fake-http"] {
        let client = open(&ann, service, LATEST);
        let mut stream = client.stream(&call(&json!(7), "sleep", &json!({ "ms": 600 })));
        let primed = stream.next();
        assert!(primed.data.is_empty() && primed.retry.is_some(), "{primed:?}");
        drop(stream);
        let answers: Vec<RawEvent> = client.listen(Some(&primed.id())).rest();
        let answers: Vec<Value> = answers.iter().filter(|event| !event.data.is_empty()).map(RawEvent::json).collect();
        assert_eq!(answers.iter().map(text_of).collect::<Vec<_>>(), ["slept"], "{service}");
    }
}

#[test]
fn what_comes_soon_is_json_and_what_is_on_the_wire_fits_the_version() {
    let app = TestApp::start();
    let ann = app.user("ann");
    let instance = ann.create("fake");
    for (version, ids, primed) in
        [("2024-11-05", false, false), ("2025-03-26", true, false), ("2025-06-18", true, false), (LATEST, true, true)]
    {
        let client = RawClient::open(&ann, &instance, version, &json!({}));
        let quick = client.post(&call(&json!(1), "echo", &json!({ "text": "x" }))).expect(200);
        assert_eq!(quick.header("content-type"), "application/json");
        let events = client.stream(&call(&json!(2), "sleep", &json!({ "ms": 600 }))).rest();
        assert_eq!(events.iter().any(|event| event.data.is_empty()), primed, "{version}: {events:?}");
        let answer = events.last().unwrap();
        assert_eq!((answer.id.is_some(), answer.json()["id"].clone()), (ids, json!(2)), "{version}");
        let mut own = client.listen(None);
        client.post(&call(&json!(3), "list_changed", &json!({}))).expect(200);
        let first = own.next();
        assert_eq!(first.data.is_empty(), primed, "{version}");
        let note = if primed { own.next() } else { first };
        assert_eq!((note.id.is_some(), note.json()["id"].clone()), (ids, Value::Null), "{version}");
    }
}

#[test]
fn what_was_missed_on_the_own_stream_is_replayed_once() {
    let app = TestApp::start();
    let ann = app.user("ann");
    let instance = ann.create("fake");
    let client = RawClient::open(&ann, &instance, LATEST, &json!({}));
    // What this one has the child say comes to the other while no call of its own is running.
    let other = RawClient::open(&ann, &instance, LATEST, &json!({}));
    let say = |text: &str| {
        other.post(&call(&json!(1), "log", &json!({ "text": text }))).expect(200);
    };
    let mut stream = client.listen(None);
    say("one");
    let one = read(&mut stream, 1).pop().unwrap();
    assert_eq!(one.json()["params"]["data"], "one");
    drop(stream);
    say("two");
    let mut half_dead = client.listen(Some(&one.id()));
    let two = read(&mut half_dead, 1).pop().unwrap();
    assert_eq!(two.json()["params"]["data"], "two");
    // The stream is read: only who says what it has seen takes it over.
    assert_eq!(client.get(None).0, 409);
    let mut alive = client.listen(Some(&two.id()));
    assert!(half_dead.try_next().is_none(), "the one before must end");
    say("three");
    let three = read(&mut alive, 1).pop().unwrap();
    assert_eq!(three.json()["params"]["data"], "three");
    assert_ne!(two.id(), three.id());
}

#[test]
fn ids_that_are_nobodys_or_anothers_are_refused() {
    let app = TestApp::start();
    let ann = app.user("ann");
    let instance = ann.create("fake");
    let (mine, other) =
        (RawClient::open(&ann, &instance, LATEST, &json!({})), RawClient::open(&ann, &instance, LATEST, &json!({})));
    let mut stream = mine.stream(&steps(300, 10));
    let id = read(&mut stream, 1).pop().unwrap().id();
    for unknown in ["", "x", "7", "99-1", "1--1", id.as_str()] {
        assert_eq!(other.get(Some(unknown)).0, 400, "{unknown:?}");
    }
    assert_eq!(mine.get(Some(&id)).0, 200);
}

#[test]
fn each_message_comes_on_one_stream() {
    let app = TestApp::start();
    let ann = app.user("ann");
    let client = open(&ann, "fake", LATEST);
    let announce = || client.post(&call(&json!("a"), "list_changed", &json!({}))).expect(200);
    let is_news =
        |event: &RawEvent| !event.data.is_empty() && event.json()["method"] == "notifications/tools/list_changed";
    // No stream of its own: the running call's.
    let mut running = client.stream(&steps(3000, 10));
    read(&mut running, 1);
    let announced = announce();
    let on_its_own_answer = announced.messages().len() > 1;
    assert!(on_its_own_answer || std::iter::from_fn(|| running.try_next()).any(|event| is_news(&event)));
    // With one, there and only there.
    let mut own = client.listen(None);
    assert_eq!(announce().messages().len(), 1);
    assert!(is_news(&read(&mut own, 1).pop().unwrap()));
    client.post(&json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": "it" } }));
    ann.act(&ann.list()[0].id, "restart");
    assert!(!running.rest().iter().any(is_news));
}

#[test]
fn a_call_holds_its_place_when_its_client_has_gone() {
    let app = TestApp::builder().set("max_in_flight", 1).set("call_timeout_seconds", 3).start();
    let ann = app.user("ann");
    let client = open(&ann, "fake", LATEST);
    let mut stream = client.stream(&call(&json!(1), "never", &json!({})));
    stream.next();
    drop(stream);
    let again = || client.post(&call(&json!(2), "echo", &json!({ "text": "x" }))).status;
    assert_eq!(again(), 503);
    wait_for("the call to end", || (again() == 200).then_some(()));
}

#[test]
fn a_reader_that_stalls_is_not_waited_for_and_learns_of_it() {
    let app = TestApp::start();
    let ann = app.user("ann");
    let instance = ann.create("fake");
    let (stalled, caller) =
        (RawClient::open(&ann, &instance, LATEST, &json!({})), RawClient::open(&ann, &instance, LATEST, &json!({})));
    let mut unread = stalled.listen(None);
    let start = unread.next().id();
    let text = "x".repeat(100_000);
    for _ in 0..400 {
        caller.post(&call(&json!(1), "log", &json!({ "text": text }))).expect(200);
    }
    caller.post(&call(&json!(1), "log", &json!({ "text": "the last" }))).expect(200);
    let got = unread.rest();
    assert!(got.len() < 400, "{} of them were kept for one who does not read", got.len());
    let mut left = stalled.listen(Some(&start));
    let last = std::iter::from_fn(|| left.try_next())
        .find(|event| !event.data.is_empty() && event.json()["params"]["data"] == "the last");
    assert!(last.is_some());
}

#[test]
fn streams_of_an_earlier_run_mean_nothing_but_the_own_one_goes_on() {
    let mut app = TestApp::start();
    let ann = app.user("ann");
    let client = open(&ann, "fake", LATEST);
    let mut own = client.listen(None);
    let seen = own.next().id();
    let answer = client.stream(&call(&json!(1), "sleep", &json!({ "ms": 600 }))).rest().pop().unwrap().id();
    app.stop();
    app.start_again();
    assert_eq!(client.get(Some(&answer)).0, 400);
    let mut own = client.listen(Some(&seen));
    client.post(&call(&json!(2), "list_changed", &json!({}))).expect(200);
    assert_eq!(read(&mut own, 1)[..].last().unwrap().json()["method"], "notifications/tools/list_changed");
}

#[test]
fn a_polite_end_keeps_nobody_waiting_for_a_call_that_nobody_runs() {
    let mut app = TestApp::start();
    let ann = app.user("ann");
    let client = open(&ann, "fake", LATEST);
    let mut stream = client.stream(&call(&json!(1), "never", &json!({})));
    let primed = stream.next().id();
    drop(stream);
    // Over another connection, so perhaps to another worker than the one that runs the call.
    let mut again = client.listen(Some(&primed));
    app.stop();
    let told = again.rest().into_iter().filter(|event| !event.data.is_empty());
    assert!(told.map(|event| event.json()).all(|message| message["error"]["code"] == -32603));
}
