//! Writes what is (state, restarts, events, client sessions) into the database, in order and in batches.
//!
//! One task for all instances: actors never wait for SQL, and a hundred instances that start at
//! once cost a few transactions. When the database is away, the newest state of each instance is
//! kept and written when it is back, as is that of each client session; a bounded number of events too.

pub(super) mod sessions;

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::sync::{mpsc, oneshot};

use self::sessions::{Changes, InstanceJournal, SessionChange};
use crate::{
    db::{
        Connection, Db, OptionalExtension, QueryResult, audit,
        connections::{self, ConnectionRecord},
        events, instances, usage_hours,
    },
    domain::{
        fingerprint::Fingerprint,
        ids::{CredentialId, InstanceId},
        instance::Status,
        notice::Happening,
        time::Timestamp,
        usage::UsageHour,
    },
    mcp::session::{Journal, SessionId},
};

/// Events that are kept while the database is away.
const MAX_EVENTS: usize = 10_000;

enum Entry {
    State {
        id: InstanceId,
        change: Box<instances::StateChange>,
    },
    Event {
        id: InstanceId,
        at: Timestamp,
        kind: &'static str,
        detail: serde_json::Value,
    },
    /// A child was given a credential.
    Use {
        credential: CredentialId,
        id: InstanceId,
        at: Timestamp,
    },
    Usage {
        id: InstanceId,
        part: UsageHour,
    },
    Session {
        id: SessionId,
        change: SessionChange,
    },
    /// What is true of a connection; `None`: it is gone.
    Connection {
        id: String,
        record: Option<ConnectionRecord>,
    },
    Flush(oneshot::Sender<()>),
}

/// The sending side. Cheap to clone; never blocks.
#[derive(Clone)]
pub struct Recorder {
    entries: mpsc::UnboundedSender<Entry>,
}

#[derive(Default)]
struct Batch {
    states: HashMap<InstanceId, instances::StateChange>,
    events: Vec<(InstanceId, Timestamp, &'static str, serde_json::Value)>,
    uses: Vec<(CredentialId, InstanceId, Timestamp)>,
    usage: HashMap<(InstanceId, Timestamp), UsageHour>,
    sessions: Changes,
    connections: HashMap<String, Option<ConnectionRecord>>,
    flushes: Vec<oneshot::Sender<()>>,
}

impl Recorder {
    /// Starts the task on the current runtime. Beside it: every event that was written, for those who tell
    /// people of it; what they do not take in time they miss.
    #[must_use]
    pub fn start(db: Db) -> (Self, mpsc::Receiver<Happening>) {
        let (entries, receiver) = mpsc::unbounded_channel();
        let (written, happenings) = mpsc::channel(MAX_EVENTS);
        actix_rt::spawn(run(db, receiver, written));
        (Self { entries }, happenings)
    }

    /// Records what is true of an instance.
    pub(super) fn state(&self, id: InstanceId, status: &Status, last_good: Option<Fingerprint>) {
        let change = instances::StateChange {
            state: Some(status.state),
            // The last port is kept while there is none: the next start prefers it.
            port: status.port.map(Some),
            started_at: Some(status.started_at),
            restarts: Some(status.restarts),
            last_error: Some(status.last_error.clone()),
            last_good: last_good.map(Some),
        };
        // A closed channel means that Berth is ending; the boot rebuilds state.
        let _ = self.entries.send(Entry::State { id, change: Box::new(change) });
    }

    /// Records that something happened to an instance.
    pub(super) fn event(&self, id: InstanceId, kind: &'static str, detail: serde_json::Value) {
        let _ = self.entries.send(Entry::Event { id, at: Timestamp::now(), kind, detail });
    }

    /// Records in the audit log that the child of an instance was given a credential.
    pub(super) fn credential_use(&self, credential: CredentialId, id: InstanceId) {
        let _ = self.entries.send(Entry::Use { credential, id, at: Timestamp::now() });
    }

    /// Records what an instance used in a part of an hour.
    pub(super) fn usage(&self, id: InstanceId, part: UsageHour) {
        let _ = self.entries.send(Entry::Usage { id, part });
    }

    /// Keeps the client sessions of an instance.
    pub(super) fn journal(&self, instance: InstanceId) -> Arc<dyn Journal> {
        Arc::new(InstanceJournal::new(instance, self.entries.clone()))
    }

    /// Records what is true of a connection: before its session, so that neither is known alone.
    pub(super) fn connection(&self, record: ConnectionRecord) {
        let _ = self.entries.send(Entry::Connection { id: record.id.clone(), record: Some(record) });
    }

    /// Records that a connection is gone.
    pub(super) fn forget_connection(&self, id: String) {
        let _ = self.entries.send(Entry::Connection { id, record: None });
    }

