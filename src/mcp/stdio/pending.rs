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
    time::Duration,
};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::{
    sync::{Notify, mpsc, oneshot},
    time::Instant,
};

use super::stream::CallStream;
use crate::mcp::{
    ask::BURST,
    capabilities::LogLevel,
    clock::Clock,
    error::UpstreamError,
    jsonrpc::Message,
    session::SessionId,
    upstream::{Event, Terms},
};

/// Events that may wait for one caller; more notifications are dropped, the answer never is.
const CAPACITY: usize = 64;

/// How long a call waits for its turn.
const MAX_TURN: Duration = Duration::from_secs(30);

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
    /// The client's progress token, raw.
    pub(super) token: Option<Bytes>,
    /// Whether requests of the child may belong to it.
    pub(super) may_be_asked: MayBeAsked,
    /// The request: what it is about is looked up when the child asks something.
    pub(super) request: Message,
    /// On which terms the call is made.
    pub(super) terms: Terms,
}

/// Whether the child may ask something during a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MayBeAsked {
    /// Not during calls of this method.
    No,
    /// It could.
    Perhaps,
    /// It has before, during calls of the same tool or prompt.
    Known,
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

impl Table {
    /// Whether another call than `own` stands where the child asks, and is another client's.
    fn would_mix_up(&self, client: &Client, own: Option<u64>) -> bool {
        self.entries.iter().filter(|(id, _)| Some(**id) != own).any(|(_, entry)| {
            let other = entry.client.as_ref().filter(|other| other.may_be_asked == MayBeAsked::Known);
            other.is_some_and(|other| other.is_another_than(client)) && !entry.waiter.waits_for_its_client()
        })
    }
}

