use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// What one entry of a configuration becomes: launch, and the rest of the manifest that is not as ever.
fn entry(entry: &Value) -> Result<Box<Server>, String> {
    let document = json!({ "mcpServers": { "It": entry } });
    let mut found = read(&document.to_string()).unwrap();
    assert_eq!(found.len(), 1);
    let server = found.remove(0).server?;
    if server.unpinned.is_none() {
        server.manifest.validate().unwrap_or_else(|error| panic!("{error}: {document}"));
    }
    Ok(server)
}

fn launch(server: &Server) -> Value {
    serde_json::to_value(&server.manifest.launch).unwrap()
}

#[test]
fn commands_become_packages_and_programs() {
    let npm = |package: &str, version: &str, args: Value| json!({"kind": "npm", "package": package, "version": version, "args": args});
    let cases = [
        (
            json!({"command": "npx", "args": ["-y", "@x/s@1.2.3", "--root", "/tmp"]}),
            npm("@x/s", "1.2.3", json!(["--root", "/tmp"])),
            None,
        ),
        (
            json!({"command": "npx", "args": ["s@^1"]}),
            json!({"kind": "npm", "package": "s", "version": "^1"}),
            Some("^1"),
        ),
        (
            json!({"command": "/usr/bin/npx", "args": ["s"]}),
            json!({"kind": "npm", "package": "s", "version": "latest"}),
            Some("latest"),
        ),
        (
            json!({"command": "npx.cmd", "args": ["--yes", "-p", "@x/s@1.0.0", "tool", "a"]}),
            json!({"kind": "npm", "package": "@x/s", "version": "1.0.0", "entry": "tool", "args": ["a"]}),
            None,
        ),
        (
            json!({"command": "cmd", "args": ["/c", "npx", "-y", "s@1.0.0"]}),
            json!({"kind": "npm", "package": "s", "version": "1.0.0"}),
            None,
        ),
        (
            json!({"command": "bunx", "args": ["s@1.0.0"]}),
            json!({"kind": "npm", "package": "s", "version": "1.0.0"}),
            None,
        ),
        (
            json!({"command": "npm", "args": ["exec", "--", "s@1.0.0"]}),
            json!({"kind": "npm", "package": "s", "version": "1.0.0"}),
            None,
        ),
        (
            json!({"command": "uvx", "args": ["s==1.0", "-v"]}),
            json!({"kind": "pypi", "package": "s", "version": "1.0", "args": ["-v"]}),
            None,
        ),
        (
            json!({"command": "uvx", "args": ["--from", "pkg==2.0", "tool", "x"]}),
            json!({"kind": "pypi", "package": "pkg", "version": "2.0", "entry": "tool", "args": ["x"]}),
            None,
        ),
        (
            json!({"command": "uv", "args": ["tool", "run", "s"]}),
            json!({"kind": "pypi", "package": "s", "version": "latest"}),
            Some("latest"),
        ),
        (
            json!({"command": "pipx", "args": ["run", "s==1.0"]}),
            json!({"kind": "pypi", "package": "s", "version": "1.0"}),
            None,
        ),
        (
            json!({"command": "python", "args": ["-m", "s"]}),
            json!({"kind": "command", "command": "python", "args": ["-m", "s"]}),
            None,
        ),
        (
            json!({"command": "node", "args": ["/srv/x.js", 5, true]}),
            json!({"kind": "command", "command": "node", "args": ["/srv/x.js", "5", "true"]}),
            None,
        ),
        (
            json!({"command": "/opt/s", "args": ["${workspaceFolder}/a", "${userHome}"]}),
            json!({"kind": "command", "command": "/opt/s", "args": ["{DATA_DIR}/a", "{HOME_DIR}"]}),
            None,
        ),
        (json!({"url": "https://x.example/mcp"}), json!({"kind": "remote", "url": "https://x.example/mcp"}), None),
        (
            json!({"serverUrl": "https://x.example/sse", "type": "sse"}),
            json!({"kind": "remote", "url": "https://x.example/sse"}),
            None,
        ),
        (
            json!({"command": "npx", "args": ["-y", "mcp-remote@latest", "http://x.example/mcp", "9000", "--allow-http"]}),
            json!({"kind": "remote", "url": "http://x.example/mcp"}),
            None,
        ),
    ];
    for (document, expected, unpinned) in cases {
        let server = entry(&document).unwrap_or_else(|error| panic!("{error}: {document}"));
        assert_eq!(launch(&server), expected, "{document}");
        assert_eq!(server.unpinned.as_deref(), unpinned, "{document}");
        assert_eq!((server.manifest.name.as_str(), server.needs.len()), ("it", 0), "{document}");
    }
}

