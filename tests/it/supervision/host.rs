//! Berth beside others on one host: ports, data directories, databases that are busy.

use std::{
    io::{BufRead, BufReader},
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::json;

use crate::support::{TestApp, wait_for};

#[test]
fn a_busy_port_is_named() {
    let mut app = TestApp::start();
    let ann = app.user("ann");
    let instance = ann.create("fake");
    app.stop();
    let foreign = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = foreign.local_addr().unwrap().to_string();
    let words = app.refused(app.command(&["serve", "--listen", &address]));
    assert!(words.contains(&address) && words.contains("--listen"), "{words}");
    app.start_again();
    ann.wait(&instance.id, "running");
}

#[test]
fn a_second_berth_on_a_data_directory_is_refused() {
    let app = TestApp::start();
    let ann = app.user("ann");
    let instance = ann.create("fake");
    let words = app.refused(app.command(&["serve", "--listen", "127.0.0.1:0"]));
    assert!(words.contains(&app.pid().to_string()) && words.contains("data directory"), "{words}");
    assert_eq!(ann.show(&instance.id).view["pid"], instance.view["pid"], "the first one's processes live");
    assert_eq!(ann.connect(&instance).echo("undisturbed"), "undisturbed");
    assert!(app.data().join("control.json").exists());
    app.cli(&["user", "add", "still@example.org", "--password-stdin"], "correct horse battery staple\n");
}

#[test]
fn settings_and_manifests_that_are_wrong_are_named() {
    let app = TestApp::start();
    let mut command = app.command(&["serve"]);
    command.env("BERTH_PORTS", "many");
    let words = app.refused(command);
    assert!(words.contains("ports"), "{words}");

    let services = app.root().join("services");
    std::fs::create_dir_all(services.join("broken")).unwrap();
    std::fs::write(services.join("broken/service.toml"), "name = \"broken\"\ntransport = 7\n").unwrap();
    let mut app = app;
    app.stop();
    app.start_again();
    let ann = app.user("ann");
    assert_eq!(ann.connect(&ann.create("fake")).echo("others go on"), "others go on");
    let refused = ann.http.post("/api/v1/mcps", &json!({ "service": "broken" })).expect(404);
    assert_eq!(refused.json()["code"], "unknown_service");
    let log = std::fs::read_to_string(app.root().join("berth.log")).unwrap();
    assert!(log.contains("broken") && log.contains("transport"), "{log}");
}

/// Holds the write lock of a SQLite file from another process, until dropped.
struct Locker(Child);

impl Locker {
    /// `None` without Python on this host.
    #[expect(clippy::print_stderr, reason = "what is not tested must not look tested")]
    fn lock(file: &Path) -> Option<Self> {
        const SCRIPT: &str = "import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)
connection.execute('BEGIN IMMEDIATE')
print('locked', flush=True)
sys.stdin.read()";
        let mut python = Command::new("python3");
        python.args(["-c", SCRIPT]).arg(file).stdin(Stdio::piped()).stdout(Stdio::piped());
        let Ok(mut child) = python.spawn() else {
            eprintln!("SKIPPED: a locked database needs python3");
            return None;
        };
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line.trim(), "locked");
        Some(Self(child))
    }
}

impl Drop for Locker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_locked_database_stops_changes_and_no_calls() {
    let app = TestApp::start();
    let ann = app.user("ann");
    let instance = ann.create("fake");
    let client = ann.connect(&instance);
    let Some(lock) = Locker::lock(&app.data().join("berth.db")) else { return };
    let reply = std::thread::scope(|scope| {
        let order = scope.spawn(|| ann.http.post("/api/v1/mcps", &json!({ "service": "fake" })));
        while !order.is_finished() {
            assert_eq!(client.echo("through"), "through");
        }
        order.join().unwrap()
    });
    assert_eq!((reply.status, &reply.json()["code"]), (503, &json!("database_unavailable")), "{}", reply.text());
    assert_ne!(reply.header("retry-after"), "");
    // A child that falls meanwhile is replaced all the same.
    crate::support::procs::kill(instance.pid());
    let words = wait_for("a new child", || {
        let answer = client.call("echo", &json!({ "text": "back" }));
        answer["result"].is_object().then(|| crate::support::mcp::text_of(&answer))
    });
    assert_eq!(words, "back");
    drop(lock);
    assert_eq!(ann.list().len(), 1, "the order that failed left nothing");
    ann.create("fake");
    wait_for("the record of the crash", || (ann.show(&instance.id).view["restarts"] == 1).then_some(()));
}
