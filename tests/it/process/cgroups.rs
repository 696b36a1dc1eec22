//! Control groups as the machine grants them: whatever it has, and the unified hierarchy alone.
//! `scripts/test-cgroup-v2.sh` runs these in a virtual machine that has nothing else.

use std::{path::PathBuf, sync::Arc, time::Duration};

use berth::{
    domain::{
        crash::ExitReason,
        limits::{Limits, Usage},
    },
    process::{
        Cgroups, Child, LaunchSpec, Launcher, ProcessLauncher, Samples,
        cgroup::{Allow, end_groups, find_groups},
    },
};

use super::{eventually, first_line, lives, pid_line, shell};

/// Groups of this test's own.
struct Ground {
    host: String,
    cgroups: Arc<Cgroups>,
    launcher: ProcessLauncher,
}

impl Ground {
    fn new(allow: Allow) -> Self {
        let host = super::marker().host;
        let cgroups = Arc::new(Cgroups::take(&host, allow));
        let exe = std::env::var_os("BERTH_TEST_EXE").map_or_else(|| env!("CARGO_BIN_EXE_berth").into(), PathBuf::from);
        let launcher = ProcessLauncher::new(exe).unwrap().with_cgroups(Arc::clone(&cgroups));
        Self { host, cgroups, launcher }
    }

    /// Those that this machine grants; in the virtual machine all of it must work.
    #[expect(clippy::print_stderr, reason = "what is not tested must not look tested")]
    fn all(has: impl Fn(&Cgroups) -> bool) -> Vec<Self> {
        let mut grounds = Vec::new();
        for allow in [Allow::All, Allow::OnlyV2] {
            let ground = Self::new(allow);
            if has(&ground.cgroups) {
                grounds.push(ground);
            } else {
                let notes = ground.cgroups.notes().join("; ");
                assert!(std::env::var_os("BERTH_TEST_CGROUPS").is_none(), "{allow:?}: {notes}");
                eprintln!("SKIPPED with {allow:?}: {notes}");
            }
        }
        grounds
    }

    async fn launch(&self, script: &str, limits: Limits) -> Child {
        let mut spec = LaunchSpec { cgroup: Some(limits), ..shell(script) };
        spec.marker.host.clone_from(&self.host);
        self.launcher.launch(spec).await.unwrap()
    }

    /// All groups are gone.
    async fn leave(self) {
        eventually("the end of all groups", || self.cgroups.count() == 0).await;
        self.cgroups.close();
        assert_eq!(find_groups(&self.host), []);
    }
}

/// Daemons without mark, session or parent that ignore SIGTERM, as fast as the shell can start them.
const STORM: &str = "trap '' TERM; echo ready
    while :; do (env -i setsid /bin/sh -c 'trap \"\" TERM; sleep 1000' >/dev/null 2>&1 &); done";

#[tokio::test]
async fn a_storm_of_hidden_processes_dies_with_its_group() {
    for ground in Ground::all(|cgroups| cgroups.kills()) {
        let limits = Limits { processes: Some(8), ..Limits::default() };
        let mut child = ground.launch(STORM, limits).await;
        first_line(&mut child).await;
        let groups = || find_groups(&ground.host);
        eventually("a storm", || groups().iter().any(|group| group.pids.len() > 20)).await;
        let pids = groups().into_iter().flat_map(|group| group.pids).collect::<Vec<_>>();
        let Child { tree, exit, .. } = child;
        let outcome = tree.stop(Duration::from_millis(50), exit).await;
        assert!(!outcome.graceful && outcome.left == 0, "{outcome:?}");
        assert!(pids.iter().all(|pid| !lives(*pid)));
        assert!(groups().iter().all(|group| group.pids.is_empty()), "{:?}", groups());
        drop(tree);
        ground.leave().await;
    }
}

#[tokio::test]
async fn the_kernel_ends_what_takes_too_much_memory_and_says_so() {
    for ground in Ground::all(|cgroups| cgroups.limits_memory()) {
        let limits = Limits { memory_bytes: Some(32 << 20), ..Limits::default() };
        // One block larger than the limit.
        let child = ground.launch("exec dd if=/dev/zero of=/dev/null bs=200M count=1", limits).await;
        assert_eq!(child.tree.memory_limit(), Some(32 << 20));
        assert_eq!(child.exit.await.unwrap(), ExitReason::Signal { signal: 9 });
        assert!(child.tree.oom_kills() >= 1);
        drop(child.tree);

        let modest = ground.launch("exec sleep 0.1", limits).await;
        assert_eq!(modest.exit.await.unwrap(), ExitReason::Code { code: 0 });
        assert_eq!(modest.tree.oom_kills(), 0);
        drop(modest.tree);
        ground.leave().await;
    }
}

