//! A process of a shared service ends: what only asks is asked again, and everybody else is told why.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    thread,
    time::Duration,
};

use serde_json::json;

use super::{instance, scene, scene_of, seen, service, whoami};
use crate::support::{procs, sleep, wait_for};

#[test]
fn under_load_it_is_hardly_noticed() {
    for workers in [1, 2] {
        let scene = scene(workers, &[]);
        let ann = scene.app.user("ann");
        let instances: Vec<_> = (0..8)
            .map(|number| {
                let key = format!("key-of-ann-{number:04}");
                (instance(&ann, "hub", &key), key)
            })
            .collect();
        let (over, asked, acted, told) =
            (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
        thread::scope(|scope| {
            for (instance, key) in &instances {
                let (ann, over, asked, acted, told) = (ann.fresh(), &over, &asked, &acted, &told);
                scope.spawn(move || {
                    let client = ann.stateless(instance);
                    let mut round = 0;
                    while !over.load(Relaxed) {
                        round += 1;
                        let (name, ms) = if round % 3 == 0 { ("act", 40) } else { ("whoami", 5) };
                        let arguments = json!({ "text": format!("{key} {round}"), "ms": ms, "stream": round % 2 == 0 });
                        let answer = client.call(name, &arguments);
                        if name == "act" && answer["error"].is_object() {
                            let words = answer["error"]["message"].as_str().unwrap();
                            assert!(words.contains("ended before it answered"), "{words}");
                            told.fetch_add(1, Relaxed);
                            continue;
                        }
                        assert!(answer["error"].is_null(), "{name}: {answer}");
                        let answer = seen(answer["result"]["content"][0]["text"].as_str().unwrap());
                        assert_eq!((&answer["credential"], &answer["text"]), (&json!(key), &arguments["text"]));
                        if name == "act" { acted } else { asked }.fetch_add(1, Relaxed);
                    }
                });
            }
            let mut before = scene.wait_for_workers("hub", workers.into(), &[]);
            for _ in 0..3 {
                let calls = asked.load(Relaxed);
                wait_for("calls", || (asked.load(Relaxed) > calls + 40).then_some(()));
                procs::kill(before[0]);
                let gone = before[0];
                before = scene.wait_for_workers("hub", workers.into(), &[gone]);
            }
            over.store(true, Relaxed);
        });
        assert!(acted.load(Relaxed) > 0 && told.load(Relaxed) > 0, "acts were under way when it was killed");
        let workers = scene.workers("hub");
        let restarts: u64 = workers.iter().map(|worker| worker["restarts"].as_u64().unwrap()).sum();
        assert_eq!(restarts, 3, "{workers:?}");
    }
}

#[test]
fn a_call_that_ends_the_process_is_told_so() {
    let scene = scene(1, &[]);
    let ann = scene.app.user("ann");
    let made = instance(&ann, "hub", "key-of-ann-0001");
    for stream in [false, true] {
        let before = scene.wait_for_workers("hub", 1, &[]);
        let answer = ann.stateless(&made).call("crash", &json!({ "stream": stream }));
        let words = answer["error"]["message"].as_str().unwrap_or_else(|| panic!("{answer}"));
        assert!(words.contains("ended"), "{words}");
        assert!(stream || words.contains("70"), "the exit code is told: {words}");
        scene.wait_for_workers("hub", 1, &before);
        assert_eq!(whoami(&ann, &made, &json!({}))["credential"], "key-of-ann-0001");
    }
    assert_eq!(ann.show(&made.id).view["status"], "running", "it is not the instance that has failed");
}

#[test]
fn a_service_that_does_not_start_is_told_to_who_waits() {
    let broken = |port| vec![service("hub", port, 1, &["--exit", "3"])];
    let scene = scene_of(broken, |builder| builder);
    let ann = scene.app.user("ann");
    let made = ann.order_with(&json!({ "service": "hub", "credential": { "value": "key-of-ann-0001" } }));
    let made = ann.wait(&made.id, "idle");
    let reason = made.view["last_error"].to_string();
    assert!(reason.contains("does not run") && reason.contains("exit"), "{reason}");
    let answer = ann.http.post(&made.beside("/mcp/call"), &json!({ "name": "whoami" })).expect(503).text();
    assert!(answer.contains("does not run"), "{answer}");
    assert_eq!(scene.workers("hub")[0]["state"], "failed");
    assert!(scene.app.cli(&["doctor"], "").contains("a process is failed"));
}

#[test]
fn a_slow_process_holds_up_nobody_else() {
    let scene = scene(1, &[]);
    let ann = scene.app.user("ann");
    let (slow, quick) = (instance(&ann, "hub", "key-slow"), instance(&ann, "hub", "key-quick"));
    thread::scope(|scope| {
        let hanging = scope.spawn(|| ann.fresh().stateless(&slow).call("whoami", &json!({ "ms": 3000 })));
        sleep(Duration::from_millis(50));
        for _ in 0..50 {
            assert_eq!(whoami(&ann, &quick, &json!({}))["credential"], "key-quick");
        }
        assert!(!hanging.is_finished(), "it is still at it");
        assert!(hanging.join().unwrap()["error"].is_null());
    });
}
