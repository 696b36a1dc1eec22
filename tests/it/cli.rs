//! The command line through the real binary: what it prints, its exit codes, and how it starts and ends.

use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::{PASSWORD, TestApp, services::Service, text, wait_for};

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn accounts() {
    TestApp::each(|app| {
        let output = app.run_with(&["user", "add", "ann@example.org", "--password-stdin"], PASSWORD);
        assert!(output.status.success());
        let output = app.run_with(&["user", "add", "ANN@example.org", "--password-stdin"], PASSWORD);
        assert_eq!(output.status.code(), Some(1));
        assert!(String::from_utf8(output.stderr).unwrap().contains("there is a user ann@example.org already"));
        assert_eq!(
            app.run_with(&["user", "add", "bob@example.org", "--password-stdin"], "short").status.code(),
            Some(1)
        );
        assert_eq!(app.run_with(&["user", "add", "no-address"], "").status.code(), Some(2));
        let users = parsed(&app.cli(&["user", "list", "--json"], ""));
        assert_eq!(users["items"][0]["email"], "ann@example.org");
        assert!(!users.to_string().contains("argon2"));
        app.cli(&["user", "remove", "ann@example.org", "--now"], "");
        assert!(app.fails(&["user", "remove", "ann@example.org"]).contains("no user"));
    });
}

#[test]
fn instances_from_creation_to_deletion() {
    let app = TestApp::start();
    app.client_of("ann@example.org");
    let create = [
        "instance",
        "create",
        "fake",
        "--user",
        "ann@example.org",
        "--label",
        "x",
        "--env",
        "COLOUR=red=blue",
        "--json",
    ];
    let view = parsed(&app.cli(&create, ""));
    let (id, slug) = (text(&view, "id"), text(&view, "slug"));
    let show = |which: &str| parsed(&app.cli(&["instance", "show", which, "--json"], ""));
    wait_for("the instance to run", || (show(&slug)["status"] == "running").then_some(()));
    assert!(app.cli(&["instance", "list"], "").contains("ann@example.org"));
    assert!(app.cli(&["status"], "").contains("running"));
    assert!(app.cli(&["monit", "--once"], "").contains(&id));
    app.cli(&["logs"], "");
    app.cli(&["instance", "logs", &slug, "--tail", "5"], "");
    app.cli(&["instance", "renew", &id, "--minutes", "5"], "");
    wait_for("the end to be set", || show(&id)["expires_at"].as_str().map(drop));
    app.cli(&["instance", "renew", &id, "--never"], "");
    app.cli(&["instance", "toggle", &id], "");
    wait_for("the instance to stop", || (show(&id)["status"] == "stopped").then_some(()));
    app.cli(&["instance", "restore", &id], "");
    wait_for("the instance to run", || (show(&id)["status"] == "running").then_some(()));
    let clone = parsed(&app.cli(&["instance", "clone", &id, "--json"], ""));
    assert_eq!(clone["number"], 2);
    app.cli(&["instance", "restart", &id], "");
    app.cli(&["instance", "delete", &id], "");
    assert!(app.fails(&["instance", "show", &id]).contains("no such instance"));
    assert!(app.fails(&["instance", "create", "nothing", "--user", "ann@example.org"]).contains("nothing"));
}

#[test]
fn services() {
    let app = TestApp::start();
    let file = app.data().join("mine.toml");
    std::fs::write(&file, Service::stdio("mine", &[]).toml()).unwrap();
    let file = file.to_str().unwrap();
    assert!(app.cli(&["service", "check", file], "").contains("valid"));
    app.cli(&["service", "add", file], "");
    assert!(app.fails(&["service", "add", file]).contains("mine"));
    assert!(app.cli(&["service", "list"], "").contains("mine"));
    assert_eq!(parsed(&app.cli(&["service", "show", "mine", "--json"], ""))["name"], "mine");
    app.client_of("ann@example.org").create(&json!({ "service": "mine" }));
    assert!(app.fails(&["service", "remove", "mine"]).contains("delete them first"));
    std::fs::write(file, "name = \"mine\"").unwrap();
    assert!(app.fails(&["service", "check", file]).contains("display_name"));
    assert!(app.fails(&["service", "show", "nothing"]).contains("nothing"));
}

