//! People and their limits.

use std::time::Duration;

use super::{
    ConfigError, Source,
    source::{read, read_between},
};

/// Settings of people and their limits.
#[derive(Clone, Debug)]
pub struct AuthConfig {
    /// `instance_quota`: instances per user, unless an administrator sets another. Default 10.
    pub instance_quota: u32,
    /// `calls_per_second`: requests per user and second, over all their instances, with a burst of
    /// as many. A fuse against runaway clients, not a quota. Default 100 000.
    pub calls_per_second: u32,
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
}

impl AuthConfig {
    pub(super) fn read(source: &dyn Source) -> Result<Self, ConfigError> {
        let number = |key: &str, default: u64, least: u64, most: u64| {
            read_between(source, key, default, least, most).map(|value| u32::try_from(value).unwrap_or(u32::MAX))
        };
        Ok(Self {
            instance_quota: number("instance_quota", 10, 0, 1_000_000)?,
            calls_per_second: number("calls_per_second", 100_000, 1, 10_000_000)?,
            login_attempts: number("login_attempts", 10, 1, 10_000)?,
            sign_in_lifetime: Duration::from_secs(86_400 * read_between(source, "sign_in_days", 14, 1, 365)?),
            user_services: read(source, "user_services", false)?,
            access_token_lifetime: Duration::from_secs(read_between(source, "access_token_seconds", 3600, 1, 86_400)?),
            refresh_token_lifetime: Duration::from_secs(
                86_400 * read_between(source, "refresh_token_days", 60, 1, 3650)?,
            ),
        })
    }
}
