//! People and their limits.

use std::time::Duration;

use super::{
    ConfigError, Source,
    source::{read, read_between},
};
use crate::domain::quota::Quota;

/// Settings of people and their limits.
#[derive(Clone, Debug)]
pub struct AuthConfig {
    /// `instance_quota`: instances per user, unless an administrator sets another. Default 10.
    pub instance_quota: u32,
    /// `quota_running`: processes of instances per user at a time. Default 0: without a limit.
    pub quota_running: u32,
    /// `quota_memory_bytes`: sum of the memory limits of instances that run, per user. Default 0: without a
    /// limit.
    pub quota_memory_bytes: u64,
    /// `quota_calls_per_day`: requests to instances per user and day, UTC. Default 0: without a limit.
    pub quota_calls_per_day: u64,
    /// `quota_creations_per_hour`: instances that a user may make within an hour. Default 0: without a limit.
    pub quota_creations_per_hour: u32,
    /// `calls_per_second`: requests per user and second, over all their instances, with a burst of
    /// as many. A fuse against runaway clients, not a quota. Default 100 000.
    pub calls_per_second: u32,
    /// `service_calls_per_second`: the same per user and service. Default 0: without a limit.
    pub service_calls_per_second: u32,
    /// `token_calls_per_second`: the same per token. Default 0: without a limit.
    pub token_calls_per_second: u32,
    /// `login_attempts`: failed sign-ins per address and per account in 15 minutes. Default 10.
    pub login_attempts: u32,
    /// `sign_in_days`: how long a dashboard sign-in lasts. Default 14.
    pub sign_in_lifetime: Duration,
    /// `user_services`: whether users who are not administrators may add services. Default false:
    /// a service is a command that runs on this host.
    pub user_services: bool,
    /// `access_token_seconds`: how long an OAuth client may use an access token. Default 3600.
    pub access_token_lifetime: Duration,
    /// `refresh_token_days`: how long an OAuth client may be away before its user has to consent anew.
    /// Default 60.
    pub refresh_token_lifetime: Duration,
    /// `audit_keep_days`: how long entries of the audit log are kept; `None` (0): for ever. Default 400.
    pub audit_keep: Option<Duration>,
    /// `user_undo_hours`: how long a removed account can be brought back; `None` (0): not at all. Default 24.
    pub user_undo: Option<Duration>,
}

impl AuthConfig {
    pub(super) fn read(source: &dyn Source) -> Result<Self, ConfigError> {
        let number = |key: &str, default: u64, least: u64, most: u64| {
            read_between(source, key, default, least, most).map(|value| u32::try_from(value).unwrap_or(u32::MAX))
        };
        Ok(Self {
            instance_quota: number("instance_quota", 10, 0, 1_000_000)?,
            quota_running: number("quota_running", 0, 0, 1_000_000)?,
            quota_memory_bytes: read_between(source, "quota_memory_bytes", 0, 0, 1 << 60)?,
            quota_calls_per_day: read_between(source, "quota_calls_per_day", 0, 0, 1 << 39)?,
            quota_creations_per_hour: number("quota_creations_per_hour", 0, 0, 1_000_000)?,
            calls_per_second: number("calls_per_second", 100_000, 1, 10_000_000)?,
            service_calls_per_second: number("service_calls_per_second", 0, 0, 10_000_000)?,
            token_calls_per_second: number("token_calls_per_second", 0, 0, 10_000_000)?,
            login_attempts: number("login_attempts", 10, 1, 10_000)?,
            sign_in_lifetime: Duration::from_secs(86_400 * read_between(source, "sign_in_days", 14, 1, 365)?),
            user_services: read(source, "user_services", false)?,
            access_token_lifetime: Duration::from_secs(read_between(source, "access_token_seconds", 3600, 1, 86_400)?),
            refresh_token_lifetime: Duration::from_secs(
                86_400 * read_between(source, "refresh_token_days", 60, 1, 3650)?,
            ),
            audit_keep: lasting(86_400 * read_between(source, "audit_keep_days", 400, 0, 36_500)?),
            user_undo: lasting(3600 * read_between(source, "user_undo_hours", 24, 0, 8760)?),
        })
    }

    /// What everybody may use, unless an administrator says otherwise.
    #[must_use]
    pub const fn quota(&self) -> Quota {
        Quota {
            instances: Some(self.instance_quota),
            running: Some(self.quota_running),
            memory_bytes: Some(self.quota_memory_bytes),
            calls_per_day: Some(self.quota_calls_per_day),
            creations_per_hour: Some(self.quota_creations_per_hour),
            calls_per_second: Some(self.calls_per_second),
            service_calls_per_second: Some(self.service_calls_per_second),
            token_calls_per_second: Some(self.token_calls_per_second),
        }
    }
}

/// So many seconds; none of them is no duration at all.
fn lasting(seconds: u64) -> Option<Duration> {
    (seconds > 0).then_some(Duration::from_secs(seconds))
}
