//! What process trees use: from the files of their control groups, else from one pass over `/proc` for
//! all instances. Everything here blocks.

use std::{collections::HashMap, fs, os::unix::fs::MetadataExt, time::Duration};

use super::{
    ProcessTree,
    cgroup::{Cgroups, Reading},
    table::Table,
};
use crate::domain::limits::Usage;

/// One sample of a process tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// What it uses. Disk and log bytes are zero: they are walked less often, by [`directory_size`](super::directory_size).
    pub usage: Usage,
    /// CPU time so far, to be given to the next call.
    pub cpu: Duration,
}

/// One look at all trees at a moment.
#[derive(Debug, Default)]
pub struct Samples {
    groups: HashMap<u64, Reading>,
    /// Only where the groups do not say everything.
    table: Option<Table>,
}

impl Samples {
    /// Reads the groups of all groups; the whole process table only where there are none that count.
    #[must_use]
    pub fn take(cgroups: &Cgroups) -> Self {
        Self { groups: cgroups.read_all(), table: (!cgroups.counts_all()).then(Table::read) }
    }

    /// What `tree`, led by `leader`, uses; `None` when it was not there yet.
    ///
    /// `previous` is the last sample's CPU time, `elapsed` the time since; without one the CPU is 0 %.
    #[must_use]
    pub fn of(&self, tree: &ProcessTree, leader: u32, previous: Option<Duration>, elapsed: Duration) -> Option<Sample> {
        let by_table = self.table.as_ref().map(|table| usage_of(table, leader, previous, elapsed));
        let reading = tree.group().and_then(|group| self.groups.get(&group.id()));
        let mut sample = match reading {
            Some(reading) => with_reading(by_table.unwrap_or_default(), reading, previous, elapsed),
            None => by_table?,
        };
        sample.usage.processes = sample.usage.processes.saturating_sub(tree.keepers());
        Some(sample)
    }
}

/// What a control group says, and of `rest` what it does not.
fn with_reading(rest: Sample, reading: &Reading, previous: Option<Duration>, elapsed: Duration) -> Sample {
    let cpu = reading.cpu.unwrap_or(rest.cpu);
    let usage = Usage {
        memory_bytes: reading.memory_bytes.unwrap_or(rest.usage.memory_bytes),
        cpu_percent: percent(previous.map_or(Duration::ZERO, |before| cpu.saturating_sub(before)), elapsed),
        processes: reading.processes,
        open_files: reading.open_files,
        ..Usage::default()
    };
    Sample { usage, cpu }
}

/// Sums over the members of the session that `leader` leads and over its descendants.
///
/// `previous` is the last sample's CPU time, `elapsed` the time since; without one the CPU is 0 %.
/// CPU counts processes that ended in between as long as their parent waited for them.
#[must_use]
pub fn usage_of(table: &Table, leader: u32, previous: Option<Duration>, elapsed: Duration) -> Sample {
    let members = table.closure([leader]);
    let ticks = members.iter().map(|row| row.ticks).sum::<u64>();
    let resident = members.iter().map(|row| row.resident).sum::<u64>();
    let open_files = members.iter().map(|row| open_files(row.pid)).fold(0, u32::saturating_add);
    let cpu = Duration::from_millis(ticks.saturating_mul(1000) / rustix::param::clock_ticks_per_second().max(1));
    let spent = previous.map_or(Duration::ZERO, |previous| cpu.saturating_sub(previous));
    let usage = Usage {
        memory_bytes: resident.saturating_mul(rustix::param::page_size() as u64),
        cpu_percent: percent(spent, elapsed),
        processes: u32::try_from(members.len()).unwrap_or(u32::MAX),
        open_files,
        ..Usage::default()
    };
    Sample { usage, cpu }
}

/// CPU time in `elapsed` as a percentage of one core.
fn percent(spent: Duration, elapsed: Duration) -> u32 {
    let elapsed_us = elapsed.as_micros().max(1);
    u32::try_from(spent.as_micros().saturating_mul(100) / elapsed_us).unwrap_or(u32::MAX)
}

/// Open descriptors of a process; zero when it is gone.
pub(super) fn open_files(pid: u32) -> u32 {
    let path = format!("/proc/{pid}/fd");
    // Since Linux 6.2 the size of the directory is their number.
    let counted = match fs::metadata(&path) {
        Ok(metadata) if metadata.size() > 0 => metadata.size(),
        _ => fs::read_dir(path).map_or(0, |entries| entries.count() as u64),
    };
    u32::try_from(counted).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_is_of_one_core() {
        let second = Duration::from_secs(1);
        let cases =
            [(Duration::ZERO, second, 0), (second, second, 100), (second * 2, second, 200), (second, second * 4, 25)];
        for (spent, elapsed, expected) in cases {
            assert_eq!(percent(spent, elapsed), expected, "{spent:?} in {elapsed:?}");
        }
        assert_eq!(percent(Duration::MAX, Duration::ZERO), u32::MAX);
    }

    #[test]
    fn open_files_are_counted() {
        let before = open_files(std::process::id());
        let held: Vec<_> = (0..50).map(|_| fs::File::open("/dev/null").unwrap()).collect();
        let after = open_files(std::process::id());
        // Other tests of this process open and close files, too.
        assert!(before >= 3 && after >= 50 + 3, "{before} {after}");
        drop(held);
        assert_eq!(open_files(u32::MAX), 0);
    }
}
