//! Notifications: the list, the stream, webhooks, mail.

use std::io::{BufRead as _, BufReader};

use diesel::connection::SimpleConnection as _;
use serde_json::{Value, json};

use crate::support::{Answer, Builder, Client, PASSWORD, TestApp, User, receiver::Receiver, text, try_for, wait_for};

/// Webhooks may be on this host, and are tried again soon.
fn open() -> Builder {
    TestApp::builder().set("allow_private_targets", "127.0.0.1").set("webhook_retry_seconds", "1,1,1,1,1")
}

/// A sign-in with a browser of this name: somebody is told of it, if it is new.
fn sign_in(app: &TestApp, email: &str, agent: &str) -> Answer {
    let body = json!({ "email": email, "password": PASSWORD });
    let answer = app.client().with("user-agent", agent).post("/api/v1/auth/login", &body);
    answer.expect(200);
    answer
}

fn list(client: &Client) -> Value {
    client.get("/api/v1/notifications").expect(200)
}

/// Waits until so many are listed.
#[track_caller]
fn wait(client: &Client, count: usize) -> Vec<Value> {
    wait_for(&format!("{count} notifications"), || {
        let items = list(client)["items"].as_array().unwrap().clone();
        (items.len() >= count).then_some(items)
    })
}

/// Makes a webhook; its id and its secret.
#[track_caller]
fn hook(client: &Client, url: &str) -> (String, String) {
    let made = client.post("/api/v1/webhooks", &json!({ "url": url })).expect(201);
    (text(&made, "id"), text(&made, "secret"))
}

fn only_hook(client: &Client) -> Value {
    client.get("/api/v1/webhooks").expect(200)["items"][0].clone()
}

#[test]
fn a_sign_in_from_a_new_place_is_told_once() {
    TestApp::each(|app| {
        let (ann, bob) = (app.client_of("ann@example.org"), app.client_of("bob@example.org"));
        sign_in(app, "ann@example.org", "one");
        sign_in(app, "ann@example.org", "one");
        sign_in(app, "ann@example.org", "two");
        let items = wait(&ann, 2);
        let agents: Vec<&Value> = items.iter().map(|item| &item["detail"]["user_agent"]).collect();
        assert_eq!(agents, ["two", "one"]);
        assert_eq!((&items[0]["kind"], &items[0]["read_at"]), (&json!("new_sign_in"), &Value::Null));
        assert_eq!(list(&ann)["unread"], 2);
        assert_eq!(list(&bob)["items"], json!([]));
        // Somebody else's are not marked, whoever names them.
        let ids = json!({ "ids": [items[0]["id"]], "read": true });
        assert_eq!(bob.patch("/api/v1/notifications", &ids).expect(200)["changed"], 0);
        assert_eq!(ann.patch("/api/v1/notifications", &ids).expect(200), json!({ "changed": 1, "unread": 1 }));
        let unread = ann.get("/api/v1/notifications?unread=true").expect(200);
        assert_eq!(unread["items"], json!([items[1]]));
        let page = ann.get("/api/v1/notifications?limit=1").expect(200);
        assert_eq!(page["items"][0]["id"], items[0]["id"]);
        let rest = ann.get(&format!("/api/v1/notifications?limit=1&cursor={}", text(&page, "next"))).expect(200);
        assert_eq!(rest["items"][0]["id"], items[1]["id"]);
        ann.patch("/api/v1/notifications", &json!({ "all": true, "read": true })).expect(200);
        assert_eq!(list(&ann)["unread"], 0);
        ann.patch("/api/v1/notifications", &json!({ "read": true })).refused(400, "validation_failed");
        app.operator().http.get("/api/v1/notifications").expect(403);
    });
}

#[test]
fn ways_are_chosen_by_kind() {
    let mails = tempfile::tempdir().unwrap();
    let folder = mails.path().join("out");
    let app = TestApp::builder().set("mail", "file").set("mail_dir", folder.to_str().unwrap()).start();
    let ann = app.client_of("ann@example.org");
    let path = "/api/v1/me/notification-settings";
    let before = ann.get(path).expect(200);
    assert_eq!(before["kinds"]["instance_failed"], json!({ "app": true, "mail": true, "webhook": true }));
    assert_eq!((&before["kinds"]["new_sign_in"]["mail"], &before["mail"]), (&json!(false), &json!(true)));
    ann.patch(path, &json!({ "no_such": {} })).refused(400, "validation_failed");
    let wanted = json!({ "new_sign_in": { "app": false, "mail": true } });
    let after = ann.patch(path, &wanted).expect(200);
    assert_eq!(after["kinds"]["new_sign_in"], json!({ "app": false, "mail": true, "webhook": true }));
    sign_in(&app, "ann@example.org", "browser");
    let mail = wait_for("a mail", || {
        let files = std::fs::read_dir(&folder).ok()?.flatten().map(|file| file.path());
        let texts: Vec<String> = files.filter_map(|file| std::fs::read_to_string(file).ok()).collect();
        texts.into_iter().find(|text| text.contains("sign-in to your account"))
    });
    assert!(mail.contains("To: ann@example.org"), "{mail}");
    assert_eq!(list(&ann)["items"], json!([]));
}

