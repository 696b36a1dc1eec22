//! The forms for programs without an MCP client, and the other URL of an instance.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    thread,
};

use serde_json::{Value, json};

use crate::support::{TestApp, services::Service};

#[test]
fn tools_are_listed_and_called() {
    let app = TestApp::start();
    let ann = app.user("ann");
    for service in ["fake", "fake-http"] {
        let instance = ann.create(service);
        let tools = ann.http.get(&instance.beside("/mcp/tools")).expect(200).json();
        assert!(tools["tools"].as_array().unwrap().iter().any(|tool| tool["name"] == "echo"), "{tools}");
        let call = |body: &Value| ann.http.post(&instance.beside("/mcp/call"), body);
        let echoed = call(&json!({ "name": "echo", "arguments": { "text": "héllo" } })).expect(200).json();
        assert_eq!(echoed["content"][0]["text"], "héllo");
        let refused = call(&json!({ "name": "no-such-tool" })).expect(422).json();
        assert_eq!(refused["code"], "upstream_refused");
        for wrong in [json!({}), json!({ "name": "echo", "argument": {} }), json!([])] {
            assert_eq!(call(&wrong).expect(400).json()["code"], "validation_failed", "{wrong}");
        }
        let health = ann.http.get(&instance.beside("/health")).expect(200).json();
        assert_eq!((&health["status"], &health["state"]), (&json!("healthy"), &json!("running")));
    }
}

#[test]
fn the_slug_reaches_the_same_instance() {
    let app = TestApp::start();
    let (ann, bob) = (app.user("ann"), app.user("bob"));
    let instance = ann.create("fake");
    let url = instance.view["slug_url"].as_str().unwrap();
    let mut by_slug = instance.clone();
    url.clone_into(&mut by_slug.url);
    let (one, other) = (ann.connect(&instance), ann.connect(&by_slug));
    one.text("set", &json!({ "key": "k", "value": "v" }));
    assert_eq!(other.text("get", &json!({ "key": "k" })), "\"v\"");
    ann.http.get(&by_slug.beside("/health")).expect(200);
    bob.http.get(&by_slug.beside("/health")).expect(404);
    ann.http.get(&by_slug.beside("/health").replace("/fake/", "/fake-http/")).expect(404);
    ann.http.get(&instance.beside("/health").replace("/fake/", "/fake-http/")).expect(404);
}

#[test]
fn an_api_is_passed_on_where_there_is_one() {
    let app = TestApp::start();
    let (ann, bob) = (app.user("ann"), app.user("bob"));
    let instance = ann.create("fake-http");
    let hello = ann.http.get(&instance.beside("/api/hello")).expect(200);
    assert_eq!(hello.json(), json!({ "hello": "world" }));
    ann.http.get(&instance.beside("/api/no/such")).expect(404);
    bob.http.get(&instance.beside("/api/hello")).expect(404);
    bob.http.with_token(None).get(&instance.beside("/api/hello")).expect(401);
    let stdio = ann.create("fake");
    assert_eq!(ann.http.get(&stdio.beside("/api/hello")).expect(404).json()["code"], "not_found");
}

#[test]
fn no_secret_of_ours_reaches_the_server_behind() {
    let (listener, origin) = listener();
    thread::spawn(move || serve_headers(&listener));
    let app = TestApp::builder().service(Service::remote("mirror", &format!("{origin}/mcp"))).start();
    let ann = app.user("ann");
    let instance = ann.create("mirror");
    let headers = [("cookie", "berth_session=secret"), ("x-csrf-token", "secret"), ("x-mine", "yes")];
    let reply = ann.http.send("GET", &instance.beside("/api/echo?a=b%20c"), &headers, None).expect(200);
    let (seen, cookies) = (reply.text().to_lowercase(), reply.header("set-cookie"));
    assert!(seen.starts_with("get /api/echo?a=b%20c "), "{seen}");
    assert!(seen.contains("x-mine: yes"), "{seen}");
    for held in ["authorization", "cookie", "csrf", "bth_", "secret"] {
        assert!(!seen.contains(held), "{held} in {seen}");
    }
    assert_eq!(cookies, "", "a cookie of the server's would be one for our origin");
}

fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    (listener, origin)
}

/// Answers a request with its own head, and an MCP request with as little as will do.
fn serve_headers(listener: &TcpListener) {
    for stream in listener.incoming().flatten() {
        thread::spawn(move || {
            let _ = answer(&stream);
        });
    }
}

fn answer(stream: &TcpStream) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0_usize);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? <= 2 {
            break;
        }
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
    let result = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": { "name": "mirror", "version": "1" } });
    let said = if asked.is_object() {
        json!({ "jsonrpc": "2.0", "id": asked["id"], "result": result }).to_string()
    } else {
        head
    };
    let kind = if asked.is_object() { "application/json" } else { "text/plain" };
    let mut stream = stream;
    write!(
        stream,
        "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\nset-cookie: a=b\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{said}",
        said.len()
    )
}
