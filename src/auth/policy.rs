//! Every decision about who may do what, in one place and in one table test.

use super::{Principal, Via};
use crate::{
    db::users::Role,
    domain::ids::{InstanceId, UserId},
};

/// What somebody wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Speak MCP to an instance: it acts with its owner's credential, so nobody else ever may.
    Call {
        /// The instance.
        id: InstanceId,
        /// Its owner.
        owner: UserId,
    },
    /// See an instance, its logs and its state.
    View {
        /// The instance.
        id: InstanceId,
        /// Its owner.
        owner: UserId,
    },
    /// Change, stop or delete an instance.
    Manage {
        /// The instance.
        id: InstanceId,
        /// Its owner.
        owner: UserId,
    },
    /// Create instances, tokens and credentials of one's own, and see them.
    UseAccount,
    /// Everything that concerns other people: users, services, audit.
    Administer,
}

/// Whether `principal` may do `action`.
#[must_use]
pub fn allows(principal: &Principal, action: Action) -> bool {
    let is_admin = principal.role == Role::Admin;
    let whole_account = !matches!(principal.via, Via::Token { instances: Some(_), .. });
    let reaches = |id: InstanceId| match &principal.via {
        Via::Token { instances: Some(instances), .. } => instances.contains(&id),
        Via::Token { instances: None, .. } | Via::Login { .. } | Via::Operator => true,
    };
    match action {
        Action::Call { id, owner } => owner == principal.user && reaches(id),
        Action::View { id, owner } => reaches(id) && (owner == principal.user || (is_admin && whole_account)),
        Action::Manage { owner, .. } => whole_account && (owner == principal.user || is_admin),
        Action::UseAccount => whole_account,
        Action::Administer => is_admin && whole_account,
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, sync::Arc};

    use governor::{Quota, RateLimiter};

    use super::*;
    use crate::domain::ids::{LoginId, TokenId};

    fn principal(user: UserId, role: Role, via: Via) -> Principal {
        let limiter = Arc::new(RateLimiter::direct(Quota::per_second(std::num::NonZeroU32::MIN)));
        Principal {
            user,
            number: 1,
            email: "a@b.c".parse().unwrap(),
            role,
            via,
            expires_at: None,
            limiter,
            noted_second: 0.into(),
        }
    }

    #[test]
    fn role_by_proof_by_ownership() {
        let (me, other) = (UserId::generate(), UserId::generate());
        let (mine, listed, foreign) = (InstanceId::generate(), InstanceId::generate(), InstanceId::generate());
        let token = |instances| Via::Token { id: TokenId::generate(), instances };
        let scope = || Some(HashSet::from([listed]));
        let login = || Via::Login { id: LoginId::generate() };
        // Columns: call mine, call listed, call foreign, view mine, view listed, view foreign,
        // manage mine, manage listed, manage foreign, use account, administer.
        let table = [
            (Role::User, token(None), "yy.yy.yy.y."),
            (Role::User, token(scope()), ".y..y......"),
            (Role::User, login(), "yy.yy.yy.y."),
            (Role::Admin, token(None), "yy.yyyyyyyy"),
            (Role::Admin, token(scope()), ".y..y......"),
            (Role::Admin, login(), "yy.yyyyyyyy"),
            (Role::Admin, Via::Operator, "yy.yyyyyyyy"),
        ];
        for (role, via, expected) in table {
            let principal = principal(me, role, via);
            let owned = [(mine, me), (listed, me), (foreign, other)];
            let mut actions: Vec<Action> = Vec::new();
            actions.extend(owned.map(|(id, owner)| Action::Call { id, owner }));
            actions.extend(owned.map(|(id, owner)| Action::View { id, owner }));
            actions.extend(owned.map(|(id, owner)| Action::Manage { id, owner }));
            actions.extend([Action::UseAccount, Action::Administer]);
            let got: String =
                actions.iter().map(|action| if allows(&principal, *action) { 'y' } else { '.' }).collect();
            assert_eq!(got, expected, "{role:?} {:?}", principal.via);
        }
    }

    #[test]
    fn a_scoped_token_never_reaches_a_foreign_instance_even_if_listed() {
        let (me, other) = (UserId::generate(), UserId::generate());
        let foreign = InstanceId::generate();
        let via = Via::Token { id: TokenId::generate(), instances: Some(HashSet::from([foreign])) };
        let principal = principal(me, Role::Admin, via);
        assert!(!allows(&principal, Action::Call { id: foreign, owner: other }));
        assert!(!allows(&principal, Action::View { id: foreign, owner: other }));
    }
}
