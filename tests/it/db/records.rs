//! Services, credentials, events, the audit log and settings.

use berth::{
    db::{
        DbError,
        client_sessions::{self, ClientSession},
        credentials::{self, Credential, NewSecret, Previous},
        events, instances,
        services::{self, Service},
        settings, users,
    },
    domain::{
        credential::{LastTest, Tried, Verdict},
        ids::{CredentialId, UserId},
        manifest::{CredentialKind, Manifest},
        time::Timestamp,
    },
};
use serde_json::json;

use super::{TestDb, instances::new_instance, unique};

fn manifest(name: &str) -> Manifest {
    let json = json!({
        "name": name, "display_name": "A service", "transport": "stdio",
        "launch": { "kind": "npm", "package": "@scope/server", "version": "1.2.3" },
    });
    serde_json::from_value(json).unwrap()
}

#[test]
fn services_are_kept_by_name() {
    for test in TestDb::each() {
        let user = test.user("a@b.c");
        let own = Service { manifest: manifest("zeta"), owner_id: Some(user.id), created_at: Timestamp(2) };
        let common = Service { manifest: manifest("alpha"), owner_id: None, created_at: Timestamp(1) };
        test.write(|c| services::insert(c, &own));
        test.write(|c| services::insert(c, &common));
        assert_eq!(test.read(services::list), [common.clone(), own.clone()]);
        assert_eq!(test.read(|c| services::by_name(c, &own.manifest.name)), own);
        assert_eq!(unique(&test.write_error(|c| services::insert(c, &own))), "services_name");
        assert!(matches!(test.write_error(|c| users::delete(c, user.id)), DbError::ForeignKey));
        test.write(|c| services::delete(c, &own.manifest.name));
        assert!(matches!(test.write_error(|c| services::delete(c, &own.manifest.name)), DbError::NotFound));
    }
}

pub(super) fn credential(user: UserId, service: &str) -> Credential {
    Credential {
        id: CredentialId::generate(),
        user_id: user,
        service: service.parse().unwrap(),
        label: "mine".to_owned(),
        kind: CredentialKind::PersonalAccessToken,
        hint: "abcd".to_owned(),
        sealed: "v1.k1.one".to_owned(),
        key_id: "k1".to_owned(),
        created_at: Timestamp(1),
        rotated_at: None,
        previous: None,
        last_test: None,
    }
}

#[test]
fn credentials_rotate_with_a_grace_period() {
    for test in TestDb::each() {
        let user = test.user("a@b.c").id;
        let first = credential(user, "gmail");
        test.write(|c| credentials::insert(c, &first));
        assert_eq!(test.read(|c| credentials::by_id(c, first.id)), first);
        assert_eq!(test.read(|c| credentials::list_for_user(c, user)), std::slice::from_ref(&first));
        assert_eq!(test.read(credentials::all), std::slice::from_ref(&first));
        let new = NewSecret {
            sealed: "v1.k1.two".to_owned(),
            key_id: "k1".to_owned(),
            hint: "wxyz".to_owned(),
            at: Timestamp(10),
            previous_until: Some(Timestamp(20)),
            last_test: None,
        };
        test.write(|c| credentials::rotate(c, first.id, &new));
        let rotated = test.read(|c| credentials::by_id(c, first.id));
        assert_eq!((rotated.sealed.as_str(), rotated.hint.as_str()), ("v1.k1.two", "wxyz"));
        let before = Previous {
            sealed: "v1.k1.one".to_owned(),
            hint: "abcd".to_owned(),
            rotated_at: None,
            until: Timestamp(20),
        };
        assert_eq!((rotated.rotated_at, rotated.previous), (Some(Timestamp(10)), Some(before)));
        test.write(|c| credentials::replace_sealed(c, first.id, "v1.k2.two", Some("v1.k2.one"), "k2"));
        assert_eq!(test.read(|c| credentials::by_id(c, first.id)).key_id, "k2");
        assert_eq!(test.write(|c| credentials::purge_previous(c, Timestamp(19))), 0);
        assert_eq!(test.write(|c| credentials::purge_previous(c, Timestamp(20))), 1);
        let purged = test.read(|c| credentials::by_id(c, first.id));
        assert_eq!(purged.previous, None);
        test.write(|c| credentials::delete(c, first.id));
        for error in [
            test.write_error(|c| credentials::delete(c, first.id)),
            test.write_error(|c| credentials::rotate(c, first.id, &new)),
            test.write_error(|c| credentials::replace_sealed(c, first.id, "a", None, "b")),
        ] {
            assert!(matches!(error, DbError::NotFound), "{error:?}");
        }
    }
}

