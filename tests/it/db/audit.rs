//! The audit log: its chain, its filters, and what the database itself refuses.

use berth::{
    db::audit::{self, Filter, NewEntry},
    domain::{ids::UserId, time::Timestamp},
};
use diesel::connection::SimpleConnection as _;
use serde_json::json;

use super::TestDb;

pub(super) fn entry(action: &str, actor: Option<UserId>) -> NewEntry {
    NewEntry {
        at: Timestamp(1),
        actor,
        action: action.to_owned(),
        target: "instance:x".to_owned(),
        detail: json!({ "why": "ä \"quoted\"" }),
    }
}

impl TestDb {
    /// The number of the first entry that is wrong.
    fn first_wrong(&self) -> Option<i64> {
        self.read(|c| audit::verify(c, None)).first_wrong
    }

    /// As somebody does who may do everything with the database, but not compute hashes.
    fn tamper(&self, sql: &str) {
        let of = |name: &str| match self.url.starts_with("sqlite") {
            true => format!("DROP TRIGGER {name};"),
            false => format!("DROP TRIGGER {name} ON audit;"),
        };
        let sql = format!("{}{}{sql}", of("audit_is_not_changed"), of("audit_is_not_removed"));
        self.write(|c| c.batch_execute(&sql));
    }

    fn append(&self, entry: &NewEntry) -> audit::Entry {
        self.write(|c| audit::append(c, entry))
    }
}

#[test]
fn entries_are_listed_and_filtered() {
    for test in TestDb::each() {
        assert_eq!(test.first_wrong(), None);
        let actor = UserId::generate();
        for n in 0..4 {
            let by = (n % 2 == 0).then_some(actor);
            let added = test.append(&NewEntry { at: Timestamp(10 * n), ..entry(&format!("a{n}"), by) });
            assert_eq!((added.seq, added.hash.len()), (n + 1, 64));
        }
        let numbers = |limit, before, filter: Filter| -> Vec<i64> {
            test.read(|c| audit::list(c, &filter, limit, before)).iter().map(|entry| entry.seq).collect()
        };
        let all = Filter::default;
        let by = |actor| Filter { actor: Some(actor), ..all() };
        let at = |ms| Some(Timestamp(ms));
        assert_eq!(numbers(2, None, all()), [4, 3]);
        assert_eq!(numbers(9, Some(3), all()), [2, 1]);
        assert_eq!(numbers(9, None, by(actor)), [3, 1]);
        assert!(numbers(9, None, by(UserId::generate())).is_empty());
        assert_eq!(numbers(9, None, Filter { action: Some("a2".to_owned()), ..all() }), [3]);
        assert_eq!(numbers(9, None, Filter { target: Some("instance:x".to_owned()), from: at(11), ..all() }), [4, 3]);
        assert_eq!(numbers(9, None, Filter { target: Some("instance".to_owned()), ..all() }), [0; 0]);
        assert_eq!(numbers(9, None, Filter { from: at(10), to: at(30), ..all() }), [3, 2]);
        assert_eq!(numbers(9, None, Filter { from: at(31), ..all() }), [0; 0]);
        assert_eq!(numbers(9, None, Filter { from: at(10), actor: Some(actor), ..all() }), [3]);
        let upwards = |after| -> Vec<i64> {
            test.read(|c| audit::oldest_first(c, &by(actor), 9, after)).iter().map(|entry| entry.seq).collect()
        };
        assert_eq!((upwards(0), upwards(1), upwards(3)), (vec![1, 3], vec![3], vec![]));
        let about = |targets: &[&str]| {
            let targets: Vec<String> = targets.iter().map(|target| (*target).to_owned()).collect();
            test.read(|c| audit::about(c, &targets, 3, None)).len()
        };
        assert_eq!((about(&["instance:x", "instance:y"]), about(&["instance:y"]), about(&[])), (3, 0, 0));
        assert_eq!(test.first_wrong(), None);
    }
}

