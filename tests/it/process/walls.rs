//! The room around a program: what is reported of its walls is what the program experiences.

use std::{
    collections::{BTreeMap, HashSet},
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::{Path, PathBuf},
    time::Duration,
};

use berth::{
    domain::{
        crash::ExitReason,
        manifest::Network,
        walls::{Allowance, Level, State, Wall, WallReport},
    },
    process::{
        Child, Identity, LaunchSpec, Launcher, ProcessLauncher, Room, SpawnError, View, runs_as_root,
        sweep::find_stale,
        walls::{Policy, probe},
    },
};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::{eventually, fails, finish, first_line, launch, launcher, lives, run, shell};

const UID: u32 = 1_900_000_777;

fn identity() -> Option<Identity> {
    runs_as_root().then_some(Identity { uid: UID, gid: UID })
}

/// A room with directories of its own below `base`.
fn room(base: &Path, level: Level) -> Room {
    let writable = ["work", "home"].map(|name| base.join("data/own").join(name));
    let tmp = base.join("data/own/tmp");
    writable.iter().chain([&tmp]).for_each(|path| fs::create_dir_all(path).unwrap());
    let view = View {
        read_only: vec![base.join("program")],
        writable: writable.to_vec(),
        hidden: vec![base.join("data")],
        tmp: Some(tmp),
        tmp_bytes: 1 << 20,
    };
    Room { level, identity: identity(), view, network: Network::None, ..Room::bare() }
}

fn base() -> TempDir {
    let base = tempfile::tempdir().unwrap();
    fs::create_dir(base.path().join("program")).unwrap();
    base
}

/// `script` in a room at `level` below `base`.
fn walled(base: &Path, level: Level, script: &str) -> LaunchSpec {
    let room = room(base, level);
    LaunchSpec { cwd: room.view.writable[0].clone(), room, ..shell(script) }
}

/// Runs `script` in a standard room; its output.
async fn inside(script: &str) -> String {
    let base = base();
    let (out, err, _) = run(walled(base.path(), Level::Standard, script)).await;
    assert_eq!(err, "", "{script}");
    out
}

fn states(walls: &[WallReport]) -> BTreeMap<Wall, State> {
    assert!(walls.iter().all(|wall| !wall.detail.is_empty()));
    walls.iter().map(|wall| (wall.name, wall.state)).collect()
}

fn standing(walls: &[WallReport]) -> Vec<Wall> {
    walls.iter().filter(|wall| wall.state == State::Stands).map(|wall| wall.name).collect()
}

#[tokio::test]
async fn a_room_has_the_walls_that_it_reports() {
    let base = base();
    let script = "cat /proc/self/status; echo \"host $(hostname)\"; echo \"pids $(ls /proc | grep -c '^[0-9]')\"; \
        echo \"root $(ls / | tr '\\n' ' ')\"; echo \"net $(tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' \\n')\"; \
        echo \"fds $(ls /proc/self/fd | tr '\\n' ' ')\"; echo \"files $(ulimit -n)\"; echo \"env $(env | grep -c .)\"";
    let child = launch(walled(base.path(), Level::Standard, script)).await;
    let walls = states(&child.walls);
    let root = runs_as_root();
    for wall in Wall::ALL {
        let asked = wall.is_asked(Level::Standard, root, true);
        assert_eq!(walls[&wall], if asked { State::Stands } else { State::NotAsked }, "{wall}");
    }
    let (out, err, _) = finish(child).await;
    assert_eq!(err, "");
    let experienced = |name: &str| {
        let line = out.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("{name} in {out}")).trim().replace('\t', " ")
    };
    let uid = if root { UID } else { rustix::process::geteuid().as_raw() };
    assert_eq!(experienced("Uid:"), [uid, uid, uid, uid].map(|id| id.to_string()).join(" "));
    let gid = if root { UID } else { rustix::process::getegid().as_raw() };
    assert_eq!(experienced("Gid:"), [gid, gid, gid, gid].map(|id| id.to_string()).join(" "));
    if root {
        assert_eq!(experienced("Groups:"), "");
    }
    for set in ["CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"] {
        assert_eq!(experienced(set), "0".repeat(16), "{set}");
    }
    assert_eq!((experienced("NoNewPrivs:").as_str(), experienced("Seccomp:").as_str()), ("1", "2"));
    assert_eq!(experienced("SigBlk:"), "0".repeat(16));
    assert_eq!(experienced("host "), "berth");
    // The init, the shell, and the `ls` of the moment.
    assert!(experienced("pids ").parse::<u32>().unwrap() <= 5, "{out}");
    let own_top = base.path().components().nth(1).unwrap().as_os_str().to_str().unwrap().to_owned();
    let known = ["bin", "dev", "etc", "lib", "lib32", "lib64", "libx32", "nix", "proc", "sbin", "tmp", "usr", &own_top];
    assert!(experienced("root ").split(' ').all(|name| known.contains(&name)), "{out}");
    assert_eq!(experienced("net "), "lo");
    assert_eq!(experienced("fds "), "0 1 2 3");
    assert_eq!(experienced("files "), "4096");
}

