//! The streams of one session: its own, for what belongs to no request, and one per answer that is
//! sent as events.
//!
//! Owner of state: [`Streams`]. Invariants: each message is pushed to exactly one stream
//! (transports, "Multiple Connections"); streams that nobody reads are bounded in number, bytes and
//! time, and given up oldest first, those whose answer was handed out already before all others.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures_util::Stream;
use parking_lot::Mutex;
use thiserror::Error;

use super::{
    budget::Budget,
    log::{EventId, EventLog, Lag, MAX_BYTES, Reader},
};
use crate::domain::time::Timestamp;

/// Answers of one session that wait for a client to come back. A client has a handful of calls
/// under way; more than this only one has that never comes back for any.
const MAX_WAITING: usize = 64;
/// How long an ended stream waits for its client: clients try again within seconds, and a person
/// who closes a notebook and opens it in the next room within minutes.
const KEEP: Duration = Duration::from_secs(300);
/// The id of the session's own stream; answers get those behind it.
pub const OWN: u64 = 0;

/// The stream cannot be opened.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("this session has a stream open already; close it first")]
pub struct StreamTaken;

/// See the module.
pub struct Streams {
    inner: Mutex<Inner>,
    budget: Arc<Budget>,
}

struct Inner {
    /// Of the own stream.
    lag: Lag,
    /// The number of the next answer's stream, and of the own stream's first event.
    next: u64,
    /// Exists from when the client opens it until it has been away for long.
    own: Option<Arc<EventLog>>,
    /// Oldest first.
    answers: Vec<Arc<EventLog>>,
}

impl Streams {
    /// None yet; what they keep is counted in `budget`. Ids begin behind `past`, so that no id of an
    /// earlier life of the session means anything else now.
    #[must_use]
    pub fn within(past: u64, lag: Lag, budget: &Arc<Budget>) -> Arc<Self> {
        let inner = Mutex::new(Inner { lag, next: past + 1, own: None, answers: Vec::new() });
        let streams = Arc::new(Self { inner, budget: Arc::clone(budget) });
        budget.watch(&streams);
        streams
    }

    /// Opens the session's own stream, for messages that belong to no request.
    ///
    /// # Errors
    /// While a connection reads it: there is only one.
    pub fn open_own(self: &Arc<Self>) -> Result<Reading, StreamTaken> {
        let own = self.inner.lock().own(&self.budget);
        let reader = own.read_new().ok_or(StreamTaken)?;
        Ok(Reading { reader, streams: Arc::clone(self) })
    }

    /// Begins the stream of an answer; it is there to be resumed until it is given up.
    #[must_use]
    pub fn begin(self: &Arc<Self>, lag: Lag) -> (Arc<EventLog>, Reading) {
        let mut inner = self.inner.lock();
        let log = EventLog::new(inner.next, 1, lag, &self.budget);
        inner.next += 1;
        let reader = log.read_after(0);
        inner.answers.push(Arc::clone(&log));
        inner.trim();
        drop(inner);
        (log, Reading { reader, streams: Arc::clone(self) })
    }

    /// Goes on behind the event `seen`, on its stream and no other; a connection that reads it now,
    /// and may be half dead, ends. `None` when the stream is unknown or was given up.
    #[must_use]
    pub fn resume(self: &Arc<Self>, seen: EventId) -> Option<Reading> {
        let mut inner = self.inner.lock();
        let log = match seen.stream {
            OWN => inner.own(&self.budget),
            stream => Arc::clone(inner.answers.iter().find(|log| log.stream() == stream)?),
        };
        let reader = log.read_after(seen.number);
        drop(inner);
        Some(Reading { reader, streams: Arc::clone(self) })
    }

    /// Puts a message that belongs to no request into one stream: the own one while it is read, else
    /// that of an answer, else the own one for when the client comes back. `false`: it has none.
    pub fn deliver(&self, message: Bytes) -> bool {
        self.put(|log| log.push(message))
    }

    /// The same for a message that a client may miss that reads too slowly.
    pub fn deliver_note(&self, message: Bytes) -> bool {
        self.put(|log| log.push_note(message))
    }

    fn put(&self, push: impl FnOnce(&EventLog)) -> bool {
        let is_put = self.put_into_one(push);
        self.budget.relieve();
        is_put
    }

    fn put_into_one(&self, push: impl FnOnce(&EventLog)) -> bool {
        let mut inner = self.inner.lock();
        let running = |log: &&Arc<EventLog>| !log.is_finished();
        let own = inner.own.as_ref();
        let open = own.filter(|log| log.is_read());
        let read = || inner.answers.iter().rev().filter(running).find(|log| log.is_read());
        let Some(log) = open.or_else(read).or(own).or_else(|| inner.answers.iter().rev().find(running)) else {
            return false;
        };
        let unread = !log.is_read();
        push(log);
        if unread {
            inner.trim();
        }
        true
    }

