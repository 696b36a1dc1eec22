//! Nobody's request carries anybody else's key, and only the gateway gets an answer.

use std::thread;

use serde_json::{Value, json};

use super::{instance, scene, scene_of, seen, service, whoami};
use crate::support::{Instance, User, http::Http, stateless::Post, wait_for};

/// Each calls in both eras and over REST, and sees its own.
fn mixed(instances: &[(User, Instance, String)], rounds: usize) {
    thread::scope(|scope| {
        for (user, instance, key) in instances {
            let user = user.fresh();
            scope.spawn(move || {
                let session = user.connect(instance);
                for round in 0..rounds {
                    let text = format!("{key} {round}");
                    let arguments = json!({ "text": text, "stream": round % 5 == 0, "ms": round % 3 });
                    let answer = match round % 4 {
                        0 => seen(&session.text("whoami", &arguments)),
                        1 => whoami(&user, instance, &arguments),
                        2 => seen(&session.text("act", &arguments)),
                        _ => rest(&user, instance, &arguments),
                    };
                    assert_eq!(
                        (&answer["instance"], &answer["credential"], &answer["text"]),
                        (&json!(instance.id), &json!(key), &json!(text))
                    );
                }
            });
        }
    });
}

fn rest(user: &User, instance: &Instance, arguments: &Value) -> Value {
    let body = json!({ "name": "whoami", "arguments": arguments });
    let answer = user.http.post(&instance.beside("/mcp/call"), &body).expect(200).json();
    seen(answer["content"][0]["text"].as_str().unwrap())
}

#[test]
fn two_users_of_one_process_see_their_own() {
    let scene = scene(1, &[]);
    let (ann, bob) = (scene.app.user("ann"), scene.app.user("bob"));
    let one = instance(&ann, "hub", "key-of-ann-0001");
    let two = instance(&bob, "hub", "key-of-bob-0002");
    let more = instance(&ann, "hub", "key-of-ann-0003");
    let body = json!({ "service": "hub", "credential": { "value": "k" }, "config": { "team": "blue" } });
    let blue = ann.wait(&ann.order_with(&body).id, "running");
    assert_eq!((&one.view["mode"], &one.view["pid"]), (&json!("shared"), &Value::Null), "{}", one.view);
    for (user, instance, key, team) in [
        (&ann, &one, "key-of-ann-0001", "none"),
        (&bob, &two, "key-of-bob-0002", "none"),
        (&ann, &more, "key-of-ann-0003", "none"),
        (&ann, &blue, "k", "blue"),
    ] {
        let answer = whoami(user, instance, &json!({}));
        let session = seen(&user.connect(instance).text("whoami", &json!({})));
        assert_eq!((&answer["instance"], &answer["credential"]), (&json!(instance.id), &json!(key)));
        assert_eq!((&answer, &answer["config"]["team"]), (&session, &json!(team)));
        // The paths beside the endpoint, with nothing of what the client says about itself.
        let forged = [("x-berth-instance", "x"), ("x-berth-credential", "eA"), ("x-berth-gateway", "y")];
        let passed = user.http.send("GET", &instance.beside("/api/repos?x=1"), &forged, None).expect(200).json();
        let expected = json!({ "instance": instance.id, "credential": key, "tail": "repos", "authorization": null });
        assert_eq!(passed, expected);
    }
    // Nobody reaches another's by its URL.
    bob.http.post(&one.url, &json!({})).expect(404);
    let workers = scene.workers("hub");
    assert_eq!((workers.len(), &workers[0]["instances"]), (1, &json!(4)), "{workers:?}");
    assert_eq!(workers[0]["port"], scene.ports.first());
    let metrics = ann.http.get("/metrics").expect(200).text();
    assert!(metrics.contains("berth_shared_processes{service=\"hub\"} 1"), "{metrics}");
    let status = scene.app.cli(&["status"], "");
    assert!(status.contains("hub 0") && status.contains("INSTANCES"), "{status}");
    assert!(scene.app.cli(&["doctor", "--json"], "").contains("shared service hub"));
}

