//! The range of user ids that instances run under, one per person.

use std::{fmt, str::FromStr};

use thiserror::Error;

/// Why a range was refused.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("{0:?} is not a range of user ids: write FIRST-LAST, both between 1000 and 4294967293, first not above last")]
pub struct UidRangeError(String);

/// An inclusive range of user ids that nobody else on the host has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UidRange {
    first: u32,
    last: u32,
}

impl UidRange {
    /// Outside of every range that systemd, the distributions and container engines set apart.
    pub const DEFAULT: Self = Self { first: 1_900_000_000, last: 1_900_065_535 };

    /// The id of the user with the ordinal `number`; `None` when the range has no more.
    #[must_use]
    pub fn of(self, number: u32) -> Option<u32> {
        self.first.checked_add(number).filter(|uid| *uid <= self.last)
    }
}

impl UidRange {
    /// The id of what Berth runs for nobody in particular, counted from the end of the range, which people reach
    /// last; `None` when the range has no more.
    #[must_use]
    pub fn from_end(self, number: u32) -> Option<u32> {
        self.last.checked_sub(number).filter(|uid| *uid >= self.first)
    }
}

impl FromStr for UidRange {
    type Err = UidRangeError;

    fn from_str(text: &str) -> Result<Self, UidRangeError> {
        let refused = || UidRangeError(text.to_owned());
        let (first, last) = text.split_once('-').ok_or_else(refused)?;
        let number = |text: &str| text.trim().parse::<u32>().map_err(|_| refused());
        let range = Self { first: number(first)?, last: number(last)? };
        // The two highest numbers mean "nobody" to system calls; the lowest are the system's own.
        let is_usable = range.first >= 1000 && range.first <= range.last && range.last < u32::MAX - 1;
        if is_usable { Ok(range) } else { Err(refused()) }
    }
}

impl fmt::Display for UidRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_gives_its_numbers_and_no_other() {
        let range: UidRange = "5000-5002".parse().unwrap();
        assert_eq!(
            [0, 1, 2, 3, u32::MAX].map(|number| range.of(number)),
            [Some(5000), Some(5001), Some(5002), None, None]
        );
        let from_end = [0, 2, 3, u32::MAX].map(|number| range.from_end(number));
        assert_eq!(from_end, [Some(5002), Some(5000), None, None]);
        assert_eq!(UidRange::DEFAULT.to_string().parse(), Ok(UidRange::DEFAULT));
        for text in ["", "5000", "0-10", "6000-5000", "5000-4294967295", "5000-4294967294", "a-b"] {
            assert!(text.parse::<UidRange>().is_err(), "{text}");
        }
    }
}
