//! Users, tokens and sign-ins.

use berth::{
    db::{
        DbError,
        logins::{self, Login},
        tokens::{self, NewToken},
        users::{self, Role},
    },
    domain::{
        ids::{LoginId, TokenId, UserId},
        time::Timestamp,
    },
};

use super::{TestDb, instances::new_instance, new_user, unique};

#[test]
fn users_are_numbered_and_found() {
    for test in TestDb::each() {
        let (ann, bob) = (test.user("Ann@example.org"), test.user("bob@example.org"));
        assert_eq!((ann.number, bob.number), (1, 2));
        assert_eq!(test.read(|c| users::by_id(c, ann.id)), ann);
        assert_eq!(test.read(|c| users::by_email(c, &ann.email)), ann);
        assert_eq!(test.read(users::list), [ann, bob]);
        assert_eq!(test.read(users::count), 2);
        let missing = test.db.read_blocking(|c| users::by_id(c, UserId::generate()));
        assert!(matches!(missing, Err(DbError::NotFound)));
    }
}

#[test]
fn an_address_is_taken_once_whatever_its_case() {
    for test in TestDb::each() {
        test.user("ann@example.org");
        let error = test.write_error(|c| users::insert(c, &new_user("ANN@example.org")).map(drop));
        assert_eq!(unique(&error), "users_email");
        assert_eq!(test.user("bob@example.org").number, 2, "the refused one used up no number");
    }
}

#[test]
fn a_number_is_never_given_again() {
    for test in TestDb::each() {
        test.user("a@b.c");
        let last = test.user("b@b.c");
        test.write(|c| users::delete(c, last.id));
        assert_eq!(test.user("c@b.c").number, 3);
    }
}

#[test]
fn users_change() {
    for test in TestDb::each() {
        let id = test.user("a@b.c").id;
        test.write(|c| users::set_disabled(c, id, Some(Timestamp(5))));
        test.write(|c| users::set_password(c, id, Some("$argon2id$x")));
        test.write(|c| users::set_quota(c, id, Some(3)));
        test.write(|c| users::set_role(c, id, Role::Admin));
        let user = test.read(|c| users::by_id(c, id));
        assert_eq!(user.disabled_at, Some(Timestamp(5)));
        assert_eq!(user.password_hash.as_deref(), Some("$argon2id$x"));
        assert_eq!((user.instance_quota, user.role), (Some(3), Role::Admin));
        test.write(|c| users::set_disabled(c, id, None));
        test.write(|c| users::set_password(c, id, None));
        test.write(|c| users::set_quota(c, id, None));
        let user = test.read(|c| users::by_id(c, id));
        assert_eq!((user.disabled_at, user.password_hash, user.instance_quota), (None, None, None));
        let nobody = UserId::generate();
        assert!(matches!(test.write_error(|c| users::set_quota(c, nobody, None)), DbError::NotFound));
        assert!(matches!(test.write_error(|c| users::set_role(c, nobody, Role::User)), DbError::NotFound));
        assert!(matches!(test.write_error(|c| users::set_password(c, nobody, None)), DbError::NotFound));
        assert!(matches!(test.write_error(|c| users::set_disabled(c, nobody, None)), DbError::NotFound));
        assert!(matches!(test.write_error(|c| users::delete(c, nobody)), DbError::NotFound));
    }
}

#[test]
fn a_user_with_instances_is_not_deleted() {
    for test in TestDb::each() {
        let user = test.user("a@b.c");
        let instance = test.create(&new_instance(user.id, "gmail"), 10).unwrap();
        assert!(matches!(test.write_error(|c| users::delete(c, user.id)), DbError::ForeignKey));
        test.write(|c| berth::db::instances::delete(c, instance.id));
        test.write(|c| users::delete(c, user.id));
    }
}

pub(super) fn new_token(user: UserId, hash: &str) -> NewToken {
    NewToken {
        id: TokenId::generate(),
        user_id: user,
        name: "laptop".to_owned(),
        hash: hash.to_owned(),
        hint: "abcd".to_owned(),
        instances: None,
        created_at: Timestamp(1),
        expires_at: Some(Timestamp(99)),
        tools: None,
        read_only: false,
    }
}

#[test]
fn tokens_are_found_by_hash_with_their_owner() {
    for test in TestDb::each() {
        let user = test.user("a@b.c");
        let token = test.write(|c| tokens::insert(c, &new_token(user.id, "h1")));
        assert_eq!(test.read(|c| tokens::by_hash(c, "h1")), (token.clone(), user.clone()));
        assert_eq!(test.read(|c| tokens::by_id(c, token.id)), token);
        assert!(matches!(test.db.read_blocking(|c| tokens::by_hash(c, "h2")), Err(DbError::NotFound)));
        let error = test.write_error(|c| tokens::insert(c, &new_token(user.id, "h1")).map(drop));
        assert_eq!(unique(&error), "tokens_hash");
        let orphan = test.write_error(|c| tokens::insert(c, &new_token(UserId::generate(), "h3")).map(drop));
        assert!(matches!(orphan, DbError::ForeignKey), "{orphan:?}");
    }
}

