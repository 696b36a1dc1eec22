//! Control groups as an owner and a hostile child meet them. Where the machine grants none, the tests
//! that need them say so.

use std::{fs, time::Duration};

use berth::process::cgroup::{StaleGroup, find_groups};
use serde_json::{Value, json};

use crate::support::{Instance, McpClient, TestApp, User, mcp::error_of, services::Service, wait_for};

/// `fake-mcp` without walls, which would end by themselves what only groups find here.
fn bare() -> Service {
    Service::stdio("bare", &[]).with("sandbox", json!("off"))
}

/// `fake-mcp` with these limits.
fn limited(name: &str, limits: Value) -> Service {
    Service::stdio(name, &[]).with("limits", limits)
}

/// Whether the kernel holds `instance` to its limit of `what`.
#[expect(clippy::print_stderr, reason = "what is not tested must not look tested")]
fn by_kernel(instance: &Instance, what: &str) -> bool {
    let lines = instance.view["limits_enforced"].as_array().unwrap();
    let line = lines.iter().find(|line| line["what"] == what).unwrap();
    let is_so = line["how"] == "by cgroup";
    if !is_so {
        eprintln!("SKIPPED: {line}");
    }
    is_so
}

fn groups_of(app: &TestApp, instance: &Instance) -> Vec<StaleGroup> {
    let id = instance.id.parse().unwrap();
    app.groups().into_iter().filter(|group| group.instance == Some(id)).collect()
}

/// A process without environment, session, parent or pipes of its instance.
fn escape(client: &McpClient) -> u32 {
    client.text("escape", &json!({})).parse().unwrap()
}

fn lives(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.is_ok_and(|stat| !stat.rsplit(')').next().unwrap().trim_start().starts_with('Z'))
}

fn wait_until_dead(pid: u32) {
    wait_for("the end of a process", || (!lives(pid)).then_some(()));
}

fn metric(user: &User, name: &str) -> u64 {
    let text = user.http.get("/metrics").expect(200).text();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ').map(str::to_owned));
    line.unwrap_or_else(|| panic!("no {name} in {text}")).parse().unwrap()
}

#[test]
fn a_memory_balloon_ends_with_a_card_that_says_so() {
    let app = TestApp::builder().service(limited("small", json!({ "memory_bytes": 64 << 20 }))).start();
    let ann = app.user("ann");
    let (instance, neighbour) = (ann.create("small"), ann.create("fake"));
    if !by_kernel(&instance, "memory") {
        return;
    }
    let client = ann.connect(&instance);
    client.text("alloc", &json!({ "bytes": 16 << 20 }));
    let told = error_of(&client.call("alloc", &json!({ "bytes": 200 << 20 })));
    assert!(told.contains("out of memory at 64 MiB"), "{told}");
    let again = ann.wait_for_successor(&instance);
    let card = &again.view["last_error"];
    assert_eq!((&card["out_of_memory"], &card["memory_limit"]), (&json!(true), &json!(64 << 20)), "{card}");
    assert_eq!(client.echo("back"), "back");
    assert_eq!(ann.show(&neighbour.id).view["pid"], neighbour.view["pid"]);
    // A crash of another kind is not taken for the same.
    client.call("crash", &json!({ "code": 3 }));
    let third = ann.wait_for_successor(&again);
    assert_eq!(third.view["last_error"]["out_of_memory"], false, "{}", third.view);
}

#[test]
fn a_fork_bomb_is_bounded_and_ended() {
    let app = TestApp::builder().service(limited("few", json!({ "processes": 8 }))).start();
    let ann = app.user("ann");
    let (instance, neighbour) = (ann.create("few"), ann.create("fake"));
    if !by_kernel(&instance, "processes") {
        return;
    }
    let started: u32 = ann.connect(&instance).text("bomb", &json!({ "steps": 500 })).parse().unwrap();
    assert!((10..64).contains(&started), "{started} processes were started");
    assert_eq!(ann.connect(&neighbour).echo("undisturbed"), "undisturbed");
    ann.delete(&instance.id);
    wait_for("no group", || groups_of(&app, &instance).is_empty().then_some(()));
}

#[test]
fn a_limit_of_cpu_slows_down_and_does_not_end() {
    let app =
        TestApp::builder().service(limited("slow", json!({ "cpu_percent": 20 }))).set("sample_seconds", 1).start();
    let ann = app.user("ann");
    let instance = ann.create("slow");
    if !by_kernel(&instance, "cpu") {
        return;
    }
    let client = ann.connect(&instance);
    let spent = |pid: u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second())
    };
    let before = spent(instance.pid());
    client.text("spin", &json!({ "ms": 4000 }));
    let used = spent(instance.pid()) - before;
    // A fifth of four seconds, and as much again for good measure; without the limit, all four.
    assert!(used < Duration::from_millis(1600), "{used:?}");
    assert_eq!(ann.show(&instance.id).view["restarts"], 0);
}

