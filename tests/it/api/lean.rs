//! What runtimes are started with, seen from inside of a real one.

use serde_json::{Value, json};

use crate::support::{Client, TestApp, services::Service, text, wait_for};

/// A server of a few lines that shows how it was started.
const SERVER: &str = r#"
const answer = (id, result) => process.stdout.write(JSON.stringify({ jsonrpc: "2.0", id, result }) + "\n");
require("readline").createInterface({ input: process.stdin }).on("line", (line) => {
  const { id, method } = JSON.parse(line);
  if (id === undefined) return;
  if (method === "initialize") {
    return answer(id, { protocolVersion: "2025-06-18", capabilities: { tools: {} }, serverInfo: { name: "lean", version: "1" } });
  }
  if (method === "tools/list") return answer(id, { tools: [{ name: "show", inputSchema: { type: "object" } }] });
  if (method === "tools/call") {
    const { execArgv, argv, env, version } = process;
    return answer(id, { content: [{ type: "text", text: JSON.stringify({ execArgv, argv, env, version }) }] });
  }
  answer(id, {});
});
"#;

/// A service of it.
fn server(name: &str, args: &[&str]) -> Service {
    Service::node(name, "index.js", args).file("index.js", SERVER)
}

fn shown(client: &Client, body: &Value) -> Value {
    let made = client.create(body);
    let view = client.wait_for(&text(&made, "id"), "running");
    let answer = client.call(&view, "show", &json!({})).expect(200);
    serde_json::from_str(answer["content"][0]["text"].as_str().unwrap()).unwrap()
}

#[test]
fn node_is_started_lean_unless_the_manifest_says_otherwise() {
    let limited = json!({ "memory_bytes": 512_u64 << 20 });
    let app = TestApp::builder()
        .set("default_memory_bytes", 0)
        .service(server("plain", &["one"]))
        .service(server("limited", &[]).with("limits", limited))
        .service(server("own", &[]).with("runtime_args", json!(["--title={INSTANCE_TYPE}"])))
        .service(server("bare", &[]).with("runtime_args", json!([])))
        .start();
    let ann = app.client_of("ann@example.org");
    let plain = shown(&ann, &json!({ "service": "plain" }));
    let lean = json!(["--max-semi-space-size=1", "--v8-pool-size=1"]);
    assert_eq!(plain["execArgv"], lean);
    assert_eq!(plain["argv"][2], "one");
    let limited = shown(&ann, &json!({ "service": "limited" }));
    assert_eq!(limited["execArgv"][2], "--max-old-space-size=384");
    assert_eq!(shown(&ann, &json!({ "service": "own" }))["execArgv"], json!(["--title=own"]));
    assert_eq!(shown(&ann, &json!({ "service": "bare" }))["execArgv"], json!([]));

    // A compile cache is code that will be run: where Node has one, it is in the instance's own home.
    let version: Vec<u32> = text(&plain, "version")[1..].split('.').map(|part| part.parse().unwrap()).collect();
    match plain["env"]["NODE_COMPILE_CACHE"].as_str() {
        Some(folder) => assert!(folder.starts_with(plain["env"]["HOME"].as_str().unwrap()), "{folder}"),
        None => assert!((version[0], version[1]) < (22, 1), "{version:?} can keep compiled code"),
    }
}

#[test]
fn node_says_more_while_debugged_and_no_secret() {
    let credential = json!({ "kind": "api_key", "env": "API_KEY" });
    // What Node prints of a request with `NODE_DEBUG=http` holds its headers.
    const ASK: &str = r#"require("http").get({ port: 1, headers: { authorization: `Bearer ${process.env.API_KEY}` } }).on("error", () => {});"#;
    let asking = Service::node("plain", "index.js", &[]).file("index.js", &format!("{SERVER}\n{ASK}"));
    let app = TestApp::builder().service(asking.with("credential", credential)).start();
    let ann = app.client_of("ann@example.org");
    let made = ann.create(&json!({ "service": "plain", "credential": { "value": "a-canary-of-this-test" } }));
    let id = text(&made, "id");
    let view = ann.wait_for(&id, "running");
    ann.post(&format!("/api/v1/mcps/{id}/debug"), &json!({})).expect(200);
    let log = wait_for("what Node says of its requests", || {
        let log = ann.get(&format!("/api/v1/mcps/{id}/logs?tail=10000")).expect(200).to_string();
        log.contains("Bearer ***").then_some(log)
    });
    assert!(!log.contains("canary"), "{log}");
    assert_ne!(ann.wait_for(&id, "running")["pid"], view["pid"]);
}
