//! Each front and each era keeps to the limits, for children of each kind.

use serde_json::{Value, json};

use super::{kept, limited, names, refusal, set};
use crate::support::{
    Instance, TestApp, User,
    mcp::{McpClient, call, initialize},
    raw::{RawClient, RawStream},
    services::Service,
};

/// Children over stdio and HTTP.
const CHILDREN: [&str; 2] = ["fake", "fake-http"];

fn app() -> TestApp {
    TestApp::start()
}

fn store(value: &str) -> Value {
    json!({ "key": "k", "value": value })
}

/// A token for these tools, and one that only reads.
fn two(ann: &User) -> (User, User) {
    (limited(ann, &json!({ "tools": ["echo", "get"] })).0, limited(ann, &json!({ "read_only": true })).0)
}

#[test]
fn sessions() {
    let app = app();
    let ann = app.user("ann");
    let (some, reading) = two(&ann);
    for service in CHILDREN {
        let instance = ann.create(service);
        let client = some.connect(&instance);
        assert_eq!(names(&client.request("tools/list", &json!({}))["result"]), set(&["echo", "get"]));
        assert_eq!(client.echo("hello"), "hello");
        let said = refusal(&client.post(&call(&json!("x"), "set", &store("s"))), &json!("x"));
        assert!(said.contains("\"set\"") && said.contains("echo, get") && said.contains("token"), "{said}");
        // A call that wants no answer is one all the same.
        let mut note = call(&json!(0), "set", &store("n"));
        note.as_object_mut().unwrap().remove("id");
        client.post(&note).expect(403);
        // What another parser would read.
        for odd in [
            r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"echo","name":"set"}}"#,
            r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"echo","Name":"set"}}"#,
            r#"{"jsonrpc":"2.0","id":7,"method":"ping","Method":"tools/call","params":{"name":"set"}}"#,
        ] {
            let headers = [
                ("accept", "application/json, text/event-stream"),
                ("content-type", "application/json"),
                ("mcp-session-id", client.session.as_str()),
            ];
            let reply = client.http.send("POST", &client.url, &headers, Some(odd.as_bytes()));
            assert!(refusal(&reply, &json!(7)).contains("unmistakable"));
        }
        assert_eq!(kept(&ann, &app, service, &instance.id, "k"), Value::Null, "nothing has reached the child");

        // Who reads sees everything and calls nothing.
        let reader = reading.connect(&instance);
        assert!(names(&reader.request("tools/list", &json!({}))["result"]).len() > 10);
        assert!(
            refusal(&reader.post(&call(&json!(1), "echo", &json!({ "text": "a" }))), &json!(1)).contains("reading")
        );
        for (method, params) in [
            ("ping", json!({})),
            ("prompts/get", json!({ "name": "greet" })),
            ("resources/read", json!({ "uri": "fake://one" })),
            (
                "completion/complete",
                json!({ "ref": { "type": "ref/prompt", "name": "greet" }, "argument": { "name": "who", "value": "a" } }),
            ),
        ] {
            assert!(reader.request(method, &params)["result"].is_object(), "{method}");
        }
        assert!(names(&ann.connect(&instance).request("tools/list", &json!({}))["result"]).len() > 10);
    }
}

#[test]
fn lists_in_events() {
    let app = app();
    let ann = app.user("ann");
    let (some, _) = two(&ann);
    for service in CHILDREN {
        let client = some.connect(&ann.create(service));
        let headers = [
            ("accept", "text/event-stream, application/json"),
            ("content-type", "application/json"),
            ("mcp-session-id", client.session.as_str()),
        ];
        let list = json!({ "jsonrpc": "2.0", "id": 3, "method": "tools/list" }).to_string();
        let reply = client.http.send("POST", &client.url, &headers, Some(list.as_bytes())).expect(200);
        assert_eq!(reply.header("content-type"), "text/event-stream");
        assert_eq!(names(&reply.messages()[0]["result"]), set(&["echo", "get"]), "{service}");
    }
}

#[test]
fn batches() {
    let app = app();
    let ann = app.user("ann");
    let (some, _) = two(&ann);
    for service in CHILDREN {
        let instance = ann.create(service);
        let client = RawClient::open(&some, &instance, "2025-03-26", &json!({}));
        let list = json!({ "jsonrpc": "2.0", "id": "l", "method": "tools/list" });
        let fine = json!([list, call(&json!(1), "echo", &json!({ "text": "a" }))]);
        let answers = client.post(&fine).expect(200).messages();
        assert_eq!(names(&answers[0]["result"]), set(&["echo", "get"]));
        assert_eq!(answers[1]["result"]["content"][0]["text"], "a");
        // One that may not pass stops all of them: none has been done.
        let spoilt = json!([call(&json!(1), "echo", &json!({ "text": "a" })), call(&json!(2), "set", &store("b"))]);
        assert!(refusal(&client.post(&spoilt), &json!(2)).contains("\"set\""));
        assert_eq!(kept(&ann, &app, service, &instance.id, "k"), Value::Null);
    }
}