#[test]
fn what_does_not_run_here_says_why() {
    let cases = [
        (json!({"command": "docker", "args": ["run", "-i", "mcp/x"]}), "container"),
        (json!({"command": "/usr/bin/podman", "args": ["run"]}), "container"),
        (json!({"command": "npx", "args": ["-y", "github:ann/x"]}), "repository"),
        (json!({"command": "npx", "args": []}), "names no package"),
        (json!({"command": "uvx", "args": ["--from", "git+https://x.example/y", "z"]}), "repository"),
        (json!({"command": "uvx", "args": ["mcp[cli]"]}), "extras"),
        (json!({"command": "uvx", "args": ["--with", "a", "b"]}), "--with"),
        (json!({"command": "uv", "args": ["--directory", "/home/ann/x", "run", "x"]}), "folder of the machine"),
        (json!({"command": "bash", "args": ["-c", "x | y"]}), "shell"),
        (json!({"command": "cmd", "args": ["/c", "cmd", "/c", "x"]}), "shell"),
        (json!({"command": "C:\\x\\y.exe"}), "Windows"),
        (json!({"command": "./server"}), "relative"),
        (json!({"command": "node server.js"}), "whole line"),
        (json!({"args": ["x"]}), "neither a command nor a URL"),
        (json!("x"), "no object"),
        (json!({"command": "x", "args": "y"}), "no list"),
        (json!({"command": "x", "args": [["y"]]}), "no text"),
        (json!({"command": "x", "env": {"A": {}}}), "`env.A`"),
        (json!({"url": "nothing"}), "URL"),
        (json!({"url": "${input:url}"}), "host"),
        (json!({"url": "ftp://x.example/"}), "http"),
        (json!({"url": "https://x.example", "type": "ws"}), "WebSocket"),
        (json!({"command": "x", "args": ["--api-key", "abc"]}), "argument 2 (--api-key) is a secret"),
        (json!({"command": "x", "args": ["--token=${input:t}"]}), "is a secret"),
        (json!({"command": "x", "args": ["sk-proj-A123456789012345"]}), "argument 1 is a secret"),
        (json!({"command": "npx", "args": ["-y", "s@1.0.0", "postgres://a:b@h/d"]}), "is a secret"),
    ];
    for (document, reason) in cases {
        let error = entry(&document).err().unwrap_or_else(|| panic!("it is taken: {document}"));
        assert!(error.contains(reason), "{document}: {error}");
        assert!(!error.contains("sk-proj") && !error.contains("abc"), "{error}");
    }
}

