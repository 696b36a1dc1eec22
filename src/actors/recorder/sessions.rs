//! Client sessions on their way into the database, and back at the next start.

use std::collections::HashMap;

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
        session::{Journal, Record, Session, SessionId},
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

    fn row_of(&self, session: &Session) -> ClientSession {
        let record = session.record();
        ClientSession {
            id: record.id.to_string(),
            instance_id: self.instance,
            user_id: record.owner,
            transport: TRANSPORT.to_owned(),
            version: record.version.to_owned(),
            hello: String::from_utf8_lossy(&record.hello).into_owned(),
            subscriptions: record.subscriptions,
            level: record.level,
            opened_at: record.opened_at,
            seen_at: record.seen_at,
        }
    }
}

impl Journal for InstanceJournal {
    fn opened(&self, session: &Session) {
        self.send(session.id(), SessionChange::Opened(self.row_of(session)));
    }

    fn changed(&self, session: &Session) {
        self.send(session.id(), SessionChange::Changed(self.row_of(session)));
    }

    fn closed(&self, id: SessionId) {
        self.send(id, SessionChange::Closed);
    }
}

/// The newest change of each session.
#[derive(Clone, Default)]
pub(super) struct Changes(HashMap<SessionId, SessionChange>);

impl Changes {
    /// Takes a change in. A session that comes and goes between two writes leaves nothing, so that
    /// their number stays bounded by that of sessions while the database is away.
    pub(super) fn take(&mut self, id: SessionId, change: SessionChange) {
        use SessionChange::{Changed, Closed, Opened};
        match (self.0.remove(&id), change) {
            (Some(Opened(_)), Closed) => {}
            (Some(Opened(_)), Changed(row)) => {
                self.0.insert(id, Opened(row));
            }
            // What is closed stays closed, whatever a call of it still changes.
            (Some(Closed), _) => {
                self.0.insert(id, Closed);
            }
            (_, change) => {
                self.0.insert(id, change);
            }
        }
    }

    /// A copy to write. From now on the database may have heard of all of them, also when it did not
    /// say so.
    pub(super) fn begin_write(&mut self) -> Self {
        for change in self.0.values_mut() {
            if let SessionChange::Opened(row) = change {
                *change = SessionChange::Changed(row.clone());
            }
        }
        self.clone()
    }

    pub(super) fn write(&self, conn: &mut Connection) -> QueryResult<()> {
        for (id, change) in &self.0 {
            match change {
                // Gone with its instance or its user otherwise.
                SessionChange::Opened(row) | SessionChange::Changed(row) => {
                    client_sessions::put(conn, row).map(drop)?;
                }
                SessionChange::Closed => client_sessions::delete(conn, &id.to_string())?,
            }
        }
        Ok(())
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

/// A session as it was kept; `None` when this version of Berth has no use for it.
pub(in crate::actors) fn record_of(kept: &ClientSession) -> Option<Record> {
    Some(Record {
        id: SessionId::read(&kept.id)?,
        owner: kept.user_id,
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
            let got = match batch.0.get(&id) {
                None => "nothing".to_owned(),
                Some(Closed) => "delete".to_owned(),
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
        assert!(matches!(batch.0.get(&id), Some(SessionChange::Closed)));
    }

    #[test]
    fn what_cannot_be_used_any_more_is_left_out() {
        assert!(record_of(&row("info")).is_some());
        assert!(record_of(&ClientSession { version: "1999-01-01".to_owned(), ..row("info") }).is_none());
        assert!(record_of(&ClientSession { transport: "sse".to_owned(), ..row("info") }).is_none());
        assert!(record_of(&ClientSession { id: "x".to_owned(), ..row("info") }).is_none());
    }
}
