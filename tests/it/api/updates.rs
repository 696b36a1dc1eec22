//! Versions of a package as a service: offered, tried, taken, gone back from. The registry is a stand-in for npm; the
//! packages are real programs of Node.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Builder, Client, TestApp, text, wait_for};

/// Answers `npm view` and `npm install PACKAGE@VERSION`, as far as Berth asks; a version that is not in the list is not
/// there. What a version is, is in the file of its name.
const NPM: &str = r#"#!/bin/sh
here=REGISTRY
for last; do :; done
if [ "$1" = view ]; then
    [ -e "$here/down" ] && { echo 'npm error code ENOTFOUND' >&2; exit 1; }
    cat "$here/view.json"
    exit 0
fi
version=${last##*@}
[ -e "$here/$version.js" ] || { echo "npm error code ETARGET: no version of it is $version" >&2; exit 1; }
home=node_modules/@x/server
mkdir -p $home
echo '{"bin": {"server": "main.js"}}' > $home/package.json
cat "$here/$version.js" > $home/main.js
"#;

/// A server of the session era with the tools that stand in `TOOLS`.
const SERVER: &str = r#"
const tools = TOOLS;
require('readline').createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, method } = JSON.parse(line);
  if (id === undefined) return;
  const answer = (result) => console.log(JSON.stringify({ jsonrpc: '2.0', id, result }));
  if (method === 'initialize') {
    const serverInfo = { name: 'x', version: '1' };
    answer({ protocolVersion: '2025-06-18', capabilities: { tools: {} }, serverInfo });
  } else if (method === 'tools/list') answer({ tools });
  else if (method === 'ping') answer({});
  else console.log(JSON.stringify({ jsonrpc: '2.0', id, error: { code: -32601, message: method } }));
});
"#;

fn tool(name: &str, description: &str) -> Value {
    json!({ "name": name, "description": description, "inputSchema": { "type": "object" } })
}

/// A registry of one package, and what Berth asks it with.
struct Registry(TempDir);