#[test]
fn credentials_roll_back_and_remember_their_last_test() {
    for test in TestDb::each() {
        let first = credential(test.user("a@b.c").id, "gmail");
        let id = first.id;
        test.write(|c| credentials::insert(c, &first));
        let tried = |verdict, at| LastTest { at: Timestamp(at), tried: Tried { verdict, detail: "so".to_owned() } };
        let new = |at: i64, until| NewSecret {
            sealed: format!("v1.k1.{at}"),
            key_id: "k1".to_owned(),
            hint: at.to_string(),
            at: Timestamp(at),
            previous_until: until,
            last_test: Some(tried(Verdict::Valid, at)),
        };
        let now = |test: &TestDb| test.read(|c| credentials::by_id(c, id));
        assert!(!test.write(|c| credentials::roll_back(c, id, Timestamp(0))));
        test.write(|c| credentials::rotate(c, id, &new(10, Some(Timestamp(20)))));
        assert_eq!(now(&test).last_test, Some(tried(Verdict::Valid, 10)));
        // Its time is over.
        assert!(!test.write(|c| credentials::roll_back(c, id, Timestamp(20))));
        assert!(test.write(|c| credentials::roll_back(c, id, Timestamp(19))));
        assert_eq!(now(&test), first);
        // The second rotation keeps what was in force before it, and nothing older.
        test.write(|c| credentials::rotate(c, id, &new(30, Some(Timestamp(99)))));
        test.write(|c| credentials::rotate(c, id, &new(40, Some(Timestamp(99)))));
        let previous = now(&test).previous.unwrap();
        assert_eq!(
            (previous.sealed.as_str(), previous.hint.as_str(), previous.rotated_at),
            ("v1.k1.30", "30", Some(Timestamp(30)))
        );
        // Without a grace period nothing is kept.
        test.write(|c| credentials::rotate(c, id, &new(50, None)));
        assert_eq!(now(&test).previous, None);
        // A verdict is for the value that was tried.
        test.write(|c| credentials::tested(c, id, "v1.k1.40", &tried(Verdict::Refused, 60)));
        assert_eq!(now(&test).last_test, Some(tried(Verdict::Valid, 50)));
        test.write(|c| credentials::tested(c, id, "v1.k1.50", &tried(Verdict::Unknown, 60)));
        assert_eq!(now(&test).last_test, Some(tried(Verdict::Unknown, 60)));
    }
}

#[test]
fn events_are_paged_newest_first_and_go_with_the_instance() {
    for test in TestDb::each() {
        let user = test.user("a@b.c").id;
        let one = test.create(&new_instance(user, "gmail"), 10).unwrap().id;
        let two = test.create(&new_instance(user, "gmail"), 10).unwrap().id;
        test.write(|c| {
            for n in 0..5 {
                events::append(c, one, Timestamp(n), "started", &json!({ "n": n }))?;
                events::append(c, two, Timestamp(n), "stopped", &json!(null))?;
            }
            Ok(())
        });
        let page = test.read(|c| events::list(c, one, 2, None));
        assert_eq!(page.iter().map(|e| e.detail["n"].as_i64()).collect::<Vec<_>>(), [Some(4), Some(3)]);
        let next = test.read(|c| events::list(c, one, 10, Some(page[1].id)));
        assert_eq!(next.iter().map(|e| e.at.0).collect::<Vec<_>>(), [2, 1, 0]);
        assert_eq!(test.write(|c| events::purge_before(c, Timestamp(2))), 4);
        test.write(|c| instances::delete(c, one));
        assert!(test.read(|c| events::list(c, one, 10, None)).is_empty());
        assert_eq!(test.read(|c| events::list(c, two, 10, None)).len(), 3);
        let orphan = test.write_error(|c| events::append(c, one, Timestamp(1), "x", &json!({})).map(drop));
        assert!(matches!(orphan, DbError::ForeignKey), "{orphan:?}");
    }
}

#[test]
fn settings_are_put_over_or_only_once() {
    for test in TestDb::each() {
        assert_eq!(test.read(|c| settings::get(c, "k")), None);
        assert_eq!(test.write(|c| settings::put_if_absent(c, "k", "1")), "1");
        assert_eq!(test.write(|c| settings::put_if_absent(c, "k", "2")), "1");
        test.write(|c| settings::put(c, "k", "3"));
        test.write(|c| settings::put(c, "l", "4"));
        assert_eq!(test.read(|c| settings::get(c, "k")).as_deref(), Some("3"));
        assert_eq!(test.read(|c| settings::get(c, "l")).as_deref(), Some("4"));
    }
}

#[test]
fn client_sessions_go_with_their_instance_and_their_user() {
    for test in TestDb::each() {
        let (ann, bob) = (test.user("a@b.c"), test.user("b@b.c"));
        let instance = test.create(&new_instance(ann.id, "gmail"), 3).unwrap();
        let session = |id: &str, user_id| ClientSession {
            id: id.to_owned(),
            instance_id: instance.id,
            user_id,
            only: None,
            transport: "streamable_http".to_owned(),
            version: "2025-11-25".to_owned(),
            hello: "{}".to_owned(),
            subscriptions: vec!["a".to_owned(), "b\"".to_owned()],
            level: Some("info".to_owned()),
            opened_at: Timestamp(1),
            seen_at: Timestamp(2),
        };
        let (of_ann, of_bob) = (session("1", ann.id), session("2", bob.id));
        assert!(test.write(|c| client_sessions::put(c, &of_ann)));
        assert!(test.write(|c| client_sessions::put(c, &of_bob)));
        let changed = ClientSession { level: None, subscriptions: Vec::new(), seen_at: Timestamp(3), ..of_ann };
        assert!(test.write(|c| client_sessions::put(c, &changed)));
        assert_eq!(test.read(client_sessions::list_all), [changed.clone(), of_bob.clone()]);
        assert!(!test.write(|c| client_sessions::put(c, &session("3", UserId::generate()))));
        test.write(|c| client_sessions::delete(c, "no such"));
        test.write(|c| users::delete(c, bob.id));
        assert_eq!(test.read(client_sessions::list_all), std::slice::from_ref(&changed));
        test.write(|c| instances::delete(c, instance.id));
        assert_eq!(test.read(client_sessions::list_all), []);
        assert!(!test.write(|c| client_sessions::put(c, &changed)));
    }
}
