//! What an instance used: the last samples, and one sum per hour.

use std::{collections::VecDeque, time::Duration};

use serde::Serialize;

use super::{limits::Usage, time::Timestamp};

/// Samples that are kept in memory: twenty minutes at one in ten seconds.
pub const RECENT: usize = 120;

const HOUR_MS: i64 = 3_600_000;

/// A sample and when it was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Sampled {
    /// When.
    pub at: Timestamp,
    /// What was used.
    #[serde(flatten)]
    pub usage: Usage,
}

/// The last samples, oldest first; never more than [`RECENT`].
#[derive(Clone, Debug, Default)]
pub struct Recent {
    samples: VecDeque<Sampled>,
    /// What is used now; nothing while no process runs.
    now: Option<Usage>,
}

impl Recent {
    /// Adds the newest; `None` says that nothing is left to sample, and keeps those before.
    pub fn push(&mut self, at: Timestamp, usage: Option<Usage>) {
        self.now = usage;
        let Some(usage) = usage else { return };
        if self.samples.len() >= RECENT {
            self.samples.pop_front();
        }
        self.samples.push_back(Sampled { at, usage });
    }

    /// What is used now; `None` before the first sample and while no process runs.
    #[must_use]
    pub const fn now(&self) -> Option<Usage> {
        self.now
    }

    /// All, oldest first.
    #[must_use]
    pub fn all(&self) -> Vec<Sampled> {
        self.samples.iter().copied().collect()
    }
}

/// What was used in one hour, or in a part of it: parts add up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsageHour {
    /// When the hour began.
    pub hour: Timestamp,
    /// Samples taken in it.
    pub samples: u64,
    /// Sum of their memory, in bytes: by the samples, this is the average.
    pub memory_sum: u64,
    /// The most memory of any, in bytes.
    pub memory_max: u64,
    /// CPU time spent in it, in milliseconds.
    pub cpu_ms: u64,
    /// The most processes of any.
    pub processes_max: u32,
    /// Requests that were answered in it.
    pub requests: u64,
}

impl UsageHour {
    /// The hour that `at` lies in, with nothing used.
    #[must_use]
    pub const fn of(at: Timestamp) -> Self {
        Self {
            hour: Timestamp(at.0 - at.0.rem_euclid(HOUR_MS)),
            samples: 0,
            memory_sum: 0,
            memory_max: 0,
            cpu_ms: 0,
            processes_max: 0,
            requests: 0,
        }
    }

    /// Adds a sample, with the CPU time and the requests since the one before.
    pub fn add(&mut self, usage: &Usage, cpu: Duration, requests: u64) {
        self.merge(&Self {
            hour: self.hour,
            samples: 1,
            memory_sum: usage.memory_bytes,
            memory_max: usage.memory_bytes,
            cpu_ms: u64::try_from(cpu.as_millis()).unwrap_or(u64::MAX),
            processes_max: usage.processes,
            requests,
        });
    }

    /// Adds another part of the same hour.
    pub fn merge(&mut self, other: &Self) {
        self.samples = self.samples.saturating_add(other.samples);
        self.memory_sum = self.memory_sum.saturating_add(other.memory_sum);
        self.memory_max = self.memory_max.max(other.memory_max);
        self.cpu_ms = self.cpu_ms.saturating_add(other.cpu_ms);
        self.processes_max = self.processes_max.max(other.processes_max);
        self.requests = self.requests.saturating_add(other.requests);
    }

    /// Average memory in bytes; zero without samples.
    #[must_use]
    pub const fn memory_avg(&self) -> u64 {
        match self.memory_sum.checked_div(self.samples) {
            Some(average) => average,
            None => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(memory_bytes: u64, processes: u32) -> Usage {
        Usage { memory_bytes, processes, ..Usage::default() }
    }

    #[test]
    fn only_the_last_samples_are_kept() {
        let mut recent = Recent::default();
        assert_eq!(recent.now(), None);
        for at in 0..500 {
            recent.push(Timestamp(at), Some(used(1, 1)));
        }
        assert_eq!(recent.now(), Some(used(1, 1)));
        recent.push(Timestamp(500), None);
        let all = recent.all();
        assert_eq!((all.len(), all[0].at, all[RECENT - 1].at), (RECENT, Timestamp(380), Timestamp(499)));
        assert_eq!(recent.now(), None, "nothing runs");
    }

    #[test]
    fn parts_of_an_hour_add_up() {
        let mut hour = UsageHour::of(Timestamp(2 * HOUR_MS + 17));
        assert_eq!((hour.hour, hour.memory_avg()), (Timestamp(2 * HOUR_MS), 0));
        hour.add(&used(100, 3), Duration::from_millis(40), 2);
        hour.add(&used(300, 1), Duration::from_millis(2), 0);
        let mut other = UsageHour::of(hour.hour);
        other.add(&used(200, 5), Duration::from_secs(1), 7);
        hour.merge(&other);
        let expected = UsageHour {
            samples: 3,
            memory_sum: 600,
            memory_max: 300,
            cpu_ms: 1042,
            processes_max: 5,
            requests: 9,
            ..UsageHour::of(hour.hour)
        };
        assert_eq!((hour, hour.memory_avg()), (expected, 200));
        assert_eq!(UsageHour::of(Timestamp(-1)).hour, Timestamp(-HOUR_MS));
    }
}
