//! Numbers that are handed out once. Taking one locks its row until the transaction ends, so whatever is
//! done under the number happens in its order.

use diesel::prelude::*;

use super::{Connection, schema::counters};

/// The counter of users' ordinals.
pub(super) const USERS: &str = "users";
/// The counter of audit entries.
pub(super) const AUDIT: &str = "audit";
/// The number of the audit entry up to which entries were removed; the triggers of the audit log ask it.
pub(super) const AUDIT_PURGED: &str = "audit_purged";

/// The next number, starting from 1.
pub(super) fn take(conn: &mut Connection, name: &str) -> QueryResult<i64> {
    diesel::update(counters::table.find(name))
        .set(counters::value.eq(counters::value + 1))
        .returning(counters::value)
        .get_result(conn)
}

/// The number that was handed out last; 0 before the first.
pub(super) fn last(conn: &mut Connection, name: &str) -> QueryResult<i64> {
    counters::table.find(name).select(counters::value).first(conn)
}

/// Writes a number.
pub(super) fn set(conn: &mut Connection, name: &str, value: i64) -> QueryResult<()> {
    diesel::update(counters::table.find(name)).set(counters::value.eq(value)).execute(conn).map(drop)
}
