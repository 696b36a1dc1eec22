//! Failed sign-ins, counted per account and per address: guessing gets slow, for one account from
//! many addresses and for many accounts from one. In memory: a restart forgives.

use std::{collections::HashMap, time::Duration};

use parking_lot::Mutex;

use crate::domain::time::Timestamp;

const WINDOW: Duration = Duration::from_secs(15 * 60);
/// Keys that are remembered; the oldest windows go first.
const MAX_KEYS: usize = 50_000;

struct Failures {
    since: Timestamp,
    count: u32,
}

/// Counts failures.
pub struct Throttle {
    allowed: u32,
    failures: Mutex<HashMap<String, Failures>>,
}

impl Throttle {
    /// Allows `allowed` failures per key in 15 minutes.
    #[must_use]
    pub fn new(allowed: u32) -> Self {
        Self { allowed, failures: Mutex::default() }
    }

    /// How long the holder of any of these keys must wait; `None` when they may try.
    #[must_use]
    pub fn wait(&self, keys: &[&str], now: Timestamp) -> Option<Duration> {
        let failures = self.failures.lock();
        let waits = keys.iter().filter_map(|key| {
            let failed = failures.get(*key).filter(|failed| failed.count >= self.allowed)?;
            Some(failed.since.after(WINDOW).until(now)).filter(|wait| !wait.is_zero())
        });
        waits.max()
    }

    /// Records a failure under each key.
    pub fn failed(&self, keys: &[&str], now: Timestamp) {
        let mut failures = self.failures.lock();
        if failures.len() >= MAX_KEYS {
            failures.retain(|_, failed| failed.since.after(WINDOW) > now);
        }
        for key in keys {
            let failed = failures.entry((*key).to_owned()).or_insert(Failures { since: now, count: 0 });
            if failed.since.after(WINDOW) <= now {
                *failed = Failures { since: now, count: 0 };
            }
            failed.count += 1;
        }
    }

    /// Forgives an account: its owner has signed in.
    pub fn succeeded(&self, key: &str) {
        self.failures.lock().remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_per_key_and_forgives_with_time() {
        let throttle = Throttle::new(2);
        let minute = |n: i64| Timestamp(n * 60_000);
        throttle.failed(&["ann", "10.0.0.1"], minute(0));
        assert_eq!(throttle.wait(&["ann", "10.0.0.1"], minute(0)), None);
        throttle.failed(&["ann", "10.0.0.1"], minute(1));
        assert_eq!(throttle.wait(&["ann"], minute(1)), Some(Duration::from_secs(14 * 60)));
        assert_eq!(throttle.wait(&["bob", "10.0.0.1"], minute(1)), Some(Duration::from_secs(14 * 60)));
        assert_eq!(throttle.wait(&["bob", "10.0.0.2"], minute(1)), None);
        assert_eq!(throttle.wait(&["ann"], minute(15)), None);
        throttle.failed(&["ann"], minute(16));
        assert_eq!(throttle.wait(&["ann"], minute(16)), None);
        throttle.failed(&["ann"], minute(16));
        throttle.succeeded("ann");
        assert_eq!(throttle.wait(&["ann"], minute(16)), None);
    }
}
