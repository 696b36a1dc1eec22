//! Calls that wait for a child's answer, keyed by the ids that we minted.

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

use crate::mcp::{error::UpstreamError, jsonrpc::Message, session::SessionId};

type Answer = oneshot::Sender<Result<Message, UpstreamError>>;

/// Who waits, and for what.
pub(super) enum Waiter {
    /// Wants the answer alone.
    Once(Answer),
    /// Wants progress too, with its own token in it.
    Progress { answer: Answer, progress: mpsc::Sender<Bytes>, token: Bytes },
}

struct Entry {
    waiter: Waiter,
    /// The session and the raw id of the client, to find the call when it is cancelled.
    asker: Option<(SessionId, Box<str>)>,
}

#[derive(Default)]
struct Table {
    entries: HashMap<u64, Entry>,
    /// Why the child is gone; set once.
    closed: Option<String>,
}

/// The pending map of one child.
#[derive(Clone, Default)]
pub(super) struct Pending {
    table: Arc<Mutex<Table>>,
    next: Arc<AtomicU64>,
}

/// Removes its entry when the caller goes away before the answer comes.
pub(super) struct PendingGuard {
    table: Arc<Mutex<Table>>,
    id: u64,
    armed: bool,
}

impl Pending {
    /// A fresh id: never used before for this child.
    pub(super) fn mint(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Registers a caller under a fresh id.
    pub(super) fn insert(
        &self,
        waiter: Waiter,
        asker: Option<(SessionId, &str)>,
    ) -> Result<PendingGuard, UpstreamError> {
        let id = self.mint();
        let asker = asker.map(|(session, raw)| (session, Box::from(raw)));
        let mut table = self.table.lock();
        if let Some(reason) = &table.closed {
            return Err(UpstreamError::Closed { reason: reason.clone() });
        }
        table.entries.insert(id, Entry { waiter, asker });
        Ok(PendingGuard { table: Arc::clone(&self.table), id, armed: true })
    }

    /// Hands an answer to its asker; `false` when nobody waits for that id.
    pub(super) fn answer(&self, id: u64, message: Message) -> bool {
        let entry = self.table.lock().entries.remove(&id);
        let Some(entry) = entry else { return false };
        let (Waiter::Once(sender) | Waiter::Progress { answer: sender, .. }) = entry.waiter;
        sender.send(Ok(message)).is_ok()
    }

    /// The stream and the client's token of the call with this id, if it asked for progress.
    pub(super) fn progress(&self, id: u64) -> Option<(mpsc::Sender<Bytes>, Bytes)> {
        match &self.table.lock().entries.get(&id)?.waiter {
            Waiter::Once(_) => None,
            Waiter::Progress { progress, token, .. } => Some((progress.clone(), token.clone())),
        }
    }

    /// A stream of any running call of this session: for messages that have no stream of their own.
    pub(super) fn stream_of(&self, session: SessionId) -> Option<mpsc::Sender<Bytes>> {
        let table = self.table.lock();
        table.entries.values().find_map(|entry| match (&entry.waiter, &entry.asker) {
            (Waiter::Progress { progress, .. }, Some((asker, _))) if *asker == session => Some(progress.clone()),
            _ => None,
        })
    }

    /// Our id of the call that this session made with `raw_id`.
    pub(super) fn find(&self, session: SessionId, raw_id: &str) -> Option<u64> {
        let table = self.table.lock();
        let asked =
            |entry: &Entry| entry.asker.as_ref().is_some_and(|(asker, raw)| *asker == session && **raw == *raw_id);
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
            let (Waiter::Once(sender) | Waiter::Progress { answer: sender, .. }) = entry.waiter;
            let _ = sender.send(Err(UpstreamError::Closed { reason: reason.to_owned() }));
        }
    }

    pub(super) fn len(&self) -> usize {
        self.table.lock().entries.len()
    }
}

impl PendingGuard {
    pub(super) const fn id(&self) -> u64 {
        self.id
    }

    /// The answer has come: there is nothing to remove.
    pub(super) const fn disarm(&mut self) {
        self.armed = false;
    }
}

impl Drop for PendingGuard {
    fn drop(&mut self) {
        if self.armed {
            self.table.lock().entries.remove(&self.id);
        }
    }
}
