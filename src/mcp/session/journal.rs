//! What is kept of sessions beyond a run, without this layer knowing where.

use std::sync::Arc;

use bytes::Bytes;

use super::{Holder, Session, SessionId};
use crate::domain::time::Timestamp;

/// Writes sessions down. Called on the way of requests: must neither block nor fail.
pub trait Journal: Send + Sync {
    /// A session was opened, and its client knows it.
    fn opened(&self, session: &Session);

    /// What it follows or wants to hear has changed. Not said again before [`Session::to_write`] was
    /// asked what is to be written.
    fn changed(&self, session: Arc<Session>);

    /// It has ended: its id must mean nothing after a restart either.
    fn closed(&self, id: SessionId);
}

/// What is kept of a session.
#[derive(Clone, Debug)]
pub struct Record {
    /// Its id.
    pub id: SessionId,
    /// Who opened it.
    pub owner: Holder,
    /// The protocol version that was agreed.
    pub version: &'static str,
    /// The client's `initialize` as it came.
    pub hello: Bytes,
    /// The resources that the client follows.
    pub subscriptions: Vec<String>,
    /// The least level of log messages that the client wants.
    pub level: Option<String>,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// Its last request.
    pub seen_at: Timestamp,
}
