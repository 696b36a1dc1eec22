//! Secrets that can be recognised are put everywhere where Berth takes one, through success and failure; then
//! everything that Berth keeps, writes and answers is searched for them.
//!
//! What is found by right, and therefore not searched: `control.json`, which is the operator's key (0600); the one
//! answer in which a token, a webhook's secret or a CSRF token is given out; a value on its way into its child.
//!
//! What a child prints is its own log, and so is its crash card. Berth masks there the credential that it gave it,
//! and variables whose names say that they are secret; a value under a name such as `NOTE` is the child's to print.
//! That very thing is the control of this test: such a value must be found in every place where one can be, or
//! the search is worth nothing.

use std::{
    fs,
    io::Read as _,
    path::{Path, PathBuf},
};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use berth::auth::tokens::csrf;
use diesel::{Connection as _, PgConnection, QueryableByName, RunQueryDsl as _, sql_query, sql_types::Text};
use flate2::read::GzDecoder;
use serde_json::{Value, json};

use crate::support::{
    Builder, Client, TestApp,
    oauth::{Browser, REDIRECT, VERIFIER, exchange_with, refresh, request, secret_client, tools},
    receiver::Receiver,
    services::Service,
    text, wait_for,
};

/// 32 bytes, in base64.
const MASTER_KEY: &str = "Y2FuYXJ5LW1hc3Rlci1rZXktMzItYnl0ZXMtLS0tLTE=";
const PASSWORD: &str = "canary-password-5c1d";
const WRONG_PASSWORD: &str = "canary-wrong-password-81aa";
const MISPLACED: &str = "canary-typed-into-email-33f0";
const NEW_PASSWORD: &str = "canary-new-password-90be";
const CREDENTIAL: &str = "canary-credential-value-17c4";
const ROTATED: &str = "canary-rotated-value-6e02";
const PRINTED: &str = "canary-printed-credential-b7d9";
const ENVIRONMENT: &str = "canary-environment-value-4fa8";
const BEARER: &str = "bth_canary-bearer-2b6c";
const COOKIE: &str = "canary-cookie-aa41";
const QUERY: &str = "canary-query-0d3e";
const BODY: &str = "canary-body-f19a";
const HOOK_PATH: &str = "canary-hook-path-c50b";
const CLIENT_SECRET: &str = "canary-client-secret-3e7d";
/// Not a secret: it must be found.
const CONTROL: &str = "canary-control-no-secret";

fn builder() -> Builder {
    let credential = json!({ "kind": "api_key", "env": "API_KEY" });
    let script = "echo \"key=$API_KEY token=$MY_TOKEN note=$NOTE\" >&2; exit 3";
    let launch = json!({ "kind": "command", "command": "/bin/sh", "args": ["-c", script] });
    let printer = Service::command("printer", "/bin/sh").with("launch", launch).with("credential", credential.clone());
    TestApp::builder()
        .env("BERTH_MASTER_KEY", MASTER_KEY)
        .set("log", "debug")
        .set("allow_private_targets", "127.0.0.1")
        .service(Service::stdio("keyed", &[]).with("credential", credential))
        .service(printer)
}

/// Somewhere that something could be found.
struct Place {
    name: String,
    bytes: Vec<u8>,
}

/// What was put somewhere, by name.
struct Planted(Vec<(String, String)>);

impl Planted {
    fn add(&mut self, name: &str, secret: &str) {
        assert!(secret.len() >= 12, "{name}: too short to be recognised");
        self.0.push((name.to_owned(), secret.to_owned()));
        self.0.push((format!("{name} in base64"), STANDARD.encode(secret).trim_end_matches('=').to_owned()));
        self.0.push((format!("{name} in URL-safe base64"), URL_SAFE_NO_PAD.encode(secret)));
        self.0.push((format!("{name} in hex"), secret.bytes().map(|byte| format!("{byte:02x}")).collect()));
    }

    /// Where any of them is.
    fn found_in(&self, places: &[Place]) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        for place in places {
            for (name, secret) in &self.0 {
                if let Some(at) = memchr::memmem::find(&place.bytes, secret.as_bytes()) {
                    // What stands before it says how it came there.
                    let before = String::from_utf8_lossy(&place.bytes[at.saturating_sub(150)..at]);
                    found.push(format!("{name} is in {}, after {before:?}", place.name));
                }
            }
        }
        found.sort();
        found.dedup();
        found
    }
}

