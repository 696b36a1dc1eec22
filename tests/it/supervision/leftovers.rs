//! Nothing of a child survives its end: no process, no directory, no port, no endless log.

use std::{fs, path::Path};

use serde_json::json;

use crate::support::{Instance, McpClient, TestApp, User, procs, services::Service, wait_for};

fn wait_until_gone(app: &TestApp, pid: u32) {
    wait_for("the end of a process", || (!procs::is_marked(pid, app.root())).then_some(()));
}

/// Has the instance leave a process behind; its number on the host.
fn fork(instance: &Instance, client: &McpClient, setsid: bool, hold: bool) -> u32 {
    let inner = client.text("fork", &json!({ "setsid": setsid, "hold": hold })).parse().unwrap();
    procs::on_host(instance.pid(), inner)
}

#[test]
fn what_forks_and_leaves_is_found() {
    let app = TestApp::builder().fake("leaver", &["--fork-and-leave"]).start();
    let ann = app.user("ann");
    let failed = ann.wait(&ann.order("leaver").id, "failed");
    wait_for("no process", || procs::marked(&app.data().join("instances")).is_empty().then_some(()));
    let tail = failed.view["last_error"]["stderr_tail"].to_string();
    assert!(tail.contains("behind"), "{}", failed.view);
}

#[test]
fn the_whole_tree_ends_with_its_instance() {
    let app = TestApp::builder().env("BERTH_STOP_GRACE_SECONDS", 1).start();
    let ann = app.user("ann");
    for end in ["toggle", "restart", "delete"] {
        let (instance, other) = (ann.create("fake"), ann.create("fake"));
        let (client, neighbour) = (ann.connect(&instance), ann.connect(&other));
        let left: Vec<u32> =
            [(false, false), (true, false), (true, true)].map(|(s, h)| fork(&instance, &client, s, h)).into();
        let foreign = fork(&other, &neighbour, true, true);
        assert!(left.iter().all(|pid| procs::is_marked(*pid, app.root())), "they live until then");
        if end == "delete" {
            ann.delete(&instance.id);
        } else {
            ann.act(&instance.id, end);
        }
        left.iter().for_each(|pid| wait_until_gone(&app, *pid));
        assert!(procs::is_marked(foreign, app.root()), "a neighbour's process is a neighbour's");
        ann.delete(&other.id);
        wait_until_gone(&app, foreign);
    }
}

#[test]
fn what_a_child_forked_is_asked_to_end_before_it_is_killed() {
    let app = TestApp::builder().env("BERTH_STOP_GRACE_SECONDS", 5).start();
    let ann = app.user("ann");
    for (setsid, hold) in [(true, false), (true, true), (false, false), (false, true)] {
        let instance = ann.create("fake");
        fork(&instance, &ann.connect(&instance), setsid, hold);
        ann.delete(&instance.id);
        let log = fs::read_to_string(app.root().join("berth.log")).unwrap();
        assert!(!log.contains("had to be killed"), "setsid {setsid}, hold {hold}");
    }
}

#[test]
fn a_crash_takes_the_tree_along() {
    let app = TestApp::start();
    let ann = app.user("ann");
    let instance = ann.create("fake");
    let client = ann.connect(&instance);
    let left = fork(&instance, &client, true, true);
    procs::kill(instance.pid());
    wait_until_gone(&app, left);
    ann.wait_for_successor(&instance);
    assert_eq!(client.echo("back"), "back");
}

#[test]
fn what_ignores_the_polite_signal_is_killed() {
    let flags = ["--ignore-term", "--ignore-eof"];
    let app = TestApp::builder().fake("stubborn", &flags).env("BERTH_STOP_GRACE_SECONDS", 1).start();
    let ann = app.user("ann");
    let instance = ann.create("stubborn");
    ann.act(&instance.id, "toggle");
    wait_until_gone(&app, instance.pid());
    ann.wait(&instance.id, "stopped");
    ann.act(&instance.id, "toggle");
    let again = ann.wait(&instance.id, "running");
    ann.delete(&again.id);
    wait_until_gone(&app, again.pid());
}

