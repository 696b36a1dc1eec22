//! Requests of the child: answered here, or on their way to a client.

use std::sync::Arc;

use bytes::Bytes;

use super::SessionHttp;
use crate::mcp::{
    ask::{Ask, Outcome},
    clock::Clock,
    jsonrpc::Message,
    session::Session,
};

impl SessionHttp {
    /// A request that the child has made in `session`; `None` when it is answered here. It keeps the
    /// child's session in mind, not ours: that one holds it until it is answered.
    pub(super) fn asked(
        self: &Arc<Self>,
        session: &Session,
        request: Message,
        clock: Option<Arc<Clock>>,
    ) -> Option<Ask> {
        let (peer, at, id) = (Arc::clone(self), session.child_session(), request.id().to_owned());
        if let Some(clock) = &clock {
            clock.stop();
        }
        let ping = request.method() == "ping";
        let ask = Ask::new(request, move |outcome| {
            if let Some(clock) = clock {
                clock.resume();
            }
            if let Some(at) = at {
                // Whoever answers does so on a thread of ours.
                peer.tell(at, Bytes::from(outcome.response(&id)));
            }
        });
        if ping {
            ask.answer(Outcome::Result(Bytes::from_static(b"{}")));
            return None;
        }
        Some(ask)
    }
}