#[test]
fn secrets_go_where_they_belong() {
    let key = "sk-proj-A123456789012345";
    let server = entry(&json!({"command": "/x", "env": {
        "LOG": "debug", "API_KEY": key, "OTHER_TOKEN": "t0ken", "BASE": "https://u:p@h.example/", "LIT": "{PORT}",
    }}))
    .unwrap();
    let manifest = serde_json::to_value(&server.manifest).unwrap();
    assert_eq!(manifest["credential"]["env"], "API_KEY");
    assert_eq!(manifest["env"], json!({"LOG": "debug", "LIT": "{config.LIT-text}"}));
    assert_eq!(server.given.config["LIT-text"], "{PORT}");
    assert_eq!(server.given.credential.as_ref().unwrap().expose(), key);
    let env: Vec<(&str, &str)> = server.given.env.iter().map(|(name, value)| (name.as_str(), value.expose())).collect();
    assert_eq!(env, [("BASE", "https://u:p@h.example/"), ("OTHER_TOKEN", "t0ken")]);
    assert!(!manifest.to_string().contains("sk-proj") && !manifest.to_string().contains("t0ken"));

    let server = entry(
        &json!({"url": format!("https://ann:pw@x.example/s/{}/mcp?api_key=k1&v=2", "a1b2".repeat(9)), "headers": {
            "X-Team": "7", "X-Api-Key": "k2",
        }}),
    )
    .unwrap();
    let manifest = serde_json::to_value(&server.manifest).unwrap();
    assert_eq!(
        manifest["credential"],
        json!({"kind": "basic", "header": "Authorization", "label": "the user and password of its URL"})
    );
    assert_eq!(manifest["launch"]["url"], "https://x.example/s/%7Benv.KEY%7D/mcp?api_key={env.API_KEY}&v=2");
    assert_eq!(manifest["launch"]["headers"], json!({"X-Team": "7", "X-Api-Key": "{env.X_API_KEY}"}));
    assert_eq!(server.given.credential.unwrap().expose(), "ann:pw");
    assert_eq!(server.given.env.len(), 3);

    for (header, value) in [("Authorization", "Bearer abc"), ("authorization", "Bearer abc")] {
        let server = entry(&json!({"url": "https://x.example/mcp", "headers": { header: value }})).unwrap();
        assert_eq!(server.manifest.credential.header.as_deref(), Some(header));
        assert_eq!(server.given.credential.unwrap().expose(), "abc");
    }
    // A name that owners cannot set for an instance comes first.
    let server = entry(&json!({"command": "/x", "env": {"A_TOKEN": "x1", "GIT_TOKEN": "x2"}})).unwrap();
    assert_eq!(server.manifest.credential.env.as_deref(), Some("GIT_TOKEN"));
    // The bridge falls away, what it would have sent stays.
    let server = entry(
        &json!({"command": "npx", "args": ["mcp-remote", "https://x.example/mcp", "--header", "Authorization:${AUTH}"],
        "env": {"AUTH": "Bearer abc"}}),
    )
    .unwrap();
    assert_eq!(launch(&server), json!({"kind": "remote", "url": "https://x.example/mcp"}));
    assert_eq!(server.given.credential.unwrap().expose(), "abc");
}

#[test]
fn what_is_left_open_is_to_be_filled_in() {
    let document = r#"{
        // VS Code
        "inputs": [
            {"id": "key", "type": "promptString", "password": true, "description": "The key"},
            {"id": "level", "type": "pickString", "options": ["a", "b"], "default": "a"},
        ],
        "servers": {
            "remote": {"type": "http", "url": "https://x.example/mcp?l=${input:level}", "headers": {"Authorization": "Bearer ${input:key}"}},
            "local": {"command": "/x", "args": ["--level", "${input:level}"], "env": {"K": "pre-${input:key}", "H": "${env:HOST}", "D": "<your data>"}},
        },
    }"#;
    let found = read(document).unwrap();
    let server = |name: &str| {
        found
            .iter()
            .find(|found| found.source == name)
            .unwrap()
            .server
            .as_ref()
            .unwrap_or_else(|error| panic!("{error}"))
    };
    let remote = server("remote");
    assert_eq!(launch(remote), json!({"kind": "remote", "url": "https://x.example/mcp?l={config.level}"}));
    assert_eq!(remote.manifest.credential.header.as_deref(), Some("Authorization"));
    assert_eq!(remote.manifest.credential.help.as_deref(), Some("The key"));
    let local = server("local");
    let manifest = serde_json::to_value(&local.manifest).unwrap();
    assert_eq!(manifest["launch"]["args"], json!(["--level", "{config.level}"]));
    assert_eq!(manifest["env"], json!({"K": "pre-{credential}", "H": "{config.HOST}", "D": "{config.D}"}));
    let needs: Vec<(&str, bool, bool)> =
        local.needs.iter().map(|need| (need.place.as_str(), need.required, need.given)).collect();
    let expected = [
        ("config.level", false, true),
        ("config.HOST", true, false),
        ("config.D", true, false),
        ("credential", true, false),
    ];
    for one in expected {
        assert!(needs.contains(&one), "{needs:?}");
    }
    assert_eq!(needs.len(), 4);
}

fn registry(server: &Value) -> Found {
    let mut found = read(&server.to_string()).unwrap();
    assert_eq!(found.len(), 1);
    found.remove(0)
}

