//! Points in time as milliseconds since the Unix epoch; RFC 3339 UTC at the edges.

use std::{fmt, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Milliseconds since the Unix epoch, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The wall clock's time.
    #[must_use]
    pub fn now() -> Self {
        Self(jiff::Timestamp::now().as_millisecond())
    }

    /// This moment and `duration` later; saturates.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }

    /// How long from `now` until this moment; zero when it has passed.
    #[must_use]
    pub fn until(self, now: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(now.0)).unwrap_or(0))
    }
}

const DAY_MS: i64 = 86_400_000;

/// A time of day, UTC: `07:45`, or `07:45:30`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeOfDay(jiff::civil::Time);

impl TimeOfDay {
    /// The first moment after `now` at which it is that time.
    #[must_use]
    pub fn next_after(self, now: Timestamp) -> Timestamp {
        let seconds = i64::from(self.0.hour()) * 3600 + i64::from(self.0.minute()) * 60 + i64::from(self.0.second());
        let today = now.0 - now.0.rem_euclid(DAY_MS) + seconds * 1000;
        Timestamp(if today > now.0 { today } else { today + DAY_MS })
    }
}

impl Serialize for TimeOfDay {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for TimeOfDay {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let wrong = |_| serde::de::Error::custom(format!("{text:?} is no time of day; write it as 07:45 (UTC)"));
        text.parse().map(Self).map_err(wrong)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(moment) => write!(f, "{moment:.3}"),
            Err(_) => write!(f, "{}", self.0),
        }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse::<jiff::Timestamp>().map(|moment| Self(moment.as_millisecond())).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_day_comes_once_a_day() {
        let at = |text: &str| serde_json::from_value::<TimeOfDay>(text.into());
        let moment = |text: &str| serde_json::from_value::<Timestamp>(text.into()).unwrap();
        let cases = [
            ("07:45", "2026-03-01T07:44:59.999Z", "2026-03-01T07:45:00Z"),
            ("07:45", "2026-03-01T07:45:00Z", "2026-03-02T07:45:00Z"),
            ("00:00:01", "2026-12-31T23:59:59Z", "2027-01-01T00:00:01Z"),
            ("23:59:59", "1969-12-31T00:00:00Z", "1969-12-31T23:59:59Z"),
        ];
        for (time, now, next) in cases {
            assert_eq!(at(time).unwrap().next_after(moment(now)), moment(next), "{time} after {now}");
        }
        for wrong in ["", "7", "25:00", "noon"] {
            assert!(at(wrong).unwrap_err().to_string().contains("07:45"), "{wrong}");
        }
        assert_eq!(serde_json::to_value(at("07:45").unwrap()).unwrap(), "07:45:00");
    }

    #[test]
    fn renders_rfc_3339_and_reads_it_back() {
        let moment = Timestamp(1_760_000_000_123);
        assert_eq!(moment.to_string(), "2025-10-09T08:53:20.123Z");
        let json = serde_json::to_string(&moment).unwrap();
        assert_eq!(serde_json::from_str::<Timestamp>(&json).unwrap(), moment);
    }

    #[test]
    fn until_never_goes_below_zero() {
        assert_eq!(Timestamp(5).until(Timestamp(9)), Duration::ZERO);
        assert_eq!(Timestamp(9).until(Timestamp(5)), Duration::from_millis(4));
    }
}
