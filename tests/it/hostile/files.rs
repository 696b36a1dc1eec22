//! Reading and writing what is somebody else's.

use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use super::scene::{BARE, Party, Scene, WALLED, builder, find};
use crate::support::wait_for;

#[test]
fn an_instances_files_are_its_own() {
    let scene = Scene::set();
    let secret = scene.ann.keeps(&scene.app, "secret.txt", "what Ann knows");
    let folder = secret.parent().unwrap();
    scene.walls_stop(&json!({ "kind": "read", "path": secret }));
    scene.walls_stop(&json!({ "kind": "list", "path": folder }));
    scene.walls_stop(&json!({ "kind": "write", "path": folder.join("planted.txt"), "text": "Eve was here" }));
    scene.walls_stop(&json!({ "kind": "append", "path": secret }));
    scene.eve.cannot(&json!({ "kind": "hardlink", "target": secret, "path": "mine.txt" }));
    assert_eq!(scene.ann.client.text("read", &json!({ "path": "secret.txt" })), "what Ann knows");
    // A link to it is only a name.
    scene.eve.does(&json!({ "kind": "symlink", "target": secret, "path": "link.txt" }));
    scene.eve.cannot(&json!({ "kind": "read", "path": "link.txt" }));
    scene.all_is_well();
}

#[test]
fn home_and_log_of_another_instance_are_closed() {
    let scene = Scene::set();
    let own = scene.app.data().join("instances").join(&scene.ann.instance.id);
    scene.walls_stop(&json!({ "kind": "list", "path": own }));
    scene.ann.client.text("flood_stderr", &json!({ "bytes": 100 }));
    let log = wait_for("Ann's log", || find(&scene.app.data().join("logs/users/user_1"), "error.log"));
    scene.walls_stop(&json!({ "kind": "read", "path": log }));
    scene.walls_stop(&json!({ "kind": "list", "path": log.parent().unwrap() }));
    scene.walls_stop(&json!({ "kind": "append", "path": log }));
    // Not even where its own log is: Berth writes that.
    let mine = wait_for("Eve's log", || find(&scene.app.data().join("logs/users/user_2"), "access.log"));
    scene.walls_stop(&json!({ "kind": "plant", "path": mine.with_file_name("planted") }));
}

#[test]
fn what_berth_keeps_is_closed() {
    let scene = Scene::set();
    let data = scene.app.data();
    for name in ["berth.db", "master.key", "control.json"] {
        let path = data.join(name);
        assert!(path.exists(), "{name} is what there is to steal");
        scene.walls_stop(&json!({ "kind": "read", "path": path }));
    }
    // The folders above its own may be there, with nothing else in them.
    let listed = scene.eve.tries(&json!({ "kind": "list", "path": data }));
    assert!(!listed.to_string().contains("berth.db"), "{listed}");
    let listed = scene.eve.tries(&json!({ "kind": "list", "path": data.join("instances") }));
    assert!(!listed.to_string().contains(&scene.ann.instance.id), "{listed}");
    scene.walls_stop(&json!({ "kind": "plant", "path": data.join("planted") }));
    scene.walls_stop(&json!({ "kind": "append", "path": data.join("berth.db") }));
    let log = scene.app.root().join("berth.log");
    scene.walls_stop(&json!({ "kind": "read", "path": log }));
}

#[test]
fn what_the_operator_keeps_is_closed() {
    let scene = Scene::set();
    if rustix::process::geteuid().is_root() {
        scene.walls_stop(&json!({ "kind": "read", "path": "/etc/shadow" }));
        scene.walls_stop(&json!({ "kind": "list", "path": "/root" }));
    }
    let home = scene.app.root().join("operator");
    std::fs::create_dir(&home).unwrap();
    std::fs::write(home.join("key"), "the operator's").unwrap();
    scene.walls_stop(&json!({ "kind": "read", "path": home.join("key") }));
    let listed = scene.eve.tries(&json!({ "kind": "list", "path": scene.app.root() }));
    assert!(!listed.to_string().contains("operator"), "{listed}");
}

