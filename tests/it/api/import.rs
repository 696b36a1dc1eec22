//! What other programs say of servers, as services and instances; and back.

mod bundles;
mod round_trip;

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::support::{TestApp, receiver::Receiver, text};

const FAKE: &str = env!("CARGO_BIN_EXE_fake-mcp");
const IMPORT: &str = "/api/v1/services/import";
const KEY: &str = "sk-proj-Zq8Kx2Lm4Np6Rt9V";
const SECOND: &str = "s3cond-Pq7Ws5Ed3Rf1";

/// The item of that name in an answer.
#[track_caller]
fn item(answer: &Value, source: &str) -> Value {
    let items = answer["items"].as_array().unwrap();
    items.iter().find(|item| item["source"] == source).unwrap_or_else(|| panic!("no {source} in {answer}")).clone()
}

/// The files below a folder that hold these bytes.
fn files_with(folder: &Path, needle: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if entry.file_type().unwrap().is_dir() {
            found.extend(files_with(&path, needle));
        } else if memchr::memmem::find(&fs::read(&path).unwrap_or_default(), needle.as_bytes()).is_some() {
            found.push(path.display().to_string());
        }
    }
    found
}

#[test]
fn secrets_of_a_configuration_reach_the_process_and_nothing_else() {
    TestApp::each(|app| {
        let (root, ann) = (app.admin_client("root@example.org"), app.client_of("ann@example.org"));
        let source = json!({ "mcpServers": { "Fake Two": {
            "command": FAKE, "args": ["--name", "two"],
            "env": { "FAKE_KEY": KEY, "FAKE_SECOND_TOKEN": SECOND, "FAKE_LEVEL": "debug" },
        } } });
        let seen = root.post(IMPORT, &json!({ "source": source, "preview": true })).expect(200);
        let two = item(&seen, "Fake Two");
        assert_eq!(
            (&two["status"], &two["service"], &two["instance"]),
            (&json!("new"), &json!("fake-two"), &Value::Null)
        );
        assert_eq!(two["needs"].as_array().unwrap().len(), 2);
        root.get("/api/v1/services/fake-two").refused(404, "unknown_service");

        let body = json!({ "source": source, "create": true, "user": "ann@example.org" });
        let done = root.post(IMPORT, &body).expect(200);
        let two = item(&done, "Fake Two");
        assert_eq!(two["status"], "added", "{done}");
        let id = text(&two["instance"], "id");
        let view = ann.wait_for(&id, "running");
        let whoami = ann.call(&view, "whoami", &json!({})).expect(200);
        let whoami: Value = serde_json::from_str(whoami["content"][0]["text"].as_str().unwrap()).unwrap();
        let env = |name: &str| whoami["env"][name].as_str().unwrap_or_default().to_owned();
        assert_eq!([env("FAKE_KEY"), env("FAKE_SECOND_TOKEN"), env("FAKE_LEVEL")], [KEY, SECOND, "debug"]);

        let manifest = root.get("/api/v1/services/fake-two").expect(200);
        assert_eq!(
            (&manifest["credential"]["env"], &manifest["env"]),
            (&json!("FAKE_KEY"), &json!({"FAKE_LEVEL": "debug"}))
        );
        let audit = root.get("/api/v1/audit").expect(200);
        let row =
            audit["items"].as_array().unwrap().iter().find(|row| row["action"] == "service.import").unwrap().clone();
        assert_eq!(row["detail"]["added"], json!(["fake-two"]));
        for secret in [KEY, SECOND] {
            assert_eq!(files_with(app.root(), secret), Vec::<String>::new());
            for answer in [&seen, &done, &manifest, &audit] {
                assert!(!answer.to_string().contains(secret), "{answer}");
            }
        }
        // The same again is the same service; another of that name has a name of its own.
        let again = root.post(IMPORT, &json!({ "source": source })).expect(200);
        assert_eq!(item(&again, "Fake Two")["status"], "exists");
        let other = json!({ "mcpServers": { "fake-two": { "command": FAKE } } });
        let other = root.post(IMPORT, &json!({ "source": other })).expect(200);
        assert_eq!(item(&other, "fake-two")["service"], "fake-two-2");
    });
}

