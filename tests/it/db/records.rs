//! Services, credentials, events, the audit log and settings.

use berth::{
    db::{
        DbError,
        audit::{self, NewEntry},
        client_sessions::{self, ClientSession},
        credentials::{self, Credential, NewSecret},
        events, instances,
        services::{self, Service},
        settings, users,
    },
    domain::{
        ids::{CredentialId, UserId},
        manifest::{CredentialKind, Manifest},
        time::Timestamp,
    },
};
use diesel::connection::SimpleConnection as _;
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
        previous_sealed: None,
        previous_until: None,
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
            previous_until: Timestamp(20),
        };
        test.write(|c| credentials::rotate(c, first.id, &new));
        let rotated = test.read(|c| credentials::by_id(c, first.id));
        assert_eq!((rotated.sealed.as_str(), rotated.hint.as_str()), ("v1.k1.two", "wxyz"));
        assert_eq!(rotated.previous_sealed.as_deref(), Some("v1.k1.one"));
        assert_eq!((rotated.rotated_at, rotated.previous_until), (Some(Timestamp(10)), Some(Timestamp(20))));
        test.write(|c| credentials::replace_sealed(c, first.id, "v1.k2.two", Some("v1.k2.one"), "k2"));
        assert_eq!(test.read(|c| credentials::by_id(c, first.id)).key_id, "k2");
        assert_eq!(test.write(|c| credentials::purge_previous(c, Timestamp(19))), 0);
        assert_eq!(test.write(|c| credentials::purge_previous(c, Timestamp(20))), 1);
        let purged = test.read(|c| credentials::by_id(c, first.id));
        assert_eq!((purged.previous_sealed, purged.previous_until), (None, None));
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

pub(super) fn entry(action: &str, actor: Option<UserId>) -> NewEntry {
    NewEntry {
        at: Timestamp(1),
        actor,
        action: action.to_owned(),
        target: "instance:x".to_owned(),
        detail: json!({ "why": "ä \"quoted\"" }),
    }
}

#[test]
fn audit_entries_are_listed_and_filtered() {
    for test in TestDb::each() {
        assert_eq!(test.read(audit::verify), Ok(()));
        let actor = UserId::generate();
        for n in 0..4 {
            let by = (n % 2 == 0).then_some(actor);
            let added = test.write(|c| audit::append(c, &entry(&format!("a{n}"), by)));
            assert_eq!((added.seq, added.hash.len()), (n + 1, 64));
        }
        let numbers = |limit, before, actor| -> Vec<i64> {
            test.read(|c| audit::list(c, limit, before, actor)).iter().map(|entry| entry.seq).collect()
        };
        assert_eq!(numbers(2, None, None), [4, 3]);
        assert_eq!(numbers(9, Some(3), None), [2, 1]);
        assert_eq!(numbers(9, None, Some(actor)), [3, 1]);
        assert!(numbers(9, None, Some(UserId::generate())).is_empty());
        assert_eq!(test.read(audit::verify), Ok(()));
    }
}

#[test]
fn a_changed_audit_log_is_noticed_at_the_first_bad_entry() {
    let other = UserId::generate();
    let tampering = [
        ("UPDATE audit SET action = 'b' WHERE seq = 3".to_owned(), 3),
        ("UPDATE audit SET at = at + 1 WHERE seq = 2".to_owned(), 2),
        (format!("UPDATE audit SET actor = '{other}' WHERE seq = 4"), 4),
        ("UPDATE audit SET target = '' WHERE seq = 1".to_owned(), 1),
        ("UPDATE audit SET detail = '{}' WHERE seq = 5".to_owned(), 5),
        ("DELETE FROM audit WHERE seq = 2".to_owned(), 2),
        ("DELETE FROM audit WHERE seq = 5".to_owned(), 5),
        ("DELETE FROM audit".to_owned(), 1),
        ("UPDATE audit SET hash = prev_hash WHERE seq = 3".to_owned(), 3),
    ];
    for (sql, bad) in tampering {
        for test in TestDb::each() {
            test.write(|c| (0..5).try_for_each(|_| audit::append(c, &entry("a", None)).map(drop)));
            test.write(|c| c.batch_execute(&sql));
            assert_eq!(test.read(audit::verify), Err(bad), "{sql}");
        }
    }
}

#[test]
fn audit_entries_added_at_once_form_one_chain() {
    for test in TestDb::each() {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let db = test.db.clone();
                std::thread::spawn(move || {
                    for _ in 0..10 {
                        db.write_blocking(|c| audit::append(c, &entry("a", None))).unwrap();
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(test.read(audit::verify), Ok(()));
        assert_eq!(test.read(|c| audit::list(c, 1, None, None))[0].seq, 40);
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
