//! A key that is another: the next call has it, and none fails.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    thread,
};

use serde_json::{Value, json};

use super::{instance, scene, whoami};
use crate::support::wait_for;

#[test]
fn calls_go_on_while_it_changes() {
    let scene = scene(1, &[]);
    let ann = scene.app.user("ann");
    let store = |value: &str| {
        let body = json!({ "service": "hub", "value": value });
        ann.http.post("/api/v1/credentials", &body).expect(201).json()["id"].clone()
    };
    let first = store("key-number-0000");
    let made = ann.order_with(&json!({ "service": "hub", "credential": { "id": first } }));
    let made = ann.wait(&made.id, "running");
    let session = ann.connect(&made);
    let (over, calls) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        for number in 0..4 {
            let (ann, made, over, calls) = (ann.fresh(), &made, &over, &calls);
            scope.spawn(move || {
                while !over.load(Relaxed) {
                    let answer = whoami(&ann, made, &json!({ "ms": number * 3 }));
                    assert!(answer["credential"].as_str().unwrap().starts_with("key-number-"), "{answer}");
                    calls.fetch_add(1, Relaxed);
                }
            });
        }
        for number in 1..8 {
            let before = calls.load(Relaxed);
            wait_for("calls", || (calls.load(Relaxed) > before + 20).then_some(()));
            let value = format!("key-number-{number:04}");
            let changed = json!({ "credential_id": store(&value), "config": { "team": value } });
            ann.http.patch(&format!("/api/v1/mcps/{}", made.id), &changed).expect(200);
            // At once, also in a session that was there before.
            let answer = whoami(&ann, &made, &json!({}));
            assert_eq!((&answer["credential"], &answer["config"]["team"]), (&json!(value), &json!(value)));
            let answer: Value = serde_json::from_str(&session.text("whoami", &json!({}))).unwrap();
            assert_eq!(answer["credential"], json!(value));
        }
        over.store(true, Relaxed);
    });
    assert_eq!(ann.show(&made.id).view["restarts"], 0);
    assert_eq!(scene.workers("hub")[0]["restarts"], 0);
}

#[test]
fn an_instance_without_a_key_lists_its_tools() {
    let scene = scene(1, &[]);
    let ann = scene.app.user("ann");
    let made = instance(&ann, "hub", "key-of-ann-0001");
    let stored = ann.http.get("/api/v1/credentials").expect(200).json();
    let id = stored["items"][0]["id"].as_str().unwrap().to_owned();
    ann.http.delete(&format!("/api/v1/credentials/{id}?force=true")).expect(204);
    ann.wait(&made.id, "stopped");
    ann.act(&made.id, "toggle");
    let made = ann.wait(&made.id, "running");
    let tools = ann.http.get(&made.beside("/mcp/tools")).expect(200).json();
    assert_eq!(tools["tools"].as_array().unwrap().len(), 5, "{tools}");
    assert_eq!(whoami(&ann, &made, &json!({}))["credential"], Value::Null);
}
