//! MCPB bundles: good ones run, bad ones leave nothing.

use std::{
    io::{BufRead, BufReader, Cursor, Write},
    net::TcpListener,
};

use serde_json::{Value, json};
use zip::{ZipWriter, write::SimpleFileOptions};

use super::{FAKE, IMPORT, SECOND, files_with, item};
use crate::support::{Client, TestApp, rest::Answer, text};

/// An archive under construction.
struct Archive(ZipWriter<Cursor<Vec<u8>>>);

impl Archive {
    /// One with a manifest.
    fn with(manifest: &Value) -> Self {
        Self(ZipWriter::new(Cursor::new(Vec::new()))).file("manifest.json", manifest.to_string().as_bytes(), 0o644)
    }

    fn file(mut self, name: &str, bytes: &[u8], mode: u32) -> Self {
        self.0.start_file(name, SimpleFileOptions::default().unix_permissions(mode)).unwrap();
        self.0.write_all(bytes).unwrap();
        self
    }

    fn link(mut self, name: &str, target: &str) -> Self {
        self.0.add_symlink(name, target, SimpleFileOptions::default()).unwrap();
        self
    }

    fn bytes(self) -> Vec<u8> {
        self.0.finish().unwrap().into_inner()
    }
}

fn manifest() -> Value {
    json!({
        "manifest_version": "0.3", "name": "packed", "display_name": "Packed", "version": "1.0.0", "description": "a fake",
        "author": { "name": "Ann" },
        "server": { "type": "binary", "entry_point": "server/fake", "mcp_config": {
            "command": "${__dirname}/server/fake", "args": ["--name", "${user_config.title}"],
            "env": { "FAKE_KEY": "${user_config.key}", "FAKE_DIR": "${__dirname}/data", "FAKE_MODE": "any" },
            "platform_overrides": { "linux": { "env": { "FAKE_MODE": "linux" } } },
        } },
        "user_config": {
            "key": { "type": "string", "title": "Key", "sensitive": true, "required": true },
            "title": { "type": "string", "title": "Title", "default": "packed" },
        },
    })
}

fn good() -> Vec<u8> {
    // As archives of other systems have it: nothing says that it is a program.
    Archive::with(&manifest())
        .file("server/fake", &std::fs::read(FAKE).unwrap(), 0o644)
        .file("data/x", b"inside", 0o644)
        .bytes()
}

fn send(client: &Client, query: &str, bytes: &[u8]) -> Answer {
    client.with("content-type", "application/octet-stream").send_bytes("POST", &format!("{IMPORT}{query}"), bytes)
}

#[test]
fn a_bundle_runs_from_its_folder_with_what_its_user_gives() {
    let app = TestApp::start();
    let (root, ann) = (app.admin_client("root@example.org"), app.client_of("ann@example.org"));
    let bytes = good();
    let cache = app.data().join("cache/bundles");
    let seen = send(&root, "?preview=true", &bytes).expect(200);
    assert_eq!(item(&seen, "packed")["status"], "new");
    assert!(!cache.exists());
    let hash = berth::catalog::import::sha256_of(&bytes);
    let done = send(&root, &format!("?sha256={hash}"), &bytes).expect(200);
    let packed = item(&done, "packed");
    assert_eq!((&packed["status"], &packed["manifest"]["launch"]["sha256"]), (&json!("added"), &json!(hash)), "{done}");

    ann.post("/api/v1/mcps", &json!({ "service": "packed" })).refused(400, "validation_failed");
    let view = ann.create(&json!({ "service": "packed", "credential": { "value": SECOND } }));
    let view = ann.wait_for(&text(&view, "id"), "running");
    let whoami = ann.call(&view, "whoami", &json!({})).expect(200);
    let whoami: Value = serde_json::from_str(whoami["content"][0]["text"].as_str().unwrap()).unwrap();
    let folder = cache.join(&hash);
    let data = format!("{}/data", folder.display());
    assert_eq!(whoami["args"], json!([folder.join("server/fake"), "--name", "packed"]));
    assert_eq!(
        [&whoami["env"]["FAKE_KEY"], &whoami["env"]["FAKE_MODE"], &whoami["env"]["FAKE_DIR"]],
        [SECOND, "linux", &data]
    );
    let read = ann.call(&view, "read", &json!({ "path": format!("{data}/x") })).expect(200);
    assert_eq!(read["content"][0]["text"], "inside");
    let written = ann.call(&view, "write", &json!({ "path": format!("{data}/x"), "text": "other" })).expect(200);
    assert!(written["content"][0]["text"].as_str().unwrap().starts_with("error"), "{written}");
    assert_eq!(files_with(app.root(), SECOND), Vec::<String>::new());
    assert_eq!(item(&send(&root, "", &bytes).expect(200), "packed")["status"], "exists");
}

