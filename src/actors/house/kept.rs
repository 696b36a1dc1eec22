//! What outlives the actor of a connection: its id, its client and its sessions.
//!
//! What an earlier run has left, or an actor that failed, is taken in asleep.

use std::{collections::HashSet, ffi::OsStr, path::PathBuf, sync::Arc};

use actix::Context;

use super::HouseActor;
use crate::{
    db::connections::ConnectionRecord,
    domain::{connection::Client, lifecycle::State, time::Timestamp},
    mcp::session::{Journal, Record, SessionId, Sessions},
    process::{directories_in, remove_trees},
    routing::Seat,
};

/// A connection that outlives its actor: of an earlier run, or of a house that failed.
pub(in crate::actors) struct Kept {
    pub(in crate::actors) id: SessionId,
    pub(in crate::actors) client: Option<Client>,
    pub(in crate::actors) created_at: Timestamp,
    pub(in crate::actors) used_at: Timestamp,
    pub(in crate::actors) sessions: Arc<Sessions>,
}

impl Kept {
    /// One of an earlier run; `None` when nobody can come back to it: its session has ended.
    pub(in crate::actors) fn of(
        record: &ConnectionRecord,
        session: Option<Record>,
        journal: Arc<dyn Journal>,
    ) -> Option<Self> {
        let id = SessionId::read(&record.id)?;
        if record.client.is_none() && session.is_none() {
            return None;
        }
        let sessions = Arc::new(Sessions::of_connection(id, journal, session));
        Some(Self { id, client: record.client, created_at: record.created_at, used_at: record.last_used_at, sessions })
    }

    /// One of a house that failed. A spare is nobody's.
    pub(in crate::actors) fn of_seat(seat: &Seat) -> Option<Self> {
        let sessions = Arc::clone(&seat.route.sessions);
        let used_at = seat.route.last_used();
        let kept = Self { id: seat.id, client: seat.client, created_at: seat.created_at, used_at, sessions };
        (!seat.is_spare).then_some(kept)
    }
}

impl HouseActor {
    /// Takes in what an earlier run left, asleep; deletes what belongs to nobody.
    pub(super) fn seat_kept(&mut self, context: &mut Context<Self>) {
        for kept in std::mem::take(&mut self.kept) {
            self.seat(context, kept, State::Idle, false, None);
        }
        self.publish_seats();
        // Listed before there are orders: a connection that is made from now on is not among them.
        let unknown = self.unknown_folders();
        actix_rt::spawn(async move {
            let removed = tokio::task::spawn_blocking(move || remove_trees(unknown)).await;
            if let Ok(Err(error)) = removed {
                log::warn!("files of connections that are gone could not be removed: {error}");
            }
        });
    }

    /// Directories that are no connection's.
    fn unknown_folders(&self) -> Vec<PathBuf> {
        let known: HashSet<String> = self.tenants.keys().map(ToString::to_string).collect();
        let is_known =
            |path: &PathBuf| path.file_name().and_then(OsStr::to_str).is_some_and(|name| known.contains(name));
        let mut folders = directories_in(&self.runtime.paths.connections(self.instance.id));
        folders.retain(|path| !is_known(path));
        folders
    }
}