#[test]
fn thousands_of_calls_at_a_time_do_not_cross() {
    let scene = scene(2, &[]);
    let users = [scene.app.user("ann"), scene.app.user("bob"), scene.app.user("cyd"), scene.app.user("dan")];
    let make = |number: usize| {
        let (user, key) = (users[number % users.len()].clone(), format!("key-{number:04}"));
        let made = instance(&user, "hub", &key);
        (user, made, key)
    };
    let instances: Vec<_> = (0..16).map(make).collect();
    mixed(&instances, 150);
    let served: Vec<u64> = scene.workers("hub").iter().map(|worker| worker["instances"].as_u64().unwrap()).collect();
    assert!(served.iter().all(|count| *count > 0) && served.iter().sum::<u64>() == 16, "{served:?}");
}

#[test]
fn a_service_of_the_session_era_is_shared_as_well() {
    let scene = scene(1, &["--no-discover"]);
    let (ann, bob) = (scene.app.user("ann"), scene.app.user("bob"));
    let one = instance(&ann, "hub", "key-of-ann-0001");
    let two = instance(&bob, "hub", "key-of-bob-0002");
    let instances = [(ann, one, "key-of-ann-0001".to_owned()), (bob, two, "key-of-bob-0002".to_owned())];
    mixed(&instances, 24);
}

#[test]
fn only_the_gateway_gets_an_answer() {
    // One on a port of this host, one in a network of its own.
    let scene = scene_of(
        |port| {
            let closed = service("closed", port + 1, 1, &[]).with("network", json!("loopback"));
            vec![service("hub", port, 1, &[]), closed]
        },
        |builder| builder,
    );
    let ann = scene.app.user("ann");
    let made = instance(&ann, "hub", "key-of-ann-0001");
    let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
    let direct = Http::new(&format!("http://127.0.0.1:{}", scene.ports.first()), None);
    let path = format!("/{}/mcp", made.id);
    for post in [Post::of(&list), Post::of(&list).and("x-berth-instance", &made.id).and("x-berth-gateway", "guess")] {
        let refused = post.send(&direct, &path).expect(403).text();
        assert!(!refused.contains(&made.id), "{refused}");
    }
    // No log has the secret or the key.
    let logs = scene.app.data().join("logs");
    for word in ["key-of-ann-0001", "BERTH_GATEWAY_SECRET"] {
        let found = std::process::Command::new("grep").args(["-rl", word]).arg(&logs).output().unwrap();
        assert!(found.stdout.is_empty(), "{word}: {found:?}");
    }
    let made = instance(&ann, "closed", "key-of-ann-0002");
    assert_eq!(whoami(&ann, &made, &json!({}))["credential"], "key-of-ann-0002");
    let closed = (std::net::Ipv4Addr::LOCALHOST, scene.ports.first() + 1);
    assert!(std::net::TcpStream::connect(closed).is_err(), "it listens in a network of its own");
}

#[test]
fn a_process_of_ones_own_is_told_the_same() {
    let scene = scene(1, &[]);
    let ann = scene.app.user("ann");
    let body = json!({ "service": "hub", "mode": "dedicated", "credential": { "value": "key-of-ann-0001" } });
    let made = ann.wait(&ann.order_with(&body).id, "running");
    let answer = whoami(&ann, &made, &json!({}));
    assert_eq!((&answer["instance"], &answer["credential"]), (&json!(made.id), &json!("key-of-ann-0001")));
    assert_eq!(ann.http.get(&made.beside("/api/x")).expect(200).json()["instance"], json!(made.id));
    assert!(made.view["pid"].is_u64() && scene.workers("hub").is_empty());
    // From one to the other, at the next start.
    ann.http.patch(&format!("/api/v1/mcps/{}", made.id), &json!({ "mode": "shared" })).expect(200);
    ann.act(&made.id, "restart");
    let body = json!({ "name": "whoami", "arguments": {} });
    wait_for("the other mode", || {
        let answered = ann.http.post(&made.beside("/mcp/call"), &body).status == 200;
        (answered && !scene.workers("hub").is_empty()).then_some(())
    });
    let made = ann.wait(&made.id, "running");
    let answer = whoami(&ann, &made, &json!({}));
    assert_eq!((&answer["credential"], &made.view["pid"]), (&json!("key-of-ann-0001"), &Value::Null));
}
