//! More than one's share: of processes, memory, disk, descriptors, and of Berth's own memory by way
//! of the log.

use serde_json::{Value, json};

use super::scene::{BARE, Party, Scene, WALLED, builder};
use crate::support::{Builder, TestApp, procs, services::Service, wait_for};

const MIB: u64 = 1 << 20;

/// One service, `small`, with these limits, watched closely.
fn limited(limits: &Value) -> Builder {
    let small = Service::stdio("small", &[]).with("limits", limits.clone());
    builder().service(small).set("sample_seconds", 1)
}

/// Ann and Eve, both with limits.
fn ann_and_eve(app: &TestApp) -> (Party, Party) {
    (Party::of(&app.user("ann"), "small"), Party::of(&app.user("eve"), "small"))
}

/// Waits until the instance was ended for that reason.
#[track_caller]
fn ended_for(eve: &Party, reason: &str) {
    wait_for(&format!("the words {reason:?}"), || {
        let view = eve.user.show(&eve.instance.id).view;
        view["last_error"].to_string().contains(reason).then_some(())
    });
}

#[test]
fn a_fork_bomb_stays_small() {
    const MOST: u64 = 24;
    // Where the kernel counts, threads are counted, too.
    const TASKS: u64 = 64;
    let app = limited(&json!({ "processes": MOST })).start();
    let (ann, eve) = ann_and_eve(&app);
    let outcome = eve.does(&json!({ "kind": "fork", "count": 300 }));
    if outcome["stopped_by"].is_string() {
        assert_eq!(outcome["stopped_by"], "EAGAIN");
        assert!(outcome["got"].as_u64().unwrap() < TASKS, "{outcome}");
    }
    // Where the kernel counts it alone it never has more than its share; else it is looked at, and ended.
    if outcome["got"].as_u64().is_none_or(|got| got > MOST) {
        ended_for(&eve, "process");
    }
    ann.is_well();
    assert_eq!(ann.user.create("small").view["status"], "running", "there is room for others");
    eve.user.delete(&eve.instance.id);
    let below = app.data().join("instances").join(&eve.instance.id);
    wait_for("its end", || procs::marked(&below).is_empty().then_some(()));
}

#[test]
fn a_memory_balloon_bursts_alone() {
    let app = limited(&json!({ "memory_bytes": 64 * MIB })).start();
    let (ann, eve) = ann_and_eve(&app);
    let answer = eve.client.call("attack", &json!({ "kind": "balloon", "bytes": 1024 * MIB }));
    if answer["error"].is_object() {
        assert!(answer.to_string().contains("memory"), "the caller is told why: {answer}");
    }
    ended_for(&eve, "memory");
    let now = wait_for("another process", || {
        let now = eve.user.show(&eve.instance.id);
        (now.view["status"] == "running" || now.view["status"] == "failed").then_some(now)
    });
    let card = now.view["last_error"].to_string();
    assert!(card.contains("64 MiB") || card.contains(&(64 * MIB).to_string()), "{card}");
    ann.is_well();
}

#[test]
fn a_full_disk_is_ones_own() {
    let app = limited(&json!({ "disk_bytes": 8 * MIB, "memory_bytes": 256 * MIB })).start();
    let (ann, eve) = ann_and_eve(&app);
    let answer =
        eve.client.call("attack", &json!({ "kind": "fill", "path": "full", "bytes": 64 * MIB, "apart": true }));
    let outcome: Value = serde_json::from_str(answer["result"]["content"][0]["text"].as_str().unwrap()).unwrap();
    // A limit on the size of one file ends whoever goes beyond it.
    let outcome =
        if outcome["error"].is_string() { json!({ "got": 0, "stopped_by": outcome }) } else { outcome["ok"].clone() };
    if !outcome["stopped_by"].is_null() {
        assert!(outcome["got"].as_u64().unwrap() <= 8 * MIB, "{outcome}");
    } else {
        ended_for(&eve, "disk");
    }
    ann.is_well();
    ann.client.text("write", &json!({ "path": "small", "text": "there is room" }));
    assert_eq!(ann.client.text("read", &json!({ "path": "small" })), "there is room");
}

