//! What was called: counted without a lock on the way of the call, gathered and written down every few
//! seconds.
//!
//! A [`Tally`] counts the calls of one user on one day, for their quota; a [`Meter`] counts those to one
//! service with errors and latencies, for the record. What is not written when Berth is killed is lost: at
//! most the time between two writes.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use parking_lot::Mutex;

use crate::{
    db::{Db, DbError, usage_days},
    domain::{
        ids::UserId,
        metering::{Counts, Day, LATENCY_BOUNDS, Latencies, UsageKey, latency_bucket},
        names::ServiceName,
        time::Timestamp,
    },
};

/// Bits of a tally's word that count; those above are the day. 10^12 calls a day, and days for 45 000 years.
const COUNT_BITS: u32 = 40;
const COUNT_MASK: u64 = (1 << COUNT_BITS) - 1;

/// The calls of one user on one day: the day and the count in one word, so that both change at once.
#[derive(Default)]
pub struct Tally(AtomicU64);

impl Tally {
    /// Counts a call on `day` unless there were `allowed` already; whether it did.
    pub(super) fn take(&self, day: Day, allowed: u64) -> bool {
        let day = u64::try_from(day.0).unwrap_or_default();
        let most = allowed.min(COUNT_MASK);
        let next = |word: u64| {
            let known = word >> COUNT_BITS;
            // One that came just before midnight and is counted just after it begins no day anew.
            let is_open = known == day || known == day + 1;
            let (day, count) = if is_open { (known, word & COUNT_MASK) } else { (day, 0) };
            (count < most).then_some(day << COUNT_BITS | (count + 1))
        };
        self.0.fetch_update(Relaxed, Relaxed, next).is_ok()
    }

    /// The calls counted on `day`.
    pub(super) fn count(&self, day: Day) -> u64 {
        let word = self.0.load(Relaxed);
        let is_that_day = word >> COUNT_BITS == u64::try_from(day.0).unwrap_or_default();
        if is_that_day { word & COUNT_MASK } else { 0 }
    }
}

/// What one user called of one service, since it was last gathered. Two days are open at a time, the even
/// one and the odd one: a call that came before midnight may be answered after it.
#[derive(Default)]
pub struct Meter {
    days: [OpenDay; 2],
}

#[derive(Default)]
struct OpenDay {
    calls: AtomicU64,
    errors: AtomicU64,
    micros: AtomicU64,
    latencies: [AtomicU64; LATENCY_BOUNDS.len()],
}

impl Meter {
    fn day(&self, day: Day) -> &OpenDay {
        let [even, odd] = &self.days;
        if day.0 & 1 == 0 { even } else { odd }
    }

    /// Counts a call.
    pub(super) fn call(&self, day: Day) {
        self.day(day).calls.fetch_add(1, Relaxed);
    }

    /// Counts the answer to a call that came at `at`.
    pub fn answered(&self, at: Timestamp, took: Duration, is_error: bool) {
        let day = self.day(Day::of(at));
        day.micros.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Relaxed);
        if is_error {
            day.errors.fetch_add(1, Relaxed);
        }
        if let Some(bucket) = day.latencies.get(latency_bucket(took)) {
            bucket.fetch_add(1, Relaxed);
        }
    }
}

impl OpenDay {
    fn take(&self) -> Counts {
        let take = |counter: &AtomicU64| counter.swap(0, Relaxed);
        let mut latencies = Latencies::default();
        for (sum, counter) in latencies.0.iter_mut().zip(&self.latencies) {
            *sum = take(counter);
        }
        Counts { calls: take(&self.calls), errors: take(&self.errors), micros_sum: take(&self.micros), latencies }
    }
}

/// All that is counted.
#[derive(Default)]
pub struct Ledger {
    tallies: Mutex<HashMap<UserId, Arc<Tally>>>,
    meters: Mutex<HashMap<(UserId, ServiceName), Arc<Meter>>>,
    /// Gathered and not written yet.
    gathered: Mutex<HashMap<UsageKey, Counts>>,
}

