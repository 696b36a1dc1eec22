//! Instances that nobody uses sleep; the next request wakes them.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::Path,
    thread,
    time::Duration,
};

use berth::domain::time::Timestamp;
use serde_json::{Value, json};

use crate::support::{
    Instance, McpClient, TestApp, User,
    mcp::{error_of, initialize},
    procs::is_marked,
    services::Service,
    stateless::meta,
    wait_for,
};

/// One that soon sleeps, and notes its starts.
fn app() -> TestApp {
    TestApp::builder().set("idle_seconds", 1).fake("counting", &["--starts"]).start()
}

/// How often it was started so far.
fn starts(app: &TestApp, instance: &Instance) -> usize {
    let file = app.data().join("instances").join(&instance.id).join("work/starts");
    fs::read_to_string(file).map_or(0, |text| text.lines().count())
}

/// Waits until it sleeps and its process is gone.
#[track_caller]
fn asleep(app: &TestApp, user: &User, before: &Instance) -> Instance {
    let pid = before.pid();
    let now = user.wait(&before.id, "idle");
    assert_eq!((&now.view["pid"], &now.view["usage"]), (&Value::Null, &Value::Null), "{}", now.view);
    wait_for("the process to end", || (!is_marked(pid, app.root())).then_some(()));
    now
}

#[test]
fn every_kind_of_request_wakes_it() {
    let app = app();
    let ann = app.user("ann");
    for service in ["fake", "fake-http"] {
        let instance = ann.create(service);
        let client = ann.connect(&instance);
        let kinds: [(&str, &dyn Fn()); 6] = [
            ("a call in a session", &|| assert_eq!(client.echo("again"), "again")),
            ("a call without", &|| assert_eq!(ann.stateless(&instance).text("echo", &json!({ "text": "x" })), "x")),
            ("a new session", &|| assert_eq!(ann.connect(&instance).echo("new"), "new")),
            ("a list", &|| {
                ann.http.get(&instance.beside("/mcp/tools")).expect(200);
            }),
            ("a notification", &|| client.notify("notifications/roots/list_changed", &json!({}))),
            ("a stream", &|| drop(client.listen())),
        ];
        for (kind, request) in kinds {
            let before = ann.wait(&instance.id, "running");
            asleep(&app, &ann, &before);
            let health = ann.http.get(&instance.beside("/health")).expect(200).json();
            assert_eq!((&health["state"], &health["last_error"]), (&json!("idle"), &Value::Null), "{kind}");
            request();
            assert_ne!(ann.wait(&instance.id, "running").pid(), before.pid(), "{kind}");
        }
        // The session is the one from before all that.
        assert_eq!(client.echo("still here"), "still here");
    }
    let metrics = ann.http.get("/metrics").expect(200).text();
    let count = |name: &str| {
        let line = metrics.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.rsplit(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0.0)
    };
    assert!(count("berth_sleeps_total ") >= 12.0 && count("berth_wake_seconds_count ") >= 12.0, "{metrics}");
    assert!(count("berth_wake_seconds_sum ") > 0.0, "{metrics}");
}

#[test]
fn many_at_once_wake_it_once() {
    let app = app();
    let ann = app.user("ann");
    let instance = ann.create("counting");
    let client = ann.connect(&instance);
    asleep(&app, &ann, &ann.show(&instance.id));
    let before = starts(&app, &instance);
    thread::scope(|scope| {
        for number in 0..20 {
            let (ann, client, instance) = (ann.fresh(), &client, &instance);
            scope.spawn(move || {
                let (session, text) = (&client.session, format!("{number}"));
                if number % 2 == 0 {
                    let mine = McpClient::again(&ann.http, &instance.url, session);
                    assert_eq!(mine.echo(&text), text);
                } else {
                    assert_eq!(ann.stateless(instance).text("echo", &json!({ "text": text })), text);
                }
            });
        }
    });
    assert_eq!(starts(&app, &instance), before + 1);
}