#[tokio::test]
async fn only_its_own_directories_can_be_written() {
    let base = base();
    let script = "for place in . ../home ../tmp /tmp /dev/shm; do echo x > $place/file && echo \"can $place\"; done; \
        for place in / /usr /etc /dev /proc .. ../.. $PROGRAM; do (echo x > $place/file) 2>/dev/null && echo \"WRONG $place\"; done; \
        cat file; exit 0";
    let script = script.replace("$PROGRAM", base.path().join("program").to_str().unwrap());
    let (out, err, _) = run(walled(base.path(), Level::Standard, &script)).await;
    assert_eq!((out.as_str(), err.as_str()), ("can .\ncan ../home\ncan ../tmp\ncan /tmp\ncan /dev/shm\nx\n", ""));
    assert_eq!(fs::read_to_string(base.path().join("data/own/work/file")).unwrap(), "x\n");
    assert!(!base.path().join("data/own/tmp/file").exists(), "temporary files are in memory");
}

#[tokio::test]
async fn nothing_else_of_the_data_directory_is_there() {
    let base = base();
    fs::create_dir_all(base.path().join("data/other")).unwrap();
    for secret in ["data/master.key", "data/berth.db", "data/other/file"] {
        fs::write(base.path().join(secret), "canary").unwrap();
        fs::set_permissions(base.path().join(secret), fs::Permissions::from_mode(0o644)).unwrap();
    }
    fs::set_permissions(base.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let mut spec = walled(base.path(), Level::Standard, "find $BASE 2>&1 | sort; cat $BASE/data/master.key");
    // Even where a folder that is shown holds it.
    spec.room.view.read_only.push(base.path().to_path_buf());
    spec.args[1] = spec.args[1].replace("$BASE", base.path().to_str().unwrap());
    let (out, err, _) = run(spec).await;
    let expected = ["", "/data", "/data/own", "/data/own/home", "/data/own/tmp", "/data/own/work", "/program"];
    let expected: Vec<String> = expected.iter().map(|path| format!("{}{path}", base.path().display())).collect();
    assert_eq!(out.lines().collect::<Vec<_>>(), expected);
    assert!(err.contains("No such file"), "{err}");
}

#[tokio::test]
async fn temporary_files_have_a_limit() {
    let out = inside(
        "head -c 3000000 /dev/zero > /tmp/big 2>/dev/null; stat -c %s /tmp/big; \
        head -c 3000000 /dev/zero > /dev/shm/big 2>/dev/null; stat -c %s /dev/shm/big",
    )
    .await;
    let sizes: Vec<u64> = out.lines().map(|line| line.parse().unwrap()).collect();
    assert!(sizes[0] > 500_000 && sizes.iter().sum::<u64>() <= 1 << 20, "{sizes:?}");
}

#[tokio::test]
async fn a_strict_room_runs_nothing_that_it_has_written() {
    let script = "for place in . /tmp /dev/shm ../tmp ../home; do cp /bin/true $place/program && chmod 700 $place/program \
        && $place/program 2>/dev/null && echo \"ran $place\"; done; exit 0";
    for (level, expected) in [(Level::Standard, 5), (Level::Strict, 0)] {
        let base = base();
        let (out, err, _) = run(walled(base.path(), level, script)).await;
        assert_eq!((out.lines().count(), err.as_str()), (expected, ""), "{level:?}: {out}");
    }
}

#[tokio::test]
async fn calls_that_only_reach_for_the_kernel_are_refused() {
    let script = "for call in 'unshare -U true' 'unshare -m true' 'mount -t tmpfs x /tmp' 'chroot / true' 'dmesg' 'nsenter -t 1 -m true' 'mknod /tmp/device c 1 3' 'hostname other'; do $call >/dev/null 2>&1 && echo \"WRONG $call\"; done; echo done";
    assert_eq!(inside(script).await, "done\n");
}

#[tokio::test]
async fn a_program_ends_as_it_would_without_walls() {
    let cases = [
        ("exit 0", ExitReason::Code { code: 0 }),
        ("exit 7", ExitReason::Code { code: 7 }),
        ("exit 126", ExitReason::Code { code: 126 }),
        ("kill -SEGV $$", ExitReason::Signal { signal: 11 }),
        ("kill -TERM $$", ExitReason::Signal { signal: 15 }),
        ("kill -KILL $$", ExitReason::Signal { signal: 9 }),
        ("kill -PIPE $$", ExitReason::Signal { signal: 13 }),
        ("kill -34 $$", ExitReason::Signal { signal: 34 }),
        // It can neither end its init, nor anything outside.
        ("kill -9 1; kill -TERM 1; sleep 0.1; exit 5", ExitReason::Code { code: 5 }),
    ];
    for (script, reason) in cases {
        let base = base();
        assert_eq!(run(walled(base.path(), Level::Standard, script)).await.2, reason, "{script}");
    }
}

#[tokio::test]
async fn signals_to_the_group_reach_the_program() {
    let base = base();
    let cases = [
        ("trap 'exit 5' TERM; echo ready; while :; do sleep 0.05; done", ExitReason::Code { code: 5 }),
        ("echo ready; sleep 100", ExitReason::Signal { signal: 15 }),
    ];
    for (script, expected) in cases {
        let mut child = launch(walled(base.path(), Level::Standard, script)).await;
        first_line(&mut child).await;
        let Child { tree, exit, .. } = child;
        let mut reason = None;
        let outcome = tree.stop(Duration::from_secs(10), async { reason = exit.await.ok() }).await;
        assert!(outcome.graceful, "{outcome:?}");
        assert_eq!(reason, Some(expected));
    }
}

#[tokio::test]
async fn what_cleans_up_after_a_request_to_stop_gets_its_time() {
    let base = base();
    let script = "sh -c 'trap \"sleep 0.3; touch done; exit\" TERM; echo ready; while :; do sleep 0.05; done' & wait";
    let mut child = launch(walled(base.path(), Level::Standard, script)).await;
    first_line(&mut child).await;
    let Child { tree, exit, .. } = child;
    assert!(tree.stop(Duration::from_secs(10), exit).await.graceful);
    assert!(base.path().join("data/own/work/done").exists());
}

#[tokio::test]
async fn what_ends_in_a_room_is_collected() {
    let script = "for i in 1 2 3 4 5; do (sh -c 'sleep 0.05 &' ); done; sleep 0.5; grep -l '^State:.Z' /proc/[0-9]*/status; echo none";
    assert_eq!(inside(script).await, "none\n");
}

/// Leaves the group, the session and its parent, and ignores requests.
const DAEMON: &str = "(setsid sh -c 'trap \"\" TERM; while :; do sleep 0.05; done' &); echo ready; sleep 100";

/// Every process of the room, as the host numbers them.
fn processes(host: &str) -> Vec<u32> {
    find_stale(host, &HashSet::new()).iter().map(|process| process.pid).collect()
}

#[tokio::test]
async fn the_end_of_the_leader_is_the_end_of_everything() {
    let base = base();
    let spec = walled(base.path(), Level::Standard, DAEMON);
    let host = spec.marker.host.clone();
    let mut child = launch(spec).await;
    first_line(&mut child).await;
    let all = processes(&host);
    assert!(all.len() >= 3 && all.contains(&child.pid), "{all:?}");
    let leader = Pid::from_raw(i32::try_from(child.pid).unwrap()).unwrap();
    kill_process(leader, Signal::KILL).unwrap();
    eventually("the end of everything", || all.iter().all(|pid| !lives(*pid))).await;
    assert_eq!(child.exit.await.unwrap(), ExitReason::Signal { signal: 9 });
}

#[tokio::test]
async fn the_end_of_the_program_is_the_end_of_everything() {
    let base = base();
    let spec = walled(base.path(), Level::Standard, &DAEMON.replace("sleep 100", "read line; exit 3"));
    let host = spec.marker.host.clone();
    let mut child = launch(spec).await;
    first_line(&mut child).await;
    let all = processes(&host);
    drop(child.stdin);
    assert_eq!(child.exit.await.unwrap(), ExitReason::Code { code: 3 });
    assert!(all.iter().all(|pid| !lives(*pid)));
}

/// Not a test: the Berth that the next test kills.
#[tokio::test]
#[ignore = "is run by kill_dash_nine_of_berth_leaves_nothing"]
async fn a_berth_with_a_room_to_be_killed() {
    let Ok(host) = std::env::var("TEST_HOST") else { return };
    let base = base();
    let mut spec = walled(base.path(), Level::Standard, DAEMON);
    spec.marker.host = host;
    let mut child = launch(spec).await;
    first_line(&mut child).await;
    eprintln!("READY");
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn kill_dash_nine_of_berth_leaves_nothing() {
    use std::io::{BufRead, BufReader};
    let host = super::marker().host;
    let mut berth = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "process::walls::a_berth_with_a_room_to_be_killed", "--ignored", "--nocapture"])
        .env("TEST_HOST", &host)
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(berth.stderr.take().unwrap()).lines();
    assert!(said.any(|line| line.unwrap() == "READY"));
    let all: Vec<u32> = processes(&host).into_iter().filter(|pid| *pid != berth.id()).collect();
    assert!(all.len() >= 3, "{all:?}");
    berth.kill().unwrap();
    berth.wait().unwrap();
    eventually("the end of everything", || all.iter().all(|pid| !lives(*pid))).await;
}

