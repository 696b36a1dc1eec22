//! The stop ladder, orphans, and what an earlier run left behind.

use std::{
    collections::HashSet,
    fs,
    io::{BufRead, BufReader},
    time::{Duration, Instant},
};

use berth::{
    domain::{crash::ExitReason, ids::Generation},
    process::{
        Child, LaunchSpec, Launcher, ProcessTree, StopOutcome, reaper,
        sweep::{end_stale, find_stale},
    },
};

use super::{eventually, first_line, launch, launcher, lives, marker, pid_line, shell, spec};

/// Leaves the group and the session and loses its parent, ignoring SIGTERM; says its pid.
const STUBBORN_ORPHAN: &str = "(setsid sh -c 'trap \"\" TERM; echo $$; while :; do sleep 0.05; done' &); ";

async fn stop(child: Child, grace_ms: u64) -> (StopOutcome, Duration, ExitReason) {
    let Child { tree, exit, .. } = child;
    let mut reason = None;
    let started = Instant::now();
    let outcome = tree.stop(Duration::from_millis(grace_ms), async { reason = exit.await.ok() }).await;
    (outcome, started.elapsed(), reason.unwrap_or(ExitReason::Lost { detail: String::new() }))
}

#[tokio::test]
async fn a_polite_program_ends_at_once() {
    let mut child = launch(shell("trap 'exit 5' TERM; echo ready; while :; do sleep 0.05; done")).await;
    first_line(&mut child).await;
    let (outcome, took, reason) = stop(child, 10_000).await;
    assert!(outcome.graceful && took < Duration::from_secs(5), "{outcome:?} {took:?}");
    assert_eq!((outcome.orphans, outcome.left, reason), (0, 0, ExitReason::Code { code: 5 }));
}

#[tokio::test]
async fn a_stubborn_program_is_killed_after_the_grace() {
    let mut child = launch(shell("trap '' TERM; sleep 100 & echo $!; while :; do sleep 0.05; done")).await;
    let helper = pid_line(&mut child).await;
    let leader = child.pid;
    let (outcome, took, _) = stop(child, 400).await;
    assert!(took >= Duration::from_millis(400) && took < Duration::from_secs(5), "{took:?}");
    assert_eq!(outcome, StopOutcome { graceful: false, orphans: 0, left: 0 });
    assert!(!lives(leader) && !lives(helper));
}

#[tokio::test]
async fn what_the_leader_leaves_in_its_group_gets_the_grace_too() {
    let directory = tempfile::tempdir().unwrap();
    let done = directory.path().join("done");
    let script = format!(
        "sh -c 'trap \"sleep 0.3; touch {}; exit\" TERM; echo ready; while :; do sleep 0.05; done' & wait",
        done.display()
    );
    let mut child = launch(shell(&script)).await;
    first_line(&mut child).await;
    let (outcome, ..) = stop(child, 10_000).await;
    assert!(outcome.graceful && done.exists(), "{outcome:?}");
}

#[tokio::test]
async fn an_orphan_that_left_the_session_dies_with_the_instance() {
    reaper::become_subreaper().unwrap();
    let before = reaper::orphans_total();
    let mut child = launch(shell(&format!("{STUBBORN_ORPHAN} sleep 100"))).await;
    let orphan = pid_line(&mut child).await;
    assert!(lives(orphan));
    let (outcome, ..) = stop(child, 300).await;
    assert!(!lives(orphan));
    // The orphan, and perhaps the `sleep` that it was waiting for.
    assert!(outcome.orphans >= 1 && outcome.left == 0, "{outcome:?}");
    assert!(reaper::orphans_total() > before);

    // Adopted by this process: a zombie until it is reaped.
    eventually("the orphan is reaped", || {
        reaper::reap_adopted();
        !fs::exists(format!("/proc/{orphan}")).unwrap()
    })
    .await;
}

#[tokio::test]
async fn a_descendant_that_hides_its_mark_is_found_by_its_parent() {
    let mut child =
        launch(shell("env -i setsid /bin/sh -c 'trap \"\" TERM; echo $$; while :; do sleep 0.05; done'")).await;
    let hidden = pid_line(&mut child).await;
    let (outcome, ..) = stop(child, 300).await;
    assert!(!lives(hidden), "{outcome:?}");
}

