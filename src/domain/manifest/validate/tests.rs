//! Each refusal, by the field that it names.

use super::super::Manifest;

fn json(changes: &[(&str, serde_json::Value)]) -> serde_json::Value {
    let mut base = serde_json::json!({
        "name": "echo", "display_name": "Echo", "transport": "stdio",
        "launch": {"kind": "command", "command": "/bin/echo-server"},
    });
    for (key, value) in changes {
        base[*key] = value.clone();
    }
    base
}

fn refusal(changes: &[(&str, serde_json::Value)]) -> String {
    match serde_json::from_value::<Manifest>(json(changes)) {
        Err(error) => error.to_string(),
        Ok(manifest) => manifest.validate().map_or_else(|error| error.to_string(), |()| "accepted".to_owned()),
    }
}

#[test]
fn a_minimal_manifest_is_enough() {
    assert_eq!(refusal(&[]), "accepted");
    assert_eq!(refusal(&[("network", serde_json::json!({"allow_list": ["api.example.com:443"]}))]), "accepted");
}

#[test]
fn a_shared_service_gets_its_credential_in_requests() {
    use serde_json::json;
    let shared = |more: &[(&str, serde_json::Value)]| {
        let base = [
            ("transport", json!("http")),
            ("launch", json!({"kind": "http", "command": "/bin/echo-server"})),
            ("modes", json!(["shared", "dedicated"])),
            ("shared", json!({"port": 49200, "workers": 2})),
            ("credential", json!({"kind": "api_key"})),
        ];
        refusal(&[&base, more].concat())
    };
    assert_eq!(shared(&[]), "accepted");
    assert!(shared(&[("env", json!({"BERTH_GATEWAY_SECRET": "x"}))]).contains("`env.BERTH_GATEWAY_SECRET`"));
}

#[test]
fn every_refusal_names_the_field() {
    use serde_json::json;
    let cases = [
        (vec![("name", json!("Bad Name"))], "service name"),
        (vec![("colour", json!("red"))], "unknown field `colour`"),
        (vec![("display_name", json!(" "))], "`display_name`"),
        (vec![("launch", json!({"kind": "docker"}))], "unknown variant `docker`"),
        (vec![("launch", json!({"kind": "command", "command": "./x"}))], "`launch.command`"),
        (vec![("launch", json!({"kind": "npm", "package": "a b", "version": "1.0.0"}))], "`launch.package`"),
        (vec![("launch", json!({"kind": "npm", "package": "a", "version": "^1"}))], "`launch.version`"),
        (vec![("launch", json!({"kind": "pypi", "package": "a", "version": "latest"}))], "`launch.version`"),
        (vec![("launch", json!({"kind": "node", "entry": "../x.js"}))], "`launch.entry`"),
        (vec![("launch", json!({"kind": "http", "command": "x"}))], "`transport`"),
        (vec![("launch", json!({"kind": "remote", "url": "file:///etc/passwd"}))], "`launch.url`"),
        (vec![("credential", json!({"kind": "passport"}))], "unknown variant `passport`"),
        (vec![("credential", json!({"kind": "api_key"}))], "`credential`"),
        (vec![("env", json!({"LD_PRELOAD": "x"}))], "`env.LD_PRELOAD`"),
        (vec![("read_only", json!(["/opt/x", "../y"]))], "`read_only[1]`"),
        (vec![("read_only", json!(["/opt/../etc"]))], "`read_only[0]`"),
        (vec![("read_only", json!(["/"]))], "`read_only[0]`"),
        (vec![("wake_at", json!(vec!["07:45"; 49]))], "`wake_at`"),
        (vec![("wake_at", json!(["soon"]))], "no time of day"),
        (vec![("runtime_args", json!(["--x"]))], "`runtime_args`"),
        (vec![("debug", json!({"args": ["a\u{0}"]}))], "`debug.args`"),
        (vec![("debug", json!({"env": {"LD_PRELOAD": "x"}}))], "`debug.env.LD_PRELOAD`"),
        (vec![("debug", json!({"level": "x"}))], "unknown field `level`"),
        (vec![("health", json!({"retries": 0}))], "`health.retries`"),
        (vec![("health", json!({"endpoint": "/x"}))], "`health.endpoint`"),
        (vec![("modes", json!(["shared"]))], "`shared`"),
        (vec![("shared", json!({"port": 49200}))], "`shared`: needs a program of `transport"),
        (vec![("shared", json!({"port": 49200, "workers": 0}))], "`shared.workers`: must be 1 to 64"),
        (vec![("shared", json!({"port": 49200, "start": "never"}))], "unknown variant `never`"),
        (vec![("network", json!("closed"))], "unknown variant `closed`"),
        (vec![("network", json!({"allow_list": []}))], "`network.allow_list`: must have 1 to 64"),
        (
            vec![("network", json!({"allow_list": ["*.a.example:443"]}))],
            "`network.allow_list[0]`: \"*.a.example:443\" has a wildcard",
        ),
        (vec![("network", json!({"allow_list": ["a.example:443", "A.example:443"]}))], "`network.allow_list[1]`"),
        (vec![("network", json!({"allow_list": ["a.example"]}))], "must be host:port"),
        (vec![("config", json!([{"name": "a"}, {"name": "a"}]))], "`config[1].name`"),
    ];
    for (changes, expected) in cases {
        let got = refusal(&changes);
        assert!(got.contains(expected), "{changes:?}: {got}");
    }
}
