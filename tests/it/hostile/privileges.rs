//! Becoming somebody else: setuid, mounts, namespaces, devices.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
};

use serde_json::{Value, json};

use super::scene::{Scene, builder};

/// A member of `/proc/self/status` of the party's child.
fn status(eve: &super::scene::Party, name: &str) -> String {
    let text = eve.does(&json!({ "kind": "read", "path": "/proc/self/status" }));
    let line = text.as_str().unwrap().lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("no {name} in {text}")).trim().to_owned()
}

#[test]
fn a_child_has_no_privileges() {
    let scene = Scene::set();
    for name in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(status(&scene.eve, name), "0000000000000000", "{name}");
    }
    assert_eq!(status(&scene.eve, "NoNewPrivs"), "1");
    assert_eq!(status(&scene.eve, "Seccomp"), "2");
    if rustix::process::geteuid().is_root() {
        assert_eq!(status(&scene.eve, "Groups"), "");
        let (ann, eve) = (status(&scene.ann, "Uid"), status(&scene.eve, "Uid"));
        assert!(!ann.contains("\t0") && !ann.starts_with("0\t") && ann != eve, "Ann's is {ann}, Eve's {eve}");
        // Not only in its own eyes.
        scene.eve.client.text("write", &json!({ "path": "mine", "text": "" }));
        let mine =
            super::scene::find(&scene.app.data().join("instances").join(&scene.eve.instance.id), "mine").unwrap();
        assert_eq!(fs::metadata(mine).unwrap().uid().to_string(), eve.split('\t').next().unwrap());
    }
}

#[test]
fn nobody_becomes_root() {
    let scene = Scene::set();
    if rustix::process::geteuid().is_root() {
        scene.eve.cannot(&json!({ "kind": "setuid", "uid": 12345, "apart": true }));
        scene.eve.cannot(&json!({ "kind": "setgid", "uid": 12345, "apart": true }));
        scene.walls_stop(&json!({ "kind": "setuid", "uid": 0, "apart": true }));
        scene.walls_stop(&json!({ "kind": "setgid", "uid": 0, "apart": true }));
    } else {
        // A user namespace that knows one user: there is no other to become (EINVAL).
        for kind in ["setuid", "setgid"] {
            let outcome = scene.eve.tries(&json!({ "kind": kind, "uid": 12345, "apart": true }));
            assert!(outcome["error"].is_string(), "{outcome}");
        }
    }
}

/// A program of root's with the set-user-id bit, where the child may run it.
#[test]
fn a_setuid_program_gives_nothing() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let tools = tempfile::Builder::new().prefix("berth-it-tools-").tempdir().unwrap();
    let program = tools.path().join("fake-mcp");
    fs::copy(env!("CARGO_BIN_EXE_fake-mcp"), &program).unwrap();
    fs::set_permissions(tools.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o4755)).unwrap();
    let service = crate::support::services::Service::command("tools", program.to_str().unwrap());
    let app = builder().service(service).start();
    let eve = super::scene::Party::of(&app.user("eve"), "tools");
    let run = json!({ "kind": "run", "path": program, "args": ["--attack", "{\"kind\":\"who\"}"] });
    let said: Value = serde_json::from_str(eve.does(&run)["stdout"].as_str().unwrap()).unwrap();
    assert_ne!(said["ok"], 0, "the program runs as root");
    assert_eq!(said["ok"], eve.client.whoami()["uid"], "the program runs as its caller");
}

#[test]
fn the_system_calls_that_lead_out_are_refused() {
    let scene = Scene::set();
    let folder = "ground";
    for party in [&scene.eve, &scene.unwalled] {
        party.does(&json!({ "kind": "make_directory", "path": folder }));
    }
    // A new user namespace is the first step to all that follow, for anybody.
    scene.walls_stop(&json!({ "kind": "unshare", "name": "user", "apart": true }));
    if rustix::process::geteuid().is_root() {
        for name in ["mount", "net", "pid"] {
            scene.walls_stop(&json!({ "kind": "unshare", "name": name, "apart": true }));
        }
        scene.walls_stop(&json!({ "kind": "chroot", "path": folder, "apart": true }));
        scene.walls_stop(&json!({ "kind": "mknod", "path": "memory" }));
        scene.eve.cannot(&json!({ "kind": "mount", "path": folder, "apart": true }));
    }
}