#[test]
fn delete_removes_all_that_an_instance_had() {
    for app in TestApp::each_backend() {
        let ann = app.user("ann");
        let instance = ann.create("fake-http");
        let client = ann.connect(&instance);
        let cwd = client.whoami()["cwd"].as_str().unwrap().to_owned();
        client.text("write", &json!({ "path": "mine.txt", "text": "x" }));
        assert!(Path::new(&cwd).join("mine.txt").exists());
        ann.delete(&instance.id);
        ann.http.get(&format!("/api/v1/mcps/{}", instance.id)).expect(404);
        ann.http.get(&instance.beside("/health")).expect(404);
        ann.http.delete(&format!("/api/v1/mcps/{}", instance.id)).expect(404);
        wait_until_gone(&app, instance.pid());
        let own = app.data().join("instances").join(&instance.id);
        wait_for("its directory's end", || (!own.exists()).then_some(()));
        let next = ann.create("fake-http");
        assert_eq!((next.port(), &next.view["number"]), (instance.port(), &json!(1)), "port and number are free again");
        assert_ne!(next.id, instance.id);
    }
}

#[test]
fn a_removed_user_leaves_nothing() {
    for app in TestApp::each_backend() {
        let (root, ann, bob) = (app.admin(), app.user("ann"), app.user("bob"));
        let gone: Vec<Instance> = ["fake", "fake", "fake-http"].map(|service| ann.create(service)).into();
        let kept = bob.create("fake");
        let id = id_of(&root, &ann.email);
        bob.http.delete(&format!("/api/v1/users/{id}")).expect(403);
        root.http.delete(&format!("/api/v1/users/{id}?now=true")).expect(204);
        for instance in &gone {
            wait_until_gone(&app, instance.pid());
            let own = app.data().join("instances").join(&instance.id);
            wait_for("its directory's end", || (!own.exists()).then_some(()));
            ann.http.get(&instance.beside("/health")).expect(401);
        }
        ann.http.get("/api/v1/mcps").expect(401);
        assert_eq!(bob.connect(&kept).echo("still here"), "still here");
        assert_eq!(root.http.get("/api/v1/users").expect(200).json()["items"].as_array().map(Vec::len), Some(2));
        let alone = id_of(&root, &root.email);
        root.http.delete(&format!("/api/v1/users/{alone}")).expect(409);
    }
}

fn id_of(root: &User, email: &str) -> String {
    let users = root.http.get("/api/v1/users").expect(200).json();
    let user = users["items"].as_array().unwrap().iter().find(|user| user["email"] == email).unwrap();
    user["id"].as_str().unwrap().to_owned()
}

#[test]
fn a_flood_on_standard_error_is_bounded() {
    const LIMIT: u64 = 64 << 10;
    let app = TestApp::builder()
        .fake("flooder", &["--flood-stderr"])
        .service(Service::http("http-flooder", &["--flood-stderr"]))
        .env("BERTH_LOG_MAX_BYTES", LIMIT)
        .env("BERTH_LOG_KEEP", 2)
        .start();
    let ann = app.user("ann");
    for service in ["flooder", "http-flooder"] {
        let instance = ann.create(service);
        let client = ann.connect(&instance);
        let logs = app.data().join("logs");
        wait_for("a rotated log", || {
            assert_eq!(client.echo("in the flood"), "in the flood");
            files(&logs).iter().any(|(name, _)| name.ends_with(".gz")).then_some(())
        });
        client.text("flood_stderr", &json!({ "bytes": 4 << 20 }));
        let total: u64 = files(&logs).iter().map(|(_, size)| size).sum();
        assert!(total < 16 * LIMIT, "{total} bytes of logs: {:?}", files(&logs));
        ann.delete(&instance.id);
    }
}

fn files(folder: &Path) -> Vec<(String, u64)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        // A file may be rotated away while it is looked at.
        let Ok(metadata) = entry.metadata() else { continue };
        if metadata.is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.push((entry.file_name().to_string_lossy().into_owned(), metadata.len()));
        }
    }
    found
}
