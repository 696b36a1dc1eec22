//! The system's health, for administrators.

use serde_json::{Value, json};

use super::running;
use crate::support::TestApp;

#[test]
fn an_administrator_sees_everything_at_once() {
    TestApp::each(|app| {
        let (root, ann) = (app.admin_client("root@example.org"), app.client_of("ann@example.org"));
        running(&ann);
        let health = root.get("/api/v1/admin/health").expect(200);
        assert_eq!((&health["status"], &health["database"]["ok"]), (&json!("ok"), &json!(true)), "{health}");
        assert_eq!(health["instances"], json!({ "running": 1 }));
        assert_eq!(health["processes"]["children"], 1);
        assert_eq!(health["processes"]["orphans_total"], 0);
        let positive = |pointer: &str| health.pointer(pointer).and_then(Value::as_f64).is_some_and(|value| value > 0.0);
        for pointer in [
            "/host/disk/total_bytes",
            "/host/disk/free_bytes",
            "/host/memory/total_bytes",
            "/host/memory/available_bytes",
            "/host/berth_memory_bytes",
            "/database/answered_in_ms",
        ] {
            assert!(positive(pointer), "{pointer} in {health}");
        }
        assert_eq!(health["host"]["load"].as_array().map(Vec::len), Some(3));
        assert_eq!(health["queues"]["calls_in_flight"], 0);
        let status: Value = serde_json::from_str(&app.cli(&["status", "--json"], "")).unwrap();
        assert_eq!(status["system"]["processes"]["children"], 1);
        assert!(app.cli(&["status"], "").contains("1 processes use"));
    });
}
