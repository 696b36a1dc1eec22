//! HTTP+SSE of 2024-11-05: a stream, and an endpoint beside it.

use serde_json::{Value, json};

use crate::support::{
    Instance, TestApp, User,
    http::{Http, Reply},
    mcp::{call, initialize, text_of},
    raw::RawStream,
    services::Service,
    wait_for,
};

const OLD: &str = "2024-11-05";
const TYPE: [(&str, &str); 1] = [("content-type", "application/json")];

struct Old {
    http: Http,
    stream: RawStream,
    endpoint: String,
}

impl Old {
    fn connect(user: &User, instance: &Instance) -> Self {
        let http = user.http.fresh();
        let (status, body) = http.open("GET", &instance.beside("/sse"), &[("accept", "text/event-stream")], None);
        assert_eq!(status, 200);
        let mut stream = RawStream::new(body);
        let first = stream.next();
        assert_eq!(first.name.as_deref(), Some("endpoint"));
        assert!(first.data.starts_with('/') && first.data.contains("/messages?session_id="), "{first:?}");
        Self { http, stream, endpoint: first.data }
    }

    fn open(user: &User, instance: &Instance) -> Self {
        let mut old = Self::connect(user, instance);
        old.post(&initialize(&json!("hello"), OLD)).expect(202);
        let hello = old.message();
        assert_eq!((&hello["id"], &hello["result"]["protocolVersion"]), (&json!("hello"), &json!(OLD)));
        old.post(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).expect(202);
        old
    }

    fn post(&self, message: &Value) -> Reply {
        let body = serde_json::to_vec(message).unwrap();
        self.http.send("POST", &self.endpoint, &TYPE, Some(&body))
    }

    fn message(&mut self) -> Value {
        let event = self.stream.next();
        assert_eq!((event.name.as_deref(), &event.id), (Some("message"), &None));
        event.json()
    }
}

#[test]
fn an_old_client_works() {
    let app = TestApp::start();
    let ann = app.user("ann");
    for service in ["fake", "fake-http"] {
        let instance = ann.create(service);
        let mut old = Old::open(&ann, &instance);
        assert!(old.post(&call(&json!(1), "echo", &json!({ "text": "hello" }))).expect(202).body.is_empty());
        let answer = old.message();
        assert_eq!((answer["id"].clone(), text_of(&answer)), (json!(1), "hello".to_owned()));
        let mut request = call(&json!(2), "progress", &json!({ "steps": 2, "ms": 1 }));
        request["params"]["_meta"] = json!({ "progressToken": "t" });
        old.post(&request).expect(202);
        let told: Vec<Value> = (0..3).map(|_| old.message()).collect();
        assert_eq!(told[1]["params"]["progressToken"], "t", "{told:?}");
        assert_eq!(told[2]["id"], 2, "{told:?}");
        // What belongs to no request, and what the child asks, come the same way.
        old.post(&call(&json!(3), "list_changed", &json!({}))).expect(202);
        let told = [old.message(), old.message()];
        assert!(
            told.iter().any(|message| message["method"] == "notifications/tools/list_changed"),
            "{service}: {told:?}"
        );
        old.post(&call(&json!(4), "ask", &json!({ "method": "sampling/createMessage" }))).expect(202);
        assert!(text_of(&old.message()).contains("-32601"), "it declared nothing");
    }
}

