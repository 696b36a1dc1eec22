//! Requests per second.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{account, echo, running};
use crate::support::{Answer, TestApp, text};

/// Calls until one is refused; the refusal. A machine that is so slow that the limit fills up again between two
/// calls makes more of them.
fn until_refused(mut call: impl FnMut() -> Answer) -> Answer {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let answer = call();
        if answer.status == 429 {
            return answer;
        }
        assert!(Instant::now() < deadline, "nothing is refused: {}", answer.status);
    }
}

#[test]
fn an_account_is_slowed_down() {
    let app = TestApp::start();
    let (root, ann) = (app.admin_client("root@example.org"), app.client_of("ann@example.org"));
    let view = running(&ann);
    let usage = ann.get("/api/v1/me/usage");
    assert_eq!(usage.header("ratelimit-policy"), Some("\"account\";q=100000;w=1"));
    let left = usage.header("ratelimit").unwrap();
    assert!(left.starts_with("\"account\";r=99") && left.ends_with(";t=1"), "{left}");
    root.patch(&account(&ann), &json!({ "quota": { "calls_per_second": 1 } })).expect(200);
    for refused in [until_refused(|| echo(&ann, &view)), until_refused(|| ann.get("/api/v1/mcps"))] {
        let told = refused.refused(429, "rate_limited");
        assert!(told.contains("1 per second"), "{told}");
        assert_eq!(refused.header("retry-after"), Some("1"));
        assert_eq!(refused.header("ratelimit-policy"), Some("\"account\";q=1;w=1"));
        assert_eq!(refused.header("ratelimit"), Some("\"account\";r=0;t=1"));
    }
    // Nobody else is.
    let bob = app.client_of("bob@example.org");
    for _ in 0..5 {
        bob.get("/api/v1/mcps").expect(200);
    }
}

#[test]
fn each_service_has_its_own_rate() {
    let app = TestApp::builder().set("service_calls_per_second", 1).fake("other", &[]).start();
    let ann = app.client_of("ann@example.org");
    let view = running(&ann);
    let refused = until_refused(|| echo(&ann, &view));
    assert!(refused.refused(429, "rate_limited").contains("this service"));
    assert_eq!(refused.header("ratelimit-policy"), Some("\"service\";q=1;w=1"));
    // Another service has not been called yet, and the API is none.
    let other = ann.create(&json!({ "service": "other" }));
    let other = ann.wait_for(&text(&other, "id"), "running");
    echo(&ann, &other).expect(200);
}

#[test]
fn each_token_has_its_own_rate() {
    let app = TestApp::builder().set("token_calls_per_second", 1).start();
    let ann = app.client_of("ann@example.org");
    let other = app.client().with_token(&app.cli(&["token", "create", "--user", "ann@example.org"], ""));
    let refused = until_refused(|| ann.get("/api/v1/me"));
    assert!(refused.refused(429, "rate_limited").contains("with this token"));
    assert_eq!(refused.header("ratelimit-policy"), Some("\"token\";q=1;w=1"));
    let passed = other.get("/api/v1/me");
    passed.expect(200);
    assert_eq!(passed.header("ratelimit-policy"), Some("\"account\";q=100000;w=1, \"token\";q=1;w=1"));
}
