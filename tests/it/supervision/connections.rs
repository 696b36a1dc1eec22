//! Session mode: each client of an instance has a process and files of its own.

use std::{collections::BTreeSet, fs, path::PathBuf};

use berth::db::{client_sessions, connections};
use serde_json::{Value, json};

use crate::support::{
    Instance, McpClient, TestApp, User,
    mcp::initialize,
    procs::{descriptors, is_marked, kill, marked},
    services::Service,
    wait_for,
};

/// `fake-mcp`, one for each client.
fn service() -> Service {
    let flags = ["--starts", "session={SESSION_ID}", "of={INSTANCE_ID}"];
    Service::stdio("each", &flags)
        .with("modes", json!(["dedicated", "session"]))
        .with("env", json!({ "MEMORY": "{DATA_DIR}/memory.json", "WHOSE": "{USER_ID}/{INSTANCE_TYPE}" }))
}

fn app(settings: &[(&str, u64)]) -> TestApp {
    let http = Service::http("each-http", &[]).with("modes", json!(["session"]));
    let builder = TestApp::builder().service(service()).service(http);
    settings.iter().fold(builder, |builder, (name, value)| builder.set(name, *value)).start()
}

fn order(user: &User, service: &str) -> Instance {
    user.wait(&user.order_with(&json!({ "service": service, "mode": "session" })).id, "running")
}

fn folder(app: &TestApp, instance: &Instance) -> PathBuf {
    app.data().join("instances").join(&instance.id).join("connections")
}

fn folders(app: &TestApp, instance: &Instance) -> BTreeSet<String> {
    let entries = fs::read_dir(folder(app, instance)).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().into_string().unwrap()).collect()
}

/// What is said of the instance's clients and spares.
fn health(user: &User, instance: &Instance) -> Value {
    let health = user.http.get("/health/sessions").expect(200).json();
    let all = health["instances"].as_array().unwrap();
    all.iter().find(|one| one["instance"] == instance.id.as_str()).cloned().unwrap_or_default()
}

/// The pid of the spare, once it answers.
#[track_caller]
fn spare(user: &User, instance: &Instance) -> u32 {
    wait_for("a spare", || {
        let health = health(user, instance);
        let spare = health["spares"].as_array()?.first()?;
        (spare["state"] == "running").then_some(())?;
        u32::try_from(spare["pid"].as_u64()?).ok()
    })
}

fn pid(user: &User, client: &McpClient) -> u32 {
    u32::try_from(shown(user, &client.session)["pid"].as_u64().unwrap()).unwrap()
}

fn set(client: &McpClient, value: &str) {
    client.text("set", &json!({ "key": "k", "value": value }));
    client.text("write", &json!({ "path": "file", "text": value }));
}

fn kept(client: &McpClient) -> String {
    client.text("read", &json!({ "path": "file" }))
}

/// How many processes there are of instances.
fn processes(app: &TestApp) -> usize {
    let berth = format!("{} ", app.pid());
    marked(app.root()).iter().filter(|process| !process.starts_with(&berth)).count()
}

/// The connection as the API has it.
fn shown(user: &User, id: &str) -> Value {
    user.http.get(&format!("/api/v1/sessions/{id}/state")).expect(200).json()
}

