//! To whom a session belongs.

use crate::domain::{connection::Client, ids::UserId};

/// Who may use a session: whatever proves to be the user, or one proof alone. Who may use some tools only
/// gets a session that no other proof of the same user enters, and enters none of theirs: its streams
/// show what was called in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The user.
    pub user: UserId,
    /// The one proof that opens it; all of the user's that are not limited themselves when absent.
    pub only: Option<Client>,
}

impl From<UserId> for Holder {
    fn from(user: UserId) -> Self {
        Self { user, only: None }
    }
}
