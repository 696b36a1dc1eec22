//! A request that was handed on, and how it ends when its client may not be here any more.

use std::{pin::pin, sync::Arc};

use futures_util::future::{Either, select};

use crate::mcp::{error::Code, front::Standing, jsonrpc::Message, session::Session, upstream::SessionPeer};

/// One request that was handed on.
#[derive(Clone)]
pub(in crate::mcp::front) struct Asked {
    /// To whom.
    pub(in crate::mcp::front) peer: Arc<dyn SessionPeer>,
    /// In which session.
    pub(in crate::mcp::front) session: Arc<Session>,
    /// Its raw id.
    pub(in crate::mcp::front) id: String,
    /// What it stands on.
    pub(in crate::mcp::front) standing: Standing,
}

impl Asked {
    /// Goes on with `work`, for as long as the client may be here; `false` when that ended first, and the
    /// call with it.
    pub(in crate::mcp::front) async fn unless_over(&self, work: impl Future<Output = ()>) -> bool {
        let mut work = pin!(work);
        if let Either::Left(_) = select(work.as_mut(), pin!(self.standing.over())).await {
            return true;
        }
        let params = format!(r#"{{"requestId":{},"reason":"access was taken back"}}"#, self.id);
        let note = Message::note("notifications/cancelled", &params);
        // While the work is still there: what nobody waits for any more cannot be found to be cancelled.
        // A child that cannot hear of it is ending.
        drop(Arc::clone(&self.peer).notify(Arc::clone(&self.session), note).await);
        false
    }
}

/// What stands for the answer to a call whose client may not be here any more.
pub(in crate::mcp::front) fn taken_back(id: &str) -> Message {
    Message::failure(id, Code::Internal, "access was taken back before the server answered")
}
