//! How much a principal may ask for: rates and the day's calls, decided on the way of every request.
//!
//! Owner of state: [`Account`] has the rate limiters of one user, made anew when what they were given
//! changes; [`Ledger`] has what was counted, which outlives that. Invariant: a call that finds its
//! [`Lane`] takes no lock and allocates nothing; a lane is made once per user and service.

mod ledger;
mod rate;

use std::{
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;

pub use self::{
    ledger::{Ledger, Meter, Tally},
    rate::{Limited, Policy, Rate, Room},
};
use crate::domain::{ids::UserId, metering::Day, names::ServiceName, quota::Entitlement, time::Timestamp};

/// What one user may use, and what keeps them to it. Shared by all their proofs of identity.
pub struct Account {
    /// Whose.
    pub user: UserId,
    /// What they may use.
    pub entitlement: Entitlement,
    rate: Option<Rate>,
    tally: Arc<Tally>,
    ledger: Arc<Ledger>,
    /// The last day whose calls were used up, as somebody was told.
    told_of: AtomicI64,
    /// Grows by one at the first call of a service, and is replaced then.
    lanes: ArcSwap<Vec<Arc<Lane>>>,
}

/// The way of one user's calls to the instances of one service.
pub struct Lane {
    service: ServiceName,
    /// Whether they may use the service.
    pub is_allowed: bool,
    rate: Option<Rate>,
    /// What is counted of it.
    pub meter: Arc<Meter>,
}

impl Account {
    /// That of `user`, who may use so much.
    #[must_use]
    pub fn new(user: UserId, entitlement: Entitlement, ledger: &Arc<Ledger>) -> Arc<Self> {
        Arc::new(Self {
            user,
            rate: entitlement.calls_per_second.and_then(|calls| Rate::new(Policy::Account, calls)),
            tally: ledger.tally(user),
            ledger: Arc::clone(ledger),
            told_of: AtomicI64::new(i64::MIN),
            lanes: ArcSwap::default(),
            entitlement,
        })
    }

    /// The way to the instances of `service`.
    #[must_use]
    pub fn lane(&self, service: &ServiceName) -> Arc<Lane> {
        let find = |lanes: &[Arc<Lane>]| lanes.iter().find(|lane| lane.service == *service).cloned();
        if let Some(lane) = find(&self.lanes.load()) {
            return lane;
        }
        let fresh = Arc::new(Lane {
            is_allowed: self.entitlement.services.allows(service),
            rate: self.entitlement.service_calls_per_second.and_then(|calls| Rate::new(Policy::Service, calls)),
            meter: self.ledger.meter(self.user, service),
            service: service.clone(),
        });
        self.lanes.rcu(|lanes| match find(lanes) {
            Some(_) => Arc::clone(lanes),
            None => Arc::new(lanes.iter().chain([&fresh]).cloned().collect()),
        });
        // Another call may have been faster; its lane is the one that counts.
        find(&self.lanes.load()).unwrap_or(fresh)
    }

    /// Calls of the day that `now` lies in.
    #[must_use]
    pub fn calls_today(&self, now: Timestamp) -> u64 {
        self.tally.count(Day::of(now))
    }

    /// Whether nobody was told yet that the calls of this day are used up; from now on somebody is.
    pub fn is_news(&self, day: Day) -> bool {
        self.told_of.swap(day.0, Ordering::Relaxed) != day.0
    }

    fn count_call(&self, now: Timestamp) -> Result<(), Limited> {
        let (today, allowed) = (Day::of(now), self.entitlement.calls_per_day);
        if self.tally.take(today, allowed.unwrap_or(u64::MAX)) {
            return Ok(());
        }
        let quota = allowed.unwrap_or_default();
        Err(Limited { policy: Policy::Day, quota, wait: today.end().until(now) })
    }
}

/// The limiter of one token; none where tokens have no limit of their own.
pub(super) fn of_token(account: &Account) -> Option<Rate> {
    account.entitlement.token_calls_per_second.and_then(|calls| Rate::new(Policy::Token, calls))
}

impl super::Principal {
    /// Lets a request to an instance pass, or not; counts it where it `counts` as a call.
    ///
    /// # Errors
    /// Which limit was met, and for how long.
    pub fn take_call(&self, lane: &Lane, now: Timestamp, counts: bool) -> Result<(), Limited> {
        for rate in [&self.token_rate, &lane.rate, &self.account.rate].into_iter().flatten() {
            rate.check()?;
        }
        if counts {
            self.account.count_call(now)?;
            lane.meter.call(Day::of(now));
        }
        Ok(())
    }

    /// Lets a request to the API pass, or not; what is left of the limits then.
    ///
    /// # Errors
    /// Which limit was met, and for how long.
    pub fn take_request(&self) -> Result<[Option<Room>; 2], Limited> {
        let of_token = self.token_rate.as_ref().map(Rate::room).transpose()?;
        let of_account = self.account.rate.as_ref().map(Rate::room).transpose()?;
        Ok([of_account, of_token])
    }
}

/// Seconds to wait, for a header: never 0, and never too few.
#[must_use]
pub fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0)).max(1)
}

