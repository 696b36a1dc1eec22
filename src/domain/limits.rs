//! Resource limits of one instance, and what they are compared with.

use serde::{Deserialize, Serialize};

/// What one instance may use. `None` means no limit. Sizes in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Resident memory of the whole process tree. Sampled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// CPU of the whole tree in percent of one core. Sampled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_percent: Option<u32>,
    /// Processes in the tree. Sampled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub processes: Option<u32>,
    /// Open files per process. Enforced by the kernel (`RLIMIT_NOFILE`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_files: Option<u32>,
    /// Bytes below the instance's own directories. Sampled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk_bytes: Option<u64>,
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

    /// The first limit that `usage` is over, in words with both figures.
    #[must_use]
    pub fn exceeded_by(&self, usage: &Usage) -> Option<String> {
        let over = |name: &str, used: u64, limit: Option<u64>, unit: &str| {
            limit
                .filter(|limit| used > *limit)
                .map(|limit| format!("{name} {used}{unit} is over the limit of {limit}{unit}"))
        };
        over("memory", usage.memory_bytes, self.memory_bytes, " bytes")
            .or_else(|| over("CPU", u64::from(usage.cpu_percent), self.cpu_percent.map(u64::from), " %"))
            .or_else(|| over("process count", u64::from(usage.processes), self.processes.map(u64::from), ""))
            .or_else(|| over("disk use", usage.disk_bytes, self.disk_bytes, " bytes"))
    }
}

/// One sample of what an instance uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// Resident bytes of all processes of the tree (shared pages counted in each).
    pub memory_bytes: u64,
    /// Percent of one core since the last sample.
    pub cpu_percent: u32,
    /// Processes in the tree.
    pub processes: u32,
    /// Open descriptors of all processes of the tree.
    pub open_files: u32,
    /// Bytes below the instance's own directories.
    pub disk_bytes: u64,
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
        let limits = Limits { memory_bytes: Some(100), processes: Some(2), ..Limits::default() };
        let cases = [
            (Usage { memory_bytes: 100, processes: 2, ..Usage::default() }, None),
            (Usage { memory_bytes: 101, ..Usage::default() }, Some("memory 101 bytes is over the limit of 100 bytes")),
            (Usage { processes: 3, ..Usage::default() }, Some("process count 3 is over the limit of 2")),
            (Usage { disk_bytes: 1 << 40, ..Usage::default() }, None),
        ];
        for (usage, expected) in cases {
            assert_eq!(limits.exceeded_by(&usage).as_deref(), expected);
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
