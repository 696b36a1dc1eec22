//! What can go wrong with the database, by what a caller would do about it.

use diesel::result::{DatabaseErrorInformation, DatabaseErrorKind, Error as QueryError};
use thiserror::Error;

/// Why a database operation failed.
#[derive(Debug, Error)]
pub enum DbError {
    /// The database cannot be reached, is locked by another program, or is full: the same call may succeed later.
    #[error("the database is not available: {reason}")]
    Unavailable {
        /// What the database or the pool said.
        reason: String,
    },
    /// The database URL is of no known form.
    #[error("database URL not usable: {reason}")]
    Url {
        /// What is wrong and what would be right; never the URL, which may hold a password.
        reason: String,
    },
    /// There is no such row.
    #[error("no such record")]
    NotFound,
    /// A value is taken.
    #[error("value already taken: {constraint}")]
    UniqueViolation {
        /// `table_column[_column…]`, the same on both backends, such as `users_email`.
        constraint: String,
    },
    /// The row refers to one that does not exist, or others still refer to it.
    #[error("the record refers to one that is not there, or is still referred to")]
    ForeignKey,
    /// The schema could not be brought up to date.
    #[error("database migration failed")]
    Migration(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A query is wrong or a stored value cannot be read back: a defect, not a state that passes.
    #[error("database query failed")]
    Query(#[source] QueryError),
}

impl DbError {
    pub(super) fn unavailable(reason: impl Into<String>) -> Self {
        Self::Unavailable { reason: reason.into() }
    }
}

impl From<QueryError> for DbError {
    fn from(error: QueryError) -> Self {
        match error {
            QueryError::NotFound => Self::NotFound,
            QueryError::BrokenTransactionManager => Self::unavailable("the connection was lost within a transaction"),
            QueryError::DatabaseError(kind, information) => from_database(kind, information),
            other => Self::Query(other),
        }
    }
}

fn from_database(kind: DatabaseErrorKind, information: Box<dyn DatabaseErrorInformation + Send + Sync>) -> DbError {
    match kind {
        DatabaseErrorKind::UniqueViolation => {
            let constraint = information
                .constraint_name()
                .map_or_else(|| sqlite_constraint(information.message()), ToOwned::to_owned);
            DbError::UniqueViolation { constraint }
        }
        DatabaseErrorKind::ForeignKeyViolation | DatabaseErrorKind::RestrictViolation => DbError::ForeignKey,
        DatabaseErrorKind::ClosedConnection
        | DatabaseErrorKind::UnableToSendCommand
        | DatabaseErrorKind::SerializationFailure => DbError::unavailable(information.message()),
        _ if passes(information.message()) => DbError::unavailable(information.message()),
        _ => DbError::Query(QueryError::DatabaseError(kind, information)),
    }
}

/// `UNIQUE constraint failed: a.x, a.y` → `a_x_y`, the name that the PostgreSQL schema gives it.
fn sqlite_constraint(message: &str) -> String {
    let columns = message.rsplit(": ").next().unwrap_or(message);
    let mut name = String::new();
    for (index, column) in columns.split(", ").enumerate() {
        let (table, column) = column.split_once('.').unwrap_or(("", column));
        if index == 0 {
            name.push_str(table);
        }
        name.push('_');
        name.push_str(column);
    }
    name
}

/// Whether the text is that of a state that passes. Diesel keeps neither SQLite's code nor
/// PostgreSQL's SQLSTATE for these, so the message is all there is.
fn passes(message: &str) -> bool {
    const PHRASES: &[&str] = &[
        "database is locked",
        "database table is locked",
        "database schema is locked",
        "unable to open database file",
        "disk I/O error",
        "database or disk is full",
        "attempt to write a readonly database",
        "lock timeout",
        "statement timeout",
        "deadlock detected",
        "terminating connection",
        "server closed the connection",
        "the database system is",
        "no connection to the server",
        "No space left on device",
    ];
    PHRASES.iter().any(|phrase| message.contains(phrase))
}

/// Turns "no such row" into `None` and leaves every other error alone.
pub trait OptionalExtension<T> {
    /// The error that is left.
    type Error;

    /// `Ok(None)` where the row does not exist.
    ///
    /// # Errors
    /// Any error but that one.
    fn optional(self) -> Result<Option<T>, Self::Error>;
}

impl<T> OptionalExtension<T> for Result<T, QueryError> {
    type Error = QueryError;

    fn optional(self) -> Result<Option<T>, QueryError> {
        match self {
            Ok(value) => Ok(Some(value)),
            Err(QueryError::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl<T> OptionalExtension<T> for Result<T, DbError> {
    type Error = DbError;

    fn optional(self) -> Result<Option<T>, DbError> {
        match self {
            Ok(value) => Ok(Some(value)),
            Err(DbError::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constraints_are_named_alike_on_both_backends() {
        let cases = [
            ("UNIQUE constraint failed: users.email", "users_email"),
            (
                "UNIQUE constraint failed: instances.user_id, instances.service, instances.number",
                "instances_user_id_service_number",
            ),
        ];
        for (message, name) in cases {
            assert_eq!(sqlite_constraint(message), name);
        }
    }

    #[test]
    fn only_what_passes_counts_as_unavailable() {
        let error = |message: &str| {
            DbError::from(QueryError::DatabaseError(DatabaseErrorKind::Unknown, Box::new(message.to_owned())))
        };
        assert!(matches!(error("database is locked"), DbError::Unavailable { .. }));
        assert!(matches!(error("canceling statement due to lock timeout"), DbError::Unavailable { .. }));
        assert!(matches!(error("no such table: users"), DbError::Query(_)));
        assert!(matches!(DbError::from(QueryError::NotFound), DbError::NotFound));
    }

    #[test]
    fn optional_swallows_only_the_missing_row() {
        assert!(matches!(Err::<(), _>(DbError::NotFound).optional(), Ok(None)));
        assert!(matches!(Err::<(), _>(QueryError::NotFound).optional(), Ok(None)));
        assert!(Err::<(), _>(DbError::ForeignKey).optional().is_err());
        assert!(Err::<(), _>(QueryError::RollbackTransaction).optional().is_err());
        assert!(matches!(Ok::<_, DbError>(1).optional(), Ok(Some(1))));
    }
}