/// Every file below, unpacked where it is packed.
fn files(folder: &Path, places: &mut Vec<Place>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path: PathBuf = entry.path();
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() {
            files(&path, places);
        } else if kind.is_file() && path.file_name().is_some_and(|name| name != "control.json") {
            let mut bytes = fs::read(&path).unwrap_or_default();
            if path.extension().is_some_and(|extension| extension == "gz") {
                let mut text = Vec::new();
                GzDecoder::new(&*bytes).read_to_end(&mut text).unwrap();
                bytes = text;
            }
            places.push(Place { name: path.display().to_string(), bytes });
        }
    }
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

/// Every row of every table, where the database is no file.
fn tables(app: &TestApp, places: &mut Vec<Place>) {
    let Some(url) = app.postgres_url() else { return };
    let mut connection = PgConnection::establish(&url).unwrap();
    let mut rows = |sql: &str| sql_query(sql).load::<Line>(&mut connection).unwrap();
    let names = rows("SELECT tablename::text AS line FROM pg_tables WHERE schemaname = current_schema()");
    assert!(names.len() > 10);
    for Line { line: name } in names {
        let text: String =
            rows(&format!("SELECT t::text AS line FROM {name} t")).into_iter().map(|row| row.line + "\n").collect();
        places.push(Place { name: format!("table {name}"), bytes: text.into_bytes() });
    }
}

/// What is answered to whoever may ask.
fn answers(root: &Client, ann: &Client, ids: &[String], places: &mut Vec<Place>) {
    let mut paths: Vec<String> = [
        "/metrics",
        "/health/sessions",
        "/api/v1/audit?limit=1000",
        "/api/v1/audit/export",
        "/api/v1/users",
        "/api/v1/mcps?all=true",
        "/api/v1/sessions",
        "/api/v1/services",
        "/api/v1/admin/limits",
        "/openapi.json",
    ]
    .map(str::to_owned)
    .to_vec();
    for id in ids {
        for part in
            ["", "/events", "/stats", "/diagnose", "/logs?stream=error", "/logs?stream=access", "/logs?stream=debug"]
        {
            paths.push(format!("/api/v1/mcps/{id}{part}"));
        }
    }
    let own = [
        "/api/v1/notifications",
        "/api/v1/me/activity",
        "/api/v1/webhooks",
        "/api/v1/credentials",
        "/api/v1/tokens",
        "/api/v1/me",
    ];
    let asked = paths.iter().map(|path| (root, path.as_str())).chain(own.map(|path| (ann, path)));
    for (client, path) in asked {
        let answer = client.get(path);
        assert!(answer.status < 500, "{path}: {}", answer.text);
        places.push(Place { name: format!("the answer to {path}"), bytes: answer.text.into_bytes() });
    }
}

/// Bodies with secrets in them that are no good: cut off, of another type, in other members.
fn bad_bodies() -> [String; 6] {
    let all = |value: &Value| {
        let names = [
            "email",
            "password",
            "value",
            "url",
            "name",
            "role",
            "service",
            "label",
            "credential",
            "env",
            "ids",
            "instances",
            "expires_in_days",
            "mode",
            "kind",
        ];
        Value::from(names.iter().map(|name| ((*name).to_owned(), value.clone())).collect::<serde_json::Map<_, _>>())
            .to_string()
    };
    [
        format!("{{\"password\": \"{BODY}\", \"value\": \"{BODY}\""),
        format!("{{\"email\": \"{BODY}\", \"password\": \"{BODY}\" oops}}"),
        all(&json!(BODY)),
        all(&json!([BODY])),
        all(&json!({ "value": [BODY] })),
        format!("\"{BODY}\""),
    ]
}

