//! Session mode: what connections leave behind, and who clears it away.

use std::fs;

use berth::{db::instances, domain::time::Timestamp};
use rustix::fs::{Mode, OFlags, mkdirat, openat};
use serde_json::json;

use crate::support::{Instance, TestApp, User, services::Service, wait_for};

/// An instance with a process for each client.
fn scene() -> (TestApp, User, Instance) {
    let app = TestApp::builder().service(Service::stdio("each", &[]).with("modes", json!(["session"]))).start();
    let ann = app.user("ann");
    let instance = ann.order_with(&json!({ "service": "each", "mode": "session" }));
    let instance = ann.wait(&instance.id, "running");
    (app, ann, instance)
}

/// Files of a connection that nobody knows any more, as deep as no path reaches and no stack does.
#[test]
fn what_a_hostile_connection_has_left_is_removed_at_the_next_start() {
    let (mut app, ann, instance) = scene();
    let client = ann.connect(&instance);
    client.text("write", &json!({ "path": "file", "text": "mine" }));
    app.stop();
    let unknown = app.data().join("instances").join(&instance.id).join("connections/0123456789abcdef0123456789abcdef");
    fs::create_dir(&unknown).unwrap();
    let mut at = fs::File::open(&unknown).unwrap();
    for _ in 0..15_000 {
        mkdirat(&at, "d", Mode::RWXU).unwrap();
        at = openat(&at, "d", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).unwrap().into();
    }
    drop(at);
    app.start_again();
    wait_for("the end of what is nobody's", || (!unknown.exists()).then_some(()));
    assert_eq!(client.text("read", &json!({ "path": "file" })), "mine");
}

/// The log of each connection, too, and every time anew; all of it goes with the instance.
#[test]
fn the_logs_of_connections_are_archived_each_time() {
    let (mut app, ann, instance) = scene();
    let archives = app.data().join("archive/user_1/mcp_001_each_1");
    for time in 1..=2 {
        let client = ann.connect(&instance);
        client.text("flood_stderr", &json!({ "bytes": 5000 }));
        let id = client.session.clone();
        let log = app.data().join("logs/users/user_1/mcp_001_each_1/connections").join(&id).join("error.log");
        wait_for("its log", || (fs::metadata(&log).ok()?.len() > 0).then_some(()));
        drop(client);
        app.stop();
        let uuid = instance.id.parse().unwrap();
        app.db().write_blocking(move |conn| instances::set_expiry(conn, uuid, Some(Timestamp(1)))).unwrap();
        app.start_again();
        ann.wait(&instance.id, "expired");
        let packed = wait_for("the archive", || {
            let packed: Vec<_> = fs::read_dir(&archives).into_iter().flatten().flatten().collect();
            (packed.len() == time && !log.exists()).then_some(packed)
        });
        let with_log =
            packed.iter().filter(|one| one.path().join("connections").join(&id).join("error.log.gz").exists());
        assert_eq!(with_log.count(), 1, "{packed:?}");
        ann.act(&instance.id, "restore");
        ann.wait(&instance.id, "running");
    }
    ann.delete(&instance.id);
    assert!(!archives.exists());
    // And what else there is of a user goes with the user.
    fs::create_dir_all(&archives).unwrap();
    let owner = instance.view["owner"].as_str().unwrap();
    app.operator().http.delete(&format!("/api/v1/users/{owner}?now=true")).expect(204);
    assert!(!archives.parent().unwrap().exists());
}
