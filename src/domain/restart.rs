//! When a failed instance is started again, and when Berth gives up.

use std::time::Duration;

use super::time::Timestamp;

/// Restart policy of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RestartPolicy {
    /// Restarts allowed inside the window; one more failure is `failed`. Default 5.
    pub max_restarts: u32,
    /// The window over which restarts are counted. Default 5 minutes.
    pub window: Duration,
    /// Delay before the first restart; doubles with each further one. Default 100 ms.
    pub base_delay: Duration,
    /// Longest delay. Default 30 s.
    pub max_delay: Duration,
}

impl Default for RestartPolicy {
    fn default() -> Self {
        Self {
            max_restarts: 5,
            window: Duration::from_secs(300),
            base_delay: Duration::from_millis(100),
            max_delay: Duration::from_secs(30),
        }
    }
}

/// What to do after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Start again after this delay.
    RestartAfter(Duration),
    /// Too many failures in the window: stay down until a person acts.
    GiveUp,
}

/// The failures inside the window, oldest first.
#[derive(Clone, Debug, Default)]
pub struct RestartHistory {
    failures: Vec<Timestamp>,
}

impl RestartHistory {
    /// Records a failure at `now` and decides.
    pub fn record(&mut self, policy: &RestartPolicy, now: Timestamp) -> Verdict {
        let window = i64::try_from(policy.window.as_millis()).unwrap_or(i64::MAX);
        self.failures.retain(|failed| now.0.saturating_sub(failed.0) < window);
        let earlier = self.count();
        self.failures.push(now);
        if earlier >= policy.max_restarts {
            return Verdict::GiveUp;
        }
        let doubled = policy.base_delay.saturating_mul(1_u32.checked_shl(earlier).unwrap_or(u32::MAX));
        Verdict::RestartAfter(doubled.min(policy.max_delay))
    }

    /// Failures still inside the window at the last `record`.
    #[must_use]
    pub fn count(&self) -> u32 {
        u32::try_from(self.failures.len()).unwrap_or(u32::MAX)
    }

    /// Forgets everything: a person started the instance, so it gets a full budget again.
    pub fn clear(&mut self) {
        self.failures.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_then_gives_up_after_five() {
        let policy = RestartPolicy::default();
        let mut history = RestartHistory::default();
        let delays: Vec<Verdict> = (0..6).map(|second| history.record(&policy, Timestamp(second * 1000))).collect();
        let after = |ms| Verdict::RestartAfter(Duration::from_millis(ms));
        assert_eq!(delays, [after(100), after(200), after(400), after(800), after(1600), Verdict::GiveUp]);
    }

    #[test]
    fn failures_outside_the_window_are_forgotten() {
        let policy = RestartPolicy::default();
        let mut history = RestartHistory::default();
        for minute in 0..50 {
            let verdict = history.record(&policy, Timestamp(minute * 60_000));
            assert_ne!(verdict, Verdict::GiveUp, "minute {minute}");
        }
    }

    #[test]
    fn delay_is_capped_and_a_person_resets_the_count() {
        let policy = RestartPolicy { max_restarts: 64, ..RestartPolicy::default() };
        let mut history = RestartHistory::default();
        let last = (0..40).map(|_| history.record(&policy, Timestamp(0))).last();
        assert_eq!(last, Some(Verdict::RestartAfter(Duration::from_secs(30))));
        history.clear();
        assert_eq!(history.record(&policy, Timestamp(0)), Verdict::RestartAfter(Duration::from_millis(100)));
    }
}
