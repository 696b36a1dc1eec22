//! Calls per day.

use berth::domain::{metering::Day, time::Timestamp};
use serde_json::json;

use super::{account, echo, path, running};
use crate::support::{TestApp, text, wait_for};

#[test]
fn a_day_has_so_many_calls() {
    TestApp::each(|app| {
        let (root, ann) = (app.admin_client("root@example.org"), app.client_of("ann@example.org"));
        let view = running(&ann);
        root.patch(&account(&ann), &json!({ "quota": { "calls_per_day": 2 } })).expect(200);
        echo(&ann, &view).expect(200);
        echo(&ann, &view).expect(200);
        let refused = echo(&ann, &view);
        let told = refused.refused(429, "quota_reached");
        assert!(told.contains('2') && told.contains("midnight"), "{told}");
        let wait: i64 = refused.header("retry-after").unwrap().parse().unwrap();
        let now = Timestamp::now();
        let left = (Day::of(now).end().0 - now.0) / 1000;
        assert!((wait - left).abs() <= 60, "{wait} until midnight, which is in {left}");
        assert_eq!(refused.header("ratelimit-policy"), Some("\"day\";q=2;w=86400"));
        assert_eq!(refused.header("ratelimit"), Some(format!("\"day\";r=0;t={wait}").as_str()));
        let told = wait_for("a notice", || {
            let told = ann.get("/api/v1/notifications").expect(200);
            told["items"].as_array().unwrap().iter().find(|item| item["kind"] == "limit_hit").cloned()
        });
        assert_eq!((&told["detail"]["quota"], &told["detail"]["allowed"]), (&json!("calls_per_day"), &json!(2)));
        // What is no call is still answered: the API, and whether the instance is well.
        ann.get(&path(&view)).expect(200);
        ann.get(&format!("/fake/{}/health", text(&view, "id"))).expect(200);
        let usage = ann.get("/api/v1/me/usage").expect(200);
        let calls = &usage["calls_today"];
        assert_eq!((&calls["used"], &calls["allowed"]), (&json!(2), &json!(2)), "{usage}");
        assert_eq!(text(calls, "resets_at"), Day::of(Timestamp::now()).end().to_string());
        // More are given: the next call passes.
        root.patch(&account(&ann), &json!({ "quota": { "calls_per_day": 3 } })).expect(200);
        echo(&ann, &view).expect(200);
        echo(&ann, &view).refused(429, "quota_reached");
        root.patch(&account(&ann), &json!({ "quota": null })).expect(200);
        echo(&ann, &view).expect(200);
    });
}

#[test]
fn a_restart_keeps_the_days_count() {
    let mut app = TestApp::builder().set("quota_calls_per_day", 3).start();
    let ann = app.client_of("ann@example.org");
    let view = running(&ann);
    echo(&ann, &view).expect(200);
    echo(&ann, &view).expect(200);
    app.stop();
    app.start_again();
    ann.wait_for(&text(&view, "id"), "running");
    assert_eq!(ann.get("/api/v1/me/usage").expect(200)["calls_today"]["used"], 2);
    echo(&ann, &view).expect(200);
    echo(&ann, &view).refused(429, "quota_reached");
}

#[test]
fn calls_at_once_pass_as_often_as_they_may() {
    let app = TestApp::builder().set("quota_calls_per_day", 20).start();
    let ann = app.client_of("ann@example.org");
    let view = running(&ann);
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let calls = || (0..6).map(|_| echo(&ann, &view).status).collect::<Vec<_>>();
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(calls)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 20, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 28, "{statuses:?}");
}
