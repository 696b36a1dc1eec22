//! Everybody at once: no answer goes astray, nothing is left.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::support::{
    Instance, TestApp, User,
    mcp::{call, text_of},
    procs, try_for, wait_for,
};

const USERS: usize = 4;
const INSTANCES: usize = 5;
const DURATION: Duration = Duration::from_secs(4);

#[test]
fn many_users_at_once_get_their_own_answers_and_leave_nothing() {
    for app in TestApp::each_backend() {
        let users: Vec<User> = (0..USERS).map(|number| app.user(&format!("user{number}"))).collect();
        // What stays open once everything has been used once: pools, workers, logs.
        let warm = order(&users);
        mixed_calls(&users, &warm, Duration::ZERO);
        remove(&app, &users, &warm);
        let before = settled(&app);

        let instances = order(&users);
        let calls = mixed_calls(&users, &instances, DURATION);
        assert!(calls > 100, "{calls} calls in {DURATION:?}");
        remove(&app, &users, &instances);
        let mut last = Vec::new();
        let closed = try_for(|| {
            last = app.descriptors();
            last.len() <= before.len()
        });
        assert!(closed, "descriptors are left open.\nbefore: {before:?}\nafter: {last:?}");
    }
}

/// Every user's instances, running: all but one over stdio.
fn order(users: &[User]) -> Vec<Vec<Instance>> {
    let services = ["fake", "fake", "fake", "fake", "fake-http"];
    let ordered: Vec<Vec<Instance>> =
        users.iter().map(|user| (0..INSTANCES).map(|n| user.order(services[n % services.len()])).collect()).collect();
    let wait = |(user, instances): (&User, Vec<Instance>)| {
        instances.iter().map(|instance| user.wait(&instance.id, "running")).collect()
    };
    users.iter().zip(ordered).map(wait).collect()
}

/// One thread per instance, at least two rounds each. Returns the number of calls.
fn mixed_calls(users: &[User], instances: &[Vec<Instance>], duration: Duration) -> u64 {
    let calls = AtomicU64::new(0);
    thread::scope(|scope| {
        for (u, (user, instances)) in users.iter().zip(instances).enumerate() {
            for (i, instance) in instances.iter().enumerate() {
                let calls = &calls;
                scope.spawn(move || use_instance(user, instance, &format!("{u}-{i}"), duration, calls));
            }
        }
    });
    calls.into_inner()
}

fn use_instance(user: &User, instance: &Instance, name: &str, duration: Duration, calls: &AtomicU64) {
    let until = Instant::now() + duration;
    // A fresh set of connections per instance, closed at the end.
    let own = user.fresh();
    let clients = [own.connect(instance), own.connect(instance)];
    clients[0].text("set", &json!({ "key": "owner", "value": name }));
    let mut round = 0_u64;
    while round < 2 || Instant::now() < until {
        for (number, client) in clients.iter().enumerate() {
            let text = format!("{name} {number} {round}");
            let answer = client.ask(&call(&json!(round), "echo", &json!({ "text": text })));
            assert_eq!(text_of(&answer), text);
        }
        let (steps, size) = (round % 3 + 1, 1000 + round % 50 * 1000);
        match round % 5 {
            0 => assert_eq!(clients[1].text("get", &json!({ "key": "owner" })), format!("\"{name}\"")),
            1 => assert_eq!(clients[0].text("big", &json!({ "bytes": size })).len(), usize::try_from(size).unwrap()),
            2 => {
                let mut request = call(&json!(round), "progress", &json!({ "steps": steps, "ms": 1 }));
                request["params"]["_meta"] = json!({ "progressToken": name });
                let messages = clients[0].post(&request).expect(200).messages();
                assert!(
                    messages.iter().rev().skip(1).all(|message| message["params"]["progressToken"] == name),
                    "{messages:?}"
                );
                assert_eq!(text_of(messages.last().unwrap()), format!("{steps} steps"));
            }
            3 => {
                let body = json!({ "name": "echo", "arguments": { "text": name } });
                let reply = own.http.post(&instance.beside("/mcp/call"), &body).expect(200);
                assert_eq!(reply.json()["content"][0]["text"], name);
            }
            _ => assert_eq!(clients[1].text("wrong_id", &json!({})), "the right answer"),
        }
        round += 1;
        calls.fetch_add(3, Ordering::Relaxed);
    }
    for client in &clients {
        let status = client.close().status;
        assert!((200..300).contains(&status), "{status}");
    }
}

fn remove(app: &TestApp, users: &[User], instances: &[Vec<Instance>]) {
    for (user, instances) in users.iter().zip(instances) {
        instances.iter().for_each(|instance| user.delete(&instance.id));
    }
    wait_for("no process", || procs::marked(&app.data().join("instances")).is_empty().then_some(()));
}

/// Open descriptors once their number has stayed the same for a while.
fn settled(app: &TestApp) -> Vec<String> {
    let (mut last, mut same) = (Vec::new(), 0);
    wait_for("a steady number of descriptors", || {
        let now = app.descriptors();
        same = if now == last { same + 1 } else { 0 };
        last.clone_from(&now);
        (same > 20).then_some(now)
    })
}