#[test]
fn a_changed_log_is_noticed_at_the_first_bad_entry() {
    let other = UserId::generate();
    let tampering = [
        ("UPDATE audit SET action = 'b' WHERE seq = 3".to_owned(), 3),
        ("UPDATE audit SET at = at + 1 WHERE seq = 2".to_owned(), 2),
        (format!("UPDATE audit SET actor = '{other}' WHERE seq = 4"), 4),
        ("UPDATE audit SET target = '' WHERE seq = 1".to_owned(), 1),
        ("UPDATE audit SET detail = '{}' WHERE seq = 5".to_owned(), 5),
        ("DELETE FROM audit WHERE seq = 2".to_owned(), 2),
        ("DELETE FROM audit WHERE seq = 5".to_owned(), 5),
        ("DELETE FROM audit WHERE seq < 3".to_owned(), 1),
        ("DELETE FROM audit".to_owned(), 1),
        ("UPDATE audit SET hash = prev_hash WHERE seq = 3".to_owned(), 3),
        ("UPDATE audit SET action = 'audit.purge' WHERE seq = 3".to_owned(), 3),
        (
            "UPDATE audit SET action = 'audit.purge', detail = '{\"through\":2,\"hash\":\"\"}' WHERE seq = 5"
                .to_owned(),
            3,
        ),
        ("INSERT INTO audit VALUES (0, 1, NULL, 'a', 't', '{}', '', '')".to_owned(), 1),
    ];
    for (sql, bad) in tampering {
        for test in TestDb::each() {
            (0..5).for_each(|_| drop(test.append(&entry("a", None))));
            test.tamper(&sql);
            assert_eq!(test.first_wrong(), Some(bad), "{sql}");
        }
    }
}

#[test]
fn the_database_refuses_to_change_the_log() {
    for test in TestDb::each() {
        (0..3).for_each(|_| drop(test.append(&entry("a", None))));
        let mut refused = vec![
            "UPDATE audit SET detail = '{}' WHERE seq = 2",
            "DELETE FROM audit WHERE seq = 1",
            "DELETE FROM audit",
        ];
        if !test.url.starts_with("sqlite") {
            refused.push("TRUNCATE audit");
        }
        for sql in refused {
            let error = test.db.write_blocking(|c| c.batch_execute(sql)).unwrap_err();
            let words = format!("{error:?}");
            assert!(words.contains("the audit log is append-only"), "{sql}: {words}");
        }
        assert_eq!(test.read(|c| audit::verify(c, None)).entries, 3);
    }
}

#[test]
fn entries_added_at_once_form_one_chain() {
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
        let found = test.read(|c| audit::verify(c, None));
        assert!(found.is_intact());
        assert_eq!((found.entries, found.newest), (40, 40));
    }
}

#[test]
fn times_never_run_backwards() {
    for test in TestDb::each() {
        let times = [5, 9, 3, 9, 10].map(|at| test.append(&NewEntry { at: Timestamp(at), ..entry("a", None) }).at.0);
        assert_eq!(times, [5, 9, 9, 9, 10]);
    }
}

#[test]
fn old_entries_leave_and_the_chain_still_holds() {
    for test in TestDb::each() {
        for n in 1..=6 {
            test.append(&NewEntry { at: Timestamp(10 * n), ..entry("a", None) });
        }
        let hash = |seq: i64| {
            let entries = test.read(|c| audit::list(c, &Filter::default(), 1, Some(seq + 1)));
            entries[0].hash.clone()
        };
        let (third, fourth) = (hash(3), hash(4));
        let purge = |before| test.write(|c| audit::purge(c, Timestamp(before), Timestamp(100)));
        assert_eq!((purge(10), purge(35), purge(35)), (0, 3, 0));
        let found = test.read(|c| audit::verify(c, Some(&third)));
        assert!(found.is_intact());
        // Four to six, and the entry that says so.
        assert_eq!((found.entries, found.first, found.newest), (4, 4, 7));
        let checkpoint = &test.read(|c| audit::list(c, &Filter::default(), 1, None))[0];
        assert_eq!((checkpoint.action.as_str(), checkpoint.actor), (audit::PURGE, None));
        assert_eq!(checkpoint.detail, json!({ "through": 3, "hash": third, "entries": 3 }));
        // What has left cannot be asked for any more, what is there can.
        assert!(test.read(|c| audit::verify(c, Some(&fourth))).is_intact());
        let gone = test.read(|c| audit::verify(c, Some(&"0".repeat(64))));
        assert_eq!((gone.is_intact(), gone.first_wrong, gone.has_expected), (false, None, Some(false)));
        // The next removal takes the checkpoint along; the newest entry stays, whatever its age.
        assert_eq!(purge(1000), 3);
        let found = test.read(|c| audit::verify(c, None));
        assert_eq!((found.first_wrong, found.entries, found.first), (None, 2, 7));
        test.tamper("DELETE FROM audit WHERE seq = 7");
        assert_eq!(test.first_wrong(), Some(7));
    }
}
