//! What the sessions of one instance may hold together, beside the bounds of each.
//!
//! Owner of state: [`Budget`], shared by the streams and the sessions of one instance. Counting takes
//! no lock. Whoever finds it exceeded gives up what is missed least, in all sessions: answers that
//! wait for a client to come back go first, the oldest before all others; then what own streams and
//! running calls keep for clients that are away; last, what a connection has been handed already.

use std::sync::{
    Arc, Weak,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use parking_lot::Mutex;

use super::streams::Streams;

/// Bytes that all streams of an instance keep together.
const MAX_BYTES: usize = 64 << 20;
/// Resources that all sessions of an instance follow together.
const MAX_FOLLOWED: usize = 10_000;

/// See the module.
pub struct Budget {
    limit: usize,
    bytes: AtomicUsize,
    followed: AtomicUsize,
    streams: Mutex<Vec<Weak<Streams>>>,
    /// Held by the one that makes room.
    relieving: Mutex<()>,
}

impl Default for Budget {
    fn default() -> Self {
        Self::new(MAX_BYTES)
    }
}

impl Budget {
    /// Nothing is held; streams may hold `limit` bytes.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            bytes: AtomicUsize::new(0),
            followed: AtomicUsize::new(0),
            streams: Mutex::default(),
            relieving: Mutex::default(),
        }
    }

    /// These streams are among those that give something up when there is too much.
    pub(super) fn watch(&self, streams: &Arc<Streams>) {
        let mut all = self.streams.lock();
        all.retain(|streams| streams.strong_count() > 0);
        all.push(Arc::downgrade(streams));
    }

    pub(super) fn add(&self, bytes: usize) {
        self.bytes.fetch_add(bytes, Relaxed);
    }

    pub(super) fn free(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Relaxed);
    }

    /// Bytes that are held.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Relaxed)
    }

    /// Counts one more followed resource; `false` when there are as many as may be.
    pub(super) fn follow(&self) -> bool {
        self.followed.fetch_update(Relaxed, Relaxed, |count| (count < MAX_FOLLOWED).then_some(count + 1)).is_ok()
    }

    /// Some are not followed any more.
    pub(super) fn unfollow(&self, count: usize) {
        self.followed.fetch_sub(count, Relaxed);
    }

    /// Makes room if there is too much. Not to be called under the lock of any stream.
    pub(super) fn relieve(&self) {
        if self.bytes() <= self.limit {
            return;
        }
        let Some(_one) = self.relieving.try_lock() else { return };
        let all: Vec<Arc<Streams>> = self.streams.lock().iter().filter_map(Weak::upgrade).collect();
        let mut logs: Vec<_> =
            all.iter().flat_map(|streams| streams.logs().into_iter().map(move |log| (streams, log))).collect();
        logs.sort_by_cached_key(|(_, log)| (log.is_read(), !log.is_finished(), log.left()));
        // Somewhat more than is needed: the next event must not make room again.
        let enough = self.limit - self.limit / 8;
        for (streams, log) in logs {
            if self.bytes() <= enough {
                return;
            }
            streams.give_up(&log);
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures_util::{FutureExt, StreamExt};

    use super::{super::log::Lag, *};

    fn event(bytes: usize) -> Bytes {
        Bytes::from(vec![b'x'; bytes])
    }

    #[test]
    fn too_much_in_all_sessions_together_costs_the_finished_first() {
        let budget = Arc::new(Budget::new(1000));
        let [a, b] = [0, 0].map(|past| Streams::within(past, Lag::Ends, &budget));
        let (finished, reading) = a.begin(Lag::Skips);
        let place = reading.position();
        a.push(&finished, event(400));
        finished.finish();
        drop(reading);
        let (running, kept) = b.begin(Lag::Skips);
        let away = kept.position();
        drop(kept);
        b.push(&running, event(500));
        assert!(a.resume(place).is_some() && budget.bytes() == 900);
        // Another session's event makes it too much.
        let mut own = b.open_own().unwrap();
        b.deliver(event(200));
        assert!(a.resume(place).is_none(), "its answer had waited longest");
        assert_eq!(budget.bytes(), 700);
        b.deliver(event(400));
        assert_eq!(budget.bytes(), 600, "what a running call keeps goes before what is being read");
        assert!(b.resume(away).is_some(), "its answer is still to come");
        assert_eq!((&mut own).take(2).count().now_or_never(), Some(2));
        drop((a, b, own, finished, running));
        assert_eq!(budget.bytes(), 0);
    }
}