#[test]
fn what_hides_from_every_other_net_dies_with_its_instance() {
    let app = TestApp::builder().service(bare()).set("stop_grace_seconds", 1).start();
    let ann = app.admin();
    for end in ["toggle", "restart", "delete", "crash"] {
        let (instance, other) = (ann.create("bare"), ann.create("bare"));
        if !by_kernel(&instance, "memory") {
            return;
        }
        let (hidden, foreign) = (escape(&ann.connect(&instance)), escape(&ann.connect(&other)));
        let environment = fs::read(format!("/proc/{hidden}/environ")).unwrap();
        assert!(lives(hidden) && environment.is_empty(), "it hides");
        match end {
            "delete" => ann.delete(&instance.id),
            "crash" => drop(ann.connect(&instance).call("crash", &json!({ "code": 1 }))),
            _ => drop(ann.act(&instance.id, end)),
        }
        wait_until_dead(hidden);
        assert!(lives(foreign), "a neighbour's process is a neighbour's");
        ann.delete(&other.id);
        wait_until_dead(foreign);
        if end != "delete" {
            ann.delete(&instance.id);
        }
    }
}

/// The other half of the test above: it can fail.
#[test]
fn without_groups_such_a_process_lives_on_and_the_page_says_what_holds() {
    let app = TestApp::builder().service(bare()).set("cgroups", "off").start();
    let ann = app.admin();
    let instance = ann.create("bare");
    let lines = instance.view["limits_enforced"].as_array().unwrap();
    let memory = lines.iter().find(|line| line["what"] == "memory").unwrap();
    assert_eq!(memory["how"], "by sampling");
    assert!(memory["detail"].as_str().unwrap().contains("switched off"), "{memory}");
    let hidden = escape(&ann.connect(&instance));
    ann.delete(&instance.id);
    let lived = lives(hidden);
    crate::support::procs::kill(hidden);
    assert!(lived, "nothing else finds it: the test that says so tests the groups");
}

#[test]
fn groups_go_with_their_instance() {
    let app = TestApp::start();
    let ann = app.user("ann");
    let (instance, other) = (ann.create("fake"), ann.create("fake-http"));
    if !by_kernel(&instance, "memory") {
        return;
    }
    let own = groups_of(&app, &instance);
    assert!(!own.is_empty() && own.iter().all(|group| group.pids.contains(&instance.pid())), "{own:?}");
    assert_eq!(metric(&ann, "berth_cgroups"), 2);
    ann.act(&instance.id, "restart");
    ann.wait_for_successor(&instance);
    wait_for("no old group", || own.iter().all(|group| !group.path.exists()).then_some(()));
    ann.delete(&instance.id);
    wait_for("no group", || groups_of(&app, &instance).is_empty().then_some(()));
    assert!(!groups_of(&app, &other).is_empty());
    let host = app.host().unwrap();
    drop(app);
    assert_eq!(find_groups(&host), []);
}

#[test]
fn a_killed_berth_leaves_groups_that_the_next_start_sweeps() {
    let mut app = TestApp::builder().service(bare()).start();
    let ann = app.admin();
    let (instance, gone) = (ann.create("bare"), ann.create("bare"));
    if !by_kernel(&instance, "memory") {
        return;
    }
    let (hidden, marked) = (escape(&ann.connect(&gone)), ann.connect(&gone).text("fork", &json!({ "setsid": true })));
    assert!(app.cli(&["doctor"], "").contains("no processes or groups of an earlier run"));
    let old = [groups_of(&app, &instance), groups_of(&app, &gone)].concat();
    app.kill();
    assert!(lives(hidden));
    let told = app.cli(&["doctor"], "");
    for what in ["stale group", "stale process", &marked, &gone.id, "Berth does not run"] {
        assert!(told.contains(what), "{what} is not in {told}");
    }
    assert!(lives(hidden), "doctor changes nothing");
    app.start_again();
    assert!(!lives(hidden) && !lives(marked.parse().unwrap()));
    assert!(old.iter().all(|group| !group.path.exists()), "{old:?}");
    assert!(metric(&ann, "berth_orphans_total") >= 2, "they are counted");
    ann.wait(&instance.id, "running");
    assert!(!groups_of(&app, &instance).is_empty());
    assert!(app.cli(&["doctor"], "").contains("no processes or groups of an earlier run"));
}
