//! Resource limits of one instance, and what they are compared with.

use serde::{Deserialize, Serialize};

/// What one instance may use. `None` means no limit. Sizes in bytes.
///
/// By what each holds depends on the machine; `berth doctor` and the instance's page say which it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Memory of the whole process tree, file cache and swap included. By the kernel where there is a
    /// memory control group, which ends the tree (v2) or its largest process (v1); else by sampling.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// CPU of the whole tree in percent of one core. By the kernel where there is a CPU control group,
    /// which slows the tree down; else by sampling, which ends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_percent: Option<u32>,
    /// Processes of the program: the two that keep its room are not counted. By sampling, and by the
    /// kernel where there is a pids control group: that counts threads too, so it refuses further ones
    /// at [`Limits::tasks`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub processes: Option<u32>,
    /// Open files per process. By the kernel (`RLIMIT_NOFILE`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_files: Option<u32>,
    /// Bytes below the instance's own directories. By sampling; twice as much ends it at once. Where there
    /// is this limit, files that cannot be counted are over it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk_bytes: Option<u64>,
    /// Bytes of its logs, archives included. By sampling, beside the rotation that bounds them anyway.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_bytes: Option<u64>,
}

/// A server of one process has some ten threads: the kernel's bound is never below this.
const LEAST_TASKS: u32 = 64;

/// What the kernel itself holds an instance to, so that sampling need not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ByKernel {
    /// Memory.
    pub memory: bool,
    /// CPU.
    pub cpu: bool,
}

/// A limit that a sample is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Over {
    /// Which, with both figures.
    pub detail: String,
    /// So far over that no further sample is waited for.
    pub at_once: bool,
}

impl Limits {
    /// Each limit of `self`, or of `fallback` where `self` has none.
    #[must_use]
    pub fn or(self, fallback: Self) -> Self {
        Self {
            memory_bytes: self.memory_bytes.or(fallback.memory_bytes),
            cpu_percent: self.cpu_percent.or(fallback.cpu_percent),
            processes: self.processes.or(fallback.processes),
            open_files: self.open_files.or(fallback.open_files),
            disk_bytes: self.disk_bytes.or(fallback.disk_bytes),
            log_bytes: self.log_bytes.or(fallback.log_bytes),
        }
    }

    /// Mebibytes of heap that suit a runtime which keeps one under the memory limit: three quarters of it, but
    /// 48 MiB are left for the runtime itself where that leaves at least half.
    #[must_use]
    pub fn heap_mib(&self) -> Option<u64> {
        let limit = self.memory_bytes? >> 20;
        let heap = (limit * 3 / 4).min(limit.saturating_sub(48)).max(limit / 2);
        Some(heap.max(16))
    }

    /// Processes and threads together that the kernel allows: twice the processes, at least 64.
    #[must_use]
    pub fn tasks(&self) -> Option<u32> {
        self.processes.map(|processes| processes.saturating_mul(2).max(LEAST_TASKS))
    }

    /// The first limit that `usage` is over, in words with both figures, of those that the kernel does
    /// not enforce itself.
    #[must_use]
    pub fn exceeded_by(&self, usage: &Usage, kernel: ByKernel) -> Option<Over> {
        let over = |name: &str, used: u64, limit: Option<u64>, unit: &str| {
            let limit = limit.filter(|limit| used > *limit)?;
            Some(Over { detail: format!("{name} {used}{unit} is over the limit of {limit}{unit}"), at_once: false })
        };
        let bytes = |name: &str, used, limit| over(name, used, limit, " bytes");
        // A disk that fills up does not wait for three samples.
        let twice = |over: Over, used: u64, limit: Option<u64>| {
            let at_once = limit.is_some_and(|limit| used / 2 > limit);
            Over { at_once, ..over }
        };
        let memory = self.memory_bytes.filter(|_| !kernel.memory);
        let cpu = self.cpu_percent.map(u64::from).filter(|_| !kernel.cpu);
        let (disk, log) = (usage.disk_bytes, usage.log_bytes);
        bytes("disk use", disk, self.disk_bytes)
            .map(|over| twice(over, disk, self.disk_bytes))
            .or_else(|| self.uncounted(usage))
            .or_else(|| bytes("log use", log, self.log_bytes).map(|over| twice(over, log, self.log_bytes)))
            .or_else(|| bytes("memory", usage.memory_bytes, memory))
            .or_else(|| over("CPU", u64::from(usage.cpu_percent), cpu, " %"))
            .or_else(|| over("process count", u64::from(usage.processes), self.processes.map(u64::from), ""))
    }
}

impl Limits {
    /// Files that nobody can count are how a limit on them would be escaped.
    fn uncounted(&self, usage: &Usage) -> Option<Over> {
        let limit = self.disk_bytes.filter(|_| usage.disk_is_lower_bound)?;
        let detail = format!(
            "disk use cannot be held to the limit of {limit} bytes: its files cannot be counted: more than a million, \
             or unreadable"
        );
        Some(Over { detail, at_once: false })
    }
}

/// A size as people read it: `512 MiB`, `1.5 GiB`, `700 bytes`.
#[must_use]
pub fn size(bytes: u64) -> String {
    const UNITS: [(u32, &str); 3] = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    let Some((shift, unit)) = UNITS.into_iter().find(|(shift, _)| bytes >> shift > 0) else {
        return format!("{bytes} bytes");
    };
    let (whole, tenth) = (bytes >> shift, ((bytes & ((1 << shift) - 1)) * 10) >> shift);
    if tenth == 0 { format!("{whole} {unit}") } else { format!("{whole}.{tenth} {unit}") }
}

