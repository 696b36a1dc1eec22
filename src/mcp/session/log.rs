//! The events of one stream, kept for a client that lost its connection and comes back for them.
//!
//! A stream outlives its connections (transports, "Resumability and Redelivery"): whoever has
//! something to say pushes and never waits, at most one [`Reader`] follows, and a newer one takes the
//! place of an older one, whose connection may be half dead. An idle log holds no buffer and no timer.
//!
//! Owner of state: [`EventLog`]. Invariants: numbers start where the log was told to and have no
//! gaps; what is kept is the newest of what was pushed; the lock is never held across an await.

use std::{
    collections::VecDeque,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use futures_util::Stream;
use parking_lot::Mutex;

use super::budget::Budget;
use crate::domain::time::Timestamp;

/// Events that are kept of one stream: what may pile up before its reader counts as too slow.
pub(super) const MAX_EVENTS: usize = 256;
/// Bytes that are kept of one stream; the newest event is kept however large it is.
pub(super) const MAX_BYTES: usize = 1 << 20;

/// Where an event stands: which stream of the session, and which place in it. On the wire
/// `{stream}-{number}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventId {
    /// The stream, unique in the session.
    pub stream: u64,
    /// Its place in the stream; the one before the first stands for "nothing seen yet".
    pub number: u64,
}

impl EventId {
    /// Reads a `Last-Event-ID`; `None` when it cannot be one of ours.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok()).flatten();
        let (stream, number) = text.split_once('-')?;
        Some(Self { stream: digits(stream)?, number: digits(number)? })
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.stream, self.number)
    }
}

/// What becomes of a reader that is so slow that events which it has not read were dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lag {
    /// Its stream ends: the client must know that it missed something, and may ask for what is left.
    Ends,
    /// It goes on with what is left: notes about a call may be lost, its answer is the newest.
    Skips,
    /// It misses the notes that come while too much waits, and nothing else. What it has read is not
    /// kept: such a stream cannot be resumed.
    Misses,
}

/// One stream.
pub struct EventLog {
    stream: u64,
    lag: Lag,
    state: Mutex<State>,
}

struct State {
    kept: VecDeque<Bytes>,
    bytes: usize,
    /// The number of the next event.
    next: u64,
    /// The first event that was never handed to a reader.
    untaken: u64,
    reading: bool,
    /// Counts the readers; only the newest one gets anything.
    readers: u64,
    waker: Option<Waker>,
    finished: bool,
    /// Nobody will ever read it: what is pushed is dropped.
    forgotten: bool,
    /// When it was finished or its last reader left, whichever was later.
    left: Timestamp,
    /// Where its bytes are counted.
    budget: Arc<Budget>,
}

impl Drop for State {
    fn drop(&mut self) {
        self.budget.free(self.bytes);
    }
}

impl State {
    fn first(&self) -> u64 {
        self.next - u64::try_from(self.kept.len()).unwrap_or(self.next)
    }

    fn drop_oldest(&mut self) {
        if let Some(oldest) = self.kept.pop_front() {
            self.bytes -= oldest.len();
            self.budget.free(oldest.len());
        }
    }

    fn drop_all(&mut self) {
        self.kept = VecDeque::new();
        self.budget.free(std::mem::take(&mut self.bytes));
    }

