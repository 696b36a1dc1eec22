//! What the layer says when the database misbehaves.

use std::{
    fs,
    time::{Duration, Instant},
};

use berth::{
    db::{
        Db, DbError,
        audit::{self, Filter},
        credentials, events, instances, services, settings, tokens, users,
    },
    domain::time::Timestamp,
};
use diesel::{Connection as _, RunQueryDsl as _, SqliteConnection, connection::SimpleConnection as _};

use super::{TestDb, accounts::new_token, audit::entry, impatient, instances::new_instance, records::credential};

fn path(test: &TestDb) -> &str {
    test.url.strip_prefix("sqlite://").unwrap()
}

fn unavailable(error: &DbError) -> &str {
    match error {
        DbError::Unavailable { reason } => reason,
        other => panic!("not Unavailable: {other:?}"),
    }
}

#[test]
fn a_lock_held_by_another_program_is_waited_for_only_so_long() {
    let test = TestDb::sqlite(impatient());
    let mut other = SqliteConnection::establish(path(&test)).unwrap();
    other.batch_execute("BEGIN IMMEDIATE").unwrap();
    let begun = Instant::now();
    let error = test.write_error(|c| settings::put(c, "k", "v"));
    assert!(unavailable(&error).contains("locked"), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert_eq!(test.read(|c| settings::get(c, "k")), None, "readers go on");
    other.batch_execute("COMMIT").unwrap();
    test.write(|c| settings::put(c, "k", "v"));
}

#[test]
fn a_row_locked_by_another_program_is_waited_for_only_so_long() {
    let Some(test) = TestDb::postgres_empty(impatient()) else { return };
    test.db.migrate().unwrap();
    test.write(|c| settings::put(c, "k", "v"));
    let mut other = diesel::PgConnection::establish(&test.url).unwrap();
    other.batch_execute("BEGIN; UPDATE settings SET value = 'x'").unwrap();
    let error = test.write_error(|c| settings::put(c, "k", "w"));
    assert!(unavailable(&error).contains("lock timeout"), "{error}");
    other.batch_execute("ROLLBACK").unwrap();
    test.write(|c| settings::put(c, "k", "w"));
}

#[test]
fn connections_that_the_server_closed_are_replaced() {
    let Some(test) = TestDb::postgres_empty(impatient()) else { return };
    test.db.migrate().unwrap();
    let schema = &test.schema.as_ref().unwrap().name;
    test.read(users::count);
    let mut other = diesel::PgConnection::establish(&test.url).unwrap();
    let kill = format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND state = 'idle' \
         AND application_name = '{schema}'"
    );
    // Ours alone: other tests use the same server.
    test.read(|c| c.batch_execute(&format!("SET application_name = '{schema}'")));
    assert_eq!(diesel::sql_query(kill).execute(&mut other), Ok(1));
    assert_eq!(test.read(users::count), 0);
}

#[test]
fn too_many_at_once_are_turned_away_in_time() {
    let test = TestDb::sqlite(impatient());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (release, held) = std::sync::mpsc::channel::<()>();
    let db = test.db;
    runtime.block_on(async move {
        let holder = db.clone();
        let (started, begun) = tokio::sync::oneshot::channel();
        let task = tokio::spawn(async move {
            holder
                .write(move |c| {
                    started.send(()).unwrap();
                    let _ = held.recv();
                    settings::put(c, "k", "v")
                })
                .await
        });
        begun.await.unwrap();
        let error = db.write(|c| settings::put(c, "k", "w")).await.unwrap_err();
        assert!(unavailable(&error).contains("too busy"), "{error}");
        release.send(()).unwrap();
        task.await.unwrap().unwrap();
        db.write(|c| settings::put(c, "k", "w")).await.unwrap();
    });
}

#[test]
fn a_file_that_vanished_is_an_error_and_not_a_new_database() {
    let test = TestDb::sqlite(impatient());
    test.user("a@b.c");
    test.read(users::count);
    let path = path(&test);
    fs::rename(path, format!("{path}.away")).unwrap();
    for error in [test.write_error(|c| settings::put(c, "k", "v")), test.db.read_blocking(users::count).unwrap_err()] {
        assert!(unavailable(&error).contains("cannot open"), "{error}");
    }
    assert!(!fs::exists(path).unwrap());
    fs::rename(format!("{path}.away"), path).unwrap();
    assert_eq!(test.read(users::count), 1);
}

