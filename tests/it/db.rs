//! The database layer on SQLite, and on PostgreSQL where `BERTH_TEST_POSTGRES_URL` names one.
//!
//! The URL must allow `CREATE SCHEMA`: each test works in a schema of its own, through the search path.

mod accounts;
mod audit;
mod backends;
mod faults;
mod instances;
mod records;
mod slow;

use std::time::Duration;

use berth::{
    db::{
        Connection, Db, DbError, DbOptions, QueryResult,
        users::{self, NewUser, Role, User},
    },
    domain::{ids::UserId, time::Timestamp},
};
use diesel::{Connection as _, PgConnection, connection::SimpleConnection as _};
use tempfile::TempDir;

/// A migrated database of its own for one test, and what goes away with it.
struct TestDb {
    db: Db,
    url: String,
    _folder: Option<TempDir>,
    schema: Option<Schema>,
}

/// A schema of PostgreSQL, dropped at the end.
struct Schema {
    server: String,
    name: String,
}

impl Drop for Schema {
    fn drop(&mut self) {
        if let Ok(mut connection) = PgConnection::establish(&self.server) {
            let _ = connection.batch_execute(&format!("DROP SCHEMA IF EXISTS {} CASCADE", self.name));
        }
    }
}

impl TestDb {
    /// One that is not migrated yet.
    fn sqlite_empty(options: DbOptions) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("berth.db").display());
        let db = Db::open_with(&url, options).unwrap();
        Self { db, url, _folder: Some(folder), schema: None }
    }

    #[expect(clippy::print_stderr, reason = "a backend that is not tested must not look tested")]
    fn postgres_empty(options: DbOptions) -> Option<Self> {
        let Ok(server) = std::env::var("BERTH_TEST_POSTGRES_URL") else {
            eprintln!("SKIPPED ON POSTGRESQL: BERTH_TEST_POSTGRES_URL is not set");
            return None;
        };
        let name = format!("t{}", UserId::generate().uuid().simple());
        PgConnection::establish(&server).unwrap().batch_execute(&format!("CREATE SCHEMA {name}")).unwrap();
        let separator = if server.contains('?') { '&' } else { '?' };
        let url = format!("{server}{separator}options=-csearch_path%3D{name}");
        let schema = Some(Schema { server, name });
        Some(Self { db: Db::open_with(&url, options).unwrap(), url, _folder: None, schema })
    }

    /// An empty one of each backend there is.
    fn each_empty() -> Vec<Self> {
        let sqlite = Self::sqlite_empty(DbOptions::default());
        std::iter::once(sqlite).chain(Self::postgres_empty(DbOptions::default())).collect()
    }

    /// A migrated one of each backend there is.
    fn each() -> Vec<Self> {
        let all = Self::each_empty();
        for test in &all {
            test.db.migrate().unwrap();
        }
        all
    }

    fn sqlite(options: DbOptions) -> Self {
        let test = Self::sqlite_empty(options);
        test.db.migrate().unwrap();
        test
    }

    fn write<T>(&self, work: impl FnOnce(&mut Connection) -> QueryResult<T>) -> T {
        self.db.write_blocking(work).unwrap()
    }

    fn read<T>(&self, work: impl FnOnce(&mut Connection) -> QueryResult<T>) -> T {
        self.db.read_blocking(work).unwrap()
    }

    fn write_error(&self, work: impl FnOnce(&mut Connection) -> QueryResult<()>) -> DbError {
        self.db.write_blocking(work).unwrap_err()
    }

    fn user(&self, email: &str) -> User {
        self.write(|c| users::insert(c, &new_user(email)))
    }
}

fn new_user(email: &str) -> NewUser {
    NewUser {
        id: UserId::generate(),
        email: email.parse().unwrap(),
        password_hash: None,
        role: Role::User,
        instance_quota: None,
        created_at: Timestamp(1_000),
    }
}

/// Gives up soon, for tests of what happens then.
fn impatient() -> DbOptions {
    DbOptions {
        busy_timeout: Duration::from_millis(100),
        pool_timeout: Duration::from_millis(400),
        ..DbOptions::default()
    }
}

fn unique(error: &DbError) -> &str {
    match error {
        DbError::UniqueViolation { constraint } => constraint,
        other => panic!("not a unique violation: {other:?}"),
    }
}
