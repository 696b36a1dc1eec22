//! Instances, and how many may be made in an hour.

use serde_json::{Value, json};

use super::{account, path};
use crate::support::{Answer, Client, TestApp, text};

fn create(client: &Client) -> Answer {
    client.post("/api/v1/mcps", &json!({ "service": "fake" }))
}

#[test]
fn deleting_does_not_unmake() {
    TestApp::each(|app| {
        let (root, ann) = (app.admin_client("root@example.org"), app.client_of("ann@example.org"));
        let changed = root.patch(&account(&ann), &json!({ "quota": { "creations_per_hour": 2 } })).expect(200);
        assert_eq!(
            (&changed["quota"], &changed["instance_quota"]),
            (&json!({ "creations_per_hour": 2 }), &Value::Null)
        );
        let first = create(&ann).expect(201);
        ann.delete(&path(&first)).expect(204);
        let second = create(&ann).expect(201);
        ann.delete(&path(&second)).expect(204);
        let refused = create(&ann);
        let told = refused.refused(429, "quota_reached");
        assert!(told.contains("2 instances an hour"), "{told}");
        let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=3600).contains(&wait), "{wait}");
        let usage = ann.get("/api/v1/me/usage").expect(200);
        let made = &usage["creations_this_hour"];
        assert_eq!((&made["used"], &made["allowed"]), (&json!(2), &json!(2)), "{usage}");
        assert!(made["resets_at"].is_string());
        assert_eq!(usage["instances"], json!({ "used": 0, "allowed": 10 }));
        root.patch(&account(&ann), &json!({ "quota": { "creations_per_hour": 0 } })).expect(200);
        create(&ann).expect(201);
    });
}

#[test]
fn the_old_name_of_a_quota_is_the_new_ones() {
    TestApp::each(|app| {
        let (root, ann) = (app.admin_client("root@example.org"), app.client_of("ann@example.org"));
        let by_old = root.patch(&account(&ann), &json!({ "instance_quota": 1 })).expect(200);
        assert_eq!((&by_old["instance_quota"], &by_old["quota"]), (&json!(1), &json!({ "instances": 1 })));
        create(&ann).expect(201);
        create(&ann).refused(409, "quota_reached");
        let by_new = root.patch(&account(&ann), &json!({ "quota": { "instances": 2 } })).expect(200);
        assert_eq!((&by_new["instance_quota"], &by_new["quota"]), (&json!(2), &json!({ "instances": 2 })));
        create(&ann).expect(201);
        create(&ann).refused(409, "quota_reached");
        assert_eq!(root.get(&account(&ann)).expect(200), by_new);
    });
}

#[test]
fn wrong_figures_are_refused() {
    let app = TestApp::start();
    let (root, ann) = (app.admin_client("root@example.org"), app.client_of("ann@example.org"));
    for (body, named) in [
        (json!({ "quota": { "runing": 1 } }), "runing"),
        (json!({ "quota": { "running": -1 } }), "quota"),
        (json!({ "quota": { "running": "2" } }), "quota"),
        (json!({ "services": ["nothing-of-that-name"] }), "nothing-of-that-name"),
        (json!({ "services": ["../x"] }), "service"),
    ] {
        let told = root.patch(&account(&ann), &body).refused(400, "validation_failed");
        assert!(told.contains(named), "{body}: {told}");
    }
    ann.patch(&account(&ann), &json!({ "quota": { "running": 9 } })).refused(403, "forbidden");
}

/// At the limit with one place left, again and again: of creates at once exactly one wins.
#[test]
fn of_creates_at_once_one_wins() {
    TestApp::each(|app| {
        let (root, ann) = (app.admin_client("root@example.org"), app.client_of("ann@example.org"));
        for (round, quota) in
            (0..24).map(|round| (round, if round % 2 == 0 { "instances" } else { "creations_per_hour" }))
        {
            let made = ann.get("/api/v1/me/usage").expect(200)["creations_this_hour"]["used"].as_u64().unwrap();
            let limit = if quota == "instances" { 1 } else { made + 1 };
            root.patch(&account(&ann), &json!({ "quota": null })).expect(200);
            root.patch(&account(&ann), &json!({ "quota": { quota: limit } })).expect(200);
            let barrier = std::sync::Barrier::new(4);
            let answers: Vec<Answer> = std::thread::scope(|scope| {
                let one = || {
                    barrier.wait();
                    create(&ann)
                };
                let threads: Vec<_> = (0..4).map(|_| scope.spawn(one)).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            let won: Vec<&Answer> = answers.iter().filter(|answer| answer.status == 201).collect();
            let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
            assert_eq!(won.len(), 1, "round {round}: {statuses:?}");
            let refusal = if quota == "instances" { 409 } else { 429 };
            assert_eq!(statuses.iter().filter(|status| **status == refusal).count(), 3, "round {round}: {statuses:?}");
            ann.delete(&format!("/api/v1/mcps/{}", text(&won[0].json(), "id"))).expect(204);
        }
    });
}
