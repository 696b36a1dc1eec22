//! What a run counted, and how it is printed.

use std::time::Duration;

use serde::Serialize;

use crate::proc_stat::CpuTime;

/// One client's counts.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Nanoseconds of every right answer; a call over four seconds saturates.
    latencies: Vec<u32>,
    pub(crate) attempts: u64,
    pub(crate) wrong: u64,
    pub(crate) first_wrong: Option<String>,
    errors: u64,
    first_error: Option<String>,
    pub(crate) failures_in_row: u32,
}

/// All clients' counts together.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    calls: u64,
    seconds: f64,
    per_second: f64,
    p50_us: f64,
    p99_us: f64,
    p999_us: f64,
    max_us: f64,
    wrong: u64,
    errors: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_wrong: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_error: Option<String>,
    cpu: Vec<Cpu>,
}

/// Processor time of one watched process or tree.
#[derive(Debug, Serialize)]
struct Cpu {
    what: String,
    us_per_call: f64,
}

impl Tally {
    /// The tally of the measured part: what the warm-up timed is forgotten, what it got wrong is not.
    pub(crate) fn carry_over(self) -> Self {
        Self { wrong: self.wrong, first_wrong: self.first_wrong, ..Self::default() }
    }

    pub(crate) fn right(&mut self, took: Duration) {
        self.latencies.push(u32::try_from(took.as_nanos()).unwrap_or(u32::MAX));
        self.attempts += 1;
        self.failures_in_row = 0;
    }

    pub(crate) fn wrong(&mut self, answer: String) {
        self.wrong += 1;
        self.attempts += 1;
        self.first_wrong.get_or_insert(answer);
    }

    pub(crate) fn failed(&mut self, error: String) {
        self.errors += 1;
        self.attempts += 1;
        self.failures_in_row += 1;
        self.first_error.get_or_insert(error);
    }
}

impl Report {
    pub(crate) fn new(tallies: Vec<Tally>, took: Duration, cpu: &[CpuTime]) -> Self {
        let (wrong, errors) = tallies.iter().fold((0, 0), |sum, tally| (sum.0 + tally.wrong, sum.1 + tally.errors));
        let mut latencies = Vec::with_capacity(tallies.iter().map(|tally| tally.latencies.len()).sum());
        let (mut first_wrong, mut first_error) = (None, None);
        for tally in tallies {
            latencies.extend(tally.latencies);
            first_wrong = first_wrong.or(tally.first_wrong);
            first_error = first_error.or(tally.first_error);
        }
        latencies.sort_unstable();
        let calls = latencies.len() as u64;
        let seconds = took.as_secs_f64();
        let per_call = |time: &CpuTime| time.micros as f64 / calls.max(1) as f64;
        Self {
            calls,
            seconds,
            per_second: calls as f64 / seconds,
            p50_us: quantile(&latencies, 0.5),
            p99_us: quantile(&latencies, 0.99),
            p999_us: quantile(&latencies, 0.999),
            max_us: quantile(&latencies, 1.0),
            wrong,
            errors,
            first_wrong,
            first_error,
            cpu: cpu.iter().map(|time| Cpu { what: time.what.clone(), us_per_call: per_call(time) }).collect(),
        }
    }

    /// Whether every call got its own answer, and there were any.
    pub(crate) fn is_clean(&self) -> bool {
        self.wrong == 0 && self.errors == 0 && self.calls > 0
    }

    pub(crate) fn print(&self, json: bool) {
        if json {
            println!("{}", serde_json::to_string(self).unwrap_or_default());
            return;
        }
        println!("{} calls in {:.2} s: {:.0}/s", self.calls, self.seconds, self.per_second);
        println!(
            "p50 {:.1} µs   p99 {:.1} µs   p99.9 {:.1} µs   max {:.1} µs",
            self.p50_us, self.p99_us, self.p999_us, self.max_us
        );
        println!("wrong answers {}   errors {}", self.wrong, self.errors);
        for (kind, text) in [("wrong", &self.first_wrong), ("error", &self.first_error)] {
            if let Some(text) = text {
                println!("first {kind}: {text}");
            }
        }
        for cpu in &self.cpu {
            println!("cpu of {}: {:.1} µs per call", cpu.what, cpu.us_per_call);
        }
    }
}

/// Microseconds below which `share` of the sorted latencies lie.
fn quantile(sorted: &[u32], share: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return 0.0 };
    f64::from(sorted[(last as f64 * share).round() as usize]) / 1000.0
}