/// A burst of 0 is none at all, and the arithmetic behind it ends at a nanosecond per call.
fn burst(calls_per_second: u32) -> Option<NonZeroU32> {
    NonZeroU32::new(calls_per_second.min(100_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::quota::{Grant, Grants, Quota};

    fn account(quota: Quota) -> (Arc<Account>, Arc<Ledger>) {
        let ledger = Arc::new(Ledger::default());
        let grants = Grants { own: Grant { quota, services: None }, groups: Vec::new() };
        (Account::new(UserId::generate(), grants.entitlement(Quota::default()), &ledger), ledger)
    }

    #[test]
    fn the_day_has_so_many_calls_and_ends_at_midnight() {
        let (account, ledger) = account(Quota { calls_per_day: Some(2), ..Quota::default() });
        let (evening, midnight) = (Timestamp(86_400_000 - 1500), Timestamp(86_400_000));
        assert!(account.count_call(evening).is_ok() && account.count_call(evening).is_ok());
        let refused = account.count_call(evening).unwrap_err();
        assert_eq!((refused.policy, refused.quota, refused.wait), (Policy::Day, 2, Duration::from_millis(1500)));
        assert_eq!(account.calls_today(evening), 2, "what is refused does not count");
        assert!(account.count_call(midnight).is_ok());
        assert_eq!((account.calls_today(midnight), account.calls_today(evening)), (1, 0));
        // What the user was given has changed: what was counted stays.
        let again = Account::new(account.user, Entitlement::unlimited(), &ledger);
        assert_eq!(again.calls_today(midnight), 1);
    }

    #[test]
    fn of_many_calls_at_once_as_many_pass_as_may() {
        let (account, _) = account(Quota { calls_per_day: Some(1000), ..Quota::default() });
        let passed: usize = std::thread::scope(|scope| {
            let calls = || (0..500).filter(|_| account.count_call(Timestamp(5)).is_ok()).count();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(calls)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!((passed, account.calls_today(Timestamp(5))), (1000, 1000));
    }

    #[test]
    fn each_service_has_one_lane() {
        let (account, _) = account(Quota { service_calls_per_second: Some(1), ..Quota::default() });
        let (gmail, slack) = ("gmail".parse().unwrap(), "slack".parse().unwrap());
        let lane = account.lane(&gmail);
        assert!(Arc::ptr_eq(&lane, &account.lane(&gmail)) && !Arc::ptr_eq(&lane, &account.lane(&slack)));
        assert!(lane.rate.as_ref().unwrap().check().is_ok());
        let refused = lane.rate.as_ref().unwrap().check().unwrap_err();
        assert_eq!((refused.policy, whole_seconds(refused.wait)), (Policy::Service, 1));
        assert!(account.lane(&slack).rate.as_ref().unwrap().check().is_ok(), "another service");
    }

    #[test]
    fn waits_are_rounded_up() {
        for (millis, seconds) in [(0, 1), (1, 1), (1000, 1), (1001, 2), (90_000, 90)] {
            assert_eq!(whole_seconds(Duration::from_millis(millis)), seconds, "{millis}");
        }
    }
}