impl Registry {
    fn new() -> Self {
        let registry = Self(tempfile::tempdir().unwrap());
        fs::set_permissions(registry.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let bin = registry.path().join("bin");
        fs::create_dir(&bin).unwrap();
        let npm = bin.join("npm");
        fs::write(&npm, NPM.replace("REGISTRY", registry.path().to_str().unwrap())).unwrap();
        fs::set_permissions(&npm, fs::Permissions::from_mode(0o755)).unwrap();
        let mut takes_more = tool("write", "Writes.");
        takes_more["inputSchema"]["properties"] = json!({ "path": { "type": "string" } });
        registry.put("1.0.0", &[tool("read", "Reads."), tool("write", "Writes."), tool("old", "Old.")]);
        registry.put("1.1.0", &[tool("read", "Reads. Tell me first."), takes_more, tool("new", "New.")]);
        fs::write(registry.path().join("2.0.0.js"), "console.error('it cannot'); process.exit(7);").unwrap();
        let versions =
            json!({ "versions": ["0.9.0", "1.0.0", "1.1.0", "1.2.0-rc.1", "2.0.0"], "dist-tags.latest": "2.0.0" });
        fs::write(registry.path().join("view.json"), versions.to_string()).unwrap();
        registry
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn put(&self, version: &str, tools: &[Value]) {
        let program = SERVER.replace("TOOLS", &json!(tools).to_string());
        fs::write(self.path().join(format!("{version}.js")), program).unwrap();
    }

    fn app(&self) -> Builder {
        let path = format!("{}:{}", self.path().join("bin").display(), std::env::var("PATH").unwrap_or_default());
        TestApp::builder().env("PATH", path.as_str())
    }
}

fn package(name: &str) -> Value {
    json!({
        "name": name, "display_name": "A package", "transport": "stdio", "network": "none",
        "launch": { "kind": "npm", "package": "@x/server", "version": "1.0.0" },
        "credential": { "kind": "api_key", "env": "KEY", "help": "anywhere" },
    })
}

fn version_of(client: &Client, name: &str) -> String {
    text(&client.get(&format!("/api/v1/services/{name}")).expect(200)["launch"], "version")
}

fn tools_of(client: &Client, id: &str) -> Vec<String> {
    let listed = client.get(&format!("/thing/{id}/mcp/tools")).expect(200);
    let mut names: Vec<String> = listed["tools"].as_array().unwrap().iter().map(|tool| text(tool, "name")).collect();
    names.sort();
    names
}

#[test]
fn a_version_is_compared_taken_and_gone_back_from() {
    let registry = Registry::new();
    Builder::each(
        || registry.app(),
        |app| {
            let root = app.admin_client("root@example.org");
            root.post("/api/v1/services", &package("thing")).expect(201);
            let offered = root.get("/api/v1/services/thing/updates").expect(200);
            assert_eq!((&offered["newer"], &offered["previous"]), (&json!(["1.1.0", "2.0.0"]), &Value::Null));
            assert_eq!((&offered["version"], &offered["latest"]), (&json!("1.0.0"), &json!("2.0.0")));
            let made = root.create(&json!({ "service": "thing", "credential": { "value": "k" } }));
            let id = text(&made, "id");
            root.wait_for(&id, "running");
            assert_eq!(tools_of(&root, &id), ["old", "read", "write"]);

            let found = root.post("/api/v1/services/thing/updates", &json!({ "version": "1.1.0" })).expect(200);
            assert_eq!(
                (&found["starts"], &found["from"], &found["to"]),
                (&json!(true), &json!("1.0.0"), &json!("1.1.0"))
            );
            let tools = &found["tools"];
            assert_eq!((text(&tools["added"][0], "name"), &tools["removed"]), ("new".to_owned(), &json!(["old"])));
            let [read, write] = [&tools["changed"][0], &tools["changed"][1]];
            assert_eq!(read["description"], json!({ "before": "Reads.", "after": "Reads. Tell me first." }));
            assert_eq!((text(write, "name"), write.get("description")), ("write".to_owned(), None));
            assert_eq!(write["input_schema"]["after"]["properties"]["path"], json!({ "type": "string" }));
            // Nothing has changed by looking, and nothing is left of what was tried.
            assert_eq!(version_of(&root, "thing"), "1.0.0");
            assert_eq!(fs::read_dir(app.data().join("trials")).unwrap().count(), 0);
            assert_eq!(root.get("/api/v1/mcps").expect(200)["items"].as_array().unwrap().len(), 1);

            let taken = root.post("/api/v1/services/thing/updates/1.1.0/apply", &json!({})).expect(200);
            assert_eq!((&taken["previous"], &taken["restarted"]), (&json!("1.0.0"), &json!(0)));
            assert_eq!(version_of(&root, "thing"), "1.1.0");
            assert_eq!(tools_of(&root, &id), ["old", "read", "write"], "what runs goes on");
            root.post(&format!("/api/v1/mcps/{id}/restart"), &json!({}));
            wait_for("the new tools", || {
                let listed = root.get(&format!("/thing/{id}/mcp/tools"));
                (listed.status == 200).then(|| tools_of(&root, &id)).filter(|tools| tools.contains(&"new".to_owned()))
            });

            let back = root.post("/api/v1/services/thing/rollback", &json!({ "restart": true })).expect(200);
            assert_eq!(
                (&back["version"], &back["previous"], &back["restarted"]),
                (&json!("1.0.0"), &Value::Null, &json!(1))
            );
            wait_for("the old tools", || {
                let listed = root.get(&format!("/thing/{id}/mcp/tools"));
                (listed.status == 200).then(|| tools_of(&root, &id)).filter(|tools| tools.contains(&"old".to_owned()))
            });
            root.post("/api/v1/services/thing/rollback", &json!({})).refused(409, "conflict");
            let audit = root.get("/api/v1/audit").expect(200);
            let actions: Vec<String> =
                audit["items"].as_array().unwrap().iter().map(|row| text(row, "action")).collect();
            for action in ["service.update", "service.rollback"] {
                assert!(actions.iter().any(|known| known == action), "{actions:?}");
            }
        },
    );
}

#[test]
fn a_version_that_does_not_start_is_told_and_gone_back_from() {
    let registry = Registry::new();
    let app = registry.app().start();
    let root = app.admin_client("root@example.org");
    root.post("/api/v1/services", &package("thing")).expect(201);
    let id = text(&root.create(&json!({ "service": "thing", "credential": { "value": "k" } })), "id");
    root.wait_for(&id, "running");
    let found = root.post("/api/v1/services/thing/updates", &json!({ "version": "2.0.0" })).expect(200);
    assert_eq!((&found["starts"], found.get("tools")), (&json!(false), None));
    assert!(text(&found, "reason").contains("it cannot"), "{found}");
    // One that is not there is not taken, one whose author is sure is.
    root.post("/api/v1/services/thing/updates/3.0.0/apply", &json!({})).refused(502, "upstream_failed");
    root.post("/api/v1/services/thing/updates/latest/apply", &json!({})).refused(400, "validation_failed");
    root.post("/api/v1/services/thing/updates/1.0.0/apply", &json!({})).refused(409, "conflict");
    assert_eq!(version_of(&root, "thing"), "1.0.0");
    root.post("/api/v1/services/thing/updates/1.1.0/apply", &json!({ "restart": true })).expect(200);
    wait_for("the update", || tools_of(&root, &id).contains(&"new".to_owned()).then_some(()));
    root.post("/api/v1/services/thing/updates/2.0.0/apply", &json!({ "restart": true })).expect(200);
    root.wait_for(&id, "failed");
    let told = wait_for("a notice", || {
        let all = root.get("/api/v1/notifications").expect(200);
        let items = all["items"].as_array().unwrap().clone();
        items.into_iter().map(|notice| text(&notice, "title")).find(|title| title.contains("berth service rollback"))
    });
    assert!(told.contains("2.0.0") && told.contains("1.1.0"), "{told}");
    // A further one does not make the bad one good.
    let next = root.post("/api/v1/services/thing/updates/1.0.0/apply", &json!({})).expect(200);
    assert_eq!(next["previous"], "1.1.0");
    root.post("/api/v1/services/thing/rollback", &json!({ "restart": true })).expect(200);
    root.wait_for(&id, "running");
    assert_eq!(tools_of(&root, &id), ["new", "read", "write"]);
}

#[test]
fn only_its_owner_changes_the_version_of_a_service() {
    let registry = Registry::new();
    let mut app = registry.app().set("user_services", "true").start();
    let (root, ann, bob) =
        (app.admin_client("root@example.org"), app.client_of("ann@example.org"), app.client_of("bob@example.org"));
    root.post("/api/v1/services", &package("thing")).expect(201);
    ann.post("/api/v1/services", &package("anns")).expect(201);
    let asks = |client: &Client, name: &str, status: u16, code: &str| {
        let at = format!("/api/v1/services/{name}");
        client.get(&format!("{at}/updates")).refused(status, code);
        client.post(&format!("{at}/updates"), &json!({ "version": "1.1.0" })).refused(status, code);
        client.post(&format!("{at}/updates/1.1.0/apply"), &json!({})).refused(status, code);
        client.post(&format!("{at}/rollback"), &json!({})).refused(status, code);
        client.post(&format!("{at}/pin"), &json!({ "pinned": true })).refused(status, code);
    };
    asks(&bob, "thing", 403, "forbidden");
    asks(&bob, "anns", 404, "unknown_service");
    asks(&bob, "nothing", 404, "unknown_service");
    asks(&root, "fake", 409, "conflict");
    let bobs = bob.post("/api/v1/credentials", &json!({ "service": "thing", "value": "k" })).expect(201);
    let with_bobs = json!({ "version": "1.1.0", "credential": text(&bobs, "id") });
    root.post("/api/v1/services/thing/updates", &with_bobs).refused(400, "validation_failed");

    ann.post("/api/v1/services/anns/pin", &json!({ "pinned": true })).expect(200);
    let offered = ann.get("/api/v1/services/anns/updates").expect(200);
    assert_eq!((&offered["pinned"], &offered["newer"]), (&json!(true), &json!([])));
    ann.post("/api/v1/services/anns/updates", &json!({ "version": "1.1.0" })).refused(409, "conflict");
    ann.post("/api/v1/services/anns/updates/1.1.0/apply", &json!({})).refused(409, "conflict");
    root.post("/api/v1/services/anns/pin", &json!({ "pinned": false })).expect(200);
    ann.post("/api/v1/services/anns/updates/1.1.0/apply", &json!({})).expect(200);
    app.stop();
    app.start_again();
    let (root, ann) = (Client::new(&app.url).with_token(root.token()), Client::new(&app.url).with_token(ann.token()));
    assert_eq!((version_of(&ann, "anns"), version_of(&root, "thing")), ("1.1.0".to_owned(), "1.0.0".to_owned()));
    fs::write(registry.path().join("down"), "").unwrap();
    let said = ann.get("/api/v1/services/anns/updates").refused(502, "upstream_failed");
    assert!(said.contains("the registry cannot be reached"), "{said}");
    // What was known of its version goes with it.
    ann.delete("/api/v1/services/anns").expect(204);
    ann.post("/api/v1/services", &package("anns")).expect(201);
    ann.post("/api/v1/services/anns/rollback", &json!({})).refused(409, "conflict");
}

#[test]
fn the_command_line_compares_and_changes_versions() {
    let registry = Registry::new();
    let app = registry.app().start();
    app.admin_client("root@example.org").post("/api/v1/services", &package("thing")).expect(201);
    assert!(app.cli(&["service", "updates", "thing"], "").contains("newer: 1.1.0 2.0.0"));
    let told = app.cli(&["service", "updates", "thing", "--to", "1.1.0"], "");
    for line in ["+ new", "- old", "~ read", "description: Reads. → Reads. Tell me first.", "0 unchanged"] {
        assert!(told.contains(line), "{told}");
    }
    assert!(app.fails(&["service", "updates", "thing", "--to", "2.0.0"]).contains("does not start"));
    assert!(app.cli(&["service", "update", "thing", "1.1.0"], "").contains("has version 1.1.0"));
    assert!(app.cli(&["service", "rollback", "thing"], "").contains("has version 1.0.0"));
    app.cli(&["service", "pin", "thing"], "");
    assert!(app.fails(&["service", "update", "thing", "1.1.0"]).contains("pinned"));
    app.cli(&["service", "pin", "thing", "--off"], "");
    app.cli(&["service", "update", "thing", "1.1.0", "--restart"], "");
}
