//! Counters of this run, and their OpenMetrics text.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use prometheus_client::{
    encoding::text::encode,
    metrics::{counter::ConstCounter, gauge::ConstGauge},
    registry::Registry,
};

/// Upper bounds of the call duration buckets, in microseconds.
const BUCKETS: [u64; 14] =
    [50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 100_000, 500_000, 1_000_000, 10_000_000, u64::MAX];

/// Counters, all since this start.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Requests to instances that were answered.
    pub calls: AtomicU64,
    /// Requests to instances that were answered with an error of ours.
    pub call_errors: AtomicU64,
    /// Requests refused by a rate limit.
    pub rate_limited: AtomicU64,
    /// Requests refused because too many were in flight.
    pub overloaded: AtomicU64,
    /// Requests without valid credentials.
    pub unauthorized: AtomicU64,
    /// Processes started.
    pub starts: AtomicU64,
    /// Restarts after a failure.
    pub restarts: AtomicU64,
    /// Processes found by the sweep that had outlived their instance.
    pub orphans: AtomicU64,
    /// Instances and connections put to sleep.
    pub sleeps: AtomicU64,
    /// Those that a request woke and that answered.
    pub wakes: AtomicU64,
    wake_sum_us: AtomicU64,
    /// Connections that instances made to the outside through their allow-lists.
    pub outside_connections: AtomicU64,
    /// Those that were refused: not a public address, or too many at a time.
    pub outside_refused: AtomicU64,
    /// Those that could not be made.
    pub outside_failed: AtomicU64,
    /// Bytes that instances sent on them.
    pub outside_sent: AtomicU64,
    /// Bytes that instances received on them.
    pub outside_received: AtomicU64,
    durations: [AtomicU64; BUCKETS.len()],
    duration_sum_us: AtomicU64,
}

/// What is counted when it is asked for.
#[derive(Clone, Debug, Default)]
pub struct Gauges {
    /// Instances by state.
    pub instances: Vec<(&'static str, u64)>,
    /// Open client sessions.
    pub sessions: u64,
    /// Calls that wait for input of their clients.
    pub parked: u64,
    /// Listen streams of clients without a session.
    pub listens: u64,
    /// Calls that children have not answered.
    pub in_flight: u64,
    /// Leased ports.
    pub ports: u64,
    /// Control groups of instances.
    pub groups: u64,
    /// Processes of shared services that serve, by service.
    pub workers: Vec<(String, u64)>,
}

impl Metrics {
    /// Counts one answered request. Two relaxed additions and one search in a small table.
    pub fn record_call(&self, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.calls.fetch_add(1, Relaxed);
        self.duration_sum_us.fetch_add(us, Relaxed);
        let bucket = BUCKETS.partition_point(|bound| *bound < us);
        if let Some(counter) = self.durations.get(bucket) {
            counter.fetch_add(1, Relaxed);
        }
    }

    /// Counts one that a request has woken: it answers, `took` after it was asked to.
    pub fn record_wake(&self, took: Duration) {
        self.wakes.fetch_add(1, Relaxed);
        self.wake_sum_us.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Relaxed);
    }

