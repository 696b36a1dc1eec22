//! A client's configuration in, instances that run, a client's configuration out: used as it is.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};

use super::{FAKE, IMPORT, KEY, item};
use crate::support::{McpClient, TestApp, http::Http, text, wait_for};

/// A stand-in for npm: it knows one package, whose program is a server.
const NPM: &str = r#"#!/bin/sh
case "$*" in
*" version"*) echo '"1.4.0"' ;;
*install*@x/server@1.4.0*)
    mkdir -p node_modules/@x/server
    echo '{"bin": {"server": "main.js"}}' > node_modules/@x/server/package.json
    cp "$(dirname "$0")/main.js" node_modules/@x/server/main.js ;;
*) echo "npm error code E404" >&2; exit 1 ;;
esac
"#;

/// A server on standard input and output.
const SERVER: &str = r"
require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
    const { id, method, params } = JSON.parse(line);
    if (id === undefined) return;
    const answers = {
        initialize: () => ({ protocolVersion: params.protocolVersion, capabilities: { tools: {} }, serverInfo: { name: 'local', version: '1' } }),
        ping: () => ({}),
        'tools/list': () => ({ tools: [{ name: 'echo', inputSchema: { type: 'object' } }] }),
        'tools/call': () => ({ content: [{ type: 'text', text: params.arguments.text }] }),
    };
    const answer = answers[method] ? { result: answers[method]() } : { error: { code: -32601, message: 'no such method' } };
    process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', id, ...answer })}\n`);
});
";

/// A server elsewhere; ended when dropped.
struct Elsewhere(Child, String);

