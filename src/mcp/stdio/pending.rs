//! Calls that wait for a child's answer, keyed by the ids that we minted.
//!
//! A call begins as one that wants a single answer. The first thing that the child says about it
//! before the answer (progress, a log line, a request of its own) turns it into a stream, once; so
//! the many calls that are merely answered pay for no channel.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

use super::stream::CallStream;
use crate::mcp::{
    capabilities::ClientCapabilities, clock::Clock, error::UpstreamError, jsonrpc::Message, session::SessionId,
    upstream::Event,
};

/// Events that may wait for one caller; more notifications are dropped, the answer never is.
const CAPACITY: usize = 64;

type Answer = Result<Message, UpstreamError>;

/// What becomes of a call first.
pub(super) enum First {
    /// Its answer.
    Answer(Answer),
    /// Something before the answer.
    Stream(CallStream),
}

enum Waiter {
    First(oneshot::Sender<First>),
    Streaming { events: mpsc::Sender<Event>, answer: oneshot::Sender<Answer>, clock: Arc<Clock> },
}

/// Whose call it is.
pub(super) struct Client {
    /// The session that it came in.
    pub(super) session: SessionId,
    /// The client's id, raw: to find the call when it is cancelled.
    pub(super) raw_id: Box<str>,
    /// What the client can be asked.
    pub(super) capabilities: ClientCapabilities,
    /// The client's progress token, raw.
    pub(super) token: Option<Bytes>,
    /// Whether requests of the child may belong to it.
    pub(super) may_be_asked: bool,
    /// Clients behind one session that must not be confused with one another: each call is one.
    pub(super) alone: bool,
}

struct Entry {
    waiter: Waiter,
    client: Option<Client>,
}

#[derive(Default)]
struct Table {
    entries: HashMap<u64, Entry>,
    /// Why the child is gone; set once.
    closed: Option<String>,
}

/// The pending map of one child.
#[derive(Default)]
pub(super) struct Pending {
    table: Mutex<Table>,
    next: AtomicU64,
}

/// Whose call a request of the child belongs to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Claim {
    /// This call's.
    Call(u64),
    /// Nobody has a call running.
    Nobody,
    /// Several clients have, and nothing tells which is meant.
    Ambiguous,
}

impl Pending {
    /// A fresh id: never used before for this child.
    pub(super) fn mint(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Registers a caller under a fresh id.
    pub(super) fn insert(&self, client: Option<Client>) -> Result<(u64, oneshot::Receiver<First>), UpstreamError> {
        let id = self.mint();
        let (sender, receiver) = oneshot::channel();
        let mut table = self.table.lock();
        if let Some(reason) = &table.closed {
            return Err(UpstreamError::Closed { reason: reason.clone() });
        }
        table.entries.insert(id, Entry { waiter: Waiter::First(sender), client });
        Ok((id, receiver))
    }

    /// Forgets a call; `false` when it was answered already.
    pub(super) fn remove(&self, id: u64) -> bool {
        self.table.lock().entries.remove(&id).is_some()
    }

    /// Hands an answer to its asker; `false` when nobody waits for that id.
    pub(super) fn answer(&self, id: u64, message: Message) -> bool {
        let entry = self.table.lock().entries.remove(&id);
        entry.is_some_and(|entry| finish(entry.waiter, Ok(message)))
    }

    /// The client's progress token of the call with this id.
    pub(super) fn token(&self, id: u64) -> Option<Bytes> {
        self.table.lock().entries.get(&id)?.client.as_ref()?.token.clone()
    }

    /// Hands `note` to the call `id`. Lost when its client is too slow: it is never waited for.
    pub(super) fn note(&self, id: u64, note: Message) {
        if let Some(entry) = self.table.lock().entries.get_mut(&id) {
            let (events, _) = entry.waiter.stream();
            let _ = events.try_send(Event::Note(note));
        }
    }

    /// Hands what `make` builds to the call `id`; what does not arrive is dropped, and that answers it.
    pub(super) fn ask(&self, id: u64, make: impl FnOnce(Arc<Clock>) -> Event) {
        let Some((events, clock)) = self.table.lock().entries.get_mut(&id).map(|entry| entry.waiter.stream()) else {
            return;
        };
        // Outside the lock: dropping an ask writes to the child.
        let _ = events.try_send(make(clock));
    }

    /// The calls of this session, oldest first.
    pub(super) fn calls_of(&self, session: SessionId) -> Vec<u64> {
        let table = self.table.lock();
        let of = |entry: &Entry| entry.client.as_ref().is_some_and(|client| client.session == session);
        let mut calls: Vec<u64> = table.entries.iter().filter(|(_, entry)| of(entry)).map(|(id, _)| *id).collect();
        calls.sort_unstable();
        calls
    }

    /// Whose call the child means when it asks `method`: stdio says nothing of it. Only calls during
    /// which servers may ask count, and among them those whose client can be asked this; when they are
    /// of more than one client, nobody's: an answer from the wrong person is worse than none.
    pub(super) fn claim(&self, method: &str, params: Option<&str>) -> Claim {
        let table = self.table.lock();
        let running = || {
            let clients = table.entries.iter().filter_map(|(id, entry)| Some((*id, entry.client.as_ref()?)));
            clients.filter(|(_, client)| client.may_be_asked)
        };
        match sole(running().filter(|(_, client)| client.capabilities.allows(method, params))) {
            // Whoever it is cannot be asked, but can be told so.
            Claim::Nobody => sole(running()),
            claim => claim,
        }
    }

    /// Our id of the call that this session made with `raw_id`.
    pub(super) fn find(&self, session: SessionId, raw_id: &str) -> Option<u64> {
        let table = self.table.lock();
        let asked = |entry: &Entry| {
            entry.client.as_ref().is_some_and(|client| client.session == session && *client.raw_id == *raw_id)
        };
        table.entries.iter().find(|(_, entry)| asked(entry)).map(|(id, _)| *id)
    }

    /// Fails everybody, now and later.
    pub(super) fn fail_all(&self, reason: &str) {
        let entries = {
            let mut table = self.table.lock();
            table.closed.get_or_insert_with(|| reason.to_owned());
            std::mem::take(&mut table.entries)
        };
        for entry in entries.into_values() {
            finish(entry.waiter, Err(UpstreamError::Closed { reason: reason.to_owned() }));
        }
    }

    pub(super) fn len(&self) -> usize {
        self.table.lock().entries.len()
    }
}

/// The newest call, if all are of one client.
fn sole<'a>(calls: impl Iterator<Item = (u64, &'a Client)>) -> Claim {
    let mut newest: Option<(u64, &Client)> = None;
    for (id, client) in calls {
        match newest {
            Some((_, other)) if other.session != client.session || client.alone => return Claim::Ambiguous,
            Some((known, _)) if known > id => {}
            _ => newest = Some((id, client)),
        }
    }
    newest.map_or(Claim::Nobody, |(id, _)| Claim::Call(id))
}

