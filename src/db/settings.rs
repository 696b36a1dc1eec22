//! Facts about this installation: the host's id, the check value of the master key.

use diesel::prelude::*;

use super::{Connection, schema::settings, upsert};

/// The value of `key`, if it was ever written.
///
/// # Errors
/// When the query fails.
pub fn get(conn: &mut Connection, key: &str) -> QueryResult<Option<String>> {
    settings::table.find(key).select(settings::value).first(conn).optional()
}

/// Writes `value` over what was there.
///
/// # Errors
/// When the query fails.
pub fn put(conn: &mut Connection, key: &str, value: &str) -> QueryResult<()> {
    upsert::setting(conn, key, value)
}

/// Writes `value` unless there is one, and returns the one that holds now.
///
/// # Errors
/// When the query fails.
pub fn put_if_absent(conn: &mut Connection, key: &str, value: &str) -> QueryResult<String> {
    upsert::setting_if_absent(conn, key, value)?;
    settings::table.find(key).select(settings::value).first(conn)
}

/// The cheapest question that needs a working database.
pub(super) fn probe(conn: &mut Connection) -> QueryResult<()> {
    diesel::sql_query("SELECT 1").execute(conn).map(drop)
}