/// The pending map of one child.
#[derive(Default)]
pub(super) struct Pending {
    table: Mutex<Table>,
    next: AtomicU64,
    /// Told whenever a call that the child asks in has asked, or is over.
    turns: Notify,
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
        self.insert_into(&mut self.table.lock(), client)
    }

    fn insert_into(
        &self,
        table: &mut Table,
        client: Option<Client>,
    ) -> Result<(u64, oneshot::Receiver<First>), UpstreamError> {
        if let Some(reason) = &table.closed {
            return Err(UpstreamError::Closed { reason: reason.clone() });
        }
        let id = self.mint();
        let (sender, receiver) = oneshot::channel();
        table.entries.insert(id, Entry { waiter: Waiter::First(sender), client });
        Ok((id, receiver))
    }

    /// Registers a caller as soon as no call of another client is at a point where the child asks and
    /// nothing would tell the two apart; after [`MAX_TURN`] at the latest. One critical section, or two
    /// callers could take the same turn.
    pub(super) async fn insert_in_turn(
        &self,
        client: Client,
    ) -> Result<(u64, oneshot::Receiver<First>), UpstreamError> {
        let waits_its_turn = client.may_be_asked == MayBeAsked::Known;
        let latest = Instant::now() + MAX_TURN;
        loop {
            let mut told = std::pin::pin!(self.turns.notified());
            if waits_its_turn {
                told.as_mut().enable();
            }
            {
                let mut table = self.table.lock();
                // Too long: the child may still be asked at the same time, and is then refused.
                if !waits_its_turn || !table.would_mix_up(&client, None) || Instant::now() >= latest {
                    return self.insert_into(&mut table, Some(client));
                }
            }
            // A call that has just asked counts until the burst is over, and nobody tells of that.
            let _ = tokio::time::timeout(BURST, told).await;
        }
    }

    /// Lets the child go on with a call in which it has asked, if it is the call's turn: it may ask more.
    pub(super) fn resume(&self, id: u64, clock: &Clock) -> bool {
        let table = self.table.lock();
        let client = table.entries.get(&id).and_then(|entry| entry.client.as_ref());
        let goes_on = !client.is_some_and(|client| table.would_mix_up(client, Some(id)));
        if goes_on {
            clock.resume();
        }
        goes_on
    }

    /// The same when its turn has come; after [`MAX_TURN`] at the latest.
    pub(super) async fn resume_in_turn(&self, id: u64, clock: &Clock) {
        let latest = Instant::now() + MAX_TURN;
        loop {
            let mut told = std::pin::pin!(self.turns.notified());
            told.as_mut().enable();
            if self.resume(id, clock) {
                return;
            }
            if Instant::now() >= latest {
                clock.resume();
                return;
            }
            let _ = tokio::time::timeout(BURST, told).await;
        }
    }

    /// Forgets a call; `false` when it was answered already.
    pub(super) fn remove(&self, id: u64) -> bool {
        let entry = self.table.lock().entries.remove(&id);
        entry.inspect(|entry| self.over(entry)).is_some()
    }

    /// Hands an answer to its asker; `false` when nobody waits for that id.
    pub(super) fn answer(&self, id: u64, message: Message) -> bool {
        let entry = self.table.lock().entries.remove(&id);
        entry.is_some_and(|entry| {
            self.over(&entry);
            finish(entry.waiter, Ok(message))
        })
    }

    fn over(&self, entry: &Entry) {
        if entry.client.as_ref().is_some_and(|client| client.may_be_asked == MayBeAsked::Known) {
            self.turns.notify_waiters();
        }
    }

    /// The client's progress token of the call with this id.
    pub(super) fn token(&self, id: u64) -> Option<Bytes> {
        self.table.lock().entries.get(&id)?.client.as_ref()?.token.clone()
    }

    /// Hands `note` to the call `id`; `false` when its client is too slow: it is never waited for.
    pub(super) fn note(&self, id: u64, note: Message) -> bool {
        self.table.lock().entries.get_mut(&id).is_some_and(|entry| {
            let (events, _) = entry.waiter.stream();
            events.try_send(Event::Note(note)).is_ok()
        })
    }

    /// Hands what `make` builds to the call `id`; what does not arrive is dropped, and that answers it.
    pub(super) fn ask(&self, id: u64, make: impl FnOnce(Arc<Clock>) -> Event) {
        let stream = self.table.lock().entries.get_mut(&id).map(|entry| entry.waiter.stream());
        // Outside the lock: dropping an ask writes to the child.
        match stream {
            Some((events, clock)) => drop(events.try_send(make(clock))),
            None => drop(make(Arc::default())),
        }
        self.turns.notify_waiters();
    }

    /// The newest call of each session.
    pub(super) fn newest_calls(&self) -> HashMap<SessionId, u64> {
        let table = self.table.lock();
        let mut newest = HashMap::new();
        for (id, entry) in &table.entries {
            if let Some(client) = &entry.client {
                let known = newest.entry(client.session).or_insert(*id);
                *known = (*known).max(*id);
            }
        }
        newest
    }

    /// Whose call the child means when it asks something: stdio says nothing of it. Only calls during
    /// which servers may ask count; when they are of more than one client, nobody's: an answer from
    /// the wrong person is worse than none.
    ///
    /// A call during which the child waits for an answer already does not count, unless it has asked just
    /// now: servers ask several things at once, but rarely one more while they wait.
    /// Calls of what it has asked in before come first.
    pub(super) fn claim(&self) -> Claim {
        let table = self.table.lock();
        let running = |least: MayBeAsked, idle: bool| {
            let entries = table.entries.iter().filter(move |(_, entry)| !idle || !entry.waiter.waits_for_its_client());
            let clients = entries.filter_map(|(id, entry)| Some((*id, entry.client.as_ref()?)));
            clients.filter(move |(_, client)| match least {
                MayBeAsked::Known => client.may_be_asked == MayBeAsked::Known,
                MayBeAsked::No | MayBeAsked::Perhaps => client.may_be_asked != MayBeAsked::No,
            })
        };
        [(MayBeAsked::Known, true), (MayBeAsked::Perhaps, true), (MayBeAsked::Perhaps, false)]
            .into_iter()
            .map(|(least, idle)| sole(running(least, idle)))
            .find(|claim| *claim != Claim::Nobody)
            .unwrap_or(Claim::Nobody)
    }

    /// Notes that the child asks during this call; returns its request.
    pub(super) fn asks_in(&self, id: u64) -> Option<Message> {
        let mut table = self.table.lock();
        let client = table.entries.get_mut(&id)?.client.as_mut()?;
        client.may_be_asked = MayBeAsked::Known;
        Some(client.request.clone())
    }

    /// The calls of clients without a session that want to see log lines of this level: nothing says
    /// which call a line is about.
    pub(super) fn log_readers(&self, level: LogLevel) -> Vec<u64> {
        let table = self.table.lock();
        let wants = |client: &Client| client.terms.stateless && client.terms.level.is_some_and(|least| level >= least);
        table.entries.iter().filter(|(_, entry)| entry.client.as_ref().is_some_and(wants)).map(|(id, _)| *id).collect()
    }

    /// The client's own id, raw, of the call with this id.
    pub(super) fn raw_id(&self, id: u64) -> Option<Box<str>> {
        Some(self.table.lock().entries.get(&id)?.client.as_ref()?.raw_id.clone())
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

impl Client {
    /// Whether it is another client's call. Each call of a client without a session is its own.
    fn is_another_than(&self, client: &Self) -> bool {
        self.session != client.session || self.terms.stateless
    }
}

/// The newest call, if all are of one client.
fn sole<'a>(calls: impl Iterator<Item = (u64, &'a Client)>) -> Claim {
    let mut newest: Option<(u64, &Client)> = None;
    for (id, client) in calls {
        match newest {
            Some((_, other)) if other.is_another_than(client) => return Claim::Ambiguous,
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
    fn waits_for_its_client(&self) -> bool {
        match self {
            Self::First(_) => false,
            Self::Streaming { clock, .. } => clock.stands_still(BURST),
        }
    }

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

    fn client(session: SessionId, stateless: bool) -> Client {
        let terms = Terms { stateless, level: None };
        let request = Message::own("tools/call", "{}");
        Client { session, raw_id: Box::from("1"), token: None, may_be_asked: MayBeAsked::Perhaps, request, terms }
    }

    fn session(number: u8) -> SessionId {
        SessionId::read(&format!("{number:032x}")).unwrap()
    }

    #[test]
    fn an_ask_belongs_to_the_only_client_that_has_calls_running() {
        type Calls = &'static [(u8, bool)];
        // (session, stateless) of each call; which call is meant.
        let cases: [(Calls, Claim); 6] = [
            (&[], Claim::Nobody),
            (&[(1, false)], Claim::Call(0)),
            (&[(1, true)], Claim::Call(0)),
            (&[(1, false), (1, false)], Claim::Call(1)),
            (&[(1, false), (2, false)], Claim::Ambiguous),
            (&[(1, true), (1, true)], Claim::Ambiguous),
        ];
        for (calls, expected) in cases {
            let pending = Pending::default();
            let insert = |&(number, stateless): &(u8, bool)| pending.insert(Some(client(session(number), stateless)));
            let _receivers: Vec<_> = calls.iter().map(|call| insert(call).unwrap()).collect();
            assert_eq!(pending.claim(), expected, "{calls:?}");
        }
    }

    #[tokio::test]
    async fn calls_during_which_the_child_asks_take_turns() {
        let pending = Pending::default();
        let known = |number| Client { may_be_asked: MayBeAsked::Known, ..client(session(number), false) };
        let _quiet = pending.insert(Some(client(session(9), false))).unwrap();
        let (first, mut events) = pending.insert(Some(known(1))).unwrap();
        assert_eq!(pending.claim(), Claim::Call(first));

        // The same client's calls do not wait for one another; another client's does.
        let (more, _receiver) = pending.insert_in_turn(known(1)).await.unwrap();
        pending.remove(more);
        let mut turn = std::pin::pin!(pending.insert_in_turn(known(2)));
        let mut third = std::pin::pin!(pending.insert_in_turn(known(3)));
        assert!(futures_util::poll!(&mut turn).is_pending());
        // Once the first has asked, nothing that the child asks next can be its; but for a burst.
        pending.ask(first, |clock| {
            clock.stop();
            Event::Note(Message::note("a", "{}"))
        });
        assert!(events.try_recv().is_ok());
        assert!(futures_util::poll!(&mut turn).is_pending());
        pending.remove(first);
        assert!(futures_util::poll!(&mut turn).is_ready());
        // Whoever has the turn has it alone.
        assert!(futures_util::poll!(&mut third).is_pending());
    }
}
