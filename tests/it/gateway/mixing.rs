//! Several clients on one child: nobody gets what is another's.

use std::thread;

use serde_json::{Value, json};

use crate::support::{
    McpClient, TestApp, User,
    mcp::{call, text_of},
    wait_for,
};

const SESSIONS: usize = 6;
const CALLS: usize = 60;

#[test]
fn colliding_ids_never_mix() {
    let app = TestApp::start();
    let ann = app.user("ann");
    for service in ["fake", "fake-http"] {
        let instance = ann.create(service);
        let clients: Vec<McpClient> = (0..SESSIONS).map(|_| ann.connect(&instance)).collect();
        thread::scope(|scope| {
            for (session, client) in clients.iter().enumerate() {
                // Two threads per session; all sessions use the same ids.
                for half in 0..2 {
                    scope.spawn(move || many(client, session, half));
                }
            }
        });
    }
}

fn many(client: &McpClient, session: usize, half: usize) {
    for number in 0..CALLS {
        let text = format!("{session}/{half}/{number}");
        let id = if half == 0 { json!(number) } else { json!(number.to_string()) };
        let answer = client.ask(&call(&id, "echo", &json!({ "text": text })));
        assert_eq!(text_of(&answer), text);
        if number % 20 == 0 {
            // A slow one in between lets quick ones overtake it.
            let slow = client.ask(&call(&id, "sleep", &json!({ "ms": 20 })));
            assert_eq!(text_of(&slow), "slept");
        }
    }
}

#[test]
fn progress_comes_back_under_the_clients_own_token() {
    let app = TestApp::start();
    let ann = app.user("ann");
    for service in ["fake", "fake-http"] {
        let instance = ann.create(service);
        let clients: Vec<McpClient> = (0..4).map(|_| ann.connect(&instance)).collect();
        // Two of them use the same token, all the same id.
        let tokens = [json!("tok"), json!("tok"), json!(7), json!("7")];
        thread::scope(|scope| {
            for (steps, (client, token)) in clients.iter().zip(&tokens).enumerate() {
                scope.spawn(move || reports(client, token, steps + 3));
            }
        });
    }
}

fn reports(client: &McpClient, token: &Value, steps: usize) {
    let mut request = call(&json!(1), "progress", &json!({ "steps": steps, "ms": 5 }));
    request["params"]["_meta"] = json!({ "progressToken": token });
    let mut messages = client.post(&request).expect(200).messages();
    let answer = messages.pop().unwrap();
    assert_eq!((answer["id"].clone(), text_of(&answer)), (json!(1), format!("{steps} steps")));
    let reported: Vec<(Value, Value)> =
        messages.iter().map(|m| (m["params"]["progressToken"].clone(), m["params"]["total"].clone())).collect();
    assert_eq!(reported, vec![(token.clone(), json!(steps)); steps]);
}

#[test]
fn a_cancellation_reaches_the_child_under_its_own_id() {
    let app = TestApp::start();
    let ann = app.user("ann");
    let instance = ann.create("fake");
    let (client, other) = (ann.connect(&instance), ann.connect(&instance));
    let running = client.long_call(&json!("mine"));
    // The same id in another session is another request.
    other.notify("notifications/cancelled", &json!({ "requestId": "mine" }));
    other.notify("notifications/cancelled", &json!({ "requestId": 1 }));
    assert_eq!(other.text("cancelled", &json!({})), "[]");
    client.notify("notifications/cancelled", &json!({ "requestId": "mine" }));
    let seen = wait_for("the cancellation", || Some(client.text("cancelled", &json!({}))).filter(|seen| seen != "[]"));
    assert!(!seen.contains("mine") && !seen.contains(','), "{seen}");
    drop(running);
}

#[test]
fn a_call_that_is_never_answered_ends_in_time_and_is_cancelled() {
    let app = TestApp::builder().env("BERTH_CALL_TIMEOUT_SECONDS", 1).start();
    let ann = app.user("ann");
    let client = ann.connect(&ann.create("fake"));
    let answer = client.call("never", &json!({}));
    let words = crate::support::mcp::error_of(&answer);
    assert!(words.contains("did not answer within 1 s"), "{words}");
    wait_for("the cancellation", || (client.text("cancelled", &json!({})) != "[]").then_some(()));
}

#[test]
fn an_http_child_that_never_answers_is_given_up_in_time_too() {
    let app = TestApp::builder().env("BERTH_CALL_TIMEOUT_SECONDS", 1).start();
    let ann = app.user("ann");
    let client = ann.connect(&ann.create("fake-http"));
    let words = crate::support::mcp::error_of(&client.call("never", &json!({})));
    assert!(words.contains("did not answer within 1 s"), "{words}");
    assert_eq!(client.echo("on it goes"), "on it goes");
}

#[test]
fn two_instances_of_one_user_know_nothing_of_each_other() {
    for app in TestApp::each_backend() {
        let ann = app.user("ann");
        for service in ["fake", "fake-http"] {
            isolated(&ann, service);
        }
    }
}

fn isolated(ann: &User, service: &str) {
    let (one, two) = (ann.create(service), ann.create(service));
    let (a, b) = (ann.connect(&one), ann.connect(&two));
    assert_eq!(a.text("set", &json!({ "key": "k", "value": "v" })), "stored");
    assert_eq!(a.text("get", &json!({ "key": "k" })), "\"v\"");
    assert_eq!(b.text("get", &json!({ "key": "k" })), "null");
    let (here, there) = (a.whoami(), b.whoami());
    assert_ne!(one.pid(), two.pid());
    assert_ne!(here["cwd"], there["cwd"]);
    assert_ne!(here["env"]["HOME"], there["env"]["HOME"]);
    let ours = ["BERTH_MASTER_KEY", "BERTH_DATABASE_URL", "BERTH_DATA_DIR", "BERTH_PORTS"];
    assert!(ours.iter().all(|name| here["env"].get(name).is_none()), "{}", here["env"]);
    let open = here["fds"].as_object().unwrap();
    assert!(!open.values().any(|target| target.as_str().unwrap().contains("berth.db")), "{open:?}");
}