#[test]
fn a_stream_tells_at_once_and_what_was_missed() {
    let app = TestApp::start();
    let ann = app.user("ann");
    let bob = app.user("bob");
    let (status, stream) = ann.http.open("GET", "/api/v1/notifications/stream", &[], None);
    assert_eq!(status, 200);
    let mut lines = BufReader::new(stream).lines();
    sign_in(&app, &bob.email, "not ann's");
    sign_in(&app, &ann.email, "first");
    let (id, first) = next_event(&mut lines);
    assert_eq!(first["detail"]["user_agent"], "first");
    drop(lines);
    sign_in(&app, &ann.email, "second");
    wait_for("the second", || (of(&ann).len() == 2).then_some(()));
    let (_, stream) = ann.http.open("GET", "/api/v1/notifications/stream", &[("last-event-id", &id)], None);
    let (_, second) = next_event(&mut BufReader::new(stream).lines());
    assert_eq!(second["detail"]["user_agent"], "second");
}

fn of(user: &User) -> Vec<Value> {
    user.http.get("/api/v1/notifications").expect(200).json()["items"].as_array().unwrap().clone()
}

fn next_event(lines: &mut impl Iterator<Item = std::io::Result<String>>) -> (String, Value) {
    let mut id = String::new();
    for line in lines {
        let line = line.unwrap();
        if let Some(text) = line.strip_prefix("id: ") {
            text.clone_into(&mut id);
        } else if let Some(data) = line.strip_prefix("data: ") {
            return (id, serde_json::from_str(data).unwrap());
        }
    }
    panic!("the stream ended");
}

#[test]
fn webhooks_are_signed_and_tried_again_with_the_same_id() {
    Builder::each(open, |app| {
        let receiver = Receiver::start();
        let ann = app.client_of("ann@example.org");
        let (id, secret) = hook(&ann, &receiver.at("/fail"));
        assert!(!ann.get("/api/v1/webhooks").expect(200).to_string().contains(&secret));
        sign_in(app, "ann@example.org", "browser");
        receiver.wait("/fail", 2);
        assert_eq!(only_hook(&ann)["last_status"], "answered 500");
        assert!(only_hook(&ann)["failing_since"].is_string());
        receiver.recover();
        wait_for("a success", || (only_hook(&ann)["last_status"] == "answered 200").then_some(()));
        assert_eq!(only_hook(&ann)["failing_since"], Value::Null);
        let messages = receiver.at_path("/fail");
        for message in &messages {
            assert!(message.is_signed_with(&secret), "{message:?}");
            assert!(!message.is_signed_with("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"));
            assert_eq!(message.headers["webhook-id"], messages[0].headers["webhook-id"]);
            assert_eq!(message.headers["content-type"], "application/json");
        }
        let body = messages[0].json();
        assert_eq!((&body["type"], &body["data"]["kind"]), (&json!("notification.new_sign_in"), &json!("new_sign_in")));
        // What has arrived does not come again.
        let count = messages.len();
        sign_in(app, "ann@example.org", "another");
        assert_eq!(receiver.wait("/fail", count + 1).len(), count + 1);
        // Somebody else's webhook is nobody's.
        let bob = app.client_of("bob@example.org");
        bob.delete(&format!("/api/v1/webhooks/{id}")).refused(404, "not_found");
        bob.post(&format!("/api/v1/webhooks/{id}/test"), &json!({})).refused(404, "not_found");
        ann.delete(&format!("/api/v1/webhooks/{id}")).expect(204);
    });
}

#[test]
fn what_is_on_its_way_survives_a_restart() {
    let mut app = open().start();
    let receiver = Receiver::start();
    let ann = app.client_of("ann@example.org");
    let (_, secret) = hook(&ann, &receiver.at("/fail"));
    sign_in(&app, "ann@example.org", "browser");
    receiver.wait("/fail", 1);
    app.kill();
    receiver.recover();
    let before = receiver.at_path("/fail").len();
    app.start_again();
    let messages = receiver.wait("/fail", before + 1);
    assert!(messages.iter().all(|message| message.is_signed_with(&secret)));
    assert_eq!(messages[before].headers["webhook-id"], messages[0].headers["webhook-id"]);
}

#[test]
fn one_who_never_answers_holds_up_nobody() {
    let app = open().start();
    let receiver = Receiver::start();
    let (ann, bob) = (app.client_of("ann@example.org"), app.client_of("bob@example.org"));
    hook(&ann, &receiver.at("/hang"));
    hook(&ann, &receiver.at("/ok/ann"));
    hook(&bob, &receiver.at("/ok/bob"));
    for agent in ["one", "two", "three"] {
        sign_in(&app, "ann@example.org", agent);
    }
    sign_in(&app, "bob@example.org", "one");
    receiver.wait("/hang", 1);
    assert_eq!(receiver.wait("/ok/ann", 3).len(), 3);
    assert_eq!(receiver.wait("/ok/bob", 1).len(), 1);
}

