//! How much was called, by whom, how fast: counted per user, service and day, and summed up from there.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

use super::{ids::UserId, names::ServiceName, time::Timestamp};

const DAY_MS: i64 = 86_400_000;

/// A day, UTC: days since 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(pub i64);

impl Day {
    /// The day that `at` lies in.
    #[must_use]
    pub const fn of(at: Timestamp) -> Self {
        Self(at.0.div_euclid(DAY_MS))
    }

    /// When it begins.
    #[must_use]
    pub const fn begin(self) -> Timestamp {
        Timestamp(self.0.saturating_mul(DAY_MS))
    }

    /// When the next begins.
    #[must_use]
    pub const fn end(self) -> Timestamp {
        Self(self.0.saturating_add(1)).begin()
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.begin().to_string();
        f.write_str(text.split('T').next().unwrap_or(&text))
    }
}

impl FromStr for Day {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let date: jiff::civil::Date =
            text.parse().map_err(|_| format!("{text:?} is no day; write it as 2026-03-01"))?;
        let epoch = jiff::civil::Date::constant(1970, 1, 1);
        let days = date.since(epoch).map_err(|error| error.to_string())?.get_days();
        Ok(Self(days.into()))
    }
}

impl Serialize for Day {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Upper bounds of the latency buckets in microseconds; the last is without one.
pub const LATENCY_BOUNDS: [u64; 20] = [
    100,
    250,
    500,
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    30_000_000,
    60_000_000,
    300_000_000,
    u64::MAX,
];

/// The bucket that a latency falls into: an index of [`LATENCY_BOUNDS`].
#[must_use]
pub fn latency_bucket(took: Duration) -> usize {
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    LATENCY_BOUNDS.partition_point(|bound| *bound < micros)
}

/// How many answers took how long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Latencies(pub [u64; LATENCY_BOUNDS.len()]);

impl Latencies {
    /// The latency that the share `quantile` (0 to 1) of the answers did not exceed, interpolated within
    /// its bucket; nothing without answers.
    #[must_use]
    pub fn quantile(&self, quantile: f64) -> Option<Duration> {
        let total: u64 = self.0.iter().sum();
        if total == 0 {
            return None;
        }
        // As many answers as 2^52 never come, so nothing is lost by the floating point.
        #[expect(clippy::cast_precision_loss, reason = "see above")]
        let (rank, share) = (quantile * total as f64, |part: u64| part as f64);
        let (mut below, mut lower) = (0, 0);
        for (count, bound) in self.0.iter().zip(LATENCY_BOUNDS) {
            if *count > 0 && share(below + count) >= rank {
                // What is beyond the last bound is told as that bound.
                let upper = if bound == u64::MAX { lower } else { bound };
                let within = ((rank - share(below)) / share(*count)).clamp(0.0, 1.0);
                let micros = share(lower) + share(upper - lower) * within;
                return Some(Duration::from_secs_f64(micros / 1e6));
            }
            below += count;
            lower = bound;
        }
        None
    }
}

/// What was counted; parts add up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests to instances that were let through.
    pub calls: u64,
    /// Those that were answered with an HTTP status of 400 or more.
    pub errors: u64,
    /// Sum of the times until the answers' heads, in microseconds.
    pub micros_sum: u64,
    /// How many answers took how long.
    pub latencies: Latencies,
}

impl Counts {
    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Adds another part.
    pub fn merge(&mut self, other: &Self) {
        self.calls = self.calls.saturating_add(other.calls);
        self.errors = self.errors.saturating_add(other.errors);
        self.micros_sum = self.micros_sum.saturating_add(other.micros_sum);
        for (sum, more) in self.latencies.0.iter_mut().zip(other.latencies.0) {
            *sum = sum.saturating_add(more);
        }
    }
}

/// Whose calls of what, when.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UsageKey {
    /// Who called.
    pub user: UserId,
    /// Instances of which service.
    pub service: ServiceName,
    /// On which day.
    pub day: Day,
}

/// A record of the usage, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageDay {
    /// Whose calls of what, when.
    pub key: UsageKey,
    /// The user's address, as it was when it was counted last; it outlives the account.
    pub email: String,
    /// What was counted.
    pub counts: Counts,
}

/// By what usage is summed up; several at once are possible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupBy {
    /// One line per day.
    pub day: bool,
    /// One line per user.
    pub user: bool,
    /// One line per service.
    pub service: bool,
}

impl GroupBy {
    /// The records as they are.
    pub const ALL: Self = Self { day: true, user: true, service: true };
}

impl FromStr for GroupBy {
    type Err = String;

