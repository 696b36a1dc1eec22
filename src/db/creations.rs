//! Instances that were made within the last hour: deleting one does not make it unmade.

use diesel::prelude::*;

use super::{Connection, convert::At, schema::creations};
use crate::domain::{
    ids::{InstanceId, UserId},
    time::Timestamp,
};

/// For how long a creation counts, in milliseconds.
pub const WINDOW_MS: i64 = 3_600_000;

/// What was made lately.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recent {
    /// How many.
    pub count: u32,
    /// When the first of them counts no more.
    pub until: Option<Timestamp>,
}

/// What a user made in the hour before `now`.
///
/// # Errors
/// When the query fails.
pub fn recent(conn: &mut Connection, user: UserId, now: Timestamp) -> QueryResult<Recent> {
    let since = now.0.saturating_sub(WINDOW_MS);
    let of_user = || creations::table.filter(creations::user_id.eq(user.to_string())).filter(creations::at.gt(since));
    let count: i64 = of_user().count().get_result(conn)?;
    let first: Option<i64> = of_user().order(creations::at).select(creations::at).first(conn).optional()?;
    let until = first.map(|at| Timestamp(at.saturating_add(WINDOW_MS)));
    Ok(Recent { count: At("creations", "count").number(count)?, until })
}

/// Notes that an instance is made; what counts no more is forgotten.
pub(super) fn note(conn: &mut Connection, user: UserId, instance: InstanceId, at: Timestamp) -> QueryResult<()> {
    let old = creations::table.filter(creations::user_id.eq(user.to_string()));
    diesel::delete(old.filter(creations::at.le(at.0.saturating_sub(WINDOW_MS)))).execute(conn)?;
    let row = (
        creations::instance_id.eq(instance.to_string()),
        creations::user_id.eq(user.to_string()),
        creations::at.eq(at.0),
    );
    diesel::insert_into(creations::table).values(row).execute(conn).map(drop)
}

/// Removes what counts no more; returns how many.
///
/// # Errors
/// When the query fails.
pub fn purge(conn: &mut Connection, now: Timestamp) -> QueryResult<usize> {
    diesel::delete(creations::table.filter(creations::at.le(now.0.saturating_sub(WINDOW_MS)))).execute(conn)
}

/// Takes a creation back that came to nothing.
///
/// # Errors
/// When the query fails.
pub fn forget(conn: &mut Connection, instance: InstanceId) -> QueryResult<()> {
    diesel::delete(creations::table.find(instance.to_string())).execute(conn).map(drop)
}