#[test]
fn bad_bundles_are_refused_and_leave_nothing() {
    let app = TestApp::builder().set("import_max_bytes", 4 << 20).start();
    let root = app.admin_client("root@example.org");
    let with = |name: &str| Archive::with(&manifest()).file(name, b"x", 0o644).bytes();
    let many =
        (0..20_001).fold(Archive::with(&manifest()), |archive, n| archive.file(&format!("f{n}"), b"", 0o644)).bytes();
    let zeros = vec![0; 8 << 20];
    let cases = [
        (with("../outside"), "leads out"),
        (with("a/../../outside"), "leads out"),
        (with("/etc/outside"), "leads out"),
        (with("..\\outside"), "leads out"),
        (with("C:/outside"), "leads out"),
        (with(".berth-complete"), "for Berth"),
        (Archive::with(&manifest()).link("server/fake", "/bin/sh").bytes(), "link"),
        (Archive::with(&manifest()).file("zeros", &zeros, 0o644).bytes(), "times as large"),
        (many, "20000"),
        (Archive(ZipWriter::new(Cursor::new(Vec::new()))).file("x", b"", 0o644).bytes(), "no manifest.json"),
        (Archive(ZipWriter::new(Cursor::new(Vec::new()))).file("manifest.json", b"{", 0o644).bytes(), "no JSON"),
        (b"PK\x03\x04 and nothing else".to_vec(), "no MCPB bundle"),
        (Vec::new(), "no MCPB bundle"),
    ];
    for (bytes, word) in cases {
        // So many take their time to be looked at.
        let queries = if word == "20000" { vec![""] } else { vec!["?preview=true", ""] };
        for query in queries {
            let said = send(&root, query, &bytes).refused(400, "validation_failed");
            assert!(said.contains(word), "{word}: {said}");
        }
    }
    let said = send(&root, &format!("?sha256={}", "0".repeat(64)), &good_small()).refused(400, "validation_failed");
    assert!(said.contains("not the file that was meant"), "{said}");
    let said = send(&root, "", &vec![0; (4 << 20) + 1]).refused(413, "payload_too_large");
    assert!(said.contains("import_max_bytes"), "{said}");
    assert!(!app.data().join("cache/bundles").exists());
    assert!(!app.root().join("outside").exists() && !app.data().join("cache/outside").exists());
    let staging = std::fs::read_dir(app.data().join("cache/staging"));
    assert_eq!(staging.map_or(0, Iterator::count), 0);
    assert_eq!(root.get("/api/v1/services?search=packed").expect(200)["items"], json!([]));
}

fn good_small() -> Vec<u8> {
    Archive::with(&manifest()).file("server/fake", b"#!/bin/sh\n", 0o755).bytes()
}

#[test]
fn bundles_that_do_not_run_here_say_why() {
    let app = TestApp::start();
    let root = app.admin_client("root@example.org");
    let changed = |pointer: &str, value: Value| {
        let mut manifest = manifest();
        match pointer {
            "platforms" => manifest["compatibility"] = json!({ "platforms": value }),
            pointer => *manifest.pointer_mut(pointer).unwrap() = value,
        }
        Archive::with(&manifest).file("server/fake", b"x", 0o644).bytes()
    };
    let cases = [
        (changed("platforms", json!(["darwin", "win32"])), "not for Linux"),
        (changed("/server/mcp_config/command", json!("uv")), "whenever it starts"),
        (changed("/server/mcp_config/command", json!("${__dirname}/server/none")), "not in it"),
        (changed("/server/mcp_config/command", json!("/bin/sh")), "not in it"),
        (changed("/server/mcp_config/args", json!(["--key", "${user_config.key}"])), "arguments are public"),
    ];
    for (bytes, word) in cases {
        let item = item(&send(&root, "", &bytes).expect(200), "packed");
        assert_eq!(item["status"], "not_runnable");
        assert!(text(&item, "reason").contains(word), "{word}: {item}");
    }
}

/// Serves one file at `/b.mcpb`, and sends on to it from `/moved`.
fn serve(bytes: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut line = String::new();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let _ = reader.read_line(&mut line);
            let mut header = String::new();
            while reader.read_line(&mut header).is_ok_and(|count| count > 2) {
                header.clear();
            }
            let head = if line.contains("/moved") {
                "HTTP/1.1 302 Found\r\nlocation: /b.mcpb\r\nconnection: close\r\ncontent-length: 0\r\n\r\n".to_owned()
            } else {
                format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", bytes.len())
            };
            let _ = stream.write_all(head.as_bytes());
            if !line.contains("/moved") {
                let _ = stream.write_all(&bytes);
            }
        }
    });
    url
}

#[test]
fn a_registrys_bundle_is_fetched_and_must_be_what_it_says() {
    let bytes = good_small();
    let hash = berth::catalog::import::sha256_of(&bytes);
    let url = serve(bytes);
    let source = |path: &str, hash: &str| {
        json!({ "name": "a/fetched", "description": "d", "version": "1.0.0", "packages": [
            { "registryType": "mcpb", "identifier": format!("{url}{path}"), "fileSha256": hash, "transport": { "type": "stdio" } },
        ] })
    };
    let take = |app: &TestApp, path: &str, hash: &str| {
        let done = app
            .admin_client(&format!("r{}{}@example.org", path.len(), &hash[..2]))
            .post(IMPORT, &json!({ "source": source(path, hash) }));
        item(&done.expect(200), "a/fetched")
    };
    let closed = TestApp::start();
    let refused = take(&closed, "/b.mcpb", &hash);
    assert!(text(&refused, "reason").contains("allow_private_targets"), "{refused}");
    let open = TestApp::builder().set("allow_private_targets", "127.0.0.1").start();
    let other = take(&open, "/b.mcpb", &"0".repeat(64));
    assert!(text(&other, "reason").contains("not the file that was meant"), "{other}");
    assert!(!open.data().join("cache/bundles").exists());
    let taken = take(&open, "/moved", &hash);
    assert_eq!((&taken["status"], &taken["service"]), (&json!("added"), &json!("fetched")), "{taken}");
    assert!(open.data().join("cache/bundles").join(&hash).join("server/fake").is_file());
}