    /// Reads `day`, `user` and `service`, comma-separated.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut by = Self { day: false, user: false, service: false };
        for word in text.split(',').map(str::trim) {
            match word {
                "day" => by.day = true,
                "user" => by.user = true,
                "service" => by.service = true,
                other => return Err(format!("{other:?} is not one of day, user, service")),
            }
        }
        Ok(by)
    }
}

/// A sum of records; what they were not grouped by is absent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageSum {
    /// The day.
    pub day: Option<Day>,
    /// The user and their address.
    pub user: Option<(UserId, String)>,
    /// The service.
    pub service: Option<ServiceName>,
    /// What was counted.
    pub counts: Counts,
}

/// Sums up `records`; sorted by day, address and service.
#[must_use]
pub fn sum_up(records: Vec<UsageDay>, by: GroupBy) -> Vec<UsageSum> {
    type Key = (Option<Day>, Option<UserId>, Option<ServiceName>);
    let mut sums: std::collections::HashMap<Key, UsageSum> = std::collections::HashMap::new();
    for UsageDay { key, email, counts } in records {
        let day = by.day.then_some(key.day);
        let user = by.user.then_some((key.user, email));
        let service = by.service.then_some(key.service);
        let this = (day, user.as_ref().map(|(id, _)| *id), service.clone());
        let fresh = || UsageSum { day, user, service, counts: Counts::default() };
        sums.entry(this).or_insert_with(fresh).counts.merge(&counts);
    }
    let mut sums: Vec<UsageSum> = sums.into_values().collect();
    let email = |sum: &UsageSum| sum.user.as_ref().map(|(id, email)| (email.clone(), *id));
    sums.sort_by_key(|sum| (sum.day, email(sum), sum.service.clone()));
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_read_as_dates() {
        for (text, day) in [("1970-01-01", 0), ("1969-12-31", -1), ("2026-03-01", 20_513), ("2024-02-29", 19_782)] {
            assert_eq!(text.parse::<Day>().unwrap(), Day(day), "{text}");
            assert_eq!(Day(day).to_string(), text);
            assert_eq!((Day::of(Day(day).begin()), Day::of(Timestamp(Day(day).end().0 - 1))), (Day(day), Day(day)));
        }
        for wrong in ["", "2026-13-01", "yesterday"] {
            assert!(wrong.parse::<Day>().unwrap_err().contains("2026-03-01"), "{wrong}");
        }
    }

    #[test]
    fn quantiles_come_from_buckets() {
        let millis = |quantile, of: &[(u64, u64)]| {
            let mut latencies = Latencies::default();
            for (took_us, count) in of {
                latencies.0[latency_bucket(Duration::from_micros(*took_us))] += count;
            }
            latencies.quantile(quantile).map(|at| at.as_secs_f64() * 1000.0)
        };
        assert_eq!(millis(0.5, &[]), None);
        // All between 0.5 ms and 1 ms: the middle of the bucket.
        assert_eq!(millis(0.5, &[(700, 10)]), Some(0.75));
        assert_eq!(millis(1.0, &[(700, 10)]), Some(1.0));
        // 90 of 100 are fast, the slowest 10 between 1 s and 2.5 s.
        assert_eq!(millis(0.5, &[(10, 90), (2_000_000, 10)]).map(|at| at < 0.1), Some(true));
        assert_eq!(millis(0.95, &[(10, 90), (2_000_000, 10)]), Some(1750.0));
        assert_eq!(millis(0.5, &[(900_000_000, 1)]), Some(300_000.0));
    }

    #[test]
    fn records_add_up_by_what_is_asked() {
        let (ann, bob) = (UserId::generate(), UserId::generate());
        let record = |user: UserId, email: &str, service: &str, day, calls| UsageDay {
            key: UsageKey { user, service: service.parse().unwrap(), day: Day(day) },
            email: email.to_owned(),
            counts: Counts { calls, errors: 1, ..Counts::default() },
        };
        let records = vec![
            record(bob, "bob", "gmail", 2, 1),
            record(ann, "ann", "gmail", 1, 10),
            record(ann, "ann", "slack", 1, 100),
            record(ann, "ann", "gmail", 2, 1000),
        ];
        let calls = |by: &str| -> Vec<u64> {
            sum_up(records.clone(), by.parse().unwrap()).iter().map(|sum| sum.counts.calls).collect()
        };
        assert_eq!(calls("day"), [110, 1001]);
        assert_eq!(calls("user"), [1110, 1]);
        assert_eq!(calls("service"), [1011, 100]);
        assert_eq!(calls("user,service"), [1010, 100, 1]);
        assert_eq!(calls("day,user,service"), [10, 100, 1000, 1]);
        assert_eq!(sum_up(records, "day".parse().unwrap())[1].counts.errors, 2);
        assert!("week".parse::<GroupBy>().is_err());
    }
}