    /// Enforces the bounds after something was pushed to, or ended on, a stream that nobody reads.
    pub fn trim(&self) {
        self.inner.lock().trim();
        self.budget.relieve();
    }

    /// Puts an event into the stream of an answer.
    pub fn push(&self, log: &EventLog, event: Bytes) {
        log.push(event);
        self.budget.relieve();
    }

    /// All of them.
    pub(super) fn logs(&self) -> Vec<Arc<EventLog>> {
        let inner = self.inner.lock();
        inner.answers.iter().chain(&inner.own).cloned().collect()
    }

    /// Frees what `log` holds that nobody is reading just now.
    pub(super) fn give_up(&self, log: &Arc<EventLog>) {
        let mut inner = self.inner.lock();
        if log.is_read() {
            log.drop_taken();
        } else if log.is_finished() && log.stream() != OWN {
            inner.answers.retain(|other| !Arc::ptr_eq(other, log));
            log.forget();
        } else {
            log.clear();
        }
    }

    /// Gives up what has waited long enough.
    pub fn sweep(&self, now: Timestamp) {
        let mut inner = self.inner.lock();
        let over = |log: &EventLog| !log.is_read() && log.left().after(KEEP) <= now;
        inner.answers.retain(|log| !(log.is_finished() && over(log)));
        if let Some(own) = inner.own.take_if(|own| over(own)) {
            // A client that comes back still must not take what is new for something that it has seen.
            inner.next = inner.next.max(own.next_number());
        }
    }

    /// Ends the connection that reads the own stream. Answers are not touched.
    pub fn hang_up_own(&self) {
        if let Some(own) = &self.inner.lock().own {
            own.hang_up();
        }
    }

    /// Nothing more will come on the own stream: its connection ends when it has read everything.
    pub fn finish_own(&self) {
        if let Some(own) = &self.inner.lock().own {
            own.finish();
        }
    }

    /// Whether a connection reads the own stream.
    #[must_use]
    pub fn own_is_read(&self) -> bool {
        self.inner.lock().own.as_ref().is_some_and(|own| own.is_read())
    }

    /// Whether anything is read or under way: such a session is not idle.
    #[must_use]
    pub fn in_use(&self) -> bool {
        let inner = self.inner.lock();
        let own = inner.own.as_ref().is_some_and(|own| own.is_read());
        own || inner.answers.iter().any(|log| log.is_read() || !log.is_finished())
    }
}

impl Inner {
    fn own(&mut self, budget: &Arc<Budget>) -> Arc<EventLog> {
        let (first, lag) = (self.next, self.lag);
        Arc::clone(self.own.get_or_insert_with(|| EventLog::new(OWN, first, lag, budget)))
    }

    fn trim(&mut self) {
        let waiting = |log: &&Arc<EventLog>| !log.is_read();
        loop {
            let count = self.answers.iter().filter(waiting).count();
            let bytes: usize = self.answers.iter().chain(&self.own).filter(waiting).map(|log| log.bytes()).sum();
            if count <= MAX_WAITING && bytes <= MAX_BYTES {
                return;
            }
            let find = |fits: fn(&EventLog) -> bool| self.answers.iter().position(|log| !log.is_read() && fits(log));
            let spent = find(EventLog::is_spent);
            let too_large = || find(|log| log.bytes() > MAX_BYTES);
            match spent.or_else(too_large).or_else(|| find(|_| true)) {
                Some(place) => self.answers.remove(place).forget(),
                None => return self.own.iter().for_each(|own| own.clear()),
            }
        }
    }
}

/// A connection's way through one of the streams. When it goes, what it leaves behind is bounded.
pub struct Reading {
    reader: Reader,
    streams: Arc<Streams>,
}

impl Reading {
    /// The id behind which it goes on.
    #[must_use]
    pub fn position(&self) -> EventId {
        self.reader.position()
    }
}

