//! Retention: old entries leave the front of the chain, and the chain says so.

use diesel::prelude::*;
use serde_json::json;

use super::{NewEntry, PURGE, append, reading::first_at};
use crate::{
    db::{Connection, counters, schema::audit},
    domain::time::Timestamp,
};

/// Entries that leave in one transaction at most, so that nobody waits for long.
const AT_ONCE: i64 = 10_000;

/// Removes entries from before `before`, ten thousand at most; returns how many. The newest entry always stays.
///
/// # Errors
/// When a query fails.
pub fn purge(conn: &mut Connection, before: Timestamp, now: Timestamp) -> QueryResult<usize> {
    let newest = counters::last(conn, counters::AUDIT)?;
    let Some(first) = audit::table.order(audit::seq).select(audit::seq).first::<i64>(conn).optional()? else {
        return Ok(0);
    };
    let kept = first_at(conn, before)?.unwrap_or(newest).min(newest).min(first + AT_ONCE);
    let through = kept - 1;
    if through < first {
        return Ok(0);
    }
    let hash: String = audit::table.find(through).select(audit::hash).first(conn)?;
    let entry = NewEntry {
        at: now,
        actor: None,
        action: PURGE.to_owned(),
        target: "audit".to_owned(),
        detail: json!({ "through": through, "hash": hash, "entries": kept - first }),
    };
    append(conn, &entry)?;
    // What the database lets go is what the chain has said.
    counters::set(conn, counters::AUDIT_PURGED, through)?;
    diesel::delete(audit::table.filter(audit::seq.le(through))).execute(conn)
}
