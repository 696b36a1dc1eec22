//! The time-out of a call during which somebody may be asked.

use std::{
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::time::Instant;

/// Stops a call's time-out while somebody is being asked: people take longer than servers.
#[derive(Default)]
pub(in crate::mcp) struct Clock {
    asked: AtomicUsize,
    stopped: Mutex<Option<Instant>>,
    resumed: Mutex<Option<Instant>>,
}

impl Clock {
    /// Somebody is being asked.
    pub(in crate::mcp) fn stop(&self) {
        *self.stopped.lock() = Some(Instant::now());
        self.asked.fetch_add(1, Relaxed);
    }

    /// Whether somebody is being asked, for longer than `since`.
    pub(in crate::mcp) fn stands_still(&self, since: Duration) -> bool {
        self.asked.load(Relaxed) > 0 && self.stopped.lock().is_some_and(|at| at.elapsed() >= since)
    }

    /// The answer has come.
    pub(in crate::mcp) fn resume(&self) {
        *self.resumed.lock() = Some(Instant::now());
        self.asked.fetch_sub(1, Relaxed);
    }

    /// What is left of `timeout` when a timer of that length has just run out.
    pub(in crate::mcp) fn left(&self, timeout: Duration) -> Option<Duration> {
        self.left_at(Instant::now(), timeout)
    }

    fn left_at(&self, now: Instant, timeout: Duration) -> Option<Duration> {
        if self.asked.load(Relaxed) > 0 {
            return Some(timeout);
        }
        let since = self.resumed.lock().map(|at| now.saturating_duration_since(at))?;
        timeout.checked_sub(since).filter(|left| !left.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_stands_still_while_somebody_is_asked() {
        let (clock, timeout) = (Clock::default(), Duration::from_secs(10));
        assert_eq!(clock.left(timeout), None);
        clock.stop();
        assert_eq!(clock.left(timeout), Some(timeout));
        let before = Instant::now();
        clock.resume();
        let after = Instant::now();
        let left = clock.left_at(before + Duration::from_secs(4), timeout).unwrap();
        assert!(left >= Duration::from_secs(6) && left <= timeout);
        assert_eq!(clock.left_at(after + Duration::from_secs(10), timeout), None);
    }
}
