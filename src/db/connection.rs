//! One connection type over both backends, and the two kinds of transaction that run on it.

use diesel::{PgConnection, SqliteConnection};

/// A connection to the database, whichever it is.
#[derive(diesel::MultiConnection)]
pub enum AnyConnection {
    /// A SQLite file.
    Sqlite(SqliteConnection),
    /// A PostgreSQL server.
    Postgres(PgConnection),
}

/// What a transaction may do.
#[derive(Clone, Copy, Debug)]
pub(super) enum Access {
    /// One consistent snapshot; a write in it is an error.
    Read,
    /// Takes the write lock at once where there is only one (SQLite), so it cannot fail half-way for want of it.
    Write,
}

impl Access {
    const fn begin(self, connection: &AnyConnection) -> &'static str {
        match (connection, self) {
            (AnyConnection::Sqlite(_), Self::Read) => "BEGIN",
            (AnyConnection::Sqlite(_), Self::Write) => "BEGIN IMMEDIATE",
            (AnyConnection::Postgres(_), Self::Read) => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
            (AnyConnection::Postgres(_), Self::Write) => "BEGIN",
        }
    }
}

/// Runs `work` in a transaction: committed when it succeeds, rolled back when it does not.
///
/// A panic in `work` leaves the transaction open; the pool then drops the connection.
pub(super) fn transaction<T>(
    connection: &mut AnyConnection,
    access: Access,
    work: impl FnOnce(&mut AnyConnection) -> diesel::QueryResult<T>,
) -> diesel::QueryResult<T> {
    use diesel::connection::{AnsiTransactionManager, TransactionManager as _};

    let begin = access.begin(connection);
    match connection {
        AnyConnection::Sqlite(sqlite) => AnsiTransactionManager::begin_transaction_sql(sqlite, begin)?,
        AnyConnection::Postgres(postgres) => AnsiTransactionManager::begin_transaction_sql(postgres, begin)?,
    }
    match work(connection) {
        Ok(value) => AnyConnection::commit_transaction(connection).map(|()| value),
        Err(error) => match AnyConnection::rollback_transaction(connection) {
            // SQLite rolls back by itself on some errors; the first error is the one that explains.
            Ok(()) | Err(_) => Err(error),
        },
    }
}
