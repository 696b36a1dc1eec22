//! What is taken back ends what is under way with it.

use std::io::Read;

use serde_json::{Value, json};

use super::limited;
use crate::support::{
    Instance, PASSWORD, TestApp, User,
    mcp::{McpClient, Stream},
    raw::{RawClient, RawStream},
    services::Service,
    wait_for,
};

/// Everything that can be under way with a token.
struct UnderWay {
    own: Stream,
    answer: Stream,
    listen: Stream,
    running: Stream,
    old: RawStream,
    rest: std::thread::JoinHandle<u16>,
    client: McpClient,
}

impl UnderWay {
    fn begin(user: &User, instance: &Instance) -> Self {
        let client = user.connect(instance);
        let own = client.listen();
        let answer = client.long_call(&json!("long"));
        let stateless = user.stateless(instance);
        let listen = stateless.listen(&json!("l"), &json!({ "toolsListChanged": true }));
        listen.next();
        let token = json!({ "progressToken": "p" });
        let params = json!({ "name": "progress", "arguments": { "steps": 6000, "ms": 10 }, "_meta": token });
        let running = stateless.stream(&stateless.message(&json!("r"), "tools/call", &params));
        running.next();
        let (status, body) =
            user.http.fresh().open("GET", &instance.beside("/sse"), &[("accept", "text/event-stream")], None);
        assert_eq!(status, 200);
        let mut old = RawStream::new(body);
        old.next();
        let (http, url) = (user.http.fresh(), instance.beside("/mcp/call"));
        let rest = std::thread::spawn(move || http.post(&url, &json!({ "name": "never" })).status);
        Self { own, answer, listen, running, old, rest, client }
    }

