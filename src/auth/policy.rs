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
    // An OAuth client speaks MCP for its user, and does nothing else of what they may do.
    let speaks_only = matches!(principal.via, Via::Grant { .. });
    let whole_account = !speaks_only && principal.reach.is_whole();
    let reaches = |id: InstanceId| principal.reach.covers(id);
    match action {
        Action::Call { id, owner } => owner == principal.user && reaches(id),
        Action::View { id, owner } => {
            !speaks_only && reaches(id) && (owner == principal.user || (is_admin && whole_account))
        }
        Action::Manage { owner, .. } => whole_account && (owner == principal.user || is_admin),
        Action::UseAccount => whole_account,
        Action::Administer => is_admin && whole_account,
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, sync::Arc};

    use super::*;
    use crate::{
        auth::{
            Reach,
            limits::{Account, Ledger},
        },
        domain::{
            ids::{GrantId, LoginId, TokenId},
            quota::Entitlement,
        },
    };

    fn principal(user: UserId, role: Role, via: Via, reach: Reach) -> Principal {
        let account = Account::new(user, Entitlement::unlimited(), &Arc::new(Ledger::default()));
        Principal {
            user,
            number: 1,
            email: "a@b.c".parse().unwrap(),
            role,
            via,
            reach,
            expires_at: None,
            account,
            token_rate: None,
            noted_second: 0.into(),
        }
    }

    fn only(id: InstanceId) -> Reach {
        Reach { instances: Some(HashSet::from([id])), ..Reach::WHOLE }
    }

    #[test]
    fn role_by_proof_by_ownership() {
        let (me, other) = (UserId::generate(), UserId::generate());
        let (mine, listed, foreign) = (InstanceId::generate(), InstanceId::generate(), InstanceId::generate());
        let token = || Via::Token { id: TokenId::generate() };
        let grant = || Via::Grant { id: GrantId::generate() };
        let login = || Via::Login { id: LoginId::generate() };
        let reading = || Reach { read_only: true, ..Reach::WHOLE };
        // Columns: call mine, call listed, call foreign, view mine, view listed, view foreign,
        // manage mine, manage listed, manage foreign, use account, administer.
        let table = [
            (Role::User, token(), Reach::WHOLE, "yy.yy.yy.y."),
            (Role::User, token(), only(listed), ".y..y......"),
            (Role::User, token(), reading(), "yy.yy......"),
            (Role::User, grant(), only(listed), ".y........."),
            (Role::User, login(), Reach::WHOLE, "yy.yy.yy.y."),
            (Role::Admin, token(), Reach::WHOLE, "yy.yyyyyyyy"),
            (Role::Admin, token(), only(listed), ".y..y......"),
            (Role::Admin, grant(), Reach::WHOLE, "yy........."),
            (Role::Admin, login(), Reach::WHOLE, "yy.yyyyyyyy"),
            (Role::Admin, Via::Operator, Reach::WHOLE, "yy.yyyyyyyy"),
        ];
        for (role, via, reach, expected) in table {
            let principal = principal(me, role, via, reach);
            let owned = [(mine, me), (listed, me), (foreign, other)];
            let mut actions: Vec<Action> = Vec::new();
            actions.extend(owned.map(|(id, owner)| Action::Call { id, owner }));
            actions.extend(owned.map(|(id, owner)| Action::View { id, owner }));
            actions.extend(owned.map(|(id, owner)| Action::Manage { id, owner }));
            actions.extend([Action::UseAccount, Action::Administer]);
            let got: String =
                actions.iter().map(|action| if allows(&principal, *action) { 'y' } else { '.' }).collect();
            assert_eq!(got, expected, "{role:?} {:?} {:?}", principal.via, principal.reach);
        }
    }

    #[test]
    fn a_scoped_token_never_reaches_a_foreign_instance_even_if_listed() {
        let (me, other) = (UserId::generate(), UserId::generate());
        let foreign = InstanceId::generate();
        let principal = principal(me, Role::Admin, Via::Token { id: TokenId::generate() }, only(foreign));
        assert!(!allows(&principal, Action::Call { id: foreign, owner: other }));
        assert!(!allows(&principal, Action::View { id: foreign, owner: other }));
    }
}
