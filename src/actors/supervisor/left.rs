//! What an earlier run or actor has left of an instance, for the actor that takes over.

use std::{collections::HashMap, sync::Arc};

use crate::{
    actors::{Runtime, house::Kept, recorder},
    db::{client_sessions::ClientSession, connections::ConnectionRecord},
    domain::instance::{Instance, Mode},
    mcp::session::{Record, Sessions},
    routing::Route,
};

/// What an earlier run or actor has left of an instance.
pub(super) enum Left {
    /// Of one that has a process.
    Sessions(Arc<Sessions>),
    /// Of one that has processes for each connection.
    Connections(Vec<Kept>),
}

impl Left {
    /// Of the last run. Connections are forgotten where the mode has none any more.
    pub(super) fn of_last_run(
        runtime: &Runtime,
        instance: &Instance,
        connections: Vec<ConnectionRecord>,
        sessions: &[ClientSession],
    ) -> Self {
        match instance.mode {
            Mode::Session => Self::Connections(seats_left(runtime, instance, connections, sessions)),
            Mode::Dedicated | Mode::Shared => {
                let gone = connections.into_iter().map(|connection| connection.id);
                gone.for_each(|id| runtime.recorder.forget_connection(id));
                Self::Sessions(restore(runtime, instance, sessions))
            }
        }
    }

    /// Of an actor that has failed: what its route shows.
    pub(super) fn of_route(instance: &Instance, route: &Route) -> Self {
        match instance.mode {
            Mode::Session => {
                let seats = route.connections().map(|connections| connections.all()).unwrap_or_default();
                Self::Connections(seats.iter().filter_map(|seat| Kept::of_seat(seat)).collect())
            }
            Mode::Dedicated | Mode::Shared => Self::Sessions(Arc::clone(&route.sessions)),
        }
    }

    /// Nothing.
    pub(super) fn nothing(runtime: &Runtime, instance: &Instance) -> Self {
        match instance.mode {
            Mode::Session => Self::Connections(Vec::new()),
            Mode::Dedicated | Mode::Shared => Self::Sessions(restore(runtime, instance, &[])),
        }
    }
}

/// Connections of the last run with their sessions; those to which nobody can come back are forgotten,
/// and sessions without a connection too.
fn seats_left(
    runtime: &Runtime,
    instance: &Instance,
    connections: Vec<ConnectionRecord>,
    sessions: &[ClientSession],
) -> Vec<Kept> {
    let journal = runtime.recorder.journal(instance.id);
    let records = sessions.iter().filter_map(recorder::sessions::record_of);
    let mut records: HashMap<String, Record> = records.map(|record| (record.id.to_string(), record)).collect();
    let mut kept = Vec::new();
    for connection in connections {
        let session = records.remove(&connection.id);
        match Kept::of(&connection, session, Arc::clone(&journal)) {
            Some(one) => kept.push(one),
            None => runtime.recorder.forget_connection(connection.id),
        }
    }
    records.values().for_each(|record| journal.closed(record.id));
    kept
}

/// The instance's client sessions of the last run, from now on kept by the recorder.
fn restore(runtime: &Runtime, instance: &Instance, sessions: &[ClientSession]) -> Arc<Sessions> {
    let journal = runtime.recorder.journal(instance.id);
    let records = sessions.iter().filter_map(recorder::sessions::record_of).collect();
    Arc::new(Sessions::restored(runtime.config.max_sessions, journal, records))
}