/// Every route that is documented, with secrets in headers, query and body; returns what was answered.
fn every_route(app: &TestApp, valid: &Client, ids: [&str; 2]) -> Vec<Place> {
    let document = app.client().get("/openapi.json").expect(200);
    let stranger = app
        .client()
        .with("authorization", &format!("Bearer {BEARER}"))
        .with("cookie", &format!("berth_session={COOKIE}"));
    let guest = app.client().with("cookie", &format!("berth_session={COOKIE}")).with("x-csrf-token", COOKIE);
    let mut places = Vec::new();
    let mut note = |name: String, text: String| places.push(Place { name, bytes: text.into_bytes() });
    for (path, methods) in document["paths"].as_object().unwrap() {
        let real = path.replace("{service}", "keyed").replace("{id}", ids[0]).replace("{name}", ids[1]);
        let real = format!("{real}?token={QUERY}&access_token={QUERY}&limit={QUERY}");
        for method in methods
            .as_object()
            .unwrap()
            .keys()
            .filter(|name| ["get", "post", "patch", "delete"].contains(&name.as_str()))
        {
            let method = method.to_uppercase();
            let name = format!("the refusal of {method} {path}");
            if path == "/health" || path == "/metrics" || path == "/openapi.json" {
                continue;
            }
            for client in [&stranger, &guest] {
                note(name.clone(), client.send(&method, &real, None).text);
            }
            if !matches!(&*method, "POST" | "PATCH") {
                continue;
            }
            for body in bad_bodies() {
                for client in [&stranger, valid] {
                    let client = client.with("content-type", "application/json");
                    note(name.clone(), client.send(&method, real.split('?').next().unwrap(), Some(&body)).text);
                }
            }
        }
    }
    places
}

/// A client that somebody connects: its secret, its codes and all its tokens, used well, twice and wrongly.
fn connected_app(app: &TestApp, planted: &mut Planted) {
    secret_client(app, "app", &[REDIRECT], CLIENT_SECRET);
    let cat = app.user("cat");
    let (instance, browser) = (cat.create("fake"), Browser::of(&cat));
    let credential = [("client_secret", CLIENT_SECRET)];
    for use_twice in [false, true] {
        let code = browser.allow(&request("app", &instance));
        planted.add("code", &code);
        exchange_with(app, "app", &code, &[("client_secret", BODY)]).expect(401);
        let tokens = exchange_with(app, "app", &code, &credential).expect(200).json();
        planted.add("access token", &text(&tokens, "access_token"));
        planted.add("refresh token", &text(&tokens, "refresh_token"));
        let again = refresh(app, "app", &text(&tokens, "refresh_token"), &credential).expect(200).json();
        planted.add("second access token", &text(&again, "access_token"));
        planted.add("second refresh token", &text(&again, "refresh_token"));
        tools(&instance, &text(&again, "access_token")).expect(200);
        if use_twice {
            refresh(app, "app", &text(&tokens, "refresh_token"), &credential).expect(400);
        } else {
            exchange_with(app, "app", &code, &credential).expect(400);
        }
        tools(&instance, &text(&again, "access_token")).expect(401);
    }
}