fn finish(waiter: Waiter, outcome: Answer) -> bool {
    match waiter {
        Waiter::First(sender) => sender.send(First::Answer(outcome)).is_ok(),
        Waiter::Streaming { answer, .. } => answer.send(outcome).is_ok(),
    }
}

impl Waiter {
    /// Where events go; makes the call a stream if it is not one yet.
    fn stream(&mut self) -> (mpsc::Sender<Event>, Arc<Clock>) {
        if let Self::Streaming { events, clock, .. } = self {
            return (events.clone(), Arc::clone(clock));
        }
        let (events, receiver) = mpsc::channel(CAPACITY);
        let (answer, answered) = oneshot::channel();
        let clock = Arc::new(Clock::default());
        let streaming = Self::Streaming { events: events.clone(), answer, clock: Arc::clone(&clock) };
        if let Self::First(sender) = std::mem::replace(self, streaming) {
            // A caller that has gone takes the stream's ends with it.
            let _ = sender.send(First::Stream(CallStream::new(receiver, answered, Arc::clone(&clock))));
        }
        (events, clock)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(session: SessionId, capabilities: ClientCapabilities, alone: bool) -> Client {
        Client { session, raw_id: Box::from("1"), capabilities, token: None, may_be_asked: true, alone }
    }

    fn session(number: u8) -> SessionId {
        SessionId::read(&format!("{number:032x}")).unwrap()
    }

    #[test]
    fn an_ask_belongs_to_the_only_client_that_can_answer_it() {
        let all = ClientCapabilities::all();
        let none = ClientCapabilities::default();
        type Calls = &'static [(u8, bool, bool)];
        // (session, can be asked, alone) of each call; which call is meant.
        let cases: [(Calls, Claim); 8] = [
            (&[], Claim::Nobody),
            (&[(1, true, false)], Claim::Call(0)),
            (&[(1, false, false)], Claim::Call(0)),
            (&[(1, true, false), (1, true, false)], Claim::Call(1)),
            (&[(1, true, false), (2, true, false)], Claim::Ambiguous),
            (&[(1, true, false), (2, false, false)], Claim::Call(0)),
            (&[(1, false, false), (2, false, false)], Claim::Ambiguous),
            (&[(1, true, true), (1, true, true)], Claim::Ambiguous),
        ];
        for (calls, expected) in cases {
            let pending = Pending::default();
            let _receivers: Vec<_> = calls
                .iter()
                .map(|&(number, able, alone)| {
                    pending.insert(Some(client(session(number), if able { all } else { none }, alone))).unwrap()
                })
                .collect();
            assert_eq!(pending.claim("roots/list", None), expected, "{calls:?}");
        }
    }
}