/// Where a wall cannot be built: without the capability that namespaces take.
fn poor_host(directory: &Path) -> PathBuf {
    let path = directory.join("berth-poor");
    let script = format!("#!/bin/sh\nexec setpriv --bounding-set -sys_admin {} \"$@\"\n", env!("CARGO_BIN_EXE_berth"));
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

const NAMESPACES: [Wall; 6] = [Wall::Mounts, Wall::Pids, Wall::Ipc, Wall::Uts, Wall::CgroupNamespace, Wall::Network];

#[tokio::test]
async fn a_missing_wall_is_refused_unless_the_operator_allows_it() {
    if !runs_as_root() {
        eprintln!("SKIPPED: only root can take a capability from itself");
        return;
    }
    let base = base();
    let exe = poor_host(base.path());
    let start = |allowed: &str| {
        let policy = Policy::new(allowed.parse::<Allowance>().unwrap(), Vec::new());
        let launcher = ProcessLauncher::new(exe.clone()).unwrap().with_policy(policy);
        let spec = walled(base.path(), Level::Standard, "cat /proc/self/status");
        async move { launcher.launch(spec).await }
    };
    let refused = start("").await.map(|_| ()).unwrap_err();
    let SpawnError::MissingWall { wall, .. } = &refused else { panic!("{refused}") };
    let said = refused.to_string();
    assert!(NAMESPACES.contains(wall) && said.contains("Operation not permitted"), "{said}");
    assert!(said.contains(&format!("allow_missing_walls = \"{wall}\"")), "{said}");
    let refused = start("pids,ipc").await.map(|_| ()).unwrap_err().to_string();
    assert!(!refused.contains("`pids`") && !refused.contains("`ipc`"), "{refused}");

    let child = start("all").await.unwrap();
    let walls = states(&child.walls);
    for wall in Wall::ALL.into_iter().filter(|wall| wall.is_asked(Level::Standard, true, true)) {
        let expected = if NAMESPACES.contains(&wall) { State::Missing } else { State::Stands };
        assert_eq!(walls[&wall], expected, "{wall}");
    }
    let out = finish(child).await.0;
    assert!(out.contains(&format!("Uid:\t{UID}")) && out.contains("CapBnd:\t0000000000000000"), "{out}");

    let probed = probe(&exe, identity());
    let missing: HashSet<Wall> =
        probed.iter().filter(|wall| wall.state == State::Missing).map(|wall| wall.name).collect();
    assert_eq!(missing, HashSet::from(NAMESPACES));
}

#[test]
fn a_probe_finds_what_a_room_then_has() {
    let exe = PathBuf::from(env!("CARGO_BIN_EXE_berth"));
    let probed = probe(&exe, identity());
    let base = base();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let built = runtime.block_on(async {
        let child = launch(walled(base.path(), Level::Strict, "true")).await;
        let walls = child.walls.clone();
        finish(child).await;
        walls
    });
    assert_eq!(standing(&probed), standing(&built));
    assert!(standing(&probed).len() >= 10, "{probed:?}");
}

#[tokio::test]
async fn directories_are_handed_over_and_nothing_beside_them() {
    if !runs_as_root() {
        eprintln!("SKIPPED: only root hands over");
        return;
    }
    let base = base();
    let spec =
        walled(base.path(), Level::Standard, "echo more >> deep/er/file; cat deep/er/file linked 2>/dev/null; exit 0");
    let (work, outside) = (base.path().join("data/own/work"), base.path().join("outside"));
    fs::create_dir_all(work.join("deep/er")).unwrap();
    fs::write(work.join("deep/er/file"), "some\n").unwrap();
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("kept"), "secret").unwrap();
    symlink(&outside, work.join("link")).unwrap();
    fs::hard_link(outside.join("kept"), work.join("linked")).unwrap();
    let mode = fs::Permissions::from_mode(0o600);
    fs::set_permissions(outside.join("kept"), mode).unwrap();
    let (out, ..) = run(spec).await;
    assert_eq!(out, "some\nmore\n");
    for path in [work.clone(), work.join("deep"), work.join("deep/er"), work.join("deep/er/file")] {
        assert_eq!(fs::metadata(&path).unwrap().uid(), UID, "{}", path.display());
    }
    assert_eq!(fs::symlink_metadata(work.join("link")).unwrap().uid(), UID);
    for path in [outside.clone(), outside.join("kept")] {
        assert_eq!(fs::metadata(&path).unwrap().uid(), 0, "{}", path.display());
    }
}

