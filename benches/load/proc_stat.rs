//! Processor time of processes, from `/proc/PID/stat`.

use std::{collections::BTreeMap, fs};

/// Length of a clock tick of `/proc`: 1/100 s to user space on every Linux architecture.
const TICK_MICROS: u64 = 10_000;

/// Which processes to look at.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// Alone.
    pub(crate) pids: Vec<u32>,
    /// With all descendants.
    pub(crate) trees: Vec<u32>,
}

/// Time spent so far, or between two samples.
#[derive(Clone, Debug)]
pub(crate) struct CpuTime {
    pub(crate) what: String,
    pub(crate) micros: u64,
}

/// The time of each watched process, of each tree, and of this program.
pub(crate) fn sample(watch: &Watch) -> Vec<CpuTime> {
    let all = if watch.trees.is_empty() { BTreeMap::new() } else { table() };
    let alone = |pid: u32| read(pid).map_or(0, |(_, ticks)| ticks) * TICK_MICROS;
    let pids = watch.pids.iter().map(|pid| CpuTime { what: format!("pid {pid}"), micros: alone(*pid) });
    let trees =
        watch.trees.iter().map(|pid| CpuTime { what: format!("tree {pid}"), micros: tree(*pid, &all) * TICK_MICROS });
    let own = CpuTime { what: "berth-load itself".to_owned(), micros: alone(std::process::id()) };
    pids.chain(trees).chain([own]).collect()
}

/// What each spent between two samples of the same watch.
pub(crate) fn difference(before: &[CpuTime], after: &[CpuTime]) -> Vec<CpuTime> {
    let spent = |(from, to): (&CpuTime, &CpuTime)| CpuTime {
        what: to.what.clone(),
        micros: to.micros.saturating_sub(from.micros),
    };
    before.iter().zip(after).map(spent).collect()
}

fn tree(root: u32, all: &BTreeMap<u32, (u32, u64)>) -> u64 {
    let own = all.get(&root).map_or(0, |(_, ticks)| *ticks);
    let children = all.iter().filter(|(_, (parent, _))| *parent == root);
    own + children.map(|(pid, _)| tree(*pid, all)).sum::<u64>()
}

fn table() -> BTreeMap<u32, (u32, u64)> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(|pid| Some((pid, read(pid)?)))
        .collect()
}

/// Parent and ticks of a process.
fn read(pid: u32) -> Option<(u32, u64)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name is in parentheses and may hold anything.
    let fields: Vec<&str> = text[text.rfind(')')? + 1..].split_whitespace().collect();
    let ticks = |field: usize| fields.get(field)?.parse::<u64>().ok();
    Some((fields.get(1)?.parse().ok()?, ticks(11)? + ticks(12)?))
}
