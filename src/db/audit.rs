//! Who did what: append-only, each entry bound to the one before by a hash.
//!
//! The counter row is locked while an entry is added, so entries are in one order without gaps, and it
//! remembers the last number, so entries cut off at the end are noticed as well. This shows changes by
//! somebody who does not know the scheme or has no way to rewrite all that follows; against one who
//! has, the newest hash must be kept elsewhere.

use diesel::prelude::*;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{
    Connection,
    convert::{At, to_json},
    counters,
    schema::audit,
};
use crate::domain::{ids::UserId, time::Timestamp};

/// Entries that are read at once while verifying.
const BATCH: i64 = 1000;

/// One entry.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its number: 1, 2, 3 … without gaps; the cursor of a list.
    pub seq: i64,
    /// When.
    pub at: Timestamp,
    /// Who; nobody when the installation itself did it.
    pub actor: Option<UserId>,
    /// What, as a dotted word such as `instance.create`.
    pub action: String,
    /// To what, such as `instance:{id}`.
    pub target: String,
    /// More about it; never a secret.
    pub detail: Value,
    /// Its hash, hex.
    pub hash: String,
}

/// An entry to add.
#[derive(Clone, Debug)]
pub struct NewEntry {
    /// When.
    pub at: Timestamp,
    /// Who; nobody when the installation itself does it.
    pub actor: Option<UserId>,
    /// What.
    pub action: String,
    /// To what.
    pub target: String,
    /// More about it; never a secret.
    pub detail: Value,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = audit, treat_none_as_default_value = false)]
struct EntryRow {
    seq: i64,
    at: i64,
    actor: Option<String>,
    action: String,
    target: String,
    detail: String,
    prev_hash: String,
    hash: String,
}

impl EntryRow {
    fn read(self) -> QueryResult<Entry> {
        Ok(Entry {
            seq: self.seq,
            at: Timestamp(self.at),
            actor: At("audit", "actor").parse_option(self.actor.as_deref())?,
            action: self.action,
            target: self.target,
            detail: At("audit", "detail").json(&self.detail)?,
            hash: self.hash,
        })
    }

    /// SHA-256 over the previous hash and every field, each preceded by its length, so that no two
    /// different entries are the same bytes.
    fn digest(&self) -> String {
        let (seq, at) = (self.seq.to_string(), self.at.to_string());
        // A dash is no user id, so it stands for nobody.
        let actor = self.actor.as_deref().unwrap_or("-");
        let fields = [&self.prev_hash, &seq, &at, actor, &self.action, &self.target, &self.detail];
        let mut hasher = Sha256::new();
        for field in fields {
            hasher.update(format!("{}:", field.len()));
            hasher.update(field);
        }
        hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Adds an entry.
///
/// # Errors
/// When a query fails.
pub fn append(conn: &mut Connection, new: &NewEntry) -> QueryResult<Entry> {
    let seq = counters::take(conn, counters::AUDIT)?;
    let prev_hash = audit::table.find(seq - 1).select(audit::hash).first(conn).optional()?;
    let mut row = EntryRow {
        seq,
        at: new.at.0,
        actor: new.actor.map(|id| id.to_string()),
        action: new.action.clone(),
        target: new.target.clone(),
        detail: to_json(&new.detail)?,
        prev_hash: prev_hash.unwrap_or_default(),
        hash: String::new(),
    };
    row.hash = row.digest();
    diesel::insert_into(audit::table).values(&row).execute(conn)?;
    row.read()
}

/// At most `limit` entries, newest first; older than `before` and by `actor` if given.
///
/// # Errors
/// When the query fails.
pub fn list(conn: &mut Connection, limit: u32, before: Option<i64>, actor: Option<UserId>) -> QueryResult<Vec<Entry>> {
    let mut query = audit::table
        .filter(audit::seq.lt(before.unwrap_or(i64::MAX)))
        .order(audit::seq.desc())
        .limit(i64::from(limit))
        .into_boxed();
    if let Some(actor) = actor {
        query = query.filter(audit::actor.eq(actor.to_string()));
    }
    let rows: Vec<EntryRow> = query.select(EntryRow::as_select()).load(conn)?;
    rows.into_iter().map(EntryRow::read).collect()
}

/// Checks the whole chain. Inside `Err`: the number of the first entry that is missing or was changed.
///
/// # Errors
/// When a query fails.
pub fn verify(conn: &mut Connection) -> QueryResult<Result<(), i64>> {
    let (mut expected, mut prev_hash) = (1, String::new());
    loop {
        let rows: Vec<EntryRow> = audit::table
            .filter(audit::seq.ge(expected))
            .order(audit::seq)
            .limit(BATCH)
            .select(EntryRow::as_select())
            .load(conn)?;
        if rows.is_empty() {
            let last = counters::last(conn, counters::AUDIT)?;
            return Ok(if last == expected - 1 { Ok(()) } else { Err(expected) });
        }
        for row in rows {
            if row.seq != expected || row.prev_hash != prev_hash || row.hash != row.digest() {
                return Ok(Err(expected));
            }
            expected += 1;
            prev_hash = row.hash;
        }
    }
}
