//! What clients of the stateless era do wrong, and what they are told, whichever era the child is of.

use serde_json::{Value, json};

use crate::support::{
    Instance, TestApp, User,
    http::Reply,
    mcp::initialize,
    services::Service,
    stateless::{NOW, Post, StatelessClient},
};

/// Both eras, over both transports.
const CHILDREN: [&str; 4] = ["old", "old-http", "new", "new-http"];

struct Setup {
    app: TestApp,
    ann: User,
    instances: Vec<Instance>,
}

fn setup() -> Setup {
    let app = TestApp::builder()
        .service(Service::conformance("old", "session"))
        .service(Service::conformance_http("old-http", "session"))
        .service(Service::conformance("new", "stateless"))
        .service(Service::conformance_http("new-http", "stateless"))
        .set("max_body_bytes", 65_536)
        .start();
    let ann = app.user("ann");
    let ordered: Vec<Instance> = CHILDREN.iter().map(|service| ann.order(service)).collect();
    let instances = ordered.iter().map(|instance| ann.wait(&instance.id, "running")).collect();
    Setup { app, ann, instances }
}

impl Setup {
    /// Runs `test` for a client of each child.
    fn each(&self, test: impl Fn(&StatelessClient, &str)) {
        for (instance, service) in self.instances.iter().zip(CHILDREN) {
            test(&self.ann.stateless(instance), service);
        }
    }
}

fn list(client: &StatelessClient) -> Post {
    Post::of(&client.message(&json!("id"), "tools/list", &json!({})))
}

fn hello(client: &StatelessClient) -> Value {
    client.message(&json!("id"), "tools/call", &json!({ "name": "test_simple_text", "arguments": {} }))
}

/// The refusal has this status and code, and the request's id where it could be read.
#[track_caller]
fn refused(reply: Reply, status: u16, code: i64, id: &Value) -> Value {
    let answer = reply.expect(status).json();
    assert_eq!((&answer["error"]["code"], &answer["id"], &answer["jsonrpc"]), (&json!(code), id, &json!("2.0")));
    assert!(!answer["error"]["message"].as_str().unwrap().is_empty());
    answer
}

#[test]
fn what_is_no_request_is_refused_and_a_notification_accepted() {
    let setup = setup();
    setup.each(|client, service| {
        let post = list(client);
        for garbage in ["{", "", "hello", "{\"jsonrpc\":\"2.0\",\"id\":1,", "\u{0}"] {
            refused(client.send(&post.clone().body(garbage)), 400, -32700, &Value::Null);
        }
        let request = client.message(&json!(1), "tools/list", &json!({})).to_string();
        let batch = format!("[{request}]");
        let response = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
        let no_id = request.replace(r#""id":1"#, r#""id":null"#);
        for invalid in ["{}", "7", "null", "[]", &batch, response, &no_id, &request.replace("2.0", "1.0")] {
            refused(client.send(&post.clone().body(invalid)), 400, -32600, &Value::Null);
        }
        // It may come without the headers that requests must have.
        let cancelled = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 1 } });
        let bare = Post::of(&cancelled).without("mcp-method");
        for notification in [Post::of(&cancelled), bare] {
            assert!(client.send(&notification).expect(202).body.is_empty(), "{service}");
        }
        client.send(&post).expect(200);
    });
}