/// One sample of what an instance uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// Memory of the tree: with a memory control group its working set, which is what is charged to the
    /// group less the file cache that can be dropped at once; else resident bytes of all its processes
    /// (shared pages counted in each).
    pub memory_bytes: u64,
    /// Percent of one core since the last sample.
    pub cpu_percent: u32,
    /// Processes of the program, without the two that keep its room.
    pub processes: u32,
    /// Open descriptors of all processes of the tree.
    pub open_files: u32,
    /// Bytes below the instance's own directories.
    pub disk_bytes: u64,
    /// Whether there is more than `disk_bytes` says: too many files to be counted, or unreadable ones.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub disk_is_lower_bound: bool,
    /// Bytes of its logs, archives included.
    pub log_bytes: u64,
}

/// Counts samples over the limit in a row: the third one ends the instance.
#[derive(Clone, Copy, Debug, Default)]
pub struct Strikes(u8);

impl Strikes {
    /// Samples over the limit in a row that end an instance.
    pub const LIMIT: u8 = 3;

    /// Records one sample; returns whether the instance must be stopped now.
    pub fn record(&mut self, over: bool) -> bool {
        self.0 = if over { self.0.saturating_add(1) } else { 0 };
        self.0 >= Self::LIMIT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_limit_that_is_exceeded() {
        let limits = Limits {
            memory_bytes: Some(100),
            cpu_percent: Some(50),
            processes: Some(2),
            disk_bytes: Some(1000),
            ..Limits::default()
        };
        let (sampling, kernel) = (ByKernel::default(), ByKernel { memory: true, cpu: true });
        let uncounted = "disk use cannot be held to the limit of 1000 bytes: its files cannot be counted: more than a \
                         million, or unreadable";
        let usage = Usage { memory_bytes: 100, cpu_percent: 50, processes: 2, disk_bytes: 1000, ..Usage::default() };
        let cases = [
            (usage, sampling, None),
            (Usage { log_bytes: 1 << 40, ..usage }, sampling, None),
            (
                Usage { memory_bytes: 101, ..usage },
                sampling,
                Some(("memory 101 bytes is over the limit of 100 bytes", false)),
            ),
            (Usage { memory_bytes: 101, cpu_percent: 51, ..usage }, kernel, None),
            (Usage { cpu_percent: 51, ..usage }, sampling, Some(("CPU 51 % is over the limit of 50 %", false))),
            (Usage { processes: 3, ..usage }, kernel, Some(("process count 3 is over the limit of 2", false))),
            (
                Usage { disk_bytes: 2001, ..usage },
                sampling,
                Some(("disk use 2001 bytes is over the limit of 1000 bytes", false)),
            ),
            (
                Usage { disk_bytes: 2002, ..usage },
                kernel,
                Some(("disk use 2002 bytes is over the limit of 1000 bytes", true)),
            ),
            (Usage { disk_is_lower_bound: true, disk_bytes: 1, ..usage }, kernel, Some((uncounted, false))),
            (
                Usage { disk_is_lower_bound: true, disk_bytes: 2002, ..usage },
                kernel,
                Some(("disk use 2002 bytes is over the limit of 1000 bytes", true)),
            ),
        ];
        for (usage, kernel, expected) in cases {
            let over = limits.exceeded_by(&usage, kernel);
            assert_eq!(over.as_ref().map(|over| (over.detail.as_str(), over.at_once)), expected, "{usage:?}");
        }
        let uncounted = Usage { disk_is_lower_bound: true, ..Usage::default() };
        assert_eq!(Limits { disk_bytes: None, ..limits }.exceeded_by(&uncounted, kernel), None, "no limit, no matter");
    }

    #[test]
    fn the_bound_of_the_kernel_leaves_room_for_threads() {
        for (processes, tasks) in [(None, None), (Some(1), Some(64)), (Some(32), Some(64)), (Some(256), Some(512))] {
            assert_eq!(Limits { processes, ..Limits::default() }.tasks(), tasks);
        }
    }

    #[test]
    fn sizes_are_readable() {
        let cases = [
            (0, "0 bytes"),
            (1023, "1023 bytes"),
            (1024, "1 KiB"),
            (512 << 20, "512 MiB"),
            (3 << 29, "1.5 GiB"),
            ((1 << 30) - 1, "1023.9 MiB"),
        ];
        for (bytes, expected) in cases {
            assert_eq!(size(bytes), expected);
        }
    }

    #[test]
    fn heap_leaves_room_for_its_runtime() {
        let cases = [
            (None, None),
            (Some(1024), Some(768)),
            (Some(512), Some(384)),
            (Some(128), Some(80)),
            (Some(64), Some(32)),
            (Some(8), Some(16)),
        ];
        for (mib, expected) in cases {
            let limits = Limits { memory_bytes: mib.map(|mib: u64| mib << 20), ..Limits::default() };
            assert_eq!(limits.heap_mib(), expected, "{mib:?}");
        }
    }

    #[test]
    fn three_samples_in_a_row_are_needed() {
        let mut strikes = Strikes::default();
        let samples = [(true, false), (true, false), (false, false), (true, false), (true, false), (true, true)];
        for (over, stop) in samples {
            assert_eq!(strikes.record(over), stop);
        }
    }
}