#[test]
fn clients_share_nothing() {
    let app = app(&[]);
    let (ann, bob) = (app.user("ann"), app.user("bob"));
    for service in ["each", "each-http"] {
        let instance = order(&ann, service);
        let (web, desktop) = (ann.connect(&instance), ann.connect(&instance));
        set(&web, "web");
        set(&desktop, "desktop");
        let script = ann.stateless(&instance);
        script.text("write", &json!({ "path": "file", "text": "script" }));
        for (client, value) in [(&web, "web"), (&desktop, "desktop")] {
            assert_eq!(client.text("get", &json!({ "key": "k" })), format!("{value:?}"));
            assert_eq!(kept(client), value);
        }
        // It comes without a session, and is known by its token: by the other forms, too.
        assert_eq!(script.text("read", &json!({ "path": "file" })), "script");
        let call = json!({ "name": "read", "arguments": { "path": "file" } });
        let rest = ann.http.post(&instance.beside("/mcp/call"), &call).expect(200).json();
        assert_eq!(rest["content"][0]["text"], "script");
        let list = ann.http.get("/api/v1/sessions").expect(200).json();
        let of = |item: &&Value| item["instance"] == instance.id.as_str();
        let mine: Vec<Value> = list["items"].as_array().unwrap().iter().filter(of).cloned().collect();
        assert_eq!(mine.len(), 3, "{mine:?}");
        let pids: BTreeSet<u64> = mine.iter().map(|one| one["pid"].as_u64().unwrap()).collect();
        assert_eq!(pids.len(), 3, "{mine:?}");
        let eras: Vec<&Value> = mine.iter().map(|one| &one["era"]).collect();
        assert_eq!(eras.iter().filter(|era| **era == "stateless").count(), 1, "{mine:?}");
        for client in [&web, &desktop] {
            let state = shown(&ann, &client.session);
            assert_eq!((&state["state"], &state["version"]), (&json!("running"), &json!("2025-11-25")));
            assert!(
                state["files"]["count"].as_u64() >= Some(1) && state["files"]["bytes"].as_u64() > Some(0),
                "{state}"
            );
            assert_eq!(state["files"]["complete"], true);
            assert!(state["stderr"].is_array() && state["last_error"].is_null(), "{state}");
            // Nobody else's business.
            bob.http.get(&format!("/api/v1/sessions/{}/state", client.session)).expect(404);
            bob.http.delete(&format!("/api/v1/sessions/{}", client.session)).expect(404);
            let foreign = McpClient::again(&bob.http, &instance.url, &client.session);
            foreign.post(&initialize(&json!(1), "2025-11-25")).expect(404);
        }
        let admin = app.operator();
        assert_eq!(shown(&admin, &web.session)["id"], web.session.as_str());
        ann.delete(&instance.id);
        assert!(!folder(&app, &instance).exists());
    }
}

#[test]
fn templates_name_the_connection() {
    let app = app(&[]);
    let ann = app.user("ann");
    let instance = order(&ann, "each");
    let clients = [(); 2].map(|()| ann.connect(&instance));
    for client in clients {
        let me = client.whoami();
        let own = folder(&app, &instance).join(&client.session);
        let text = me.to_string();
        for expected in [
            format!("session={}", client.session),
            format!("of={}", instance.id),
            own.join("work/memory.json").display().to_string(),
            format!("{}/each", instance.view["owner"].as_str().unwrap()),
        ] {
            assert!(text.contains(&expected), "{expected} is not in {text}");
        }
        assert_eq!(me["cwd"], own.join("work").to_str().unwrap());
    }
}

