//! Berth's own end, polite or not, and what is there when it comes back.

use std::fs;

use serde_json::json;

use crate::support::{Instance, TestApp, User, procs, wait_for};

fn same_but_for_the_process(before: &Instance, now: &Instance) {
    for same in ["id", "url", "slug_url", "slug", "number", "port", "label", "created_at"] {
        assert_eq!(now.view[same], before.view[same], "{same}");
    }
    assert_ne!(now.view["pid"], before.view["pid"]);
}

fn a_few(ann: &User) -> Vec<Instance> {
    ["fake", "fake-http", "fake-http", "fake"].map(|service| ann.create(service)).into()
}

#[test]
fn after_a_sudden_end_everything_comes_back_and_nothing_is_left() {
    for mut app in TestApp::each_backend() {
        let ann = app.user("ann");
        let before = a_few(&ann);
        let stopped = ann.create("fake");
        ann.act(&stopped.id, "toggle");
        ann.wait(&stopped.id, "stopped");
        let inner = ann.connect(&before[0]).text("fork", &json!({ "setsid": true, "hold": false })).parse().unwrap();
        let orphan = procs::on_host(before[0].pid(), inner);
        app.kill();
        app.start_again();
        for instance in &before {
            let now = ann.wait(&instance.id, "running");
            same_but_for_the_process(instance, &now);
            assert_eq!(ann.connect(&now).echo("back"), "back");
        }
        for pid in before.iter().map(Instance::pid).chain([orphan]) {
            wait_for("an old process's end", || (!procs::is_marked(pid, app.root())).then_some(()));
        }
        assert_eq!(ann.show(&stopped.id).view["status"], "stopped");
        assert_eq!(ann.list().len(), 5);
    }
}

#[test]
fn after_a_polite_end_everything_comes_back() {
    let mut app = TestApp::start();
    let ann = app.user("ann");
    let before = a_few(&ann);
    let waiting = ann.connect(&before[0]).listen();
    app.stop();
    assert!(waiting.ends());
    assert!(!app.data().join("control.json").exists());
    app.start_again();
    for instance in &before {
        let now = ann.wait(&instance.id, "running");
        same_but_for_the_process(instance, &now);
        assert_eq!(ann.connect(&now).echo("back"), "back");
    }
}

#[test]
fn processes_of_another_data_directory_are_nobodys_business() {
    let other = TestApp::start();
    let bob = other.user("bob");
    let neighbour = bob.create("fake");
    let mut app = TestApp::start();
    let ann = app.user("ann");
    let instance = ann.create("fake");
    app.kill();
    app.start_again();
    ann.wait(&instance.id, "running");
    let now = bob.show(&neighbour.id);
    assert_eq!((&now.view["pid"], &now.view["restarts"]), (&neighbour.view["pid"], &json!(0)));
    assert_eq!(bob.connect(&now).echo("undisturbed"), "undisturbed");
}

#[test]
fn a_wrong_master_key_is_refused_and_changes_nothing() {
    for mut app in TestApp::each_backend() {
        let ann = app.user("ann");
        let order = json!({ "service": "fake", "env": { "MY_KEY": "sealed" } });
        let instance = ann.wait(&ann.order_with(&order).id, "running");
        app.stop();
        let file = app.data().join("master.key");
        let key = fs::read(&file).unwrap();

        let mut other = app.command(&["serve", "--listen", "127.0.0.1:0"]);
        other.env("BERTH_MASTER_KEY", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
        let words = app.refused(other);
        assert!(words.contains("not the master key"), "{words}");

        fs::remove_file(&file).unwrap();
        let words = app.refused(app.command(&["serve", "--listen", "127.0.0.1:0"]));
        assert!(words.contains("master.key") && words.contains("missing"), "{words}");
        assert!(!file.exists(), "no key is made where one is missing");

        fs::write(&file, key).unwrap();
        set_private(&file);
        app.start_again();
        let now = ann.wait(&instance.id, "running");
        assert_eq!(ann.connect(&now).whoami()["env"]["MY_KEY"], "sealed");
    }
}

fn set_private(file: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
}