    /// Returns when everything recorded before is written, or cannot be.
    pub async fn flush(&self) {
        let (done, written) = oneshot::channel();
        if self.entries.send(Entry::Flush(done)).is_ok() {
            let _ = tokio::time::timeout(Duration::from_secs(10), written).await;
        }
    }
}

async fn run(db: Db, mut entries: mpsc::UnboundedReceiver<Entry>, written: mpsc::Sender<Happening>) {
    let mut batch = Batch::default();
    while let Some(entry) = entries.recv().await {
        batch.take(entry);
        while let Ok(entry) = entries.try_recv() {
            batch.take(entry);
        }
        let mut pause = Duration::from_millis(200);
        while let Err(error) = batch.write(&db, &written).await {
            log::warn!("states could not be recorded, trying again: {error}");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(10));
            while let Ok(entry) = entries.try_recv() {
                batch.take(entry);
            }
        }
        for done in batch.flushes.drain(..) {
            let _ = done.send(());
        }
    }
}

impl Batch {
    fn take(&mut self, entry: Entry) {
        match entry {
            Entry::State { id, change } => {
                let slot = self.states.entry(id).or_default();
                let last_good = change.last_good.clone().or_else(|| slot.last_good.take());
                *slot = instances::StateChange { last_good, ..*change };
            }
            Entry::Event { id, at, kind, detail } if self.events.len() < MAX_EVENTS => {
                self.events.push((id, at, kind, detail));
            }
            Entry::Event { .. } => {}
            Entry::Use { credential, id, at } => self.uses.push((credential, id, at)),
            Entry::Usage { id, part } => {
                let sum = self.usage.entry((id, part.hour)).or_insert_with(|| UsageHour::of(part.hour));
                sum.merge(&part);
            }
            Entry::Session { id, change } => self.sessions.take(id, change),
            Entry::Connection { id, record } => {
                self.connections.insert(id, record);
            }
            Entry::Flush(done) => self.flushes.push(done),
        }
    }

    async fn write(&mut self, db: &Db, written: &mpsc::Sender<Happening>) -> Result<(), crate::db::DbError> {
        let states = self.states.clone();
        let events = self.events.clone();
        let (usage, uses) = (self.usage.clone(), self.uses.clone());
        let sessions = self.sessions.begin_write();
        let connections = self.connections.clone();
        db.write(move |conn| {
            write_all(conn, &states, &events)?;
            write_usage(conn, &usage)?;
            uses.iter().try_for_each(|given| write_use(conn, *given))?;
            for (id, record) in &connections {
                match record {
                    Some(record) => connections::put(conn, record).map(drop)?,
                    None => connections::delete(conn, id)?,
                }
            }
            sessions.write(conn)
        })
        .await?;
        self.states.clear();
        for (instance, at, kind, detail) in self.events.drain(..) {
            // Whoever tells people is behind by thousands: nobody would read so much.
            let _ = written.try_send(Happening { instance, at, kind, detail });
        }
        self.uses.clear();
        self.usage.clear();
        self.sessions.clear();
        self.connections.clear();
        Ok(())
    }
}

/// An instance that was deleted meanwhile takes its late news with it.
fn write_all(
    conn: &mut Connection,
    states: &HashMap<InstanceId, instances::StateChange>,
    events: &[(InstanceId, Timestamp, &'static str, serde_json::Value)],
) -> QueryResult<()> {
    let mut known: HashMap<InstanceId, bool> = HashMap::new();
    for (id, change) in states {
        let exists = instances::set_state(conn, *id, change).optional()?.is_some();
        known.insert(*id, exists);
    }
    for (id, at, kind, detail) in events {
        let exists = match known.get(id) {
            Some(exists) => *exists,
            None => instances::by_id(conn, *id).optional()?.is_some(),
        };
        known.insert(*id, exists);
        if exists {
            events::append(conn, *id, *at, kind, detail)?;
        }
    }
    Ok(())
}

/// The same: an instance that is gone needs no history.
fn write_usage(conn: &mut Connection, parts: &HashMap<(InstanceId, Timestamp), UsageHour>) -> QueryResult<()> {
    for ((id, _), part) in parts {
        if instances::by_id(conn, *id).optional()?.is_some() {
            usage_hours::add(conn, *id, part)?;
        }
    }
    Ok(())
}

fn write_use(conn: &mut Connection, (credential, id, at): (CredentialId, InstanceId, Timestamp)) -> QueryResult<()> {
    let entry = audit::NewEntry {
        at,
        actor: None,
        action: "credential.use".to_owned(),
        target: format!("credential:{credential}"),
        detail: serde_json::json!({ "instance": id }),
    };
    audit::append(conn, &entry).map(drop)
}