#[test]
fn a_remote_server_is_told_its_secrets_in_headers_and_url() {
    let app = TestApp::start();
    let (root, receiver) = (app.admin_client("root@example.org"), Receiver::start());
    app.client_of("ann@example.org");
    let url = receiver.at("/mcp").replace("http://", "http://joe:pa%20ss@");
    let source = json!({ "mcpServers": { "far": {
        "url": format!("{url}?api_key={KEY}&team=7"), "headers": { "X-Second-Key": SECOND, "X-Team": "7" },
    } } });
    let body = json!({ "source": source, "create": true, "user": "ann@example.org" });
    let done = root.post(IMPORT, &body).expect(200);
    let far = item(&done, "far");
    assert!(far["instance"].is_object(), "{done}");
    let path = format!("/mcp?api_key={KEY}&team=7");
    let came = receiver.wait(&path, 1).remove(0);
    assert_eq!(came.headers["authorization"], "Basic am9lOnBhIHNz");
    assert_eq!([&came.headers["x-second-key"], &came.headers["x-team"]], [SECOND, "7"]);
    for secret in [KEY, SECOND, "pa%20ss", "joe:pa ss"] {
        assert_eq!(files_with(app.root(), secret), Vec::<String>::new());
        assert!(!done.to_string().contains(secret), "{done}");
    }
}

#[test]
fn one_bad_server_harms_no_other_and_each_says_why() {
    let app = TestApp::start();
    let root = app.admin_client("root@example.org");
    app.client_of("ann@example.org");
    let source = r#"{
        // as VS Code has it
        "inputs": [{ "id": "key", "type": "promptString", "password": true }],
        "servers": {
            "box": { "command": "docker", "args": ["run", "x"] },
            "good": { "command": "FAKE" },
            "open": { "command": "FAKE", "env": { "FAKE_KEY": "${input:key}", "PLACE": "${env:PLACE}" } },
            "secret": { "command": "FAKE", "args": ["--token", "KEY"] },
        },
    }"#;
    let source = source
        .replace("FAKE\" ", &format!("{FAKE}\" "))
        .replace("FAKE\",", &format!("{FAKE}\","))
        .replace("KEY\"]", &format!("{KEY}\"]"));
    let ask = |more: Value| {
        let mut body = json!({ "source": source, "create": true, "user": "ann@example.org" });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        root.post(IMPORT, &body)
    };
    let done = ask(json!({})).expect(200);
    assert_eq!(
        (item(&done, "box")["status"].clone(), item(&done, "secret")["status"].clone()),
        (json!("not_runnable"), json!("not_runnable"))
    );
    assert!(text(&item(&done, "box"), "reason").contains("container engine"));
    assert!(text(&item(&done, "secret"), "reason").contains("arguments are public") && !done.to_string().contains(KEY));
    assert!(item(&done, "good")["instance"].is_object(), "{done}");
    let open = item(&done, "open");
    assert_eq!(
        (&open["status"], &open["code"], &open["instance"]),
        (&json!("added"), &json!("validation_failed"), &Value::Null)
    );
    assert!(text(&open, "reason").contains("config.PLACE") && text(&open, "reason").contains("credential"), "{open}");
    let values =
        json!({ "only": ["open"], "values": { "open": { "credential": SECOND, "config": { "PLACE": "here" } } } });
    let done = ask(values).expect(200);
    assert_eq!((done["items"].as_array().unwrap().len(), &item(&done, "open")["status"]), (1, &json!("exists")));
    assert!(item(&done, "open")["instance"].is_object(), "{done}");
    assert!(ask(json!({ "only": ["none"] })).refused(400, "validation_failed").contains("none"));
}

#[test]
fn a_registrys_answer_lists_what_does_not_run_here() {
    let app = TestApp::start();
    let root = app.admin_client("root@example.org");
    let package = |kind: &str| json!({ "registryType": kind, "identifier": "x/y", "version": "1.0.0", "transport": { "type": "stdio" } });
    let server = |name: &str, packages: Value| json!({ "server": { "name": name, "description": "d", "version": "1.0.0", "packages": packages }, "_meta": {} });
    let source = json!({ "servers": [
        server("a/oci", json!([package("oci")])), server("a/nuget", json!([package("nuget")])),
        server("a/both", json!([package("oci"), { "registryType": "npm", "identifier": "@x/y", "version": "1.0.0", "transport": { "type": "stdio" } }])),
    ], "metadata": {} });
    let done = root.post(IMPORT, &json!({ "source": source })).expect(200);
    for (name, word) in [("a/oci", "container"), ("a/nuget", "NuGet")] {
        let item = item(&done, name);
        assert_eq!((&item["status"], &item["runnable"]), (&json!("not_runnable"), &json!(false)));
        assert!(text(&item, "reason").contains(word), "{item}");
    }
    let both = item(&done, "a/both");
    assert_eq!((&both["status"], &both["manifest"]["launch"]["package"]), (&json!("added"), &json!("@x/y")));
    assert!(text(&both["alternatives"][0], "reason").contains("container"));
}