#[test]
fn the_program_itself_cannot_be_changed() {
    let scene = Scene::set();
    let program = env!("CARGO_BIN_EXE_fake-mcp");
    let folder = std::path::Path::new(program).parent().unwrap();
    scene.eve.cannot(&json!({ "kind": "append", "path": program }));
    let name = format!("planted-{}", scene.eve.instance.id);
    scene.eve.cannot(&json!({ "kind": "plant", "path": folder.join(&name) }));
    for folder in ["/", "/etc", "/usr/lib", "/dev", "/proc", "/sys"] {
        scene.eve.cannot(&json!({ "kind": "plant", "path": format!("{folder}/{name}") }));
    }
    scene.eve.cannot(&json!({ "kind": "append", "path": "/etc/passwd" }));
}

#[test]
fn temporary_directories_and_shared_memory_are_not_shared() {
    let scene = Scene::set();
    let bob = Party::of(&scene.app.user("bob"), WALLED);
    let also_unwalled = Party::of(&scene.unwalled.user, BARE);
    let name = format!("left-{}", scene.ann.instance.id);
    for folder in ["/tmp", "/var/tmp", "/dev/shm"] {
        let path = format!("{folder}/{name}");
        let (write, read) =
            (json!({ "kind": "write", "path": path, "text": "x" }), json!({ "kind": "read", "path": path }));
        // It need not be writable at all; if it is, it is nobody else's.
        bob.tries(&write);
        scene.eve.cannot(&read);
        let is_on_the_host = std::fs::remove_file(&path).is_ok();
        assert!(!is_on_the_host, "{path} is on the host");
        also_unwalled.does(&write);
        scene.unwalled.does(&read);
        scene.eve.cannot(&read);
        std::fs::remove_file(&path).unwrap();
    }
}

#[test]
fn its_own_directories_serve_it_well() {
    let scene = Scene::set();
    let env = scene.eve.client.whoami()["env"].clone();
    for folder in [env["HOME"].as_str().unwrap(), env["TMPDIR"].as_str().unwrap(), &scene.eve.whoami("cwd")] {
        scene.eve.does(&json!({ "kind": "make_directory", "path": format!("{folder}/deep/er") }));
        let file = format!("{folder}/deep/er/mine.txt");
        scene.eve.does(&json!({ "kind": "write", "path": file, "text": "mine" }));
        assert_eq!(scene.eve.does(&json!({ "kind": "read", "path": file })), "mine");
    }
    for path in ["/dev/null", "/dev/urandom", "/proc/self/status"] {
        assert!(scene.eve.tries(&json!({ "kind": "read", "path": path })).get("ok").is_some(), "{path}");
    }
}

/// Whoever adds a service names a program, and gets that: not the folder that it lies in.
#[test]
fn a_program_of_a_users_own_service_opens_no_folder() {
    let tools = tempfile::Builder::new().prefix("berth-it-tools-").tempdir().unwrap();
    let (program, beside) = (tools.path().join("fake-mcp"), tools.path().join("beside"));
    std::fs::copy(env!("CARGO_BIN_EXE_fake-mcp"), &program).unwrap();
    std::fs::write(&beside, "a secret of the host").unwrap();
    for path in [tools.path(), &program, &beside] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let app = builder().set("user_services", "true").start();
    let read = json!({ "kind": "read", "path": beside });
    for (user, name) in [(app.user("eve"), "eves"), (app.admin(), "roots")] {
        let launch = json!({ "kind": "command", "command": program });
        let manifest = json!({ "name": name, "display_name": name, "transport": "stdio", "launch": launch });
        user.http.post("/api/v1/services", &manifest).expect(201);
        let party = Party::of(&user, name);
        match name {
            "eves" => drop(party.cannot(&read)),
            _ => assert_eq!(party.does(&read), "a secret of the host"),
        }
    }
}