#[test]
fn server_json_of_every_year() {
    let new = json!({
        "$schema": "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json",
        "name": "io.github.ann/weather", "title": "Weather", "description": "says it", "version": "1.0.2",
        "packages": [
            {"registryType": "oci", "identifier": "ghcr.io/ann/weather:1.0.2", "transport": {"type": "stdio"}},
            {"registryType": "npm", "identifier": "@ann/weather", "version": "1.0.2", "transport": {"type": "stdio"},
             "runtimeHint": "npx", "runtimeArguments": [{"type": "positional", "value": "-y"}],
             "packageArguments": [
                {"type": "positional", "value": "serve"},
                {"type": "named", "name": "--units", "default": "metric", "choices": ["metric", "imperial"]},
                {"type": "named", "name": "--verbose"},
                {"type": "positional", "valueHint": "place", "isRequired": true, "description": "Where"},
             ],
             "environmentVariables": [
                {"name": "WEATHER_API_KEY", "isRequired": true, "isSecret": true, "description": "Key"},
                {"name": "WEATHER_SECOND", "isSecret": true},
                {"name": "REGION", "value": "{zone}-1", "variables": {"zone": {"default": "eu"}}},
                {"name": "MODE", "value": "fast"},
             ]},
            {"registryType": "nuget", "identifier": "Ann.Weather", "version": "1.0.2", "transport": {"type": "stdio"}},
        ],
        "remotes": [{"type": "streamable-http", "url": "https://w.example/mcp"}],
    });
    let old = json!({"server": {
        "name": "io.github.ann/weather", "description": "says it", "version_detail": {"version": "1.0.2"},
        "packages": [{
            "registry_name": "npm", "name": "@ann/weather", "version": "1.0.2", "runtime_hint": "npx",
            "package_arguments": [
                {"type": "positional", "value": "serve"},
                {"type": "named", "name": "--units", "default": "metric", "choices": ["metric", "imperial"]},
                {"type": "named", "name": "--verbose"},
                {"type": "positional", "value_hint": "place", "is_required": true, "description": "Where"},
            ],
            "environment_variables": [
                {"name": "WEATHER_API_KEY", "is_required": true, "is_secret": true, "description": "Key"},
                {"name": "WEATHER_SECOND", "is_secret": true},
                {"name": "REGION", "value": "{zone}-1", "variables": {"zone": {"default": "eu"}}},
                {"name": "MODE", "value": "fast"},
            ]}],
    }, "_meta": {}});
    let mut middle = old["server"].clone();
    middle["packages"][0]["registry_type"] = json!("npm");
    middle["packages"][0]["identifier"] = json!("@ann/weather");
    for document in [&new, &old, &middle] {
        let found = registry(document);
        let server = found.server.unwrap();
        let manifest = serde_json::to_value(&server.manifest).unwrap();
        assert_eq!(
            manifest["launch"],
            json!({"kind": "npm", "package": "@ann/weather", "version": "1.0.2",
            "args": ["serve", "--units={config.units}", "--verbose", "{config.place}"]}),
            "{document}"
        );
        assert_eq!(manifest["env"], json!({"REGION": "{config.zone}-1", "MODE": "fast"}));
        assert_eq!(manifest["credential"]["env"], "WEATHER_API_KEY");
        assert_eq!(manifest["name"], "weather");
        let second = server.needs.iter().find(|need| need.place == "env.WEATHER_SECOND").unwrap();
        assert!(second.secret && !second.required && !second.given);
        server.manifest.validate().unwrap();
    }
    let found = registry(&new);
    let reasons: Vec<String> =
        found.alternatives.iter().map(|other| format!("{}: {}", other.what, other.reason)).collect();
    assert!(
        reasons[0].starts_with("oci ghcr.io/ann/weather:1.0.2: ") && reasons[0].contains("container"),
        "{reasons:?}"
    );
    assert!(reasons[1].contains("NuGet") && reasons[2].starts_with("remote streamable-http"), "{reasons:?}");
    assert_eq!(read(&json!({"servers": [new, old]}).to_string()).unwrap().len(), 2);
}

