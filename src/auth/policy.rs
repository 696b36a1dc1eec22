//! Every decision about who may do what, in one place and in one table test.
//!
//! Whoever asks brings what is known of the thing: whose it is, whether it is shared, whether it is listed.
//! Nothing is looked up here.

use super::{Principal, Via};
use crate::{
    db::users::Role,
    domain::ids::{InstanceId, UserId},
};

/// A share of an instance, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shared {
    /// With whom.
    pub guest: UserId,
    /// Whether its time is not over.
    pub is_live: bool,
}

/// What somebody wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Speak MCP to an instance, list its tools, ask whether it is well. It acts with its owner's
    /// credential, so nobody else ever may with whom the owner does not share it. Which tools is the
    /// business of the proof's reach and of the share.
    Call {
        /// The instance.
        id: InstanceId,
        /// Its owner.
        owner: UserId,
        /// The share of it that there is with whom asks.
        shared: Option<Shared>,
    },
    /// See an instance, its logs and its state.
    View {
        /// The instance.
        id: InstanceId,
        /// Its owner.
        owner: UserId,
    },
    /// Change, stop or delete an instance, and end what it is shared by.
    Manage {
        /// The instance.
        id: InstanceId,
        /// Its owner.
        owner: UserId,
    },
    /// Share an instance, and with it what its credential opens: its owner's business alone.
    Share {
        /// The instance.
        id: InstanceId,
        /// Its owner.
        owner: UserId,
    },
    /// Create instances, tokens and credentials of one's own, and see them.
    UseAccount,
    /// Make an instance of a service.
    UseService {
        /// Whether the service is among those that the account may use: all are where nobody says.
        is_listed: bool,
    },
    /// Everything that concerns other people: users, services, audit.
    Administer,
}

/// Whether `principal` may do `action`.
#[must_use]
pub fn allows(principal: &Principal, action: Action) -> bool {
    let is_admin = principal.role == Role::Admin;
    // An OAuth client speaks MCP for its user, and does nothing else of what they may do.
    let speaks_only = matches!(principal.via, Via::Grant { .. });
    let whole_account = !speaks_only && principal.reach.is_whole();
    let reaches = |id: InstanceId| principal.reach.covers(id);
    match action {
        Action::Call { id, owner, shared } => {
            let is_guest = shared.is_some_and(|share| share.is_live && share.guest == principal.user);
            (owner == principal.user || is_guest) && reaches(id)
        }
        Action::View { id, owner } => {
            !speaks_only && reaches(id) && (owner == principal.user || (is_admin && whole_account))
        }
        Action::Manage { owner, .. } => whole_account && (owner == principal.user || is_admin),
        Action::Share { owner, .. } => whole_account && owner == principal.user,
        Action::UseAccount => whole_account,
        Action::UseService { is_listed } => whole_account && is_listed,
        Action::Administer => is_admin && whole_account,
    }
}

#[cfg(test)]
#[path = "policy/tests.rs"]
mod tests;
