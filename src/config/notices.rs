//! What people are told, and how.

use std::{str::FromStr, time::Duration};

use super::{
    ConfigError, Source,
    source::{read, read_between},
};

/// Settings of notifications.
#[derive(Clone, Debug)]
pub struct NoticesConfig {
    /// `expiry_notice_hours`: how long before its expiry the owner of an instance is told, or half of its
    /// life where that is shorter. Default 24.
    pub expiry_ahead: Duration,
    /// `webhook_retry_seconds`: how long after each failed attempt a delivery is tried again, comma-separated;
    /// it is given up after the last. Default `60,300,1800,7200,28800`.
    pub retries: Retries,
    /// `webhook_patience_hours`: a webhook at which nothing has arrived for so long is disabled. Default 72.
    pub webhook_patience: Duration,
}

/// Waits between attempts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retries(Vec<Duration>);

impl Retries {
    /// How long to wait after the attempt of this number, counted from 1; `None`: give up.
    #[must_use]
    pub fn after(&self, attempt: u32) -> Option<Duration> {
        self.0.get(usize::try_from(attempt).ok()?.checked_sub(1)?).copied()
    }
}

impl Default for Retries {
    fn default() -> Self {
        Self([60, 300, 1800, 7200, 28_800].map(Duration::from_secs).to_vec())
    }
}

impl FromStr for Retries {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let second = |part: &str| part.trim().parse::<u32>().ok().filter(|seconds| (1..=2_592_000).contains(seconds));
        let waits: Option<Vec<u32>> = text.split(',').map(second).collect();
        let waits =
            waits.filter(|waits| waits.len() <= 20).ok_or("must be up to 20 numbers of seconds, comma-separated")?;
        Ok(Self(waits.into_iter().map(|seconds| Duration::from_secs(seconds.into())).collect()))
    }
}

impl NoticesConfig {
    pub(super) fn read(source: &dyn Source) -> Result<Self, ConfigError> {
        let hours = |key: &str, default: u64| {
            read_between(source, key, default, 1, 8760).map(|hours| Duration::from_secs(3600 * hours))
        };
        Ok(Self {
            expiry_ahead: hours("expiry_notice_hours", 24)?,
            retries: read(source, "webhook_retry_seconds", Retries::default())?,
            webhook_patience: hours("webhook_patience_hours", 72)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_taken_one_after_the_other() {
        let retries: Retries = "1, 20".parse().unwrap();
        let seconds = |attempt| retries.after(attempt).map(|wait| wait.as_secs());
        assert_eq!([0, 1, 2, 3].map(seconds), [None, Some(1), Some(20), None]);
        for wrong in ["", "0", "1,,2", "x", "1;2", "-1"] {
            assert!(wrong.parse::<Retries>().is_err(), "{wrong}");
        }
    }
}