    fn is_full(&self) -> bool {
        self.kept.len() > MAX_EVENTS || self.bytes > MAX_BYTES
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl EventLog {
    /// An empty log whose first event will have the number `first` (at least 1).
    #[must_use]
    pub fn new(stream: u64, first: u64, lag: Lag, budget: &Arc<Budget>) -> Arc<Self> {
        let first = first.max(1);
        let state = State {
            kept: VecDeque::new(),
            bytes: 0,
            next: first,
            untaken: first,
            reading: false,
            readers: 0,
            waker: None,
            finished: false,
            forgotten: false,
            left: Timestamp::now(),
            budget: Arc::clone(budget),
        };
        Arc::new(Self { stream, lag, state: Mutex::new(state) })
    }

    /// The stream's id.
    #[must_use]
    pub const fn stream(&self) -> u64 {
        self.stream
    }

    /// Adds an event; the oldest are dropped when there are too many.
    pub fn push(&self, event: Bytes) {
        let mut state = self.state.lock();
        if state.forgotten || state.finished {
            return;
        }
        state.bytes += event.len();
        state.budget.add(event.len());
        state.kept.push_back(event);
        state.next += 1;
        while self.lag != Lag::Misses && state.kept.len() > 1 && state.is_full() {
            state.drop_oldest();
        }
        state.wake();
    }

    /// Adds an event that a reader may miss who is too slow.
    pub fn push_note(&self, event: Bytes) {
        let is_missed = self.lag == Lag::Misses && {
            let state = self.state.lock();
            state.kept.len() >= MAX_EVENTS || state.bytes + event.len() > MAX_BYTES
        };
        if !is_missed {
            self.push(event);
        }
    }

    /// Nothing more will be pushed: its reader ends when it has read everything.
    pub fn finish(&self) {
        let mut state = self.state.lock();
        state.finished = true;
        state.left = Timestamp::now();
        state.wake();
    }

    /// Ends the connection that reads now, if any; the stream goes on without it.
    pub fn hang_up(&self) {
        let mut state = self.state.lock();
        state.readers += 1;
        state.reading = false;
        state.left = Timestamp::now();
        state.wake();
    }

    /// Drops everything and whatever will be pushed.
    pub fn forget(&self) {
        let mut state = self.state.lock();
        state.forgotten = true;
        state.drop_all();
    }

    /// Drops everything that is kept; numbers go on.
    pub fn clear(&self) {
        self.state.lock().drop_all();
    }

    /// Drops what a reader has been handed already: it cannot be had again.
    pub fn drop_taken(&self) {
        let mut state = self.state.lock();
        while !state.kept.is_empty() && state.first() < state.untaken {
            state.drop_oldest();
        }
    }

    /// Follows the stream behind the event `seen`, taking the place of whoever reads it now. What has
    /// been dropped since is not there any more: the reader gets what is left.
    #[must_use]
    pub fn read_after(self: &Arc<Self>, seen: u64) -> Reader {
        let mut state = self.state.lock();
        let at = seen.saturating_add(1).clamp(state.first(), state.next);
        self.attach(&mut state, at)
    }

    /// Follows the stream from the first event that no reader has got yet; `None` while it is read.
    #[must_use]
    pub fn read_new(self: &Arc<Self>) -> Option<Reader> {
        let mut state = self.state.lock();
        if state.reading {
            return None;
        }
        let at = state.untaken.max(state.first());
        Some(self.attach(&mut state, at))
    }

    fn attach(self: &Arc<Self>, state: &mut State, at: u64) -> Reader {
        state.readers += 1;
        state.reading = true;
        // The one before wakes up and finds that it is not wanted any more.
        state.wake();
        Reader { log: Arc::clone(self), number: state.readers, at }
    }

    /// Whether a connection reads it now.
    #[must_use]
    pub fn is_read(&self) -> bool {
        self.state.lock().reading
    }

    /// Whether nothing more will be pushed.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.state.lock().finished
    }

    /// Whether it is finished and all of it was handed out: it is kept in case that did not arrive.
    #[must_use]
    pub fn is_spent(&self) -> bool {
        let state = self.state.lock();
        state.finished && state.untaken == state.next
    }

    /// Bytes that it holds.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.state.lock().bytes
    }

    /// When it was finished or its last reader left, whichever was later.
    #[must_use]
    pub fn left(&self) -> Timestamp {
        self.state.lock().left
    }

    /// The number of the next event.
    #[must_use]
    pub fn next_number(&self) -> u64 {
        self.state.lock().next
    }
}

