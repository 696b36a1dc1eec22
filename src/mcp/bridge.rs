//! Where the eras meet: a child of one era as clients of the other see it.
//!
//! [`ForStateless`] shows a session-era child to clients that say everything in every request: it
//! holds one session with the child, parks calls in which the child asks something, and turns what
//! the child announces into listen streams. [`ForSessions`] shows a stateless child to clients with
//! sessions: it says for them, in every request, what they said once, and asks them what the child
//! wants to know. Both are written against the traits of [`super::upstream`], so stdio, HTTP and
//! remote children need nothing of their own.
//!
//! Owner of state: parked calls and listeners of one child, ending with it. Invariant: whatever is
//! kept for a client between two of its requests is bound to it, bounded in number, and expires.

mod for_sessions;
mod for_stateless;
mod held;
mod listeners;
mod parked;
mod results;
mod round;
mod state;
pub(super) mod tools;

pub use self::{
    for_sessions::ForSessions,
    for_stateless::ForStateless,
    held::{Held, HeldLimits},
};
pub(super) use self::{
    for_stateless::{OUR_CAPABILITIES, answer_of, closure},
    held::{Counted, Kind},
    results::plain,
};

use std::sync::Arc;

use super::{
    era::Era,
    jsonrpc::Message,
    session::Sessions,
    upstream::{Pulse, SessionPeer, StatelessPeer, Upstream},
};
use crate::domain::ids::UserId;

/// A child of the session era in both views; `owner` is whose instance it is.
///
/// # Errors
/// When the operating system gives no randomness.
pub fn of_session_child<P: SessionPeer + Pulse + 'static>(
    child: Arc<P>,
    sessions: Arc<Sessions>,
    owner: UserId,
    limits: HeldLimits,
) -> Result<Upstream, getrandom::Error> {
    let held = Held::new(limits);
    let bridge = ForStateless::new(child.clone(), sessions, owner, Arc::clone(&held))?;
    Ok(Upstream { era: Era::Session, sessions: child.clone(), stateless: bridge, pulse: child, held })
}

/// A child of the stateless era, which answered `server/discover` with `discovered`, in both views.
pub fn of_stateless_child<P: StatelessPeer + Pulse + 'static>(
    child: Arc<P>,
    discovered: &Message,
    sessions: Arc<Sessions>,
    owner: UserId,
    limits: HeldLimits,
) -> Upstream {
    let bridge = ForSessions::new(child.clone(), sessions, owner, discovered);
    Upstream { era: Era::Stateless, sessions: bridge, stateless: child.clone(), pulse: child, held: Held::new(limits) }
}
