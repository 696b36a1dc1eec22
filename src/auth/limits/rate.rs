//! Rates: so many per second, with a burst of as many (GCRA).

use std::time::Duration;

use governor::{
    Quota, RateLimiter,
    clock::{Clock, DefaultClock},
    middleware::{StateInformationMiddleware, StateSnapshot},
    state::{InMemoryState, NotKeyed},
};

use super::burst;

type Limiter = RateLimiter<NotKeyed, InMemoryState, DefaultClock, StateInformationMiddleware>;

/// Which limit it is, as clients are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Of all requests of an account, per second.
    Account,
    /// Of requests of an account to one service, per second.
    Service,
    /// Of requests with one token, per second.
    Token,
    /// Of requests of an account to instances, per day.
    Day,
}

impl Policy {
    /// Its name in the `RateLimit` fields.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Service => "service",
            Self::Token => "token",
            Self::Day => "day",
        }
    }

    /// The time to which its quota belongs, in seconds.
    #[must_use]
    pub const fn window_seconds(self) -> u64 {
        match self {
            Self::Account | Self::Service | Self::Token => 1,
            Self::Day => 86_400,
        }
    }
}

/// A limit that was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limited {
    /// Which.
    pub policy: Policy,
    /// How many it allows in its window.
    pub quota: u64,
    /// How long until the next may pass.
    pub wait: Duration,
}

/// What is left of a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Of which.
    pub policy: Policy,
    /// How many it allows in its window.
    pub quota: u64,
    /// How many may pass now.
    pub remaining: u64,
}

/// So many per second.
pub struct Rate {
    policy: Policy,
    per_second: u32,
    limiter: Limiter,
}

impl Rate {
    /// `None` when 0 per second are asked for: that is no limit.
    pub(super) fn new(policy: Policy, per_second: u32) -> Option<Self> {
        let burst = burst(per_second)?;
        let limiter = RateLimiter::direct(Quota::per_second(burst)).with_middleware();
        Some(Self { policy, per_second: burst.get(), limiter })
    }

    /// Takes one; what is left is counted out only where somebody asks, see [`Rate::room`].
    ///
    /// # Errors
    /// When there is none: for how long.
    pub(super) fn check(&self) -> Result<StateSnapshot, Limited> {
        self.limiter.check().map_err(|not_until| {
            let wait = not_until.wait_time_from(DefaultClock::default().now());
            Limited { policy: self.policy, quota: self.per_second.into(), wait }
        })
    }

    /// The same, and what is left then.
    ///
    /// # Errors
    /// As [`Rate::check`].
    pub(super) fn room(&self) -> Result<Room, Limited> {
        let remaining = self.check()?.remaining_burst_capacity().into();
        Ok(Room { policy: self.policy, quota: self.per_second.into(), remaining })
    }
}