#[test]
fn what_is_no_database_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let garbage = folder.path().join("garbage.db");
    fs::write(&garbage, "x".repeat(10_000)).unwrap();
    let cases = [
        (garbage, "not a database"),
        (folder.path().to_path_buf(), "cannot open"),
        (folder.path().join("none/berth.db"), "cannot open"),
    ];
    for (path, expected) in cases {
        let begun = Instant::now();
        let error = Db::open(path.to_str().unwrap()).err().unwrap();
        assert!(unavailable(&error).contains(expected), "{error}");
        assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
        assert!(begun.elapsed() < Duration::from_secs(2));
    }
    assert_eq!(fs::read_to_string(folder.path().join("garbage.db")).unwrap().len(), 10_000);
}

#[test]
fn urls_that_are_none_are_refused_with_advice() {
    for url in ["", "mysql://u:secret@h/d", "localhost:5432/berth", ":memory:"] {
        let error = Db::open(url).err().unwrap();
        assert!(matches!(error, DbError::Url { .. }), "{url}: {error:?}");
        assert!(error.to_string().contains("sqlite:///") && !error.to_string().contains("secret"), "{error}");
    }
}

#[test]
fn a_server_that_is_not_there_is_unavailable_at_once() {
    let begun = Instant::now();
    let error = Db::open("postgres://nobody:secret@127.0.0.1:1/none").err().unwrap();
    assert!(unavailable(&error).contains("127.0.0.1"), "{error}");
    assert!(!error.to_string().contains("secret"), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(4));
}

/// Each value is one that no code of ours writes; reading it must name the column.
#[test]
fn values_that_cannot_be_read_are_named() {
    let cases = [
        ("UPDATE users SET role = 'king'", "users.role"),
        ("UPDATE users SET email = 'nobody'", "users.email"),
        ("UPDATE users SET number = -1", "users.number"),
        ("UPDATE users SET instance_quota = 4294967296", "users.instance_quota"),
        ("UPDATE instances SET state = 'flying'", "instances.state"),
        ("UPDATE instances SET mode = ''", "instances.mode"),
        ("UPDATE instances SET desired = 'maybe'", "instances.desired"),
        ("UPDATE instances SET port = 65536", "instances.port"),
        ("UPDATE instances SET config = '{'", "instances.config"),
        ("UPDATE instances SET limits = '{\"colour\": 1}'", "instances.limits"),
        ("UPDATE instances SET last_error = '[]'", "instances.last_error"),
        ("UPDATE instances SET last_good = 'x'", "instances.last_good"),
        ("UPDATE instances SET service = 'No Name'", "instances.service"),
        ("UPDATE instances SET restarts = -1", "instances.restarts"),
        ("UPDATE credentials SET kind = 'charm'", "credentials.kind"),
        ("UPDATE events SET detail = ''", "events.detail"),
        ("INSERT INTO services VALUES ('x', NULL, '{}', 1)", "services.manifest"),
        ("UPDATE tokens SET id = 'x'", "tokens.id"),
        ("INSERT INTO audit VALUES (2, 1, 'x', 'a', 't', '{}', '', '')", "audit.actor"),
    ];
    for (sql, column) in cases {
        for test in TestDb::each() {
            let user = test.user("a@b.c").id;
            let instance = test.create(&new_instance(user, "gmail"), 9).unwrap().id;
            test.write(|c| credentials::insert(c, &credential(user, "gmail")));
            test.write(|c| events::append(c, instance, Timestamp(1), "x", &serde_json::Value::Null));
            test.write(|c| tokens::insert(c, &new_token(user, "h")));
            test.write(|c| audit::append(c, &entry("a", None)));
            test.write(|c| c.batch_execute(sql));
            let errors = [
                test.db.read_blocking(|c| users::list(c).map(drop)),
                test.db.read_blocking(|c| instances::list_all(c).map(drop)),
                test.db.read_blocking(|c| credentials::all(c).map(drop)),
                test.db.read_blocking(|c| events::list(c, instance, 9, None).map(drop)),
                test.db.read_blocking(|c| services::list(c).map(drop)),
                test.db.read_blocking(|c| tokens::list_for_user(c, user).map(drop)),
                test.db.read_blocking(|c| audit::list(c, &Filter::default(), 9, None).map(drop)),
            ];
            let texts: Vec<_> = errors.into_iter().filter_map(Result::err).map(|e| chain(&e)).collect();
            assert!(texts.iter().any(|text| text.contains(column)), "{sql}: {texts:?}");
        }
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
