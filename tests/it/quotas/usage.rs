//! Records of what was called.

use berth::domain::{metering::Day, time::Timestamp};
use serde_json::{Value, json};

use super::{account, echo, running};
use crate::support::{TestApp, text};

#[test]
fn calls_are_recorded_by_user_service_and_day() {
    TestApp::each(|app| {
        let (root, ann, bob) =
            (app.admin_client("root@example.org"), app.client_of("ann@example.org"), app.client_of("bob@example.org"));
        let today = Day::of(Timestamp::now());
        let view = running(&ann);
        let http = ann.create(&json!({ "service": "fake-http" }));
        let http = ann.wait_for(&text(&http, "id"), "running");
        let his = running(&bob);
        for _ in 0..3 {
            echo(&ann, &view).expect(200);
        }
        echo(&ann, &http).expect(200);
        echo(&bob, &his).expect(200);
        let wrong = ann.call(&view, "no-such-tool", &json!({}));
        assert!(wrong.status >= 400, "{wrong:?}");
        let list = root.get("/api/v1/usage").expect(200);
        let of = |email: &str, service: &str| {
            let items = list["items"].as_array().unwrap();
            let found = items.iter().find(|item| item["email"] == email && item["service"] == service);
            found.unwrap_or_else(|| panic!("nothing of {email} and {service} in {list}")).clone()
        };
        let fake = of("ann@example.org", "fake");
        assert_eq!((&fake["calls"], &fake["errors"]), (&json!(4), &json!(1)), "{list}");
        assert_eq!(of("ann@example.org", "fake-http")["calls"], 1);
        assert_eq!(of("bob@example.org", "fake")["calls"], 1);
        assert!([today.to_string(), Day(today.0 + 1).to_string()].contains(&text(&fake, "day")));
        let (p50, p95) = (fake["latency_p50_ms"].as_f64().unwrap(), fake["latency_p95_ms"].as_f64().unwrap());
        assert!(0.0 < p50 && p50 <= p95, "{fake}");
        let sums = |by: &str| -> Vec<Value> {
            let list = root.get(&format!("/api/v1/usage?group_by={by}")).expect(200);
            list["items"].as_array().unwrap().iter().map(|item| item["calls"].clone()).collect()
        };
        assert_eq!(sums("user"), [json!(5), json!(1)]);
        assert_eq!(sums("service"), [json!(5), json!(1)]);
        assert_eq!(root.get("/api/v1/usage?to=2020-01-31&from=2020-01-01").expect(200)["items"], json!([]));
        for wrong in ["from=x", "group_by=week", "format=xml", "from=2026-02-01&to=2026-01-01", "since=1"] {
            root.get(&format!("/api/v1/usage?{wrong}")).refused(400, "validation_failed");
        }
        // The record outlives the account.
        root.delete(&account(&bob)).expect(204);
        assert_eq!(sums("user"), [json!(5), json!(1)]);
    });
}

#[test]
fn records_are_exported_as_csv() {
    let app = TestApp::start();
    let (root, ann) = (app.admin_client("root@example.org"), app.client_of("ann@example.org"));
    let view = running(&ann);
    echo(&ann, &view).expect(200);
    let by_accept = root.with("accept", "text/csv").get("/api/v1/usage?group_by=user,service");
    let by_format = root.get("/api/v1/usage?group_by=user,service&format=csv");
    for answer in [by_accept, by_format] {
        assert!(answer.header("content-type").unwrap().starts_with("text/csv"), "{answer:?}");
        let mut lines = answer.text.lines();
        assert_eq!(lines.next(), Some("day,user,email,service,calls,errors,latency_p50_ms,latency_p95_ms"));
        let cells: Vec<&str> = lines.next().unwrap().split(',').collect();
        assert_eq!((cells[0], cells[2], cells[3], cells[4], cells[5]), ("", "ann@example.org", "fake", "1", "0"));
        assert_eq!(lines.next(), None);
    }
    // The command line knows of the last seconds, too.
    let csv = app.cli(&["usage", "--csv", "--by", "service"], "");
    assert!(csv.lines().nth(1).unwrap().starts_with(",,,fake,1,0,"), "{csv}");
    let json: Value = serde_json::from_str(&app.cli(&["usage", "--json"], "")).unwrap();
    assert_eq!(json["items"][0]["email"], "ann@example.org");
    assert!(app.cli(&["usage", "--by", "user"], "").contains("ann@example.org"));
}

#[test]
fn everybody_sees_their_own_usage_and_administrators_that_of_all() {
    let app = TestApp::start();
    let (root, ann) = (app.admin_client("root@example.org"), app.client_of("ann@example.org"));
    running(&ann);
    let mine = ann.get("/api/v1/me/usage").expect(200);
    assert_eq!(mine["instances"], json!({ "used": 1, "allowed": 10 }));
    assert_eq!(mine["running"], json!({ "used": 1, "allowed": null }));
    assert_eq!(mine["memory_bytes"], json!({ "used": 512 << 20, "allowed": null }));
    assert_eq!(mine["rates"]["calls_per_second"], json!({ "allowed": 100_000 }));
    assert_eq!(root.get(&format!("{}/usage", account(&ann))).expect(200), mine);
    root.get("/api/v1/users/0198c6a0-0000-7000-8000-000000000000/usage").refused(404, "not_found");
}