impl Ledger {
    /// Goes on where the last run stopped: the calls of `today` by user.
    pub fn restore(&self, today: Day, calls: HashMap<UserId, u64>) {
        let mut tallies = self.tallies.lock();
        for (user, count) in calls {
            let day = u64::try_from(today.0).unwrap_or_default() << COUNT_BITS;
            tallies.insert(user, Arc::new(Tally(AtomicU64::new(day | count.min(COUNT_MASK)))));
        }
    }

    pub(super) fn tally(&self, user: UserId) -> Arc<Tally> {
        Arc::clone(self.tallies.lock().entry(user).or_default())
    }

    pub(super) fn meter(&self, user: UserId, service: &ServiceName) -> Arc<Meter> {
        Arc::clone(self.meters.lock().entry((user, service.clone())).or_default())
    }

    /// The calls of a user on `day`, whether they were written or not.
    #[must_use]
    pub fn calls(&self, user: UserId, day: Day) -> u64 {
        self.tallies.lock().get(&user).map_or(0, |tally| tally.count(day))
    }

    /// Writes down what was counted since the last time. Only one at a time.
    ///
    /// # Errors
    /// When the database cannot be written; what was counted is kept for the next time.
    pub async fn flush(&self, db: &Db, now: Timestamp) -> Result<(), DbError> {
        self.gather(Day::of(now));
        let parts: Vec<(UsageKey, Counts)> = self.gathered.lock().drain().collect();
        if parts.is_empty() {
            return Ok(());
        }
        let batch = parts.clone();
        let written = db.write(move |conn| usage_days::add(conn, &batch)).await;
        if written.is_err() {
            parts.iter().for_each(|(key, counts)| self.keep(key.clone(), counts));
        }
        written
    }

    /// Takes from every meter what is there. The day that is not today's is yesterday's.
    fn gather(&self, today: Day) {
        let meters: Vec<_> = self.meters.lock().iter().map(|(key, meter)| (key.clone(), Arc::clone(meter))).collect();
        for ((user, service), meter) in meters {
            for day in [today, Day(today.0 - 1)] {
                let counts = meter.day(day).take();
                if !counts.is_empty() {
                    self.keep(UsageKey { user, service: service.clone(), day }, &counts);
                }
            }
        }
    }

    fn keep(&self, key: UsageKey, counts: &Counts) {
        self.gathered.lock().entry(key).or_default().merge(counts);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_belong_to_the_day_on_which_they_came() {
        let ledger = Ledger::default();
        let (user, service) = (UserId::generate(), "gmail".parse().unwrap());
        let meter = ledger.meter(user, &service);
        let (today, yesterday) = (Day(20_000), Day(19_999));
        meter.call(yesterday);
        meter.answered(yesterday.begin(), Duration::from_millis(3), true);
        meter.call(today);
        meter.call(today);
        meter.answered(today.begin(), Duration::from_micros(60), false);
        ledger.gather(today);
        ledger.gather(today);
        let gathered = ledger.gathered.lock();
        let of = |day| gathered[&UsageKey { user, service: service.clone(), day }];
        assert_eq!((of(yesterday).calls, of(yesterday).errors, of(yesterday).micros_sum), (1, 1, 3000));
        assert_eq!((of(today).calls, of(today).errors, of(today).latencies.0[0]), (2, 0, 1));
        assert_eq!(gathered.len(), 2);
    }

    #[test]
    fn a_day_goes_on_after_a_restart() {
        let ledger = Ledger::default();
        let user = UserId::generate();
        ledger.restore(Day(5), HashMap::from([(user, 9)]));
        let tally = ledger.tally(user);
        assert!(tally.take(Day(5), 10) && !tally.take(Day(5), 10));
        assert_eq!((ledger.calls(user, Day(5)), ledger.calls(user, Day(6))), (10, 0));
        assert!(tally.take(Day(6), 1) && !tally.take(Day(6), 1));
        assert!(!tally.take(Day(6), 0) && !tally.take(Day(5), 1), "yesterday is over");
    }
}