    /// Everything has ended, with the refusal of what had not been answered.
    #[track_caller]
    fn has_ended(mut self) {
        assert!(self.own.ends() && self.answer.ends() && self.listen.ends() && self.running.ends());
        self.old.rest();
        assert_eq!(self.rest.join().unwrap(), 401);
        self.client.post(&json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" })).expect(401);
    }
}

/// Waits until the child works on the call that never ends.
fn wait_until_called(user: &User, instance: &Instance) {
    wait_for("calls in flight", || {
        let health = user.http.get("/health/sessions").expect(200).json();
        let all = health["instances"].as_array()?;
        let one = all.iter().find(|one| one["instance"] == instance.id.as_str())?;
        (one["in_flight"].as_u64()? >= 3).then_some(())
    });
}

#[test]
fn a_token_that_is_revoked() {
    let app = TestApp::start();
    let ann = app.user("ann");
    for service in ["fake", "fake-http"] {
        let instance = ann.create(service);
        let (some, id) = limited(&ann, &json!({ "name": "doomed" }));
        let bystander = ann.connect(&instance);
        let open = bystander.listen();
        let under_way = UnderWay::begin(&some, &instance);
        wait_until_called(&ann, &instance);
        ann.http.delete(&format!("/api/v1/tokens/{id}")).expect(204);
        under_way.has_ended();
        // The child was told, and nobody else was disturbed.
        wait_for("cancelled calls", || {
            let cancelled: Value = serde_json::from_str(&bystander.text("cancelled", &json!({}))).ok()?;
            (cancelled.as_array()?.len() >= 3).then_some(())
        });
        bystander.text("list_changed", &json!({}));
        assert_eq!(open.next()["method"], "notifications/tools/list_changed", "{service}");
    }
}

#[test]
fn an_account_that_is_disabled_or_removed() {
    let app = TestApp::start();
    let (admin, owner) = (app.admin(), app.user("owner"));
    for removed in [false, true] {
        let bob = app.user(if removed { "bob" } else { "bill" });
        let instance = owner.create("fake");
        let share = json!({ "email": bob.email });
        owner.http.post(&format!("/api/v1/mcps/{}/shares", instance.id), &share).expect(201);
        let id = bob.http.get("/api/v1/me").expect(200).json()["id"].as_str().unwrap().to_owned();
        let under_way = UnderWay::begin(&bob, &instance);
        wait_until_called(&owner, &instance);
        let path = format!("/api/v1/users/{id}");
        if removed {
            admin.http.delete(&path).expect(204);
            under_way_of_nobody(under_way);
        } else {
            admin.http.patch(&path, &json!({ "disabled": true })).expect(200);
            under_way_of_nobody(under_way);
        }
    }
}

/// As `has_ended`; the next request is refused for what has become of the account.
#[track_caller]
fn under_way_of_nobody(mut under_way: UnderWay) {
    assert!(under_way.own.ends() && under_way.answer.ends());
    assert!(under_way.listen.ends() && under_way.running.ends());
    under_way.old.rest();
    assert_eq!(under_way.rest.join().unwrap(), 401);
    let ping = json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" });
    assert!(matches!(under_way.client.post(&ping).status, 401 | 403));
}

#[test]
fn a_token_whose_time_is_over() {
    use berth::{
        auth::tokens::TokenHash,
        db::tokens::{self, NewToken},
        domain::{ids::TokenId, time::Timestamp},
    };
    let app = TestApp::start();
    let ann = app.user("ann");
    let instance = ann.create("fake");
    let owner = ann.http.get("/api/v1/me").expect(200).json()["id"].as_str().unwrap().parse().unwrap();
    let token = "bth_0123456789012345678901234567890123456789012";
    let new = NewToken {
        id: TokenId::generate(),
        user_id: owner,
        name: String::new(),
        hash: TokenHash::of(token).to_hex(),
        hint: String::new(),
        instances: None,
        created_at: Timestamp::now(),
        expires_at: Some(Timestamp::now().after(std::time::Duration::from_secs(10))),
        tools: None,
        read_only: false,
    };
    app.db().write_blocking(|conn| tokens::insert(conn, &new)).unwrap();
    let brief = ann.with_token(token);
    let client = brief.connect(&instance);
    let (own, answer) = (client.listen(), client.long_call(&json!(1)));
    assert!(own.ends() && answer.ends());
    client.post(&json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" })).expect(401);
}

#[test]
fn a_sign_in_that_is_over() {
    let app = TestApp::start();
    let ann = app.user("ann");
    let instance = ann.create("fake");
    let anybody = ann.http.with_token(None);
    let login = anybody.post("/api/v1/auth/login", &json!({ "email": ann.email, "password": PASSWORD })).expect(200);
    let cookie = login.header("set-cookie").split(';').next().unwrap().to_owned();
    let csrf = login.json()["csrf_token"].as_str().unwrap().to_owned();
    let follow = format!("/api/v1/mcps/{}/logs/stream", instance.id);
    let (status, mut lines) = anybody.fresh().open("GET", &follow, &[("cookie", &cookie)], None);
    assert_eq!(status, 200);
    let ended = std::thread::spawn(move || lines.read_to_end(&mut Vec::new()));
    let out = [("cookie", cookie.as_str()), ("x-csrf-token", csrf.as_str())];
    anybody.send("POST", "/api/v1/auth/logout", &out, None).expect(204);
    wait_for("the end of the log stream", || ended.is_finished().then_some(()));
    anybody.send("GET", "/api/v1/me", &[("cookie", &cookie)], None).expect(401);
}

#[test]
fn a_batch_and_a_resumed_stream() {
    let app = TestApp::builder().service(Service::stdio("slow", &[])).start();
    let ann = app.user("ann");
    let instance = ann.create("slow");
    let (some, id) = limited(&ann, &json!({}));
    let client = RawClient::open(&some, &instance, "2025-03-26", &json!({}));
    let never = crate::support::mcp::call(&json!(1), "never", &json!({}));
    let mut batch = client
        .stream(&json!([never, crate::support::mcp::call(&json!(2), "set", &json!({ "key": "k", "value": "v" }))]));
    ann.http.delete(&format!("/api/v1/tokens/{id}")).expect(204);
    batch.rest();
    // What came behind it in the batch is not done any more.
    let stored = super::kept(&ann, &app, "slow", &instance.id, "k");
    assert_eq!(stored, Value::Null);
    assert_eq!(client.get(Some("1-0")).0, 401);
}