#[test]
fn redirects_are_not_followed_and_private_hosts_not_reached() {
    let receiver = Receiver::start();
    let app = open().start();
    let ann = app.client_of("ann@example.org");
    let (id, _) = hook(&ann, &receiver.at("/redirect"));
    let tried = ann.post(&format!("/api/v1/webhooks/{id}/test"), &json!({})).expect(200);
    assert_eq!(tried, json!({ "delivered": false, "status": "answered 302" }));
    assert!(receiver.at_path("/inside").is_empty());
    drop(app);
    let app = TestApp::start();
    let ann = app.client_of("ann@example.org");
    for url in [&*receiver.at("/ok"), "http://example.org/", "ftp://example.org/", "https://a:b@example.org/", "x", ""]
    {
        let detail = ann.post("/api/v1/webhooks", &json!({ "url": url })).refused(400, "validation_failed");
        assert!(detail.starts_with("`url`: "), "{detail}");
    }
    for url in [receiver.at("/ok").replace("http:", "https:"), "https://169.254.169.254/".to_owned()] {
        let (id, _) = hook(&ann, &url);
        let tried = ann.post(&format!("/api/v1/webhooks/{id}/test"), &json!({})).expect(200);
        assert_eq!(tried["delivered"], false);
        assert!(text(&tried, "status").starts_with("no connection"), "{tried}");
        ann.delete(&format!("/api/v1/webhooks/{id}")).expect(204);
    }
    assert!(receiver.at_path("/ok").is_empty());
    for _ in 0..10 {
        hook(&ann, "https://example.org/");
    }
    ann.post("/api/v1/webhooks", &json!({ "url": "https://example.org/" })).refused(409, "quota_reached");
}

#[test]
fn a_webhook_that_is_gone_is_disabled_and_its_owner_told() {
    let app = open().start();
    let receiver = Receiver::start();
    let ann = app.client_of("ann@example.org");
    hook(&ann, &receiver.at("/gone"));
    sign_in(&app, "ann@example.org", "browser");
    let told = wait(&ann, 2);
    assert_eq!(told[0]["kind"], "webhook_disabled");
    assert!(only_hook(&ann)["disabled_at"].is_string());
    sign_in(&app, "ann@example.org", "another");
    wait(&ann, 3);
    assert_eq!(receiver.at_path("/gone").len(), 1);
}

#[test]
fn owners_are_told_when_an_instance_fails() {
    let app = TestApp::builder().fake("crasher", &["--exit", "7"]).start();
    let ann = app.client_of("ann@example.org");
    let view = ann.create(&json!({ "service": "crasher", "label": "mine" }));
    ann.wait_for(&text(&view, "id"), "failed");
    let told = &wait(&ann, 1)[0];
    assert_eq!((&told["kind"], &told["detail"]["instance"]), (&json!("instance_failed"), &view["id"]));
    assert!(text(told, "title").starts_with("crasher 1 (mine) has failed: "), "{told}");
}

#[test]
fn owners_are_told_before_and_when_an_instance_expires_and_of_old_credentials() {
    let keyed = || {
        crate::support::services::Service::stdio("keyed", &[])
            .with("credential", json!({ "kind": "api_key", "env": "K" }))
    };
    for mut app in Builder::all(|| TestApp::builder().service(keyed())) {
        let ann = app.client_of("ann@example.org");
        let make = |minutes: u64| {
            let body = json!({ "service": "fake", "expires_in_minutes": minutes, "label": minutes.to_string() });
            text(&ann.create(&body), "id")
        };
        let (soon, late, over) = (make(60), make(100_000), make(70));
        ann.post("/api/v1/credentials", &json!({ "service": "keyed", "value": "0123456789abcdef" })).expect(201);
        app.stop();
        let day = 86_400_000_i64;
        let sql = format!(
            "UPDATE instances SET created_at = created_at - {day}; \
             UPDATE instances SET expires_at = expires_at - {day} WHERE id = '{over}'; \
             UPDATE credentials SET created_at = created_at - {};",
            125 * day
        );
        app.db().write_blocking(|c| c.batch_execute(&sql)).unwrap();
        app.start_again();
        let told = wait(&ann, 3);
        let of = |kind: &str| told.iter().filter(|item| item["kind"] == kind).collect::<Vec<_>>();
        assert_eq!(
            of("expiry_near").iter().map(|item| &item["detail"]["instance"]).collect::<Vec<_>>(),
            [&json!(soon)]
        );
        assert_eq!(of("expired").iter().map(|item| &item["detail"]["instance"]).collect::<Vec<_>>(), [&json!(over)]);
        assert_eq!(of("credential_aging")[0]["detail"]["days"], 125);
        assert!(!told.iter().any(|item| item["detail"]["instance"] == json!(late)));
        // The next start finds the same and does not tell it again.
        app.stop();
        app.start_again();
        sign_in(&app, "ann@example.org", "browser");
        assert!(try_for(|| list(&ann)["items"][0]["kind"] == "new_sign_in"));
        assert_eq!(list(&ann)["items"].as_array().unwrap().len(), 4);
    }
}