#[test]
fn the_stateless_era() {
    let app = TestApp::builder().service(Service::conformance("young", "stateless")).start();
    let ann = app.user("ann");
    let (some, reading) = two(&ann);
    for service in CHILDREN {
        let instance = ann.create(service);
        let client = some.stateless(&instance);
        let listed = client.request("tools/list", &json!({}))["result"].clone();
        assert_eq!((names(&listed), &listed["cacheScope"]), (set(&["echo", "get"]), &json!("private")));
        assert_eq!(client.text("echo", &json!({ "text": "a" })), "a");
        let message = client.message(&json!("x"), "tools/call", &json!({ "name": "set", "arguments": store("s") }));
        assert!(refusal(&client.post(&message), &json!("x")).contains("\"set\""));
        // What the headers say decides nothing: the body does.
        let lying = crate::support::stateless::Post::of(&message).with("mcp-name", "echo");
        assert!(matches!(client.send(&lying).status, 400 | 403));
        assert_eq!(kept(&ann, &app, service, &instance.id, "k"), Value::Null);
        let reader = reading.stateless(&instance);
        assert!(names(&reader.request("tools/list", &json!({}))["result"]).len() > 10);
        let message = reader.message(&json!(1), "tools/call", &json!({ "name": "echo", "arguments": { "text": "a" } }));
        refusal(&reader.post(&message), &json!(1));
    }
    // A child of that era says itself how long its list may be kept, and for whom.
    let instance = ann.create("young");
    let tools = names(&ann.stateless(&instance).request("tools/list", &json!({}))["result"]);
    let first = tools.first().unwrap();
    let (one, _) = limited(&ann, &json!({ "tools": [first] }));
    let listed = one.stateless(&instance).request("tools/list", &json!({}))["result"].clone();
    assert_eq!(names(&listed), set(&[first]));
    assert_ne!(listed["cacheScope"], "public");
    assert_eq!(names(&one.connect(&instance).request("tools/list", &json!({}))["result"]), set(&[first]));
}

#[test]
fn http_with_sse() {
    let app = app();
    let ann = app.user("ann");
    let (some, reading) = two(&ann);
    for service in CHILDREN {
        let instance = ann.create(service);
        let (endpoint, mut stream) = connect(&some, &instance);
        let post = |message: &Value| {
            let body = serde_json::to_vec(message).unwrap();
            some.http.send("POST", &endpoint, &[("content-type", "application/json")], Some(&body))
        };
        post(&initialize(&json!(0), "2024-11-05")).expect(202);
        stream.next();
        post(&json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" })).expect(202);
        assert_eq!(names(&stream.next().json()["result"]), set(&["echo", "get"]), "{service}");
        assert!(refusal(&post(&call(&json!(2), "set", &store("s"))), &json!(2)).contains("\"set\""));
        post(&call(&json!(3), "echo", &json!({ "text": "a" }))).expect(202);
        assert_eq!(stream.next().json()["id"], 3, "nothing came of the other call");
        // The stream is that token's alone.
        for other in [&ann, &reading] {
            let body = serde_json::to_vec(&json!({ "jsonrpc": "2.0", "id": 4, "method": "ping" })).unwrap();
            let reply = other.http.send("POST", &endpoint, &[("content-type", "application/json")], Some(&body));
            assert_eq!(reply.status, 404, "{}", reply.text());
        }
        assert_eq!(kept(&ann, &app, service, &instance.id, "k"), Value::Null);
    }
}

fn connect(user: &User, instance: &Instance) -> (String, RawStream) {
    let (status, body) =
        user.http.fresh().open("GET", &instance.beside("/sse"), &[("accept", "text/event-stream")], None);
    assert_eq!(status, 200);
    let mut stream = RawStream::new(body);
    (stream.next().data, stream)
}

#[test]
fn rest_and_paths() {
    let app = app();
    let ann = app.user("ann");
    let (some, reading) = two(&ann);
    for service in CHILDREN {
        let instance = ann.create(service);
        let (tools, url) = (instance.beside("/mcp/tools"), instance.beside("/mcp/call"));
        assert_eq!(names(&some.http.get(&tools).expect(200).json()), set(&["echo", "get"]));
        assert!(names(&reading.http.get(&tools).expect(200).json()).len() > 10);
        some.http.post(&url, &json!({ "name": "echo", "arguments": { "text": "a" } })).expect(200);
        let refused = |user: &User, tool: &str| {
            let reply = user.http.post(&url, &json!({ "name": tool, "arguments": store("r") })).expect(403);
            assert_eq!(reply.json()["code"], "forbidden");
            reply.json()["detail"].as_str().unwrap().to_owned()
        };
        assert!(refused(&some, "set").contains("\"set\""));
        assert!(refused(&reading, "echo").contains("reading"));
        assert_eq!(kept(&ann, &app, service, &instance.id, "k"), Value::Null);
        for user in [&some, &reading] {
            user.http.get(&instance.beside("/api/anything")).expect(403);
            user.http.get(&instance.beside("/health")).expect(200);
        }
    }
}

#[test]
fn no_session_is_a_way_around() {
    let mut app = app();
    let ann = app.user("ann");
    let (some, _) = two(&ann);
    let (other, _) = limited(&ann, &json!({ "tools": ["set"] }));
    let instance = ann.create("fake");
    let (whole, own) = (ann.connect(&instance), some.connect(&instance));
    let enter = |user: &User, session: &str| McpClient::again(&user.http, &instance.url, session);
    let tries = [(&some, &whole.session), (&other, &own.session), (&ann, &own.session), (&other, &whole.session)];
    let refused = || {
        for (user, session) in tries {
            let client = enter(user, session);
            client.post(&json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" })).expect(404);
            let headers =
                [("accept", "text/event-stream"), ("mcp-session-id", session.as_str()), ("last-event-id", "0-0")];
            assert_eq!(client.http.send("GET", &client.url, &headers, None).status, 404, "nothing to resume");
            client.close().expect(404);
        }
    };
    refused();
    assert_eq!(own.echo("a"), "a");
    // What is kept of sessions keeps it so.
    app.stop();
    app.start_again();
    ann.wait(&instance.id, "running");
    refused();
    assert_eq!((own.echo("b"), whole.echo("c")), ("b".to_owned(), "c".to_owned()));
    own.post(&call(&json!(1), "set", &store("s"))).expect(403);
}