#[test]
fn a_client_comes_back_to_its_files() {
    let mut app = app(&[("idle_seconds", 1)]);
    let ann = app.user("ann");
    let instance = order(&ann, "each");
    let client = ann.connect(&instance);
    let script = ann.stateless(&instance);
    set(&client, "mine");
    script.text("write", &json!({ "path": "file", "text": "script" }));
    let came_back = |when: &str| {
        assert_eq!(kept(&client), "mine", "{when}");
        assert_eq!(client.text("get", &json!({ "key": "k" })), "null", "{when}: another process");
        assert_eq!(script.text("read", &json!({ "path": "file" })), "script", "{when}");
    };
    wait_for("all to sleep", || (processes(&app) == 0).then_some(()));
    assert_eq!(ann.wait(&instance.id, "idle").view["pid"], Value::Null);
    assert_eq!(shown(&ann, &client.session)["state"], "idle");
    came_back("after sleep");
    wait_for("the connections to be written", || {
        (app.db().read_blocking(connections::list_all).unwrap().len() == 2
            && app.db().read_blocking(client_sessions::list_all).unwrap().len() == 1)
            .then_some(())
    });
    app.kill();
    app.start_again();
    came_back("after a sudden end");
    app.stop();
    app.start_again();
    came_back("after a polite end");
    ann.act(&instance.id, "restart");
    came_back("after a restart");
    ann.act(&instance.id, "toggle");
    wait_for("all to end", || (processes(&app) == 0).then_some(()));
    assert!(
        client.post(&json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" })).expect(503).text().contains("stopped")
    );
    ann.act(&instance.id, "toggle");
    came_back("after it was off");
    kill(pid(&ann, &client));
    wait_for("a crash", || (shown(&ann, &client.session)["restarts"] != 0).then_some(()));
    came_back("after a crash");
}

#[test]
fn a_token_for_one_instance_does_not_learn_of_other_clients() {
    let app = app(&[]);
    let ann = app.user("ann");
    let instance = order(&ann, "each");
    let client = ann.connect(&instance);
    let scoped = ann.http.post("/api/v1/tokens", &json!({ "instances": [instance.id] })).expect(201).json();
    let scoped = ann.with_token(scoped["token"].as_str().unwrap());
    let own = scoped.connect(&instance);
    let said = [
        scoped.http.get("/api/v1/sessions").expect(200).text(),
        scoped.http.get("/health/sessions").expect(200).text(),
        scoped.http.get(&format!("/api/v1/mcps/{}", instance.id)).expect(200).text(),
    ];
    for said in said {
        assert!(!said.contains(&client.session), "{said}");
    }
    // Its own it knows.
    assert_eq!(shown(&scoped, &own.session)["instance"], instance.id.as_str());
    assert!(ann.http.get("/api/v1/sessions").expect(200).text().contains(&own.session));
}

#[test]
fn what_is_ended_is_gone() {
    let app = app(&[("max_connections", 3)]);
    let ann = app.user("ann");
    let instance = order(&ann, "each");
    let first = spare(&ann, &instance);
    let before = descriptors(app.pid()).len();
    let known = folders(&app, &instance);
    assert_eq!(known.len(), 1, "the spare's: {known:?}");
    for number in 0..200 {
        let client = ann.connect(&instance);
        let pid = pid(&ann, &client);
        assert!(number > 0 || pid == first);
        if number % 2 == 0 {
            client.close().expect(204);
        } else {
            ann.http.delete(&format!("/api/v1/sessions/{}", client.session)).expect(204);
        }
        client.post(&json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" })).expect(404);
        wait_for("its directory and process to go", || {
            (!folder(&app, &instance).join(&client.session).exists() && !is_marked(pid, app.root())).then_some(())
        });
    }
    spare(&ann, &instance);
    // Of a room there are the leader, the init and the program.
    wait_for("all but a spare to go", || (folders(&app, &instance).len() == 1 && processes(&app) <= 3).then_some(()));
    wait_for("the rows to go", || {
        (app.db().read_blocking(connections::list_all).unwrap().is_empty()
            && app.db().read_blocking(client_sessions::list_all).unwrap().is_empty())
        .then_some(())
    });
    wait_for("the descriptors to go", || (descriptors(app.pid()).len() <= before + 1).then_some(()));
    assert_eq!(ann.http.get("/api/v1/sessions").expect(200).json()["items"], json!([]));
}

#[test]
fn a_spare_is_there_before_its_client() {
    let app = app(&[]);
    let ann = app.user("ann");
    let instance = order(&ann, "each");
    assert!(ann.show(&instance.id).view["walls"].to_string().contains("seccomp"), "{}", instance.view);
    let mut seen = BTreeSet::new();
    for _ in 0..2 {
        let waiting = spare(&ann, &instance);
        assert!(seen.insert(waiting));
        let client = ann.connect(&instance);
        assert_eq!(pid(&ann, &client), waiting);
        assert!(client.whoami().to_string().contains(&format!("session={}", client.session)));
    }
    let waiting = spare(&ann, &instance);
    ann.stateless(&instance).text("whoami", &json!({}));
    let open = ann.http.get("/api/v1/sessions").expect(200).json();
    assert!(open["items"].as_array().unwrap().iter().any(|one| one["pid"] == waiting), "{waiting} is not in {open}");
}

#[test]
fn no_more_than_allowed_have_a_process() {
    let app = app(&[("max_connections", 2), ("spares", 0)]);
    let ann = app.user("ann");
    let instance = order(&ann, "each");
    assert_eq!(processes(&app), 0, "nobody is there yet");
    let clients = [(); 2].map(|()| ann.connect(&instance));
    let hello = initialize(&json!(7), "2025-11-25");
    let body = serde_json::to_vec(&hello).unwrap();
    let open = || ann.http.send("POST", &instance.url, &[("content-type", "application/json")], Some(&body));
    let refused = open().expect(503).json();
    assert!(refused["error"]["message"].as_str().unwrap().contains("max_connections"), "{refused}");
    assert_eq!(refused["id"], 7);
    let rest = ann.http.get(&instance.beside("/mcp/tools")).expect(503).json();
    assert!(rest["detail"].as_str().unwrap().contains("max_connections"), "{rest}");
    assert_eq!(folders(&app, &instance), clients.iter().map(|client| client.session.clone()).collect());
    clients[0].close().expect(204);
    wait_for("a place", || (open().status == 200).then_some(()));
    assert_eq!(clients[1].echo("still here"), "still here");
}

#[test]
fn one_that_fails_says_why() {
    let broken = Service::stdio("broken", &["--exit", "9"]).with("modes", json!(["session"]));
    let remote = Service::remote("far", "http://127.0.0.1:9/mcp").with("modes", json!(["dedicated", "session"]));
    let app = TestApp::builder().service(broken).service(remote).start();
    let ann = app.user("ann");
    let instance = ann.order("broken");
    let failed = ann.wait(&instance.id, "failed");
    assert_eq!(failed.view["mode"], "session", "the only one there is");
    assert!(failed.view["last_error"].to_string().contains('9'), "{}", failed.view);
    let body = serde_json::to_vec(&initialize(&json!(7), "2025-11-25")).unwrap();
    let said = ann.http.send("POST", &instance.url, &[("content-type", "application/json")], Some(&body)).expect(503);
    assert!(said.text().contains("exited with code 9"), "{}", said.text());
    wait_for("the files of the spare to go", || folders(&app, &instance).is_empty().then_some(()));
    for (service, mode) in [("far", "session"), ("fake", "session"), ("fake", "shared")] {
        ann.http.post("/api/v1/mcps", &json!({ "service": service, "mode": mode })).expect(400);
    }
}

#[test]
fn the_mode_may_change_at_the_next_start() {
    let app = app(&[]);
    let ann = app.user("ann");
    let instance = ann.create("each");
    assert_eq!(instance.view["mode"], "dedicated", "the first that the service names");
    let path = format!("/api/v1/mcps/{}", instance.id);
    let ping = json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" });
    for mode in ["session", "dedicated"] {
        let before = ann.connect(&instance);
        ann.http.patch(&path, &json!({ "mode": mode })).expect(200);
        assert_eq!(before.echo("as before"), "as before");
        ann.act(&instance.id, "restart");
        wait_for("the other mode", || (before.post(&ping).status == 404).then_some(()));
        ann.wait(&instance.id, "running");
        let (one, other) = (ann.connect(&instance), ann.connect(&instance));
        assert_eq!(pid(&ann, &one) != pid(&ann, &other), mode == "session");
        assert_eq!(folders(&app, &instance).is_empty(), mode == "dedicated");
    }
    // Deleted while one gives way to the other.
    ann.http.patch(&path, &json!({ "mode": "session" })).expect(200);
    ann.act(&instance.id, "restart");
    ann.delete(&instance.id);
    ann.http.get(&path).expect(404);
    wait_for("all to end", || (processes(&app) == 0).then_some(()));
    assert!(!app.data().join("instances").join(&instance.id).exists());
}
