//! Migrations and transactions, alike on both backends.

use std::{collections::BTreeSet, os::unix::fs::MetadataExt as _, path::Path};

use berth::db::{Db, DbError, OptionalExtension as _, QueryError, QueryResult, migration_names, settings, users};
use diesel::connection::SimpleConnection as _;

use super::{TestDb, new_user};

#[test]
fn both_backends_have_the_same_migrations() {
    let (sqlite, postgres) = migration_names();
    assert!(!sqlite.is_empty());
    assert_eq!(BTreeSet::from_iter(sqlite), BTreeSet::from_iter(postgres));
}

#[test]
fn up_down_up() {
    for test in TestDb::each_empty() {
        let applied = test.db.migrate().unwrap();
        assert_eq!(applied.len(), migration_names().0.len());
        assert!(test.db.migrate().unwrap().is_empty());
        test.user("a@b.c");
        assert_eq!(test.db.revert_all().unwrap().len(), applied.len());
        assert!(matches!(test.db.read_blocking(users::list), Err(DbError::Query(_))));
        assert_eq!(test.db.migrate().unwrap(), applied);
        assert!(test.read(users::list).is_empty());
    }
}

#[test]
fn a_database_of_a_newer_version_is_refused() {
    for test in TestDb::each() {
        test.write(|c| c.batch_execute("INSERT INTO __diesel_schema_migrations (version) VALUES ('99990101000000')"));
        let Err(DbError::Migration(source)) = test.db.migrate() else { panic!("migrated") };
        assert!(source.to_string().contains("99990101000000"), "{source}");
    }
}

#[test]
fn programs_that_start_together_migrate_once() {
    for test in TestDb::each_empty() {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let db = Db::open(&test.url).unwrap();
                std::thread::spawn(move || db.migrate().unwrap().len())
            })
            .collect();
        let applied: usize = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
        assert_eq!(applied, migration_names().0.len());
    }
}

#[test]
fn a_transaction_happens_whole_or_not_at_all() {
    for test in TestDb::each() {
        let error = test.write_error(|c| {
            users::insert(c, &new_user("a@b.c"))?;
            settings::put(c, "k", "v")?;
            users::insert(c, &new_user("a@b.c")).map(drop)
        });
        assert!(matches!(error, DbError::UniqueViolation { .. }), "{error:?}");
        assert!(test.read(users::list).is_empty());
        assert_eq!(test.read(|c| settings::get(c, "k")), None);
        let undone = test.db.write_blocking(|c| {
            users::insert(c, &new_user("a@b.c"))?;
            Err::<(), _>(QueryError::RollbackTransaction)
        });
        assert!(undone.is_err());
        assert!(test.read(users::list).is_empty());
        let none = test.db.read_blocking(|c| users::by_email(c, &"a@b.c".parse().unwrap())).optional();
        assert!(matches!(none, Ok(None)));
        test.user("a@b.c");
    }
}

#[test]
fn reading_cannot_write() {
    for test in TestDb::each() {
        assert!(test.db.read_blocking(|c| settings::put(c, "k", "v")).is_err());
        assert_eq!(test.read(|c| settings::get(c, "k")), None);
    }
}

#[test]
fn reading_sees_one_snapshot_while_others_write() {
    for test in TestDb::each() {
        test.read(|c| {
            assert_eq!(settings::get(c, "k")?, None);
            test.write(|c| settings::put(c, "k", "v"));
            assert_eq!(settings::get(c, "k")?, None);
            Ok(())
        });
        assert_eq!(test.read(|c| settings::get(c, "k")).as_deref(), Some("v"));
    }
}

#[test]
fn a_panic_undoes_its_transaction_and_harms_nobody() {
    for test in TestDb::each() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let db = test.db.clone();
        let outcome = runtime.block_on(async move {
            let task = async move {
                db.write(|c| -> QueryResult<()> {
                    settings::put(c, "k", "v")?;
                    panic!("deliberate")
                })
                .await
            };
            tokio::spawn(task).await
        });
        assert!(outcome.unwrap_err().is_panic());
        runtime.block_on(test.db.ping()).unwrap();
        assert_eq!(test.read(|c| settings::get(c, "k")), None);
        test.write(|c| settings::put(c, "k", "v"));
    }
}

#[test]
fn asynchronous_callers_share_the_connections() {
    for test in TestDb::each() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let db = test.db.clone();
        runtime.block_on(async move {
            let mut tasks = tokio::task::JoinSet::new();
            for n in 0..50 {
                let db = db.clone();
                tasks.spawn(async move {
                    db.write(move |c| users::insert(c, &new_user(&format!("u{n}@b.c")))).await.unwrap();
                    db.read(users::count).await.unwrap()
                });
            }
            while let Some(count) = tasks.join_next().await {
                assert!(count.unwrap() > 0);
            }
            assert_eq!(db.read(users::count).await.unwrap(), 50);
        });
    }
}

#[test]
fn sqlite_files_are_private() {
    let test = TestDb::sqlite(super::impatient());
    test.user("a@b.c");
    let path = test.url.strip_prefix("sqlite://").unwrap();
    for suffix in ["", "-wal", "-shm"] {
        let mode = std::fs::metadata(Path::new(&format!("{path}{suffix}"))).unwrap().mode();
        assert_eq!(mode & 0o777, 0o600, "{suffix}");
    }
}