#[tokio::test]
async fn a_crash_leaves_nothing_behind() {
    let mut child = launch(shell(&format!("{STUBBORN_ORPHAN} sleep 0.2; kill -9 $$"))).await;
    let orphan = pid_line(&mut child).await;
    let Child { exit, tree, .. } = child;
    assert_eq!(exit.await.unwrap(), ExitReason::Signal { signal: 9 });
    let outcome = tree.kill().await;
    assert!(!lives(orphan) && outcome.orphans >= 1, "{outcome:?}");
}

#[tokio::test]
async fn dropping_the_tree_kills_it() {
    let mut child = launch(shell(&format!("{STUBBORN_ORPHAN} sleep 100"))).await;
    let orphan = pid_line(&mut child).await;
    let leader = child.pid;
    drop(child);
    eventually("the tree is dead", || !lives(leader) && !lives(orphan)).await;
}

#[tokio::test]
async fn a_disarmed_tree_lives_on_and_dropping_its_launcher_does_not_end_it() {
    let child = launch(spec("/bin/sleep", &["100"])).await;
    let Child { pid, tree, exit, .. } = child;
    tree.disarm();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(lives(pid));
    std::process::Command::new("/bin/kill").arg(pid.to_string()).status().unwrap();
    assert_eq!(exit.await.unwrap(), ExitReason::Signal { signal: 15 });
}

#[tokio::test]
async fn a_launch_that_is_given_up_leaves_no_process() {
    let directory = tempfile::tempdir().unwrap();
    let launcher = super::wrapped(directory.path(), "sleep 100");
    let spec = shell("true");
    let host = spec.marker.host.clone();
    let given_up = tokio::time::timeout(Duration::from_millis(300), launcher.launch(spec)).await;
    assert!(given_up.is_err());
    eventually("the stage is gone", || find_stale(&host, &HashSet::new()).is_empty()).await;
}

#[tokio::test]
async fn a_newer_start_of_the_instance_is_spared() {
    let old = spec("/bin/sleep", &["100"]);
    let mut new = spec("/bin/sleep", &["100"]);
    new.marker = old.marker.clone();
    new.marker.generation = Generation(2);
    let (old, new) = (launch(old).await, launch(new).await);
    let pid = old.pid;
    stop(old, 1000).await;
    assert!(!lives(pid) && lives(new.pid));
    stop(new, 1000).await;
}

#[tokio::test]
async fn a_tree_without_processes_stops_at_once() {
    let tree = ProcessTree::empty();
    tree.terminate();
    let outcome = tree.stop(Duration::from_secs(10), std::future::pending::<()>()).await;
    assert_eq!(outcome, StopOutcome::default());
}

#[tokio::test]
async fn two_hundred_stop_at_once() {
    let launcher = launcher();
    let launches = (0..200).map(|_| launcher.launch(spec("/bin/sleep", &["100"])));
    let children = futures_util::future::join_all(launches).await;
    let started = Instant::now();
    let stops = children.into_iter().map(|child| stop(child.unwrap(), 10_000));
    let outcomes = futures_util::future::join_all(stops).await;
    assert!(outcomes.iter().all(|(outcome, ..)| outcome.graceful));
    let took = started.elapsed();
    assert!(took < Duration::from_secs(5), "{took:?}");
    eprintln!("200 instances stopped in {took:?}");
}

/// Not a test: the Berth that the next test kills. Says the pids of a leader and of its orphan.
#[tokio::test]
#[ignore = "is run by kill_dash_nine_leaves_only_what_the_sweep_then_finds"]
async fn a_berth_to_be_killed() {
    let Ok(host) = std::env::var("TEST_HOST") else { return };
    let mut spec = shell(&format!("{STUBBORN_ORPHAN} sleep 100"));
    spec.marker.host = host;
    let mut child = launch(spec).await;
    let orphan = pid_line(&mut child).await;
    eprintln!("PIDS {} {orphan}", child.pid);
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn kill_dash_nine_leaves_only_what_the_sweep_then_finds() {
    let host = marker().host;
    let mut berth = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "process::stopping::a_berth_to_be_killed", "--ignored", "--nocapture"])
        .env("TEST_HOST", &host)
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let said = BufReader::new(berth.stderr.take().unwrap()).lines();
    let pids = said.map(Result::unwrap).find_map(|line| line.strip_prefix("PIDS ").map(str::to_owned)).unwrap();
    let pids: Vec<u32> = pids.split(' ').map(|pid| pid.parse().unwrap()).collect();
    assert!(lives(pids[0]) && lives(pids[1]));

    berth.kill().unwrap();
    berth.wait().unwrap();
    eventually("the leader dies with Berth", || !lives(pids[0])).await;
    assert!(lives(pids[1]));
    let found = find_stale(&host, &HashSet::new());
    assert!(found.iter().any(|process| process.pid == pids[1]), "{found:?}");
    assert!(end_stale(&found, Duration::from_millis(100)) >= 1);
    assert!(!lives(pids[1]));
}

