//! Client sessions on their way into the database, and back at the next start.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::Entry;
use crate::{
    db::{
        Connection, QueryResult,
        client_sessions::{self, ClientSession},
    },
    domain::ids::InstanceId,
    mcp::{
        session::{Holder, Journal, Record, Session, SessionId},
        version,
    },
};

/// The only transport whose sessions outlive a run: one over HTTP+SSE ends with its stream.
const TRANSPORT: &str = "streamable_http";

/// What became of a session.
#[derive(Clone)]
pub(super) enum SessionChange {
    /// It was opened; the database has never heard of it.
    Opened(ClientSession),
    /// It was written before.
    Changed(ClientSession),
    /// What was written of it is not true any more; what is, is asked when it is written.
    Stale {
        instance: InstanceId,
        session: Arc<Session>,
    },
    Closed,
}

/// The sessions of one instance. Never blocks: a closed channel means that Berth is ending.
pub(super) struct InstanceJournal {
    instance: InstanceId,
    entries: mpsc::UnboundedSender<Entry>,
}

impl InstanceJournal {
    pub(super) const fn new(instance: InstanceId, entries: mpsc::UnboundedSender<Entry>) -> Self {
        Self { instance, entries }
    }

    fn send(&self, id: SessionId, change: SessionChange) {
        let _ = self.entries.send(Entry::Session { id, change });
    }
}

fn row_of(instance_id: InstanceId, record: Record) -> ClientSession {
    ClientSession {
        id: record.id.to_string(),
        instance_id,
        user_id: record.owner.user,
        only: record.owner.only,
        transport: TRANSPORT.to_owned(),
        version: record.version.to_owned(),
        hello: String::from_utf8_lossy(&record.hello).into_owned(),
        subscriptions: record.subscriptions,
        level: record.level,
        opened_at: record.opened_at,
        seen_at: record.seen_at,
    }
}

impl Journal for InstanceJournal {
    fn opened(&self, session: &Session) {
        self.send(session.id(), SessionChange::Opened(row_of(self.instance, session.record())));
    }

    fn changed(&self, session: Arc<Session>) {
        self.send(session.id(), SessionChange::Stale { instance: self.instance, session });
    }

    fn closed(&self, id: SessionId) {
        self.send(id, SessionChange::Closed);
    }
}

/// The newest change of each session.
#[derive(Clone, Default)]
pub(super) struct Changes {
    known: HashMap<SessionId, SessionChange>,
    /// Sessions whose newest record is yet to be fetched.
    stale: HashMap<SessionId, (InstanceId, Arc<Session>)>,
}

impl Changes {
    /// Takes a change in. A session that comes and goes between two writes leaves nothing, so that
    /// their number stays bounded by that of sessions while the database is away.
    pub(super) fn take(&mut self, id: SessionId, change: SessionChange) {
        use SessionChange::{Changed, Closed, Opened, Stale};
        if let Stale { instance, session } = change {
            self.stale.insert(id, (instance, session));
            return;
        }
        self.stale.remove(&id);
        match (self.known.remove(&id), change) {
            (Some(Opened(_)), Closed) => {}
            (Some(Opened(_)), Changed(row)) => {
                self.known.insert(id, Opened(row));
            }
            // What is closed stays closed, whatever a call of it still changes.
            (Some(Closed), _) => {
                self.known.insert(id, Closed);
            }
            (_, change) => {
                self.known.insert(id, change);
            }
        }
    }

    /// A copy to write. From now on the database may have heard of all of them, also when it did not
    /// say so.
    pub(super) fn begin_write(&mut self) -> Self {
        for (id, (instance, session)) in std::mem::take(&mut self.stale) {
            self.take(id, SessionChange::Changed(row_of(instance, session.to_write())));
        }
        for change in self.known.values_mut() {
            if let SessionChange::Opened(row) = change {
                *change = SessionChange::Changed(row.clone());
            }
        }
        self.clone()
    }

    pub(super) fn write(&self, conn: &mut Connection) -> QueryResult<()> {
        for (id, change) in &self.known {
            match change {
                // Gone with its instance or its user otherwise.
                SessionChange::Opened(row) | SessionChange::Changed(row) => {
                    client_sessions::put(conn, row).map(drop)?;
                }
                // Fetched before the writing began.
                SessionChange::Stale { .. } => {}
                SessionChange::Closed => client_sessions::delete(conn, &id.to_string())?,
            }
        }
        Ok(())
    }

    pub(super) fn clear(&mut self) {
        self.known.clear();
    }
}

