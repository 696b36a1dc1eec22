//! What is kept of clients between their requests, counted and bounded, for one child.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio_util::sync::CancellationToken;

/// Bounds of what one child's clients may leave behind.
#[derive(Clone, Copy, Debug)]
pub struct HeldLimits {
    /// Calls that wait for input, at a time.
    pub parked: usize,
    /// Open listen streams, at a time.
    pub listens: usize,
    /// How long a call waits for input before it is given up.
    pub patience: Duration,
}

/// The counts.
#[derive(Debug)]
pub struct Held {
    /// The bounds.
    pub limits: HeldLimits,
    parked: AtomicUsize,
    listens: AtomicUsize,
    ending: CancellationToken,
}

/// One of what is counted, for as long as it is held.
pub(in crate::mcp) struct Counted {
    held: Arc<Held>,
    kind: Kind,
}

/// What is counted.
#[derive(Clone, Copy)]
pub(in crate::mcp) enum Kind {
    /// A call that waits for input.
    Parked,
    /// A listen stream.
    Listen,
}

impl Held {
    /// Nothing is held yet.
    #[must_use]
    pub fn new(limits: HeldLimits) -> Arc<Self> {
        let (parked, listens) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Arc::new(Self { limits, parked, listens, ending: CancellationToken::new() })
    }

    /// Calls that wait for their client's input.
    #[must_use]
    pub fn parked(&self) -> usize {
        self.parked.load(Relaxed)
    }

    /// Open listen streams.
    #[must_use]
    pub fn listens(&self) -> usize {
        self.listens.load(Relaxed)
    }

    /// Ends every listen stream, as Berth itself is ending.
    pub fn end_listens(&self) {
        self.ending.cancel();
    }

    const fn slot(&self, kind: Kind) -> (&AtomicUsize, usize) {
        match kind {
            Kind::Parked => (&self.parked, self.limits.parked),
            Kind::Listen => (&self.listens, self.limits.listens),
        }
    }

    /// Counts one more; `None` when there are as many as may be.
    pub(in crate::mcp) fn take(self: &Arc<Self>, kind: Kind) -> Option<Counted> {
        let (count, limit) = self.slot(kind);
        let taken = count.fetch_update(Relaxed, Relaxed, |count| (count < limit).then_some(count + 1));
        taken.is_ok().then(|| Counted { held: Arc::clone(self), kind })
    }
}

impl Counted {
    /// Returns when what is counted is to end.
    pub(in crate::mcp) async fn ending(&self) {
        self.held.ending.cancelled().await;
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.held.slot(self.kind).0.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_allowed_and_what_is_dropped_makes_room() {
        let held = Held::new(HeldLimits { parked: 1, listens: 2, patience: Duration::ZERO });
        let first = held.take(Kind::Parked);
        assert!(first.is_some() && held.take(Kind::Parked).is_none() && held.take(Kind::Listen).is_some());
        drop(first);
        assert_eq!((held.parked(), held.listens()), (0, 0));
        assert!(held.take(Kind::Parked).is_some());
    }
}
