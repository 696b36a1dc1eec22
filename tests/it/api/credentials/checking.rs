//! A credential is tried at its service: before it is stored or rotated, and when its owner wants.

use serde_json::{Value, json};

use crate::support::{Builder, TestApp, api::OutsideApi, services::Service, text};

const GOOD: &str = "ghp_good-0123456789";
const BAD: &str = "ghp_bad-0123456789";

fn credential(kind: &str, check: &Value) -> Value {
    json!({ "kind": kind, "env": "THE_KEY", "header": "Authorization", "check": check })
}

fn service(name: &str, api: &OutsideApi, kind: &str, check: &Value) -> Service {
    Service::stdio(name, &[]).with("env", json!({ "API": api.url })).with("credential", credential(kind, check))
}

fn reach() -> Builder {
    TestApp::builder().set("allow_private_targets", "127.0.0.1")
}

#[test]
fn a_wrong_credential_is_refused_with_the_reason_of_its_service() {
    let api = OutsideApi::start(&[GOOD]);
    let make = || reach().service(service("hub", &api, "personal_access_token", &json!("{env.API}/me")));
    Builder::each(make, |app| {
        let ann = app.client_of("ann@example.org");
        let post = |value: &str| ann.post("/api/v1/credentials", &json!({ "service": "hub", "value": value }));
        let told = post(BAD).refused(422, "credential_refused");
        assert!(told.contains("hub refuses it: Bad credentials (401"), "{told}");
        assert_eq!(ann.get("/api/v1/credentials").expect(200)["items"], json!([]));
        let order = json!({ "service": "hub", "credential": { "value": BAD } });
        ann.post("/api/v1/mcps", &order).refused(422, "credential_refused");
        assert_eq!(ann.get("/api/v1/mcps").expect(200)["items"], json!([]));

        let stored = post(GOOD).expect(201);
        assert_eq!((&stored["last_result"], &stored["last_detail"]), (&json!("valid"), &json!("")));
        let path = format!("/api/v1/credentials/{}", text(&stored, "id"));
        ann.post(&format!("{path}/rotate"), &json!({ "value": BAD })).refused(422, "credential_refused");
        assert_eq!(ann.get("/api/v1/credentials").expect(200)["items"][0]["hint"], "6789");
        let asked = api.asked();
        assert!(asked.iter().all(|asked| asked.line == "GET /me HTTP/1.1"), "{asked:?}");
        assert!(asked.iter().all(|asked| asked.headers["user-agent"].starts_with("berth/")));
        assert!(!app.log().contains(BAD) && !app.log().contains("Bad credentials"), "{}", app.log());
    });
}

#[test]
fn a_stored_credential_is_tried_again_and_the_result_kept() {
    let api = OutsideApi::start(&[GOOD]);
    let make = || {
        reach()
            .service(service("hub", &api, "api_key", &json!("{env.API}/me")))
            .service(Service::stdio("plain", &[]).with("credential", json!({ "kind": "api_key", "env": "K" })))
    };
    Builder::each(make, |app| {
        let (ann, bob) = (app.client_of("ann@example.org"), app.client_of("bob@example.org"));
        let store = |service: &str, value: &str, validate: Value| {
            let body = json!({ "service": service, "value": value, "validate": validate });
            let stored = ann.post("/api/v1/credentials", &body).expect(201);
            format!("/api/v1/credentials/{}/test", text(&stored, "id"))
        };
        let good = store("hub", GOOD, json!(true));
        let unchecked = store("hub", BAD, json!(false));
        let tried = ann.post(&unchecked, &json!({})).expect(200);
        assert_eq!((&tried["last_result"], &tried["hint"]), (&json!("refused"), &json!("6789")));
        assert!(text(&tried, "last_detail").contains("Bad credentials"), "{tried}");
        assert_eq!(ann.post(&good, &json!({})).expect(200)["last_result"], "valid");
        bob.post(&good, &json!({})).refused(404, "not_found");
        let listed = ann.get("/api/v1/credentials").expect(200);
        assert!(listed["items"].as_array().unwrap().iter().all(|item| item["last_tested_at"].is_string()), "{listed}");
        // No way to ask.
        let plain = store("plain", GOOD, Value::Null);
        ann.post(&plain, &json!({})).refused(400, "validation_failed");
        let body = json!({ "service": "plain", "value": GOOD, "validate": true });
        ann.post("/api/v1/credentials", &body).refused(400, "validation_failed");
        let root = app.admin_client("root@example.org");
        let entries = root.get("/api/v1/audit?action=credential.test&limit=10").expect(200);
        let verdicts: Vec<_> =
            entries["items"].as_array().unwrap().iter().map(|e| text(&e["detail"], "verdict")).collect();
        assert_eq!(verdicts, ["valid", "refused"]);
    });
}

#[test]
fn a_key_that_is_revoked_later_shows_in_the_next_test() {
    let api = OutsideApi::start(&[GOOD]);
    let app = reach().service(service("hub", &api, "api_key", &json!("{env.API}/me"))).start();
    let ann = app.client_of("ann@example.org");
    let stored = ann.post("/api/v1/credentials", &json!({ "service": "hub", "value": GOOD })).expect(201);
    api.revoke(GOOD);
    let tried = ann.post(&format!("/api/v1/credentials/{}/test", text(&stored, "id")), &json!({})).expect(200);
    assert_eq!(tried["last_result"], "refused");
}