#[test]
fn no_secret_is_anywhere_but_where_it_belongs() {
    Builder::each(builder, |app| {
        let receiver = Receiver::start();
        let mut planted = Planted(Vec::new());
        let constants = [
            ("master key", MASTER_KEY),
            ("password", PASSWORD),
            ("wrong password", WRONG_PASSWORD),
            ("password in the wrong field", MISPLACED),
            ("new password", NEW_PASSWORD),
            ("credential", CREDENTIAL),
            ("rotated credential", ROTATED),
            ("printed credential", PRINTED),
            ("environment", ENVIRONMENT),
            ("bearer", BEARER),
            ("cookie of a stranger", COOKIE),
            ("query", QUERY),
            ("body", BODY),
            ("path of a webhook", HOOK_PATH),
            ("secret of an OAuth client", CLIENT_SECRET),
            ("verifier", VERIFIER),
        ];
        for (name, secret) in constants {
            planted.add(name, secret);
        }
        planted.add("key bytes", "canary-master-key-32-bytes-----1");

        // People, their passwords, sign-ins and tokens.
        let root = app.admin_client("root@example.org");
        let made = root.post("/api/v1/users", &json!({ "email": "ann@example.org", "password": PASSWORD })).expect(201);
        let ann = app.client().with_token(&app.cli(&["token", "create", "--user", "ann@example.org"], ""));
        planted.add("token of the administrator", root.token());
        planted.add("token of the command line", ann.token());
        planted.add("control token", app.control_token());
        let login = |email: &str, password: &str| {
            app.client().post("/api/v1/auth/login", &json!({ "email": email, "password": password }))
        };
        login("ann@example.org", WRONG_PASSWORD).expect(401);
        login(MISPLACED, PASSWORD).expect(401);
        login(&format!("ann {MISPLACED}"), MISPLACED).expect(401);
        let signed_in = login("ann@example.org", PASSWORD);
        signed_in.expect(200);
        let cookie = signed_in.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
        let value = cookie.split_once('=').unwrap().1;
        planted.add("cookie", value);
        planted.add("CSRF token", &csrf(value));
        let browser = app.client().with("cookie", &cookie);
        browser.post("/api/v1/tokens", &json!({})).refused(403, "csrf_failed");
        let token =
            browser.with("x-csrf-token", &csrf(value)).post("/api/v1/tokens", &json!({ "name": "own" })).expect(201);
        planted.add("token of the API", &text(&token, "token"));
        app.client().with_token(&text(&token, "token")).get("/api/v1/me").expect(200);
        root.patch(&format!("/api/v1/users/{}", text(&made, "id")), &json!({ "password": NEW_PASSWORD })).expect(200);

        // Credentials and variables; a child that uses them, and one that prints them and fails.
        let hook =
            ann.post("/api/v1/webhooks", &json!({ "url": receiver.at(&format!("/fail/{HOOK_PATH}")) })).expect(201);
        planted.add("webhook secret", &text(&hook, "secret"));
        let credential =
            ann.post("/api/v1/credentials", &json!({ "service": "keyed", "value": CREDENTIAL })).expect(201);
        let env = json!({ "MY_TOKEN": ENVIRONMENT, "NOTE": CONTROL });
        let order = json!({ "service": "keyed", "credential": { "id": credential["id"] }, "env": env });
        let keyed = text(&ann.create(&order), "id");
        let view = ann.wait_for(&keyed, "running");
        ann.call(&view, "echo", &json!({ "text": "hi" })).expect(200);
        ann.post(&format!("/api/v1/credentials/{}/rotate", text(&credential, "id")), &json!({ "value": ROTATED }))
            .expect(200);
        let order = json!({ "service": "printer", "credential": { "value": PRINTED }, "env": env, "label": CONTROL });
        let printer = text(&ann.create(&order), "id");
        ann.wait_for(&printer, "failed");
        wait_for("a notice of the failure", || {
            let told = ann.get("/api/v1/notifications").expect(200);
            told["items"].as_array().unwrap().iter().any(|item| item["kind"] == "instance_failed").then_some(())
        });
        wait_for("a message to the webhook", || {
            (!receiver.at_path(&format!("/fail/{HOOK_PATH}")).is_empty()).then_some(())
        });
        connected_app(app, &mut planted);
        let call = format!("/keyed/{keyed}/mcp/call?token={QUERY}");
        app.client().post(&call, &json!({ "name": "echo" })).expect(401);
        ann.post(&call, &json!({ "name": BODY, "arguments": [] }));

        let mut places = every_route(app, &ann, [&keyed, "keyed"]);
        places.extend(every_route(app, &root, ["no-such", "no-such"]));
        answers(&root, &ann, &[keyed, printer], &mut places);
        files(app.root(), &mut places);
        tables(app, &mut places);
        assert_eq!(planted.found_in(&places), [""; 0]);

        // The control: the search finds what is there, of every kind of place.
        let mut control = Planted(Vec::new());
        control.add("control", CONTROL);
        let found = control.found_in(&places).join("\n");
        let database = if app.postgres_url().is_some() { "table instances" } else { "berth.db" };
        for place in
            [database, "error.log", "the answer to /api/v1/mcps?all=true", "the answer to /api/v1/notifications"]
        {
            assert!(found.contains(place), "the control was not found in {place}:\n{found}");
        }
        // And a secret that does leak.
        fs::write(app.root().join("leak.log"), format!("debug: {PASSWORD}")).unwrap();
        let mut leaked = Vec::new();
        files(app.root(), &mut leaked);
        let found = planted.found_in(&leaked);
        assert!(found.len() == 1 && found[0].contains("leak.log"), "{found:?}");
    });
}