impl Elsewhere {
    fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new(FAKE);
        let child = command.arg("--http").env("PORT", port.to_string()).stdin(Stdio::null()).spawn().unwrap();
        wait_for("the server elsewhere", || TcpStream::connect(("127.0.0.1", port)).ok());
        Self(child, format!("http://127.0.0.1:{port}/mcp"))
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn with_npm(folder: &Path) -> String {
    fs::write(folder.join("npm"), NPM).unwrap();
    fs::set_permissions(folder.join("npm"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(folder.join("main.js"), SERVER).unwrap();
    format!("{}:{}", folder.display(), std::env::var("PATH").unwrap())
}

/// Speaks to a server as a configuration names it.
fn speak(server: &Value) -> String {
    let token = server["headers"]["Authorization"].as_str().unwrap().strip_prefix("Bearer ").unwrap();
    let url: url::Url = text(server, "url").parse().unwrap();
    let http = Http::new(&url.origin().ascii_serialization(), Some(token));
    let client = McpClient::open(&http, url.path());
    let answer = client.request("tools/call", &json!({ "name": "echo", "arguments": { "text": "hello" } }));
    answer["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

#[test]
fn a_configuration_of_claude_desktop_goes_in_runs_and_comes_out() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let elsewhere = Elsewhere::start();
    let app = TestApp::builder()
        .env("PATH", with_npm(folder.path()).as_str())
        .set("user_services", "true")
        .set("allow_private_targets", "127.0.0.1")
        .start();
    let ann = app.client_of("ann@example.org");
    let source = json!({ "mcpServers": {
        "local": { "command": FAKE, "args": [], "env": { "FAKE_KEY": KEY } },
        "package": { "command": "npx", "args": ["-y", "@x/server@^1.2", "--quiet"] },
        "far": { "command": "npx", "args": ["-y", "mcp-remote", elsewhere.1, "--header", "Authorization:${AUTH}"],
                 "env": { "AUTH": format!("Bearer {KEY}") } },
    } });
    let done = ann.post(IMPORT, &json!({ "source": source, "create": true })).expect(200);
    assert_eq!(item(&done, "package")["pinned"], json!({ "from": "^1.2", "to": "1.4.0" }), "{done}");
    assert_eq!(item(&done, "far")["manifest"]["launch"]["kind"], "remote");
    let ids = ["local", "package", "far"].map(|name| text(&item(&done, name)["instance"], "id"));
    for id in &ids {
        ann.wait_for(id, "running");
    }

    let path = "/api/v1/client-config";
    let exported = ann.post(path, &json!({ "client": "claude-code", "token": true, "expires_days": 2 })).expect(201);
    let servers = exported["mcpServers"].as_object().unwrap();
    assert_eq!(servers.keys().collect::<Vec<_>>(), ["far-1", "local-1", "package-1"]);
    for server in servers.values() {
        assert_eq!(speak(server), "hello");
    }
    // The token is for these three and for nothing else.
    let token = text(&servers["far-1"]["headers"], "Authorization");
    let holder = app.client().with("authorization", &token);
    holder.get("/api/v1/credentials").refused(403, "forbidden");
    let stored = ann.get("/api/v1/tokens").expect(200)["items"].as_array().unwrap().clone();
    let made = stored.iter().find(|token| token["name"] == "Claude Code").unwrap();
    assert_eq!(made["instances"].as_array().unwrap().len(), 3);
    assert!(!made["expires_at"].is_null());

    // What was exported is what would be imported.
    let back = ann.post(IMPORT, &json!({ "source": exported, "preview": true })).expect(200);
    for (name, server) in servers {
        assert_eq!(item(&back, name)["manifest"]["launch"]["url"], server["url"]);
    }
    let whole = format!("/api/v1/mcps/{}/client-config", ids[0]);
    let details = ann.get(&format!("{whole}?client=cursor&details=true")).expect(200);
    assert!(text(&details["links"][0], "url").starts_with("cursor://anysphere.cursor-deeplink/mcp/install?name=local"));
    let header = &details["document"]["mcpServers"]["local-1"]["headers"]["Authorization"];
    assert_eq!((header, &details["token"]), (&json!("Bearer ${env:BERTH_TOKEN}"), &Value::Null));
    let desktop = ann.get(&format!("{path}?client=claude-desktop")).expect(200);
    assert_eq!(desktop["mcpServers"]["far-1"]["command"], "npx");
}

#[test]
fn configurations_are_for_who_may_see_the_instance() {
    let app = TestApp::start();
    let (root, ann, bob) =
        (app.admin_client("root@example.org"), app.client_of("ann@example.org"), app.client_of("bob@example.org"));
    let view = ann.create(&json!({ "service": "fake" }));
    let path = format!("/api/v1/mcps/{}/client-config", text(&view, "id"));
    let body = json!({ "client": "vscode", "token": true });
    bob.get(&format!("{path}?client=vscode")).refused(404, "not_found");
    bob.post(&path, &body).refused(404, "not_found");
    app.client().get(&format!("{path}?client=vscode")).refused(401, "unauthenticated");
    ann.get(&format!("{path}?client=notepad")).refused(400, "validation_failed");
    assert_eq!(ann.get(&path).expect(200)["mcpServers"]["fake-1"]["type"], "streamable-http");
    // An administrator makes no token that acts for somebody else.
    root.post(&path, &body).refused(400, "validation_failed");
    let limited = app.cli(&["token", "create", "--user", "ann@example.org", "--instance", &text(&view, "id")], "");
    let limited = app.client().with_token(&limited);
    limited.get(&format!("{path}?client=vscode")).expect(200);
    limited.post(&path, &body).refused(403, "forbidden");
    assert_eq!(bob.get("/api/v1/client-config?client=generic").expect(200), json!({ "mcpServers": {} }));
    bob.post("/api/v1/client-config", &body).refused(400, "validation_failed");
    app.client().with_token(app.control_token()).get("/api/v1/client-config?client=generic").refused(403, "forbidden");
    let shown = ann.get(&format!("{path}?client=vscode")).expect(200);
    assert_eq!(shown["servers"]["fake-1"]["url"], view["url"]);
    ann.post(&path, &json!({ "client": "vscode", "token": true, "expires_days": 0 })).refused(400, "validation_failed");
}
