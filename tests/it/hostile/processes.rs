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
        scene.walls_stop(&json!({ "kind": "append", "path": format!("/proc/{pid}/oom_score_adj") }));
    }
}

#[test]
fn other_processes_are_not_seen() {
    let scene = Scene::set();
    // Only what is a Berth's: the rest of a machine is nobody's to print.
    let is_ours = |line: &&str| line.contains("fake-mcp") || line.contains(" serve ");
    let seen = |outcome: Value| -> Vec<String> {
        let lines = outcome.as_array().unwrap().iter().map(|line| line[1].as_str().unwrap());
        lines.filter(is_ours).map(str::to_owned).collect()
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
        // 0 only asks whether a signal could be sent.
        scene.walls_stop(&json!({ "kind": "signal", "pid": pid, "signal": 0 }));
        scene.eve.cannot(&json!({ "kind": "signal", "pid": pid, "signal": KILL }));
    }
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