#[test]
fn other_ways_of_server_json() {
    let with = |name: &str, value: Value| json!({"name": "a/b", "description": "x", "version": "1.0.0", name: value});
    let remote = |transport: &str| {
        with(
            "remotes",
            json!([{(transport): "streamable", "url": "https://x.example/{tenant}/mcp",
        "variables": {"tenant": {"isRequired": true}}, "headers": [{"name": "X-Key", "isSecret": true, "isRequired": true}]}]),
        )
    };
    for transport in ["type", "transport_type"] {
        let server = registry(&remote(transport)).server.unwrap();
        assert_eq!(server.manifest.launch.url_template().unwrap(), "/{config.tenant}/mcp");
        assert_eq!(server.manifest.credential.header.as_deref(), Some("X-Key"));
    }
    let hash = "ab".repeat(32);
    let bundle = json!([{"registryType": "mcpb", "identifier": "https://x.example/b.mcpb", "fileSha256": hash, "transport": {"type": "stdio"}}]);
    assert_eq!(registry(&with("packages", bundle)).server.unwrap().bundle.unwrap().sha256, hash);
    let cases = [
        (json!([{"registryType": "oci", "identifier": "x", "transport": {"type": "stdio"}}]), "container"),
        (json!([{"registryType": "nuget", "identifier": "x", "version": "1"}]), "NuGet"),
        (json!([{"registryType": "conda", "identifier": "x"}]), "conda"),
        (json!([{"registryType": "mcpb", "identifier": "https://x.example/b.mcpb"}]), "fileSha256"),
        (
            json!([{"registryType": "npm", "identifier": "x", "version": "1.0.0", "transport": {"type": "streamable-http", "url": "http://localhost:1/"}}]),
            "streamable-http",
        ),
        (json!([]), "neither a package"),
    ];
    for (packages, reason) in cases {
        let error = registry(&with("packages", packages)).server.err().unwrap();
        assert!(error.contains(reason), "{error}");
    }
    let ranged = with(
        "packages",
        json!([{"registryType": "npm", "identifier": "x", "version": "^1.2", "transport": {"type": "stdio"}}]),
    );
    assert_eq!(registry(&ranged).server.unwrap().unpinned.as_deref(), Some("^1.2"));
}

#[test]
fn documents_of_other_forms_are_refused() {
    for document in ["[]", "{}", "5", "\"x\"", "null", "{\"mcpServers\": []}", "{\"manifest_version\": \"0.3\"}", "{"] {
        assert!(read(document).is_err(), "{document}");
    }
    assert_eq!(read("{\"mcpServers\": {}}").unwrap().len(), 0);
    let many: serde_json::Map<String, Value> = (0..501).map(|n| (n.to_string(), json!({}))).collect();
    assert!(read(&json!({ "mcpServers": many }).to_string()).err().unwrap().contains("501"));
}

/// Any JSON that is not too deep, with the words that we look for.
fn any_json() -> impl Strategy<Value = Value> {
    const WORDS: &[&str] = &[
        "command",
        "args",
        "env",
        "url",
        "headers",
        "npx",
        "uvx",
        "mcp-remote",
        "--header",
        "packages",
        "remotes",
        "registryType",
        "npm",
        "pypi",
        "identifier",
        "version",
        "type",
        "named",
        "positional",
        "value",
        "variables",
        "${input:a}",
        "${env:X:-y}",
        "{a}",
        "https://a:b@c/{x}?token=1",
        "cmd",
        "/c",
        "name",
        "inputs",
        "id",
        "é${",
    ];
    let word = prop_oneof![prop::sample::select(WORDS).prop_map(str::to_owned), ".{0,12}"];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        word.clone().prop_map(Value::from)
    ];
    leaf.prop_recursive(5, 60, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::hash_map(word.clone(), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn nothing_makes_the_readers_panic(entry in any_json(), whole in any_json()) {
        let _ = read(&whole.to_string());
        let _ = read(&json!({ "mcpServers": { "x": entry } }).to_string());
        let _ = read(&json!({ "servers": { "x": entry }, "inputs": [whole] }).to_string());
        let _ = read(&json!({ "name": "a/b", "packages": [entry], "remotes": [whole] }).to_string());
        let _ = read(&json!({ "name": "a/b", "packages": [{"registryType": "npm", "identifier": "x", "version": "1.0.0",
            "packageArguments": [entry], "environmentVariables": [whole]}] }).to_string());
    }

    #[test]
    fn a_secret_of_the_environment_is_in_no_manifest(value in "[a-zA-Z0-9]{12,40}", name in "[A-Z]{1,8}_TOKEN") {
        let server = entry(&json!({"command": "/x", "env": { (name): value, "SECOND_KEY": value }})).unwrap();
        prop_assert!(!serde_json::to_string(&server.manifest).unwrap().contains(&value));
        prop_assert_eq!(server.given.env.len(), 1);
    }
}