/// A session as it was kept; `None` when this version of Berth has no use for it.
pub(in crate::actors) fn record_of(kept: &ClientSession) -> Option<Record> {
    Some(Record {
        id: SessionId::read(&kept.id)?,
        owner: Holder { user: kept.user_id, only: kept.only },
        version: version::known(&kept.version)?,
        hello: Bytes::from(kept.hello.clone()),
        subscriptions: kept.subscriptions.clone(),
        level: kept.level.clone(),
        opened_at: kept.opened_at,
        seen_at: kept.seen_at,
    })
    .filter(|_| kept.transport == TRANSPORT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ids::UserId, time::Timestamp};

    fn row(level: &str) -> ClientSession {
        ClientSession {
            id: "1".repeat(32),
            instance_id: InstanceId::generate(),
            user_id: UserId::generate(),
            only: None,
            transport: TRANSPORT.to_owned(),
            version: "2025-11-25".to_owned(),
            hello: "{}".to_owned(),
            subscriptions: Vec::new(),
            level: Some(level.to_owned()),
            opened_at: Timestamp(1),
            seen_at: Timestamp(1),
        }
    }

    #[test]
    fn changes_are_folded_and_what_is_closed_stays_so() {
        use SessionChange::{Changed, Closed, Opened};
        let id = SessionId::read(&"1".repeat(32)).unwrap();
        let cases: [(Vec<SessionChange>, &str); 6] = [
            (vec![Opened(row("a")), Changed(row("b"))], "put b"),
            (vec![Opened(row("a")), Closed], "nothing"),
            (vec![Opened(row("a")), Changed(row("b")), Closed], "nothing"),
            (vec![Changed(row("a")), Closed], "delete"),
            (vec![Closed, Changed(row("a"))], "delete"),
            (vec![Changed(row("a")), Changed(row("b"))], "put b"),
        ];
        for (number, (changes, expected)) in cases.into_iter().enumerate() {
            let mut batch = Changes::default();
            for change in changes {
                batch.take(id, change);
            }
            let got = match batch.known.get(&id) {
                None => "nothing".to_owned(),
                Some(Closed) => "delete".to_owned(),
                Some(SessionChange::Stale { .. }) => unreachable!(),
                Some(Opened(row) | Changed(row)) => format!("put {}", row.level.clone().unwrap()),
            };
            assert_eq!(got, expected, "{number}");
        }
    }

    #[test]
    fn what_may_have_been_written_is_deleted() {
        let id = SessionId::read(&"1".repeat(32)).unwrap();
        let mut batch = Changes::default();
        batch.take(id, SessionChange::Opened(row("a")));
        let _failed = batch.begin_write();
        batch.take(id, SessionChange::Closed);
        assert!(matches!(batch.known.get(&id), Some(SessionChange::Closed)));
    }

    #[test]
    fn what_cannot_be_used_any_more_is_left_out() {
        assert!(record_of(&row("info")).is_some());
        assert!(record_of(&ClientSession { version: "1999-01-01".to_owned(), ..row("info") }).is_none());
        assert!(record_of(&ClientSession { transport: "sse".to_owned(), ..row("info") }).is_none());
        assert!(record_of(&ClientSession { id: "x".to_owned(), ..row("info") }).is_none());
    }

    #[test]
    fn a_change_is_announced_once_and_written_as_it_is_then() {
        use crate::mcp::session::Sessions;

        let (entries, mut received) = mpsc::unbounded_channel();
        let journal = Arc::new(InstanceJournal::new(InstanceId::generate(), entries));
        let sessions = Sessions::restored(9, journal, vec![record_of(&row("info")).unwrap()]);
        let session = sessions.all().pop().unwrap();
        let mut batch = Changes::default();
        let mut written = |uris: std::ops::Range<usize>| {
            uris.for_each(|number| session.subscribe(&format!("a:{number}")).unwrap());
            let Ok(Entry::Session { id, change }) = received.try_recv() else { panic!("nothing is to be written") };
            assert!(received.try_recv().is_err(), "one announcement is enough");
            batch.take(id, change);
            let written = batch.begin_write();
            let Some(SessionChange::Changed(row)) = written.known.get(&id) else { panic!("a row") };
            row.subscriptions.len()
        };
        assert_eq!((written(0..9), written(9..12)), (9, 12));
        session.subscribe("a:last").unwrap();
        sessions.close(session.id());
        while let Ok(Entry::Session { id, change }) = received.try_recv() {
            batch.take(id, change);
        }
        assert!(matches!(batch.begin_write().known.get(&session.id()), Some(SessionChange::Closed)));
    }
}
