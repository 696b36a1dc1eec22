use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
};

use governor::{Quota, RateLimiter};

use super::*;
use crate::{
    auth::Reach,
    domain::ids::{GrantId, LoginId, TokenId},
};

fn principal(user: UserId, role: Role, via: Via, reach: Reach) -> Principal {
    let limiter = Arc::new(RateLimiter::direct(Quota::per_second(std::num::NonZeroU32::MIN)));
    Principal {
        user,
        number: 1,
        email: "a@b.c".parse().unwrap(),
        role,
        via,
        reach,
        expires_at: None,
        limiter,
        ended: Arc::default(),
        noted_second: 0.into(),
    }
}

/// One instance, seen from who asks.
#[derive(Clone, Copy)]
struct Place {
    id: InstanceId,
    owner: UserId,
    shared: Option<Shared>,
    /// Whether a proof that is limited to instances names it.
    is_listed: bool,
}

/// Mine, shared with me, shared with me but over, foreign; of each, one that is not listed and one that is.
fn places(me: UserId) -> Vec<Place> {
    let other = UserId::generate();
    let shared = |is_live| Some(Shared { guest: me, is_live });
    let kinds = [(me, None), (other, shared(true)), (other, shared(false)), (other, None)];
    let place = |(owner, shared), is_listed| Place { id: InstanceId::generate(), owner, shared, is_listed };
    kinds.into_iter().flat_map(|kind| [place(kind, false), place(kind, true)]).collect()
}

fn via(kind: &str) -> Via {
    match kind {
        "token" => Via::Token { id: TokenId::generate() },
        "grant" => Via::Grant { id: GrantId::generate() },
        "login" => Via::Login { id: LoginId::generate() },
        _ => Via::Operator,
    }
}

fn reach(kind: &str, places: &[Place]) -> Reach {
    let listed = places.iter().filter(|place| place.is_listed).map(|place| place.id).collect::<HashSet<_>>();
    let tools = Arc::new(BTreeSet::from(["a".to_owned()]));
    match kind {
        "listed" => Reach { instances: Some(listed), ..Reach::WHOLE },
        "tools" => Reach { tools: Some(tools), ..Reach::WHOLE },
        "reading" => Reach { read_only: true, ..Reach::WHOLE },
        "listed_tools" => Reach { instances: Some(listed), tools: Some(tools), read_only: false },
        _ => Reach::WHOLE,
    }
}