impl Stream for Reading {
    type Item = (EventId, Bytes);

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.reader).poll_next(context)
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.reader.leave();
        self.streams.trim();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt, StreamExt};

    use super::*;

    fn fresh(past: u64) -> Arc<Streams> {
        Streams::within(past, Lag::Ends, &Arc::default())
    }

    fn message(text: &str) -> Bytes {
        Bytes::copy_from_slice(text.as_bytes())
    }

    fn ready(reading: &mut Reading) -> Vec<String> {
        let mut got = Vec::new();
        while let Some(Some((_, data))) = reading.next().now_or_never() {
            got.push(String::from_utf8(data.to_vec()).unwrap());
        }
        got
    }

    #[test]
    fn each_message_goes_to_one_stream() {
        let streams = fresh(0);
        assert!(!streams.deliver(message("nobody")), "no stream was ever open");
        let (log, mut answer) = streams.begin(Lag::Skips);
        assert!(streams.deliver(message("to the answer")));
        let mut own = streams.open_own().unwrap();
        assert_eq!(streams.open_own().err(), Some(StreamTaken));
        assert!(streams.deliver(message("to the own")));
        log.push(message("the answer"));
        log.finish();
        assert_eq!(ready(&mut answer), ["to the answer", "the answer"]);
        assert_eq!(ready(&mut own), ["to the own"]);
        drop(own);
        assert!(streams.deliver(message("for later")), "the client had a stream and may come back");
        assert_eq!(ready(&mut streams.open_own().unwrap()), ["for later"]);
    }

    #[test]
    fn a_stream_is_resumed_by_its_id_only() {
        let streams = fresh(0);
        let (log, first) = streams.begin(Lag::Skips);
        let (_other, _reading) = streams.begin(Lag::Skips);
        let start = first.position();
        drop(first);
        log.push(message("answer"));
        log.finish();
        assert_eq!(ready(&mut streams.resume(start).unwrap()), ["answer"]);
        assert_eq!(ready(&mut streams.resume(start).unwrap()), ["answer"], "it may not have arrived");
        assert!(streams.resume(EventId { stream: 99, number: 0 }).is_none());
        // In its next life the session knows none of these ids, but goes on with its own stream.
        let later = fresh(1_000_000);
        assert!(later.resume(start).is_none());
        let mut own = later.resume(EventId { stream: OWN, number: 3 }).unwrap();
        later.deliver(message("new"));
        assert_eq!(ready(&mut own), ["new"]);
    }

    #[test]
    fn what_waits_is_bounded_and_what_was_read_goes_first() {
        let streams = fresh(0);
        let ended = |streams: &Arc<Streams>, bytes: usize, read: bool| {
            let (log, mut reading) = streams.begin(Lag::Skips);
            log.push(Bytes::from(vec![b'x'; bytes]));
            log.finish();
            if read {
                ready(&mut reading);
            }
            reading.position()
        };
        let unread = ended(&streams, 10, false);
        let read = ended(&streams, 10, true);
        for _ in 0..MAX_WAITING - 1 {
            ended(&streams, 10, false);
        }
        assert!(streams.resume(unread).is_some());
        assert!(streams.resume(read).is_none());
        let (running, mut reading) = streams.begin(Lag::Skips);
        running.push(Bytes::from(vec![b'x'; 2 * MAX_BYTES]));
        assert_eq!(ready(&mut reading).len(), 1, "who reads gets everything");
        assert!(streams.resume(unread).is_some());
        let position = reading.position();
        drop(reading);
        assert!(streams.resume(position).is_none(), "too large to wait");
        assert!(streams.resume(unread).is_some(), "nothing else made room for it");
    }

    #[test]
    fn what_has_waited_long_is_given_up() {
        let streams = fresh(0);
        let (log, reading) = streams.begin(Lag::Skips);
        let (_running, kept) = streams.begin(Lag::Skips);
        let ids = [reading.position(), kept.position()];
        drop((reading, kept));
        log.finish();
        streams.sweep(Timestamp::now());
        assert!(streams.resume(ids[0]).is_some());
        streams.sweep(Timestamp::now().after(KEEP));
        assert!(streams.resume(ids[0]).is_none());
        assert!(streams.resume(ids[1]).is_some(), "its call still runs");
    }

    #[test]
    fn an_own_stream_that_was_left_for_long_is_begun_anew_behind_its_old_ids() {
        let streams = fresh(0);
        let mut own = streams.open_own().unwrap();
        (0..9).for_each(|_| assert!(streams.deliver(message("old"))));
        ready(&mut own);
        let seen = own.position();
        drop(own);
        streams.sweep(Timestamp::now().after(KEEP));
        assert!(!streams.deliver(message("to nobody")));
        let mut own = streams.resume(seen).unwrap();
        streams.deliver(message("new"));
        assert_eq!(ready(&mut own), ["new"]);
    }

    #[test]
    fn a_finished_own_stream_is_read_to_its_end() {
        let streams = Streams::within(0, Lag::Misses, &Arc::default());
        let mut own = streams.open_own().unwrap();
        streams.deliver(message("the last"));
        streams.finish_own();
        assert_eq!(ready(&mut own), ["the last"]);
        assert_eq!(own.next().now_or_never(), Some(None));
    }
}