#[test]
fn a_scoped_token_never_widens() {
    for test in TestDb::each() {
        let user = test.user("a@b.c");
        let one = test.create(&new_instance(user.id, "gmail"), 10).unwrap();
        let two = test.create(&new_instance(user.id, "gmail"), 10).unwrap();
        let scoped = NewToken { instances: Some(vec![two.id, one.id, one.id]), ..new_token(user.id, "h1") };
        let token = test.write(|c| tokens::insert(c, &scoped));
        assert_eq!(token.instances, Some(vec![one.id, two.id]));
        let all = test.write(|c| tokens::insert(c, &new_token(user.id, "h2")));
        let listed = test.read(|c| tokens::list_for_user(c, user.id));
        assert_eq!(
            listed.iter().map(|t| (t.id, t.instances.clone())).collect::<Vec<_>>(),
            [(all.id, None), (token.id, token.instances.clone()),]
        );
        for id in [one.id, two.id] {
            test.write(|c| berth::db::instances::delete(c, id));
        }
        assert_eq!(test.read(|c| tokens::by_hash(c, "h1")).0.instances, Some(vec![]));
        assert_eq!(test.read(|c| tokens::by_id(c, token.id)).instances, Some(vec![]));
    }
}

#[test]
fn tokens_are_revoked_touched_and_deleted() {
    for test in TestDb::each() {
        let user = test.user("a@b.c");
        let id = test.write(|c| tokens::insert(c, &new_token(user.id, "h1"))).id;
        test.write(|c| tokens::revoke(c, id, Timestamp(7)));
        test.write(|c| tokens::revoke(c, id, Timestamp(8)));
        test.write(|c| tokens::touch_many(c, &[(id, Timestamp(20)), (TokenId::generate(), Timestamp(1))]));
        test.write(|c| tokens::touch_many(c, &[(id, Timestamp(10))]));
        let token = test.read(|c| tokens::by_id(c, id));
        assert_eq!((token.revoked_at, token.last_used_at), (Some(Timestamp(7)), Some(Timestamp(20))));
        let missing = TokenId::generate();
        assert!(matches!(test.write_error(|c| tokens::revoke(c, missing, Timestamp(1))), DbError::NotFound));
        test.write(|c| tokens::delete(c, id));
        assert!(matches!(test.write_error(|c| tokens::delete(c, id)), DbError::NotFound));
        test.write(|c| tokens::insert(c, &new_token(user.id, "h2")));
        test.write(|c| users::delete(c, user.id));
        assert!(test.read(|c| tokens::list_for_user(c, user.id)).is_empty());
    }
}

fn login(user: UserId, hash: &str, expires: i64) -> Login {
    Login {
        id: LoginId::generate(),
        user_id: user,
        hash: hash.to_owned(),
        csrf_hash: Some("csrf".to_owned()),
        created_at: Timestamp(expires - 10),
        expires_at: Timestamp(expires),
        last_seen_at: Timestamp(1),
        user_agent: Some("browser".to_owned()),
    }
}

#[test]
fn sign_ins_live_and_end() {
    for test in TestDb::each() {
        let user = test.user("a@b.c");
        let logins: Vec<_> = (0..4).map(|n| login(user.id, &format!("h{n}"), 100 + n)).collect();
        for login in &logins {
            test.write(|c| logins::insert(c, login));
        }
        assert_eq!(test.read(|c| logins::by_hash(c, "h0")), (logins[0].clone(), user.clone()));
        let listed = test.read(|c| logins::list_for_user(c, user.id));
        assert_eq!(listed, logins.iter().rev().cloned().collect::<Vec<_>>());
        test.write(|c| logins::touch(c, logins[3].id, Timestamp(50), Timestamp(150)));
        let touched = test.read(|c| logins::by_hash(c, "h3")).0;
        assert_eq!((touched.last_seen_at, touched.expires_at), (Timestamp(50), Timestamp(150)));
        test.write(|c| logins::delete(c, logins[0].id));
        assert!(matches!(test.write_error(|c| logins::delete(c, logins[0].id)), DbError::NotFound));
        assert_eq!(test.write(|c| logins::purge_expired(c, Timestamp(101))), 1);
        assert_eq!(test.write(|c| logins::delete_for_user(c, user.id, Some(logins[3].id))), 1);
        assert_eq!(test.read(|c| logins::list_for_user(c, user.id)).len(), 1);
        assert_eq!(test.write(|c| logins::delete_for_user(c, user.id, None)), 1);
        let gone = test.write_error(|c| logins::touch(c, logins[3].id, Timestamp(1), Timestamp(1)));
        assert!(matches!(gone, DbError::NotFound));
    }
}
