//! How much of a child's standard error may be written.

use std::time::Instant;

/// Bytes per second that go into a log file, and the burst that may go at once.
pub(crate) const WRITE_RATE: u64 = 1 << 20;

/// A token bucket of bytes. Once it has run dry, lines are left out until it is half full again, so
/// that a flood leaves one note a while and not one per line.
pub(crate) struct Budget {
    available: u64,
    filled: Instant,
    left_out: Option<u64>,
}

pub(crate) enum Verdict {
    /// Write it, after a note of the lines left out before it.
    Write { left_out: u64 },
    /// Leave it out.
    Drop,
}

impl Budget {
    pub(crate) const fn new(now: Instant) -> Self {
        Self { available: WRITE_RATE, filled: now, left_out: None }
    }

    pub(crate) const fn is_flooded(&self) -> bool {
        self.left_out.is_some()
    }

    /// The lines left out since the last note.
    pub(crate) fn left_out(&mut self) -> u64 {
        self.left_out.take().unwrap_or(0)
    }

    pub(crate) fn take(&mut self, bytes: usize, now: Instant) -> Verdict {
        let gained = now.saturating_duration_since(self.filled).as_millis().saturating_mul(WRITE_RATE.into()) / 1000;
        // Below a millisecond nothing is gained, and nothing is forgotten either.
        if gained > 0 {
            self.available = self.available.saturating_add(u64::try_from(gained).unwrap_or(u64::MAX)).min(WRITE_RATE);
            self.filled = now;
        }
        let bytes = bytes as u64;
        let needed = if self.is_flooded() { WRITE_RATE / 2 } else { bytes };
        if self.available < needed {
            *self.left_out.get_or_insert(0) += 1;
            return Verdict::Drop;
        }
        self.available -= bytes;
        Verdict::Write { left_out: self.left_out() }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_flood_is_left_out_until_the_bucket_is_half_full() {
        let start = Instant::now();
        let mut budget = Budget::new(start);
        let line = usize::try_from(WRITE_RATE / 4).unwrap();
        let mut take = |ms: u64| match budget.take(line, start + Duration::from_millis(ms)) {
            Verdict::Write { left_out } => Some(left_out),
            Verdict::Drop => None,
        };
        let expected = [Some(0), Some(0), Some(0), Some(0), None, None, Some(2), Some(0), None];
        let moments = [0, 0, 0, 0, 0, 300, 600, 600, 600];
        assert_eq!(moments.map(&mut take), expected);
    }
}
