//! Sampling of running processes.

use std::time::{Duration, Instant};

use berth::process::{Table, usage_of};

use super::{first_line, launch, shell};

#[tokio::test]
async fn a_busy_child_is_measured() {
    let mut child = launch(shell("setsid sleep 100 & sleep 100 & echo ready; while :; do :; done")).await;
    first_line(&mut child).await;
    let before = usage_of(&Table::read(), child.pid, None, Duration::ZERO);
    assert_eq!(before.usage.cpu_percent, 0);
    let started = Instant::now();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let after = usage_of(&Table::read(), child.pid, Some(before.cpu), started.elapsed());
    // One core at most; other tests may be using the machine.
    assert!((10..=120).contains(&after.usage.cpu_percent), "{after:?}");
    assert_eq!(after.usage.processes, 3);
    assert!(after.usage.memory_bytes > 500_000 && after.usage.memory_bytes < 100_000_000, "{after:?}");
    // Three standard descriptors each.
    assert!((9..=12).contains(&after.usage.open_files), "{after:?}");
    child.tree.kill().await;
}

#[tokio::test]
async fn what_is_gone_uses_nothing() {
    let child = launch(shell("true")).await;
    child.exit.await.unwrap();
    let sample = usage_of(&Table::read(), child.pid, Some(Duration::from_millis(50)), Duration::from_secs(1));
    assert_eq!(sample, berth::process::Sample::default());
}