fn write_script(path: &Path, text: &str) {
    fs::write(path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_start_that_fails_is_told_to_all_who_wait() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("server");
    let good = format!("exec {}", env!("CARGO_BIN_EXE_fake-mcp"));
    write_script(&script, &good);
    let programs = Path::new(env!("CARGO_BIN_EXE_fake-mcp")).parent().unwrap();
    let service = Service::command("moody", script.to_str().unwrap()).with("read_only", json!([programs]));
    let app = TestApp::builder().set("idle_seconds", 1).service(service).start();
    let ann = app.user("ann");
    let instance = ann.create("moody");
    let client = ann.connect(&instance);
    asleep(&app, &ann, &ann.show(&instance.id));
    write_script(&script, "sleep 1; echo 'the moon is wrong' >&2; exit 7");
    thread::scope(|scope| {
        for number in 0..12 {
            let (ann, client, instance) = (ann.fresh(), &client, &instance);
            scope.spawn(move || {
                let mine = McpClient::again(&ann.http, &instance.url, &client.session);
                let said = match number % 3 {
                    0 => error_of(&mine.call("echo", &json!({ "text": "x" }))),
                    1 => error_of(&mine_new(&ann, instance)),
                    _ => ann.http.get(&instance.beside("/mcp/tools")).expect(503).json()["detail"].to_string(),
                };
                assert!(said.contains("exited with code 7") && said.contains("the moon is wrong"), "{said}");
            });
        }
    });
    write_script(&script, &good);
    ann.act(&instance.id, "restart");
    assert_eq!(client.echo("well again"), "well again");
}

/// The answer to `initialize`.
fn mine_new(user: &User, instance: &Instance) -> Value {
    let body = serde_json::to_vec(&initialize(&json!(1), "2025-11-25")).unwrap();
    user.http.send("POST", &instance.url, &[("content-type", "application/json")], Some(&body)).expect(200).json()
}

#[test]
fn what_sleeps_sleeps_on_after_a_restart() {
    let mut app = app();
    let ann = app.user("ann");
    let instance = ann.create("counting");
    let client = ann.connect(&instance);
    for ending in [TestApp::stop as fn(&mut TestApp), TestApp::kill] {
        asleep(&app, &ann, &ann.wait(&instance.id, "running"));
        wait_for("the state to be written", || {
            let known = app.db().read_blocking(berth::db::instances::list_all).unwrap();
            (known[0].state == berth::domain::lifecycle::State::Idle).then_some(())
        });
        let before = starts(&app, &instance);
        ending(&mut app);
        app.start_again();
        assert_eq!(ann.show(&instance.id).view["status"], "idle");
        assert_eq!(starts(&app, &instance), before);
        assert_eq!(client.echo("good morning"), "good morning");
        assert_eq!(starts(&app, &instance), before + 1);
    }
}

#[test]
fn what_is_used_stays_awake() {
    let app = TestApp::builder().set("idle_seconds", 1).set("stop_grace_seconds", 1).start();
    let ann = app.user("ann");
    let instances = [0; 5].map(|_| ann.create("fake"));
    let clients = instances.clone().map(|instance| ann.connect(&instance));
    let stream = clients[0].listen();
    let call = clients[1].long_call(&json!("long"));
    let stateless = ann.stateless(&instances[2]).declaring(json!({ "roots": {} }));
    let asked = stateless.call("ask", &json!({ "method": "roots/list", "stay": true }));
    assert_eq!(asked["result"]["resultType"], "input_required", "{asked}");
    let follower = ann.stateless(&instances[3]);
    let followed = follower.listen(&json!("l"), &json!({ "toolsListChanged": true }));
    assert!(followed.next()["method"].is_string());
    let never = follower_of(&ann, &instances[4]);
    // Made later than all that, and asleep: the others would be by now.
    for _ in 0..2 {
        let witness = ann.create("fake");
        asleep(&app, &ann, &witness);
        for instance in &instances {
            let now = ann.show(&instance.id);
            assert_eq!((&now.view["status"], now.pid()), (&json!("running"), instance.pid()));
        }
    }
    drop((stream, followed, never));
    for number in [3, 4] {
        asleep(&app, &ann, &instances[number]);
    }
    // That a plain stream has ended shows only when something is written to it.
    for number in [0, 1, 2] {
        ann.delete(&instances[number].id);
    }
    drop(call);
}

/// A call of a client without a session that takes for ever.
fn follower_of(user: &User, instance: &Instance) -> std::net::TcpStream {
    let stateless = user.stateless(instance);
    let call = stateless.begin(&json!(1), "never", &json!({}), &meta(&json!({})));
    wait_for("the call to arrive", || {
        let health = user.http.get("/health/sessions").expect(200).json();
        let mine = health["instances"].as_array()?.iter().find(|known| known["instance"] == instance.id.as_str())?;
        (mine["in_flight"] != 0).then_some(())
    });
    call
}

#[test]
fn an_instance_may_say_for_itself() {
    let app = TestApp::builder().service(Service::stdio("brief", &[]).with("idle_seconds", json!(1))).start();
    let ann = app.user("ann");
    let brief = ann.order("brief");
    let awake = ann.order_with(&json!({ "service": "brief", "idle_seconds": 0 }));
    let usual = ann.order("fake");
    assert_eq!([&brief, &awake, &usual].map(|one| one.view["idle_seconds"].as_u64().unwrap()), [1, 0, 1800]);
    let (awake, usual) = (ann.wait(&awake.id, "running"), ann.wait(&usual.id, "running"));
    ann.wait(&brief.id, "idle");
    assert_eq!(ann.show(&awake.id).view["status"], "running");
    let set = |id: &str, seconds: Value| {
        let body = json!({ "idle_seconds": seconds });
        ann.http.patch(&format!("/api/v1/mcps/{id}"), &body).expect(200).json()["idle_seconds"].clone()
    };
    assert_eq!(set(&usual.id, json!(1)), 1);
    asleep(&app, &ann, &usual);
    assert_eq!(set(&awake.id, Value::Null), 1);
    asleep(&app, &ann, &awake);
    // Off and on again is not asleep.
    ann.act(&usual.id, "toggle");
    ann.wait(&usual.id, "stopped");
    ann.act(&usual.id, "toggle");
    ann.wait(&usual.id, "running");
    ann.delete(&brief.id);
}

#[test]
fn what_sleeps_expires_all_the_same() {
    let mut app = app();
    let ann = app.user("ann");
    let instance = ann.create("counting");
    asleep(&app, &ann, &instance);
    let before = starts(&app, &instance);
    app.stop();
    let (id, end) = (instance.id.parse().unwrap(), berth::domain::time::Timestamp::now().after(Duration::from_secs(2)));
    app.db().write_blocking(move |conn| berth::db::instances::set_expiry(conn, id, Some(end))).unwrap();
    app.start_again();
    let expired = ann.wait(&instance.id, "expired");
    assert_eq!((&expired.view["pid"], starts(&app, &instance)), (&Value::Null, before));
    ann.http.get(&instance.beside("/mcp/tools")).expect(503);
    ann.act(&instance.id, "restore");
    assert_eq!(ann.connect(&ann.wait(&instance.id, "running")).echo("back"), "back");
}

#[test]
fn a_plan_wakes_it_before_anybody_asks() {
    let soon = |seconds: i64| Timestamp(Timestamp::now().0 + seconds * 1000).to_string()[11..19].to_owned();
    // Many, so that one of them finds it asleep however slow this machine is.
    let times: Vec<String> = (2..42).map(|step| soon(step * 2)).collect();
    let service = Service::stdio("early", &[]).with("wake_at", json!(times)).with("idle_seconds", json!(1));
    let app = TestApp::builder().service(service).start();
    let ann = app.user("ann");
    let instance = ann.create("early");
    let first = instance.pid();
    wait_for("the plan to wake it", || {
        let events = ann.http.get(&format!("/api/v1/mcps/{}/events", instance.id)).expect(200).text();
        let view = ann.show(&instance.id).view;
        (events.contains("woken_by_plan") && view["pid"].is_u64() && view["pid"] != first).then_some(())
    });
}