#[test]
fn manifests_say_how_to_ask_and_what_a_good_answer_is() {
    let user = "user:with a password";
    let encoded = "dXNlcjp3aXRoIGEgcGFzc3dvcmQ=";
    let api = OutsideApi::start(&[GOOD, encoded]);
    let slack = json!({
        "url": "{env.API}/auth.test", "method": "POST", "scheme": "token {credential}",
        "expect": { "field": "ok" }, "reason": "/error",
    });
    let app = reach()
        .service(service("slacky", &api, "api_key", &slack))
        .service(service("basic", &api, "basic", &json!("{env.API}/me")))
        .service(service("mirror", &api, "api_key", &json!("{env.API}/mirror")))
        .start();
    let ann = app.client_of("ann@example.org");
    let post =
        |service: &str, value: &str| ann.post("/api/v1/credentials", &json!({ "service": service, "value": value }));
    let told = post("slacky", BAD).refused(422, "credential_refused");
    assert!(told.contains("invalid_auth"), "{told}");
    post("slacky", GOOD).expect(201);
    let asked = api.asked().pop().unwrap();
    assert_eq!(
        (asked.line.as_str(), asked.headers["authorization"].as_str()),
        ("POST /auth.test HTTP/1.1", format!("token {GOOD}").as_str())
    );
    post("basic", user).expect(201);
    assert_eq!(api.asked().pop().unwrap().headers["authorization"], format!("Basic {encoded}"));
    post("basic", "no-colon-in-it").refused(400, "validation_failed");
    // What an API repeats of the credential is not repeated by us.
    let told = post("mirror", BAD).refused(422, "credential_refused");
    assert!(told.contains("not Bearer ***") && !told.contains(BAD), "{told}");
}

#[test]
fn a_service_that_cannot_be_asked_is_told_from_one_that_refuses() {
    let api = OutsideApi::start(&[GOOD]);
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let app = reach()
        .service(service("down", &api, "api_key", &json!("{env.API}/down")))
        .service(service("away", &api, "api_key", &json!("{env.API}/away")))
        .service(service("gone", &api, "api_key", &json!(format!("http://{closed}/me"))))
        .start();
    let ann = app.client_of("ann@example.org");
    for name in ["down", "away", "gone"] {
        let body = |validate: Value| json!({ "service": name, "value": GOOD, "validate": validate });
        let told = ann.post("/api/v1/credentials", &body(Value::Null)).refused(502, "check_unavailable");
        assert!(told.contains("try again, or store it unchecked with `validate: false`"), "{told}");
        let stored = ann.post("/api/v1/credentials", &body(json!(false))).expect(201);
        assert_eq!((&stored["last_result"], &stored["last_tested_at"]), (&Value::Null, &Value::Null));
        let tried = ann.post(&format!("/api/v1/credentials/{}/test", text(&stored, "id")), &json!({})).expect(200);
        assert_eq!(tried["last_result"], "unknown");
    }
    // A redirect is not followed: the key goes where the manifest says and nowhere else.
    assert!(api.asked().iter().all(|asked| !asked.line.contains("/me")));
}

#[test]
fn a_check_reaches_nothing_private_that_is_not_allowed() {
    let api = OutsideApi::start(&[GOOD]);
    let app = TestApp::builder().service(service("hub", &api, "api_key", &json!("{env.API}/me"))).start();
    let ann = app.client_of("ann@example.org");
    let body = json!({ "service": "hub", "value": GOOD });
    ann.post("/api/v1/credentials", &body).refused(502, "check_unavailable");
    assert!(api.asked().is_empty());
}

#[test]
fn the_operator_gives_a_service_another_base_url() {
    let api = OutsideApi::start(&[GOOD]);
    let elsewhere = Service::stdio("hub", &[])
        .with("env", json!({ "API": "http://api.invalid", "OTHER": "stays" }))
        .with("credential", credential("api_key", &json!("{env.API}/me")));
    let app = reach().service(elsewhere).set("service_env", &*format!("hub.API={}", api.url)).start();
    let ann = app.client_of("ann@example.org");
    let view = ann.create(&json!({ "service": "hub", "credential": { "value": GOOD } }));
    ann.wait_for(&text(&view, "id"), "running");
    let answer = ann.call(&view, "whoami", &json!({})).expect(200);
    let whoami: Value = serde_json::from_str(answer["content"][0]["text"].as_str().unwrap()).unwrap();
    assert_eq!((&whoami["env"]["API"], &whoami["env"]["OTHER"]), (&json!(api.url), &json!("stays")));
    drop(app);
    // What is not there gets no other value.
    let app = reach().set("service_env", "fake.NOTHING=1,nobody.X=1").start();
    let log = app.log();
    assert!(log.contains("has no variable NOTHING") && log.contains("`service_env` names nobody"), "{log}");
}

#[test]
fn without_its_service_a_credential_can_be_rotated_unchecked_alone() {
    let api = OutsideApi::start(&[GOOD]);
    let app = reach().service(service("hub", &api, "api_key", &json!("{env.API}/me"))).start();
    let ann = app.client_of("ann@example.org");
    let stored = ann.post("/api/v1/credentials", &json!({ "service": "hub", "value": GOOD })).expect(201);
    let path = format!("/api/v1/credentials/{}", text(&stored, "id"));
    std::fs::remove_dir_all(app.root().join("services/hub")).unwrap();
    app.client().with_token(app.control_token()).post("/api/v1/admin/refresh", &json!({})).expect(200);
    ann.post(&format!("{path}/test"), &json!({})).refused(409, "conflict");
    ann.post(&format!("{path}/rotate"), &json!({ "value": BAD, "validate": true })).refused(409, "conflict");
    ann.post(&format!("{path}/rotate"), &json!({ "value": BAD })).expect(200);
}