#[tokio::test]
async fn processes_are_bounded() {
    for ground in Ground::all(|cgroups| cgroups.limits_processes()) {
        let limits = Limits { processes: Some(1), ..Limits::default() };
        let script = "trap 'echo full; sleep 1000' EXIT; for i in $(seq 200); do sleep 1000 & done; echo all";
        let mut child = ground.launch(script, limits).await;
        assert_eq!(first_line(&mut child).await, "full");
        let most = find_groups(&ground.host).into_iter().map(|group| group.pids.len()).max();
        assert!((60..=64).contains(&most.unwrap()), "{most:?}");
        child.tree.kill().await;
        drop(child);
        ground.leave().await;
    }
}

#[tokio::test]
async fn a_share_of_cpu_is_not_exceeded() {
    for ground in Ground::all(|cgroups| cgroups.limits_cpu() && cgroups.counts_all()) {
        let limits = Limits { cpu_percent: Some(20), ..Limits::default() };
        let mut child = ground.launch("echo ready; while :; do :; done", limits).await;
        first_line(&mut child).await;
        let began = std::time::Instant::now();
        let look = |previous| Samples::take(&ground.cgroups).of(&child.tree, child.pid, previous, began.elapsed());
        let before = look(None).unwrap();
        tokio::time::sleep(Duration::from_secs(2)).await;
        let after = look(Some(before.cpu)).unwrap();
        assert!((1..=45).contains(&after.usage.cpu_percent), "{after:?}");
        child.tree.kill().await;
        drop(child);
        ground.leave().await;
    }
}

#[tokio::test]
async fn numbers_are_of_the_whole_group() {
    for ground in Ground::all(|cgroups| cgroups.counts_all()) {
        let script = "env -i setsid /bin/sh -c 'exec sleep 100' & sleep 100 & echo ready; wait";
        let mut child = ground.launch(script, Limits::default()).await;
        first_line(&mut child).await;
        let look = || Samples::take(&ground.cgroups).of(&child.tree, child.pid, None, Duration::ZERO).unwrap().usage;
        // One that is just being started has not all of its files.
        let is_whole = |usage: &Usage| usage.processes == 3 && (9..=12).contains(&usage.open_files);
        eventually("three processes with their files", || is_whole(&look())).await;
        let usage = look();
        assert!(usage.memory_bytes > 50_000 && usage.memory_bytes < 100_000_000, "{usage:?}");
        assert_eq!(ground.cgroups.count(), 1);
        child.tree.kill().await;
        drop(child);
        ground.leave().await;
    }
}

#[tokio::test]
async fn groups_that_were_left_behind_are_swept() {
    for ground in Ground::all(|cgroups| cgroups.kills()) {
        let hidden = "env -i setsid /bin/sh -c 'trap \"\" TERM; echo $$; while :; do sleep 0.05; done' & wait";
        let mut child = ground.launch(hidden, Limits::default()).await;
        let pid = pid_line(&mut child).await;
        let groups = find_groups(&ground.host);
        assert!(groups.iter().any(|group| group.pids.contains(&pid)), "{groups:?}");
        let neighbour = Ground::new(Allow::All);
        let spared = neighbour.launch("exec sleep 100", Limits::default()).await;
        assert!(end_groups(&groups) >= 2);
        assert!(!lives(pid) && lives(spared.pid));
        assert_eq!(find_groups(&ground.host), []);
        spared.tree.kill().await;
        drop((child, spared));
        ground.leave().await;
        neighbour.leave().await;
    }
}

#[tokio::test]
async fn a_launch_that_fails_leaves_no_group() {
    for ground in Ground::all(|cgroups| cgroups.kills()) {
        let mut spec = LaunchSpec { cgroup: Some(Limits::default()), ..super::spec("/no/such/program", &[]) };
        spec.marker.host.clone_from(&ground.host);
        assert!(ground.launcher.launch(spec).await.is_err());
        ground.leave().await;
    }
}

/// Says what a sample of two hundred instances costs: `--run-ignored only --no-capture`.
#[tokio::test]
#[ignore = "a measurement"]
async fn what_sampling_two_hundred_instances_costs() {
    const ROUNDS: u32 = 50;
    for ground in Ground::all(|cgroups| cgroups.counts_all()) {
        let mut children = Vec::new();
        for _ in 0..200 {
            children.push(ground.launch("exec sleep 1000", Limits::default()).await);
        }
        let cpu = || rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        let nanoseconds = |at: rustix::time::Timespec| at.tv_sec * 1_000_000_000 + at.tv_nsec;
        let before = nanoseconds(cpu());
        for _ in 0..ROUNDS {
            let samples = Samples::take(&ground.cgroups);
            let seen = children.iter().filter_map(|child| samples.of(&child.tree, child.pid, None, Duration::ZERO));
            assert_eq!(seen.filter(|sample| sample.usage.processes == 1).count(), 200);
        }
        let each_ms = (nanoseconds(cpu()) - before) as f64 / 1e6 / f64::from(ROUNDS);
        eprintln!("{each_ms:.2} ms of CPU per sample of 200 instances: {:.2} % of a core every 5 s", each_ms / 50.0);
        for child in &children {
            child.tree.kill().await;
        }
        drop(children);
        ground.leave().await;
    }
}