/// What is not its own directory has an end, too.
#[test]
fn temporary_space_has_an_end() {
    let app = limited(&json!({ "disk_bytes": 16 * MIB, "memory_bytes": 256 * MIB })).start();
    let (ann, eve) = ann_and_eve(&app);
    for folder in ["/tmp", "/var/tmp", "/dev/shm", "/run", "/dev"] {
        let path = format!("{folder}/large-{}", eve.instance.id);
        let fill = json!({ "kind": "fill", "path": path, "bytes": 512 * MIB });
        let answer = eve.client.call("attack", &fill);
        // Refused, full, or the end of its process: never all that was wanted.
        let words = answer["result"]["content"][0]["text"].as_str().unwrap_or(r#"{"error":"ended"}"#);
        let outcome: Value = serde_json::from_str(words).unwrap();
        assert!(outcome["error"].is_string() || outcome["ok"]["stopped_by"].is_string(), "{folder}: {outcome}");
        let is_on_the_host = std::fs::remove_file(&path).is_ok();
        assert!(!is_on_the_host, "{folder} is the host's");
    }
    ann.is_well();
}

#[test]
fn ten_thousand_descriptors_are_too_many() {
    let scene = Scene::set();
    let before = procs::descriptors(scene.app.pid()).len();
    let outcome = scene.eve.does(&json!({ "kind": "descriptors", "count": 10_000 }));
    assert_eq!(outcome["stopped_by"], "EMFILE");
    assert!(outcome["got"].as_u64().unwrap() < 10_000, "{outcome}");
    assert!(procs::descriptors(scene.app.pid()).len() < before + 50, "they are not Berth's");
    scene.all_is_well();
    assert_eq!(scene.eve.client.echo("still there"), "still there");
}

/// Bytes of a line without end: 1 GiB where there is time for that.
fn giant() -> u64 {
    std::env::var("BERTH_TEST_LINE_BYTES").ok().and_then(|text| text.parse().ok()).unwrap_or(64 * MIB)
}

#[test]
fn a_giant_line_does_not_fill_berths_memory() {
    let scene = Scene::set();
    let pid = scene.app.pid();
    // The first of each kind brings its buffers.
    scene.eve.does(&json!({ "kind": "say", "text": "", "bytes": MIB }));
    let before = procs::memory(pid, "VmRSS");
    scene.eve.does(&json!({ "kind": "say", "text": "\n", "bytes": giant() }));
    let (after, peak) = (procs::memory(pid, "VmRSS"), procs::memory(pid, "VmHWM"));
    assert!(after < before + 24 * MIB && peak < before + 48 * MIB, "from {before} to {after}, at most {peak}");
    scene.all_is_well();
    let logs = scene.app.data().join("logs");
    assert!(size_of(&logs) < 64 * MIB, "{} bytes of logs", size_of(&logs));
}

fn size_of(folder: &std::path::Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let size = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(found) if found.is_dir() => size_of(&entry.path()),
        Ok(found) => found.len(),
        Err(_) => 0,
    };
    entries.map(size).sum()
}

/// Colours, titles, cursor moves, a carriage return that hides, C1 controls: none reaches a terminal.
#[test]
fn log_lines_do_not_speak_to_terminals() {
    let hostile = "\x1b[2J\x1b[31mred\x1b]0;owned\x07\u{9b}31m\u{8}\u{8}first\rover\x1bP1;2q\u{202e}tfel\u{7f}end\n";
    let scene = Scene::set();
    for party in [&scene.eve, &scene.unwalled] {
        party.does(&json!({ "kind": "say", "text": hostile }));
        let id = &party.instance.id;
        let lines = wait_for("the line", || {
            let reply = party.user.http.get(&format!("/api/v1/mcps/{id}/logs?stream=error&tail=100")).expect(200);
            reply.text().contains("end").then(|| reply.json()["lines"].clone())
        });
        let lines: Vec<String> = serde_json::from_value(lines).unwrap();
        lines.iter().for_each(|line| is_plain(line));
        assert!(lines.iter().any(|line| line.contains("red") && line.contains("first")), "{lines:?}");
        for args in [&["instance", "logs", id][..], &["instance", "show", id]] {
            scene.app.cli(args, "").lines().for_each(is_plain);
        }
    }
    // The end of a process quotes its last lines.
    scene.eve.client.call("crash", &json!({ "code": 3 }));
    let view = wait_for("the crash", || {
        let view = scene.eve.user.show(&scene.eve.instance.id).view;
        view["last_error"].is_object().then_some(view)
    });
    for line in view["last_error"]["stderr_tail"].as_array().into_iter().flatten() {
        is_plain(line.as_str().unwrap());
    }
    scene.app.cli(&["instance", "show", &scene.eve.instance.id], "").lines().for_each(is_plain);
    is_plain(&scene.app.log().lines().collect::<String>());
}

#[track_caller]
fn is_plain(line: &str) {
    let odd = line.chars().find(|c| (c.is_control() && *c != '\t') || ('\u{202a}'..='\u{202e}').contains(c));
    assert_eq!(odd, None, "{line:?}");
}

#[test]
fn a_busy_child_leaves_time_for_others() {
    let app = limited(&json!({ "cpu_percent": 20 })).start();
    let (ann, eve) = (Party::of(&app.user("ann"), WALLED), Party::of(&app.user("eve"), "small"));
    let busy = eve.user.fresh().connect(&eve.instance);
    std::thread::scope(|scope| {
        let spin = scope.spawn(move || busy.call("spin", &json!({ "ms": 3000 })));
        while !spin.is_finished() {
            assert_eq!(ann.client.echo("in time"), "in time");
        }
    });
    ann.is_well();
    assert_eq!(Party::of(&app.admin(), BARE).client.echo("and others"), "and others");
}