#[test]
fn without_a_running_berth_the_database_is_changed_and_the_rest_says_how_to_start() {
    let mut app = TestApp::start();
    let ann = app.client_of("ann@example.org");
    app.admin_client("root@example.org");
    let view = ann.create(&json!({ "service": "fake" }));
    ann.wait_for(&text(&view, "id"), "running");
    app.stop();
    for args in [&["status"][..], &["instance", "list"], &["logs"], &["monit"], &["stop"], &["restart"]] {
        assert!(app.fails(args).contains("berth serve"), "{args:?}");
    }
    let tokens = parsed(&app.cli(&["token", "list", "--user", "ann@example.org", "--json"], ""));
    app.cli(&["token", "revoke", &text(&tokens["items"][0], "id")], "");
    app.cli(&["user", "remove", "ann@example.org", "--now"], "");
    assert!(!app.data().join("instances").join(text(&view, "id")).exists());
    assert!(app.cli(&["audit", "verify"], "").starts_with("intact"));
    app.start_again();
    assert_eq!(app.client().get("/health").expect(200)["instances"], json!({}));
}

#[test]
fn restart_keeps_the_process_and_stop_ends_it() {
    let mut app = TestApp::start();
    let ann = app.client_of("ann@example.org");
    let made = ann.create(&json!({ "service": "fake" }));
    let view = ann.wait_for(&text(&made, "id"), "running");
    // A fixed port: a restart takes the arguments as they were.
    app.stop();
    app.start_again();
    let pid = app.pid();
    let answer = parsed(&app.cli(&["restart", "--json"], ""));
    assert_eq!(answer["pid"], pid);
    let again = ann.wait_for(&text(&view, "id"), "running");
    assert_ne!(again["pid"], view["pid"]);
    assert_eq!(parsed(&app.cli(&["stop", "--json"], "")), json!({ "pid": pid, "stopped": true }));
}

#[test]
fn a_second_berth_on_the_same_data_is_refused() {
    let app = TestApp::start();
    let told = app.fails(&["serve", "--listen", "127.0.0.1:0"]);
    assert!(told.contains(&app.pid().to_string()) && told.contains("--data-dir"), "{told}");
    app.client().get("/health").expect(200);
}

#[test]
fn a_busy_port_is_named_before_anything_is_started() {
    let mut app = TestApp::start();
    let ann = app.client_of("ann@example.org");
    ann.create(&json!({ "service": "fake" }));
    app.stop();
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = holder.local_addr().unwrap().to_string();
    let told = app.fails(&["serve", "--listen", &address]);
    assert!(told.contains(&address) && told.contains("--listen"), "{told}");
    app.start_again();
    assert_eq!(ann.get("/api/v1/mcps").expect(200)["items"].as_array().unwrap().len(), 1);
}

#[test]
fn doctor_and_migrate_leave_a_fresh_directory_usable() {
    let app = TestApp::start();
    let fresh = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_berth"));
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).current_dir(fresh.path());
        command.env("BERTH_LISTEN", "127.0.0.1:0").args(args).stdin(Stdio::null()).output().unwrap()
    };
    let doctor = run(&["doctor", "--json"]);
    assert!(doctor.status.success(), "{}", String::from_utf8_lossy(&doctor.stdout));
    assert!(!fresh.path().join("data").exists(), "it changes nothing");
    let migrate = run(&["migrate", "--json"]);
    let applied = parsed(&String::from_utf8(migrate.stdout).unwrap())["applied"].clone();
    assert_eq!(applied, json!(berth::db::migration_names().0));
    assert_eq!(run(&["--config", "nothing.toml", "migrate"]).status.code(), Some(1));
    assert_eq!(run(&["--set", "colour=red", "migrate"]).status.code(), Some(1));
    assert_eq!(run(&["frobnicate"]).status.code(), Some(2));
    assert!(app.cli(&["doctor"], "").contains("Berth runs"));
}

#[test]
fn a_remembered_token_ends_with_the_account() {
    let app = TestApp::start();
    app.admin_client("root@example.org");
    let ann = app.client_of("ann@example.org");
    ann.get("/api/v1/auth/me").expect(200);
    app.cli(&["user", "remove", "ann@example.org"], "");
    ann.get("/api/v1/auth/me").refused(403, "account_disabled");
    app.cli(&["user", "remove", "ann@example.org", "--now"], "");
    ann.get("/api/v1/auth/me").refused(401, "unauthenticated");
}
