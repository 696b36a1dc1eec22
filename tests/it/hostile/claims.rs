//! What Berth says of its walls and limits, held against what a child experiences.

use std::{collections::BTreeMap, fs};

use serde_json::{Value, json};

use super::scene::{BARE, Party, WALLED, builder};
use crate::support::{TestApp, procs, services::Service};

const MEMORY: u64 = 96 << 20;
const PROCESSES: u64 = 40;
const TASKS: u64 = 80;
const FILES: u64 = 200;

fn start() -> TestApp {
    let limits = json!({ "memory_bytes": MEMORY, "processes": PROCESSES, "open_files": FILES, "cpu_percent": 50 });
    let service = |name| Service::stdio(name, &[]).with("limits", limits.clone());
    builder()
        .env("CANARY", "of-the-host")
        .service(service("limited"))
        .service(service("strict").with("sandbox", json!("strict")).with("network", json!("none")))
        .start()
}

/// What a child notices of each wall. Landlock shows only where nothing else refuses: see `processes`.
fn experience(party: &Party) -> BTreeMap<&'static str, bool> {
    let read =
        |path: &str| party.tries(&json!({ "kind": "read", "path": path }))["ok"].as_str().unwrap_or("").to_owned();
    let (status, limits) = (read("/proc/self/status"), read("/proc/self/limits"));
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap_or_default().trim().to_owned()
    };
    // Where the link is not to be read, the name of the error is a difference as well.
    let has_own = |name: &str| {
        let theirs = party.tries(&json!({ "kind": "link", "path": format!("/proc/self/ns/{name}") }));
        theirs["ok"].as_str() != fs::read_link(format!("/proc/self/ns/{name}")).unwrap().to_str()
    };
    let capabilities = ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"];
    let me = party.client.whoami();
    let own_uid = rustix::process::geteuid().as_raw().to_string();
    BTreeMap::from([
        ("uid", field("Uid").split('\t').next() != Some(&own_uid)),
        ("user_namespace", has_own("user")),
        ("mounts", has_own("mnt")),
        ("pids", has_own("pid")),
        ("ipc", has_own("ipc")),
        ("uts", has_own("uts")),
        ("cgroup_namespace", has_own("cgroup")),
        ("network", has_own("net")),
        ("capabilities", capabilities.iter().all(|name| field(name) == "0000000000000000")),
        ("no_new_privs", field("NoNewPrivs") == "1"),
        ("seccomp", field("Seccomp") == "2"),
        ("rlimits", limits.lines().any(|line| line.starts_with("Max core file size        0 "))),
        ("environment", me["env"]["CANARY"].is_null()),
        ("descriptors", me["fds"].as_object().unwrap().iter().all(|(number, target)| is_own(number, target))),
    ])
}

/// Whether a descriptor is one of the three, or was opened by the child itself.
fn is_own(number: &str, target: &Value) -> bool {
    let target = target.as_str().unwrap();
    number.len() == 1 && number <= "2"
        || ["anon_inode:", "socket:", "pipe:", "/proc/"].iter().any(|kind| target.starts_with(kind))
}

#[test]
fn the_page_tells_the_truth_about_walls() {
    let app = start();
    let (eve, admin) = (app.user("eve"), app.admin());
    for (user, service) in [(&eve, WALLED), (&eve, "strict"), (&eve, "fake-http"), (&admin, BARE)] {
        let party = Party::of(user, service);
        let seen = experience(&party);
        let walls = party.user.show(&party.instance.id).view["walls"].clone();
        let walls = walls.as_array().unwrap_or_else(|| panic!("no walls in {}", party.instance.view));
        assert!(walls.len() >= seen.len(), "{walls:?}");
        for wall in walls {
            let Some(seen) = wall["name"].as_str().and_then(|name| seen.get(name)) else { continue };
            assert_eq!(wall["state"] == "stands", *seen, "{service}: {wall}");
            assert_ne!(wall["detail"], "", "{service}: {wall}");
        }
    }
}

#[test]
fn the_doctor_tells_the_truth_about_walls() {
    let app = start();
    let doctor: Value = serde_json::from_str(&app.cli(&["doctor", "--json"], "")).unwrap();
    let findings = doctor["findings"].as_array().unwrap();
    // It tries them all, so it is compared with the level that asks for all.
    let eve = Party::of(&app.user("eve"), "strict");
    for (name, stands) in experience(&eve) {
        // Nothing is said of what makes no sense here, as a user namespace for root.
        let finding = findings.iter().find(|finding| finding["what"] == name);
        let is_good = finding.is_some_and(|finding| finding["verdict"] == "good");
        assert_eq!(is_good, stands, "{name}: {finding:?}");
    }
}

#[test]
fn the_page_tells_the_truth_about_limits() {
    let app = start();
    let eve = Party::of(&app.user("eve"), "limited");
    let view = eve.user.show(&eve.instance.id).view;
    let claims = view["limits_enforced"].as_array().unwrap();
    let by = |what: &str| {
        let claim = claims.iter().find(|claim| claim["what"] == what);
        claim.unwrap_or_else(|| panic!("nothing of {what} in {claims:?}"))["how"].as_str().unwrap().to_owned()
    };
    let groups = procs::cgroups(eve.pid());
    let value = |names: &[&str]| {
        let paths = groups.iter().flat_map(|group| names.iter().map(move |name| group.join(name)));
        paths.filter_map(|path| fs::read_to_string(path).ok()).map(|text| text.trim().to_owned()).next()
    };
    for (what, names, limit) in [
        ("memory", &["memory.max", "memory.limit_in_bytes"], MEMORY),
        // Threads are counted, too: twice as many, and no less than that.
        ("processes", &["pids.max", "pids.max"], TASKS),
    ] {
        let is_there = value(names).is_some_and(|value| value == limit.to_string());
        assert_eq!(by(what).contains("cgroup"), is_there, "{what}: {} but {:?}", by(what), value(names));
    }
    let limits = eve.does(&json!({ "kind": "read", "path": "/proc/self/limits" }));
    let line = limits.as_str().unwrap().lines().find(|line| line.starts_with("Max open files")).unwrap();
    assert_eq!(line.split_whitespace().nth(3), Some(FILES.to_string().as_str()), "{}: {line}", by("open_files"));
    assert_eq!(view["limits"]["memory_bytes"], MEMORY);
}