#[test]
fn a_leader_that_nobody_waits_for_any_more_is_reaped() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let child = runtime.block_on(launch(spec("/bin/sleep", &["100"])));
    let pid = child.pid;
    drop(runtime);
    drop(child.tree);
    let started = Instant::now();
    while fs::exists(format!("/proc/{pid}")).unwrap() {
        reaper::reap_adopted();
        assert!(started.elapsed() < Duration::from_secs(10));
        std::thread::yield_now();
    }
}

#[tokio::test]
async fn reaping_leaves_the_children_of_others_alone() {
    let mut other = std::process::Command::new("/bin/true").spawn().unwrap();
    let leader = launch(shell("exit 7")).await;
    for _ in 0..20 {
        reaper::reap_adopted();
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert!(other.wait().unwrap().success());
    assert_eq!(leader.exit.await.unwrap(), ExitReason::Code { code: 7 });
}

/// In a container Berth's session leader may be outside its pid namespace: its session is zero there.
#[test]
fn reaping_works_where_the_session_leader_is_out_of_sight() {
    let namespace = ["--user", "--map-root-user", "--pid", "--fork", "--mount-proc", "--kill-child"];
    if !std::process::Command::new("unshare").args(namespace).arg("true").status().is_ok_and(|it| it.success()) {
        eprintln!("SKIPPED: this machine lets nobody make user namespaces");
        return;
    }
    let inside = std::process::Command::new("unshare")
        .args(namespace)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "process::stopping::reaping_leaves_the_children_of_others_alone"])
        .output()
        .unwrap();
    assert!(inside.status.success(), "{}", String::from_utf8_lossy(&inside.stdout));
}

#[tokio::test]
async fn stale_processes_are_known_by_their_mark() {
    let ours = marker();
    let with = |marker: &berth::process::Marker| LaunchSpec { marker: marker.clone(), ..spec("/bin/sleep", &["100"]) };
    let (other_host, mut newer) = (marker(), ours.clone());
    newer.generation = Generation(2);
    let stale = launch(with(&ours)).await;
    let excepted = launch(with(&newer)).await;
    let foreign = launch(with(&other_host)).await;

    let found = find_stale(&ours.host, &HashSet::from([(newer.instance, newer.generation)]));
    let pids: Vec<u32> = found.iter().map(|process| process.pid).collect();
    assert_eq!(pids, [stale.pid]);
    let process = &found[0];
    assert_eq!(
        (process.instance, process.generation, process.name.as_str()),
        (ours.instance, Generation(1), "mcp-1-test-1")
    );

    // The same number with another start time is another process.
    let mut reused = found.clone();
    reused[0].started += 1;
    assert_eq!(end_stale(&reused, Duration::ZERO), 0);
    assert!(lives(stale.pid));

    assert_eq!(end_stale(&found, Duration::from_secs(5)), 1);
    assert!(!lives(stale.pid) && lives(excepted.pid) && lives(foreign.pid));
    assert_eq!(stale.exit.await.unwrap(), ExitReason::Signal { signal: 15 });
}

#[tokio::test]
async fn a_stale_process_that_ignores_the_request_is_killed() {
    let mut child = launch(shell("trap '' TERM; echo ready; while :; do sleep 0.05; done")).await;
    first_line(&mut child).await;
    let host = fs::read_to_string(format!("/proc/{}/environ", child.pid)).unwrap();
    let host = host.split('\0').find_map(|entry| entry.strip_prefix("BERTH_HOST=")).unwrap().to_owned();
    let found: Vec<_> = find_stale(&host, &HashSet::new()).into_iter().filter(|one| one.pid == child.pid).collect();
    assert_eq!(end_stale(&found, Duration::from_millis(200)), 1);
    assert_eq!(child.exit.await.unwrap(), ExitReason::Signal { signal: 9 });
}
