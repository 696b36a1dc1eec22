//! Insert or update: the only statements that the backends do not share.

use diesel::prelude::*;

use super::{Connection, schema::settings};

/// Writes a setting over what was there.
pub(super) fn setting(conn: &mut Connection, key: &str, value: &str) -> QueryResult<()> {
    let row = (settings::key.eq(key), settings::value.eq(value));
    let insert = diesel::insert_into(settings::table).values(row);
    match conn {
        Connection::Sqlite(conn) => {
            insert.on_conflict(settings::key).do_update().set(settings::value.eq(value)).execute(conn)
        }
        Connection::Postgres(conn) => {
            insert.on_conflict(settings::key).do_update().set(settings::value.eq(value)).execute(conn)
        }
    }
    .map(drop)
}

/// Writes a setting unless there is one.
pub(super) fn setting_if_absent(conn: &mut Connection, key: &str, value: &str) -> QueryResult<()> {
    let row = (settings::key.eq(key), settings::value.eq(value));
    let insert = diesel::insert_into(settings::table).values(row);
    match conn {
        Connection::Sqlite(conn) => insert.on_conflict(settings::key).do_nothing().execute(conn),
        Connection::Postgres(conn) => insert.on_conflict(settings::key).do_nothing().execute(conn),
    }
    .map(drop)
}
