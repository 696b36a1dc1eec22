//! The schema's versions, embedded: the same names for both backends, applied in one transaction.

use diesel::{
    QueryResult, connection::SimpleConnection as _, migration::Migration, migration::MigrationSource, pg::Pg,
    sqlite::Sqlite,
};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use thiserror::Error;

use super::{Access, Connection, DbError, connection::transaction};

const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
const POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The database was written by a program that knows more than this one.
#[derive(Debug, Error)]
#[error("the database has the migration {version}, which this version of berth does not know: start the newer one")]
struct TooNew {
    version: String,
}

/// Applies what is missing; returns the names of what was applied, oldest first.
pub(super) fn apply(connection: &mut Connection) -> Result<Vec<String>, DbError> {
    in_transaction(connection, |connection| match connection {
        Connection::Sqlite(sqlite) => apply_to::<Sqlite, _>(sqlite, &SQLITE),
        Connection::Postgres(postgres) => {
            // Two programs that start at once: the second waits, then finds nothing to do.
            postgres.batch_execute("SELECT pg_advisory_xact_lock(4702394921427289192)")?;
            apply_to::<Pg, _>(postgres, &POSTGRES)
        }
    })
}

/// Takes everything back; returns the versions that were reverted, newest first.
pub(super) fn revert_all(connection: &mut Connection) -> Result<Vec<String>, DbError> {
    in_transaction(connection, |connection| {
        let reverted = match connection {
            Connection::Sqlite(sqlite) => sqlite.revert_all_migrations(SQLITE)?,
            Connection::Postgres(postgres) => postgres.revert_all_migrations(POSTGRES)?,
        };
        Ok(reverted.iter().map(ToString::to_string).collect())
    })
}

/// The names of all migrations of one backend, for the test that both have the same.
#[must_use]
pub fn names() -> (Vec<String>, Vec<String>) {
    (names_of::<Sqlite>(&SQLITE), names_of::<Pg>(&POSTGRES))
}

fn names_of<B: diesel::backend::Backend>(source: &EmbeddedMigrations) -> Vec<String>
where
    EmbeddedMigrations: MigrationSource<B>,
{
    let migrations = MigrationSource::<B>::migrations(source).unwrap_or_default();
    migrations.iter().map(|migration| migration.name().to_string()).collect()
}

fn apply_to<B, C>(connection: &mut C, source: &EmbeddedMigrations) -> Result<Vec<String>, Failure>
where
    B: diesel::backend::Backend,
    C: MigrationHarness<B>,
    EmbeddedMigrations: MigrationSource<B>,
{
    let known: Vec<Box<dyn Migration<B>>> = MigrationSource::<B>::migrations(source)?;
    let applied = connection.applied_migrations()?;
    if let Some(version) = applied.iter().find(|version| known.iter().all(|m| m.name().version() != **version)) {
        return Err(TooNew { version: version.to_string() }.into());
    }
    let mut missing: Vec<_> = known.iter().filter(|m| !applied.contains(&m.name().version())).collect();
    missing.sort_unstable_by_key(|migration| migration.name().to_string());
    for migration in &missing {
        connection.run_migration(migration.as_ref())?;
    }
    Ok(missing.iter().map(|migration| migration.name().to_string()).collect())
}

/// Diesel's harness reports boxed errors and our transactions want a query error: the box is kept aside.
fn in_transaction<T>(
    connection: &mut Connection,
    work: impl FnOnce(&mut Connection) -> Result<T, Failure>,
) -> Result<T, DbError> {
    let mut failure = None;
    let result: QueryResult<T> = transaction(connection, Access::Write, |connection| {
        work(connection).map_err(|error| {
            failure = Some(error);
            diesel::result::Error::RollbackTransaction
        })
    });
    match failure {
        Some(failure) => Err(match failure.downcast::<diesel::result::Error>() {
            Ok(error) => match DbError::from(*error) {
                DbError::Query(error) => DbError::Migration(error.into()),
                other => other,
            },
            Err(failure) => DbError::Migration(failure),
        }),
        None => result.map_err(DbError::from),
    }
}