#[test]
fn metadata_is_required_of_every_request() {
    let setup = setup();
    let version = "io.modelcontextprotocol/protocolVersion";
    let capabilities = "io.modelcontextprotocol/clientCapabilities";
    let complete = json!({ version: NOW, capabilities: {} });
    let changed = |name: &str, value: Value| {
        let mut meta = complete.clone();
        meta[name] = value;
        json!({ "_meta": meta })
    };
    let wrong = [
        json!({}),
        json!({ "_meta": null }),
        json!({ "_meta": [] }),
        json!({ "_meta": {} }),
        json!({ "_meta": { version: NOW } }),
        json!({ "_meta": { capabilities: {} } }),
        changed(version, json!(20_260_728)),
        changed(version, json!(null)),
        changed(capabilities, json!([])),
        changed(capabilities, json!("all")),
        changed("io.modelcontextprotocol/logLevel", json!("loud")),
        changed("progressToken", json!({})),
    ];
    setup.each(|client, service| {
        for params in &wrong {
            for method in ["tools/list", "server/discover", "subscriptions/listen", "no/such"] {
                let message = json!({ "jsonrpc": "2.0", "id": "id", "method": method, "params": params });
                refused(client.send(&Post::of(&message)), 400, -32602, &json!("id"));
            }
        }
        let no_params = json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/list" });
        refused(client.post(&no_params), 400, -32602, &json!(7));
        let twice = client.message(&json!("id"), "tools/list", &json!({})).to_string();
        let twice = twice.replacen(r#""_meta":{"#, &format!(r#""_meta":{{"{version}":"{NOW}","#), 1);
        refused(client.send(&list(client).body(twice)), 400, -32602, &json!("id"));
        let enough = json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/list", "params": { "_meta": complete } });
        assert_eq!(client.post(&enough).expect(200).json()["id"], 7, "{service}");
    });
}

#[test]
fn headers_must_mirror_the_body() {
    let setup = setup();
    setup.each(|client, service| {
        let call = Post::of(&hello(client));
        let wrong = [
            call.clone().without("mcp-protocol-version"),
            call.clone().with("mcp-protocol-version", "2025-11-25"),
            call.clone().with("mcp-protocol-version", "2027-01-01"),
            call.clone().with("mcp-protocol-version", "2026-07-28, 2026-07-28"),
            call.clone().and("mcp-protocol-version", NOW),
            call.clone().without("mcp-method"),
            call.clone().with("mcp-method", "tools/list"),
            call.clone().with("mcp-method", "Tools/Call"),
            call.clone().and("mcp-method", "tools/call"),
            call.clone().without("mcp-name"),
            call.clone().with("mcp-name", "test_image_content"),
            call.clone().with("mcp-name", "TEST_SIMPLE_TEXT"),
            call.clone().and("Mcp-Name", "test_simple_text"),
            call.clone().with("mcp-name", "=?base64?!!?="),
        ];
        for (number, post) in wrong.iter().enumerate() {
            let answer = refused(client.send(post), 400, -32020, &json!("id"));
            assert!(answer["error"]["message"].as_str().unwrap().contains("eader"), "{service} {number}: {answer}");
        }
        let right = [
            call.clone(),
            call.clone().without("mcp-name").and("MCP-NAME", "test_simple_text"),
            call.clone().with("mcp-name", "=?base64?dGVzdF9zaW1wbGVfdGV4dA==?="),
            // Nothing of the session era means anything here.
            call.and("mcp-session-id", "0123").and("last-event-id", "1-1").and("mcp-param-unknown", "x"),
        ];
        for post in &right {
            let reply = client.send(post).expect(200);
            assert!(reply.headers.get("mcp-session-id").is_none(), "{service}");
            assert_eq!(reply.json()["id"], "id");
        }
        let read = client.message(&json!("id"), "resources/read", &json!({ "uri": "test://static-text" }));
        client.post(&read).expect(200);
        refused(client.send(&Post::of(&read).with("mcp-name", "test://other")), 400, -32020, &json!("id"));
        refused(client.send(&Post::of(&read).without("mcp-name")), 400, -32020, &json!("id"));
    });
}

#[test]
fn a_version_that_is_not_served_is_named_beside_those_that_are() {
    let setup = setup();
    setup.each(|client, service| {
        for (version, header) in [("2027-01-01", "2027-01-01"), ("2025-11-25", "2025-11-25"), ("DRAFT", "DRAFT")] {
            let mut message = client.message(&json!(0), "no/such", &json!({}));
            message["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!(version);
            let post = Post::of(&message).with("mcp-protocol-version", header);
            let answer = refused(client.send(&post), 400, -32022, &json!(0));
            let data = &answer["error"]["data"];
            assert_eq!(data["requested"], version, "{service}");
            let supported = data["supported"].as_array().unwrap();
            assert!(supported.contains(&json!(NOW)) && supported.contains(&json!("2025-11-25")), "{data}");
        }
    });
}

#[test]
fn a_capability_that_a_call_needs_is_named() {
    let setup = setup();
    setup.each(|client, service| {
        for client in [client.declaring(json!({})), client.declaring(json!({ "elicitation": {}, "roots": {} }))] {
            let call = json!({ "name": "test_missing_capability", "arguments": {} });
            let reply = client.post(&client.message(&json!(3), "tools/call", &call));
            let answer = refused(reply, 400, -32021, &json!(3));
            assert_eq!(answer["error"]["data"]["requiredCapabilities"], json!({ "sampling": {} }), "{service}");
        }
    });
}

#[test]
fn unknown_and_removed_methods_are_not_found() {
    let setup = setup();
    setup.each(|client, _| {
        let removed = ["initialize", "ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe"];
        for method in ["no/such", "tools/List", "tasks/list", "tasks/result", "roots/list"].iter().chain(&removed) {
            let params = json!({ "uri": "test://watched-resource", "level": "info", "protocolVersion": NOW });
            refused(client.post(&client.message(&json!(1), method, &params)), 404, -32601, &json!(1));
        }
        refused(
            client.post(&client.message(&json!(1), "resources/read", &json!({ "uri": "test://nowhere" }))),
            400,
            -32602,
            &json!(1),
        );
        client.send(&list(client)).expect(200);
    });
}

#[test]
fn only_post_is_served() {
    let setup = setup();
    setup.each(|client, service| {
        for verb in ["GET", "DELETE"] {
            let headers = [("mcp-protocol-version", NOW), ("accept", "text/event-stream")];
            let reply = client.http.send(verb, &client.url, &headers, None).expect(405);
            assert_eq!(reply.header("allow"), "POST", "{service}");
        }
    });
}

#[test]
fn media_types_and_sizes_are_checked() {
    let setup = setup();
    setup.each(|client, service| {
        let cases = [
            (list(client).with("accept", "application/json"), 406),
            (list(client).with("accept", "text/event-stream"), 406),
            (list(client).with("accept", "text/html"), 406),
            (list(client).with("accept", "*/*"), 200),
            (list(client).with("accept", "text/event-stream;q=0.9, application/json"), 200),
            (list(client).with("content-type", "text/plain"), 415),
            (list(client).without("content-type"), 415),
            (list(client).with("content-type", "application/json; charset=utf-8"), 200),
            (list(client).and("origin", "http://evil.example"), 403),
            (list(client).and("origin", "null"), 403),
            (list(client).and("origin", &setup.app.url), 200),
        ];
        for (number, (post, status)) in cases.iter().enumerate() {
            let reply = client.send(post);
            assert_eq!(reply.status, *status, "{service} {number}: {}", reply.text());
        }
        let large = client.message(&json!(1), "tools/list", &json!({ "_meta": { "x": "x".repeat(65_536) } }));
        refused(client.post(&large), 413, -32600, &Value::Null);
        let events = client.send(&list(client).with("accept", "text/event-stream, application/json")).expect(200);
        assert!(events.header("content-type").starts_with("text/event-stream"), "{service}");
        assert_eq!(events.messages().len(), 1);
    });
}

#[test]
fn a_client_needs_a_token_of_the_owner() {
    let setup = setup();
    let bob = setup.app.user("bob");
    setup.each(|client, _| {
        for token in [None, Some("bth_wrong"), Some("")] {
            let reply = list(client).send(&client.http.with_token(token), &client.url).expect(401);
            assert!(reply.header("www-authenticate").starts_with("Bearer"), "{token:?}");
        }
        let foreign = list(client).send(&bob.http, &client.url).expect(404);
        let nowhere =
            client.url.replace(client.url.rsplit('/').nth(1).unwrap(), "01890000-0000-7000-8000-000000000000");
        let unknown = list(client).send(&bob.http, &nowhere).expect(404);
        assert_eq!(foreign.json()["detail"], unknown.json()["detail"]);
    });
}

#[test]
fn annotated_arguments_must_be_mirrored() {
    let setup = setup();
    setup.each(|client, service| {
        let post = |arguments: Value| {
            let params = json!({ "name": "test_custom_header", "arguments": arguments });
            Post::of(&client.message(&json!("id"), "tools/call", &params))
        };
        let hello = || post(json!({ "value": "Hello" }));
        let wrong = [
            hello(),
            hello().and("mcp-param-value", "hello"),
            hello().and("mcp-param-value", ""),
            hello().and("mcp-param-value", "Hello").and("Mcp-Param-Value", "Hello"),
            hello().and("mcp-param-value", "=?base64?SGVsbG8?="),
            hello().and("mcp-param-value", "=?base64?SGVs!!!bG8=?="),
            hello().and("mcp-param-value", "=?base64?aGVsbG8=?="),
            hello().and("mcp-param-value", "Hello").and("mcp-param-count", "1"),
            post(json!({ "value": "Hello", "count": 42 })).and("mcp-param-value", "Hello"),
            post(json!({ "value": "Hello", "count": 42 })).and("mcp-param-value", "Hello").and("mcp-param-count", "43"),
        ];
        for (number, post) in wrong.iter().enumerate() {
            let answer = refused(client.send(post), 400, -32020, &json!("id"));
            assert!(answer["error"]["message"].is_string(), "{service} {number}");
        }
        let both = || post(json!({ "value": "Hello", "count": 42 })).and("mcp-param-value", "Hello");
        let right = [
            (hello().and("mcp-param-value", "Hello"), "Hello"),
            (hello().and("MCP-Param-VALUE", "=?base64?SGVsbG8=?="), "Hello"),
            (hello().and("mcp-param-value", "Hello").and("mcp-param-other", "x"), "Hello"),
            (both().and("mcp-param-count", "42"), "Hello"),
            (post(json!({ "value": "SGVsbG8=" })).and("mcp-param-value", "SGVsbG8="), "SGVsbG8="),
            (post(json!({ "value": "é" })).and("mcp-param-value", "=?base64?w6k=?="), "é"),
            (post(json!({ "value": "Hello", "count": null })).and("mcp-param-value", "Hello"), "Hello"),
        ];
        for (number, (post, value)) in right.iter().enumerate() {
            let reply = client.send(post);
            assert_eq!(reply.status, 200, "{service} {number}: {}", reply.text());
            let text = crate::support::mcp::text_of(&reply.json());
            assert_eq!(text, format!("value: {value}"), "{service} {number}");
        }
        // Numbers are compared as numbers; an HTTP child of this era looks for itself.
        if service != "new-http" {
            client.send(&both().and("mcp-param-count", "42.0")).expect(200);
        }
    });
}

/// Of several things that are wrong the one that is checked first is named.
#[test]
fn what_is_wrong_is_answered_in_order() {
    let setup = setup();
    setup.each(|client, _| {
        let call = json!({ "name": "test_custom_header", "arguments": { "value": "Hello" } });
        let mut message = client.message(&json!("id"), "tools/call", &call);
        message["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!("2027-01-01");
        let future = || Post::of(&message).with("mcp-protocol-version", "2027-01-01");
        let null = Value::Null;

        // Everything is wrong: from where comes first, then who asks, then what may be sent at all.
        let all = future().with("origin", "null").with("accept", "text/html").with("content-type", "text/html");
        let nobody = client.http.with_token(None);
        all.send(&nobody, &client.url).expect(403);
        let all = all.without("origin");
        all.send(&nobody, &client.url).expect(401);
        assert_eq!(client.send(&all).status, 406);
        assert_eq!(client.send(&all.with("accept", "*/*")).status, 415);
        refused(client.send(&future().body("{").without("mcp-method")), 400, -32700, &null);
        // No metadata, and headers that are missing.
        let bare = json!({ "jsonrpc": "2.0", "id": "id", "method": "no/such", "params": {} });
        refused(client.send(&Post::of(&bare).without("mcp-method")), 400, -32602, &json!("id"));
        // Headers before version, version before method and arguments.
        refused(client.send(&future().without("mcp-method")), 400, -32020, &json!("id"));
        refused(client.send(&future()), 400, -32022, &json!("id"));
        let unknown = client.message(&json!("id"), "no/such", &json!({ "name": "x" }));
        refused(client.send(&Post::of(&unknown).with("mcp-method", "ping")), 400, -32020, &json!("id"));
        refused(client.send(&Post::of(&unknown)), 404, -32601, &json!("id"));
    });
}

#[test]
fn initialize_without_metadata_opens_a_session_whatever_version_it_wants() {
    let setup = setup();
    setup.each(|client, service| {
        let hello = initialize(&json!(1), NOW);
        let headers = [("accept", "application/json, text/event-stream"), ("content-type", "application/json")];
        let reply = client.http.send("POST", &client.url, &headers, Some(hello.to_string().as_bytes())).expect(200);
        assert_eq!(reply.header("mcp-session-id").len(), 32, "{service}");
        assert_eq!(reply.messages()[0]["result"]["protocolVersion"], "2025-11-25");
    });
}
