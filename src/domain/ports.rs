//! Port ranges and the rule for choosing one. Pure: whether a port is free is asked of the caller.

use std::{fmt, ops::RangeInclusive, str::FromStr};

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Why a port range was refused.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("{0:?} is not a port range: write FIRST-LAST, both between 1 and 65535, first not above last")]
pub struct PortRangeError(String);

/// An inclusive range of TCP ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PortRange {
    first: u16,
    last: u16,
}

impl PortRange {
    /// Ports of dedicated HTTP children unless configured otherwise: 3001 to 3100.
    pub const DEDICATED: Self = Self { first: 3001, last: 3100 };
    /// Ports of shared services unless configured otherwise: 49160 to 49999.
    pub const SHARED: Self = Self { first: 49160, last: 49999 };

    /// Whether `port` lies in the range.
    #[must_use]
    pub fn contains(self, port: u16) -> bool {
        self.iter().contains(&port)
    }

    /// All ports, lowest first.
    #[must_use]
    pub fn iter(self) -> RangeInclusive<u16> {
        self.first..=self.last
    }

    /// The port to lease: the one it had before, else `3000 + user * 10 + number` when that is
    /// inside the range, else the lowest; in each case only if `is_free` says so.
    pub fn choose(
        self,
        previous: Option<u16>,
        user_number: u32,
        number: u32,
        mut is_free: impl FnMut(u16) -> bool,
    ) -> Option<u16> {
        let formula = user_number.checked_mul(10).and_then(|n| n.checked_add(number)).and_then(|n| n.checked_add(3000));
        let preferred = formula.and_then(|n| u16::try_from(n).ok());
        let candidates = previous.into_iter().chain(preferred).filter(|port| self.contains(*port));
        candidates.chain(self.iter()).find(|port| is_free(*port))
    }
}

impl FromStr for PortRange {
    type Err = PortRangeError;

    fn from_str(text: &str) -> Result<Self, PortRangeError> {
        let refused = || PortRangeError(text.to_owned());
        let (first, last) = text.split_once('-').ok_or_else(refused)?;
        let port = |part: &str| part.trim().parse::<u16>().ok().filter(|port| *port > 0).ok_or_else(refused);
        let (first, last) = (port(first)?, port(last)?);
        if first > last { Err(refused()) } else { Ok(Self { first, last }) }
    }
}

impl TryFrom<String> for PortRange {
    type Error = PortRangeError;

    fn try_from(text: String) -> Result<Self, PortRangeError> {
        text.parse()
    }
}

impl From<PortRange> for String {
    fn from(range: PortRange) -> Self {
        range.to_string()
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn follows_the_formula_then_the_lowest_free() {
        let taken = |busy: &'static [u16]| move |port: u16| !busy.contains(&port);
        let range = PortRange::DEDICATED;
        assert_eq!(range.choose(None, 1, 2, taken(&[])), Some(3012));
        assert_eq!(range.choose(Some(3050), 1, 2, taken(&[])), Some(3050));
        assert_eq!(range.choose(Some(3050), 1, 2, taken(&[3050])), Some(3012));
        assert_eq!(range.choose(None, 1, 2, taken(&[3012])), Some(3001));
        assert_eq!(range.choose(None, 500, 1, taken(&[3001])), Some(3002));
        assert_eq!(range.choose(Some(80), u32::MAX, 1, taken(&[])), Some(3001));
        assert_eq!(range.choose(None, 1, 1, |_| false), None);
    }

    #[test]
    fn reads_ranges() {
        assert_eq!("3001-3100".parse(), Ok(PortRange::DEDICATED));
        for text in ["", "1", "0-5", "9-3", "1-70000", "a-b"] {
            assert!(text.parse::<PortRange>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn never_leaves_the_range_or_takes_a_busy_port(
            busy in prop::collection::hash_set(3001_u16..3101, 0..100),
            previous in proptest::option::of(any::<u16>()),
            user in any::<u32>(), number in any::<u32>(),
        ) {
            let busy: HashSet<u16> = busy;
            let chosen = PortRange::DEDICATED.choose(previous, user, number, |port| !busy.contains(&port));
            match chosen {
                Some(port) => prop_assert!(PortRange::DEDICATED.contains(port) && !busy.contains(&port)),
                None => prop_assert_eq!(busy.len(), 100),
            }
        }
    }
}