/// One connection's way through a stream: first what is kept, then what comes.
pub struct Reader {
    log: Arc<EventLog>,
    number: u64,
    at: u64,
}

impl Reader {
    /// The id behind which it will go on: what a client names that has seen nothing further.
    #[must_use]
    pub fn position(&self) -> EventId {
        EventId { stream: self.log.stream, number: self.at - 1 }
    }
}

impl Stream for Reader {
    type Item = (EventId, Bytes);

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let mut state = this.log.state.lock();
        if state.readers != this.number {
            return Poll::Ready(None);
        }
        let first = state.first();
        if this.at < first {
            if this.log.lag == Lag::Ends {
                return Poll::Ready(None);
            }
            this.at = first;
        }
        let place = usize::try_from(this.at - first).unwrap_or(usize::MAX);
        if let Some(event) = state.kept.get(place).cloned() {
            let id = EventId { stream: this.log.stream, number: this.at };
            this.at += 1;
            state.untaken = state.untaken.max(this.at);
            if this.log.lag == Lag::Misses {
                state.drop_oldest();
            }
            return Poll::Ready(Some((id, event)));
        }
        if state.finished {
            return Poll::Ready(None);
        }
        state.waker = Some(context.waker().clone());
        Poll::Pending
    }
}

impl Reader {
    /// Lets go of the stream; it may be read by another from now on.
    pub(super) fn leave(&self) {
        let mut state = self.log.state.lock();
        if state.readers == self.number {
            state.reading = false;
            state.waker = None;
            state.left = Timestamp::now();
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt, StreamExt};
    use proptest::prelude::*;

    use super::*;

    fn log(lag: Lag) -> Arc<EventLog> {
        EventLog::new(7, 1, lag, &Arc::default())
    }

    fn event(number: u64) -> Bytes {
        Bytes::from(number.to_string())
    }

    /// What the reader has at once, and whether its stream has ended.
    fn ready(reader: &mut Reader) -> (Vec<u64>, bool) {
        let mut got = Vec::new();
        loop {
            match reader.next().now_or_never() {
                None => return (got, false),
                Some(None) => return (got, true),
                Some(Some((id, data))) => {
                    assert_eq!((id.stream, data), (7, event(id.number)));
                    got.push(id.number);
                }
            }
        }
    }

    #[test]
    fn ids_are_read_as_they_are_written() {
        let id = EventId { stream: 12, number: 345 };
        assert_eq!(id.to_string(), "12-345");
        assert_eq!(EventId::read("12-345"), Some(id));
        for wrong in ["", "-", "1-", "-1", "1", "1-2-3", "+1-2", "1- 2", "a-1", "99999999999999999999-1"] {
            assert_eq!(EventId::read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_was_missed_is_replayed_and_then_followed() {
        let log = log(Lag::Ends);
        (1..=3).for_each(|number| log.push(event(number)));
        let mut reader = log.read_after(1);
        assert_eq!(reader.position(), EventId { stream: 7, number: 1 });
        assert_eq!(ready(&mut reader), (vec![2, 3], false));
        log.push(event(4));
        assert_eq!(ready(&mut reader), (vec![4], false));
        log.finish();
        log.push(event(5));
        assert_eq!(ready(&mut reader), (vec![], true));
        drop(reader);
        assert_eq!(ready(&mut log.read_after(0)), (vec![1, 2, 3, 4], true));
        // A client cannot have seen what was never sent; it is not made to wait for it either.
        assert_eq!(ready(&mut log.read_after(u64::MAX)), (vec![], true));
    }

    #[test]
    fn the_newest_reader_takes_the_stream_over() {
        let log = log(Lag::Ends);
        let mut half_dead = log.read_after(0);
        assert!(log.read_new().is_none());
        let mut alive = log.read_after(0);
        log.push(event(1));
        assert_eq!(ready(&mut half_dead), (vec![], true));
        drop(half_dead);
        assert!(log.is_read(), "the one that left was not the one that reads");
        assert_eq!(ready(&mut alive), (vec![1], false));
        log.hang_up();
        assert_eq!(ready(&mut alive), (vec![], true));
        assert!(!log.is_read());
        log.push(event(2));
        assert_eq!(ready(&mut log.read_new().unwrap()), (vec![2], false));
    }

    #[test]
    fn a_reader_that_is_woken_by_its_successor_ends() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let log = log(Lag::Ends);
            let mut first = log.read_after(0);
            let waiting = tokio::spawn(async move { first.next().await });
            tokio::task::yield_now().await;
            let mut second = log.read_after(0);
            assert_eq!(waiting.await.unwrap(), None);
            log.push(event(1));
            assert_eq!(second.next().await.map(|(id, _)| id.number), Some(1));
        });
    }

    #[test]
    fn bounds_keep_the_newest() {
        let count = u64::try_from(MAX_EVENTS).unwrap();
        for (lag, expected) in [(Lag::Ends, (vec![], true)), (Lag::Skips, ((3..=count + 2).collect(), false))] {
            let log = log(lag);
            let mut slow = log.read_after(0);
            (1..=count + 2).for_each(|number| log.push(event(number)));
            assert_eq!(ready(&mut slow), expected, "{lag:?}");
            // Who asks for something that is gone gets what is left.
            assert_eq!(ready(&mut log.read_after(0)).0, (3..=count + 2).collect::<Vec<_>>());
        }
        let log = log(Lag::Skips);
        for size in [10, MAX_BYTES - 5, 1, 2 * MAX_BYTES] {
            log.push(Bytes::from(vec![0; size]));
        }
        assert_eq!(log.bytes(), 2 * MAX_BYTES, "the newest is kept however large it is");
        log.forget();
        log.push(event(9));
        assert_eq!(log.bytes(), 0);
    }

    #[test]
    fn a_stream_that_cannot_be_resumed_loses_nothing_but_notes() {
        let log = log(Lag::Misses);
        let mut slow = log.read_after(0);
        for size in [700_000, 700_000, 3 * MAX_BYTES] {
            log.push(Bytes::from(vec![0; size]));
            log.push_note(Bytes::from(vec![1; MAX_BYTES]));
        }
        let mut sizes = Vec::new();
        while let Some(Some((_, data))) = slow.next().now_or_never() {
            sizes.push(data.len());
        }
        assert_eq!(sizes, [700_000, 700_000, 3 * MAX_BYTES]);
        assert_eq!(log.bytes(), 0, "what was read is not kept");
        log.push_note(event(4));
        assert_eq!(ready(&mut slow), (vec![4], false));
    }

    proptest! {
        /// Whatever is pushed in between, and wherever connections are cut: a client that names the
        /// last event it has seen gets every event once, in order.
        #[test]
        fn any_cut_and_resume_yields_everything_once(
            first in 1_u64..1000,
            steps in prop::collection::vec((0_usize..6, 0_usize..6), 1..40),
        ) {
            let log = EventLog::new(7, first, Lag::Ends, &Arc::default());
            let (mut pushed, mut seen) = (first, first - 1);
            let mut got = Vec::new();
            for (pushes, reads) in steps {
                let mut reader = log.read_after(seen);
                for _ in 0..pushes {
                    log.push(event(pushed));
                    pushed += 1;
                }
                for _ in 0..reads {
                    if let Some(Some((id, data))) = reader.next().now_or_never() {
                        prop_assert_eq!(&data, &event(id.number));
                        got.push(id.number);
                        seen = id.number;
                    }
                }
            }
            log.finish();
            let (rest, ended) = ready(&mut log.read_after(seen));
            got.extend(rest);
            prop_assert!(ended);
            prop_assert_eq!(got, (first..pushed).collect::<Vec<_>>());
        }
    }
}
