//! Whether the chain holds.

use diesel::prelude::*;

use super::{EntryRow, PURGE};
use crate::db::{Connection, counters, schema::audit};

/// Entries that are read at once.
const BATCH: i64 = 1000;

/// What a check of the whole chain has found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// The number of the first entry that is missing or was changed.
    pub first_wrong: Option<i64>,
    /// Entries that hold, from the first on.
    pub entries: u64,
    /// The number of the first that there should be: beyond 1 when older ones were removed in their time.
    pub first: i64,
    /// The number of the newest that holds.
    pub newest: i64,
    /// Its hash; empty when there is none.
    pub newest_hash: String,
    /// Whether an entry has the hash that was expected; `None` when none was.
    pub has_expected: Option<bool>,
}

impl Verified {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_intact(&self) -> bool {
        self.first_wrong.is_none() && self.has_expected != Some(false)
    }
}

/// Checks the whole chain. `expected` is a hash that was noted elsewhere, at a time when it was the newest: an
/// entry must have it still, or the one that was removed last.
///
/// # Errors
/// When a query fails.
pub fn verify(conn: &mut Connection, expected: Option<&str>) -> QueryResult<Verified> {
    let (through, mut prev_hash) = beginning(conn)?;
    let mut found = Verified {
        first: through + 1,
        newest: through,
        newest_hash: prev_hash.clone(),
        has_expected: expected.map(|expected| expected == prev_hash),
        ..Verified::default()
    };
    let mut next = through + 1;
    loop {
        let rows = batch(conn, if found.entries == 0 { i64::MIN } else { next })?;
        if rows.is_empty() {
            let is_whole = counters::last(conn, counters::AUDIT)? == next - 1;
            found.first_wrong = (!is_whole).then_some(next);
            return Ok(found);
        }
        for row in rows {
            if row.seq != next || row.prev_hash != prev_hash || row.hash != row.digest() {
                found.first_wrong = Some(next);
                return Ok(found);
            }
            next += 1;
            found.entries += 1;
            found.newest = row.seq;
            if expected == Some(row.hash.as_str()) {
                found.has_expected = Some(true);
            }
            prev_hash.clone_from(&row.hash);
            found.newest_hash = row.hash;
        }
    }
}

fn batch(conn: &mut Connection, from: i64) -> QueryResult<Vec<EntryRow>> {
    audit::table.filter(audit::seq.ge(from)).order(audit::seq).limit(BATCH).select(EntryRow::as_select()).load(conn)
}

/// The last entry that was removed in its time, by the newest entry that says so, and its hash.
fn beginning(conn: &mut Connection) -> QueryResult<(i64, String)> {
    let newest: Option<String> = audit::table
        .filter(audit::action.eq(PURGE))
        .order(audit::seq.desc())
        .select(audit::detail)
        .first(conn)
        .optional()?;
    let detail = newest.and_then(|detail| serde_json::from_str::<serde_json::Value>(&detail).ok()).unwrap_or_default();
    let through = detail.get("through").and_then(serde_json::Value::as_i64);
    let hash = detail.get("hash").and_then(serde_json::Value::as_str);
    // An entry that does not say it was changed: then the chain is wrong from its first entry on.
    Ok(through.zip(hash).map(|(through, hash)| (through, hash.to_owned())).unwrap_or_default())
}
