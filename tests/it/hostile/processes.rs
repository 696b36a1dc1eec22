//! Seeing, reading, signalling and tracing processes that are somebody else's.

use serde_json::{Value, json};

use super::scene::Scene;

const KILL: i32 = 9;

#[test]
fn other_processes_cannot_be_looked_into() {
    let scene = Scene::set();
    for pid in [scene.app.pid(), scene.ann.pid()] {
        for name in ["environ", "mem", "root", "cwd", "fd", "maps", "cmdline"] {
            scene.walls_stop(&json!({ "kind": "proc", "pid": pid, "name": name }));
        }
        scene.walls_stop(&json!({ "kind": "write", "path": format!("/proc/{pid}/oom_score_adj"), "text": "900" }));
    }
}

#[test]
fn other_processes_are_not_seen() {
    let scene = Scene::set();
    let seen = |outcome: Value| -> Vec<String> {
        outcome.as_array().unwrap().iter().map(|line| line[1].as_str().unwrap().to_owned()).collect()
    };
    let all = json!({ "kind": "pids" });
    let (behind, without) = (seen(scene.eve.does(&all)), seen(scene.unwalled.does(&all)));
    let is_berth = |line: &String| line.contains(" serve ");
    let fakes = |lines: &[String]| lines.iter().filter(|line| line.contains("fake-mcp")).count();
    assert!(without.iter().any(is_berth) && fakes(&without) >= 3, "{without:?}");
    assert!(!behind.iter().any(is_berth), "{behind:?}");
    assert_eq!(fakes(&behind), 1, "{behind:?}");
}

#[test]
fn other_processes_cannot_be_signalled() {
    let scene = Scene::set();
    for pid in [scene.app.pid(), scene.ann.pid(), scene.unwalled.pid()] {
        scene.eve.cannot(&json!({ "kind": "signal", "pid": pid, "signal": KILL }));
        scene.walls_stop(&json!({ "kind": "signal", "pid": pid, "signal": 0 }));
    }
    // Everybody there is, and every process of its own group but itself.
    scene.eve.tries(&json!({ "kind": "signal", "pid": -1, "signal": KILL, "apart": true }));
    scene.all_is_well();
    scene.unwalled.is_well();
}

#[test]
fn other_processes_cannot_be_traced() {
    let scene = Scene::set();
    scene.eve.cannot(&json!({ "kind": "ptrace", "pid": scene.app.pid(), "apart": true }));
    scene.walls_stop(&json!({ "kind": "ptrace", "pid": scene.ann.pid(), "apart": true }));
    scene.all_is_well();
}
