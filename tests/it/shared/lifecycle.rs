//! When the processes of a shared service run, and what becomes of its instances without them.

use serde_json::{Value, json};

use super::{Scene, instance, scene, scene_of, service, whoami};
use crate::support::{procs::is_marked, wait_for};

fn soon_asleep(start: &'static str) -> Scene {
    let services = move |port: u16| {
        let shared = json!({ "port": port, "workers": 1, "start": start });
        vec![service("hub", port, 1, &[]).with("shared", shared)]
    };
    scene_of(services, |builder| builder.set("idle_seconds", 1))
}

#[test]
fn they_come_with_the_first_need_and_go_with_the_last() {
    let scene = soon_asleep("first_use");
    assert!(scene.workers("hub").is_empty());
    let ann = scene.app.user("ann");
    let made = instance(&ann, "hub", "key-of-ann-0001");
    let pid = scene.wait_for_workers("hub", 1, &[])[0];
    ann.wait(&made.id, "idle");
    wait_for("the process to end", || (!is_marked(pid, scene.app.root())).then_some(()));
    assert_eq!(scene.workers("hub")[0]["state"], "stopped");
    assert_eq!(whoami(&ann, &made, &json!({}))["credential"], "key-of-ann-0001");
    assert_eq!(ann.show(&made.id).view["status"], "running");
}

#[test]
fn they_come_with_berth_where_that_is_wanted() {
    let scene = soon_asleep("boot");
    let pids = scene.wait_for_workers("hub", 1, &[]);
    let ann = scene.app.user("ann");
    let made = instance(&ann, "hub", "key-of-ann-0001");
    let session = ann.connect(&made);
    ann.wait(&made.id, "idle");
    // It wakes without any start.
    let answer: Value = serde_json::from_str(&session.text("whoami", &json!({}))).unwrap();
    assert_eq!(answer["credential"], "key-of-ann-0001");
    assert_eq!(scene.pids("hub"), pids);
}

#[test]
fn they_go_with_their_service() {
    let scene = scene(1, &[]);
    let (ann, root) = (scene.app.user("ann"), scene.app.admin_client("root@example.org"));
    let mut added = root.get("/api/v1/services/hub").expect(200);
    added["name"] = json!("added");
    added["shared"]["port"] = json!(scene.ports.first() + 1);
    root.post("/api/v1/services", &added).expect(201);
    let made = instance(&ann, "added", "key-of-ann-0001");
    let pid = scene.wait_for_workers("added", 1, &[])[0];
    ann.http.delete(&format!("/api/v1/mcps/{}", made.id)).expect(204);
    root.delete("/api/v1/services/added").expect(204);
    wait_for("the process to end", || (!is_marked(pid, scene.app.root())).then_some(()));
}

#[test]
fn instances_go_on_after_a_kill() {
    let mut scene = scene(2, &[]);
    let ann = scene.app.user("ann");
    let instances: Vec<_> = (0..6).map(|number| instance(&ann, "hub", &format!("key-{number:08}"))).collect();
    let session = ann.connect(&instances[0]);
    assert!(session.text("whoami", &json!({})).contains("key-00000000"));
    let before = scene.wait_for_workers("hub", 2, &[]);
    wait_for("the session to be written down", || {
        let count = |conn: &mut berth::db::Connection| Ok(berth::db::client_sessions::list_all(conn)?.len());
        (scene.app.db().read_blocking(count).unwrap() == 1).then_some(())
    });
    scene.app.kill();
    scene.app.start_again();
    for (number, made) in instances.iter().enumerate() {
        assert_eq!(whoami(&ann, made, &json!({}))["credential"], json!(format!("key-{number:08}")));
    }
    assert!(session.text("whoami", &json!({})).contains("key-00000000"));
    scene.wait_for_workers("hub", 2, &before);
}

#[test]
fn no_place_of_anybody_is_taken() {
    let scene = scene_of(|port| vec![service("hub", port, 1, &[])], |builder| builder.set("quota_running", 1));
    let ann = scene.app.user("ann");
    ann.create("fake");
    for number in 0..3 {
        let made = instance(&ann, "hub", &format!("key-{number:08}"));
        assert_eq!(whoami(&ann, &made, &json!({}))["credential"], json!(format!("key-{number:08}")));
    }
    let body = json!({ "service": "hub", "mode": "dedicated", "credential": { "value": "key-00000000" } });
    ann.http.post("/api/v1/mcps", &body).expect(409);
}

#[test]
fn a_port_that_a_foreign_program_holds_is_skipped() {
    let scene =
        scene_of(|port| vec![service("hub", port, 1, &[]), service("next", port + 1, 1, &[])], |builder| builder);
    let _held = std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, scene.ports.first())).unwrap();
    let ann = scene.app.user("ann");
    let made = instance(&ann, "hub", "key-of-ann-0001");
    assert_eq!(whoami(&ann, &made, &json!({}))["credential"], "key-of-ann-0001");
    assert_eq!(scene.workers("hub")[0]["port"], scene.ports.first() + 2, "one that no service has a right to");
}

#[test]
fn modes_that_a_service_does_not_have_are_refused() {
    let scene = scene(1, &[]);
    let ann = scene.app.user("ann");
    let refused = ann.http.post("/api/v1/mcps", &json!({ "service": "fake", "mode": "shared" })).expect(400).text();
    assert!(refused.contains("`mode`"), "{refused}");
    let body = json!({ "service": "hub", "credential": { "value": "k" }, "env": { "A": "b" } });
    let refused = ann.http.post("/api/v1/mcps", &body).expect(400).text();
    assert!(refused.contains("`env`"), "{refused}");
}