#[tokio::test]
async fn a_level_without_walls_reports_what_is_left() {
    let child = launch(shell("true")).await;
    assert_eq!(standing(&child.walls), [Wall::NoNewPrivs, Wall::Rlimits, Wall::Environment, Wall::Descriptors]);
    finish(child).await;
}

#[tokio::test]
async fn what_cannot_start_in_a_room_says_why() {
    let base = base();
    let cases = [
        ("/no/such/program", "cannot find /no/such/program:"),
        // It is there, outside.
        ("/etc/shadow", "cannot find /etc/shadow:"),
        ("no-such-program", "cannot find no-such-program in PATH:"),
    ];
    for (program, what) in cases {
        let mut spec = walled(base.path(), Level::Standard, "");
        spec.program = PathBuf::from(program);
        let error = fails(spec).await;
        assert!(matches!(error, SpawnError::Stage(_)) && error.to_string().starts_with(what), "{error}");
    }
}

#[tokio::test]
async fn file_size_has_its_limit() {
    let base = base();
    let mut spec = walled(base.path(), Level::Standard, "head -c 100000 /dev/zero > big; echo $?; stat -c %s big");
    spec.room.file_bytes = Some(4096);
    let (out, ..) = run(spec).await;
    assert!(out.ends_with("4096\n"), "{out}");
}

#[tokio::test]
async fn many_rooms_start_and_end_at_once() {
    let (base, launcher) = (base(), launcher());
    let runs = (0..30).map(|number| {
        let (launcher, base) = (&launcher, base.path());
        async move {
            let own = base.join(number.to_string());
            fs::create_dir_all(own.join("program")).unwrap();
            let spec = walled(&own, Level::Standard, &format!("echo {number}; exit {number}"));
            let mut child = launcher.launch(spec).await.unwrap();
            assert_eq!(first_line(&mut child).await, number.to_string());
            assert_eq!(child.exit.await.unwrap(), ExitReason::Code { code: number });
        }
    });
    futures_util::future::join_all(runs).await;
}