    /// The OpenMetrics text.
    ///
    /// # Errors
    /// Never in practice: writing to a `String` cannot fail.
    pub fn render(&self, gauges: &Gauges) -> Result<String, fmt::Error> {
        let mut registry = Registry::with_prefix("berth");
        let counters = [
            ("calls", "Requests to instances that were answered", &self.calls),
            ("call_errors", "Requests to instances answered with an error of the gateway", &self.call_errors),
            ("rate_limited", "Requests refused by a rate limit", &self.rate_limited),
            ("overloaded", "Requests refused because too many were in flight", &self.overloaded),
            ("unauthorized", "Requests without valid credentials", &self.unauthorized),
            ("starts", "Processes started", &self.starts),
            ("restarts", "Restarts after a failure", &self.restarts),
            ("sleeps", "Instances and connections put to sleep", &self.sleeps),
            ("orphans", "Processes that outlived their instance and were ended", &self.orphans),
            ("outside_connections", "Connections of instances through their allow-lists", &self.outside_connections),
            ("outside_refused", "Connections to the outside that were refused", &self.outside_refused),
            ("outside_failed", "Connections to the outside that could not be made", &self.outside_failed),
            ("outside_sent_bytes", "Bytes that instances sent to the outside", &self.outside_sent),
            ("outside_received_bytes", "Bytes that instances received from the outside", &self.outside_received),
        ];
        for (name, help, counter) in counters {
            registry.register(name, help, ConstCounter::new(counter.load(Relaxed)));
        }
        for (state, count) in &gauges.instances {
            let labels = std::iter::once(("state".into(), (*state).into()));
            let sub = registry.sub_registry_with_labels(labels);
            sub.register("instances", "Instances by state", ConstGauge::new(i64::try_from(*count).unwrap_or(i64::MAX)));
        }
        for (service, count) in &gauges.workers {
            let labels = std::iter::once(("service".into(), service.clone().into()));
            let sub = registry.sub_registry_with_labels(labels);
            let count = ConstGauge::new(i64::try_from(*count).unwrap_or(i64::MAX));
            sub.register("shared_processes", "Processes of shared services that serve", count);
        }
        let gauge = |value: u64| ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
        registry.register("sessions", "Open client sessions", gauge(gauges.sessions));
        registry.register("parked_calls", "Calls that wait for input of their clients", gauge(gauges.parked));
        registry.register("listen_streams", "Listen streams of clients without a session", gauge(gauges.listens));
        registry.register("calls_in_flight", "Calls that children have not answered", gauge(gauges.in_flight));
        registry.register("leased_ports", "Ports leased to HTTP children", gauge(gauges.ports));
        registry.register("cgroups", "Control groups of instances that exist", gauge(gauges.groups));
        let mut text = String::new();
        encode(&mut text, &registry)?;
        Ok(self.with_durations(&text))
    }

    /// The histogram, written by hand: prometheus-client's own takes a lock per observation.
    fn with_durations(&self, text: &str) -> String {
        use fmt::Write;
        let mut out = text.strip_suffix("# EOF\n").unwrap_or(text).to_owned();
        out.push_str("# HELP berth_call_duration_seconds Until the head of the answer was ready.\n");
        out.push_str("# TYPE berth_call_duration_seconds histogram\n");
        let mut total = 0;
        for (bound, counter) in BUCKETS.iter().zip(&self.durations) {
            total += counter.load(Relaxed);
            let seconds = Duration::from_micros(*bound).as_secs_f64();
            let le = if *bound == u64::MAX { "+Inf".to_owned() } else { seconds.to_string() };
            let _ = writeln!(out, "berth_call_duration_seconds_bucket{{le=\"{le}\"}} {total}");
        }
        let sum = Duration::from_micros(self.duration_sum_us.load(Relaxed)).as_secs_f64();
        let _ = writeln!(out, "berth_call_duration_seconds_sum {sum}\nberth_call_duration_seconds_count {total}");
        out.push_str("# HELP berth_wake_seconds From a request to something asleep until that answered.\n");
        out.push_str("# TYPE berth_wake_seconds summary\n");
        let (sum, count) = (self.wake_sum_us.load(Relaxed), self.wakes.load(Relaxed));
        let sum = Duration::from_micros(sum).as_secs_f64();
        let _ = writeln!(out, "berth_wake_seconds_sum {sum}\nberth_wake_seconds_count {count}\n# EOF");
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renders_counters_gauges_and_the_histogram() {
        let metrics = Metrics::default();
        metrics.record_call(Duration::from_micros(70));
        metrics.record_call(Duration::from_secs(3600));
        metrics.record_wake(Duration::from_millis(500));
        let gauges = Gauges {
            instances: vec![("running", 2), ("failed", 0)],
            sessions: 3,
            parked: 2,
            listens: 4,
            in_flight: 5,
            ports: 1,
            groups: 6,
            workers: vec![("github".to_owned(), 2)],
        };
        let text = metrics.render(&gauges).unwrap();
        for line in [
            "berth_calls_total 2",
            "berth_orphans_total 0",
            "berth_wake_seconds_sum 0.5",
            "berth_wake_seconds_count 1",
            "berth_instances{state=\"running\"} 2",
            "berth_sessions 3",
            "berth_parked_calls 2",
            "berth_listen_streams 4",
            "berth_calls_in_flight 5",
            "berth_cgroups 6",
            "berth_shared_processes{service=\"github\"} 2",
            "berth_call_duration_seconds_bucket{le=\"0.0001\"} 1",
            "berth_call_duration_seconds_bucket{le=\"+Inf\"} 2",
        ] {
            assert!(text.contains(line), "{line} not in\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
    }
}