#[test]
fn the_child_can_ask_an_old_client() {
    let app = TestApp::start();
    let ann = app.user("ann");
    let mut old = Old::connect(&ann, &ann.create("fake"));
    let mut hello = initialize(&json!(0), OLD);
    hello["params"]["capabilities"] = json!({ "roots": {} });
    old.post(&hello).expect(202);
    old.message();
    old.post(&call(&json!(1), "ask", &json!({ "method": "roots/list" }))).expect(202);
    let asked = old.message();
    assert_eq!(asked["method"], "roots/list");
    old.post(&json!({ "jsonrpc": "2.0", "id": asked["id"], "result": { "roots": [] } })).expect(202);
    assert_eq!(text_of(&old.message()), r#"{"roots":[]}"#);
}

#[test]
fn the_session_is_its_users_and_ends_with_its_stream() {
    let app = TestApp::start();
    let (ann, bob) = (app.user("ann"), app.user("bob"));
    let instance = ann.create("fake");
    let ping = serde_json::to_vec(&json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" })).unwrap();
    let waiting = Old::connect(&ann, &instance);
    assert_eq!(waiting.post(&json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" })).expect(400).json()["id"], 1);
    let old = Old::open(&ann, &instance);
    for stranger in [bob.http, ann.http.with_token(None)] {
        let status = stranger.send("POST", &old.endpoint, &TYPE, Some(&ping)).status;
        assert!(matches!(status, 401 | 404), "{status}");
    }
    old.post(&initialize(&json!(1), OLD)).expect(400);
    // Neither kind of session is one of the other.
    let id = old.endpoint.split('=').next_back().unwrap().to_owned();
    let with_session = [TYPE[0], ("mcp-session-id", id.as_str())];
    ann.http.send("POST", &instance.url, &with_session, Some(&ping)).expect(404);
    let new = ann.connect(&instance);
    let crossed = old.endpoint.replace(&id, &new.session);
    ann.http.send("POST", &crossed, &TYPE, Some(&ping)).expect(404);
    let endpoint = old.endpoint.clone();
    drop(old);
    wait_for("the session to end with its stream", || {
        (ann.http.send("POST", &endpoint, &TYPE, Some(&ping)).status == 404).then_some(())
    });
}

#[test]
fn wrong_requests_are_told_so() {
    let app = TestApp::start();
    let ann = app.user("ann");
    let instance = ann.create("fake");
    let old = Old::open(&ann, &instance);
    let (sse, plain) = (instance.beside("/sse"), instance.beside("/messages"));
    let ping = br#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    assert_eq!(ann.http.send("POST", &sse, &TYPE, Some(ping)).expect(405).header("allow"), "GET");
    assert_eq!(ann.http.get(&plain).expect(405).header("allow"), "POST");
    ann.http.send("GET", &sse, &[("accept", "application/json")], None).expect(406);
    ann.http.send("POST", &plain, &TYPE, Some(ping)).expect(400);
    ann.http.send("POST", &format!("{plain}?session_id=x"), &TYPE, Some(ping)).expect(404);
    ann.http.send("POST", &old.endpoint, &[("content-type", "text/plain")], Some(ping)).expect(415);
    ann.http.send("POST", &old.endpoint, &TYPE, Some(b"[]")).expect(400);
    ann.http.send("POST", &old.endpoint, &TYPE, Some(b"{")).expect(400);
    let waiting = Old::connect(&ann, &instance);
    let mut hello = initialize(&json!(1), OLD);
    hello["params"]["_meta"] = json!({ "padding": "x".repeat(64 * 1024) });
    waiting.post(&hello).expect(413);
    ann.act(&instance.id, "toggle");
    ann.wait(&instance.id, "stopped");
    ann.http.send("GET", &sse, &[], None).expect(503);
    old.post(&json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" })).expect(503);
}

#[test]
fn a_slow_client_gets_every_answer() {
    const CALLS: u64 = 24;
    let app = TestApp::start();
    let ann = app.user("ann");
    let instance = ann.create("fake");
    let mut old = Old::open(&ann, &instance);
    for id in 0..CALLS {
        old.post(&call(&json!(id), "big", &json!({ "bytes": 700_000 }))).expect(202);
    }
    // All have been answered, and far more than fits into a connection was not read.
    let other = ann.connect(&instance);
    wait_for("the child to be done", || {
        let health = ann.http.get("/health/sessions").json();
        (health["in_flight"] == 0).then_some(())
    });
    assert_eq!(other.echo("on"), "on");
    let mut ids: Vec<u64> = (0..CALLS).map(|_| old.message()["id"].as_u64().unwrap()).collect();
    ids.sort_unstable();
    assert_eq!(ids, (0..CALLS).collect::<Vec<_>>());
}

#[test]
fn in_session_mode_each_stream_has_a_process() {
    let service = Service::stdio("each", &["session={SESSION_ID}"]).with("modes", json!(["session"]));
    let app = TestApp::builder().service(service).start();
    let ann = app.user("ann");
    let instance = ann.create("each");
    let mut pids = std::collections::BTreeSet::new();
    let clients = [(); 2].map(|()| {
        let mut old = Old::open(&ann, &instance);
        old.post(&call(&json!(1), "whoami", &json!({}))).expect(202);
        let me: Value = serde_json::from_str(&text_of(&old.message())).unwrap();
        let id = old.endpoint.split('=').next_back().unwrap();
        assert!(me.to_string().contains(&format!("session={id}")), "{id} is not in {me}");
        let state = ann.http.get(&format!("/api/v1/sessions/{id}/state")).expect(200).json();
        pids.insert(state["pid"].as_u64().unwrap());
        old
    });
    assert_eq!(pids.len(), 2);
    let open = || ann.http.get("/api/v1/sessions").expect(200).json()["items"].as_array().unwrap().len();
    assert_eq!(open(), 2);
    drop(clients);
    wait_for("the connections to end", || (open() == 0).then_some(()));
}