#[test]
fn role_by_proof_by_reach_by_ownership() {
    // Call, view, manage, share: each of mine, mine listed, shared, shared listed, over, over listed,
    // foreign, foreign listed. Then: use the account; use a listed service, another one; administer.
    let table = [
        (Role::User, "token", "whole", "yyyy.... yy...... yy...... yy...... y y. ."),
        (Role::User, "token", "listed", ".y.y.... .y...... ........ ........ . .. ."),
        (Role::User, "token", "tools", "yyyy.... yy...... ........ ........ . .. ."),
        (Role::User, "token", "reading", "yyyy.... yy...... ........ ........ . .. ."),
        (Role::User, "token", "listed_tools", ".y.y.... .y...... ........ ........ . .. ."),
        (Role::User, "grant", "whole", "yyyy.... ........ ........ ........ . .. ."),
        (Role::User, "grant", "listed", ".y.y.... ........ ........ ........ . .. ."),
        (Role::User, "grant", "tools", "yyyy.... ........ ........ ........ . .. ."),
        (Role::User, "grant", "reading", "yyyy.... ........ ........ ........ . .. ."),
        (Role::User, "grant", "listed_tools", ".y.y.... ........ ........ ........ . .. ."),
        (Role::User, "login", "whole", "yyyy.... yy...... yy...... yy...... y y. ."),
        (Role::User, "login", "listed", ".y.y.... .y...... ........ ........ . .. ."),
        (Role::User, "login", "tools", "yyyy.... yy...... ........ ........ . .. ."),
        (Role::User, "login", "reading", "yyyy.... yy...... ........ ........ . .. ."),
        (Role::User, "login", "listed_tools", ".y.y.... .y...... ........ ........ . .. ."),
        (Role::Admin, "token", "whole", "yyyy.... yyyyyyyy yyyyyyyy yy...... y y. y"),
        (Role::Admin, "token", "listed", ".y.y.... .y...... ........ ........ . .. ."),
        (Role::Admin, "token", "tools", "yyyy.... yy...... ........ ........ . .. ."),
        (Role::Admin, "token", "reading", "yyyy.... yy...... ........ ........ . .. ."),
        (Role::Admin, "token", "listed_tools", ".y.y.... .y...... ........ ........ . .. ."),
        (Role::Admin, "grant", "whole", "yyyy.... ........ ........ ........ . .. ."),
        (Role::Admin, "grant", "listed", ".y.y.... ........ ........ ........ . .. ."),
        (Role::Admin, "grant", "tools", "yyyy.... ........ ........ ........ . .. ."),
        (Role::Admin, "grant", "reading", "yyyy.... ........ ........ ........ . .. ."),
        (Role::Admin, "grant", "listed_tools", ".y.y.... ........ ........ ........ . .. ."),
        (Role::Admin, "login", "whole", "yyyy.... yyyyyyyy yyyyyyyy yy...... y y. y"),
        (Role::Admin, "login", "listed", ".y.y.... .y...... ........ ........ . .. ."),
        (Role::Admin, "login", "tools", "yyyy.... yy...... ........ ........ . .. ."),
        (Role::Admin, "login", "reading", "yyyy.... yy...... ........ ........ . .. ."),
        (Role::Admin, "login", "listed_tools", ".y.y.... .y...... ........ ........ . .. ."),
        (Role::Admin, "operator", "whole", "yyyy.... yyyyyyyy yyyyyyyy yy...... y y. y"),
        (Role::Admin, "operator", "listed", ".y.y.... .y...... ........ ........ . .. ."),
        (Role::Admin, "operator", "tools", "yyyy.... yy...... ........ ........ . .. ."),
        (Role::Admin, "operator", "reading", "yyyy.... yy...... ........ ........ . .. ."),
        (Role::Admin, "operator", "listed_tools", ".y.y.... .y...... ........ ........ . .. ."),
    ];
    assert_eq!(table.len(), 2 * 4 * 5 - 5, "every combination; the operator is an administrator");
    for (role, kind, how_far, expected) in table {
        let me = UserId::generate();
        let places = places(me);
        let principal = principal(me, role, via(kind), reach(how_far, &places));
        let verdict = |action| if allows(&principal, action) { 'y' } else { '.' };
        let each = |action: fn(&Place) -> Action| places.iter().map(|place| verdict(action(place))).collect::<String>();
        let got = [
            each(|&Place { id, owner, shared, .. }| Action::Call { id, owner, shared }),
            each(|&Place { id, owner, .. }| Action::View { id, owner }),
            each(|&Place { id, owner, .. }| Action::Manage { id, owner }),
            each(|&Place { id, owner, .. }| Action::Share { id, owner }),
            verdict(Action::UseAccount).to_string(),
            [true, false].map(|is_listed| verdict(Action::UseService { is_listed })).iter().collect(),
            verdict(Action::Administer).to_string(),
        ];
        assert_eq!(got.join(" "), expected, "{role:?} {kind} {how_far}");
    }
}

#[test]
fn a_share_is_for_its_guest_alone() {
    let (me, other, owner) = (UserId::generate(), UserId::generate(), UserId::generate());
    let id = InstanceId::generate();
    for role in [Role::User, Role::Admin] {
        let principal = principal(me, role, via("token"), Reach::WHOLE);
        let call = |guest| Action::Call { id, owner, shared: Some(Shared { guest, is_live: true }) };
        assert!(allows(&principal, call(me)) && !allows(&principal, call(other)) && !allows(&principal, call(owner)));
    }
}