#[test]
fn who_may_add_services_may_import_them_and_nobody_else() {
    let source = json!({ "mcpServers": { "mine": { "command": FAKE } } });
    let body = json!({ "source": source, "create": true });
    let closed = TestApp::start();
    let ann = closed.client_of("ann@example.org");
    for preview in [true, false] {
        let body = json!({ "source": source, "preview": preview });
        ann.post(IMPORT, &body).refused(403, "forbidden");
    }
    closed.client().post(IMPORT, &body).refused(401, "unauthenticated");
    let limited = closed.cli(
        &["token", "create", "--user", "ann@example.org", "--instance", &{
            text(&ann.create(&json!({ "service": "fake" })), "id")
        }],
        "",
    );
    closed.client().with_token(&limited).post(IMPORT, &body).refused(403, "forbidden");

    let open = TestApp::builder().set("user_services", "true").start();
    let (ann, bob) = (open.client_of("ann@example.org"), open.client_of("bob@example.org"));
    let done = ann.post(IMPORT, &body).expect(200);
    assert!(item(&done, "mine")["instance"].is_object(), "{done}");
    bob.get("/api/v1/services/mine").refused(404, "unknown_service");
    // What is another's is no reason to be told so, only to be called otherwise.
    assert_eq!(item(&bob.post(IMPORT, &body).expect(200), "mine")["service"], "mine-2");
    let for_bob = json!({ "source": source, "create": true, "user": "bob@example.org" });
    let refused = item(&ann.post(IMPORT, &for_bob).expect(200), "mine");
    assert_eq!((&refused["status"], &refused["code"]), (&json!("refused"), &json!("forbidden")));
}

#[test]
fn what_is_no_document_is_refused_with_the_reason() {
    let app = TestApp::start();
    let root = app.admin_client("root@example.org");
    for (source, word) in
        [(json!("{"), "line 1"), (json!([]), "none of the forms"), (json!({"a": 1}), "none of the forms")]
    {
        let said = root.post(IMPORT, &json!({ "source": source })).refused(400, "validation_failed");
        assert!(said.contains(word), "{said}");
    }
    root.post(IMPORT, &json!({})).refused(400, "validation_failed");
    root.post(IMPORT, &json!({ "source": {}, "colour": "red" })).refused(400, "validation_failed");
    let plain = root.with("content-type", "text/plain");
    plain.send("POST", IMPORT, Some("x")).refused(415, "unsupported_media_type");
    let long = json!({ "source": "x".repeat(2 << 20) });
    root.post(IMPORT, &long).refused(413, "payload_too_large");
}

#[test]
fn the_command_line_imports_with_and_without_a_running_berth() {
    let mut app = TestApp::start();
    app.client_of("ann@example.org");
    let file = app.root().join("config.json");
    let write = |name: &str| {
        let document = json!({ "mcpServers": { name: { "command": FAKE, "env": { "FAKE_KEY": KEY } } } });
        fs::write(&file, document.to_string()).unwrap();
    };
    write("first");
    let path = file.to_str().unwrap();
    assert!(app.cli(&["service", "import", path, "--preview"], "").contains("new"));
    let done = app.cli(&["service", "import", path, "--create", "--user", "ann@example.org", "--json"], "");
    let done: Value = serde_json::from_str(&done).unwrap();
    let id = text(&item(&done, "first")["instance"], "id");
    let shown = app.cli(&["instance", "config", &id, "--client", "cursor", "--token"], "");
    assert!(shown.contains("Bearer bth_") && shown.contains(&format!("/first/{id}/mcp")), "{shown}");
    app.stop();
    write("second");
    assert!(app.fails(&["service", "import", path, "--create", "--user", "ann@example.org"]).contains("not running"));
    assert!(app.cli(&["service", "import", path], "").contains("added"));
    app.start_again();
    assert!(app.cli(&["service", "list"], "").contains("second"));
    assert_eq!(files_with(&app.data(), KEY), Vec::<String>::new());
}
